//! C. What the kernel keeps about the process: limits, capabilities, priorities, labels.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::case::Case;
use crate::container::Seen;
use crate::row::{Row, may, must, should};
use crate::verdict::{Setup, Stop, Verdict, ensure, fail, same, skip};

const POSIX: &str = "config.md#posix-process";
const LINUX: &str = "config.md#linux-process";
const WARNINGS: &str = "runtime.md#warnings";

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    must("C7", POSIX, "getrlimit(2) gives what `rlimits` has", limits),
    must("C7.unlimited", POSIX, "the largest number is no limit", |c| {
        let bundle = c.bundle().set("/process/rlimits", json!([{"type": "RLIMIT_CORE", "soft": 0, "hard": u64::MAX}]));
        bundle.see("limits")?.has(&format!("RLIMIT_CORE 0 {}", u64::MAX))
    }),
    must("C7.twice", POSIX, "a resource given twice is an error", |c| {
        let limit = json!({"type": "RLIMIT_NOFILE", "soft": 99, "hard": 99});
        c.bundle().aid("/process/rlimits", json!([limit, limit])).refused_in_the_end().map(drop)
    }),
    must("C7.unset", POSIX, "limits that are not given are the caller's", |c| {
        let seen = c.bundle().see("limits")?;
        let own = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let own = own.lines().find_map(|line| line.strip_prefix("Max pending signals")).unwrap_or_default();
        let soft = own.split_whitespace().next().unwrap_or_default();
        seen.has(&format!("RLIMIT_SIGPENDING {soft} "))
    }),
    must("C8", LINUX, "`apparmorProfile` is the process's profile", |c| {
        match std::fs::read_to_string("/sys/module/apparmor/parameters/enabled") {
            Ok(text) if text.trim() == "Y" => {
                let seen = c.bundle().set("/process/apparmorProfile", "unconfined").see("cat /proc/self/attr/current")?;
                seen.has("unconfined")
            }
            _ => skip("kernel: AppArmor is not enabled"),
        }
    }),
    must("C8.off", "runtime.md#create", "an `apparmorProfile` that cannot be applied is an error", |c| {
        c.bundle().set("/process/apparmorProfile", "oci-validation-no-such-profile").refused_in_the_end().map(drop)
    }),
    must("C9", LINUX, "the five sets of capabilities are as given", capabilities),
    must("C9.ambient", LINUX, "ambient capabilities reach a user that is not root", |c| {
        let one = json!(["CAP_KILL"]);
        let sets = json!({"bounding": one, "effective": one, "permitted": one, "inheritable": one, "ambient": one});
        let seen = c.bundle().set("/process/capabilities", sets).aid("/process/user/uid", 1000).see("status CapEff CapAmb")?;
        same("effective", seen.after("CapEff:")?.as_str(), "0000000000000020")?;
        same("ambient", seen.after("CapAmb:")?.as_str(), "0000000000000020")
    }),
    must("C9.effective", LINUX, "effective capabilities are in force when the program is looked up", |c| {
        let one = json!(["CAP_DAC_READ_SEARCH"]);
        let bundle = c.bundle().set("/process/capabilities", json!({"bounding": one, "permitted": one, "effective": one}));
        // A directory that only root may pass, for a user who is not root.
        let hidden = bundle.root().join("hidden");
        fs::create_dir(&hidden).setup("make a directory")?;
        fs::copy(bundle.root().join("bin/probe"), hidden.join("probe")).setup("copy the probe")?;
        fs::set_permissions(&hidden, fs::Permissions::from_mode(0o700)).setup("close the directory")?;
        let bundle = bundle.aid("/process/user/uid", 1000).runs("status CapEff");
        bundle.aid("/process/args/0", "/hidden/probe").run()?.after("CapEff:").map(drop)
    }),
    must("C9.none", LINUX, "empty sets mean no capabilities", |c| {
        let none = json!([]);
        let sets = json!({"bounding": none, "effective": none, "permitted": none, "inheritable": none, "ambient": none});
        let seen = c.bundle().aid("/process/capabilities", sets).see("status CapEff CapPrm CapBnd")?;
        for set in ["CapEff:", "CapPrm:", "CapBnd:"] {
            same(set, seen.after(set)?.as_str(), "0000000000000000")?;
        }
        Ok(())
    }),
    should("C9.unknown", WARNINGS, "an unknown capability is no error", |c| {
        let some = json!(["CAP_KILL", "CAP_MOON"]);
        let sets = json!({"bounding": some, "effective": some, "permitted": some});
        c.bundle().set("/process/capabilities", sets).see("status CapEff")?.has("0000000000000020")
    }),
    must("C9.unknown-warning", WARNINGS, "an unknown capability is logged as a warning", |c| {
        let some = json!(["CAP_KILL", "CAP_MOON"]);
        let sets = json!({"bounding": some, "effective": some, "permitted": some});
        let output = c.bundle().set("/process/capabilities", sets).try_create(&c.id())?;
        ensure(output.ok(), || output.said())?;
        ensure(output.err.contains("CAP_MOON") || output.err.contains("MOON"), || "nothing was said".to_owned())
    }),
    must("C11", LINUX, "`oomScoreAdj` is the process's", |c| {
        c.bundle().set("/process/oomScoreAdj", 321).see("cat /proc/self/oom_score_adj")?.is(&["321"])
    }),
    must("C11.unset", LINUX, "without `oomScoreAdj` the value is not changed", |c| {
        c.bundle().by(&["--oom", "123"]).see("cat /proc/self/oom_score_adj")?.is(&["123"])
    }),
    may("C12", LINUX, "`scheduler`: SCHED_OTHER with a nice value", |c| scheduler(c, json!({"policy": "SCHED_OTHER", "nice": 7}), "0", Some("27"))),
    may("C12.batch", LINUX, "`scheduler`: SCHED_BATCH, a missing nice value is 0", |c| scheduler(c, json!({"policy": "SCHED_BATCH"}), "3", Some("20"))),
    may("C12.idle", LINUX, "`scheduler`: SCHED_IDLE", |c| scheduler(c, json!({"policy": "SCHED_IDLE"}), "5", None)),
    may("C12.fifo", LINUX, "`scheduler`: SCHED_FIFO with a priority", |c| scheduler(c, json!({"policy": "SCHED_FIFO", "priority": 12}), "1", Some("-13"))),
    may("C12.rr", LINUX, "`scheduler`: SCHED_RR with a priority", |c| scheduler(c, json!({"policy": "SCHED_RR", "priority": 3}), "2", Some("-4"))),
    may("C12.reset", LINUX, "`scheduler`: with SCHED_FLAG_RESET_ON_FORK what the process starts has no privileged nice value", reset_on_fork),
    may("C12.deadline", LINUX, "`scheduler`: SCHED_DEADLINE with runtime, deadline and period", |c| {
        let all = json!({"policy": "SCHED_DEADLINE", "runtime": 1_000_000, "deadline": 10_000_000, "period": 20_000_000});
        scheduler(c, all, "6", None)
    }),
    may("C12.deadline-period", LINUX, "`scheduler`: a period of SCHED_DEADLINE below the deadline is an error, as the kernel has it", |c| {
        let all = json!({"policy": "SCHED_DEADLINE", "runtime": 1_000_000, "deadline": 10_000_000, "period": 5_000_000});
        c.bundle().set("/process/scheduler", all).refused_in_the_end().map(drop)
    }),
    must("C13", LINUX, "`selinuxLabel` is the process's, or an error where SELinux is off", |c| {
        let label = "system_u:system_r:container_t:s0";
        let bundle = c.bundle().set("/process/selinuxLabel", label);
        match std::path::Path::new("/sys/fs/selinux/enforce").exists() {
            true => bundle.see("cat /proc/self/attr/current")?.has(label),
            false => bundle.refused_in_the_end().map(drop),
        }
    }),
    may("C14", LINUX, "`ioPriority` is the process's", |c| {
        for (class, level, text) in [("IOPRIO_CLASS_BE", 6, "2 6"), ("IOPRIO_CLASS_IDLE", 0, "3 0"), ("IOPRIO_CLASS_RT", 5, "1 5")] {
            c.bundle().set("/process/ioPriority", json!({"class": class, "priority": level})).see("io-priority")?.is(&[text])?;
        }
        Ok(())
    }),
];

