//! The user's home directory, when the environment does not name one.

use core::fmt;
use kernel::strings;

use super::{Context, Step, join, step};
use crate::{StringTable, passwd};

step! {
    /// Looks HOME up in the container's passwd(5) file. `process.env`
    FindHome {
        /// Whose.
        uid: u32,
    }
}

impl Step for FindHome {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        let mut home = [0u8; 500];
        let found = passwd::home(context.root(), self.uid, &mut home);
        let directory = match found {
            Some(length) => &home[..length],
            // As login programs do.
            None => b"/",
        };
        let room = core::mem::take(&mut context.home_room);
        context.home = join(room, &[b"HOME=", directory]).and_then(|_| strings::first(room));
        Ok(())
    }

    fn describe(&self, _: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "find HOME of user {}", self.uid)
    }
}
