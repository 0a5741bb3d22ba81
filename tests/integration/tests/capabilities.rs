//! `process.capabilities`: all five sets, for root and other users, also in `exec`.

use harness::{Sandbox, cases};
use serde_json::{Value, json};

cases![
    sets_are_exactly_those_of_the_config,
    exec_gets_the_same_sets,
    exec_can_add_capabilities_but_never_inheritable_ones,
    privileged_sets_of_another_user,
    only_the_specification_s_names_grant_anything,
    sets_outside_of_others_are_a_warning,
    exec_raises_ambient_what_is_inheritable,
    ambient_without_inheritable_is_a_warning,
];

const CHOWN: u64 = 1 << 0;
const KILL: u64 = 1 << 5;
const SETUID: u64 = 1 << 7;
const NET_BIND: u64 = 1 << 10;

fn sets(status: &str) -> [u64; 5] {
    ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].map(|name| {
        let line = status
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_else(|| panic!("{name}: {status}"));
        u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap()
    })
}

const FIELDS: &str = "status CapInh CapPrm CapEff CapBnd CapAmb";

fn all_five() -> Value {
    json!({
        "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID", "CAP_NET_BIND_SERVICE"],
        "permitted": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE"],
        "effective": ["CAP_CHOWN", "CAP_KILL"],
        "inheritable": ["CAP_KILL", "CAP_NET_BIND_SERVICE"],
        "ambient": ["CAP_KILL"],
    })
}

fn sets_are_exactly_those_of_the_config() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().set("/process/capabilities", all_five());
    let [inheritable, permitted, effective, bounding, ambient] =
        sets(&sandbox.see(bundle, FIELDS).ok().stdout);
    assert_eq!(inheritable, KILL | NET_BIND);
    assert_eq!(bounding, CHOWN | KILL | SETUID | NET_BIND);
    assert_eq!(permitted, CHOWN | KILL | NET_BIND);
    // Root's execve makes all that is permitted effective (capabilities(7)).
    assert_eq!(effective, permitted);
    assert_eq!(ambient, KILL);
}

fn exec_gets_the_same_sets() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().set("/process/capabilities", all_five());
    let container = sandbox.detach(&bundle.probe("sleep 1000"), "a");
    let seen = sets(&container.exec(FIELDS).ok().stdout);
    let permitted = CHOWN | KILL | NET_BIND;
    assert_eq!(
        seen,
        [
            KILL | NET_BIND,
            permitted,
            permitted,
            permitted | SETUID,
            KILL
        ]
    );
}

fn exec_can_add_capabilities_but_never_inheritable_ones() {
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .set("/process/capabilities", json!({"bounding": ["CAP_KILL"]}));
    let container = sandbox.detach(&bundle.probe("sleep 1000"), "a");
    let [inheritable, permitted, effective, bounding, ambient] = sets(
        &container
            .exec_with(&["--cap", "CAP_CHOWN"], FIELDS)
            .ok()
            .stdout,
    );
    assert_eq!([inheritable, ambient], [0, 0]);
    assert_eq!(bounding & CHOWN, CHOWN);
    assert_eq!([permitted & CHOWN, effective & CHOWN], [CHOWN, CHOWN]);
}

fn privileged_sets_of_another_user() {
    let sandbox = Sandbox::new();
    let user = json!({"uid": 1000, "gid": 1000});
    let bundle = sandbox
        .bundle()
        .set("/process/user", user.clone())
        .set("/process/capabilities", all_five());
    // Without root's rules only the ambient set survives execve.
    let seen = sets(&sandbox.see(bundle, FIELDS).ok().stdout);
    assert_eq!(
        seen,
        [
            KILL | NET_BIND,
            KILL,
            KILL,
            CHOWN | KILL | SETUID | NET_BIND,
            KILL
        ]
    );
    let bundle = sandbox.bundle().set("/process/user", user);
    let [inheritable, permitted, effective, _, ambient] =
        sets(&sandbox.see(bundle, FIELDS).ok().stdout);
    assert_eq!([inheritable, permitted, effective, ambient], [0; 4]);
}

fn ambient_without_inheritable_is_a_warning() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().set(
        "/process/capabilities/ambient",
        json!(["CAP_KILL", "CAP_SETUID"]),
    );
    let seen = sandbox.see(bundle, FIELDS).ok();
    assert_eq!(sets(&seen.stdout)[4], 0);
    let warnings: Vec<&str> = (seen.stderr.lines())
        .filter(|line| line.contains("ambient"))
        .collect();
    assert_eq!(warnings.len(), 1, "{}", seen.stderr);
    assert!(
        warnings[0].contains("[CAP_KILL CAP_SETUID]"),
        "{warnings:?}"
    );
}

fn only_the_specification_s_names_grant_anything() {
    let sandbox = Sandbox::new();
    for name in ["kill", "KILL", "cap_kill", "Cap_Kill", "CAP_KILL "] {
        let set = json!([name]);
        let all = json!({"bounding": set, "permitted": set, "effective": set});
        let bundle = sandbox.bundle().set("/process/capabilities", all);
        let seen = sandbox.see(bundle, FIELDS).ok();
        assert_eq!(sets(&seen.stdout), [0; 5], "{name}");
        let warning = format!("ignoring unknown or unavailable capabilities: [{name}]");
        assert!(seen.stderr.contains(&warning), "{name}: {}", seen.stderr);
    }
    let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
    let seen = container.exec_with(&["--cap", "SYS_ADMIN"], FIELDS).ok();
    assert_eq!(sets(&seen.stdout)[3] >> 21 & 1, 0);
}

/// What the kernel would refuse (capset(2)) is left out with a warning, in every set.
fn sets_outside_of_others_are_a_warning() {
    let sandbox = Sandbox::new();
    let some = json!({
        "bounding": ["CAP_CHOWN", "CAP_KILL"],
        "permitted": ["CAP_CHOWN"],
        "effective": ["CAP_CHOWN", "CAP_KILL"],
        "inheritable": ["CAP_KILL", "CAP_SETUID"],
    });
    let bundle = sandbox
        .bundle()
        .set("/process/user", json!({"uid": 0, "gid": 0}))
        .set("/process/capabilities", some);
    let seen = sandbox.see(bundle, FIELDS).ok();
    assert_eq!(sets(&seen.stdout)[0], KILL);
    for text in [
        "process.capabilities.effective: ignoring capabilities that the permitted set lacks: [CAP_KILL]",
        "process.capabilities.inheritable: ignoring capabilities that the bounding set lacks: [CAP_SETUID]",
    ] {
        assert!(seen.stderr.contains(text), "{}", seen.stderr);
    }
}

fn exec_raises_ambient_what_is_inheritable() {
    let sandbox = Sandbox::new();
    let some = json!({
        "bounding": ["CAP_CHOWN", "CAP_KILL"],
        "inheritable": ["CAP_KILL", "CAP_CHOWN"],
        "permitted": ["CAP_CHOWN"],
    });
    let bundle = sandbox.bundle().set("/process/capabilities", some);
    let container = sandbox.detach(&bundle.probe("sleep 1000"), "a");
    let flags = ["--cap", "CAP_KILL", "--cap", "CAP_NET_BIND_SERVICE"];
    let [inheritable, permitted, _, bounding, ambient] =
        sets(&container.exec_with(&flags, FIELDS).ok().stdout);
    assert_eq!(ambient, KILL);
    assert_eq!(inheritable, KILL | CHOWN);
    assert_eq!(permitted & (KILL | NET_BIND), KILL | NET_BIND);
    assert_eq!(bounding, CHOWN | KILL | NET_BIND);
}
