//! Family S: what lies in an image. Every path that a runtime makes or mounts on, in every shape.

use std::fs;

use oci_validation::bundle::Bundle;
use oci_validation::case::Case;
use oci_validation::host;
use oci_validation::runtime::{self, Output};
use oci_validation::verdict::{Setup, Stop, Verdict, fail};
use serde_json::json;

use crate::attack::{Attack, attack};
use crate::canary::{Canary, SECRET};
use crate::shapes::{Place, SHAPES, Shape};

/// How a configuration makes the runtime touch a path.
#[derive(Clone, Copy)]
enum Touch {
    /// `/dev` is the image's: nodes, links and console are made there.
    OwnDev,
    /// The same with a terminal.
    Terminal,
    /// As engines configure it.
    Usual,
    /// A new file system.
    Mount(&'static str),
    /// A file, a directory, or one that is then made read-only is bound there.
    BindFile,
    BindFolder,
    BindReadOnly,
    Device,
    Masked,
    ReadOnly,
    Directory,
    /// A file that the runtime may read for a user.
    User,
    Program,
    Parameter,
}

#[rustfmt::skip]
const PATHS: &[(&str, Touch)] = &[
    ("/dev", Touch::OwnDev), ("/dev/null", Touch::OwnDev), ("/dev/zero", Touch::OwnDev), ("/dev/full", Touch::OwnDev),
    ("/dev/random", Touch::OwnDev), ("/dev/urandom", Touch::OwnDev), ("/dev/tty", Touch::OwnDev), ("/dev/fd", Touch::OwnDev),
    ("/dev/stdin", Touch::OwnDev), ("/dev/stdout", Touch::OwnDev), ("/dev/stderr", Touch::OwnDev), ("/dev/core", Touch::OwnDev),
    ("/dev/ptmx", Touch::OwnDev), ("/dev/pts", Touch::OwnDev), ("/dev/console", Touch::OwnDev),
    ("/dev/console", Touch::Terminal), ("/dev", Touch::Terminal), ("/dev/pts", Touch::Terminal), ("/dev/ptmx", Touch::Terminal),
    ("/dev", Touch::Usual), ("/dev/null", Touch::Usual), ("/proc", Touch::Usual), ("/sys", Touch::Usual), ("/bin", Touch::Usual),
    ("/dev/shm", Touch::Mount("tmpfs")), ("/dev/mqueue", Touch::Mount("mqueue")), ("/sys/fs/cgroup", Touch::Mount("cgroup")),
    ("/run", Touch::Mount("tmpfs")), ("/var/cache/deep", Touch::Mount("tmpfs")), ("/opt/proc", Touch::Mount("proc")),
    ("/opt/sys", Touch::Mount("sysfs")), ("/opt/pts", Touch::Mount("devpts")),
    ("/etc/hosts", Touch::BindFile), ("/etc/resolv.conf", Touch::BindFile), ("/etc/hostname", Touch::BindFile),
    ("/run/secrets/one", Touch::BindFile), ("/opt/a/b/c/d/file", Touch::BindFile), ("/dev/bound", Touch::BindFile),
    ("/mnt/volume", Touch::BindFolder), ("/var/lib/data", Touch::BindFolder), ("/srv/a/b/c", Touch::BindFolder),
    ("/home", Touch::BindReadOnly), ("/opt/config/read-only", Touch::BindReadOnly),
    ("/dev/extra", Touch::Device), ("/opt/node", Touch::Device), ("/opt/deep/er/node", Touch::Device),
    ("/etc/secret", Touch::Masked), ("/opt/secrets", Touch::Masked), ("/opt/deep/secret", Touch::Masked),
    ("/etc/fixed", Touch::ReadOnly), ("/opt/fixed/deep", Touch::ReadOnly),
    ("/app", Touch::Directory), ("/app/a/b", Touch::Directory),
    ("/etc/passwd", Touch::User), ("/etc/group", Touch::User),
    ("/opt/program", Touch::Program),
    ("/proc/sys", Touch::Parameter), ("/proc/sys/net", Touch::Parameter),
];

/// One attack for each path.
pub(crate) fn attacks(few: Option<u64>) -> Vec<Attack> {
    const PROC: &[&str] = &["runc CVE-2023-27561", "youki CVE-2025-54867"];
    const MOUNTS: &[&str] = &["crun CVE-2019-18837"];
    const DEVICE: &[&str] = &["crun CVE-2026-47766"];
    const DEV: &[&str] = &["runc CVE-2026-41579", "crun CVE-2026-47766"];
    const CONSOLE: &[&str] = &["crun CVE-2026-88264", "crun CVE-2026-47766"];
    let number = |path: &str| u64::try_from(path.len()).unwrap_or(0);
    PATHS
        .iter()
        .enumerate()
        .map(|(index, (path, touch))| {
            let advisories = match touch {
                Touch::OwnDev | Touch::Terminal if path.ends_with("console") => CONSOLE,
                Touch::OwnDev | Touch::Terminal => DEV,
                Touch::Usual if matches!(*path, "/proc" | "/sys") => PROC,
                Touch::Mount(_) | Touch::BindFile | Touch::BindFolder | Touch::BindReadOnly => {
                    MOUNTS
                }
                Touch::Device => DEVICE,
                _ => &[],
            };
            let what = format!("{path}, {}, in all shapes", touch.what());
            // In the short form, a few shapes of each, others at each seed.
            let wanted = move |shape: usize| {
                few.is_none_or(|seed| {
                    let place = u64::try_from(shape).unwrap_or(0)
                        + number(path) * 7
                        + u64::try_from(index).unwrap_or(0) * 5
                        + seed;
                    place % 9 == 0
                })
            };
            attack(
                format!("S1.{index:02}"),
                advisories,
                what,
                move |case, canary| {
                    let mut broken = Vec::new();
                    for (_, shape) in SHAPES
                        .iter()
                        .enumerate()
                        .filter(|(number, _)| wanted(*number))
                    {
                        // Refused is as good as done inside the root.
                        if let Err(Stop::Fail(message)) = one(case, canary, (path, *touch), shape) {
                            broken.push(format!("{}: {message}", shape.name));
                        }
                    }
                    match broken.is_empty() {
                        true => Ok(()),
                        false => fail(broken.join("; ")),
                    }
                },
            )
        })
        .collect()
}

impl Touch {
    fn what(self) -> String {
        match self {
            Touch::OwnDev => "with a /dev that is the image's".to_owned(),
            Touch::Terminal => "with a terminal, and a /dev that is the image's".to_owned(),
            Touch::Usual => "configured as engines do".to_owned(),
            Touch::Mount(kind) => format!("where a {kind} is mounted"),
            Touch::BindFile => "where a file is bound".to_owned(),
            Touch::BindFolder => "where a directory is bound".to_owned(),
            Touch::BindReadOnly => "where a directory is bound read-only".to_owned(),
            Touch::Device => "where a device node is made".to_owned(),
            Touch::Masked => "as a masked path".to_owned(),
            Touch::ReadOnly => "as a read-only path".to_owned(),
            Touch::Directory => "as the working directory".to_owned(),
            Touch::User => "as what tells of users".to_owned(),
            Touch::Program => "as the program".to_owned(),
            Touch::Parameter => "below which a kernel parameter is set".to_owned(),
        }
    }

