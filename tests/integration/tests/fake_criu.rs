//! A program that speaks criu's RPC and does as it is told: this test program, when it is called `criu`.
//!
//! What it is asked goes to the file `$CRIU_ASKED`, a line for each option, with the names and numbers of criu's
//! `images/rpc.proto`. `$CRIU_DOES` says what it does: words with commas between.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{MsgFlags, recv, send};
use nix::unistd::Pid;

const DUMP: u64 = 1;
const RESTORE: u64 = 2;
const PRE_DUMP: u64 = 4;
const NOTIFY: u64 = 6;
const FEATURE_CHECK: u64 = 9;
const VERSION: u64 = 10;

/// Options, by number.
const OPTIONS: [(u64, &str); 37] = [
    (1, "images_dir_fd"),
    (2, "pid"),
    (3, "leave_running"),
    (4, "ext_unix_sk"),
    (5, "tcp_established"),
    (6, "evasive_devices"),
    (7, "shell_job"),
    (8, "file_locks"),
    (9, "log_level"),
    (10, "log_file"),
    (11, "ps"),
    (12, "notify_scripts"),
    (13, "root"),
    (14, "parent_img"),
    (15, "track_mem"),
    (16, "auto_dedup"),
    (17, "work_dir_fd"),
    (18, "link_remap"),
    (23, "ext_mnt"),
    (24, "manage_cgroups"),
    (25, "cg_root"),
    (26, "rst_sibling"),
    (27, "inherit_fd"),
    (34, "manage_cgroups_mode"),
    (37, "external"),
    (38, "empty_ns"),
    (39, "join_ns"),
    (44, "freeze_cgroup"),
    (45, "timeout"),
    (46, "tcp_skip_in_flight"),
    (48, "lazy_pages"),
    (49, "status_fd"),
    (50, "orphan_pts_master"),
    (51, "config_file"),
    (52, "tcp_close"),
    (53, "lsm_profile"),
    (64, "lsm_mount_context"),
];

/// Options that are messages of two fields.
const PAIRS: [&str; 5] = ["ps", "ext_mnt", "cg_root", "inherit_fd", "join_ns"];

#[derive(Clone, Debug)]
enum Value {
    Number(u64),
    Bytes(Vec<u8>),
}

impl Value {
    fn show(&self) -> String {
        match self {
            Value::Number(number) => number.to_string(),
            Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        }
    }

    fn number(&self) -> u64 {
        match self {
            Value::Number(number) => *number,
            Value::Bytes(_) => panic!("a number was expected"),
        }
    }
}

fn varint(rest: &mut &[u8]) -> u64 {
    let mut value = 0;
    let mut shift = 0;
    loop {
        let (byte, left) = rest.split_first().expect("a whole number");
        *rest = left;
        value |= u64::from(byte & 127) << shift;
        shift += 7;
        if byte & 128 == 0 {
            return value;
        }
    }
}

fn fields(mut rest: &[u8]) -> Vec<(u64, Value)> {
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let key = varint(&mut rest);
        let value = match key & 7 {
            0 => Value::Number(varint(&mut rest)),
            2 => {
                let length = varint(&mut rest) as usize;
                let (bytes, left) = rest.split_at(length);
                rest = left;
                Value::Bytes(bytes.to_vec())
            }
            kind => panic!("wire type {kind}"),
        };
        fields.push((key >> 3, value));
    }
    fields
}

fn find(fields: &[(u64, Value)], number: u64) -> Option<&Value> {
    let found = fields.iter().find(|(field, _)| *field == number);
    found.map(|(_, value)| value)
}

fn encode(fields: &[(u64, Value)]) -> Vec<u8> {
    fn put(out: &mut Vec<u8>, mut value: u64) {
        while value > 127 {
            out.push(value as u8 | 128);
            value >>= 7;
        }
        out.push(value as u8);
    }
    let mut out = Vec::new();
    for (field, value) in fields {
        match value {
            Value::Number(number) => {
                put(&mut out, field << 3);
                put(&mut out, *number);
            }
            Value::Bytes(bytes) => {
                put(&mut out, field << 3 | 2);
                put(&mut out, bytes.len() as u64);
                out.extend(bytes);
            }
        }
    }
    out
}

struct Fake {
    socket: RawFd,
    does: Vec<String>,
    asked: File,
}

/// Whether this program was called as criu.
pub(crate) fn is_called() -> bool {
    let name = std::env::args_os().next().map(PathBuf::from);
    name.is_some_and(|name| name.ends_with("criu"))
}

/// `criu swrk FD` or `criu check`.
pub(crate) fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let does = std::env::var("CRIU_DOES").unwrap_or_default();
    let does: Vec<String> = does.split(',').map(str::to_owned).collect();
    if arguments[1] == "check" {
        return ExitCode::SUCCESS;
    }
    assert_eq!(arguments[1], "swrk");
    let asked = std::env::var("CRIU_ASKED").expect("$CRIU_ASKED");
    let asked = File::options().append(true).create(true).open(asked);
    let mut fake = Fake {
        socket: arguments[2].parse().expect("a descriptor"),
        does,
        asked: asked.expect("the file"),
    };
    while let Some(request) = fake.receive() {
        if let Some(code) = fake.serve(&request) {
            return ExitCode::from(code);
        }
    }
    ExitCode::SUCCESS
}

impl Fake {
    fn does(&self, what: &str) -> bool {
        self.does.iter().any(|word| word == what)
    }

