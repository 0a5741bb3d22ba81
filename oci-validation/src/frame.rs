//! The private world in which the tests run: their own mounts, /dev, processes, network and host name, so that neither
//! a wrong runtime nor a hostile container can harm the machine.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use nix::mount::{MntFlags, MsFlags};
use nix::sched::CloneFlags;
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, SFlag};

/// Which control groups the runtime is to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// As the machine has them.
    Host,
    /// Version 1 alone.
    V1,
    /// Version 2 alone.
    V2,
    /// Through systemd.
    Systemd,
}

impl View {
    /// All, by the words of command lines.
    pub const WORDS: [(&'static str, View); 4] = [
        ("host", View::Host),
        ("v1", View::V1),
        ("v2", View::V2),
        ("systemd", View::Systemd),
    ];

    /// The one with this word.
    pub fn of(word: &str) -> Option<View> {
        let mut all = View::WORDS.into_iter();
        all.find_map(|(known, view)| (known == word).then_some(view))
    }
}

/// Starts this program again, as the first process of new namespaces, with the word `inside` before its arguments.
/// Returns its exit status.
pub fn enter(arguments: &[String], view: View) -> io::Result<i32> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    let mut kinds = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC;
    // systemd is told processes by their numbers, which must be its own.
    if view != View::Systemd {
        kinds |= CloneFlags::CLONE_NEWPID;
    }
    nix::sched::unshare(kinds)?;
    close_inherited()?;
    let status = Command::new(std::env::current_exe()?)
        .arg("inside")
        .args(arguments)
        .status()?;
    Ok(status.code().unwrap_or(1))
}

/// Closes what whoever called the suite has left open. It is the machine's: a runtime that hands on what it inherits would give it
/// to containers that change all that they have.
fn close_inherited() -> io::Result<()> {
    let names = fs::read_dir("/proc/self/fd")?.map(|entry| entry.map(|entry| entry.file_name()));
    let names: Vec<_> = names.collect::<io::Result<_>>()?;
    let numbers = names
        .iter()
        .filter_map(|name| name.to_str()?.parse::<i32>().ok());
    for number in numbers.filter(|number| *number > 2) {
        // The directory that was read is closed already.
        let _ = nix::unistd::close(number);
    }
    Ok(())
}

/// Prepares the mounts, in the first process of the new namespaces. `work` becomes a file system of its own.
pub fn prepare(work: &Path, view: View) -> io::Result<()> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    // Containers' processes become children of this one, whatever the view.
    nix::sys::prctl::set_child_subreaper(true)?;
    private("/")?;
    mount("proc", "/proc", "proc", "")?;
    mount("tmpfs", work, "tmpfs", "mode=755,size=1g")?;
    devices(&work.join("dev"))?;
    // Runtimes keep locks and sockets here; systemd's are needed.
    groups(work, view)?;
    kernel::network::loopback_up().map_err(|fault| io::Error::other(fault.to_string()))?;
    nix::unistd::sethostname("oci-validation-host")?;
    Ok(())
}

fn devices(folder: &Path) -> io::Result<()> {
    fs::create_dir(folder)?;
    mount("dev", folder, "tmpfs", "mode=755")?;
    let nodes = [
        ("null", 1, 3),
        ("zero", 1, 5),
        ("full", 1, 7),
        ("random", 1, 8),
        ("urandom", 1, 9),
        ("tty", 5, 0),
        ("fuse", 10, 229),
        ("kmsg", 1, 11),
    ];
    for (name, major, minor) in nodes {
        let path = folder.join(name);
        let number = nix::sys::stat::makedev(major, minor);
        nix::sys::stat::mknod(&path, SFlag::S_IFCHR, Mode::empty(), number)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666))?;
    }
    symlink("/proc/self/fd", folder.join("fd"))?;
    symlink("pts/ptmx", folder.join("ptmx"))?;
    for name in ["pts", "shm", "mqueue"] {
        fs::create_dir(folder.join(name))?;
    }
    mount(
        "pts",
        folder.join("pts"),
        "devpts",
        "newinstance,ptmxmode=666,mode=620",
    )?;
    mount("shm", folder.join("shm"), "tmpfs", "mode=1777")?;
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    nix::mount::mount(Some(folder), "/dev", None::<&str>, flags, None::<&str>)?;
    Ok(())
}

/// Shows the control groups of the view. The folder that holds the hierarchies becomes the tests' own: what a wrong runtime
/// makes beside them is not the machine's.
fn groups(work: &Path, view: View) -> io::Result<()> {
    let pure = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    match view {
        View::V2 if !pure => {
            while nix::mount::umount2("/sys/fs/cgroup", MntFlags::MNT_DETACH).is_ok() {}
            mount("cgroup2", "/sys/fs/cgroup", "cgroup2", "")
        }
        View::V1 if pure => Err(io::Error::other(
            "this machine has no control groups of version 1",
        )),
        View::Systemd if !Path::new("/run/systemd/system").exists() => {
            Err(io::Error::other("systemd does not run this machine"))
        }
        _ if pure => Ok(()),
        _ => {
            let own = work.join("cgroup");
            fs::create_dir(&own)?;
            mount("cgroup", &own, "tmpfs", "mode=755")?;
            for entry in fs::read_dir("/sys/fs/cgroup")? {
                let entry = entry?;
                let place = own.join(entry.file_name());
                if entry.file_type()?.is_symlink() {
                    symlink(fs::read_link(entry.path())?, &place)?;
                } else if view != View::V1 || entry.file_name() != "unified" {
                    fs::create_dir(&place)?;
                    bind(&entry.path(), &place)?;
                }
            }
            // The first ones are gone from this namespace, not only covered: runtimes read mountinfo(5).
            nix::mount::umount2("/sys/fs/cgroup", MntFlags::MNT_DETACH)?;
            bind(&own, Path::new("/sys/fs/cgroup"))?;
            Ok(nix::mount::umount2(&own, MntFlags::MNT_DETACH)?)
        }
    }
}

/// Mounts a new file system.
pub fn mount(source: &str, target: impl AsRef<Path>, kind: &str, data: &str) -> io::Result<()> {
    let none = MsFlags::empty();
    nix::mount::mount(Some(source), target.as_ref(), Some(kind), none, Some(data))
        .map_err(|errno| io::Error::other(format!("mount {}: {errno}", target.as_ref().display())))
}

/// Changes the propagation of a mount and of all below it.
pub fn private(path: &str) -> io::Result<()> {
    propagation(Path::new(path), MsFlags::MS_PRIVATE | MsFlags::MS_REC)
}

/// Sets the propagation of a mount.
pub fn propagation(path: &Path, flags: MsFlags) -> io::Result<()> {
    Ok(nix::mount::mount(
        None::<&str>,
        path,
        None::<&str>,
        flags,
        None::<&str>,
    )?)
}

/// Binds a folder or file onto another.
pub fn bind(source: &Path, target: &Path) -> io::Result<()> {
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    Ok(nix::mount::mount(
        Some(source),
        target,
        None::<&str>,
        flags,
        None::<&str>,
    )?)
}
