//! Family R: a neighbour that shares a volume exchanges what lies there, again and again, while containers are created.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use oci_validation::case::Case;
use oci_validation::verdict::{Setup, Stop, Verdict, ensure, fail};
use serde_json::json;

use crate::attack::{Attack, attack};
use crate::canary::{Canary, SECRET};

/// Exchanges two names until it is dropped.
struct Swapper<'a>(&'a AtomicBool);

impl Drop for Swapper<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs containers while two names of the volume are exchanged.
fn race(
    case: &Case,
    canary: &Canary,
    seconds: u64,
    (one, other): (&Path, &Path),
    mut round: impl FnMut() -> Verdict,
) -> Verdict {
    let ended = AtomicBool::new(false);
    let end = Instant::now() + Duration::from_secs(seconds);
    let _ = case;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                let _ = renameat2(AT_FDCWD, one, AT_FDCWD, other, RenameFlags::RENAME_EXCHANGE);
            }
        });
        let _swapper = Swapper(&ended);
        while Instant::now() < end {
            match round() {
                Err(Stop::Refused(_)) | Ok(()) => {}
                Err(other) => return Err(other),
            }
            let harm = canary.harm();
            ensure(harm.is_empty(), || {
                format!("the host was changed: {harm:?}")
            })?;
        }
        Ok(())
    })
}

/// A path of the host from far below, such as leads out of any root that does not hold.
fn up_to(path: &Path) -> PathBuf {
    PathBuf::from("../".repeat(30)).join(path.strip_prefix("/").unwrap_or(path))
}

/// A volume with a directory and a link out of it that can be exchanged.
fn volume(case: &Case, to: &Path) -> Verdict<(PathBuf, PathBuf, PathBuf)> {
    let volume = case.folder("volume")?;
    let (folder, link) = (volume.join("a"), volume.join("b"));
    fs::create_dir_all(folder.join("x/y")).setup("make a folder")?;
    symlink(to, &link).setup("make a link")?;
    Ok((volume, folder, link))
}

