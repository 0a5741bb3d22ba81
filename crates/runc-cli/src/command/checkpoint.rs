//! `checkpoint`: write a container's processes to disk with CRIU.

use super::{Arguments, Command};
use crate::failure::Failure;
use crate::flag::Flag;
use crate::global::Global;
use crate::invocation::{Invocation, Order};

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
static PARENT_PATH: Flag = Flag::path(
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

pub(crate) static COMMAND: Command = Command {
    name: "checkpoint",
    summary: "write a running container to disk (not supported yet)",
    synopsis: "ID",
    about: "",
    examples: &[(
        "checkpoint --image-path /var/tmp/web web",
        "write the container web to /var/tmp/web",
    )],
    flags: &[
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

fn run(_: &Global, _: &Invocation) -> Result<i32, Failure> {
    Err(Failure::new(
        "checkpoint is not supported yet: talking to CRIU is missing",
    ))
}
