//! Every step of init, once right and once wrong, through the real program, each in a user namespace of its own and
//! without privileges where that is possible. What is asserted is the effect, or what the report page says.
//!
//! The tests run in threads of one process, which shows in passing that starting a child is safe there.

mod files;
mod identity;
mod mounts;
mod namespaces;
mod program;

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use init::slots::kind;
use init::step::{AwaitStart, BecomeRoot, Execute, FindProgram, Fork, OpenRoot, Unshare};
use init::wire::Strings;
use init::{ChildStep, Seen, Slot, Span};
use kernel::namespace::flags::{NEWNS, NEWPID, NEWTIME, NEWUSER};
use kernel::{Call, Errno, Fault, Fd, file, process};
use spec::{ConfigPath, IdMapping};

use super::{Console, Given, Performed, walk};
use crate::Error;
use crate::host::HostFacts;
use crate::plan::{Entry, IdMaps, Plan, RuntimeStep, Step};
use crate::state::Store;

/// A step without a test here is an oversight.
#[test]
fn every_step_has_a_test() {
    let tests = [
        include_str!("tests.rs"),
        include_str!("tests/files.rs"),
        include_str!("tests/identity.rs"),
        include_str!("tests/mounts.rs"),
        include_str!("tests/namespaces.rs"),
        include_str!("tests/program.rs"),
    ]
    .concat();
    let names = ChildStep::NAMES.iter();
    let untested: Vec<_> = names
        .filter(|name| !tests.contains(&format!("{name} {{")))
        .collect();
    assert!(untested.is_empty(), "{untested:?}");
}

/// Where the fence is, out of the way of the slots that tests choose.
const FENCE: Slot<kind::Fence> = Slot::numbered(200);

/// A slot that is given something, whatever the step takes it for.
const NINE: Slot = Slot::numbered(9);

/// Says that a test was left out, past the capture of test output, so that it can be counted.
fn skipped(test: &str, why: &str) {
    let line = format!("skipped: {test}: {why}\n");
    let _ = std::io::stdout().write_all(line.as_bytes());
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root() && HostFacts::probe().unwrap().initial_user_namespace
}

/// A plan under construction. Each step comes from the field `step[INDEX]`, so that errors tell which one it was.
struct Script {
    plan: Plan,
    given: Vec<(Slot, Fd)>,
    console: Console,
    standard: [Option<Fd>; 3],
}

impl Script {
    /// A child in the namespaces of the tests.
    fn outside() -> Script {
        let mut script = Script {
            plan: Plan::default(),
            given: Vec::new(),
            console: Console::None,
            standard: [const { None }; 3],
        };
        script.runtime(RuntimeStep::StartChild { namespaces: 0 });
        script
    }

    /// A child that is root of a new user namespace, in new namespaces of these types.
    fn inside(flags: u64) -> Script {
        let mut script = Script::outside();
        script.child(Unshare { flags: NEWUSER });
        script.runtime(RuntimeStep::MapIds(own_ids()));
        script.child(BecomeRoot {});
        if flags != 0 {
            script.child(Unshare { flags });
        }
        if flags & (NEWPID | NEWTIME) != 0 {
            script.child(Fork {});
            script.runtime(RuntimeStep::RecordProcess);
        }
        script
    }

    /// As [`Script::inside`], with a mount namespace and this directory as the root that paths count from.
    fn below(root: &Folder) -> Script {
        let mut script = Script::inside(NEWNS);
        let path = script.text(root.path());
        script.child(OpenRoot {
            path,
            private_parent: false,
            only_open: false,
        });
        script
    }

    fn add(&mut self, step: Step) -> u32 {
        let index = self.plan.entries.len();
        let from = ConfigPath::of("step").index(index);
        self.plan.entries.push(Entry { step, from });
        index as u32
    }

    fn child(&mut self, step: impl Into<ChildStep>) -> u32 {
        self.add(Step::Child(step.into()))
    }

    fn runtime(&mut self, step: RuntimeStep) -> u32 {
        self.add(Step::Runtime(step))
    }

    fn bytes(&mut self, bytes: &[u8]) -> Span {
        let start = self.plan.text.len() as u32;
        self.plan.text.extend_from_slice(bytes);
        self.plan.text.push(0);
        Span {
            start,
            length: bytes.len() as u32,
        }
    }

    fn text(&mut self, text: impl AsRef<str>) -> Span {
        self.bytes(text.as_ref().as_bytes())
    }

    fn strings(&mut self, strings: &[&str]) -> Strings {
        let start = self.plan.text.len() as u32;
        for string in strings {
            self.text(string);
        }
        Strings {
            start,
            length: self.plan.text.len() as u32 - start,
        }
    }

    fn give(&mut self, slot: Slot, fd: Fd) {
        self.given.push((slot, fd));
    }

    /// Ends the plan with a program.
    fn execute(&mut self, arguments: &[&str]) -> u32 {
        let (name, path) = (self.text(arguments[0]), self.text("/usr/bin:/bin"));
        let (arguments, environment) = (self.strings(arguments), self.strings(&["LC_ALL=C"]));
        self.child(FindProgram {
            name,
            path,
            arguments,
            environment,
        });
        self.child(Execute {
            arguments,
            environment,
            prints_failure: false,
        })
    }

