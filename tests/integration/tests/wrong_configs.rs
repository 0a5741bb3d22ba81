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
    let problems = problems(sandbox, bundle, text);
    assert!(problems.is_empty(), "{name}: {problems:#?}");
}

/// What is not as it has to be where a bundle is refused.
fn problems(sandbox: &Sandbox, bundle: &Bundle, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    for command in ["create", "run"] {
        let before = sandbox.host(Some(bundle));
        let call = sandbox
            .runtime([command, "--bundle"])
            .arg(&bundle.path)
            .arg(sandbox.id("a"))
            .output();
        if call.code != 1 || !call.stdout.is_empty() {
            problems.push(format!("{command}: {call:?}"));
        }
        let lines = call.stderr.lines();
        let errors = lines.filter(|line| !line.contains("level=warning")).count();
        if errors != 1 {
            problems.push(format!("{command}: {errors} lines: {}", call.stderr));
        }
        if !call.stderr.to_lowercase().contains(&text.to_lowercase()) {
            problems.push(format!("{command}: no {text:?} in {}", call.stderr));
        }
        if call.code == 0 {
            let id = sandbox.id("a");
            sandbox.runtime(["delete", "--force", &id]).output();
        }
        problems.extend(sandbox.host(Some(bundle)).difference(&before));
    }
    problems
}

