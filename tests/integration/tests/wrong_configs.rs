//! Configs that are wrong, broken or nearly right.

use std::fs;

use harness::{Bundle, Sandbox, cases};
use serde_json::{Value, json};

cases![
    wrong_configs_give_one_line_and_leave_nothing,
    broken_files_give_one_line_and_leave_nothing,
    huge_config_is_refused_quickly,
    fifo_as_config_does_not_block,
    missing_process_fails_at_the_latest_at_start,
    other_platforms_are_refused,
    unknown_properties_are_ignored,
    keys_that_nearly_are_known_are_warned_about,
    required_properties_are_named,
];

fn remove(config: &mut Value, object: &str, key: &str) {
    config
        .pointer_mut(object)
        .unwrap()
        .as_object_mut()
        .unwrap()
        .remove(key);
}

/// Runs `create` and `run` of a bundle, both of which must fail with one line, and compares the host.
#[track_caller]
pub(crate) fn refused(sandbox: &Sandbox, bundle: &Bundle, name: &str, text: &str) {
    for command in ["create", "run"] {
        let before = sandbox.host(Some(bundle));
        let call = sandbox
            .runtime([command, "--bundle"])
            .arg(&bundle.path)
            .arg(sandbox.id("a"))
            .output();
        assert_eq!(call.code, 1, "{name}: {call:?}");
        assert!(call.stdout.is_empty(), "{name}: {call:?}");
        let errors = call
            .stderr
            .lines()
            .filter(|line| !line.contains("level=warning"))
            .count();
        assert_eq!(errors, 1, "{name}: {}", call.stderr);
        let found = call.stderr.to_lowercase().contains(&text.to_lowercase());
        assert!(found, "{name}: no {text:?} in {}", call.stderr);
        let difference = sandbox.host(Some(bundle)).difference(&before);
        assert!(
            difference.is_empty(),
            "{name}: {command} left {difference:#?}"
        );
    }
}

type Change = fn(&mut Value);

const WRONG: &[(&str, Change, &str)] = &[
    ("no arguments", |c| c["process"]["args"] = json!([]), "args"),
    (
        "arguments missing",
        |c| remove(c, "/process", "args"),
        "args",
    ),
    (
        "relative cwd",
        |c| c["process"]["cwd"] = json!("tmp"),
        "cwd",
    ),
    ("cwd missing", |c| remove(c, "/process", "cwd"), "cwd"),
    (
        "unknown namespace",
        |c| c["linux"]["namespaces"][0]["type"] = json!("dream"),
        "dream",
    ),
    (
        "relative namespace path",
        |c| c["linux"]["namespaces"][0]["path"] = json!("ns/x"),
        "namespaces",
    ),
    ("missing root", |c| remove(c, "", "root"), "root"),
    (
        "root does not exist",
        |c| c["root"]["path"] = json!("no-such-root"),
        "no-such-root",
    ),
    (
        "root is a file",
        |c| c["root"]["path"] = json!("config.json"),
        "config.json",
    ),
    (
        "wrong version",
        |c| c["ociVersion"] = json!("2.0.0"),
        "2.0.0",
    ),
    (
        "version is no version",
        |c| c["ociVersion"] = json!("newest"),
        "newest",
    ),
    (
        "version missing",
        |c| remove(c, "", "ociVersion"),
        "ociVersion",
    ),
    ("wrong type", |c| c["process"]["args"] = json!("sh"), "args"),
    (
        "number out of range",
        |c| c["process"]["user"]["uid"] = json!(4_294_967_296_u64),
        "uid",
    ),
    (
        "negative uid",
        |c| c["process"]["user"]["uid"] = json!(-1),
        "uid",
    ),
    (
        "unknown rlimit",
        |c| c["process"]["rlimits"] = json!([{"type": "RLIMIT_X", "soft": 1, "hard": 1}]),
        "RLIMIT_X",
    ),
    (
        "bad file system",
        |c| c["mounts"][1]["type"] = json!("frobfs"),
        "/dev",
    ),
    (
        "mount without destination",
        |c| remove(c, "/mounts/1", "destination"),
        "mounts",
    ),
    (
        "bad mount option",
        |c| c["mounts"][1]["options"] = json!(["nonsense=3"]),
        "/dev",
    ),
    (
        "bad propagation",
        |c| c["linux"]["rootfsPropagation"] = json!("diagonal"),
        "diagonal",
    ),
    (
        "sysctl of the host",
        |c| c["linux"]["sysctl"] = json!({"vm.panic_on_oom": "1"}),
        "vm.panic_on_oom",
    ),
    (
        "masked path relative",
        |c| c["linux"]["maskedPaths"] = json!(["x"]),
        "maskedPaths",
    ),
    (
        "annotation without a key",
        |c| c["annotations"] = json!({"": "x"}),
        "annotation",
    ),
    (
        "unknown personality",
        |c| c["linux"]["personality"] = json!({"domain": "SOLARIS"}),
        "SOLARIS",
    ),
    (
        "personality flag",
        |c| c["linux"]["personality"] = json!({"domain": "LINUX", "flags": ["X"]}),
        "flags",
    ),
    (
        "bad io class",
        |c| c["process"]["ioPriority"] = json!({"class": "IOPRIO_CLASS_Q", "priority": 1}),
        "IOPRIO_CLASS_Q",
    ),
    (
        "hook path relative",
        |c| c["hooks"] = json!({"createRuntime": [{"path": "x"}]}),
        "hooks",
    ),
    (
        "NUL in an argument",
        |c| c["process"]["args"] = json!(["/bin/probe", "a\u{0}b"]),
        "args",
    ),
    (
        "variable without =",
        |c| c["process"]["env"] = json!(["NOVALUE"]),
        "env",
    ),
    (
        "host name too long",
        |c| c["hostname"] = json!("x".repeat(65)),
        "hostname",
    ),
];

