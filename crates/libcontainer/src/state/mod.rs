//! Containers on disk: facts are stored, status is derived.

mod record;
mod status;
mod store;
pub(crate) mod time;

pub use record::Record;
pub use status::Status;
pub(crate) use status::{Liveness, identity_of};
pub use store::Store;
pub(crate) use store::{Folder, judge_id};
