//! The binary as a caller sees it: what it prints where, and how it exits. No container is started here.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory of its own for each test; removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tare-cli-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Scratch(path)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What came of a call.
#[derive(Debug, PartialEq)]
struct Answer {
    code: i32,
    out: String,
    err: String,
}

impl From<Output> for Answer {
    fn from(output: Output) -> Answer {
        Answer {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

fn command(name: &str, dir: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tare"));
    command
        .arg0(name)
        .args(words)
        .current_dir(dir)
        .env_remove("XDG_RUNTIME_DIR")
        .stdin(Stdio::null());
    command
}

/// Calls tare with a store of its own.
fn tare(scratch: &Scratch, words: &[&str]) -> Answer {
    let mut all = vec!["--root", "store"];
    all.extend(words);
    command("tare", &scratch.0, &all).output().unwrap().into()
}

/// The message of the only line of a text log.
fn message(err: &str) -> &str {
    let line = err.strip_suffix('\n').unwrap();
    assert!(!line.contains('\n'), "{err}");
    let (time, rest) = line.split_once(" level=error msg=").unwrap();
    let time = time
        .strip_prefix("time=\"")
        .unwrap()
        .strip_suffix("Z\"")
        .unwrap();
    assert_eq!(time.len(), "2026-11-21T09:55:21".len());
    rest
}

const COMMANDS: [&str; 23] = [
    "gc",
    "info",
    "check",
    "checkpoint",
    "create",
    "delete",
    "events",
    "exec",
    "features",
    "help",
    "kill",
    "list",
    "pause",
    "plan",
    "ps",
    "restore",
    "resume",
    "run",
    "seccomp",
    "spec",
    "start",
    "state",
    "update",
];

#[test]
fn help_names_the_program_and_the_command() {
    let scratch = Scratch::new();
    for words in [&["--help"][..], &["-h"], &["help"], &["h"], &[]] {
        let answer = tare(&scratch, words);
        assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{words:?}");
        let mut lines = answer.out.lines();
        assert_eq!(lines.next(), Some("NAME:"));
        assert_eq!(
            lines.next(),
            Some("   tare - Open Container Initiative runtime")
        );
        for name in COMMANDS {
            assert!(answer.out.contains(&format!("\n   {name}")), "{name}");
        }
    }
    for name in COMMANDS {
        let answer = tare(&scratch, &[name, "--help"]);
        assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{name}");
        let mut lines = answer.out.lines();
        assert_eq!(lines.next(), Some("NAME:"));
        let second = lines.next().unwrap();
        assert!(
            second.starts_with(&format!("   tare {name} - ")),
            "{second}"
        );
        assert_eq!(tare(&scratch, &[name, "-h"]), answer);
        assert_eq!(tare(&scratch, &["help", name]), answer);
    }
}

#[test]
fn the_name_of_the_program_is_the_one_it_was_called_by() {
    let scratch = Scratch::new();
    let call = |name: &str, words: &[&str]| -> Answer {
        command(name, &scratch.0, words).output().unwrap().into()
    };
    for (called, first) in [
        ("/usr/sbin/runc", "runc version "),
        ("tare", "tare version "),
    ] {
        for flag in ["-v", "--version"] {
            let answer = call(called, &[flag]);
            let lines: Vec<&str> = answer.out.lines().collect();
            assert_eq!((answer.code, lines.len()), (0, 3));
            assert!(lines[0].starts_with(first), "{}", answer.out);
            assert!(lines[1].starts_with("commit: "));
            assert_eq!(lines[2], "spec: 1.3.0");
        }
    }
    let answer = call(
        "/opt/runc",
        &["--root", "store", "run", "-b", "nowhere", "c"],
    );
    assert_eq!(answer.code, 1);
    assert!(
        message(&answer.err).starts_with("\"runc run failed: "),
        "{}",
        answer.err
    );
    let answer = call("/opt/runc", &["kill", "-h"]);
    assert!(
        answer
            .out
            .contains("\n   runc kill [command options] ID [SIGNAL]\n")
    );
}

#[test]
fn wrong_usage() {
    let scratch = Scratch::new();
    for (words, start, error) in [
        (
            &["--foo", "list"][..],
            "Incorrect Usage. flag provided but not defined: -foo\n\nNAME:\n   tare - ",
            "\"flag provided but not defined: -foo\"",
        ),
        (
            &["state", "--foo", "c"],
            "Incorrect Usage: flag provided but not defined: -foo\n\nNAME:\n   tare state - ",
            "\"flag provided but not defined: -foo\"",
        ),
        (
            &["state"],
            "Incorrect Usage.\n\nNAME:\n   tare state - ",
            r#""tare: \"state\" requires exactly 1 argument(s)""#,
        ),
        (
            &["list", "c"],
            "Incorrect Usage.\n\nNAME:\n   tare list - ",
            r#""tare: \"list\" requires exactly 0 argument(s)""#,
        ),
        (
            &["exec"],
            "Incorrect Usage.\n\nNAME:\n   tare exec - ",
            r#""tare: \"exec\" requires a minimum of 1 argument(s)""#,
        ),
        (
            &["kill", "c", "9", "9"],
            "Incorrect Usage.\n\nNAME:\n   tare kill - ",
            r#""tare: \"kill\" requires a maximum of 2 argument(s)""#,
        ),
        (
            &["exec", "-e", "A=1", "--env", "B=2", "c", "ls"],
            "Incorrect Usage: Cannot use two forms of the same flag: e env\n\nNAME:",
            "\"Cannot use two forms of the same flag: e env\"",
        ),
    ] {
        let answer = tare(&scratch, words);
        assert_eq!(answer.code, 1, "{words:?}");
        assert!(answer.out.starts_with(start), "{words:?}: {}", answer.out);
        assert_eq!(message(&answer.err), error, "{words:?}");
    }
}

#[test]
fn unknown_commands_exit_with_3() {
    let scratch = Scratch::new();
    for words in [&["foo"][..], &["foo", "-h"], &["help", "foo"]] {
        let answer = tare(&scratch, words);
        assert_eq!((answer.code, answer.out.as_str()), (3, ""), "{words:?}");
        assert_eq!(message(&answer.err), "\"No help topic for 'foo'\"");
    }
    for words in [&["strat"][..], &["help", "strat"]] {
        let answer = tare(&scratch, words);
        assert_eq!((answer.code, answer.out.as_str()), (3, ""), "{words:?}");
        let expected = "\"No help topic for 'strat' (did you mean 'start'?)\"";
        assert_eq!(message(&answer.err), expected);
    }
}

#[test]
fn global_values_are_checked() {
    let scratch = Scratch::new();
    for (words, error) in [
        (
            &["--log-format", "xml", "list"][..],
            "\"invalid log-format: xml\"",
        ),
        (
            &["--root", "/", "list"],
            "\"Option --root argument should not be set to /\"",
        ),
        (
            &["--log", "no/log", "list"],
            "/no/log: no such file or directory (--log)\"",
        ),
        (
            &["--rootless=maybe", "list"],
            "\"invalid rootless: maybe (true, false or auto)\"",
        ),
        (
            &["list", "-f", "xml"],
            "/store: no such file or directory\"",
        ),
    ] {
        let answer = tare(&scratch, words);
        assert_eq!((answer.code, answer.out.as_str()), (1, ""), "{words:?}");
        assert!(
            message(&answer.err).ends_with(error),
            "{words:?}: {}",
            answer.err
        );
    }
}

#[test]
fn errors_go_to_the_log_and_bare_to_standard_error() {
    let scratch = Scratch::new();
    let spec = scratch.0.join("config.json");
    std::fs::write(spec, "").unwrap();
    let error = "File config.json exists. Remove it first";

    let answer = tare(&scratch, &["spec"]);
    assert_eq!(
        (answer.code, message(&answer.err)),
        (1, &*format!("\"{error}\""))
    );

    for _ in 0..2 {
        let answer = tare(&scratch, &["--log", "text.log", "spec"]);
        assert_eq!((answer.code, answer.err), (1, format!("{error}\n")));
    }
    let log = scratch.read("text.log");
    assert_eq!(log.lines().count(), 2, "the log is appended to");
    let first = log.split_inclusive('\n').next().unwrap();
    assert_eq!(message(first), format!("\"{error}\""));

    let answer = tare(&scratch, &["--log=json.log", "--log-format=json", "spec"]);
    assert_eq!((answer.code, answer.err), (1, format!("{error}\n")));
    let log = scratch.read("json.log");
    let start = format!("{{\"level\":\"error\",\"msg\":\"{error}\",\"time\":\"20");
    assert!(
        log.starts_with(&start) && log.ends_with("Z\",\"operation\":\"spec\"}\n"),
        "{log}"
    );
}

#[test]
fn exec_says_by_its_exit_code_that_nothing_was_started() {
    let scratch = Scratch::new();
    for words in [
        &["exec", "none", "true"][..],
        &["exec", "-p", "none.json", "none"],
    ] {
        let answer = tare(&scratch, words);
        assert_eq!((answer.code, answer.out.as_str()), (255, ""), "{words:?}");
        assert!(message(&answer.err).starts_with("\"exec failed: "));
    }
}

#[test]
fn absent_containers() {
    let scratch = Scratch::new();
    for words in [
        &["state", "none"][..],
        &["start", "none"],
        &["delete", "none"],
        &["kill", "none"],
    ] {
        let answer = tare(&scratch, words);
        assert_eq!((answer.code, answer.out.as_str()), (1, ""), "{words:?}");
        assert!(
            answer.err.contains("container does not exist"),
            "{}",
            answer.err
        );
    }
    let answer = tare(&scratch, &["delete", "none", "--force"]);
    assert_eq!(
        (answer.code, answer.out, answer.err),
        (0, String::new(), String::new())
    );
}

#[test]
fn an_empty_store_is_listed() {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.0.join("store")).unwrap();
    let header = "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n";
    for (words, out) in [
        (&["list"][..], header),
        (&["list", "--format", "json"], "null\n"),
        (&["list", "-q"], ""),
    ] {
        let answer = tare(&scratch, words);
        assert_eq!(
            (answer.code, answer.out.as_str(), answer.err.as_str()),
            (0, out, "")
        );
    }
    // Nobody said that this one exists.
    let mut list = command("tare", &scratch.0, &["list"]);
    list.env("XDG_RUNTIME_DIR", scratch.0.join("session"));
    list.env("USER", "nobody");
    let answer: Answer = list.output().unwrap().into();
    assert_eq!(answer.code, 0, "{}", answer.err);
    assert!(answer.out.starts_with("ID "));

    let answer = tare(&scratch, &["list", "-f", "xml"]);
    assert_eq!(
        (answer.code, message(&answer.err)),
        (1, "\"invalid format option\"")
    );
}

#[test]
fn spec_writes_what_it_can_read_again() {
    let scratch = Scratch::new();
    for (bundle, flags) in [("root", &[][..]), ("user", &["--rootless"])] {
        std::fs::create_dir(scratch.0.join(bundle)).unwrap();
        let mut words = vec!["spec", "--bundle", bundle];
        words.extend(flags);
        let answer = tare(&scratch, &words);
        assert_eq!(
            (answer.code, answer.out, answer.err),
            (0, String::new(), String::new())
        );
        let text = scratch.read(&format!("{bundle}/config.json"));
        assert!(text.starts_with("{\n\t\"ociVersion\": \"1.3.0\",\n\t\"process\": {\n"));
        assert_eq!(text.contains("\"uidMappings\""), bundle == "user");
    }
}

/// A bundle whose config is `text`.
fn bundle(scratch: &Scratch, text: &str) {
    std::fs::create_dir_all(scratch.0.join("bundle/rootfs")).unwrap();
    std::fs::write(scratch.0.join("bundle/config.json"), text).unwrap();
}

const BROKEN: &str = r#"{
  "ociVersion": "1.3.0",
  "hostname": 7,
  "root": {"path": "rootfs"},
  "process": {"cwd": "here\u001b[1m", "args": ["nowhere"], "env": ["PATH=/bin"]},
  "hooks": {"createRuntime": [{"path": "/nonexistent/hook"}]},
  "mounts": [{"destination": "/a", "source": "/nonexistent/source", "options": ["bind"]}],
  "linux": {"namespaces": [{"type": "mount"}, {"type": "network", "path": "/dev/null"}]}
}
"#;

#[test]
fn check_lists_all_problems_with_their_places() {
    let scratch = Scratch::new();
    bundle(&scratch, BROKEN);
    let file = scratch.0.canonicalize().unwrap().join("bundle/config.json");
    for words in [&["check", "bundle"][..], &["check", "-b", "bundle"]] {
        let answer = tare(&scratch, words);
        assert_eq!((answer.code, answer.err.as_str()), (1, ""), "{words:?}");
        for line in [
            "3:3: error: hostname: invalid type: integer `7`, expected a string",
            "5:3: error: process.user: is required",
            "5:15: error: process.cwd: Cwd must be an absolute path: \"here\\u{1b}[1m\"",
            "6:32: error: hooks.createRuntime[0].path: /nonexistent/hook: no such file or directory",
            "7:36: error: mounts[0].source: /nonexistent/source: no such file or directory",
            "8:67: error: linux.namespaces[1].path: /dev/null: is not a network namespace",
            "8:3: warning: linux.seccomp: no system call filter",
        ] {
            let line = format!("{}:{line}", file.display());
            assert!(answer.out.contains(&line), "{line}\n{}", answer.out);
        }
        let last = answer.out.lines().last().unwrap();
        assert!(last.starts_with("6 errors, "), "{}", answer.out);
        assert!(last.ends_with("the bundle does not run here"));
    }
    let answer = tare(&scratch, &["check", "--format", "json", "bundle"]);
    assert_eq!((answer.code, answer.err.as_str()), (1, ""));
    let verdict: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(verdict["valid"], false);
    assert_eq!(verdict["problems"].as_array().unwrap().len(), 6);
    let first = &verdict["problems"][0];
    assert_eq!(
        (&first["config"], &first["line"]),
        (&"hostname".into(), &3.into())
    );
    assert!(!scratch.0.join("store").exists(), "check makes nothing");

    let answer = tare(&scratch, &["check", "--format", "xml", "bundle"]);
    assert_eq!(
        (answer.code, message(&answer.err)),
        (1, "\"invalid format option\"")
    );
    let answer = tare(&scratch, &["check", "none"]);
    assert_eq!((answer.code, answer.out.as_str()), (1, ""));
    assert!(answer.err.contains("open bundle"), "{}", answer.err);
    std::fs::write(scratch.0.join("bundle/config.json"), "{\"a\":").unwrap();
    let answer = tare(&scratch, &["check", "bundle"]);
    assert_eq!(answer.code, 1);
    assert!(
        answer.out.contains("config.json:1:5: error: EOF"),
        "{}",
        answer.out
    );
}

#[test]
fn check_knows_where_a_program_must_be() {
    let scratch = Scratch::new();
    let (found, late) = ("exec: \\\"tool\\\": executable file not found in $PATH", "");
    for (more, args, expected) in [
        ("", "tool", found),
        ("", "/bin/tool", "stat /bin/tool: no such file or directory"),
        ("", "/bin", "exec: \\\"/bin\\\": permission denied"),
        ("", "real", ""),
        ("", "/bin/../../bin/link", ""),
        (
            r#","mounts": [{"destination": "/bin", "type": "tmpfs"}]"#,
            "tool",
            late,
        ),
        (
            r#","hooks": {"prestart": [{"path": "/bin/true"}]}"#,
            "tool",
            late,
        ),
    ] {
        let config = format!(
            r#"{{"ociVersion": "1.0.0", "root": {{"path": "rootfs"}},
            "process": {{"cwd": "/", "args": ["{args}"], "env": ["PATH=/sbin:/bin"]}},
            "linux": {{"namespaces": [{{"type": "mount"}}]}}{more}}}"#
        );
        bundle(&scratch, &config);
        let bin = scratch.0.join("bundle/rootfs/bin");
        let _ = std::fs::create_dir(&bin);
        let _ = std::fs::copy("/bin/true", bin.join("real"));
        // An absolute link leads to the container's root, not to the host's.
        let _ = std::os::unix::fs::symlink("/bin/real", bin.join("link"));
        let answer = tare(&scratch, &["check", "-f", "json", "bundle"]);
        let wrong = answer.out.contains("\"config\": \"process.args[0]\"");
        assert_eq!(wrong, !expected.is_empty(), "{args}: {}", answer.out);
        assert!(answer.out.contains(expected), "{args}: {}", answer.out);
    }
}

