//! Standard output: one write for each answer.

use kernel::{Errno, Stream, file};
use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};

use crate::failure::Failure;

/// Prints `text` as it is.
///
/// Past the standard library's buffer, which would write the last line on its own.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match file::write(Stream::OUTPUT.borrow(), rest) {
            Ok(written) => rest = &rest[written..],
            Err(fault) if fault.is(Errno::EINTR) => {}
            Err(fault) => return Err(Failure::io("write to standard output", &fault.into())),
        }
    }
    Ok(())
}

/// A document of several lines, each level indented by `indent`; without a final newline.
pub(crate) fn pretty(value: &impl Serialize, indent: &str) -> Result<String, Failure> {
    let mut text = Vec::with_capacity(1024);
    let formatter = PrettyFormatter::with_indent(indent.as_bytes());
    value
        .serialize(&mut Serializer::with_formatter(&mut text, formatter))
        .map_err(|error| Failure::new(format!("write JSON: {error}")))?;
    String::from_utf8(text).map_err(|error| Failure::new(format!("write JSON: {error}")))
}

/// A document in one line, with its newline.
pub(crate) fn line(value: &impl Serialize) -> Result<String, Failure> {
    let mut text = serde_json::to_string(value)
        .map_err(|error| Failure::new(format!("write JSON: {error}")))?;
    text.push('\n');
    Ok(text)
}
