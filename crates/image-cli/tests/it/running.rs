//! `run`: from an image to a running container, with this project's runtime and with others.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::*;

/// `tare` as it is in this tree, and what else is installed.
fn runtimes() -> Vec<PathBuf> {
    static TARE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let built = || {
        let beside = Path::new(env!("CARGO_BIN_EXE_tare-image")).with_file_name("tare");
        // As `cargo xtask test` does it: where it is there and current, this takes a moment.
        let mut build = Command::new(env!("CARGO"));
        build
            .args(["build", "--quiet", "--bin", "tare"])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
            .stdin(Stdio::null());
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        let done = build.status().is_ok_and(|s| s.success());
        (done && beside.exists()).then_some(beside)
    };
    let other = ["runc", "crun"].into_iter().find(|r| installed(r));
    let tare = TARE.get_or_init(built).clone();
    match (&tare, other) {
        (None, None) => {
            println!("skipped: tare cannot be built here, and no other runtime is installed")
        }
        (None, Some(other)) => println!("only with {other}: tare cannot be built here"),
        _ => {}
    }
    tare.into_iter().chain(other.map(Into::into)).collect()
}

/// A name that no other test uses at the same time, in any process.
fn id(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}

/// A program, an image of busybox in its store, and a runtime.
struct Setup {
    program: Program,
    runtime: PathBuf,
}

impl Setup {
    /// None, with the reason, where containers cannot be run.
    fn all() -> Vec<Self> {
        if !(is_root() && have("busybox")) {
            return Vec::new();
        }
        let with = |runtime| {
            let program = Program::new();
            make_image(&program, "localhost/app", 1);
            Setup { program, runtime }
        };
        runtimes().into_iter().map(with).collect()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.program.command(arguments);
        command.env("TARE", &self.runtime);
        command
    }

    fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Standard output, and the exit code.
    fn run(&self, arguments: &[&str]) -> (String, Option<i32>) {
        let output = self.output(arguments);
        let text = String::from_utf8_lossy(&output.stdout).to_string();
        if !output.stderr.is_empty() {
            println!("{}", String::from_utf8_lossy(&output.stderr));
        }
        (text, output.status.code())
    }

    fn containers(&self) -> PathBuf {
        self.program.store().join("containers")
    }

    /// Nothing is left: no bundle, no container, no mount that others see.
    fn assert_clean(&self, id: &str) {
        let left = fs::read_dir(self.containers()).into_iter().flatten();
        assert_eq!(left.count(), 0, "{}", self.runtime.display());
        let state = Command::new(&self.runtime).args(["state", id]).output();
        assert!(!state.unwrap().status.success(), "{id} is known");
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(self.program.folder.path().to_str().unwrap()));
    }
}

