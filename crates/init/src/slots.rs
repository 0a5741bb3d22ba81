//! Numbered places for descriptors: a plan names a slot, not a descriptor number that it cannot know.

use core::fmt;
use core::marker::PhantomData;

use kernel::{BorrowedFd, Call, Errno, Fault, Fd};

/// The number of a place, and what kind of descriptor is there: a step that wants a mount cannot be given a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot<K = kind::Any>(u8, PhantomData<K>);

/// What can be in a slot.
pub mod kind {
    /// Of any kind.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Any {}

    /// Namespaces to join: a namespace file, or a process that lives in them (its pidfd).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Joinable {}

    /// A mount, or a tree of mounts that is not attached yet.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Mount {}

    /// A directory.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Directory {}

    /// A connected socket.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Socket {}

    /// The end of a pipe or FIFO at which init waits.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Fence {}

    /// What a filter notifies (seccomp_unotify(2)).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Listener {}

    /// A file that is mapped.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Page {}
}

impl<K> Slot<K> {
    /// The place with this number: for who hands them out, and for who reads what was written.
    pub const fn numbered(number: u8) -> Slot<K> {
        Slot(number, PhantomData)
    }

    /// The number.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Without the kind.
    pub const fn any(self) -> Slot {
        Slot::numbered(self.0)
    }
}

impl Slot {
    /// The first one that a plan may use as it likes.
    pub const FIRST_FREE: Slot = Slot::numbered(2);
    /// The last one.
    pub const LAST_FREE: Slot = Slot::numbered(253);
}

impl Slot<kind::Page> {
    /// The page in which init notes where it is ([`crate::Report`]).
    pub const REPORT: Slot<kind::Page> = Slot::numbered(0);
}

impl Slot<kind::Socket> {
    /// The socket to the runtime.
    pub const PEER: Slot<kind::Socket> = Slot::numbered(1);
}

impl Slot<kind::Mount> {
    /// Stands for the container's root directory.
    pub const ROOT: Slot<kind::Mount> = Slot::numbered(254);
    /// Stands for none.
    pub const NONE: Slot<kind::Mount> = Slot::numbered(255);
}

impl Slot<kind::Joinable> {
    /// Stands for none.
    pub const NO_NAMESPACE: Slot<kind::Joinable> = Slot::numbered(255);
}

impl Slot<kind::Directory> {
    /// Stands for the container's root directory.
    pub const ROOT_DIRECTORY: Slot<kind::Directory> = Slot::numbered(254);
}

impl<K> fmt::Display for Slot<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How many slots there are.
pub const COUNT: usize = 256;

/// What a step says whose slot is empty.
pub(crate) const EMPTY: Fault = Fault::found(Call::Fcntl, Errno::EBADF);

/// The descriptors that one side holds.
#[derive(Debug)]
pub struct Slots([Option<Fd>; COUNT]);

impl Default for Slots {
    fn default() -> Self {
        Slots([const { None }; COUNT])
    }
}

impl Slots {
    /// The descriptor in a slot.
    ///
    /// # Errors
    /// `EBADF` when it is empty.
    #[inline(always)]
    pub fn get<K>(&self, slot: Slot<K>) -> kernel::Result<BorrowedFd<'_>> {
        self.held(slot.0)
    }

    fn held(&self, number: u8) -> kernel::Result<BorrowedFd<'_>> {
        self.0[usize::from(number)]
            .as_ref()
            .map(Fd::borrow)
            .ok_or(EMPTY)
    }

    /// Fills a slot; what was in it is closed.
    #[inline(always)]
    pub fn set<K>(&mut self, slot: Slot<K>, fd: Fd) {
        drop(self.replace(slot.0, Some(fd)));
    }

    /// Empties a slot.
    #[inline(always)]
    pub fn take<K>(&mut self, slot: Slot<K>) -> Option<Fd> {
        self.replace(slot.0, None)
    }

    fn replace(&mut self, number: u8, fd: Option<Fd>) -> Option<Fd> {
        core::mem::replace(&mut self.0[usize::from(number)], fd)
    }

    /// All slots that are filled, in order.
    pub fn filled(&self) -> impl Iterator<Item = (Slot, BorrowedFd<'_>)> {
        let slots = self.0.iter().enumerate();
        slots.filter_map(|(number, fd)| Some((Slot::numbered(number as u8), fd.as_ref()?.borrow())))
    }
}
