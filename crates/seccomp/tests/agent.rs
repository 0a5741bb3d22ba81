//! The example agent answers a real `mkdir`, under a filter made from the profile of bundles/seccomp-agent.
//!
//! The part of the container is played by this test's own program, started once more.
#![allow(clippy::unwrap_used, reason = "tests stop where something is missing")]

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, fs};

use kernel::{identity, socket};
use tare_seccomp::agent::{ProcessState, SECCOMP_FD};
use tare_seccomp::{Support, compile};

const BUNDLE: &str = include_str!("../../../bundles/seccomp-agent/config.json");
/// Says to the started program which socket to use; without it, it is the test.
const SOCKET: &str = "TEST_AGENT_SOCKET";

struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Cargo builds examples beside the tests, unless only this test was asked for.
fn example(name: &str) -> PathBuf {
    let own = env::current_exe().unwrap();
    let example = own.parent().unwrap().with_file_name("examples").join(name);
    if !example.exists() {
        let mut build = Command::new(env!("CARGO"));
        build.args([
            "build",
            "--quiet",
            "--manifest-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
            "--example",
            name,
        ]);
        assert!(build.status().unwrap().success());
    }
    example
}

#[test]
fn the_agent_makes_the_directory() {
    if let Some(socket) = env::var_os(SOCKET) {
        return contained(Path::new(&socket));
    }
    if !may_read_others() {
        eprintln!(
            "skipped: only root may read the memory of another process here (kernel.yama.ptrace_scope)"
        );
        return;
    }
    let folder = env::temp_dir().join(format!("seccomp-agent-{}", std::process::id()));
    fs::create_dir(&folder).unwrap();
    let path = folder.join("agent.sock");
    let mut agent = Agent(
        Command::new(example("agent"))
            .arg(&path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut lines = BufReader::new(agent.0.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "listening");
    let contained = Command::new(env::current_exe().unwrap())
        .args(["--exact", "the_agent_makes_the_directory", "--nocapture"])
        .env(SOCKET, &path)
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(contained.status.success(), "{contained:?}");
    assert!(
        lines
            .next()
            .unwrap()
            .unwrap()
            .starts_with("container web (pid ")
    );
    // The names that were asked for do not exist; the agent's do, with the permissions that were asked for.
    for name in ["absolute", "relative"] {
        assert!(!folder.join(name).exists(), "{name}");
        let made = fs::metadata(folder.join(format!("{name}-by-agent"))).unwrap();
        assert_eq!(made.mode() & 0o777, 0o700, "{name}");
    }
    fs::set_permissions(
        folder.join("absolute-by-agent"),
        fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    fs::remove_dir_all(&folder).unwrap();
}

fn may_read_others() -> bool {
    let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    identity::user() == 0 || matches!(scope.trim(), "" | "0")
}

/// Installs the bundle's filter, hands its listener over as the runtime does, and makes directories.
fn contained(path: &Path) {
    let config: spec::Spec<'_> = serde_json::from_str(BUNDLE).unwrap();
    let profile = config.linux.as_ref().unwrap().seccomp.as_ref().unwrap();
    let filter = compile(profile, &Support::default()).unwrap();
    assert!(filter.notify && filter.warnings.is_empty());
    identity::no_new_privileges().unwrap();
    let listener = kernel::seccomp::install(&filter.bytes(), filter.flags)
        .unwrap()
        .unwrap();
    let annotations = spec::Words::default();
    let message = ProcessState {
        oci_version: spec::VERSION,
        fds: &[SECCOMP_FD],
        pid: std::process::id() as i32,
        metadata: profile.listener_metadata.as_deref(),
        state: spec::State {
            oci_version: spec::VERSION,
            id: "web",
            status: "creating",
            pid: Some(std::process::id() as i32),
            bundle: "/",
            annotations: &annotations,
        },
    };
    let agent = socket::connect(path.to_str().unwrap().as_bytes(), 10).unwrap();
    let message = message.to_json().unwrap();
    assert_eq!(
        socket::send(agent.borrow(), &message, &[listener.borrow()]).unwrap(),
        message.len()
    );
    drop(listener);
    let mut make = fs::DirBuilder::new();
    let make = std::os::unix::fs::DirBuilderExt::mode(&mut make, 0o700);
    make.create(path.with_file_name("absolute")).unwrap();
    make.create("relative").unwrap();
    // What the agent answers is what the call returns.
    assert_eq!(
        make.create("relative").unwrap_err().kind(),
        std::io::ErrorKind::AlreadyExists
    );
    assert_eq!(
        make.create("missing/relative").unwrap_err().kind(),
        std::io::ErrorKind::NotFound
    );
}
