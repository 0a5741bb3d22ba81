//! Attributes of mounts: read-only, no devices and the like.

use core::fmt;

use kernel::mount::{self, Change, attributes};
use kernel::{BorrowedFd, Errno};

use super::{step, words};

step! {
    /// What a mount is changed to. `mounts[].options`
    #[derive(Default)]
    Attributes {
        /// Attributes taken away from the mount where the kernel lets us: those that nobody asked for.
        release: u64,
        /// What the mount itself is changed to.
        set: u64,
        /// Attributes taken away from it.
        clear: u64,
        /// What the mounts below are changed to, too.
        deep_set: u64,
        /// Attributes taken away from all of them.
        deep_clear: u64,
    }
}

/// Names of mount attributes.
pub(crate) const NAMES: [(u64, &str); 8] = [
    (attributes::RDONLY, "ro"),
    (attributes::NOSUID, "nosuid"),
    (attributes::NODEV, "nodev"),
    (attributes::NOEXEC, "noexec"),
    (attributes::NOATIME, "noatime"),
    (attributes::STRICTATIME, "strictatime"),
    (attributes::NODIRATIME, "nodiratime"),
    (attributes::NOSYMFOLLOW, "nosymfollow"),
];

/// Changes the attributes of a mount, or of all below it, too.
pub(crate) fn change(
    mount: BorrowedFd<'_>,
    set: u64,
    clear: u64,
    deep: bool,
) -> kernel::Result<()> {
    if set | clear == 0 {
        return Ok(());
    }
    mount::set_attributes(
        mount,
        c"",
        deep,
        &Change {
            set,
            clear,
            ..Change::default()
        },
    )
}

/// Attributes that are locked one by one (mount_namespaces(7)).
const SINGLE: [u64; 7] = [
    attributes::RDONLY,
    attributes::NOSUID,
    attributes::NODEV,
    attributes::NOEXEC,
    attributes::NOSYMFOLLOW,
    attributes::NODIRATIME,
    attributes::ATIME,
];

impl Attributes {
    /// mount_setattr(2): changes a mount, and those below. What the mount itself is to be comes last.
    ///
    /// # Errors
    /// As mount_setattr(2); what may be kept is no error.
    pub fn apply(self, mount: BorrowedFd<'_>) -> kernel::Result<()> {
        change(mount, self.deep_set, self.deep_clear, true)?;
        match change(mount, self.set, self.clear | self.release, false) {
            // One of them is locked: whoever mounted the source for a less privileged user namespace wants it kept.
            Err(fault) if fault.is(Errno::EPERM) && self.release != 0 => {
                change(mount, self.set, self.clear, false)?;
                for attribute in SINGLE.iter().filter(|one| self.release & **one != 0) {
                    match change(mount, 0, *attribute, false) {
                        Err(fault) if !fault.is(Errno::EPERM) => return Err(fault),
                        _ => {}
                    }
                }
                Ok(())
            }
            answer => answer,
        }
    }

    /// Writes what is set and cleared.
    ///
    /// # Errors
    /// Only those of the formatter.
    pub fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (title, value) in [
            (" set ", self.set),
            (" clear ", self.clear & !attributes::ATIME),
            (" clear if not locked ", self.release & !attributes::ATIME),
            (" recursively set ", self.deep_set),
            (" recursively clear ", self.deep_clear & !attributes::ATIME),
        ] {
            if value != 0 {
                f.write_str(title)?;
                words(f, value, &NAMES)?;
            }
        }
        Ok(())
    }
}
