//! Typed properties of units, and those that annotations ask for.

/// One property as `StartTransientUnit` and `SetUnitProperties` take it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Property {
    pub(crate) name: String,
    pub(crate) value: Value,
    /// The same for v1 hosts, where systemd knows other names.
    pub(crate) v1: Option<Box<Property>>,
    /// It comes from an annotation: for the start of the scope only, and never left out.
    pub(crate) asked: bool,
}

/// The types that properties of scopes have.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Bool(bool),
    Int32(i32),
    Unsigned32(u32),
    Int64(i64),
    Number(u64),
    Double(f64),
    Text(String),
    Texts(Vec<String>),
    Bytes(Vec<u8>),
    Numbers32(Vec<u32>),
    /// Pairs of texts: device rules.
    Pairs(Vec<(String, String)>),
    /// Pairs of text and number: limits by device.
    Limits(Vec<(String, u64)>),
}

impl Value {
    pub(crate) fn signature(&self) -> &'static str {
        match self {
            Value::Bool(_) => "b",
            Value::Int32(_) => "i",
            Value::Unsigned32(_) => "u",
            Value::Int64(_) => "x",
            Value::Number(_) => "t",
            Value::Double(_) => "d",
            Value::Text(_) => "s",
            Value::Texts(_) => "as",
            Value::Bytes(_) => "ay",
            Value::Numbers32(_) => "au",
            Value::Pairs(_) => "a(ss)",
            Value::Limits(_) => "a(st)",
        }
    }
}

impl Property {
    pub(crate) fn new(name: impl Into<String>, value: Value) -> Property {
        Property {
            name: name.into(),
            value,
            v1: None,
            asked: false,
        }
    }

    pub(crate) fn number(name: &str, value: u64) -> Property {
        Property::new(name, Value::Number(value))
    }

    pub(crate) fn bytes(name: &str, value: Vec<u8>) -> Property {
        Property::new(name, Value::Bytes(value))
    }

    pub(crate) fn flag(name: &str) -> Property {
        Property::new(name, Value::Bool(true))
    }

    pub(crate) fn text(name: &str, value: &str) -> Property {
        Property::new(name, Value::Text(value.to_owned()))
    }

    /// One for v2 hosts, and its counterpart for v1.
    pub(crate) fn either(v2: Property, v1: Property) -> Property {
        Property {
            v1: Some(Box::new(v1)),
            ..v2
        }
    }
}

/// systemd wants microseconds per second, in steps of 10 ms as it rounds percents; too small a value would be none.
pub(crate) fn quota_per_second(quota: i64, period: u64) -> u64 {
    let Ok(quota) = u64::try_from(quota) else {
        return u64::MAX;
    };
    let exact = u128::from(quota) * 1_000_000 / u128::from(period.max(1));
    u64::try_from(exact.div_ceil(10_000) * 10_000).unwrap_or(u64::MAX)
}

pub(crate) fn parse(name: &str, text: &str) -> Result<Property, String> {
    if name.len() < 3 || !name.bytes().all(|b| b.is_ascii_alphabetic()) {
        return Err(format!("{name:?} is not the name of a unit's property"));
    }
    let value = parse_value(text.trim())
        .ok_or_else(|| format!("{text:?} is not a value in GVariant's text form"))?;
    let mut property = match name.strip_suffix("Sec").filter(|stem| !stem.ends_with('U')) {
        Some(stem) => {
            let seconds = match value {
                Value::Int32(n) => f64::from(n),
                Value::Unsigned32(n) => f64::from(n),
                Value::Int64(n) => n as f64,
                Value::Number(n) => n as f64,
                Value::Double(n) => n,
                _ => return Err(format!("{text:?} is not a number of seconds")),
            };
            // Beyond the range a cast gives the nearest end, which is what `infinity` is on the wire.
            Property::number(&format!("{stem}USec"), (seconds * 1e6) as u64)
        }
        None => Property::new(name, value),
    };
    property.asked = true;
    Ok(property)
}

fn parse_value(text: &str) -> Option<Value> {
    match text {
        "true" => return Some(Value::Bool(true)),
        "false" => return Some(Value::Bool(false)),
        _ => {}
    }
    if let Some(text) = quoted(text) {
        return Some(Value::Text(text));
    }
    if let Some(list) = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        let items: Option<Vec<String>> = list
            .split(',')
            .filter(|item| !item.trim().is_empty())
            .map(|item| quoted(item.trim()))
            .collect();
        return items.map(Value::Texts);
    }
    match text.split_once(' ') {
        Some((kind, number)) => {
            let number = number.trim();
            match kind {
                "int32" => number.parse().ok().map(Value::Int32),
                "uint32" => number.parse().ok().map(Value::Unsigned32),
                "int64" => number.parse().ok().map(Value::Int64),
                "uint64" => number.parse().ok().map(Value::Number),
                "double" => number.parse().ok().map(Value::Double),
                _ => None,
            }
        }
        None if text.contains(['.', 'e']) => text.parse().ok().map(Value::Double),
        None => text.parse().ok().map(Value::Int32),
    }
}

/// A text in single or double quotes, with backslashes before quotes and backslashes.
fn quoted(text: &str) -> Option<String> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let inner = text.get(1..)?.strip_suffix(quote)?;
    let mut plain = String::new();
    let mut escaped = false;
    for c in inner.chars() {
        match c {
            '\\' if !escaped => escaped = true,
            c if c == quote && !escaped => return None,
            c => {
                plain.push(c);
                escaped = false;
            }
        }
    }
    (!escaped).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_gvariants_text_form() {
        for (text, value) in [
            ("true", Value::Bool(true)),
            (
                "'inactive-or-failed'",
                Value::Text("inactive-or-failed".into()),
            ),
            ("\"it's\"", Value::Text("it's".into())),
            (r"'a\'b'", Value::Text("a'b".into())),
            ("uint64 5", Value::Number(5)),
            ("-3", Value::Int32(-3)),
            ("1.5", Value::Double(1.5)),
            ("['a', 'b']", Value::Texts(vec!["a".into(), "b".into()])),
            ("[]", Value::Texts(vec![])),
        ] {
            assert_eq!(parse_value(text), Some(value), "{text}");
        }
        for text in ["", "'", "''a'", "x", "uint32 -1", "[1]", "'a\\'", "uint9 1"] {
            assert_eq!(parse_value(text), None, "{text}");
        }
    }

    #[test]
    fn seconds_become_microseconds() {
        let property = parse("TimeoutStopSec", "uint64 5").unwrap();
        assert_eq!(
            (property.name.as_str(), property.value),
            ("TimeoutStopUSec", Value::Number(5_000_000))
        );
        assert_eq!(
            parse("TimeoutStopUSec", "uint64 5").unwrap().value,
            Value::Number(5)
        );
        assert!(parse("TimeoutStopSec", "'5'").is_err());
        assert!(parse("x", "1").is_err());
        assert!(parse("Some_Thing", "1").is_err());
    }
}
