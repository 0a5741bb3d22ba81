//! What must not change: a tree of files beside the containers, the device nodes, mounts, kernel parameters and the
//! runtime's own program. All of it is the private world's, so that a broken runtime harms no machine.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// What only files of the host contain.
pub(crate) const SECRET: &str = "canary-secret";

/// Parameters that runtimes were once made to write.
const PARAMETERS: [&str; 7] = [
    "kernel/core_pattern",
    "kernel/hostname",
    "kernel/modprobe",
    "kernel/sysrq",
    "fs/suid_dumpable",
    "net/ipv4/ip_forward",
    "net/ipv4/ip_default_ttl",
];

/// The tree, and how it looked.
pub(crate) struct Canary {
    pub(crate) path: PathBuf,
    program: PathBuf,
    before: BTreeSet<String>,
}

impl Canary {
    /// Makes the tree in this folder.
    pub(crate) fn new(work: &Path, program: &Path) -> io::Result<Canary> {
        let path = work.join("canary");
        let mut canary = Canary {
            path,
            program: program.to_owned(),
            before: BTreeSet::new(),
        };
        canary.restore()?;
        Ok(canary)
    }

    /// Makes it anew, after it was harmed.
    pub(crate) fn restore(&mut self) -> io::Result<()> {
        if let Err(error) = fs::remove_dir_all(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        fs::create_dir_all(self.path.join("folder/below"))?;
        for name in [
            "ptmx",
            "fd",
            "stdin",
            "stdout",
            "stderr",
            "core",
            "file",
            "null",
            "console",
            "folder/file",
            "folder/open",
            "folder/below/file",
        ] {
            fs::write(self.path.join(name), SECRET)?;
        }
        // The second can be held by nothing but its mount.
        for (name, mode) in [("file", 0o640), ("folder/open", 0o666)] {
            fs::set_permissions(self.path.join(name), fs::Permissions::from_mode(mode))?;
        }
        symlink("file", self.path.join("link"))?;
        fs::copy(
            self.path.with_file_name("bin/probe"),
            self.path.join("program"),
        )?;
        self.before = self.look();
        Ok(())
    }

    /// Files of the tree.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn look(&self) -> BTreeSet<String> {
        let mut lines = BTreeSet::new();
        tree(&self.path, &mut lines);
        tree(Path::new("/dev"), &mut lines);
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        // Number, place and type: the rest of a line may move.
        lines.extend(mounts.lines().map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            format!("mount {:?}", words.get(2..6))
        }));
        for name in PARAMETERS {
            let text = fs::read_to_string(format!("/proc/sys/{name}"));
            lines.insert(format!("parameter {name} {text:?}"));
        }
        lines.insert(describe(&self.program));
        lines
    }

    /// What is different.
    pub(crate) fn harm(&self) -> Vec<String> {
        let now = self.look();
        let new = now
            .difference(&self.before)
            .map(|line| format!("new: {line}"));
        let gone = self
            .before
            .difference(&now)
            .map(|line| format!("gone: {line}"));
        new.chain(gone).collect()
    }
}

fn tree(folder: &Path, lines: &mut BTreeSet<String>) {
    lines.insert(describe(folder));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        // Terminals come and go.
        if entry.path() == Path::new("/dev/pts") {
            continue;
        }
        match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            true => tree(&entry.path(), lines),
            false => drop(lines.insert(describe(&entry.path()))),
        }
    }
}

fn describe(path: &Path) -> String {
    let Ok(data) = fs::symlink_metadata(path) else {
        return format!("{} cannot be looked at", path.display());
    };
    let mut content = DefaultHasher::new();
    // Of large files the time of the last change tells enough. Times of nodes move when they are written.
    let time = match (data.is_file(), data.size() < 65_536) {
        (true, true) => {
            fs::read(path).unwrap_or_default().hash(&mut content);
            data.mtime_nsec()
        }
        (true, false) => data.ctime_nsec(),
        (false, _) => 0,
    };
    format!(
        "{} mode {:o} owner {}:{} inode {} number {} size {} time {time} content {:x} to {:?}",
        path.display(),
        data.mode(),
        data.uid(),
        data.gid(),
        data.ino(),
        data.rdev(),
        if data.is_dir() { 0 } else { data.size() },
        content.finish(),
        fs::read_link(path).ok()
    )
}
