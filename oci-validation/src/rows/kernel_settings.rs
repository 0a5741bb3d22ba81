//! G. RDT, memory policy, execution domain, kernel parameters.

use std::fs;

use serde_json::{Value, json};

use crate::case::Case;
use crate::row::{Row, may, must, should};
use crate::verdict::{Setup, Verdict, ensure, same, skip};

const RDT: &str = "config-linux.md#intelrdt";
const POLICY: &str = "config-linux.md#memory-policy";
const SYSCTL: &str = "config-linux.md#sysctl";
const PERSONALITY: &str = "config-linux.md#personality";

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    must("G1", RDT, "without `closID` the process is in a group of the container's id, which delete removes", |c| {
        let top = resctrl()?;
        let container = c.bundle().set("/linux/intelRdt", json!({})).create()?;
        let group = top.join(&container.id);
        let tasks = fs::read_to_string(group.join("tasks")).setup("read the group's tasks")?;
        ensure(tasks.lines().any(|line| line == container.pid.to_string()), || format!("tasks: {tasks:?}"))?;
        container.end()?;
        container.delete()?;
        ensure(!group.exists(), || "the group is still there".to_owned())
    }),
    must("G1.missing", RDT, "a `closID` without a schema must be there before", |c| {
        resctrl()?;
        c.bundle().set("/linux/intelRdt", json!({"closID": "oci-validation-missing"})).refused().map(drop)
    }),
    must("G2", RDT, "`schemata` is written to the group", |c| {
        let top = resctrl()?;
        let all = fs::read_to_string(top.join("schemata")).setup("read the schemata")?;
        let line = all.lines().next().unwrap_or_default().trim().to_owned();
        let container = c.bundle().set("/linux/intelRdt", json!({"schemata": line})).create()?;
        let found = fs::read_to_string(top.join(&container.id).join("schemata")).setup("read the schemata")?;
        ensure(found.contains(&line), || format!("schemata: {found:?}"))
    }),
    must("G2.memory", RDT, "a `memBwSchema` that does not begin with `MB:` is an error", |c| {
        c.bundle().aid("/linux/intelRdt", json!({"memBwSchema": "L3:0=f"})).refused().map(drop)
    }),
    must("G3", RDT, "`enableMonitoring` makes a monitoring group, which delete removes", |c| {
        let top = resctrl()?;
        let container = c.bundle().set("/linux/intelRdt", json!({"enableMonitoring": true})).create()?;
        let group = top.join(&container.id).join("mon_groups").join(&container.id);
        ensure(group.exists(), || format!("{} is not there", group.display()))
    }),
    must("G4", RDT, "`intelRdt` without a resctrl file system is an error", |c| {
        if resctrl().is_ok() {
            return skip("kernel: there is a resctrl file system");
        }
        for value in [json!({}), json!({"closID": "x"}), json!({"l3CacheSchema": "L3:0=f"}), json!({"enableMonitoring": true})] {
            c.bundle().aid("/linux/intelRdt", value).refused()?;
        }
        Ok(())
    }),
    may("G5", POLICY, "`memoryPolicy`: MPOL_BIND with nodes", |c| policy(c, json!({"mode": "MPOL_BIND", "nodes": "0"}), "bind:0")),
    may("G5.interleave", POLICY, "`memoryPolicy`: MPOL_INTERLEAVE", |c| policy(c, json!({"mode": "MPOL_INTERLEAVE", "nodes": "0"}), "interleave:0")),
    may("G5.preferred", POLICY, "`memoryPolicy`: MPOL_PREFERRED", |c| policy(c, json!({"mode": "MPOL_PREFERRED", "nodes": "0"}), "prefer:0")),
    may("G5.many", POLICY, "`memoryPolicy`: MPOL_PREFERRED_MANY", |c| policy(c, json!({"mode": "MPOL_PREFERRED_MANY", "nodes": "0"}), "prefer (many):0")),
    may("G5.weighted", POLICY, "`memoryPolicy`: MPOL_WEIGHTED_INTERLEAVE", |c| policy(c, json!({"mode": "MPOL_WEIGHTED_INTERLEAVE", "nodes": "0"}), "weighted interleave:0")),
    may("G5.local", POLICY, "`memoryPolicy`: MPOL_LOCAL, without nodes", |c| policy(c, json!({"mode": "MPOL_LOCAL"}), "local")),
    may("G5.flag", POLICY, "`memoryPolicy`: MPOL_F_STATIC_NODES", |c| policy(c, json!({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}), "bind=static:0")),
    must("G5.nodes", POLICY, "a mode that needs nodes is an error without", |c| c.bundle().aid("/linux/memoryPolicy", json!({"mode": "MPOL_BIND", "nodes": ""})).refused_in_the_end().map(drop)),
    must("G5.no-node", POLICY, "a node that is not there is an error", |c| c.bundle().aid("/linux/memoryPolicy", json!({"mode": "MPOL_BIND", "nodes": "900"})).refused_in_the_end().map(drop)),
    must("G6", SYSCTL, "`sysctl` sets parameters of the container's network namespace", |c| {
        let before = host("/proc/sys/net/ipv4/ip_forward")?;
        let value = if before == "1" { "0" } else { "1" };
        let seen = c.bundle().set("/linux/sysctl", json!({"net.ipv4.ip_forward": value})).see("cat /proc/sys/net/ipv4/ip_forward")?;
        seen.is(&[value])?;
        same("the host's", host("/proc/sys/net/ipv4/ip_forward")?, before)
    }),
    must("G6.ipc", SYSCTL, "`sysctl` sets parameters of the container's IPC namespace", |c| {
        let bundle = c.bundle().set("/linux/sysctl", json!({"kernel.shmmni": "99", "fs.mqueue.msg_max": "7"}));
        bundle.see("cat /proc/sys/kernel/shmmni /proc/sys/fs/mqueue/msg_max")?.is(&["99", "7"])
    }),
    should("G6.slashes", SYSCTL, "`/` separates as `.` does, as sysctl(8) has it", |c| {
        c.bundle().set("/linux/sysctl", json!({"net/ipv4/ip_default_ttl": "77"})).see("cat /proc/sys/net/ipv4/ip_default_ttl")?.is(&["77"])
    }),
    must("G6.unknown", "runtime.md#create", "a parameter that the kernel does not have is an error", |c| {
        c.bundle().set("/linux/sysctl", json!({"net.ipv4.oci_validation": "1"})).refused().map(drop)
    }),
    must("G6.value", "runtime.md#create", "a value that the kernel refuses is an error", |c| {
        c.bundle().aid("/linux/sysctl", json!({"net.ipv4.ip_default_ttl": "moon"})).refused().map(drop)
    }),
    must("G6.readonly", SYSCTL, "parameters are set although /proc/sys is to be read-only", |c| {
        let bundle = c.bundle().aid("/linux/readonlyPaths", json!(["/proc/sys"])).set("/linux/sysctl", json!({"net.ipv4.ip_default_ttl": "78"}));
        bundle.see("cat /proc/sys/net/ipv4/ip_default_ttl")?.is(&["78"])
    }),
    must("G7", PERSONALITY, "`personality`: LINUX32", |c| c.bundle().set("/linux/personality", json!({"domain": "LINUX32"})).see("cat /proc/self/personality")?.is(&["00000008"])),
    must("G7.linux", PERSONALITY, "`personality`: LINUX", |c| c.bundle().set("/linux/personality", json!({"domain": "LINUX"})).see("cat /proc/self/personality")?.is(&["00000000"])),
    must("G7.flags", PERSONALITY, "a flag of `personality` is an error: none is supported", |c| {
        c.bundle().aid("/linux/personality", json!({"domain": "LINUX"})).set("/linux/personality/flags", json!(["ADDR_NO_RANDOMIZE"])).refused_in_the_end().map(drop)
    }),
    must("G7.domain", PERSONALITY, "`personality` without a domain is an error", |c| c.bundle().aid("/linux/personality", json!({"flags": []})).refused_in_the_end().map(drop)),
];

