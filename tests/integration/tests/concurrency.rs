//! Many calls at once.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use harness::{Output, Sandbox, cases, need, orphans};
use nix::unistd::Pid;
use serde_json::{Value, json};

cases![
    one_of_many_creates_with_the_same_id_wins,
    privileged_one_of_two_creates_with_the_same_group_wins,
    a_thousand_creates_of_a_few_ids,
    parallel_loops,
    state_and_list_beside_create_and_delete,
    many_deletes_of_one_container,
    creates_and_deletes_of_one_id_leave_nothing,
    state_is_never_stopped_while_create_works,
];

fn one_of_many_creates_with_the_same_id_wins() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("sleep 1000");
    let before = sandbox.host(Some(&bundle));
    let id = sandbox.id("same");
    let calls: Vec<_> = (0..100)
        .map(|number| {
            let pid_file = sandbox.path.join(format!("io/{number}.pid"));
            let call = sandbox
                .runtime(["create", "--pid-file"])
                .arg(pid_file)
                .arg("--bundle");
            call.arg(&bundle.path).arg(&id).limit(120).spawn()
        })
        .collect();
    let mut won = Vec::new();
    for (number, call) in calls.into_iter().enumerate() {
        let output = call.finish();
        if output.code == 0 {
            won.push(number);
        } else {
            assert!(
                output.stderr.contains("already exists"),
                "{}",
                output.stderr
            );
        }
    }
    assert_eq!(won.len(), 1, "{won:?}");
    let written = |number: usize| sandbox.path.join(format!("io/{number}.pid")).exists();
    assert_eq!(
        (0..100)
            .filter(|number| written(*number))
            .collect::<Vec<_>>(),
        won
    );
    sandbox.runtime(["start", &id]).output().ok();
    sandbox.runtime(["delete", "--force", &id]).output().ok();
    let pid = std::fs::read_to_string(sandbox.path.join(format!("io/{}.pid", won[0])))
        .unwrap()
        .parse()
        .unwrap();
    let _ = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid), None);
    sandbox.host(Some(&bundle)).same_as(&before);
}

/// And has the device rules of its own config.
fn privileged_one_of_two_creates_with_the_same_group_wins() {
    need::cgroups();
    let sandbox = Sandbox::new();
    let kmsg =
        json!([{"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11, "fileMode": 0o666}]);
    let bundle = |allow: bool, hooks: Value| {
        let bundle = sandbox.bundle().set("/linux/devices", kmsg.clone());
        let group = json!(format!("/{}-both", sandbox.tag));
        let rules = json!([{"allow": allow, "access": "rwm"}]);
        bundle
            .set("/linux/cgroupsPath", group)
            .set("/linux/resources/devices", rules)
            .set("/hooks", hooks)
            .probe("open /dev/kmsg w -- sleep 0.2")
    };
    let before = sandbox.host(None);
    // With hooks the rules are there before the child is.
    for hooks in [json!({}), json!({"createRuntime": [{"path": "/bin/true"}]})] {
        let bundles = [false, true].map(|allow| bundle(allow, hooks.clone()));
        for round in 0..25 {
            let [denied, allowed] = [0, 1].map(|number: usize| {
                let number = (number + round) % 2;
                let call = sandbox.runtime(["run", "--bundle"]);
                let call = call.arg(&bundles[number].path);
                (number, call.arg(sandbox.id(&number.to_string())).spawn())
            });
            let mut outputs = [denied, allowed].map(|(number, call)| (number, call.finish()));
            outputs.sort_by_key(|(number, _)| *number);
            // On a busy machine one may have ended before the other begins.
            let refused = |output: &Output| output.stderr.contains("cgroup is not empty");
            let [denied, allowed] = outputs.map(|(_, output)| output);
            assert!(!(refused(&denied) && refused(&allowed)));
            if !refused(&denied) {
                assert_eq!(denied.stdout, "open /dev/kmsg: EPERM\n", "{denied:?}");
            }
            if !refused(&allowed) {
                assert_eq!(allowed.stdout, "open /dev/kmsg: ok\n", "{allowed:?}");
            }
        }
    }
    sandbox.host(None).same_as(&before);
}

/// Each id has one owner at most at any time, who deletes it; the others are told that it exists. No more than 24 calls at a
/// time, so that little machines can do it.
fn a_thousand_creates_of_a_few_ids() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    const IDS: usize = 4;
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("true");
    let before = sandbox.host(Some(&bundle));
    let (made, next) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let owners = [(); IDS].map(|()| AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for worker in 0..24 {
            let (caller, path, made, next, owners) =
                (sandbox.caller(), &bundle.path, &made, &next, &owners);
            let pid_file = sandbox.path.join(format!("pid{worker}"));
            scope.spawn(move || {
                let mut created = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= 1000 {
                        break;
                    }
                    let which = number % IDS;
                    let id = caller.id(&which.to_string());
                    let create = caller.runtime(["create", "--bundle"]).arg(path);
                    let create = create.arg("--pid-file").arg(&pid_file).arg(&id);
                    let output = create.limit(120).output();
                    if output.code != 0 {
                        assert!(output.stderr.contains("already exists"), "{output:?}");
                        continue;
                    }
                    assert_eq!(owners[which].fetch_add(1, Ordering::SeqCst), 0, "{id}");
                    made.fetch_add(1, Ordering::SeqCst);
                    let pid = std::fs::read_to_string(&pid_file).unwrap();
                    created.push(Pid::from_raw(pid.parse().unwrap()));
                    owners[which].fetch_sub(1, Ordering::SeqCst);
                    let delete = caller.runtime(["delete", "--force", &id]);
                    delete.limit(120).output().ok();
                    created.retain(|pid| !orphans::has_ended(*pid));
                }
                harness::wait_until("the end of those that were created", || {
                    created.retain(|pid| !orphans::has_ended(*pid));
                    created.is_empty()
                });
            });
        }
    });
    assert!(made.into_inner() >= IDS);
    harness::wait_until("nothing left", || {
        sandbox.host(Some(&bundle)).difference(&before).is_empty()
    });
}

