//! A session keyring of its own.

use core::fmt;

use kernel::{Errno, keyring};

use super::{Context, Show, Step, step};
use crate::passwd::number;
use crate::{Span, StringTable};

step! {
    /// keyctl(2) KEYCTL_JOIN_SESSION_KEYRING: the container does not see the caller's keys. Kernels without keyrings,
    /// and callers that may not make one, go without.
    SessionKeyring {
        /// Name of the keyring.
        name: Span,
        /// Joins an existing one of that name (exec); else the permissions are opened for later joins.
        join: bool,
    }
}

impl Step for SessionKeyring {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        let serial = match keyring::join_session(context.text.string(self.name)?) {
            Err(fault)
                if fault.is(Errno::ENOSYS) || fault.is(Errno::EPERM) || fault.is(Errno::EACCES) =>
            {
                return Ok(());
            }
            answer => answer?,
        };
        if self.join {
            return Ok(());
        }
        // The owner may search the keyring: that is what a later join by name needs.
        const USER_SEARCH: u32 = 0x08_0000;
        let mut description = [0u8; 256];
        let length = keyring::describe(serial, &mut description)?;
        let permissions = description[..length]
            .split(|byte| *byte == b';')
            .nth(3)
            .and_then(|field| number(field, 16));
        match permissions {
            Some(permissions) => keyring::set_permissions(serial, permissions | USER_SEARCH),
            None => Ok(()),
        }
    }

    fn describe(&self, text: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session keyring {}", Show(text.bytes(self.name)))
    }
}
