//! Steps that concern the program and how it is scheduled.

use init::step::{
    Affinity, Directory, EnterRoot, Execute, FindHome, FindProgram, IoPriority, Label, Limit,
    MakeDirectory, MemoryPolicy, NoProgram, Personality, Scheduler, Seccomp,
};
use kernel::scheduling;

use super::*;

/// A filter as the planner makes it.
fn filter(json: &str) -> Vec<u8> {
    let text = format!("{{\"linux\":{{\"seccomp\":{json}}}}}");
    let spec = spec::Spec::parse(&text).unwrap();
    let profile = spec.linux.unwrap().seccomp.unwrap();
    let filter = seccomp::compile(&profile, &seccomp::Support::default()).unwrap();
    filter.bytes()
}

/// From here on this call answers EPERM.
pub(super) fn refusing(script: &mut Script, call: &str) {
    let bytes = filter(&format!(
        r#"{{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{{"names":["{call}"],"action":"SCMP_ACT_ERRNO"}}]}}"#
    ));
    let program = script.bytes(&bytes);
    script.child(Seccomp {
        program,
        flags: 0,
        listener: Slot::numbered(150),
    });
}

#[test]
fn seccomp() {
    let mut script = Script::inside(0);
    refusing(&mut script, "ptrace");
    assert_eq!(script.waits().status("Seccomp"), "2");
    let mut script = Script::inside(0);
    let program = script.bytes(&[0xff; 16]);
    let index = script.child(Seccomp {
        program,
        flags: 0,
        listener: Slot::numbered(150),
    });
    script.fails(index, Call::Seccomp, Errno::EINVAL);
    // Neither rights nor no_new_privs.
    let mut script = Script::inside(0);
    super::identity::without_capabilities(&mut script);
    refusing(&mut script, "ptrace");
    let index = script.plan.entries.len() as u32 - 1;
    script.fails(index, Call::Seccomp, Errno::EACCES);
}

#[test]
fn affinity() {
    let step = |script: &mut Script, mask: &[u8]| {
        let (mask, list) = (script.bytes(mask), script.text("in a test"));
        script.child(Affinity { mask, list })
    };
    let mut script = Script::outside();
    let first = allowed_processors();
    let mut mask = [0u8; 128];
    mask[first / 8] = 1 << (first % 8);
    step(&mut script, &mask);
    assert_eq!(
        script.waits().status("Cpus_allowed_list"),
        first.to_string()
    );
    let mut script = Script::outside();
    let index = step(&mut script, &[0; 128]);
    script.fails(index, Call::SchedSetaffinity, Errno::EINVAL);
}

/// The first processor that the tests may use.
fn allowed_processors() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let list = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let first = list.unwrap().trim().split(['-', ',']).next().unwrap();
    first.parse().unwrap()
}

#[test]
fn scheduler() {
    let step = |policy| Scheduler {
        policy,
        nice: 5,
        priority: 0,
        flags: 0,
        runtime: 0,
        deadline: 0,
        period: 0,
    };
    let mut script = Script::outside();
    script.child(step(3));
    let waiting = script.waits();
    // Field 41 is the policy (SCHED_BATCH), field 19 the nice value.
    assert_eq!((waiting.stat(41), waiting.stat(19)), (3, 5));
    let mut script = Script::outside();
    let index = script.child(step(99));
    script.fails(index, Call::SchedSetattr, Errno::EINVAL);
}

#[test]
fn io_priority() {
    let right = || {
        let mut script = Script::outside();
        script.child(IoPriority { class: 2, level: 7 });
        script
    };
    drop(right().waits());
    if ["/usr/bin/ionice", "/bin/ionice"]
        .iter()
        .any(|path| Path::new(path).exists())
    {
        let shown = right().output(&["ionice"]);
        assert_eq!(shown.trim(), "best-effort: prio 7");
    } else {
        skipped(
            "io_priority",
            "the effect is seen by ionice only, which is not installed",
        );
    }
    let mut script = Script::outside();
    let index = script.child(IoPriority { class: 7, level: 0 });
    script.fails(index, Call::IoprioSet, Errno::EINVAL);
}

