//! The types of the OCI runtime specification, as a runtime reads them.
//!
//! * **Borrowed.** A [`Spec`] points into the text of `config.json`; parsing copies only strings that hold escapes.
//! * **Lenient about words.** Names of capabilities, actions, namespaces stay strings: what they mean, and whether an
//!   unknown one is an error or a warning, is decided by whoever uses them. Unknown *properties* are ignored, as
//!   section "Extensibility" of config.md demands; a [`Remark`] tells of those that look like slips of the pen, and a
//!   key in another case is taken as the known one.
//! * **Strict about shapes.** A wrong type, a number out of range, a property given twice or a required one that is missing is a [`ParseError`] that
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
mod object;
mod parse;
mod path;
mod process;
mod resources;
mod seccomp;
mod state;
mod text;

pub use device::{Device, NetDevice};
pub use features::*;
pub use hooks::{Hook, Hooks};
pub use linux::{IntelRdt, Linux, MemoryPolicy, Personality};
pub use locate::{Position, locate, with, without};
pub use mount::{Mount, Root};
pub use namespace::{IdMapping, Namespace, TimeOffset};
pub use object::{Remark, is_near};
pub use parse::ParseError;
pub use path::ConfigPath;
pub use process::{
    Capabilities, ConsoleSize, ExecCpuAffinity, IoPriority, Process, Rlimit, Scheduler, User,
};
pub use resources::*;
pub use seccomp::{Seccomp, SeccompArgument, SeccompRule};
pub use state::State;
pub use text::{Pairs, Text, Words};

use object::object;

/// The newest version of the runtime specification that these types cover.
pub const VERSION: &str = "1.3.0";

/// `config.json` (config.md).
#[derive(Clone, Debug, Default)]
pub struct Spec<'a> {
    /// Version of the specification that the bundle complies with.
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
    pub solaris: Option<Foreign>,
    /// A config for another platform: only its presence is known.
    pub windows: Option<Foreign>,
    /// A config for another platform: only its presence is known.
    pub vm: Option<Foreign>,
    /// A config for another platform: only its presence is known.
    pub zos: Option<Foreign>,
    /// A config for another platform: only its presence is known.
    pub freebsd: Option<Foreign>,
    /// What was noticed while parsing, about the whole document.
    pub remarks: Vec<Remark>,
}

/// The part of a config that is for another platform: nothing is known of it but that it is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Foreign;

impl<'de> serde::Deserialize<'de> for Foreign {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Foreign, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Foreign)
    }
}

impl serde::Serialize for Foreign {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde::ser::SerializeMap::end(serializer.serialize_map(Some(0))?)
    }
}

object! { Spec<'a> in "" {
    "ociVersion" => oci_version: optional,
    "root" => root: optional,
    "mounts" => mounts: optional,
    "process" => process: optional,
    "hostname" => hostname: optional,
    "domainname" => domainname: optional,
    "hooks" => hooks: optional,
    "annotations" => annotations: optional,
    "linux" => linux: optional,
    "solaris" => solaris: optional,
    "windows" => windows: optional,
    "vm" => vm: optional,
    "zos" => zos: optional,
    "freebsd" => freebsd: optional,
} remarks }

impl<'a> Spec<'a> {
    /// Parses the text of a `config.json`.
    ///
    /// # Errors
    /// Broken JSON, or a property of the wrong type, given twice, or out of range.
    pub fn parse(text: &'a str) -> Result<Spec<'a>, ParseError> {
        let parsed = parse::parse_noting(text).map(|(mut spec, remarks): (Spec<'_>, _)| {
            spec.remarks = remarks;
            spec
        });
        parsed.map_err(|error| match text.trim_ascii() {
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

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
