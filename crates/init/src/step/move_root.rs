//! The change of root where pivot_root(2) cannot be used, as on an initial RAM disk.

use core::fmt;

use kernel::file;
use kernel::mount::{self, flags};
use kernel::{Errno, Fault};

use super::{Context, Show, Step, step};
use crate::{StringTable, Strings};

step! {
    /// Unmounts what shows the host's processes and devices, moves the root over `/` and changes into it (chroot(2)).
    /// The host's other mounts stay below, unreachable by name. `--no-pivot`
    MoveRoot {
        /// Mount points of proc and sysfs outside the container's root, the innermost first: whoever escaped a
        /// chroot must not find them.
        exposed: Strings,
    }
}

impl Step for MoveRoot {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        for path in context.text.strings(self.exposed) {
            mount::mount(None, path, None, flags::PRIVATE | flags::REC, None)?;
            match mount::detach(path) {
                // A mount that came with a user namespace is locked: cover it instead.
                Err(Fault {
                    errno: Errno::EINVAL | Errno::EPERM,
                    ..
                }) => {
                    mount::mount(
                        Some(c"tmpfs"),
                        path,
                        Some(c"tmpfs"),
                        flags::RDONLY,
                        Some(c"size=0k"),
                    )?;
                }
                answer => answer?,
            }
        }
        file::change_directory_to(context.root())?;
        mount::mount(Some(c"."), c"/", None, flags::MOVE, None)?;
        mount::change_root(c".")?;
        file::change_directory(c"/")?;
        context.parent = None;
        Ok(())
    }

    fn describe(&self, text: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("move root to / and chroot")?;
        for path in text.strings(self.exposed) {
            write!(f, ", without {}", Show(path.to_bytes()))?;
        }
        Ok(())
    }
}