#[test]
fn memory_policy() {
    let step = |script: &mut Script, mode| {
        let (nodes, words) = (
            script.bytes(&[1, 0, 0, 0, 0, 0, 0, 0]),
            script.text("in a test"),
        );
        script.child(MemoryPolicy { mode, nodes, words })
    };
    let mut script = Script::outside();
    step(&mut script, 2);
    if !Path::new("/proc/self/numa_maps").exists() {
        return skipped("memory_policy", "the kernel has no NUMA support");
    }
    let maps = script.waits().read("numa_maps");
    assert!(maps.contains("bind:0"), "{maps}");
    let mut script = Script::outside();
    let index = step(&mut script, 99);
    script.fails(index, Call::SetMempolicy, Errno::EINVAL);
}

#[test]
fn personality() {
    let mut script = Script::outside();
    script.child(Personality { persona: 8 });
    assert_eq!(script.waits().read("personality"), "00000008\n");
    let mut script = Script::inside(0);
    refusing(&mut script, "personality");
    let index = script.child(Personality { persona: 8 });
    script.fails(index, Call::Personality, Errno::EPERM);
}

#[test]
fn limit() {
    let step = |soft, hard| Limit {
        resource: 7,
        soft,
        hard,
    };
    let mut script = Script::outside();
    script.child(step(100, 200));
    let limits = script.waits().read("limits");
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let numbers: Vec<&str> = line.split_whitespace().skip(3).take(2).collect();
    assert_eq!(numbers, ["100", "200"]);
    assert_ne!(scheduling::limit(7).unwrap().0, 100, "the tests' own");
    let mut script = Script::outside();
    let index = script.child(step(200, 100));
    script.fails(index, Call::Prlimit, Errno::EINVAL);
}

#[test]
fn label() {
    // Any file of the thread will do to see that the write arrives.
    let step = |script: &mut Script, path: &str, older: &str| {
        let (path, older, value) = (
            script.text(path),
            script.text(older),
            script.text("labelled"),
        );
        script.child(Label { path, older, value })
    };
    for (path, older) in [
        ("thread-self/comm", ""),
        ("thread-self/nosuch", "thread-self/comm"),
    ] {
        let mut script = Script::outside();
        step(&mut script, path, older);
        assert_eq!(script.waits().read("comm"), "labelled\n");
    }
    let mut script = Script::outside();
    let index = step(&mut script, "thread-self/nosuch", "");
    script.fails(index, Call::Openat2, Errno::ENOENT);
    // Links lead out of procfs.
    let mut script = Script::outside();
    let index = step(&mut script, "thread-self/root/etc/hostname", "");
    script.fails(index, Call::Openat2, Errno::ELOOP);
}

#[test]
fn directory() {
    let folder = Folder::new();
    let step = |script: &mut Script, path: &str, again| {
        let path = script.text(path);
        script.child(Directory { path, again })
    };
    let mut script = Script::outside();
    step(&mut script, folder.path(), false);
    // The second attempt is only made when the first was refused.
    step(&mut script, "/nosuch", true);
    assert_eq!(fs::read_link(script.waits().path("cwd")).unwrap(), folder.0);
    let mut script = Script::outside();
    let index = step(&mut script, "/nosuch", false);
    script.fails(index, Call::Chdir, Errno::ENOENT);
}

/// A descriptor of the host's that was left open must not become the working directory (CVE-2024-21626).
#[test]
fn directory_outside_the_root() {
    let root = Folder::new();
    root.directory("proc");
    let mut script = Script::below(&root);
    // The child gets it under the number that it has here.
    let way_out = file::open_at(file::HERE, c"/", file::open::PATH, 0).unwrap();
    let path = script.text(format!("/proc/self/fd/{}", way_out.raw()));
    script.give(NINE, way_out);
    let proc = script.text("/proc");
    script.child(super::mounts::bind(proc, proc));
    script.child(EnterRoot { shared: false });
    let index = script.child(Directory { path, again: false });
    script.fails(index, Call::Getcwd, Errno::ENOENT);
}

