//! Directories written as layers: the changes in an overlay's upper directory, or a whole root file system.
//!
//! Names are sorted and nothing of the machine goes in, so that the same tree gives the same layer.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{self, AtFlags, FileType, Stat};

use crate::error::{Doing, During, Error, Result};
use crate::tar::{Entry, EntryKind, Time, Writer};
use crate::unpack::{
    children, has_opaque_mark, is_whiteout, opaque_name, open_child, open_directory, open_file,
    shown_attributes,
};

/// What is written of a directory.
#[derive(Clone, Copy, Debug)]
pub enum What<'a> {
    /// Everything, the directory itself included.
    Tree,
    /// The changes that an overlay's upper directory holds, with whiteouts and opaque directories as the image
    /// specification wants them; not these names (see [`crate::stubs`]).
    Changes(&'a BTreeSet<Vec<u8>>),
}

/// Writes what is below `root` to `output`, all but sockets. Returns the newest time of modification seen.
pub fn write<W: Write>(root: &Path, what: What<'_>, output: W) -> Result<(W, Time)> {
    let nothing = BTreeSet::new();
    let (upper, without) = match what {
        What::Tree => (false, &nothing),
        What::Changes(without) => (true, without),
    };
    let fd = open_directory(root)?;
    let mut walk = Walk {
        writer: Writer::new(output),
        opaque: opaque_name(),
        upper,
        without,
        links: HashMap::new(),
        newest: Time::default(),
        path: Vec::new(),
    };
    if !upper {
        walk.path.extend_from_slice(b"./");
        walk.entry(Some(&fd), None, &fs::fstat(&fd).doing("read attributes")?)?;
        walk.path.clear();
    }
    walk.directory(&fd)
        .during(|| format!("pack {}", root.display()))?;
    let output = walk.writer.finish().doing("write layer")?;
    Ok((output, walk.newest))
}

struct Walk<'a, W> {
    writer: Writer<W>,
    opaque: String,
    upper: bool,
    without: &'a BTreeSet<Vec<u8>>,
    /// Inode of a file with several names to the first of them.
    links: HashMap<(u64, u64), Vec<u8>>,
    newest: Time,
    path: Vec<u8>,
}

impl<W: Write> Walk<'_, W> {
    fn directory(&mut self, directory: &OwnedFd) -> Result<()> {
        let error = |e| Error::system("read directory", e);
        let length = self.path.len();
        for name in children(directory)? {
            let stat =
                fs::statat(directory, &name[..], AtFlags::SYMLINK_NOFOLLOW).map_err(error)?;
            if self.upper && is_whiteout(&stat) {
                self.whiteout(&[b".wh.", &name[..]].concat())?;
                continue;
            }
            if self.upper && name.starts_with(b".wh.") {
                // In a layer, such a name takes another one away.
                let path = [&self.path[..], &name].concat();
                let path = String::from_utf8_lossy(&path);
                fail!(Unsupported: "/{path} has a name that means a removal in layers"
                    => "Rename it in the container, and commit again");
            }
            self.path.extend_from_slice(&name);
            if self.without.contains(&self.path) {
                self.path.truncate(length);
                continue;
            }
            self.child(directory, &name, &stat)
                .during(|| String::from_utf8_lossy(&name).into_owned())?;
            self.path.truncate(length);
        }
        Ok(())
    }

    fn child(&mut self, parent: &OwnedFd, name: &[u8], stat: &Stat) -> Result<()> {
        let error = |e| Error::system("open", e);
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let fd = open_child(parent, name).map_err(error)?;
                self.path.push(b'/');
                self.entry(Some(&fd), None, stat)?;
                if self.upper && has_opaque_mark(&fd, &self.opaque)? {
                    self.whiteout(b".wh..wh..opq")?;
                }
                self.directory(&fd)
            }
            FileType::RegularFile => {
                let fd = open_file(parent, name).map_err(error)?;
                self.entry(Some(&fd), None, stat)
            }
            FileType::Symlink => {
                let link = fs::readlinkat(parent, name, Vec::new()).map_err(error)?;
                self.entry(None, Some(link.into_bytes()), stat)
            }
            FileType::CharacterDevice | FileType::BlockDevice | FileType::Fifo => {
                self.entry(None, None, stat)
            }
            _ => Ok(()),
        }
    }

    /// Writes one entry; files and directories are open.
    fn entry(&mut self, fd: Option<&OwnedFd>, link: Option<Vec<u8>>, stat: &Stat) -> Result<()> {
        let (kind, size) = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => (EntryKind::Directory, 0),
            FileType::Symlink => (EntryKind::Symlink, 0),
            FileType::CharacterDevice => (EntryKind::CharDevice, 0),
            FileType::BlockDevice => (EntryKind::BlockDevice, 0),
            FileType::Fifo => (EntryKind::Fifo, 0),
            _ => (EntryKind::File, stat.st_size as u64),
        };
        let mut entry = Entry {
            path: self.path.clone(),
            kind,
            link: link.unwrap_or_default(),
            mode: stat.st_mode & 0o7777,
            uid: i64::from(stat.st_uid),
            gid: i64::from(stat.st_gid),
            size,
            mtime: Time::modified(stat),
            ..Entry::default()
        };
        if matches!(kind, EntryKind::CharDevice | EntryKind::BlockDevice) {
            entry.device = (fs::major(stat.st_rdev), fs::minor(stat.st_rdev));
        }
        self.newest = self.newest.max(entry.mtime);
        if kind == EntryKind::File && stat.st_nlink > 1 {
            let inode = (stat.st_dev, stat.st_ino);
            if let Some(first) = self.links.get(&inode) {
                entry.kind = EntryKind::HardLink;
                entry.link.clone_from(first);
                entry.size = 0;
                return self.append(&entry, &mut io::empty());
            }
            self.links.insert(inode, self.path.clone());
        }
        let Some(fd) = fd else {
            return self.append(&entry, &mut io::empty());
        };
        entry.xattrs = shown_attributes(fd.as_fd())?;
        let file = File::from(fd.try_clone().doing("duplicate descriptor")?);
        self.append(&entry, &mut BufReader::with_capacity(128 << 10, file))
    }

    /// A whiteout in the directory that `path` ends with.
    fn whiteout(&mut self, name: &[u8]) -> Result<()> {
        let path = [self.path.as_slice(), name].concat();
        let entry = Entry {
            path,
            ..Entry::default()
        };
        self.append(&entry, &mut io::empty())
    }

    fn append(&mut self, entry: &Entry, data: &mut dyn io::Read) -> Result<()> {
        self.writer.append(entry, data).doing("write layer")
    }
}
