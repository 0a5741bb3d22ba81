//! What can go wrong, sorted by who can act, and told in one line.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use kernel::process::signals;
use kernel::{Errno, Fault};
use spec::ConfigPath;

use crate::plan::{PlanError, Why};
use crate::process::Exit;

/// An error of this library. Its text is one line: config field, what was tried, call, errno, hint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// `config.json` is not JSON, or not of the specification's shape.
    #[error("{}: {error}", shown(path))]
    Config {
        /// The file.
        path: PathBuf,
        /// Where and what.
        #[source]
        error: spec::ParseError,
    },
    /// The config cannot be planned: its author can act.
    #[error("{0}")]
    Plan(#[from] PlanError),
    /// A step failed: the field it comes from, what it does, and how it failed.
    #[error(fmt = write_step)]
    Step {
        /// The config field.
        at: ConfigPath,
        /// The step in words.
        step: String,
        /// What callers know the failure as, if there is such a text.
        text: Option<String>,
        /// Call and errno.
        #[source]
        fault: Fault,
        /// The next thing to try.
        hint: Option<&'static str>,
    },
    /// A call outside of the making of a container or process: what was tried, and how it failed.
    #[error("{doing}: {fault}")]
    Call {
        /// What was tried.
        doing: String,
        /// Call and errno.
        #[source]
        fault: Fault,
    },
    /// The process ended before it reached the user's program, without saying why.
    #[error(fmt = write_death)]
    ChildDied {
        /// The config field of the step it was in.
        at: ConfigPath,
        /// The step in words.
        step: String,
        /// How it ended, if that is known.
        exit: Option<Exit>,
    },
    /// A hook failed.
    #[error("{NOT_STARTED}{text} ({at})")]
    Hook {
        /// The config field, such as `hooks.createRuntime[0]`.
        at: ConfigPath,
        /// What callers know the failure as.
        text: String,
        /// It was ended because the caller asked for that ([`Store::with_interrupt`]).
        ///
        /// [`Store::with_interrupt`]: crate::Store::with_interrupt
        interrupted: bool,
    },
    /// Control groups.
    #[error("{0}")]
    Cgroup(#[from] cgroups::Error),
    /// criu(8) is missing, or has failed.
    #[error("{text}{}", LogAt(log))]
    Criu {
        /// How.
        text: String,
        /// Its log, where there is one.
        log: Option<PathBuf>,
        /// What that says about it.
        said: Vec<String>,
    },
    /// The container is in another state than the operation needs.
    #[error("{text}")]
    WrongStatus {
        /// The container.
        id: String,
        /// What callers know the failure as.
        text: String,
    },
    /// There is no such container.
    #[error("container does not exist: {id:?}")]
    NotFound {
        /// The id asked for.
        id: String,
    },
    /// There is such a container already.
    #[error("container with given ID already exists: {id:?}")]
    Exists {
        /// The id asked for.
        id: String,
    },
    /// A file outside the container.
    #[error("{doing} {}: {}", shown(path), in_words(source))]
    File {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// How it failed.
        source: io::Error,
    },
    /// An argument of the call that cannot be, or does not fit another one.
    #[error("{name}: {text}")]
    Argument {
        /// Its name; of a part of it, such as `streams.stdin`.
        name: &'static str,
        /// What is wrong with it.
        text: String,
    },
    /// A value given by the caller, not by the config.
    #[error("{text}{}{}", if what.is_empty() { "" } else { ": " }, one_line(what))]
    Invalid {
        /// What is wrong.
        text: String,
        /// With what.
        what: String,
    },
}

/// What kind of error it is. The texts of errors may change; what kind one is stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument of the call cannot be, or does not fit another one.
    InvalidArgument,
    /// The config is wrong: its author can act.
    InvalidConfig,
    /// The config is right, but this library, this host or this caller cannot do what it says.
    Unsupported,
    /// There is no such container.
    NotFound,
    /// There is such a container already.
    AlreadyExists,
    /// The container is in another state than the operation needs.
    WrongStatus,
    /// A hook failed.
    Hook,
    /// A hook was ended because the caller asked for that.
    Interrupted,
    /// A cgroup could not be made, changed or removed.
    Cgroup,
    /// The kernel does not allow it to the caller.
    PermissionDenied,
    /// Another failure of a call.
    System,
}