#[test]
fn privileged_containers_run_and_leave_nothing() {
    for setup in Setup::all() {
        let run = |more: &[&str]| setup.run(&[&["run"], more].concat());
        let app = "localhost/app";
        assert_eq!(run(&[app]), ("default\n".into(), Some(0)));
        assert_eq!(
            run(&["--flat", app, "/bin/echo", "-n", "--flat"]).0,
            "--flat",
            "what follows the image is the command's own"
        );
        let name = id("code");
        assert_eq!(
            run(&["--name", &name, app, "/bin/sh", "-c", "exit 7"]).1,
            Some(7)
        );
        setup.assert_clean(&name);
        let (said, code) = run(&[app, "/bin/busybox", "sleep", "--help"]);
        assert!(!said.contains("tare-image") && code == Some(0), "{said}");
        assert_eq!(
            run(&["-e", "A=b", app, "/bin/sh", "-c", "echo $A $HOME"]).0,
            "b /\n"
        );
        // A command that is not there, or no program; and what the runtime refuses. Nothing is left.
        for (arguments, name, expected) in [
            (&["APP", "/bin/none"][..], id("missing"), 127),
            (&["APP", "none"], id("nowhere"), 127),
            (&["APP", "/data/0"], id("data"), 126),
            (&["-w", "/bin/busybox", "APP"], id("folder"), 125),
            (&["APP", "/bin/sh", "-c", "exit 1"], id("one"), 1),
        ] {
            let arguments = arguments.iter().map(|&a| if a == "APP" { app } else { a });
            let arguments: Vec<&str> = arguments.collect();
            let (_, code) = run(&[&["--name", &name][..], &arguments].concat());
            assert_eq!(code, Some(expected), "{arguments:?}");
            setup.assert_clean(&name);
        }
        let mut cat = setup
            .command(&["run", "-i", app, "/bin/cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        cat.stdin.take().unwrap().write_all(b"passed on").unwrap();
        assert_eq!(cat.wait_with_output().unwrap().stdout, b"passed on");
    }
}

#[test]
fn privileged_entrypoints_and_names_are_judged_first() {
    for setup in Setup::all() {
        let run = |more: &[&str]| setup.run(&[&["run"], more].concat());
        let app = "localhost/app";
        let list = r#"["/bin/echo", "one two"]"#;
        assert_eq!(run(&["--entrypoint", list, app, "x"]).0, "one two x\n");
        assert_eq!(run(&["--entrypoint", "/bin/echo", app, "x"]).0, "x\n");
        assert_eq!(run(&["--entrypoint", "", app, "/bin/echo", "y"]).0, "y\n");
        // A word with spaces is one word.
        assert_eq!(run(&["--entrypoint", "/bin/echo a", app]).1, Some(127));
    }
    let program = Program::new();
    for name in ["a b", "a/b", "", ".a", "ä", &"x".repeat(256)] {
        let output = program
            .command(&["run", "--name", name, "127.0.0.1:1/x"])
            .env("TARE", "/bin/true")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(125));
        assert!(said.contains("name of a container"), "{said}");
    }
    assert!(!program.store().exists(), "and nothing is made");
}

#[test]
fn privileged_words_of_engines() {
    for setup in Setup::all() {
        let host = setup.program.path("host");
        fs::create_dir(&host).unwrap();
        fs::write(host.join("f"), "shared\n").unwrap();
        fs::write(host.join("env"), "# x\nA=from file\n").unwrap();
        let host = host.to_str().unwrap();
        let run = |words: &[&str], script: &str| {
            let command = ["localhost/app", "/bin/sh", "-c", script];
            setup.run(&[&["run", "--rm"], words, &command].concat()).0
        };
        let write = "cat /m/f; touch /m/x 2>/dev/null && echo written";
        assert_eq!(run(&["-v", &format!("{host}:/m:ro")], write), "shared\n");
        let mount = format!("type=bind,source={host},destination=/m");
        assert_eq!(run(&["--mount", &mount], write), "shared\nwritten\n");
        let words = ["--read-only", "--tmpfs", "/t", "--network", "none"];
        let script = "touch /x 2>/dev/null || echo protected; touch /t/x && ls /t";
        assert_eq!(run(&words, script), "protected\nx\n");
        let caps = "/bin/busybox grep CapBnd /proc/self/status";
        let none = "CapBnd:\t0000000000000000\n";
        assert_eq!(run(&["--cap-drop", "all"], caps), none);
        let one = run(&["--cap-drop=ALL", "--cap-add", "chown"], caps);
        assert_eq!(one, none.replace("0\n", "1\n"));
        let env = format!("{host}/env");
        assert_eq!(run(&["--env-file", &env], "echo $A"), "from file\n");
        for (words, said) in [
            (["-p", "80:80"], "no daemon"),
            (["-v", "data:/a"], "a volume of a daemon's"),
            (["--pull", "never"], "not-here"),
        ] {
            let image = "localhost/not-here";
            let output = setup.output(&[&["run"], &words[..], &[image, "/x"]].concat());
            let errors = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(125), "{errors}");
            assert!(errors.contains(said), "{errors}");
            assert!(!errors.contains("No registry listens"), "{errors}");
        }
    }
}

