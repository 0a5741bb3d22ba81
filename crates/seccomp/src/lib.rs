//! Compiles `linux.seccomp` of the OCI runtime specification to the BPF program that the kernel runs at each system call.
//!
//! No kernel is asked and nothing is installed: [`compile`] is a function from a profile and a description of the kernel to a
//! program, the flags to install it with, and warnings. [`describe`] prints the same decisions for people.
//!
//! ```
//! let profile = serde_json::from_str(
//!     r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read", "exit_group"], "action": "SCMP_ACT_ALLOW"}]}"#,
//! ).unwrap();
//! let filter = tare_seccomp::compile(&profile, &tare_seccomp::Support::default()).unwrap();
//! assert!(filter.program.len() < 20);
//! ```

mod action;
pub mod agent;
mod architecture;
mod arguments;
mod calls;
mod condition;
mod describe;
pub mod flags;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod profile;
mod program;
mod slot;
mod tables;

use spec::{ConfigPath, Seccomp};

pub use action::ACTIONS;
pub use architecture::{ARCHITECTURES, Architecture};
pub use condition::OPERATORS;
pub use describe::describe;
pub use flags::FLAGS;
pub use seccompiler::{BpfProgram, sock_filter};
pub use tables::KERNEL;

/// The kernel refuses longer programs (BPF_MAXINSNS).
pub const MAX_INSTRUCTIONS: usize = 4096;

/// What the kernel can do.
#[derive(Clone, Debug)]
pub struct Support {
    /// The architecture of the kernel, which every filter covers whether or not the profile names it.
    pub native: Option<Architecture>,
    /// Flags of seccomp(2) that it knows, as in [`flags`].
    pub flags: u64,
    /// Return values (without data) that it does not know.
    pub missing_actions: Vec<u32>,
}

impl Default for Support {
    /// The architecture of this program, every flag, every action.
    fn default() -> Support {
        Support {
            native: Architecture::NATIVE,
            flags: u64::MAX,
            missing_actions: Vec::new(),
        }
    }
}

impl Support {
    /// Asks about every flag and action, each given as the kernel's number: for programs that would rather leave out what
    /// the kernel does not know, with a warning, than have it refuse the filter.
    pub fn probe(flag: impl Fn(u64) -> bool, action: impl Fn(u32) -> bool) -> Support {
        let known = FLAGS
            .iter()
            .filter_map(|name| flags::flag(name))
            .filter(|value| flag(*value));
        let kinds = ACTIONS
            .iter()
            .filter_map(|name| action::Action::from_name(name))
            .map(action::Action::kind);
        Support {
            native: Architecture::NATIVE,
            flags: known.fold(0, |flags, value| flags | value),
            missing_actions: kinds.filter(|kind| !action(*kind)).collect(),
        }
    }

    /// The names of the flags that are known, in the order of [`FLAGS`].
    pub fn flag_names(&self) -> Vec<&'static str> {
        let known = |name: &&str| flags::flag(name).is_some_and(|flag| self.flags & flag == flag);
        FLAGS.iter().copied().filter(known).collect()
    }

    fn knows(&self, action: action::Action) -> bool {
        !self.missing_actions.contains(&action.kind())
    }
}

/// A compiled profile.
#[derive(Clone, Debug)]
pub struct Filter {
    /// The program.
    pub program: BpfProgram,
    /// `SECCOMP_FILTER_FLAG_…` as the kernel's numbers, `NEW_LISTENER` included where a rule notifies.
    pub flags: u64,
    /// Whether a rule notifies: the container's state must then be sent to the agent.
    pub notify: bool,
    /// What was left out or has no effect.
    pub warnings: Vec<Warning>,
}

impl Filter {
    /// The program as `struct sock_filter` bytes in the machine's own order.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.program.len() * 8);
        for instruction in &self.program {
            bytes.extend_from_slice(&instruction.code.to_ne_bytes());
            bytes.extend_from_slice(&[instruction.jt, instruction.jf]);
            bytes.extend_from_slice(&instruction.k.to_ne_bytes());
        }
        bytes
    }
}

/// Something about a profile that its author should know, but that stops nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The property.
    pub at: ConfigPath,
    /// A sentence.
    pub text: String,
}

/// A profile that cannot be compiled.
#[derive(Debug, thiserror::Error)]
#[error("{at}: {why}")]
pub struct Error {
    /// The property, such as `linux.seccomp.syscalls[3].args[0].op`.
    pub at: ConfigPath,
    /// What is wrong with it.
    pub why: Why,
}

/// What can be wrong.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum Why {
    #[error("unknown action {0:?}")]
    Action(String),
    #[error("this kernel does not know {0}")]
    ActionOfKernel(String),
    #[error("{0} takes no error number")]
    ErrnoNotTaken(String),
    #[error("must be at most {0}")]
    ErrnoTooLarge(u32),
    #[error("unknown architecture {0:?}")]
    Architecture(String),
    #[error("no architecture is given, and the specification has no word for this machine's")]
    NoArchitecture,
    #[error("seccomp flag {0:?} is not known")]
    Flag(String),
    #[error("this kernel does not know {0}")]
    FlagOfKernel(String),
    #[error("must name at least one system call")]
    NoNames,
    #[error("unknown operator {0:?}")]
    Operator(String),
    #[error("system calls have arguments 0 to 5, not {0}")]
    Index(u32),
    #[error("has the same conditions as linux.seccomp.syscalls[{0}], but another action")]
    Contradicts(usize),
    #[error("SCMP_ACT_NOTIFY cannot be used for the write syscall")]
    NotifyWrite,
    #[error("SCMP_ACT_NOTIFY cannot be used as default action")]
    NotifyDefault,
    #[error("must be set where SCMP_ACT_NOTIFY is used")]
    NoListener,
    #[error("must not be set without listenerPath")]
    MetadataWithoutListener,
    #[error("needs {0} instructions; the kernel takes {MAX_INSTRUCTIONS}")]
    TooLong(usize),
}

/// Compiles a profile for a kernel.
///
/// Fails where the profile says something that cannot be done or contradicts itself; unknown names of system calls only warn,
/// because engines ship one profile for many kernels.
pub fn compile(profile: &Seccomp<'_>, kernel: &Support) -> Result<Filter, Error> {
    let profile = profile::Profile::read(profile, kernel)?;
    let groups = calls::groups(&profile)?;
    let program = program::assemble(&groups);
    if program.len() > MAX_INSTRUCTIONS {
        return Err(Error {
            at: profile::root(),
            why: Why::TooLong(program.len()),
        });
    }
    Ok(Filter {
        program,
        flags: profile.flags,
        notify: profile.notify,
        warnings: profile.warnings,
    })
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
