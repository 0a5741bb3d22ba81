//! C. The process: where it is, what it is called with, and who it is.

use std::os::unix::fs::symlink;

use serde_json::json;

use crate::row::{Row, must, should};
use crate::verdict::{Setup, Verdict, ensure, same};

const PROCESS: &str = "config.md#process";
const USER: &str = "config.md#user";
const LINUX: &str = "config.md#linux-process";

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    must("C1", PROCESS, "create works without `process`", |c| {
        let container = c.bundle().without("/process").create()?;
        same("status", container.status()?.as_str(), "created")
    }),
    must("C1.start", "runtime.md#start", "start of a container without `process` is an error", |c| {
        let container = c.bundle().without("/process").create()?;
        container.refuses(&["start"], &[]).map(drop)
    }),
    must("C4", PROCESS, "the process begins in `cwd`", |c| c.bundle().set("/process/cwd", "/tmp").see("pwd")?.is(&["/tmp"])),
    must("C4.relative", PROCESS, "a relative `cwd` is an error", |c| c.bundle().aid("/process/cwd", "tmp").refused_in_the_end().map(drop)),
    must("C4.empty", PROCESS, "an empty or missing `cwd` is an error", |c| {
        c.bundle().aid("/process/cwd", "").refused_in_the_end()?;
        c.bundle().without("/process/cwd").refused_in_the_end().map(drop)
    }),
    must("C5", PROCESS, "the process has just the variables of `env`", |c| {
        let bundle = c.bundle().set("/process/env", json!(["PATH=/bin", "A=b c", "EMPTY=", "EQUALS=a=b"]));
        let seen = bundle.see("env")?;
        for line in ["PATH=/bin", "A=b c", "EMPTY=", "EQUALS=a=b"] {
            ensure(seen.text.lines().any(|one| one == line), || format!("{line:?} is missing in {:?}", seen.text))?;
        }
        // HOME is what shells and login programs set; all else would be the runtime's own.
        let more: Vec<&str> = seen.text.lines().filter(|line| !line.starts_with("HOME=")).skip(4).collect();
        ensure(more.is_empty(), || format!("there is more: {more:?}"))
    }),
    must("C5.home", PROCESS, "a HOME that is given is kept", |c| {
        c.bundle().set("/process/env", json!(["HOME=/somewhere"])).see("env")?.has("HOME=/somewhere")
    }),
    must("C5.own", PROCESS, "no variable of the runtime's caller comes in", |c| c.bundle().see("env")?.lacks("XDG_RUNTIME_DIR")),
    must("C6", PROCESS, "the program gets its arguments as they are, `args[0]` with them", |c| {
        let words = json!(["/bin/probe", "args", "a b", "", "ünï", "-x"]);
        c.bundle().set("/process/args", words).run()?.is(&["/bin/probe", "a b", "", "ünï", "-x"])
    }),
    must("C6.path", PROCESS, "a program without a slash is searched in the container's PATH", |c| {
        let bundle = c.bundle().aid("/process/env", json!(["PATH=/nowhere:/bin"]));
        bundle.set("/process/args", json!(["probe", "echo", "found"])).run()?.is(&["found"])
    }),
    must("C6.relative", PROCESS, "a program with a slash is taken from the working directory", |c| {
        let bundle = c.bundle().aid("/process/cwd", "/bin").set("/process/args", json!(["./probe", "echo", "found"]));
        bundle.run()?.is(&["found"])
    }),
    must("C6.missing", "runtime.md#errors", "a program that does not exist is an error of create or start", |c| {
        c.bundle().aid("/process/args", json!(["/no/such/program"])).refused_in_the_end()?;
        c.bundle().aid("/process/args", json!(["no-such-program"])).refused_in_the_end().map(drop)
    }),
    must("C6.empty", PROCESS, "`args` without an entry is an error", |c| {
        c.bundle().aid("/process/args", json!([])).refused_in_the_end()?;
        c.bundle().without("/process/args").refused_in_the_end().map(drop)
    }),
    must("C6.link", PROCESS, "the program is found through links inside the root", |c| {
        let bundle = c.bundle();
        symlink("/bin/probe", bundle.root().join("etc/run")).setup("make a link")?;
        bundle.aid("/process/args", json!(["/etc/run", "args"])).run()?.is(&["/etc/run"])
    }),
    must("C16", USER, "`user.uid` and `user.gid` are the process's ids", |c| {
        let seen = c.bundle().set("/process/user", json!({"uid": 1234, "gid": 5678})).see("status Uid Gid")?;
        seen.is(&["Uid:\t1234\t1234\t1234\t1234", "Gid:\t5678\t5678\t5678\t5678"])
    }),
    must("C16.user", USER, "`user.uid` and `user.gid` are ids of the container's user namespace", |c| {
        let bundle = c.bundle().user_namespace().set("/process/user", json!({"uid": 1234, "gid": 5678}));
        bundle.see("status Uid Gid")?.is(&["Uid:\t1234\t1234\t1234\t1234", "Gid:\t5678\t5678\t5678\t5678"])
    }),
    must("C16.unmapped", "runtime.md#create", "a user that the user namespace does not map is an error", |c| {
        c.bundle().user_namespace().aid("/process/user/uid", 70_000).refused_in_the_end().map(drop)
    }),
    must("C17", USER, "`user.umask` is the process's mask", |c| {
        for (mask, text) in [(0o77, "0077"), (0, "0000"), (0o27, "0027")] {
            c.bundle().set("/process/user/umask", mask).see("umask")?.is(&[text])?;
        }
        Ok(())
    }),
    should("C17.unset", USER, "without `user.umask` the caller's mask is not changed", |c| {
        for mask in ["0077", "0002"] {
            c.bundle().by(&["--umask", mask]).see("umask")?.is(&[mask])?;
        }
        Ok(())
    }),
    must("C18", USER, "`user.additionalGids` are the supplementary groups", |c| {
        let seen = c.bundle().set("/process/user/additionalGids", json!([7, 5000])).see("status Groups")?;
        same("groups", seen.after("Groups:")?.as_str(), "7 5000")
    }),
    must("C18.empty", "config-linux.md#namespaces", "without `additionalGids` none of the caller's groups comes in", |c| {
        for list in [None, Some(json!([]))] {
            let bundle = c.bundle().by(&["--groups", "33,44"]);
            let bundle = match list {
                Some(list) => bundle.aid("/process/user/additionalGids", list),
                None => bundle,
            };
            same("groups", bundle.see("status Groups")?.after("Groups:")?.as_str(), "")?;
        }
        Ok(())
    }),
    must("C18.user", USER, "`user.additionalGids` are ids of the container's user namespace", |c| {
        let bundle = c.bundle().user_namespace().set("/process/user/additionalGids", json!([7]));
        let groups = bundle.see("status Groups")?.after("Groups:")?;
        ensure(groups.split(' ').any(|group| group == "7"), || format!("groups: {groups:?}"))
    }),
    must("C19", PROCESS, "only standard input, output and error are open", |c| {
        let seen = c.bundle().see("fds")?;
        let open: Vec<&str> = seen.text.lines().filter_map(|line| line.split(' ').next()).collect();
        same("descriptors", open, vec!["0", "1", "2"])
    }),
    must("C20", "config.md#hostname", "`hostname` is the container's, and not the host's", |c| {
        let seen = c.bundle().set("/hostname", "inside").see("cat /proc/sys/kernel/hostname")?;
        seen.is(&["inside"])?;
        host_name()
    }),
    must("C20.domain", "config.md#domainname", "`domainname` is the container's, and not the host's", |c| {
        let seen = c.bundle().set("/domainname", "example.test").see("cat /proc/sys/kernel/domainname")?;
        seen.is(&["example.test"])
    }),
    must("C20.joined", "config.md#hostname", "`hostname` is set in a joined UTS namespace", |c| {
        let holder = crate::namespaces::Holder::new(c, nix::sched::CloneFlags::CLONE_NEWUTS)?;
        let bundle = c.bundle().without_namespace("uts").add("/linux/namespaces", json!({"type": "uts", "path": holder.path("uts")}));
        bundle.set("/hostname", "joined").see("cat /proc/sys/kernel/hostname")?.is(&["joined"])
    }),
    must("C20.host", "config.md#hostname", "`hostname` without a UTS namespace is applied to the runtime's, or an error", |c| {
        let bundle = c.bundle().without_namespace("uts").set("/hostname", "not-here");
        let result = bundle.see("cat /proc/sys/kernel/hostname");
        let _ = nix::unistd::sethostname("oci-validation-host");
        match result {
            Err(crate::verdict::Stop::Refused(_)) => Ok(()),
            Err(other) => Err(other),
            Ok(seen) => seen.is(&["not-here"]),
        }
    }).alone(),
    must("C21", "config.md#annotations", "annotations are in the state", |c| {
        let container = c.bundle().set("/annotations", json!({"org.example": "value"})).create()?;
        same("annotation", &container.state()?["annotations"]["org.example"], &json!("value"))
    }),
    must("C21.empty", "config.md#annotations", "an empty key of an annotation is an error", |c| {
        c.bundle().aid("/annotations", json!({"": "value"})).refused().map(drop)
    }),
    must("C21.value", "config.md#annotations", "a value of an annotation that is no string is an error", |c| {
        c.bundle().set("/annotations", json!({"a": 1})).refused().map(drop)
    }),
    must("C10", LINUX, "with `noNewPrivileges` the flag is set, without it is not", |c| {
        let seen = c.bundle().set("/process/noNewPrivileges", true).see("status NoNewPrivs")?;
        same("flag", seen.after("NoNewPrivs:")?.as_str(), "1")?;
        let seen = c.bundle().set("/process/noNewPrivileges", false).see("status NoNewPrivs")?;
        same("flag", seen.after("NoNewPrivs:")?.as_str(), "0")
    }),
    should("C22", "config.md#annotations", "without a signal, kill sends the one of `org.opencontainers.image.stopSignal`", |c| {
        let bundle = c.bundle().set("/annotations", json!({"org.opencontainers.image.stopSignal": "SIGUSR1"}));
        let container = bundle.runs("wait-signal").start()?;
        container.says("ready")?;
        container.does(&["kill"], &[])?;
        container.says("USR1")
    }),
    must("C23", "config.md#posix-platform-hooks", "no variable of the runtime's caller reaches a `startContainer` hook, which is a program of the image", |c| {
        for env in [None, Some(json!(["A=b"]))] {
            let log = c.folder(&c.id())?;
            let mut hook = json!({"path": "/bin/probe", "args": ["probe", "stdin", "--", "log", "/log/hook", "--", "env"]});
            let given = env.is_some();
            if let Some(env) = env {
                hook["env"] = env;
            }
            c.bundle().bound("/log", &log).push("/hooks/startContainer", hook).see("true")?;
            let text = std::fs::read_to_string(log.join("hook")).setup("read what the hook said")?;
            ensure(!text.contains("XDG_RUNTIME_DIR"), || format!("the hook's environment: {text:?}"))?;
            ensure(!given || text == "A=b\n", || format!("the hook's environment: {text:?}"))?;
        }
        Ok(())
    }),
];

fn host_name() -> Verdict {
    let name = nix::unistd::gethostname().setup("ask for the host name")?;
    same(
        "the host's name",
        name.to_string_lossy().as_ref(),
        "oci-validation-host",
    )
}
