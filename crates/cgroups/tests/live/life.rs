//! Making, entering, killing, freezing, removing.

use tare_cgroups::{Error, Group, Settings};

use crate::sandbox::{Process, Sandbox, eventually, read, resolve, skip};

#[test]
fn a_cgroup_is_made_entered_killed_and_removed_everywhere() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let mut group = sandbox.create(&Settings::default());
    let mut process = Process::sleeping();
    group.place(process.id()).unwrap();
    for path in sandbox.paths() {
        assert!(path.is_dir(), "{}", path.display());
    }
    let membership = std::fs::read_to_string(format!("/proc/{}/cgroup", process.id())).unwrap();
    let member = membership
        .lines()
        .filter(|line| line.contains(&sandbox.name))
        .count();
    assert_eq!(member, sandbox.host.hierarchies().len(), "{membership}");
    assert_eq!(group.processes().unwrap(), [process.id()]);
    group.kill(9).unwrap();
    assert!(process.is_dead_soon());
    group.remove().unwrap();
    for path in sandbox.paths() {
        assert!(!path.exists(), "{}", path.display());
    }
    // Again, when it is gone already.
    let group = sandbox.open();
    assert!(group.is_none());
    assert!(group.processes().unwrap().is_empty());
    group.kill(9).unwrap();
    group.remove().unwrap();
}

#[test]
fn nested_cgroups_are_listed_killed_and_removed() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let mut group = sandbox.create(&Settings::default());
    let outer = Process::sleeping();
    group.place(outer.id()).unwrap();
    let mut inner = Process::sleeping();
    for path in sandbox.paths() {
        std::fs::create_dir_all(path.join("a/b")).unwrap();
        std::fs::create_dir_all(path.join("c")).unwrap();
        if path.join("cpuset.cpus").exists() && !sandbox.is_v2("cpuset") {
            for below in ["a", "a/b"] {
                for file in ["cpuset.cpus", "cpuset.mems"] {
                    std::fs::write(
                        path.join(below).join(file),
                        std::fs::read(path.join(file)).unwrap(),
                    )
                    .unwrap();
                }
            }
        }
    }
    group
        .sub(&sandbox.below("a/b"))
        .unwrap()
        .place(inner.id())
        .unwrap();
    let mut expected = [outer.id(), inner.id()];
    expected.sort();
    assert_eq!(group.processes().unwrap(), expected);
    group.kill(9).unwrap();
    assert!(inner.is_dead_soon());
    group.remove().unwrap();
}

#[test]
fn a_populated_or_frozen_cgroup_is_refused_and_left_alone() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let mut group = sandbox.create(&Settings::default());
    let process = Process::sleeping();
    group.place(process.id()).unwrap();
    assert_eq!(
        sandbox.refusal(),
        "container's cgroup is not empty: 1 process(es) found"
    );
    assert_eq!(group.processes().unwrap(), [process.id()]);
    drop(process);
    assert!(eventually(|| group.processes().unwrap().is_empty()));
    if sandbox.is_systemd() {
        // The scope went with its last process.
        return;
    }
    // Empty and thawed: it may be used again.
    drop(sandbox.create(&Settings::default()));
    group.freeze().unwrap();
    assert_eq!(sandbox.refusal(), "container's cgroup unexpectedly frozen");
    assert!(group.is_frozen().unwrap());
    group.thaw().unwrap();
    drop(sandbox.create(&Settings::default()));
}

/// Whoever may look at a cgroup can lock its directory, and the files that can be read: users, and containers that see the hierarchy.
#[test]
fn locks_of_onlookers_are_in_nobodys_way() {
    use std::os::fd::AsFd;
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    if sandbox.is_systemd() {
        skip!("systemd makes the cgroups");
    }
    let group = sandbox.create(&Settings::default());
    let paths = sandbox.paths();
    let files = paths.iter().map(|path| path.join("cgroup.procs"));
    let locks: Vec<_> = (paths.iter().cloned().chain(files))
        .map(|path| {
            let file = std::fs::File::open(path).unwrap();
            kernel::file::try_lock(kernel::BorrowedFd::from(file.as_fd())).unwrap();
            file
        })
        .collect();
    // As long as it is being made ready by somebody, nobody else can.
    let begin = std::time::Instant::now();
    assert_eq!(
        sandbox.refusal(),
        "container's cgroup is being made ready for another container"
    );
    assert!(begin.elapsed().as_secs() >= 3);
    drop(group);
    drop(sandbox.create(&Settings::default()));
    drop(locks);
}

