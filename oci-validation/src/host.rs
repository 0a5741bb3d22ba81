//! What the suite may not change: the machine's mounts, control groups and devices, compared before and after.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Begins the name of everything that the suite makes; the number of its process follows.
pub const TAG: &str = "validation";

/// Lines that describe the machine, sorted.
#[derive(Debug)]
pub struct HostState(BTreeSet<String>);

impl HostState {
    /// Looks at the machine now. Only control groups whose name has `tag` count: others come and go by themselves.
    pub fn now(tag: &str) -> HostState {
        let mut lines = BTreeSet::new();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        // Other programs mount as well: what counts is what has the suite's name in it, and what lies on the root.
        let own = mounts.lines().filter(|line| line.contains(tag));
        lines.extend(own.map(|line| format!("mount {line}")));
        let root = mounts
            .lines()
            .filter(|line| line.split(' ').nth(4) == Some("/"));
        lines.extend(root.map(|line| format!("mount {line}")));
        groups(Path::new("/sys/fs/cgroup"), tag, 0, &mut lines);
        for entry in fs::read_dir("/dev").into_iter().flatten().flatten() {
            if let Ok(data) = fs::symlink_metadata(entry.path()) {
                lines.insert(format!(
                    "device {} mode {:o} owner {}:{} number {}",
                    entry.path().display(),
                    data.mode(),
                    data.uid(),
                    data.gid(),
                    data.rdev()
                ));
            }
        }
        for file in [
            "/proc/sys/kernel/hostname",
            "/proc/sys/kernel/domainname",
            "/proc/net/dev",
        ] {
            let text = fs::read_to_string(file).unwrap_or_default();
            // Of the network devices only the names: the counters move.
            let names = text.lines().map(|line| match file {
                "/proc/net/dev" => line.split(':').next().unwrap_or_default(),
                _ => line,
            });
            lines.insert(format!("{file} {:?}", names.collect::<Vec<_>>()));
        }
        HostState(lines)
    }

    /// What is new or gone since.
    pub fn difference(&self, before: &HostState) -> Vec<String> {
        let new = self
            .0
            .difference(&before.0)
            .map(|line| format!("new: {line}"));
        let gone = before
            .0
            .difference(&self.0)
            .map(|line| format!("gone: {line}"));
        new.chain(gone).collect()
    }
}

fn groups(folder: &Path, tag: &str, depth: usize, lines: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        if entry.file_name().to_string_lossy().contains(tag) {
            lines.insert(format!("cgroup {}", entry.path().display()));
        } else if depth < 4 {
            groups(&entry.path(), tag, depth + 1, lines);
        }
    }
}

/// Removes control groups with the suite's name that nobody uses any more.
pub fn remove_groups(tag: &str) {
    let mut lines = BTreeSet::new();
    groups(Path::new("/sys/fs/cgroup"), tag, 0, &mut lines);
    for line in lines {
        if let Some(path) = line.strip_prefix("cgroup ") {
            remove_tree(Path::new(path));
        }
    }
}

fn remove_tree(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path());
        }
    }
    let _ = fs::remove_dir(folder);
}

/// Unmounts everything below a folder, in the private world of the tests.
pub fn detach_below(folder: &Path) {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    for mount in crate::tree::mounts(&text).iter().rev() {
        if Path::new(&mount.at).starts_with(folder) {
            let _ = nix::mount::umount2(mount.at.as_str(), nix::mount::MntFlags::MNT_DETACH);
        }
    }
}

/// Removes what a run has left whose process was killed: its folder and its control groups. All else ended with it.
pub fn remove_stale() {
    let all = fs::read_dir(std::env::temp_dir())
        .into_iter()
        .flatten()
        .flatten();
    for entry in all {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name
            .strip_prefix(TAG)
            .and_then(|rest| rest.parse::<u32>().ok());
        // Only an empty folder: a run that lives shows it so, too, but has its process.
        if process.is_some_and(|process| !Path::new(&format!("/proc/{process}")).exists()) {
            remove_groups(&name);
            let _ = fs::remove_dir(entry.path());
        }
    }
}
