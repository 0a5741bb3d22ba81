//! Where a container's init waits for `start`: one end is its own, the other ours.

use crate::Error;
use crate::perform::fence;
use crate::state::Held;

/// Where the child waits for `start`.
pub(super) enum Fence {
    /// At a FIFO in the container's folder, which any process can open later.
    Fifo,
    /// At a pipe, which only this process can use.
    Pipe,
    /// Nowhere.
    Open,
}

impl Fence {
    /// The child's end and ours.
    pub(super) fn make(&self, folder: &Held) -> Result<fence::Ends, Error> {
        match self {
            Fence::Open => fence::open(),
            Fence::Pipe => fence::pipe(),
            Fence::Fifo => fence::fifo(folder.make_fence()?),
        }
    }
}
