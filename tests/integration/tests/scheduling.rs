//! `process.scheduler`, `linux.memoryPolicy`.

use std::process::Command;

use harness::{Output, Sandbox, cases, need};
use serde_json::{Value, json};

cases![
    policy_and_nice_value,
    privileged_real_time_priority,
    privileged_deadline_parameters,
    memory_policy_of_the_program,
    wrong_memory_policies_are_refused,
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

const NICE: usize = 19;
const REAL_TIME_PRIORITY: usize = 40;
const POLICY: usize = 41;

fn see(sandbox: &Sandbox, scheduler: Value) -> Output {
    let bundle = sandbox.bundle().set("/process/scheduler", scheduler);
    sandbox.see(bundle, "cat /proc/self/stat")
}

fn policy_and_nice_value() {
    let sandbox = Sandbox::new();
    // Below their own niceness ordinary users may not go, whoever runs these tests.
    let own = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
    let nice = number(&own, NICE).max(7);
    let seen = see(&sandbox, json!({"policy": "SCHED_BATCH", "nice": nice})).ok();
    assert_eq!((field(&seen, POLICY), field(&seen, NICE)), (3, nice));
    see(&sandbox, json!({"policy": "SCHED_WRONG"}))
        .fails_with(1, &["process.scheduler.policy", "SCHED_WRONG"]);
}

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

fn memory_policy_of_the_program() {
    if !std::path::Path::new("/proc/self/numa_maps").exists() {
        harness::skip!("this kernel has no memory policies");
    }
    let sandbox = Sandbox::new();
    // What the kernel calls them in numa_maps (numa(7)).
    let policies = [
        (json!({"mode": "MPOL_BIND", "nodes": "0"}), " bind:0 "),
        (
            json!({"mode": "MPOL_INTERLEAVE", "nodes": "0"}),
            " interleave:0 ",
        ),
        (
            json!({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}),
            " bind=static:0 ",
        ),
        (
            json!({"mode": "MPOL_PREFERRED", "nodes": "0", "flags": ["MPOL_F_RELATIVE_NODES"]}),
            " prefer=relative:0 ",
        ),
        (json!({"mode": "MPOL_LOCAL"}), " local "),
        (json!({"mode": "MPOL_DEFAULT"}), " default "),
    ];
    for (policy, shown) in policies {
        let bundle = sandbox.bundle().set("/linux/memoryPolicy", policy.clone());
        let seen = sandbox.see(bundle, "cat /proc/self/numa_maps").ok();
        assert!(seen.stdout.contains(shown), "{policy}: {seen:?}");
    }
}

fn wrong_memory_policies_are_refused() {
    let sandbox = Sandbox::new();
    for (policy, text) in [
        (json!({"mode": "MPOL_X"}), "invalid memory policy mode"),
        (
            json!({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_X"]}),
            "invalid memory policy flag",
        ),
        (
            json!({"mode": "MPOL_BIND", "nodes": "a"}),
            "invalid memory policy node",
        ),
        (
            json!({"mode": "MPOL_LOCAL", "nodes": "0-7"}),
            "mode requires 0 nodes but got 8",
        ),
    ] {
        let bundle = sandbox.bundle().set("/linux/memoryPolicy", policy);
        sandbox
            .see(bundle, "true")
            .fails_with(1, &["linux.memoryPolicy", text]);
    }
}
