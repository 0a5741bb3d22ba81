//! Every system call is a place to die. For each command, on several kinds of bundles: the runtime, or what it starts, is
//! killed before a call, or the call fails. Afterwards the runtime has ended in bounded time, with one line of error or
//! with everything done; the state tells the truth; `delete --force` leaves nothing; no other container was touched.
//!
//! `TARE_TEST_POINTS` is how many points of each command and bundle are tried, `all` for each of them, or those that a
//! failure has named; `TARE_TEST_SEED` chooses. `cargo xtask faults` sets both.

#![allow(clippy::print_stdout, reason = "what was tried is worth to be known")]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use harness::{
    Bundle, Harm, HostState, Invocation, Output, Point, Sandbox, Traced, Whose, cases, need,
    orphans, skip, trace,
};
use nix::unistd::Pid;
use serde_json::{Value, json};

cases![
    create,
    privileged_hooks_out_of_sight,
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
    let trial = Trial {
        before: Status::Nothing,
        words: "create --bundle BUNDLE",
        rest: "",
        code: 0,
        after: Status::Created,
    };
    let sandbox = Sandbox::new();
    let bundle = with_hooks(sandbox.bundle());
    let wrong = try_points(&sandbox, ("hooks", bundle), trial, &[], choose);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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

fn each_bundle(before: Status, words: &'static str, rest: &'static str, code: i32, after: Status) {
    let trial = Trial {
        before,
        words,
        rest,
        code,
        after,
    };
    let sandbox = Sandbox::new();
    let stranger = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "stranger");
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

/// Numbers that are the same for the same seed (Marsaglia's xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % end
    }
}

/// The same each time, so that a change is judged by itself; others are tried by `cargo xtask faults --seed`.
fn seed() -> u64 {
    let given = std::env::var("TARE_TEST_SEED").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// The points that are tried, in the order of the calls.
fn chosen(calls: &[(Whose, u64)], seed: u64) -> Vec<Point> {
    let mut all = Vec::new();
    let mut counts = [0, 0];
    for (whose, number) in calls.iter().copied() {
        let at = &mut counts[whose as usize];
        *at += 1;
        let fails = errnos(number).iter().map(|errno| Harm::Fail(*errno));
        let harms = std::iter::once(Harm::Kill).chain(fails);
        all.extend(harms.map(|harm| Point {
            whose,
            at: *at,
            number,
            harm,
        }));
    }
    let wanted = std::env::var("TARE_TEST_POINTS").unwrap_or_default();
    if wanted.contains(' ') {
        all.retain(|point| wanted.split(", ").any(|name| name == name_of(point)));
    } else if wanted != "all" {
        let mut random = Random(seed | 1);
        for _ in 0..all.len().saturating_sub(wanted.parse().unwrap_or(10)) {
            all.remove(random.below(all.len()));
        }
    }
    all
}

fn name_of(point: &Point) -> String {
    format!("{:?} {} {:?}", point.whose, point.at, point.harm)
}

/// What a call may plausibly answer.
fn errnos(number: u64) -> &'static [i32] {
    use nix::libc::{self, EAGAIN, EINTR, EIO, EMFILE, ENOMEM, ENOSPC, EPERM};
    // These cannot fail, or it is done even if they say that it is not.
    let never = [
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_close,
        libc::SYS_rt_sigreturn,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_getppid,
        libc::SYS_umask,
        libc::SYS_getuid,
        libc::SYS_geteuid,
        libc::SYS_getgid,
        libc::SYS_getegid,
        libc::SYS_munmap,
        libc::SYS_set_tid_address,
        libc::SYS_sched_yield,
        libc::SYS_clock_gettime,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
    ];
    match i64::try_from(number) {
        Ok(number) if never.contains(&number) => &[],
        _ => &[ENOMEM, EINTR, EIO, ENOSPC, EMFILE, EPERM, EAGAIN],
    }
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
    let mut scene = Scene {
        sandbox,
        bundle: &bundle,
        trial,
        flags,
        id: sandbox.id("a"),
        pid: 0,
        status: Status::Nothing,
        file: PathBuf::new(),
        others: Vec::new(),
        told: String::new(),
        before: None,
    };
    // The first makes mount points in the root file system, the second is what the others are compared with.
    scene.attempt(None).expect("without harm");
    scene.clean(None).expect("without harm");
    scene.before = Some(sandbox.host(Some(&bundle)));
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

/// One container after the other, all with the same id.
struct Scene<'a> {
    sandbox: &'a Sandbox,
    bundle: &'a Bundle,
    trial: Trial,
    flags: &'a [&'a str],
    id: String,
    pid: i32,
    status: Status,
    /// Where the container prints.
    file: PathBuf,
    /// Processes that may be ours to reap.
    others: Vec<Pid>,
    /// What an unharmed container, or the unharmed command, tells.
    told: String,
    /// The host without the container.
    before: Option<HostState>,
}

