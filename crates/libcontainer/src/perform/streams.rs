//! The standard streams that the container's process inherits from us.

use kernel::file::{self, magic, mode};

/// Gives those that are pipes to a user of ours, who could not open `/dev/stdout` again otherwise. Never anything with a
/// name outside: a file, a FIFO or a terminal may be somebody's.
pub(super) fn give(owner: u32, standard: [Option<i32>; 3]) {
    for (number, given) in (0..).zip(standard) {
        let fd = given.unwrap_or(number);
        let is_pipe = file::status(fd).is_ok_and(|status| status.kind() == mode::FIFO)
            && file::filesystem(fd).is_ok_and(|found| found.kind == magic::PIPEFS);
        if is_pipe && let Err(fault) = file::set_owner(fd, owner, u32::MAX) {
            log::debug!("standard stream {number} is not given to user {owner}: {fault}");
        }
    }
}
