//! Many containers, and an accident with each: the runtime or the container is killed at a random moment of any
//! operation. Afterwards `delete --force` of what `list` shows leaves nothing at all.
//!
//! `TARE_TEST_ACCIDENTS` is the number of containers, `TARE_TEST_SEED` repeats a failed run. The moments are random in
//! any case, so a run is repeated in what it does, and nearly in when.

#![allow(clippy::print_stdout, reason = "what was hit is worth to be known")]

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use harness::{Bundle, Invocation, Sandbox, cases, need, orphans, skip};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

cases![
    nothing_is_left_after_accidents,
    privileged_no_unit_is_left_after_accidents,
    another_containers_cgroup_survives_accidents
];

/// Containers that exist at the same time.
const BATCH: usize = 50;

/// Numbers that are the same for the same seed (Marsaglia's xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % end
    }

    fn moment(&mut self, longest: Duration) -> Duration {
        let micros = usize::try_from(longest.as_micros()).unwrap();
        Duration::from_micros(u64::try_from(self.below(micros)).unwrap())
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// What happens to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Accident {
    /// The runtime dies while it creates.
    Create,
    /// What is in the container's cgroup dies while the runtime creates.
    CreateInside,
    Start,
    Run,
    RunDetached,
    /// The program dies.
    Program,
    Exec,
    Pause,
    Update,
    Delete,
    /// `delete` dies after a `create` that did.
    CreateAndDelete,
}

const ACCIDENTS: [Accident; 11] = [
    Accident::Create,
    Accident::CreateInside,
    Accident::Start,
    Accident::Run,
    Accident::RunDetached,
    Accident::Program,
    Accident::Exec,
    Accident::Pause,
    Accident::Update,
    Accident::Delete,
    Accident::CreateAndDelete,
];

struct Storm<'a> {
    sandbox: &'a Sandbox,
    /// Whether systemd makes the cgroups.
    systemd: bool,
    bundles: Vec<Bundle>,
    random: Random,
    /// Where the containers' cgroups are made.
    parents: Vec<PathBuf>,
    /// An update that every host can do.
    update: PathBuf,
    /// How long each command takes here, and a little more.
    longest: BTreeMap<&'static str, Duration>,
    /// What happened to whom, for when something is left.
    history: Vec<String>,
    /// How often each accident came before the end of what it hit.
    hits: BTreeMap<Accident, (usize, usize)>,
}

