//! Every system call is a place to die. For each command, on several kinds of bundles: the runtime, or what it starts, is
//! killed before a call, or the call fails. Afterwards the runtime has ended in bounded time, with one line of error or
//! with everything done; the state tells the truth; `delete --force` leaves nothing; no other container was touched.
//!
//! `TARE_TEST_POINTS` is how many points of each command and bundle are tried, `all` for each of them, or those that a
//! failure has named; `TARE_TEST_SEED` chooses. `cargo xtask faults` sets both.

#![allow(clippy::print_stdout, reason = "what was tried is worth to be known")]

mod choice;
mod scene;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use harness::{Bundle, Harm, Point, Sandbox, Whose, cases, need, skip};
use serde_json::json;

use choice::{chosen, name_of, seed};
use scene::Scene;

cases![
    create,
    privileged_hooks_out_of_sight,
    locks_and_waits_that_fail,
    a_signal_while_the_kernel_verifies_a_program,
    start,
    run,
    exec,
    update,
    pause,
    resume,
    kill,
    delete,
    delete_by_force,
    state,
    list,
    privileged_checkpoint,
    privileged_restore,
    privileged_through_systemd
];

/// What a container tells of itself; it is the same each time if all was done that its config says.
const TELL: &str = "status CapInh CapPrm CapEff CapBnd CapAmb Uid Gid Groups NoNewPrivs Seccomp -- umask -- pwd -- limits \
    -- keyring -- cat /proc/self/mounts /proc/self/cgroup /proc/sys/kernel/hostname -- mkdir /none/x -- ls /proc/self/fd \
    -- echo told";

/// What `TELL` ends with, with the status of success.
const END: &str = "-- exit 7";

/// What a container is before the command or has to be after it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Status {
    Nothing,
    Created,
    Running,
    Paused,
    Stopped,
}

/// A command that is harmed.
#[derive(Clone, Copy)]
struct Trial {
    before: Status,
    words: &'static str,
    rest: &'static str,
    /// The exit status of success.
    code: i32,
    after: Status,
}

const CREATE: Trial = Trial {
    before: Status::Nothing,
    words: "create --bundle BUNDLE",
    rest: "",
    code: 0,
    after: Status::Created,
};

fn create() {
    each_bundle(
        Status::Nothing,
        "create --bundle BUNDLE",
        "",
        0,
        Status::Created,
    );
}