/// All races; in the short form each is one second.
#[rustfmt::skip]
pub(crate) fn attacks(short: bool) -> Vec<Attack> {
    const MOUNTS: &[&str] = &["runc CVE-2021-30465", "runc CVE-2024-45310"];
    const MISSING: &[&str] = &["runc CVE-2024-45310"];
    let seconds = if short { 1 } else { 10 };
    let looks = "cat /proc/self/mountinfo -- cat /v/a/file /v/b/file /v/a/below/file /v/a/x/file";
    let mounts = move |id: &str, advisories, what: &str, below: &'static str, kind: &'static str, up: bool| attack(id, advisories, what, move |case, canary| {
        let to = match up {
            true => up_to(&canary.at("folder")),
            false => canary.at("folder"),
        };
        let (volume, folder, link) = volume(case, &to)?;
        let mut number = 0;
        race(case, canary, seconds, (&folder, &link), || {
            number += 1;
            let mut bundle = case.bundle().mount("/v", "bind", &volume.display().to_string(), &["rbind", "rw"]);
            for more in 0..6 {
                let at = if below.ends_with('*') { format!("/v/a/{}{number}-{more}", below.trim_end_matches('*')) } else { format!("/v/a/{below}") };
                bundle = bundle.mount(&at, kind, kind, &["nosuid"]);
            }
            let seen = bundle.see(looks)?;
            ensure(!seen.text.contains(SECRET), || "the container reads a file of the host".to_owned())
        })
    });
    let mut all = vec![
        mounts("R1.absolute", MOUNTS, "a mount's target becomes an absolute link out", "x", "tmpfs", false),
        mounts("R1.up", MOUNTS, "a mount's target becomes a link far up and out", "x", "tmpfs", true),
        mounts("R1.proc", MOUNTS, "the target of a procfs becomes a link out", "x/y", "proc", false),
        mounts("R2.absolute", MISSING, "missing targets are made while the way becomes an absolute link out", "new*", "tmpfs", false),
        mounts("R2.up", MISSING, "missing targets are made while the way becomes a link far up and out", "new/er*", "tmpfs", true),
    ];
    all.push(attack("R2.cwd", MISSING, "the working directory is made while the way becomes a link out", move |case, canary| {
        let (volume, folder, link) = volume(case, &canary.at("folder"))?;
        let mut number = 0;
        race(case, canary, seconds, (&folder, &link), || {
            number += 1;
            let bundle = case.bundle().mount("/v", "bind", &volume.display().to_string(), &["rbind", "rw"]).set("/process/cwd", format!("/v/a/new{number}/er"));
            let seen = bundle.see("cat ../file ../../file")?;
            ensure(!seen.text.contains(SECRET), || "the container reads a file of the host".to_owned())
        })
    }));
    all.push(attack("R3.race", &["runc CVE-2025-31133", "youki CVE-2025-62161"], "a neighbour exchanges /dev/null for a link while files are masked", move |case, canary| {
        let dev = case.folder("dev")?;
        let node = nix::sys::stat::makedev(1, 3);
        nix::sys::stat::mknod(&dev.join("null"), nix::sys::stat::SFlag::S_IFCHR, nix::sys::stat::Mode::from_bits_truncate(0o666), node).setup("make a node")?;
        symlink("/etc/open", dev.join("other")).setup("make a link")?;
        race(case, canary, seconds, (&dev.join("null"), &dev.join("other")), || {
            let bundle = case.bundle().without_mount("/dev").without_mount("/dev/shm").without_mount("/dev/pts")
                .mount("/dev", "bind", &dev.display().to_string(), &["rbind", "rw"]);
            fs::write(bundle.root().join("etc/open"), "neighbour").setup("write a file")?;
            let paths: Vec<String> = (0..20).map(|number| format!("/etc/secret{number}")).collect();
            for path in &paths {
                fs::write(bundle.root().join(&path[1..]), SECRET).setup("write a file")?;
            }
            let seen = bundle.set("/linux/maskedPaths", json!(paths)).see(&format!("cat {}", paths.join(" ")))?;
            match seen.text.contains(SECRET) || seen.text.contains("neighbour") {
                true => fail("a file is not masked, or by what is the neighbour's"),
                false => Ok(()),
            }
        })
    }));
    for (name, exchanged) in [("console", "console"), ("terminals", "pts")] {
        let what = format!("a neighbour exchanges /dev/{exchanged} for a link while the terminal is put on /dev/console");
        all.push(attack(format!("R4.{name}"), &["runc CVE-2025-52565"], what, move |case, canary| {
            let dev = case.folder("dev")?;
            let (one, other) = (dev.join(exchanged), dev.join("other"));
            let made = match exchanged {
                "pts" => fs::create_dir(&one),
                _ => fs::create_dir(dev.join("pts")).and_then(|()| fs::write(&one, "")),
            };
            made.setup("make a file")?;
            // A name that is not there yet: who follows it out makes a file or a directory there.
            symlink(up_to(&canary.at("new")), &other).setup("make a link")?;
            let socket = case.path("console.sock");
            let listener = std::os::unix::net::UnixListener::bind(&socket).setup("listen")?;
            // Whoever connects is kept until the end: then its terminal hangs up.
            std::thread::spawn(move || listener.incoming().flatten().collect::<Vec<_>>());
            race(case, canary, seconds, (&one, &other), || {
                let bundle = case.bundle().without_mount("/dev").without_mount("/dev/shm").without_mount("/dev/pts")
                    .mount("/dev", "bind", &dev.display().to_string(), &["rbind", "rw"])
                    .mount("/dev/pts", "devpts", "devpts", &["newinstance", "ptmxmode=0666", "mode=0620"])
                    .set("/process/terminal", true).flags(&["--console-socket", &socket.display().to_string()]);
                let container = bundle.runs("sleep 60").create()?;
                let mounts = container.proc("mountinfo")?;
                container.end()?;
                // Where it was put may have been moved by the neighbour; what was put there is the terminal.
                let place = |line: &str| line.split(' ').nth(4).is_some_and(|at| ["/dev/console", "/dev/other"].contains(&at));
                let wrong = mounts.lines().find(|line| place(line) && !line.contains(" - devpts "));
                ensure(wrong.is_none(), || format!("the console is {wrong:?}"))?;
                // Mounted on something outside it is gone with the old root.
                let terminal = |line: &str| line.contains(" - devpts ") && !line.contains(" / /");
                ensure(mounts.lines().any(terminal), || format!("the console is on nothing inside: {mounts:?}"))?;
                // What was mounted is the fourth word; where, the fifth, is a path inside, and a link may name any.
                let of_host = |line: &&str| line.split(' ').nth(3).is_some_and(|root| root.contains("/canary"));
                let found = mounts.lines().find(of_host);
                ensure(found.is_none(), || format!("a file of the host is mounted: {found:?}"))
            })
        }));
    }
    all.push(attack("R5.parameter", &["runc CVE-2025-52881", "runc CVE-2024-45310", "youki CVE-2025-62596"], "a neighbour exchanges what lies on the way to a file of procfs that is written", move |case, canary| {
        let (volume, folder, link) = volume(case, &canary.at("folder"))?;
        race(case, canary, seconds, (&folder, &link), || {
            let bundle = case.bundle().mount("/v", "bind", &volume.display().to_string(), &["rbind", "rw"])
                .mount("/v/a/x", "proc", "proc", &[]).set("/linux/sysctl", json!({"net.ipv4.ip_forward": "1"}));
            let seen = bundle.see("cat /proc/sys/net/ipv4/ip_forward /v/a/file")?;
            ensure(!seen.text.contains(SECRET), || "the container reads a file of the host".to_owned())
        })
    }));
    all
}
