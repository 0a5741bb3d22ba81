//! Files where a stranger may have put something: opening them, and putting others in their place.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

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

/// A new file beside `path`, under a name that nobody can foresee: what lies in that directory is neither followed nor
/// overwritten.
pub(crate) fn beside(path: &Path, mode: u32) -> io::Result<(PathBuf, File)> {
    loop {
        let random = RandomState::new().build_hasher().finish();
        let mut name = OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(format!(".{random:016x}"));
        let temporary = path.with_file_name(name);
        let mut options = File::options();
        options.write(true).create_new(true).mode(mode);
        match options.open(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            answer => return answer.map(|file| (temporary, file)),
        }
    }
}

/// Puts a new file in the place of `path`, in one step. On an error nothing is left beside it.
pub(crate) fn replace(
    path: &Path,
    mode: u32,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let (temporary, mut file) = beside(path, mode)?;
    fill(&mut file)
        .and_then(|()| fs::rename(&temporary, path))
        .inspect_err(|_| drop(fs::remove_file(&temporary)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_in_the_directory_are_not_followed() {
        let folder = std::env::temp_dir().join(format!("regular-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let (precious, path) = (folder.join("precious"), folder.join("file"));
        fs::write(&precious, "x").unwrap();
        std::os::unix::fs::symlink(&precious, &path).unwrap();
        replace(&path, 0o644, |file| io::Write::write_all(file, b"new")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_to_string(&precious).unwrap(), "x");
        let failed = replace(&path, 0o644, |_| Err(io::ErrorKind::StorageFull.into()));
        assert!(failed.is_err());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
        fs::remove_dir_all(&folder).unwrap();
    }
}
