//! A place of our own for mounts that are not where they belong yet: an empty file system that covers the process's root for so
//! long. No path leads to it, for paths begin below what covers the root.

use kernel::file::{self, HERE};
use kernel::mount::{self, attributes};
use kernel::{Fd, Result};

/// Makes the place.
#[inline(never)]
pub(crate) fn attach() -> Result<Fd> {
    let apart = mount::open_filesystem(c"tmpfs")?;
    let apart = mount::create_mount(apart.borrow(), attributes::NOSUID)?;
    mount::attach_at(apart.borrow(), HERE, c"/")?;
    Ok(apart)
}

/// Takes it away, with what is still mounted there.
#[inline(never)]
pub(crate) fn detach(apart: &Fd) -> Result<()> {
    file::change_directory_to(apart.borrow())?;
    mount::detach(c".")
}
