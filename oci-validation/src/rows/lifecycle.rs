//! K3 to K12: the operations.

use std::fs;
use std::process::Stdio;

use serde_json::json;

use super::hooks::Log;
use crate::case::Case;
use crate::container::wait_for;
use crate::row::{Row, may, must};
use crate::runtime::launched;
use crate::verdict::{Setup, Verdict, ensure, same};

const CREATE: &str = "runtime.md#create";
const START: &str = "runtime.md#start";
const KILL: &str = "runtime.md#kill";
const DELETE: &str = "runtime.md#delete";

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    must("K3", CREATE, "create with an id that is in use is an error, and the first container is as it was", |c| {
        let first = c.bundle().runs("sleep 60").start()?;
        let output = c.bundle().try_create(&first.id)?;
        ensure(!output.ok(), || "create gave no error".to_owned())?;
        same("pid", first.state()?["pid"].as_i64(), Some(i64::from(first.pid)))?;
        same("status", first.status()?.as_str(), "running")
    }),
    must("K3.again", DELETE, "after delete the id is free", |c| {
        let first = c.bundle().start()?;
        first.exit()?;
        first.delete()?;
        let output = c.bundle().try_create(&first.id)?;
        ensure(output.ok(), || output.said())
    }),
    must("K4", CREATE, "ids that would lead elsewhere in the file system are errors, and make nothing", |c| {
        for id in ["", ".", "..", "../escaped", "a/b", "/abs"] {
            super::general::named(id, refused_id(c, id))?;
        }
        ensure(!c.path("escaped").exists(), || "something was made outside of the state folder".to_owned())
    }),
    must("K5", CREATE, "create makes everything and does not run the program", |c| {
        let log = Log::new(c)?;
        let bundle = log.bound(c.bundle()).mount("/mnt", "tmpfs", "tmpfs", &[]);
        let container = bundle.runs("log /log/program -- echo ran").create()?;
        crate::tree::mount_at(&container.proc("mountinfo")?, "/mnt")?;
        let uts = container.namespace("uts")?;
        ensure(uts != crate::container::namespace("self", "uts")?, || "it has no UTS namespace".to_owned())?;
        std::thread::sleep(std::time::Duration::from_millis(100));
        ensure(!log.0.join("program").exists(), || "the program ran".to_owned())?;
        container.start()?;
        container.exit()?;
        ensure(log.0.join("program").exists(), || "the program did not run".to_owned())
    }),
    must("K6", START, "start of a running container is an error and changes nothing", |c| {
        let container = c.bundle().runs("sleep 60").start()?;
        container.refuses(&["start"], &[])?;
        same("status", container.status()?.as_str(), "running")
    }),
    must("K6.stopped", START, "start of a stopped container is an error and changes nothing", |c| {
        let container = c.bundle().start()?;
        container.exit()?;
        container.refuses(&["start"], &[])?;
        same("status", container.status()?.as_str(), "stopped")
    }),
    must("K6.unknown", START, "start of a container that does not exist is an error", |c| unknown(c, "start", &[])),
    must("K7", KILL, "kill sends the signal to the container's process", |c| {
        let container = c.bundle().runs("wait-signal").start()?;
        container.says("ready")?;
        for signal in ["HUP", "SIGUSR1", "12", "WINCH"] {
            container.kill(signal)?;
        }
        for name in ["HUP", "USR1", "USR2", "WINCH"] {
            container.says(&format!("{name}\n"))?;
        }
        container.kill("TERM")?;
        same("exit status", container.exit()?.unwrap_or(42), 42)
    }),
    must("K7.created", KILL, "kill reaches a created container", |c| {
        let container = c.bundle().create()?;
        container.kill("KILL")?;
        same("exit status", container.exit()?.unwrap_or(137), 137)
    }),
    must("K7.stopped", KILL, "kill of a stopped container is an error", |c| {
        let container = c.bundle().start()?;
        container.exit()?;
        container.refuses(&["kill"], &["KILL"])?;
        same("status", container.status()?.as_str(), "stopped")
    }),
    must("K7.unknown", KILL, "kill of a container that does not exist is an error", |c| unknown(c, "kill", &["TERM"])),
    must("K7.signal", KILL, "a signal that does not exist is an error and is not sent", |c| {
        let container = c.bundle().runs("sleep 60").start()?;
        container.refuses(&["kill"], &["MOON"])?;
        container.refuses(&["kill"], &["999"])?;
        same("status", container.status()?.as_str(), "running")
    }),
    must("K8", DELETE, "delete of a running container is an error and changes nothing", |c| {
        let container = c.bundle().runs("sleep 60").start()?;
        container.refuses(&["delete"], &[])?;
        same("status", container.status()?.as_str(), "running")
    }),
    must("K8.created", DELETE, "delete of a created container is an error and changes nothing", |c| {
        let container = c.bundle().create()?;
        container.refuses(&["delete"], &[])?;
        same("status", container.status()?.as_str(), "created")?;
        container.start()
    }),
    must("K8.removes", DELETE, "delete removes what create made: the process, the groups, the state", |c| {
        let container = c.bundle().runs("sleep 60").start()?;
        let groups: Vec<_> = ["pids", "memory", "cpu"].iter().filter_map(|name| crate::cgroup::of(&container, name).ok()).collect();
        container.end()?;
        container.delete()?;
        container.refuses(&["state"], &[])?;
        ensure(groups.iter().all(|group| !group.path.exists()), || format!("{groups:?}"))?;
        let left: Vec<_> = fs::read_dir(c.state()).setup("look at the state folder")?.flatten().map(|entry| entry.file_name()).collect();
        ensure(!left.iter().any(|name| name.to_string_lossy().contains(&container.id)), || format!("{left:?}"))
    }),
    must("K8.keeps", DELETE, "delete does not touch what create did not make: the bundle, sources of mounts, joined namespaces", |c| {
        let data = c.folder("data")?;
        c.file("data/file", "content")?;
        let holder = crate::namespaces::Holder::new(c, nix::sched::CloneFlags::CLONE_NEWUTS)?;
        let entry = json!({"type": "uts", "path": holder.path("uts")});
        let bundle = c.bundle().without_namespace("uts").add("/linux/namespaces", entry).bound("/mnt", &data);
        bundle.run()?;
        ensure(data.join("file").exists() && bundle.root().join("bin/probe").exists(), || "files are gone".to_owned())?;
        holder.identity("uts").map(drop)
    }),
    must("K8.unknown", DELETE, "delete of a container that does not exist is an error", |c| unknown(c, "delete", &[])),
    must("K8.children", DELETE, "delete of a stopped container leaves no process of it, also without a PID namespace", |c| {
        let bundle = c.bundle().without_namespace("pid").runs("spawn sleep 61 -- true");
        let container = bundle.start()?;
        let seen = container.finish()?;
        let child: i32 = seen.text.trim().parse().setup("read the child's pid")?;
        container.delete()?;
        wait_for("the end of the container's other process", || {
            let text = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            (text.is_empty() || text.contains(") Z ")).then_some(())
        })
    }),
    must("K10", "runtime.md#operations", "operations without an id are errors", |c| {
        for operation in [&["state"][..], &["start"], &["kill"], &["delete"], &["create"]] {
            ensure(!c.call(operation)?.ok(), || format!("{operation:?} gave no error"))?;
        }
        Ok(())
    }),
    must("K10.bundle", CREATE, "create with a bundle that does not exist is an error", |c| {
        ensure(!c.call(&["create", "--bundle", "/no/such/bundle", &c.id()])?.ok(), || "create gave no error".to_owned())
    }),
    may("K11", "runtime.md#errors", "when create is killed half way, delete --force removes what there is, and the id is free", killed),
    must("K12", "config.md#poststop", "poststop hooks run after the container is deleted and before delete returns", |c| {
        let log = Log::new(c)?;
        let container = log.hook(c.bundle(), "poststop", "echo ran").start()?;
        container.exit()?;
        ensure(!log.0.join("poststop").exists(), || "it ran before delete".to_owned())?;
        container.delete()?;
        log.read("poststop").map(drop)
    }),
    must("K12.after", "config.md#poststop", "when poststop hooks run, the container's group is gone", |c| {
        let log = Log::new(c)?;
        let bundle = c.bundle();
        let container = bundle.clone().create()?;
        let group = crate::cgroup::of(&container, "pids").or_else(|_| crate::cgroup::of(&container, ""))?;
        container.end()?;
        container.delete()?;
        // The same place once more, now that it is known.
        let command = format!("ls {}", group.path.display());
        let container = log.hook(bundle, "poststop", &command).start()?;
        container.exit()?;
        container.delete()?;
        let text = log.read("poststop")?;
        ensure(text.contains("ENOENT"), || format!("the group held {text:?}"))
    }),
];

