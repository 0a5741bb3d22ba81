//! Wrong configs and wrong calls: one line, exit status 1, and nothing left behind.

use std::fs;

use harness::{Bundle, Sandbox, cases, need};
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
    messages_say_what_to_try,
    privileged_limits_that_this_machine_cannot_give_say_what_there_is,
    ordinary_users_are_told_what_to_set,
    ordinary_users_are_told_whose_limit_it_is,
    log_that_cannot_be_used,
    json_log,
    text_log_and_bare_message,
    wrong_ids_are_refused,
    existing_id_is_refused,
    program_that_cannot_run,
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
fn refused(sandbox: &Sandbox, bundle: &Bundle, name: &str, text: &str) {
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

/// Calls with something wrong: the field or flag, the cause, and the next thing to try.
fn messages_say_what_to_try() {
    let sandbox = Sandbox::new();
    let running = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
    let process = sandbox.path.join("io/wrong.json");
    fs::write(&process, r#"{"args": "sh", "user": {"uid": 0, "gid": 0}}"#).unwrap();
    let (process, root) = (process.to_str().unwrap(), sandbox.root.to_str().unwrap());
    let none = sandbox.id("none");
    let table: &[(&[&str], i32, &[&str])] = &[
        (
            &["state", &none],
            1,
            &["container does not exist", &none, root],
        ),
        (
            &["exec", &none, "true"],
            255,
            &["container does not exist", &none, root],
        ),
        (
            &["exec", "-u", "nosuch", &none, "true"],
            255,
            &["container does not exist", &none, root],
        ),
        (
            &["exec", "-u", "nosuch", &running.id, "true"],
            255,
            &["invalid uid \"nosuch\"", "a number is needed"],
        ),
        (
            &["exec", "--process", process, &running.id],
            255,
            &[process, "args", "expected a sequence"],
        ),
        (
            &["exec", "--process", "/no/such.json", &running.id],
            255,
            &["--process", "/no/such.json"],
        ),
        (
            &["update", "--memory", "abc", &running.id],
            1,
            &["--memory", "abc", "such as 512M"],
        ),
        (
            &["update", "--pids-limit", "many", &running.id],
            1,
            &["--pids-limit", "many", "a number"],
        ),
        (&["strat", &running.id], 3, &["strat", "start"]),
        (&["state", "--fromat", "json", &running.id], 1, &["fromat"]),
        (&["list", "--fromat", "json"], 1, &["fromat", "--format"]),
    ];
    for (arguments, code, texts) in table {
        let output = sandbox.runtime(arguments.iter()).output().exits(*code);
        for text in *texts {
            assert!(
                output.error().contains(text),
                "{arguments:?}: no {text:?} in {}",
                output.stderr
            );
        }
    }
    let bundle = sandbox.bundle();
    let create = sandbox.runtime(["create", "--bundle"]).arg(&bundle.path);
    let taken = [
        "container with given ID already exists",
        running.id.as_str(),
        root,
    ];
    create.arg(&running.id).output().fails_with(1, &taken);
    let link = sandbox.path.join("io/link");
    std::os::unix::fs::symlink("/no/such", &link).unwrap();
    for root in [link.clone(), link.join("below")] {
        let call = sandbox.command(sandbox.program()).arg("--root").arg(&root);
        let call = call.args(["create", "--bundle"]).arg(&bundle.path);
        let link = link.to_str().unwrap();
        let texts = [link, "is a link to /no/such, which does not exist"];
        call.arg(sandbox.id("b")).output().fails_with(1, &texts);
    }
    if !std::path::Path::new("/run/systemd/system").exists() {
        let call = sandbox
            .command(sandbox.program())
            .arg("--root")
            .arg(&sandbox.root);
        let call = call
            .args(["--systemd-cgroup", "create", "--bundle"])
            .arg(&bundle.path);
        let output = call.arg(sandbox.id("b")).output().exits(1);
        assert!(output.error().contains("--systemd-cgroup"), "{output:?}");
    }
    for (path, why) in [
        ("/nosuch", "no such file or directory"),
        ("/bin/false", "exit status 1"),
    ] {
        let bundle = sandbox
            .bundle()
            .set("/hooks", json!({"createRuntime": [{"path": path}]}));
        let whole = format!("error running createRuntime hook #0: {path}: ");
        let output = sandbox
            .run(&bundle)
            .fails_with(1, &[&whole, why, "(hooks.createRuntime[0])"]);
        for once in [
            "unable to start container process: ",
            "hooks.createRuntime[0]",
        ] {
            assert_eq!(output.error().matches(once).count(), 1, "{output:?}");
        }
    }
}

fn privileged_limits_that_this_machine_cannot_give_say_what_there_is() {
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .set("/linux/resources/cpu", json!({"cpus": "900-901"}));
    let texts = [
        "linux.resources.cpu.cpus",
        "of \"900-901\" only 0",
        "can be used",
    ];
    if need::has_controller("cpuset") {
        sandbox.run(&bundle).fails_with(1, &texts);
    }
    let map = json!([{"containerID": 0, "hostID": 100_000, "size": 1}]);
    let bundle = sandbox
        .bundle()
        .push("/linux/namespaces", json!({"type": "user"}));
    let bundle = bundle
        .set("/linux/uidMappings", map.clone())
        .set("/linux/gidMappings", map)
        .edit(|config| config["mounts"][2]["options"] = json!(["newinstance", "gid=5"]));
    let output = sandbox.run(&bundle).fails_with(1, &["mounts[2]", "gid="]);
    assert!(output.error().contains("linux.gidMappings"), "{output:?}");
}

fn ordinary_users_are_told_what_to_set() {
    let sandbox = Sandbox::ordinary();
    let bundle = sandbox.bundle();
    let call = sandbox
        .command("/usr/bin/env")
        .args(["-u", "XDG_RUNTIME_DIR"]);
    let call = call.arg(sandbox.program()).args(["create", "--bundle"]);
    let output = call.arg(&bundle.path).arg(sandbox.id("a")).output();
    output.fails_with(1, &["XDG_RUNTIME_DIR", "--root"]);
}

fn ordinary_users_are_told_whose_limit_it_is() {
    let sandbox = Sandbox::ordinary();
    let nice = json!({"policy": "SCHED_OTHER", "nice": -19});
    let bundle = sandbox.bundle().set("/process/scheduler", nice);
    refused(&sandbox, &bundle, "nice", "CAP_SYS_NICE or RLIMIT_NICE");
    need::program("newuidmap");
    let (uid, gid) = sandbox.rootless().unwrap();
    let map = |own: u32| json!([{"containerID": 0, "hostID": own, "size": 1}, {"containerID": 1, "hostID": 1, "size": 9}]);
    let bundle = sandbox
        .bundle()
        .set("/linux/uidMappings", map(uid))
        .set("/linux/gidMappings", map(gid));
    let call = sandbox.runtime(["create", "--bundle"]).arg(&bundle.path);
    let output = call.arg(sandbox.id("a")).output();
    assert_eq!(
        output.stderr.matches("newuidmap").count(),
        1,
        "{}",
        output.stderr
    );
    output.fails_with(1, &["newuidmap: ", "linux.uidMappings"]);
}

fn log_that_cannot_be_used() {
    let sandbox = Sandbox::new();
    let call = sandbox.command(sandbox.program());
    let output = call
        .args(["--log", "/nosuch/log", "--log-format", "json", "list"])
        .output()
        .exits(1);
    let line: Value = serde_json::from_str(output.stderr.trim()).expect("JSON");
    assert_eq!(line["level"], "error");
    assert!(
        line["msg"]
            .as_str()
            .unwrap()
            .contains("open /nosuch/log: no such file or directory (--log)"),
        "{line}"
    );
    let call = sandbox
        .command(sandbox.program())
        .args(["--log", "/dev/full", "--root"]);
    let output = call
        .arg(&sandbox.root)
        .args(["state", &sandbox.id("x")])
        .output()
        .exits(1);
    for text in ["write the log (--log): ", "container does not exist"] {
        assert!(output.stderr.contains(text), "{output:?}");
    }
}

fn json_log() {
    let sandbox = Sandbox::new();
    let log = sandbox.path.join("io/log.json");
    let bundle = sandbox.bundle().set("/process/cwd", json!("relative"));
    let call = sandbox
        .command(sandbox.program())
        .arg("--root")
        .arg(&sandbox.root)
        .arg("--log")
        .arg(&log);
    let call = call
        .args(["--log-format", "json", "create", "--bundle"])
        .arg(&bundle.path)
        .arg(sandbox.id("a"));
    let output = call.output().exits(1);
    let text = fs::read_to_string(&log).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let error = lines
        .iter()
        .rfind(|line| line["level"] == "error")
        .expect("an error");
    let message = error["msg"].as_str().unwrap();
    assert!(
        message.contains("cwd") || message.contains("Cwd"),
        "{message}"
    );
    let time = error["time"].as_str().unwrap();
    assert!(time.len() >= 20 && time.as_bytes()[10] == b'T', "{time}");
    assert_eq!(
        output.stderr.trim_end(),
        message,
        "the bare message is on standard error too"
    );
}

fn text_log_and_bare_message() {
    let sandbox = Sandbox::new();
    let log = sandbox.path.join("io/log");
    fs::write(&log, "kept\n").unwrap();
    let call = sandbox
        .command(sandbox.program())
        .arg("--log")
        .arg(&log)
        .arg("--root")
        .arg(&sandbox.root);
    let output = call.args(["state", &sandbox.id("x")]).output().exits(1);
    assert!(
        output.stderr.contains("container does not exist"),
        "{}",
        output.stderr
    );
    assert!(!output.stderr.contains("level="), "{}", output.stderr);
    let text = fs::read_to_string(&log).unwrap();
    assert!(
        text.starts_with("kept\n") && text.contains("level=error msg="),
        "{text}"
    );
    let output = sandbox
        .runtime(["state", &sandbox.id("x")])
        .output()
        .exits(1);
    assert!(output.stderr.starts_with("time=\""), "{}", output.stderr);
    assert!(
        output.stderr.contains("\" level=error msg=\""),
        "{}",
        output.stderr
    );
    let output = sandbox
        .command(sandbox.program())
        .args(["--log-format", "xml", "list"])
        .output();
    assert!(
        output.code == 1 && output.stderr.contains("invalid log-format"),
        "{output:?}"
    );
}

fn wrong_ids_are_refused() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle();
    let before = sandbox.host(Some(&bundle));
    for id in [".", "..", "a/b", "../x", "a b", "ü", "a\nb", "-x y"] {
        let call = sandbox
            .runtime(["run", "--bundle"])
            .arg(&bundle.path)
            .arg("--")
            .arg(id)
            .output();
        let plain = sandbox
            .runtime(["run", "--bundle"])
            .arg(&bundle.path)
            .arg(id)
            .output();
        assert_ne!(plain.code, 0, "{id:?}: {call:?}");
        sandbox.host(Some(&bundle)).same_as(&before);
    }
    sandbox.runtime(["state", "../x"]).output().exits(1);
    sandbox.runtime(["delete", "--force", "../../x"]).output();
    sandbox
        .runtime(["state", ""])
        .output()
        .fails_with(1, &["container"]);
    sandbox.host(Some(&bundle)).same_as(&before);
}

fn existing_id_is_refused() {
    let sandbox = Sandbox::new();
    let container = sandbox.create(&sandbox.bundle(), "a");
    let bundle = sandbox.bundle();
    let before = sandbox.host(Some(&bundle));
    let call = sandbox
        .runtime(["create", "--bundle"])
        .arg(&bundle.path)
        .arg(&container.id)
        .output();
    call.fails_with(1, &["container with given ID already exists"]);
    sandbox.host(Some(&bundle)).same_as(&before);
    assert_eq!(container.status(), "created");
}

fn program_that_cannot_run() {
    let sandbox = Sandbox::new();
    let prefix = "unable to start container process: ";
    let table: &[(&str, &[&str])] = &[
        (
            "nope",
            &[prefix, "exec: \"nope\": executable file not found in $PATH"],
        ),
        (
            "",
            &[prefix, "exec: \"\": executable file not found in $PATH"],
        ),
        (
            "/nope",
            &[
                prefix,
                "exec: \"/nope\": stat /nope: no such file or directory",
            ],
        ),
        (
            "/etc/text",
            &[prefix, "exec: \"/etc/text\": permission denied"],
        ),
        ("/etc", &[prefix, "exec: \"/etc\":", "permission denied"]),
    ];
    for (program, texts) in table {
        let bundle = sandbox.bundle().argv(&[program]);
        fs::write(bundle.rootfs().join("etc/text"), "text").unwrap();
        let before = sandbox.host(Some(&bundle));
        sandbox.run(&bundle).fails_with(1, texts);
        sandbox.host(Some(&bundle)).same_as(&before);
    }
}
