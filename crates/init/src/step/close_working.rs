//! Descriptors that are no longer needed.

use core::fmt;

use super::{Context, Step, step};
use crate::Text;

step! {
    /// close(2) of what only the building of the container needed.
    CloseWorking {}
}

impl Step for CloseWorking {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        context.close_working();
        Ok(())
    }

    fn describe(&self, _: Text<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("close working descriptors")
    }
}
