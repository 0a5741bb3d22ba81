//! The names of the machine inside.

use core::fmt;

use kernel::identity;

use super::{Context, Show, Step, step};
use crate::{Span, StringTable};

step! {
    /// sethostname(2). `hostname`
    Hostname {
        /// The name.
        name: Span,
    }
}

impl Step for Hostname {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        identity::set_hostname(context.text.bytes(self.name))
    }

    fn describe(&self, text: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hostname {}", Show(text.bytes(self.name)))
    }
}

step! {
    /// setdomainname(2). `domainname`
    Domainname {
        /// The name.
        name: Span,
    }
}

impl Step for Domainname {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        identity::set_domainname(context.text.bytes(self.name))
    }

    fn describe(&self, text: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "domainname {}", Show(text.bytes(self.name)))
    }
}