#[test]
fn what_cannot_be_printed_is_an_error() {
    let scratch = Scratch::new();
    bundle(&scratch, BROKEN);
    for words in [
        &["--help"][..],
        &["--version"],
        &["help", "run"],
        &["check", "bundle"],
        &["features"],
        &["info"],
        &["seccomp", "--foo"],
    ] {
        let full = std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let mut full_disk = command("tare", &scratch.0, words);
        let answer: Answer = full_disk.stdout(full).output().unwrap().into();
        assert_eq!(answer.code, 1, "{words:?}");
        let error = "\"write to standard output: no space left on device\"";
        assert_eq!(message(&answer.err), error, "{words:?}");

        // A pipe that nobody reads any more; Rust programs ignore SIGPIPE.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut closed = command("tare", &scratch.0, words);
        let answer: Answer = closed.stdout(writer).output().unwrap().into();
        assert_eq!(answer.code, 1, "{words:?}");
        assert!(
            answer.err.contains("broken pipe"),
            "{words:?}: {}",
            answer.err
        );
    }
}

#[test]
fn info_gives_reasons() {
    let scratch = Scratch::new();
    let answer = tare(&scratch, &["info"]);
    assert_eq!((answer.code, answer.err.as_str()), (0, ""));
    let version = format!(
        "tare\n  version                   {}\n",
        env!("CARGO_PKG_VERSION")
    );
    assert!(answer.out.starts_with(&version), "{}", answer.out);
    for line in [
        "\nkernel\n  release  ",
        "\ncgroups\n  version  ",
        "\n  rootless  ",
    ] {
        assert!(answer.out.contains(line), "{line:?}\n{}", answer.out);
    }
    let answer = tare(&scratch, &["info", "-f", "json"]);
    assert_eq!((answer.code, answer.err.as_str()), (0, ""));
    let report: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    assert!(
        report["kernel"]["release"]["value"].is_string(),
        "{report:#}"
    );
    let rootless = &report["caller"]["rootless"];
    assert!(
        rootless["value"].is_boolean() && rootless["why"].is_string(),
        "{report:#}"
    );
    let state = scratch.0.canonicalize().unwrap().join("store");
    assert_eq!(report["tare"]["state"], state.to_str().unwrap());
    assert!(!state.exists(), "info makes nothing");
    let answer = tare(&scratch, &["info", "-f", "xml"]);
    assert_eq!(
        (answer.code, message(&answer.err)),
        (1, "\"invalid format option\"")
    );
    assert_eq!(tare(&scratch, &["info", "x"]).code, 1);
}

