//! `restore`: bring back what `checkpoint` wrote.

use libcontainer::{Console, Container, RestoreOptions};

use super::checkpoint::{
    self, AUTO_DEDUP, EMPTY_NS, EXT_UNIX_SK, FILE_LOCKS, IMAGE_PATH, LAZY_PAGES,
    MANAGE_CGROUPS_MODE, SHELL_JOB, TCP_ESTABLISHED, WORK_PATH,
};
use super::{Arguments, Command, create};
use crate::failure::Failure;
use crate::flag::{BUNDLE, CONSOLE_SOCKET, DETACH, Flag, NO_PIVOT, NO_SUBREAPER, PID_FILE};
use crate::foreground::{self, Waiting};
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
    let id = invocation.id()?;
    let detach = invocation.switch(&DETACH);
    let socket = invocation.path(&CONSOLE_SOCKET)?;
    let has_socket = socket.is_some();
    let options = options(global, invocation, foreground::console(detach, socket)?)?;
    let bundle = create::bundle(invocation)?;
    global.prepare_root()?;
    // What comes meanwhile is passed on then.
    let waiting = match detach {
        true => None,
        false => Some(Waiting::begin()?),
    };
    if waiting.is_some() && !invocation.switch(&NO_SUBREAPER) {
        kernel::identity::set_child_subreaper(true)
            .map_err(|fault| Failure::io("become a subreaper", &fault.into()))?;
    }
    let restored = Container::restore(global.store(), id, &bundle, options)
        .map_err(|error| foreground::in_words_of_runc(error, has_socket))?;
    let Some(waiting) = waiting else {
        restored.process.release();
        return Ok(0);
    };
    let status = waiting.wait(restored.process, None);
    foreground::remove(&restored.container, &status);
    status
}

fn options(
    global: &Global,
    invocation: &Invocation,
    console: Option<Console>,
) -> Result<RestoreOptions, Failure> {
    checkpoint::validate_empty_namespaces(invocation)?;
    let mut options = RestoreOptions::default();
    options.image_path = checkpoint::image_path(invocation)?;
    options.work_path = invocation.path(&WORK_PATH)?;
    options.tcp_established = invocation.switch(&TCP_ESTABLISHED);
    options.ext_unix_sk = invocation.switch(&EXT_UNIX_SK);
    options.shell_job = invocation.switch(&SHELL_JOB);
    options.file_locks = invocation.switch(&FILE_LOCKS);
    options.lazy_pages = invocation.switch(&LAZY_PAGES);
    options.auto_dedup = invocation.switch(&AUTO_DEDUP);
    options.cgroups = checkpoint::cgroup_mode(invocation)?;
    options.lsm_profile = word(invocation, &LSM_PROFILE);
    options.lsm_mount_context = word(invocation, &LSM_MOUNT_CONTEXT);
    options.console = console;
    options.pid_file = invocation.path(&PID_FILE)?;
    options.systemd_cgroup = global.systemd_cgroup;
    options.rootless = global.rootless;
    options.attended = !invocation.switch(&DETACH);
    Ok(options)
}

fn word(invocation: &Invocation, flag: &Flag) -> Option<String> {
    let text = invocation.text(flag).filter(|text| !text.is_empty());
    text.map(str::to_owned)
}
