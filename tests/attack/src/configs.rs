//! Families F, A, P, C, D, K, L and H: what is handed on, what is applied, what is parsed, control groups, devices, kernel
//! interfaces, labels and hooks. One container each.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;

use nix::sys::stat::Mode;
use oci_validation::container::Seen;
use oci_validation::verdict::{Setup, Stop, Verdict, ensure};
use serde_json::json;

use crate::attack::{Attack, attack};
use crate::canary::{Canary, SECRET};

/// Descriptors of the host that a sloppy caller leaves open.
pub(crate) fn leaks(canary: &Canary) -> Vec<String> {
    let folder = canary.path.display().to_string();
    [folder.as_str(), "/", "/sys/fs/cgroup", folder.as_str()]
        .into_iter()
        .flat_map(|path| ["--open".to_owned(), path.to_owned()])
        .collect()
}

fn words(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

/// What a container said that may be refused.
fn either(seen: Verdict<Seen>) -> Verdict<Option<Seen>> {
    match seen {
        Ok(seen) => Ok(Some(seen)),
        Err(Stop::Refused(_)) => Ok(None),
        Err(other) => Err(other),
    }
}

fn lacks(seen: Option<Seen>, text: &str, what: &str) -> Verdict {
    ensure(!seen.is_some_and(|seen| seen.text.contains(text)), || {
        what.to_owned()
    })
}

/// All of these families.
pub(crate) fn attacks() -> Vec<Attack> {
    [
        descriptors(),
        settings(),
        parsing(),
        groups_and_devices(),
        labels_and_hooks(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[rustfmt::skip]
fn descriptors() -> Vec<Attack> {
    const LEAKY: &[&str] = &["runc CVE-2024-21626"];
    let cwd = |id: &str, tail: &'static str, advisories| attack(id, advisories, format!("working directory /proc/self/fd/N{tail}, for all N, with the host's directories open in the caller"), move |case, canary| {
        let leaks = leaks(canary);
        for number in 3..20 {
            let bundle = case.bundle().by(&words(&leaks)).set("/process/cwd", format!("/proc/self/fd/{number}{tail}"));
            let seen = either(bundle.see("pwd -- ls . -- cat file canary/file ../canary/file"))?;
            lacks(seen, SECRET, &format!("with {number} the working directory is the host's"))?;
        }
        Ok(())
    });
    vec![
        cwd("F1.cwd", "", LEAKY),
        cwd("F1.up", "/..", LEAKY),
        cwd("F1.below", "/folder", LEAKY),
        attack("F1.exec", LEAKY, "exec with a working directory that is a link to /proc/self/fd/N", |case, canary| {
            let leaks = leaks(canary);
            let bundle = case.bundle().runs("sleep 60");
            let container = bundle.by(&words(&leaks)).start()?;
            for number in 3..20 {
                let link = case.path(&format!("bundle0/rootfs/cwd{number}"));
                symlink(format!("/proc/self/fd/{number}"), &link).setup("make a link")?;
                let process = json!({"args": ["/bin/probe", "ls", ".", "--", "cat", "file", "canary/file"], "cwd": format!("/cwd{number}"), "user": {"uid": 0, "gid": 0}});
                let output = container.exec(&process, &[])?;
                ensure(!output.out.contains(SECRET), || format!("with {number} the working directory is the host's"))?;
            }
            container.end()
        }),
        attack("F1.program", LEAKY, "the program is /proc/self/fd/N of the caller's descriptors", |case, canary| {
            let leaks = leaks(canary);
            for number in 3..20 {
                let program = format!("/proc/self/fd/{number}/program");
                let bundle = case.bundle().by(&words(&leaks)).aid("/process/args", json!([program, "echo", SECRET]));
                lacks(either(bundle.run())?, SECRET, "the program is the host's")?;
            }
            Ok(())
        }),
        attack("F1.passed", LEAKY, "descriptors of the caller reach the container", |case, canary| {
            let leaks = leaks(canary);
            let seen = case.bundle().by(&words(&leaks)).see("ls /proc/self/fd")?;
            // 3 is the directory that is being read.
            let more: Vec<&str> = seen.text.split_whitespace().filter(|name| name.parse::<u32>().is_ok_and(|number| number > 3)).collect();
            ensure(more.is_empty(), || format!("descriptors {more:?} are open"))
        }),
        attack("F1.exec-passed", LEAKY, "descriptors of exec's caller reach its process", |case, canary| {
            let leaks = leaks(canary);
            let container = case.bundle().runs("sleep 60").by(&words(&leaks)).start()?;
            let process = json!({"args": ["/bin/probe", "ls", "/proc/self/fd"], "cwd": "/", "user": {"uid": 0, "gid": 0}});
            let output = container.exec(&process, &[])?;
            let more: Vec<&str> = output.out.split_whitespace().filter(|name| name.parse::<u32>().is_ok_and(|number| number > 3)).collect();
            ensure(more.is_empty(), || format!("descriptors {more:?} are open"))?;
            container.end()
        }),
        attack("F2.fence", &["runc CVE-2019-5736"], "what a container can open of the process that becomes it, before its start, can be written later", |case, _| {
            let container = case.bundle().runs("sleep 60").create()?;
            let exe = fs::File::options().custom_flags_path().open(container.proc_path("exe")).setup("open /proc/PID/exe")?;
            container.end()?;
            let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&exe));
            // A sealed file may be opened, and not be written.
            let first = fs::read(&path).unwrap_or_default().first().copied().unwrap_or_default();
            let written = fs::File::options().write(true).open(&path).and_then(|mut file| file.write_all(&[first]));
            ensure(written.is_err(), || "its program can be written".to_owned())
        }),
        attack("F2.self", &["runc CVE-2019-5736"], "the container's program is /proc/self/exe", |case, _| {
            let bundle = case.bundle();
            symlink("/proc/self/exe", bundle.root().join("bin/again")).setup("make a link")?;
            either(bundle.aid("/process/args", json!(["/bin/again", "--version"])).run())?;
            Ok(())
        }),
    ]
}

