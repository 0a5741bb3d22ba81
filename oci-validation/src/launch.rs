//! The suite's own helper: changes what a process inherits (ids, umask, namespaces, …) and becomes another program.
//!
//! Called as `oci-validation launch [--key value]… -- PROGRAM ARGUMENT…`. The keys are applied in the order given.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sched::{CloneFlags, CpuSet};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Pid, Uid};

/// Applies the changes and executes; returns only what went wrong.
pub fn run(arguments: &[String]) -> String {
    let Some(end) = arguments.iter().position(|word| word == "--") else {
        return "launch: no program".to_owned();
    };
    for pair in arguments[..end].chunks(2) {
        let [key, value] = pair else {
            return format!("launch: {pair:?} is no pair");
        };
        if let Err(error) = apply(key, value) {
            return format!("launch {key} {value}: {error}");
        }
    }
    let Some((program, rest)) = arguments[end + 1..].split_first() else {
        return "launch: no program".to_owned();
    };
    let error = Command::new(program).args(rest).exec();
    format!("launch {program}: {error}")
}

fn apply(key: &str, value: &str) -> Result<(), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let number = || value.parse::<u32>().map_err(|error| text(&error));
    match key {
        "--umask" => {
            let mask = u32::from_str_radix(value, 8).map_err(|error| text(&error))?;
            nix::sys::stat::umask(Mode::from_bits_truncate(mask));
        }
        "--groups" => {
            let groups: Vec<Gid> = numbers(value)?.into_iter().map(Gid::from_raw).collect();
            nix::unistd::setgroups(&groups).map_err(|error| text(&error))?;
        }
        "--user" => {
            nix::unistd::setgid(Gid::from_raw(number()?)).map_err(|error| text(&error))?;
            nix::unistd::setuid(Uid::from_raw(number()?)).map_err(|error| text(&error))?;
        }
        "--cpus" => {
            let mut set = CpuSet::new();
            for cpu in numbers(value)? {
                set.set(cpu as usize).map_err(|error| text(&error))?;
            }
            nix::sched::sched_setaffinity(Pid::from_raw(0), &set).map_err(|error| text(&error))?;
        }
        "--oom" => fs::write("/proc/self/oom_score_adj", value).map_err(|error| text(&error))?,
        "--enter" => {
            let file = File::open(value).map_err(|error| text(&error))?;
            nix::sched::setns(file, CloneFlags::empty()).map_err(|error| text(&error))?;
        }
        "--unshare" => {
            let flags = CloneFlags::from_bits_retain(number()?.cast_signed());
            nix::sched::unshare(flags).map_err(|error| text(&error))?;
        }
        "--cwd" => std::env::set_current_dir(value).map_err(|error| text(&error))?,
        "--private" => crate::frame::private("/").map_err(|error| text(&error))?,
        _ => return Err("unknown key".to_owned()),
    }
    Ok(())
}

fn numbers(value: &str) -> Result<Vec<u32>, String> {
    let words = value.split(',').filter(|word| !word.is_empty());
    words
        .map(|word| word.parse().map_err(|error| format!("{word}: {error}")))
        .collect()
}
