//! Checkpoints: what this library and criu(8) say to each other (its RPC, `images/rpc.proto`).
//!
//! `criu swrk` reads one request from a socket, tells about the points of its work that others take part in, waits for an
//! answer to each, and ends with a response.

mod causes;
mod external;
mod inherited;
mod message;
mod mounts;
mod options;
mod session;

pub(crate) use external::{foreign, is_gone, left_out, mounts, names_of, namespaces, streams};
pub(crate) use inherited::take_on;
pub(crate) use mounts::{External, make_root, outside};
pub(crate) use options::{Features, Options, Request};
pub(crate) use session::{Event, Manner, Session, check};

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing {
    //! Ways in for [`crate::fuzzing`].

    /// What CRIU answers.
    pub fn any_bytes(bytes: &[u8]) {
        let fields = super::message::fields(bytes).count();
        assert!(fields <= bytes.len());
        let _ = super::session::Response::read(bytes);
    }
}
