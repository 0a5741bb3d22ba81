//! Owners, modes, times and extended attributes.

use std::cell::Cell;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, AtFlags, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use crate::error::{Doing, Error, Result};
use crate::identity::Mapping;
use crate::tar::{Entry, Time};

/// Whom files belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Whom the layer says. Needs root, or a user namespace with enough ids mapped.
    Layer,
    /// Everything to the caller, for callers without privilege and without subordinate ids.
    Caller,
}

impl Owner {
    /// [`Owner::Layer`] for root of the host or of a user namespace, unless that has one id only; else [`Owner::Caller`].
    pub fn for_caller() -> Self {
        if rustix::process::geteuid().is_root() && !is_alone() {
            Owner::Layer
        } else {
            Owner::Caller
        }
    }
}

/// Applies attributes to fresh inodes.
pub(super) struct Attributes {
    owner: Owner,
    own: (u32, u32),
    warned: Cell<bool>,
}

impl Attributes {
    pub(super) fn new(owner: Owner) -> Self {
        let own = (
            rustix::process::geteuid().as_raw(),
            rustix::process::getegid().as_raw(),
        );
        Attributes {
            owner,
            own,
            warned: Cell::new(false),
        }
    }

    pub(super) fn privileged(&self) -> bool {
        self.owner == Owner::Layer
    }

    /// Owner, then mode (a change of owner clears set-id bits), then attributes (it clears capabilities too).
    pub(super) fn apply(&self, fd: BorrowedFd<'_>, entry: &Entry, mode: u32) -> Result<()> {
        if let Some((uid, gid)) = self.owner(entry)? {
            fs::fchown(fd, Some(uid), Some(gid)).map_err(owner_error)?;
        }
        fs::fchmod(fd, Mode::from_raw_mode(mode)).doing("change mode")?;
        for (name, value) in &entry.xattrs {
            if let Some(name) = self.admit(name) {
                self.xattr_result(name, fs::fsetxattr(fd, name, value, XattrFlags::empty()))?;
            }
        }
        Ok(())
    }

    /// The same for what cannot or must not be opened: links, devices, pipes.
    pub(super) fn apply_at(
        &self,
        parent: &OwnedFd,
        name: &[u8],
        entry: &Entry,
        with_mode: bool,
    ) -> Result<()> {
        if let Some((uid, gid)) = self.owner(entry)? {
            fs::chownat(
                parent,
                name,
                Some(uid),
                Some(gid),
                AtFlags::SYMLINK_NOFOLLOW,
            )
            .map_err(owner_error)?;
        }
        if with_mode {
            // Not a link: it was made a moment ago, in a tree that only this program changes.
            fs::chmodat(
                parent,
                name,
                Mode::from_raw_mode(entry.mode),
                AtFlags::empty(),
            )
            .doing("change mode")?;
        }
        for (key, value) in &entry.xattrs {
            if let Some(key) = self.admit(key) {
                // There is no fsetxattr for O_PATH descriptors; the folder's descriptor fixes the place.
                let mut path = format!("/proc/self/fd/{}/", parent.as_raw_fd()).into_bytes();
                path.extend_from_slice(name);
                self.xattr_result(
                    key,
                    fs::lsetxattr(path.as_slice(), key, value, XattrFlags::empty()),
                )?;
            }
        }
        fs::utimensat(
            parent,
            name,
            &timestamps(entry.mtime),
            AtFlags::SYMLINK_NOFOLLOW,
        )
        .doing("set time")
    }

    fn owner(&self, entry: &Entry) -> Result<Option<(Uid, Gid)>> {
        let id = |n: i64| {
            // The largest value means "no change" to the kernel.
            u32::try_from(n)
                .ok()
                .filter(|n| *n != u32::MAX)
                .ok_or_else(|| failure!(Unsafe: "{n} is not a user or group id"))
        };
        let (uid, gid) = (id(entry.uid)?, id(entry.gid)?);
        if self.owner == Owner::Caller || (uid, gid) == self.own {
            return Ok(None);
        }
        Ok(Some((Uid::from_raw(uid), Gid::from_raw(gid))))
    }

    /// The name under which an attribute may be set; the host's own namespaces are not an image's business.
    fn admit<'a>(&self, name: &'a [u8]) -> Option<&'a str> {
        let name = std::str::from_utf8(name).ok()?;
        let wanted = name == "security.capability"
            || name.starts_with("system.posix_acl_")
            || (name.starts_with("user.")
                && !name.starts_with("user.overlay.")
                && !name.starts_with("user.tare."));
        wanted.then_some(name)
    }

    fn xattr_result(&self, name: &str, result: Result<(), Errno>) -> Result<()> {
        match result {
            Ok(()) => Ok(()),
            // The same rule as other programs: the image works without, and the caller is told once.
            Err(e @ (Errno::OPNOTSUPP | Errno::PERM))
                if e == Errno::OPNOTSUPP || name.starts_with("user.") || !self.privileged() =>
            {
                if !self.warned.replace(true) {
                    log::warn!("extended attribute {name} is left out: {e}");
                }
                Ok(())
            }
            Err(e) => Err(Error::system(format!("set extended attribute {name}"), e)),
        }
    }
}

