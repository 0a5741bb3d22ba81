//! The name the program was called by, and what follows from it.
//!
//! Installed as `runc`, tare answers as runc does, so that engines with that name built in find what they expect: the
//! same prefix of messages, the same folder for state, a first line of `--version` that they can parse.

use std::ffi::OsString;
use std::path::Path;

/// The program as its caller knows it.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// The last part of the path it was called by. It starts messages and help texts.
    pub(crate) name: String,
}

impl Program {
    /// Reads the zeroth argument; a caller may leave it out.
    pub(crate) fn from_argument(argument: Option<OsString>) -> Program {
        let name = argument.as_deref().and_then(|path| {
            let name = Path::new(path).file_name()?.to_str()?;
            Some(name.to_owned())
        });
        Program {
            name: name.unwrap_or_else(|| "tare".to_owned()),
        }
    }

    /// `runc` or `tare`: who it is in `--version` and in the folder of its state.
    ///
    /// Engines ship runc under longer names too, such as `buildkit-runc`.
    pub(crate) fn identity(&self) -> &'static str {
        if self.name.ends_with("runc") {
            "runc"
        } else {
            "tare"
        }
    }

    /// What `--version` prints.
    pub(crate) fn version(&self) -> String {
        let mut text = self.identity().to_owned() + " ";
        for (name, value) in self.facts() {
            let colon = if name == "version" { "" } else { ":" };
            text.push_str(&format!("{name}{colon} {value}\n"));
        }
        text
    }

    /// The same, taken apart.
    pub(crate) fn facts(&self) -> impl Iterator<Item = (&'static str, String)> {
        [
            ("version", env!("CARGO_PKG_VERSION")),
            ("commit", env!("TARE_COMMIT")),
            ("spec", spec::VERSION),
        ]
        .into_iter()
        .map(|(name, value)| (name, value.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_decides_who_it_is() {
        for (argument, name, identity) in [
            (Some("runc"), "runc", "runc"),
            (Some("/usr/local/sbin/runc"), "runc", "runc"),
            (Some("/usr/bin/buildkit-runc"), "buildkit-runc", "runc"),
            (Some("./target/release/tare"), "tare", "tare"),
            (Some("tare-0.1"), "tare-0.1", "tare"),
            (Some(""), "tare", "tare"),
            (None, "tare", "tare"),
        ] {
            let program = Program::from_argument(argument.map(OsString::from));
            assert_eq!(program.name, name);
            assert_eq!(program.identity(), identity);
        }
    }
}