impl Storm<'_> {
    /// Lets an accident happen at a random moment of a call; the answer is whether the call was still running.
    fn interrupt(&mut self, accident: Accident, call: Invocation, strike: impl Fn(i32)) {
        let command = match accident {
            Accident::Create | Accident::CreateInside => "create",
            Accident::Start => "start",
            Accident::Run | Accident::RunDetached => "run",
            Accident::Program => "state",
            Accident::Exec => "exec",
            Accident::Pause => "pause",
            Accident::Update => "update",
            Accident::Delete | Accident::CreateAndDelete => "delete",
        };
        let moment = self.random.moment(self.longest[command]);
        let begin = Instant::now();
        let mut running = call.limit(20).spawn();
        // Sleeping is too coarse for moments.
        while begin.elapsed() < moment {
            std::hint::spin_loop();
        }
        let hit = running.child.try_wait().unwrap().is_none();
        strike(running.pid().as_raw());
        let count = self.hits.entry(accident).or_default();
        *count = (count.0 + usize::from(hit), count.1 + 1);
        running.finish();
    }

    fn runtime(&self, words: &[&str]) -> Invocation {
        let driver: &[&str] = if self.systemd {
            &["--systemd-cgroup"]
        } else {
            &[]
        };
        self.sandbox.runtime(driver.iter().chain(words))
    }

    fn call(&self, words: &[&str], id: &str) -> Invocation {
        self.runtime(words).arg(id)
    }

    fn container(&mut self, id: &str) {
        let accident = match ACCIDENTS[self.random.below(ACCIDENTS.len())] {
            Accident::Pause | Accident::Update if self.parents.is_empty() => Accident::Exec,
            accident => accident,
        };
        let bundle = self.random.below(self.bundles.len());
        self.history
            .push(format!("{id}: {accident:?}, bundle {bundle}"));
        let path = self.bundles[bundle].path.to_str().unwrap().to_owned();
        let kill_runtime = |pid: i32| {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        };
        let parents = self.parents.clone();
        let kill_inside = |_: i32| kill_group(&parents, id);
        let create = self.call(&["create", "--bundle", &path], id);
        match accident {
            Accident::Create => return self.interrupt(accident, create, kill_runtime),
            Accident::CreateInside => return self.interrupt(accident, create, kill_inside),
            Accident::Run | Accident::RunDetached => {
                let flags: &[&str] = match accident {
                    Accident::Run => &["run", "--bundle", &path],
                    _ => &["run", "--detach", "--bundle", &path],
                };
                let call = self.call(flags, id);
                return self.interrupt(accident, call, kill_runtime);
            }
            Accident::CreateAndDelete => {
                self.interrupt(Accident::Create, create, kill_runtime);
                let call = self.call(&["delete", "--force"], id);
                return self.interrupt(accident, call, kill_runtime);
            }
            _ => create.output().ok(),
        };
        if accident == Accident::Start {
            let call = self.call(&["start"], id);
            return self.interrupt(accident, call, kill_runtime);
        }
        self.call(&["start"], id).output().ok();
        let update = self.update.to_str().unwrap().to_owned();
        let words: &[&str] = match accident {
            Accident::Program => &["state"],
            Accident::Exec => &["exec", "--detach"],
            Accident::Pause => &["pause"],
            Accident::Update => &["update", "--resources", &update],
            _ => &["delete", "--force"],
        };
        let mut call = self.call(words, id);
        if accident == Accident::Exec {
            call = call.args(["/bin/probe", "sleep", "1000"]);
        }
        match accident {
            Accident::Program => self.interrupt(accident, call, kill_inside),
            _ => self.interrupt(accident, call, kill_runtime),
        }
    }

    /// Looks where cgroups are made here, and how long everything takes.
    fn measure(&mut self) {
        let id = self.sandbox.id("first");
        let path = self.bundles[0].path.to_str().unwrap().to_owned();
        let update = self.update.to_str().unwrap().to_owned();
        let calls: [&[&'static str]; 8] = [
            &["create", "--bundle"],
            &["state"],
            &["start"],
            &["exec", "--detach"],
            &["update", "--resources"],
            &["pause"],
            &["resume"],
            &["delete", "--force"],
        ];
        for words in calls {
            // An ordinary user's container may have no cgroup.
            if matches!(words[0], "update" | "pause" | "resume") && self.parents.is_empty() {
                continue;
            }
            let value = match words[0] {
                "create" => &*path,
                "update" => &*update,
                _ => "",
            };
            let mut call = self.runtime(words);
            if !value.is_empty() {
                call = call.arg(value);
            }
            call = call.arg(&id);
            if words[0] == "exec" {
                call = call.args(["/bin/probe", "true"]);
            }
            let begin = Instant::now();
            call.output().ok();
            self.longest.insert(words[0], begin.elapsed() * 5 / 4);
            if words[0] == "create" {
                let host = self.sandbox.host(None);
                let parent = |group: &PathBuf| group.parent().map(Path::to_owned);
                self.parents = host.groups().iter().filter_map(parent).collect();
            }
        }
        let run = self.longest["create"] + self.longest["start"];
        self.longest.insert("run", run);
    }

    /// All containers; the answer is how many were left without a record.
    fn rage(&mut self, count: usize, seed: u64) -> usize {
        let before = self.sandbox.host(None);
        self.measure();
        let mut without_record = 0;
        for first in (0..count).step_by(BATCH) {
            let reason = format!("TARE_TEST_SEED={seed}, containers from {first}");
            for number in first..count.min(first + BATCH) {
                self.container(&self.sandbox.id(&number.to_string()));
            }
            without_record += self.delete_all(&reason);
            let mut left = Vec::new();
            for _ in 0..200 {
                left = self.sandbox.host(None).difference(&before);
                if left.is_empty() {
                    break;
                }
                // What has no record is not listed, and so not deleted.
                self.runtime(&["gc"]).output().ok();
                std::thread::sleep(Duration::from_millis(10));
            }
            assert!(left.is_empty(), "left behind ({reason}): {left:#?}");
        }
        without_record
    }

    /// Deletes what is listed; the answer is how many of them had no record yet.
    fn delete_all(&self, reason: &str) -> usize {
        let list = self.runtime(&["list", "--quiet"]).output().ok();
        let mut without = 0;
        for id in list.stdout.lines() {
            without += usize::from(!self.sandbox.root.join(id).join("state.json").exists());
            let call = self.call(&["delete", "--force"], id).limit(20).output();
            assert!(call.code == 0, "delete {id}: {} ({reason})", call.stderr);
        }
        without
    }
}

