//! Removing trees of any depth with few open descriptors.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{self, AtFlags, Mode, RenameFlags};
use rustix::io::Errno;

use super::directory::{entries, open_child, open_directory};
use crate::error::{Error, Result};
use crate::files::folder_of;

/// Below this depth directories are first moved up.
const DEPTH: usize = 64;

/// Removes `path` and everything in it; not an error when there is nothing.
pub fn remove_tree(path: &Path) -> Result<()> {
    let error = |e: Errno| Error::file("remove", path, e.into());
    let Some(name) = path.file_name() else {
        return Err(error(Errno::INVAL));
    };
    let parent = match open_directory(folder_of(path)) {
        Err(e) if e.errno() == Some(Errno::NOENT.raw_os_error()) => return Ok(()),
        other => other?,
    };
    remove_at(parent.as_fd(), name.as_encoded_bytes()).map_err(error)
}

/// Removes `name` in `parent`, whatever it is; not an error when there is nothing.
pub(super) fn remove_at(parent: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    match fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        // Linux says EISDIR for directories, whoever asks; POSIX says EPERM.
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(e) => return Err(e),
    }
    let top = open_child_writable(parent, name)?;
    let mut moved = 0;
    loop {
        let before = moved;
        empty(&top, &top, 0, &mut moved)?;
        if moved == before {
            break;
        }
    }
    drop(top);
    fs::unlinkat(parent, name, AtFlags::REMOVEDIR)
}

fn empty(directory: &OwnedFd, top: &OwnedFd, depth: usize, moved: &mut u64) -> Result<(), Errno> {
    for entry in entries(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        match fs::unlinkat(directory, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => continue,
            Err(Errno::ISDIR | Errno::PERM) => {}
            Err(e) => return Err(e),
        }
        if depth >= DEPTH {
            loop {
                *moved += 1;
                // Something of that name may be there already, by accident or on purpose.
                let (to, flags) = (format!(".removed-{moved}"), RenameFlags::NOREPLACE);
                match fs::renameat_with(directory, name, top, to, flags) {
                    Err(Errno::EXIST) => {}
                    other => break other?,
                }
            }
            continue;
        }
        let child = open_child_writable(directory.as_fd(), name.to_bytes())?;
        empty(&child, top, depth + 1, moved)?;
        drop(child);
        // Its own children may have been moved to a place that this loop has yet to see.
        fs::unlinkat(directory, name, AtFlags::REMOVEDIR)?;
    }
    Ok(())
}

/// Without privilege, a directory that its owner may not enter has to be opened up first.
fn open_child_writable(parent: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    let open = open_child(parent, name);
    let usable = match &open {
        Ok(fd) => fs::fstat(fd)?.st_mode & 0o700 == 0o700,
        Err(Errno::ACCESS) => false,
        Err(_) => true,
    };
    if usable || rustix::process::geteuid().is_root() {
        return open;
    }
    match &open {
        Ok(fd) => fs::fchmod(fd, Mode::RWXU)?,
        // The entry is a directory (unlinkat said so) in a tree that only this program changes.
        Err(_) => fs::chmodat(parent, name, Mode::RWXU, AtFlags::empty())?,
    }
    open_child(parent, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_and_wide_trees_go() {
        let temporary = tempfile::tempdir().unwrap();
        let top = temporary.path().join("top");
        let mut at = top.clone();
        for n in 0..300 {
            at.push(if n % 2 == 0 { "d" } else { "e" });
        }
        std::fs::create_dir_all(&at).unwrap();
        std::fs::write(at.join("f"), "x").unwrap();
        std::os::unix::fs::symlink("/", top.join("link")).unwrap();
        remove_tree(&top).unwrap();
        assert!(!top.exists());
        remove_tree(&top).unwrap();
        remove_tree(&temporary.path().join("no/such")).unwrap();
    }
}
