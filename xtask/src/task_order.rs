//! `cargo xtask order`: which functions of `tare` common commands execute, as crates/runc-cli/order.txt keeps them.
//!
//! A page of a program costs the kernel time and memory when it is first touched, and so do its neighbours, which it maps
//! with it. So the build lays the functions of common commands one behind the other; by itself the linker mixes them with the
//! others, four times as many.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::{Answer, call, task_hello, task_test};

/// Where the list is kept, below the workspace.
const LIST: &str = "crates/runc-cli/order.txt";

/// The lives of two containers, by the arguments of each command. A word in capitals is a bundle.
const COMMANDS: &[&[&str]] = &[
    &["run", "--bundle", "ENDS", "order-run"],
    &["create", "--bundle", "WAITS", "order"],
    &["state", "order"],
    &["list"],
    &["start", "order"],
    &["exec", "order", "/bin/hello", "report"],
    &["kill", "order", "KILL"],
    &["delete", "order"],
];

pub(crate) fn run(arguments: &[String]) -> Answer {
    if arguments != ["--inside"] {
        // Control groups of version 2, as most hosts have them.
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = call::program("unshare");
        let view = ["--mount", "--propagation", "private", "sh", "-c"];
        command.args(view).args([task_test::UNIFIED, "sh"]).arg(own);
        return call::run(command.args(["order", "--inside"]));
    }
    let folder = call::target().join("order");
    let tare = build(&folder)?;
    let functions = Functions::of(&tare)?;
    make_bundle(&folder.join("ENDS"), &["/bin/hello", "report"])?;
    make_bundle(&folder.join("WAITS"), &["/bin/hello", "sleep", "600"])?;
    let mut commands = Vec::new();
    for arguments in COMMANDS {
        let executed = functions.executed(&tare, &folder, arguments)?;
        println!("{:>7} functions  {}", executed.len(), arguments[0]);
        commands.push(executed);
    }
    let order = order(commands);
    let lines: String = order.iter().flat_map(|name| [*name, "\n"]).collect();
    fs::write(call::workspace().join(LIST), lines).map_err(|error| format!("{LIST}: {error}"))?;
    println!("{:>7} names in {LIST}", order.len());
    Ok(())
}

/// Each function lies in the middle between the commands that execute it, of which the small ones come first: so what several
/// execute lies beside what each of them has for itself, and each touches few pages.
fn order(mut commands: Vec<BTreeSet<&str>>) -> Vec<&str> {
    commands.sort_by_key(BTreeSet::len);
    let mut users: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, command) in commands.iter().enumerate() {
        for name in command {
            users.entry(name).or_default().push(place);
        }
    }
    let mut order: Vec<(&str, Vec<usize>)> = users.into_iter().collect();
    order.sort_by_cached_key(|(_, users)| {
        (
            1000 * users.iter().sum::<usize>() / users.len(),
            users.clone(),
        )
    });
    order.into_iter().map(|(name, _)| name).collect()
}

/// `tare` as it is released, with the names of its functions.
fn build(folder: &Path) -> Result<PathBuf, String> {
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let mut build = call::cargo(["build", "--quiet", "--release", "--bin", "tare"]);
    build
        .args(["--target", &target, "--target-dir"])
        .arg(folder);
    call::run(build.env("CARGO_PROFILE_RELEASE_STRIP", "none"))?;
    Ok(folder.join(target).join("release/tare"))
}

/// The bundle of `cargo xtask hello` with another program, and a filter of system calls, as engines give one.
fn make_bundle(bundle: &Path, program: &[&str]) -> Answer {
    task_hello::make_bundle(bundle)?;
    let read = |path: &Path| -> Result<Value, String> {
        let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = fs::read_to_string(path).map_err(|error| failed(&error))?;
        serde_json::from_str(&text).map_err(|error| failed(&error))
    };
    let path = bundle.join("config.json");
    let mut config = read(&path)?;
    let profile = call::workspace().join("crates/seccomp/tests/profiles/docker.json");
    config["linux"]["seccomp"] = read(&profile)?;
    config["process"]["args"] = json!(program);
    config["linux"]["resources"] = json!({"devices": [{"allow": false, "access": "rwm"}]});
    fs::write(&path, config.to_string()).map_err(|error| format!("{}: {error}", path.display()))
}

/// Where functions begin and end, and their names without what changes with each build.
struct Functions(Vec<(u64, u64, String)>);