/// A runtime that cannot see what becomes of a hook's process ends it all the same: as a zombie that nobody knows it would keep
/// the pid namespace, and with it whoever waits for the container's process.
fn privileged_hooks_out_of_sight() {
    use nix::libc::{EIO, SYS_pidfd_open, SYS_ppoll, SYS_recvmsg, SYS_waitid};
    let looks = [SYS_pidfd_open, SYS_ppoll, SYS_recvmsg, SYS_waitid];
    let choose = |calls: &[(Whose, u64)], _: u64| {
        let ours = calls.iter().filter(|(whose, _)| *whose == Whose::Runtime);
        let looks = ours
            .zip(1..)
            .filter(|((_, number), _)| looks.contains(&(*number as i64)));
        let points = looks.map(|((whose, number), at)| Point {
            whose: *whose,
            at,
            number: *number,
            harm: Harm::Fail(EIO),
        });
        points.collect()
    };
    let sandbox = Sandbox::new();
    let bundle = with_hooks(sandbox.bundle());
    let wrong = try_points(&sandbox, ("hooks", bundle), CREATE, &[], choose);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A lock that cannot be taken is an error; one that cannot be given back is in nobody's way, least of all in that of the
/// same program. Who cannot wait in the foreground leaves nothing in the background.
fn locks_and_waits_that_fail() {
    use nix::libc::{EINTR, EIO, SYS_flock};
    // Elsewhere that is ppoll(2), and there is no tracer.
    #[cfg(target_arch = "x86_64")]
    let wanted = [SYS_flock, nix::libc::SYS_poll];
    #[cfg(not(target_arch = "x86_64"))]
    let wanted = [SYS_flock];
    let choose = |calls: &[(Whose, u64)], _: u64| {
        let ours = calls.iter().filter(|(whose, _)| *whose == Whose::Runtime);
        let locks = ours
            .zip(1..)
            .filter(|((_, number), _)| wanted.contains(&(*number as i64)));
        let points = locks.flat_map(|((whose, number), at)| {
            [EINTR, EIO].map(|errno| Point {
                whose: *whose,
                at,
                number: *number,
                harm: Harm::Fail(errno),
            })
        });
        points.collect()
    };
    let trial = Trial {
        before: Status::Nothing,
        words: "run --bundle BUNDLE",
        rest: "",
        code: 7,
        after: Status::Nothing,
    };
    let sandbox = Sandbox::new();
    let wrong = try_points(&sandbox, ("plain", sandbox.bundle()), trial, &[], choose);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// bpf(2) fails with EAGAIN when a signal comes while it verifies a program: that is no reason not to make a container.
fn a_signal_while_the_kernel_verifies_a_program() {
    use nix::libc::{EAGAIN, SYS_bpf};
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle();
    let mut scene = Scene::new(&sandbox, &bundle, CREATE, &[]);
    let mut calls = Vec::new();
    for _ in 0..2 {
        calls = scene.attempt(None).expect("without harm").calls;
        scene.clean(None).expect("without harm");
    }
    let mut ours = calls
        .iter()
        .filter(|(whose, _)| *whose == Whose::Runtime)
        .zip(1..);
    let Some(((whose, number), at)) =
        ours.find(|((_, number), _)| i64::try_from(*number) == Ok(SYS_bpf))
    else {
        skip!("devices are not kept by a program here");
    };
    let point = Point {
        whose: *whose,
        at,
        number: *number,
        harm: Harm::Fail(EAGAIN),
    };
    let traced = scene.attempt(Some(point)).expect("a container");
    assert_eq!(traced.harmed, Some(*number));
    traced.output.expect("an end").ok();
    scene.clean(None).expect("nothing left");
}

fn start() {
    each_bundle(Status::Created, "start", "", 0, Status::Running);
}

fn run() {
    each_bundle(
        Status::Nothing,
        "run --bundle BUNDLE",
        "",
        7,
        Status::Nothing,
    );
}

fn exec() {
    each_bundle(
        Status::Running,
        "exec",
        "/bin/probe TELL",
        7,
        Status::Running,
    );
}

fn update() {
    if !need::has_controller("pids") {
        skip!("there is no pids controller");
    }
    each_bundle(
        Status::Running,
        "update --pids-limit 77",
        "",
        0,
        Status::Running,
    );
}

fn pause() {
    each_bundle(Status::Running, "pause", "", 0, Status::Paused);
}

fn resume() {
    each_bundle(Status::Paused, "resume", "", 0, Status::Running);
}

fn kill() {
    each_bundle(Status::Running, "kill", "KILL", 0, Status::Stopped);
}

fn delete() {
    each_bundle(Status::Stopped, "delete", "", 0, Status::Nothing);
}

fn delete_by_force() {
    each_bundle(Status::Running, "delete --force", "", 0, Status::Nothing);
}

fn state() {
    each_bundle(Status::Running, "state", "", 0, Status::Running);
}

fn list() {
    each_bundle(
        Status::Running,
        "list --format json",
        "LIST",
        0,
        Status::Running,
    );
}

/// criu itself is not harmed, only who asks it and must live with what it left.
fn privileged_checkpoint() {
    need::criu();
    each_bundle(
        Status::Running,
        "checkpoint --leave-running --image-path IMAGES --work-path IMAGES",
        "",
        0,
        Status::Running,
    );
}

/// Each time from the same images.
fn privileged_restore() {
    need::criu();
    let sandbox = Sandbox::new();
    let images = sandbox.path.join("io/images");
    let trial = Trial {
        before: Status::Nothing,
        words: "restore --detach --image-path IMAGES --work-path IMAGES --bundle BUNDLE",
        rest: "",
        code: 0,
        after: Status::Running,
    };
    let mut wrong = Vec::new();
    let mut bundles = bundles(&sandbox);
    // Beside others its processes may not get the numbers that they had.
    bundles.retain(|(name, _)| *name != "no pid namespace");
    for (name, bundle) in bundles {
        let bundle = bundle.probe(&format!("{TELL} -- sleep 1000"));
        let traveller = sandbox.detach(&bundle, "traveller");
        let dump = ["checkpoint", "--image-path", images.to_str().unwrap()];
        let call = sandbox.runtime(dump.iter().chain(&[traveller.id.as_str()]));
        call.limit(300).output().ok();
        // Root of a user namespace has to find them, too.
        fs::set_permissions(&images, fs::Permissions::from_mode(0o755)).unwrap();
        traveller.force_delete();
        wrong.extend(try_points(&sandbox, (name, bundle), trial, &[], chosen));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn each_bundle(before: Status, words: &'static str, rest: &'static str, code: i32, after: Status) {
    let trial = Trial {
        before,
        words,
        rest,
        code,
        after,
    };
    let sandbox = Sandbox::new();
    let stranger = sandbox.detach(&sandbox.bundle().probe("sleep 1000000"), "stranger");
    let cgroups = !sandbox.host(None).groups().is_empty();
    if !cgroups
        && ["update", "pause", "resume"]
            .iter()
            .any(|word| words.starts_with(word))
    {
        skip!("an ordinary user's container may have no cgroup");
    }
    let mut wrong = Vec::new();
    for (name, bundle) in bundles(&sandbox) {
        wrong.extend(try_points(&sandbox, (name, bundle), trial, &[], chosen));
    }
    stranger.force_delete();
    stranger.wait();
    assert!(
        wrong.is_empty(),
        "{} in all:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(40)].join("\n")
    );
}

fn privileged_through_systemd() {
    if !Path::new("/run/systemd/private").exists() {
        skip!("the machine is not run by systemd");
    }
    let sandbox = Sandbox::new();
    let all = [
        (Status::Nothing, "create --bundle BUNDLE", Status::Created),
        (Status::Running, "delete --force", Status::Nothing),
        (Status::Running, "pause", Status::Paused),
    ];
    let mut wrong = Vec::new();
    for (before, words, after) in all {
        let trial = Trial {
            before,
            words,
            rest: "",
            code: 0,
            after,
        };
        wrong.extend(try_points(
            &sandbox,
            ("systemd", sandbox.bundle()),
            trial,
            &["--systemd-cgroup"],
            chosen,
        ));
    }
    let mut units = std::process::Command::new("systemctl");
    units
        .args(["list-units", "--all", "--plain", "--no-legend"])
        .arg(format!("*{}*", sandbox.tag));
    let units = String::from_utf8_lossy(&units.output().unwrap().stdout).into_owned();
    assert!(units.trim().is_empty(), "units are left: {units}");
    assert!(
        wrong.is_empty(),
        "{} in all:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Containers that take different ways through the runtime.
fn bundles(sandbox: &Sandbox) -> Vec<(&'static str, Bundle)> {
    let rules =
        json!([{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]);
    let filter = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules});
    let limits = json!([{"type": "RLIMIT_CORE", "soft": 5, "hard": 6}]);
    let plain = sandbox
        .bundle()
        .set("/linux/seccomp", filter)
        .set("/process/rlimits", limits);
    let mut bundles = vec![("plain", plain), ("hooks", with_hooks(sandbox.bundle()))];
    if sandbox.rootless().is_none() {
        // Processes outlive the first one without a pid namespace; a user namespace takes another process on the way.
        let mapped = sandbox.bundle().in_user_namespace(65536);
        let mapped = mapped.push("/linux/namespaces", json!({"type": "time"}));
        bundles.push((
            "no pid namespace",
            sandbox.bundle().without_namespace("pid"),
        ));
        bundles.push(("user namespace", mapped));
    }
    bundles
}

fn with_hooks(bundle: Bundle) -> Bundle {
    let outside = bundle.rootfs().join("bin/probe");
    let kinds = [
        "createRuntime",
        "createContainer",
        "startContainer",
        "poststart",
        "poststop",
    ];
    kinds.into_iter().fold(bundle, |bundle, kind| {
        let path = match kind {
            "startContainer" => PathBuf::from("/bin/probe"),
            _ => outside.clone(),
        };
        let hook = json!({"path": path, "args": ["probe", "true"]});
        bundle.push(&format!("/hooks/{kind}"), hook)
    })
}

/// What is wrong after points of one command on one bundle.
fn try_points(
    sandbox: &Sandbox,
    (name, bundle): (&str, Bundle),
    trial: Trial,
    flags: &[&str],
    choose: impl Fn(&[(Whose, u64)], u64) -> Vec<Point>,
) -> Vec<String> {
    let end = match trial.words.starts_with("run") {
        true => END,
        false => "-- sleep 1000",
    };
    let bundle = bundle.probe(&format!("{TELL} {end}"));
    let mut scene = Scene::new(sandbox, &bundle, trial, flags);
    // The first makes mount points in the root file system, the second is what the others are compared with.
    scene.attempt(None).expect("without harm");
    scene.clean(None).expect("without harm");
    scene.is_clean();
    let calls = scene.attempt(None).expect("without harm").calls;
    scene.clean(None).expect("without harm");
    let seed = seed();
    let points = choose(&calls, seed);
    println!(
        "{} on {name}: {} calls, {} points, seed {seed}",
        trial.words,
        calls.len(),
        points.len()
    );
    let mut wrong = Vec::new();
    for point in points {
        let answer = catch_unwind(AssertUnwindSafe(|| scene.attempt(Some(point))));
        let answer = answer.unwrap_or_else(|panic| match panic.downcast::<String>() {
            Ok(message) => Err(*message),
            Err(other) => resume_unwind(other),
        });
        let call = answer.as_ref().ok().and_then(|traced| traced.harmed);
        let again = match scene.keeps() && answer.is_ok() {
            true => Ok(()),
            false => scene.clean(Some(point)),
        };
        for message in [answer.err(), again.err()].into_iter().flatten() {
            let message = format!(
                "{} on {name}: {}, call {call:?}: {message}",
                trial.words,
                name_of(&point)
            );
            println!("{message}");
            wrong.push(message);
        }
    }
    wrong.extend(scene.clean(None).err());
    wrong
}
