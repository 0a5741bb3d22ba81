//! `restore`: bring back what `checkpoint` wrote.

use libcontainer::RestoreOptions;

use super::checkpoint::{
    self, AUTO_DEDUP, EMPTY_NS, EXT_UNIX_SK, FILE_LOCKS, IMAGE_PATH, LAZY_PAGES,
    MANAGE_CGROUPS_MODE, SHELL_JOB, TCP_ESTABLISHED, WORK_PATH,
};
use super::{Arguments, Command, create};
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
    summary: "bring a container back from disk",
    synopsis: "ID",
    about: "\
Has criu bring back what checkpoint wrote, as the container ID of a bundle with
the same config.json. In the foreground, signals are passed to the container's
process, and its exit code becomes {name}'s, as with run. The root is entered in
criu's way, so --no-pivot makes no difference.",
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

fn run(global: &Global, invocation: &Invocation) -> Result<i32, Failure> {
    checkpoint::judge_empty_namespaces(invocation)?;
    let options = RestoreOptions {
        image_path: checkpoint::image_path(invocation)?,
        work_path: invocation.path(&WORK_PATH)?,
        tcp_established: invocation.switch(&TCP_ESTABLISHED),
        ext_unix_sk: invocation.switch(&EXT_UNIX_SK),
        shell_job: invocation.switch(&SHELL_JOB),
        file_locks: invocation.switch(&FILE_LOCKS),
        lazy_pages: invocation.switch(&LAZY_PAGES),
        auto_dedup: invocation.switch(&AUTO_DEDUP),
        cgroups: checkpoint::cgroup_mode(invocation)?,
        lsm_profile: word(invocation, &LSM_PROFILE),
        lsm_mount_context: word(invocation, &LSM_MOUNT_CONTEXT),
        console_socket: invocation.path(&CONSOLE_SOCKET)?,
        pid_file: invocation.path(&PID_FILE)?,
        detach: invocation.switch(&DETACH),
        no_subreaper: invocation.switch(&NO_SUBREAPER),
        systemd_cgroup: global.systemd_cgroup,
        rootless: global.rootless,
    };
    let bundle = create::bundle(invocation)?;
    global.prepare_root()?;
    let id = invocation.id()?;
    Ok(libcontainer::restore(
        &global.store(),
        id,
        &bundle,
        &options,
    )?)
}

fn word(invocation: &Invocation, flag: &Flag) -> Option<String> {
    let text = invocation.text(flag).filter(|text| !text.is_empty());
    text.map(str::to_owned)
}
