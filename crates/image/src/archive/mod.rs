//! Archives that hold images: tar files of layouts, and what `docker save` writes.

mod index;
mod source;
mod write;

pub use source::{Archive, ArchiveSource};
pub use write::{ToSave, folder_for, is_stream, pack_layout, save_docker};
