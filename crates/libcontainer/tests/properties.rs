//! Properties of the planner: whatever the config, planning does not panic, every plan keeps the order rules, says one
//! line for each step, reaches init as it is, and is the same each time.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod difference;

use difference::Row;
use init::wire::{Image, Wire, WireStep};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use spec::Spec;
use tare_libcontainer::host::{Hierarchy, HostFacts};
use tare_libcontainer::plan::{self, Creation, Joining, Namespaces, Plan, RuntimeStep, Step};

type Json = BoxedStrategy<Value>;

/// An object with some of these properties.
fn object<const N: usize>(properties: [(&'static str, Json); N]) -> Json {
    let entries: Vec<BoxedStrategy<Option<(String, Value)>>> = properties
        .into_iter()
        .map(|(name, value)| {
            proptest::option::weighted(0.6, value.prop_map(move |value| (name.to_owned(), value)))
                .boxed()
        })
        .collect();
    entries
        .prop_map(|entries| Value::Object(entries.into_iter().flatten().collect::<Map<_, _>>()))
        .boxed()
}

/// As [`object`], with all of them.
fn whole<const N: usize>(properties: [(&'static str, Json); N]) -> Json {
    let entries: Vec<BoxedStrategy<(String, Value)>> = properties
        .into_iter()
        .map(|(name, value)| {
            value
                .prop_map(move |value| (name.to_owned(), value))
                .boxed()
        })
        .collect();
    entries
        .prop_map(|entries| Value::Object(entries.into_iter().collect::<Map<_, _>>()))
        .boxed()
}

fn list(item: Json, most: usize) -> Json {
    vec(item, 0..=most).prop_map(Value::Array).boxed()
}

/// Mostly one of these words, now and then something odd.
fn word(words: &'static [&'static str]) -> Json {
    prop_oneof![
        150 => proptest::sample::select(words).prop_map(|word| json!(word)),
        1 => odd().prop_map(Value::String),
    ]
    .boxed()
}

fn odd() -> BoxedStrategy<String> {
    prop_oneof![
        Just(String::new()),
        Just("\0".to_owned()),
        Just("a\nb\u{1b}[0m\t".to_owned()),
        Just("..".to_owned()),
        Just("/../..//./".to_owned()),
        Just("=".to_owned()),
        Just(",".to_owned()),
        Just("ü\u{202e}\u{0}𝒳".to_owned()),
        (1usize..70_000).prop_map(|length| "x".repeat(length)),
        ".{0,20}",
    ]
    .boxed()
}

fn number() -> Json {
    prop_oneof![
        12 => (0u64..10).prop_map(|number| json!(number)),
        1 => any::<i64>().prop_map(|number| json!(number)),
        1 => any::<u64>().prop_map(|number| json!(number)),
        1 => any::<u32>().prop_map(|number| json!(number)),
    ]
    .boxed()
}

/// A number that fits wherever the specification has one.
fn small() -> Json {
    (0u32..8).prop_map(|number| json!(number)).boxed()
}

fn flag() -> Json {
    any::<bool>().prop_map(|flag| json!(flag)).boxed()
}

const PATHS: &[&str] = &[
    "/",
    "/a",
    "/dev",
    "/dev/pts",
    "/dev/null",
    "/proc",
    "/proc/kcore",
    "/proc/self",
    "/proc/meminfo",
    "/sys/fs/cgroup",
    "/etc/x/y",
];
/// Where things can be mounted, most of the time.
const TARGETS: &[&str] = &[
    "/",
    "/a",
    "/a/b",
    "/dev",
    "/dev",
    "/dev/pts",
    "/proc",
    "/proc/meminfo",
    "/sys/fs/cgroup",
    "relative/../x",
    "/srv/./y/",
];
const SOURCES: &[&str] = &["/srv", "data", "tmpfs", "proc", "/dev/vda"];
const OPTIONS: &[&str] = &[
    "ro",
    "rw",
    "bind",
    "rbind",
    "bind",
    "rbind",
    "nosuid",
    "rro",
    "rprivate",
    "shared",
    "slave",
    "unbindable",
    "idmap",
    "ridmap",
    "tmpcopyup",
    "noatime",
    "strictatime",
    "rnoatime",
    "remount",
    "mode=755",
    "size=4k",
    "defaults",
    "nosymfollow",
];

fn maps() -> Json {
    let own = json!({"containerID": 0, "hostID": 1000, "size": 1});
    let rest = json!({"containerID": 1, "hostID": 100000, "size": 65535});
    let odd = whole([
        ("containerID", number()),
        ("hostID", number()),
        ("size", number()),
    ]);
    prop_oneof![
        20 => Just(json!([own, rest])).boxed(),
        4 => Just(json!([own])).boxed(),
        1 => Just(json!([rest, rest])).boxed(),
        1 => odd.prop_map(|line| json!([line])).boxed(),
    ]
    .boxed()
}

fn mount() -> Json {
    let kinds = &[
        "tmpfs", "proc", "sysfs", "devpts", "mqueue", "cgroup", "cgroup2", "none", "overlay",
    ];
    let ordinary = object([
        ("source", word(SOURCES)),
        ("options", list(word(OPTIONS), 4)),
        ("type", word(kinds)),
    ]);
    let mapped = object([("uidMappings", maps()), ("gidMappings", maps())]);
    (
        word(TARGETS),
        ordinary,
        proptest::option::weighted(0.05, mapped),
    )
        .prop_map(|(destination, mut mount, mapped)| {
            mount["destination"] = destination;
            for (name, value) in mapped.iter().filter_map(Value::as_object).flatten() {
                mount[name.as_str()] = value.clone();
            }
            // Every mount has these, or nearly no plan would get past the first.
            for (name, usual) in [("type", "tmpfs"), ("source", "/srv")] {
                if mount[name].is_null() {
                    mount[name] = json!(usual);
                }
            }
            mount
        })
        .boxed()
}

fn namespaces() -> Json {
    let names = [
        "pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time",
    ];
    let path = prop_oneof![
        6 => Just(Value::Null),
        3 => Just(json!("/proc/7/ns/x")),
        1 => word(&["", "/run/netns/a"]),
    ];
    vec((any::<bool>(), path), names.len())
        .prop_map(move |wanted| {
            let entries = names
                .iter()
                .zip(wanted)
                .filter(|(name, (wanted, _))| *wanted || **name == "mount");
            entries
                .map(|(name, (_, path))| json!({"type": name, "path": path}))
                .collect()
        })
        .prop_shuffle_list()
}

/// Shuffles a JSON list.
trait Shuffled {
    fn prop_shuffle_list(self) -> Json;
}

impl<S: Strategy<Value = Vec<Value>> + 'static> Shuffled for S {
    fn prop_shuffle_list(self) -> Json {
        self.prop_shuffle().prop_map(Value::Array).boxed()
    }
}

fn process() -> Json {
    let capabilities = &[
        "CAP_CHOWN",
        "CAP_KILL",
        "CAP_SYS_ADMIN",
        "CAP_UNKNOWN",
        "cap_bpf",
    ];
    let set = || list(word(capabilities), 3);
    let limits = &["RLIMIT_NOFILE", "RLIMIT_CPU", "RLIMIT_CORE", "RLIMIT_AS"];
    let extras = object([
        ("terminal", flag()),
        (
            "consoleSize",
            whole([("height", small()), ("width", small())]),
        ),
        (
            "env",
            list(
                word(&["PATH=/bin", "HOME=/x", "HOME=", "A=1", "A=2", "B"]),
                4,
            ),
        ),
        (
            "rlimits",
            list(
                whole([
                    ("type", word(limits)),
                    ("soft", small()),
                    ("hard", Just(json!(100)).boxed()),
                ]),
                1,
            ),
        ),
        ("noNewPrivileges", flag()),
        ("oomScoreAdj", small()),
        (
            "user",
            object([
                ("uid", small()),
                ("gid", small()),
                ("umask", small()),
                ("additionalGids", list(small(), 3)),
            ]),
        ),
    ]);
    let rare = object([
        (
            "capabilities",
            object([
                ("bounding", set()),
                ("effective", set()),
                ("inheritable", set()),
                ("permitted", set()),
                ("ambient", set()),
            ]),
        ),
        (
            "scheduler",
            whole([
                (
                    "policy",
                    word(&["SCHED_OTHER", "SCHED_BATCH", "SCHED_IDLE"]),
                ),
                ("nice", small()),
                ("flags", list(word(&["SCHED_FLAG_RESET_ON_FORK"]), 2)),
            ]),
        ),
        (
            "ioPriority",
            whole([
                ("class", word(&["IOPRIO_CLASS_BE", "IOPRIO_CLASS_RT"])),
                ("priority", small()),
            ]),
        ),
        (
            "execCPUAffinity",
            object([
                ("initial", word(&["0", "0-3,7"])),
                ("final", word(&["1", "0-1"])),
            ]),
        ),
        (
            "apparmorProfile",
            word(&["", "unconfined", "docker-default"]),
        ),
        ("selinuxLabel", word(&["", "a:b:c:s0"])),
    ]);
    (
        list(word(&["sh", "/bin/true", "-c"]), 3),
        word(&["/", "/tmp", "/a/b"]),
        extras,
        rare,
    )
        .prop_map(|(mut args, cwd, mut process, rare)| {
            if let Some(args) = args.as_array_mut().filter(|args| args.is_empty()) {
                args.push(json!("true"));
            }
            for (name, value) in rare.as_object().into_iter().flatten() {
                process[name.as_str()] = value.clone();
            }
            process["args"] = args;
            process["cwd"] = cwd;
            for id in ["uid", "gid"] {
                if process["user"][id].is_null() {
                    process["user"][id] = json!(0);
                }
            }
            process
        })
        .boxed()
}

fn hooks() -> Json {
    let hook = || {
        let hook = object([
            ("args", list(word(&["a", "b"]), 2)),
            ("env", list(word(&["A=1"]), 2)),
            ("timeout", Just(json!(3)).boxed()),
        ]);
        let hook = (word(&["/bin/hook", "/x"]), hook).prop_map(|(path, mut hook)| {
            hook["path"] = path;
            hook
        });
        list(hook.boxed(), 2)
    };
    object([
        ("prestart", hook()),
        ("createRuntime", hook()),
        ("createContainer", hook()),
        ("startContainer", hook()),
        ("poststart", hook()),
        ("poststop", hook()),
    ])
}

fn linux() -> Json {
    let device = whole([
        ("path", word(&["/dev/fuse", "/x/y"])),
        ("type", word(&["c", "b", "u", "p"])),
        ("major", small()),
        ("minor", small()),
        ("fileMode", small()),
        ("uid", small()),
        ("gid", small()),
    ]);
    let action = || {
        word(&[
            "SCMP_ACT_ALLOW",
            "SCMP_ACT_ERRNO",
            "SCMP_ACT_NOTIFY",
            "SCMP_ACT_KILL",
        ])
    };
    let argument = whole([
        ("index", small()),
        ("value", small()),
        (
            "op",
            word(&["SCMP_CMP_EQ", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ"]),
        ),
    ]);
    let rule = whole([
        (
            "names",
            list(word(&["read", "write", "mount", "nosuchcall"]), 3),
        ),
        ("action", action()),
        ("args", list(argument, 2)),
    ]);
    let seccomp = object([
        ("defaultAction", Just(json!("SCMP_ACT_ALLOW")).boxed()),
        (
            "architectures",
            list(word(&["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]), 2),
        ),
        ("flags", list(word(&["SECCOMP_FILTER_FLAG_LOG"]), 1)),
        ("listenerPath", word(&["/run/agent"])),
        ("syscalls", list(rule, 3)),
    ]);
    let seccomp = seccomp
        .prop_map(|mut seccomp| {
            seccomp["defaultAction"] = json!("SCMP_ACT_ALLOW");
            seccomp
        })
        .boxed();
    let sysctl = prop_oneof![
        4 => Just(json!({})),
        1 => Just(json!({"net.core.somaxconn": "1", "net/core/optmem_max": "1"})),
        1 => (odd(), odd()).prop_map(|(key, value)| json!({ key: value })),
    ];
    let offsets = prop_oneof![
        4 => Just(json!({})).boxed(),
        1 => object([
            ("monotonic", whole([("secs", small()), ("nanosecs", small())])), ("boottime", whole([("secs", small())])),
        ]),
    ];
    let common = object([
        ("devices", list(device, 3)),
        ("maskedPaths", list(word(PATHS), 4)),
        ("readonlyPaths", list(word(PATHS), 3)),
        (
            "rootfsPropagation",
            word(&[
                "shared",
                "rshared",
                "slave",
                "rslave",
                "private",
                "rprivate",
                "unbindable",
                "runbindable",
                "",
            ]),
        ),
        ("sysctl", sysctl.boxed()),
        ("timeOffsets", offsets.boxed()),
    ]);
    let rare = object([
        ("seccomp", seccomp),
        (
            "memoryPolicy",
            whole([
                ("mode", word(&["MPOL_BIND", "MPOL_PREFERRED"])),
                ("nodes", word(&["0", "0-3"])),
            ]),
        ),
        (
            "personality",
            whole([("domain", word(&["LINUX", "LINUX32"]))]),
        ),
        ("mountLabel", word(&["", "a:b:c:s0"])),
        ("cgroupsPath", word(&["/a/b", "system.slice:a:b"])),
        (
            "netDevices",
            whole([
                ("eth1", object([("name", word(&["eth0", "data%d"]))])),
                ("eth2", whole([])),
            ]),
        ),
    ]);
    (
        namespaces(),
        common,
        proptest::option::weighted(0.5, rare),
        maps(),
        maps(),
    )
        .prop_map(|(namespaces, mut linux, rare, uids, gids)| {
            for (name, value) in rare.iter().filter_map(Value::as_object).flatten() {
                linux[name.as_str()] = value.clone();
            }
            let user = namespaces
                .as_array()
                .is_some_and(|list| list.iter().any(|entry| entry["type"] == "user"));
            if user {
                linux["uidMappings"] = uids;
                linux["gidMappings"] = gids;
            }
            linux["namespaces"] = namespaces;
            linux
        })
        .boxed()
}

fn config() -> Json {
    let optional = object([
        ("hostname", word(&["", "box"])),
        ("domainname", word(&["", "d"])),
        ("hooks", hooks()),
    ]);
    let annotations =
        prop_oneof![9 => Just(json!({})), 1 => odd().prop_map(|key| json!({ key: "value" }))];
    (
        word(&["1.0.0", "1.3.0", "1.2.0-rc.1"]),
        proptest::option::weighted(0.95, process()),
        flag(),
        list(mount(), 4),
        linux(),
        proptest::option::weighted(0.5, optional),
        annotations,
    )
        .prop_map(|(version, process, readonly, mounts, linux, optional, annotations)| {
            let mut config = json!({
                "ociVersion": version, "root": {"path": "rootfs", "readonly": readonly}, "mounts": mounts, "linux": linux,
                "annotations": annotations,
            });
            for (name, value) in optional.iter().filter_map(Value::as_object).flatten() {
                config[name.as_str()] = value.clone();
            }
            let namespaces = config["linux"]["namespaces"].clone();
            let has = |name: &str, new: bool| {
                let found = |entry: &Value| {
                    entry["type"] == name && !(new && entry["path"].is_string())
                };
                namespaces.as_array().is_some_and(|list| list.iter().any(found))
            };
            if !has("uts", false) {
                config["hostname"] = json!("");
                config["domainname"] = json!("");
            }
            if !has("time", true) {
                config["linux"]["timeOffsets"] = json!({});
            }
            if !has("network", false)
                && let Some(linux) = config["linux"].as_object_mut()
            {
                linux.remove("netDevices");
            }
            if let Some(process) = process {
                config["process"] = process;
            }
            config
        })
        .boxed()
}

fn host() -> impl Strategy<Value = HostFacts> {
    let id = prop_oneof![Just(0u32), Just(1000)];
    let groups = (0usize..3).prop_map(|count| {
        let group = |index: usize| Hierarchy {
            name: if index == 0 {
                String::new()
            } else {
                format!("h{index}")
            },
            path: format!("/sys/fs/cgroup/h{index}/case"),
            links: vec!["alias".to_owned(); index],
        };
        (0..count).map(group).collect::<Vec<_>>()
    });
    let cgroups = prop_oneof![Just(1u8), Just(2), Just(12)];
    let security = any::<[bool; 2]>();
    (
        id,
        any::<[bool; 5]>(),
        prop_oneof![Just(0u64), Just((1 << 41) - 1), any::<u64>()],
        cgroups,
        security,
        groups,
        prop_oneof![9 => Just(0u8), 1 => any::<u8>()],
    )
        .prop_map(
            |(
                id,
                [privileged, maps, initial, copies_mounts, denies_groups],
                capabilities,
                cgroups,
                [apparmor, selinux],
                hierarchies,
                own,
            )| HostFacts {
                uid: id,
                gid: id,
                privileged,
                maps_any_id: maps,
                initial_user_namespace: initial,
                copies_mounts,
                denies_groups,
                capabilities,
                cgroups,
                apparmor,
                selinux,
                exposed: vec!["/proc".to_owned()],
                own_namespaces: (plan::NAMESPACES.iter().enumerate())
                    .filter(|(bit, _)| own >> bit & 1 == 1)
                    .map(|(_, (name, _))| (*name).to_owned())
                    .collect(),
                hierarchies,
            },
        )
}

fn creation() -> impl Strategy<Value = Creation> {
    (any::<[bool; 4]>(), 0u32..3).prop_map(
        |([no_pivot, no_new_keyring, has_cgroup, cloned_into_cgroup], fds)| Creation {
            id: "case".to_owned(),
            root: "/bundle/rootfs".to_owned(),
            bundle: "/bundle".to_owned(),
            no_pivot,
            relays_terminal: no_pivot,
            no_new_keyring,
            has_cgroup,
            cloned_into_cgroup,
            preserve_fds: fds,
            listen_fds: fds,
        },
    )
}

/// Plans a config both ways.
fn plans(text: &str, creation: &Creation, host: &HostFacts) -> Vec<Plan> {
    let Ok(spec) = Spec::parse(text) else {
        return Vec::new();
    };
    let mut made: Vec<Plan> = plan::create(&spec, creation, host).into_iter().collect();
    if let Ok(namespaces) = Namespaces::read(&spec, host) {
        let joining = Joining {
            id: creation.id.clone(),
            namespaces: namespaces.all(),
            set_groups: creation.has_cgroup,
            has_cgroup: creation.has_cgroup,
            cloned_into_cgroup: creation.cloned_into_cgroup,
            relays_terminal: creation.relays_terminal,
            no_keyring: creation.no_new_keyring,
            outside: Some(1000).filter(|_| creation.has_cgroup),
        };
        made.extend(plan::exec(&spec, &joining, host));
    }
    made
}

fn check(plan: &Plan) -> Result<(), TestCaseError> {
    let broken = plan::check::violations(plan);
    prop_assert!(broken.is_empty(), "order rules broken: {broken:#?}\n{plan}");
    let lines = plan.to_string().lines().count();
    prop_assert_eq!(
        lines,
        plan.entries.len() + plan.warnings.len() + usize::from(plan.waits()),
        "{}",
        plan
    );
    check_wire(plan)?;
    check_slots(plan)
}

/// Init reads what the planner wrote.
fn check_wire(plan: &Plan) -> Result<(), TestCaseError> {
    let slots = [5, -1, 7];
    let bytes = plan.encode(&slots);
    let image = Image::read(&bytes).ok_or_else(|| TestCaseError::fail("no plan"))?;
    prop_assert_eq!(image.text.0, &plan.text[..]);
    prop_assert_eq!(image.slots, slots.map(i32::to_ne_bytes).concat());
    prop_assert_eq!(image.header.entries as usize, plan.entries.len());
    prop_assert_eq!(
        Some(image.header.first as usize),
        plan.start().map(|start| start + 1)
    );
    let mut source = image.entries;
    for entry in &plan.entries {
        let expected = match &entry.step {
            Step::Runtime(step) if step.is_ahead() => WireStep::Ahead,
            Step::Runtime(_) => WireStep::Runtime,
            Step::Child(step) => WireStep::Child(*step),
        };
        prop_assert_eq!(WireStep::take(&mut source), Some(expected));
    }
    prop_assert!(source.is_empty());
    Ok(())
}

/// No two of the runtime's descriptors share a slot, and what the child takes from one was put there before.
fn check_slots(plan: &Plan) -> Result<(), TestCaseError> {
    use init::ChildStep::{Attach, CopyMount, Filesystem, ForeignDevice, Join, Terminal};
    use init::Slot;
    let mut filled: Vec<_> = plan.inputs.iter().map(|(_, slot)| *slot).collect();
    for entry in &plan.entries {
        let (put, taken) = match &entry.step {
            Step::Runtime(RuntimeStep::OpenNamespace { slot, .. }) => (Some(slot.any()), None),
            Step::Runtime(RuntimeStep::ConnectConsole { slot }) => (Some(slot.any()), None),
            Step::Runtime(RuntimeStep::CopyTree(tree)) => (Some(tree.slot.any()), None),
            Step::Child(CopyMount(step)) => (Some(step.slot.any()), None),
            Step::Runtime(RuntimeStep::MakeIdMapping { slot, .. }) => (Some(slot.any()), None),
            Step::Child(Filesystem(step)) if step.ids != Slot::NO_NAMESPACE => {
                (None, Some(step.ids.any()))
            }
            Step::Runtime(RuntimeStep::MapTree { slot, .. }) => (None, Some(slot.any())),
            Step::Child(ForeignDevice(step)) => (Some(step.slot.any()), None),
            Step::Child(Join(step)) => (None, Some(step.slot.any())),
            Step::Child(Attach(step)) => (None, Some(step.slot.any())),
            Step::Child(Terminal(step)) => (None, Some(step.socket.any())),
            _ => (None, None),
        };
        if let Some(slot) = put {
            prop_assert!(
                !filled.contains(&slot),
                "slot {} is filled twice\n{}",
                slot,
                plan
            );
            filled.push(slot);
        }
        if let Some(slot) = taken {
            prop_assert!(filled.contains(&slot), "slot {} is empty\n{}", slot, plan);
        }
    }
    Ok(())
}

/// A plan's difference from another says all of it.
fn check_difference(base: &[Row], rows: &[Row]) -> Result<(), TestCaseError> {
    let lines = difference::difference(base, rows);
    let again = difference::apply(base, &lines).map_err(TestCaseError::fail)?;
    prop_assert_eq!(
        difference::whole(&again),
        difference::whole(rows),
        "{}",
        lines
    );
    Ok(())
}

/// Lines of a plan, few of them different, so that many repeat.
fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (0..4u8, any::<bool>(), 0..3u8).prop_map(|(name, step, words)| match step {
        false => Row::Line(format!("limit: {name}")),
        true => Row::Step {
            name: format!("Step{name}"),
            by: if name == 0 { "runtime" } else { "child" }.to_owned(),
            words: format!("step {name}  with {words}"),
            field: "linux  x".to_owned(),
        },
    });
    vec(row, 0..12)
}

/// How a text is spoiled: where (as a part of its length), and with what.
fn spoil(text: &str, changes: &[(u16, u8, char)]) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for (place, kind, character) in changes {
        if characters.is_empty() {
            break;
        }
        let place = usize::from(*place) * characters.len() / (usize::from(u16::MAX) + 1);
        match kind % 4 {
            0 => drop(characters.remove(place)),
            1 => characters.insert(place, *character),
            2 => characters[place] = *character,
            _ => characters.truncate(characters.len() - place / 8),
        }
    }
    characters.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn plans_keep_their_promises(config in config(), creation in creation(), host in host()) {
        let text = config.to_string();
        let made = plans(&text, &creation, &host);
        for plan in &made {
            check(plan)?;
        }
        // The same again, from a text that lies elsewhere.
        let again = plans(&text.clone(), &creation, &host);
        prop_assert_eq!(made.len(), again.len());
        for (first, second) in made.iter().zip(&again) {
            prop_assert_eq!(first.to_string(), second.to_string());
            prop_assert_eq!(first.to_json(), second.to_json());
            prop_assert_eq!(first.encode(&[]), second.encode(&[]));
        }
    }

    #[test]
    fn a_difference_says_all(base in rows(), rows in rows(), first in config(), second in config(), creation in creation(), host in host()) {
        check_difference(&base, &rows)?;
        let made = [first, second].map(|config| plans(&config.to_string(), &creation, &host));
        let made: Vec<Vec<Row>> = made.iter().flatten().map(|plan| difference::rows(plan, [])).collect();
        for base in &made {
            for rows in &made {
                check_difference(base, rows)?;
            }
        }
    }

    #[test]
    fn spoilt_texts_do_no_harm(
        config in config(), creation in creation(), host in host(),
        changes in vec((any::<u16>(), any::<u8>(), proptest::sample::select(vec!['"', '{', '}', '[', ']', ',', '-', '9', '\\', 'u', '\0', 'é'])), 1..6),
    ) {
        for plan in plans(&spoil(&config.to_string(), &changes), &creation, &host) {
            check(&plan)?;
        }
    }

    #[test]
    fn options_are_read_whatever_they_are(words in vec(odd(), 0..5)) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let options = plan::options::Options::read(words.iter().copied());
        prop_assert_eq!(options.set & options.clear & !kernel::mount::attributes::ATIME, 0);
        prop_assert_eq!(options.deep_set & options.deep_clear & !kernel::mount::attributes::ATIME, 0);
    }
}

/// The generators make plans often enough for the properties to say something.
#[test]
fn many_configs_can_be_planned() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut created, mut reasons) = (0, std::collections::BTreeMap::<String, u32>::new());
    for _ in 0..200 {
        let config = config()
            .new_tree(&mut runner)
            .unwrap()
            .current()
            .to_string();
        let creation = creation().new_tree(&mut runner).unwrap().current();
        let host = host().new_tree(&mut runner).unwrap().current();
        match Spec::parse(&config)
            .map_err(|error| error.to_string())
            .and_then(|spec| {
                plan::create(&spec, &creation, &host).map_err(|error| error.to_string())
            }) {
            Ok(_) => created += 1,
            Err(why) => *reasons.entry(why.chars().take(70).collect()).or_default() += 1,
        }
    }
    assert!(
        created > 40,
        "only {created} of 200 can be planned: {reasons:#?}"
    );
}
