//! Scopes of systemd: one transient unit holds one container's cgroup.

mod bus;
mod message;
mod property;
mod scope;
mod unit;

pub use bus::BusError;
pub(crate) use property::{Property, Value};
pub(crate) use scope::attach;
pub(crate) use unit::{Unit, below_manager};
