//! Becomes the user's program.

use core::fmt;

use kernel::{Call, Errno, Fault, StringList, process, strings};

use super::{Context, Show, Step, step};
use crate::{StringTable, Strings};

step! {
    /// execve(2): the last step. `process.args`, `process.env`
    ///
    /// What can be known before has been checked. Where the kernel finds out only now that it cannot run the program (its
    /// format, its interpreter), engines show what the container has written, so it says so itself.
    Execute {
        /// Arguments, the program's name first.
        arguments: Strings,
        /// Environment.
        environment: Strings,
        /// A failure is printed on standard error, and the exit status is 255.
        prints_failure: bool,
    }
}

step! {
    /// There is no program: the failure that execve(2) would be. A container without `process` can be created and not started.
    NoProgram {}
}

/// Exit status of a container whose program cannot be executed, as runc has it.
const REFUSED: i32 = 255;

const NOTHING: Fault = Fault::found(Call::Execve, Errno::EINVAL);

/// Lays out the lists of pointers that execve(2) takes.
pub(super) fn lay_out(
    context: &mut Context<'_>,
    arguments: Strings,
    environment: Strings,
) -> kernel::Result<()> {
    let text = context.text;
    // With one null pointer each, and HOME.
    let count = text.strings(arguments).count() + text.strings(environment).count() + 3;
    let room = strings::room(count)?;
    let (arguments, rest) = StringList::lay_out(text.strings(arguments).chain(None), room)?;
    let environment = text.strings(environment).chain(context.home);
    context.lists = Some((arguments, StringList::lay_out(environment, rest)?.0));
    Ok(())
}

impl Step for Execute {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        if context.lists.is_none() {
            lay_out(context, self.arguments, self.environment)?;
        }
        let path = context
            .program
            .string()
            .or_else(|| context.text.strings(self.arguments).next());
        match (path, context.lists) {
            (Some(path), Some((arguments, environment))) => {
                let fault = process::execute(path, arguments, environment);
                if self.prints_failure {
                    context.report.fail(fault);
                    crate::refused::print(path, fault);
                    process::exit(REFUSED);
                }
                Err(fault)
            }
            _ => Err(NOTHING),
        }
    }

    fn describe(&self, text: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("execute")?;
        for argument in text.strings(self.arguments) {
            write!(f, " {}", Show(argument.to_bytes()))?;
        }
        Ok(())
    }
}

impl Step for NoProgram {
    fn run(&self, _: &mut Context<'_>) -> kernel::Result<()> {
        Err(NOTHING)
    }

    fn describe(&self, _: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("execute nothing")
    }
}
