//! Looking at what there is: a container's process, its identity, its report, the config it was made from, its freezer,
//! and the mount table.
//!
//! Only the kernel's own words for it (`ENOENT`, `ESRCH`) and another identity mean that something is gone. Whatever else
//! goes wrong is an error: what would destroy is not done then, and what is made is not made with less than was asked for.

use std::ffi::{CStr, CString};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use init::report::Seen;
use kernel::file::open;
use kernel::process::{self, PollFd, signals};
use kernel::{Call, Errno, Fault, Fd, file};
use spec::Spec;

use super::folder::{CONFIG, FENCE, Folder, HOOK, REPORT};
use super::{Record, Status, time};
use crate::perform;
use crate::process::Exit;
use crate::{Bundle, Error};

/// Whether the recorded process still is.
#[derive(Debug)]
pub(crate) enum Liveness {
    /// It is, and this is it.
    Alive(Fd),
    /// It has ended, even if its parent has not taken notice yet; its number belongs to somebody else now; or there has
    /// never been one.
    Gone,
}

/// Whether the recorded process still is.
pub(crate) fn liveness(record: &Record) -> Result<Liveness, Error> {
    crate::process::tend(record.identity)?;
    match held(record)? {
        Some(pidfd) if !has_ended(&pidfd)? => Ok(Liveness::Alive(pidfd)),
        _ => Ok(Liveness::Gone),
    }
}

/// The recorded process, alive or a zombie; `None` when it is gone.
pub(crate) fn held(record: &Record) -> Result<Option<Fd>, Error> {
    found(record.pid, record.identity)
}

/// Whether this process still is, and has not ended.
pub(crate) fn lives(pid: i32, identity: u64) -> Result<bool, Error> {
    match found(pid, identity)? {
        Some(pidfd) => Ok(!has_ended(&pidfd)?),
        None => Ok(false),
    }
}

/// The process with this number and this identity, alive or a zombie.
fn found(pid: i32, identity: u64) -> Result<Option<Fd>, Error> {
    if pid <= 0 {
        return Ok(None);
    }
    let failed = |fault| Error::call("look at the container's process", fault);
    let pidfd = match process::open(pid) {
        Ok(pidfd) => pidfd,
        Err(fault) if fault.is(Errno::ESRCH) => return Ok(None),
        // The number is that of a thread now, or is being given back.
        Err(fault) if fault.is(Errno::EINVAL) || fault.is(Errno::ENOENT) => return Ok(None),
        Err(fault) => return Err(failed(fault)),
    };
    match identity_of(pid, &pidfd).map_err(failed)? {
        Some(seen) if seen == identity => Ok(Some(pidfd)),
        _ => Ok(None),
    }
}

/// Whether a process has ended: then its pidfd is readable, also while it is a zombie.
pub(crate) fn has_ended(pidfd: &Fd) -> Result<bool, Error> {
    let mut watch = [PollFd::new(pidfd.borrow(), PollFd::IN)];
    loop {
        match process::poll(&mut watch, Some(0)) {
            Err(fault) if fault.is(Errno::EINTR) => {}
            answer => {
                return answer
                    .map(|count| count > 0)
                    .map_err(|fault| Error::call("look at the container's process", fault));
            }
        }
    }
}

/// How a process ended that is not our child, or not any more: as the kernel keeps it for holders of its pidfd (Linux 6.15),
/// or, until its parent has waited for it, as procfs shows it to those who may see that.
pub(crate) fn exit_of_other(pid: i32, pidfd: &Fd) -> Result<Exit, Error> {
    let kept = || match process::exit_info(pidfd.borrow()) {
        Ok(exit) => Ok(exit.map(Exit::from)),
        // Older kernels, processes that are gone there, and those of pid namespaces that are not below ours.
        Err(Fault {
            errno: Errno::ENOTTY | Errno::EINVAL | Errno::ESRCH | Errno::EREMOTE,
            ..
        }) => Ok(None),
        Err(fault) => Err(Error::call("ask how the process ended", fault)),
    };
    let failed = |fault| Error::call("look at the process's end", fault);
    if let Some(exit) = kept()? {
        return Ok(exit);
    }
    const EXIT_CODE: usize = 52;
    let shown: Option<i32> = stat(pid, EXIT_CODE).map_err(failed)?;
    // As long as it can be signalled its number is its own.
    let shown = match process::signal(pidfd.borrow(), 0) {
        Err(fault) if fault.is(Errno::ESRCH) => None,
        _ => shown,
    };
    match shown {
        Some(0) if is_hidden(pid).map_err(failed)? => Ok(Exit::Unknown),
        Some(status) => Ok(process::Exit::of(status).into()),
        // It has been waited for meanwhile.
        None => Ok(kept()?.unwrap_or(Exit::Unknown)),
    }
}