    fn walk(self, fence: Option<super::fence::Ends>) -> (Result<Performed, Error>, Seen) {
        let fd = file::memory_file(c"tare-report", false).unwrap();
        file::set_length(fd.borrow(), init::report::LENGTH as u64).unwrap();
        let report = file::duplicate_above(fd.borrow(), 3).unwrap();
        let store = Store::open("/nonexistent").unwrap();
        let given = Given {
            store: &store,
            report: fd,
            fence,
            console: self.console,
            cgroup: None,
            resctrl: None,
            preserve_fds: 0,
            standard: self
                .standard
                .each_ref()
                .map(|fd| fd.as_ref().map(Fd::borrow)),
            inputs: self.given,
            state: None,
            run_hook: None,
        };
        let answer = walk(&self.plan, given, &mut |_| Ok(()));
        (answer, Seen::in_file(report.borrow()).unwrap())
    }

    /// Walks the plan up to a fence behind the last step: everything must succeed.
    fn waits(mut self) -> Waiting {
        self.child(AwaitStart { slot: FENCE });
        let words = self.plan.clone();
        let (answer, report) = self.walk(Some(fence()));
        match answer {
            Ok(performed) => Waiting { performed },
            Err(error) => panic!("{error} ({:?}) in\n{words}", report.fault),
        }
    }

    /// Walks the plan: the step `index` must fail like this, by what the page says and what the error says.
    fn fails(mut self, index: u32, call: Call, errno: Errno) {
        let last = self.plan.entries.last().map(|entry| &entry.step);
        if !matches!(last, Some(Step::Child(ChildStep::Execute(_)))) {
            self.child(AwaitStart { slot: FENCE });
        }
        let words = self.plan.describe(index as usize);
        let (answer, report) = self.walk(None);
        let expected = Fault { call, errno };
        assert_eq!(
            (report.step, report.fault),
            (Some(index), Some(expected)),
            "{words}: {:?}",
            answer.err()
        );
        match answer {
            Err(Error::Step { at, fault, .. }) => {
                assert_eq!(at.to_string(), format!("step[{index}]"));
                assert_eq!(fault, expected);
            }
            other => panic!("{words}: {:?}", other.err()),
        }
    }

    /// Walks the plan and then a program, and returns what that wrote.
    fn output(mut self, arguments: &[&str]) -> String {
        let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap();
        self.standard = [None, Some(write.into()), None];
        self.execute(arguments);
        let words = self.plan.clone();
        let (answer, report) = self.walk(None);
        let performed =
            answer.unwrap_or_else(|error| panic!("{error} ({:?}) in\n{words}", report.fault));
        let mut output = String::new();
        fs::File::from(read).read_to_string(&mut output).unwrap();
        let exit = process::wait(performed.child.pidfd.borrow(), true).unwrap();
        assert_eq!(exit, Some(process::Exit::Code(0)), "{output}");
        output
    }
}

/// One byte is in the pipe, and there is room for no more: see the step `AwaitStart`.
fn fence() -> super::fence::Ends {
    let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap();
    let (read, write) = (Fd::from(read), Fd::from(write));
    file::set_pipe_size(write.borrow(), 4096).unwrap();
    file::write(write.borrow(), b"r").unwrap();
    (read, Some(write))
}

/// As root many ids, else only the caller's.
fn own_ids() -> IdMaps {
    let line = |host_id, size| {
        vec![IdMapping {
            container_id: 0,
            host_id,
            size,
        }]
    };
    if is_root() {
        return IdMaps {
            uids: line(0, 1000),
            gids: line(0, 1000),
            ..IdMaps::default()
        };
    }
    IdMaps {
        uids: line(nix::unistd::geteuid().as_raw(), 1),
        gids: line(nix::unistd::getegid().as_raw(), 1),
        deny_setgroups: true,
        ..IdMaps::default()
    }
}

/// A child that has done all its steps and waits to be looked at. It ends with this.
struct Waiting {
    performed: Performed,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let pidfd = self.performed.child.pidfd.borrow();
        let _ = process::signal(pidfd, nix::libc::SIGKILL);
        let _ = process::wait(pidfd, true);
    }
}

impl Waiting {
    /// A file of the process in procfs.
    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.performed.child.pid))
    }

    fn read(&self, name: &str) -> String {
        let path = self.path(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// A line of proc_pid_status(5).
    fn status(&self, name: &str) -> String {
        let status = self.read("status");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("no {name} in {status}"))
            .trim()
            .to_owned()
    }

    /// A field of proc_pid_stat(5) by its number there.
    fn stat(&self, number: usize) -> i64 {
        let stat = self.read("stat");
        let (_, after_name) = stat.rsplit_once(')').unwrap();
        let field = after_name.split_whitespace().nth(number - 3).unwrap();
        field.parse().unwrap()
    }

    /// What a namespace of the process is.
    fn namespace(&self, name: &str) -> PathBuf {
        fs::read_link(self.path("ns").join(name)).unwrap()
    }

    /// The line of proc_pid_mountinfo(5) of the topmost mount at this place.
    fn mount(&self, place: impl AsRef<Path>) -> String {
        let place = place.as_ref().to_str().unwrap();
        let mounts = self.read("mountinfo");
        let mut lines = mounts
            .lines()
            .filter(|line| line.split(' ').nth(4) == Some(place));
        lines
            .next_back()
            .unwrap_or_else(|| panic!("nothing mounted at {place}:\n{mounts}"))
            .to_owned()
    }

    /// A file as the process sees it.
    fn seen(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.path("root")
            .join(path.strip_prefix("/").unwrap_or(path))
    }
}

/// A directory of a test's own that goes with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tare-steps-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        // The name without links in it, as mountinfo shows it.
        Folder(path.canonicalize().unwrap())
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    fn join(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    fn directory(&self, path: &str) -> PathBuf {
        let path = self.join(path);
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn file(&self, path: &str, content: &str) -> PathBuf {
        let path = self.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