/// Opens a path without any right to it.
trait PathOnly {
    fn custom_flags_path(&mut self) -> &mut Self;
}

impl PathOnly for fs::OpenOptions {
    fn custom_flags_path(&mut self) -> &mut fs::OpenOptions {
        use std::os::unix::fs::OpenOptionsExt;
        self.read(true)
            .custom_flags(nix::libc::O_PATH | nix::libc::O_CLOEXEC)
    }
}

#[rustfmt::skip]
fn settings() -> Vec<Attack> {
    const INHERITABLE: &[&str] = &["runc CVE-2022-29162", "crun CVE-2022-27650", "youki CVE-2025-27612"];
    let none = |text: &str| ensure(text.lines().any(|line| line.starts_with("CapInh:") && line.ends_with("0000000000000000")), || format!("inheritable capabilities: {text:?}"));
    vec![
        attack("A1.create", INHERITABLE, "capabilities become inheritable although the configuration has none of these", move |case, _| none(&case.bundle().see("status CapInh")?.text)),
        attack("A1.exec", INHERITABLE, "exec with --cap makes capabilities inheritable", move |case, _| {
            let container = case.bundle().runs("sleep 60").start()?;
            let output = container.call(&["exec", "--cap", "CAP_NET_RAW"], &["/bin/probe", "status", "CapInh"])?;
            container.end()?;
            if output.ok() { none(&output.out) } else { Ok(()) }
        }),
        attack("A2.create", &[], "supplementary groups of the caller reach the container", |case, _| {
            let seen = case.bundle().by(&["--groups", "0,6,999"]).see("status Groups")?;
            ensure(seen.after("Groups:")?.is_empty(), || format!("{:?}", seen.text))
        }),
        attack("A2.exec", &[], "supplementary groups of exec's caller reach its process", |case, _| {
            let container = case.bundle().by(&["--groups", "0,6,999"]).runs("sleep 60").start()?;
            let process = json!({"args": ["/bin/probe", "status", "Groups"], "cwd": "/", "user": {"uid": 0, "gid": 0}});
            let output = container.exec(&process, &[])?;
            container.end()?;
            ensure(output.out.trim() == "Groups:", || format!("{:?}", output.out))
        }),
        attack("A3", &[], "the environment and the umask of the caller reach the container", |case, _| {
            let seen = case.bundle().by(&["--umask", "0"]).see("env -- status Umask")?;
            ensure(!seen.text.contains("XDG_RUNTIME_DIR") && seen.after("Umask:")? != "0000", || format!("{:?}", seen.text))
        }),
        attack("K1.keyring", &[], "the container has the caller's session keyring", |case, _| {
            let first = case.bundle().see("keyring")?.text;
            let second = case.bundle().see("keyring")?.text;
            ensure(first != second || first.contains("EPERM") || first.contains("ENOSYS"), || format!("both have {first:?}"))
        }),
        attack("K2.filter", &[], "a filter is not on when the program begins, or not in exec", |case, _| {
            let rules = json!([{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]);
            let profile = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules});
            let container = case.bundle().set("/linux/seccomp", profile).runs("mkdir /tmp/one -- sleep 60").start()?;
            container.says("ENOSPC")?;
            let process = json!({"args": ["/bin/probe", "mkdir", "/tmp/two"], "cwd": "/", "user": {"uid": 0, "gid": 0}});
            let output = container.exec(&process, &[])?;
            container.end()?;
            ensure(output.out.contains("ENOSPC"), || format!("exec: {:?}", output.said()))
        }),
        attack("K3.privileges", &[], "no_new_privs is left out", |case, _| {
            let seen = case.bundle().set("/process/noNewPrivileges", true).see("status NoNewPrivs")?;
            ensure(seen.after("NoNewPrivs:")? == "1", || format!("{:?}", seen.text))
        }),
    ]
}

