//! Becomes the user's program.

use core::fmt;

use kernel::{memory, process};

use super::{Context, Show, Step, step};
use crate::{Strings, Text};

step! {
    /// execve(2): the last step. `process.args`, `process.env`
    Execute {
        /// Arguments, the program's name first.
        arguments: Strings,
        /// Environment.
        environment: Strings,
    }
}

impl Step for Execute {
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
        let text = context.text;
        let (arguments, environment) = (
            text.strings(self.arguments).count(),
            text.strings(self.environment).count(),
        );
        let room = memory::pointer_room(arguments + environment + 3)?;
        let (room_for_arguments, room_for_environment) = room.split_at_mut(arguments + 1);
        for (place, string) in room_for_arguments
            .iter_mut()
            .zip(context.text.strings(self.arguments))
        {
            *place = string.as_ptr();
        }
        let strings = context
            .text
            .strings(self.environment)
            .chain(context.home.string());
        for (place, string) in room_for_environment.iter_mut().zip(strings) {
            *place = string.as_ptr();
        }
        match context
            .program
            .string()
            .or_else(|| context.text.strings(self.arguments).next())
        {
            Some(path) => Err(process::execute(
                path,
                room_for_arguments,
                room_for_environment,
            )),
            None => Err(kernel::Fault::found(
                kernel::Call::Execve,
                kernel::Errno::EINVAL,
            )),
        }
    }

    fn describe(&self, text: Text<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("execute")?;
        for argument in text.strings(self.arguments) {
            write!(f, " {}", Show(argument.to_bytes()))?;
        }
        Ok(())
    }
}