/// Whether procfs shows 0 for how a process ended, because the caller may not see it: that takes what looking at its
/// program takes (proc_pid_stat(5): PTRACE_MODE_READ_FSCREDS), and the program of a process that has ended is not there.
fn is_hidden(pid: i32) -> kernel::Result<bool> {
    match file::read_link(file::HERE, &program_of(pid)?, &mut [0; 1]) {
        Err(fault) if fault.is(Errno::EACCES) || fault.is(Errno::EPERM) => Ok(true),
        Err(fault) if !fault.is(Errno::ENOENT) && !fault.is(Errno::ESRCH) => Err(fault),
        _ => Ok(false),
    }
}

/// The link to the program that a process executes.
fn program_of(pid: i32) -> kernel::Result<CString> {
    CString::new(format!("/proc/{pid}/exe"))
        .map_err(|_| Fault::found(Call::Readlinkat, Errno::EINVAL))
}

/// Whether a process is this program's or init, not a container's program; also when it is gone. It may be a hostile one, whose
/// file is on a file system that it serves itself and does not answer for, so nothing is asked of that.
pub(crate) fn is_runtimes(pid: i32) -> Result<bool, Error> {
    let failed = |fault| Error::call(format!("look at /proc/{pid}/exe"), fault);
    let program = program_of(pid).map_err(failed)?;
    let is_gone = |fault: Fault| fault.is(Errno::ENOENT) || fault.is(Errno::ESRCH);
    let mut link = [0; 64];
    let length = match file::read_link(file::HERE, &program, &mut link) {
        Err(fault) if is_gone(fault) => return Ok(true),
        // Who may not see it has not started it.
        Err(fault) if fault.is(Errno::EACCES) || fault.is(Errno::EPERM) => return Ok(false),
        length => length.map_err(failed)?,
    };
    if perform::is_named_so(&link[..length]) {
        return Ok(true);
    }
    let own = file::known_status_at(file::HERE, c"/proc/self/exe");
    let own = own.map_err(|fault| Error::call("look at /proc/self/exe", fault))?;
    match file::known_status_at(file::HERE, &program) {
        Err(fault) if is_gone(fault) => Ok(true),
        other => {
            let other = other.map_err(failed)?;
            Ok((other.device, other.inode) == (own.device, own.inode))
        }
    }
}

/// What tells a process from a later one with the same number, see [`Record::identity`]; `None` when it has been reaped.
pub(crate) fn identity_of(pid: i32, pidfd: &Fd) -> kernel::Result<Option<u64>> {
    identity_by(is_in_pidfs(pidfd)?, pid, pidfd)
}

/// By the inode number of its pidfd, or else by when it started.
fn identity_by(inode: bool, pid: i32, pidfd: &Fd) -> kernel::Result<Option<u64>> {
    let in_this_boot = if inode {
        Some(file::status(pidfd.borrow())?.inode)
    } else {
        start_time(pid)?
    };
    match in_this_boot {
        Some(number) => identity(number, boot()?).map(Some),
        None => Ok(None),
    }
}

/// Whether inode numbers of pidfds tell processes apart (Linux 6.9): all are of one kind, so it is looked at once.
fn is_in_pidfs(pidfd: &Fd) -> kernel::Result<bool> {
    const PIDFS_MAGIC: u64 = 0x5049_4446;
    static PIDFS: OnceLock<bool> = OnceLock::new();
    if let Some(known) = PIDFS.get() {
        return Ok(*known);
    }
    let found = file::filesystem(pidfd.borrow())?.kind == PIDFS_MAGIC;
    Ok(*PIDFS.get_or_init(|| found))
}

/// Both kinds of numbers begin anew with each boot, and little processes differ in order and time from one to the next.
fn identity(number: u64, boot: &str) -> kernel::Result<u64> {
    let boot = u128::from_str_radix(&boot.replace('-', ""), 16)
        .map_err(|_| Fault::found(Call::Read, Errno::EBADMSG))?;
    Ok(number ^ (boot >> 64) as u64 ^ boot as u64)
}