impl Scene<'_> {
    fn words(&self) -> Vec<String> {
        let path = self.bundle.path.to_str().unwrap();
        let tell = format!("{TELL} {END}");
        let words = self
            .flags
            .iter()
            .copied()
            .chain(self.trial.words.split_whitespace());
        let words = words.map(|word| if word == "BUNDLE" { path } else { word });
        let id = (self.trial.rest != "LIST").then_some(self.id.as_str());
        let rest = self
            .trial
            .rest
            .split_whitespace()
            .filter(|word| *word != "LIST");
        let rest = rest.flat_map(|word| {
            if word == "TELL" {
                tell.split_whitespace().collect()
            } else {
                vec![word]
            }
        });
        words.chain(id).chain(rest).map(str::to_owned).collect()
    }

    /// An unharmed call; processes that are ours are reaped meanwhile, since the kernel does not let a container's first
    /// process go before.
    fn call(&mut self, words: &[&str]) -> Output {
        let call: Invocation = self.sandbox.runtime(self.flags.iter().chain(words));
        let begin = Instant::now();
        let mut running = call.limit(30).spawn();
        while running.child.try_wait().unwrap().is_none() && begin.elapsed() < harness::slow(30) {
            self.reap();
            std::thread::sleep(Duration::from_millis(1));
        }
        running.finish()
    }

    fn reap(&mut self) -> bool {
        self.others.retain(|pid| !orphans::has_ended(*pid));
        self.others.is_empty()
    }

    /// Brings the container to where the command begins.
    fn prepare(&mut self) {
        let want = self.trial.before;
        let id = self.id.clone();
        if want == Status::Nothing || want == self.status {
            return;
        }
        if self.status == Status::Nothing {
            let path = self.bundle.path.to_str().unwrap();
            let pid_file = self.sandbox.path.join("io/pid");
            let created = self
                .call(&[
                    "create",
                    "--bundle",
                    path,
                    "--pid-file",
                    pid_file.to_str().unwrap(),
                    &id,
                ])
                .ok();
            self.file = created.file().to_owned();
            self.pid = fs::read_to_string(pid_file).unwrap().parse().unwrap();
            self.others.push(Pid::from_raw(self.pid));
            self.status = Status::Created;
        }
        if self.status == Status::Created && want != Status::Created {
            self.call(&["start", &id]).ok();
            self.status = Status::Running;
        }
        match (self.status, want) {
            (Status::Running, Status::Paused) => drop(self.call(&["pause", &id]).ok()),
            (Status::Paused, Status::Running) => drop(self.call(&["resume", &id]).ok()),
            (Status::Running, Status::Stopped) => {
                self.call(&["kill", &id, "KILL"]).ok();
                harness::wait_until("the end", || !is_alive(self.pid));
            }
            _ => {}
        }
        self.status = want;
    }

    /// Whether the container can be used once more.
    fn keeps(&self) -> bool {
        let alive = |status| matches!(status, Status::Running | Status::Paused);
        alive(self.trial.before) && alive(self.trial.after) && alive(self.status)
    }

    /// The command with the harm, and what is wrong with what it did.
    fn attempt(&mut self, point: Option<Point>) -> Result<Traced, String> {
        self.prepare();
        let call = self.sandbox.stopped(self.words());
        let mut traced = trace(call, point);
        self.others.append(&mut traced.others);
        let call = traced.harmed;
        let Some(output) = &traced.output else {
            self.status = Status::Stopped;
            return Err(format!("hangs (call {call:?})"));
        };
        let with = |message: String| {
            format!(
                "(call {call:?}) {message}; it ended with {}: {}",
                output.code,
                output.stderr.trim()
            )
        };
        if self.trial.before == Status::Nothing {
            self.file = output.file().to_owned();
            self.pid = 0;
        }
        let state = self.settled().map_err(with)?;
        // Init reads once more at the fence when `create` has ended: where that fails, what was created ends.
        let at_fence = point.is_some_and(|point| point.whose == Whose::Child)
            && call == Some(nix::libc::SYS_read as u64);
        if output.code == 0
            && at_fence
            && self.trial.words.starts_with("create")
            && self.status == Status::Stopped
        {
            return Ok(traced);
        }
        if output.code == self.trial.code {
            self.succeeded(output, &state, call).map_err(with)?;
        } else {
            self.failed(output, point, call).map_err(with)?;
        }
        Ok(traced)
    }

    /// The same once what was ended with the runtime is dead.
    fn settled(&mut self) -> Result<Value, String> {
        let begin = Instant::now();
        loop {
            match self.state() {
                Err(_) if begin.elapsed() < harness::slow(2) => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                answer => return answer,
            }
        }
    }

    /// What `state` says, if it can be true.
    fn state(&mut self) -> Result<Value, String> {
        let id = self.id.clone();
        let output = self.call(&["state", &id]);
        if output.code != 0 {
            self.status = Status::Nothing;
            return match output.stderr.contains("does not exist") {
                true => Ok(Value::Null),
                false => Err(format!("state fails: {}", output.stderr)),
            };
        }
        let state = output.json();
        let pid = i32::try_from(state["pid"].as_i64().unwrap_or(0)).unwrap();
        self.status = match state["status"].as_str().unwrap_or_default() {
            "created" => Status::Created,
            "running" => Status::Running,
            "paused" => Status::Paused,
            "stopped" => Status::Stopped,
            other => return Err(format!("state says {other:?}")),
        };
        if self.pid == 0 && pid > 0 {
            self.pid = pid;
            self.others.push(Pid::from_raw(pid));
        }
        let lives = is_alive(self.pid);
        match (self.status, lives) {
            (Status::Stopped, false) => Ok(state),
            (Status::Stopped, true) => Err("stopped, and it lives".to_owned()),
            (_, false) => Err(format!("{:?}, and it is dead", self.status)),
            (_, true) if pid == self.pid => Ok(state),
            _ => Err(format!("state names {pid}, not {}", self.pid)),
        }
    }

    /// The command said that all is done.
    fn succeeded(
        &mut self,
        output: &Output,
        state: &Value,
        call: Option<u64>,
    ) -> Result<(), String> {
        let name = self.trial.words.split(' ').next().unwrap();
        if name == "kill" {
            harness::wait_until("the end", || !is_alive(self.pid));
            self.state()?;
        }
        // What is left of a container that ended may be a warning.
        let warned = name == "run" && output.stderr.contains("level=warning");
        if warned && self.status == Status::Stopped {
            return Ok(());
        }
        if self.status != self.trial.after {
            return Err(format!(
                "it is {:?}, not {:?}",
                self.status, self.trial.after
            ));
        }
        let told = match name {
            "run" | "exec" => output.stdout.clone(),
            "create" | "start" => {
                if name == "create" {
                    let id = self.id.clone();
                    self.call(&["start", &id]).ok();
                    self.status = Status::Running;
                }
                let read = || fs::read_to_string(&self.file).unwrap_or_default();
                harness::wait_until("what it tells", || {
                    read().contains("told\n") || !is_alive(self.pid)
                });
                read()
            }
            "state" if output.json()["pid"] != state["pid"] => return Err(output.stdout.clone()),
            // What it cannot look at it says, and goes on.
            "list" if output.stderr.contains("load container") => String::new(),
            "list" if !output.stdout.contains(&format!("\"pid\":{},", self.pid)) => {
                return Err(output.stdout.clone());
            }
            "update" => self.limit(),
            _ => String::new(),
        };
        // Who may not make a keyring goes without.
        let keyring = call.is_some_and(|call| i64::try_from(call) == Ok(nix::libc::SYS_keyctl));
        if self.told.is_empty() {
            self.told = told;
        } else if self.told != told && !(keyring && told.contains("keyring;")) {
            let new = told
                .lines()
                .filter(|line| !self.told.lines().any(|old| old == *line));
            let gone = self
                .told
                .lines()
                .filter(|line| !told.lines().any(|new| new == *line));
            let (new, gone): (Vec<_>, Vec<_>) = (new.collect(), gone.collect());
            return Err(format!("it told {new:?}, not {gone:?}"));
        }
        Ok(())
    }

    /// What the kernel says about the limit that `update` has set, which is given up for the next time.
    fn limit(&mut self) -> String {
        let groups = self.sandbox.host(None);
        let files = groups
            .groups()
            .iter()
            .filter(|group| group.ends_with(&self.id))
            .map(|group| group.join("pids.max"));
        let read: Vec<String> = files
            .filter_map(|file| fs::read_to_string(file).ok())
            .collect();
        let id = self.id.clone();
        self.call(&["update", "--pids-limit", "-1", &id]).ok();
        read.concat()
    }

    /// The command said that it has failed, or was killed.
    fn failed(
        &mut self,
        output: &Output,
        point: Option<Point>,
        call: Option<u64>,
    ) -> Result<(), String> {
        let Some(Point { whose, harm, .. }) = point else {
            return Err("without harm".to_owned());
        };
        let name = self.trial.words.split(' ').next().unwrap();
        // Without memory a program may just end, with what it had made.
        let aborted = call.is_some_and(may_abort) && output.code >= 128;
        if whose == Whose::Runtime && (harm == Harm::Kill || aborted) {
            return Ok(());
        }
        let errors = output
            .stderr
            .lines()
            .filter(|line| !line.contains("level=warning"))
            .count();
        // Whoever kills the user's program makes no error of the runtime's.
        let killed = harm == Harm::Kill && matches!(name, "run" | "exec");
        if errors != 1 && !(killed && errors == 0) {
            return Err(format!("{errors} lines of error"));
        }
        // Of what could not be removed there is something to remove again.
        if matches!(name, "create" | "run") && !call.is_some_and(removes) {
            return self.nothing_left();
        }
        let harmless = matches!(
            name,
            "exec" | "update" | "pause" | "resume" | "state" | "list"
        );
        match harmless && !matches!(self.status, Status::Running | Status::Paused) {
            true => Err(format!("it is {:?}", self.status)),
            false => Ok(()),
        }
    }

    fn nothing_left(&mut self) -> Result<(), String> {
        let Some(before) = self.before.take() else {
            return Ok(());
        };
        let mut left = Vec::new();
        let begin = Instant::now();
        while begin.elapsed() < harness::slow(10) {
            let reaped = self.reap();
            left = self.sandbox.host(Some(self.bundle)).difference(&before);
            if left.is_empty() && reaped {
                break;
            }
            left.extend(self.others.iter().map(|pid| format!("process {pid}")));
            std::thread::sleep(Duration::from_millis(2));
        }
        self.before = Some(before);
        match left.is_empty() {
            true => Ok(()),
            false => Err(format!("left: {left:?}")),
        }
    }

    /// Deletes the container.
    fn clean(&mut self, point: Option<Point>) -> Result<(), String> {
        let id = self.id.clone();
        let deleted = self.call(&["delete", "--force", &id]);
        self.status = Status::Nothing;
        let removed = self.nothing_left();
        if deleted.code != 0 {
            return Err(format!("delete after {point:?}: {}", deleted.stderr));
        }
        removed
    }
}

/// Whether the failure of this call may mean that something could not be removed.
fn removes(call: u64) -> bool {
    use nix::libc;
    let all = [
        libc::SYS_unlinkat,
        libc::SYS_ppoll,
        libc::SYS_pidfd_send_signal,
        libc::SYS_waitid,
        libc::SYS_openat,
    ];
    i64::try_from(call).is_ok_and(|call| all.contains(&call))
}

/// Whether memory is asked for, or it is the standard library's first look at the standard streams.
fn may_abort(call: u64) -> bool {
    use nix::libc;
    let all = [
        libc::SYS_mmap,
        libc::SYS_mprotect,
        libc::SYS_brk,
        libc::SYS_mremap,
        libc::SYS_sigaltstack,
        // Elsewhere that is ppoll(2), and there is no tracer.
        #[cfg(target_arch = "x86_64")]
        libc::SYS_poll,
    ];
    i64::try_from(call).is_ok_and(|call| all.contains(&call))
}

fn is_alive(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.contains(") Z ") && !stat.contains(") X "))
}
