//! Which file is to be executed.

use core::ffi::CStr;
use core::fmt;

use kernel::file::{self, HERE, mode};
use kernel::{Call, Errno, Fault, Result};

use super::{Context, Show, Step, step};
use crate::{Span, StringTable, Strings};

step! {
    /// Searches PATH as execvp(3) does, so that `create` fails for a program that is not there. `process.args`
    FindProgram {
        /// A name, or a path if it holds a slash.
        name: Span,
        /// The value of PATH.
        path: Span,
        /// Its arguments and environment, which are laid out here for execve(2): after the system call filter is loaded
        /// there may be no call left to get memory with.
        arguments: Strings,
        /// As above.
        environment: Strings,
    }
}

/// Whether a file can be executed: `EACCES` for what is no file or lacks the permission.
fn check(path: &CStr) -> Result<()> {
    const X_OK: u32 = 1;
    let fd = file::open_at(HERE, path, file::open::PATH, 0)?;
    match file::status(fd.borrow())?.kind() {
        mode::REGULAR => {}
        mode::DIRECTORY => return Err(Fault::found(Call::Execve, Errno::EISDIR)),
        _ => return Err(Fault::found(Call::Execve, Errno::EACCES)),
    }
    match file::accessible(fd.borrow(), X_OK) {
        // faccessat2(2) is from Linux 5.8, and a filter may not know it: execve(2) will tell.
        Err(fault) if fault.is(Errno::ENOSYS) || fault.is(Errno::EPERM) => Ok(()),
        answer => answer,
    }
}

impl Step for FindProgram {
    #[expect(
        clippy::disallowed_methods,
        reason = "a directory of PATH without the program is passed over, as by execvp(3)"
    )]
    fn run(&self, context: &mut Context<'_>) -> Result<()> {
        super::execute::lay_out(context, self.arguments, self.environment)?;
        let text = context.text;
        let name = text.bytes(self.name);
        if name.contains(&b'/') {
            check(text.string(self.name)?)?;
            context.program.set(&[name]);
            return Ok(());
        }
        if self.path.length > 0 {
            for directory in text.bytes(self.path).split(|byte| *byte == b':') {
                let directory = if directory.is_empty() {
                    b"."
                } else {
                    directory
                };
                if context.program.set(&[directory, b"/", name])
                    && context
                        .program
                        .string()
                        .is_some_and(|path| check(path).is_ok())
                {
                    return Ok(());
                }
            }
        }
        Err(Fault::found(Call::Execve, Errno::ENOENT))
    }

    fn describe(&self, text: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "find program {}", Show(text.bytes(self.name)))?;
        if self.path.length > 0 {
            write!(f, " in {}", Show(text.bytes(self.path)))?;
        }
        Ok(())
    }
}
