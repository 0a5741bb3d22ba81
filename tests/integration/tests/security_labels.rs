//! `process.apparmorProfile`, `process.selinuxLabel`, `linux.mountLabel`.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use harness::{Sandbox, cases};
use serde_json::json;

cases![
    labels_are_refused_where_the_kernel_has_none,
    privileged_apparmor_confines_the_program,
    privileged_apparmor_profile_that_is_not_loaded,
];

fn has_apparmor() -> bool {
    fs::read_to_string("/sys/module/apparmor/parameters/enabled")
        .is_ok_and(|answer| answer.trim() == "Y")
}

/// A profile that engines take for protection must not be dropped in silence.
fn labels_are_refused_where_the_kernel_has_none() {
    let sandbox = Sandbox::new();
    if !has_apparmor() {
        let bundle = sandbox
            .bundle()
            .set("/process/apparmorProfile", json!("some-profile"));
        sandbox
            .see(bundle, "true")
            .fails_with(1, &["process.apparmorProfile"]);
    }
    if !std::path::Path::new("/sys/fs/selinux/enforce").exists() {
        let bundle = sandbox.bundle().set(
            "/process/selinuxLabel",
            json!("system_u:system_r:container_t:s0"),
        );
        sandbox
            .see(bundle, "true")
            .fails_with(1, &["process.selinuxLabel"]);
    }
}

fn load(profile: &str) -> bool {
    let parser = Command::new("apparmor_parser")
        .args(["--replace", "--skip-cache"])
        .stdin(Stdio::piped())
        .spawn();
    let Ok(mut parser) = parser else { return false };
    parser
        .stdin
        .take()
        .unwrap()
        .write_all(profile.as_bytes())
        .unwrap();
    parser.wait().unwrap().success()
}

/// Loads a profile with these rules, where the kernel can.
#[track_caller]
pub(crate) fn need_profile(name: &str, rules: &str) {
    if !has_apparmor() {
        harness::skip!("this kernel has no AppArmor");
    }
    let profile = format!("profile {name} flags=(attach_disconnected) {{ {rules} }}\n");
    if !load(&profile) {
        harness::skip!("no apparmor_parser, or it cannot load profiles here");
    }
}

/// The profile holds for the program and for what is added to the container, and for neither before its execve(2).
fn privileged_apparmor_confines_the_program() {
    need_profile("tare-test", "file, signal, deny /etc/secret r,");
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .set("/process/apparmorProfile", json!("tare-test"))
        .probe("sleep 60");
    fs::create_dir_all(bundle.path.join("rootfs/etc")).unwrap();
    fs::write(bundle.path.join("rootfs/etc/secret"), "secret").unwrap();
    fs::write(bundle.path.join("rootfs/etc/known"), "known").unwrap();
    let container = sandbox.detach(&bundle, "a");
    let label = fs::read_to_string(format!("/proc/{}/attr/current", container.pid)).unwrap();
    assert_eq!(label.trim(), "tare-test (enforce)");
    container
        .exec("cat /proc/self/attr/current")
        .ok()
        .prints("tare-test (enforce)");
    container.exec("cat /etc/known").ok().prints("known");
    container.exec("cat /etc/secret").exits(1).prints("EACCES");
    let other = container
        .call("exec", &["--apparmor", "unconfined"])
        .args(["/bin/probe", "cat", "/etc/secret"])
        .output();
    other.ok().prints("secret");
}

fn privileged_apparmor_profile_that_is_not_loaded() {
    if !has_apparmor() {
        harness::skip!("this kernel has no AppArmor");
    }
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .set("/process/apparmorProfile", json!("no-such-profile"));
    sandbox
        .see(bundle, "true")
        .fails_with(1, &["process.apparmorProfile", "no-such-profile"]);
}
