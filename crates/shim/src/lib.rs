//! The program `containerd-shim-tare-v2`: containerd's shim with the runtime inside.
//!
//! containerd starts one program for a container or a pod, and tells it by ttrpc what to do. Where other shims start a runtime
//! for each step, this one *is* the runtime: it calls `libcontainer`. It is one loop in one thread; a call that has to wait
//! gets a thread for as long as it waits, and is answered when that is done.
//!
//! `start` finds or starts the daemon, `delete` cleans up behind a dead one; without an action this is the daemon.

mod address;
mod bootstrap;
mod calls;
mod connection;
mod console;
mod delete;
mod ends;
mod events;
mod frame;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
mod grouping;
mod info;
mod invocation;
mod log;
mod log_uri;
mod options;
mod orphans;
mod peers;
mod poller;
mod publisher;
mod rootfs;
mod shim;
mod start;
mod status;
mod streams;
mod task;
mod workers;

use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use invocation::Invocation;
use shim::{Identity, Shim};

/// Does what the program is called for.
pub fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1).peekable();
    if words.next_if(|word| word == log_uri::ACTION).is_some() {
        return failed(&log_uri::become_program(words).to_string());
    }
    let outcome =
        Invocation::parse(words).and_then(|invocation| match invocation.action.as_str() {
            _ if invocation.version => {
                let written = std::io::stdout().write_all(info::version().as_bytes());
                written.map_err(|error| error.to_string())
            }
            _ if invocation.info => info::info(),
            "start" => start::start(&invocation),
            "delete" => delete::delete(&invocation),
            "" => serve(&invocation),
            other => Err(format!("action {other:?} is not known: start, delete")),
        });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => failed(&text),
    }
}

fn failed(text: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{text}");
    ExitCode::FAILURE
}

/// The daemon. Its socket is its standard input; `start` has made it.
fn serve(invocation: &Invocation) -> Result<(), String> {
    let hint = "without an action this is the daemon, which `start` starts";
    let stdin = std::io::stdin();
    let listens = nix::sys::socket::getsockopt(&stdin, nix::sys::socket::sockopt::AcceptConn);
    if !matches!(listens, Ok(true)) {
        return Err(format!("standard input is no socket that listens: {hint}"));
    }
    let told = |error: &dyn std::fmt::Display| format!("begin to serve: {error}");
    let listener = stdin
        .as_fd()
        .try_clone_to_owned()
        .map_err(|error| told(&error))?;
    let null = std::fs::File::open("/dev/null").map_err(|error| told(&error))?;
    nix::unistd::dup2_stdin(&null).map_err(|error| told(&error))?;
    drop(null);
    log::open_fifo(Path::new("."));
    // A session of its own: no terminal's signals come here.
    let _ = nix::unistd::setsid();
    nix::sys::prctl::set_child_subreaper(true).map_err(|error| told(&error))?;
    // It may have been inherited as ignored: then the kernel would tell nobody how children end.
    kernel::process::default_action(nix::libc::SIGCHLD).map_err(|error| told(&error))?;
    let events = std::env::var("TTRPC_ADDRESS").ok();
    let identity = Identity {
        namespace: invocation.namespace.clone(),
        events: events.as_deref().and_then(address::from_uri),
        socket: (!invocation.socket.is_empty()).then(|| PathBuf::from(&invocation.socket)),
    };
    let served = Shim::new(UnixListener::from(listener), identity).and_then(|mut shim| shim.run());
    served.map_err(|error| {
        log::error(&format!("{error}"));
        told(&error)
    })
}
