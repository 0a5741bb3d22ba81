//! `cargo xtask test`: all tests that this machine allows, in all ways that it allows.
//!
//! As root the integration tests run three times: as they are, as an ordinary user, and where only cgroup version 2 is
//! to be seen; those of the cgroups crate, which run as they are, also where only one version is to be seen. What was
//! skipped is listed with its reason; the last line has the sums.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Answer, call};

/// Sums over all test programs.
#[derive(Default)]
struct Sums {
    passed: u64,
    failed: u64,
    skipped: u64,
    /// Tests of the running program that libtest is going to count as passed.
    gave_up: u64,
    reasons: BTreeMap<String, Vec<String>>,
    broken: Vec<String>,
}

pub(crate) fn run(arguments: &[String]) -> Answer {
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let filter: Vec<&String> = arguments
        .iter()
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    call::build_tare()?;
    let mut sums = Sums::default();
    sums.run(
        "all tests",
        call::cargo(["test", "--workspace", "--no-fail-fast", "--"]).args(&filter),
    );
    if !quick && filter.is_empty() {
        oracles(&mut sums);
    }
    if call::ids().0 == 0 && !quick {
        let (program, _) = integration()?;
        ordinary(&mut sums, &program, &filter)?;
        views(&mut sums, &program, &filter)?;
    }
    sums.print();
    if sums.failed == 0 && sums.broken.is_empty() {
        Ok(())
    } else {
        Err("some tests failed".to_owned())
    }
}

/// Ours beside what others wrote for the same: crates of their own, because nothing else is to need those.
fn oracles(sums: &mut Sums) {
    let name = "cgroups as the cgroups-rs crate reads them";
    match call::ids().0 {
        0 => oracle(sums, name, "tests/oracle/cgroups-rs/Cargo.toml"),
        _ => sums.skip(name, "needs root"),
    }
    let name = "the seccomp compiler beside libseccomp, seccompiler and the kernel";
    match Path::new("/usr/include/seccomp.h").exists() {
        true => oracle(sums, name, "tests/oracle/seccomp/Cargo.toml"),
        false => sums.skip(name, "libseccomp-dev is not installed"),
    }
}

fn oracle(sums: &mut Sums, name: &str, manifest: &str) {
    let flags = ["--no-fail-fast", "--", "--nocapture"];
    let mut cargo = call::cargo(["test", "--manifest-path", manifest]);
    let target = call::target().join("oracle");
    sums.run(name, cargo.args(flags).env("CARGO_TARGET_DIR", target));
}

/// Builds the integration tests; returns their program and the probe.
pub(crate) fn integration() -> Result<(PathBuf, PathBuf), String> {
    call::build_tare()?;
    build_integration(&mut call::cargo(["test"]))
}

/// Builds the integration tests by a `cargo test` to which only their name is missing: the program and its probe.
pub(crate) fn build_integration(cargo: &mut Command) -> Result<(PathBuf, PathBuf), String> {
    let messages = build(cargo, &["--package", "tare-integration"])?;
    let mut program = None;
    let mut probe = None;
    for line in messages
        .lines()
        .filter(|line| line.contains("tare-integration"))
    {
        program = value(line, "executable").or(program);
        probe = value(line, "out_dir")
            .map(|folder| folder.join("probe"))
            .or(probe);
    }
    let missing = "cargo did not say where the integration tests are";
    Ok((program.ok_or(missing)?, probe.ok_or(missing)?))
}

/// Builds one test program of a package.
pub(crate) fn program(package: &str, test: &str) -> Result<PathBuf, String> {
    let which = ["--package", package, "--test", test];
    let messages = build(&mut call::cargo(["test"]), &which)?;
    let mut found = messages
        .lines()
        .filter_map(|line| value(line, "executable"));
    found
        .next()
        .ok_or_else(|| format!("cargo did not say where the test {test} of {package} is"))
}

/// Builds tests; what cargo says about it.
fn build(cargo: &mut Command, what: &[&str]) -> Result<String, String> {
    call::output(
        cargo
            .args(["--no-run", "--message-format", "json"])
            .args(what),
    )
}

/// A path in one of cargo's messages.
fn value(message: &str, key: &str) -> Option<PathBuf> {
    let (_, rest) = message.split_once(&format!("\"{key}\":\""))?;
    rest.split('"').next().map(PathBuf::from)
}

/// The integration tests as a user without privileges, from copies that the user can read.
fn ordinary(sums: &mut Sums, program: &PathBuf, filter: &[&String]) -> Answer {
    let name = "integration tests as an ordinary user";
    let Some(setpriv) = call::installed("setpriv") else {
        sums.skip(name, "setpriv is not installed");
        return Ok(());
    };
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let user = ["tare-test", "nobody"]
        .into_iter()
        .find(|user| passwd.contains(&format!("\n{user}:")));
    let Some(user) = user else {
        sums.skip(name, "there is no user tare-test or nobody");
        return Ok(());
    };
    let (_, probe) = integration()?;
    let folder = std::env::temp_dir().join(format!("tare-ordinary-{}", std::process::id()));
    let copy = |from: &PathBuf, to: &str| -> Answer {
        let to = folder.join(to);
        fs::copy(from, &to)
            .and_then(|_| fs::set_permissions(&to, fs::Permissions::from_mode(0o755)))
            .map_err(|error| format!("{}: {error}", to.display()))
    };
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let copied = copy(program, "integration").and_then(|()| copy(&probe, "probe"));
    let copied = copied.and_then(|()| copy(&runtime(), "tare"));
    if copied.is_ok() {
        let mut command = call::program(setpriv);
        let group = group_of(&passwd, user);
        command
            .args(["--reuid", user, "--regid", &group, "--clear-groups"])
            .arg(folder.join("integration"));
        command.args(filter).current_dir("/");
        command
            .env("TARE_RUNTIME", folder.join("tare"))
            .env("TARE_PROBE", folder.join("probe"));
        sums.run(
            name,
            command.env("TARE_TEST_CONTAINERS", "50").env("HOME", "/"),
        );
    }
    let _ = fs::remove_dir_all(&folder);
    copied
}

