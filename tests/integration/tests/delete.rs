//! The command `delete`.

use std::fs;

use harness::{Sandbox, cases, need, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

cases![
    stopped_container_is_removed_completely,
    running_container_is_refused,
    created_container_is_killed,
    force_kills,
    force_ends_a_foreground_run,
    force_ends_what_does_not_go_on,
    force_is_silent_about_unknown_containers,
    unknown_container_does_not_exist,
    privileged_groups_made_inside_are_removed,
    privileged_processes_in_other_groups_are_killed,
    privileged_group_of_two_containers_is_left_to_the_second,
    privileged_groups_above_are_removed_if_they_were_made_for_it,
    strangers_files_stay_and_are_named,
    id_can_be_used_again,
    bundle_may_be_gone,
];

fn stopped_container_is_removed_completely() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle();
    let before = sandbox.host(Some(&bundle));
    let container = sandbox.detach(&bundle, "a");
    container.wait();
    assert_eq!(container.status(), "stopped");
    container.delete().ok();
    sandbox.host(Some(&bundle)).same_as(&before);
    container
        .delete()
        .fails_with(1, &["container does not exist"]);
}

fn running_container_is_refused() {
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
    let message = format!(
        "cannot delete container {} that is not stopped: running",
        container.id
    );
    container.delete().fails_with(1, &[&message]);
    assert_eq!(container.status(), "running");
    container.exec("true").ok();
}

fn created_container_is_killed() {
    let sandbox = Sandbox::new();
    let before = sandbox.host(None);
    let container = sandbox.create(&sandbox.bundle(), "a");
    container.delete().ok();
    container.wait();
    sandbox.host(None).same_as(&before);
}

fn force_kills() {
    let sandbox = Sandbox::new();
    let before = sandbox.host(None);
    let container = sandbox.detach(
        &sandbox.bundle().probe("spawn sleep 1000 -- wait-signal"),
        "a",
    );
    container.wait_for("ready");
    container.force_delete();
    container.wait();
    sandbox.host(None).same_as(&before);
}

/// `run` in the foreground must not keep others from the container that it waits for.
fn force_ends_a_foreground_run() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("echo up -- sleep 1000");
    let id = sandbox.id("a");
    let call = sandbox
        .runtime(["run", "--bundle"])
        .arg(&bundle.path)
        .arg(&id)
        .spawn();
    harness::wait_until("up", || call.stdout().contains("up"));
    sandbox.runtime(["state", &id]).limit(20).output().ok();
    sandbox
        .runtime(["delete", "--force", &id])
        .limit(20)
        .output()
        .ok();
    assert_ne!(call.finish().code, 0);
}

/// Whoever makes a container waits for its first process, which hangs.
fn force_ends_what_does_not_go_on() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle();
    let before = sandbox.host(None);
    let program = bundle.rootfs().join("bin/probe");
    let hook = json!({"path": program, "args": ["probe", "sleep", "1"]});
    let bundle = bundle.push("/hooks/createRuntime", hook);
    let id = sandbox.id("a");
    let create = sandbox.runtime(["create", "--bundle"]).arg(&bundle.path);
    let create = create.arg(&id).limit(40).spawn();
    let state = || sandbox.runtime(["state", &id]).output();
    wait_until("the process", || {
        let output = state();
        output.code == 0 && output.json()["pid"] != json!(0)
    });
    let pid = state().json()["pid"].as_i64().unwrap() as i32;
    // Until it continues, nothing is told to it but its end.
    kill(Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let delete = sandbox.runtime(["delete", "--force", &id]);
    delete.limit(20).output().ok();
    assert_eq!(create.finish().code, 1);
    wait_until("nothing is left", || {
        sandbox.host(None).difference(&before).is_empty()
    });
}

fn force_is_silent_about_unknown_containers() {
    let sandbox = Sandbox::new();
    let output = sandbox
        .runtime(["delete", "--force", &sandbox.id("x")])
        .output()
        .ok();
    assert!(
        output.stdout.is_empty() && output.stderr.is_empty(),
        "{output:?}"
    );
    let output = sandbox
        .runtime(["delete", &sandbox.id("x"), "-f"])
        .output()
        .ok();
    assert!(
        output.stdout.is_empty() && output.stderr.is_empty(),
        "{output:?}"
    );
}

fn unknown_container_does_not_exist() {
    let sandbox = Sandbox::new();
    sandbox
        .runtime(["delete", &sandbox.id("x")])
        .output()
        .fails_with(1, &["container does not exist"]);
}

/// Groups inside: in the container's own cgroup mount when it can be written, else in the places on the host.
fn privileged_groups_made_inside_are_removed() {
    need::cgroups();
    let sandbox = Sandbox::new();
    let before = sandbox.host(None);
    let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
    let groups = sandbox.host(None).groups().to_vec();
    assert!(!groups.is_empty(), "the container has a group");
    for group in &groups {
        fs::create_dir_all(group.join("sub/below")).unwrap();
    }
    container.kill("KILL").ok();
    container.wait();
    container.delete().ok();
    sandbox.host(None).same_as(&before);
}