fn owner_error(error: Errno) -> Error {
    let error_message = Error::system("change owner", error);
    match error {
        Errno::INVAL => error_message
            .hint("The id is not mapped in this user namespace: more subordinate ids are needed"),
        Errno::PERM => error_message.hint("Run as root, or with subordinate ids for this user"),
        _ => error_message,
    }
}

pub(crate) fn timestamps(time: Time) -> Timestamps {
    let time = Timespec {
        tv_sec: time.seconds,
        tv_nsec: i64::from(time.nanoseconds),
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

/// `trusted` for root of the host, `user` (with the mount option `userxattr`) for everybody else.
pub(crate) fn overlay_namespace() -> &'static str {
    if rustix::process::geteuid().is_root() && in_initial_user_namespace() {
        "trusted"
    } else {
        "user"
    }
}

/// True in a user namespace where nobody but the caller has an id.
fn is_alone() -> bool {
    ["uid_map", "gid_map"].iter().any(|file| {
        let ids = crate::identity::mappings(file).unwrap_or_default();
        matches!(ids[..], [Mapping { count: 1, .. }])
    })
}

/// The attribute that makes overlayfs hide what the layers below have in a directory.
pub(crate) fn opaque_name() -> String {
    format!("{}.overlay.opaque", overlay_namespace())
}

fn in_initial_user_namespace() -> bool {
    std::fs::read_to_string("/proc/self/uid_map")
        .map(|map| map.split_whitespace().eq(["0", "0", "4294967295"]))
        .unwrap_or(true)
}

/// Gives `to` the owner, mode and attributes of `from`; not the times.
pub(crate) fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>, privileged: bool) -> Result<()> {
    let error = |e| Error::system("copy attributes", e);
    let stat = fs::fstat(from).map_err(error)?;
    if privileged {
        fs::fchown(
            to,
            Some(Uid::from_raw(stat.st_uid)),
            Some(Gid::from_raw(stat.st_gid)),
        )
        .map_err(owner_error)?;
    }
    fs::fchmod(to, Mode::from_raw_mode(stat.st_mode & 0o7777)).map_err(error)?;
    for name in names(to)? {
        if !keep(&name) && !is_private(&name) {
            fs::fremovexattr(to, name.as_slice()).map_err(error)?;
        }
    }
    for name in names(from)? {
        if keep(&name) || is_private(&name) {
            continue;
        }
        let value = value(from, &name)?;
        fs::fsetxattr(to, name.as_slice(), &value, XattrFlags::empty()).map_err(error)?;
    }
    Ok(())
}

/// Labels belong to the host.
fn keep(name: &[u8]) -> bool {
    name == b"security.selinux"
}

/// Attributes that are about the form of a layer and not about the file.
pub(super) fn is_private(name: &[u8]) -> bool {
    [&b"trusted."[..], b"user.overlay.", b"user.tare."]
        .iter()
        .any(|p| name.starts_with(p))
}

/// Names of all extended attributes.
pub(crate) fn names(fd: BorrowedFd<'_>) -> Result<Vec<Vec<u8>>> {
    let mut buffer = vec![0u8; 4096];
    loop {
        match fs::flistxattr(fd, buffer.as_mut_slice()) {
            Ok(n) => {
                return Ok(buffer[..n]
                    .split(|b| *b == 0)
                    .filter(|name| !name.is_empty())
                    .map(<[u8]>::to_vec)
                    .collect());
            }
            Err(Errno::RANGE) if buffer.len() < 65536 => buffer.resize(65536, 0),
            Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
            Err(e) => return Err(Error::system("list extended attributes", e)),
        }
    }
}

/// The extended attributes that make a directory part of an overlay.
pub(crate) fn of_form(fd: BorrowedFd<'_>) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let opaque = opaque_name().into_bytes();
    let names = names(fd)?.into_iter().filter(|n| *n == opaque);
    names.map(|n| Ok((n.clone(), value(fd, &n)?))).collect()
}

/// Value of one extended attribute.
fn value(fd: BorrowedFd<'_>, name: &[u8]) -> Result<Vec<u8>> {
    let mut buffer = vec![0u8; 65536];
    let n = fs::fgetxattr(fd, name, buffer.as_mut_slice()).doing("read extended attribute")?;
    buffer.truncate(n);
    Ok(buffer)
}

/// The extended attributes that a layer has of a file or directory, with their values.
pub(crate) fn shown(fd: BorrowedFd<'_>) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut found = Vec::new();
    for name in names(fd)? {
        if !is_private(&name) && !keep(&name) {
            let value = value(fd, &name)?;
            found.push((name, value));
        }
    }
    Ok(found)
}