/// Runs it by way of a shell that changes something first.
fn after(change: &str, dir: &Path, words: &[&str]) -> Answer {
    let script = format!("{change}; exec \"$@\"");
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &script, "sh", env!("CARGO_BIN_EXE_tare")])
        .args(words)
        .current_dir(dir)
        .stdin(Stdio::null());
    shell.output().unwrap().into()
}

#[test]
fn a_log_is_not_writable_for_others() {
    use std::os::unix::fs::PermissionsExt;
    for (mask, mode) in [("000", 0o644), ("022", 0o644), ("077", 0o600)] {
        let scratch = Scratch::new();
        let change = format!("umask {mask}");
        after(
            &change,
            &scratch.0,
            &["--log", "log", "--root", "r", "state", "x"],
        );
        let metadata = std::fs::metadata(scratch.0.join("log")).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, mode, "{mask}");
    }
}

#[test]
fn want_of_memory_is_one_line() {
    let scratch = Scratch::new();
    let text = "x".repeat(20 << 20);
    let config = format!("{{\"ociVersion\":\"1.0.0\",\"annotations\":{{\"a\":\"\\n{text}\"}}}}");
    std::fs::write(scratch.0.join("config.json"), config).unwrap();
    let scarce = "ulimit -v 36000";
    let answer = after(scarce, &scratch.0, &["plan", "--bundle", "."]);
    let expected = "level=error msg=\"out of memory\"\n";
    assert_eq!((answer.code, answer.err.as_str()), (1, expected));
    let log = [
        "--log",
        "log",
        "--log-format",
        "json",
        "plan",
        "--bundle",
        ".",
    ];
    let answer = after(scarce, &scratch.0, &log);
    assert_eq!((answer.code, answer.err.as_str()), (1, "out of memory\n"));
    let line: serde_json::Value = serde_json::from_str(&scratch.read("log")).unwrap();
    assert_eq!(line["level"], "error");
    assert_eq!(line["msg"], "out of memory");
}
