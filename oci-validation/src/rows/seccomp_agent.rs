//! H5, H6: the agent that is sent the filter's descriptor and answers for the container.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use kernel::seccomp::Reply;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::seccomp::rule;
use crate::bundle::Bundle;
use crate::case::Case;
use crate::container::{Container, Seen, wait_for};
use crate::row::{Row, must};
use crate::verdict::{Setup, Verdict, ensure, fail, same};

const SECCOMP: &str = "config-linux.md#seccomp";
const STATE: &str = "config-linux.md#the-container-process-state";

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    must("H5", SECCOMP, "the agent at `listenerPath` answers the calls of the container", |c| {
        let agent = Agent::new(c)?;
        let (seen, _) = agent.serve(agent.bundle(c))?;
        seen.has("EADDRNOTAVAIL")
    }),
    must("H5.metadata", SECCOMP, "`listenerMetadata` reaches the agent as it is", |c| {
        let agent = Agent::new(c)?;
        let bundle = agent.bundle(c).set("/linux/seccomp/listenerMetadata", "any text: ü");
        let (_, state) = agent.serve(bundle)?;
        same("metadata", state["metadata"].as_str(), Some("any text: ü"))
    }),
    must("H5.alone", SECCOMP, "`listenerMetadata` without `listenerPath` is an error", |c| {
        let bundle = rule(c.bundle(), json!({"action": "SCMP_ACT_ERRNO"}));
        bundle.set("/linux/seccomp/listenerMetadata", "text").refused_in_the_end().map(drop)
    }),
    must("H5.nobody", SECCOMP, "a `listenerPath` at which nobody listens is an error", |c| {
        let bundle = rule(c.bundle(), json!({"action": "SCMP_ACT_NOTIFY"}));
        bundle.aid("/linux/seccomp/listenerPath", c.path("nobody").display().to_string()).refused_in_the_end().map(drop)
    }),
    must("H5.unused", SECCOMP, "`listenerPath` is ignored without SCMP_ACT_NOTIFY", |c| {
        let bundle = rule(c.bundle(), json!({"action": "SCMP_ACT_ERRNO"}));
        let bundle = bundle.aid("/linux/seccomp/listenerPath", c.path("nobody").display().to_string());
        bundle.see("mkdir /tmp/x")?.has("EPERM")
    }),
    must("H6", STATE, "the agent gets the container process state", |c| {
        let agent = Agent::new(c)?;
        let (_, state) = agent.serve(agent.bundle(c).set("/annotations", json!({"a": "b"})))?;
        same("fds", &state["fds"], &json!(["seccompFd"]))?;
        ensure(state["ociVersion"].is_string(), || format!("ociVersion: {state}"))?;
        ensure(state["pid"].as_i64().is_some_and(|pid| pid > 0), || format!("pid: {state}"))?;
        let inner = &state["state"];
        for key in ["ociVersion", "id", "status", "bundle"] {
            ensure(inner[key].is_string(), || format!("state.{key}: {state}"))?;
        }
        same("annotations", &inner["annotations"]["a"], &json!("b"))
    }),
    must("H6.once", STATE, "the connection carries one state and is closed", |c| {
        let agent = Agent::new(c)?;
        agent.serve(agent.bundle(c)).map(drop)
    }),
];

/// SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: a call that the agent has taken is not given up for a signal that does not kill.
pub(crate) fn waits_killable(c: &Case) -> Verdict {
    let agent = Agent::new(c)?;
    let flags = json!(["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]);
    let bundle = agent.bundle(c).set("/linux/seccomp/flags", flags);
    let (seen, _) = agent.serve_while(bundle, |container| {
        // Without the flag the caller leaves the call and stops; it would make it once more when it goes on.
        let send = |signal| kill(Pid::from_raw(container.pid), signal).setup("send a signal");
        send(Signal::SIGSTOP)?;
        let begin = Instant::now();
        let mut stopped = false;
        while !stopped && begin.elapsed() < Duration::from_millis(200) {
            stopped = container.proc("status")?.contains("State:\tT");
            sleep(Duration::from_millis(5));
        }
        send(Signal::SIGCONT)?;
        ensure(!stopped, || {
            "a signal that does not kill took a call away from the agent".to_owned()
        })
    })?;
    seen.has("EADDRNOTAVAIL")
}

/// A listening socket.
struct Agent {
    listener: UnixListener,
    path: String,
}

impl Agent {
    fn new(c: &Case) -> Verdict<Agent> {
        let path = c.path("agent");
        let listener = UnixListener::bind(&path).setup("listen at a socket")?;
        listener.set_nonblocking(true).setup("set a socket")?;
        Ok(Agent {
            listener,
            path: path.display().to_string(),
        })
    }

    fn bundle<'a>(&self, c: &'a Case) -> Bundle<'a> {
        let bundle = rule(c.bundle(), json!({"action": "SCMP_ACT_NOTIFY"}));
        bundle.aid("/linux/seccomp/listenerPath", self.path.as_str())
    }

    /// Runs the container, answers its call with an error, and returns what it said and what the agent was sent.
    fn serve(&self, bundle: Bundle) -> Verdict<(Seen, Value)> {
        self.serve_while(bundle, |_| Ok(()))
    }

    /// The same, with something done between taking the call and answering it.
    fn serve_while(
        &self,
        bundle: Bundle,
        meanwhile: impl Fn(&Container) -> Verdict,
    ) -> Verdict<(Seen, Value)> {
        let container = bundle.runs("mkdir /tmp/x").start()?;
        let (stream, _) = wait_for("a connection to the agent", || self.listener.accept().ok())?;
        let (text, filter) = receive(&stream)?;
        let state: Value = serde_json::from_str(&text).setup("read the container process state")?;
        answer(&filter, || meanwhile(&container))?;
        let seen = container.finish()?;
        container.delete()?;
        Ok((seen, state))
    }
}

/// Reads to the end; descriptors come with the first message only.
fn receive(stream: &UnixStream) -> Verdict<(String, OwnedFd)> {
    stream.set_nonblocking(false).setup("set a socket")?;
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .setup("set a socket")?;
    let (mut text, mut filter) = (Vec::new(), None);
    loop {
        let (mut buffer, mut fds) = ([0; 4096], [None, None]);
        let received = kernel::socket::receive(stream.as_fd().into(), &mut buffer, &mut fds, true);
        let received = received.map_err(|fault| format!("the connection was not closed: {fault}"));
        let received = received.setup("receive the container process state")?;
        let [first, second] = fds;
        ensure(second.is_none(), || "two descriptors were sent".to_owned())?;
        if let Some(fd) = first {
            ensure(filter.is_none() && text.is_empty(), || {
                "a descriptor came with a later message".to_owned()
            })?;
            filter = Some(OwnedFd::from(fd));
        }
        if received.bytes == 0 {
            break;
        }
        text.extend(&buffer[..received.bytes]);
    }
    match filter {
        Some(filter) => Ok((String::from_utf8_lossy(&text).into_owned(), filter)),
        None => fail("no descriptor was sent to the agent"),
    }
}

/// Answers the container's first call with an error; runtimes' own calls before it go through.
fn answer(filter: &OwnedFd, meanwhile: impl Fn() -> Verdict) -> Verdict {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(10) {
        let mut watch = [kernel::process::PollFd::new(
            filter.as_fd().into(),
            kernel::process::PollFd::IN,
        )];
        let ready = kernel::process::poll(&mut watch, Some(100_000_000));
        if ready.is_ok_and(|count| count > 0) {
            let Ok(call) = kernel::seccomp::receive(filter.as_fd().into()) else {
                return Ok(());
            };
            meanwhile()?;
            let error = Reply::Error(kernel::Errno(99));
            let sent = kernel::seccomp::reply(filter.as_fd().into(), call.id, error);
            return sent
                .map_err(|fault| fault.to_string())
                .setup("answer for the container");
        }
    }
    fail("the agent was asked nothing")
}