/// Kills whatever is in a container's cgroup, in whichever hierarchy.
fn kill_group(parents: &[PathBuf], id: &str) {
    for group in parents
        .iter()
        .flat_map(|parent| [parent.join(id), parent.join(format!("tare-{id}.scope"))])
    {
        let list = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
        for pid in list.lines() {
            let _ = kill(Pid::from_raw(pid.parse().unwrap()), Signal::SIGKILL);
        }
    }
}

/// Containers that take different ways through the runtime.
fn bundles(sandbox: &Sandbox) -> Vec<Bundle> {
    let plain = || {
        let bundle = sandbox.bundle();
        let hook = bundle.rootfs().join("bin/probe");
        bundle.push(
            "/hooks/createContainer",
            json!({"path": hook, "args": ["probe", "true"]}),
        )
    };
    let mut bundles = vec![
        plain().probe("sleep 1000"),
        plain().probe("true"),
        plain().probe("spawn sleep 1000 -- spawn sleep 1000 -- sleep 1000"),
    ];
    if sandbox.rootless().is_some() {
        return bundles;
    }
    // Processes outlive the first one without a pid namespace; a user namespace takes another process on the way.
    let shared = plain().without_namespace("pid");
    bundles.push(shared.probe("spawn sleep 1000 -- spawn sleep 1000 -- true"));
    let mapped = plain()
        .in_user_namespace(1000)
        .push("/linux/namespaces", json!({"type": "time"}));
    bundles.push(mapped.probe("sleep 1000"));
    if need::is_unified() {
        let bundle = plain();
        fs::create_dir_all(bundle.rootfs().join("sys/fs/cgroup")).unwrap();
        let nested = bundle
            .without_mount("/sys")
            .without_namespace("cgroup")
            .push("/linux/namespaces", json!({"type": "cgroup"}))
            .mount("/sys/fs/cgroup", "cgroup", "cgroup", &["rw"]);
        bundles.push(nested.probe(
            "mkdir /sys/fs/cgroup/a /sys/fs/cgroup/a/b -- write /sys/fs/cgroup/a/b/cgroup.procs 0 -- sleep 1000",
        ));
    }
    bundles
}

fn nothing_is_left_after_accidents() {
    alone("nothing_is_left_after_accidents", false);
}

fn privileged_no_unit_is_left_after_accidents() {
    if !Path::new("/run/systemd/private").exists() {
        skip!("the machine is not run by systemd");
    }
    alone("privileged_no_unit_is_left_after_accidents", true);
}

/// In a process of its own, which may reap every child that it gets.
fn alone(name: &str, systemd: bool) {
    const ALONE: &str = "TARE_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return accidents(systemd);
    }
    let mut alone = Command::new(std::env::current_exe().unwrap());
    alone.args(["--exact", &format!("accidents::{name}")]);
    let output = alone.env(ALONE, "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    // What was hit is worth to be known.
    for line in text.lines().filter(|line| line.contains("accidents, seed")) {
        println!("{line}");
    }
}