fn privileged_processes_in_other_groups_are_killed() {
    need::cgroups();
    let sandbox = Sandbox::new();
    let before = sandbox.host(None);
    // Without a pid namespace nothing but the groups tells which processes belong to the container.
    let container = sandbox.detach(
        &sandbox
            .bundle()
            .without_namespace("pid")
            .probe("spawn sleep 1000 -- true"),
        "a",
    );
    container.wait();
    let child: i32 = container.printed().trim().parse().unwrap();
    container.force_delete();
    harness::wait_until("the end of the child", || {
        let flags = Some(nix::sys::wait::WaitPidFlag::WNOHANG);
        let _ = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(child), flags);
        !fs::exists(format!("/proc/{child}")).unwrap()
    });
    sandbox.host(None).same_as(&before);
}

/// The second may have the group since nothing is in it any more. Deleting the first must not touch the second.
fn privileged_group_of_two_containers_is_left_to_the_second() {
    need::cgroups();
    let sandbox = Sandbox::new();
    let path = json!(format!("/{}-groups/both", sandbox.tag));
    let bundle = |commands: &str| {
        sandbox
            .bundle()
            .set("/linux/cgroupsPath", path.clone())
            .probe(commands)
    };
    let containers = ["first", "other"].map(|name| {
        let container = sandbox.detach(&bundle("echo ran"), name);
        container.wait();
        container
    });
    let second = sandbox.detach(&bundle("sleep 1000"), "second");
    let [first, other] = containers;
    first.delete().fails_with(1, &["1 process(es) still in it"]);
    assert_eq!(first.status(), "stopped");
    let forced = other.call("delete", &["--force"]).output().ok();
    assert!(
        forced.stderr.contains("left to its user"),
        "{}",
        forced.stderr
    );
    assert_eq!(second.status(), "running");
    second.force_delete();
    second.wait();
    first.delete().ok();
    sandbox.remove_groups();
}

fn privileged_groups_above_are_removed_if_they_were_made_for_it() {
    need::cgroups();
    let sandbox = Sandbox::new();
    let before = sandbox.host(None);
    let bundle = |path: String| {
        sandbox.bundle().set(
            "/linux/cgroupsPath",
            json!(format!("/{}-{path}", sandbox.tag)),
        )
    };
    let container = sandbox.create(&bundle("above/deep/box".to_owned()), "a");
    let above: Vec<_> = sandbox.host(None).groups().to_vec();
    container.delete().ok();
    container.wait();
    sandbox.host(None).same_as(&before);
    // What was there before stays, and what somebody else uses.
    let name = format!("{}-above", sandbox.tag);
    let own = above.iter().filter(|path| path.ends_with(&name));
    let mut made = 0;
    for path in own {
        fs::create_dir(path).unwrap();
        made += 1;
    }
    assert!(made > 0, "{above:?}");
    let container = sandbox.create(&bundle("above/deep/box".to_owned()), "b");
    container.delete().ok();
    container.wait();
    let left = sandbox.host(None).difference(&before);
    assert_eq!(left.len(), made, "{left:#?}");
    let [first, second] =
        ["first", "second"].map(|name| sandbox.create(&bundle(format!("above/both/{name}")), name));
    first.delete().ok();
    first.wait();
    assert_eq!(second.status(), "created");
    second.delete().ok();
    second.wait();
    sandbox.remove_groups();
    sandbox.host(None).same_as(&before);
    // A create that fails leaves none either.
    let bundle = bundle("failed/deep/box".to_owned()).set("/process/args", json!(["/nosuch"]));
    let create = sandbox.runtime(["create", "--bundle"]).arg(&bundle.path);
    create.arg(sandbox.id("c")).output().exits(1);
    sandbox.host(None).same_as(&before);
}

fn strangers_files_stay_and_are_named() {
    let sandbox = Sandbox::new();
    for force in [false, true] {
        let container = sandbox.detach(&sandbox.bundle(), "a");
        container.wait();
        let folder = sandbox.root.join(&container.id);
        fs::write(folder.join("note"), "mine").unwrap();
        let flags: &[&str] = if force { &["--force"] } else { &[] };
        let output = container.call("delete", flags).output().ok();
        assert!(output.stderr.contains("level=warning"), "{output:?}");
        assert!(output.stderr.contains("note"), "{output:?}");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        assert_eq!(fs::read_to_string(folder.join("note")).unwrap(), "mine");
        container
            .call("state", &[] as &[&str])
            .output()
            .fails_with(1, &["container does not exist"]);
        let list = sandbox.runtime(["list", "--quiet"]).output().ok();
        assert!(list.stdout.is_empty() && list.stderr.is_empty(), "{list:?}");
        // The id is free.
        let container = sandbox.detach(&sandbox.bundle(), "a");
        container.wait();
        fs::remove_file(folder.join("note")).unwrap();
        container.delete().ok();
        assert!(!folder.exists());
    }
}

fn id_can_be_used_again() {
    let sandbox = Sandbox::new();
    for _ in 0..3 {
        let container = sandbox.detach(&sandbox.bundle(), "same");
        container.wait();
        container.delete().ok();
    }
}

fn bundle_may_be_gone() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().set("/annotations", json!({"a": "b"}));
    let container = sandbox.detach(&bundle, "a");
    container.wait();
    fs::remove_dir_all(&bundle.path).unwrap();
    assert_eq!(container.state()["annotations"], json!({"a": "b"}));
    container.delete().ok();
}
