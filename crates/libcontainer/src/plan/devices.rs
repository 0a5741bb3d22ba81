//! `linux.devices`, the default devices and links below `/dev` (config-linux.md, "Devices").

use init::Slot;
use init::slots::kind;
use init::step::{
    Attach, BindDevice, Device, ForeignDevice, Propagation, RequireDevice, Symlink, Unshare,
};
use kernel::file::{device, mode};
use kernel::mount::flags;
use kernel::namespace::flags::{NEWNS, NEWUSER};
use spec::{ConfigPath, IdMapping};

use super::{Creation, Draft, IdMaps, Namespaces, PlanError};

/// Always there (config-linux.md, "Default Devices").
const DEFAULT: [(&str, u32, u32); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];

/// Always there (runtime-linux.md, "Dev symbolic links"), and two that programs expect.
const LINKS: [(&str, &str, bool); 6] = [
    ("/dev/fd", "/proc/self/fd", false),
    ("/dev/stdin", "/proc/self/fd/0", false),
    ("/dev/stdout", "/proc/self/fd/1", false),
    ("/dev/stderr", "/proc/self/fd/2", false),
    ("/dev/core", "/proc/kcore", false),
    ("/dev/ptmx", "pts/ptmx", true),
];

/// mknod(2) takes 12 bits of the one number and 20 of the other; of more it would make another device.
const LAST_MAJOR: u32 = (1 << 12) - 1;
const LAST_MINOR: u32 = (1 << 20) - 1;

/// CAP_CHOWN and CAP_MKNOD, as bits.
const MAKES: u64 = 1 | 1 << 27;

pub(crate) fn make(
    draft: &mut Draft<'_>,
    creation: &Creation,
    requested: &Namespaces,
    foreign: &[Option<Slot<kind::Mount>>],
) -> Result<(), PlanError> {
    if is_filled(draft, creation) {
        if draft
            .spec
            .linux
            .iter()
            .any(|linux| !linux.devices.is_empty())
        {
            let why = "none is made: /dev is bound from elsewhere, and its owner fills it";
            draft.warn(ConfigPath::of("linux.devices"), why);
        }
        return Ok(());
    }
    let nodes = !requested.has(NEWUSER) && !draft.host.rootless();
    let from = ConfigPath::of("linux.devices");
    let listed = listed(draft);
    for (path, major, minor) in DEFAULT {
        if listed.iter().any(|listed| listed.path == path) {
            continue;
        }
        let (mode, device) = (mode::CHARACTER | 0o666, device(major, minor));
        let path = draft.own_text(path);
        if nodes {
            draft.child(
                &from,
                Device {
                    path,
                    mode,
                    device,
                    uid: 0,
                    gid: 0,
                },
            );
        } else {
            draft.child(
                &from,
                BindDevice {
                    path,
                    source: path,
                    mode,
                    device,
                },
            );
        }
    }
    for (index, listed) in listed.iter().enumerate() {
        let foreign = foreign.get(index).copied().flatten();
        draft.part(|draft| make_one(draft, &from.clone().index(index), listed, nodes, foreign));
    }
    for (path, content, replace) in LINKS {
        let (path, content) = (draft.own_text(path), draft.own_text(content));
        draft.child(
            &from,
            Symlink {
                content,
                below: Slot::ROOT,
                path,
                replace,
            },
        );
    }
    Ok(())
}

/// A caller that binds a /dev of its own has filled it, and it is not the container's alone.
fn is_filled(draft: &Draft<'_>, creation: &Creation) -> bool {
    let own = |mount: &spec::Mount<'_>| {
        // Most are elsewhere, whatever their path is without what it does not need.
        mount.destination.contains("dev")
            && super::mounts::is_bind(mount)
            && super::mounts::destination(draft, creation, mount) == "/dev"
    };
    draft.spec.mounts.iter().any(own)
}

fn listed<'a>(draft: &Draft<'a>) -> &'a [spec::Device<'a>] {
    let linux = draft.spec.linux.as_ref();
    linux.map_or(&[], |linux| &linux.devices)
}

/// Makes what is listed for a container in another user namespace, before the child enters that: root of the machine can,
/// with owners and permissions as they are wanted, and nothing of the host's is inside then. The answer has the slot of
/// each device that was made.
pub(crate) fn make_foreign(
    draft: &mut Draft<'_>,
    creation: &Creation,
    requested: &Namespaces,
) -> Vec<Option<Slot<kind::Mount>>> {
    let listed = listed(draft);
    let mut slots = vec![None; listed.len()];
    let host = draft.host;
    let can = !host.rootless() && host.copies_mounts && host.capabilities & MAKES == MAKES;
    if !can || !requested.has(NEWUSER) || is_filled(draft, creation) {
        return slots;
    }
    let mut alone = false;
    for (index, (listed, slot)) in listed.iter().zip(&mut slots).enumerate() {
        let at = ConfigPath::of("linux.devices").index(index);
        draft.part(|draft| {
            *slot = make_one_foreign(draft, &at, listed, &mut alone)?;
            Ok(())
        });
    }
    slots
}

