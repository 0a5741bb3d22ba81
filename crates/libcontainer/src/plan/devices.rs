//! `linux.devices`, the default devices and links below `/dev` (config-linux.md, "Devices").

use init::Slot;
use init::step::{BindDevice, Device, Symlink};
use kernel::file::{device, mode};
use kernel::namespace::flags::NEWUSER;
use spec::ConfigPath;

use super::{Creation, Draft, Namespaces, PlanError};

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

pub(crate) fn make(
    draft: &mut Draft<'_>,
    creation: &Creation,
    wanted: &Namespaces,
) -> Result<(), PlanError> {
    // A caller that binds a /dev of its own has filled it, and it is not the container's alone.
    let own = |mount| {
        super::mounts::is_bind(mount)
            && super::mounts::destination(draft, creation, mount) == "/dev"
    };
    if draft.spec.mounts.iter().any(own) {
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
    let nodes = !wanted.has(NEWUSER) && !draft.host.rootless();
    let from = ConfigPath::of("linux.devices");
    let empty = Vec::new();
    let listed = draft
        .spec
        .linux
        .as_ref()
        .map_or(&empty, |linux| &linux.devices);
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
        draft.part(|draft| make_one(draft, &from.clone().index(index), listed, nodes));
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

/// What programs rely on is not something else under its name.
fn judge_default(
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
) -> Result<(), PlanError> {
    let (mode, device) = judge(at, listed)?;
    judge_default(at, listed, mode, device)?;
    let path = draft.text(&at.clone().then("path"), &listed.path)?;
    if nodes || mode & mode::TYPE == mode::FIFO {
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
fn judge(at: &ConfigPath, listed: &spec::Device<'_>) -> Result<(u32, u64), PlanError> {
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
    let number = |field: &'static str, value: Option<i64>| -> Result<u32, PlanError> {
        let at = at.clone().then(field);
        match value {
            None if kind == mode::FIFO => Ok(0),
            None => Err(PlanError::missing(at)),
            Some(value) => u32::try_from(value)
                .map_err(|_| PlanError::invalid(at, format!("invalid device number {value}"))),
        }
    };
    let device = match (
        number("major", listed.major)?,
        number("minor", listed.minor)?,
    ) {
        _ if kind == mode::FIFO => 0,
        (major, minor) => device(major, minor),
    };
    // Only permissions count: some write the type into the mode, too, and a device is nothing that could be set-user-id.
    Ok((kind | listed.file_mode.unwrap_or(0o666) & 0o777, device))
}