#[test]
fn privileged_detached_containers_go_on() {
    for setup in Setup::all() {
        let name = id("detached");
        let script = "echo said; while ! test -e /end; do /bin/busybox sleep 0.05; done";
        let words = ["run", "-d", "--name", &name, "localhost/app"];
        let (said, code) = setup.run(&[&words[..], &["/bin/sh", "-c", script]].concat());
        assert_eq!((said.trim(), code), (name.as_str(), Some(0)));
        // It is left alone while it runs.
        setup.program.run(&["gc"]);
        let output = setup.containers().join(&name).join("output");
        let start = Instant::now();
        while fs::read_to_string(&output).unwrap() != "said\n" {
            assert!(start.elapsed() < Duration::from_secs(10));
        }
        let words = ["exec", &name, "/bin/touch", "/end"];
        let exec = Command::new(&setup.runtime).args(words).output().unwrap();
        assert!(exec.status.success(), "{exec:?}");
        while output.exists() {
            assert!(start.elapsed() < Duration::from_secs(20), "not tidied");
            setup.program.run(&["gc"]);
        }
        setup.assert_clean(&name);
        let (_, code) = setup.run(&["run", "-d", "localhost/app", "/bin/none"]);
        assert_eq!(code, Some(127));
        setup.assert_clean(&name);
        let output = setup.output(&["run", "-dt", "localhost/app"]);
        assert_eq!(output.status.code(), Some(125));
    }
}

#[test]
fn privileged_stores_that_cannot_be_written_to() {
    if !(is_root() && have("busybox") && have("unshare")) {
        return;
    }
    for runtime in runtimes() {
        for unpacked in [true, false] {
            let program = Program::new();
            make_image(&program, "localhost/app", 0);
            if unpacked {
                // Leaves the layers ready.
                let mut command = program.command(&["run", "localhost/app"]);
                assert!(command.env("TARE", &runtime).status().unwrap().success());
            }
            let before = snapshot(&program.store(), true);
            let script = "set -eu; mount --make-rprivate /; mount --bind $STORE $STORE
                mount -o remount,ro,bind $STORE; cd $HOME
                $PROGRAM unpack localhost/app unpacked; test -e unpacked/bin/busybox
                $PROGRAM export localhost/app out.tar; tar -tf out.tar bin/busybox
                $PROGRAM bundle localhost/app bundle /bin/echo bundled; $TARE run -b bundle ro-bundle-$$
                $PROGRAM bundle --overlay localhost/app over /bin/echo over; $TARE run -b over ro-over-$$; umount over/rootfs || true
                $PROGRAM run localhost/app; $PROGRAM run --flat localhost/app
                $PROGRAM pull 127.0.0.1:1/x && exit 3; $PROGRAM gc && exit 4; true";
            let output = peer("unshare")
                .args(["-m", "sh", "-c", script])
                .env_clear()
                .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
                .env("HOME", program.folder.path())
                .env("STORE", program.store())
                .env("TARE_IMAGE_ROOT", program.store())
                .env(
                    "CONTAINERS_REGISTRIES_CONF",
                    program.path("registries.conf"),
                )
                .env("TARE", &runtime)
                .env("PROGRAM", env!("CARGO_BIN_EXE_tare-image"))
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{unpacked} {output:?}");
            assert_eq!(
                said.lines().collect::<Vec<_>>(),
                ["bin/busybox", "bundled", "over", "default", "default"]
            );
            assert_eq!(snapshot(&program.store(), true), before);
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(errors.contains("Read-only file system"), "{errors}");
        }
    }
}

#[test]
fn privileged_nothing_waits_for_the_disk_where_changes_are_not_kept() {
    for setup in Setup::all() {
        let volatile = |more: &[&str]| {
            let run = [
                &["run"],
                more,
                &["localhost/app", "cat", "/proc/self/mountinfo"],
            ]
            .concat();
            let (mounts, status) = setup.run(&run);
            assert_eq!(status, Some(0));
            mounts
                .lines()
                .any(|m| m.contains(" / / ") && m.contains("volatile"))
        };
        let kept = id("kept");
        assert!(volatile(&[]) && !volatile(&["--keep", "--name", &kept]));
        setup.run(&["remove", "--container", &kept]);
    }
}

#[test]
fn privileged_the_runtimes_log_is_listened_to() {
    let program = Program::new();
    make_image(&program, "localhost/app", 1);
    let runtime = program.path("runtime");
    for (level, own, expected) in [("warning", 1, 1), ("error", 1, 125), ("error", 3, 3)] {
        // "--log FILE" come first.
        let script = format!(
            "#!/bin/sh\necho '{{\"level\": \"{level}\", \"msg\": \"said\"}}' >>\"$2\"\nexit {own}\n"
        );
        fs::write(&runtime, script).unwrap();
        fs::set_permissions(&runtime, Permissions::from_mode(0o755)).unwrap();
        let mut command = program.command(&["run", "localhost/app"]);
        let output = command.env("TARE", &runtime).output().unwrap();
        assert_eq!(output.status.code(), Some(expected), "{level}");
        // A runtime says errors on its standard error, too.
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(said.contains("said"), level == "warning", "{said}");
    }
}

