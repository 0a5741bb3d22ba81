//! The working directory.

use core::fmt;

use kernel::file;
use kernel::{Call, Errno, Fault};

use super::{Context, Show, Step, step};
use crate::{Span, StringTable, inside};

step! {
    /// Makes a directory below the root, and those above it, if it is missing. `process.cwd`
    MakeDirectory {
        /// The path.
        path: Span,
    }
}

impl Step for MakeDirectory {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        let path = context.text.string(self.path)?;
        // Whether it can be entered, and whether it is a directory, is for the step that does so to say.
        match inside::directory(context.root(), path, 0o755) {
            Err(fault)
                if [
                    Errno::EROFS,
                    Errno::EACCES,
                    Errno::ENOTDIR,
                    Errno::ENOENT,
                    Errno::ELOOP,
                ]
                .contains(&fault.errno) =>
            {
                Ok(())
            }
            answer => answer.map(drop),
        }
    }

    fn describe(&self, text: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "make directory {} if missing",
            Show(text.bytes(self.path))
        )
    }
}

step! {
    /// chdir(2), then a check that the directory lies inside the root: a path through somebody's descriptor must not
    /// lead out (CVE-2024-21626). `process.cwd`
    Directory {
        /// The path.
        path: Span,
        /// The second attempt, as the user: only made if the first was refused for want of permission.
        again: bool,
    }
}

/// What lies outside is named `(unreachable)…` by the kernel.
fn validate(answer: kernel::Result<usize>, first: u8) -> kernel::Result<()> {
    match answer {
        Ok(_) if first == b'/' => Ok(()),
        Ok(_) => Err(Fault::found(Call::Getcwd, Errno::ENOENT)),
        // Deeper than can be named, hence inside: what lies outside is not reachable by any name at all.
        Err(fault) if fault.is(Errno::ERANGE) || fault.is(Errno::ENAMETOOLONG) => Ok(()),
        Err(fault) => Err(fault),
    }
}

#[inline(never)]
fn long_directory() -> kernel::Result<()> {
    let mut current = [0u8; 4096];
    validate(file::current_directory(&mut current), current[0])
}

impl Step for Directory {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        if self.again && !context.directory_pending {
            return Ok(());
        }
        match file::change_directory(context.text.string(self.path)?) {
            Err(fault) if !self.again && fault.is(Errno::EACCES) => {
                context.directory_pending = true;
                return Ok(());
            }
            answer => answer?,
        }
        let mut current = [0u8; 256];
        match file::current_directory(&mut current) {
            Err(fault) if fault.is(Errno::ERANGE) => long_directory(),
            answer => validate(answer, current[0]),
        }
    }

    fn describe(&self, text: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let again = if self.again {
            ", if that was not permitted before"
        } else {
            ""
        };
        write!(f, "directory {}{again}", Show(text.bytes(self.path)))
    }
}
