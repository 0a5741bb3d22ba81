//! Killed at any moment, nothing stays: the stored place is enough to clean up.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tare_cgroups::{Driver, Group, Host, Place};

use crate::sandbox::{Process, Sandbox, eventually, read, resolve};

const WORKER: &str = "TARE_TEST_LEAK_WORKER";
const WANTED: usize = 2000;

/// Not a test by itself: makes and removes cgroups until it is killed, and stores each place before.
#[test]
fn worker() {
    let Some(dir) = std::env::var_os(WORKER).map(PathBuf::from) else {
        return;
    };
    let host = Host::probe().unwrap();
    let resources = serde_json::from_str(r#"{"pids": {"limit": 10}}"#).unwrap();
    for number in 0.. {
        let name = format!("tare-test-leak-{}-{number}", std::process::id());
        let place = resolve(&host, &name);
        let record = dir.join(&name);
        std::fs::write(dir.join("next"), serde_json::to_vec(&place).unwrap()).unwrap();
        std::fs::rename(dir.join("next"), &record).unwrap();
        // Where the host has no pids controller: without limits.
        let limits = tare_cgroups::settings(&resources, &host, &place).unwrap_or_default();
        let mut group = Group::create(&place, &limits).unwrap();
        if number % 5 == 0 || place.driver() != Driver::Direct {
            let child = Process::sleeping();
            group.place(child.id()).unwrap();
            let _ = group.restrict(&limits);
            group.kill(9).unwrap();
        }
        group.remove().unwrap();
        std::fs::rename(&record, dir.join(format!("done-{name}"))).unwrap();
    }
}

#[test]
fn two_thousand_cgroups_and_not_one_left() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let dir = std::env::temp_dir().join(&sandbox.name);
    std::fs::create_dir(&dir).unwrap();
    let (mut made, mut kills, mut cleaned) = (0, 0, 0);
    // Where everything takes longer, the makers live longer too, to be killed elsewhere than at their beginning.
    let slow: u32 = std::env::var("TARE_TEST_SLOW").map_or(1, |text| text.parse().unwrap());
    let deadline = Instant::now() + Duration::from_secs(40 + 2 * u64::from(slow));
    let mut chance = std::process::id();
    while made < WANTED && Instant::now() < deadline {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "leak::worker", "--test-threads=1"])
            .env(WORKER, &dir)
            .stderr(Stdio::null());
        let mut worker = Process(command.stdout(Stdio::null()).spawn().unwrap());
        // A slow machine takes longer to start it than it is given to live.
        let started = || std::fs::read_dir(&dir).unwrap().next().is_some();
        assert!(eventually(started), "the worker makes nothing");
        // xorshift: any moment, repeatable from the process id.
        chance ^= chance << 13;
        chance ^= chance >> 17;
        chance ^= chance << 5;
        std::thread::sleep(Duration::from_micros(u64::from(chance % (200_000 * slow))));
        worker.0.kill().unwrap();
        worker.0.wait().unwrap();
        kills += 1;
        let (done, left) = clean_up(&dir);
        made += done + left;
        cleaned += left;
    }
    println!("{made} cgroups made, {kills} makers killed, {cleaned} cleaned up after them");
    assert!(kills > 0 && made >= kills, "{made} cgroups, {kills} kills");
    for path in sandbox.paths() {
        let parent = path.parent().unwrap();
        // systemd makes its slices in some hierarchies only.
        let entries = parent.exists().then(|| std::fs::read_dir(parent).unwrap());
        let left: Vec<_> = entries
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
            .filter(|name| name.contains("tare-test-leak-"))
            .collect();
        assert!(left.is_empty(), "left in {}: {left:?}", parent.display());
    }
    if sandbox.is_systemd() {
        let mut command = Command::new("systemctl");
        if sandbox.place.driver() == (Driver::Systemd { user: true }) {
            command.arg("--user");
        }
        let units = command
            .args(["list-units", "--all", "--plain", "tare-*leak*"])
            .output()
            .unwrap();
        let units = String::from_utf8_lossy(&units.stdout).into_owned();
        assert!(!units.contains("tare-test-leak-"), "{units}");
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

/// Does what a later `delete` does, with nothing but the record.
fn clean_up(dir: &Path) -> (usize, usize) {
    let (mut done, mut left) = (0, 0);
    for entry in std::fs::read_dir(dir).expect("records") {
        let name = entry
            .expect("a record")
            .file_name()
            .into_string()
            .expect("a name");
        if name.starts_with("done-") {
            done += 1;
        } else if name != "next" {
            let place: Place = serde_json::from_str(&read(dir, &name)).expect("a place");
            let group = Group::open(&place).expect("opened");
            group.kill(9).expect("killed");
            group.remove().expect("removed");
            left += 1;
        }
        std::fs::remove_file(dir.join(name)).expect("a record removed");
    }
    (done, left)
}
