//! Archives that hold images: tar files of layouts, and what `docker save` writes.

mod index;
mod source;
mod write;

#[cfg(any(test, fuzzing))]
pub(crate) use source::fuzzing;
pub use source::{Archive, ArchiveSource};
pub use write::{ToSave, folder_for, is_stream, pack_layout, save_docker};