fn parallel_loops() {
    let sandbox = Sandbox::new();
    let before = sandbox.host(None);
    let bundle = sandbox.bundle().probe("echo ran");
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let (bundle, sandbox) = (&bundle.path, sandbox.caller());
            scope.spawn(move || {
                for _ in 0..10 {
                    let id = sandbox.id(&format!("w{worker}"));
                    let run = sandbox.runtime(["run", "--bundle"]).arg(bundle).arg(id);
                    run.limit(120).output().ok().lines(&["ran"]);
                }
            });
        }
    });
    sandbox.host(None).same_as(&before);
}

fn state_and_list_beside_create_and_delete() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("true");
    let barrier = Barrier::new(2);
    std::thread::scope(|scope| {
        let (path, caller, barrier) = (&bundle.path, sandbox.caller(), &barrier);
        let worker = scope.spawn(move || {
            barrier.wait();
            for number in 0..20 {
                let run = caller
                    .runtime(["run", "--bundle"])
                    .arg(path)
                    .arg(caller.id(&number.to_string()));
                run.output().ok();
            }
        });
        barrier.wait();
        while !worker.is_finished() {
            let list = sandbox.runtime(["list", "--format", "json"]).output().ok();
            list.json();
        }
        worker.join().unwrap();
    });
}

fn many_deletes_of_one_container() {
    let sandbox = Sandbox::new();
    let container = sandbox.detach(&sandbox.bundle().probe("sleep 1000"), "a");
    let calls: Vec<_> = (0..10)
        .map(|_| container.call("delete", &["--force"]).spawn())
        .collect();
    for call in calls {
        call.finish().ok();
    }
    container.wait();
}

/// Whoever comes between the folder that is made and the one that is filled.
fn creates_and_deletes_of_one_id_leave_nothing() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.bundle().probe("sleep 1000");
    let before = sandbox.host(Some(&bundle));
    let id = sandbox.id("same");
    let end = Instant::now() + Duration::from_secs(4);
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let (caller, id, path) = (sandbox.caller(), &id, &bundle.path);
            let pid_file = sandbox.path.join(format!("pid{worker}"));
            scope.spawn(move || {
                // Those that were created: ours to reap once they are deleted, and an ordinary user has few keyrings.
                let mut created = Vec::new();
                while Instant::now() < end {
                    let output = if worker < 2 {
                        let create = caller.runtime(["create", "--bundle"]).arg(path);
                        let create = create.arg("--pid-file").arg(&pid_file).arg(id);
                        create.limit(60).output()
                    } else {
                        caller.runtime(["delete", "--force", id]).limit(60).output()
                    };
                    let known = output.code == 0 || output.stderr.contains("already exists");
                    assert!(known, "{output:?}");
                    if worker < 2 && output.code == 0 {
                        let pid = std::fs::read_to_string(&pid_file).unwrap();
                        created.push(Pid::from_raw(pid.parse().unwrap()));
                    }
                    created.retain(|pid| !orphans::has_ended(*pid));
                }
                // The last one, if nobody has deleted it.
                caller.runtime(["delete", "--force", id]).limit(60).output();
                harness::wait_until("the end of those that were created", || {
                    created.retain(|pid| !orphans::has_ended(*pid));
                    created.is_empty()
                });
            });
        }
    });
    sandbox.runtime(["delete", "--force", &id]).output().ok();
    harness::wait_until("nothing left", || {
        sandbox.host(Some(&bundle)).difference(&before).is_empty()
    });
}

fn state_is_never_stopped_while_create_works() {
    let sandbox = Sandbox::new();
    let program = sandbox.bundle().rootfs().join("bin/probe");
    let hook = serde_json::json!({"path": program, "args": ["probe", "sleep", "1"]});
    let bundle = sandbox.bundle().push("/hooks/createRuntime", hook);
    let id = sandbox.id("a");
    let create = sandbox.runtime(["create", "--bundle"]).arg(&bundle.path);
    let mut create = create.arg(&id).spawn();
    let mut seen = Vec::new();
    while create.child.try_wait().unwrap().is_none() {
        let state = sandbox.runtime(["state", &id]).output();
        let status = match state.code {
            0 => state.json()["status"].as_str().unwrap().to_owned(),
            _ => {
                assert!(state.stderr.contains("does not exist"), "{state:?}");
                "absent".to_owned()
            }
        };
        if seen.last() != Some(&status) {
            seen.push(status);
        }
    }
    let state = sandbox.runtime(["state", &id]).output().ok().json();
    assert_eq!(state["status"], "created");
    let wanted = ["absent", "creating", "created"];
    let mut rest = wanted.iter();
    assert!(
        seen.iter().all(|status| rest.any(|known| known == status)),
        "{seen:?}"
    );
    assert!(seen.contains(&"creating".to_owned()), "{seen:?}");
    sandbox.runtime(["delete", "--force", &id]).output().ok();
    let pid = nix::unistd::Pid::from_raw(state["pid"].as_i64().unwrap() as i32);
    let _ = nix::sys::wait::waitpid(pid, None);
}
