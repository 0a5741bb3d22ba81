//! JSON in and out, and reading small files with a limit.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::OFlags;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::error::{Doing, Result};
use crate::files;

/// Parses a document called `what`.
pub(crate) fn parse_json<'a, T: Deserialize<'a>>(bytes: &'a [u8], what: &str) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|e| {
        let is = if e.is_data() { "" } else { " is not JSON" };
        failure!(Malformed: "{what}{is}: {e}")
    })
}

/// As [`parse_json`], for documents of images: a name that comes twice in one object is refused wherever it is, since other
/// programs may take the other value (RFC 7493, section 2.3).
pub(crate) fn parse_document<'a, T: Deserialize<'a>>(bytes: &'a [u8], what: &str) -> Result<T> {
    parse_json::<Unique>(bytes, what)?;
    parse_json(bytes, what)
}

/// Any JSON without duplicate names.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor)
    }
}

struct UniqueVisitor;

macro_rules! scalars {
    ($($visit:ident: $kind:ty),*) => {
        $(fn $visit<E>(self, _: $kind) -> Result<Unique, E> {
            Ok(Unique)
        })*
    };
}

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Unique;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    scalars! { visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str }

    fn visit_unit<E>(self) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Unique, A::Error> {
        while list.next_element::<Unique>()?.is_some() {}
        Ok(Unique)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique, A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if let Some(name) = names.replace(name) {
                return Err(A::Error::custom(format!("the name {name:?} comes twice")));
            }
            map.next_value::<Unique>()?;
        }
        Ok(Unique)
    }
}

/// Serialises with sorted keys, so that equal documents have equal digests.
pub(crate) fn to_json(value: &impl serde::Serialize) -> Result<Vec<u8>> {
    // `Value` sorts the names of objects, which maps in the types do not.
    serde_json::to_value(value)
        .and_then(|v| serde_json::to_vec(&v))
        .map_err(|e| failure!(Malformed: "write JSON: {e}"))
}

/// Reads a file that is not expected to be large.
pub(crate) fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>> {
    read(File::open(path).at("open", path)?, path, limit)
}

/// The same in a folder that may be a stranger's: a pipe in the file's place is not waited for.
pub(crate) fn read_regular(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let (file, _) = files::open(path, OFlags::empty())?;
    read(file, path, limit)
}

fn read(file: File, path: &Path, limit: u64) -> Result<Vec<u8>> {
    let bytes = read_most(file, limit).at("read", path)?;
    bytes.ok_or_else(|| failure!(Limit: "{} has more than {limit} bytes", path.display()))
}

/// All that `input` has; none when that is more than `limit` bytes.
pub(crate) fn read_most(input: impl Read, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    input
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok(Some(bytes).filter(|bytes| bytes.len() as u64 <= limit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn names_come_once() {
        let parse = |text: &str| parse_document::<serde_json::Value>(text.as_bytes(), "document");
        for text in [
            "{}",
            "[]",
            r#"{"a":{"a":[1,-1,1.5,null,true,"a"]},"b":{"a":0}}"#,
            r#"[{"a":1},{"a":2}]"#,
        ] {
            assert!(parse(text).is_ok(), "{text}");
        }
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"x":[{"a":1,"b":2,"a":3}]}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"annotations":{"k":"v","k":"w"}}"#,
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.kind(), Kind::Malformed);
            assert!(error.to_string().contains("comes twice"), "{error}");
        }
        assert!(parse(&"[".repeat(100_000)).is_err(), "and the stack holds");
        assert!(parse("\"\u{0}\"").is_err());
        assert!(parse_document::<serde_json::Value>(b"\"\xff\"", "x").is_err());
    }
}
