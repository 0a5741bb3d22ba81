//! Owners, modes, times and extended attributes.

use std::cell::Cell;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::fs::{self, AtFlags, Gid, Mode, Stat, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use crate::error::{Doing, Error, Result};
use crate::identity::Mapping;
use crate::tar::{Entry, Time};

/// Bytes of the longest value of an extended attribute, and of the longest list of names (xattr(7)).
const LONGEST: usize = 64 << 10;

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
    warned: Cell<bool>,
}

impl Attributes {
    pub(super) fn new(owner: Owner) -> Self {
        Attributes {
            owner,
            warned: Cell::new(false),
        }
    }

    pub(super) fn privileged(&self) -> bool {
        self.owner == Owner::Layer
    }

    /// Without privilege, a directory that its owner may not write to would refuse what comes next.
    pub(super) fn directory_mode(&self, entry: &Entry) -> u32 {
        match self.privileged() {
            true => entry.mode,
            false => entry.mode | 0o700,
        }
    }

    /// Owner, then mode (a change of owner clears set-id bits), then attributes (it clears capabilities too).
    pub(super) fn apply(&self, fd: BorrowedFd<'_>, entry: &Entry, mode: u32) -> Result<()> {
        // Looking costs less than a change that is none.
        let stat = fs::fstat(fd).doing("read attributes")?;
        if let Some((uid, gid)) = self.owner(entry, &stat)? {
            fs::fchown(fd, Some(uid), Some(gid)).map_err(owner_error)?;
        }
        // Files are made without set-id bits, and directories keep theirs: what was seen before that is still true.
        if stat.st_mode & 0o7777 != mode {
            fs::fchmod(fd, Mode::from_raw_mode(mode)).doing("change mode")?;
        }
        self.xattrs(entry, |key, value| {
            fs::fsetxattr(fd, key, value, XattrFlags::empty())
        })
    }

    /// The same for what cannot or must not be opened: links, devices, pipes.
    pub(super) fn apply_at(
        &self,
        parent: &OwnedFd,
        name: &[u8],
        entry: &Entry,
        with_mode: bool,
    ) -> Result<()> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let stat = fs::statat(parent, name, flags).doing("read attributes")?;
        if let Some((uid, gid)) = self.owner(entry, &stat)? {
            fs::chownat(parent, name, Some(uid), Some(gid), flags).map_err(owner_error)?;
        }
        if with_mode {
            // Not a link: it was made a moment ago, in a tree that only this program changes.
            let mode = Mode::from_raw_mode(entry.mode);
            fs::chmodat(parent, name, mode, AtFlags::empty()).doing("change mode")?;
        }
        self.xattrs(entry, |key, value| {
            // There is no fsetxattr for O_PATH descriptors; the folder's descriptor fixes the place.
            let folder = format!("/proc/self/fd/{}/", parent.as_raw_fd());
            let path = [folder.as_bytes(), name].concat();
            fs::lsetxattr(path.as_slice(), key, value, XattrFlags::empty())
        })?;
        fs::utimensat(parent, name, &timestamps(entry.mtime), flags).doing("set time")
    }

    fn xattrs(&self, entry: &Entry, set: impl Fn(&str, &[u8]) -> Result<(), Errno>) -> Result<()> {
        for (name, value) in &entry.xattrs {
            let Some(name) = admit(name) else {
                continue;
            };
            match set(name, value) {
                // The same rule as other programs: the image works without, and the caller is told once.
                Err(e @ (Errno::OPNOTSUPP | Errno::PERM))
                    if e == Errno::OPNOTSUPP || name.starts_with("user.") || !self.privileged() =>
                {
                    if !self.warned.replace(true) {
                        log::warn!("extended attribute {name} is left out: {e}");
                    }
                }
                other => other.doing(&format!("set extended attribute {name}"))?,
            }
        }
        Ok(())
    }

    /// Whom the entry belongs to, if that is somebody else than what was made of it: in a directory with the set-group-id bit, that
    /// has the directory's group.
    fn owner(&self, entry: &Entry, made: &Stat) -> Result<Option<(Uid, Gid)>> {
        let id = |n: i64| {
            // The largest value means "no change" to the kernel.
            u32::try_from(n)
                .ok()
                .filter(|n| *n != u32::MAX)
                .ok_or_else(|| failure!(Unsafe: "{n} is not a user or group id"))
        };
        let (uid, gid) = (id(entry.uid)?, id(entry.gid)?);
        if self.owner == Owner::Caller || (uid, gid) == (made.st_uid, made.st_gid) {
            return Ok(None);
        }
        Ok(Some((Uid::from_raw(uid), Gid::from_raw(gid))))
    }
}

/// The name under which an attribute may be set; the host's own namespaces are not an image's business.
fn admit(name: &[u8]) -> Option<&str> {
    let wanted = name == b"security.capability"
        || name.starts_with(b"system.posix_acl_")
        || (name.starts_with(b"user.") && !is_private(name));
    std::str::from_utf8(name).ok().filter(|_| wanted)
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
        let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
        fs::fchown(to, Some(uid), Some(gid)).map_err(owner_error)?;
    }
    fs::fchmod(to, Mode::from_raw_mode(stat.st_mode & 0o7777)).map_err(error)?;
    for name in names(to)?.iter().filter(|n| is_shown(n)) {
        fs::fremovexattr(to, name.as_slice()).map_err(error)?;
    }
    for (name, value) in shown(from)? {
        fs::fsetxattr(to, name.as_slice(), &value, XattrFlags::empty()).map_err(error)?;
    }
    Ok(())
}

/// Labels belong to the host.
fn is_shown(name: &[u8]) -> bool {
    name != b"security.selinux" && !is_private(name)
}

/// Attributes that are about the form of a layer and not about the file.
pub(super) fn is_private(name: &[u8]) -> bool {
    [&b"trusted."[..], b"user.overlay.", b"user.tare."]
        .iter()
        .any(|p| name.starts_with(p))
}

/// Names of all extended attributes.
pub(crate) fn names(fd: BorrowedFd<'_>) -> Result<Vec<Vec<u8>>> {
    let mut all: Vec<u8> = Vec::with_capacity(LONGEST);
    match fs::flistxattr(fd, spare_capacity(&mut all)) {
        Err(Errno::OPNOTSUPP) => {}
        listed => drop(listed.doing("list extended attributes")?),
    }
    let names = all.split(|b| *b == 0).filter(|name| !name.is_empty());
    Ok(names.map(<[u8]>::to_vec).collect())
}

/// Extended attributes with their values.
type Named = Vec<(Vec<u8>, Vec<u8>)>;

fn values(fd: BorrowedFd<'_>, wanted: impl Fn(&[u8]) -> bool) -> Result<Named> {
    let value = |name: Vec<u8>| {
        let mut value = Vec::with_capacity(LONGEST);
        let read = fs::fgetxattr(fd, name.as_slice(), spare_capacity(&mut value));
        read.doing("read extended attribute")?;
        value.shrink_to_fit();
        Ok((name, value))
    };
    let names = names(fd)?.into_iter().filter(|name| wanted(name));
    names.map(value).collect()
}

/// Those that make a directory part of an overlay.
pub(crate) fn of_form(fd: BorrowedFd<'_>) -> Result<Named> {
    let opaque = opaque_name();
    values(fd, |name| name == opaque.as_bytes())
}

/// Those that a layer has of a file or directory.
pub(crate) fn shown(fd: BorrowedFd<'_>) -> Result<Named> {
    values(fd, is_shown)
}
