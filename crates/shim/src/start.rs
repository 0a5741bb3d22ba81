//! `start`: a shim for a container, found or started, and where it is.

use std::io::{IsTerminal, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::address::{self, Place};
use crate::bootstrap::Params;
use crate::grouping::{self, Settings};
use crate::invocation::Invocation;
use crate::options::Options;

/// The file in the bundle by which containerd finds the shim again.
const FOUND_BY: &str = "address";

/// More than that no options are.
const LONGEST: u64 = 4 << 20;

/// Prints where the shim of this container is. The bundle is the current directory.
pub(crate) fn start(invocation: &Invocation) -> Result<(), String> {
    let mut input = Vec::new();
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        let read = stdin.take(LONGEST).read_to_end(&mut input);
        read.map_err(|error| format!("read standard input: {error}"))?;
    }
    let params = Params::new(invocation, &input, |name| std::env::var(name).ok());
    if params.id.is_empty() {
        return Err("the container has no id (-id)".to_owned());
    }
    let options = Options::parse(params.options.as_ref()).map_err(|status| status.text)?;
    let settings = Settings::load(Path::new(grouping::FILE))?;
    // Without one there is no pod either; Create says what is wrong.
    let config = std::fs::read_to_string("config.json").unwrap_or_default();
    let group = settings.group(&params.id, &config);
    let folder = Some(params.socket_dir.as_str());
    let socket = address::path(folder, &params.grpc, &params.namespace, &group);
    let place = address::claim(&socket)
        .map_err(|error| format!("listen at {}: {error}", socket.display()))?;
    let uri = address::to_uri(&socket);
    let daemon = Daemon {
        params: &params,
        options: &options,
        group: &group,
        socket: &socket,
    };
    let (listener, is_new) = match place {
        Place::New(listener) => (Some(listener), true),
        Place::Served => (None, false),
    };
    let mut child = None;
    // What fails in here is why nobody is told where the daemon is: then there is to be none.
    let told = (|| {
        // containerd keeps its own note from 1.7 on. Before there is a daemon: it would have nobody who finds it.
        write_whole(Path::new(FOUND_BY), &uri)
            .map_err(|error| format!("write {FOUND_BY}: {error}"))?;
        if let Some(listener) = listener {
            let pid = child.insert(daemon.start(listener.into())?).id();
            daemon.settle(pid)?;
        }
        let mut stdout = std::io::stdout();
        let written = stdout
            .write_all(&params.answer(&uri))
            .and_then(|()| stdout.flush());
        written.map_err(|error| format!("write the answer: {error}"))
    })();
    if told.is_err() {
        if let Some(mut child) = child {
            let _ = child.kill();
            let _ = child.wait();
        }
        if is_new {
            address::remove_dead(&socket);
        }
    }
    told
}

struct Daemon<'a> {
    params: &'a Params,
    options: &'a Options,
    group: &'a str,
    socket: &'a Path,
}

impl Daemon<'_> {
    /// Starts the daemon as a fresh program. It gets the socket as its standard input, and nothing else of what is open here.
    fn start(&self, listener: OwnedFd) -> Result<Child, String> {
        let failed = |error: std::io::Error| format!("start the shim: {error}");
        kernel::file::close_from_on_exec(3).map_err(|fault| format!("start the shim: {fault}"))?;
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        command
            .args(["-namespace", &self.params.namespace, "-id", self.group])
            .args(["-address", &self.params.grpc])
            .arg("-socket")
            .arg(self.socket)
            .env("TTRPC_ADDRESS", &self.params.ttrpc)
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::from(listener))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.spawn().map_err(failed)
    }

    fn settle(&self, pid: u32) -> Result<(), String> {
        if !self.options.shim_cgroup.is_empty() {
            enter_cgroup(&self.options.shim_cgroup, pid)?;
        }
        adjust_oom_score(pid);
        Ok(())
    }
}

/// The shim is to die after containerd, and before nobody else: its score is one above that of who started it. (Lower would be
/// safer for the shim, but what containers do not set they inherit.)
fn adjust_oom_score(pid: u32) {
    let own = std::fs::read_to_string("/proc/self/oom_score_adj");
    if let Some(score) = own.ok().and_then(|text| text.trim().parse::<i32>().ok()) {
        let above = (score + 1).min(1000).to_string();
        // Raising it is always allowed, short of a race with the shim's end.
        let _ = std::fs::write(format!("/proc/{pid}/oom_score_adj"), above);
    }
}

/// Moves the shim to a cgroup of its own: in each hierarchy of version 1, or in that of version 2.
fn enter_cgroup(name: &str, pid: u32) -> Result<(), String> {
    let top = Path::new("/sys/fs/cgroup");
    let below = name.trim_start_matches('/');
    let hierarchies: Vec<PathBuf> = match top.join("cgroup.controllers").exists() {
        true => vec![top.to_owned()],
        false => {
            let entries = std::fs::read_dir(top)
                .map_err(|error| format!("shim_cgroup: {}: {error}", top.display()))?;
            let folders = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
            folders
                .filter(|folder| folder.join("cgroup.procs").exists())
                .collect()
        }
    };
    for hierarchy in hierarchies {
        let folder = hierarchy.join(below);
        let failed = |error| format!("shim_cgroup: {}: {error}", folder.display());
        std::fs::create_dir_all(&folder).map_err(failed)?;
        // A cpuset without processors or memory takes no process.
        for file in ["cpuset.cpus", "cpuset.mems"] {
            let inherit = folder.join(file);
            if std::fs::read_to_string(&inherit).is_ok_and(|text| text.trim().is_empty())
                && let Ok(text) = std::fs::read_to_string(hierarchy.join(file))
            {
                std::fs::write(&inherit, text.trim()).map_err(failed)?;
            }
        }
        std::fs::write(folder.join("cgroup.procs"), pid.to_string()).map_err(failed)?;
    }
    Ok(())
}

/// Whoever reads the file finds all of it or none.
fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let new = path.with_extension("new");
    std::fs::write(&new, text)?;
    std::fs::rename(new, path)
}
