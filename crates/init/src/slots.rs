//! Numbered places for descriptors: a plan names a slot, not a descriptor number that it cannot know.

use kernel::{Call, Errno, Fault, Fd};

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

/// The descriptors that init holds.
#[derive(Debug)]
pub struct Slots([Option<Fd>; COUNT]);

impl Default for Slots {
    fn default() -> Self {
        Slots([const { None }; COUNT])
    }
}

impl Slots {
    /// The descriptor number in a slot.
    ///
    /// # Errors
    /// `EBADF` when it is empty.
    pub fn raw(&self, slot: Slot) -> kernel::Result<i32> {
        self.0[usize::from(slot.0)]
            .as_ref()
            .map(Fd::raw)
            .ok_or(Fault::found(Call::Fcntl, Errno::EBADF))
    }

    /// Fills a slot; what was in it is closed.
    pub fn set(&mut self, slot: Slot, fd: Fd) {
        self.0[usize::from(slot.0)] = Some(fd);
    }

    /// Empties a slot.
    pub fn take(&mut self, slot: Slot) -> Option<Fd> {
        self.0[usize::from(slot.0)].take()
    }
}