fn wrong_configs_give_one_line_and_leave_nothing() {
    let sandbox = Sandbox::new();
    let mut wrong = Vec::new();
    for (name, change, text) in WRONG {
        let bundle = sandbox.bundle().edit(*change);
        let check = std::panic::AssertUnwindSafe(|| refused(&sandbox, &bundle, name, text));
        if let Err(error) = std::panic::catch_unwind(check) {
            sandbox
                .runtime(["delete", "--force", &sandbox.id("a")])
                .output();
            wrong.push(format!(
                "{name}: {}",
                error.downcast_ref::<String>().map_or("", String::as_str)
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} cases:\n{}",
        wrong.len(),
        WRONG.len(),
        wrong.join("\n")
    );
}

fn broken_files_give_one_line_and_leave_nothing() {
    let sandbox = Sandbox::new();
    let good = sandbox.bundle().config().to_string();
    let texts: Vec<(&str, Vec<u8>)> = vec![
        ("empty", Vec::new()),
        ("no object", b"[]".to_vec()),
        ("null", b"null".to_vec()),
        ("cut off", good.as_bytes()[..good.len() / 2].to_vec()),
        ("more behind", [good.as_bytes(), b"{}"].concat()),
        (
            "not UTF-8",
            [
                b"{\"ociVersion\": \"1.0.2\", \"hostname\": \"".as_slice(),
                &[0xff, 0xfe],
                b"\"}",
            ]
            .concat(),
        ),
        ("deep", "[".repeat(100_000).into_bytes()),
    ];
    for (name, text) in texts {
        refused(&sandbox, &sandbox.bundle().raw(text), name, "");
    }
    let null = sandbox.bundle().raw(b"null\n");
    refused(&sandbox, &null, "null", "config cannot be null");
    let bundle = sandbox.bundle();
    fs::remove_file(bundle.path.join("config.json")).unwrap();
    refused(
        &sandbox,
        &bundle,
        "missing",
        "JSON specification file config.json not found",
    );
    fs::create_dir(bundle.path.join("config.json")).unwrap();
    refused(&sandbox, &bundle, "a directory", "config.json");
    let call = sandbox
        .runtime(["run", "--bundle", "/no/such/bundle", &sandbox.id("a")])
        .output();
    call.fails_with(1, &["/no/such/bundle", "no such file or directory"]);
}

fn huge_config_is_refused_quickly() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle();
    let file = fs::File::create(bundle.path.join("config.json")).unwrap();
    file.set_len(1 << 30).unwrap();
    let begin = std::time::Instant::now();
    refused(&sandbox, &bundle, "one gigabyte", "");
    assert!(begin.elapsed() < harness::slow(20), "{:?}", begin.elapsed());
}

fn fifo_as_config_does_not_block() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle();
    let path = bundle.path.join("config.json");
    fs::remove_file(&path).unwrap();
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o644)).unwrap();
    for command in ["create", "run"] {
        let before = sandbox.host(Some(&bundle));
        let call = sandbox
            .runtime([command, "--bundle"])
            .arg(&bundle.path)
            .arg(sandbox.id("a"));
        call.limit(10).output().fails_with(1, &["config.json"]);
        sandbox.host(Some(&bundle)).same_as(&before);
    }
}

fn missing_process_fails_at_the_latest_at_start() {
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .edit(|config| remove(config, "", "process"));
    let create = sandbox
        .runtime(["create", "--bundle"])
        .arg(&bundle.path)
        .arg(sandbox.id("a"))
        .output();
    if create.code == 0 {
        sandbox
            .runtime(["start", &sandbox.id("a")])
            .output()
            .fails_with(1, &["process"]);
    }
}

fn other_platforms_are_refused() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().edit(|config| {
        remove(config, "", "linux");
        config["windows"] = json!({"layerFolders": ["x"]});
    });
    refused(&sandbox, &bundle, "windows", "windows");
}

fn unknown_properties_are_ignored() {
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .set("/futureField", json!({"a": [1, 2.5, null]}));
    let bundle = bundle
        .set("/process/futureField", json!("x"))
        .set("/linux/futureField", json!(true));
    sandbox.run(&bundle).ok();
}

fn keys_that_nearly_are_known_are_warned_about() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().edit(|config| {
        config["proccess"] = json!({"cwd": "/"});
        config["linux"]["resource"] = json!({});
    });
    let stderr = sandbox.run(&bundle).ok().error();
    for warning in [
        "proccess: unknown property, ignored: is `process` meant?",
        "linux.resource: unknown property, ignored: is `resources` meant?",
    ] {
        assert!(stderr.contains(warning), "{stderr}");
    }
    let bundle = sandbox.bundle().edit(|config| {
        let cwd = config["process"]["cwd"].take();
        remove(config, "/process", "cwd");
        config["process"]["CWD"] = cwd;
    });
    let stderr = sandbox.run(&bundle).ok().error();
    let warning = "process.CWD: taken as `cwd`, which is the specification's spelling";
    assert!(stderr.contains(warning), "{stderr}");
}

fn required_properties_are_named() {
    let sandbox = Sandbox::new();
    for (object, key) in [
        ("/process", "user"),
        ("/process/user", "uid"),
        ("/process/user", "gid"),
    ] {
        let bundle = sandbox.bundle().edit(|config| remove(config, object, key));
        let field = format!("{}.{key}", object[1..].replace('/', "."));
        let why = format!("config.json: {field}: is required at line 1 column ");
        sandbox.run(&bundle).fails_with(1, &[&why]);
    }
}