#[rustfmt::skip]
fn parsing() -> Vec<Attack> {
    const NUMBERS: &[&str] = &["CVE-2016-3697 (runc)", "CVE-2026-30892 (crun)"];
    const OVERFLOWS: &[&str] = &["CVE-2024-40635 (containerd)"];
    let users = ["1", "1:1", "4294967294", "4294967295", "4294967296", "4294967297", "-1", "1x", "01", "0x1", " 1", "1:4294967296", "18446744073709551616"];
    let mut all: Vec<Attack> = users.into_iter().map(|user| attack(format!("P1.{}", user.replace(' ', "_")), if user.len() > 9 { OVERFLOWS } else { NUMBERS }, format!("exec with --user {user:?} becomes root"), move |case, _| {
        let bundle = case.bundle();
        // A name that looks like a number.
        fs::create_dir_all(bundle.root().join("etc")).setup("make a folder")?;
        fs::write(bundle.root().join("etc/passwd"), "root:x:0:0::/:/\n1:x:0:0::/:/\n01:x:0:0::/:/\n").setup("write a file")?;
        let container = bundle.runs("sleep 60").start()?;
        let output = container.call(&["exec", "--user", user], &["/bin/probe", "status", "Uid", "Gid"])?;
        container.end()?;
        let root = output.ok() && output.out.lines().any(|line| line.starts_with("Uid:\t0"));
        ensure(!root, || "it is root".to_owned())
    })).collect();
    type Make = fn(&std::path::Path) -> std::io::Result<()>;
    let hostile: [(&str, Make); 6] = [
        ("FIFO", |path| Ok(nix::unistd::mkfifo(path, Mode::from_bits_truncate(0o666))?)),
        ("link to /dev/zero", |path| symlink("/dev/zero", path)),
        ("link to itself", |path| symlink("passwd", path)),
        ("file of 1 GiB", |path| fs::File::create(path)?.set_len(1 << 30)),
        ("file without an end of line", |path| fs::write(path, vec![b'a'; 1 << 20])),
        ("million of lines", |path| fs::write(path, "a:b:c\n\0:".repeat(1 << 20))),
    ];
    for (number, (what, make)) in hostile.into_iter().enumerate() {
        all.push(attack(format!("P2.{number}"), &[], format!("/etc/passwd and /etc/group are a {what}"), move |case, _| {
            let bundle = case.bundle().aid("/process/user", json!({"uid": 7, "gid": 7}));
            for name in ["passwd", "group"] {
                make(&bundle.root().join("etc").join(name)).setup("make a file")?;
            }
            either(bundle.aid("/process/env", json!([])).see("env"))?;
            Ok(())
        }));
    }
    let long = "x".repeat(1 << 17);
    let configs = [
        ("a user beyond 32 bits", "/process/user", json!({"uid": 4_294_967_296_u64, "gid": 0})),
        ("a group beyond 32 bits", "/process/user", json!({"uid": 1, "gid": 4_294_967_296_u64})),
        ("a negative user", "/process/user", json!({"uid": -1, "gid": 0})),
        ("a mount's path of 128 KiB", "/mounts", json!([{"destination": format!("/{long}"), "type": "tmpfs", "source": "tmpfs"}])),
        ("a mount's option of 128 KiB", "/mounts", json!([{"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": [long]}])),
        ("65,537 bytes of a map", "/linux/uidMappings", json!(vec![json!({"containerID": 0, "hostID": 0, "size": 1}); 3000])),
        ("a NUL in a path", "/linux/maskedPaths", json!(["/etc/a\u{0}b"])),
        ("a NUL in an argument", "/process/args", json!(["/bin/probe", "a\u{0}b"])),
        ("a line in the host name", "/hostname", json!("a\nb\u{0}c")),
        ("10,000 masked paths", "/linux/maskedPaths", json!(vec!["/nothing"; 10_000])),
    ];
    for (number, (what, pointer, value)) in configs.into_iter().enumerate() {
        all.push(attack(format!("X1.{number}"), &["runc CVE-2021-43784"], format!("the configuration has {what}"), move |case, _| {
            let seen = either(case.bundle().aid("/process/args", json!(["/bin/probe", "status", "Uid"])).aid(pointer, value.clone()).run())?;
            let root = seen.is_some_and(|seen| seen.text.contains("Uid:\t0"));
            ensure(!(root && pointer == "/process/user" && value["uid"] != 1), || "it is root".to_owned())
        }));
    }
    all
}

