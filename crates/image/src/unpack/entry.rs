//! One entry of an archive becomes one inode (image-spec, layer.md, "Applying Changesets").

use std::io::BufRead;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::attributes::timestamps;
use super::directory::open_child;
use super::journal::Kind;
use super::path::{self, Whiteout};
use super::tree::{is_directory, is_whiteout};
use super::{Layer, attributes};
use crate::error::{Doing, Error, Result};
use crate::tar::{Entry, EntryKind, Reader, Segment};

impl Layer {
    pub(super) fn apply<R: BufRead>(
        &mut self,
        entry: &Entry,
        reader: &mut Reader<R>,
    ) -> Result<()> {
        let path = path::clean(&entry.path, &self.limits, false)?;
        if path.is_empty() {
            return self.root(entry);
        }
        match path::whiteout(&path)? {
            Whiteout::None => {}
            Whiteout::Bookkeeping => return Ok(()),
            _ if entry.kind == EntryKind::Directory => {
                fail!(Unsafe: "a directory with the name of a whiteout");
            }
            Whiteout::Opaque => return self.opaque(path::split(&path).0),
            Whiteout::Name(hidden) => return self.hide(path::split(&path).0, hidden),
        }
        let (folder, name) = path::split(&path);
        let parent = self.folder(folder)?;
        match entry.kind {
            EntryKind::File => self.file(&parent, name, entry, reader),
            EntryKind::Directory => self.directory(&parent, &path, name, entry),
            EntryKind::HardLink => self.hard_link(&parent, &path, name, entry),
            EntryKind::Symlink => {
                if entry.link.is_empty() {
                    fail!(Malformed: "a symbolic link without target");
                }
                let make = |p: &OwnedFd| fs::symlinkat(entry.link.as_slice(), p, name);
                self.fresh(&parent, name, make, "make link")?;
                self.attributes.apply_at(&parent, name, entry, false)
            }
            EntryKind::Fifo => {
                let make = |p: &OwnedFd| fs::mknodat(p, name, FileType::Fifo, Mode::RUSR, 0);
                self.fresh(&parent, name, make, "make pipe")?;
                self.attributes.apply_at(&parent, name, entry, true)
            }
            EntryKind::CharDevice | EntryKind::BlockDevice => self.device(&parent, name, entry),
        }
    }

    /// Until an entry describes the root, it is like any directory that was left out.
    pub(super) fn start(&mut self) -> Result<()> {
        self.marks.implicit(self.tree.root())?;
        self.journal.push(Kind::Implicit, b"", b"")
    }

    /// The root's own entry. Were it anything but a directory, later names would lead elsewhere (CVE-2021-29136).
    fn root(&mut self, entry: &Entry) -> Result<()> {
        if entry.kind != EntryKind::Directory {
            fail!(Unsafe: "the root is not a directory");
        }
        let mode = self.attributes.directory_mode(entry);
        self.marks.described(self.tree.root())?;
        self.strip(self.tree.root().as_fd())?;
        self.attributes
            .apply(self.tree.root().as_fd(), entry, mode)?;
        self.journal.push(Kind::Times, b"", &entry.mtime.to_bytes())
    }

    /// The directory that an entry goes into. Missing ones are made, marked, and completed at the end.
    fn folder(&mut self, folder: &[u8]) -> Result<Arc<OwnedFd>> {
        let (fd, made) = self.tree.folder(folder)?;
        for (path, directory) in made {
            let fd = &*directory.fd;
            self.marks.fresh(fd)?;
            self.marks.implicit(fd)?;
            fs::fchmod(fd, Mode::from_raw_mode(0o755)).doing("change mode")?;
            if directory.over_whiteout {
                self.marks.replace(fd)?;
            }
            self.journal.push(Kind::Implicit, &path, b"")?;
        }
        Ok(fd)
    }

    /// Runs `make`; what is in the way is removed first.
    fn fresh<T>(
        &mut self,
        parent: &Arc<OwnedFd>,
        name: &[u8],
        make: impl Fn(&OwnedFd) -> Result<T, Errno>,
        doing: &str,
    ) -> Result<T> {
        let made = match make(parent) {
            Err(Errno::EXIST) => self.tree.clear(parent, name).and_then(|()| make(parent)),
            made => made,
        };
        made.doing(doing)
    }

