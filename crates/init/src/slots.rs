//! Numbered places for descriptors: a plan names a slot, not a descriptor number that it cannot know.

use kernel::{BorrowedFd, Call, Errno, Fault, Fd};

/// The number of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u8);

impl Slot {
    /// The page in which init notes where it is ([`crate::Report`]).
    pub const REPORT: Slot = Slot(0);
    /// The socket to the runtime.
    pub const PEER: Slot = Slot(1);
    /// The first one that a plan may use as it likes.
    pub const FIRST_FREE: Slot = Slot(2);
    /// Stands for the container's root directory.
    pub const ROOT: Slot = Slot(254);
    /// Stands for none.
    pub const NONE: Slot = Slot(255);
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
    pub fn get(&self, slot: Slot) -> kernel::Result<BorrowedFd<'_>> {
        self.0[usize::from(slot.0)]
            .as_ref()
            .map(Fd::borrow)
            .ok_or(EMPTY)
    }

    /// Fills a slot; what was in it is closed.
    pub fn set(&mut self, slot: Slot, fd: Fd) {
        self.0[usize::from(slot.0)] = Some(fd);
    }

    /// Empties a slot.
    pub fn take(&mut self, slot: Slot) -> Option<Fd> {
        self.0[usize::from(slot.0)].take()
    }

    /// All slots that are filled, in order.
    pub fn filled(&self) -> impl Iterator<Item = (Slot, BorrowedFd<'_>)> {
        let slots = self.0.iter().enumerate();
        slots.filter_map(|(number, fd)| Some((Slot(number as u8), fd.as_ref()?.borrow())))
    }
}
