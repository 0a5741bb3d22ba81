//! The execution domain.

use core::fmt;

use kernel::scheduling;

use super::{Context, Step, step};
use crate::StringTable;

step! {
    /// personality(2). `linux.personality`
    Personality {
        /// PER_….
        persona: u32,
    }
}

impl Step for Personality {
    fn run(&self, _: &mut Context<'_>) -> kernel::Result<()> {
        scheduling::set_personality(self.persona)
    }

    fn describe(&self, _: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "personality {:#x}", self.persona)
    }
}
