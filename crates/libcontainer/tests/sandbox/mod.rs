//! A root file system with a shell, a store, and containers of which nothing stays.
#![allow(dead_code, reason = "each test uses a part")]

use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use tare_libcontainer::{Bundle, Container, CreateOptions, Created, ExecRequest, Store, Streams};

#[path = "../../examples/busybox/root.rs"]
mod root;

use root::Root;
pub(crate) use root::missing;

/// What a test works in.
pub(crate) struct Sandbox {
    pub(crate) path: PathBuf,
    pub(crate) store: Store,
    name: &'static str,
    /// Goes last.
    root: Root,
}

impl Sandbox {
    /// `None`, and a line that says so, where the machine does not allow containers.
    pub(crate) fn new(name: &'static str) -> Option<Sandbox> {
        if let Some(why) = missing() {
            // Past the capture of test output, so that it can be counted.
            let line = format!("skipped: {name}: {why}\n");
            let _ = std::io::stdout().write_all(line.as_bytes());
            return None;
        }
        let root = Root::new(name).unwrap();
        let path = root.folder().to_owned();
        let store = Store::open(root.state()).unwrap();
        Some(Sandbox {
            path,
            store,
            name,
            root,
        })
    }

    /// An id that no other test has.
    pub(crate) fn id(&self, of: &str) -> String {
        format!("{}-{of}-{}", self.name, std::process::id())
    }

    /// A container that runs this line of shell.
    pub(crate) fn config(&self, line: &str, terminal: bool) -> Bundle {
        let text = format!(
            r#"{{"ociVersion":"1.3.0","root":{{"path":"rootfs"}},
            "process":{{"args":["/bin/busybox","sh","-c",{line:?}],"cwd":"/","terminal":{terminal},
                        "env":["PATH=/bin"],"user":{{"uid":0,"gid":0}}}},
            "mounts":[{{"destination":"/proc","type":"proc","source":"proc"}},
                      {{"destination":"/dev","type":"tmpfs","source":"tmpfs","options":["size=64k","mode=755"]}},
                      {{"destination":"/dev/pts","type":"devpts","source":"devpts","options":["newinstance","ptmxmode=0666","mode=0620"]}}],
            "linux":{{"namespaces":[{{"type":"pid"}},{{"type":"mount"}},{{"type":"uts"}},{{"type":"ipc"}}]}}}}"#
        );
        Bundle::from_text(&self.path, text)
    }

    /// One that runs until it is killed.
    pub(crate) fn idle(&self, of: &str) -> Created {
        let mut options = CreateOptions::default();
        options.streams = Streams::null();
        let bundle = self.config("while :; do sleep 1000; done", false);
        Container::run(&self.store, &self.id(of), &bundle, options).unwrap()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        for id in self.store.ids().unwrap_or_default() {
            let _ = Container::delete(&self.store, &id, true);
        }
    }
}

/// A line of shell as a process to be added.
pub(crate) fn shell(line: &str) -> ExecRequest {
    let mut request = ExecRequest::default();
    request.args = ["/bin/busybox", "sh", "-c", line]
        .map(str::to_owned)
        .to_vec();
    request.streams = Streams::null();
    request
}

/// Everything that comes from a pipe.
pub(crate) fn read(end: Option<OwnedFd>) -> String {
    let mut text = String::new();
    fs::File::from(end.unwrap())
        .read_to_string(&mut text)
        .unwrap();
    text
}

/// Processes whose parent is this one, zombies too: number and state.
pub(crate) fn children() -> Vec<(i32, char)> {
    let own = std::process::id().to_string();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let Some((_, rest)) = stat.rsplit_once(") ") else {
            continue;
        };
        let mut words = rest.split(' ');
        let (state, parent) = (words.next().unwrap(), words.next().unwrap());
        if parent == own {
            let pid = entry.file_name().to_string_lossy().parse().unwrap();
            found.push((pid, state.chars().next().unwrap()));
        }
    }
    found
}