#[test]
fn privileged_an_image_without_layers() {
    for setup in Setup::all() {
        let program = &setup.program;
        let layout = tare_image::layout::Layout::create(&program.path("layout")).unwrap();
        let put = |media_type: &str, value: Value| {
            let bytes = value.to_string().into_bytes();
            let digest = tare_image::digest::of(&bytes);
            let descriptor =
                oci_spec::image::Descriptor::new(media_type.into(), bytes.len() as u64, digest);
            layout.put(&descriptor, &bytes).unwrap();
            descriptor
        };
        let config = serde_json::json!({
            "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []},
        });
        let config = put("application/vnd.oci.image.config.v1+json", config);
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let manifest = serde_json::json!({"schemaVersion": 2, "config": config, "layers": []});
        layout.tag(Some("x"), &put(media_type, manifest)).unwrap();
        let place = format!("oci:{}:x", layout.root().display());
        program.run(&["pull", &place, "localhost/none"]);
        for form in ["--flat", "-i"] {
            let name = id("none");
            let output = setup.output(&["run", form, "--name", &name, "localhost/none"]);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(125), "{said}");
            assert!(said.contains("does not say what to run"), "{said}");
            let output = setup.output(&["run", form, "--name", &name, "localhost/none", "/x"]);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success() && said.contains("/x"), "{said}");
            setup.assert_clean(&name);
        }
    }
}

#[test]
fn privileged_terminals() {
    if !have("script") {
        return;
    }
    for setup in Setup::all() {
        let name = id("terminal");
        let line = format!(
            "{} run -it --name {name} localhost/app /bin/sh -c 'test -t 0 && test -t 1 && echo both; exit 5'",
            env!("CARGO_BIN_EXE_tare-image")
        );
        let output = in_terminal(&setup, &line).wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(5), "{output:?}");
        let said = String::from_utf8_lossy(&output.stdout).to_string();
        assert!(said.contains("both"), "{}: {said}", setup.runtime.display());
        setup.assert_clean(&name);
    }
}

