//! Decompressors of zstd, and the memory in which they keep what later bytes refer to: the layers of one image share it.

use std::io;
use std::sync::{Arc, Condvar, Mutex};

use zstd::stream::raw::{DParameter, Decoder};

use crate::parallel::{lock, wait_while};

/// Largest window of a frame: 2^27 bytes is what the format's own tool accepts without being asked for more.
const WINDOW_LOG: u32 = 27;

/// How much all layers may hold at the same time. One may always go on, whatever it needs.
pub(crate) struct Windows {
    most: u64,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Default)]
struct State {
    /// Bytes of all shares.
    held: u64,
    /// Decompressors of layers that are done, with their windows. They are used again, and not freed: allocators would keep the
    /// memory for the thread that it was for.
    idle: Vec<Kept>,
}

struct Kept {
    /// The largest window that it had.
    bytes: u64,
    decoder: Decoder<'static>,
}

impl Windows {
    pub(crate) fn new(most: u64) -> Self {
        Windows {
            most,
            state: Mutex::default(),
            freed: Condvar::new(),
        }
    }

    /// What one layer has of it: nothing at first.
    pub(crate) fn share(self: &Arc<Self>) -> Share {
        Share {
            windows: self.clone(),
            held: 0,
            refused: None,
            decoder: None,
        }
    }

    fn decoder(&self) -> io::Result<Kept> {
        // The largest one, so that the others need not become as large.
        let idle = &mut lock(&self.state).idle;
        let largest = (0..idle.len()).max_by_key(|n| idle[*n].bytes);
        if let Some(largest) = largest {
            return Ok(idle.swap_remove(largest));
        }
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG))?;
        Ok(Kept { bytes: 0, decoder })
    }

    fn have_room(&self, others: u64, bytes: u64) -> bool {
        others == 0 || others.saturating_add(bytes) <= self.most
    }
}

/// One layer's part.
pub(crate) struct Share {
    windows: Arc<Windows>,
    held: u64,
    /// What there was no room for.
    refused: Option<u64>,
    decoder: Option<Kept>,
}

impl Share {
    /// A decompressor of zstd, which must take nothing that [`grow`](Share::grow) did not allow.
    pub(crate) fn decoder(&mut self) -> io::Result<&mut Decoder<'static>> {
        let kept = match &mut self.decoder {
            Some(kept) => kept,
            none => none.insert(self.windows.decoder()?),
        };
        Ok(&mut kept.decoder)
    }

    /// Makes sure that it is at least `bytes`. Waits for nobody, since what is held while one waits others would wait for: when
    /// there is no room, it fails, and the layer must give up what it does and [`wait`](Share::wait).
    pub(crate) fn grow(&mut self, bytes: u64) -> io::Result<()> {
        if bytes <= self.held {
            return Ok(());
        }
        let mut state = lock(&self.windows.state);
        let others = state.held - self.held;
        if self.windows.have_room(others, bytes) {
            state.held = others.saturating_add(bytes);
            self.held = state.held - others;
            if let Some(kept) = &mut self.decoder {
                kept.bytes = kept.bytes.max(bytes);
            }
            return Ok(());
        }
        self.refused = Some(match self.held {
            0 => bytes,
            // It wanted more in its midst, and may do so again: it begins anew when it has all to itself.
            _ => u64::MAX,
        });
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// Waits until there is room for what was refused, and takes it. False when nothing was.
    pub(crate) fn wait(&mut self) -> bool {
        let Some(bytes) = self.refused.take() else {
            return false;
        };
        self.release();
        let windows = &self.windows;
        let is_full = |state: &mut State| !windows.have_room(state.held, bytes);
        let mut state = wait_while(&windows.freed, lock(&windows.state), is_full);
        let others = state.held;
        state.held = others.saturating_add(bytes);
        self.held = state.held - others;
        true
    }

    fn release(&mut self) {
        let mut state = lock(&self.windows.state);
        state.held -= std::mem::take(&mut self.held);
        state.idle.extend(self.decoder.take());
        drop(state);
        self.windows.freed.notify_all();
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn what_all_hold_is_bounded_and_one_goes_on() {
        let windows = Arc::new(Windows::new(10));
        let [mut a, mut b, mut c] = [windows.share(), windows.share(), windows.share()];
        assert!(a.grow(4).is_ok() && b.grow(6).is_ok());
        assert!(a.grow(3).is_ok() && c.grow(0).is_ok());
        assert!(c.grow(1).is_err() && a.grow(5).is_err());
        drop(b);
        assert!(c.wait());
        assert_eq!((lock(&windows.state).held, c.held), (5, 1));
        // It changed its need while it had something: from now on it has all or nothing.
        assert_eq!(a.refused, Some(u64::MAX));
        a.release();
        assert!(a.grow(9).is_ok() && a.grow(10).is_err());
        drop(c);
        assert!(a.grow(1 << 40).is_ok(), "alone");
        assert!(windows.share().grow(1).is_err());
        drop(a);
        assert_eq!(lock(&windows.state).held, 0);
    }

    #[test]
    fn nobody_waits_for_ever() {
        let windows = Arc::new(Windows::new(10));
        let (now, most) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for thread in 0..8u64 {
                let (windows, now, most) = (&windows, &now, &most);
                scope.spawn(move || {
                    for n in 0..200 {
                        let mut share = windows.share();
                        // Two windows of one layer, the second of which may be the larger one.
                        let wanted = [(thread + n) % 7 + 1, (thread * n) % 9 + 1];
                        while wanted.iter().any(|bytes| share.grow(*bytes).is_err()) {
                            assert!(share.wait());
                        }
                        let bytes = wanted[0].max(wanted[1]);
                        let all = now.fetch_add(bytes, Ordering::SeqCst) + bytes;
                        most.fetch_max(all, Ordering::SeqCst);
                        std::thread::yield_now();
                        now.fetch_sub(bytes, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(lock(&windows.state).held, 0);
        assert!(most.into_inner() <= 10);
    }

    #[test]
    fn decompressors_are_used_again_the_largest_first() {
        let windows = Arc::new(Windows::new(10));
        let [mut a, mut b] = [windows.share(), windows.share()];
        for (share, bytes) in [(&mut a, 3), (&mut b, 4)] {
            share.decoder().unwrap();
            share.grow(bytes).unwrap();
        }
        drop((b, a));
        let mut share = windows.share();
        share.decoder().unwrap();
        assert_eq!(share.decoder.as_ref().unwrap().bytes, 4);
        assert_eq!(lock(&windows.state).idle.len(), 1);
    }
}