    fn receive(&self) -> Option<Vec<(u64, Value)>> {
        let mut bytes = vec![0; 65536];
        let length = recv(self.socket, &mut bytes, MsgFlags::empty()).expect("recv");
        (length > 0).then(|| fields(&bytes[..length]))
    }

    fn respond(&self, fields: &[(u64, Value)]) {
        send(self.socket, &encode(fields), MsgFlags::empty()).expect("send");
    }

    fn serve(&mut self, request: &[(u64, Value)]) -> Option<u8> {
        let kind = find(request, 1).expect("a type").number();
        let success = |ok: bool| vec![(1, Value::Number(kind)), (2, Value::Number(ok.into()))];
        match kind {
            VERSION => {
                let major = if self.does("old") { 2 } else { 3 };
                let numbers = [(1, major), (2, 17), (4, 1)];
                let version: Vec<_> = numbers.map(|(f, n)| (f, Value::Number(n))).into();
                let mut response = success(true);
                response.push((10, Value::Bytes(encode(&version))));
                self.respond(&response);
            }
            FEATURE_CHECK => {
                let has = Value::Number((!self.does("featureless")).into());
                let mut response = success(true);
                response.push((8, Value::Bytes(encode(&[(1, has.clone()), (2, has)]))));
                self.respond(&response);
            }
            DUMP | RESTORE | PRE_DUMP => return Some(self.work(kind, request)),
            kind => panic!("request {kind}"),
        }
        None
    }

    fn work(&mut self, kind: u64, request: &[(u64, Value)]) -> u8 {
        let Some(Value::Bytes(options)) = find(request, 2) else {
            panic!("no options");
        };
        let options = fields(options);
        self.note(kind, &options);
        let own = |number| {
            let fd = find(&options, number).expect("a directory").number();
            fs::read_link(format!("/proc/{}/fd/{fd}", nix::unistd::getppid())).expect("a directory")
        };
        let (images, work) = (own(1), own(17));
        let name = find(&options, 10).expect("a log").show();
        fs::write(
            work.join(name),
            "(00.1) working\n(00.2) Error (criu/x.c:7): the reason why\n",
        )
        .expect("log");
        if self.does("die") {
            return 1;
        }
        let answer = |ok: bool| [(1, Value::Number(kind)), (2, Value::Number(ok.into()))];
        if kind == RESTORE {
            return self.restore(&answer(true), &answer(false));
        }
        fs::write(images.join("pstree.img"), "").expect("image");
        for event in ["pre-dump", "network-lock", "status-ready", "post-dump"] {
            if !self.notify(event, 0) {
                return 1;
            }
        }
        if self.does("fail") {
            self.respond(&answer(false));
            return 1;
        }
        if kind == DUMP && find(&options, 3).is_none() {
            let pid = find(&options, 2).expect("a pid").number();
            kill(Pid::from_raw(pid as i32), Signal::SIGKILL).expect("kill");
        }
        self.respond(&answer(true));
        // Before the next one of a row of dumps.
        if kind == PRE_DUMP {
            self.receive();
        }
        0
    }

    /// A process of the host's is the container, and outlives this one.
    #[allow(clippy::zombie_processes, reason = "whoever gets it reaps it")]
    fn restore(&self, good: &[(u64, Value)], bad: &[(u64, Value)]) -> u8 {
        let mut child = Command::new("/bin/sleep")
            .arg("1000")
            .spawn()
            .expect("sleep");
        let pid = child.id();
        for event in ["pre-restore", "setup-namespaces", "post-restore"] {
            if !self.notify(event, pid.into()) {
                child.kill().expect("kill");
                child.wait().expect("wait");
                return 1;
            }
        }
        if self.does("fail") {
            // It does not clean up.
            self.respond(bad);
            return 1;
        }
        self.respond(good);
        0
    }

    fn notify(&self, script: &str, pid: u64) -> bool {
        let notify = [(1, Value::Bytes(script.into())), (2, Value::Number(pid))];
        self.respond(&[
            (1, Value::Number(NOTIFY)),
            (2, Value::Number(1)),
            (5, Value::Bytes(encode(&notify))),
        ]);
        let answer = self.receive().expect("an answer");
        assert_eq!(find(&answer, 1).expect("a type").number(), NOTIFY);
        find(&answer, 3).is_some_and(|ok| ok.number() == 1)
    }

    fn note(&mut self, kind: u64, options: &[(u64, Value)]) {
        let kind = match kind {
            DUMP => "DUMP",
            PRE_DUMP => "PRE_DUMP",
            _ => "RESTORE",
        };
        let mut text = format!("{kind}\n");
        for (number, value) in options {
            let names = OPTIONS.iter().find(|(field, _)| field == number);
            let (_, name) = names.unwrap_or_else(|| panic!("option {number}"));
            let value = match value {
                Value::Bytes(bytes) if PAIRS.contains(name) => {
                    let parts = fields(bytes);
                    let shown: Vec<String> = parts.iter().map(|(_, part)| part.show()).collect();
                    shown.join(" ")
                }
                value => value.show(),
            };
            writeln!(text, "{name} {value}").expect("text");
        }
        self.asked.write_all(text.as_bytes()).expect("write");
    }
}

/// Makes a `criu` in a folder.
pub(crate) fn install(folder: &Path) {
    let own = std::env::current_exe().expect("own path");
    std::os::unix::fs::symlink(own, folder.join("criu")).expect("link");
}
