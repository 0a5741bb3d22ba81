//! What a bug report has to say about the kernel, the host and the caller: facts, each with the reason for it.
#![allow(
    clippy::disallowed_methods,
    reason = "told to people and never acted on: what cannot be seen is unknown here"
)]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cgroups::Version;
use kernel::file;
use serde::{Serialize, Serializer};

use super::HostFacts;
use crate::Error;
use init::step::capability_names;

/// The oldest kernel that is supported.
const OLDEST: (u32, u32) = (5, 14);

/// One fact.
#[derive(Clone, Debug, Serialize)]
pub struct Fact {
    /// Whom it is about: `kernel`, `host`, `cgroups` or `caller`.
    #[serde(skip)]
    pub topic: &'static str,
    /// What it is about.
    #[serde(skip)]
    pub name: &'static str,
    /// What is so.
    pub value: Value,
    /// Why it is so, or where it was seen; may be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// What is so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// It could not be found out.
    Unknown,
    /// Yes or no.
    Is(bool),
    /// A number.
    Number(u64),
    /// A word or a sentence.
    Text(String),
    /// Several.
    List(Vec<String>),
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Unknown => serializer.serialize_none(),
            Value::Is(yes) => serializer.serialize_bool(*yes),
            Value::Number(number) => serializer.serialize_u64(*number),
            Value::Text(text) => serializer.serialize_str(text),
            Value::List(list) => list.serialize(serializer),
        }
    }
}

