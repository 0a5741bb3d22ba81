//! `exec`: one more process in a container.

use libcontainer::{Container, ExecRequest, ProcessSource};

use super::{Arguments, Command, create};
use crate::failure::Failure;
use crate::flag::{CONSOLE_SOCKET, DETACH, Flag, PID_FILE, PIDFD_SOCKET, PRESERVE_FDS};
use crate::foreground::{self, Waiting};
use crate::global::Global;
use crate::invocation::{Invocation, Order};
use crate::timings::TIMINGS;

static CWD: Flag = Flag::text("cwd", "DIR", "current directory of the process");
static ENV: Flag = Flag::list("env", "NAME=VALUE", "set an environment variable").short("e");
static TTY: Flag = Flag::switch("tty", "give the process a terminal").short("t");
static USER: Flag = Flag::text("user", "UID[:GID]", "user and group, by number").short("u");
static ADDITIONAL_GIDS: Flag =
    Flag::list("additional-gids", "GID", "add a group, by number").short("g");
static PROCESS: Flag = Flag::path(
    "process",
    "FILE",
    "read the whole process from FILE, which is like `process` in config.json",
)
.short("p");
static PROCESS_LABEL: Flag = Flag::text("process-label", "LABEL", "SELinux label of the process");
static APPARMOR: Flag = Flag::text("apparmor", "PROFILE", "AppArmor profile of the process");
static NO_NEW_PRIVS: Flag = Flag::switch("no-new-privs", "forbid the process to gain privileges");
static CAP: Flag = Flag::list("cap", "CAPABILITY", "add a capability").short("c");
static CGROUP: Flag = Flag::list(
    "cgroup",
    "[CONTROLLER,...:]PATH",
    "start in this existing cgroup below the container's",
);
static IGNORE_PAUSED: Flag = Flag::switch(
    "ignore-paused",
    "allow it in a paused container, where it and signals for it wait for resume",
);

pub(crate) static COMMAND: Command = Command {
    name: "exec",
    summary: "start a process in a running container",
    synopsis: "ID COMMAND [ARGUMENT...]",
    about: "\
Whatever follows ID belongs to COMMAND, which may be left out with --process.
Without --detach the exit code of the process becomes {name}'s; it is 255 when
the process could not be started.",
    examples: &[
        ("exec --tty web sh", "a shell in the container web"),
        (
            "exec --user 1000:1000 --cwd /srv --env DEBUG=1 web ls -l",
            "ls as another user",
        ),
        (
            "exec --detach --process process.json web",
            "a process that is described as in config.json",
        ),
    ],
    flags: &[
        &CONSOLE_SOCKET,
        &PIDFD_SOCKET,
        &CWD,
        &ENV,
        &TTY,
        &USER,
        &ADDITIONAL_GIDS,
        &PROCESS,
        &DETACH,
        &PID_FILE,
        &PROCESS_LABEL,
        &APPARMOR,
        &NO_NEW_PRIVS,
        &CAP,
        &PRESERVE_FDS,
        &CGROUP,
        &IGNORE_PAUSED,
        &TIMINGS,
    ],
    order: Order::First,
    arguments: Arguments::AtLeast(1),
    run,
};

/// Tells "could not be started" from the exit codes of most programs; engines know the number.
const NOT_STARTED: i32 = 255;

fn run(global: &Global, invocation: &Invocation) -> Result<i32, Failure> {
    exec(global, invocation).map_err(|failure| failure.prefix("exec failed: ").status(NOT_STARTED))
}

fn exec(global: &Global, invocation: &Invocation) -> Result<i32, Failure> {
    let id = invocation.id()?;
    // A container that is not there is the first thing to say.
    let container = Container::open(global.store(), id)?;
    let mut request = request(invocation)?;
    let (detach, socket) = (
        invocation.switch(&DETACH),
        invocation.path(&CONSOLE_SOCKET)?,
    );
    let has_socket = socket.is_some();
    request.console = foreground::console(detach, socket)?;
    // Before there is a child whose end could be missed.
    let waiting = match detach {
        true => None,
        false => Some(Waiting::begin()?),
    };
    let started = container.exec(request);
    let process = started.map_err(|error| foreground::in_words_of_runc(error, has_socket))?;
    match waiting {
        None => {
            process.release();
            Ok(0)
        }
        Some(waiting) => waiting.wait(process, None),
    }
}

fn request(invocation: &Invocation) -> Result<ExecRequest, Failure> {
    let process = match invocation.path(&PROCESS)? {
        Some(path) => {
            let text = std::fs::read_to_string(&path).map_err(|error| {
                Failure::io(&format!("--process: open {}", path.display()), &error)
            })?;
            Some(ProcessSource::Json { text, path })
        }
        None => None,
    };
    let text = |flag| invocation.text(flag).filter(|text| !text.is_empty());
    let additional_gids = invocation.list(&ADDITIONAL_GIDS);
    let mut request = ExecRequest::default();
    request.process = process;
    request.args = invocation.arguments_from(1)?;
    request.cwd = text(&CWD).map(str::to_owned);
    request.env = invocation.list(&ENV);
    request.terminal = invocation.switch(&TTY);
    request.user = text(&USER).map(user).transpose()?;
    request.additional_gids = additional_gids
        .iter()
        .map(|gid| number("additional gid", gid))
        .collect::<Result<_, _>>()?;
    request.process_label = text(&PROCESS_LABEL).map(str::to_owned);
    request.apparmor = text(&APPARMOR).map(str::to_owned);
    request.no_new_privileges = invocation.switch(&NO_NEW_PRIVS);
    request.capabilities = invocation.list(&CAP);
    request.cgroup = invocation.list(&CGROUP);
    request.ignore_paused = invocation.switch(&IGNORE_PAUSED);
    request.pidfd_socket = invocation.path(&PIDFD_SOCKET)?;
    request.pid_file = invocation.path(&PID_FILE)?;
    request.preserve_fds = create::preserve_fds(invocation)?;
    Ok(request)
}

/// `UID[:GID]`. Names would have to be looked up in files of the container: that is the engines' work.
fn user(text: &str) -> Result<(u32, Option<u32>), Failure> {
    match text.split_once(':') {
        None => Ok((number("uid", text)?, None)),
        Some((uid, gid)) => Ok((number("uid", uid)?, Some(number("gid", gid)?))),
    }
}

fn number(what: &str, text: &str) -> Result<u32, Failure> {
    text.parse()
        .map_err(|_| Failure::new(format!("invalid {what} \"{text}\": a number is needed")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_numbers() {
        assert_eq!(user("7").unwrap(), (7, None));
        assert_eq!(user("7:8").unwrap(), (7, Some(8)));
        for text in ["root", "7:", ":7", "-1", "7:8:9", "4294967296"] {
            assert!(user(text).is_err(), "{text}");
        }
    }
}
