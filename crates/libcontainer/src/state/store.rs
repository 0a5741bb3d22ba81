//! Where containers live: a directory with one folder for each, and who makes, finds and lists them.

use std::ffi::{CStr, CString, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kernel::file::{self, open};
use kernel::{Errno, Fault, Fd};

use super::{Folder, Held};
use crate::environment::Environment;
use crate::host::Known;
use crate::interrupt::{Interrupt, Interrupts};
use crate::warning::{Warning, Warnings};
use crate::{Error, argument};

/// The directory that holds all containers of one caller (`--root`), and what all calls about them have in common: the
/// environment that the caller hands over, who gets warnings, and what is known of the host. Copies share it all.
///
/// What the host and the caller can do (privileges, cgroups, security modules) is looked at when it is first needed, and then
/// taken to stay so. A program that changes its user, its capabilities or its cgroup opens another store afterwards.
#[derive(Clone, Debug)]
pub struct Store {
    root: Arc<Path>,
    environment: Arc<Environment>,
    warnings: Warnings,
    interrupts: Interrupts,
    known: Arc<Known>,
}

impl Store {
    /// A store at this directory, which is made when the first container is. The path is absolute from here on, whatever
    /// the current directory becomes.
    ///
    /// # Errors
    /// An empty path, one with a NUL byte, or a relative one while there is no current directory.
    pub fn open(root: impl AsRef<Path>) -> Result<Store, Error> {
        argument::path("root", root.as_ref())?;
        let root =
            std::path::absolute(root.as_ref()).map_err(|error| Error::argument("root", error))?;
        Ok(Store {
            root: root.into(),
            environment: Arc::default(),
            warnings: Warnings::default(),
            interrupts: Interrupts::default(),
            known: Arc::default(),
        })
    }

    /// The same, with these environment variables, such as `|| std::env::vars_os().collect()`: asked for once, when they are
    /// first needed. The library reads none by itself. It goes by PATH for newuidmap(1), newgidmap(1) and criu(8) (without it: the usual directories), and by
    /// XDG_RUNTIME_DIR and DBUS_SESSION_BUS_ADDRESS for cgroups of a user's systemd; all of them are what criu(8) gets, and hooks that have
    /// no environment of their own.
    #[must_use]
    pub fn with_environment(
        mut self,
        variables: impl FnOnce() -> Vec<(OsString, OsString)> + Send + 'static,
    ) -> Store {
        self.environment = Arc::new(Environment::new(variables));
        self
    }

    /// The same, with somebody who gets the warnings: in the thread that makes the call which they are about, before that
    /// returns. For those of a single call, make the call with a copy of the store. Without it nobody gets them.
    ///
    /// ```no_run
    /// use std::sync::{Arc, Mutex};
    ///
    /// # fn main() -> Result<(), tare_libcontainer::Error> {
    /// # let store = tare_libcontainer::Store::open("/run/example")?;
    /// let warnings = Arc::new(Mutex::new(Vec::new()));
    /// let noted = Arc::clone(&warnings);
    /// let store = store.with_warnings(move |warning| {
    ///     if let Ok(mut warnings) = noted.lock() {
    ///         warnings.push(warning);
    ///     }
    /// });
    /// tare_libcontainer::Container::delete(&store, "web", true)?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_warnings(mut self, taker: impl Fn(Warning) + Send + Sync + 'static) -> Store {
        self.warnings = Warnings::to(taker);
        self
    }

    /// The same, with something that ends hooks. `begin` is called before each hook is started, in the thread that waits
    /// for it. As long as the hook runs and the descriptor of what `begin` answers becomes readable, the hook is ended with its
    /// process group: what waits for it then fails and takes back what it has made, or goes on, if it is a deletion.
    ///
    /// For programs that have to end: by an eventfd(2), or, for a command line, by a signalfd(2) for the signals that would
    /// end it, which `begin` blocks and the end of what it answers unblocks.
    #[must_use]
    pub fn with_interrupt(
        mut self,
        begin: impl Fn() -> io::Result<Box<dyn Interrupt>> + Send + Sync + 'static,
    ) -> Store {
        self.interrupts = Interrupts::by(begin);
        self
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }

    pub(crate) fn warnings(&self) -> &Warnings {
        &self.warnings
    }

    pub(crate) fn interrupts(&self) -> &Interrupts {
        &self.interrupts
    }

    pub(crate) fn known(&self) -> &Known {
        &self.known
    }

    /// The ids of all containers, sorted. A store that was never made has none.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn ids(&self) -> Result<Vec<String>, Error> {
        let failed = |fault: Fault| Error::file("list containers in", &self.root, fault.into());
        let mut ids = Vec::new();
        for name in self.names()? {
            let record = self.root.join(&name).join("state.json");
            match file::status_at(file::HERE, &c_path(&record)?) {
                Ok(_) => ids.push(name),
                // A folder without a record is not a container yet, or no longer.
                Err(fault) if fault.is(Errno::ENOENT) || fault.is(Errno::ENOTDIR) => {}
                Err(fault) => return Err(failed(fault)),
            }
        }
        Ok(ids)
    }

    /// Names of what may be containers, sorted.
    fn names(&self) -> Result<Vec<String>, Error> {
        let failed = |error| Error::file("list containers in", &self.root, error);
        let mut names = Vec::new();
        let entries = match std::fs::read_dir(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(names),
            entries => entries.map_err(failed)?,
        };
        for entry in entries {
            // Names of other kinds are not containers: somebody may keep notes here.
            let name = entry.map_err(failed)?.file_name();
            names.extend(
                name.to_str()
                    .filter(|name| argument::is_id(name))
                    .map(str::to_owned),
            );
        }
        names.sort();
        Ok(names)
    }

    /// The folders of what may be containers, sorted by name, and why one cannot be opened; each is opened as it is asked for.
    pub(crate) fn folders(
        &self,
    ) -> Result<impl Iterator<Item = (String, Result<Folder, Error>)> + use<'_>, Error> {
        let names = self.names()?;
        let parent = match open_directory(&c_path(&self.root)?) {
            Ok(parent) => Some(Arc::new(parent)),
            Err(fault) if fault.is(Errno::ENOENT) => None,
            Err(fault) => return Err(Error::file("open", &self.root, fault.into())),
        };
        Ok(names.into_iter().filter_map(move |name| {
            let folder = Folder::open(self, parent.as_ref()?, &name);
            Some((name, folder))
        }))
    }

    /// Makes the folder of a new container and locks it. What is in it decides who has the id: its record is made by
    /// whoever holds the lock, and only where there is none. So it does not matter who made the folder, and one that
    /// was left empty, or in which a stranger keeps something, is nobody's.
    pub(crate) fn make(&self, id: &str) -> Result<Held, Error> {
        argument::id(id)?;
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
            let claimed = Folder::open(self, &parent, id).and_then(|folder| {
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
        argument::id(id)?;
        match open_directory(&c_path(&self.root)?) {
            Ok(parent) => Folder::open(self, &Arc::new(parent), id),
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
