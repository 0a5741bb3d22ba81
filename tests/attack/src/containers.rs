//! Family X: what root in a running container does to those who come in, and to what it has of the host.

use std::fs;
use std::os::unix::fs::symlink;

use nix::sys::stat::Mode;
use oci_validation::case::Case;
use oci_validation::verdict::{Setup, Verdict, ensure};
use serde_json::json;

use crate::attack::{Attack, attack};
use crate::canary::{Canary, SECRET};

/// A container that runs, whose root file system becomes hostile, and an exec.
fn hostile(
    case: &Case,
    canary: &Canary,
    change: impl FnOnce(&std::path::Path) -> std::io::Result<()>,
    cwd: &str,
) -> Verdict {
    let bundle = case.bundle().runs("sleep 60");
    let root = bundle.root();
    let container = bundle.start()?;
    change(&root).setup("change the root file system")?;
    let process = json!({"args": ["/bin/probe", "cat", "file", "/etc/host", "--", "ls", "."], "cwd": cwd, "user": {"uid": 5, "gid": 5}, "env": []});
    let output = container.exec(&process, &[])?;
    container.end()?;
    ensure(!output.out.contains(SECRET), || {
        "it reads a file of the host".to_owned()
    })?;
    let harm = canary.harm();
    ensure(harm.is_empty(), || {
        format!("the host was changed: {harm:?}")
    })
}

/// All of them.
#[rustfmt::skip]
pub(crate) fn attacks() -> Vec<Attack> {
    let cwd = |id: &str, to: &'static str| attack(id, &["runc CVE-2024-21626"], format!("exec's working directory has become a link to {}", if to.is_empty() { "a directory outside" } else { to }), move |case, canary| {
        let outside = canary.at("folder").display().to_string();
        hostile(case, canary, |root| symlink(if to.is_empty() { &outside } else { to }, root.join("app")), "/app/new")
    });
    let mut all = vec![
        cwd("X2.outside", ""), cwd("X2.up", "../../../../../../../../canary"), cwd("X2.root", "/proc/1/root"), cwd("X2.self", "/proc/self/cwd"),
        attack("X3.fifo", &[], "/etc/passwd has become a FIFO when exec begins", |case, canary| hostile(case, canary, |root| {
            nix::unistd::mkfifo(&root.join("etc/passwd"), Mode::from_bits_truncate(0o666))?;
            Ok(nix::unistd::mkfifo(&root.join("etc/group"), Mode::from_bits_truncate(0o666))?)
        }, "/")),
        attack("X3.link", &[], "/etc/passwd has become a link to the host's file", |case, canary| {
            let outside = canary.at("file");
            hostile(case, canary, |root| {
                symlink(&outside, root.join("etc/passwd"))?;
                symlink(&outside, root.join("etc/host"))
            }, "/")
        }),
        attack("X4.dev", &[], "/dev was replaced when exec begins", |case, canary| {
            let outside = canary.path.clone();
            hostile(case, canary, |root| {
                fs::remove_dir_all(root.join("dev"))?;
                symlink(outside, root.join("dev"))
            }, "/")
        }),
    ];
    // What a runtime could have taken from the host: nodes, and what covers masked files.
    let paths = [("00", "/dev/null"), ("01", "/dev/zero"), ("02", "/dev/full"), ("03", "/dev/tty"), ("04", "/dev/urandom"), ("06", "/proc/kcore"), ("07", "/proc/keys"), ("08", "/proc/timer_list"), ("13", "/proc/self/fd/0")];
    for (number, path) in paths {
        all.push(attack(format!("X5.{number}"), &[], format!("root of a container changes owner, mode, times or attributes of {path}, and the host sees it"), move |case, canary| {
            let masked = json!(["/proc/kcore", "/proc/keys", "/proc/timer_list"]);
            case.bundle().aid("/linux/maskedPaths", masked).see(&format!("meddle {path}"))?;
            let harm = canary.harm();
            ensure(harm.is_empty(), || format!("the host was changed: {harm:?}"))
        }));
    }
    all.push(attack("X5.09", &[], "root of a container writes a kernel parameter that it shares with the host, below a read-only path", |case, canary| {
        // The network is that of the suite's private world; of this one root may write without any capability.
        let bundle = case.bundle().without_namespace("network").aid("/linux/readonlyPaths", json!(["/proc/sys"]));
        let said = bundle.see("write /proc/sys/net/ipv4/ip_default_ttl 1")?.text;
        let harm = canary.harm();
        ensure(harm.is_empty(), || format!("the host was changed: {harm:?} ({said:?})"))
    }));
    all
}
