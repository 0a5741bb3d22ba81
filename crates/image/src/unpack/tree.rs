//! Directories below a root, looked up so that nothing can lead outside, with the last few kept open.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::directory::open_child;
use super::path::split;
use super::remove;
use crate::error::{Error, Result};

/// How many directories are kept open. Archives list the children of a directory near each other.
const OPEN: usize = 16;

/// A directory and everything below it.
pub(super) struct Tree {
    root: Arc<OwnedFd>,
    /// Most recently used last.
    open: Vec<(Vec<u8>, Arc<OwnedFd>)>,
}

/// A directory that was wanted.
pub(super) struct Made {
    pub(super) fd: Arc<OwnedFd>,
    pub(super) existed: bool,
    /// A whiteout was there: the layers below must not shine through.
    pub(super) over_whiteout: bool,
}

/// What was not there, with its path.
type Missing = Vec<(Vec<u8>, Made)>;

impl Tree {
    pub(super) fn new(root: OwnedFd) -> Self {
        Tree {
            root: Arc::new(root),
            open: Vec::new(),
        }
    }

    pub(super) fn root(&self) -> &OwnedFd {
        &self.root
    }

    /// The directory `folder`, which must exist.
    pub(super) fn existing(&mut self, folder: &[u8]) -> Result<Arc<OwnedFd>, Errno> {
        if folder.is_empty() {
            return Ok(self.root.clone());
        }
        if let Some(at) = self.open.iter().rposition(|(p, _)| p == folder) {
            let found = self.open.remove(at);
            let fd = found.1.clone();
            self.open.push(found);
            return Ok(fd);
        }
        let flags = OFlags::DIRECTORY | OFlags::RDONLY;
        let fd = Arc::new(lookup(
            self.root.as_fd(),
            folder,
            flags,
            ResolveFlags::empty(),
        )?);
        self.remember(folder, fd.clone());
        Ok(fd)
    }

    /// The directory `folder`. What is missing on the way is made, and returned with its path.
    pub(super) fn folder(&mut self, folder: &[u8]) -> Result<(Arc<OwnedFd>, Missing)> {
        let mut made = Vec::new();
        match self.existing(folder) {
            Ok(fd) => return Ok((fd, made)),
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(e) => return Err(lookup_error(folder, e)),
        }
        let mut fd = self.root.clone();
        let slashes = (0..folder.len()).filter(|n| folder[*n] == b'/');
        for end in slashes.chain([folder.len()]) {
            let path = &folder[..end];
            fd = match self.existing(path) {
                Ok(next) => next,
                Err(Errno::NOENT | Errno::NOTDIR) => {
                    let new = self.make(&fd, split(path).1, false);
                    let new = new.map_err(|e| lookup_error(path, e))?;
                    let fd = new.fd.clone();
                    self.remember(path, fd.clone());
                    made.push((path.to_vec(), new));
                    fd
                }
                Err(e) => return Err(lookup_error(path, e)),
            };
        }
        Ok((fd, made))
    }

    /// Makes the directory `name`. A whiteout in its place is removed, anything else, a link above all, only to `replace` it: it
    /// is never followed (CVE-2026-33056).
    pub(super) fn make(
        &mut self,
        parent: &OwnedFd,
        name: &[u8],
        replace: bool,
    ) -> Result<Made, Errno> {
        let (mut existed, mut over_whiteout) = (false, false);
        match fs::mkdirat(parent, name, Mode::RWXU) {
            Err(Errno::EXIST) => {
                let stat = fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
                over_whiteout = is_whiteout(&stat);
                existed = is_directory(&stat);
                if !existed && !over_whiteout && !replace {
                    return Err(Errno::EXIST);
                }
                if !existed {
                    self.clear(parent, name)?;
                    fs::mkdirat(parent, name, Mode::RWXU)?;
                }
            }
            other => other?,
        }
        let fd = Arc::new(open_child(parent, name)?);
        Ok(Made {
            fd,
            existed,
            over_whiteout,
        })
    }

    /// Keeps a directory open that the caller has just opened.
    pub(super) fn remember(&mut self, path: &[u8], fd: Arc<OwnedFd>) {
        if self.open.len() >= OPEN {
            self.open.remove(0);
        }
        self.open.push((path.to_vec(), fd));
    }

    /// Removes whatever `name` is in `parent`. Directories kept open may be gone afterwards, or reached in another way.
    pub(super) fn clear(&mut self, parent: &OwnedFd, name: &[u8]) -> Result<(), Errno> {
        self.open.clear();
        remove::remove_at(parent.as_fd(), name)
    }
}

fn lookup_error(path: &[u8], error: Errno) -> Error {
    let shown = String::from_utf8_lossy(path);
    match error {
        Errno::LOOP => failure!(Unsafe: "links in {shown:?} go round in circles"),
        Errno::EXIST => failure!(Unsafe: "{shown:?} is not a directory, or leads nowhere"),
        e => Error::system(format!("open {shown:?}"), e),
    }
}

/// Opens `path` below `root`; links on the way stay inside, magic links are refused, and `more` if it says so.
pub(crate) fn lookup(
    root: BorrowedFd<'_>,
    path: &[u8],
    flags: OFlags,
    more: ResolveFlags,
) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | more;
    loop {
        match fs::openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            // A rename elsewhere on the system can make the kernel unsure whether ".." stayed inside.
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => return other,
        }
    }
}

pub(crate) fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

/// overlayfs, "whiteouts and opaque directories": a character device with number 0.
pub(crate) fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}
