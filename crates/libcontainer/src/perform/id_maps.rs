//! Id mappings of user namespaces (user_namespaces(7)).

use std::ffi::CString;
use std::path::Path;
use std::process::{Command, Stdio};

use init::slots::kind;
use init::step::{BecomeRoot, Dumpable, Join, Unshare, WriteIdMaps};
use init::{Slot, Span};
use kernel::namespace::flags::NEWUSER;
use kernel::process::Started;
use kernel::{Call, Errno, Fault, Fd, file, process};
use spec::{ConfigPath, IdMapping};

use crate::Error;
use crate::environment::Environment;
use crate::plan::{IdMaps, PlanError, Why};

/// Writes a file in `/proc/<pid>`, in one write(2), as these files want.
pub(crate) fn write_file(pid: i32, name: &str, text: &str) -> kernel::Result<()> {
    let path = CString::new(format!("/proc/{pid}/{name}"))
        .map_err(|_| Fault::found(Call::Openat, Errno::EINVAL))?;
    let fd = file::open_at(file::HERE, &path, file::open::WRONLY, 0)?;
    file::write(fd.borrow(), text.as_bytes()).map(drop)
}

/// Writes the mappings of a process that has made a user namespace.
pub(crate) fn write(
    environment: &Environment,
    pid: i32,
    maps: &IdMaps,
    at: &ConfigPath,
) -> Result<(), Error> {
    if maps.by_helper {
        call_helper(environment, "newuidmap", pid, &maps.uids, at)?;
        return call_helper(environment, "newgidmap", pid, &maps.gids, at);
    }
    let failed = |name: &'static str| {
        move |fault| Error::step(at, format_args!("write {name} of the child"), fault)
    };
    if maps.deny_setgroups {
        write_file(pid, "setgroups", "deny").map_err(failed("setgroups"))?;
    }
    write_file(pid, "uid_map", &IdMaps::lines(&maps.uids)).map_err(failed("uid_map"))?;
    write_file(pid, "gid_map", &IdMaps::lines(&maps.gids)).map_err(failed("gid_map"))
}

/// newuidmap(1) and newgidmap(1) write what /etc/subuid and /etc/subgid allow.
fn call_helper(
    environment: &Environment,
    name: &'static str,
    pid: i32,
    mappings: &[IdMapping],
    at: &ConfigPath,
) -> Result<(), Error> {
    // By its whole path: the standard library would fork to look for it in a PATH that is not its own.
    let program = environment.find_program(name);
    let mut command = Command::new(program.as_deref().unwrap_or(Path::new(name)));
    command.env_clear().envs(environment.iter().cloned());
    command.arg(pid.to_string()).stdin(Stdio::null());
    for line in mappings {
        command.args([line.container_id, line.host_id, line.size].map(|number| number.to_string()));
    }
    let failed = |text: String| Error::Step {
        at: at.clone(),
        step: format!("run {name}"),
        text: Some(text),
        fault: Fault::found(Call::Execve, Errno::EPERM),
        hint: Some("see subuid(5) and subgid(5): the ranges must hold what the mappings use"),
    };
    let absent = || Err(std::io::Error::from_raw_os_error(Errno::ENOENT.0));
    match program.as_ref().map_or_else(absent, |_| command.output()) {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            // The program puts its name before what it says.
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said
                .trim()
                .trim_start_matches(name)
                .trim_start_matches(": ");
            Err(failed(format!("{name}: {said}")))
        }
        Err(error) => Err(failed(format!("{name} could not be run: {error}"))),
    }
}

/// The mappings in a process's `uid_map` or `gid_map`, as the caller's user namespace sees them.
fn read(pid: i32, name: &str) -> Result<Vec<IdMapping>, Error> {
    let path = format!("/proc/{pid}/{name}");
    let text = std::fs::read_to_string(&path)
        .map_err(|error| Error::file("read", path.as_ref(), error))?;
    let what = "not an id mapping (user_namespaces(7))";
    mappings_in(&text).ok_or_else(|| Error::invalid(what, path.as_ref()))
}

fn mappings_in(text: &str) -> Option<Vec<IdMapping>> {
    let mapping = |line: &str| {
        let mut numbers = line.split_whitespace().map(str::parse);
        let (Ok(container_id), Ok(host_id), Ok(size)) =
            (numbers.next()?, numbers.next()?, numbers.next()?)
        else {
            return None;
        };
        Some(IdMapping {
            container_id,
            host_id,
            size,
        })
    };
    text.lines().map(mapping).collect()
}

/// A way in for [`crate::fuzzing`].
#[cfg(any(test, fuzzing))]
pub(crate) fn any_text(text: &str) {
    if let Some(mappings) = mappings_in(text) {
        for id in [0, 1, 1000, u32::MAX] {
            let _ = IdMaps::outside(&mappings, id);
        }
    }
}

