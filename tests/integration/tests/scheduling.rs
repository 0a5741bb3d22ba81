//! `process.scheduler`, `linux.memoryPolicy`.

use std::process::Command;

use harness::{Output, Sandbox, cases, need};
use serde_json::json;

cases![
    privileged_real_time_priority,
    privileged_deadline_parameters,
];

/// Field of `/proc/self/stat` by its number in proc_pid_stat(5), which counts from 1.
fn field(seen: &Output, field: usize) -> i64 {
    number(&seen.stdout, field)
}

fn number(stat: &str, field: usize) -> i64 {
    let after_name = stat.rsplit(") ").next().unwrap();
    let text = after_name.split_whitespace().nth(field - 3).unwrap();
    text.parse().unwrap()
}

const REAL_TIME_PRIORITY: usize = 40;
const POLICY: usize = 41;

fn privileged_real_time_priority() {
    let sandbox = Sandbox::new();
    let wanted =
        json!({"policy": "SCHED_RR", "priority": 5, "flags": ["SCHED_FLAG_RESET_ON_FORK"]});
    let bundle = sandbox.bundle().set("/process/scheduler", wanted);
    // A new cgroup of version 1 lets no process be a real-time one (sched-rt-group.rst).
    let limited = std::path::Path::new("/sys/fs/cgroup/cpu/cpu.rt_runtime_us").exists();
    if limited {
        sandbox
            .see_same(&bundle, "true")
            .fails_with(1, &["sched_setattr", "realtimeRuntime"]);
    }
    let bundle = match limited {
        true => bundle.set("/linux/resources/cpu", json!({"realtimeRuntime": 1000})),
        false => bundle,
    };
    let seen = sandbox.see(bundle, "cat /proc/self/stat").ok();
    // The flag is not part of the policy there.
    assert_eq!(field(&seen, POLICY), 2);
    assert_eq!(field(&seen, REAL_TIME_PRIORITY), 5);
}

fn privileged_deadline_parameters() {
    let chrt = need::whole_program("chrt");
    let sandbox = Sandbox::new();
    let wanted = json!({
        "policy": "SCHED_DEADLINE", "runtime": 2_000_000, "deadline": 20_000_000, "period": 30_000_000,
    });
    let bundle = sandbox
        .bundle()
        .set("/process/scheduler", wanted)
        .probe("sleep 60");
    let seen = sandbox
        .runtime(["run", "--detach", "--bundle"])
        .arg(&bundle.path)
        .arg(sandbox.id("a"))
        .arg("--pid-file")
        .arg(sandbox.folder("io").join("deadline"))
        .output();
    if seen.code != 0 {
        // What a wrong order or a missing parameter would be answered with is EINVAL.
        assert!(
            seen.stderr.contains("operation not permitted")
                || seen.stderr.contains("device or resource busy"),
            "{seen:?}"
        );
        seen.fails_with(1, &["process.scheduler", "sched_setattr"]);
        harness::skip!("the kernel admits no process with a deadline here");
    }
    let pid = sandbox.adopt(&sandbox.folder("io").join("deadline"));
    let shown = Command::new(chrt)
        .arg("--pid")
        .arg(pid.to_string())
        .output();
    let shown = String::from_utf8(shown.unwrap().stdout).unwrap();
    assert!(shown.contains("SCHED_DEADLINE"), "{shown}");
    assert!(shown.contains("2000000/20000000/30000000"), "{shown}");
}