/// Which boot of the machine this is: looked at once, for this program does not outlive it.
pub(crate) fn boot() -> kernel::Result<&'static str> {
    static BOOT: OnceLock<String> = OnceLock::new();
    if let Some(boot) = BOOT.get() {
        return Ok(boot);
    }
    let text = read_short(c"/proc/sys/kernel/random/boot_id")?;
    let boot = std::str::from_utf8(&text).map_err(|_| Fault::found(Call::Read, Errno::EBADMSG))?;
    Ok(BOOT.get_or_init(|| boot.trim_end().to_owned()))
}

/// A file of procfs that fits one read.
fn read_short(path: &CStr) -> kernel::Result<Vec<u8>> {
    let fd = file::open_at(file::HERE, path, open::RDONLY, 0)?;
    let mut text = vec![0; 2048];
    loop {
        match file::read(fd.borrow(), &mut text) {
            Err(fault) if fault.is(Errno::EINTR) => {}
            length => {
                text.truncate(length?);
                return Ok(text);
            }
        }
    }
}

/// Whether the machine has not been started anew since this was recorded.
pub(crate) fn is_of_this_boot(record: &Record) -> Result<bool, Error> {
    let failed = |fault| Error::call("see which boot of the machine this is", fault);
    Ok(record.boot == boot().map_err(failed)?)
}

pub(super) fn start_time(pid: i32) -> kernel::Result<Option<u64>> {
    const START_TIME: usize = 22;
    stat(pid, START_TIME)
}

/// A field of proc_pid_stat(5), by its number there; `None` where there is no such process.
fn stat<T: std::str::FromStr>(pid: i32, field: usize) -> kernel::Result<Option<T>> {
    let broken = Fault::found(Call::Read, Errno::EBADMSG);
    let path = CString::new(format!("/proc/{pid}/stat")).map_err(|_| broken)?;
    match read_short(&path) {
        Err(fault) if fault.is(Errno::ENOENT) || fault.is(Errno::ESRCH) => Ok(None),
        text => field_of_stat(&text?, field).map(Some).ok_or(broken),
    }
}

pub(super) fn field_of_stat<T: std::str::FromStr>(text: &[u8], field: usize) -> Option<T> {
    // The name in parentheses may hold anything: count from its end.
    let end = text.iter().rposition(|byte| *byte == b')')?;
    let Ok(words) = std::str::from_utf8(&text[end + 1..]) else {
        return None;
    };
    // The third is the first after the name.
    let Ok(value) = words.split_whitespace().nth(field - 3)?.parse() else {
        return None;
    };
    Some(value)
}

/// A hook that runs.
#[derive(Debug)]
pub(crate) struct Hook {
    pid: i32,
    pidfd: Fd,
    pub(crate) kind: String,
    /// How long.
    pub(crate) age: Duration,
}

/// The hook that was noted last, if it still runs.
pub(crate) fn hook(folder: &Folder) -> Result<Option<Hook>, Error> {
    let bytes = folder.read(HOOK)?.unwrap_or_default();
    // What is no note is being written: whoever waits looks again.
    let Some((pid, identity, since, kind)) = hook_in(&bytes) else {
        return Ok(None);
    };
    let noted = Record {
        pid,
        identity,
        ..Record::default()
    };
    Ok(match liveness(&noted)? {
        Liveness::Gone => None,
        Liveness::Alive(pidfd) => Some(Hook {
            pid,
            pidfd,
            kind,
            age: time::since_boot()?.saturating_sub(Duration::from_secs(since)),
        }),
    })
}

/// What a note says: the process, its identity, since when by the seconds since the boot, and the kind of hook.
pub(super) fn hook_in(note: &[u8]) -> Option<(i32, u64, u64, String)> {
    let text = String::from_utf8_lossy(note);
    let words: Vec<&str> = text.split(' ').collect();
    let [pid, identity, since, kind] = words[..] else {
        return None;
    };
    match (pid.parse(), identity.parse(), since.parse()) {
        (Ok(pid), Ok(identity), Ok(since)) => Some((pid, identity, since, kind.to_owned())),
        _ => None,
    }
}

