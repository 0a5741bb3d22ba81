//! The command `spec`.

use std::fs;

use harness::{Sandbox, cases, need};
use serde_json::{Value, json};

cases![
    default_document,
    refuses_to_overwrite,
    rootless_document,
    documents_can_be_run
];

fn written(sandbox: &Sandbox, flags: &[&str]) -> (String, Value) {
    let folder = sandbox.folder("spec");
    let _ = fs::remove_file(folder.join("config.json"));
    sandbox
        .runtime(["spec", "--bundle"])
        .arg(&folder)
        .args(flags)
        .output()
        .ok()
        .lines(&[]);
    let text = fs::read_to_string(folder.join("config.json")).unwrap();
    let value = serde_json::from_str(&text).unwrap();
    (text, value)
}

fn default_document() {
    let sandbox = Sandbox::new();
    let (text, config) = written(&sandbox, &[]);
    assert!(
        text.contains("\n\t\"process\": {\n\t\t\"terminal\": true"),
        "indented by tabs, in the usual order"
    );
    let process = &config["process"];
    assert_eq!(process["args"], json!(["sh"]));
    assert_eq!(process["terminal"], json!(true));
    assert_eq!(process["cwd"], json!("/"));
    assert_eq!(process["noNewPrivileges"], json!(true));
    assert_eq!(
        process["rlimits"],
        json!([{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}])
    );
    for set in ["bounding", "effective", "permitted"] {
        assert_eq!(
            process["capabilities"][set],
            json!(["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]),
            "{set}"
        );
    }
    assert!(process["capabilities"].get("inheritable").is_none());
    assert_eq!(config["root"], json!({"path": "rootfs", "readonly": true}));
    assert_eq!(config["hostname"], "runc");
    assert_eq!(
        config["linux"]["resources"]["devices"],
        json!([{"allow": false, "access": "rwm"}])
    );
    let kinds: Vec<&str> = config["linux"]["namespaces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["type"].as_str().unwrap())
        .collect();
    let mut wanted = vec!["pid", "network", "ipc", "uts", "mount"];
    if need::is_unified() {
        wanted.push("cgroup");
    }
    assert_eq!(kinds, wanted);
    let targets: Vec<&str> = config["mounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["destination"].as_str().unwrap())
        .collect();
    assert_eq!(
        targets,
        [
            "/proc",
            "/dev",
            "/dev/pts",
            "/dev/shm",
            "/dev/mqueue",
            "/sys",
            "/sys/fs/cgroup"
        ]
    );
}

fn refuses_to_overwrite() {
    let sandbox = Sandbox::new();
    written(&sandbox, &[]);
    let output = sandbox
        .runtime(["spec", "--bundle"])
        .arg(sandbox.path.join("spec"))
        .output();
    output.fails_with(1, &["File config.json exists. Remove it first"]);
}

fn rootless_document() {
    let sandbox = Sandbox::ordinary();
    let (uid, gid) = sandbox.rootless().unwrap();
    let (_, config) = written(&sandbox, &["--rootless"]);
    let linux = &config["linux"];
    assert_eq!(
        linux["uidMappings"],
        json!([{"containerID": 0, "hostID": uid, "size": 1}])
    );
    assert_eq!(
        linux["gidMappings"],
        json!([{"containerID": 0, "hostID": gid, "size": 1}])
    );
    let kinds: Vec<&str> = linux["namespaces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["type"].as_str().unwrap())
        .collect();
    assert!(
        kinds.contains(&"user") && !kinds.contains(&"network"),
        "{kinds:?}"
    );
    assert!(linux.get("resources").is_none());
}

fn documents_can_be_run() {
    let busybox = need::program("busybox");
    let sandbox = Sandbox::new();
    let folder = sandbox.folder("spec");
    for name in ["bin", "proc", "sys", "dev"] {
        fs::create_dir_all(folder.join("rootfs").join(name)).unwrap();
    }
    fs::copy(busybox, folder.join("rootfs/bin/busybox")).unwrap();
    std::os::unix::fs::symlink("busybox", folder.join("rootfs/bin/sh")).unwrap();
    let flags: &[&str] = if sandbox.rootless().is_some() {
        &["--rootless"]
    } else {
        &[]
    };
    let (_, mut config) = written(&sandbox, flags);
    config["process"]["terminal"] = json!(false);
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let run = sandbox
        .runtime(["run", "--bundle"])
        .arg(&folder)
        .arg(sandbox.id("a"));
    run.input("echo from a shell $$\n")
        .output()
        .ok()
        .lines(&["from a shell 1"]);
}