    fn apply<'a>(self, case: &Case, bundle: Bundle<'a>, path: &str) -> Verdict<Bundle<'a>> {
        let own_dev = |bundle: Bundle<'a>| {
            bundle
                .without_mount("/dev")
                .without_mount("/dev/shm")
                .without_mount("/dev/pts")
        };
        Ok(match self {
            Touch::OwnDev => own_dev(bundle),
            Touch::Terminal => {
                let socket = case.path("console.sock");
                let _ = fs::remove_file(&socket);
                // Whoever connects is content with a full queue.
                let listener = std::os::unix::net::UnixListener::bind(&socket).setup("listen")?;
                std::mem::forget(listener);
                let flags = ["--console-socket".to_owned(), socket.display().to_string()];
                let pts = json!(["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]);
                own_dev(bundle).set("/process/terminal", true)
                    .add("/mounts", json!({"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": pts}))
                    .flags(&[&flags[0], &flags[1]])
            }
            Touch::Usual => bundle,
            Touch::Mount(kind) => {
                let bundle = bundle.without_mount(path);
                let bundle = if path.starts_with("/sys/") { bundle.without_mount("/sys") } else { bundle };
                bundle.mount(path, kind, kind, &["nosuid", "noexec", "nodev"])
            }
            Touch::BindFile => {
                let file = case.file("volume-file", "volume")?;
                bundle.mount(path, "bind", &file.display().to_string(), &["bind", "rprivate"])
            }
            Touch::BindFolder | Touch::BindReadOnly => {
                let folder = case.folder("volume")?;
                let options: &[&str] = match self {
                    Touch::BindReadOnly => &["rbind", "ro", "nosuid", "rprivate"],
                    _ => &["rbind"],
                };
                bundle.mount(path, "bind", &folder.display().to_string(), options)
            }
            Touch::Device => bundle.push("/linux/devices", json!({"path": path, "type": "c", "major": 1, "minor": 3, "fileMode": 0o600, "uid": 5, "gid": 5})),
            Touch::Masked => bundle.push("/linux/maskedPaths", path),
            Touch::ReadOnly => bundle.push("/linux/readonlyPaths", path),
            Touch::Directory => bundle.set("/process/cwd", path),
            Touch::User => bundle.aid("/process/user", json!({"uid": 5, "gid": 5})).without("/process/env"),
            Touch::Program => bundle.aid("/process/args", json!([path])),
            Touch::Parameter => bundle.without_mount("/proc").set("/linux/sysctl", json!({"net.ipv4.ip_forward": "1"})),
        })
    }
}

