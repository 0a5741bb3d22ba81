//! One cgroup directory held open, and the files in it.

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use kernel::file::{self, HERE, open};
use kernel::{BorrowedFd, Errno, Fault, Fd};

use crate::Error;
use crate::error::c_string;

/// There is no such file (any more), or it is somebody else's.
const NOT_TO_CHANGE: [Errno; 5] = [
    Errno::ENOENT,
    Errno::ENODEV,
    Errno::EACCES,
    Errno::EPERM,
    Errno::EROFS,
];

/// A cgroup directory. Files in it are opened by descriptor, so a directory that was removed and made again by somebody
/// else is never written to by mistake.
#[derive(Debug)]
pub(crate) struct Dir {
    /// `None` for one that was just made to be entered and for nothing else.
    fd: Option<Fd>,
    path: PathBuf,
}

impl Dir {
    pub(crate) fn open(path: &Path) -> Result<Dir, Error> {
        match file::open_at(HERE, &c_string(path)?, open::RDONLY | open::DIRECTORY, 0) {
            Ok(fd) => Ok(Dir::opened(fd, path.to_owned())),
            Err(fault) => Err(Error::file("open", path, fault)),
        }
    }

    fn opened(fd: Fd, path: PathBuf) -> Dir {
        Dir { fd: Some(fd), path }
    }

    /// A new directory in which no value is to be set, by its name. On v1 that is what most hierarchies are made for, and opening
    /// their directories as well would be a tenth of a container's cost.
    pub(crate) fn named(path: &Path) -> Dir {
        Dir {
            fd: None,
            path: path.to_owned(),
        }
    }

    /// Moves a process here, given by its number.
    pub(crate) fn enter(&self, number: &str) -> Result<(), Error> {
        self.write("cgroup.procs", number)
    }

    /// The file by which a thread moves itself here, on v1.
    pub(crate) fn open_tasks(&self) -> Result<Fd, Error> {
        self.open_file("tasks", open::WRONLY)
            .map_err(|fault| Error::file("open", self.path.join("tasks"), fault))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether nobody has removed it.
    pub(crate) fn is_there(&self) -> bool {
        !(self.open_to_read("cgroup.procs")).is_err_and(|error| error.is_gone())
    }

    /// The descriptor, unless the directory goes by its name.
    pub(crate) fn fd(&self) -> Option<&Fd> {
        self.fd.as_ref()
    }

    /// The descriptor; `EBADF` for a directory that goes by its name.
    pub(crate) fn descriptor(&self) -> Result<BorrowedFd<'_>, Fault> {
        let none = Fault::found(kernel::Call::Openat, Errno::EBADF);
        self.fd.as_ref().map(Fd::borrow).ok_or(none)
    }

    fn open_at(&self, name: &CStr, flags: u64) -> Result<Fd, Fault> {
        if let Some(fd) = &self.fd {
            return file::open_at(fd.borrow(), name, flags, 0);
        }
        let mut path = self.path.as_os_str().as_bytes().to_vec();
        path.push(b'/');
        path.extend(name.to_bytes());
        file::open_at(HERE, &c_name(path)?, flags, 0)
    }

    fn open_file(&self, name: &str, flags: u64) -> Result<Fd, Fault> {
        // Names come from the tables here or were checked when compiled (no slash, no NUL).
        self.open_at(&c_name(name)?, flags)
    }

    /// Opens a file of this cgroup for reading, to be watched.
    pub(crate) fn open_to_read(&self, name: &str) -> Result<Fd, Error> {
        self.open_file(name, open::RDONLY)
            .map_err(|fault| Error::file("open", self.path.join(name), fault))
    }

    /// Opens a file that only those who may change the cgroup can open. None where it is missing or somebody else's.
    pub(crate) fn open_to_change(&self, name: &str) -> Result<Option<Fd>, Error> {
        match self.open_file(name, open::WRONLY) {
            Err(fault) if NOT_TO_CHANGE.contains(&fault.errno) => Ok(None),
            opened => {
                (opened.map(Some)).map_err(|fault| Error::file("open", self.path.join(name), fault))
            }
        }
    }

    /// The whole content. Most files fit the first read; a second one (for the end) is made only for longer ones.
    pub(crate) fn read(&self, name: &str) -> Result<String, Error> {
        let fail = |fault| Error::file("read", self.path.join(name), fault);
        let fd = self.open_file(name, open::RDONLY).map_err(fail)?;
        read_all(&fd).map_err(fail)
    }

