//! Whoever may write the memory of a container's waiting init, as a neighbour in the same pid namespace with CAP_SYS_PTRACE
//! may, decides for nobody else's container and for no stranger's process.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use harness::{Container, Sandbox, cases, wait_until};

cases![
    privileged_a_forged_report_names_no_stranger,
    privileged_nonsense_in_the_report_harms_only_its_writer,
    privileged_init_cannot_reach_the_record,
];

/// A process that has nothing to do with containers.
struct Stranger(harness::Running);

impl Stranger {
    fn new(sandbox: &Sandbox) -> Stranger {
        Stranger(sandbox.command("sleep").arg("1000").spawn())
    }

    fn pid(&self) -> i32 {
        self.0.pid().as_raw()
    }

    fn lives(&mut self) -> bool {
        self.0.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.child.kill();
        let _ = self.0.child.wait();
    }
}

/// Where the waiting init has its report.
fn report_page(pid: i32) -> u64 {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let line = maps
        .lines()
        .find(|line| line.ends_with("/report"))
        .expect("init has the report mapped");
    u64::from_str_radix(line.split('-').next().unwrap(), 16).unwrap()
}

/// Writes to the whole page, past what is the end of the file, and checks that it was written.
fn scribble(pid: i32, from: usize, words: &[u32]) {
    let memory = File::options()
        .read(true)
        .write(true)
        .open(format!("/proc/{pid}/mem"))
        .unwrap();
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let at = report_page(pid) + 4 * from as u64;
    memory.write_all_at(&bytes, at).unwrap();
    let mut back = vec![0; bytes.len()];
    memory.read_exact_at(&mut back, at).unwrap();
    assert_eq!(back, bytes);
}

/// The stranger's number and identity at every place where they might be looked for.
fn name_in(container: &Container<'_>, stranger: i32) {
    let pidfd = kernel::process::open(stranger).unwrap();
    let inode = kernel::file::status(pidfd.borrow()).unwrap().inode;
    let (pid, low, high) = (stranger as u32, inode as u32, (inode >> 32) as u32);
    scribble(container.pid, 5, &[pid, low, high]);
    scribble(container.pid, 8, &[pid, low, high, pid, low, high, pid, 0]);
}

fn privileged_a_forged_report_names_no_stranger() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("sleep 1000");
    let mut stranger = Stranger::new(&sandbox);
    let container = sandbox.create(&bundle, "killed");
    name_in(&container, stranger.pid());
    assert_eq!(container.state()["pid"], container.pid);
    container.kill("KILL").ok();
    assert_eq!(container.wait(), 137);
    assert!(stranger.lives(), "kill ended the stranger");
    container.delete().ok();

    let container = sandbox.create(&bundle, "deleted");
    name_in(&container, stranger.pid());
    container.force_delete();
    assert_eq!(container.wait(), 137);
    assert!(stranger.lives(), "delete --force ended the stranger");

    let container = sandbox.create(&bundle, "entered");
    name_in(&container, stranger.pid());
    let mine = fs::read_link(format!("/proc/{}/ns/mnt", container.pid)).unwrap();
    let pid = container.exec_detached("sleep 1000");
    let its = fs::read_link(format!("/proc/{pid}/ns/mnt")).unwrap();
    assert_eq!(mine, its, "exec joined another's namespaces");
    let pid = nix::unistd::Pid::from_raw(pid);
    nix::sys::signal::kill(pid, nix::sys::signal::SIGKILL).unwrap();
    nix::sys::wait::waitpid(pid, None).unwrap();
    container.force_delete();
    container.wait();
}

fn privileged_nonsense_in_the_report_harms_only_its_writer() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("sleep 1000");
    for (number, word) in [0, 1, 0x7fff_ffff, 0x8000_0000, 0x80ff_ffff, u32::MAX]
        .into_iter()
        .enumerate()
    {
        let mut stranger = Stranger::new(&sandbox);
        let container = sandbox.create(&bundle, &format!("c{number}"));
        scribble(container.pid, 0, &[word; 16]);
        // Any status, but its own process.
        assert_eq!(container.state()["pid"], container.pid, "{word:#x}");
        sandbox.runtime(["list"]).output().ok();
        container.call("start", &[] as &[&str]).output();
        container.force_delete();
        wait_until("the end", || {
            !fs::exists(format!("/proc/{}/ns/pid", container.pid)).unwrap()
                || fs::read_to_string(format!("/proc/{}/stat", container.pid))
                    .is_ok_and(|stat| stat.contains(") Z "))
        });
        container.wait();
        assert!(stranger.lives());
    }
}

fn privileged_init_cannot_reach_the_record() {
    let sandbox = Sandbox::new();
    let container = sandbox.create(&sandbox.bundle(), "a");
    let maps = fs::read_to_string(format!("/proc/{}/maps", container.pid)).unwrap();
    assert!(!maps.contains("state.json"), "{maps}");
    for entry in fs::read_dir(format!("/proc/{}/fd", container.pid)).unwrap() {
        let target = fs::read_link(entry.unwrap().path()).unwrap();
        let target = target.to_string_lossy().into_owned();
        for name in ["state.json", "/report", "config.json"] {
            assert!(!target.ends_with(name), "{target}");
        }
    }
}
