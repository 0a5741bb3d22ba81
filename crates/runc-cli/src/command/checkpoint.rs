//! `checkpoint`: write a container's processes to disk with CRIU.

use std::fmt::Display;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use libcontainer::{CgroupMode, CheckpointOptions, Container};

use super::{Arguments, Command};
use crate::failure::Failure;
use crate::flag::Flag;
use crate::global::Global;
use crate::invocation::{Invocation, Order, absolute};
use crate::output;

pub(super) static IMAGE_PATH: Flag = Flag::path(
    "image-path",
    "DIR",
    "directory of the image files (default: checkpoint)",
);
pub(super) static WORK_PATH: Flag = Flag::path(
    "work-path",
    "DIR",
    "directory of CRIU's logs and statistics",
);
static PARENT_PATH: Flag = Flag::text(
    "parent-path",
    "DIR",
    "directory of an earlier pre-dump, relative to the images",
);
static LEAVE_RUNNING: Flag = Flag::switch("leave-running", "do not end the container");
pub(super) static TCP_ESTABLISHED: Flag =
    Flag::switch("tcp-established", "allow open TCP connections");
static TCP_SKIP_IN_FLIGHT: Flag = Flag::switch(
    "tcp-skip-in-flight",
    "skip TCP connections that are being made",
);
static LINK_REMAP: Flag = Flag::switch("link-remap", "allow open files without a name");
pub(super) static EXT_UNIX_SK: Flag =
    Flag::switch("ext-unix-sk", "allow unix sockets to the outside");
pub(super) static SHELL_JOB: Flag = Flag::switch("shell-job", "allow jobs of a shell");
pub(super) static LAZY_PAGES: Flag = Flag::switch(
    "lazy-pages",
    "move memory when it is asked for, with userfaultfd",
);
static STATUS_FD: Flag = Flag::number(
    "status-fd",
    "descriptor to write to when lazy-pages is ready",
);
static PAGE_SERVER: Flag = Flag::text(
    "page-server",
    "ADDRESS:PORT",
    "send memory to this page server",
);
pub(super) static FILE_LOCKS: Flag = Flag::switch("file-locks", "allow locks on files");
static PRE_DUMP: Flag = Flag::switch("pre-dump", "write memory only and go on");
pub(super) static MANAGE_CGROUPS_MODE: Flag = Flag::text(
    "manage-cgroups-mode",
    "MODE",
    "treatment of cgroups: soft, full, strict or ignore (default: soft)",
)
.one_of(&["soft", "full", "strict", "ignore"]);
pub(super) static EMPTY_NS: Flag = Flag::list(
    "empty-ns",
    "NAMESPACE",
    "make this namespace anew, without its content",
);
pub(super) static AUTO_DEDUP: Flag = Flag::switch(
    "auto-dedup",
    "punch holes where an earlier image is superseded",
);

static CHECK: Flag = Flag::switch("check", "only say what would make it fail");

pub(crate) static COMMAND: Command = Command {
    name: "checkpoint",
    summary: "write a running container to disk",
    synopsis: "ID",
    about: "\
Has criu, which must be installed, write the container's processes to disk, and
deletes the container unless it is to run on. What criu cannot take along by
itself (TCP connections, file locks, ...) has to be asked for. With --check
nothing is stopped: what stands in the way is printed, one line each, and the
exit code is 1 if there is anything.

The annotation org.criu.config names a configuration file for criu; an empty
one means none. Without it, criu reads /etc/criu/runc.conf.",
    examples: &[
        (
            "checkpoint --check web",
            "whether the container web can be written to disk",
        ),
        (
            "checkpoint --image-path /var/tmp/web web",
            "write the container web to /var/tmp/web",
        ),
        (
            "checkpoint --pre-dump --image-path /var/tmp/web/1 web",
            "write only its memory, while it runs on",
        ),
        (
            "checkpoint --image-path /var/tmp/web/2 --parent-path ../1 web",
            "then the rest",
        ),
    ],
    flags: &[
        &CHECK,
        &IMAGE_PATH,
        &WORK_PATH,
        &PARENT_PATH,
        &LEAVE_RUNNING,
        &TCP_ESTABLISHED,
        &TCP_SKIP_IN_FLIGHT,
        &LINK_REMAP,
        &EXT_UNIX_SK,
        &SHELL_JOB,
        &LAZY_PAGES,
        &STATUS_FD,
        &PAGE_SERVER,
        &FILE_LOCKS,
        &PRE_DUMP,
        &MANAGE_CGROUPS_MODE,
        &EMPTY_NS,
        &AUTO_DEDUP,
    ],
    order: Order::Anywhere,
    arguments: Arguments::Exactly(1),
    run,
};

fn run(global: &Global, invocation: &Invocation) -> Result<i32, Failure> {
    let container = Container::open(global.store(), invocation.id()?)?;
    let options = options(invocation)?;
    if invocation.switch(&CHECK) {
        let problems = container.checkpoint_problems(&options)?;
        let text: String = problems.iter().map(|line| format!("{line}\n")).collect();
        output::print(&text)?;
        return Ok(i32::from(!problems.is_empty()));
    }
    container.checkpoint(&options)?;
    Ok(0)
}

