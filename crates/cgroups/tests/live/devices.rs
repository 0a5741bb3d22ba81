//! Device rules as the kernel enforces them, against an oracle: making and opening nodes from inside.

use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kernel::Errno;
use kernel::file::{self, HERE, mode, open};
use spec::{DeviceRule, LinuxResources};

use crate::sandbox::{Process, Sandbox, skip};

const PROBE: &str = "TARE_TEST_DEVICE_PROBE";

/// null, zero, random, tty, kvm, fuse, tun, sda; and one that no rule names.
const DEVICES: [(char, u32, u32); 9] = [
    ('c', 1, 3),
    ('c', 1, 5),
    ('c', 1, 8),
    ('c', 1, 11),
    ('c', 5, 0),
    ('c', 10, 232),
    ('c', 10, 229),
    ('c', 10, 200),
    ('b', 8, 0),
];

const ACCESSES: [&str; 4] = ["m", "r", "w", "rw"];

const TABLE: [&str; 8] = [
    "[]",
    r#"[{"allow": false, "access": "rwm"}]"#,
    r#"[{"allow": true, "access": "rwm"}]"#,
    r#"[{"allow": true}, {"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rwm"}]"#,
    r#"[{"allow": false}, {"allow": true, "type": "b", "access": "r"}, {"allow": true, "type": "c", "major": 10, "access": "w"}]"#,
    r#"[{"allow": true}, {"allow": false, "type": "c", "major": 10, "minor": 200, "access": "w"}]"#,
    r#"[{"allow": true, "type": "c", "major": 10, "access": "rw"}, {"allow": false, "type": "c", "major": 10, "minor": 200, "access": "w"}]"#,
    r#"[{"allow": true, "type": "c", "major": 1, "minor": 11, "access": "r"}, {"allow": true, "type": "a", "major": 8, "minor": 0, "access": "w"}]"#,
];

/// Everything is allowed except one device.
const ALLOW_BUT_ONE: usize = 5;

/// Not a test by itself: started by the others in a process of its own, which is then inside the cgroup.
#[test]
fn probe() {
    let Some(dir) = std::env::var_os(PROBE).map(PathBuf::from) else {
        return;
    };
    for line in std::io::stdin().lines() {
        let prefix = line.expect("a line");
        for (number, (kind, major, minor)) in DEVICES.into_iter().enumerate() {
            for access in ACCESSES {
                let allowed = attempt(
                    &dir,
                    &format!("{prefix}-{number}"),
                    (kind, major, minor),
                    access,
                );
                println!("{kind} {major}:{minor} {access} {allowed}");
            }
        }
        println!("done");
    }
}

fn attempt(dir: &Path, name: &str, (kind, major, minor): (char, u32, u32), access: &str) -> bool {
    let path = |name: String| {
        std::ffi::CString::new(dir.join(name).to_str().expect("a path")).expect("a path")
    };
    let result = match access {
        "m" => {
            let kind = if kind == 'b' {
                mode::BLOCK
            } else {
                mode::CHARACTER
            };
            file::make_node(
                HERE,
                &path(format!("new-{name}")),
                kind | 0o666,
                file::device(major, minor),
            )
        }
        access => {
            let flags = match access {
                "r" => open::RDONLY,
                "w" => open::WRONLY,
                _ => open::RDWR,
            };
            file::open_at(
                HERE,
                &path(format!("{kind}-{major}-{minor}")),
                flags | open::NONBLOCK | open::NOCTTY,
                0,
            )
            .map(drop)
        }
    };
    // A device without a driver is allowed, too: it fails otherwise.
    !result.is_err_and(|fault| fault.is(Errno::EPERM) || fault.is(Errno::EACCES))
}

/// The last matching rule decides for each kind of access, with the devices that every container has behind all rules.
fn oracle(rules: &[DeviceRule<'_>], kind: char, major: u32, minor: u32, access: &str) -> bool {
    let default = matches!(
        (kind, major, minor),
        ('c', 1, 3 | 5 | 7 | 8 | 9) | ('c', 5, 0 | 2) | ('c', 136, _)
    );
    access.chars().all(|letter| {
        let number = |given: Option<i64>, actual: u32| {
            given.is_none_or(|n| n == -1 || n == i64::from(actual))
        };
        let of_kind = |rule: &DeviceRule<'_>| {
            rule.kind
                .as_deref()
                .is_none_or(|k| k == "a" || k == kind.to_string())
        };
        let last = rules.iter().rev().find(|rule| {
            of_kind(rule)
                && number(rule.major, major)
                && number(rule.minor, minor)
                && rule.access.as_deref().unwrap_or("rwm").contains(letter)
        });
        default || letter == 'm' || last.is_some_and(|rule| rule.allow)
    })
}