/// Runs the simple command `line` in a terminal of its own, whose keys are the child's standard input.
fn in_terminal(setup: &Setup, line: &str) -> Child {
    let mut command = Command::new("script");
    command.env_clear();
    for (name, value) in setup.command(&[]).get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command
        .env("SHELL", "/bin/sh")
        // In the shell's place: some shells stay, and what Ctrl-C does to them is then the status that is seen.
        .args(["-qec", &format!("exec {line}"), "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Says what it gets, and ends at SIGTERM.
const LISTENER: &str = "trap 'echo int' INT; trap 'echo usr1' USR1; trap 'echo term; exit 9' TERM; echo ready; \
     while true; do /bin/busybox sleep 0.05; done";

/// Reads lines until one is `wanted`, and returns all.
fn until(reader: &mut impl BufRead, wanted: &str) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        assert!(reader.read_line(&mut line).unwrap() > 0, "ended: {lines:?}");
        let line = line.trim().trim_start_matches("^C").to_string();
        lines.push(line.clone());
        if line == wanted {
            return lines;
        }
    }
}

#[test]
fn privileged_signals_reach_the_container_once() {
    use nix::sys::signal::{Signal, kill};
    for setup in Setup::all() {
        let name = id("signals");
        let mut child = setup
            .command(&[
                "run",
                "--name",
                &name,
                "localhost/app",
                "/bin/sh",
                "-c",
                LISTENER,
            ])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        until(&mut output, "ready");
        let pid = nix::unistd::Pid::from_raw(child.id() as i32);
        for (signal, text) in [
            (Signal::SIGINT, "int"),
            (Signal::SIGUSR1, "usr1"),
            (Signal::SIGTERM, "term"),
        ] {
            kill(pid, signal).unwrap();
            assert_eq!(until(&mut output, text), [text]);
        }
        assert_eq!(child.wait().unwrap().code(), Some(9));
        setup.assert_clean(&name);
    }
}

#[test]
fn privileged_ctrl_c_reaches_the_container_once() {
    if !have("script") {
        return;
    }
    for setup in Setup::all() {
        let name = id("key");
        // Not the container's terminal: the key makes a signal for everybody in the foreground.
        let line = format!(
            "{} run --name {name} localhost/app /bin/sh -c \"{LISTENER}\"",
            env!("CARGO_BIN_EXE_tare-image")
        );
        let mut child = in_terminal(&setup, &line);
        let mut keys = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        until(&mut output, "ready");
        for _ in 0..3 {
            keys.write_all(b"\x03").unwrap();
            until(&mut output, "int");
            std::thread::sleep(Duration::from_millis(200));
        }
        let _ = Command::new(&setup.runtime)
            .args(["kill", &name, "TERM"])
            .status();
        let rest = until(&mut output, "term");
        assert!(
            !rest.contains(&"int".to_string()),
            "{}: each key is one signal: {rest:?}",
            setup.runtime.display()
        );
        assert_eq!(child.wait().unwrap().code(), Some(9));
        setup.assert_clean(&name);
    }
}

#[test]
fn privileged_changes_become_layers() {
    for setup in Setup::all() {
        let program = &setup.program;
        let kept = id("kept");
        let change = "echo new > /new; rm /data/0; rm -r /bin/cat; mkdir /dir; chmod 700 /dir";
        let arguments = ["run", "--keep", "--name", &kept, "localhost/app"];
        let arguments = [&arguments[..], &["/bin/sh", "-c", change]].concat();
        assert_eq!(setup.run(&arguments).1, Some(0));
        let commit =
            |name: &str| program.run(&["commit", &kept, name, "--cmd", "/bin/busybox cat /new"]);
        let first = commit("localhost/changed");
        assert_eq!(commit("localhost/changed2"), first, "reproducible");
        let out = program.path("changed");
        program.run(&["unpack", "localhost/changed", out.to_str().unwrap()]);
        assert_eq!(fs::read_to_string(out.join("new")).unwrap(), "new\n");
        assert!(!out.join("data/0").exists() && out.join("data").exists());
        assert!(!out.join("bin/cat").exists());
        let history = program.run(&["history", "localhost/changed"]);
        assert_eq!(history.lines().count(), 2);
        assert_eq!(setup.run(&["run", "localhost/changed"]).0, "new\n");
        if have("umoci") {
            let layout = program.path("layout");
            let place = format!("{}:v", layout.display());
            program.run(&["copy", "localhost/changed", &format!("oci:{place}")]);
            let theirs = program.path("theirs");
            let folder = theirs.to_str().unwrap();
            tool("umoci", ["raw", "unpack", "--image", &place, folder]);
            assert_eq!(snapshot(&out, true), snapshot(&theirs, true));
        }
        program.run(&["remove", "--container", &kept]);
        setup.assert_clean(&kept);
    }
}

#[test]
fn privileged_names_that_would_remove_others_are_not_committed() {
    for setup in Setup::all() {
        let program = &setup.program;
        let kept = id("wh");
        let arguments = ["run", "--keep", "--name", &kept, "localhost/app"];
        let change = "/bin/busybox mkdir /d; echo x > /d/.wh.data";
        setup.run(&[&arguments[..], &["/bin/sh", "-c", change]].concat());
        let error = program.try_run(&["commit", &kept, "localhost/changed"]);
        let error = error.unwrap_err();
        assert!(error.contains("/d/.wh.data has a name"), "{error}");
        assert!(!program.run(&["list"]).contains("changed"));
        program.run(&["remove", "--container", &kept]);
        setup.assert_clean(&kept);
    }
}

/// Names in the uppermost layer of an image.
fn top_layer(program: &Program, name: &str) -> Vec<String> {
    let raw = program.run(&["inspect", "--raw", name]);
    let manifest: Value = serde_json::from_str(&raw).unwrap();
    let digest = manifest["layers"].as_array().unwrap().last().unwrap()["digest"].clone();
    let blob = digest.as_str().unwrap().replace(':', "/");
    let blob = program.store().join("blobs").join(blob);
    let list = tool("tar", ["-tzf", blob.to_str().unwrap()]).stdout;
    String::from_utf8(list)
        .unwrap()
        .lines()
        .map(String::from)
        .collect()
}

#[test]
fn privileged_mount_points_are_no_changes() {
    for setup in Setup::all() {
        let program = &setup.program;
        // Without /proc, /sys, /dev and /etc/resolv.conf, which all get mounted to.
        let app = "localhost/app";
        let kept = id("mounts");
        let commit = |number: usize, change: &str| {
            let name = format!("{kept}-{number}");
            let options = ["run", "--net", "host", "--keep", "--name", &name];
            let command = [app, "/bin/sh", "-c", change];
            assert_eq!(setup.run(&[&options[..], &command].concat()).1, Some(0));
            let image = format!("localhost/changed:{number}");
            let digest = program.run(&["commit", &name, &image]);
            program.run(&["remove", "--container", &name]);
            (digest, top_layer(program, &image))
        };
        let first = commit(1, "true");
        assert_eq!(first.1, Vec::<String>::new(), "{}", setup.runtime.display());
        assert_eq!(commit(2, ":"), first, "another time, and the same image");
        let change = "b=/bin/busybox; $b mkdir -m 755 /made; $b chmod 700 /etc; echo x > /dev/shm/x; echo y > /y";
        let (_, names) = commit(3, change);
        let names: Vec<_> = names
            .iter()
            .filter(|n| !n.ends_with(".wh..wh..opq"))
            .collect();
        assert_eq!(names, ["etc/", "made/", "y"], "{}", setup.runtime.display());
        setup.assert_clean(&kept);
    }
}

#[test]
fn privileged_what_a_killed_run_leaves_is_removed() {
    for setup in Setup::all() {
        let name = id("victim");
        let arguments = ["run", "--name", &name, "localhost/app", "/bin/sh", "-c"];
        let mut child = setup
            .command(&[&arguments[..], &[LISTENER]].concat())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        until(&mut output, "ready");
        // The store is free while the container runs, and its layers are safe.
        setup.program.run(&["remove", "localhost/app"]);
        assert_eq!(
            setup.program.counts()[2],
            1,
            "the layer of a running container"
        );
        child.kill().unwrap();
        child.wait().unwrap();
        // The container goes on, and nothing of it is taken away.
        setup.program.run(&["gc"]);
        assert_eq!(setup.program.counts()[2], 1, "{}", setup.runtime.display());
        let state = Command::new(&setup.runtime).args(["state", &name]).output();
        let state: Value = serde_json::from_slice(&state.unwrap().stdout).unwrap();
        let pid = nix::unistd::Pid::from_raw(state["pid"].as_i64().unwrap() as i32);
        // Its runtime is killed as well, and cannot tidy up.
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let parent = status.lines().find_map(|l| l.strip_prefix("PPid:\t"));
        let parent = nix::unistd::Pid::from_raw(parent.unwrap().parse().unwrap());
        let kill = |pid| nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        if parent.as_raw() > 1 {
            kill(parent).unwrap();
        }
        kill(pid).unwrap();
        let start = Instant::now();
        while setup.program.counts() != [0, 0, 0, 0] {
            assert!(start.elapsed() < Duration::from_secs(10), "not tidied");
            setup.program.run(&["gc"]);
        }
        setup.assert_clean(&name);
    }
}

/// A user with subordinate ids: its id, the first subordinate user and group ids, its group.
fn subordinate_user() -> Option<(u32, u32, u32, u32)> {
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    let first = |file: &str, name: &str| -> Option<u32> {
        let text = fs::read_to_string(Path::new("/etc").join(file)).ok()?;
        text.lines().find_map(|l| {
            l.strip_prefix(&format!("{name}:"))?
                .split(':')
                .next()?
                .parse()
                .ok()
        })
    };
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let uid: u32 = fields.nth(1)?.parse().ok()?;
        let gid: u32 = fields.next()?.parse().ok()?;
        Some((uid, first("subuid", name)?, first("subgid", name)?, gid)).filter(|u| u.0 != 0)
    })
}