fn limits(c: &Case) -> Verdict {
    let all = [
        ("CPU", 900, 1000),
        ("FSIZE", 1 << 30, 1 << 31),
        ("DATA", 1 << 32, 1 << 33),
        ("STACK", 1 << 22, 1 << 23),
        ("CORE", 0, 5),
        ("RSS", 1 << 30, 1 << 31),
        ("NPROC", 400, 500),
        ("NOFILE", 100, 200),
        ("MEMLOCK", 4096, 8192),
        ("AS", 1 << 33, 1 << 34),
        ("LOCKS", 8, 9),
        ("SIGPENDING", 50, 60),
        ("MSGQUEUE", 1000, 2000),
        ("NICE", 0, 0),
        ("RTPRIO", 0, 0),
        ("RTTIME", 10_000, 20_000),
    ];
    let list: Vec<Value> = all
        .iter()
        .map(|(name, soft, hard): &(&str, u64, u64)| {
            json!({"type": format!("RLIMIT_{name}"), "soft": soft, "hard": hard})
        })
        .collect();
    let seen = c.bundle().set("/process/rlimits", list).see("limits")?;
    for (name, soft, hard) in all {
        seen.has(&format!("RLIMIT_{name} {soft} {hard}"))?;
    }
    Ok(())
}

fn capabilities(c: &Case) -> Verdict {
    let sets = json!({
        "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID"], "permitted": ["CAP_CHOWN", "CAP_KILL"],
        "effective": ["CAP_KILL"], "inheritable": ["CAP_CHOWN"], "ambient": ["CAP_CHOWN"],
    });
    // Not root: execve(2) gives root all that the bounding set has.
    let bundle = c
        .bundle()
        .set("/process/capabilities", sets)
        .aid("/process/user/uid", 1000);
    let seen = bundle.see("status CapBnd CapPrm CapEff CapInh CapAmb")?;
    // After execve(2) of a plain program the ambient set is what is permitted and effective.
    let wanted = [
        ("CapBnd:", "a1"),
        ("CapPrm:", "01"),
        ("CapEff:", "01"),
        ("CapInh:", "01"),
        ("CapAmb:", "01"),
    ];
    for (set, bits) in wanted {
        let found = seen.after(set)?;
        ensure(
            found.ends_with(bits) && found[..14].bytes().all(|byte| byte == b'0'),
            || format!("{set} {found}, wanted …{bits}"),
        )?;
    }
    Ok(())
}

