//! Constants, call numbers and error numbers.

use std::collections::BTreeMap;

use super::{modules, source, value};

/// Every `const` of the sources: `module::part::NAME` and what it is set to.
fn constants() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (module, text) in modules() {
        // The parameters of an `impl` are no part of its name.
        let text = text.replace("impl<'a> ", "impl ");
        // What encloses the line, with the indentation at which it began.
        let mut around: Vec<(usize, &str)> = Vec::new();
        for line in text.lines() {
            let code = line.trim_start();
            let indent = line.len() - code.len();
            let code = code
                .trim_start_matches("pub ")
                .trim_start_matches("pub(crate) ");
            let words: Vec<&str> = code.split([' ', '(', '<', ':', '{']).collect();
            if code == "}" {
                around.retain(|(outer, _)| *outer < indent);
            }
            let opens = matches!(words.first(), Some(&"mod" | &"impl" | &"fn"));
            let opens_later = words.len() > 2 && matches!(words[..2], ["const" | "unsafe", "fn"]);
            if opens || opens_later {
                around.retain(|(outer, _)| *outer < indent);
                around.push((indent, words[if opens { 1 } else { 2 }]));
                continue;
            }
            let Some((name, rest)) = code.strip_prefix("const ").and_then(|c| c.split_once(':'))
            else {
                continue;
            };
            let Some((_, expression)) = rest.split_once(" = ") else {
                continue;
            };
            let expression = expression.split("; //").next().unwrap_or_default();
            let mut path = vec![module.as_str()];
            path.extend(
                around
                    .iter()
                    .filter(|(outer, _)| *outer < indent)
                    .map(|(_, name)| *name),
            );
            path.push(name);
            found.insert(path.join("::"), expression.trim_end_matches(';').to_owned());
        }
    }
    found
}

/// As [`value`], where the names of constants beside this one may stand in the expression.
fn value_at(constants: &BTreeMap<String, String>, path: &str, expression: &str) -> Option<i128> {
    let (around, _) = path.rsplit_once("::")?;
    let parts = expression.split('|').map(|part| {
        let beside = constants.get(&format!("{around}::{}", part.trim()));
        beside.map_or_else(|| value(part), |beside| value_at(constants, path, beside))
    });
    parts.into_iter().try_fold(0, |sum, part| Some(sum | part?))
}

