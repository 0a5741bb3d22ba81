//! `process.rlimits`. Limits are only lowered here, which needs no privilege.

use harness::{Sandbox, cases};
use serde_json::json;

cases![
    limits_are_set,
    limits_reach_exec_too,
    unknown_limit_is_refused,
    limit_given_twice_is_refused
];

/// Type and a pair low enough to be allowed everywhere, high enough for the probe to run.
const LIMITS: &[(&str, u64, u64)] = &[
    ("RLIMIT_CORE", 0, 0),
    ("RLIMIT_CPU", 1000, 2000),
    ("RLIMIT_DATA", 100_000_000, 200_000_000),
    ("RLIMIT_FSIZE", 300_000_000, 300_000_001),
    ("RLIMIT_LOCKS", 11, 12),
    ("RLIMIT_MEMLOCK", 4096, 8192),
    ("RLIMIT_MSGQUEUE", 1000, 2000),
    ("RLIMIT_NICE", 0, 0),
    ("RLIMIT_NOFILE", 200, 300),
    ("RLIMIT_NPROC", 900, 1000),
    ("RLIMIT_RSS", 1 << 30, 1 << 31),
    ("RLIMIT_RTPRIO", 0, 0),
    ("RLIMIT_RTTIME", 1_000_000, 2_000_000),
    ("RLIMIT_SIGPENDING", 50, 60),
    ("RLIMIT_STACK", 1 << 20, 1 << 21),
    ("RLIMIT_AS", 1 << 30, 1 << 31),
];

fn config() -> serde_json::Value {
    LIMITS
        .iter()
        .map(|(kind, soft, hard)| json!({"type": kind, "soft": soft, "hard": hard}))
        .collect()
}

fn limits_are_set() {
    let sandbox = Sandbox::new();
    let seen = sandbox
        .see(sandbox.bundle().set("/process/rlimits", config()), "limits")
        .ok();
    for (kind, soft, hard) in LIMITS {
        assert!(
            seen.stdout.contains(&format!("{kind} {soft} {hard}\n")),
            "{kind}: {}",
            seen.stdout
        );
    }
}

fn limits_reach_exec_too() {
    let sandbox = Sandbox::new();
    let limit = json!([{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 101}]);
    let container = sandbox.detach(
        &sandbox
            .bundle()
            .set("/process/rlimits", limit)
            .probe("sleep 1000"),
        "a",
    );
    container
        .exec("limits")
        .ok()
        .prints("RLIMIT_NOFILE 100 101\n");
}

fn unknown_limit_is_refused() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().set(
        "/process/rlimits",
        json!([{"type": "RLIMIT_FUN", "soft": 1, "hard": 1}]),
    );
    sandbox.run(&bundle).fails_with(1, &["RLIMIT_FUN"]);
}

fn limit_given_twice_is_refused() {
    let sandbox = Sandbox::new();
    let limit = json!({"type": "RLIMIT_NOFILE", "soft": 100, "hard": 101});
    let bundle = sandbox
        .bundle()
        .set("/process/rlimits", json!([limit, limit]));
    sandbox.run(&bundle).fails_with(1, &["RLIMIT_NOFILE"]);
}
