//! `linux.intelRdt`, in a directory that stands for the resctrl file system, which few machines have.

use std::fs;
use std::path::PathBuf;

use harness::{Bundle, Output, Sandbox, cases};
use serde_json::{Value, json};

cases![
    without_the_file_system_it_is_an_error,
    privileged_group_of_the_containers_own,
    privileged_group_that_containers_share,
    privileged_failure_leaves_no_group,
    privileged_shares_can_be_changed,
    privileged_runc_finds_the_group_in_the_record,
];

/// The directory, as the kernel would fill it.
struct Tree<'a>(&'a Sandbox, PathBuf);

impl<'a> Tree<'a> {
    fn new(sandbox: &'a Sandbox) -> Tree<'a> {
        let path = sandbox.folder("resctrl");
        for folder in ["info", "mon_groups", "there/mon_groups"] {
            fs::create_dir_all(path.join(folder)).unwrap();
        }
        fs::write(path.join("there/schemata"), "L3:0=00f;1=7ff\n").unwrap();
        Tree(sandbox, path)
    }

    fn bundle(&self, given: Value) -> Bundle {
        let bundle = self.0.bundle().probe("sleep 1000");
        bundle.set("/linux/intelRdt", given)
    }

    fn call(&self, words: &[&str]) -> Output {
        let call = self.0.runtime(words);
        call.env("TARE_TEST_RESCTRL", &self.1).output()
    }

    fn create(&self, bundle: &Bundle, id: &str) -> Output {
        self.call(&["create", "--bundle", bundle.path.to_str().unwrap(), id])
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.1.join(name)).unwrap()
    }

    fn has(&self, name: &str) -> bool {
        self.1.join(name).exists()
    }
}

fn without_the_file_system_it_is_an_error() {
    if fs::exists("/sys/fs/resctrl/schemata").unwrap() {
        harness::skip!("this machine has the file system");
    }
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().set("/linux/intelRdt", json!({}));
    let what = ["linux.intelRdt", "resctrl"];
    sandbox.run(&bundle).fails_with(1, &what);
}

fn privileged_group_of_the_containers_own() {
    let sandbox = Sandbox::new();
    let (tree, id) = (Tree::new(&sandbox), sandbox.id("a"));
    let given =
        json!({"schemata": ["L2:0=3"], "l3CacheSchema": "L3:0=f", "enableMonitoring": true});
    let pids = sandbox.path.join("pid");
    let bundle = tree.bundle(given);
    let path = bundle.path.to_str().unwrap();
    let pid_file = ["--pid-file", pids.to_str().unwrap(), id.as_str()];
    tree.call(&[&["create", "--bundle", path], &pid_file[..]].concat())
        .ok();
    let pid = fs::read_to_string(&pids).unwrap();
    let monitor = format!("{id}/mon_groups/{id}/tasks");
    assert_eq!(tree.text(&format!("{id}/schemata")), "L2:0=3\n");
    for tasks in [&format!("{id}/tasks"), &monitor] {
        assert_eq!(tree.text(tasks).trim(), pid.trim());
    }
    tree.call(&["start", &id]).ok();
    // Another process is no child of the first. What it starts, the program too, is in its group by itself.
    let exec = ["exec", &id, "/bin/probe", "true"];
    tree.call(&exec).ok();
    for tasks in [&format!("{id}/tasks"), &monitor] {
        assert_ne!(tree.text(tasks).trim(), pid.trim());
    }
    tree.call(&["delete", "--force", &id]).ok();
    assert!(!tree.has(&id));
}

