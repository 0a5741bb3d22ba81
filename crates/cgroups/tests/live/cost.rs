//! How many system calls a cgroup costs, counted by strace(1) in `examples/cycle.rs`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use tare_cgroups::{Host, Version};

/// The calls of so many rounds, one a line; `None` where they cannot be counted.
fn trace(rounds: u32, words: &[&str]) -> Option<Vec<String>> {
    // This program is target/PROFILE/deps/live-HASH.
    let own = std::env::current_exe().expect("own path");
    let cycle: PathBuf = own.ancestors().nth(2)?.join("examples/cycle");
    if !cycle.exists() {
        println!("SKIPPED: {} is not built", cycle.display());
        return None;
    }
    let log = std::env::temp_dir().join(format!("tare-cycle-{}-{rounds}", std::process::id()));
    let run = Command::new("strace")
        .arg("-o")
        .arg(&log)
        .arg(cycle)
        .arg(rounds.to_string())
        .args(words)
        .env("WITHOUT_DEVICES", "1")
        .output();
    let text = std::fs::read_to_string(&log).unwrap_or_default();
    let _ = std::fs::remove_file(&log);
    match run {
        // Reading the clock is a call only where the machine's clock cannot be read from user space (vdso(7)).
        Ok(output) if output.status.success() => Some(
            text.lines()
                .filter(|call| !call.starts_with("clock_gettime("))
                .map(str::to_owned)
                .collect(),
        ),
        Ok(output) => {
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            println!("SKIPPED: no cgroups under strace: {}", why.trim());
            None
        }
        Err(error) => {
            println!("SKIPPED: no strace: {error}");
            None
        }
    }
}

/// What one round adds: whatever the program does once is left out.
fn per_round(words: &[&str]) -> Option<usize> {
    let (one, eleven) = (trace(1, words)?.len(), trace(11, words)?.len());
    Some((eleven - one) / 10)
}

#[test]
fn a_cgroup_costs_few_system_calls() {
    let Some(calls) = per_round(&[]) else { return };
    let host = Host::probe().unwrap();
    let most = match host.version() {
        // Made, five values, removed; claimed twice. The host is looked at once.
        Version::V2 => 25 + 7 + 6,
        // Each hierarchy is made and removed, five are opened and closed; six values; what a new cpuset has to start with;
        // claimed twice.
        _ => 2 * host.hierarchies().len() + 2 * 5 + 3 * 6 + 4 * 3 + 7 + 6,
    };
    println!("{calls} system calls on {:?}", host.version());
    assert!(calls <= most, "{calls} system calls instead of {most}");
}

#[test]
fn statistics_open_each_file_once_and_list_no_directory() {
    // The second time: what the machine has is looked for once.
    let Some(calls) = trace(2, &["read"]) else {
        return;
    };
    // After the last value, and before it is claimed to be removed.
    let before = |calls: &[String]| calls.iter().rposition(|call| call.contains("O_WRONLY"));
    let removal = before(&calls).unwrap();
    let reading = &calls[before(&calls[..removal]).unwrap_or(0) + 1..removal];
    let mut seen = BTreeSet::new();
    for call in reading {
        assert!(!call.starts_with("getdents"), "{call}");
        // The directory's number and the file's name.
        if let Some(file) = call.strip_prefix("openat(") {
            let file = file.split(", O_").next().unwrap_or_default();
            assert!(seen.insert(file.to_owned()), "opened again: {file}");
        }
    }
    let reads = reading.iter().filter(|c| c.starts_with("read(")).count();
    println!("{} files, {reads} reads", seen.len());
    assert!(!seen.is_empty());
}