#[test]
fn constants_are_those_of_libc() {
    let constants = constants();
    assert!(constants.len() > 150, "the sources were not understood");
    let mut wrong = Vec::new();
    for (path, expression) in &constants {
        // A name of the headers means the same wherever it stands.
        let name = path.rsplit("::").next().unwrap_or_default();
        let same = |known: &str| name.contains('_') && known.rsplit("::").next() == Some(name);
        let mut all = CONSTANTS.iter();
        let theirs = all
            .find(|(known, _)| known == path)
            .or_else(|| CONSTANTS.iter().find(|(known, _)| same(known)));
        let excused = NOT_IN_LIBC.iter().chain(OURS).any(|known| known == path);
        match theirs {
            Some((_, theirs)) if value_at(&constants, path, expression) == Some(*theirs) => {}
            Some((_, theirs)) => wrong.push(format!("{path} = {expression}, in libc {theirs}")),
            None if excused => {}
            None => wrong.push(format!("{path} needs a line in {}", file!())),
        }
    }
    let listed = CONSTANTS
        .iter()
        .map(|(path, _)| path)
        .chain(NOT_IN_LIBC)
        .chain(OURS);
    for path in listed {
        if !constants.contains_key(*path) {
            wrong.push(format!("there is no {path}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// `NAME = number` in a list.
fn numbers(text: &str) -> BTreeMap<&str, i128> {
    let words = text.split([',', '{', '}', '\n']);
    let pairs = words.filter_map(|word| word.trim().split_once(" = "));
    pairs
        .filter_map(|(name, number)| Some((name, value(number)?)))
        .collect()
}

#[test]
fn call_numbers_are_those_of_libc() {
    let text = match cfg!(target_arch = "x86_64") {
        true => source("arch/x86_64.rs"),
        false => source("arch/generic.rs"),
    };
    let ours = numbers(&text);
    let theirs: BTreeMap<&str, i128> = CALLS.iter().copied().collect();
    assert!(ours.len() > 80, "the sources were not understood");
    let wrong: Vec<_> = ours
        .iter()
        .filter(|(name, number)| theirs.get(*name) != Some(number))
        .map(|(name, number)| format!("{name} = {number}, in libc {:?}", theirs.get(name)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn error_numbers_are_those_of_libc() {
    assert!(ERRORS.len() > 100);
    for (name, number) in ERRORS {
        let ours = tare_kernel::Errno(i32::try_from(*number).unwrap());
        assert_eq!(ours.name(), *name, "{number}");
    }
}

/// What the kernel's headers define and libc does not: <linux/bpf.h>, <linux/capability.h>, <linux/ioprio.h>, some of
/// <linux/magic.h>, and requests of <linux/seccomp.h>, which depend on the size of a struct. Flags of clone3(2) do not fit libc's type for them.
const NOT_IN_LIBC: &[&str] = &[
    "bpf::PROG_LOAD",
    "bpf::PROG_ATTACH",
    "bpf::PROG_DETACH",
    "bpf::PROG_GET_FD_BY_ID",
    "bpf::OBJ_GET_INFO_BY_FD",
    "bpf::PROG_QUERY",
    "bpf::PROG_TYPE_CGROUP_DEVICE",
    "bpf::ATTACH_CGROUP_DEVICE",
    "bpf::flags::ALLOW_MULTI",
    "bpf::flags::REPLACE",
    "file::magic::PIPEFS",
    "file::magic::RESCTRL",
    "identity::CAPABILITY_VERSION_3",
    "loop_device::LOOP_CTL_GET_FREE",
    "loop_device::LOOP_CONFIGURE",
    "loop_device::flags::READ_ONLY",
    "loop_device::flags::AUTOCLEAR",
    "loop_device::flags::DIRECT_IO",
    "process::flags::CLEAR_SIGHAND",
    "process::flags::INTO_CGROUP",
    "scheduling::set_io_priority::WHO_PROCESS",
    "scheduling::io_priority::WHO_PROCESS",
    "seccomp::receive::RECEIVE",
    "seccomp::reply::SEND",
    "seccomp::still_waits::ID_VALID",
];

/// What has nothing to do with the kernel's interface.
const OURS: &[&str] = &[
    "bpf::NAME",
    "bpf::MOST_ATTEMPTS",
    "namespace::flags::ALL",
    "strings::NO_ROOM",
    "strings::StringList::EMPTY",
    "errno::TABLE",
    "fault::Call::ALL",
    "fault::Call::NAMES",
    "memory::CHUNK",
    "memory::CLASSES",
    "memory::SMALLEST",
    "process::Drop::drop::SECOND",
    "process::start_beside::STACK",
    "socket::MOST_FDS",
    "watch::timer::SECOND",
];

/// `module::part::NAME`, and what libc knows it as.
#[rustfmt::skip]
const CONSTANTS: &[(&str, i128)] = &[
    ("file::open::RDONLY", libc::O_RDONLY as i128),
    ("file::open::WRONLY", libc::O_WRONLY as i128),
    ("file::open::RDWR", libc::O_RDWR as i128),
    ("file::open::CREAT", libc::O_CREAT as i128),
    ("file::open::EXCL", libc::O_EXCL as i128),
    ("file::open::NOCTTY", libc::O_NOCTTY as i128),
    ("file::open::TRUNC", libc::O_TRUNC as i128),
    ("file::open::APPEND", libc::O_APPEND as i128),
    ("file::open::NONBLOCK", libc::O_NONBLOCK as i128),
    ("file::open::DIRECTORY", libc::O_DIRECTORY as i128),
    ("file::open::NOFOLLOW", libc::O_NOFOLLOW as i128),
    ("file::open::CLOEXEC", libc::O_CLOEXEC as i128),
    ("file::open::TMPFILE", libc::O_TMPFILE as i128),
    ("mount::reconfigure::CMD_RECONFIGURE", libc::FSCONFIG_CMD_RECONFIGURE as i128),
    ("socket::CREDENTIALS", (size_of::<libc::cmsghdr>() + size_of::<libc::ucred>()).next_multiple_of(8) as i128 / 4),
    ("socket::SCM_CREDENTIALS", libc::SCM_CREDENTIALS as i128),
    ("socket::SO_PASSCRED", libc::SO_PASSCRED as i128),
    ("socket::connect::SO_SNDTIMEO", libc::SO_SNDTIMEO as i128),
    ("file::open::PATH", libc::O_PATH as i128),
    ("file::resolve::NO_XDEV", libc::RESOLVE_NO_XDEV as i128),
    ("file::resolve::NO_MAGICLINKS", libc::RESOLVE_NO_MAGICLINKS as i128),
    ("file::resolve::NO_SYMLINKS", libc::RESOLVE_NO_SYMLINKS as i128),
    ("file::resolve::BENEATH", libc::RESOLVE_BENEATH as i128),
    ("file::resolve::IN_ROOT", libc::RESOLVE_IN_ROOT as i128),
    ("file::mode::TYPE", libc::S_IFMT as i128),
    ("file::mode::SOCKET", libc::S_IFSOCK as i128),
    ("file::mode::LINK", libc::S_IFLNK as i128),
    ("file::mode::REGULAR", libc::S_IFREG as i128),
    ("file::mode::BLOCK", libc::S_IFBLK as i128),
    ("file::mode::DIRECTORY", libc::S_IFDIR as i128),
    ("file::mode::CHARACTER", libc::S_IFCHR as i128),
    ("file::mode::FIFO", libc::S_IFIFO as i128),
    ("file::status_at::AT_SYMLINK_NOFOLLOW", libc::AT_SYMLINK_NOFOLLOW as i128),
    ("file::known_status_at::AT_STATX_DONT_SYNC", libc::AT_STATX_DONT_SYNC as i128),
    ("file::magic::PROC", libc::PROC_SUPER_MAGIC as i128),
    ("file::magic::SYSFS", libc::SYSFS_MAGIC as i128),
    ("file::magic::CGROUP2", libc::CGROUP2_SUPER_MAGIC as i128),
    ("file::magic::CGROUP", libc::CGROUP_SUPER_MAGIC as i128),
    ("file::magic::TMPFS", libc::TMPFS_MAGIC as i128),
    ("file::magic::DEVPTS", libc::DEVPTS_SUPER_MAGIC as i128),
    ("file::magic::NSFS", libc::NSFS_MAGIC as i128),
    ("file::remove_directory::AT_REMOVEDIR", libc::AT_REMOVEDIR as i128),
    ("file::set_times_at::AT_SYMLINK_NOFOLLOW", libc::AT_SYMLINK_NOFOLLOW as i128),
    ("file::set_owner_at::AT_SYMLINK_NOFOLLOW", libc::AT_SYMLINK_NOFOLLOW as i128),
    ("file::F_SETFD", libc::F_SETFD as i128),
    ("file::F_SETFL", libc::F_SETFL as i128),
    ("file::F_GETFL", libc::F_GETFL as i128),
    ("file::F_ADD_SEALS", libc::F_ADD_SEALS as i128),
    ("file::F_SETPIPE_SZ", libc::F_SETPIPE_SZ as i128),
    ("file::duplicate_above::F_DUPFD_CLOEXEC", libc::F_DUPFD_CLOEXEC as i128),
    ("file::close_from_on_exec::CLOSE_RANGE_CLOEXEC", libc::CLOSE_RANGE_CLOEXEC as i128),
    ("file::memory_file::CLOEXEC", libc::MFD_CLOEXEC as i128),
    ("file::memory_file::ALLOW_SEALING", libc::MFD_ALLOW_SEALING as i128),
    ("file::memory_file::NOEXEC_SEAL", libc::MFD_NOEXEC_SEAL as i128),
    ("file::memory_file::EXEC", libc::MFD_EXEC as i128),
    ("file::seal::SEAL", libc::F_SEAL_SEAL as i128),
    ("file::seal::SHRINK", libc::F_SEAL_SHRINK as i128),
    ("file::seal::GROW", libc::F_SEAL_GROW as i128),
    ("file::seal::WRITE", libc::F_SEAL_WRITE as i128),
    ("file::accessible::AT_EACCESS", libc::AT_EACCESS as i128),
    ("file::accessible::AT_EMPTY_PATH", libc::AT_EMPTY_PATH as i128),
    ("process::F_GETFD", libc::F_GETFD as i128),
    ("process::FD_CLOEXEC", libc::FD_CLOEXEC as i128),
    ("file::try_lock::LOCK_EX_NB", (libc::LOCK_EX | libc::LOCK_NB) as i128),
    ("file::lock::LOCK_EX", libc::LOCK_EX as i128),
    ("file::unlock::LOCK_UN", libc::LOCK_UN as i128),
    ("identity::PR_SET_PDEATHSIG", libc::PR_SET_PDEATHSIG as i128),
    ("identity::PR_SET_DUMPABLE", libc::PR_SET_DUMPABLE as i128),
    ("identity::PR_SET_KEEPCAPS", libc::PR_SET_KEEPCAPS as i128),
    ("identity::PR_SET_NAME", libc::PR_SET_NAME as i128),
    ("identity::PR_CAPBSET_READ", libc::PR_CAPBSET_READ as i128),
    ("identity::PR_CAPBSET_DROP", libc::PR_CAPBSET_DROP as i128),
    ("identity::PR_SET_CHILD_SUBREAPER", libc::PR_SET_CHILD_SUBREAPER as i128),
    ("identity::PR_SET_NO_NEW_PRIVS", libc::PR_SET_NO_NEW_PRIVS as i128),
    ("identity::PR_CAP_AMBIENT", libc::PR_CAP_AMBIENT as i128),
    ("identity::PR_CAP_AMBIENT_RAISE", libc::PR_CAP_AMBIENT_RAISE as i128),
    ("identity::PR_CAP_AMBIENT_CLEAR_ALL", libc::PR_CAP_AMBIENT_CLEAR_ALL as i128),
    ("keyring::KEYCTL_JOIN_SESSION_KEYRING", libc::KEYCTL_JOIN_SESSION_KEYRING as i128),
    ("keyring::KEYCTL_SETPERM", libc::KEYCTL_SETPERM as i128),
    ("keyring::KEYCTL_DESCRIBE", libc::KEYCTL_DESCRIBE as i128),
    ("memory::PROT_READ", libc::PROT_READ as i128),
    ("memory::PROT_WRITE", libc::PROT_WRITE as i128),
    ("memory::MAP_SHARED", libc::MAP_SHARED as i128),
    ("memory::MAP_PRIVATE", libc::MAP_PRIVATE as i128),
    ("memory::MAP_ANONYMOUS", libc::MAP_ANONYMOUS as i128),
    ("fd::Stream::INPUT", libc::STDIN_FILENO as i128),
    ("fd::Stream::OUTPUT", libc::STDOUT_FILENO as i128),
    ("fd::Stream::ERROR", libc::STDERR_FILENO as i128),
    ("file::HERE", libc::AT_FDCWD as i128),
    ("mount::flags::RDONLY", libc::MS_RDONLY as i128),
    ("mount::flags::NOSUID", libc::MS_NOSUID as i128),
    ("mount::flags::NODEV", libc::MS_NODEV as i128),
    ("mount::flags::NOEXEC", libc::MS_NOEXEC as i128),
    ("mount::flags::SYNCHRONOUS", libc::MS_SYNCHRONOUS as i128),
    ("mount::flags::REMOUNT", libc::MS_REMOUNT as i128),
    ("mount::flags::MANDLOCK", libc::MS_MANDLOCK as i128),
    ("mount::flags::DIRSYNC", libc::MS_DIRSYNC as i128),
    ("mount::flags::NOSYMFOLLOW", libc::MS_NOSYMFOLLOW as i128),
    ("mount::flags::NOATIME", libc::MS_NOATIME as i128),
    ("mount::flags::NODIRATIME", libc::MS_NODIRATIME as i128),
    ("mount::flags::BIND", libc::MS_BIND as i128),
    ("mount::flags::MOVE", libc::MS_MOVE as i128),
    ("mount::flags::REC", libc::MS_REC as i128),
    ("mount::flags::SILENT", libc::MS_SILENT as i128),
    ("mount::flags::UNBINDABLE", libc::MS_UNBINDABLE as i128),
    ("mount::flags::PRIVATE", libc::MS_PRIVATE as i128),
    ("mount::flags::SLAVE", libc::MS_SLAVE as i128),
    ("mount::flags::SHARED", libc::MS_SHARED as i128),
    ("mount::flags::RELATIME", libc::MS_RELATIME as i128),
    ("mount::flags::I_VERSION", libc::MS_I_VERSION as i128),
    ("mount::flags::STRICTATIME", libc::MS_STRICTATIME as i128),
    ("mount::flags::LAZYTIME", libc::MS_LAZYTIME as i128),
    ("mount::attributes::RDONLY", libc::MOUNT_ATTR_RDONLY as i128),
    ("mount::attributes::NOSUID", libc::MOUNT_ATTR_NOSUID as i128),
    ("mount::attributes::NODEV", libc::MOUNT_ATTR_NODEV as i128),
    ("mount::attributes::NOEXEC", libc::MOUNT_ATTR_NOEXEC as i128),
    ("mount::attributes::ATIME", libc::MOUNT_ATTR__ATIME as i128),
    ("mount::attributes::NOATIME", libc::MOUNT_ATTR_NOATIME as i128),
    ("mount::attributes::STRICTATIME", libc::MOUNT_ATTR_STRICTATIME as i128),
    ("mount::attributes::NODIRATIME", libc::MOUNT_ATTR_NODIRATIME as i128),
    ("mount::attributes::IDMAP", libc::MOUNT_ATTR_IDMAP as i128),
    ("mount::attributes::NOSYMFOLLOW", libc::MOUNT_ATTR_NOSYMFOLLOW as i128),
    ("mount::AT_EMPTY_PATH", libc::AT_EMPTY_PATH as i128),
    ("mount::AT_RECURSIVE", libc::AT_RECURSIVE as i128),
    ("mount::OPEN_TREE_CLONE", libc::OPEN_TREE_CLONE as i128),
    ("mount::OPEN_TREE_CLOEXEC", libc::OPEN_TREE_CLOEXEC as i128),
    ("mount::MOVE_FROM_EMPTY", libc::MOVE_MOUNT_F_EMPTY_PATH as i128),
    ("mount::MOVE_TO_EMPTY", libc::MOVE_MOUNT_T_EMPTY_PATH as i128),
    ("mount::how::DETACH", libc::MNT_DETACH as i128),
    ("mount::how::NOFOLLOW", libc::UMOUNT_NOFOLLOW as i128),
    ("mount::open_filesystem::FSOPEN_CLOEXEC", libc::FSOPEN_CLOEXEC as i128),
    ("mount::configure::SET_FLAG", libc::FSCONFIG_SET_FLAG as i128),
    ("mount::configure::SET_STRING", libc::FSCONFIG_SET_STRING as i128),
    ("mount::create_mount::CMD_CREATE", libc::FSCONFIG_CMD_CREATE as i128),
    ("mount::create_mount::FSMOUNT_CLOEXEC", libc::FSMOUNT_CLOEXEC as i128),
    ("namespace::flags::NEWTIME", libc::CLONE_NEWTIME as i128),
    ("namespace::flags::NEWNS", libc::CLONE_NEWNS as i128),
    ("namespace::flags::NEWCGROUP", libc::CLONE_NEWCGROUP as i128),
    ("namespace::flags::NEWUTS", libc::CLONE_NEWUTS as i128),
    ("namespace::flags::NEWIPC", libc::CLONE_NEWIPC as i128),
    ("namespace::flags::NEWUSER", libc::CLONE_NEWUSER as i128),
    ("namespace::flags::NEWPID", libc::CLONE_NEWPID as i128),
    ("namespace::flags::NEWNET", libc::CLONE_NEWNET as i128),
    ("namespace::kind::NS_GET_NSTYPE", libc::NS_GET_NSTYPE as i128),
    ("network::AF_INET", libc::AF_INET as i128),
    ("network::AF_NETLINK", libc::AF_NETLINK as i128),
    ("network::SOCK_RAW", libc::SOCK_RAW as i128),
    ("network::SOCK_DGRAM", libc::SOCK_DGRAM as i128),
    ("network::SOCK_CLOEXEC", libc::SOCK_CLOEXEC as i128),
    ("network::SIOCSIFFLAGS", libc::SIOCSIFFLAGS as i128),
    ("network::IFF_UP", libc::IFF_UP as i128),
    ("network::IFF_RUNNING", libc::IFF_RUNNING as i128),
    ("process::flags::VM", libc::CLONE_VM as i128),
    ("process::flags::PIDFD", libc::CLONE_PIDFD as i128),
    ("process::flags::CHILD_CLEARTID", libc::CLONE_CHILD_CLEARTID as i128),
    ("process::flags::PARENT", libc::CLONE_PARENT as i128),
    ("process::Drop::drop::FUTEX_WAIT", libc::FUTEX_WAIT as i128),
    ("process::SIGCHLD", libc::SIGCHLD as i128),
    ("process::signals::KILL", libc::SIGKILL as i128),
    ("process::signals::SYS", libc::SIGSYS as i128),
    ("process::execute_file::AT_EMPTY_PATH", libc::AT_EMPTY_PATH as i128),
    ("process::wait_for::WEXITED", libc::WEXITED as i128),
    ("process::WNOHANG", libc::WNOHANG as i128),
    ("process::wait_for::CLD_EXITED", libc::CLD_EXITED as i128),
    ("process::wait_group::P_PGID", libc::P_PGID as i128),
    ("process::P_PIDFD", libc::P_PIDFD as i128),
    ("process::WNOWAIT", libc::WNOWAIT as i128),
    ("process::wait_any::P_ALL", libc::P_ALL as i128),
    ("process::exit_info::PIDFD_GET_INFO", libc::PIDFD_GET_INFO as i128),
    ("process::exit_info::PIDFD_INFO_EXIT", libc::PIDFD_INFO_EXIT as i128),
    ("process::user_namespace::PIDFD_GET_USER_NAMESPACE", libc::PIDFD_GET_USER_NAMESPACE as i128),
    ("process::signal_group::PIDFD_SIGNAL_PROCESS_GROUP", libc::PIDFD_SIGNAL_PROCESS_GROUP as i128),
    ("process::SIG_IGN", libc::SIG_IGN as i128),
    ("process::set_signal_mask::SIG_SETMASK", libc::SIG_SETMASK as i128),
    ("process::PollFd::IN", libc::POLLIN as i128),
    ("process::PollFd::OUT", libc::POLLOUT as i128),
    ("process::PollFd::ERR", libc::POLLERR as i128),
    ("process::PollFd::HUP", libc::POLLHUP as i128),
    ("process::sleep::CLOCK_MONOTONIC", libc::CLOCK_MONOTONIC as i128),
    ("clock::monotonic::CLOCK_MONOTONIC", libc::CLOCK_MONOTONIC as i128),
    ("clock::since_boot::CLOCK_BOOTTIME", libc::CLOCK_BOOTTIME as i128),
    ("seccomp::flags::TSYNC", libc::SECCOMP_FILTER_FLAG_TSYNC as i128),
    ("seccomp::flags::LOG", libc::SECCOMP_FILTER_FLAG_LOG as i128),
    ("seccomp::flags::SPEC_ALLOW", libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW as i128),
    ("seccomp::flags::NEW_LISTENER", libc::SECCOMP_FILTER_FLAG_NEW_LISTENER as i128),
    ("seccomp::flags::TSYNC_ESRCH", libc::SECCOMP_FILTER_FLAG_TSYNC_ESRCH as i128),
    ("seccomp::flags::WAIT_KILLABLE_RECV", libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV as i128),
    ("seccomp::install::SET_MODE_FILTER", libc::SECCOMP_SET_MODE_FILTER as i128),
    ("seccomp::action_available::GET_ACTION_AVAIL", libc::SECCOMP_GET_ACTION_AVAIL as i128),
    ("seccomp::flag_available::SET_MODE_FILTER", libc::SECCOMP_SET_MODE_FILTER as i128),
    ("seccomp::reply::CONTINUE", libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as i128),
    ("socket::AF_UNIX", libc::AF_UNIX as i128),
    ("socket::SOCK_STREAM", libc::SOCK_STREAM as i128),
    ("socket::SOCK_SEQPACKET", libc::SOCK_SEQPACKET as i128),
    ("socket::SOCK_CLOEXEC", libc::SOCK_CLOEXEC as i128),
    ("socket::SOL_SOCKET", libc::SOL_SOCKET as i128),
    ("socket::SCM_RIGHTS", libc::SCM_RIGHTS as i128),
    ("socket::MSG_NOSIGNAL", libc::MSG_NOSIGNAL as i128),
    ("socket::MSG_CMSG_CLOEXEC", libc::MSG_CMSG_CLOEXEC as i128),
    ("socket::MSG_DONTWAIT", libc::MSG_DONTWAIT as i128),
    ("socket::MSG_TRUNC", libc::MSG_TRUNC as i128),
    ("socket::MSG_CTRUNC", libc::MSG_CTRUNC as i128),
    ("terminal::keep_newlines::ONLCR", libc::ONLCR as i128),
    ("terminal::keep_newlines::TCGETS", libc::TCGETS as i128),
    ("terminal::keep_newlines::TCSETS", libc::TCSETS as i128),
    ("terminal::TIOCSCTTY", libc::TIOCSCTTY as i128),
    ("terminal::TIOCSWINSZ", libc::TIOCSWINSZ as i128),
    ("terminal::TIOCGWINSZ", libc::TIOCGWINSZ as i128),
    ("terminal::TIOCSPTLCK", libc::TIOCSPTLCK as i128),
    ("terminal::TIOCGPTPEER", libc::TIOCGPTPEER as i128),
    ("terminal::TIOCGPTN", libc::TIOCGPTN as i128),
    ("watch::timer::MONOTONIC", libc::CLOCK_MONOTONIC as i128),
    ("watch::timer::CLOEXEC_NONBLOCK", (libc::TFD_CLOEXEC | libc::TFD_NONBLOCK) as i128),
    ("watch::changes_of::CLOEXEC", libc::EPOLL_CLOEXEC as i128),
    ("watch::changes_of::ADD", libc::EPOLL_CTL_ADD as i128),
    ("watch::changes_of::PRI", libc::EPOLLPRI as i128),
    ("watch::event_counter::CLOEXEC_NONBLOCK", (libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) as i128),
    ("socket::CONTROL_HEADER", size_of::<libc::cmsghdr>() as i128),
];

/// All that the architectures have in common.
#[rustfmt::skip]
const CALLS: &[(&str, i128)] = &[
    ("ACCEPT", libc::SYS_accept as i128), ("ACCEPT4", libc::SYS_accept4 as i128), ("ACCT", libc::SYS_acct as i128),
    ("ADD_KEY", libc::SYS_add_key as i128), ("ADJTIMEX", libc::SYS_adjtimex as i128),
    ("BIND", libc::SYS_bind as i128), ("BPF", libc::SYS_bpf as i128), ("BRK", libc::SYS_brk as i128),
    ("CAPGET", libc::SYS_capget as i128), ("CAPSET", libc::SYS_capset as i128), ("CHDIR", libc::SYS_chdir as i128),
    ("CHROOT", libc::SYS_chroot as i128), ("CLOCK_ADJTIME", libc::SYS_clock_adjtime as i128),
    ("CLOCK_GETRES", libc::SYS_clock_getres as i128), ("CLOCK_GETTIME", libc::SYS_clock_gettime as i128),
    ("CLOCK_NANOSLEEP", libc::SYS_clock_nanosleep as i128), ("CLOCK_SETTIME", libc::SYS_clock_settime as i128),
    ("CLONE", libc::SYS_clone as i128), ("CLONE3", libc::SYS_clone3 as i128), ("CLOSE", libc::SYS_close as i128),
    ("CLOSE_RANGE", libc::SYS_close_range as i128), ("CONNECT", libc::SYS_connect as i128),
    ("COPY_FILE_RANGE", libc::SYS_copy_file_range as i128), ("DELETE_MODULE", libc::SYS_delete_module as i128),
    ("DUP", libc::SYS_dup as i128), ("DUP3", libc::SYS_dup3 as i128),
    ("EPOLL_CREATE1", libc::SYS_epoll_create1 as i128), ("EPOLL_CTL", libc::SYS_epoll_ctl as i128),
    ("EPOLL_PWAIT", libc::SYS_epoll_pwait as i128), ("EPOLL_PWAIT2", libc::SYS_epoll_pwait2 as i128),
    ("EVENTFD2", libc::SYS_eventfd2 as i128), ("EXECVE", libc::SYS_execve as i128),
    ("EXECVEAT", libc::SYS_execveat as i128), ("EXIT", libc::SYS_exit as i128),
    ("EXIT_GROUP", libc::SYS_exit_group as i128), ("FUTEX", libc::SYS_futex as i128), ("FACCESSAT", libc::SYS_faccessat as i128),
    ("FACCESSAT2", libc::SYS_faccessat2 as i128), ("FADVISE64", libc::SYS_fadvise64 as i128),
    ("FALLOCATE", libc::SYS_fallocate as i128), ("FANOTIFY_INIT", libc::SYS_fanotify_init as i128),
    ("FANOTIFY_MARK", libc::SYS_fanotify_mark as i128), ("FCHDIR", libc::SYS_fchdir as i128),
    ("FCHMOD", libc::SYS_fchmod as i128), ("FCHMODAT", libc::SYS_fchmodat as i128),
    ("FCHOWN", libc::SYS_fchown as i128), ("FCHOWNAT", libc::SYS_fchownat as i128),
    ("FCNTL", libc::SYS_fcntl as i128), ("FDATASYNC", libc::SYS_fdatasync as i128),
    ("FGETXATTR", libc::SYS_fgetxattr as i128), ("FINIT_MODULE", libc::SYS_finit_module as i128),
    ("FLISTXATTR", libc::SYS_flistxattr as i128), ("FLOCK", libc::SYS_flock as i128),
    ("FREMOVEXATTR", libc::SYS_fremovexattr as i128), ("FSCONFIG", libc::SYS_fsconfig as i128),
    ("FSETXATTR", libc::SYS_fsetxattr as i128), ("FSMOUNT", libc::SYS_fsmount as i128),
    ("FSOPEN", libc::SYS_fsopen as i128), ("FSPICK", libc::SYS_fspick as i128), ("FSTAT", libc::SYS_fstat as i128),
    ("FSTATFS", libc::SYS_fstatfs as i128), ("FSYNC", libc::SYS_fsync as i128),
    ("FTRUNCATE", libc::SYS_ftruncate as i128), ("FUTEX", libc::SYS_futex as i128),
    ("FUTEX_WAITV", libc::SYS_futex_waitv as i128), ("GET_MEMPOLICY", libc::SYS_get_mempolicy as i128),
    ("GET_ROBUST_LIST", libc::SYS_get_robust_list as i128), ("GETCPU", libc::SYS_getcpu as i128),
    ("GETCWD", libc::SYS_getcwd as i128), ("GETDENTS64", libc::SYS_getdents64 as i128),
    ("GETEGID", libc::SYS_getegid as i128), ("GETEUID", libc::SYS_geteuid as i128),
    ("GETGID", libc::SYS_getgid as i128), ("GETGROUPS", libc::SYS_getgroups as i128),
    ("GETITIMER", libc::SYS_getitimer as i128), ("GETPEERNAME", libc::SYS_getpeername as i128),
    ("GETPGID", libc::SYS_getpgid as i128), ("GETPID", libc::SYS_getpid as i128),
    ("GETPPID", libc::SYS_getppid as i128), ("GETPRIORITY", libc::SYS_getpriority as i128),
    ("GETRANDOM", libc::SYS_getrandom as i128), ("GETRESGID", libc::SYS_getresgid as i128),
    ("GETRESUID", libc::SYS_getresuid as i128), ("GETRUSAGE", libc::SYS_getrusage as i128),
    ("GETSID", libc::SYS_getsid as i128), ("GETSOCKNAME", libc::SYS_getsockname as i128),
    ("GETSOCKOPT", libc::SYS_getsockopt as i128), ("GETTID", libc::SYS_gettid as i128),
    ("GETTIMEOFDAY", libc::SYS_gettimeofday as i128), ("GETUID", libc::SYS_getuid as i128),
    ("GETXATTR", libc::SYS_getxattr as i128), ("INIT_MODULE", libc::SYS_init_module as i128),
    ("INOTIFY_ADD_WATCH", libc::SYS_inotify_add_watch as i128), ("INOTIFY_INIT1", libc::SYS_inotify_init1 as i128),
    ("INOTIFY_RM_WATCH", libc::SYS_inotify_rm_watch as i128), ("IO_CANCEL", libc::SYS_io_cancel as i128),
    ("IO_DESTROY", libc::SYS_io_destroy as i128), ("IO_GETEVENTS", libc::SYS_io_getevents as i128),
    ("IO_SETUP", libc::SYS_io_setup as i128), ("IO_SUBMIT", libc::SYS_io_submit as i128),
    ("IO_URING_ENTER", libc::SYS_io_uring_enter as i128), ("IO_URING_REGISTER", libc::SYS_io_uring_register as i128),
    ("IO_URING_SETUP", libc::SYS_io_uring_setup as i128), ("IOCTL", libc::SYS_ioctl as i128),
    ("IOPRIO_GET", libc::SYS_ioprio_get as i128), ("IOPRIO_SET", libc::SYS_ioprio_set as i128),
    ("KCMP", libc::SYS_kcmp as i128), ("KEXEC_LOAD", libc::SYS_kexec_load as i128),
    ("KEYCTL", libc::SYS_keyctl as i128), ("KILL", libc::SYS_kill as i128),
    ("LANDLOCK_ADD_RULE", libc::SYS_landlock_add_rule as i128),
    ("LANDLOCK_CREATE_RULESET", libc::SYS_landlock_create_ruleset as i128),
    ("LANDLOCK_RESTRICT_SELF", libc::SYS_landlock_restrict_self as i128), ("LGETXATTR", libc::SYS_lgetxattr as i128),
    ("LINKAT", libc::SYS_linkat as i128), ("LISTEN", libc::SYS_listen as i128),
    ("LISTXATTR", libc::SYS_listxattr as i128), ("LLISTXATTR", libc::SYS_llistxattr as i128),
    ("LOOKUP_DCOOKIE", libc::SYS_lookup_dcookie as i128), ("LREMOVEXATTR", libc::SYS_lremovexattr as i128),
    ("LSEEK", libc::SYS_lseek as i128), ("LSETXATTR", libc::SYS_lsetxattr as i128),
    ("MADVISE", libc::SYS_madvise as i128), ("MBIND", libc::SYS_mbind as i128),
    ("MEMBARRIER", libc::SYS_membarrier as i128), ("MEMFD_CREATE", libc::SYS_memfd_create as i128),
    ("MEMFD_SECRET", libc::SYS_memfd_secret as i128), ("MIGRATE_PAGES", libc::SYS_migrate_pages as i128),
    ("MINCORE", libc::SYS_mincore as i128), ("MKDIRAT", libc::SYS_mkdirat as i128),
    ("MKNODAT", libc::SYS_mknodat as i128), ("MLOCK", libc::SYS_mlock as i128), ("MLOCK2", libc::SYS_mlock2 as i128),
    ("MLOCKALL", libc::SYS_mlockall as i128), ("MMAP", libc::SYS_mmap as i128), ("MOUNT", libc::SYS_mount as i128),
    ("MOUNT_SETATTR", libc::SYS_mount_setattr as i128), ("MOVE_MOUNT", libc::SYS_move_mount as i128),
    ("MOVE_PAGES", libc::SYS_move_pages as i128), ("MPROTECT", libc::SYS_mprotect as i128),
    ("MQ_GETSETATTR", libc::SYS_mq_getsetattr as i128), ("MQ_NOTIFY", libc::SYS_mq_notify as i128),
    ("MQ_OPEN", libc::SYS_mq_open as i128), ("MQ_TIMEDRECEIVE", libc::SYS_mq_timedreceive as i128),
    ("MQ_TIMEDSEND", libc::SYS_mq_timedsend as i128), ("MQ_UNLINK", libc::SYS_mq_unlink as i128),
    ("MREMAP", libc::SYS_mremap as i128), ("MSGCTL", libc::SYS_msgctl as i128), ("MSGGET", libc::SYS_msgget as i128),
    ("MSGRCV", libc::SYS_msgrcv as i128), ("MSGSND", libc::SYS_msgsnd as i128), ("MSYNC", libc::SYS_msync as i128),
    ("MUNLOCK", libc::SYS_munlock as i128), ("MUNLOCKALL", libc::SYS_munlockall as i128),
    ("MUNMAP", libc::SYS_munmap as i128), ("NAME_TO_HANDLE_AT", libc::SYS_name_to_handle_at as i128),
    ("NANOSLEEP", libc::SYS_nanosleep as i128), ("NEWFSTATAT", libc::SYS_newfstatat as i128),
    ("NFSSERVCTL", libc::SYS_nfsservctl as i128), ("OPEN_BY_HANDLE_AT", libc::SYS_open_by_handle_at as i128),
    ("OPEN_TREE", libc::SYS_open_tree as i128), ("OPENAT", libc::SYS_openat as i128),
    ("OPENAT2", libc::SYS_openat2 as i128), ("PERF_EVENT_OPEN", libc::SYS_perf_event_open as i128),
    ("PERSONALITY", libc::SYS_personality as i128), ("PIDFD_GETFD", libc::SYS_pidfd_getfd as i128),
    ("PIDFD_OPEN", libc::SYS_pidfd_open as i128), ("PIDFD_SEND_SIGNAL", libc::SYS_pidfd_send_signal as i128),
    ("PIPE2", libc::SYS_pipe2 as i128), ("PIVOT_ROOT", libc::SYS_pivot_root as i128),
    ("PKEY_ALLOC", libc::SYS_pkey_alloc as i128), ("PKEY_FREE", libc::SYS_pkey_free as i128),
    ("PKEY_MPROTECT", libc::SYS_pkey_mprotect as i128), ("PPOLL", libc::SYS_ppoll as i128),
    ("PRCTL", libc::SYS_prctl as i128), ("PREAD64", libc::SYS_pread64 as i128), ("PREADV", libc::SYS_preadv as i128),
    ("PREADV2", libc::SYS_preadv2 as i128), ("PRLIMIT64", libc::SYS_prlimit64 as i128),
    ("PROCESS_MADVISE", libc::SYS_process_madvise as i128), ("PROCESS_MRELEASE", libc::SYS_process_mrelease as i128),
    ("PROCESS_VM_READV", libc::SYS_process_vm_readv as i128),
    ("PROCESS_VM_WRITEV", libc::SYS_process_vm_writev as i128), ("PSELECT6", libc::SYS_pselect6 as i128),
    ("PTRACE", libc::SYS_ptrace as i128), ("PWRITE64", libc::SYS_pwrite64 as i128),
    ("PWRITEV", libc::SYS_pwritev as i128), ("PWRITEV2", libc::SYS_pwritev2 as i128),
    ("QUOTACTL", libc::SYS_quotactl as i128), ("QUOTACTL_FD", libc::SYS_quotactl_fd as i128),
    ("READ", libc::SYS_read as i128), ("READAHEAD", libc::SYS_readahead as i128),
    ("READLINKAT", libc::SYS_readlinkat as i128), ("READV", libc::SYS_readv as i128),
    ("REBOOT", libc::SYS_reboot as i128), ("RECVFROM", libc::SYS_recvfrom as i128),
    ("RECVMMSG", libc::SYS_recvmmsg as i128), ("RECVMSG", libc::SYS_recvmsg as i128),
    ("REMAP_FILE_PAGES", libc::SYS_remap_file_pages as i128), ("REMOVEXATTR", libc::SYS_removexattr as i128),
    ("RENAMEAT2", libc::SYS_renameat2 as i128), ("REQUEST_KEY", libc::SYS_request_key as i128),
    ("RESTART_SYSCALL", libc::SYS_restart_syscall as i128), ("RSEQ", libc::SYS_rseq as i128),
    ("RT_SIGACTION", libc::SYS_rt_sigaction as i128), ("RT_SIGPENDING", libc::SYS_rt_sigpending as i128),
    ("RT_SIGPROCMASK", libc::SYS_rt_sigprocmask as i128), ("RT_SIGQUEUEINFO", libc::SYS_rt_sigqueueinfo as i128),
    ("RT_SIGRETURN", libc::SYS_rt_sigreturn as i128), ("RT_SIGSUSPEND", libc::SYS_rt_sigsuspend as i128),
    ("RT_SIGTIMEDWAIT", libc::SYS_rt_sigtimedwait as i128),
    ("RT_TGSIGQUEUEINFO", libc::SYS_rt_tgsigqueueinfo as i128),
    ("SCHED_GET_PRIORITY_MAX", libc::SYS_sched_get_priority_max as i128),
    ("SCHED_GET_PRIORITY_MIN", libc::SYS_sched_get_priority_min as i128),
    ("SCHED_GETAFFINITY", libc::SYS_sched_getaffinity as i128), ("SCHED_GETATTR", libc::SYS_sched_getattr as i128),
    ("SCHED_GETPARAM", libc::SYS_sched_getparam as i128),
    ("SCHED_GETSCHEDULER", libc::SYS_sched_getscheduler as i128),
    ("SCHED_RR_GET_INTERVAL", libc::SYS_sched_rr_get_interval as i128),
    ("SCHED_SETAFFINITY", libc::SYS_sched_setaffinity as i128), ("SCHED_SETATTR", libc::SYS_sched_setattr as i128),
    ("SCHED_SETPARAM", libc::SYS_sched_setparam as i128),
    ("SCHED_SETSCHEDULER", libc::SYS_sched_setscheduler as i128), ("SCHED_YIELD", libc::SYS_sched_yield as i128),
    ("SECCOMP", libc::SYS_seccomp as i128), ("SEMCTL", libc::SYS_semctl as i128),
    ("SEMGET", libc::SYS_semget as i128), ("SEMOP", libc::SYS_semop as i128),
    ("SEMTIMEDOP", libc::SYS_semtimedop as i128), ("SENDFILE", libc::SYS_sendfile as i128),
    ("SENDMMSG", libc::SYS_sendmmsg as i128), ("SENDMSG", libc::SYS_sendmsg as i128),
    ("SENDTO", libc::SYS_sendto as i128), ("SET_MEMPOLICY", libc::SYS_set_mempolicy as i128),
    ("SET_MEMPOLICY_HOME_NODE", libc::SYS_set_mempolicy_home_node as i128),
    ("SET_ROBUST_LIST", libc::SYS_set_robust_list as i128), ("SET_TID_ADDRESS", libc::SYS_set_tid_address as i128),
    ("SETDOMAINNAME", libc::SYS_setdomainname as i128), ("SETFSGID", libc::SYS_setfsgid as i128),
    ("SETFSUID", libc::SYS_setfsuid as i128), ("SETGID", libc::SYS_setgid as i128),
    ("SETGROUPS", libc::SYS_setgroups as i128), ("SETHOSTNAME", libc::SYS_sethostname as i128),
    ("SETITIMER", libc::SYS_setitimer as i128), ("SETNS", libc::SYS_setns as i128),
    ("SETPGID", libc::SYS_setpgid as i128), ("SETPRIORITY", libc::SYS_setpriority as i128),
    ("SETREGID", libc::SYS_setregid as i128), ("SETRESGID", libc::SYS_setresgid as i128),
    ("SETRESUID", libc::SYS_setresuid as i128), ("SETREUID", libc::SYS_setreuid as i128),
    ("SETSID", libc::SYS_setsid as i128), ("SETSOCKOPT", libc::SYS_setsockopt as i128),
    ("SETTIMEOFDAY", libc::SYS_settimeofday as i128), ("SETUID", libc::SYS_setuid as i128),
    ("SETXATTR", libc::SYS_setxattr as i128), ("SHMAT", libc::SYS_shmat as i128),
    ("SHMCTL", libc::SYS_shmctl as i128), ("SHMDT", libc::SYS_shmdt as i128), ("SHMGET", libc::SYS_shmget as i128),
    ("SHUTDOWN", libc::SYS_shutdown as i128), ("SIGALTSTACK", libc::SYS_sigaltstack as i128),
    ("SIGNALFD4", libc::SYS_signalfd4 as i128), ("SOCKET", libc::SYS_socket as i128),
    ("SOCKETPAIR", libc::SYS_socketpair as i128), ("SPLICE", libc::SYS_splice as i128),
    ("STATFS", libc::SYS_statfs as i128), ("STATX", libc::SYS_statx as i128), ("SWAPOFF", libc::SYS_swapoff as i128),
    ("SWAPON", libc::SYS_swapon as i128), ("SYMLINKAT", libc::SYS_symlinkat as i128),
    ("SYNC", libc::SYS_sync as i128), ("SYNCFS", libc::SYS_syncfs as i128), ("SYSINFO", libc::SYS_sysinfo as i128),
    ("SYSLOG", libc::SYS_syslog as i128), ("TEE", libc::SYS_tee as i128), ("TGKILL", libc::SYS_tgkill as i128),
    ("TIMER_CREATE", libc::SYS_timer_create as i128), ("TIMER_DELETE", libc::SYS_timer_delete as i128),
    ("TIMER_GETOVERRUN", libc::SYS_timer_getoverrun as i128), ("TIMER_GETTIME", libc::SYS_timer_gettime as i128),
    ("TIMER_SETTIME", libc::SYS_timer_settime as i128), ("TIMERFD_CREATE", libc::SYS_timerfd_create as i128),
    ("TIMERFD_GETTIME", libc::SYS_timerfd_gettime as i128), ("TIMERFD_SETTIME", libc::SYS_timerfd_settime as i128),
    ("TIMES", libc::SYS_times as i128), ("TKILL", libc::SYS_tkill as i128), ("TRUNCATE", libc::SYS_truncate as i128),
    ("UMASK", libc::SYS_umask as i128), ("UMOUNT2", libc::SYS_umount2 as i128), ("UNAME", libc::SYS_uname as i128),
    ("UNLINKAT", libc::SYS_unlinkat as i128), ("UNSHARE", libc::SYS_unshare as i128),
    ("USERFAULTFD", libc::SYS_userfaultfd as i128), ("UTIMENSAT", libc::SYS_utimensat as i128),
    ("VHANGUP", libc::SYS_vhangup as i128), ("VMSPLICE", libc::SYS_vmsplice as i128),
    ("WAIT4", libc::SYS_wait4 as i128), ("WAITID", libc::SYS_waitid as i128), ("WRITE", libc::SYS_write as i128),
    ("WRITEV", libc::SYS_writev as i128),
];

#[rustfmt::skip]
const ERRORS: &[(&str, i128)] = &[
    ("EPERM", libc::EPERM as i128),
    ("ENOENT", libc::ENOENT as i128),
    ("ESRCH", libc::ESRCH as i128),
    ("EINTR", libc::EINTR as i128),
    ("EIO", libc::EIO as i128),
    ("ENXIO", libc::ENXIO as i128),
    ("E2BIG", libc::E2BIG as i128),
    ("ENOEXEC", libc::ENOEXEC as i128),
    ("EBADF", libc::EBADF as i128),
    ("ECHILD", libc::ECHILD as i128),
    ("EAGAIN", libc::EAGAIN as i128),
    ("ENOMEM", libc::ENOMEM as i128),
    ("EACCES", libc::EACCES as i128),
    ("EFAULT", libc::EFAULT as i128),
    ("ENOTBLK", libc::ENOTBLK as i128),
    ("EBUSY", libc::EBUSY as i128),
    ("EEXIST", libc::EEXIST as i128),
    ("EXDEV", libc::EXDEV as i128),
    ("ENODEV", libc::ENODEV as i128),
    ("ENOTDIR", libc::ENOTDIR as i128),
    ("EISDIR", libc::EISDIR as i128),
    ("EINVAL", libc::EINVAL as i128),
    ("ENFILE", libc::ENFILE as i128),
    ("EMFILE", libc::EMFILE as i128),
    ("ENOTTY", libc::ENOTTY as i128),
    ("ETXTBSY", libc::ETXTBSY as i128),
    ("EFBIG", libc::EFBIG as i128),
    ("ENOSPC", libc::ENOSPC as i128),
    ("ESPIPE", libc::ESPIPE as i128),
    ("EROFS", libc::EROFS as i128),
    ("EMLINK", libc::EMLINK as i128),
    ("EPIPE", libc::EPIPE as i128),
    ("EDOM", libc::EDOM as i128),
    ("ERANGE", libc::ERANGE as i128),
    ("EDEADLK", libc::EDEADLK as i128),
    ("ENAMETOOLONG", libc::ENAMETOOLONG as i128),
    ("ENOLCK", libc::ENOLCK as i128),
    ("ENOSYS", libc::ENOSYS as i128),
    ("ENOTEMPTY", libc::ENOTEMPTY as i128),
    ("ELOOP", libc::ELOOP as i128),
    ("ENOMSG", libc::ENOMSG as i128),
    ("EIDRM", libc::EIDRM as i128),
    ("ECHRNG", libc::ECHRNG as i128),
    ("EL2NSYNC", libc::EL2NSYNC as i128),
    ("EL3HLT", libc::EL3HLT as i128),
    ("EL3RST", libc::EL3RST as i128),
    ("ELNRNG", libc::ELNRNG as i128),
    ("EUNATCH", libc::EUNATCH as i128),
    ("ENOCSI", libc::ENOCSI as i128),
    ("EL2HLT", libc::EL2HLT as i128),
    ("EBADE", libc::EBADE as i128),
    ("EBADR", libc::EBADR as i128),
    ("EXFULL", libc::EXFULL as i128),
    ("ENOANO", libc::ENOANO as i128),
    ("EBADRQC", libc::EBADRQC as i128),
    ("EBADSLT", libc::EBADSLT as i128),
    ("EBFONT", libc::EBFONT as i128),
    ("ENOSTR", libc::ENOSTR as i128),
    ("ENODATA", libc::ENODATA as i128),
    ("ETIME", libc::ETIME as i128),
    ("ENOSR", libc::ENOSR as i128),
    ("ENONET", libc::ENONET as i128),
    ("ENOPKG", libc::ENOPKG as i128),
    ("EREMOTE", libc::EREMOTE as i128),
    ("ENOLINK", libc::ENOLINK as i128),
    ("EADV", libc::EADV as i128),
    ("ESRMNT", libc::ESRMNT as i128),
    ("ECOMM", libc::ECOMM as i128),
    ("EPROTO", libc::EPROTO as i128),
    ("EMULTIHOP", libc::EMULTIHOP as i128),
    ("EDOTDOT", libc::EDOTDOT as i128),
    ("EBADMSG", libc::EBADMSG as i128),
    ("EOVERFLOW", libc::EOVERFLOW as i128),
    ("ENOTUNIQ", libc::ENOTUNIQ as i128),
    ("EBADFD", libc::EBADFD as i128),
    ("EREMCHG", libc::EREMCHG as i128),
    ("ELIBACC", libc::ELIBACC as i128),
    ("ELIBBAD", libc::ELIBBAD as i128),
    ("ELIBSCN", libc::ELIBSCN as i128),
    ("ELIBMAX", libc::ELIBMAX as i128),
    ("ELIBEXEC", libc::ELIBEXEC as i128),
    ("EILSEQ", libc::EILSEQ as i128),
    ("ERESTART", libc::ERESTART as i128),
    ("ESTRPIPE", libc::ESTRPIPE as i128),
    ("EUSERS", libc::EUSERS as i128),
    ("ENOTSOCK", libc::ENOTSOCK as i128),
    ("EDESTADDRREQ", libc::EDESTADDRREQ as i128),
    ("EMSGSIZE", libc::EMSGSIZE as i128),
    ("EPROTOTYPE", libc::EPROTOTYPE as i128),
    ("ENOPROTOOPT", libc::ENOPROTOOPT as i128),
    ("EPROTONOSUPPORT", libc::EPROTONOSUPPORT as i128),
    ("ESOCKTNOSUPPORT", libc::ESOCKTNOSUPPORT as i128),
    ("EOPNOTSUPP", libc::EOPNOTSUPP as i128),
    ("EPFNOSUPPORT", libc::EPFNOSUPPORT as i128),
    ("EAFNOSUPPORT", libc::EAFNOSUPPORT as i128),
    ("EADDRINUSE", libc::EADDRINUSE as i128),
    ("EADDRNOTAVAIL", libc::EADDRNOTAVAIL as i128),
    ("ENETDOWN", libc::ENETDOWN as i128),
    ("ENETUNREACH", libc::ENETUNREACH as i128),
    ("ENETRESET", libc::ENETRESET as i128),
    ("ECONNABORTED", libc::ECONNABORTED as i128),
    ("ECONNRESET", libc::ECONNRESET as i128),
    ("ENOBUFS", libc::ENOBUFS as i128),
    ("EISCONN", libc::EISCONN as i128),
    ("ENOTCONN", libc::ENOTCONN as i128),
    ("ESHUTDOWN", libc::ESHUTDOWN as i128),
    ("ETOOMANYREFS", libc::ETOOMANYREFS as i128),
    ("ETIMEDOUT", libc::ETIMEDOUT as i128),
    ("ECONNREFUSED", libc::ECONNREFUSED as i128),
    ("EHOSTDOWN", libc::EHOSTDOWN as i128),
    ("EHOSTUNREACH", libc::EHOSTUNREACH as i128),
    ("EALREADY", libc::EALREADY as i128),
    ("EINPROGRESS", libc::EINPROGRESS as i128),
    ("ESTALE", libc::ESTALE as i128),
    ("EUCLEAN", libc::EUCLEAN as i128),
    ("ENOTNAM", libc::ENOTNAM as i128),
    ("ENAVAIL", libc::ENAVAIL as i128),
    ("EISNAM", libc::EISNAM as i128),
    ("EREMOTEIO", libc::EREMOTEIO as i128),
    ("EDQUOT", libc::EDQUOT as i128),
    ("ENOMEDIUM", libc::ENOMEDIUM as i128),
    ("EMEDIUMTYPE", libc::EMEDIUMTYPE as i128),
    ("ECANCELED", libc::ECANCELED as i128),
    ("ENOKEY", libc::ENOKEY as i128),
    ("EKEYEXPIRED", libc::EKEYEXPIRED as i128),
    ("EKEYREVOKED", libc::EKEYREVOKED as i128),
    ("EKEYREJECTED", libc::EKEYREJECTED as i128),
    ("EOWNERDEAD", libc::EOWNERDEAD as i128),
    ("ENOTRECOVERABLE", libc::ENOTRECOVERABLE as i128),
    ("ERFKILL", libc::ERFKILL as i128),
];
