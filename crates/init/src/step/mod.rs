//! The operations of the child, one file each, and the list of them all.
//!
//! To add one: a file here with its `step!`, and a line in `steps!` below. The encoding, the walk and `tare plan`
//! then know it.

use core::ffi::CStr;
use core::fmt;

use kernel::process::Alone;
use kernel::{BorrowedFd, Call, Errno, Fault, Fd, Stream, StringList, strings};

use crate::slots::{Slots, kind};
use crate::wire::{Sink, Wire, take_bytes};
use crate::{Report, Slot, StringTable, turn};

mod attach;
mod attributes;
mod await_start;
mod become_root;
mod bind;
mod capabilities;
mod close_working;
mod device;
mod directory;
mod execute;
mod filesystem;
mod find_home;
mod find_program;
mod fork;
mod hide;
mod identity;
mod join;
mod keyring;
mod label;
mod limit;
mod loopback;
mod move_root;
mod names;
mod no_new_privileges;
mod oom_score;
mod personality;
mod propagation;
mod read_only;
mod root;
mod scheduling;
mod seccomp;
mod session;
mod set_attributes;
mod share_namespaces;
mod standard_streams;
mod sysctl;
mod terminal;
mod umask;
mod undumpable;
mod unshare;
mod write_id_maps;

pub use attach::Attach;
pub use attributes::Attributes;
pub use await_start::AwaitStart;
pub use become_root::BecomeRoot;
pub use bind::{Bind, CopyMount};
pub use capabilities::{BoundingSet, Capabilities};
pub use close_working::CloseWorking;
pub use device::{BindDevice, Device, ForeignDevice, RequireDevice, Symlink};
pub use directory::{Directory, MakeDirectory};
pub use execute::{Execute, NoProgram};
pub use filesystem::Filesystem;
pub use find_home::FindHome;
pub use find_program::FindProgram;
pub use fork::Fork;
pub use hide::{FetchNull, Hide};
pub use identity::Identity;
pub use join::Join;
pub use keyring::SessionKeyring;
pub use label::Label;
pub use limit::Limit;
pub use loopback::Loopback;
pub use move_root::MoveRoot;
pub use names::{Domainname, Hostname};
pub use no_new_privileges::NoNewPrivileges;
pub use oom_score::OomScore;
pub use personality::Personality;
pub use propagation::{Propagation, encode as encode_propagation};
pub use read_only::ReadOnlyPath;
pub use root::{ChangeRoot, EnterRoot, OpenRoot};
pub use scheduling::{Affinity, IoPriority, MemoryPolicy, Scheduler};
pub use seccomp::Seccomp;
pub use session::Session;
pub use set_attributes::SetAttributes;
pub use share_namespaces::ShareNamespaces;
pub use standard_streams::StandardStreams;
pub use sysctl::Sysctl;
pub use terminal::Terminal;
pub use umask::Umask;
pub use undumpable::{Dumpable, Undumpable};
pub use unshare::{Unshare, each_namespace};
pub use write_id_maps::WriteIdMaps;

/// Names of capabilities without `CAP_`, in the order of their numbers (capabilities(7)).
pub fn capability_names() -> &'static [&'static str] {
    &capabilities::NAMES
}

/// Names of resource limits, in the order of their numbers (getrlimit(2)).
pub fn limit_names() -> &'static [&'static str] {
    &limit::NAMES
}

