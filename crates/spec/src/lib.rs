//! The types of the OCI runtime specification, as a runtime reads them.
//!
//! * **Borrowed.** A [`Spec`] points into the text of `config.json`; parsing copies only strings that hold escapes.
//! * **Lenient about words.** Names of capabilities, actions, namespaces stay strings: what they mean, and whether an
//!   unknown one is an error or a warning, is decided by whoever uses them. Unknown *properties* are ignored, as
//!   section "Extensibility" of config.md demands.
//! * **Strict about shapes.** A wrong type, a number out of range or a property given twice is a [`ParseError`] that
//!   names the place: `process.user.uid`.
//!
//! Names are those of the specification in snake case. This crate judges no values and knows no kernel.

mod device;
mod features;
mod hooks;
mod linux;
mod locate;
mod mount;
mod namespace;
mod parse;
mod path;
mod process;
mod resources;
mod seccomp;
mod state;
mod text;

use serde::Deserialize;

pub use device::{Device, NetDevice};
pub use features::*;
pub use hooks::{Hook, Hooks};
pub use linux::{IntelRdt, Linux, MemoryPolicy, Personality};
pub use locate::{Position, locate, without};
pub use mount::{Mount, Root};
pub use namespace::{IdMapping, Namespace, TimeOffset};
pub use parse::ParseError;
pub use path::ConfigPath;
pub use process::{
    Capabilities, ConsoleSize, ExecCpuAffinity, IoPriority, Process, Rlimit, Scheduler, User,
};
pub use resources::*;
pub use seccomp::{Seccomp, SeccompArgument, SeccompRule};
pub use state::State;
pub use text::{Text, Words};

/// The newest version of the runtime specification that these types cover.
pub const VERSION: &str = "1.3.0";

/// `config.json` (config.md).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec<'a> {
    /// Version of the specification that the bundle complies with.
    #[serde(borrow)]
    pub oci_version: Option<Text<'a>>,
    /// The container's root file system.
    pub root: Option<Root<'a>>,
    /// Mounts beyond the root, in order.
    pub mounts: Vec<Mount<'a>>,
    /// The container's process; needed by `start`.
    pub process: Option<Process<'a>>,
    /// Host name inside.
    pub hostname: Option<Text<'a>>,
    /// NIS domain name inside.
    pub domainname: Option<Text<'a>>,
    /// Programs run at points of the life cycle.
    pub hooks: Option<Hooks<'a>>,
    /// Arbitrary data, in the order of the file.
    pub annotations: Words<'a>,
    /// The Linux part.
    pub linux: Option<Linux<'a>>,
    /// A config for another platform: only its presence is known.
    pub solaris: Option<serde::de::IgnoredAny>,
    /// A config for another platform: only its presence is known.
    pub windows: Option<serde::de::IgnoredAny>,
    /// A config for another platform: only its presence is known.
    pub vm: Option<serde::de::IgnoredAny>,
    /// A config for another platform: only its presence is known.
    pub zos: Option<serde::de::IgnoredAny>,
    /// A config for another platform: only its presence is known.
    pub freebsd: Option<serde::de::IgnoredAny>,
}

impl<'a> Spec<'a> {
    /// Parses the text of a `config.json`.
    ///
    /// # Errors
    /// Broken JSON, or a property of the wrong type, given twice, or out of range.
    pub fn parse(text: &'a str) -> Result<Spec<'a>, ParseError> {
        parse::parse(text).map_err(|error| match text.trim_ascii() {
            "null" => ParseError {
                at: String::new(),
                message: "config cannot be null".to_owned(),
                position: error.position,
            },
            _ => error,
        })
    }

    /// The annotation with this key.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.get(key)
    }
}
