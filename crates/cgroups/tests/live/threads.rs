//! What v2 demands of its tree: domains and threads, and processes in the leaves only (cgroups(7)).

use tare_cgroups::{Driver, Group, Place, Settings, Version, settings};

use crate::sandbox::{Process, Sandbox, eventually, read};

/// A sandbox whose cgroup is there, with the cpu and memory controllers on v2.
fn outer() -> Option<(Sandbox, Group)> {
    let sandbox = Sandbox::new()?;
    if sandbox.is_systemd() || sandbox.host.version() != Version::V2 {
        println!("SKIPPED: these are rules of v2, and systemd keeps to them by itself");
        return None;
    }
    if sandbox.dir("cpu", "cpu").is_none() || sandbox.dir("memory", "memory").is_none() {
        println!("SKIPPED: no cpu and memory controllers here");
        return None;
    }
    let group = sandbox.create(&Settings::default());
    Some((sandbox, group))
}

/// A container's place inside.
fn inside(sandbox: &Sandbox) -> Place {
    let path = format!("/{}/box", sandbox.name);
    Place::resolve(&sandbox.host, Driver::Direct, Some(&path), "box", false).expect("a place")
}

fn of(sandbox: &Sandbox, place: &Place, resources: &str) -> Settings {
    let resources = serde_json::from_str(resources).expect("resources");
    settings(&resources, &sandbox.host, place).expect("settings")
}

