//! What can go wrong, in words that name the thing, the file, the call and the error number.

use std::path::{Path, PathBuf};

use kernel::{Errno, Fault};
use spec::ConfigPath;

/// Why a cgroup could not be found, made, entered, limited, watched or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A system call on a file or directory failed.
    #[error("{doing} {}: {fault}", path.display())]
    File {
        /// What was being done: `write "100" to`.
        doing: String,
        /// The file or directory.
        path: PathBuf,
        /// The call and its error number.
        fault: Fault,
    },
    /// A value of the config could not be applied.
    #[error("{at}: {source}")]
    Setting {
        /// The property it comes from.
        at: ConfigPath,
        /// What failed.
        source: Box<Error>,
    },
    /// A value was asked for, but its controller is not there.
    #[error("the {controller} controller is not available in {}: {why}", path.display())]
    Controller {
        /// Its name.
        controller: String,
        /// Where it was looked for.
        path: PathBuf,
        /// What stands in the way.
        why: String,
    },
    /// The place for the cgroup cannot be derived from `linux.cgroupsPath`.
    #[error("linux.cgroupsPath: {path:?} {why}")]
    Path {
        /// The value.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// Below a user's manager, on v1.
    #[error(
        "cannot use rootless systemd cgroups manager on cgroup v1 (a user's container stays in its caller's cgroup there: \
         leave out --systemd-cgroup)"
    )]
    UserManagerOnV1,
    /// This machine has no control groups where they are looked for.
    #[error("no cgroup file system is mounted at {}", .0.display())]
    NoCgroups(PathBuf),
    /// The cgroup existed and something runs in it.
    #[error("container's cgroup is not empty: {0} process(es) found")]
    NotEmpty(usize),
    /// The cgroup existed and is frozen: whatever enters would never run.
    #[error("container's cgroup unexpectedly frozen")]
    Frozen,
    /// Somebody else is making it ready, and has no process in it yet.
    #[error("container's cgroup is being made ready for another container")]
    Claimed,
    /// Some processes could not be frozen in time.
    #[error("cannot freeze {}: {report}", path.display())]
    NotFrozen {
        /// The cgroup.
        path: PathBuf,
        /// Which processes still run, and in what state they are.
        report: String,
    },
    /// The cgroup cannot be removed because of what is still in it.
    #[error("cannot remove {}: {processes} process(es) still in it", path.display())]
    Busy {
        /// The cgroup.
        path: PathBuf,
        /// How many.
        processes: usize,
    },
    /// A process should go below the container's cgroup, but the path leads elsewhere.
    #[error("bad sub cgroup path: {0}")]
    SubPath(String),
    /// A controller was named that the container has no cgroup for.
    #[error("unknown controller {0} in sub cgroup paths")]
    UnknownController(String),
    /// A memory limit below what is in use, where the config asked to check that.
    #[error("rejecting {what} limit {limit} < usage {usage}")]
    BelowUsage {
        /// `memory` or `memory+swap`.
        what: &'static str,
        /// What was asked for, in bytes.
        limit: u64,
        /// What is in use, in bytes.
        usage: u64,
    },
    /// systemd did not do its part.
    #[error(transparent)]
    Systemd(#[from] crate::systemd::BusError),
    /// The container has no cgroup (rootless, and none could be made).
    #[error("the container has no cgroup, which is needed to {0}")]
    None(&'static str),
    /// An update failed, and putting back the old values failed too.
    #[error("{source}; and putting back what had been changed failed: {restoring}")]
    HalfUpdated {
        /// Why the update failed.
        source: Box<Error>,
        /// What the cgroup could not be given back.
        restoring: String,
    },
}

impl Error {
    pub(crate) fn file(doing: impl Into<String>, path: impl Into<PathBuf>, fault: Fault) -> Error {
        Error::File {
            doing: doing.into(),
            path: path.into(),
            fault,
        }
    }

    /// The error number of the failed call, if a call failed.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Error::File { fault, .. } => Some(fault.errno),
            Error::Setting { source, .. } | Error::HalfUpdated { source, .. } => source.errno(),
            _ => None,
        }
    }

    /// Somebody is inside, or was a moment ago, or is about to be.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, Error::Busy { .. } | Error::Claimed)
            || self.is(Errno::EBUSY)
            || self.is(Errno::ENOTEMPTY)
    }

    /// It is somebody else's.
    pub(crate) fn is_about_others(&self) -> bool {
        matches!(self, Error::NotEmpty(_) | Error::Frozen | Error::Claimed)
    }

    pub(crate) fn is(&self, errno: Errno) -> bool {
        self.errno() == Some(errno)
    }

    /// There is no such thing (any more).
    pub(crate) fn is_gone(&self) -> bool {
        self.is(Errno::ENOENT) || self.is(Errno::ENODEV)
    }

    /// The kernel refused for lack of privilege: what a rootless caller has to expect.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(
            self.errno(),
            Some(Errno::EACCES | Errno::EPERM | Errno::EROFS)
        )
    }

    pub(crate) fn at(self, at: &ConfigPath) -> Error {
        if at.is_none() {
            return self;
        }
        Error::Setting {
            at: at.clone(),
            source: Box::new(self),
        }
    }
}

/// A value of `linux.resources` that cannot be compiled for this host: it is wrong, or the host has nothing like it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {why}")]
pub struct SettingError {
    /// The property, such as `linux.resources.memory.swap`.
    pub at: ConfigPath,
    /// What is wrong.
    pub why: String,
}

/// Paths of cgroups come from the config and from `/proc`: a NUL byte in one is an error, not a panic.
pub(crate) fn c_string(path: &Path) -> Result<std::ffi::CString, Error> {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::CString::new(path.as_os_str().as_bytes()).map_err(|_| Error::Path {
        path: path.display().to_string(),
        why: "contains a NUL byte".to_owned(),
    })
}

/// Refuses a value.
pub(crate) fn wrong<T>(at: &ConfigPath, why: impl Into<String>) -> Result<T, SettingError> {
    Err(SettingError {
        at: at.clone(),
        why: why.into(),
    })
}
