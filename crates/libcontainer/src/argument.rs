//! What can be said of a call's arguments before anything is done, in errors that name them.

use std::fmt::Display;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use kernel::file::mode;
use kernel::{BorrowedFd, file, process};

use crate::Error;

/// Longest path of a socket, `sun_path` less its end (unix(7)).
const LONGEST_SOCKET: usize = 107;

/// Longest name of a file.
const LONGEST_NAME: usize = 255;

/// The highest signal (signal(7)).
const LAST_SIGNAL: i32 = 64;

/// A path that the kernel can be asked for.
pub(crate) fn path(name: &'static str, path: &Path) -> Result<(), Error> {
    let bytes = path.as_os_str().as_bytes();
    match bytes {
        [] => Err(Error::argument(name, "is empty")),
        bytes if bytes.contains(&0) => Err(wrong(name, path, "contains a NUL byte")),
        _ => Ok(()),
    }
}

/// As [`path`], of what may be left out.
pub(crate) fn paths<'a>(
    given: impl IntoIterator<Item = (&'static str, &'a Option<std::path::PathBuf>)>,
) -> Result<(), Error> {
    let mut given = given.into_iter();
    given.try_for_each(|(name, given)| given.as_deref().map_or(Ok(()), |given| path(name, given)))
}

/// A path of a directory that others are to find later.
pub(crate) fn absolute(name: &'static str, given: &Path) -> Result<(), Error> {
    path(name, given)?;
    match given.is_absolute() {
        true => Ok(()),
        false => Err(wrong(name, given, "is not absolute")),
    }
}

/// A path of a socket, or its abstract name (`@NAME`).
pub(crate) fn socket_path(name: &'static str, given: &Path) -> Result<(), Error> {
    path(name, given)?;
    match given.as_os_str().len() {
        0..=LONGEST_SOCKET => Ok(()),
        _ => Err(wrong(
            name,
            given,
            "is longer than a socket's path can be, 107 bytes",
        )),
    }
}

/// A descriptor of a socket.
pub(crate) fn socket(name: &'static str, given: BorrowedFd<'_>) -> Result<(), Error> {
    let status = file::status(given).map_err(|fault| Error::argument(name, fault))?;
    match status.kind() {
        mode::SOCKET => Ok(()),
        _ => Err(Error::argument(name, "is not a socket")),
    }
}

/// A signal; 0 is none, and only asks.
pub(crate) fn signal(number: i32) -> Result<(), Error> {
    match number {
        0..=LAST_SIGNAL => Ok(()),
        _ => Err(Error::argument(
            "signal",
            format_args!("{number} is not one (0 to {LAST_SIGNAL})"),
        )),
    }
}

/// Descriptors that a container is to get must be there: a number that is too high would open what is not meant.
pub(crate) fn preserved(count: u32) -> Result<(), Error> {
    // Of those that are open this program's own are not meant: they are closed at the next execve.
    let missing = (3..=i32::MAX)
        .zip(0..count)
        .find(|(number, _)| !process::passes_on(*number));
    match missing {
        None => Ok(()),
        Some((fd, _)) => {
            let why = format!("{count}: descriptor {fd} was not passed");
            Err(Error::argument("preserve_fds", why))
        }
    }
}

/// The grammar of ids that engines rely on, and that keeps them safe as names of files and cgroups.
pub(crate) fn id(id: &str) -> Result<(), Error> {
    let text = match id {
        "" => "container id cannot be empty",
        id if is_id(id) => return Ok(()),
        _ => "invalid container ID format",
    };
    Err(Error::Invalid {
        text: text.to_owned(),
        what: id.to_owned(),
    })
}

/// As [`id`], without a reason.
pub(crate) fn is_id(id: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte);
    !matches!(id, "" | "." | "..") && id.len() <= LONGEST_NAME && id.bytes().all(known)
}

fn wrong(name: &'static str, path: &Path, why: impl Display) -> Error {
    Error::argument(name, format_args!("{path:?} {why}"))
}
