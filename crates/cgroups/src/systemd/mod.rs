//! Scopes of systemd: one transient unit holds one container's cgroup.

mod bus;
mod message;
#[allow(
    clippy::disallowed_methods,
    reason = "values of the config are compiled, nothing is looked at"
)]
mod property;
mod scope;
mod unit;

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing {
    //! A way in for [`crate::fuzzing`].

    /// A message from a bus, and the value of an annotation.
    pub fn any_bytes(bytes: &[u8]) {
        if let Ok(Some((message, length))) = super::message::Message::take(bytes) {
            assert!(length <= bytes.len());
            let mut body = message.body();
            while body.number().is_ok() || body.text().is_ok() || body.text_variant().is_ok() {}
        }
        if let Ok(text) = std::str::from_utf8(bytes) {
            let _ = super::property::parse("Name", text);
        }
    }
}

pub use bus::{BusError, Session};
pub(crate) use property::{Property, Value, parse as parse_property, quota_per_second};
pub(crate) use scope::attach;
pub(crate) use unit::{Unit, below_manager};