/// Calls the program as an ordinary user, who owns `home` and nothing else.
struct Ordinary {
    /// Removed at the end; holds everything.
    maker: Program,
    home: PathBuf,
    runtime: PathBuf,
    ids: (u32, u32, u32, u32),
}

impl Ordinary {
    fn new(runtime: &Path, ids: (u32, u32, u32, u32)) -> Self {
        let maker = Program::new();
        let folder = maker.folder.path();
        tool("chmod", ["755", folder.to_str().unwrap()]);
        let home = maker.path("home");
        fs::create_dir(&home).unwrap();
        let owner = format!("{}:{}", ids.0, ids.3);
        tool("chown", [owner.as_str(), home.to_str().unwrap()]);
        // Where that user can read them.
        fs::copy(env!("CARGO_BIN_EXE_tare-image"), folder.join("tare-image")).unwrap();
        let runtime = if runtime.is_absolute() {
            fs::copy(runtime, folder.join("tare")).unwrap();
            folder.join("tare")
        } else {
            runtime.to_path_buf()
        };
        Ordinary {
            maker,
            home,
            runtime,
            ids,
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.other(&self.maker.path("tare-image"));
        command.args(arguments);
        command
    }

    /// Another program.
    fn other(&self, program: &Path) -> Command {
        let (uid, gid) = (self.ids.0.to_string(), self.ids.3.to_string());
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", &uid, "--regid", &gid, "--clear-groups"])
            .arg(program)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("HOME", &self.home)
            .env("TARE_IMAGE_ROOT", self.home.join("store"))
            .env("XDG_RUNTIME_DIR", &self.home)
            .env("TARE", &self.runtime)
            .current_dir(&self.home)
            .stdin(Stdio::null());
        command
    }

    fn try_run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn run(&self, arguments: &[&str]) -> String {
        let output = self.try_run(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).to_string()
    }
}

#[test]
fn privileged_users_without_privilege_unpack_and_run() {
    use std::os::unix::fs::MetadataExt;
    if !(is_root() && have("busybox") && have("setpriv") && have("newuidmap")) {
        return;
    }
    let Some(ids) = subordinate_user() else {
        println!("skipped: no user has subordinate ids");
        return;
    };
    for runtime in runtimes() {
        let user = Ordinary::new(&runtime, ids);
        let root = user.maker.path("made");
        fs::create_dir_all(root.join("bin")).unwrap();
        fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
        std::os::unix::fs::symlink("busybox", root.join("bin/sh")).unwrap();
        fs::write(root.join("owned"), "x").unwrap();
        fs::write(root.join("gone"), "x").unwrap();
        let none = rustix::fs::XattrFlags::empty();
        let marked = rustix::fs::setxattr(root.join("owned"), "user.mark", b"yes", none).is_ok();
        tool("chown", ["1234:5678", root.join("owned").to_str().unwrap()]);
        let (tar, from) = (user.maker.path("made.tar"), root.to_str().unwrap());
        let tar = tar.to_str().unwrap();
        tool("tar", ["--xattrs", "-C", from, "-cf", tar, "."]);

        user.run(&["import", tar, "localhost/app"]);
        let out = user.home.join("out");
        user.run(&["unpack", "localhost/app", out.to_str().unwrap()]);
        let owner = fs::metadata(out.join("owned")).unwrap();
        assert_eq!(
            (owner.uid(), owner.gid()),
            (ids.1 + 1233, ids.2 + 5677),
            "subordinate ids"
        );
        assert_eq!(fs::metadata(out.join("bin")).unwrap().uid(), ids.0);
        if marked {
            let mut value = [0; 8];
            let n = rustix::fs::getxattr(out.join("owned"), "user.mark", &mut value[..]);
            assert_eq!(&value[..n.unwrap()], b"yes");
        }
        let bundle = user.home.join("bundle");
        user.run(&[
            "bundle",
            "localhost/app",
            bundle.to_str().unwrap(),
            "/bin/sh",
        ]);
        let config: Value =
            serde_json::from_slice(&fs::read(bundle.join("config.json")).unwrap()).unwrap();
        assert!(config["linux"]["resources"].is_null());
        let maps = &config["linux"]["uidMappings"];
        assert_eq!(maps[0]["hostID"], ids.0);
        assert_eq!(maps[1]["hostID"], ids.1);
        assert_eq!(config["linux"]["gidMappings"][1]["hostID"], ids.2);
        if runtime.is_absolute() {
            // The files are whose they are, seen from inside.
            let seen = user.home.join("seen");
            let command = ["/bin/busybox", "stat", "-c", "%u:%g", "/owned"];
            let arguments = ["bundle", "localhost/app", seen.to_str().unwrap()];
            user.run(&[&arguments[..], &command].concat());
            let mut run = user.other(&user.runtime.clone());
            let output = run.args(["run", "-b", "seen", "seen"]).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.stdout, b"1234:5678\n", "{said}");
        }

        let shell = |more: &[&str], script: &str| {
            user.try_run(&[&["run"], more, &["localhost/app", "/bin/sh", "-c", script]].concat())
        };
        for form in [&["--flat"][..], &[]] {
            let output = shell(form, "/bin/busybox stat -c %u:%g /owned; exit 6");
            assert_eq!(output.status.code(), Some(6), "{output:?}");
            assert_eq!(output.stdout, b"1234:5678\n", "{form:?}");
        }
        // Without a session, as in a cron job.
        let mut lonely = user.command(&["run", "localhost/app", "/bin/sh", "-c", "exit 7"]);
        let output = lonely.env_remove("XDG_RUNTIME_DIR").output().unwrap();
        assert_eq!(output.status.code(), Some(7), "{output:?}");
        let change = "echo $((6 * 7)) | /bin/busybox tee /x; /bin/busybox rm /gone";
        let output = shell(&["--name", "kept", "--keep"], change);
        assert_eq!(output.stdout, b"42\n", "{output:?}");
        user.run(&["commit", "kept", "localhost/changed"]);
        let changed = user.home.join("changed");
        user.run(&["unpack", "localhost/changed", changed.to_str().unwrap()]);
        assert_eq!(fs::read_to_string(changed.join("x")).unwrap(), "42\n");
        assert!(!changed.join("gone").exists());
        user.run(&["remove", "--container", "kept"]);
        user.run(&["remove", "localhost/app", "localhost/changed"]);
        for (folder, left) in [("containers", 0), ("staging", 0), ("layers/sha256", 0)] {
            let found = fs::read_dir(user.home.join("store").join(folder));
            let found = found.into_iter().flatten().count();
            assert_eq!(found, left, "{folder}, {}", runtime.display());
        }
    }
}

