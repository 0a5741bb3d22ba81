//! Handing the listener of a filter that notifies to its agent (config-linux.md, "Seccomp", "The Container Process
//! State").

use kernel::process::Started;
use kernel::{BorrowedFd, Call, Errno, Fault, file, process, socket};
use seccomp::agent::{ProcessState, SECCOMP_FD};
use spec::ConfigPath;

use super::HookState;
use crate::Error;

/// How often the report page is looked at, in nanoseconds.
pub(super) const LOOK_EVERY: u64 = 200_000;

/// Who gets the listener.
pub(super) struct Agent {
    path: String,
    metadata: Option<String>,
}

impl Agent {
    /// As the container's profile says.
    pub(super) fn of(state: Option<&HookState<'_>>) -> Agent {
        let profile = state.and_then(|state| state.spec.linux.as_ref()?.seccomp.as_ref());
        let path = profile.and_then(|profile| profile.listener_path.as_deref());
        let metadata = profile.and_then(|profile| profile.listener_metadata.as_deref());
        Agent {
            path: path.unwrap_or_default().to_owned(),
            metadata: metadata.map(str::to_owned),
        }
    }

    fn failed(&self, what: &str, fault: Fault) -> Error {
        Error::Step {
            at: field(),
            step: what.to_owned(),
            text: Some(format!("{what} {}: {fault}", self.path)),
            fault,
            hint: None,
        }
    }
}

fn field() -> ConfigPath {
    ConfigPath::of("linux.seccomp.listenerPath")
}

/// Fetches a copy of the child's descriptor and sends it with the container's state, in one message on a connection of
/// its own.
pub(super) fn forward(
    agent: &Agent,
    fd: i32,
    child: &Started,
    state: Option<&HookState<'_>>,
) -> Result<(), Error> {
    let listener = process::descriptor_of(child.pidfd.borrow(), fd)
        .map_err(|fault| Error::step(&field(), "fetch the filter's listener", fault))?;
    // The number is what init says of itself: no other descriptor of its is to reach the agent.
    if !is_listener(listener.borrow())
        .map_err(|fault| Error::step(&field(), "look at the filter's listener", fault))?
    {
        let other = Fault::found(Call::PidfdGetfd, Errno::EBADF);
        return Err(Error::step(&field(), "fetch the filter's listener", other));
    }
    let Some(state) = state else { return Ok(()) };
    let message = ProcessState {
        oci_version: state.spec.oci_version.as_deref().unwrap_or(spec::VERSION),
        fds: &[SECCOMP_FD],
        pid: child.pid,
        metadata: agent.metadata.as_deref(),
        state: state.as_spec(state.init.or(Some(child.pid))),
    };
    let broken = |errno| Fault::found(Call::Sendmsg, errno);
    let message = message.to_json().map_err(|_| {
        agent.failed(
            "failed to describe the container to seccomp agent",
            broken(Errno::EINVAL),
        )
    })?;
    let socket = super::connect(agent.path.as_bytes())
        .map_err(|fault| agent.failed("failed to connect with seccomp agent", fault))?;
    let sent = socket::send(socket.borrow(), &message, &[listener.borrow()])
        .map_err(|fault| agent.failed("failed to send to seccomp agent", fault))?;
    if sent < message.len() {
        return Err(agent.failed("failed to send to seccomp agent", broken(Errno::EMSGSIZE)));
    }
    Ok(())
}

/// Whether a descriptor is what seccomp(2) returns for a filter that notifies.
fn is_listener(fd: BorrowedFd<'_>) -> kernel::Result<bool> {
    const KIND: &[u8] = b"anon_inode:seccomp notify";
    let link = std::ffi::CString::new(format!("/proc/self/fd/{}", fd.raw()))
        .map_err(|_| Fault::found(Call::Readlinkat, Errno::EINVAL))?;
    let mut kind = [0; KIND.len() + 1];
    let length = file::read_link(file::HERE, &link, &mut kind)?;
    Ok(&kind[..length] == KIND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_descriptors_are_no_listeners() {
        let null = file::open_at(file::HERE, c"/dev/null", file::open::RDONLY, 0).unwrap();
        assert!(!is_listener(null.borrow()).unwrap());
        let own = process::open(process::id()).unwrap();
        assert!(!is_listener(own.borrow()).unwrap());
    }
}
