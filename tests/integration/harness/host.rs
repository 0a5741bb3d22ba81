//! What the host shows of a sandbox: mounts, control groups, processes, files. Compared before and after.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A snapshot; each entry is one line of text.
#[derive(Debug, Clone)]
pub struct HostState {
    entries: BTreeSet<String>,
    groups: Vec<PathBuf>,
}

impl HostState {
    /// Looks at everything that has `tag` in its name, at the state directory, and at a bundle's files.
    pub(crate) fn of(tag: &str, root: &Path, bundle: Option<&Path>) -> HostState {
        let mut entries = BTreeSet::new();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        for line in mounts.lines().filter(|line| line.contains(tag)) {
            entries.insert(format!("mount {line}"));
        }
        let mut groups = Vec::new();
        for mount in group_mounts(&mounts) {
            find_groups(&mount, tag, 0, &mut groups);
        }
        entries.extend(
            groups
                .iter()
                .map(|group| format!("cgroup {}", group.display())),
        );
        entries.extend(processes(tag));
        list_files(root, &mut entries);
        if let Some(bundle) = bundle {
            list_files(bundle, &mut entries);
        }
        HostState { entries, groups }
    }

    /// What is here and was not there before, or the other way round.
    pub fn difference(&self, before: &HostState) -> Vec<String> {
        let new = self
            .entries
            .difference(&before.entries)
            .map(|entry| format!("new: {entry}"));
        let gone = before
            .entries
            .difference(&self.entries)
            .map(|entry| format!("gone: {entry}"));
        new.chain(gone).collect()
    }

    /// Fails unless the host looks the same.
    #[track_caller]
    pub fn same_as(&self, before: &HostState) {
        let difference = self.difference(before);
        assert!(
            difference.is_empty(),
            "the host has changed: {difference:#?}"
        );
    }

    /// The control groups.
    pub fn groups(&self) -> &[PathBuf] {
        &self.groups
    }

    /// Removes control groups that a failed test has left, the innermost first.
    pub(crate) fn remove_groups(&self) {
        for group in self.groups.iter().rev() {
            let _ = fs::remove_dir(group);
        }
    }
}

/// Where control groups are mounted.
fn group_mounts(mountinfo: &str) -> Vec<PathBuf> {
    let target = |line: &str| -> Option<PathBuf> {
        let (front, back) = line.split_once(" - ")?;
        back.starts_with("cgroup")
            .then(|| front.split(' ').nth(4).map(PathBuf::from))?
    };
    mountinfo.lines().filter_map(target).collect()
}

/// All groups below `folder` whose path names the sandbox, parents before children.
fn find_groups(folder: &Path, tag: &str, depth: usize, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if depth < 8 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let path = entry.path();
            if path.to_string_lossy().contains(tag) {
                found.push(path.clone());
            }
            find_groups(&path, tag, depth + 1, found);
        }
    }
}

/// Processes that are in one of the sandbox's groups, have its name in their command line, or run one of its files.
/// Zombies are left out: they wait for their parent, which may be the test itself.
fn processes(tag: &str) -> Vec<String> {
    let own = std::process::id();
    let inodes: Vec<(u64, u64)> = fs::read_dir(std::env::temp_dir().join(tag))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| fs::metadata(entry.path().join("rootfs/bin/probe")).ok())
        .map(|metadata| (metadata.dev(), metadata.ino()))
        .collect();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let path = entry.path();
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let read = |name: &str| {
            String::from_utf8_lossy(&fs::read(path.join(name)).unwrap_or_default()).into_owned()
        };
        let dead = read("stat")
            .rsplit(") ")
            .next()
            .is_some_and(|rest| rest.starts_with(['Z', 'X']));
        let ours = || {
            let program =
                fs::metadata(path.join("exe")).map(|metadata| (metadata.dev(), metadata.ino()));
            read("cgroup").contains(tag)
                || read("cmdline").contains(tag)
                || program.is_ok_and(|program| inodes.contains(&program))
        };
        // With version 1 the kernel starts this one when a group becomes empty.
        let agent = read("cmdline").contains("/systemd-cgroups-agent\0");
        if pid != own && !dead && !agent && ours() {
            found.push(format!(
                "process {pid} {}",
                read("cmdline").replace('\0', " ")
            ));
        }
    }
    found
}

fn list_files(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if let Ok(metadata) = path.symlink_metadata() {
            let (mode, uid, size) = (metadata.mode(), metadata.uid(), metadata.size());
            let size = if metadata.is_dir() { 0 } else { size };
            found.insert(format!("file {} {mode:o} {uid} {size}", path.display()));
            if metadata.is_dir() {
                list_files(&path, found);
            }
        }
    }
}
