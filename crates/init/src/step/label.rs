//! Labels of security modules for the program that will run.

use core::fmt;

use kernel::file::{self, HERE, magic, open, resolve};
use kernel::{Call, Errno, Fault, Fd, mount};

use super::{Context, Show, Step, step};
use crate::{Span, StringTable};

step! {
    /// Writes this thread's `attr/…` in procfs, which takes effect at execve(2). `process.apparmorProfile`,
    /// `process.selinuxLabel`
    Label {
        /// Relative to `/proc`, such as `thread-self/attr/apparmor/exec`.
        path: Span,
        /// The path on kernels that lack that one.
        older: Span,
        /// What is written, such as `exec docker-default`.
        value: Span,
    }
}

/// A procfs that nobody else can have mounted over: a new, detached mount, or, where the kernel does not permit that
/// (in a user namespace from which parts of /proc are hidden), `/proc` after a check that it is one.
pub(crate) fn own_proc() -> kernel::Result<Fd> {
    let made = mount::open_filesystem(c"proc")
        .and_then(|context| mount::create_mount(context.borrow(), 0));
    match made {
        Err(fault) if fault.is(Errno::EPERM) => {
            let proc = file::open_at(
                HERE,
                c"/proc",
                open::PATH | open::DIRECTORY | open::NOFOLLOW,
                0,
            )?;
            if file::filesystem(proc.borrow())?.kind != magic::PROC {
                return Err(Fault::found(Call::Fstatfs, Errno::EPERM));
            }
            Ok(proc)
        }
        answer => answer,
    }
}

impl Step for Label {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        let proc = own_proc()?;
        // `thread-self` is a link of procfs itself; beyond it none may be followed.
        let how = resolve::BENEATH | resolve::NO_XDEV | resolve::NO_MAGICLINKS;
        let open_file = |path| file::open_how(proc.borrow(), path, open::WRONLY, 0, how);
        let fd = match open_file(context.text.string(self.path)?) {
            Err(fault) if fault.is(Errno::ENOENT) && self.older.length > 0 => {
                open_file(context.text.string(self.older)?)?
            }
            answer => answer?,
        };
        if file::filesystem(fd.borrow())?.kind != magic::PROC {
            return Err(Fault::found(Call::Fstatfs, Errno::EPERM));
        }
        file::write(fd.borrow(), context.text.bytes(self.value)).map(drop)
    }

    fn describe(&self, text: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "label {} in {}",
            Show(text.bytes(self.value)),
            Show(text.bytes(self.path))
        )
    }
}
