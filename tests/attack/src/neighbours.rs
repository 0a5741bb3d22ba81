//! Cases F3, N1 and X6: what a process in a container gets of those who come in, of containers that share its namespaces, and
//! of what it was given.

use oci_validation::bundle::Bundle;
use oci_validation::case::Case;
use oci_validation::container::{Container, short};
use oci_validation::verdict::{Stop, Verdict, ensure, fail};
use serde_json::{Value, json};

use crate::attack::{Attack, attack};
use crate::canary::Canary;

/// What Docker gives to root.
const DOCKERS: [&str; 14] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];

fn capabilities(more: &[&str]) -> Value {
    let names: Vec<String> = DOCKERS
        .iter()
        .chain(more)
        .map(|name| format!("CAP_{name}"))
        .collect();
    json!({"bounding": names, "effective": names, "permitted": names})
}

/// Who snoops: its capabilities, and whether in a user namespace.
#[derive(Clone, Copy)]
enum Snooper {
    Usual,
    /// It may trace on the whole machine.
    Tracer,
    /// Root of a user namespace, where it may do everything.
    Mapped,
}

impl Snooper {
    fn give(self, bundle: Bundle<'_>) -> Bundle<'_> {
        match self {
            Snooper::Mapped => bundle.user_namespace(),
            _ => bundle,
        }
        .aid("/process/capabilities", self.rights())
    }

    fn rights(self) -> Value {
        match self {
            Snooper::Usual => capabilities(&[]),
            Snooper::Tracer => capabilities(&["SYS_PTRACE"]),
            Snooper::Mapped => capabilities(&["SYS_PTRACE", "SYS_ADMIN"]),
        }
    }
}

fn found_nothing(container: &Container<'_>, who: Snooper) -> Verdict {
    let said = container.said();
    ensure(!said.contains("reached"), || {
        format!("a file of the host was found: {:?}", short(&said))
    })?;
    // Who may trace everybody may trace the runtime.
    let may = matches!(who, Snooper::Tracer);
    ensure(may || !said.contains("traces"), || {
        format!(
            "a process of the runtime's was open to it: {:?}",
            short(&said)
        )
    })
}

/// A container that looks for ways out through all processes that it sees, and for programs that are not the container's.
fn snooping<'a>(case: &'a Case, canary: &Canary, who: Snooper) -> Verdict<Container<'a>> {
    let leaks = crate::configs::leaks(canary);
    let leaks: Vec<&str> = leaks.iter().map(String::as_str).collect();
    // A file that everybody may read.
    let commands = format!("snoop {}", canary.at("folder/file").display());
    who.give(case.bundle()).by(&leaks).runs(&commands).start()
}

/// Shows that it would find one, by a descriptor that a process was given on purpose.
fn control(container: &Container<'_>) -> Verdict {
    let process =
        json!({"args": ["/bin/probe", "sleep", "3"], "cwd": "/", "user": {"uid": 0, "gid": 0}});
    let _ = container.exec(&process, &["--preserve-fds", "4"])?;
    let found = container.said().contains("reached");
    ensure(found, || {
        "the suite could not show that the snooper finds anything".to_owned()
    })
}

fn come_in(case: &Case, canary: &Canary, who: Snooper) -> Verdict {
    let container = snooping(case, canary, who)?;
    let process = json!({"args": ["/bin/probe", "true"], "cwd": "/", "user": {"uid": 0, "gid": 0}, "capabilities": capabilities(&[])});
    for _ in 0..100 {
        container.exec(&process, &[])?;
    }
    found_nothing(&container, who)?;
    control(&container)?;
    // Who has found enough has ended.
    let _ = container.end();
    Ok(())
}

/// A namespace's name in a configuration, and its file's.
type Shared = (&'static str, &'static str);

