//! The users and groups that this process knows, in the user namespace that it is in.

use std::path::Path;

use crate::error::{Error, Result};

/// A range of ids in this process's user namespace, and what it is in the one around it (user_namespaces(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The first id here.
    pub inside: u32,
    /// What that is outside.
    pub outside: u32,
    /// How many.
    pub count: u32,
}

/// The mappings of this process: `file` is `uid_map` or `gid_map`.
pub fn mappings(file: &str) -> Result<Vec<Mapping>> {
    let path = format!("/proc/self/{file}");
    let text =
        std::fs::read_to_string(&path).map_err(|e| Error::file("read", Path::new(&path), e))?;
    let mapping = |line: &str| {
        let mut numbers = line.split_whitespace().map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Mapping {
            inside: next()?,
            outside: next()?,
            count: next()?,
        })
    };
    Ok(text.lines().filter_map(mapping).collect())
}