/// It is taken from nobody who makes it ready.
#[test]
fn what_is_being_made_ready_is_not_removed() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    if sandbox.is_systemd() {
        skip!("systemd makes the cgroups");
    }
    let mut group = sandbox.create(&Settings::default());
    assert!(!sandbox.place.remove_if_empty());
    assert_eq!(sandbox.open().try_remove().unwrap(), Some(Vec::new()));
    assert!(sandbox.paths().iter().all(|path| path.exists()));
    let process = Process::sleeping();
    group.place(process.id()).unwrap();
    drop(process);
    assert!(eventually(|| group.processes().unwrap().is_empty()));
    assert!(sandbox.place.remove_if_empty());
}

/// Each of them has it for itself, or is told that somebody else has.
#[test]
fn many_who_make_and_remove_one_cgroup_do_each_other_no_harm() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    if sandbox.is_systemd() {
        skip!("systemd makes the cgroups");
    }
    let settings = sandbox.settings(r#"{"devices": [{"allow": false, "access": "rwm"}]}"#);
    let made = std::sync::atomic::AtomicU32::new(0);
    let use_it = || match Group::create(&sandbox.place, &settings) {
        Ok(mut group) => {
            let process = Process::sleeping();
            group.place(process.id()).unwrap();
            assert_eq!(group.processes().unwrap(), [process.id()]);
            drop(process);
            group.remove().unwrap();
            made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        Err(error) => {
            let error = error.to_string();
            assert!(error.starts_with("container's cgroup is "), "{error}");
            // As a failed maker does, and whoever deletes a container that has ended.
            sandbox.place.remove_if_empty();
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..200).for_each(|_| use_it()));
        }
    });
    assert!(made.into_inner() > 0);
}

/// As systemd does on v1 with the empty cgroups of a controller that its units cease to use.
#[test]
fn what_is_removed_before_a_process_is_inside_is_made_again() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    if sandbox.is_systemd() {
        skip!("systemd makes the cgroups");
    }
    let v1 = sandbox
        .place
        .paths()
        .filter(|(name, _)| !name.is_empty())
        .map(|(_, path)| path.to_owned())
        .collect::<std::collections::BTreeSet<_>>();
    if v1.is_empty() {
        skip!("there is no v1");
    }
    let limits = r#"{"pids": {"limit": 77}, "devices": [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 42, "minor": 7, "access": "r"}]}"#;
    let settings = sandbox.settings(limits);
    let check = |group: &Group, process: &Process| {
        for path in &v1 {
            let inside = read(path, "cgroup.procs");
            assert_eq!(inside, process.id().to_string(), "{}", path.display());
            if path.join("pids.max").exists() {
                assert_eq!(read(path, "pids.max"), "77");
            }
            if path.join("devices.list").exists() {
                let list = read(path, "devices.list");
                assert!(
                    list.contains("c 42:7 r") && !list.contains("a *:*"),
                    "{list}"
                );
            }
        }
        assert_eq!(group.processes().unwrap(), [process.id()]);
    };
    let all: Vec<_> = v1.iter().collect();
    for lost in all.chunks(1).chain([&all[..]]) {
        let mut group = sandbox.create(&settings);
        for path in lost {
            std::fs::remove_dir(path).unwrap();
        }
        let process = Process::sleeping();
        group.place(process.id()).unwrap();
        group.restrict(&settings).unwrap();
        check(&group, &process);
        // Who comes later goes where the first one has been moved.
        let seat = group.seat_for(process.id()).unwrap();
        for path in lost {
            let above = path.parent().unwrap();
            std::fs::write(above.join("cgroup.procs"), process.id().to_string()).unwrap();
            std::fs::remove_dir(path).unwrap();
        }
        let second = Process::sleeping();
        seat.place(second.id()).unwrap();
        let membership = |process: &Process| {
            std::fs::read_to_string(format!("/proc/{}/cgroup", process.id())).unwrap()
        };
        assert_eq!(membership(&second), membership(&process));
        drop((process, second));
        group.remove().unwrap();
    }
    for _ in 0..100 {
        let is_inside = std::sync::atomic::AtomicBool::new(false);
        let process = Process::sleeping();
        let group = std::thread::scope(|scope| {
            scope.spawn(|| {
                // Not for ever: on a slow machine whoever only removes is always sooner.
                for path in v1.iter().cycle().take(20 * v1.len()) {
                    if is_inside.load(std::sync::atomic::Ordering::Relaxed) {
                        break;
                    }
                    let _ = std::fs::remove_dir(path);
                    std::thread::sleep(std::time::Duration::from_micros(50));
                }
            });
            let made = Group::create(&sandbox.place, &settings);
            let made = made.and_then(|mut group| group.place(process.id()).map(|()| group));
            is_inside.store(true, std::sync::atomic::Ordering::Relaxed);
            made.unwrap()
        });
        group.restrict(&settings).unwrap();
        check(&group, &process);
        drop(process);
        group.remove().unwrap();
    }
}

