//! Where containers live: a directory with one folder for each, and a lock on each folder.

use std::ffi::{CStr, CString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use init::report::Seen;
use kernel::file::{self, open};
use kernel::{Errno, Fd};

use super::Record;
use crate::Error;

const RECORD: &CStr = c"state.json";
const CONFIG: &CStr = c"config.json";
const REPORT: &CStr = c"report";
const FENCE: &CStr = c"exec.fifo";

/// The directory that holds all containers of one caller (`--root`).
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// A store at this directory, which is made when the first container is.
    pub fn open(root: impl Into<PathBuf>) -> Store {
        Store { root: root.into() }
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The ids of all containers, sorted.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn ids(&self) -> Result<Vec<String>, Error> {
        let failed = |error| Error::file("list containers in", &self.root, error);
        let mut ids = Vec::new();
        for entry in std::fs::read_dir(&self.root).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // Names of other kinds are not containers: somebody may keep notes here.
            if let Some(name) = entry.file_name().to_str()
                && judge_id(name).is_ok()
                && entry.file_type().is_ok_and(|kind| kind.is_dir())
            {
                ids.push(name.to_owned());
            }
        }
        ids.sort();
        Ok(ids)
    }

    /// Makes the folder of a new container; that there can be only one of each name decides races.
    pub(crate) fn make(&self, id: &str) -> Result<Folder, Error> {
        judge_id(id)?;
        let path = self.root.join(id);
        let exists = |error: &io::Error| error.kind() == io::ErrorKind::AlreadyExists;
        match make_directory(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_all(&self.root).map_err(|error| Error::file("make", &self.root, error))?;
                match make_directory(&path) {
                    Err(error) if exists(&error) => {
                        return Err(Error::Exists { id: id.to_owned() });
                    }
                    answer => answer.map_err(|error| Error::file("make", &path, error))?,
                }
            }
            Err(error) if exists(&error) => return Err(Error::Exists { id: id.to_owned() }),
            answer => answer.map_err(|error| Error::file("make", &path, error))?,
        }
        let folder = self.folder(id)?;
        folder.lock()?;
        Ok(folder)
    }

    /// Opens the folder of a container.
    pub(crate) fn folder(&self, id: &str) -> Result<Folder, Error> {
        judge_id(id)?;
        let path = self.root.join(id);
        let name = c_path(&path);
        match file::open_at(
            file::HERE,
            &name,
            open::RDONLY | open::DIRECTORY | open::NOFOLLOW,
            0,
        ) {
            Ok(directory) => Ok(Folder {
                id: id.to_owned(),
                path,
                directory,
            }),
            Err(fault) if fault.is(Errno::ENOENT) || fault.is(Errno::ENOTDIR) => {
                Err(Error::NotFound { id: id.to_owned() })
            }
            Err(fault) => Err(Error::file("open", &path, fault.into())),
        }
    }
}

/// The grammar of ids that engines rely on, and that keeps them safe as names of files and cgroups.
pub(crate) fn judge_id(id: &str) -> Result<(), Error> {
    let text = if id.is_empty() {
        "container id cannot be empty"
    } else if id == "."
        || id == ".."
        || id.len() > 1024
        || !id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_+-.".contains(&b))
    {
        "invalid container ID format"
    } else {
        return Ok(());
    };
    Err(Error::Invalid {
        text: text.to_owned(),
        what: id.to_owned(),
    })
}

/// Others may pass through, as tools that read cgroup paths do, but not look.
fn make_directory(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().mode(0o711).create(path)
}

fn make_all(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .mode(0o711)
        .recursive(true)
        .create(path)
}

fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap_or_default()
}

/// One container's folder.
#[derive(Debug)]
pub(crate) struct Folder {
    id: String,
    path: PathBuf,
    directory: Fd,
}

impl Folder {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    fn failed(&self, doing: &'static str, name: &CStr, fault: kernel::Fault) -> Error {
        Error::file(
            doing,
            &self.path.join(name.to_str().unwrap_or_default()),
            fault.into(),
        )
    }

    /// Waits until nobody else works on this container. Released when the folder is dropped.
    ///
    /// The folder may have been deleted meanwhile, and one of the same name made: that is another container.
    pub(crate) fn lock(&self) -> Result<(), Error> {
        loop {
            match file::lock(self.directory.raw()) {
                Err(fault) if fault.is(Errno::EINTR) => {}
                answer => {
                    break answer.map_err(|fault| Error::file("lock", &self.path, fault.into()))?;
                }
            }
        }
        let gone = || Error::NotFound {
            id: self.id.clone(),
        };
        let mine = file::status(self.directory.raw()).map_err(|_| gone())?;
        let there = file::status_at(file::HERE, &c_path(&self.path)).map_err(|_| gone())?;
        if (mine.device, mine.inode) == (there.device, there.inode) {
            Ok(())
        } else {
            Err(gone())
        }
    }

    /// Lets others work on this container; [`Folder::lock`] takes it back.
    pub(crate) fn unlock(&self) {
        // It can only fail for a wrong descriptor.
        let _ = file::unlock(self.directory.raw());
    }