/// Where the machine's resctrl file system is.
fn resctrl() -> Verdict<std::path::PathBuf> {
    let text = fs::read_to_string("/proc/self/mountinfo").setup("look at mounts")?;
    match crate::tree::mounts(&text)
        .into_iter()
        .find(|mount| mount.kind == "resctrl")
    {
        Some(mount) => Ok(mount.at.into()),
        None => skip("kernel or hardware: no resctrl file system"),
    }
}

/// Not applicable where the kernel has no memory policies.
pub(super) fn has_policies() -> Verdict {
    match std::path::Path::new("/proc/self/numa_maps").exists() {
        true => Ok(()),
        false => skip("kernel: no memory policies (CONFIG_NUMA)"),
    }
}

fn policy(c: &Case, value: Value, wanted: &str) -> Verdict {
    has_policies()?;
    let seen = c
        .bundle()
        .set("/linux/memoryPolicy", value)
        .see("cat /proc/self/numa_maps")?;
    let found = seen.text.lines().next().unwrap_or_default();
    ensure(
        found.contains(&format!(" {wanted} ")) || found.ends_with(wanted),
        || format!("the first line is {found:?}, wanted {wanted}"),
    )
}

fn host(path: &str) -> Verdict<String> {
    Ok(fs::read_to_string(path)
        .setup("read a kernel parameter")?
        .trim()
        .to_owned())
}