const MAKER: &str = "TARE_TEST_MAKER";

/// Not a test by itself: makes a cgroup of that name, and says what has come of it.
#[test]
fn maker() {
    let Ok(name) = std::env::var(MAKER) else {
        return;
    };
    let host = tare_cgroups::Host::probe().unwrap();
    let made = Group::create(&resolve(&host, &name), &Settings::default());
    println!("made: {:?}", made.map(drop).map_err(|e| e.to_string()));
}

/// Between the directory that is made and the one that is claimed there is time for others, who find it there and use it.
#[test]
fn a_new_cgroup_that_others_have_come_into_is_refused() {
    use std::process::{Command, Stdio};
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    if sandbox.is_systemd() {
        skip!("systemd makes the cgroups");
    }
    let first = (sandbox.place.paths()).find(|(name, _)| *name == "devices");
    let first = first.or_else(|| sandbox.place.paths().find(|(name, _)| name.is_empty()));
    let (_, first) = first.unwrap();
    let maker = Command::new("strace")
        .args(["-f", "-o", "/dev/null", "-e", "trace=mkdirat", "-P"])
        .arg(first)
        .args(["-e", "inject=mkdirat:delay_exit=1000000:when=1"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "life::maker", "--nocapture"])
        .env(MAKER, &sandbox.name)
        .stdout(Stdio::piped())
        .spawn();
    let Ok(maker) = maker else {
        skip!("no strace");
    };
    if !eventually(|| first.exists()) {
        let output = maker.wait_with_output().unwrap();
        skip!("nobody can be traced here: {}", output.status);
    }
    let mut group = sandbox.create(&Settings::default());
    let process = Process::sleeping();
    group.place(process.id()).unwrap();
    let output = maker.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("cgroup is not empty"), "{said}");
    assert_eq!(group.processes().unwrap(), [process.id()]);
    drop(process);
    group.remove().unwrap();
}

#[test]
fn a_frozen_process_stands_still_and_can_be_killed() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let mut group = sandbox.create(&Settings::default());
    let mut process = Process::start("while :; do :; done");
    group.place(process.id()).unwrap();
    let ticks = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap();
        stat.rsplit(' ')
            .nth(52 - 14)
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    assert!(!group.is_frozen().unwrap());
    group.freeze().unwrap();
    assert!(group.is_frozen().unwrap());
    let before = ticks();
    std::thread::sleep(std::time::Duration::from_millis(60));
    assert_eq!(ticks(), before);
    group.thaw().unwrap();
    assert!(!group.is_frozen().unwrap());
    assert!(eventually(|| ticks() > before));
    group.freeze().unwrap();
    group.kill(9).unwrap();
    assert!(process.is_dead_soon());
}

/// On a hybrid host the freezer of v2 stands in for that of v1: whoever only looks must see it, or nobody lets the container go on.
#[test]
fn what_is_frozen_without_the_freezer_of_v1_is_seen_to_be() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let mut group = sandbox.create(&Settings::default());
    let process = Process::sleeping();
    group.place(process.id()).unwrap();
    let has = |file: &str| {
        sandbox
            .paths()
            .into_iter()
            .find(|path| path.join(file).exists())
    };
    let (Some(lost), Some(_)) = (has("freezer.state"), has("cgroup.freeze")) else {
        skip!("no freezers of both versions");
    };
    let above = lost.parent().unwrap();
    std::fs::write(above.join("cgroup.procs"), process.id().to_string()).unwrap();
    std::fs::remove_dir(&lost).unwrap();
    let place = resolve(&sandbox.host, &sandbox.name);
    assert!(!place.is_frozen().unwrap());
    sandbox.open().freeze().unwrap();
    assert!(place.is_frozen().unwrap());
    sandbox.open().thaw().unwrap();
    assert!(!place.is_frozen().unwrap());
}

#[test]
fn other_signals_reach_everybody_once() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let mut group = sandbox.create(&Settings::default());
    let mut all: Vec<Process> = (0..5).map(|_| Process::sleeping()).collect();
    for process in &all {
        group.place(process.id()).unwrap();
    }
    group.kill(15).unwrap();
    assert!(!group.is_frozen().unwrap());
    for process in &mut all {
        assert!(process.is_dead_soon());
    }
}

#[test]
fn a_cgroup_with_processes_is_not_removed() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let mut group = sandbox.create(&Settings::default());
    let process = Process::sleeping();
    group.place(process.id()).unwrap();
    let error = group.remove().unwrap_err();
    assert!(matches!(error, Error::Busy { processes: 1, .. }), "{error}");
    drop(process);
    sandbox.open().remove().unwrap();
}