#[test]
fn below_a_cgroup_with_processes_there_are_no_controllers() {
    let Some((sandbox, mut group)) = outer() else {
        return;
    };
    let process = Process::sleeping();
    group.place(process.id()).unwrap();
    let place = inside(&sandbox);
    let path = sandbox.paths()[0].join("box");
    let why = "it cannot be enabled here: a cgroup above holds processes";
    let limits = of(&sandbox, &place, r#"{"memory": {"reservation": 1048576}}"#);
    let error = Group::create(&place, &limits).unwrap_err().to_string();
    let begin = format!(
        "linux.resources.memory.reservation: the memory controller is not available in {}: {why}",
        path.display()
    );
    assert!(error.starts_with(&begin), "{error}");
    assert!(!path.exists(), "left behind after the failure");
    // The same for a limit that comes late.
    let limits = of(&sandbox, &place, r#"{"memory": {"limit": 67108864}}"#);
    let inner = Group::create(&place, &limits).unwrap();
    let error = inner.restrict(&limits).unwrap_err().to_string();
    assert!(
        error.starts_with("linux.resources.memory.limit: ") && error.contains(why),
        "{error}"
    );
    inner.remove().unwrap();
    // Without limits nothing stands in the way.
    let mut inner = Group::create(&place, &Settings::default()).unwrap();
    let second = Process::sleeping();
    inner.place(second.id()).unwrap();
    assert_eq!(inner.processes().unwrap(), [second.id()]);
    inner.kill(9).unwrap();
    inner.remove().unwrap();
    // Nor for controllers that can divide threads: then the container's cgroup is a threaded one.
    let limits = of(&sandbox, &place, r#"{"cpu": {"shares": 512}}"#);
    let mut inner = Group::create(&place, &limits).unwrap();
    assert_eq!(read(&path, "cpu.weight"), "59");
    assert_eq!(read(&path, "cgroup.type"), "threaded");
    let mut third = Process::sleeping();
    inner.place(third.id()).unwrap();
    inner.kill(9).unwrap();
    assert!(third.is_dead_soon());
    inner.remove().unwrap();
}

#[test]
fn among_threads_a_container_is_threaded_and_can_do_all_but_limit_memory() {
    let Some((sandbox, group)) = outer() else {
        return;
    };
    let outer = &sandbox.paths()[0];
    std::fs::create_dir(outer.join("threads")).unwrap();
    std::fs::write(outer.join("threads/cgroup.type"), "threaded").unwrap();
    assert_eq!(read(outer, "cgroup.type"), "domain threaded");
    let place = inside(&sandbox);
    let limits = of(&sandbox, &place, r#"{"memory": {"limit": 67108864}}"#);
    let refused = Group::create(&place, &limits)
        .and_then(|group| group.restrict(&limits))
        .unwrap_err()
        .to_string();
    assert!(
        refused.starts_with("linux.resources.memory.limit: the memory controller is not available")
            && refused.contains("is threaded"),
        "{refused}"
    );
    Group::open(&place).unwrap().remove().unwrap();
    let limits = of(
        &sandbox,
        &place,
        r#"{"cpu": {"shares": 512}, "pids": {"limit": 30}}"#,
    );
    let mut inner = Group::create(&place, &limits).unwrap();
    let path = outer.join("box");
    assert_eq!(read(&path, "cgroup.type"), "threaded");
    let mut all: Vec<Process> = (0..3).map(|_| Process::sleeping()).collect();
    let mut ids: Vec<i32> = all.iter().map(Process::id).collect();
    ids.sort();
    for process in &all {
        inner.place(process.id()).unwrap();
    }
    inner.restrict(&limits).unwrap();
    assert_eq!(read(&path, "cpu.weight"), "59");
    assert_eq!(read(&path, "pids.max"), "30");
    // The kernel lists the processes of threaded cgroups in their domain only.
    assert_eq!(inner.processes().unwrap(), ids);
    assert_eq!(inner.stats().unwrap().pids.current, 3);
    let other = Group::create(&place, &Settings::default());
    assert_eq!(
        other.unwrap_err().to_string(),
        "container's cgroup is not empty: 3 process(es) found"
    );
    inner.freeze().unwrap();
    assert!(inner.is_frozen().unwrap());
    inner.thaw().unwrap();
    let further = Process::sleeping();
    inner.seat_for(ids[0]).unwrap().place(further.id()).unwrap();
    assert_eq!(inner.processes().unwrap().len(), 4);
    all.push(further);
    // `cgroup.kill` is for domains only.
    inner.kill(9).unwrap();
    for process in &mut all {
        assert!(process.is_dead_soon());
    }
    inner.remove().unwrap();
    assert!(!path.exists());
    group.remove().unwrap();
}

#[test]
fn a_cgroup_that_has_become_a_parent_takes_nobody_but_exec_finds_its_way() {
    let Some((sandbox, mut group)) = outer() else {
        return;
    };
    let path = &sandbox.paths()[0];
    let init = Process::sleeping();
    group.place(init.id()).unwrap();
    std::fs::create_dir_all(path.join("init.scope")).unwrap();
    std::fs::write(path.join("init.scope/cgroup.procs"), init.id().to_string()).unwrap();
    std::fs::write(path.join("cgroup.subtree_control"), "+cpu +memory").unwrap();
    let second = Process::sleeping();
    let error = group.seat().unwrap().place(second.id()).unwrap_err();
    assert_eq!(error.errno(), Some(kernel::Errno::EBUSY));
    let said = error.to_string();
    assert!(
        said.contains("controllers are enabled for cgroups below, so it cannot hold processes"),
        "{said}"
    );
    let seat = group.seat_for(init.id()).unwrap();
    assert!(seat.entry().is_some());
    seat.place(second.id()).unwrap();
    let membership = |process: &Process| {
        std::fs::read_to_string(format!("/proc/{}/cgroup", process.id())).unwrap()
    };
    assert_eq!(membership(&second), membership(&init));
    assert!(membership(&second).contains("init.scope"));
    // Limits still hold for all of them, and all of them are ended.
    let update = sandbox.settings(r#"{"memory": {"limit": 134217728}}"#);
    group.update(&update).unwrap();
    assert_eq!(read(path, "memory.max"), "134217728");
    assert_eq!(group.processes().unwrap().len(), 2);
    group.kill(9).unwrap();
    assert!(eventually(|| group.processes().unwrap().is_empty()));
    group.remove().unwrap();
}
