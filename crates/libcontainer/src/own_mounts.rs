//! A mount namespace for one piece of work.

use kernel::mount::{self, flags};
use kernel::namespace::{self, unshare};
use kernel::{Call, Errno, Fault};

use crate::Error;

/// Does this in a thread that has the mount namespace to itself: what it mounts, nobody else sees, and it is gone with the
/// last process that is in there. What is detached can be handed out.
pub(crate) fn in_own_mounts<T: Send>(
    work: impl FnOnce() -> Result<T, Error> + Send,
) -> Result<T, Error> {
    let enter = || {
        unshare(namespace::flags::NEWNS)?;
        mount::mount(None, c"/", None, flags::SLAVE | flags::REC, None)
    };
    let failed = |fault| Error::call("make a mount namespace for the set-up", fault);
    std::thread::scope(|scope| {
        let work = || {
            enter().map_err(failed)?;
            work()
        };
        let thread = std::thread::Builder::new().spawn_scoped(scope, work);
        let thread = thread.map_err(|error| {
            let errno = error.raw_os_error().map_or(Errno::EAGAIN, Errno);
            failed(Fault::found(Call::Clone3, errno))
        })?;
        match thread.join() {
            Ok(answer) => answer,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
