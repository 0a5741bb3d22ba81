//! Parsing, and errors that name the property.

use std::fmt;

use serde::Deserialize;

use crate::{LinuxResources, Position, Process};

/// JSON that is broken or does not have the shape of the specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The property, such as `process.user.uid`; empty for broken JSON.
    pub at: String,
    /// What is wrong, with line and column.
    pub message: String,
    /// The place in the text.
    pub position: Position,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.at.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.at, self.message)
        }
    }
}

impl std::error::Error for ParseError {}

/// Parses `text` once; only when that fails, once more with tracking of the place.
pub(crate) fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, ParseError> {
    // To serde a struct may also be an array of its values.
    if text.trim_ascii_start().starts_with('[') {
        return Err(ParseError {
            at: String::new(),
            message: "an object is expected, not an array".to_owned(),
            position: Position::of(text, text.find('[').unwrap_or(0)),
        });
    }
    let error = match serde_json::from_str::<T>(text) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let tracked: Result<T, _> =
        serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(text));
    let at = match tracked {
        Err(found) if found.inner().is_data() => found.path().to_string(),
        _ => String::new(),
    };
    Err(ParseError {
        at: if at == "." { String::new() } else { at },
        message: error.to_string(),
        position: Position::of_line(text, error.line(), error.column()),
    })
}

impl<'a> Process<'a> {
    /// Parses a `process` object alone, as `exec --process` takes it.
    ///
    /// # Errors
    /// As [`crate::Spec::parse`].
    pub fn parse(text: &'a str) -> Result<Process<'a>, ParseError> {
        parse(text)
    }
}

impl<'a> LinuxResources<'a> {
    /// Parses a `linux.resources` object alone, as `update --resources` takes it.
    ///
    /// # Errors
    /// As [`crate::Spec::parse`].
    pub fn parse(text: &'a str) -> Result<LinuxResources<'a>, ParseError> {
        parse(text)
    }
}

#[cfg(test)]
mod tests {
    use crate::Spec;

    #[test]
    fn an_error_names_the_property() {
        let cases = [
            (r#"{"process":{"user":{"uid":-1}}}"#, "process.user.uid"),
            (
                r#"{"mounts":[{"destination":"/a"},{"destination":3}]}"#,
                "mounts[1].destination",
            ),
            (
                r#"{"linux":{"resources":{"memory":{"limit":"1G"}}}}"#,
                "linux.resources.memory.limit",
            ),
            (r#"{"process":{"#, ""),
            (r#"[1]"#, ""),
            (" []", ""),
        ];
        for (text, at) in cases {
            let error = Spec::parse(text).unwrap_err();
            assert_eq!(error.at, at, "{error}");
        }
    }

    #[test]
    fn a_property_given_twice_is_an_error() {
        let error = Spec::parse(r#"{"process":{"cwd":"/","cwd":"/tmp"}}"#).unwrap_err();
        assert!(
            error.to_string().contains("duplicate field `cwd`"),
            "{error}"
        );
    }
}
