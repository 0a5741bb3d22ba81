//! What ends a hook that is waited for.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

/// As long as a hook runs: what ends it. See [`Store::with_interrupt`].
///
/// [`Store::with_interrupt`]: crate::Store::with_interrupt
pub trait Interrupt: AsFd {
    /// Asked when the descriptor has become readable: what came, as in "interrupted by signal 15".
    fn reason(&self) -> String;
}

type Begin = dyn Fn() -> io::Result<Box<dyn Interrupt>> + Send + Sync;

/// How a program begins to wait for it.
#[derive(Clone, Default)]
pub(crate) struct Interrupts(Option<Arc<Begin>>);

impl Interrupts {
    pub(crate) fn by(
        begin: impl Fn() -> io::Result<Box<dyn Interrupt>> + Send + Sync + 'static,
    ) -> Interrupts {
        Interrupts(Some(Arc::new(begin)))
    }

    /// `None` where nothing ends hooks.
    pub(crate) fn begin(&self) -> io::Result<Option<Box<dyn Interrupt>>> {
        self.0.as_ref().map(|begin| begin()).transpose()
    }
}

impl fmt::Debug for Interrupts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "given" } else { "none" })
    }
}
