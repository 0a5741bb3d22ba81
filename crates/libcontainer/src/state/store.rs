//! Where containers live: a directory with one folder for each, and who makes, finds and lists them.

use std::ffi::{CStr, CString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kernel::file::{self, open};
use kernel::{Errno, Fault, Fd};

use super::{Folder, Held};
use crate::Error;

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
            // Names of other kinds are not containers: somebody may keep notes here.
            let name = entry.map_err(failed)?.file_name();
            let Some(name) = name.to_str().filter(|name| is_id(name)) else {
                continue;
            };
            let record = self.root.join(name).join("state.json");
            match file::status_at(file::HERE, &c_path(&record)?) {
                Ok(_) => ids.push(name.to_owned()),
                // A folder without a record is not a container yet, or no longer.
                Err(fault) if fault.is(Errno::ENOENT) || fault.is(Errno::ENOTDIR) => {}
                Err(fault) => return Err(failed(fault.into())),
            }
        }
        ids.sort();
        Ok(ids)
    }

    /// Makes the folder of a new container and locks it. What is in it decides who has the id: its record is made by
    /// whoever holds the lock, and only where there is none. So it does not matter who made the folder, and one that
    /// was left empty, or in which a stranger keeps something, is nobody's.
    pub(crate) fn make(&self, id: &str) -> Result<Held, Error> {
        judge_id(id)?;
        let exists = || Error::Exists { id: id.to_owned() };
        let name = c_path(Path::new(id))?;
        let parent = Arc::new(self.directory()?);
        loop {
            let path = || self.root.join(id);
            match file::make_directory(parent.borrow(), &name, 0o711) {
                Err(fault) if !fault.is(Errno::EEXIST) => {
                    return Err(Error::file("make", &path(), fault.into()));
                }
                _ => {}
            }
            let claimed = Folder::open(&parent, &self.root, id).and_then(|folder| {
                let held = match folder.try_lock()? {
                    None if folder.is_taken()? => return Ok(None),
                    // Somebody takes it at this moment, or removes it.
                    None => folder.lock()?,
                    Some(held) => held,
                };
                Ok(if held.is_bare()? { Some(held) } else { None })
            });
            match claimed {
                Ok(Some(held)) => return Ok(held),
                Ok(None) => return Err(exists()),
                // Removed since, as one that nobody had: the next is ours.
                Err(Error::NotFound { .. }) => {}
                Err(error) => {
                    // Only a folder in which nothing is goes; somebody who was about to take it makes another.
                    match file::remove_directory(parent.borrow(), &name) {
                        Ok(()) => {}
                        Err(fault) => log::debug!("{} stays: {fault}", path().display()),
                    }
                    return Err(error);
                }
            }
        }
    }

    /// The store's own directory, made if it is missing.
    fn directory(&self) -> Result<Fd, Error> {
        let failed = |fault: Fault| Error::file("open", &self.root, fault.into());
        match open_directory(&c_path(&self.root)?) {
            Err(fault) if fault.is(Errno::ENOENT) => {
                make_all(&self.root).map_err(|error| match dangling(&self.root) {
                    Some((link, target)) => {
                        let text =
                            format!("is a link to {}, which does not exist", target.display());
                        Error::invalid(&text, link)
                    }
                    None => Error::file("make", &self.root, error),
                })?;
                open_directory(&c_path(&self.root)?).map_err(failed)
            }
            answer => answer.map_err(failed),
        }
    }

    /// Opens the folder of a container.
    pub(crate) fn folder(&self, id: &str) -> Result<Folder, Error> {
        judge_id(id)?;
        match open_directory(&c_path(&self.root)?) {
            Ok(parent) => Folder::open(&Arc::new(parent), &self.root, id),
            Err(fault) if fault.is(Errno::ENOENT) || fault.is(Errno::ENOTDIR) => {
                Err(Error::NotFound { id: id.to_owned() })
            }
            Err(fault) => Err(Error::file("open", &self.root, fault.into())),
        }
    }
}

fn open_directory(path: &CStr) -> kernel::Result<Fd> {
    file::open_at(file::HERE, path, open::PATH | open::DIRECTORY, 0)
}

/// The grammar of ids that engines rely on, and that keeps them safe as names of files and cgroups.
pub(crate) fn judge_id(id: &str) -> Result<(), Error> {
    let text = match id {
        "" => "container id cannot be empty",
        id if is_id(id) => return Ok(()),
        _ => "invalid container ID format",
    };
    Err(Error::Invalid {
        text: text.to_owned(),
        what: id.to_owned(),
    })
}

/// As [`judge_id`], without a reason.
pub(crate) fn is_id(id: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte);
    !matches!(id, "" | "." | "..") && id.len() <= 1024 && id.bytes().all(known)
}

/// Others may pass through, as tools that read cgroup paths do, but not look.
fn make_all(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .mode(0o711)
        .recursive(true)
        .create(path)
}

/// The link on this way that leads nowhere, and where it leads.
fn dangling(path: &Path) -> Option<(&Path, PathBuf)> {
    path.ancestors().find_map(
        |link| match (std::fs::read_link(link), std::fs::metadata(link)) {
            (Ok(target), Err(_)) => Some((link, target)),
            _ => None,
        },
    )
}

pub(super) fn c_path(path: &Path) -> Result<CString, Error> {
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| Error::invalid("contains a NUL byte", path))
}