fn make_one_foreign(
    draft: &mut Draft<'_>,
    at: &ConfigPath,
    listed: &spec::Device<'_>,
    alone: &mut bool,
) -> Result<Option<Slot<kind::Mount>>, PlanError> {
    let Some(linux) = &draft.spec.linux else {
        return Ok(None);
    };
    let (mode, device) = validate(at, listed)?;
    validate_default(at, listed, mode, device)?;
    // Joined by its file alone, the user namespace has mappings that are not known yet.
    let known = !linux.uid_mappings.is_empty() && !linux.gid_mappings.is_empty();
    if mode & mode::TYPE == mode::FIFO || !known {
        return Ok(None);
    }
    let uid = outside(at, "uid", &linux.uid_mappings, listed.uid)?;
    let gid = outside(at, "gid", &linux.gid_mappings, listed.gid)?;
    let slot = draft.slot(at)?;
    if !std::mem::replace(alone, true) {
        draft.child(at, Unshare { flags: NEWNS });
        let flags = flags::SLAVE | flags::REC;
        draft.child(at, Propagation { flags });
    }
    let step = ForeignDevice {
        mode,
        device,
        uid,
        gid,
        slot,
    };
    draft.child(at, step);
    Ok(Some(slot))
}

/// What an owner of the container's is outside.
fn outside(
    at: &ConfigPath,
    field: &'static str,
    mappings: &[IdMapping],
    id: Option<u32>,
) -> Result<u32, PlanError> {
    let id = id.unwrap_or(0);
    IdMaps::outside(mappings, id).ok_or_else(|| {
        let why = format!("{id} is not mapped in the user namespace");
        PlanError::invalid(at.clone().then(field), why)
    })
}

/// What programs rely on is not something else under its name.
fn validate_default(
    at: &ConfigPath,
    listed: &spec::Device<'_>,
    mode: u32,
    number: u64,
) -> Result<(), PlanError> {
    let known = DEFAULT.iter().find(|(path, ..)| listed.path == *path);
    match known {
        Some((path, major, minor))
            if (mode & mode::TYPE, number) != (mode::CHARACTER, device(*major, *minor)) =>
        {
            let why = format!("{path} is always the character device {major}:{minor}");
            Err(PlanError::invalid(at.clone().then("path"), why))
        }
        _ => Ok(()),
    }
}

fn make_one(
    draft: &mut Draft<'_>,
    at: &ConfigPath,
    listed: &spec::Device<'_>,
    nodes: bool,
    foreign: Option<Slot<kind::Mount>>,
) -> Result<(), PlanError> {
    let (mode, device) = validate(at, listed)?;
    validate_default(at, listed, mode, device)?;
    let path = draft.text(&at.clone().then("path"), &listed.path)?;
    if let Some(slot) = foreign {
        let step = Attach {
            slot,
            target: path,
            propagation: super::mounts::NOTHING,
            keep: Slot::NONE,
        };
        draft.child(at, step);
    } else if nodes || mode & mode::TYPE == mode::FIFO {
        let (uid, gid) = (listed.uid.unwrap_or(0), listed.gid.unwrap_or(0));
        draft.child(
            at,
            Device {
                path,
                mode,
                device,
                uid,
                gid,
            },
        );
    } else {
        // The host's own node: what is not as the config says cannot be made so.
        let given = [
            ("fileMode", listed.file_mode.map(|mode| mode & 0o7777)),
            ("uid", listed.uid),
            ("gid", listed.gid),
        ];
        for (what, (field, value)) in (0..).zip(given) {
            if let Some(value) = value {
                let step = RequireDevice {
                    source: path,
                    what,
                    value,
                };
                draft.child(&at.clone().then(field), step);
            }
        }
        draft.child(
            at,
            BindDevice {
                path,
                source: path,
                mode,
                device,
            },
        );
    }
    Ok(())
}

/// Type with permissions, and number.
fn validate(at: &ConfigPath, listed: &spec::Device<'_>) -> Result<(u32, u64), PlanError> {
    let kind = match listed.kind.as_str() {
        "c" | "u" => mode::CHARACTER,
        "b" => mode::BLOCK,
        "p" => mode::FIFO,
        other => {
            return Err(PlanError::invalid(
                at.clone().then("type"),
                format!("{other:?} is none of c, b, u, p"),
            ));
        }
    };
    if !listed.path.starts_with('/') {
        return Err(PlanError::invalid(
            at.clone().then("path"),
            "must be absolute",
        ));
    }
    // To chown(2) this means "leave it as it is".
    for (field, id) in [("uid", listed.uid), ("gid", listed.gid)] {
        if id == Some(u32::MAX) {
            let why = format!(
                "invalid id {}: the kernel keeps it for \"no change\"",
                u32::MAX
            );
            return Err(PlanError::invalid(at.clone().then(field), why));
        }
    }
    let number = |field: &'static str, value: Option<i64>, most: u32| -> Result<u32, PlanError> {
        let at = at.clone().then(field);
        match value {
            None if kind == mode::FIFO => Ok(0),
            None => Err(PlanError::missing(at)),
            Some(value) => u32::try_from(value)
                .ok()
                .filter(|value| *value <= most)
                .ok_or_else(|| PlanError::invalid(at, format!("invalid device number {value}"))),
        }
    };
    let device = match (
        number("major", listed.major, LAST_MAJOR)?,
        number("minor", listed.minor, LAST_MINOR)?,
    ) {
        _ if kind == mode::FIFO => 0,
        (major, minor) => device(major, minor),
    };
    // Only permissions count: some write the type into the mode, too, and a device is nothing that could be set-user-id.
    Ok((kind | listed.file_mode.unwrap_or(0o666) & 0o777, device))
}
