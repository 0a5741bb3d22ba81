//! Kernel parameters of the container's namespaces.

use core::fmt;

use kernel::file::{self, open, resolve};

use super::{Context, Show, Step, step};
use crate::{Span, StringTable};

step! {
    /// Writes a file below `sys` of procfs. `linux.sysctl`
    ///
    /// The procfs is a mount of our own that nobody else sees, and no link is followed in it, so a mount over the
    /// container's `/proc` cannot turn this into a write somewhere else (CVE-2025-52881).
    Sysctl {
        /// Relative to `/proc`, such as `sys/net/ipv4/ip_forward`.
        path: Span,
        /// What is written.
        value: Span,
    }
}

impl Step for Sysctl {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        let proc = super::label::own_proc()?;
        let (path, value) = (
            context.text.string(self.path)?,
            context.text.bytes(self.value),
        );
        let how =
            resolve::BENEATH | resolve::NO_XDEV | resolve::NO_SYMLINKS | resolve::NO_MAGICLINKS;
        let fd = file::open_how(proc.borrow(), path, open::WRONLY, 0, how)?;
        file::write(fd.borrow(), value).map(drop)
    }

    fn describe(&self, text: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "write {} to {}",
            Show(text.bytes(self.value)),
            Show(text.bytes(self.path))
        )
    }
}
