//! Copying a small directory tree, for tmpfs mounts that start with what they cover.

use core::ffi::CStr;

use kernel::file::{self, mode, open};
use kernel::{Call, Errno, Fault, Result};

/// Deepest nesting: each level keeps a buffer on the stack.
const DEEPEST: usize = 32;

/// Copies everything in the directory `from` into the directory `to`: files, directories, links and nodes with owners
/// and permissions. (`from` is the covered directory itself, so what is mounted over it is not seen.)
///
/// # Errors
/// `ELOOP` below 32 levels, else what the calls say.
pub(crate) fn tree(from: i32, to: i32) -> Result<()> {
    let from = file::open_at(from, c".", open::RDONLY | open::DIRECTORY, 0)?;
    let to = file::open_at(to, c".", open::RDONLY | open::DIRECTORY, 0)?;
    directory(from.raw(), to.raw(), 0)
}

fn directory(from: i32, to: i32, depth: usize) -> Result<()> {
    if depth == DEEPEST {
        return Err(Fault::found(Call::Getdents, Errno::ELOOP));
    }
    let mut entries = [0u8; 2048];
    loop {
        let length = file::read_directory(from, &mut entries)?;
        if length == 0 {
            break;
        }
        for name in file::names(&entries[..length]) {
            entry(from, to, name, depth)?;
        }
    }
    let status = file::status(from)?;
    file::set_owner(to, status.uid, status.gid)?;
    file::set_permissions(to, status.mode & 0o7777)
}

fn entry(from: i32, to: i32, name: &CStr, depth: usize) -> Result<()> {
    let status = file::status_at(from, name)?;
    match status.kind() {
        mode::DIRECTORY => {
            file::make_directory(to, name, 0o700)?;
            let flags = open::RDONLY | open::DIRECTORY | open::NOFOLLOW;
            let (source, copy) = (
                file::open_at(from, name, flags, 0)?,
                file::open_at(to, name, flags, 0)?,
            );
            return directory(source.raw(), copy.raw(), depth + 1);
        }
        mode::REGULAR => content(from, to, name)?,
        mode::LINK => {
            let mut link = [0u8; 4096];
            let length = file::read_link(from, name, &mut link)?;
            crate::inside::with_string(link.get(..length).unwrap_or_default(), |link| {
                file::make_link(link, to, name)
            })?;
        }
        _ => file::make_node(to, name, status.mode, status.rdev)?,
    }
    file::set_owner_at(to, name, status.uid, status.gid)?;
    if status.kind() != mode::LINK {
        file::set_permissions_at(to, name, status.mode & 0o7777)?;
    }
    Ok(())
}

fn content(from: i32, to: i32, name: &CStr) -> Result<()> {
    let source = file::open_at(
        from,
        name,
        open::RDONLY | open::NOFOLLOW | open::NONBLOCK,
        0,
    )?;
    let copy = file::open_at(
        to,
        name,
        open::WRONLY | open::CREAT | open::EXCL | open::NOFOLLOW,
        0o600,
    )?;
    let mut buffer = [0u8; 4096];
    loop {
        let length = file::read(source.raw(), &mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        let mut rest = &buffer[..length];
        while !rest.is_empty() {
            rest = &rest[file::write(copy.raw(), rest)?..];
        }
    }
}
