//! The flags before the command: where state lives, where the log goes, which cgroup driver.

use std::ffi::OsString;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use libcontainer::Store;

use crate::failure::Failure;
use crate::flag::Flag;
use crate::foreground;
use crate::invocation::{Invocation, absolute, truth};
use crate::logger::{self, Format};
use crate::program::Program;

static DEBUG: Flag = Flag::switch("debug", "log more");
static LOG: Flag = Flag::path(
    "log",
    "FILE",
    "file to append the log to (default: standard error)",
);
static LOG_FORMAT: Flag = Flag::text(
    "log-format",
    "FORMAT",
    "form of the log: text or json (default: text)",
)
.one_of(&["text", "json"]);
static ROOT: Flag = Flag::path(
    "root",
    "DIR",
    "directory for the state of containers, best on a tmpfs (default: /run/{name}, \
     or $XDG_RUNTIME_DIR/{name} for ordinary users)",
);
static SYSTEMD_CGROUP: Flag = Flag::switch(
    "systemd-cgroup",
    "let systemd make cgroups; cgroupsPath is then slice:prefix:name",
);
static ROOTLESS: Flag = Flag::text(
    "rootless",
    "WHEN",
    "tolerate cgroups without permission: true, false or auto (default: auto)",
)
.one_of(&["true", "false", "auto"]);
static CRIU: Flag = Flag::text("criu", "FILE", "ignored: criu is searched in $PATH").hidden();
/// Prints the version and ends.
pub(crate) static VERSION: Flag = Flag::switch("version", "print the version").short("v");

/// All global flags.
pub(crate) static FLAGS: &[&Flag] = &[
    &DEBUG,
    &LOG,
    &LOG_FORMAT,
    &ROOT,
    &SYSTEMD_CGROUP,
    &ROOTLESS,
    &CRIU,
    &VERSION,
];

/// What the global flags and the program's name say, for the commands.
#[derive(Debug)]
pub(crate) struct Global {
    pub(crate) program: Program,
    pub(crate) root: PathBuf,
    /// Where `root` comes from.
    pub(crate) root_from: RootFrom,
    pub(crate) systemd_cgroup: bool,
    pub(crate) rootless: Option<bool>,
    store: Store,
}

/// Who chose the folder for state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RootFrom {
    /// `--root`.
    Flag,
    /// `$XDG_RUNTIME_DIR`.
    Session,
    /// Nobody.
    Default,
}

impl Global {
    /// Reads the global flags and sets the log up accordingly.
    pub(crate) fn new(program: Program, invocation: &Invocation) -> Result<Global, Failure> {
        let format = match invocation.text(&LOG_FORMAT) {
            None | Some("" | "text") => Format::Text,
            Some("json") => Format::Json,
            Some(other) => return Err(Failure::new(format!("invalid log-format: {other}"))),
        };
        let log = invocation.path(&LOG)?;
        logger::set_up(log.as_deref(), format, invocation.switch(&DEBUG))?;
        if invocation.has(&CRIU) {
            log::warn!("--criu is ignored: criu is searched in $PATH");
        }
        let rootless = match invocation.text(&ROOTLESS) {
            None | Some("" | "auto") => None,
            Some(text) => Some(truth(text.as_bytes()).ok_or_else(|| {
                Failure::new(format!("invalid rootless: {text} (true, false or auto)"))
            })?),
        };
        let (root, root_from) = if invocation.has(&ROOT) {
            (given_root(invocation.path(&ROOT)?)?, RootFrom::Flag)
        } else {
            default_root(program.identity(), session_directory()?)
        };
        let store = Store::open(&root)?
            .with_environment(|| std::env::vars_os().collect())
            .with_warnings(|warning| log::warn!("{warning}"))
            .with_interrupt(foreground::ending_signals);
        Ok(Global {
            program,
            store,
            root,
            root_from,
            systemd_cgroup: invocation.switch(&SYSTEMD_CGROUP),
            rootless,
        })
    }