/// What an operation can do.
pub trait Step {
    /// Performs it.
    ///
    /// # Errors
    /// The call that failed, and how.
    fn run(&self, context: &mut Context<'_>) -> kernel::Result<()>;

    /// Says in a few words what it will do, for `tare plan`.
    ///
    /// # Errors
    /// Only those of the formatter.
    fn describe(&self, text: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

/// Most descriptors that one turn carries from init to the runtime.
const OUTGOING: usize = 16;

/// What the steps of one walk share.
#[derive(Debug)]
pub struct Context<'a> {
    /// The plan's strings.
    pub text: StringTable<'a>,
    /// Nothing else goes on in this program.
    pub alone: Alone,
    /// The socket to the runtime.
    pub peer: Fd,
    /// Descriptors by slot.
    pub slots: Slots,
    /// The page that the runtime reads.
    pub report: &'a Report,
    /// The container's root directory; until it is opened, the process's own.
    pub root: Option<Fd>,
    /// The program that [`FindProgram`] found: path and length.
    pub program: Found<4096>,
    /// `HOME=…`, when [`FindHome`] looked it up.
    pub home: Option<&'a CStr>,
    /// Where [`FindHome`] puts it.
    pub home_room: &'a mut [u8],
    /// Arguments and environment for execve(2), once they are laid out.
    pub lists: Option<(StringList<'a>, StringList<'a>)>,
    /// The last directory in which something was made: its path in the text, and itself.
    pub parent: Option<(&'a [u8], Fd)>,
    /// A device node that hides files, read-only.
    pub null: Option<hide::Cover>,
    /// An empty directory that hides directories.
    pub empty: Option<hide::Cover>,
    /// The working directory could not be entered before the change of user.
    pub directory_pending: bool,
    /// Init has already sent the message that hands the turn over (a fork does).
    pub announced: bool,
    /// Slots that are sent with the next turn, and how many.
    outgoing: ([Slot; OUTGOING], usize),
}

/// A string that was found out, with room for as many bytes.
#[derive(Debug)]
pub struct Found<const ROOM: usize> {
    bytes: [u8; ROOM],
    length: usize,
}

impl<const ROOM: usize> Found<ROOM> {
    pub(crate) const fn none() -> Found<ROOM> {
        Found {
            bytes: [0; ROOM],
            length: 0,
        }
    }

    /// The string, if one was found.
    pub fn string(&self) -> Option<&CStr> {
        if self.length == 0 {
            return None;
        }
        strings::first(&self.bytes)
    }

    /// The same as bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Stores the parts, one behind the other; false when they are too long.
    pub fn set(&mut self, parts: &[&[u8]]) -> bool {
        let length = join(&mut self.bytes, parts);
        self.length = length.unwrap_or(self.length);
        length.is_some()
    }
}

/// Puts the parts one behind the other, and a NUL; the length without that, unless there is no room.
#[inline(never)]
pub(crate) fn join(room: &mut [u8], parts: &[&[u8]]) -> Option<usize> {
    let mut end = 0;
    for part in parts.iter().copied().chain([&b"\0"[..]]) {
        let next = end + part.len();
        room.get_mut(end..next)?.copy_from_slice(part);
        end = next;
    }
    end.checked_sub(1)
}

impl<'a> Context<'a> {
    /// A context at the beginning of a walk.
    pub fn new(
        text: StringTable<'a>,
        alone: Alone,
        peer: Fd,
        slots: Slots,
        report: &'a Report,
        home_room: &'a mut [u8],
    ) -> Context<'a> {
        Context {
            text,
            alone,
            peer,
            slots,
            report,
            root: None,
            program: Found::none(),
            home: None,
            home_room,
            lists: None,
            parent: None,
            null: None,
            empty: None,
            directory_pending: false,
            announced: false,
            outgoing: ([Slot::FIRST_FREE; OUTGOING], 0),
        }
    }

    /// The directory below which container paths are resolved.
    pub fn root(&self) -> BorrowedFd<'_> {
        // A dirfd with RESOLVE_IN_ROOT makes the current directory the root: fine after a join, where it is "/".
        self.root.as_ref().map_or(kernel::file::HERE, Fd::borrow)
    }

    /// The directory or mount that a slot stands for.
    ///
    /// # Errors
    /// `EBADF` when the slot is empty.
    pub fn place(&self, slot: Slot<kind::Mount>) -> kernel::Result<BorrowedFd<'_>> {
        match slot {
            Slot::ROOT => Ok(self.root()),
            slot => self.slots.get(slot),
        }
    }

    /// Keeps a mount that was made: a later step changes it by this descriptor, never by its path. In the place of
    /// the root it is the root from here on.
    pub fn keep(&mut self, slot: Slot<kind::Mount>, mounted: Fd) {
        match slot {
            Slot::NONE => {}
            Slot::ROOT => self.root = Some(mounted),
            slot => self.slots.set(slot, mounted),
        }
    }

    /// Closes what only the building of the container needed: whoever waits holds nothing of the host's.
    pub fn close_working(&mut self) {
        self.parent = None;
        self.null = None;
        self.empty = None;
    }

    /// Fills a slot that is to be sent to the runtime with the next turn.
    ///
    /// # Errors
    /// `E2BIG` when there are too many.
    pub fn send_with_turn(&mut self, slot: Slot, fd: Fd) -> kernel::Result<()> {
        self.slots.set(slot, fd);
        let (slots, count) = &mut self.outgoing;
        let place = slots.get_mut(*count);
        *place.ok_or(Fault::found(Call::Sendmsg, Errno::E2BIG))? = slot;
        *count += 1;
        Ok(())
    }

    /// Sends the message that hands the turn to the runtime, with the descriptors that wait for it.
    ///
    /// # Errors
    /// As sendmsg(2).
    pub fn announce(&mut self) -> kernel::Result<()> {
        let mut carried = [(Slot::FIRST_FREE, Stream::INPUT.borrow()); OUTGOING];
        let (slots, count) = &mut self.outgoing;
        let count = core::mem::take(count);
        for (place, slot) in carried.iter_mut().zip(&slots[..count]) {
            *place = (*slot, self.slots.get(*slot)?);
        }
        turn::send(self.peer.borrow(), &carried[..count])
    }
}

