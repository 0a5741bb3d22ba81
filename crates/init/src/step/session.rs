//! A session of its own.

use core::fmt;

use super::{Context, Step, step};
use crate::StringTable;

step! {
    /// setsid(2): the container's first process leads a session, so a terminal can become its own, and signals from
    /// the caller's terminal do not reach it.
    Session {}
}

impl Step for Session {
    fn run(&self, _: &mut Context<'_>) -> kernel::Result<()> {
        kernel::process::new_session()
    }

    fn describe(&self, _: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("new session")
    }
}
