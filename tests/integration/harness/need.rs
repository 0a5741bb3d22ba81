//! What a test needs of the machine; a test that does not find it is skipped with a reason.

use std::fs;
use std::path::Path;

use crate::skip;

/// Ids of an ordinary user that root may run the runtime as: `tare-test` when there is one, else `nobody`.
pub fn ordinary_user() -> (u32, u32) {
    if fs::read_to_string("/proc/sys/user/max_user_namespaces").is_ok_and(|text| text.trim() == "0")
    {
        skip!("user namespaces are switched off");
    }
    let user = nix::unistd::User::from_name("tare-test").ok().flatten();
    user.map_or((65534, 65534), |user| {
        (user.uid.as_raw(), user.gid.as_raw())
    })
}

/// A guest, in which a test may leave behind what others make.
pub fn guest() {
    if std::env::var_os("TARE_TEST_GUEST").is_none() {
        skip!("only in a guest (cargo xtask lab)");
    }
}

/// A program in one of the usual places.
pub fn program(name: &str) -> String {
    let folders = ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin"];
    let found = folders
        .iter()
        .map(|folder| format!("{folder}/{name}"))
        .find(|path| Path::new(path).exists());
    found.unwrap_or_else(|| skip!("{name} is not installed"))
}

/// The same with all its options: not busybox's.
pub fn whole_program(name: &str) -> String {
    let path = program(name);
    if fs::canonicalize(&path).is_ok_and(|real| real.ends_with("busybox")) {
        skip!("{name} is only busybox's");
    }
    path
}

/// criu(8), where it works with the kernel.
pub fn criu() {
    let output = std::process::Command::new(program("criu"))
        .arg("check")
        .output()
        .expect("criu");
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let first = said.lines().next().unwrap_or_default();
        skip!("criu does not work with this kernel: {first}");
    }
    cgroups();
}

/// A file or directory.
pub fn file(path: &str) {
    if !Path::new(path).exists() {
        skip!("{path} is missing");
    }
}

/// An effective capability of the tests, by number.
pub fn capability(number: u32, name: &str) {
    if !has_capability(number) {
        skip!("{name} is missing");
    }
}

/// Whether the tests have a capability.
pub fn has_capability(number: u32) -> bool {
    let (effective, _, _) = kernel::identity::capabilities().unwrap_or_default();
    effective & (1 << number) != 0
}

/// cgroup version 2 at /sys/fs/cgroup.
pub fn unified_cgroups() {
    if !is_unified() {
        skip!("the control groups here are not version 2 alone");
    }
}

/// Whether only cgroup version 2 is mounted.
pub fn is_unified() -> bool {
    Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
}

/// Control groups that the caller can make.
pub fn cgroups() {
    let any = is_unified()
        || Path::new("/sys/fs/cgroup/pids").exists()
        || Path::new("/sys/fs/cgroup/unified").exists();
    if !any {
        skip!("no control groups are mounted");
    }
}

/// Whether there is a controller, by its v1 name, which is that of v2 for the most used ones.
pub fn has_controller(name: &str) -> bool {
    let list = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
    list.split_whitespace().any(|controller| controller == name)
        || Path::new("/sys/fs/cgroup")
            .join(name)
            .join("tasks")
            .exists()
}

/// A kernel at least this new.
pub fn kernel(major: u32, minor: u32) {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release
        .split(['.', '-'])
        .map(|part| part.parse::<u32>().unwrap_or(0));
    if (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < (major, minor) {
        skip!(
            "Linux {major}.{minor} is needed, this is {}",
            release.trim()
        );
    }
}