fn unknown(c: &Case, operation: &str, rest: &[&str]) -> Verdict {
    let id = c.id();
    let mut words = vec![operation, id.as_str()];
    words.extend(rest);
    ensure(!c.call(&words)?.ok(), || {
        format!("{operation} gave no error")
    })
}

fn refused_id(c: &Case, id: &str) -> Verdict {
    let bundle = c.bundle();
    bundle.write()?;
    let path = bundle.path.display().to_string();
    let output = c.call(&["create", "--bundle", &path, id])?;
    ensure(!output.ok(), || "create gave no error".to_owned())
}

fn killed(c: &Case) -> Verdict {
    let log = Log::new(c)?;
    let bundle = log.hook(c.bundle(), "createRuntime", "echo begun -- sleep 30");
    bundle.write()?;
    let id = c.id();
    c.open.borrow_mut().push((id.clone(), Vec::new(), 0));
    let mut command = launched(c, &[]);
    command
        .arg(c.program())
        .arg("--root")
        .arg(c.state())
        .args(["create", "--bundle"])
        .arg(&bundle.path)
        .arg(&id);
    command
        .current_dir(&c.folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().setup("start the runtime")?;
    let begun = wait_for("the hook", || {
        log.0.join("createRuntime").exists().then_some(())
    });
    child.kill().setup("kill the runtime")?;
    child.wait().setup("wait for the runtime")?;
    begun?;
    let output = c.call(&["delete", "--force", &id])?;
    ensure(output.ok(), || format!("delete: {}", output.said()))?;
    let output = c.bundle().try_create(&id)?;
    ensure(output.ok(), || {
        format!("the id is not free: {}", output.said())
    })
}
