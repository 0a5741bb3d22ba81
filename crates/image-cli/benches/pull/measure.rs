//! One run of one program: seconds, processor seconds, peak memory.

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::daemons::Containerd;
use crate::stop;
use crate::tools::{Place, Tool};

/// All runs of one program with one image.
#[derive(Default)]
pub(crate) struct Measured {
    pub(crate) seconds: Vec<f64>,
    pub(crate) again: Vec<f64>,
    /// Processor seconds of all processes: what remains comparable on a busy machine.
    pub(crate) cpu: Vec<f64>,
    pub(crate) peak_kb: u64,
}

/// Runs a program in an empty folder, once to pull and once with nothing to do.
pub(crate) fn measure(
    place: &Place,
    tool: &Tool,
    image: &str,
    digests: &[String],
    into: &mut Measured,
) {
    let out = place.folder.join("out");
    // Not removed now: for minutes afterwards ext4 searches around deleted inodes whenever it makes new ones, which took more
    // processor time than all the rest.
    let old = place.folder.join("old");
    fs::create_dir_all(&old).unwrap();
    if out.exists() {
        fs::rename(
            &out,
            old.join(fs::read_dir(&old).unwrap().count().to_string()),
        )
        .unwrap();
    }
    fs::create_dir(&out).unwrap();
    let daemon = (tool.name == "containerd (ctr)").then(|| Containerd::start(place));
    // What earlier runs left to write must not be paid for by this one.
    assert!(Command::new("sync").status().unwrap().success());
    let commands = (tool.command)(place, image, digests);
    let run = |peak: &mut u64| {
        let start = Instant::now();
        for command in &commands {
            *peak = (*peak).max(run_one(command));
        }
        start.elapsed().as_secs_f64()
    };
    let before = cpu_seconds("self", 13) + daemon.as_ref().map_or(0.0, Containerd::cpu);
    into.seconds.push(run(&mut into.peak_kb));
    into.cpu
        .push(cpu_seconds("self", 13) + daemon.as_ref().map_or(0.0, Containerd::cpu) - before);
    if tool.name != "floor" && tool.name != "skopeo+umoci" {
        let mut ignored = 0;
        into.again.push(run(&mut ignored));
    }
    if let Some(daemon) = daemon {
        into.peak_kb = into.peak_kb.max(peak_kb(daemon.child.id()));
    }
    // podman leaves a mount on its own directory.
    let _ = Command::new("umount")
        .arg(out.join("root/overlay"))
        .stderr(Stdio::null())
        .status();
}

/// Peak resident memory, in kB.
fn run_one(command: &[String]) -> u64 {
    let mut child = stop::start(
        Command::new(&command[0])
            .args(&command[1..])
            .stdout(Stdio::null())
            .stderr(Stdio::piped()),
    );
    let mut peak = 0;
    let status = loop {
        peak = peak.max(peak_kb(child.id()));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    stop::ended(&child);
    if !status.success() {
        let mut said = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        panic!("{command:?} failed: {said}");
    }
    peak
}

fn peak_kb(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// Two neighbouring times of `/proc/<pid>/stat`, counted from the process's state on: 11 are its own, 13 those of its children.
pub(crate) fn cpu_seconds(pid: &str, field: usize) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .skip(field);
    // In hundredths of a second, on every Linux that programs see.
    fields
        .take(2)
        .filter_map(|f| f.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}
