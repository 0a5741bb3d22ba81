//! What is asked for, on standard output.

use std::fmt::Arguments;
use std::io::{IsTerminal, Write};

use tare_image::Result;
use tare_image::error::Doing;

/// Writes, where the standard library's macro would panic: disks are full, and pipes end.
pub(super) fn write(text: Arguments<'_>) -> Result<()> {
    let mut output = std::io::stdout().lock();
    let written = match output.is_terminal() {
        true => output.write_all(shown(&text.to_string()).as_bytes()),
        false => output.write_fmt(text),
    };
    let written = written.and_then(|()| output.flush());
    written.doing("write to standard output")
}

/// Names in images and answers of registries may hold what terminals obey.
pub(crate) fn shown(text: &str) -> String {
    let escaped = |c: char| c.is_control() && c != '\n';
    let show = |c: char| match escaped(c) {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(show).collect()
}

/// Writes bytes as they are, which is all that the verb does.
pub(super) fn bytes(bytes: &[u8]) -> Result<u8> {
    let mut output = std::io::stdout().lock();
    let written = output.write_all(bytes).and_then(|()| output.flush());
    written.doing("write to standard output").map(|()| 0)
}

/// For archives, which nobody can read on a screen.
pub(super) fn is_no_terminal() -> Result<()> {
    match std::io::stdout().is_terminal() {
        true => Err(failure!(Usage: "standard output is a terminal" => "Redirect it to a file")),
        false => Ok(()),
    }
}

/// As `println!`, and returns an error from the function around it.
macro_rules! put {
    ($format:literal $($rest:tt)*) => {
        $crate::command::output::write(format_args!("{}\n", format_args!($format $($rest)*)))?
    };
}

pub(super) use put;