fn options(invocation: &Invocation) -> Result<CheckpointOptions, Failure> {
    validate_empty_namespaces(invocation)?;
    let mut options = CheckpointOptions::default();
    options.image_path = image_path(invocation)?;
    options.work_path = invocation.path(&WORK_PATH)?;
    options.parent_path = invocation
        .text(&PARENT_PATH)
        .filter(|path| !path.is_empty())
        .map(PathBuf::from);
    options.leave_running = invocation.switch(&LEAVE_RUNNING);
    options.tcp_established = invocation.switch(&TCP_ESTABLISHED);
    options.tcp_skip_in_flight = invocation.switch(&TCP_SKIP_IN_FLIGHT);
    options.link_remap = invocation.switch(&LINK_REMAP);
    options.ext_unix_sk = invocation.switch(&EXT_UNIX_SK);
    options.shell_job = invocation.switch(&SHELL_JOB);
    options.file_locks = invocation.switch(&FILE_LOCKS);
    options.lazy_pages = invocation.switch(&LAZY_PAGES);
    options.status = status(invocation)?;
    options.page_server = invocation
        .text(&PAGE_SERVER)
        .filter(|text| !text.is_empty())
        .map(page_server)
        .transpose()?;
    options.pre_dump = invocation.switch(&PRE_DUMP);
    options.cgroups = cgroup_mode(invocation)?;
    options.auto_dedup = invocation.switch(&AUTO_DEDUP);
    Ok(options)
}

/// Where the images are: in the caller's directory, if nothing is said.
pub(super) fn image_path(invocation: &Invocation) -> Result<PathBuf, Failure> {
    match invocation.path(&IMAGE_PATH)? {
        Some(path) => Ok(path),
        None => absolute(Path::new("checkpoint")),
    }
}

pub(super) fn cgroup_mode(invocation: &Invocation) -> Result<CgroupMode, Failure> {
    match invocation.text(&MANAGE_CGROUPS_MODE) {
        None | Some("") => Ok(CgroupMode::Default),
        Some("soft") => Ok(CgroupMode::Soft),
        Some("full") => Ok(CgroupMode::Full),
        Some("strict") => Ok(CgroupMode::Strict),
        Some("ignore") => Ok(CgroupMode::Ignore),
        Some(_) => Err(Failure::new("Invalid manage-cgroups-mode value")),
    }
}

/// Namespaces of the network are always left empty, and criu can do that with no others.
pub(super) fn validate_empty_namespaces(invocation: &Invocation) -> Result<(), Failure> {
    match invocation
        .list(&EMPTY_NS)
        .iter()
        .find(|name| *name != "network")
    {
        None => Ok(()),
        Some(name) => Err(Failure::new(format!("namespace {name:?} is not supported"))),
    }
}

/// The descriptor that was passed, opened anew: only lazy pages have something to tell. A pipe at which nobody reads is not
/// waited for.
fn status(invocation: &Invocation) -> Result<Option<File>, Failure> {
    let Some(number) = invocation.number(&STATUS_FD).filter(|number| *number != -1) else {
        return Ok(None);
    };
    let wrong =
        |why: &dyn Display| Failure::new(format!("invalid --status-fd argument {number}: {why}"));
    let number = i32::try_from(number).map_err(|error| wrong(&error))?;
    let open = || {
        File::options()
            .write(true)
            .custom_flags(nix::libc::O_NONBLOCK)
            .open(format!("/proc/self/fd/{number}"))
            .map_err(|error| wrong(&error))
    };
    invocation.switch(&LAZY_PAGES).then(open).transpose()
}

/// An address, in brackets if it is one of IPv6, and a port.
fn page_server(text: &str) -> Result<(String, u16), Failure> {
    let form = || Failure::new("Use --page-server ADDRESS:PORT to specify page server");
    let (address, port) = text.rsplit_once(':').ok_or_else(form)?;
    let bare = address
        .strip_prefix('[')
        .and_then(|address| address.strip_suffix(']'));
    let address = match bare {
        Some(bare) => bare,
        None if address.contains(':') => return Err(form()),
        None => address,
    };
    if address.is_empty() || port.is_empty() {
        return Err(form());
    }
    let port = port
        .parse()
        .map_err(|_| Failure::new("Invalid port number"))?;
    Ok((address.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::page_server;

    #[test]
    fn page_servers_have_an_address_and_a_port() {
        assert_eq!(page_server("::1").ok(), None);
        assert_eq!(page_server("[::1]:27").unwrap(), ("::1".to_owned(), 27));
        assert_eq!(
            page_server("10.0.0.1:27").unwrap(),
            ("10.0.0.1".to_owned(), 27)
        );
        for wrong in ["", "a", ":", "a:", ":1", "a:b", "a:70000", "a:-1"] {
            assert!(page_server(wrong).is_err(), "{wrong}");
        }
    }
}