fn accidents(systemd: bool) {
    let count = usize::try_from(number("TARE_TEST_ACCIDENTS").unwrap_or(200)).unwrap();
    let seed = number("TARE_TEST_SEED").unwrap_or_else(|| {
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        now.as_secs() ^ u64::from(now.subsec_nanos()) << 20
    });
    let sandbox = Sandbox::new();
    let update = sandbox.path.join("update.json");
    let rule = json!({"devices": [{"allow": true, "type": "c", "major": 10, "minor": 200, "access": "rw"}]});
    fs::write(&update, rule.to_string()).unwrap();
    let mut storm = Storm {
        sandbox: &sandbox,
        systemd,
        bundles: bundles(&sandbox),
        random: Random(seed | 1),
        parents: Vec::new(),
        update,
        longest: BTreeMap::new(),
        history: Vec::new(),
        hits: BTreeMap::new(),
    };
    let ended = AtomicBool::new(false);
    let runtime = sandbox.program().file_name().unwrap().to_string_lossy();
    let runtime: String = runtime.chars().take(15).collect();
    let without_record = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                // Containers whose creator was killed are our children. So are processes that `exec` left, and the kernel
                // does not let a container's first process go before they are reaped. Calls of the runtime are waited for
                // by those who made them.
                orphans::reap(|zombie| zombie.name != runtime);
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let answer = catch_unwind(AssertUnwindSafe(|| storm.rage(count, seed)));
        ended.store(true, Ordering::Relaxed);
        answer.unwrap_or_else(|panic| {
            let last = storm.history.len().saturating_sub(BATCH);
            println!("TARE_TEST_SEED={seed}: {:#?}", &storm.history[last..]);
            resume_unwind(panic)
        })
    });
    let hits: Vec<String> = storm
        .hits
        .iter()
        .map(|(accident, (hit, all))| format!("{accident:?} {hit}/{all}"))
        .collect();
    let hits = hits.join(", ");
    if systemd {
        let units = Command::new("systemctl")
            .args(["list-units", "--all", "--plain", "--no-legend"])
            .arg(format!("*{}*", sandbox.tag))
            .output()
            .unwrap();
        let units = String::from_utf8_lossy(&units.stdout).into_owned();
        assert!(units.trim().is_empty(), "units are left: {units}");
    }
    println!("{count} accidents, seed {seed}: {hits}; {without_record} without a record");
}

/// A container whose `create` is refused because something runs in its cgroup has no part in that cgroup, however it ends.
fn another_containers_cgroup_survives_accidents() {
    need::cgroups();
    let sandbox = Sandbox::new();
    if sandbox.rootless().is_some() {
        skip!("an ordinary user's container may have no cgroup");
    }
    let bundle = sandbox.bundle().probe("sleep 1000");
    let path = format!("/{}-groups/shared", sandbox.tag);
    let bundle = bundle.set("/linux/cgroupsPath", json!(path));
    let first = sandbox.detach(&bundle, "first");
    let below: Vec<PathBuf> = sandbox
        .host(None)
        .groups()
        .iter()
        .filter(|group| group.ends_with("shared"))
        .map(|group| group.join("empty"))
        .collect();
    for group in &below {
        fs::create_dir(group).unwrap();
    }
    let id = sandbox.id("second");
    let create = || {
        let call = sandbox.runtime(["create", "--bundle"]);
        call.arg(&bundle.path).arg(&id)
    };
    let begin = Instant::now();
    create()
        .output()
        .fails_with(1, &["container's cgroup is not empty"]);
    let longest = begin.elapsed();
    assert!(
        longest < Duration::from_secs(2),
        "waited for another container"
    );
    for step in 0..20 {
        let mut call = create().spawn();
        std::thread::sleep(longest * step / 20);
        call.child.kill().unwrap();
        call.finish();
        let kill_all = sandbox.runtime(["kill", "--all", &id, "9"]).limit(20);
        kill_all.output();
        let delete = sandbox.runtime(["delete", "--force", &id]).limit(20);
        delete.output().ok();
        assert_eq!(first.status(), "running", "step {step}");
        for group in &below {
            assert!(group.exists(), "step {step}: {}", group.display());
        }
    }
    first.force_delete();
    first.wait();
    sandbox.remove_groups();
}