    fn read(&self, name: &CStr) -> Result<Option<Vec<u8>>, Error> {
        let fd = match file::open_at(self.directory.raw(), name, open::RDONLY | open::NOFOLLOW, 0) {
            Ok(fd) => fd,
            Err(fault) if fault.is(Errno::ENOENT) => return Ok(None),
            Err(fault) => return Err(self.failed("open", name, fault)),
        };
        let failed = |fault| self.failed("read", name, fault);
        let mut bytes = vec![0; file::status(fd.raw()).map_err(failed)?.size as usize + 1];
        let mut length = 0;
        loop {
            let room = bytes.len() - length;
            let got = file::read(fd.raw(), &mut bytes[length..]).map_err(failed)?;
            length += got;
            // Less than there was room for is the end of a file.
            if got < room {
                break;
            }
            bytes.resize(length * 2, 0);
        }
        bytes.truncate(length);
        Ok(Some(bytes))
    }

    fn write(&self, name: &CStr, bytes: &[u8]) -> Result<Fd, Error> {
        let failed = |fault| self.failed("write", name, fault);
        let flags = open::WRONLY | open::CREAT | open::TRUNC | open::NOFOLLOW;
        let fd = file::open_at(self.directory.raw(), name, flags, 0o600).map_err(failed)?;
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = &rest[file::write(fd.raw(), rest).map_err(failed)?..];
        }
        Ok(fd)
    }

    /// The record; `None` if the runtime was killed before it wrote one, or while it did.
    pub(crate) fn record(&self) -> Result<Option<Record>, Error> {
        let Some(bytes) = self.read(RECORD)? else {
            return Ok(None);
        };
        match serde_json::from_slice::<Record>(&bytes) {
            Ok(mut record) => {
                let seen = self.report()?;
                (record.pid, record.identity) = (seen.pid, seen.identity);
                Ok(Some(record))
            }
            Err(error) if error.is_eof() => Ok(None),
            Err(error) => Err(Error::invalid(
                &error.to_string(),
                &self.path.join("state.json"),
            )),
        }
    }

    /// Writes the record, in one write(2): a runtime that is killed leaves all of it or none. It is not synced to the
    /// disk: what a record describes does not survive the machine's own crash either.
    pub(crate) fn store(&self, record: &Record) -> Result<(), Error> {
        let text = serde_json::to_vec(record).unwrap_or_default();
        self.write(RECORD, &text).map(drop)
    }

    /// Keeps the config as it was: later changes to the bundle do not matter.
    pub(crate) fn keep_config(&self, text: &str) -> Result<(), Error> {
        self.write(CONFIG, text.as_bytes()).map(drop)
    }

    /// The config that the container was created from.
    pub(crate) fn config(&self) -> Result<String, Error> {
        let bytes = self.read(CONFIG)?.unwrap_or_default();
        String::from_utf8(bytes)
            .map_err(|_| Error::invalid("is not UTF-8", &self.path.join("config.json")))
    }

    /// Makes the file that holds the report page.
    pub(crate) fn make_report(&self) -> Result<Fd, Error> {
        let failed = |fault| self.failed("make", REPORT, fault);
        let flags = open::RDWR | open::CREAT | open::EXCL | open::NOFOLLOW;
        let fd = file::open_at(self.directory.raw(), REPORT, flags, 0o600).map_err(failed)?;
        file::set_length(fd.raw(), init::report::LENGTH as u64).map_err(failed)?;
        Ok(fd)
    }

    /// What the report page says: the container's process, the step that it began last, and how that failed.
    pub(crate) fn report(&self) -> Result<Seen, Error> {
        let Ok(fd) = file::open_at(
            self.directory.raw(),
            REPORT,
            open::RDONLY | open::NOFOLLOW,
            0,
        ) else {
            return Ok(Seen::default());
        };
        let mut bytes = [0; Seen::LENGTH];
        file::read(fd.raw(), &mut bytes).map_err(|fault| self.failed("read", REPORT, fault))?;
        Ok(Seen::read(&bytes))
    }

    /// Makes the FIFO at which the container waits for `start`, opened for reading and writing.
    pub(crate) fn make_fence(&self) -> Result<Fd, Error> {
        let failed = |fault| self.failed("make", FENCE, fault);
        file::make_fifo(self.directory.raw(), FENCE, 0o600).map_err(failed)?;
        file::open_at(
            self.directory.raw(),
            FENCE,
            open::RDWR | open::NONBLOCK | open::NOFOLLOW,
            0,
        )
        .map_err(failed)
    }

    /// Opens the FIFO to let the container go; `None` when nobody waits at it.
    pub(crate) fn open_fence(&self) -> Result<Option<Fd>, Error> {
        match file::open_at(
            self.directory.raw(),
            FENCE,
            open::WRONLY | open::NONBLOCK | open::NOFOLLOW,
            0,
        ) {
            Ok(fd) => Ok(Some(fd)),
            Err(fault) if fault.is(Errno::ENXIO) || fault.is(Errno::ENOENT) => Ok(None),
            Err(fault) => Err(self.failed("open", FENCE, fault)),
        }
    }

    /// The FIFO has served.
    pub(crate) fn remove_fence(&self) {
        let _ = file::remove(self.directory.raw(), FENCE);
    }

    /// Removes the folder with all that this library puts into it.
    pub(crate) fn remove(self) -> Result<(), Error> {
        // The record last: a crash in between leaves what can be deleted again.
        for name in [FENCE, REPORT, CONFIG, RECORD] {
            match file::remove(self.directory.raw(), name) {
                Err(fault) if !fault.is(Errno::ENOENT) => {
                    return Err(self.failed("remove", name, fault));
                }
                _ => {}
            }
        }
        match file::remove_directory(file::HERE, &c_path(&self.path)) {
            Err(fault) if !fault.is(Errno::ENOENT) => {
                Err(Error::file("remove", &self.path, fault.into()))
            }
            _ => Ok(()),
        }
    }
}
