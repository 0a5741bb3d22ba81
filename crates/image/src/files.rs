//! Files: opened where a stranger may have put them, replaced in one step, and without a name.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, Mode, OFlags, flock};

#[cfg(doc)]
use crate::error::Kind;
use crate::error::{Doing, Error, Result};
use crate::source::Content;

/// Ends the names of files that are to replace others.
const SUFFIX: &str = ".tmp";

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
        .at("open", path)?;
    let metadata = file.metadata().at("read attributes of", path)?;
    if !metadata.is_file() {
        fail!(Unsafe: "{} is no regular file", path.display());
    }
    Ok((file, metadata))
}

/// Replaces what is at `path` in one step by what `fill` writes; nothing changes when that fails.
pub(crate) fn replace<T>(
    path: &Path,
    mode: u32,
    fill: impl FnOnce(File) -> Result<(T, File)>,
) -> Result<T> {
    let error = |e| Error::file("write", path, e);
    let folder = folder_of(path);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    sweep(folder, &format!(".{name}."));
    let temporary = folder.join(format!(".{name}.{}{SUFFIX}", std::process::id()));
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&temporary)
        .map_err(error)?;
    // Says that somebody is at it.
    let _ = flock(&file, FlockOperation::LockShared);
    let result = fill(file).and_then(|(made, file)| {
        fs::rename(&temporary, path).map_err(error)?;
        drop(file);
        Ok(made)
    });
    if result.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    result
}

/// The same with these bytes.
pub(crate) fn write(path: &Path, mode: u32, bytes: &[u8]) -> Result<()> {
    replace(path, mode, |mut file| {
        file.write_all(bytes).at("write", path)?;
        Ok(((), file))
    })
}

/// What is in a folder; nothing where there is none.
pub(crate) fn list(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path())
}

/// Removes what killed processes left in `folder` of [`replace`] under names that begin with `prefix`. Returns number and
/// bytes.
pub(crate) fn sweep(folder: &Path, prefix: &str) -> (u64, u64) {
    let (mut count, mut bytes) = (0, 0);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let ours = name.to_str().is_some_and(|n| {
            let rest = n.strip_prefix(prefix).and_then(|n| n.strip_suffix(SUFFIX));
            let pid = rest.and_then(|n| n.rsplit('.').next());
            pid.is_some_and(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()))
        });
        if !ours {
            continue;
        }
        let Ok((file, metadata)) = open(&entry.path(), OFlags::NOFOLLOW) else {
            continue;
        };
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
            && fs::remove_file(entry.path()).is_ok()
        {
            count += 1;
            bytes += metadata.len();
        }
    }
    (count, bytes)
}

/// Refuses what has something in it already, or is no folder.
pub(crate) fn check_free(target: &Path) -> Result<()> {
    let occupied = fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_some());
    if occupied || (target.exists() && !target.is_dir()) {
        fail!(Local: "{} exists and is not empty", target.display()
            => "Name a new directory, or remove that one first");
    }
    Ok(())
}

/// The folder that `path` is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A file without a name on the file system of `folder`, which vanishes with the last descriptor.
pub(crate) fn unnamed(folder: &Path) -> Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    match rustix::fs::open(folder, flags, mode) {
        Ok(fd) => Ok(fd.into()),
        // Not every file system knows such files.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR) => {
            let path = folder.join(format!(".unnamed.{}{SUFFIX}", std::process::id()));
            let error = |e| Error::file("make", &path, e);
            let file = File::options()
                .read(true)
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
                .map_err(error)?;
            fs::remove_file(&path).map_err(error)?;
            Ok(file)
        }
        Err(e) => Err(Error::file("make an unnamed file in", folder, e.into())),
    }
}

/// A stretch of a file that others may read as well.
pub(crate) struct Slice {
    file: Arc<File>,
    position: u64,
    end: u64,
}

impl Slice {
    /// What stands in `file` at a place, that is position and length: from byte `start` of it on, up to `end` if that is given.
    pub(crate) fn content(
        file: Arc<File>,
        (position, length): (u64, u64),
        start: u64,
        end: Option<u64>,
    ) -> Content {
        let end = end.unwrap_or(length).min(length);
        let slice = Slice {
            file,
            position: position + start.min(end),
            end: position + end,
        };
        Content {
            reader: Box::new(slice),
            start,
        }
    }
}

impl Read for Slice {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.end.saturating_sub(self.position);
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(into.len());
        let n = self.file.read_at(&mut into[..most], self.position)?;
        self.position += n as u64;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use std::io::Write;

    #[test]
    fn what_a_killed_process_left_goes_and_what_a_living_one_writes_stays() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("f");
        let (left, other) = (".f.1.tmp", ".f.x.tmp");
        for name in [left, other] {
            fs::write(temporary.path().join(name), "half").unwrap();
        }
        replace(&path, 0o600, |mut file| {
            file.write_all(b"whole").unwrap();
            assert_eq!(sweep(temporary.path(), "."), (0, 0), "it is being written");
            Ok(((), file))
        })
        .unwrap();
        let mut names: Vec<_> = fs::read_dir(temporary.path())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, [other, "f"]);
        let failed = replace(&path, 0o600, |_| {
            Err::<((), File), _>(Error::new(Kind::Local, "x"))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 2);
    }
}
