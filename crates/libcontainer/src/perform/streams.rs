//! The standard streams that the container's process inherits from us.

use kernel::file::{self, magic, mode};

/// Gives those that are pipes to a user of ours, who could not open `/dev/stdout` again otherwise. Never anything with a
/// name outside: a file, a FIFO or a terminal may be somebody's.
pub(super) fn give(owner: u32) {
    for fd in 0..3 {
        if let Err(fault) = give_one(fd, owner) {
            log::debug!("standard stream {fd} is not given to user {owner}: {fault}");
        }
    }
}

fn give_one(fd: i32, owner: u32) -> kernel::Result<()> {
    let is_pipe =
        file::status(fd)?.kind() == mode::FIFO && file::filesystem(fd)?.kind == magic::PIPEFS;
    match is_pipe {
        true => file::set_owner(fd, owner, u32::MAX),
        false => Ok(()),
    }
}
