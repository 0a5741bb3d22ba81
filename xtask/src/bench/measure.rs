//! The measurements.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use super::contestants::{Field, Runtime};

/// Rows of a table: name and median; `None` where it failed.
type Rows = Vec<(String, Option<f64>)>;

/// What is timed.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Measured {
    /// `run` of a program that exits at once, from this bundle.
    Run(&'static str),
    /// The same, with the state directory on a disk.
    RunOnDisk,
    /// `create`, `start`, waiting for the end, `delete`, each a process of its own.
    LifeCycle,
    /// `exec` in a running container.
    Exec,
    /// `state` of it.
    State,
    /// `list`.
    List,
}

/// As [`interleaved`] with few runs: what is timed beside a crowd takes long.
pub(super) fn beside(field: &Field, rounds: usize, what: Measured) -> Rows {
    interleaved(field, rounds.min(8), 5, what)
}

/// Times all contestants in turns: in each round each has `runs` in a row, and another one begins.
pub(super) fn interleaved(field: &Field, rounds: usize, runs: usize, what: Measured) -> Rows {
    let running = matches!(what, Measured::Exec | Measured::State | Measured::List)
        .then(|| start_all(field))
        .unwrap_or_default();
    let names: Vec<&str> = std::iter::once("floor")
        .chain(field.runtimes.iter().map(|one| one.name.as_str()))
        .collect();
    let mut times: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut failed: Vec<&str> = Vec::new();
    for round in 0..=rounds {
        for offset in 0..names.len() {
            let name = names[(round + offset) % names.len()];
            for _ in 0..runs {
                let begin = Instant::now();
                let worked = once(field, name, what, &running);
                let time = begin.elapsed().as_secs_f64() * 1000.0;
                if !worked {
                    failed.push(name);
                    break;
                }
                // The first round warms the caches.
                if round > 0 {
                    times.entry(name).or_default().push(time);
                }
            }
        }
    }
    for runtime in &field.runtimes {
        if !running.is_empty() {
            let _ = field
                .call(runtime, &["delete", "--force", &id(runtime)])
                .status();
        }
    }
    let row = |name: &&str| {
        let list = times.remove(*name).filter(|_| !failed.contains(name));
        ((*name).to_owned(), list.map(median))
    };
    names.iter().map(row).collect()
}

fn id(runtime: &Runtime) -> String {
    format!("bench-{}-up", runtime.name)
}

fn succeeds(command: &mut Command) -> bool {
    command.status().is_ok_and(|status| status.success())
}

/// Starts a container that sleeps with each runtime; returns their processes by name.
fn start_all(field: &Field) -> BTreeMap<String, i32> {
    let mut running = BTreeMap::new();
    for runtime in &field.runtimes {
        if let Some(pid) = create(field, runtime, "sleeps", &id(runtime)) {
            succeeds(&mut field.call(runtime, &["start", &id(runtime)]));
            running.insert(runtime.name.clone(), pid);
        }
    }
    running
}

fn create(field: &Field, runtime: &Runtime, bundle: &str, id: &str) -> Option<i32> {
    let pid_file = field.folder.join(format!("{}.pid", runtime.name));
    let (bundle, file) = (field.bundle(bundle), pid_file.display().to_string());
    let created = succeeds(&mut field.call(
        runtime,
        &["create", "--bundle", &bundle, "--pid-file", &file, id],
    ));
    created
        .then(|| fs::read_to_string(pid_file).ok()?.trim().parse().ok())
        .flatten()
}

fn once(field: &Field, name: &str, what: Measured, running: &BTreeMap<String, i32>) -> bool {
    let Some(runtime) = field.runtimes.iter().find(|one| one.name == name) else {
        return match what {
            Measured::Run(_) | Measured::RunOnDisk | Measured::LifeCycle => {
                succeeds(&mut field.floor_run())
            }
            Measured::Exec => running.values().next().is_some_and(|pid| {
                succeeds(
                    field
                        .floor()
                        .args(["--exec", &pid.to_string(), "/bin/true"]),
                )
            }),
            Measured::State | Measured::List => succeeds(field.floor().arg("--noop")),
        };
    };
    match what {
        Measured::Run(bundle) => succeeds(&mut field.run_of(runtime, bundle)),
        Measured::RunOnDisk => succeeds(&mut field.run_on_disk(runtime)),
        Measured::LifeCycle => {
            let id = format!("bench-{name}-cycle");
            let Some(pid) = create(field, runtime, "exits", &id) else {
                return false;
            };
            succeeds(&mut field.call(runtime, &["start", &id]))
                && waitpid(Pid::from_raw(pid), None).is_ok()
                && succeeds(&mut field.call(runtime, &["delete", &id]))
        }
        Measured::Exec => succeeds(&mut field.call(runtime, &["exec", &id(runtime), "/bin/true"])),
        Measured::State => succeeds(&mut field.call(runtime, &["state", &id(runtime)])),
        Measured::List => succeeds(&mut field.call(runtime, &["list"])),
    }
}

