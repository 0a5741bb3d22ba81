//! What is legal and unwise: doors from the container to the host that few mean to leave open.

use std::path::Path;

use kernel::namespace::flags::NEWUSER;
use spec::{ConfigPath, Mount, Spec};

use crate::host::HostFacts;
use crate::plan::{Namespaces, capability_number, is_bind};

/// What engines give a container that asks for nothing.
const USUAL_CAPABILITIES: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Files of procfs and sysfs that tell about the host, or its other users; engines hide them.
const USUALLY_MASKED: [&str; 10] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// Files of procfs by which root changes the host; engines make them read-only.
const USUALLY_READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// Who writes to one of these, or below, is as good as root on the host.
const OF_THE_SYSTEM: [&str; 14] = [
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib64",
    "/opt",
    "/proc",
    "/root",
    "/sbin",
    "/sys",
    "/usr",
    "/var/lib",
    "/var/spool",
];

/// Sockets by which one starts containers of any kind.
const CONTROL_SOCKETS: [&str; 5] = [
    "containerd.sock",
    "crio.sock",
    "docker.sock",
    "podman.sock",
    "buildkitd.sock",
];

/// Device files and such that bind mounts of engines show in every container.
const HARMLESS: [&str; 9] = [
    "/dev/console",
    "/dev/full",
    "/dev/null",
    "/dev/ptmx",
    "/dev/random",
    "/dev/shm",
    "/dev/tty",
    "/dev/urandom",
    "/dev/zero",
];

/// All advice, by field.
pub(super) fn advice(spec: &Spec<'_>, host: &HostFacts) -> Vec<(ConfigPath, String)> {
    let mut found = Vec::new();
    let mut say = |at: ConfigPath, text: String| found.push((at, text));
    mounts(spec, &mut say);
    paths(spec, host, &mut say);
    capabilities(spec, &mut say);
    let linux = spec.linux.as_ref();
    if linux.is_none_or(|linux| linux.seccomp.is_none()) {
        let text = "no system call filter: every call of the kernel is within reach";
        say(ConfigPath::of("linux.seccomp"), text.to_owned());
    }
    for (name, why) in [
        ("pid", "its root sees and signals the host's processes"),
        (
            "network",
            "it has the host's network, with the abstract sockets of its services",
        ),
        ("ipc", "it has the host's shared memory and message queues"),
    ] {
        if linux.is_none_or(|linux| linux.namespaces.iter().all(|one| one.kind != name)) {
            say(
                ConfigPath::of("linux.namespaces"),
                format!("no {name} namespace: {why}"),
            );
        }
    }
    let rules = linux.and_then(|linux| linux.resources.as_ref());
    let rules = rules.map_or(&[][..], |resources| &resources.devices);
    // The last rule about a device counts.
    if let Some(index) = rules.iter().rposition(is_about_all)
        && rules[index].allow
    {
        let at = ConfigPath::of("linux.resources.devices").index(index);
        say(at, "every device of the host may be used".to_owned());
    }
    found
}

fn is_about_all(rule: &spec::DeviceRule<'_>) -> bool {
    matches!(rule.kind.as_deref(), None | Some("" | "a"))
        && rule.major.is_none_or(|number| number == -1)
        && rule.minor.is_none_or(|number| number == -1)
}

fn mounts(spec: &Spec<'_>, say: &mut impl FnMut(ConfigPath, String)) {
    for (index, mount) in spec.mounts.iter().enumerate() {
        let source = mount.source.as_deref().unwrap_or_default();
        if !is_bind(mount) || !source.starts_with('/') {
            continue;
        }
        let at = ConfigPath::of("mounts").index(index).then("source");
        let path = Path::new(source);
        let control = path.file_name().and_then(|name| name.to_str());
        if control.is_some_and(|name| CONTROL_SOCKETS.contains(&name)) {
            say(
                at,
                format!("{source}: who reaches this socket is root on the host"),
            );
        } else if is_writable(mount) && !HARMLESS.contains(&source) {
            if path == Path::new("/") {
                say(
                    at,
                    "the host's whole file system can be written to".to_owned(),
                );
            } else if OF_THE_SYSTEM.iter().any(|system| path.starts_with(system)) {
                say(
                    at,
                    format!("{source}: a part of the host's system can be written to"),
                );
            }
        }
    }
}

fn is_writable(mount: &Mount<'_>) -> bool {
    let last = mount
        .options
        .iter()
        .rev()
        .find(|word| matches!(word.as_str(), "ro" | "rw" | "rro" | "rrw"));
    !last.is_some_and(|word| matches!(word.as_str(), "ro" | "rro"))
}

