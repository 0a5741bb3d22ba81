//! What the program may do (capabilities(7)).

use core::fmt;

use kernel::{Errno, identity};

use super::{Context, Step, step};
use crate::StringTable;

/// Names without `CAP_`, in the order of their numbers.
pub(super) const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

fn names(f: &mut fmt::Formatter<'_>, set: u64) -> fmt::Result {
    if set == 0 {
        return f.write_str("none");
    }
    let mut separator = "";
    for (_, name) in NAMES
        .iter()
        .enumerate()
        .filter(|(number, _)| set >> number & 1 == 1)
    {
        write!(f, "{separator}{name}")?;
        separator = ",";
    }
    Ok(())
}

step! {
    /// PR_CAPBSET_DROP of everything but the given set. `process.capabilities.bounding`
    BoundingSet {
        /// What stays, one bit per capability.
        keep: u64,
    }
}

impl Step for BoundingSet {
    fn run(&self, _: &mut Context<'_>) -> kernel::Result<()> {
        for capability in (0..64).filter(|capability| self.keep >> capability & 1 == 0) {
            match identity::drop_bounding(capability) {
                // The kernel knows no capability with this number, and none above it.
                Err(fault) if fault.is(Errno::EINVAL) => break,
                answer => answer?,
            }
        }
        Ok(())
    }

    fn describe(&self, _: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bounding set ")?;
        names(f, self.keep)
    }
}

step! {
    /// capset(2), and the ambient set. `process.capabilities`
    Capabilities {
        /// Effective set, one bit per capability.
        effective: u64,
        /// Permitted set.
        permitted: u64,
        /// Inheritable set.
        inheritable: u64,
        /// Ambient set; one that cannot be raised is reported as a warning.
        ambient: u64,
    }
}

impl Step for Capabilities {
    #[expect(
        clippy::disallowed_methods,
        reason = "what cannot be raised is a warning (config.md, \"Process\")"
    )]
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        identity::set_capabilities(self.effective, self.permitted, self.inheritable)?;
        identity::clear_ambient()?;
        let mut missing = 0;
        for capability in (0..64).filter(|capability| self.ambient >> capability & 1 == 1) {
            if identity::raise_ambient(capability).is_err() {
                missing |= 1 << capability;
            }
        }
        if missing != 0 {
            context.report.not_raised(missing);
        }
        Ok(())
    }

    fn describe(&self, _: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("capabilities effective ")?;
        names(f, self.effective)?;
        for (title, set) in [
            (" permitted ", self.permitted),
            (" inheritable ", self.inheritable),
            (" ambient ", self.ambient),
        ] {
            if set != 0 {
                f.write_str(title)?;
                names(f, set)?;
            }
        }
        Ok(())
    }
}