fn median(mut list: Vec<f64>) -> f64 {
    list.sort_by(f64::total_cmp);
    list.get(list.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Containers that sleep while something else is timed, with their processes, which are this program's children.
#[derive(Default)]
pub(super) struct Crowd(Vec<Member>);

type Member = (Runtime, String, Option<Pid>);

/// A crowd is made and ended by so many at once: nobody times that, and much of it is waiting.
const HELPERS: usize = 8;

impl Crowd {
    /// Lets each runtime of the field have this many.
    pub(super) fn grow(&mut self, field: &Field, count: usize) {
        for runtime in &field.runtimes {
            let mine = |(other, ..): &&Member| other.name == runtime.name;
            let before = self.0.iter().filter(mine).count();
            // Without a path of its own a container's cgroup has its id for a name: it must not be another runtime's.
            let ids = (before..count).map(|number| format!("crowd-{}-{number}", runtime.name));
            let made = at_once(ids.collect(), |id: String| {
                let file = field.folder.join(&id).display().to_string();
                let bundle = field.bundle("sleeps");
                let call = [
                    "run",
                    "--detach",
                    "--bundle",
                    &bundle,
                    "--pid-file",
                    &file,
                    &id,
                ];
                succeeds(&mut field.call(runtime, &call));
                let pid = fs::read_to_string(&file)
                    .ok()
                    .and_then(|text| text.trim().parse().ok());
                (runtime.clone(), id, pid.map(Pid::from_raw))
            });
            self.0.extend(made);
        }
    }

    /// Ends those of all runtimes but this one.
    pub(super) fn leave(&mut self, field: &Field, name: &str) {
        let (stay, go): (Vec<_>, Vec<_>) = std::mem::take(&mut self.0)
            .into_iter()
            .partition(|(runtime, ..)| runtime.name == name);
        self.0 = stay;
        // runc takes a tenth of a second to look whether who it has killed is dead.
        for pid in go.iter().filter_map(|(.., pid)| *pid) {
            let _ = kill(pid, Signal::SIGKILL);
            let _ = waitpid(pid, None);
        }
        at_once(go, |(runtime, id, _)| {
            succeeds(&mut field.call(&runtime, &["delete", "--force", &id]))
        });
    }
}

fn at_once<T: Send, A: Send>(work: Vec<T>, each: impl Fn(T) -> A + Sync) -> Vec<A> {
    let work = Mutex::new(work.into_iter());
    let helper = || {
        let next = || work.lock().ok()?.next();
        std::iter::from_fn(next).map(&each).collect::<Vec<A>>()
    };
    std::thread::scope(|scope| {
        let helpers: Vec<_> = (0..HELPERS).map(|_| scope.spawn(helper)).collect();
        let done = helpers.into_iter().filter_map(|helper| helper.join().ok());
        done.flatten().collect()
    })
}

/// The life of a container from within a program that stays, in turns: by hand, by the library, and by the library in a program
/// with 32 threads and a heap of 1 GiB. By hand is the same for both answers.
pub(super) fn in_process(field: &Field, rounds: usize) -> (Rows, Rows) {
    const TIMES: &str = "15";
    let floor = || {
        let mut command = field.floor();
        command.args(["--times", TIMES]);
        command.arg(field.folder.join("rootfs")).arg("/bin/true");
        let output = command.stderr(Stdio::piped()).output().ok()?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let line = text.lines().find_map(|line| line.strip_prefix("TOTAL"))?;
        let microseconds: f64 = line.split_whitespace().next()?.parse().ok()?;
        Some(microseconds / 1000.0)
    };
    let library = |more: &[&str]| {
        let mut command = Command::new(&field.in_process);
        command
            .arg(field.bundle("exits"))
            .arg(&field.state)
            .arg(TIMES);
        command.args(more);
        let output = command.stdin(Stdio::null()).output().ok()?;
        String::from_utf8_lossy(&output.stdout).trim().parse().ok()
    };
    let mut times: [Option<Vec<f64>>; 3] = std::array::from_fn(|_| Some(Vec::new()));
    for round in 0..rounds.max(1) {
        for offset in 0..times.len() {
            let which = (round + offset) % times.len();
            let time = match which {
                0 => floor(),
                1 => library(&[]),
                _ => library(&["32", "1024"]),
            };
            times[which] = times[which].take().zip(time).map(|(mut list, time)| {
                list.push(time);
                list
            });
        }
    }
    let [floor, small, large] = times.map(|list| list.map(median));
    let rows = |library| vec![("floor".to_owned(), floor), ("tare".to_owned(), library)];
    (rows(small), rows(large))
}

/// Eight loops at once: how many containers a second each contestant runs.
pub(super) fn loops(field: &Field, rounds: usize) -> Rows {
    const WORKERS: usize = 8;
    const TIME: Duration = Duration::from_secs(2);
    let mut results: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let contestants = || std::iter::once(None).chain(field.runtimes.iter().map(Some));
    for _ in 0..rounds {
        for contestant in contestants() {
            let name = contestant.map_or("floor", |one| &one.name).to_owned();
            let begin = Instant::now();
            let counts = std::thread::scope(|scope| {
                let worker = |number: usize| {
                    let command = move || match contestant {
                        None => field.floor_run(),
                        Some(runtime) => {
                            let id = format!("bench-{}-loop{number}", runtime.name);
                            field.call(runtime, &["run", "--bundle", &field.bundle("exits"), &id])
                        }
                    };
                    scope.spawn(move || {
                        let mut count = 0u32;
                        while begin.elapsed() < TIME {
                            count += u32::from(succeeds(&mut command()));
                        }
                        count
                    })
                };
                let workers: Vec<_> = (0..WORKERS).map(worker).collect();
                workers
                    .into_iter()
                    .map(|worker| worker.join().unwrap_or(0))
                    .sum::<u32>()
            });
            results
                .entry(name)
                .or_default()
                .push(f64::from(counts) / begin.elapsed().as_secs_f64());
        }
    }
    contestants()
        .map(|contestant| contestant.map_or("floor", |one| &one.name).to_owned())
        .map(|name| (name.clone(), results.remove(&name).map(median)))
        .collect()
}

/// Peak resident memory in KiB and CPU time in ms of `run`, told by wait4(2) to a small parent.
pub(super) fn usage(field: &Field, rounds: usize) -> (Rows, Rows) {
    let commands = std::iter::once(("floor".to_owned(), field.floor_run())).chain(
        field
            .runtimes
            .iter()
            .map(|runtime| (runtime.name.clone(), field.run(runtime))),
    );
    let (mut peak, mut cpu) = (Rows::new(), Rows::new());
    for (name, command) in commands {
        let mut lists = (Vec::new(), Vec::new());
        for _ in 0..rounds.max(3) {
            let mut call = Command::new(&field.floor);
            call.arg("--usage")
                .arg(command.get_program())
                .args(command.get_args());
            let output = call
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .output();
            let text = output
                .map(|output| String::from_utf8_lossy(&output.stderr).into_owned())
                .unwrap_or_default();
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("usage "))
                .unwrap_or_default();
            let mut numbers = line.split(' ').filter_map(|word| word.parse::<f64>().ok());
            lists.0.extend(numbers.next());
            lists
                .1
                .extend(numbers.next().map(|microseconds| microseconds / 1000.0));
        }
        let result = |list: Vec<f64>| (!list.is_empty()).then(|| median(list));
        peak.push((name.clone(), result(lists.0)));
        cpu.push((name, result(lists.1)));
    }
    (peak, cpu)
}

/// A line of /proc/PID/smaps_rollup of the process that waits between `create` and `start`.
pub(super) fn waiting(field: &Field, key: &str) -> Rows {
    let mut rows = Rows::new();
    for runtime in &field.runtimes {
        let id = format!("bench-{}-waiting", runtime.name);
        let memory = create(field, runtime, "exits", &id).and_then(|pid| {
            // Runtimes go on for a moment after `create` has returned.
            std::thread::sleep(Duration::from_millis(100));
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
            let line = text.lines().find(|line| line.starts_with(key))?.to_owned();
            line.split_whitespace().nth(1)?.parse().ok()
        });
        let _ = field.call(runtime, &["delete", "--force", &id]).status();
        rows.push((runtime.name.clone(), memory));
    }
    rows
}

/// The number of system calls of one `run`, all processes together.
pub(super) fn system_calls(field: &Field, strace: &Path) -> Rows {
    let commands = std::iter::once(("floor".to_owned(), field.floor_run())).chain(
        field
            .runtimes
            .iter()
            .map(|runtime| (runtime.name.clone(), field.run(runtime))),
    );
    let mut rows = Rows::new();
    for (name, command) in commands {
        let file = field.folder.join("calls");
        let mut call = Command::new(strace);
        call.args(["-f", "-c", "-o"])
            .arg(&file)
            .arg(command.get_program())
            .args(command.get_args());
        call.stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let worked = succeeds(&mut call);
        let text = fs::read_to_string(&file).unwrap_or_default();
        let total = text.lines().find(|line| line.trim_end().ends_with("total"));
        let calls = total.and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
        rows.push((name, calls.filter(|_| worked)));
    }
    rows
}
