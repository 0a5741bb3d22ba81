//! F1 to F6, F26: where a container's control group is, whose it is, and what update changes.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use serde_json::json;

use crate::case::Case;
use crate::cgroup::{self, Group};
use crate::container::Container;
use crate::row::{Row, may, must, should};
use crate::verdict::{Setup, Stop, Verdict, ensure, same, skip};

const CGROUPS: &str = "config-linux.md#control-groups";
const PATH: &str = "config-linux.md#cgroups-path";
const OWNER: &str = "config-linux.md#cgroup-ownership";

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    must("F1.busy", CGROUPS, "create in a group with a process in it is an error, or leaves that process alone", busy),
    must("F1.frozen", CGROUPS, "create in a frozen group is an error, or works: it does not hang", frozen),
    must("F2", PATH, "an absolute `cgroupsPath` is relative to the mount point of the hierarchies", |c| {
        let path = direct(c)?;
        let container = c.bundle().set("/linux/cgroupsPath", path.as_str()).create()?;
        for group in groups(&container) {
            ensure(group.path.ends_with(&path[1..]), || format!("the group is {}", group.path.display()))?;
        }
        Ok(())
    }),
    must("F3", PATH, "a relative `cgroupsPath` is the same place each time", |c| {
        let path = direct(c)?;
        let relative = path.trim_start_matches('/').to_owned();
        let places = || -> Verdict<Vec<PathBuf>> {
            let container = c.bundle().set("/linux/cgroupsPath", relative.as_str()).create()?;
            let all = groups(&container).into_iter().map(|group| group.path).collect();
            container.end()?;
            container.delete()?;
            Ok(all)
        };
        let first = places()?;
        let name = relative.rsplit('/').next().unwrap_or_default();
        ensure(first.iter().all(|path| path.display().to_string().contains(name)), || format!("{first:?}"))?;
        same("places", places()?, first)
    }),
    must("F4", PATH, "a `cgroupsPath` that leads out of the hierarchy is an error, or stays inside", |c| {
        let path = direct(c)?;
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        let result = c.bundle().set("/linux/cgroupsPath", format!("/../{name}")).create();
        let outside = PathBuf::from("/sys/fs/cgroup").join(&name);
        let found = !cgroup::pure_v2() && outside.exists();
        let _ = fs::remove_dir(&outside);
        ensure(!found, || format!("{} was made", outside.display()))?;
        match result {
            Err(Stop::Refused(_)) => Ok(()),
            Err(other) => Err(other),
            Ok(container) => {
                let all = groups(&container);
                ensure(all.iter().any(|group| group.path.ends_with(&name)), || format!("the groups are {all:?}"))
            }
        }
    }),
    must("F5", PATH, "groups that do not exist are made, and removed by delete", |c| {
        let container = c.bundle().create()?;
        let all = groups(&container);
        ensure(!all.is_empty(), || "the container is in no group of its own".to_owned())?;
        container.end()?;
        container.delete()?;
        for group in all {
            ensure(!group.path.exists(), || format!("{} is still there", group.path.display()))?;
        }
        Ok(())
    }),
    must("F5.unset", PATH, "without `cgroupsPath` the runtime chooses a place", |c| {
        let container = c.bundle().without("/linux/cgroupsPath").runs("echo seen").start()?;
        container.finish()?.is(&["seen"])?;
        container.delete()
    }),
    must("F5.parent", "runtime.md#delete", "delete does not remove a group that was there before", |c| {
        let path = direct(c)?;
        let (top, _) = cgroup::hierarchy("pids").or_else(|_| cgroup::hierarchy(""))?;
        let parent = top.join(&path[1..]);
        fs::create_dir_all(&parent).setup("make a control group")?;
        c.bundle().aid("/linux/cgroupsPath", format!("{path}/inner")).see("true")?;
        let there = parent.exists();
        let _ = fs::remove_dir(&parent);
        ensure(there, || "the parent was removed".to_owned())
    }),
    should("F6", OWNER, "with a new cgroup namespace and a writable cgroup mount the process's user owns its group", |c| {
        let group = delegated(c, true, &[])?;
        same("owner", owner(&group.path)?, 1000)
    }),
    should("F6.files", OWNER, "only the files that may be delegated change their owner", files),
    should("F6.readonly", OWNER, "with a read-only cgroup mount the group keeps its owner", |c| {
        same("owner", owner(&delegated(c, true, &["ro"])?.path)?, 0)
    }),
    should("F6.namespace", OWNER, "without a new cgroup namespace the group keeps its owner", |c| {
        same("owner", owner(&delegated(c, false, &[])?.path)?, 0)
    }),
    should("F6.v1", OWNER, "a group of version 1 keeps its owner", |c| {
        let (_, unified) = cgroup::hierarchy("pids")?;
        if unified {
            return skip("kernel: no control groups of version 1 in this view");
        }
        let mount = json!({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup"});
        let bundle = c.bundle().namespace("cgroup", None).push("/mounts", mount).aid("/process/user/uid", 1000);
        same("owner", owner(&cgroup::of(&bundle.create()?, "pids")?.path)?, 0)
    }),
    should("F6.mount", OWNER, "a mount of type cgroup shows the container's groups", |c| {
        let mount = json!({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro", "nosuid", "nodev", "noexec"]});
        let seen = c.bundle().namespace("cgroup", None).push("/mounts", mount).see("cat /proc/self/mountinfo")?;
        let below = crate::tree::mounts(&seen.text).into_iter().any(|mount| mount.at.starts_with("/sys/fs/cgroup") && mount.kind.starts_with("cgroup"));
        ensure(below, || "nothing is mounted there".to_owned())
    }),
    may("F26", "config-linux.md#control-groups", "update changes a limit of a running container", |c| {
        let container = c.bundle().set("/linux/resources/pids/limit", 30).runs("sleep 60").start()?;
        let group = cgroup::of(&container, "pids")?;
        same("pids.max", group.read("pids.max")?.as_str(), "30")?;
        update(c, &container, &json!({"pids": {"limit": 20}}))?;
        same("pids.max", group.read("pids.max")?.as_str(), "20")
    }),
    may("F26.keep", "config-linux.md#control-groups", "update leaves alone what it is not told", |c| {
        let container = c.bundle().set("/linux/resources/pids/limit", 30).runs("sleep 60").start()?;
        let group = cgroup::of(&container, "pids")?;
        update(c, &container, &json!({"cpu": {"shares": 500}}))?;
        same("pids.max", group.read("pids.max")?.as_str(), "30")
    }),
];

/// Calls update; an error there is the runtime's refusal.
pub(crate) fn update(c: &Case, container: &Container, resources: &serde_json::Value) -> Verdict {
    let file = c.file("resources.json", &resources.to_string())?;
    let output = container.call(&["update", "--resources", &file.display().to_string()], &[])?;
    match output.ok() {
        true => Ok(()),
        false => Err(Stop::Refused(format!("update: {}", output.said()))),
    }
}

/// A path of a group, where groups are not systemd's.
fn direct(c: &Case) -> Verdict<String> {
    match c.runtime.systemd {
        true => skip("view: paths are systemd's"),
        false => Ok(c.group()),
    }
}

/// The container's own groups in the hierarchies of this machine.
fn groups(container: &Container) -> Vec<Group> {
    let names = ["pids", "memory", "cpu", "devices", "freezer"];
    let all = names
        .iter()
        .filter_map(|name| cgroup::of(container, name).ok());
    let mut all: Vec<Group> = all.collect();
    if all.is_empty() {
        all.extend(cgroup::of(container, ""));
    }
    all.retain(|group| group.path.display().to_string().contains("validation"));
    all
}

fn busy(c: &Case) -> Verdict {
    let path = direct(c)?;
    let first = c
        .bundle()
        .aid("/linux/cgroupsPath", path.as_str())
        .runs("sleep 60")
        .start()?;
    let second = c.bundle().aid("/linux/cgroupsPath", path.as_str()).create();
    if let Ok(second) = second {
        second.end()?;
        second.delete()?;
    }
    same("status of the first", first.status()?.as_str(), "running")?;
    ensure(
        groups(&first).iter().all(|group| group.path.exists()),
        || "its group is gone".to_owned(),
    )
}

fn frozen(c: &Case) -> Verdict {
    let path = direct(c)?;
    let (top, unified) = cgroup::hierarchy("freezer").or_else(|_| cgroup::hierarchy(""))?;
    let group = top.join(&path[1..]);
    let (file, on, off) = match unified {
        true => ("cgroup.freeze", "1", "0"),
        false => ("freezer.state", "FROZEN", "THAWED"),
    };
    fs::create_dir_all(&group).setup("make a control group")?;
    fs::write(group.join(file), on).setup("freeze it")?;
    let result = c.bundle().aid("/linux/cgroupsPath", path).create();
    let _ = fs::write(group.join(file), off);
    match result {
        Err(Stop::Refused(_)) => Ok(()),
        Err(other) => Err(other),
        Ok(container) => container.start(),
    }
}

fn owner(path: &std::path::Path) -> Verdict<u32> {
    Ok(fs::metadata(path).setup("look at a control group")?.uid())
}

/// The group of version 2 of a container whose user is 1000, with a cgroup mount.
fn delegated(c: &Case, namespace: bool, options: &[&str]) -> Verdict<Group> {
    cgroup::hierarchy("")?;
    if !cgroup::pure_v2() {
        return skip("kernel: control groups of version 1 are in use, which are not delegated");
    }
    let mount = json!({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": options});
    let mut bundle = c
        .bundle()
        .set("/process/user/uid", 1000)
        .push("/mounts", mount);
    if namespace {
        bundle = bundle.namespace("cgroup", None);
    }
    let container = bundle.create()?;
    let group = cgroup::of(&container, "")?;
    Ok(group)
}

fn files(c: &Case) -> Verdict {
    let group = delegated(c, true, &[])?;
    let list = fs::read_to_string("/sys/kernel/cgroup/delegate");
    let list = list
        .unwrap_or_else(|_| "cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n".to_owned());
    for entry in fs::read_dir(&group.path).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let wanted = if list.lines().any(|line| line == name) {
            1000
        } else {
            0
        };
        same(&name, owner(&entry.path())?, wanted)?;
    }
    Ok(())
}