#[rustfmt::skip]
fn groups_and_devices() -> Vec<Attack> {
    let mut all = vec![
        attack("C1.above", &[], "cgroupsPath leads above where it begins", |case, _| {
            let bundle = case.bundle().aid("/linux/cgroupsPath", format!("../../../../../{}", case.path("escaped").display()));
            either(bundle.run())?;
            ensure(!case.path("escaped").exists(), || "a directory was made outside".to_owned())
        }),
        attack("C1.write", &[], "control groups are mounted read-only and can be written", |case, _| {
            let bundle = case.bundle().without_mount("/sys")
                .mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", "ro"]);
            let seen = either(bundle.see("mkdir /sys/fs/cgroup/new /sys/fs/cgroup/memory/new /sys/fs/cgroup/unified/new"))?;
            ensure(seen.is_none_or(|seen| seen.text.matches(": E").count() == 3), || "a directory was made".to_owned())
        }),
        attack("C2.populated", &[], "a second container takes the control group of a running one", |case, _| {
            let path = case.group();
            let first = case.bundle().aid("/linux/cgroupsPath", path.as_str()).runs("sleep 60").start()?;
            let second = case.bundle().aid("/linux/cgroupsPath", path.as_str()).runs("true").run();
            let lives = std::path::Path::new(&first.proc_path("exe")).exists() && first.status()? == "running";
            drop(second);
            first.end()?;
            ensure(lives, || "the end of the second ended the first".to_owned())
        }),
    ];
    let rules = json!([{"allow": false, "access": "rwm"}]);
    let nodes = [("sda", "b", 8, 0), ("mem", "c", 1, 1), ("kmsg", "c", 1, 11), ("fuse", "c", 10, 229), ("loop-control", "c", 10, 237), ("port", "c", 1, 4)];
    for (name, kind, major, minor) in nodes {
        let rules = rules.clone();
        all.push(attack(format!("D1.{name}"), &["runc GHSA-g54h-m393-cpwq"], format!("{name} can be made or opened though all devices are denied"), move |case, _| {
            let seen = case.bundle().aid("/linux/resources/devices", rules.clone()).see(&format!("mknod /tmp/node {kind} {major} {minor} -- open /tmp/node r"))?;
            ensure(seen.text.contains("EPERM") && !seen.text.contains("open /tmp/node: ok"), || format!("{:?}", seen.text))
        }));
    }
    all
}