/// Containers are created that share namespaces with one that snoops, and its user namespace if it has one. Its pid namespace is
/// always among them: without that it sees none of their processes, whatever else it shares.
fn share(case: &Case, canary: &Canary, all: &[Shared], who: Snooper) -> Verdict {
    let neighbour = snooping(case, canary, who)?;
    let path = |file: &str| neighbour.proc_path(&format!("ns/{file}"));
    for _ in 0..20 {
        let bundle = case.bundle();
        let mut bundle = match who {
            Snooper::Mapped => {
                oci_validation::bundle::own(&bundle.root(), oci_validation::bundle::BASE);
                bundle.namespace("user", Some(&path("user")))
            }
            _ => bundle,
        };
        for (kind, file) in all {
            bundle = bundle.namespace(kind, Some(&path(file)));
        }
        // Refused is as good.
        match bundle.see("true") {
            Err(Stop::Fail(message)) if message.contains("did not end within") => {
                return fail(message);
            }
            _ => {}
        }
        found_nothing(&neighbour, who)?;
        let harm = canary.harm();
        ensure(harm.is_empty(), || {
            format!("the host was changed: {harm:?}")
        })?;
    }
    neighbour.end()
}

/// Root meddles with every mount, node and descriptor that it has, and makes every mount writable first if it can.
fn everything(case: &Case, canary: &Canary, who: Snooper) -> Verdict {
    let bundle = who.give(case.bundle()).mount(
        "/mnt",
        "bind",
        &canary.at("folder").display().to_string(),
        &["rbind", "ro"],
    );
    let container = bundle.runs("sleep 60").start()?;
    let does = |words: Vec<String>| {
        let args: Vec<String> = std::iter::once("/bin/probe".to_owned())
            .chain(words)
            .collect();
        let rights = who.rights();
        container.exec(&json!({"args": args, "cwd": "/", "user": {"uid": 0, "gid": 0}, "capabilities": rights}), &[])
    };
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let mounts = does(words("cat /proc/self/mountinfo"))?.out;
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    let mut all: Vec<String> = points.map(str::to_owned).collect();
    ensure(all.iter().any(|point| point == "/mnt"), || {
        format!("the suite could not see the mounts: {mounts:?}")
    })?;
    for folder in [
        "/dev",
        "/proc/self/fd",
        "/dev/pts",
        "/mnt",
        "/sys/fs/cgroup",
    ] {
        let names = does(words(&format!("ls {folder}")))?.out;
        all.extend(
            names
                .split_whitespace()
                .map(|name| format!("{folder}/{name}")),
        );
    }
    for some in all.chunks(30) {
        let remount = some
            .iter()
            .flat_map(|path| words(&format!("mount none {path} none 4128 --")));
        does(remount.chain(["true".to_owned()]).collect())?;
        does(
            std::iter::once("meddle".to_owned())
                .chain(some.iter().cloned())
                .collect(),
        )?;
    }
    let written = does(words(
        "write /mnt/open x -- write /mnt/file x -- mkdir /mnt/new -- rm /mnt/file",
    ))?
    .out;
    container.end()?;
    let harm = canary.harm();
    ensure(harm.is_empty(), || {
        format!("the host was changed: {harm:?} ({written:?})")
    })
}

/// All of them.
pub(crate) fn attacks() -> Vec<Attack> {
    const JOINING: &[&str] = &["runc CVE-2016-9962"];
    const POD: &[Shared] = &[
        ("pid", "pid"),
        ("ipc", "ipc"),
        ("uts", "uts"),
        ("network", "net"),
        ("mount", "mnt"),
    ];
    let whos = [
        ("usual", "root with Docker's capabilities", Snooper::Usual),
        (
            "tracer",
            "root with CAP_SYS_PTRACE besides",
            Snooper::Tracer,
        ),
        ("mapped", "root of a user namespace", Snooper::Mapped),
    ];
    let mut all = Vec::new();
    for (name, person, who) in whos {
        let what = format!(
            "{person} looks for the host through the descriptors and directories of those who come in by exec"
        );
        all.push(attack(
            format!("F3.{name}"),
            JOINING,
            what,
            move |case, canary| come_in(case, canary, who),
        ));
    }
    for (name, person, who) in [whos[0], whos[2]] {
        for (id, shared, title) in [
            ("pid", &POD[..1], "its pid namespace"),
            ("pod", POD, "all of its namespaces"),
        ] {
            let what = format!(
                "{person} looks for the host through a container that is created in {title}"
            );
            all.push(attack(
                format!("N1.{id}-{name}"),
                JOINING,
                what,
                move |case, canary| share(case, canary, shared, who),
            ));
        }
        let what = format!("{person} changes every mount, node and descriptor that it has");
        all.push(attack(
            format!("X6.{name}"),
            &[],
            what,
            move |case, canary| everything(case, canary, who),
        ));
    }
    all
}
