//! One entry of an archive becomes one inode (image-spec, layer.md, "Applying Changesets").

use std::io::BufRead;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::attributes::timestamps;
use super::journal::Record;
use super::path::{self, Whiteout};
use super::tree::{Made, is_whiteout, open_child};
use super::{Layer, attributes};
use crate::error::{Doing, Error, Result};
use crate::tar::{Entry, EntryKind, Reader};

impl Layer {
    pub(super) fn apply<R: BufRead>(
        &mut self,
        entry: &Entry,
        reader: &mut Reader<R>,
    ) -> Result<()> {
        let mut path = Vec::with_capacity(entry.path.len());
        path::clean(&entry.path, &self.limits, &mut path)?;
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
                self.fresh(
                    &parent,
                    name,
                    |p| fs::symlinkat(entry.link.as_slice(), p, name),
                    "make link",
                )?;
                self.attributes.apply_at(&parent, name, entry, false)
            }
            EntryKind::Fifo => {
                self.fresh(
                    &parent,
                    name,
                    |p| fs::mknodat(p, name, FileType::Fifo, Mode::RUSR, 0),
                    "make pipe",
                )?;
                self.attributes.apply_at(&parent, name, entry, true)
            }
            EntryKind::CharDevice | EntryKind::BlockDevice => self.device(&parent, name, entry),
        }
    }

    /// Until an entry describes the root, it is like any directory that was left out.
    pub(super) fn start(&mut self) -> Result<()> {
        self.marks.implicit(self.tree.root())?;
        self.journal.push(&Record::Implicit { path: Vec::new() })
    }

    /// The root's own entry. Were it anything but a directory, later names would lead elsewhere (CVE-2021-29136).
    fn root(&mut self, entry: &Entry) -> Result<()> {
        if entry.kind != EntryKind::Directory {
            fail!(Unsafe: "the root is not a directory");
        }
        let mode = if self.attributes.privileged() {
            entry.mode
        } else {
            entry.mode | 0o700
        };
        self.marks.described(self.tree.root())?;
        self.strip(self.tree.root())?;
        self.attributes.apply(self.tree.root(), entry, mode)?;
        self.journal.push(&Record::Times {
            path: Vec::new(),
            time: entry.mtime,
        })
    }

    /// The directory that an entry goes into. Missing ones are made, marked, and completed at the end.
    fn folder(&mut self, folder: &[u8]) -> Result<Arc<OwnedFd>> {
        let mut made = Made::default();
        let fd = self.tree.folder(folder, &mut made)?;
        for directory in made.paths {
            self.marks.fresh(&*directory.fd)?;
            self.marks.implicit(&*directory.fd)?;
            // mkdir(2) was subject to the caller's umask.
            fs::fchmod(&*directory.fd, Mode::from_raw_mode(0o755)).doing("change mode")?;
            if directory.over_whiteout {
                self.marks.replace(&*directory.fd)?;
            }
            self.journal.push(&Record::Implicit {
                path: directory.path,
            })?;
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
        let error = |e| Error::system(doing, e);
        match make(parent) {
            Ok(done) => Ok(done),
            Err(Errno::EXIST) => {
                self.tree.clear(parent, name).map_err(error)?;
                make(parent).map_err(error)
            }
            Err(e) => Err(error(e)),
        }
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
        let fd = self.fresh(
            parent,
            name,
            |p| fs::openat(p, name, flags, Mode::RUSR | Mode::WUSR),
            "create file",
        )?;
        let error = |e| Error::system("write", e);
        self.summary.bytes += entry.size;
        match &entry.sparse {
            None => loop {
                let piece = reader.data()?;
                if piece.is_empty() {
                    break;
                }
                let n = rustix::io::write(&fd, piece).map_err(error)?;
                reader.consume(n);
            },
            Some(segments) => {
                if entry.size > self.limits.layer_bytes {
                    fail!(Limit: "a file of {} bytes", entry.size);
                }
                fs::ftruncate(&fd, entry.size).map_err(error)?;
                for segment in segments {
                    let mut done = 0;
                    while done < segment.length {
                        let piece = reader.data()?;
                        let most = usize::try_from(segment.length - done).unwrap_or(usize::MAX);
                        let n = rustix::io::pwrite(
                            &fd,
                            &piece[..piece.len().min(most)],
                            segment.offset + done,
                        )
                        .map_err(error)?;
                        reader.consume(n);
                        done += n as u64;
                    }
                }
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
        let error = |e| Error::system("make directory", e);
        let mut over_whiteout = false;
        let mut existed = false;
        match fs::mkdirat(&**parent, name, Mode::RWXU) {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                // A directory gets new attributes. Anything else, a link above all, is removed and not followed
                // (CVE-2026-33056).
                let stat = fs::statat(&**parent, name, AtFlags::SYMLINK_NOFOLLOW).map_err(error)?;
                existed = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
                if !existed {
                    over_whiteout = is_whiteout(&stat);
                    self.tree.clear(parent, name).map_err(error)?;
                    fs::mkdirat(&**parent, name, Mode::RWXU).map_err(error)?;
                }
            }
            Err(e) => return Err(error(e)),
        }
        let fd = Arc::new(open_child(&**parent, name).map_err(error)?);
        if existed {
            self.marks.described(&*fd)?;
            self.strip(fd.as_fd())?;
        } else {
            self.marks.fresh(&*fd)?;
        }
        if over_whiteout {
            self.marks.replace(&*fd)?;
        }
        // Without privilege, a directory that its owner may not write to would refuse what comes next.
        let mode = if self.attributes.privileged() {
            entry.mode
        } else {
            entry.mode | 0o700
        };
        self.attributes.apply(fd.as_fd(), entry, mode)?;
        if !existed {
            self.tree.remember(path, fd);
        }
        self.journal.push(&Record::Times {
            path: path.to_vec(),
            time: entry.mtime,
        })
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
        let mut target = Vec::new();
        path::clean_target(&entry.link, &self.limits, &mut target)?;
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
            Ok((_, stat)) if is_whiteout(&stat) => {
                fail!(Unsafe: "a hard link to something removed");
            }
            Ok((_, stat)) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                fail!(Unsafe: "a hard link to a directory");
            }
            Ok(found) => found,
            Err(Errno::NOENT | Errno::NOTDIR) => {
                return self.journal.push(&Record::Link {
                    path: path.to_vec(),
                    target,
                });
            }
            Err(e) => return Err(Error::system("look up link target", e)),
        };
        if let Ok(old) = fs::statat(&**parent, name, AtFlags::SYMLINK_NOFOLLOW)
            && (old.st_dev, old.st_ino) == (stat.st_dev, stat.st_ino)
        {
            return Ok(());
        }
        self.fresh(
            parent,
            name,
            |p| fs::linkat(&*from, target_name, p, name, AtFlags::empty()),
            "make hard link",
        )
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
        match self.fresh(
            parent,
            name,
            |p| fs::mknodat(p, name, kind, Mode::RUSR, number),
            "make device",
        ) {
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
        match fs::mknodat(
            &*parent,
            hidden,
            FileType::CharacterDevice,
            Mode::empty(),
            0,
        ) {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) => {
                let stat =
                    fs::statat(&*parent, hidden, AtFlags::SYMLINK_NOFOLLOW).doing("whiteout")?;
                if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                    let fd = open_child(&*parent, hidden).doing("whiteout")?;
                    self.marks.replace(fd)?;
                }
                Ok(())
            }
            Err(e) => Err(Error::system("make whiteout", e)),
        }
    }

    fn opaque(&mut self, folder: &[u8]) -> Result<()> {
        self.summary.whiteouts += 1;
        let fd = self.folder(folder)?;
        self.marks.make_opaque(&*fd)
    }
}
