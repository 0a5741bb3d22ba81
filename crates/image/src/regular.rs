//! Opening files that a stranger may have put there.

use std::fs::{File, Metadata};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use crate::error::{Error, Kind, Result};

/// Opens a file to read it, with `more` flags than those that keep a pipe or a terminal in its place from being waited for.
///
/// # Errors
/// [`Kind::Unsafe`] for anything but a regular file.
pub(crate) fn open(path: &Path, more: OFlags) -> Result<(File, Metadata)> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | more;
    let file = File::options()
        .read(true)
        .custom_flags(flags.bits() as i32)
        .open(path)
        .map_err(|e| Error::file("open", path, e))?;
    let metadata = file
        .metadata()
        .map_err(|e| Error::file("read attributes of", path, e))?;
    if !metadata.is_file() {
        return Err(Error::new(
            Kind::Unsafe,
            format!("{} is no regular file", path.display()),
        ));
    }
    Ok((file, metadata))
}