#[test]
fn privileged_users_without_subordinate_ids_run_too() {
    if !(is_root() && have("busybox") && have("setpriv")) {
        return;
    }
    // Nobody's id on every system, and nobody's alone: only that one id is mapped, and setgroups(2) is forbidden.
    let ids = (65_534, 0, 0, 65_534);
    let text = fs::read_to_string("/etc/subuid").unwrap_or_default();
    if text
        .lines()
        .any(|l| l.starts_with("nobody:") || l.starts_with("65534:"))
    {
        println!("skipped: nobody has subordinate ids here");
        return;
    }
    // crun needs a cgroup of its own for this.
    for runtime in runtimes().iter().filter(|r| !r.ends_with("crun")) {
        let user = Ordinary::new(runtime, ids);
        make_image(&user.maker, "localhost/app", 0);
        let tar = user.maker.path("rootfs.tar");
        // Whosever files these are, they are one's own here.
        let root = user.maker.path("rootfs");
        let root = root.to_str().unwrap();
        tool("chown", ["1234:5678", &format!("{root}/data")]);
        tool("tar", ["-C", root, "-cf", tar.to_str().unwrap(), "."]);
        user.run(&["import", tar.to_str().unwrap(), "localhost/app"]);
        let out = user.home.join("out");
        user.run(&["unpack", "localhost/app", out.to_str().unwrap()]);
        use std::os::unix::fs::MetadataExt;
        assert_eq!(fs::metadata(out.join("data")).unwrap().uid(), 65_534);
        if runtime.is_absolute() {
            user.run(&["bundle", "localhost/app", "bundle", "/bin/id", "-u"]);
            let mut run = user.other(&user.runtime.clone());
            let output = run.args(["run", "-b", "bundle", "b"]).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.stdout, b"0\n", "{said}");
        }
        for form in ["--flat", "-i"] {
            let command = ["localhost/app", "/bin/sh", "-c", "id -u; exit 6"];
            let output = user.try_run(&[&["run", form], &command[..]].concat());
            assert_eq!(output.stdout, b"0\n", "{output:?}");
            assert_eq!(output.status.code(), Some(6));
        }
        let containers = fs::read_dir(user.home.join("store/containers"));
        assert_eq!(containers.unwrap().count(), 0);
    }
}
