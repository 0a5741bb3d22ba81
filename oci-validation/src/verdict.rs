//! How a test ends: it passes, or it stops with a reason.

/// Why a test did not pass.
#[derive(Debug, Clone)]
pub enum Stop {
    /// The runtime does not do what the row demands.
    Fail(String),
    /// `create` or `start` gave an error, though the configuration is valid. Not applicable where the row is a MAY.
    Refused(String),
    /// The row says nothing here: what this machine lacks.
    Skip(String),
}

/// What a test and its steps return.
pub type Verdict<T = ()> = Result<T, Stop>;

/// Fails with a message.
pub fn fail<T>(message: impl Into<String>) -> Verdict<T> {
    Err(Stop::Fail(message.into()))
}

/// Ends a test that says nothing on this machine.
pub fn skip<T>(reason: impl Into<String>) -> Verdict<T> {
    Err(Stop::Skip(reason.into()))
}

/// Fails unless something is true.
pub fn ensure(truth: bool, message: impl FnOnce() -> String) -> Verdict {
    if truth { Ok(()) } else { fail(message()) }
}

/// Fails unless two values are the same.
pub fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: T, wanted: T) -> Verdict {
    ensure(found == wanted, || {
        format!("{what}: found {found:?}, wanted {wanted:?}")
    })
}

/// What the suite itself could not do is a failure with the call's name: never a silent pass.
pub trait Setup<T> {
    /// Turns an error of the test's own preparation into a failure.
    fn setup(self, what: &str) -> Verdict<T>;
}

impl<T, E: std::fmt::Display> Setup<T> for Result<T, E> {
    fn setup(self, what: &str) -> Verdict<T> {
        self.map_err(|error| Stop::Fail(format!("the suite could not {what}: {error}")))
    }
}