impl From<bool> for Value {
    fn from(yes: bool) -> Value {
        Value::Is(yes)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Value {
        Value::Number(number.into())
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Value {
        text.map_or(Value::Unknown, Value::Text)
    }
}

impl From<Vec<String>> for Value {
    fn from(list: Vec<String>) -> Value {
        Value::List(list)
    }
}

/// Looks at everything. Nothing is changed; what may not be looked at is unknown. Programs are searched in `search`, a list
/// as in `$PATH`.
///
/// # Errors
/// A look that every container needs failed: there is no telling then.
pub fn info(search: &OsStr) -> Result<Vec<Fact>, Error> {
    let facts = HostFacts::probe()?;
    let mut report = Listing {
        topic: "kernel",
        found: Vec::new(),
    };
    kernel(&mut report);
    report.topic = "host";
    host(&facts, search, &mut report);
    report.topic = "cgroups";
    control_groups(&facts, &mut report);
    report.topic = "caller";
    caller(&facts, search, &mut report);
    Ok(report.found)
}

struct Listing {
    topic: &'static str,
    found: Vec<Fact>,
}

impl Listing {
    fn say(&mut self, name: &'static str, value: impl Into<Value>, why: impl Into<String>) {
        self.found.push(Fact {
            topic: self.topic,
            name,
            value: value.into(),
            why: why.into(),
        });
    }
}

fn kernel(report: &mut Listing) {
    let release = read("/proc/sys/kernel/osrelease");
    let numbers = release.as_deref().and_then(version_of);
    let why = match numbers {
        Some(numbers) if numbers < OLDEST => {
            format!("older than {}.{}: not supported", OLDEST.0, OLDEST.1)
        }
        _ => String::new(),
    };
    report.say("release", release, why);
    report.say("version", read("/proc/sys/kernel/version"), "");
    report.say(
        "architecture",
        Value::Text(std::env::consts::ARCH.into()),
        "",
    );
    let actions = read("/proc/sys/kernel/seccomp/actions_avail").map(|text| words(&text));
    let value = actions.map_or(Value::Unknown, Value::List);
    report.say(
        "filter actions",
        value,
        "/proc/sys/kernel/seccomp/actions_avail",
    );
    let (value, why) = match read("/proc/sys/vm/memfd_noexec").as_deref() {
        None => (Value::Is(true), "no vm.memfd_noexec: before Linux 6.3"),
        Some("2") => (
            Value::Is(false),
            "vm.memfd_noexec is 2: init cannot be started",
        ),
        Some(_) => (Value::Is(true), "vm.memfd_noexec"),
    };
    report.say("executable memory files", value, why);
    let (value, why) = identity();
    report.say("processes told apart by", value, why);
}

/// By what a process is recognized later; see [`crate::Record`].
fn identity() -> (Value, &'static str) {
    const PIDFS_MAGIC: u64 = 0x5049_4446;
    let kind = kernel::process::open(kernel::process::id())
        .and_then(|own| kernel::file::filesystem(own.borrow()));
    match kind {
        Ok(found) if found.kind == PIDFS_MAGIC => {
            (Value::Text("the pidfd's inode".into()), "pidfs")
        }
        Ok(_) => (
            Value::Text("the start time".into()),
            "no pidfs: before Linux 6.9",
        ),
        Err(_) => (Value::Unknown, "pidfd_open(2) fails"),
    }
}

fn host(facts: &HostFacts, search: &OsStr, report: &mut Listing) {
    let modules = read("/sys/kernel/security/lsm");
    let why = match modules {
        Some(_) => "/sys/kernel/security/lsm",
        None => "securityfs is not mounted",
    };
    let modules = modules.map(|text| text.split(',').map(str::to_owned).collect::<Vec<_>>());
    report.say(
        "security modules",
        modules.map_or(Value::Unknown, Value::List),
        why,
    );
    report.say(
        "AppArmor",
        facts.apparmor,
        "/sys/module/apparmor/parameters/enabled",
    );
    report.say("SELinux", facts.selinux, "/sys/fs/selinux/enforce");
    let systemd = Path::new("/run/systemd/system").is_dir();
    report.say("systemd", systemd, "/run/systemd/system, see sd_booted(3)");
    let (users, why) = user_namespaces();
    report.say("user namespaces for all", users, why);
    program(report, "criu", search, "needed by checkpoint and restore");
}

/// Whether a caller without privileges may make a user namespace.
fn user_namespaces() -> (Value, &'static str) {
    let is = |path: &str, value: &str| read(path).is_some_and(|text| text == value);
    if is("/proc/sys/user/max_user_namespaces", "0") {
        (Value::Is(false), "user.max_user_namespaces is 0")
    } else if is("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        (Value::Is(false), "kernel.unprivileged_userns_clone is 0")
    } else if is(
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
    ) {
        (
            Value::Is(false),
            "kernel.apparmor_restrict_unprivileged_userns is 1",
        )
    } else if Path::new("/proc/self/ns/user").exists() {
        (Value::Is(true), "no parameter of the kernel forbids it")
    } else {
        (Value::Is(false), "the kernel has none")
    }
}

fn control_groups(facts: &HostFacts, report: &mut Listing) {
    let host = match cgroups::Host::probe() {
        Ok(host) => host,
        Err(error) => return report.say("version", Value::Unknown, error.to_string()),
    };
    let (version, why) = match host.version() {
        Version::V1 => ("1", "each controller has a hierarchy"),
        Version::V2 => ("2", "cgroup2 is mounted at /sys/fs/cgroup"),
        Version::Hybrid => (
            "1 and 2",
            "hierarchies of version 1, and one of 2 beside them",
        ),
    };
    report.say("version", Value::Text(version.into()), why);
    let mounts = host.hierarchies().iter().map(|hierarchy| {
        let controllers = match hierarchy.is_unified() {
            true => "unified".to_owned(),
            false => hierarchy.controllers.join(","),
        };
        format!("{controllers} at {}", hierarchy.mount.display())
    });
    report.say("hierarchies", mounts.collect::<Vec<_>>(), "");
    let own = read("/proc/self/cgroup").map(|text| text.lines().map(str::to_owned).collect());
    report.say(
        "caller is in",
        own.map_or(Value::Unknown, Value::List),
        "/proc/self/cgroup",
    );
    let Some(unified) = host.hierarchies().iter().find(|one| one.is_unified()) else {
        return;
    };
    let list = |directory: &Path| {
        read(directory.join("cgroup.controllers")).map_or(Value::Unknown, |t| words(&t).into())
    };
    report.say("controllers of version 2", list(&unified.mount), "");
    if facts.rootless() && host.version() == Version::V2 {
        // A container's cgroup is made in the one above the caller's.
        let membership = read("/proc/self/cgroup").unwrap_or_default();
        let own = membership
            .lines()
            .find_map(|line| line.strip_prefix("0::/"));
        let own = unified.mount.join(own.unwrap_or_default());
        let parent = own.parent().filter(|one| one.starts_with(&unified.mount));
        let parent = parent.unwrap_or(&unified.mount);
        let may = may_write(parent);
        report.say(
            "delegated",
            may,
            format!("write access to {}", parent.display()),
        );
        let value = if may {
            list(parent)
        } else {
            Value::List(Vec::new())
        };
        report.say("delegated controllers", value, "");
    }
}

fn caller(facts: &HostFacts, search: &OsStr, report: &mut Listing) {
    report.say("user", facts.uid, "effective");
    report.say("group", facts.gid, "effective");
    let why = match (facts.privileged, facts.initial_user_namespace) {
        (true, true) => "CAP_SYS_ADMIN in the initial user namespace",
        (true, false) => "in a user namespace of somebody's own",
        (false, _) => "no CAP_SYS_ADMIN",
    };
    report.say("rootless", facts.rootless(), why);
    let map = read("/proc/self/uid_map").map(|text| {
        let lines = text.lines();
        lines.map(|line| words(line).join(" ")).collect()
    });
    report.say(
        "user id map",
        map.map_or(Value::Unknown, Value::List),
        "/proc/self/uid_map",
    );
    let names = capability_names().iter().enumerate();
    let held: Vec<String> = names
        .filter(|(number, _)| facts.capabilities >> number & 1 == 1)
        .map(|(_, name)| (*name).to_owned())
        .collect();
    let lacking: Vec<&str> = capability_names()
        .iter()
        .enumerate()
        .filter(|(number, _)| facts.capabilities >> number & 1 == 0)
        .map(|(_, name)| *name)
        .collect();
    match (lacking.is_empty(), held.is_empty()) {
        (true, _) => report.say("capabilities", Value::Text("all".into()), ""),
        (_, true) => report.say("capabilities", Value::Text("none".into()), ""),
        _ => report.say(
            "capabilities",
            held,
            format!("without {}", lacking.join(", ")),
        ),
    }
    let copies = match facts.copies_mounts {
        true => "the mount namespace is one of the caller's user namespace",
        false => {
            "the mount namespace is one of another user namespace, or CAP_SYS_ADMIN is missing"
        }
    };
    report.say("copies mounts", facts.copies_mounts, copies);
    report.say(
        "setgroups denied",
        facts.denies_groups,
        "/proc/self/setgroups",
    );
    let filtered = read("/proc/self/status").and_then(|text| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("Seccomp:"))?;
        Some(line.trim() != "0")
    });
    let filtered = filtered.map_or(Value::Unknown, Value::Is);
    report.say("behind a filter", filtered, "/proc/self/status");
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = name_of(&accounts, kernel::identity::user());
    for (title, file) in [
        ("subordinate users", "/etc/subuid"),
        ("subordinate groups", "/etc/subgid"),
    ] {
        let text = fs::read_to_string(file).unwrap_or_default();
        report.say(title, ranges(&text, name, facts.uid), file);
    }
    program(report, "newuidmap", search, "maps subordinate users");
    program(report, "newgidmap", search, "maps subordinate groups");
}