impl Hook {
    /// Ends it with all of its process group, which it leads.
    pub(crate) fn end(&self) -> Result<(), Error> {
        let answer = match process::signal_group(self.pidfd.borrow(), signals::KILL) {
            // Before Linux 6.9. It was alive a moment ago, so this group is its own.
            Err(fault) if fault.is(Errno::EINVAL) => process::kill_group(self.pid, signals::KILL),
            answer => answer,
        };
        match answer {
            Err(fault) if !fault.is(Errno::ESRCH) => Err(Error::call("end the hook", fault)),
            _ => Ok(()),
        }
    }
}

/// What the report says: the step that was begun last, and how it failed. `None` when there is none (yet).
pub(crate) fn report(folder: &Folder) -> Result<Option<Seen>, Error> {
    match folder.read(REPORT)? {
        None => Ok(None),
        Some(bytes) => match Seen::read(&bytes) {
            None => Err(Error::invalid("is cut short", &folder.path_of(REPORT))),
            seen => Ok(seen),
        },
    }
}

fn missing(path: &Path) -> Error {
    Error::file(
        "read",
        path,
        Fault::found(Call::Openat, Errno::ENOENT).into(),
    )
}

/// The status as far as the process, its report and the freezer tell; what they say when the process is gone depends on
/// whether somebody is still at work, see [`crate::Container::status`].
pub(crate) fn status(folder: &Folder, record: &Record) -> Result<(Status, Liveness), Error> {
    let liveness = liveness(record)?;
    if matches!(liveness, Liveness::Gone) {
        return Ok((Status::Stopped, liveness));
    }
    if record.is_runcs {
        let status = match (is_frozen(record)?, folder.has(FENCE)?) {
            (true, _) => Status::Paused,
            (false, true) => Status::Created,
            (false, false) => Status::Running,
        };
        return Ok((status, liveness));
    }
    let report = report(folder)?.ok_or_else(|| missing(&folder.path_of(REPORT)))?;
    let status = match report.step {
        None => Status::Creating,
        Some(step) if step < record.fence => Status::Creating,
        // Whoever waits for `start` can be frozen like any other.
        _ if is_frozen(record)? => Status::Paused,
        Some(step) if step == record.fence => Status::Created,
        Some(_) => Status::Running,
    };
    Ok((status, liveness))
}

/// Whether a container whose process is gone had not come as far as to wait for `start`.
pub(crate) fn was_unfinished(folder: &Folder, record: &Record) -> Result<bool, Error> {
    if record.is_runcs {
        return Ok(false);
    }
    if record.pid == 0 {
        return Ok(true);
    }
    let before = |step: Option<u32>| step.is_none_or(|step| step < record.fence);
    Ok(report(folder)?.is_some_and(|seen| before(seen.step)))
}

/// Whether it is paused. Without a cgroup it cannot be.
pub(crate) fn is_frozen(record: &Record) -> Result<bool, Error> {
    match &record.cgroup {
        Some(place) => Ok(place.is_frozen()?),
        None => Ok(false),
    }
}

/// The config that a container was made from.
#[derive(Debug)]
pub(crate) struct Config {
    path: PathBuf,
    text: String,
}

impl Config {
    pub(crate) fn into_text(self) -> String {
        self.text
    }

    /// What it says.
    pub(crate) fn spec(&self) -> Result<Spec<'_>, Error> {
        Spec::parse(&self.text).map_err(|error| Error::Config {
            path: self.path.clone(),
            error,
        })
    }
}

/// The config that a container was made from. One that is missing, cut or changed is an error: whoever goes on without
/// it goes on without its filter and its hooks.
pub(crate) fn config(folder: &Folder) -> Result<Config, Error> {
    let path = folder.path_of(CONFIG);
    let Some(bytes) = folder.read(CONFIG)? else {
        // runc keeps none either, and reads the bundle's.
        let record = folder.record()?.filter(|record| record.is_runcs);
        let bundle = Bundle::load(record.ok_or_else(|| missing(&path))?.bundle)?;
        return Ok(Config {
            path: bundle.directory().join("config.json"),
            text: bundle.into_text(),
        });
    };
    let text = String::from_utf8(bytes).map_err(|_| Error::invalid("is not UTF-8", &path))?;
    Ok(Config { path, text })
}

/// Mount points of proc and sysfs that the caller has, the innermost first.
pub(crate) fn exposed_mounts() -> Result<Vec<String>, Error> {
    let mut found = mounts(|kind| matches!(kind, "proc" | "sysfs"))?;
    found.reverse();
    Ok(found)
}

