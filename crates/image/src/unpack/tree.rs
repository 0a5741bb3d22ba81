//! Directories below a root, looked up so that nothing can lead outside, with the last few kept open.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

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

/// What [`Tree::folder`] had to make, in order, so that the caller can mark it.
#[derive(Default)]
pub(super) struct Made {
    pub(super) paths: Vec<MadeDirectory>,
}

/// A directory that no entry described.
pub(super) struct MadeDirectory {
    pub(super) path: Vec<u8>,
    pub(super) fd: Arc<OwnedFd>,
    /// A whiteout was there: the layers below must not shine through.
    pub(super) over_whiteout: bool,
}

impl Tree {
    pub(super) fn new(root: OwnedFd) -> Self {
        Tree {
            root: Arc::new(root),
            open: Vec::new(),
        }
    }

    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
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
        let fd = Arc::new(lookup(
            self.root.as_fd(),
            folder,
            OFlags::DIRECTORY | OFlags::RDONLY,
        )?);
        self.remember(folder, fd.clone());
        Ok(fd)
    }

    /// The directory `folder`; what is missing on the way is made and reported in `made`.
    pub(super) fn folder(&mut self, folder: &[u8], made: &mut Made) -> Result<Arc<OwnedFd>> {
        match self.existing(folder) {
            Ok(fd) => return Ok(fd),
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(e) => return Err(self.lookup_error(folder, e)),
        }
        let mut fd = self.root.clone();
        let mut end = 0;
        while end < folder.len() {
            let start = end + usize::from(end > 0);
            end = folder[start..]
                .iter()
                .position(|b| *b == b'/')
                .map_or(folder.len(), |n| start + n);
            let (so_far, name) = (&folder[..end], &folder[start..end]);
            fd = match self.existing(so_far) {
                Ok(next) => next,
                Err(Errno::NOENT | Errno::NOTDIR) => self.make(&fd, so_far, name, made)?,
                Err(e) => return Err(self.lookup_error(so_far, e)),
            };
        }
        Ok(fd)
    }

    fn make(
        &mut self,
        parent: &Arc<OwnedFd>,
        path: &[u8],
        name: &[u8],
        made: &mut Made,
    ) -> Result<Arc<OwnedFd>> {
        let mut over_whiteout = false;
        let error = |e| self.lookup_error(path, e);
        match fs::mkdirat(parent, name, Mode::from_raw_mode(0o755)) {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                let stat = fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).map_err(error)?;
                if !is_whiteout(&stat) {
                    fail!(Unsafe: "{:?} is not a directory, or leads nowhere", String::from_utf8_lossy(path));
                }
                fs::unlinkat(parent, name, AtFlags::empty()).map_err(error)?;
                fs::mkdirat(parent, name, Mode::from_raw_mode(0o755)).map_err(error)?;
                over_whiteout = true;
            }
            Err(e) => return Err(error(e)),
        }
        let fd = Arc::new(open_child(parent, name).map_err(error)?);
        made.paths.push(MadeDirectory {
            path: path.to_vec(),
            fd: fd.clone(),
            over_whiteout,
        });
        self.remember(path, fd.clone());
        Ok(fd)
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

    fn lookup_error(&self, path: &[u8], error: Errno) -> Error {
        let shown = String::from_utf8_lossy(path).into_owned();
        match error {
            Errno::LOOP => failure!(Unsafe: "links in {shown:?} go round in circles"),
            e => Error::system(format!("open {shown:?}"), e),
        }
    }
}

/// Opens `path` below `root`; links on the way stay inside, magic links are refused.
pub(crate) fn lookup(root: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    loop {
        match fs::openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            // A rename elsewhere on the system can make the kernel unsure whether ".." stayed inside.
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => return other,
        }
    }
}

/// Opens the child directory `name`, which must not be a link.
pub(crate) fn open_child(parent: impl AsFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs::openat(parent, name, flags, Mode::empty())
}

/// overlayfs, "whiteouts and opaque directories": a character device with number 0.
pub(crate) fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}
