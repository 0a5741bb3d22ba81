//! Parsing, and errors that name the property.

use std::fmt;

use serde::Deserialize;

use crate::locate::{Part, parts_at};
use crate::object::take_remarks;
use crate::{ConfigPath, LinuxResources, Position, Process, Remark};

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

pub(crate) fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, ParseError> {
    if text.starts_with('\u{feff}') {
        return Err(ParseError {
            at: String::new(),
            message: "begins with a byte order mark, which JSON has not".to_owned(),
            position: Position::of(text, 0),
        });
    }
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
    let at = match error.is_data() {
        true => config_path(text, &error).to_string(),
        false => String::new(),
    };
    let message = in_words_of_json(&error.to_string());
    let position = Position::of_line(text, error.line(), error.column());
    // To serde the place of a missing property is the object.
    if let Some((key, _)) = message
        .strip_prefix("missing field `")
        .and_then(|rest| rest.split_once('`'))
    {
        let at = if at.is_empty() {
            key.to_owned()
        } else {
            format!("{at}.{key}")
        };
        let message = format!(
            "is required at line {} column {}",
            error.line(),
            error.column()
        );
        return Err(ParseError {
            at,
            message,
            position,
        });
    }
    Err(ParseError {
        at,
        message,
        position,
    })
}

/// Of the specification's objects those that are maps: serde does not tell a property of an object from an entry of a map.
const MAPS: [&str; 6] = [
    "annotations",
    "netDevices",
    "rdma",
    "sysctl",
    "timeOffsets",
    "unified",
];

/// The property that an error is about, as the planner names it. serde says how far it has read then.
fn config_path(text: &str, error: &serde_json::Error) -> ConfigPath {
    let lines = text
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1));
    let read = lines.map(str::len).sum::<usize>() + error.column();
    let mut at = ConfigPath::none();
    let mut in_map = false;
    for part in parts_at(text, read.saturating_sub(1)) {
        // Properties are known in any case.
        let is_known = |key: &str| MAPS.iter().any(|map| map.eq_ignore_ascii_case(key));
        let is_map = matches!(&part, Part::Key(key) if is_known(key));
        at = match part {
            Part::Index(index) => at.index(index),
            Part::Key(key) if in_map => at.key(&key),
            Part::Key(key) => at.unknown(&key),
        };
        in_map = !in_map && is_map;
    }
    at
}

/// What serde says of its own types, and of Rust's, as JSON has it.
fn in_words_of_json(message: &str) -> String {
    const TYPES: [(&str, &str); 8] = [
        ("u8", "an integer from 0 to 255"),
        ("u16", "an integer from 0 to 65535"),
        ("u32", "an integer from 0 to 4294967295"),
        ("u64", "an integer from 0 to 18446744073709551615"),
        ("i32", "an integer from -2147483648 to 2147483647"),
        (
            "i64",
            "an integer from -9223372036854775808 to 9223372036854775807",
        ),
        ("a sequence", "an array"),
        ("a map", "an object"),
    ];
    let message = match message.strip_prefix("invalid type: ") {
        Some(rest) if rest.starts_with("map,") => message.replacen("map,", "object,", 1),
        Some(rest) if rest.starts_with("sequence,") => message.replacen("sequence,", "array,", 1),
        _ => message.to_owned(),
    };
    let Some((found, rest)) = message.rsplit_once(", expected ") else {
        return message;
    };
    let (expected, place) = match rest.rsplit_once(" at line ") {
        Some((expected, place)) => (expected, format!(" at line {place}")),
        None => (rest, String::new()),
    };
    let expected = match TYPES.iter().find(|(name, _)| *name == expected) {
        Some((_, words)) => words,
        None if expected.starts_with("struct ") => "an object",
        None => expected,
    };
    format!("{found}, expected {expected}{place}")
}

