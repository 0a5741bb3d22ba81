//! Readiness of a container: the protocol of sd_notify(3), passed on to the service manager of whoever runs it.
//!
//! The container gets a socket of its own, in a directory below `/run` that shows nothing else of the host. Of what
//! arrives there only the news that it is ready goes on, with the number of the main process as the service manager
//! knows it.

use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};

use kernel::Errno;
use kernel::process::{self, PollFd};
use spec::{Mount, Spec, Text};

use crate::Error;
use crate::perform::own;
use crate::process::Process;
use crate::state::{Folder, Store};

/// Where the container finds the directory.
pub(crate) const INSIDE: &str = "/run/notify";

/// The socket's name in it.
pub(crate) const SOCKET: &str = "notify.sock";

/// The directory's name in the container's folder.
pub(crate) const DIRECTORY: &str = "notify";

/// Shows a container the directory in its folder, and its program the socket in that.
pub(crate) fn show(spec: &mut Spec<'_>, store: &Store, id: &str) -> Result<(), Error> {
    let root = std::path::absolute(store.root())
        .map_err(|error| Error::file("find", store.root(), error))?;
    let directory = root.join(id).join(DIRECTORY);
    let options = ["bind", "nosuid", "noexec", "nodev", "ro"];
    spec.mounts.push(Mount {
        destination: Text::from(INSIDE),
        source: Some(Text::from(directory.to_string_lossy().into_owned())),
        options: options.map(Text::from).to_vec(),
        ..Mount::default()
    });
    name(spec);
    Ok(())
}

/// Names the socket in the environment of a container's program.
fn name(spec: &mut Spec<'_>) {
    if let Some(process) = &mut spec.process {
        let entry = format!("NOTIFY_SOCKET={INSIDE}/{SOCKET}");
        process.env.push(Text::from(entry));
    }
}

/// As [`show`] has done it with the config that a container was made from: what is kept of that is its text.
pub(crate) fn name_again(spec: &mut Spec<'_>, folder: &Folder) -> Result<(), Error> {
    if folder.notify_socket()?.is_some() {
        name(spec);
    }
    Ok(())
}

/// Where a container says that it is ready, and the service manager that is to be told. Readable when something has come.
#[derive(Debug)]
pub struct Readiness {
    inside: UnixDatagram,
    manager: PathBuf,
}

impl Readiness {
    /// Listens in the container's directory; `None` if it was created without one.
    pub(crate) fn listen(folder: &Folder, manager: &Path) -> Result<Option<Readiness>, Error> {
        let Some((shown, path)) = folder.notify_socket()? else {
            return Ok(None);
        };
        let failed = |error| Error::file("listen at", &shown, error);
        // One that a start before this has left.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let inside = UnixDatagram::bind(&path).map_err(failed)?;
        let everybody = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(&path, everybody).map_err(failed)?;
        inside.set_nonblocking(true).map_err(failed)?;
        Ok(Some(Readiness {
            inside,
            manager: manager.to_owned(),
        }))
    }

    /// Waits until the container is ready, which the service manager has been told then, or its process has ended.
    ///
    /// # Errors
    /// As [`Readiness::pass_on`].
    pub fn wait(&self, process: &Process) -> Result<(), Error> {
        loop {
            let fds = [self.inside.as_fd(), process.as_fd()];
            let mut watches = fds.map(|fd| PollFd::new(fd.into(), PollFd::IN));
            match process::poll(&mut watches, None) {
                Err(fault) if fault.is(Errno::EINTR) => continue,
                answer => answer.map_err(|fault| own("wait for readiness", fault))?,
            };
            if self.pass_on(process.pid())? || watches[1].came != 0 {
                return Ok(());
            }
        }
    }

    /// Reads what has come, without waiting; true when the container is ready. Then the service manager has been told so, and
    /// that this is its main process.
    ///
    /// # Errors
    /// The service manager cannot be told.
    pub fn pass_on(&self, pid: i32) -> Result<bool, Error> {
        let mut message = [0; 4096];
        loop {
            let length = match self.inside.recv(&mut message) {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(Error::file("read from", Path::new(INSIDE), error)),
            };
            let mut lines = message[..length].split(|byte| *byte == b'\n');
            if lines.any(|line| line == b"READY=1") {
                self.send("READY=1\n")?;
                self.send(&format!("MAINPID={pid}\n"))?;
                return Ok(true);
            }
        }
    }

    fn send(&self, text: &str) -> Result<(), Error> {
        let failed = |error| Error::file("tell the service manager at", &self.manager, error);
        let name = self.manager.as_os_str().as_bytes();
        // A name that begins with @ is an abstract one (unix(7)).
        let address = match name.strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name),
            None => SocketAddr::from_pathname(&self.manager),
        };
        let socket = UnixDatagram::unbound().map_err(failed)?;
        let sent = socket.send_to_addr(text.as_bytes(), &address.map_err(failed)?);
        sent.map(drop).map_err(failed)
    }
}

impl AsFd for Readiness {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inside.as_fd()
    }
}
