//! The words for what a container is doing.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The status (runtime.md, "State"), and `paused`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Being made.
    Creating,
    /// Waits for `start`.
    Created,
    /// The user's program runs.
    Running,
    /// As running, but frozen.
    Paused,
    /// Its first process has ended, or was never made and nobody is at work on it any more.
    Stopped,
}

impl Status {
    /// The word in `state`'s output.
    pub fn word(self) -> &'static str {
        match self {
            Status::Creating => "creating",
            Status::Created => "created",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Stopped => "stopped",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