#[test]
fn make_directory() {
    let root = Folder::new();
    let step = |script: &mut Script, path: &str| {
        let path = script.text(path);
        script.child(MakeDirectory { path })
    };
    let mut script = Script::below(&root);
    step(&mut script, "/a/../b/c");
    drop(script.waits());
    assert!(root.join("b/c").is_dir());
    let mut script = Script::below(&root);
    let index = step(&mut script, &format!("/{}", "x".repeat(300)));
    script.fails(index, Call::Openat2, Errno::ENAMETOOLONG);
}

#[test]
fn find_home() {
    let root = Folder::new();
    root.file("etc/passwd", "root:x:0:0::/here:/bin/sh\n");
    for (uid, home) in [(0, "/here"), (5, "/")] {
        let mut script = Script::below(&root);
        script.child(FindHome { uid });
        assert_eq!(script.output(&["env"]), format!("LC_ALL=C\nHOME={home}\n"));
    }
    // What is not a passwd file is as good as none, and nobody waits for a writer.
    let root = Folder::new();
    root.directory("etc");
    nix::unistd::mkfifo(&root.join("etc/passwd"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut script = Script::below(&root);
    script.child(FindHome { uid: 0 });
    assert_eq!(script.output(&["env"]), "LC_ALL=C\nHOME=/\n");
}

#[test]
fn find_program() {
    let folder = Folder::new();
    folder.file("plain", "no program");
    folder.directory("directory");
    let step = |script: &mut Script, name: &str, path: &str| {
        let (name, path) = (script.text(name), script.text(path));
        let (arguments, environment) = (script.strings(&[]), script.strings(&[]));
        script.child(FindProgram {
            name,
            path,
            arguments,
            environment,
        })
    };
    let mut script = Script::outside();
    step(&mut script, "cat", "/nosuch:/usr/bin:/bin");
    drop(script.waits());
    let plain = format!("{}/plain", folder.path());
    let directory = format!("{}/directory", folder.path());
    for (name, call, errno) in [
        ("nosuch", Call::Execve, Errno::ENOENT),
        ("/nosuch/program", Call::Openat, Errno::ENOENT),
        (plain.as_str(), Call::Access, Errno::EACCES),
        (directory.as_str(), Call::Execve, Errno::EISDIR),
    ] {
        let mut script = Script::outside();
        let index = step(&mut script, name, "/usr/bin:/bin");
        script.fails(index, call, errno);
    }
}

#[test]
fn execute() {
    let script = Script::outside();
    assert_eq!(
        script.output(&["sh", "-c", "echo $0 $1 $LC_ALL", "zero", "one"]),
        "zero one C\n"
    );
    let folder = Folder::new();
    let path = folder.file("script", "#!/nosuch/interpreter\n");
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let mut script = Script::outside();
    let index = script.execute(&[path.to_str().unwrap()]);
    script.fails(index, Call::Execve, Errno::ENOENT);
    // Without a program or arguments there is nothing to execute.
    let mut script = Script::outside();
    let (arguments, environment) = (script.strings(&[]), script.strings(&[]));
    let index = script.child(Execute {
        arguments,
        environment,
        prints_failure: false,
    });
    script.fails(index, Call::Execve, Errno::EINVAL);
}

#[test]
fn no_program() {
    let mut script = Script::outside();
    let index = script.child(NoProgram {});
    script.fails(index, Call::Execve, Errno::EINVAL);
}

/// What is opened in a program without standard streams gets their numbers, and must not be taken for them.
#[test]
fn execute_without_standard_streams() {
    const CLOSED: &str = "TARE_TEST_STREAMS_CLOSED";
    if std::env::var_os(CLOSED).is_none() {
        // In a process of its own: the tests here are threads of one.
        let name = "perform::tests::program::execute_without_standard_streams";
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", name]).env(CLOSED, "yes");
        assert!(again.status().unwrap().success());
        return;
    }
    let root = Folder::new();
    for stream in 0..3 {
        nix::unistd::close(stream).unwrap();
    }
    let script = Script::below(&root);
    assert_eq!(script.output(&["sh", "-c", "echo out"]), "out\n");
    let (ours, theirs) = kernel::socket::pair().unwrap();
    assert_eq!((ours.raw(), theirs.raw()), (0, 1));
}
