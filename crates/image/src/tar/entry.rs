//! One entry of an archive, with everything that its headers say.

use super::Time;
use super::sparse::Segment;

/// What an entry is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    #[default]
    File,
    /// Another name of an earlier file.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
}

/// One entry with everything that its headers say. Kept and refilled to spare allocations.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Name as written, any bytes but NUL.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Target of a link.
    pub link: Vec<u8>,
    /// Permission, set-id and sticky bits.
    pub mode: u32,
    /// Owner.
    pub uid: i64,
    /// Group.
    pub gid: i64,
    /// Length of the file, holes included.
    pub size: u64,
    /// Time of modification.
    pub mtime: Time,
    /// Device number.
    pub device: (u32, u32),
    /// Extended attributes, names with their namespace.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where the data belongs, for files with holes.
    pub sparse: Option<Vec<Segment>>,
}
