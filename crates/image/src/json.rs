//! JSON in and out, and reading small files with a limit.

use std::fs::File;
use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, Kind, Result};

/// Parses a document called `what`.
pub(crate) fn parse_json<'a, T: Deserialize<'a>>(bytes: &'a [u8], what: &str) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|e| Error::new(Kind::Malformed, format!("{what}: {e}")))
}

/// Serialises with sorted keys, so that equal documents have equal digests.
pub(crate) fn to_json(value: &impl serde::Serialize) -> Result<Vec<u8>> {
    // `Value` sorts the names of objects, which maps in the types do not.
    serde_json::to_value(value)
        .and_then(|v| serde_json::to_vec(&v))
        .map_err(|e| Error::new(Kind::Malformed, format!("write JSON: {e}")))
}

/// Reads a file that is not expected to be large.
pub(crate) fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>> {
    use std::io::Read;
    let file = File::open(path).map_err(|e| Error::file("open", path, e))?;
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Error::file("read", path, e))?;
    if bytes.len() as u64 > limit {
        return Err(Error::new(
            Kind::Limit,
            format!("{} has more than {limit} bytes", path.display()),
        ));
    }
    Ok(bytes)
}