/// What an id of a process's user namespace is in the caller's.
pub(crate) fn outside(pid: i32, id: u32) -> Result<Option<u32>, Error> {
    Ok(IdMaps::outside(&read(pid, "uid_map")?, id))
}

/// Mappings that the config gives beside a user namespace to join must be that one's: whoever wrote them relies on them.
pub(crate) fn compare(pid: i32, requested: &IdMaps) -> Result<(), Error> {
    for (name, field, requested) in [
        ("uid_map", "linux.uidMappings", &requested.uids),
        ("gid_map", "linux.gidMappings", &requested.gids),
    ] {
        let (mut there, mut requested) = (read(pid, name)?, requested.clone());
        for list in [&mut there, &mut requested] {
            list.sort_by_key(|line| line.container_id);
        }
        if there != requested {
            let lines = |list| IdMaps::lines(list).trim_end().replace('\n', ", ");
            let why = format!(
                "the user namespace that is joined has other mappings: {}",
                lines(&there)
            );
            let at = ConfigPath::of(field);
            return Err(PlanError {
                at,
                why: Why::Invalid(why),
            }
            .into());
        }
    }
    Ok(())
}

/// The user namespace of a process.
pub(crate) fn namespace_of(pid: i32) -> kernel::Result<Fd> {
    super::namespace::open(&format!("/proc/{pid}/ns/user"), NEWUSER)
}

/// A user namespace with these mappings, kept alive by its descriptor: made by a process that lives no longer. Below another
/// one if that is given.
pub(crate) fn namespace_with(
    environment: &Environment,
    maps: &IdMaps,
    below: Option<&Fd>,
    at: &ConfigPath,
) -> Result<Fd, Error> {
    let failed = |fault| Error::step(at, "make a user namespace for the mapping", fault);
    let (holder, lifeline) = match below {
        None => super::child::hold(NEWUSER),
        Some(below) => hold_below(below),
    }
    .map_err(failed)?;
    let made = match below {
        None => write(environment, holder.pid, maps, at),
        Some(below) => write_from(below, holder.pid, maps).map_err(failed),
    };
    let made = made.and_then(|()| namespace_of(holder.pid).map_err(failed));
    leave(holder, lifeline).map_err(failed)?;
    made
}

/// Lets a process go that was held.
fn leave(holder: Started, lifeline: Fd) -> kernel::Result<()> {
    drop(lifeline);
    match process::wait(holder.pidfd.borrow(), true) {
        // Where the caller ignores SIGCHLD the kernel reaps it.
        Err(fault) if !fault.is(Errno::ECHILD) => Err(fault),
        _ => Ok(()),
    }
}

/// The slots of helpers: the user namespace that they join, and the process that they are about.
const NAMESPACE: Slot<kind::Joinable> = Slot::numbered(Slot::FIRST_FREE.number());
const PROCESS: Slot<kind::Directory> = Slot::numbered(Slot::FIRST_FREE.number() + 1);

const JOIN: Join = Join {
    slot: NAMESPACE,
    flags: NEWUSER,
};

/// A process in a new user namespace below this one.
fn hold_below(namespace: &Fd) -> kernel::Result<(Started, Fd)> {
    let steps = [
        JOIN.into(),
        // Only who is mapped makes a user namespace.
        BecomeRoot {}.into(),
        Unshare { flags: NEWUSER }.into(),
        // Else its maps belong to root of the machine.
        Dumpable {}.into(),
    ];
    super::child::hold_after(&steps, Vec::new(), &[(NAMESPACE.any(), namespace.borrow())])
}

/// Maps a process's ids from the user namespace above its own.
fn write_from(above: &Fd, pid: i32, maps: &IdMaps) -> kernel::Result<()> {
    let path = CString::new(format!("/proc/{pid}"))
        .map_err(|_| Fault::found(Call::Openat, Errno::EINVAL))?;
    let process = file::open_at(file::HERE, &path, file::open::PATH, 0)?;
    let (uids, gids) = (IdMaps::lines(&maps.uids), IdMaps::lines(&maps.gids));
    let span = |start: usize, lines: &str| Span {
        start: start as u32,
        length: lines.len() as u32,
    };
    let step = WriteIdMaps {
        process: PROCESS,
        uids: span(0, &uids),
        gids: span(uids.len(), &gids),
    };
    let steps = [JOIN.into(), BecomeRoot {}.into(), step.into()];
    let given = [
        (NAMESPACE.any(), above.borrow()),
        (PROCESS.any(), process.borrow()),
    ];
    let text = [uids, gids].concat().into_bytes();
    let (writer, lifeline) = super::child::hold_after(&steps, text, &given)?;
    leave(writer, lifeline)
}
