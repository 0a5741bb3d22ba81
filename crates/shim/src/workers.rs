//! Calls that block, in threads that last as long as the call.

use std::sync::{Arc, Mutex, PoisonError};

use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::shim::Shim;

/// What is to be done in the loop once a call has come back.
pub(crate) type Then = Box<dyn FnOnce(&mut Shim) + Send>;

/// For a thread's stack: the library's deepest call needs a tenth of it; what is not touched costs nothing.
pub(crate) const STACK: usize = 512 << 10;

/// Threads at work, and what they have brought back.
#[derive(Clone)]
pub(crate) struct Workers {
    done: Arc<Mutex<Vec<Then>>>,
    /// Readable when something has been brought back.
    pub(crate) news: Arc<EventFd>,
    stack: usize,
}

impl Workers {
    pub(crate) fn new(stack: usize) -> nix::Result<Workers> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        Ok(Workers {
            done: Arc::default(),
            news: Arc::new(EventFd::from_flags(flags)?),
            stack,
        })
    }

    /// Does this in a thread of its own; what it answers is done in the loop.
    ///
    /// # Errors
    /// There can be no more threads.
    pub(crate) fn start(
        &self,
        work: impl FnOnce() -> Then + Send + 'static,
    ) -> std::io::Result<()> {
        let workers = self.clone();
        let thread = std::thread::Builder::new().stack_size(self.stack);
        thread
            .spawn(move || {
                let then = work();
                lock(&workers.done).push(then);
                // It fails only where it has been told as often as can be counted.
                let _ = workers.news.write(1);
            })
            .map(drop)
    }

    /// What has been brought back.
    pub(crate) fn take(&self) -> Vec<Then> {
        // Nothing there is as good as something: the list is looked at.
        let _ = self.news.read();
        std::mem::take(&mut *lock(&self.done))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