/// A field, as errors name it; where it stands; a value that it cannot have; what else is changed. Those values that nobody can
/// know to be wrong without the host or the kernel: the others are in `crates/libcontainer/tests/wrong`.
type Wrong = (
    &'static str,
    &'static str,
    Value,
    Vec<(&'static str, Value)>,
);

#[rustfmt::skip]
fn wrong_values() -> Vec<Wrong> {
    let long = format!("/{}", "x".repeat(5000));
    let name = format!("/{}", "x".repeat(300));
    let nul = "/a\u{0}b";
    let tmpfs = |options: Value| json!({"destination": "/tmp", "type": "tmpfs", "source": "x", "options": options});
    let bind =
        |source: &str, at: &str| json!({"destination": at, "source": source, "options": ["bind"]});
    let throttle = json!({"throttleReadBpsDevice": [{"major": 4000, "minor": 0, "rate": 1}]});
    let own = std::fs::read_link("/proc/self/exe").unwrap();
    let file = own.to_str().unwrap();
    let none = Vec::new;
    vec![
        ("process.cwd", "/process/cwd", json!("tmp"), none()),
        ("process.cwd", "/process/cwd", json!("/bin/probe"), none()),
        ("process.cwd", "/process/cwd", json!(long), none()),
        ("process.rlimits[0]", "/process/rlimits", json!([{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 1u64 << 40}]), none()),
        ("process.scheduler", "/process/scheduler", json!({"policy": "SCHED_DEADLINE", "runtime": 20_000_000, "deadline": 10_000_000}), none()),
        ("process.selinuxLabel", "/process/selinuxLabel", json!("a:b:c"), none()),
        ("process.apparmorProfile", "/process/apparmorProfile", json!("no-such-profile"), none()),
        ("root.path", "/root/path", Value::Null, none()),
        ("root.path", "/root/path", json!(""), none()),
        ("root.path", "/root/path", json!("no-such-root"), none()),
        ("root.path", "/root/path", json!("config.json"), none()),
        ("root.path", "/root/path", json!(nul), none()),
        ("root.path", "/root/path", json!(long), none()),
        ("root.path", "/root/path", json!("/"), none()),
        ("mounts[1]", "/mounts/1/type", json!("frobfs"), none()),
        ("mounts[1]", "/mounts/1/options", json!(["nonsense=3"]), none()),
        ("mounts[1]", "/mounts/1", tmpfs(json!(["size=much"])), none()),
        ("mounts[1]", "/mounts/1", tmpfs(json!(["mode=999"])), none()),
        ("mounts[1]", "/mounts/1/destination", json!(long), none()),
        ("mounts[1]", "/mounts/1/destination", json!(name), none()),
        ("mounts[1]", "/mounts/1/destination", json!("/bin/probe/x"), none()),
        ("mounts[1]", "/mounts/1", bind("/no/such/source", "/tmp"), none()),
        ("mounts[1]", "/mounts/1", bind(&long, "/tmp"), none()),
        ("mounts[1]", "/mounts/1", bind(file, "/tmp"), none()),
        ("mounts[1]", "/mounts/1", bind("/tmp", "/bin/probe"), none()),
        ("hooks.createRuntime[0]", "/hooks", json!({"createRuntime": [{"path": "/no/such/hook"}]}), none()),
        ("hooks.createContainer[0]", "/hooks", json!({"createContainer": [{"path": "/bin"}]}), none()),
        ("linux.namespaces[0].path", "/linux/namespaces/0/path", json!("/no/such/namespace"), none()),
        ("linux.namespaces[0].path", "/linux/namespaces/0/path", json!("/etc/passwd"), none()),
        ("linux.namespaces[0].path", "/linux/namespaces/0/path", json!("/proc"), none()),
        ("linux.namespaces[0].path", "/linux/namespaces/0/path", json!(long), none()),
        ("linux.timeOffsets", "/linux/timeOffsets", json!({"monotonic": {"secs": i64::MIN}}), vec![("/linux/namespaces/0", json!({"type": "time"}))]),
        ("linux.timeOffsets", "/linux/timeOffsets", json!({"boottime": {"secs": i64::MAX}}), vec![("/linux/namespaces/0", json!({"type": "time"}))]),
        ("linux.devices[0]", "/linux/devices", json!([{"path": long, "type": "c", "major": 1, "minor": 3}]), none()),
        ("linux.devices[0]", "/linux/devices", json!([{"path": "/bin/probe/x", "type": "c", "major": 1, "minor": 3}]), none()),
        ("linux.netDevices[\"nosuchdevice\"]", "/linux/netDevices", json!({"nosuchdevice": {}}), none()),
        ("linux.cgroupsPath", "/linux/cgroupsPath", json!("/"), none()),
        ("linux.cgroupsPath", "/linux/cgroupsPath", json!("/a/../.."), none()),
        ("linux.cgroupsPath", "/linux/cgroupsPath", json!(nul), none()),
        ("linux.cgroupsPath", "/linux/cgroupsPath", json!(long), none()),
        ("linux.resources.cpu.quota", "/linux/resources", json!({"cpu": {"quota": 1}}), none()),
        ("linux.resources.cpu.period", "/linux/resources", json!({"cpu": {"period": 10}}), none()),
        ("linux.resources.cpu.cpus", "/linux/resources", json!({"cpu": {"cpus": "60000"}}), none()),
        ("linux.resources.cpu.mems", "/linux/resources", json!({"cpu": {"mems": "1000"}}), none()),
        ("linux.resources.blockIO.throttleReadBpsDevice[0]", "/linux/resources", json!({"blockIO": throttle}), none()),
        ("linux.resources.hugepageLimits[0]", "/linux/resources", json!({"hugepageLimits": [{"pageSize": "3MB", "limit": 0}]}), none()),
        ("linux.resources.unified[\"cgroup.nosuch\"]", "/linux/resources", json!({"unified": {"cgroup.nosuch": "1"}}), none()),
        ("linux.resources.rdma[\"nosuchdevice\"]", "/linux/resources", json!({"rdma": {"nosuchdevice": {"hcaHandles": 1}}}), none()),
        ("linux.intelRdt", "/linux/intelRdt", json!({"l3CacheSchema": "L3:0=f"}), none()),
        ("linux.memoryPolicy", "/linux/memoryPolicy", json!({"mode": "MPOL_BIND", "nodes": "63"}), none()),
        ("linux.memoryPolicy", "/linux/memoryPolicy", json!({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"]}), none()),
        ("linux.memoryPolicy", "/linux/memoryPolicy", json!({"mode": "MPOL_INTERLEAVE", "nodes": "0", "flags": ["MPOL_F_NUMA_BALANCING"]}), none()),
        ("linux.sysctl[\"net.no.such\"]", "/linux/sysctl", json!({"net.no.such": "1"}), none()),
        ("linux.sysctl[\"net.ipv4.ip_default_ttl\"]", "/linux/sysctl", json!({"net.ipv4.ip_default_ttl": "many"}), none()),
        ("linux.sysctl[\"net.ipv4.ip_default_ttl\"]", "/linux/sysctl", json!({"net.ipv4.ip_default_ttl": ""}), none()),
        ("linux.sysctl[\"net.ipv4.ip_default_ttl\"]", "/linux/sysctl", json!({"net.ipv4.ip_default_ttl": "x".repeat(100_000)}), none()),
        ("linux.seccomp.listenerPath", "/linux/seccomp", json!({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/no/such/socket", "syscalls": [{"names": ["mount"], "action": "SCMP_ACT_NOTIFY"}]}), none()),
        ("linux.maskedPaths[0]", "/linux/maskedPaths", json!([long]), none()),
        ("linux.readonlyPaths[0]", "/linux/readonlyPaths", json!([long]), none()),
    ]
}

fn wrong_configs_give_one_line_and_leave_nothing() {
    let sandbox = Sandbox::new();
    let mut wrong = Vec::new();
    for (field, pointer, value, beside) in wrong_values() {
        // As Go prints what it quotes.
        let quoted = field.replace('"', "\\\"");
        let mut bundle = sandbox.bundle().set(pointer, value.clone());
        for (pointer, value) in beside {
            bundle = bundle.set(pointer, value);
        }
        for problem in problems(&sandbox, &bundle, &quoted) {
            let value = value.to_string();
            wrong.push(format!("{field} = {value:.80}: {problem:.500}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