/// The kernel's own files: which of those that engines hide or protect are open.
fn paths(spec: &Spec<'_>, host: &HostFacts, say: &mut impl FnMut(ConfigPath, String)) {
    let mounted = |path: &str| {
        spec.mounts.iter().find(|mount| {
            let destination = mount.destination.trim_end_matches('/');
            matches!(destination, "/proc" | "/sys") && path.starts_with(destination)
        })
    };
    let open = |usual: &[&'static str], listed: &[spec::Text<'_>]| -> Vec<&'static str> {
        let shown = usual.iter().copied().filter(|path| {
            mounted(path).is_some()
                && Path::new(path).exists()
                && !listed
                    .iter()
                    .any(|one| Path::new(path).starts_with(one.as_str()))
        });
        shown.collect()
    };
    let none = Vec::new();
    let linux = spec.linux.as_ref();
    let masked = linux.map_or(&none, |linux| &linux.masked_paths);
    let read_only = linux.map_or(&none, |linux| &linux.readonly_paths);
    let shown = open(&USUALLY_MASKED, masked);
    if !shown.is_empty() {
        let text = format!(
            "not masked, though it tells of the host: {}",
            shown.join(", ")
        );
        say(ConfigPath::of("linux.maskedPaths"), text);
    }
    // Root of another user namespace has no say there.
    let (requested, _) = Namespaces::validated(spec, host);
    let own_users = requested.all() & NEWUSER != 0;
    let mut writable = open(&USUALLY_READ_ONLY, read_only);
    writable.retain(|path| {
        !masked
            .iter()
            .any(|one| Path::new(path).starts_with(one.as_str()))
            && mounted(path).is_some_and(is_writable)
    });
    if !own_users && !writable.is_empty() {
        let text = format!(
            "not read-only, though it changes the host: {}",
            writable.join(", ")
        );
        say(ConfigPath::of("linux.readonlyPaths"), text);
    }
}

fn capabilities(spec: &Spec<'_>, say: &mut impl FnMut(ConfigPath, String)) {
    let given = spec
        .process
        .as_ref()
        .and_then(|process| process.capabilities.as_ref());
    let Some(given) = given else { return };
    let mut more: Vec<&str> = Vec::new();
    for name in &given.bounding {
        let bare = name.strip_prefix("CAP_").unwrap_or(name);
        if !USUAL_CAPABILITIES.contains(&bare) && capability_number(name).is_some() {
            more.push(name);
        }
    }
    if !more.is_empty() {
        let text = format!("more than engines give: {}", more.join(" "));
        say(ConfigPath::of("process.capabilities.bounding"), text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(config: &str) -> Vec<String> {
        let spec = Spec::parse(config).expect("a config");
        let found = advice(&spec, &HostFacts::default());
        found
            .iter()
            .map(|(at, text)| format!("{at}: {text}"))
            .collect()
    }

    fn says(config: &str, at: &str, text: &str) -> bool {
        let found = fields(config);
        found
            .iter()
            .any(|line| line.starts_with(&format!("{at}: ")) && line.contains(text))
    }

    #[test]
    fn doors_to_the_host_are_named() {
        let mounts = r#"{"mounts": [
            {"destination": "/a", "source": "/", "options": ["rbind"]},
            {"destination": "/b", "source": "/etc/ssh", "options": ["bind", "rw"]},
            {"destination": "/c", "source": "/etc/ssh", "options": ["bind", "ro"]},
            {"destination": "/d", "source": "/srv/data", "options": ["bind"]},
            {"destination": "/e", "source": "/run/docker.sock", "options": ["bind", "ro"]},
            {"destination": "/proc", "type": "proc"}]}"#;
        for (at, text, expected) in [
            ("mounts[0].source", "whole file system", true),
            ("mounts[1].source", "/etc/ssh", true),
            ("mounts[2].source", "", false),
            ("mounts[3].source", "", false),
            ("mounts[4].source", "root on the host", true),
            ("linux.maskedPaths", "/proc/keys", true),
            ("linux.readonlyPaths", "/proc/sys", true),
            ("linux.seccomp", "no system call filter", true),
            ("linux.namespaces", "no pid namespace", true),
        ] {
            assert_eq!(
                says(mounts, at, text),
                expected,
                "{at} {:#?}",
                fields(mounts)
            );
        }
    }

    #[test]
    fn what_engines_do_anyway_is_not_worth_a_word() {
        let config = r#"{"mounts": [{"destination": "/proc", "type": "proc"}],
            "process": {"user": {"uid": 0, "gid": 0}, "capabilities": {"bounding": ["CAP_CHOWN", "CAP_KILL"]}},
            "linux": {
                "namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}],
                "maskedPaths": ["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                    "/proc/sched_debug", "/proc/scsi", "/proc/timer_list"],
                "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
                "resources": {"devices": [{"allow": true}, {"allow": false, "type": "a"}]},
                "seccomp": {"defaultAction": "SCMP_ACT_ERRNO"}}}"#;
        assert_eq!(fields(config), Vec::<String>::new());
        let more = config.replace("CAP_KILL", "CAP_SYS_ADMIN");
        assert!(says(
            &more,
            "process.capabilities.bounding",
            "CAP_SYS_ADMIN"
        ));
        let all = config.replace("\"allow\": false, ", "\"allow\": true, ");
        assert!(says(&all, "linux.resources.devices[1]", "every device"));
    }
}
