//! `restore`: bring back what `checkpoint` wrote.

use super::checkpoint::{
    AUTO_DEDUP, EMPTY_NS, EXT_UNIX_SK, FILE_LOCKS, IMAGE_PATH, LAZY_PAGES, MANAGE_CGROUPS_MODE,
    SHELL_JOB, TCP_ESTABLISHED, WORK_PATH,
};
use super::{Arguments, Command};
use crate::failure::Failure;
use crate::flag::{BUNDLE, CONSOLE_SOCKET, DETACH, Flag, NO_PIVOT, NO_SUBREAPER, PID_FILE};
use crate::global::Global;
use crate::invocation::{Invocation, Order};

static LSM_PROFILE: Flag = Flag::text("lsm-profile", "TYPE:NAME", "restore with this profile");
static LSM_MOUNT_CONTEXT: Flag = Flag::text(
    "lsm-mount-context",
    "CONTEXT",
    "restore mounts with this context",
);

pub(crate) static COMMAND: Command = Command {
    name: "restore",
    summary: "bring back a container from disk (not supported yet)",
    synopsis: "ID",
    about: "",
    examples: &[(
        "restore --image-path /var/tmp/web --bundle /srv/web web",
        "bring web back from /var/tmp/web",
    )],
    flags: &[
        &CONSOLE_SOCKET,
        &IMAGE_PATH,
        &WORK_PATH,
        &TCP_ESTABLISHED,
        &EXT_UNIX_SK,
        &SHELL_JOB,
        &FILE_LOCKS,
        &MANAGE_CGROUPS_MODE,
        &BUNDLE,
        &DETACH,
        &PID_FILE,
        &NO_SUBREAPER,
        &NO_PIVOT,
        &EMPTY_NS,
        &AUTO_DEDUP,
        &LAZY_PAGES,
        &LSM_PROFILE,
        &LSM_MOUNT_CONTEXT,
    ],
    order: Order::Anywhere,
    arguments: Arguments::Exactly(1),
    run,
};

fn run(_: &Global, _: &Invocation) -> Result<i32, Failure> {
    Err(Failure::new(
        "restore is not supported yet: talking to CRIU is missing",
    ))
}
