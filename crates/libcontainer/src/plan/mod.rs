//! The plan: a flat list of steps, compiled from the config without touching the system.
//!
//! [`create()`] and [`exec()`] read as tables of contents; each topic has its file. A config is valid exactly if it can be
//! planned. The order rules ([`check`]) run on every plan in debug builds and tests.

mod cgroup;
pub mod check;
mod create;
mod devices;
mod draft;
mod exec;
mod hook;
mod hooks;
pub(crate) mod mounts;
mod namespaces;
mod network;
mod print;
mod process;
mod resctrl;
mod root;
mod steps;
mod system;
mod terminal;

use std::fmt;

use init::wire::Sink;
use init::{ChildStep, Slot};
use spec::ConfigPath;

pub use create::{Creation, create, validate};
pub(crate) use draft::Draft;
pub(crate) use exec::hook_inside;
pub use exec::{Joining, exec};
pub(crate) use hook::{HookSurroundings, Reach, hook};
pub(crate) use hooks::HookKind;
pub(crate) use mounts::is_bind;
pub use mounts::options;
pub use namespaces::{FLAGS as NAMESPACES, Namespaces};
pub(crate) use namespaces::{name as namespace_name, validate_mappings};
pub(crate) use process::capabilities::{
    names as names_of_capabilities, number as capability_number,
};
pub(crate) use process::scheduling::{MEMORY_FLAGS, MEMORY_MODES};
pub use steps::{Devices, IdMaps, RuntimeStep, Tree};

/// The list.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The steps in order.
    pub entries: Vec<Entry>,
    /// All strings of the child's steps.
    pub text: Vec<u8>,
    /// What is worth a warning but no error, by field.
    pub warnings: Vec<(ConfigPath, String)>,
    /// What the plan finds in slots: whoever walks it puts that there before.
    pub inputs: Vec<(Input, Slot)>,
}

/// A descriptor that a plan needs from the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A pidfd of the container that is joined.
    Container,
    /// That container's root directory: where it has the caller's mount namespace, joining it does not lead there.
    ContainerRoot,
    /// A namespace of that container, of a type as [`kernel::namespace::flags`].
    Namespace(u64),
}

/// One row.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The operation.
    pub step: Step,
    /// The config field that it comes from.
    pub from: ConfigPath,
}

/// An operation and who performs it.
#[derive(Clone, Debug)]
pub enum Step {
    /// The runtime, outside.
    Runtime(RuntimeStep),
    /// The container's first process, inside.
    Child(ChildStep),
}

/// Why a config cannot be planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError {
    /// The field.
    pub at: ConfigPath,
    /// What is wrong with it.
    pub why: Why,
}

/// What can be wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is needed and not there.
    Missing,
    /// It has a value that it cannot have.
    Invalid(String),
    /// It contradicts another field.
    Conflicts(ConfigPath, String),
    /// It is valid, but this runtime or this host cannot do it.
    Unsupported(String),
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.at.is_none() {
            write!(f, "{}: ", self.at)?;
        }
        self.why.fmt(f)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Missing => f.write_str("is required"),
            Why::Invalid(why) => f.write_str(why),
            Why::Conflicts(other, why) => write!(f, "{why} (see {other})"),
            Why::Unsupported(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for PlanError {}

struct Bytes(Vec<u8>);

impl Sink for Bytes {
    fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

impl Plan {
    /// The index of the step that starts the child.
    pub fn start(&self) -> Option<usize> {
        self.entries
            .iter()
            .position(|entry| matches!(entry.step, Step::Runtime(RuntimeStep::StartChild { .. })))
    }

    /// What the first of the child's steps says for which there is an answer.
    pub(crate) fn find<T>(&self, answer: impl Fn(&ChildStep) -> Option<T>) -> Option<T> {
        self.entries.iter().find_map(|entry| match &entry.step {
            Step::Child(step) => answer(step),
            Step::Runtime(_) => None,
        })
    }

    /// Whether the child waits before it executes.
    pub fn waits(&self) -> bool {
        self.entries
            .iter()
            .any(|entry| matches!(entry.step, Step::Child(ChildStep::AwaitStart(_))))
    }

    /// The plan as init reads it, with the inherited descriptors by slot.
    pub fn encode(&self, slots: &[i32]) -> Vec<u8> {
        use init::wire::{Header, Wire, WireStep};
        let mut entries = Bytes(Vec::with_capacity(self.entries.len() * 24));
        for entry in &self.entries {
            match &entry.step {
                Step::Runtime(step) if step.is_ahead() => WireStep::Ahead.put(&mut entries),
                Step::Runtime(_) => WireStep::Runtime.put(&mut entries),
                Step::Child(step) => WireStep::Child(*step).put(&mut entries),
            }
        }
        let header = Header {
            entries: self.entries.len() as u32,
            first: self.start().map_or(0, |start| start + 1) as u32,
            slots: slots.len() as u32,
            entry_bytes: entries.0.len() as u32,
            text_bytes: self.text.len() as u32,
            stamped: crate::timings::is_on(),
        };
        let mut all = Bytes(Vec::with_capacity(
            64 + slots.len() * 4 + entries.0.len() + self.text.len(),
        ));
        header.put(&mut all);
        for slot in slots {
            all.put(&slot.to_ne_bytes());
        }
        all.put(&entries.0);
        all.put(&self.text);
        all.0
    }
}

/// Whether setgroups(2) works in a container with these namespaces.
pub(crate) fn sets_groups(
    spec: &spec::Spec<'_>,
    host: &crate::host::HostFacts,
    requested: &Namespaces,
) -> bool {
    namespaces::can_set_groups(&Draft::new(spec, host), requested)
}