    fn file<R: BufRead>(
        &mut self,
        parent: &Arc<OwnedFd>,
        name: &[u8],
        entry: &Entry,
        reader: &mut Reader<R>,
    ) -> Result<()> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // Most need no change of it afterwards. Nobody else can come here until the layer is whole.
        let mode = Mode::from_raw_mode(entry.mode & 0o777) | Mode::RUSR | Mode::WUSR;
        let make = |p: &OwnedFd| fs::openat(p, name, flags, mode);
        let fd = self.fresh(parent, name, make, "create file")?;
        let error = |e| Error::system("write", e);
        let whole = [Segment {
            offset: 0,
            length: entry.size,
        }];
        if entry.sparse.is_some() {
            if entry.size > self.limits.layer_bytes {
                fail!(Limit: "a file of {} bytes", entry.size);
            }
            fs::ftruncate(&fd, entry.size).map_err(error)?;
        }
        for segment in entry.sparse.as_deref().unwrap_or(&whole) {
            let mut done = 0;
            while done < segment.length {
                let piece = reader.data()?;
                let most = usize::try_from(segment.length - done).unwrap_or(usize::MAX);
                let piece = &piece[..piece.len().min(most)];
                let written = rustix::io::pwrite(&fd, piece, segment.offset + done);
                let n = written.map_err(error)?;
                reader.consume(n);
                done += n as u64;
            }
        }
        self.attributes.apply(fd.as_fd(), entry, entry.mode)?;
        fs::futimens(&fd, &timestamps(entry.mtime)).doing("set time")
    }

    fn directory(
        &mut self,
        parent: &Arc<OwnedFd>,
        path: &[u8],
        name: &[u8],
        entry: &Entry,
    ) -> Result<()> {
        let made = self.tree.make(parent, name, true).doing("make directory")?;
        let fd = made.fd;
        if made.existed {
            self.marks.described(&*fd)?;
            self.strip(fd.as_fd())?;
        } else {
            self.marks.fresh(&*fd)?;
        }
        if made.over_whiteout {
            self.marks.replace(&*fd)?;
        }
        let mode = self.attributes.directory_mode(entry);
        self.attributes.apply(fd.as_fd(), entry, mode)?;
        if !made.existed {
            self.tree.remember(path, fd);
        }
        self.journal
            .push(Kind::Times, path, &entry.mtime.to_bytes())
    }

    /// Last wins: nothing of an earlier description may stay.
    fn strip(&self, directory: BorrowedFd<'_>) -> Result<()> {
        for old in attributes::names(directory)? {
            if !attributes::is_private(&old) {
                fs::fremovexattr(directory, old.as_slice()).doing("replace attributes")?;
            }
        }
        Ok(())
    }

    fn hard_link(
        &mut self,
        parent: &Arc<OwnedFd>,
        path: &[u8],
        name: &[u8],
        entry: &Entry,
    ) -> Result<()> {
        let target = path::clean(&entry.link, &self.limits, true)?;
        if target.is_empty() || target == path {
            fail!(Unsafe: "a hard link to itself or to the root");
        }
        if path::whiteout(&target)? != Whiteout::None {
            fail!(Unsafe: "a hard link to a whiteout");
        }
        let (folder, target_name) = path::split(&target);
        // The same descriptor is looked at and linked from: nothing can change in between (CVE-2026-50163).
        let found = self.tree.existing(folder).and_then(|fd| {
            let stat = fs::statat(&*fd, target_name, AtFlags::SYMLINK_NOFOLLOW)?;
            Ok((fd, stat))
        });
        let (from, stat) = match found {
            Err(Errno::NOENT | Errno::NOTDIR) => {
                return self.journal.push(Kind::Link, path, &target);
            }
            found => found.doing("look up link target")?,
        };
        if is_whiteout(&stat) {
            fail!(Unsafe: "a hard link to something removed");
        }
        if is_directory(&stat) {
            fail!(Unsafe: "a hard link to a directory");
        }
        if let Ok(old) = fs::statat(&**parent, name, AtFlags::SYMLINK_NOFOLLOW)
            && (old.st_dev, old.st_ino) == (stat.st_dev, stat.st_ino)
        {
            return Ok(());
        }
        let make = |p: &OwnedFd| fs::linkat(&*from, target_name, p, name, AtFlags::empty());
        self.fresh(parent, name, make, "make hard link")
    }

    fn device(&mut self, parent: &Arc<OwnedFd>, name: &[u8], entry: &Entry) -> Result<()> {
        let kind = match entry.kind {
            EntryKind::CharDevice => FileType::CharacterDevice,
            _ => FileType::BlockDevice,
        };
        if kind == FileType::CharacterDevice && entry.device == (0, 0) {
            fail!(Unsafe: "a character device 0:0, which overlayfs takes for a whiteout");
        }
        let number = fs::makedev(entry.device.0, entry.device.1);
        let make = |p: &OwnedFd| fs::mknodat(p, name, kind, Mode::RUSR, number);
        match self.fresh(parent, name, make, "make device") {
            Ok(()) => self.attributes.apply_at(parent, name, entry, true),
            // Containers get their devices from the runtime; images that bring some work without.
            Err(e) if e.errno() == Some(Errno::PERM.raw_os_error()) => {
                self.summary.skipped_devices += 1;
                Ok(())
            }
            Err(e) => Err(e),
        }
    }

    /// `.wh.<name>` hides lower layers only, wherever it stands in the archive.
    fn hide(&mut self, folder: &[u8], hidden: &[u8]) -> Result<()> {
        self.summary.whiteouts += 1;
        let parent = self.folder(folder)?;
        let kind = FileType::CharacterDevice;
        match fs::mknodat(&*parent, hidden, kind, Mode::empty(), 0) {
            Err(Errno::EXIST) => match open_child(&*parent, hidden) {
                Ok(fd) => self.marks.replace(fd),
                // Only directories let something shine through.
                Err(Errno::NOTDIR | Errno::LOOP) => Ok(()),
                Err(e) => Err(Error::system("whiteout", e)),
            },
            other => other.doing("make whiteout"),
        }
    }

    fn opaque(&mut self, folder: &[u8]) -> Result<()> {
        self.summary.whiteouts += 1;
        let fd = self.folder(folder)?;
        self.marks.make_opaque(&*fd)
    }
}
