//! C15: what is only about processes that join a container; `exec` is no operation of the specification, but these are.

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::case::Case;
use crate::row::{Row, may, must};
use crate::verdict::{Setup, Verdict, ensure, same, skip};

const LINUX: &str = "config.md#linux-process";

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    may("C15", LINUX, "`execCPUAffinity.final` is where an exec'd process may run", |c| {
        let cpu = second_cpu()?.to_string();
        affinity(c, json!({"final": cpu}), &cpu)
    }),
    may("C15.initial", LINUX, "`execCPUAffinity.initial` without `final`: in the end the kernel decides, within the container's CPUs", |c| {
        let (first, all) = (second_cpu()?.to_string(), allowed()?);
        affinity(c, json!({"initial": first}), &first).or_else(|_| affinity(c, json!({"initial": first}), &all))
    }),
    may("C15.both", LINUX, "`execCPUAffinity` with both: `final` is what remains", |c| {
        let cpu = second_cpu()?.to_string();
        affinity(c, json!({"initial": "0", "final": cpu}), &cpu)
    }),
    must("C15.init", LINUX, "`execCPUAffinity` does not apply to the container's first process", |c| {
        let bundle = c.bundle().aid("/process/execCPUAffinity", json!({"initial": "0", "final": "0"}));
        same("CPUs", bundle.see("status Cpus_allowed_list")?.after("Cpus_allowed_list:")?, allowed()?)
    }),
    may("C15.reset", "config-linux.md#cpu", "a process in the container's `cpus` may run on all of them, whatever its caller may", |c| {
        second_cpu()?;
        let all = allowed()?;
        let bundle = c.bundle().by(&["--cpus", "0"]).set("/linux/resources/cpu/cpus", all.as_str());
        crate::cgroup::hierarchy("cpuset")?;
        same("CPUs", bundle.see("status Cpus_allowed_list")?.after("Cpus_allowed_list:")?, all)
    }),
    must("A8.exec", "runtime.md#lifecycle", "an exec'd process is in the container's namespaces", |c| {
        let container = c.bundle().set("/hostname", "inside").runs("sleep 60").start()?;
        let output = container.exec(&process("cat /proc/sys/kernel/hostname"), &[])?;
        ensure(output.ok(), || output.said())?;
        same("host name", output.out.trim(), "inside")
    }),
];

/// A process of the probe, for exec.
pub(crate) fn process(commands: &str) -> Value {
    let words: Vec<&str> = std::iter::once("/bin/probe")
        .chain(commands.split(' '))
        .collect();
    json!({"args": words, "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}})
}

fn allowed() -> Verdict<String> {
    let text = std::fs::read_to_string("/proc/self/status").setup("look at the own status")?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    Ok(line.unwrap_or_default().trim().to_owned())
}

/// A CPU besides the first.
fn second_cpu() -> Verdict<usize> {
    let set = sched_getaffinity(Pid::from_raw(0)).setup("ask for CPUs")?;
    let cpu = (1..CpuSet::count()).find(|cpu| set.is_set(*cpu).unwrap_or(false));
    match cpu {
        Some(cpu) => Ok(cpu),
        None => skip("machine: there is only one CPU"),
    }
}

fn affinity(c: &Case, value: Value, wanted: &str) -> Verdict {
    let container = c
        .bundle()
        .set("/process/execCPUAffinity", value.clone())
        .runs("sleep 60")
        .start()?;
    let mut process = process("status Cpus_allowed_list");
    // What a mutant takes out of the configuration it takes out of the process as well.
    let mut config = json!({"process": {"execCPUAffinity": value}});
    if let Some(mutant) = &c.mutant {
        mutant.config(&mut config);
    }
    process["execCPUAffinity"] = config["process"]["execCPUAffinity"].clone();
    let output = container.exec(&process, &[])?;
    if !output.ok() {
        return Err(crate::verdict::Stop::Refused(output.said()));
    }
    let found = output
        .out
        .split(':')
        .nth(1)
        .unwrap_or_default()
        .trim()
        .to_owned();
    same("CPUs", found.as_str(), wanted)
}
