//! The standard streams that the container's process inherits from us.

use kernel::file::{self, magic, mode};
use kernel::{BorrowedFd, Stream};

/// Gives those that are pipes to a user of ours, who could not open `/dev/stdout` again otherwise. Never anything with a
/// name outside: a file, a FIFO or a terminal may be somebody's.
pub(super) fn give(owner: u32, standard: [Option<BorrowedFd<'_>>; 3]) {
    for (given, stream) in standard.into_iter().zip(Stream::all()) {
        if let Err(fault) = give_one(given.unwrap_or(stream.borrow()), owner) {
            log::debug!("{stream:?} is not given to user {owner}: {fault}");
        }
    }
}

fn give_one(fd: BorrowedFd<'_>, owner: u32) -> kernel::Result<()> {
    let is_pipe =
        file::status(fd)?.kind() == mode::FIFO && file::filesystem(fd)?.kind == magic::PIPEFS;
    match is_pipe {
        true => file::set_owner(fd, owner, u32::MAX),
        false => Ok(()),
    }
}