fn one(case: &Case, canary: &Canary, (path, touch): (&str, Touch), shape: &Shape) -> Verdict {
    let bundle = match touch {
        Touch::Parameter => case.bundle(),
        // The kernel takes its time for network namespaces.
        _ => case.bundle().without_namespace("network"),
    };
    let bundle = touch.apply(case, bundle, path)?;
    let root = bundle.root();
    let place = Place {
        root: &root,
        inner: path,
        canary,
    };
    if place.make(shape).is_err() {
        // There is no such shape at this path.
        return Ok(());
    }
    let program = matches!(touch, Touch::Program) || path == "/bin";
    let bundle = match program {
        true => bundle,
        // Only below it: what it is itself may never end. Of what is mounted, the kernel tells the source.
        false => bundle.runs(&format!(
            "cat {path}/file {path}/below/file -- cat /proc/self/mountinfo -- ls {path}"
        )),
    };
    let seen = match touch {
        Touch::Terminal => bundle.try_create(&case.id()),
        _ => run(case, &bundle),
    };
    host::detach_below(&bundle.path);
    let harm = canary.harm();
    if !harm.is_empty() {
        let short: String = format!("{harm:?}").chars().take(300).collect();
        return fail(format!("the host was changed: {short}"));
    }
    match seen {
        Ok(output) if output.out.contains(SECRET) => fail("the container reads a file of the host"),
        Ok(output) if output.out.lines().any(is_of_the_host) => {
            fail("a file of the host is mounted in the container")
        }
        Err(Stop::Fail(message)) if message.contains("did not end within") => fail(message),
        _ => Ok(()),
    }
}

/// The whole life of a container in one call: there are thousands of them.
fn run(case: &Case, bundle: &Bundle<'_>) -> Verdict<Output> {
    bundle.write()?;
    let (id, path) = (case.id(), bundle.path.display().to_string());
    case.open.borrow_mut().push((id.clone(), Vec::new(), 0));
    runtime::call(case, &[], &["run", "--bundle", &path, &id])
}

/// Whether a line of mountinfo(5) is about a mount of something in the canary.
fn is_of_the_host(line: &str) -> bool {
    line.contains(" - ")
        && line
            .split(' ')
            .nth(3)
            .is_some_and(|source| source.contains("/canary"))
}
