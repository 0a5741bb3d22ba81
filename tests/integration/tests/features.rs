//! The command `features`.

use harness::{Sandbox, cases};
use serde_json::{Value, json};

cases![document, works_without_root_flag];

fn document() {
    let sandbox = Sandbox::new();
    let features = sandbox.runtime(["features"]).output().ok().json();
    let strings = |value: &Value| -> Vec<String> {
        let list = value
            .as_array()
            .unwrap_or_else(|| panic!("a list: {value}"));
        list.iter()
            .map(|one| one.as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(features["ociVersionMin"], "1.0.0");
    assert!(
        features["ociVersionMax"]
            .as_str()
            .is_some_and(|version| version.starts_with("1."))
    );
    let hooks = strings(&features["hooks"]);
    for kind in [
        "prestart",
        "createRuntime",
        "createContainer",
        "startContainer",
        "poststart",
        "poststop",
    ] {
        assert!(hooks.contains(&kind.to_owned()), "{kind}");
    }
    let options = strings(&features["mountOptions"]);
    for option in ["ro", "rro", "rbind", "rprivate", "nosuid", "relatime"] {
        assert!(options.contains(&option.to_owned()), "{option}");
    }
    let linux = &features["linux"];
    let namespaces = strings(&linux["namespaces"]);
    for kind in ["cgroup", "ipc", "mount", "network", "pid", "user", "uts"] {
        assert!(namespaces.contains(&kind.to_owned()), "{kind}");
    }
    assert!(strings(&linux["capabilities"]).contains(&"CAP_SYS_ADMIN".to_owned()));
    assert_eq!(linux["cgroup"]["v1"], json!(true));
    assert_eq!(linux["cgroup"]["v2"], json!(true));
}

fn works_without_root_flag() {
    let sandbox = Sandbox::new();
    sandbox
        .command(sandbox.program())
        .arg("features")
        .output()
        .ok()
        .json();
}