/// Mount points of file systems of a type, in the order in which they were mounted.
pub(crate) fn mounts_of(kind: &str) -> Result<Vec<String>, Error> {
    mounts(|found| found == kind)
}

fn mounts(of_kind: impl Fn(&str) -> bool) -> Result<Vec<String>, Error> {
    let path = Path::new("/proc/self/mountinfo");
    let text = std::fs::read_to_string(path).map_err(|error| Error::file("read", path, error))?;
    mounts_in(&text, of_kind)
}

pub(super) fn mounts_in(text: &str, of_kind: impl Fn(&str) -> bool) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    for line in text.lines() {
        let (point, kind) = mount_in(line)
            .ok_or_else(|| Error::invalid("is no line of mountinfo", Path::new(line)))?;
        if of_kind(kind) {
            found.push(unescape(point));
        }
    }
    Ok(found)
}

/// Mount point and type of a line (proc_pid_mountinfo(5)).
fn mount_in(line: &str) -> Option<(&str, &str)> {
    let (before, after) = line.split_once(" - ")?;
    Some((before.split(' ').nth(4)?, after.split(' ').next()?))
}

/// Spaces and such stand as octal numbers in mountinfo.
fn unescape(path: &str) -> String {
    [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ]
    .iter()
    .fold(path.to_owned(), |path, (code, character)| {
        path.replace(code, character)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_somebody_elses_child_ended_is_known() {
        use std::io::{BufRead, BufReader};
        use std::process::{Command, Stdio};
        // Its parent waits for it, or never does.
        let keeps =
            process::open(process::id()).is_ok_and(|own| process::exit_info(own.borrow()).is_ok());
        for (line, waits, exit) in [
            (
                "(sleep 0.2; exit 7) & echo $!; wait; exec sleep 20",
                true,
                Exit::Code(7),
            ),
            (
                "sleep 20 & echo $!; sleep 0.2; kill -9 $!; wait; exec sleep 20",
                true,
                Exit::Signal(9),
            ),
            (
                "(sleep 0.2; exit 9) & echo $!; exec sleep 20",
                false,
                Exit::Code(9),
            ),
            (
                "(sleep 0.2; exit 0) & echo $!; exec sleep 20",
                false,
                Exit::Code(0),
            ),
        ] {
            let mut parent = Command::new("sh")
                .args(["-c", line])
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut pid = String::new();
            BufReader::new(parent.stdout.take().unwrap())
                .read_line(&mut pid)
                .unwrap();
            let pid = pid.trim().parse().unwrap();
            let pidfd = process::open(pid).unwrap();
            let reaped = || process::signal(pidfd.borrow(), 0).is_err();
            while !has_ended(&pidfd).unwrap() || (waits && !reaped()) {
                std::thread::sleep(Duration::from_millis(10));
            }
            let known = match waits {
                true => keeps,
                false => kernel::identity::effective_user() == 0,
            };
            let expected = if known { exit } else { Exit::Unknown };
            assert_eq!(exit_of_other(pid, &pidfd).unwrap(), expected, "{line}");
            parent.kill().unwrap();
            parent.wait().unwrap();
        }
    }

    #[test]
    fn own_start_time_is_a_number_and_strangers_have_none() {
        let own = process::id();
        assert!(start_time(own).unwrap().is_some_and(|time| time > 0));
        assert_eq!(start_time(i32::MAX).unwrap(), None);
    }

    #[test]
    fn another_identity_means_gone() {
        let pidfd = process::open(process::id()).unwrap();
        let identity = identity_of(process::id(), &pidfd).unwrap().unwrap();
        let mut record = Record {
            pid: process::id(),
            identity,
            ..Record::default()
        };
        assert!(matches!(liveness(&record), Ok(Liveness::Alive(_))));
        record.identity += 1;
        assert!(matches!(liveness(&record), Ok(Liveness::Gone)));
        // As on kernels without pidfs: by the number, which here is nobody's.
        assert_eq!(identity_by(false, i32::MAX, &pidfd), Ok(None));
    }

    #[test]
    fn lines_of_the_mount_table() {
        let line = "36 35 98:0 / /a\\040b rw shared:1 - proc proc rw";
        assert_eq!(mount_in(line), Some(("/a\\040b", "proc")));
        assert_eq!(unescape("/a\\040b"), "/a b");
        assert_eq!(mount_in("36 35 98:0 / /a rw"), None);
    }
}
