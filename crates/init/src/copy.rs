//! Copying a directory tree, for tmpfs mounts that start with what they cover.
//!
//! The tree may be changed by others meanwhile, and be as deep as it likes: no level takes stack or a descriptor. The way
//! up is `..`, and that it leads where the way down came from is checked, for a directory may have been moved.

use core::ffi::CStr;

use kernel::file::{self, Status, mode, open};
use kernel::memory::Numbers;
use kernel::{BorrowedFd, Call, Errno, Fault, Fd, Result};

use crate::inside;

/// Levels for which there is room: far more than a kernel's memory has for directories in one another.
const MOST_LEVELS: usize = 1 << 20;

const DIRECTORY: u64 = open::RDONLY | open::DIRECTORY | open::NOFOLLOW;

/// Somebody has changed the tree meanwhile.
const CHANGED: Fault = Fault::found(Call::Openat, Errno::ESTALE);

/// Copies everything in the directory `from` into the directory `to`, which nobody else sees yet: files, directories, links and
/// nodes with owners, permissions, times, and several names of one file. (`from` is the covered directory itself, so
/// what is mounted over it is not seen.)
///
/// # Errors
/// What the calls say; `ESTALE` where others interfere.
#[inline(never)]
pub(crate) fn tree(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<()> {
    let mut walk = Walk {
        from: file::open_at(from, c".", DIRECTORY, 0)?,
        to: file::open_at(to, c".", DIRECTORY, 0)?,
        top: to,
        links: None,
    };
    // Where each directory above goes on, and which it is.
    let way = Numbers::map(MOST_LEVELS)?;
    let mut level = 0;
    let mut entries = [0u8; 2048];
    loop {
        let length = file::read_directory(walk.from.borrow(), &mut entries)?;
        if length > 0 {
            for (name, next) in file::entries(&entries[..length]) {
                if let Some(above) = walk.copy(name)? {
                    let room = way.row(level).ok_or(CHANGED)?;
                    room.set([next, above.device, above.inode]);
                    level += 1;
                    // The rest of this buffer is read again when the walk comes back.
                    break;
                }
            }
            continue;
        }
        if level == 0 {
            walk.forget_links(&mut entries)?;
        }
        let status = file::status(walk.from.borrow())?;
        file::set_owner(walk.to.borrow(), status.uid, status.gid)?;
        file::set_permissions(walk.to.borrow(), status.mode & 0o7777)?;
        file::set_times_at(walk.to.borrow(), c".", &status.times)?;
        if level == 0 {
            return Ok(());
        }
        level -= 1;
        let [next, device, inode] = way.row(level).ok_or(CHANGED)?.get();
        walk.enter(c"..", c"..")?;
        let above = file::status(walk.from.borrow())?;
        if (above.device, above.inode) != (device, inode) {
            return Err(CHANGED);
        }
        file::seek(walk.from.borrow(), next)?;
    }
}

/// The directory with one more name for each file that has several: a name that nothing else has.
const LINKS: &CStr = c"\x01tare links\x7f";

/// What a file's other names are found by: its numbers as letters.
#[inline(never)]
fn key<'k>(status: &Status, key: &'k mut [u8; 33]) -> Result<&'k CStr> {
    let mut numbers = u128::from(status.device) << 64 | u128::from(status.inode);
    for letter in key.iter_mut().take(32) {
        *letter = b'a' + (numbers & 15) as u8;
        numbers >>= 4;
    }
    kernel::strings::first(key).ok_or(CHANGED)
}

struct Walk<'a> {
    /// Where the copy begins.
    top: BorrowedFd<'a>,
    from: Fd,
    to: Fd,
    /// The directory [`LINKS`], once a file has several names.
    links: Option<Fd>,
}

impl Walk<'_> {
    fn enter(&mut self, from: &CStr, to: &CStr) -> Result<()> {
        self.from = file::open_at(self.from.borrow(), from, DIRECTORY, 0)?;
        self.to = file::open_at(self.to.borrow(), to, DIRECTORY, 0)?;
        Ok(())
    }

    /// Copies one entry. A directory is entered; the answer is then what it was in.
    fn copy(&mut self, name: &CStr) -> Result<Option<Status>> {
        let (from, to) = (self.from.borrow(), self.to.borrow());
        let mut status = file::status_at(from, name)?;
        let mut links = None;
        match status.kind() {
            mode::DIRECTORY => {
                let above = file::status(from)?;
                file::make_directory(to, name, 0o700)?;
                self.enter(name, name)?;
                return Ok(Some(above));
            }
            mode::REGULAR => {
                // By now another file may have the name: owner, permissions and content are to be those of one file.
                let flags = open::RDONLY | open::NOFOLLOW | open::NONBLOCK;
                let source = file::open_at(from, name, flags, 0)?;
                status = file::status(source.borrow())?;
                if status.kind() != mode::REGULAR {
                    return Err(CHANGED);
                }
                if status.links > 1 {
                    let names = Self::links(&mut self.links, self.top)?;
                    links = Some(names);
                    match file::link(names, key(&status, &mut [0; 33])?, to, name) {
                        Err(fault) if fault.is(Errno::ENOENT) => {}
                        answer => return answer.map(|()| None),
                    }
                }
                content(source.borrow(), status.size, to, name)?;
            }
            mode::LINK => {
                let mut link = [0u8; 4096];
                let length = file::read_link(from, name, &mut link)?;
                inside::with_string(link.get(..length).unwrap_or_default(), |link| {
                    file::make_link(link, to, name)
                })?;
            }
            _ => file::make_node(to, name, status.mode, status.rdev)?,
        }
        file::set_owner_at(to, name, status.uid, status.gid)?;
        if status.kind() != mode::LINK {
            file::set_permissions_at(to, name, status.mode & 0o7777)?;
        }
        file::set_times_at(to, name, &status.times)?;
        if let Some(links) = links {
            file::link(to, name, links, key(&status, &mut [0; 33])?)?;
        }
        Ok(None)
    }

    fn links<'l>(kept: &'l mut Option<Fd>, top: BorrowedFd<'_>) -> Result<BorrowedFd<'l>> {
        if kept.is_none() {
            file::make_directory(top, LINKS, 0o700)?;
            *kept = Some(file::open_at(top, LINKS, DIRECTORY, 0)?);
        }
        kept.as_ref().map(Fd::borrow).ok_or(CHANGED)
    }

    fn forget_links(&mut self, entries: &mut [u8]) -> Result<()> {
        let Some(links) = self.links.take() else {
            return Ok(());
        };
        loop {
            // What was read is removed, so the rest begins at the front.
            file::seek(links.borrow(), 0)?;
            let length = file::read_directory(links.borrow(), entries)?;
            let mut names = file::names(&entries[..length]).peekable();
            if names.peek().is_none() {
                return file::remove_directory(self.top, LINKS);
            }
            for name in names {
                file::remove(links.borrow(), name)?;
            }
        }
    }
}

/// Not more than the file had when it was opened, for it may grow for ever.
fn content(from: BorrowedFd<'_>, mut rest: u64, to: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    let flags = open::WRONLY | open::CREAT | open::EXCL | open::NOFOLLOW;
    let copy = file::open_at(to, name, flags, 0o600)?;
    while rest > 0 {
        match file::send(copy.borrow(), from, rest as usize)? {
            0 => break,
            sent => rest -= sent as u64,
        }
    }
    Ok(())
}