impl Error {
    pub(crate) fn file(doing: &'static str, path: &Path, source: io::Error) -> Error {
        Error::File {
            doing,
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn invalid(text: &str, path: &Path) -> Error {
        Error::Invalid {
            text: text.to_owned(),
            what: path.display().to_string(),
        }
    }

    pub(crate) fn argument(name: &'static str, text: impl fmt::Display) -> Error {
        let text = text.to_string();
        Error::Argument { name, text }
    }

    pub(crate) fn wrong_status(id: &str, text: impl Into<String>) -> Error {
        Error::WrongStatus {
            id: id.to_owned(),
            text: text.into(),
        }
    }

    /// criu(8) before it has a log.
    pub(crate) fn criu(text: impl Into<String>) -> Error {
        Error::Criu {
            text: text.into(),
            log: None,
            said: Vec::new(),
        }
    }

    pub(crate) fn call(doing: impl Into<String>, fault: Fault) -> Error {
        let doing = doing.into();
        Error::Call { doing, fault }
    }

    /// A step of the runtime's that failed in the kernel.
    pub(crate) fn step(at: &ConfigPath, step: impl fmt::Display, fault: Fault) -> Error {
        let step = step.to_string();
        Error::Step {
            at: at.clone(),
            hint: crate::hint::find(&step, fault),
            step,
            text: None,
            fault,
        }
    }

    /// The reason alone: without what callers look for before it, and without the field, as part of another error that
    /// has both.
    pub(crate) fn reason(&self) -> String {
        match self {
            Error::Step {
                text: Some(text), ..
            } => text.clone(),
            error => {
                let text = error.to_string();
                text.strip_prefix(NOT_STARTED)
                    .map_or(text.clone(), str::to_owned)
            }
        }
    }

    /// What kind of error it is, for programs that go on from there.
    pub fn kind(&self) -> ErrorKind {
        let of_errno = |errno| match errno {
            Errno::EPERM | Errno::EACCES => ErrorKind::PermissionDenied,
            _ => ErrorKind::System,
        };
        match self {
            Error::Argument { .. } | Error::Invalid { .. } => ErrorKind::InvalidArgument,
            Error::Plan(PlanError {
                why: Why::Unsupported(_),
                ..
            }) => ErrorKind::Unsupported,
            Error::Config { .. } | Error::Plan(_) => ErrorKind::InvalidConfig,
            Error::NotFound { .. } => ErrorKind::NotFound,
            Error::Exists { .. } => ErrorKind::AlreadyExists,
            Error::WrongStatus { .. } => ErrorKind::WrongStatus,
            Error::Hook {
                interrupted: true, ..
            } => ErrorKind::Interrupted,
            Error::Hook { .. } => ErrorKind::Hook,
            Error::Cgroup(_) => ErrorKind::Cgroup,
            Error::ChildDied { .. } | Error::Criu { .. } => ErrorKind::System,
            // Whom it was about has ended.
            Error::Call { fault, .. } if fault.is(Errno::ESRCH) => ErrorKind::WrongStatus,
            Error::Step { fault, .. } | Error::Call { fault, .. } => of_errno(fault.errno),
            Error::File { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
                _ => ErrorKind::System,
            },
        }
    }

    /// True when the id is taken, or nobody has it: the message is complete with the folder that was looked in.
    pub fn is_about_the_store(&self) -> bool {
        matches!(self, Error::NotFound { .. } | Error::Exists { .. })
    }

    /// True when the container does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Error::NotFound { .. })
    }

    /// The parts of the message that apply, by name: for structured logs.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = Vec::new();
        let mut add = |name, value: String| {
            if !value.is_empty() {
                fields.push((name, value));
            }
        };
        match self {
            Error::Config { path, error } => {
                add("file", path.display().to_string());
                add("config", error.at.clone());
            }
            Error::Plan(error) => add("config", error.at.to_string()),
            Error::Step {
                at,
                step,
                fault,
                hint,
                ..
            } => {
                add("config", at.to_string());
                add("step", step.clone());
                add("call", fault.call.name().to_owned());
                add("errno", fault.errno.name().to_owned());
                add("hint", hint.unwrap_or_default().to_owned());
            }
            Error::Call { doing, fault } => {
                add("step", doing.clone());
                add("call", fault.call.name().to_owned());
                add("errno", fault.errno.name().to_owned());
            }
            Error::ChildDied { at, step, .. } => {
                add("config", at.to_string());
                add("step", step.clone());
            }
            Error::Hook { at, .. } => add("config", at.to_string()),
            Error::WrongStatus { id, .. } | Error::NotFound { id } | Error::Exists { id } => {
                add("container", id.clone())
            }
            Error::File { path, source, .. } => {
                add("file", path.display().to_string());
                let errno = source
                    .raw_os_error()
                    .map_or("", |number| kernel::Errno(number).name());
                add("errno", errno.to_owned());
            }
            Error::Argument { name, .. } => add("argument", (*name).to_owned()),
            Error::Criu { log: Some(log), .. } => add("file", log.display().to_string()),
            Error::Criu { log: None, .. } | Error::Cgroup(_) | Error::Invalid { .. } => {}
        }
        fields
    }
}

