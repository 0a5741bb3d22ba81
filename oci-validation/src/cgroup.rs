//! A container's control groups, as the kernel tells: /proc/PID/cgroup and the files there.

use std::fs;
use std::path::PathBuf;

use crate::container::Container;
use crate::tree::mounts;
use crate::verdict::{Verdict, fail, skip};

/// A group in one hierarchy.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// Whether the hierarchy is version 2.
    pub(crate) unified: bool,
    /// Its folder.
    pub(crate) path: PathBuf,
}

impl Group {
    /// A file's text, without blanks around it.
    pub(crate) fn read(&self, name: &str) -> Verdict<String> {
        let path = self.path.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(error) => fail(format!("{}: {error}", path.display())),
        }
    }

    /// Whether the kernel has a file in it.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.path.join(name).exists()
    }
}

/// Where a controller's hierarchy is mounted, and whether it is version 2. Not applicable where this view has none.
pub(crate) fn hierarchy(controller: &str) -> Verdict<(PathBuf, bool)> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut unified = None;
    for mount in mounts(&text) {
        match mount.kind.as_str() {
            "cgroup" if mount.data_has(controller) => return Ok((mount.at.into(), false)),
            "cgroup2" => unified = Some(PathBuf::from(mount.at)),
            _ => {}
        }
    }
    if let Some(path) = unified {
        let list = fs::read_to_string(path.join("cgroup.controllers")).unwrap_or_default();
        if controller.is_empty() || list.split_whitespace().any(|one| one == controller) {
            return Ok((path, true));
        }
    }
    skip(match controller {
        "" => "kernel: no control groups of version 2 in this view".to_owned(),
        _ => format!("kernel: no cgroup controller {controller} in this view"),
    })
}

/// The group of a container's process in the hierarchy of a controller; of version 2 itself for an empty name.
pub(crate) fn of(container: &Container, controller: &str) -> Verdict<Group> {
    let (top, unified) = hierarchy(controller)?;
    let text = container.proc("cgroup")?;
    let line = text.lines().find_map(|line| {
        let mut words = line.splitn(3, ':');
        let (number, names, path) = (words.next()?, words.next()?, words.next()?);
        let fits = match unified {
            true => number == "0",
            false => names.split(',').any(|name| name == controller),
        };
        fits.then(|| path.to_owned())
    });
    match line {
        Some(path) => Ok(Group {
            unified,
            path: top.join(path.trim_start_matches('/')),
        }),
        None => fail(format!("the container is in no group of {controller:?}")),
    }
}

/// Whether control groups of version 2 alone are to be seen.
pub(crate) fn pure_v2() -> bool {
    PathBuf::from("/sys/fs/cgroup/cgroup.controllers").exists()
}