impl Functions {
    fn of(program: &Path) -> Result<Functions, String> {
        let mut nm = call::program("nm");
        nm.args(["--numeric-sort", "--print-size", "--defined-only"]);
        let text = call::output(nm.arg(program))?;
        let number = |word: &str| u64::from_str_radix(word, 16).ok();
        let functions = text.lines().filter_map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let [start, length, "t" | "T" | "w" | "W", name] = words[..] else {
                return None;
            };
            let start = number(start)?;
            Some((start, start + number(length)?, stable(name)))
        });
        Ok(Functions(functions.collect()))
    }

    fn at(&self, address: u64) -> Option<&str> {
        let next = self.0.partition_point(|(start, _, _)| *start <= address);
        let (_, end, name) = self.0.get(next.checked_sub(1)?)?;
        (address < *end).then_some(name)
    }

    /// The functions that a command executes, one step at a time.
    fn executed(
        &self,
        tare: &Path,
        folder: &Path,
        arguments: &[&str],
    ) -> Result<BTreeSet<&str>, String> {
        // The shell stops itself, and is the program when it goes on.
        let mut child = Command::new("sh")
            .args(["-c", "kill -STOP $$; exec \"$0\" \"$@\""])
            .arg(tare)
            .arg("--root")
            .arg(folder.join("state"))
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        let pid = Pid::from_raw(child.id() as i32);
        let addresses = steps(pid).map_err(|errno| format!("ptrace: {errno}"));
        if addresses.is_err() {
            child.kill().map_err(|error| error.to_string())?;
        }
        child.wait().map_err(|error| error.to_string())?;
        Ok(addresses?
            .into_iter()
            .filter_map(|address| self.at(address))
            .collect())
    }
}

/// The addresses that a process executes from its next execve(2) to its end.
fn steps(pid: Pid) -> nix::Result<BTreeSet<u64>> {
    waitpid(pid, Some(WaitPidFlag::WUNTRACED))?;
    let options = Options::PTRACE_O_TRACEEXEC | Options::PTRACE_O_TRACEEXIT;
    ptrace::seize(pid, options)?;
    nix::sys::signal::kill(pid, Signal::SIGCONT)?;
    let mut addresses = BTreeSet::new();
    let mut begun = false;
    loop {
        let signal = match waitpid(pid, None)? {
            WaitStatus::PtraceEvent(_, _, event) if event == nix::libc::PTRACE_EVENT_EXIT => {
                ptrace::detach(pid, None)?;
                return Ok(addresses);
            }
            WaitStatus::PtraceEvent(_, _, event) => {
                begun |= event == nix::libc::PTRACE_EVENT_EXEC;
                None
            }
            WaitStatus::Stopped(_, Signal::SIGTRAP) => None,
            WaitStatus::Stopped(_, signal) => Some(signal),
            _ => None,
        };
        match begun {
            true => {
                addresses.insert(ptrace::getregs(pid)?.rip);
                ptrace::step(pid, signal)?;
            }
            false => ptrace::cont(pid, signal)?,
        }
    }
}

/// A name with `*` for what changes with the compiler: the hash of the old mangling, the disambiguators of crates in the new
/// one, and what the optimiser appends.
fn stable(name: &str) -> String {
    if let Some(at) = name.rfind("17h").filter(|_| name.starts_with("_ZN")) {
        return format!("{}17h*", &name[..at]);
    }
    let Some(rest) = name.strip_prefix("_R") else {
        return name.to_owned();
    };
    let mut pieces = rest.split("Cs");
    let mut pattern = format!("_R{}", pieces.next().unwrap_or_default());
    for piece in pieces {
        let rest = piece.find('_').map_or(piece, |at| &piece[at..]);
        pattern.push_str("Cs*");
        pattern.push_str(rest);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::stable;

    #[test]
    fn names_do_not_change_with_the_compiler() {
        let names = [
            ("memcmp", "memcmp"),
            (
                "_ZN4core3fmt5write17h0123456789abcdefE",
                "_ZN4core3fmt5write17h*",
            ),
            (
                "_RNvCsaz6eC2DG7lh_3std2rt7cleanup",
                "_RNvCs*_3std2rt7cleanup",
            ),
            ("_RNvCsaz_3stdCsbB0_4core", "_RNvCs*_3stdCs*_4core"),
        ];
        for (name, pattern) in names {
            assert_eq!(stable(name), pattern);
        }
    }
}
