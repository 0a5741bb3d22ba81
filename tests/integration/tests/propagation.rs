//! Propagation: which mounts made on one side, the host or the container, are seen on the other.

use harness::{Bundle, Sandbox, cases, need};
use serde_json::json;

cases![
    privileged_propagation_shared_reaches_the_container,
    privileged_no_pivot,
    privileged_run_from_a_shared_mount_leaves_the_host_alone,
    privileged_every_kind_without_pivot_root,
    privileged_every_kind_in_a_new_user_namespace,
    privileged_every_kind_in_a_joined_user_namespace,
];

/// Options of the volume, and whether what is mounted outside is seen inside, and the reverse: first while the root's
/// propagation is not said, then with `rshared`, as engines write it for volumes with bidirectional propagation.
type Row = (&'static str, [bool; 2], [bool; 2]);

const KINDS: [Row; 9] = [
    ("", [true, false], [true, true]),
    ("private", [false, false], [false, false]),
    ("rprivate", [false, false], [false, false]),
    ("slave", [true, false], [true, false]),
    ("rslave", [true, false], [true, false]),
    // Below a root that is the host's slave there is nothing that leads to the host.
    ("shared", [true, false], [true, true]),
    ("rshared", [true, false], [true, true]),
    ("unbindable", [false, false], [false, false]),
    ("runbindable", [false, false], [false, false]),
];

/// A bundle with one volume of each kind below `/p`.
fn bundle(sandbox: &Sandbox, root: &str) -> Bundle {
    let volumes = sandbox.folder("volumes");
    let mut bundle = sandbox.bundle();
    let mut commands = String::new();
    for (index, (kind, ..)) in KINDS.iter().enumerate() {
        std::fs::create_dir_all(volumes.join(index.to_string())).unwrap();
        std::fs::create_dir_all(bundle.rootfs().join(format!("p/{index}"))).unwrap();
        let options: Vec<&str> = ["rbind", *kind]
            .into_iter()
            .filter(|word| !word.is_empty())
            .collect();
        let source = volumes.join(index.to_string());
        bundle = bundle.mount(&format!("/p/{index}"), "bind", source, &options);
        commands.push_str(&format!(
            "mount x /p/{index}/in tmpfs 0 -- touch /p/{index}/in/seen -- "
        ));
    }
    if !root.is_empty() {
        bundle = bundle.set("/linux/rootfsPropagation", json!(root));
    }
    let capabilities = json!(["CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE"]);
    for set in ["bounding", "effective", "permitted"] {
        bundle = bundle.set(
            &format!("/process/capabilities/{set}"),
            capabilities.clone(),
        );
    }
    bundle.probe(&format!("{commands}echo ready -- sleep 1000"))
}

/// Mounts on both sides and says what is seen on the other. From a user namespace nothing reaches the host whatever the config
/// says, as the kernel has it for every mount namespace of less privileged users (mount_namespaces(7)).
#[track_caller]
fn judge(sandbox: &Sandbox, flag: &str, own_users: bool, change: impl Fn(Bundle) -> Bundle) {
    for (root, column) in [("", 0), ("rshared", 1)] {
        let bundle = change(bundle(sandbox, root));
        let (path, id) = (bundle.path.display(), sandbox.id(&format!("a{column}")));
        let volumes = sandbox.path.join("volumes");
        let script = format!(
            "runtime() {{ command=$1; shift; \"$program\" --root \"$root\" $command \"$@\"; }}
             program=$1 root=$2
             for k in 0 1 2 3 4 5 6 7 8; do
                 mount -t tmpfs volume {v}/$k; mount --make-shared {v}/$k; mkdir {v}/$k/in {v}/$k/out
             done
             runtime create {flag} --bundle {path} {id} >{path}/printed
             runtime start {id}
             for try in $(seq 200); do grep -q ready {path}/printed && break; sleep 0.05; done
             for k in 0 1 2 3 4 5 6 7 8; do
                 mount -t tmpfs later {v}/$k/out; mkdir {v}/$k/out/came
                 inside=no outside=no
                 runtime exec {id} /bin/probe ls /p/$k/out | grep -q came && inside=yes
                 [ -e {v}/$k/in/seen ] && outside=yes
                 echo $k $inside $outside
             done
             runtime delete --force {id}",
            v = volumes.display(),
        );
        let unshare = need::program("unshare");
        let call = sandbox.command(unshare).args([
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-ec",
            &script,
            "sh",
        ]);
        let seen = call.arg(sandbox.program()).arg(&sandbox.root).output().ok();
        let word = |yes| if yes { "yes" } else { "no" };
        let wanted: Vec<String> = KINDS
            .iter()
            .enumerate()
            .map(|(index, row)| {
                let reaches = column == 1 && !own_users;
                let [inside, outside] = if reaches { row.2 } else { row.1 };
                format!("{index} {} {}", word(inside), word(outside))
            })
            .collect();
        let found: Vec<&str> = seen.stdout.lines().collect();
        assert_eq!(found, wanted, "rootfsPropagation {root:?}: {seen:?}");
    }
}

fn privileged_every_kind_without_pivot_root() {
    judge(&Sandbox::new(), "--no-pivot", false, |bundle| bundle);
}

fn privileged_every_kind_in_a_new_user_namespace() {
    for flag in ["", "--no-pivot"] {
        judge(&Sandbox::new(), flag, true, |bundle| {
            bundle.in_user_namespace(65536)
        });
    }
}

fn privileged_every_kind_in_a_joined_user_namespace() {
    let sandbox = Sandbox::new();
    let holder = sandbox.detach(
        &sandbox
            .bundle()
            .in_user_namespace(65536)
            .probe("sleep 1000"),
        "holder",
    );
    let path = |name: &str| format!("/proc/{}/ns/{name}", holder.pid);
    judge(&sandbox, "", true, |bundle| {
        let bundle = bundle.join_namespace("user", &path("user"));
        bundle.join_namespace("network", &path("net"))
    });
}

/// A shell in a mount namespace of its own, for tests that mount on "the host".
pub(crate) fn in_own_mounts(sandbox: &Sandbox, script: &str) -> harness::Output {
    let unshare = need::program("unshare");
    let call = sandbox.command(unshare).args([
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-ec",
        script,
        "sh",
    ]);
    call.arg(sandbox.program()).arg(&sandbox.root).output()
}

fn privileged_propagation_shared_reaches_the_container() {
    let sandbox = Sandbox::new();
    let shared = sandbox.folder("shared");
    let bundle = sandbox
        .bundle()
        .mount("/mnt", "bind", &shared, &["rbind", "rslave"]);
    let bundle = bundle
        .set("/linux/rootfsPropagation", json!("rslave"))
        .probe("sleep 1000");
    let (path, id) = (bundle.path.display(), sandbox.id("a"));
    let folder = shared.display();
    let script = format!(
        "mount --bind {folder} {folder}; mount --make-shared {folder}; mkdir -p {folder}/sub
         \"$1\" --root \"$2\" create --bundle {path} {id} >/dev/null
         \"$1\" --root \"$2\" start {id}
         mount -t tmpfs later {folder}/sub; touch {folder}/sub/came
         \"$1\" --root \"$2\" exec {id} /bin/probe ls /mnt/sub
         \"$1\" --root \"$2\" delete --force {id}"
    );
    in_own_mounts(&sandbox, &script).ok().lines(&["came"]);
}

fn privileged_no_pivot() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("ls / -- ls /proc/1/root");
    let run = sandbox
        .runtime(["run", "--no-pivot", "--bundle"])
        .arg(&bundle.path)
        .arg(sandbox.id("a"));
    run.output().ok().prints("bin\n");
}

fn privileged_run_from_a_shared_mount_leaves_the_host_alone() {
    let sandbox = Sandbox::new();
    let bundle = sandbox
        .bundle()
        .mount("/mnt", "tmpfs", "tmpfs", &["mode=755"]);
    let (path, id) = (bundle.path.display(), sandbox.id("a"));
    let script = format!(
        "mount --make-rshared /
         grep -v ' - cgroup' /proc/self/mountinfo | wc -l >{path}/before
         \"$1\" --root \"$2\" run --bundle {path} {id}
         grep -v ' - cgroup' /proc/self/mountinfo | wc -l >{path}/after
         cmp {path}/before {path}/after"
    );
    in_own_mounts(&sandbox, &script).ok();
}