fn group_of(passwd: &str, user: &str) -> String {
    let line = passwd
        .lines()
        .find(|line| line.starts_with(&format!("{user}:")))
        .unwrap_or_default();
    line.split(':').nth(3).unwrap_or("65534").to_owned()
}

/// The runtime under test, as the integration tests find it.
pub(crate) fn runtime() -> PathBuf {
    std::env::var_os("TARE_RUNTIME")
        .map_or_else(|| call::target().join("debug/tare"), PathBuf::from)
}

/// What makes a shell see cgroup version 2 alone, in a mount namespace of its own.
pub(crate) const UNIFIED: &str =
    "umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec \"$@\"";

/// The same for version 1, on a machine that has both.
pub(crate) const WITHOUT_UNIFIED: &str = "umount /sys/fs/cgroup/unified && exec \"$@\"";

/// What depends on control groups, where one version alone is to be seen.
fn views(sums: &mut Sums, integration: &Path, filter: &[&String]) -> Answer {
    if fs::exists("/sys/fs/cgroup/cgroup.controllers").unwrap_or(false) {
        return Ok(());
    }
    let name = "integration tests in a view of cgroup version 2";
    view(sums, name, UNIFIED, integration, filter);
    if filter.is_empty() {
        let body = program("tare-cgroups", "live")?;
        // One after the other, so that each line says which test it is about.
        let aloud = ["--test-threads=1", "--nocapture"].map(str::to_owned);
        let aloud: Vec<&String> = aloud.iter().collect();
        let name = "cgroups in a view of version 2";
        view(sums, name, UNIFIED, &body, &aloud);
        if fs::exists("/sys/fs/cgroup/unified").unwrap_or(false) {
            let name = "cgroups in a view of version 1";
            view(sums, name, WITHOUT_UNIFIED, &body, &aloud);
        }
    }
    Ok(())
}

fn view(sums: &mut Sums, name: &str, script: &str, program: &Path, filter: &[&String]) {
    let Some(unshare) = call::installed("unshare") else {
        sums.skip(name, "unshare is not installed");
        return;
    };
    let mut command = in_view(&unshare, script, program);
    sums.run(name, command.args(filter).env("TARE_TEST_CONTAINERS", "50"));
}

/// A program that sees what the script leaves to it.
pub(crate) fn in_view(unshare: &Path, script: &str, program: &Path) -> Command {
    let mut command = call::program(unshare);
    let words = ["--mount", "--propagation", "private", "sh", "-c"];
    command.args(words).args([script, "sh"]).arg(program);
    command
}

impl Sums {
    fn skip(&mut self, name: &str, reason: &str) {
        self.skipped += 1;
        self.reasons
            .entry(reason.to_owned())
            .or_default()
            .push(name.to_owned());
    }

    /// Runs a test program, shows its output and adds up its results.
    fn run(&mut self, name: &str, command: &mut Command) {
        println!("\n=== {name}");
        let before = self.failed;
        let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = match started {
            Ok(child) => child,
            Err(error) => return self.broken.push(format!("{name}: {command:?}: {error}")),
        };
        let output = child.stdout.take();
        for line in output
            .into_iter()
            .flat_map(|pipe| BufReader::new(pipe).lines())
            .map_while(Result::ok)
        {
            // Results are printed once, at the end.
            if !line.starts_with("test result:") {
                println!("{line}");
            }
            self.add(&line);
        }
        match child.wait() {
            Ok(status) if !status.success() && self.failed == before => {
                self.broken.push(format!("{name}: {status}"))
            }
            Ok(_) => {}
            Err(error) => self.broken.push(format!("{name}: {error}")),
        }
    }

    fn add(&mut self, line: &str) {
        if let Some((name, reason)) = line
            .strip_prefix("skipped: ")
            .and_then(|rest| rest.split_once(": "))
        {
            self.skip(name, reason);
        } else if let Some((name, reason)) = line.split_once(" ... SKIPPED: ") {
            self.skip(name.trim_start_matches("test "), reason);
            self.gave_up += 1;
        } else if let Some(rest) = line.strip_prefix("test result:") {
            let count = |word: &str| -> u64 {
                let front = rest.split(word).next().unwrap_or_default().trim();
                front
                    .rsplit(' ')
                    .next()
                    .and_then(|number| number.parse().ok())
                    .unwrap_or(0)
            };
            let (passed, failed, ignored) = (count("passed"), count("failed"), count("ignored"));
            self.passed += passed.saturating_sub(std::mem::take(&mut self.gave_up));
            self.failed += failed;
            self.skipped += ignored;
        } else if let Some((name, reason)) = line.split_once(" ... ignored, ") {
            let name = name.trim_start_matches("test ").to_owned();
            self.reasons
                .entry(reason.to_owned())
                .or_default()
                .push(name);
        }
    }

    fn print(&self) {
        if !self.reasons.is_empty() {
            println!("\nskipped:");
        }
        for (reason, names) in &self.reasons {
            println!("  {reason} ({} tests)", names.len());
            for name in names {
                println!("      {name}");
            }
        }
        for broken in &self.broken {
            println!("\nbroken: {broken}");
        }
        println!(
            "\n{} passed, {} failed, {} skipped",
            self.passed,
            self.failed + self.broken.len() as u64,
            self.skipped
        );
    }
}
