//! What the environment says about places.

use std::path::PathBuf;

/// The value of a variable that is set to something.
pub(crate) fn path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|v| !v.is_empty())
        .map(PathBuf::from)
}

/// Where the user's settings are (XDG Base Directory Specification).
pub(crate) fn config() -> Option<PathBuf> {
    path("XDG_CONFIG_HOME").or(path("HOME").map(|h| h.join(".config")))
}