/// The name of a user in the form of passwd(5).
fn name_of(accounts: &str, uid: u32) -> Option<&str> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

fn may_write(directory: &Path) -> bool {
    const W_OK: u32 = 2;
    let name = std::ffi::CString::new(directory.as_os_str().as_encoded_bytes());
    name.is_ok_and(|name| {
        file::open_at(file::HERE, &name, file::open::PATH, 0)
            .and_then(|directory| file::accessible(directory.borrow(), W_OK))
            .is_ok()
    })
}

/// Ranges of ids in the form of subuid(5) that belong to a user, by name or number: `first+count`.
fn ranges(text: &str, name: Option<&str>, uid: u32) -> Vec<String> {
    let number = uid.to_string();
    text.lines()
        .filter_map(|line| {
            let mut fields = line.trim().split(':');
            let owner = fields.next()?;
            (Some(owner) == name || owner == number).then_some(())?;
            Some(format!("{}+{}", fields.next()?, fields.next()?))
        })
        .collect()
}

/// Where a program is, by the name that is its title.
fn program(report: &mut Listing, name: &'static str, search: &OsStr, purpose: &str) {
    let found = std::env::split_paths(search)
        .map(|directory: PathBuf| directory.join(name))
        .find(|path| {
            fs::metadata(path).is_ok_and(|data| data.is_file() && data.mode() & 0o111 != 0)
        });
    match found {
        Some(path) => report.say(name, Value::Text(path.display().to_string()), purpose),
        None => report.say(name, false, format!("not in $PATH; {purpose}")),
    }
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned())
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// The first two numbers of a kernel's release.
fn version_of(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing {
    //! Ways in for [`crate::fuzzing`].

    /// passwd(5), subuid(5), and the kernel's release.
    pub(crate) fn files_for_people(text: &str) {
        let name = super::name_of(text, 0);
        let _ = (super::ranges(text, name, 0), super::version_of(text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_can_be_described() {
        let facts = info(OsStr::new("/bin:/usr/bin")).unwrap();
        for topic in ["kernel", "host", "cgroups", "caller"] {
            assert!(facts.iter().any(|fact| fact.topic == topic), "{topic}");
        }
        let mut names: Vec<_> = facts.iter().map(|fact| (fact.topic, fact.name)).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count, "a name stands for two facts");
        let uid = facts
            .iter()
            .find(|fact| fact.name == "user")
            .map(|fact| &fact.value);
        let own = kernel::identity::effective_user();
        assert_eq!(uid, Some(&Value::Number(own.into())));
    }

    #[test]
    fn users_have_names() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\nbroken\nbob:x:1000:1000::/:\n";
        assert_eq!(name_of(accounts, 1000), Some("bob"));
        assert_eq!(name_of(accounts, 7), None);
    }

    #[test]
    fn ranges_are_found_by_name_and_number() {
        let text = "bob:100000:65536\n# bob\nalice:200000:1\n7:300000:2\nbob:1\nbob:400000:3\n";
        assert_eq!(ranges(text, Some("bob"), 1), ["100000+65536", "400000+3"]);
        assert_eq!(ranges(text, None, 7), ["300000+2"]);
        assert_eq!(ranges(text, None, 8), Vec::<String>::new());
    }

    #[test]
    fn releases_begin_with_two_numbers() {
        assert_eq!(version_of("6.18.0-rc1"), Some((6, 18)));
        assert_eq!(version_of("5.4"), Some((5, 4)));
        assert_eq!(version_of("six"), None);
        assert!(version_of("5.4").unwrap_or_default() < OLDEST);
    }
}