/// As [`parse`], with the remarks.
pub(crate) fn parse_noting<'a, T: Deserialize<'a>>(
    text: &'a str,
) -> Result<(T, Vec<Remark>), ParseError> {
    take_remarks();
    let value = parse(text);
    let remarks = take_remarks();
    Ok((value?, remarks))
}

impl<'a> Process<'a> {
    /// Parses a `process` object alone, as `exec --process` takes it.
    ///
    /// # Errors
    /// As [`crate::Spec::parse`].
    pub fn parse(text: &'a str) -> Result<Process<'a>, ParseError> {
        let (mut process, remarks): (Process<'_>, _) = parse_noting(text)?;
        process.remarks = remarks;
        Ok(process)
    }
}

impl<'a> LinuxResources<'a> {
    /// Parses a `linux.resources` object alone, as `update --resources` takes it.
    ///
    /// # Errors
    /// As [`crate::Spec::parse`].
    pub fn parse(text: &'a str) -> Result<LinuxResources<'a>, ParseError> {
        let (mut resources, remarks): (LinuxResources<'_>, _) = parse_noting(text)?;
        resources.remarks = remarks;
        Ok(resources)
    }
}

#[cfg(test)]
mod tests {
    use crate::Spec;

    #[test]
    fn an_error_says_what_is_expected() {
        let cases = [
            (
                r#"{"process":{"user":{"uid":-1}}}"#,
                "invalid value: integer `-1`, expected an integer from 0 to 4294967295 at line 1 column 28",
            ),
            (
                r#"{"process":{"args":{}}}"#,
                "invalid type: object, expected an array at line 1 column 19",
            ),
            (
                r#"{"linux":{"resources":{"memory":{"limit":[]}}}}"#,
                "invalid type: array, expected an integer from -9223372036854775808 to 9223372036854775807 at line 1 column 41",
            ),
            (
                r#"{"root":", expected u8"}"#,
                "invalid type: string \", expected u8\", expected an object at line 1 column 23",
            ),
        ];
        for (text, message) in cases {
            assert_eq!(Spec::parse(text).unwrap_err().message, message);
        }
    }

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
            (
                r#"{"annotations":{"org.example.a":1}}"#,
                r#"annotations["org.example.a"]"#,
            ),
            (
                r#"{"annotations":{"annotations":{"x":1}}}"#,
                r#"annotations["annotations"]"#,
            ),
            (
                r#"{"linux":{"sysctl":{"net.core.somaxconn":1}}}"#,
                r#"linux.sysctl["net.core.somaxconn"]"#,
            ),
            (
                r#"{"linux":{"resources":{"unified":{"memory.high":1}}}}"#,
                r#"linux.resources.unified["memory.high"]"#,
            ),
            (
                r#"{"linux":{"resources":{"rdma":{"mlx5_1":{"hcaHandles":"3"}}}}}"#,
                r#"linux.resources.rdma["mlx5_1"].hcaHandles"#,
            ),
            (
                r#"{"linux":{"netDevices":{"eth0.1":{"name":1}}}}"#,
                r#"linux.netDevices["eth0.1"].name"#,
            ),
            (
                r#"{"linux":{"timeOffsets":{"boottime":{"secs":"1"}}}}"#,
                r#"linux.timeOffsets["boottime"].secs"#,
            ),
            (
                r#"{"linux":{"SysCtl":{"net.core.somaxconn":1}}}"#,
                r#"linux.SysCtl["net.core.somaxconn"]"#,
            ),
            (r#"{"process":{"#, ""),
            (r#"[1]"#, ""),
            (" []", ""),
            ("\u{feff}{}", ""),
        ];
        for (text, at) in cases {
            let error = Spec::parse(text).unwrap_err();
            assert_eq!(error.at, at, "{error}");
        }
    }

    #[test]
    fn a_property_given_twice_is_an_error() {
        let error = Spec::parse(r#"{"process":{"cwd":"/","cwd":"/tmp"}}"#).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("process.cwd: duplicate field `cwd`"),
            "{text}"
        );
    }
}