    /// As [`Dir::read`]; `None` when there is no such file, which is how a missing controller looks.
    pub(crate) fn read_if_there(&self, name: &str) -> Result<Option<String>, Error> {
        match self.read(name) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.is(Errno::ENOENT) || error.is(Errno::EOPNOTSUPP) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// One write of one value.
    pub(crate) fn write(&self, name: &str, value: &str) -> Result<(), Error> {
        let fail = |fault| {
            let doing = format!("write {:?} to", value.trim_end());
            Error::file(doing, self.path.join(name), fault)
        };
        let fd = self.open_file(name, open::WRONLY).map_err(fail)?;
        write_all(&fd, value).map_err(fail)
    }

    /// Names of the child cgroups.
    pub(crate) fn children(&self) -> Result<Vec<CString>, Error> {
        let fail = |fault| Error::file("list", self.path.clone(), fault);
        // A descriptor of its own: the position in a directory belongs to the open file.
        let listing = match self.open_at(c".", open::RDONLY | open::DIRECTORY) {
            Ok(listing) => listing,
            // The cgroup was removed meanwhile.
            Err(fault) if fault.is(Errno::ENOENT) => return Ok(Vec::new()),
            Err(fault) => return Err(fail(fault)),
        };
        let mut buffer = vec![0; 8192];
        let mut found = Vec::new();
        loop {
            match file::read_directory(listing.borrow(), &mut buffer) {
                Ok(0) => return Ok(found),
                Ok(length) => found.extend(directories(&buffer[..length])),
                Err(fault) if fault.is(Errno::ENOENT) => return Ok(found),
                Err(fault) => return Err(fail(fault)),
            }
        }
    }

    pub(crate) fn child(&self, name: &CString) -> Result<Dir, Error> {
        let path = self.path.join(name.to_string_lossy().as_ref());
        match self.open_at(name, open::RDONLY | open::DIRECTORY) {
            Ok(fd) => Ok(Dir::opened(fd, path)),
            Err(fault) => Err(Error::file("open", path, fault)),
        }
    }
}

fn c_name(name: impl Into<Vec<u8>>) -> Result<CString, Fault> {
    CString::new(name).map_err(|_| Fault::found(kernel::Call::Openat, Errno::EINVAL))
}

/// The directories among the entries of a buffer that getdents64(2) filled: `d_type` is at offset 18 of each entry.
/// Unlike a stat of every file, this costs nothing; cgroup file systems always fill it in.
pub(crate) fn directories(entries: &[u8]) -> Vec<CString> {
    const DT_DIR: u8 = 4;
    let mut found = Vec::new();
    let mut rest = entries;
    while rest.len() > 19 {
        let length = usize::from(u16::from_ne_bytes([rest[16], rest[17]]));
        let Some(entry) = rest.get(..length).filter(|entry| entry.len() > 19) else {
            break;
        };
        if entry[18] == DT_DIR {
            found.extend(file::names(entry).map(std::ffi::CStr::to_owned));
        }
        rest = &rest[length..];
    }
    found
}

/// Reads a file of kernfs to its end.
///
/// Such a file comes in whole records, at most a page at a time. Only lists (`cgroup.procs`) have more than one record,
/// and theirs are short: a read that leaves more room than a record needs was the last one. So the usual file costs one
/// call.
pub(crate) fn read_all(fd: &Fd) -> Result<String, Fault> {
    const PAGE: usize = 4096;
    const LONGEST_RECORD: usize = 64;
    let mut content = vec![0; PAGE];
    let mut length = 0;
    loop {
        match file::read(fd.borrow(), &mut content[length..]) {
            Ok(count) => {
                length += count;
                if count < PAGE - LONGEST_RECORD {
                    break;
                }
                content.resize(length + PAGE, 0);
            }
            Err(fault) if fault.is(Errno::EINTR) => {}
            Err(fault) => return Err(fault),
        }
    }
    content.truncate(length);
    Ok(String::from_utf8_lossy(&content).into_owned())
}

/// A number that the kernel wrote to this file.
pub(crate) fn number<T: std::str::FromStr>(path: &Path, text: &str) -> Result<T, Error> {
    let broken = Fault::found(kernel::Call::Read, Errno::EBADMSG);
    text.trim()
        .parse()
        .map_err(|_| Error::file(format!("understand {text:?} in"), path, broken))
}

/// Reads a file of kernfs by path.
pub(crate) fn read_whole(path: &Path) -> Result<String, Error> {
    let fail = |fault| Error::file("read", path, fault);
    let name = c_string(path)?;
    let fd = file::open_at(HERE, &name, open::RDONLY, 0).map_err(fail)?;
    read_all(&fd).map_err(fail)
}

/// Writes a value to a file of kernfs by path.
pub(crate) fn write_whole(path: &Path, value: &str) -> Result<(), Error> {
    let fail = |fault| Error::file(format!("write {value:?} to"), path, fault);
    let name = c_string(path)?;
    let fd = file::open_at(HERE, &name, open::WRONLY, 0).map_err(fail)?;
    write_all(&fd, value).map_err(fail)
}

fn write_all(fd: &Fd, value: &str) -> Result<(), Fault> {
    loop {
        match file::write(fd.borrow(), value.as_bytes()) {
            Err(fault) if fault.is(Errno::EINTR) => {}
            answer => return answer.map(drop),
        }
    }
}

/// Reads a file of procfs by path.
pub(crate) fn read_path(path: &Path) -> Result<String, Error> {
    let fail = |fault| Error::file("read", path, fault);
    let name = c_string(path)?;
    let fd = file::open_at(HERE, &name, open::RDONLY, 0).map_err(fail)?;
    read_to_end(&fd).map_err(fail)
}

/// As [`read_all`] for files of procfs, which may give less than they have in one read.
fn read_to_end(fd: &Fd) -> Result<String, Fault> {
    let mut content = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match file::read(fd.borrow(), &mut buffer) {
            Ok(0) => return Ok(String::from_utf8_lossy(&content).into_owned()),
            Ok(count) => content.extend_from_slice(&buffer[..count]),
            Err(fault) if fault.is(Errno::EINTR) => {}
            Err(fault) => return Err(fault),
        }
    }
}