/// Defines an operation's data: a struct of wire types with its encoding; behind a semicolon a part of its own kind.
macro_rules! step {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$field_doc:meta])* $field:ident: $kind:ty),* $(,)?
        $(; $(#[$part_doc:meta])* $part:ident: $part_kind:ty $(,)?)?
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $kind,)*
            $($(#[$part_doc])* pub $part: $part_kind,)?
        }

        impl $crate::wire::Wire for $name {
            #[allow(unused_variables, reason = "operations without data write nothing")]
            fn put(&self, sink: &mut dyn $crate::wire::Sink) {
                $(sink.put(&$crate::wire::Word::to_word(self.$field).to_ne_bytes());)*
                $(self.$part.put(sink);)?
            }

            #[allow(unused, reason = "operations without data read nothing")]
            fn take(source: &mut &[u8]) -> Option<Self> {
                let [$($field),*] = $crate::wire::take_words(source)?;
                Some($name {
                    $($field: $crate::wire::Word::from_word($field),)*
                    $($part: $crate::wire::Wire::take(source)?,)?
                })
            }
        }
    };
}
pub(crate) use step;

macro_rules! steps {
    ($($name:ident),+ $(,)?) => {
        /// Any operation of the child.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each variant is documented at its own type")]
        pub enum ChildStep { $($name($name)),+ }

        #[repr(u8)]
        enum Tag { Runtime, $($name),+ }

        impl ChildStep {
            /// The names of all operations.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),+];

            /// The operation's name, as in the sources.
            pub fn name(&self) -> &'static str {
                match self { $(ChildStep::$name(_) => stringify!($name)),+ }
            }
        }

        $(impl From<$name> for ChildStep {
            fn from(step: $name) -> ChildStep {
                ChildStep::$name(step)
            }
        })+

        impl Wire for ChildStep {
            fn put(&self, sink: &mut dyn Sink) {
                match self { $(ChildStep::$name(step) => { sink.put(&[Tag::$name as u8]); step.put(sink); })+ }
            }

            fn take(source: &mut &[u8]) -> Option<Self> {
                let [tag] = *take_bytes(source)?;
                if tag == Tag::Runtime as u8 {
                    return None;
                }
                $(if tag == Tag::$name as u8 { return $name::take(source).map(ChildStep::$name); })+
                None
            }
        }

        /// Decodes the next operation and performs it; `None` when there is none.
        ///
        /// The same as [`ChildStep::take`] and then [`ChildStep::run`], but without putting the operation together
        /// in between, which halves the code that init needs for it.
        pub(crate) fn perform_next(source: &mut &[u8], context: &mut Context<'_>) -> Option<kernel::Result<()>> {
            let [tag] = *take_bytes(source)?;
            $(if tag == Tag::$name as u8 { return Some($name::take(source)?.run(context)); })+
            None
        }

        impl Step for ChildStep {
            fn run(&self, context: &mut Context<'_>) -> kernel::Result<()> {
                match self { $(ChildStep::$name(step) => step.run(context)),+ }
            }

            fn describe(&self, text: StringTable<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self { $(ChildStep::$name(step) => step.describe(text, f)),+ }
            }
        }
    };
}

steps! {
    Affinity, Attach, AwaitStart, BecomeRoot, Bind, BindDevice, BoundingSet, Capabilities, ChangeRoot, CloseWorking, CopyMount, Device, Directory,
    Domainname, Dumpable, EnterRoot, Execute, FetchNull, Filesystem, FindHome, FindProgram, ForeignDevice, Fork, Hide, Hostname, Identity, IoPriority,
    Join, Label, Limit, Loopback, MakeDirectory, MemoryPolicy, MoveRoot, NoNewPrivileges, NoProgram, OomScore, OpenRoot,
    Personality, Propagation, ReadOnlyPath, RequireDevice, Scheduler, Seccomp, Session, SessionKeyring, SetAttributes,
    ShareNamespaces, StandardStreams, Symlink, Sysctl, Terminal, Umask, Undumpable, Unshare, WriteIdMaps,
}

/// Writes a path or another string of the plan for people.
pub(crate) struct Show<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Show<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                if character.is_control() {
                    write!(f, "{}", character.escape_default())?;
                } else {
                    fmt::Write::write_char(f, character)?;
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Writes the names of the bits that are set in `value`, with commas between.
pub(crate) fn words(f: &mut fmt::Formatter<'_>, value: u64, names: &[(u64, &str)]) -> fmt::Result {
    let mut separator = "";
    for (bits, name) in names {
        if value & bits == *bits {
            write!(f, "{separator}{name}")?;
            separator = ",";
        }
    }
    Ok(())
}
