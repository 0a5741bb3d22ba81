//! Containers on disk: facts are stored, status is derived.
//!
//! Looking answers with a `Result` here: a look that failed says nothing, least of all that something is gone.
#![cfg_attr(
    not(test),
    deny(clippy::disallowed_methods, clippy::let_underscore_must_use)
)]

mod folder;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
pub(crate) mod observe;
mod record;
mod runc;
mod status;
mod store;
pub(crate) mod time;

pub(crate) use folder::{Folder, Held, Stored};
pub(crate) use observe::Liveness;
pub use record::{Record, Waiter};
pub(crate) use runc::{PoststopHook, release as release_as_runc};
pub use status::Status;
pub use store::Store;