fn privileged_group_that_containers_share() {
    let sandbox = Sandbox::new();
    let (tree, first, second) = (Tree::new(&sandbox), sandbox.id("a"), sandbox.id("b"));
    let given = json!({"closID": "there", "l3CacheSchema": "L3:0=f"});
    let bundle = tree.bundle(given);
    tree.create(&bundle, &first).ok();
    fs::write(tree.1.join("there/schemata"), "L3:0=00f;1=7ff\n").unwrap();
    tree.create(&bundle, &second).ok();
    let other = tree.bundle(json!({"closID": "there", "l3CacheSchema": "L3:0=1"}));
    let what = ["linux.intelRdt.l3CacheSchema", "L3:0=1"];
    fs::write(tree.1.join("there/schemata"), "L3:0=00f;1=7ff\n").unwrap();
    let refused = tree.create(&other, &sandbox.id("c"));
    refused.fails_with(1, &what);
    let missing = tree.bundle(json!({"closID": "missing"}));
    let refused = tree.create(&missing, &sandbox.id("d"));
    refused.fails_with(1, &["linux.intelRdt.closID", "missing"]);
    for id in [&first, &second] {
        tree.call(&["delete", "--force", id]).ok();
    }
    assert!(tree.has("there") && !tree.has("missing"));
}

fn privileged_failure_leaves_no_group() {
    let sandbox = Sandbox::new();
    let (tree, id) = (Tree::new(&sandbox), sandbox.id("a"));
    let given = json!({"closID": "mine", "schemata": ["L3:0=f"]});
    let bundle = tree.bundle(given);
    let hook = json!([{"path": "/bin/false"}]);
    let bundle = bundle.set("/hooks", json!({"createRuntime": hook}));
    tree.create(&bundle, &id)
        .fails_with(1, &["hooks.createRuntime[0]"]);
    // Its task has died; a directory that stands for a group does not know.
    assert!(tree.has("mine") && !tree.has(&id));
    let own = tree.bundle(json!({"schemata": ["L3:0=f"]}));
    let own = own.set("/hooks", json!({"createRuntime": hook}));
    tree.create(&own, &id)
        .fails_with(1, &["hooks.createRuntime[0]"]);
    assert!(!tree.has(&id));
}

fn privileged_shares_can_be_changed() {
    harness::need::cgroups();
    let sandbox = Sandbox::new();
    let (tree, id) = (Tree::new(&sandbox), sandbox.id("a"));
    tree.create(&tree.bundle(json!({"schemata": ["L3:0=f"]})), &id)
        .ok();
    let update = |flags: &[&str]| tree.call(&[&["update"], flags, &[&id]].concat());
    update(&["--l3-cache-schema", "L3:0=3", "--mem-bw-schema", "MB:0=20"]).ok();
    let schemata = format!("{id}/schemata");
    assert_eq!(tree.text(&schemata), "L3:0=3\nMB:0=20\n");
    update(&["--mem-bw-schema", "20"]).fails_with(1, &["linux.intelRdt.memBwSchema"]);
    assert_eq!(tree.text(&schemata), "L3:0=3\nMB:0=20\n");
    tree.call(&["delete", "--force", &id]).ok();
    assert!(!tree.has(&id));
}

/// As runc finds it; what runc has recorded is read by the library's own tests.
fn privileged_runc_finds_the_group_in_the_record() {
    let sandbox = Sandbox::new();
    let (tree, id) = (Tree::new(&sandbox), sandbox.id("a"));
    let state = || sandbox.path.join("state").join(&id).join("state.json");
    let read = || -> Value { serde_json::from_slice(&fs::read(state()).unwrap()).unwrap() };
    let (own, there) = (
        json!({"l3CacheSchema": "L3:0=f"}),
        json!({"closID": "there"}),
    );
    for (given, group, class) in [(own, id.as_str(), None), (there, "there", Some("there"))] {
        tree.create(&tree.bundle(given), &id).ok();
        let record = read();
        let path = tree.1.join(group);
        assert_eq!(record["intel_rdt_path"], json!(path));
        assert_eq!(record["config"]["intel_rdt"]["closID"], json!(class));
        tree.call(&["delete", "--force", &id]).ok();
    }
}