/// `field: ` or nothing.
struct Prefix<'a>(&'a ConfigPath);

impl fmt::Display for Prefix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_none() {
            Ok(())
        } else {
            write!(f, "{}: ", self.0)
        }
    }
}

/// What callers of runtimes look for before the reason.
const NOT_STARTED: &str = "unable to start container process: ";

fn write_step(
    at: &ConfigPath,
    step: &str,
    text: &Option<String>,
    fault: &Fault,
    hint: &Option<&'static str>,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    f.write_str(NOT_STARTED)?;
    match text {
        // A text that others match on stays whole; the field comes behind it.
        Some(text) if at.is_none() => f.write_str(text)?,
        Some(text) => write!(f, "{text} ({at})")?,
        None => write!(
            f,
            "error during container init: {}{step}: {fault}",
            Prefix(at)
        )?,
    }
    hint.map_or(Ok(()), |hint| write!(f, " ({hint})"))
}

fn write_death(
    at: &ConfigPath,
    step: &str,
    exit: &Option<Exit>,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let how = match exit {
        Some(Exit::Code(code)) => format!("ended with status {code}"),
        Some(Exit::Signal(signals::SYS)) => {
            "was ended by signal 31 (SIGSYS: a filter forbids a call; read, execve \
             and exit_group are always needed)"
                .to_owned()
        }
        Some(Exit::Signal(signal)) => format!("was ended by signal {signal}"),
        Some(Exit::Unknown) | None => "ended".to_owned(),
    };
    write!(
        f,
        "{}{step}: the container's process {how} before it was done",
        Prefix(at)
    )
}

/// What others have named stays in its line.
fn one_line(text: &str) -> Cow<'_, str> {
    match text.contains(char::is_control) {
        true => text.escape_debug().to_string().into(),
        false => text.into(),
    }
}

fn shown(path: &Path) -> String {
    one_line(&path.to_string_lossy()).into_owned()
}

/// ` (log: PATH)` or nothing.
struct LogAt<'a>(&'a Option<PathBuf>);

impl fmt::Display for LogAt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(log) => write!(f, " (log: {})", log.display()),
            None => Ok(()),
        }
    }
}

fn in_words(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => Errno(number).text().to_owned(),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::Call;

    #[test]
    fn only_what_is_started_cannot_be_started() {
        let fault = Fault::found(Call::PidfdSendSignal, Errno::EPERM);
        let killed = Error::call("send signal 9", fault).to_string();
        assert_eq!(
            killed,
            "send signal 9: pidfd_send_signal: operation not permitted"
        );
        let started = Error::step(&ConfigPath::none(), "start child", fault).to_string();
        assert!(started.starts_with(NOT_STARTED), "{started}");
    }
}
