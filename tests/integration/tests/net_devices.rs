//! `linux.netDevices`. Each test is in a network namespace of its own, so that no device of the host is touched.

use harness::{Bundle, Output, Sandbox, cases};
use serde_json::{Value, json};

cases![
    privileged_device_moves_with_addresses,
    privileged_device_gets_a_new_name,
    privileged_number_is_chosen_by_the_kernel,
    privileged_joined_namespace,
    privileged_failed_create_gives_the_device_back,
    privileged_taken_names_and_missing_devices,
    devices_need_a_namespace_and_sensible_names,
];

/// A device `dev7` that is up and has addresses, and what is left of it after the runtime.
const HOST: &str = r#"
ip link add dev7 type veth peer name peer7 || exit 77
ip link set dev7 mtu 1400 address 02:00:00:00:00:07
ip addr add 10.77.0.5/24 dev dev7
ip -6 addr add fd77::5/64 dev dev7 nodad
ip link set dev7 up
"$@"
status=$?
ip -o addr show dev dev7 2>&1 | sed 's/^/host: /'
ip -o link show dev dev7 2>/dev/null | sed 's/^/host: /'
exit $status
"#;

/// What the container sees of its network.
const LOOK: &str = "cat /proc/net/dev -- cat /proc/net/fib_trie -- cat /proc/net/if_inet6";

fn with(sandbox: &Sandbox, devices: Value) -> Bundle {
    sandbox.bundle().set("/linux/netDevices", devices)
}

fn run(sandbox: &Sandbox, host: &str, bundle: Bundle, commands: &str) -> Output {
    call(sandbox, host, "run", &bundle.probe(commands))
}

/// Calls the runtime in a network namespace with that device.
fn call(sandbox: &Sandbox, host: &str, command: &str, bundle: &Bundle) -> Output {
    let output = sandbox
        .command("unshare")
        .args(["--net", "sh", "-c", host, "sh"])
        .arg(sandbox.program())
        .arg("--root")
        .arg(&sandbox.root)
        .args([command, "--bundle"])
        .arg(&bundle.path)
        .arg(sandbox.id("a"))
        .output();
    if output.code == 77 {
        harness::skip!("no veth devices or no ip(8)");
    }
    output
}

fn privileged_device_moves_with_addresses() {
    let sandbox = Sandbox::new();
    let bundle = with(&sandbox, json!({"dev7": {}}));
    let look = format!(
        "{LOOK} -- cat /sys/class/net/dev7/mtu -- cat /sys/class/net/dev7/address -- cat /sys/class/net/dev7/flags"
    );
    run(&sandbox, HOST, bundle, &look)
        .ok()
        .prints("dev7:")
        .prints("10.77.0.5")
        .prints("fd770000000000000000000000000005")
        .prints("1400")
        .prints("02:00:00:00:00:07")
        // IFF_UP, IFF_BROADCAST and IFF_MULTICAST.
        .prints("0x1003")
        .prints("host: Device \"dev7\" does not exist");
}

fn privileged_device_gets_a_new_name() {
    let sandbox = Sandbox::new();
    let bundle = with(&sandbox, json!({"dev7": {"name": "eth0"}}));
    let seen = run(&sandbox, HOST, bundle, LOOK).ok();
    seen.prints("eth0:").prints("10.77.0.5");
}

fn privileged_number_is_chosen_by_the_kernel() {
    let sandbox = Sandbox::new();
    let bundle = with(
        &sandbox,
        json!({"dev7": {"name": "eth%d"}, "peer7": {"name": "eth%d"}}),
    );
    let seen = run(&sandbox, HOST, bundle, LOOK).ok();
    seen.prints("eth0:").prints("eth1:");
}

fn privileged_joined_namespace() {
    let sandbox = Sandbox::new();
    // The namespace's file: that of a process which stays in it.
    let host = format!("unshare --net sleep 60 & other=$!; sleep 0.3\n{HOST}").replace(
        "\"$@\"",
        "sed -i s,/OTHER,/proc/$other/ns/net, \"$BUNDLE/config.json\"; \"$@\"; set -- $?; \
         nsenter --net=/proc/$other/ns/net ip -o addr show dev dev7 | sed 's/^/there: /'; kill $other; (exit $1)",
    );
    let bundle = with(&sandbox, json!({"dev7": {}})).edit(|config| {
        let list = config["linux"]["namespaces"].as_array_mut().unwrap();
        list.retain(|namespace| namespace["type"] != "network");
        list.push(json!({"type": "network", "path": "/OTHER"}));
    });
    let host = host.replace("$BUNDLE", bundle.path.to_str().unwrap());
    run(&sandbox, &host, bundle, LOOK)
        .ok()
        .prints("10.77.0.5")
        .prints("there: ");
}

/// A virtual device would go with its namespace.
fn privileged_failed_create_gives_the_device_back() {
    let sandbox = Sandbox::new();
    let given = json!({"dev7": {"name": "eth0"}});
    let missing = json!({"destination": "/x", "type": "bind", "source": "/no/such/source", "options": ["bind"]});
    let early = with(&sandbox, given.clone()).push("/mounts", missing);
    let hook = json!([{"path": "/bin/false"}]);
    let late = with(&sandbox, given.clone()).set("/hooks/createRuntime", hook);
    let last = with(&sandbox, given).set("/process/args", json!(["/no/such/program"]));
    for (bundle, commands) in [(early, "true"), (late, "true")] {
        returned(&run(&sandbox, HOST, bundle, commands));
    }
    returned(&call(&sandbox, HOST, "create", &last));
}

#[track_caller]
fn returned(output: &Output) {
    assert_ne!(output.code, 0, "{output:?}");
    for text in [
        "10.77.0.5/24",
        "fd77::5/64",
        "mtu 1400",
        "02:00:00:00:00:07",
        ",UP",
    ] {
        let found = output
            .stdout
            .lines()
            .any(|line| line.starts_with("host: ") && line.contains(text));
        assert!(found, "{text} is missing: {output:?}");
    }
}

fn privileged_taken_names_and_missing_devices() {
    let sandbox = Sandbox::new();
    let bundle = with(&sandbox, json!({"dev7": {"name": "lo"}}));
    let taken = run(&sandbox, HOST, bundle, "true");
    returned(&taken);
    taken.fails_with(1, &["linux.netDevices[\"dev7\"]", "file exists"]);
    let bundle = with(&sandbox, json!({"dev8": {}}));
    run(&sandbox, HOST, bundle, "true")
        .fails_with(1, &["linux.netDevices[\"dev8\"]", "no such device"]);
}

fn devices_need_a_namespace_and_sensible_names() {
    let sandbox = Sandbox::new();
    let on_the_host = with(&sandbox, json!({"dev7": {}})).edit(|config| {
        let list = config["linux"]["namespaces"].as_array_mut().unwrap();
        list.retain(|namespace| namespace["type"] != "network");
    });
    sandbox
        .see(on_the_host, "true")
        .fails_with(1, &["linux.netDevices[\"dev7\"]"]);
    for name in ["", "a/b", "a b", "sixteen-letters-", "..", "%s", "a%d%d"] {
        let devices = json!({"dev7": {"name": name}, "": {}});
        sandbox
            .see(with(&sandbox, devices), "true")
            .fails_with(1, &["linux.netDevices"]);
    }
}
