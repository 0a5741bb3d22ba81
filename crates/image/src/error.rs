//! The one error type of this crate: operation, image, what, cause, hint.

use std::fmt;
use std::io;
use std::path::Path;

/// Who can act on a failure, and in which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The caller wrote something that cannot be understood (a reference, an option, a configuration file).
    Usage,
    /// The image, tag or blob does not exist.
    NotFound,
    /// The registry wants other credentials, or none will do.
    Denied,
    /// The connection failed, stalled or ended early, and retrying did not help.
    Network,
    /// The registry's answer breaks the distribution specification.
    Protocol,
    /// Content does not have the size or digest that it was asked for by.
    Integrity,
    /// A document or archive is malformed.
    Malformed,
    /// An archive entry tried something that an honest image never needs.
    Unsafe,
    /// A configured limit was reached.
    Limit,
    /// The content is valid, but nothing here can handle it.
    Unsupported,
    /// The local file system or another local program refused.
    Local,
}

/// A failure, with the steps that led to it.
///
/// It prints on one line: outermost operation first, then what it was working on, the cause, and a hint when there is one.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    context: Vec<String>,
    message: String,
    hint: Option<String>,
    source: Option<io::Error>,
    retry: Retry,
    stopped: bool,
}

/// Whether the same request may succeed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Retry {
    #[default]
    Never,
    /// After the usual back-off.
    Later,
    /// The peer named a time, in seconds.
    After(u64),
}

/// What every fallible function here returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A failure of the given kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error {
            kind,
            context: Vec::new(),
            message: message.into(),
            hint: None,
            source: None,
            retry: Retry::Never,
            stopped: false,
        }
    }

    /// A system call on `path` failed while `doing` something.
    pub fn file(doing: &str, path: &Path, source: io::Error) -> Self {
        Error {
            source: Some(source),
            ..Error::new(Kind::Local, format!("{doing} {}", path.display()))
        }
    }

    /// A system call failed; `what` says which and on what.
    pub fn system(what: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Error {
            source: Some(source.into()),
            ..Error::new(Kind::Local, what)
        }
    }

    pub(crate) fn network(message: impl Into<String>, retry: Retry) -> Self {
        Error {
            retry,
            ..Error::new(Kind::Network, message)
        }
    }

    /// What a thread returns that had to stop because its neighbour failed; the neighbour's own error says why.
    pub(crate) fn stopped() -> Self {
        Error {
            stopped: true,
            ..Error::new(Kind::Local, "stopped, because something else failed")
        }
    }

    /// What a caller's callback returns to end the work.
    pub fn cancelled() -> Self {
        Error::new(Kind::Local, "cancelled")
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Adds what to try next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what to try next, only when nothing was said about that yet.
    #[must_use]
    pub fn hint_if_none(self, hint: impl Into<String>) -> Self {
        match self.hint {
            Some(_) => self,
            None => self.hint(hint),
        }
    }

    /// Adds something to the hint that there is.
    pub(crate) fn and(mut self, more: &str) -> Self {
        self.hint = Some(match self.hint {
            Some(hint) => format!("{hint}. {more}"),
            None => more.to_string(),
        });
        self
    }

    /// Adds the step that was being done, in front.
    #[must_use]
    pub fn during(mut self, step: impl Into<String>) -> Self {
        self.context.push(step.into());
        self
    }

    /// Adds the operation in front, when the message does not begin with it already.
    #[must_use]
    pub fn during_operation(self, operation: &str) -> Self {
        match self.context.last() {
            Some(step) if step.split(' ').next() == operation.split(' ').next() => self,
            _ => self.during(operation),
        }
    }

    /// Who can act on it.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn retry(&self) -> Retry {
        self.retry
    }

    /// The number of the failed system call, if one failed.
    pub fn errno(&self) -> Option<i32> {
        self.source.as_ref().and_then(io::Error::raw_os_error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in self.context.iter().rev() {
            write!(f, "{step}: ")?;
        }
        f.write_str(&self.message)?;
        if let Some(source) = &self.source {
            write!(f, ": {source}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, ". {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|e| e as _)
    }
}

/// An error of a kind, with a message as `format!` takes it, and perhaps a hint: `failure!(Usage: "no {what}" => "Write {how}")`.
#[macro_export]
macro_rules! failure {
    ($kind:ident: $text:literal $(, $value:expr)* => $hint:literal $(, $more:expr)*) => {
        $crate::failure!($kind: $text $(, $value)*).hint(format!($hint $(, $more)*))
    };
    ($kind:ident: $($message:tt)+) => {
        $crate::Error::new($crate::Kind::$kind, format_args!($($message)+).to_string())
    };
}

/// Returns a [`failure!`](crate::failure).
#[macro_export]
macro_rules! fail {
    ($($failure:tt)+) => {
        return Err($crate::failure!($($failure)+).into())
    };
}

/// Says what a failed system call was for.
pub trait Doing<T> {
    /// See [`Error::system`].
    fn doing(self, what: &str) -> Result<T>;

    /// See [`Error::file`].
    fn at(self, doing: &str, path: &Path) -> Result<T>;
}

impl<T, E: Into<io::Error>> Doing<T> for std::result::Result<T, E> {
    fn doing(self, what: &str) -> Result<T> {
        self.map_err(|e| Error::system(what, e))
    }

    fn at(self, doing: &str, path: &Path) -> Result<T> {
        self.map_err(|e| Error::file(doing, path, e.into()))
    }
}

/// Names the step in front of an error, only when there is one.
pub trait During<T> {
    /// See [`Error::during`]; the closure runs only on failure.
    fn during(self, step: impl FnOnce() -> String) -> Result<T>;
}

impl<T> During<T> for Result<T> {
    fn during(self, step: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|e| e.during(step()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_operation_subject_cause_and_hint_in_that_order() {
        let error = Error::file("open", Path::new("/x"), io::Error::from_raw_os_error(13))
            .during("layer 3")
            .during("pull a/b:c")
            .hint("Run as root");
        assert_eq!(
            error.to_string(),
            "pull a/b:c: layer 3: open /x: Permission denied (os error 13). Run as root"
        );
        assert_eq!(error.kind(), Kind::Local);
        assert_eq!(error.errno(), Some(13));
    }
}