    /// The store of containers' state.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Makes a folder in `$XDG_RUNTIME_DIR` before the first container is put there.
    ///
    /// With the sticky bit, which tells whoever clears that directory of old files to leave it alone (XDG base
    /// directory specification).
    pub(crate) fn prepare_root(&self) -> Result<(), Failure> {
        if self.root_from == RootFrom::Default && kernel::identity::user() != 0 {
            return make_writable(&self.root).map_err(|error| {
                let doing = format!("make {}", self.root.display());
                let mut failure = Failure::io(&doing, &error);
                failure.message += " (ordinary users need a directory of their own: set XDG_RUNTIME_DIR, or choose one with --root)";
                failure
            });
        }
        if self.root_from != RootFrom::Session {
            return Ok(());
        }
        let made = std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.root)
            .and_then(|()| {
                let mode = std::fs::Permissions::from_mode(0o1700);
                std::fs::set_permissions(&self.root, mode)
            });
        made.map_err(|error| Failure::io(&format!("make {}", self.root.display()), &error))
    }
}

/// Makes a directory, or finds that it is there, and that the caller may make others in it.
fn make_writable(path: &Path) -> std::io::Result<()> {
    use kernel::file::{self, HERE, open};
    const W_OK: u32 = 2;
    std::fs::create_dir_all(path)?;
    let name = std::ffi::CString::new(path.as_os_str().as_encoded_bytes())?;
    let directory = file::open_at(HERE, &name, open::PATH, 0)?;
    Ok(file::accessible(directory.borrow(), W_OK)?)
}

/// An empty `--root`, or one that is `/`, is a mistake of a caller's script and not a place for containers.
fn given_root(path: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let root = match path {
        Some(path) => path,
        None => absolute(Path::new("."))?,
    };
    // `..` above `/` leads to `/`.
    let mut depth = 0usize;
    for part in root.components() {
        match part {
            std::path::Component::Normal(_) => depth += 1,
            std::path::Component::ParentDir => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    if depth == 0 {
        return Err(Failure::new(
            "Option --root argument should not be set to /",
        ));
    }
    Ok(root)
}

fn default_root(identity: &str, session: Option<OsString>) -> (PathBuf, RootFrom) {
    match session {
        Some(session) => (Path::new(&session).join(identity), RootFrom::Session),
        None => (Path::new("/run").join(identity), RootFrom::Default),
    }
}

/// `$XDG_RUNTIME_DIR`, when the caller is an ordinary user or one who is root only in a user namespace of its own.
///
/// An empty variable counts as unset: podman passes it so.
fn session_directory() -> Result<Option<OsString>, Failure> {
    let session = std::env::var_os("XDG_RUNTIME_DIR").filter(|value| !value.is_empty());
    if session.is_none() || kernel::identity::user() != 0 {
        return Ok(session);
    }
    // The real root has the variable too, from its login, and yet shares one store with all services.
    if std::env::var_os("USER").is_some_and(|user| user == "root") {
        return Ok(None);
    }
    // Who cannot tell would look for containers in the wrong place.
    let path = "/proc/self/uid_map";
    let map = std::fs::read_to_string(path)
        .map_err(|error| Failure::io(&format!("open {path}"), &error))?;
    let whole = map.split_ascii_whitespace().eq(["0", "0", "4294967295"]);
    Ok(session.filter(|_| !whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_directory_is_never_a_store() {
        for path in ["/", "//", "/.", "/..", "/a/..", "/../.."] {
            assert!(given_root(Some(path.into())).is_err(), "{path}");
        }
        for path in ["/run/x", "/a/../b"] {
            assert!(given_root(Some(path.into())).is_ok(), "{path}");
        }
    }

    #[test]
    fn the_default_root_follows_the_name_and_the_session() {
        let (root, from) = default_root("tare", None);
        assert_eq!(
            (root.to_str(), from),
            (Some("/run/tare"), RootFrom::Default)
        );
        let (root, from) = default_root("runc", Some("/run/user/7".into()));
        assert_eq!(root.to_str(), Some("/run/user/7/runc"));
        assert_eq!(from, RootFrom::Session);
    }
}
