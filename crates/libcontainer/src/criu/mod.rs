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

pub(crate) use external::{namespaces, pipes, streams};
pub(crate) use inherited::take_on;
pub(crate) use mounts::{External, in_own_mounts, make_root, outside};
pub(crate) use options::{Features, Options, Request};
pub(crate) use session::{Event, Manner, Session, check};