#[test]
fn zombies_do_not_keep_a_cgroup() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let mut group = sandbox.create(&Settings::default());
    let zombie = Process::sleeping();
    group.place(zombie.id()).unwrap();
    group.kill(9).unwrap();
    // Not waited for.
    group.remove().unwrap();
    drop(zombie);
}

/// A unit of the container's name that has failed and was never forgotten does not stand in the way.
#[test]
fn a_unit_that_is_left_is_reclaimed() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    if !sandbox.is_systemd() {
        skip!("units are systemd's");
    }
    let user = sandbox.place.driver() == tare_cgroups::Driver::Systemd { user: true };
    let unit = sandbox.place.unit().unwrap();
    let systemctl = |arguments: &[&str]| {
        let mut command = std::process::Command::new("systemctl");
        let command = command.args(user.then_some("--user")).args(arguments);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let mut command = std::process::Command::new("systemd-run");
    let failed = command
        .args(user.then_some("--user"))
        .args([
            "--quiet",
            "--scope",
            "--property=RuntimeMaxSec=1",
            "--unit",
            unit,
        ])
        .args(["sleep", "1000"])
        .status()
        .unwrap();
    assert!(!failed.success());
    let state = || systemctl(&["show", "--property=ActiveState", unit]);
    assert!(
        eventually(|| state().trim() == "ActiveState=failed"),
        "{}",
        state()
    );
    let mut group = sandbox.create(&Settings::default());
    let process = Process::sleeping();
    group.place(process.id()).unwrap();
    assert_eq!(state().trim(), "ActiveState=active");
    assert_eq!(group.processes().unwrap(), [process.id()]);
    group.kill(9).unwrap();
    group.remove().unwrap();
    let left = systemctl(&["list-units", "--all", "--plain", "--no-legend", unit]);
    assert_eq!(left, "");
}

#[test]
fn further_processes_enter_beside_init_or_below() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let mut group = sandbox.create(&Settings::default());
    let init = Process::sleeping();
    group.place(init.id()).unwrap();
    let second = Process::sleeping();
    group.seat().unwrap().place(second.id()).unwrap();
    assert_eq!(group.processes().unwrap().len(), 2);
    for path in sandbox.paths() {
        std::fs::create_dir(path.join("inner")).unwrap();
        for file in ["cpuset.cpus", "cpuset.mems"] {
            if path.join(file).exists() && !sandbox.is_v2("cpuset") {
                std::fs::write(
                    path.join("inner").join(file),
                    std::fs::read(path.join(file)).unwrap(),
                )
                .unwrap();
            }
        }
    }
    let inner = group.sub(&sandbox.below("inner")).unwrap();
    inner.place(init.id()).unwrap();
    let third = Process::sleeping();
    group.beside(init.id()).unwrap().place(third.id()).unwrap();
    let of = |process: &Process| {
        std::fs::read_to_string(format!("/proc/{}/cgroup", process.id())).unwrap()
    };
    assert_eq!(of(&third), of(&init));
    assert_ne!(of(&second), of(&init));
    let fourth = Process::sleeping();
    let single = sandbox.host.hierarchies().len() == 1;
    let arguments = if single {
        vec!["inner"]
    } else {
        vec!["freezer,pids:inner"]
    };
    group.sub(&arguments).unwrap().place(fourth.id()).unwrap();
    assert!(of(&fourth).contains("/inner"), "{}", of(&fourth));
    let wrong = if single { "../x" } else { "pids:../x" };
    let error = group.sub(&[wrong]).unwrap_err().to_string();
    assert!(error.starts_with("bad sub cgroup path"), "{error}");
    if !single {
        let error = group.sub(&["nosuch:x"]).unwrap_err().to_string();
        assert!(error.starts_with("unknown controller nosuch"), "{error}");
    }
    assert!(
        group
            .sub(&[if single { "missing" } else { "pids:missing" }])
            .is_err()
    );
    group.kill(9).unwrap();
}

#[test]
fn a_delegated_cgroup_belongs_to_the_user_but_its_limits_do_not() {
    use std::os::unix::fs::MetadataExt;
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    if sandbox.paths().len() > 1 {
        skip!("delegating is for v2");
    }
    if kernel::identity::user() != 0 {
        skip!("giving to another user takes privileges");
    }
    let mut group = sandbox.create(&Settings::default());
    let process = Process::sleeping();
    group.place(process.id()).unwrap();
    group.delegate(12345).unwrap();
    let path = &sandbox.paths()[0];
    let owner = |file: &str| std::fs::metadata(path.join(file)).unwrap().uid();
    for file in [
        "",
        "cgroup.procs",
        "cgroup.subtree_control",
        "cgroup.threads",
    ] {
        assert_eq!(owner(file), 12345, "{file}");
    }
    assert_eq!(owner("cgroup.freeze"), 0);
}