#[test]
fn rules_hold_from_inside_at_creation_and_after_updates() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    if kernel::identity::user() != 0 {
        skip!("device rules take privileges");
    }
    let dir = std::env::temp_dir().join(&sandbox.name);
    std::fs::create_dir(&dir).unwrap();
    for (kind, major, minor) in DEVICES {
        let path = dir.join(format!("{kind}-{major}-{minor}"));
        let path = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
        let format = if kind == 'b' {
            mode::BLOCK
        } else {
            mode::CHARACTER
        };
        file::make_node(HERE, &path, format | 0o666, file::device(major, minor)).unwrap();
    }
    let mut inside: Option<Inside> = None;
    let mut tried = 0;
    for (number, rules) in TABLE.into_iter().enumerate() {
        let json = format!(r#"{{"devices": {rules}}}"#);
        let resources: LinuxResources<'_> = serde_json::from_str(&json).unwrap();
        let settings = match tare_cgroups::settings(&resources, &sandbox.host, &sandbox.place) {
            Ok(settings) => settings,
            Err(error) => {
                println!("left out: {error}");
                continue;
            }
        };
        match &inside {
            None => inside = Some(enter(&sandbox, &settings, &dir)),
            Some((group, ..)) => group.update(&settings).unwrap(),
        }
        // An update without rules changes nothing; the first round is the creation.
        assert!(number == 0 || !resources.devices.is_empty());
        let inside = inside.as_mut().unwrap();
        tried += compare(inside, &number.to_string(), &resources.devices);
        if sandbox.is_systemd() && number == ALLOW_BUT_ONE && !sandbox.is_v2("devices") {
            println!("skipped a part: systemd cannot deny single devices, and v1 has one list");
        } else if sandbox.is_systemd() {
            // systemd puts its own idea of the unit in place again.
            let reload = Command::new("systemctl").arg("daemon-reload").status();
            assert!(reload.unwrap().success());
            tried += compare(inside, &format!("{number}-again"), &resources.devices);
        }
    }
    assert!(tried >= 5 * DEVICES.len() * ACCESSES.len(), "{tried}");
    drop(inside);
    std::fs::remove_dir_all(&dir).unwrap();
}

type Inside = (
    tare_cgroups::Group,
    Process,
    BufReader<std::process::ChildStdout>,
);

/// Lets the process inside try everything; the answer is how much it tried.
fn compare((_, process, output): &mut Inside, label: &str, rules: &[DeviceRule<'_>]) -> usize {
    writeln!(process.0.stdin.as_mut().expect("input"), "{label}").expect("asked");
    let mut tried = 0;
    for line in std::io::BufRead::lines(output) {
        let line = line.expect("an answer");
        if line.ends_with("done") {
            break;
        }
        // libtest prints the test's name before the first line.
        let words: Vec<&str> = line.rsplitn(5, ' ').collect();
        let [allowed, access, numbers, kind, ..] = words[..] else {
            continue;
        };
        let Some((major, minor)) = numbers.split_once(':') else {
            continue;
        };
        let (major, minor) = (major.parse().expect("major"), minor.parse().expect("minor"));
        let kind = kind.chars().next().expect("a kind");
        let expected = oracle(rules, kind, major, minor, access);
        assert_eq!(
            allowed,
            expected.to_string(),
            "{label}: {line} with {rules:?}"
        );
        tried += 1;
    }
    tried
}

fn enter(sandbox: &Sandbox, settings: &tare_cgroups::Settings, dir: &Path) -> Inside {
    let mut group = sandbox.create(settings);
    let mut command = Command::new(std::env::current_exe().expect("the test's program"));
    command
        .args(["--exact", "devices::probe", "--nocapture"])
        .env(PROBE, dir);
    let mut process = Process(
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the probe"),
    );
    group.place(process.id()).expect("placed");
    assert!(group.skipped().is_empty());
    let output = BufReader::new(process.0.stdout.take().expect("output"));
    (group, process, output)
}