/// Policy and priority as proc_pid_stat(5) has them (fields 41 and 18).
fn reset_on_fork(c: &Case) -> Verdict {
    let value = json!({"policy": "SCHED_OTHER", "nice": -5, "flags": ["SCHED_FLAG_RESET_ON_FORK"]});
    let commands = "spawn cat /proc/self/stat -- reap -- cat /proc/self/stat";
    let seen = scheduled(c.bundle().set("/process/scheduler", value).see(commands))?;
    let values = seen.text.lines().filter_map(|line| {
        let (_, rest) = line.rsplit_once(')')?;
        rest.split_whitespace().nth(16)
    });
    same("nice values", values.collect::<Vec<_>>(), vec!["0", "-5"])
}

/// Who may not raise priorities cannot tell.
fn scheduled(seen: Verdict<Seen>) -> Verdict<Seen> {
    match seen {
        Err(Stop::Refused(reason)) if reason.contains("ermitted") || reason.contains("EPERM") => {
            skip("privilege: CAP_SYS_NICE is not held")
        }
        other => other,
    }
}

fn scheduler(c: &Case, value: Value, policy: &str, priority: Option<&str>) -> Verdict {
    let seen = c
        .bundle()
        .set("/process/scheduler", value)
        .see("cat /proc/self/stat");
    let seen = scheduled(seen)?;
    let Some((_, rest)) = seen.text.rsplit_once(')') else {
        return fail(format!("no stat: {:?}", seen.text));
    };
    let fields: Vec<&str> = rest.split_whitespace().collect();
    same("policy", fields.get(38).copied(), Some(policy))?;
    match priority {
        Some(priority) => same("priority", fields.get(15).copied(), Some(priority)),
        None => Ok(()),
    }
}
