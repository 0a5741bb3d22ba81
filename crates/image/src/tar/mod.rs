//! Reading and writing tar archives: ustar, PAX and GNU extensions.
//!
//! Written here because two readers that understand an archive differently are an attack (CVE-2025-62518, CVE-2026-33055):
//! this one has a single rule for each contradiction, which is to refuse it, and never touches the file system.

mod entry;
mod header;
mod pax;
mod reader;
mod sparse;
mod writer;

pub use entry::{Entry, EntryKind};
pub use reader::Reader;
pub use sparse::Segment;
pub use writer::Writer;

/// Archives consist of blocks of this many bytes.
pub const BLOCK: usize = 512;

/// A time as it is written into inodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Since 1970, negative before.
    pub seconds: i64,
    /// 0 to 999,999,999.
    pub nanoseconds: u32,
}

impl Time {
    /// When the content of something last changed.
    pub(crate) fn modified(stat: &rustix::fs::Stat) -> Self {
        Time {
            seconds: stat.st_mtime,
            nanoseconds: stat.st_mtime_nsec as u32,
        }
    }

    /// For a file that is read again by [`Time::from_bytes`].
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        [
            &self.seconds.to_le_bytes()[..],
            &self.nanoseconds.to_le_bytes(),
        ]
        .concat()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let (seconds, nanoseconds) = bytes.split_at(8);
        Time {
            seconds: i64::from_le_bytes(seconds.try_into().unwrap_or_default()),
            nanoseconds: u32::from_le_bytes(nanoseconds.try_into().unwrap_or_default()),
        }
    }
}