#[rustfmt::skip]
fn labels_and_hooks() -> Vec<Attack> {
    const PROC: &[&str] = &["runc CVE-2019-16884", "crun CVE-2019-16884", "runc CVE-2025-52881", "youki CVE-2025-62596"];
    let mut all = Vec::new();
    for (number, path) in ["/proc", "/proc/self", "/proc/self/attr", "/proc/self/attr/exec", "/proc/thread-self", "/proc/sys", "/proc/1/attr"].into_iter().enumerate() {
        all.push(attack(format!("L1.{number}"), PROC, format!("a volume of ordinary files is mounted on {path}, and what is written to /proc goes there"), move |case, _| {
            let folder = case.folder("fake")?;
            let files = ["exec", "attr/exec", "attr/apparmor/exec", "sys/net/ipv4/ip_forward", "net/ipv4/ip_forward", "self/attr/exec", "oom_score_adj", "self/oom_score_adj"].map(|name| folder.join(name));
            for file in &files {
                fs::create_dir_all(file.with_file_name("")).and_then(|()| fs::write(file, "0")).setup("write a file")?;
            }
            let source = match path.ends_with("exec") {
                true => folder.join("exec"),
                false => folder,
            };
            let bundle = case.bundle().mount(path, "bind", &source.display().to_string(), &["rbind", "rw"])
                .aid("/linux/sysctl", json!({"net.ipv4.ip_forward": "1"})).aid("/process/oomScoreAdj", 500);
            either(bundle.see("echo began"))?;
            // An error is best.
            let touched: Vec<_> = files.iter().filter(|file| fs::read_to_string(file).is_ok_and(|text| text != "0")).collect();
            ensure(touched.is_empty(), || format!("{touched:?} were written"))
        }));
    }
    all.push(attack("R3.null", &["runc CVE-2025-31133", "youki CVE-2025-62161"], "masked files are covered by a /dev/null that a neighbour has replaced by a link", |case, _| {
        let dev = case.folder("dev")?;
        symlink("/tmp/open", dev.join("null")).setup("make a link")?;
        let bundle = case.bundle().without_mount("/dev").without_mount("/dev/shm").without_mount("/dev/pts")
            .mount("/dev", "bind", &dev.display().to_string(), &["rbind", "rw"]);
        fs::write(bundle.root().join("tmp/open"), "neighbour").setup("write a file")?;
        fs::write(bundle.root().join("etc/secret"), SECRET).setup("write a file")?;
        let seen = either(bundle.push("/linux/maskedPaths", "/etc/secret").see("cat /etc/secret"))?;
        let Some(seen) = seen else { return Ok(()) };
        ensure(!seen.text.contains(SECRET), || "the file is not masked".to_owned())?;
        ensure(!seen.text.contains("neighbour"), || "what masks it is the neighbour's".to_owned())
    }));
    all.push(attack("S5.null", &["crun CVE-2026-88265"], "/dev/null is a link to a file of the host that is mounted, and a standard stream is the null device", |case, canary| {
        let bundle = case.bundle().without_mount("/dev").without_mount("/dev/shm").without_mount("/dev/pts");
        symlink("/mnt/file", bundle.root().join("dev/null")).setup("make a link")?;
        let bundle = bundle.aid("/process/user", json!({"uid": 7, "gid": 7}))
            .mount("/mnt/file", "bind", &canary.at("file").display().to_string(), &["bind", "rw"]);
        either(bundle.see("fds"))?;
        let harm = canary.harm();
        ensure(harm.is_empty(), || format!("the file was changed: {harm:?}"))
    }));
    for kind in ["prestart", "createRuntime", "createContainer", "poststart", "poststop"] {
        all.push(attack(format!("H1.{kind}"), &["nvidia CVE-2025-23266"], format!("a {kind} hook gets the image's environment or the caller's descriptors"), move |case, canary| {
            let leaks = leaks(canary);
            let (log, probe) = (case.path("hook.log"), case.probe());
            let args: Vec<String> = format!("probe log {} -- env -- ls /proc/self/fd", log.display()).split(' ').map(str::to_owned).collect();
            let hook = json!({"path": probe, "args": args, "env": ["HOOK=1"]});
            let bundle = case.bundle().by(&words(&leaks)).aid("/process/env", json!(["LD_PRELOAD=/evil.so"])).push(&format!("/hooks/{kind}"), hook);
            either(bundle.see("true"))?;
            let text = fs::read_to_string(&log).unwrap_or_default();
            ensure(!text.contains("LD_PRELOAD"), || format!("its environment: {text:?}"))?;
            // The log and the directory that is being read are its own.
            let more: Vec<&str> = text.split_whitespace().filter(|word| word.parse::<u32>().is_ok_and(|number| number > 4)).collect();
            ensure(more.is_empty(), || format!("it has {more:?}"))
        }));
    }
    all
}
