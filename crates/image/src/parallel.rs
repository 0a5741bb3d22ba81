//! Several things at the same time, completed in their order.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};

/// What a thread that panicked left is as good as ever: nothing here is changed in more than one step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits as long as `condition` holds, and somebody says that it may have changed.
pub(crate) fn wait_while<'a, T>(
    changed: &Condvar,
    state: MutexGuard<'a, T>,
    condition: impl FnMut(&mut T) -> bool,
) -> MutexGuard<'a, T> {
    let woken = changed.wait_while(state, condition);
    woken.unwrap_or_else(PoisonError::into_inner)
}

/// Whose turn it is, and whether somebody failed.
struct Turns {
    next: Mutex<(usize, Option<Error>)>,
    changed: Condvar,
    failed: AtomicBool,
}

impl Turns {
    /// Waits for the turn of number `n`; false when another one failed.
    fn wait(&self, n: usize) -> bool {
        let is_early = |state: &mut (usize, Option<Error>)| state.0 < n && state.1.is_none();
        let state = wait_while(&self.changed, lock(&self.next), is_early);
        state.1.is_none()
    }

    fn finish(&self, n: usize, result: Result<()>) {
        let mut state = lock(&self.next);
        match result {
            Ok(()) => state.0 = n + 1,
            Err(e) => {
                // Later failures are often consequences of the first.
                let is_consequence = e.is_stopped() && state.1.is_some();
                if !is_consequence && state.1.as_ref().is_none_or(Error::is_stopped) {
                    state.1 = Some(e);
                }
                self.failed.store(true, Ordering::Release);
            }
        }
        drop(state);
        self.changed.notify_all();
    }
}

/// Ends the turn of a thread that panics, so that the others do not wait for it for ever.
struct Turn<'a> {
    turns: &'a Turns,
    n: usize,
}

impl Turn<'_> {
    fn finish(self, result: Result<()>) {
        self.turns.finish(self.n, result);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.turns.finish(self.n, Err(Error::stopped()));
        }
    }
}

/// Runs `prepare` for the numbers below `count` on some threads, and `commit` with each result in order. The first failure
/// ends it; `prepare` is told through the flag, and should look at it now and then.
pub(crate) fn in_order<T: Send>(
    count: usize,
    threads: usize,
    prepare: impl Fn(usize, &AtomicBool) -> Result<T> + Sync,
    commit: impl FnMut(usize, T) -> Result<()> + Send,
) -> Result<()> {
    // Whose turn it is has it for itself.
    let commit = Mutex::new(commit);
    let turns = Turns {
        next: Mutex::new((0, None)),
        changed: Condvar::new(),
        failed: AtomicBool::new(false),
    };
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, count.max(1)) {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count || turns.failed.load(Ordering::Acquire) {
                        return;
                    }
                    let turn = Turn { turns: &turns, n };
                    match prepare(n, &turns.failed) {
                        Err(e) => return turn.finish(Err(e)),
                        Ok(prepared) if turns.wait(n) => turn.finish(lock(&commit)(n, prepared)),
                        Ok(_) => return,
                    }
                }
            });
        }
    });
    let failure = lock(&turns.next).1.take();
    failure.map_or(Ok(()), Err)
}

/// As [`in_order`], for what has nothing to do with each result but to keep it.
pub(crate) fn all<T: Send>(
    count: usize,
    threads: usize,
    make: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let mut made = Vec::with_capacity(count);
    let keep = |_, one| {
        made.push(one);
        Ok(())
    };
    in_order(count, threads, |n, _| make(n), keep)?;
    Ok(made)
}

/// Error for `prepare` when the flag is set.
pub(crate) fn check(failed: &AtomicBool) -> Result<()> {
    if failed.load(Ordering::Acquire) {
        Err(Error::stopped())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use std::time::Duration;

    #[test]
    fn results_come_in_order() {
        let mut order = Vec::new();
        in_order(
            20,
            4,
            |n, _| {
                std::thread::sleep(Duration::from_millis(20 - n as u64));
                Ok(n)
            },
            |n, m| {
                order.push((n, m));
                Ok(())
            },
        )
        .unwrap();
        assert_eq!(order, (0..20).map(|n| (n, n)).collect::<Vec<_>>());
    }

    #[test]
    fn the_cause_is_reported_and_the_others_stop() {
        let result = in_order(
            100,
            4,
            |n, failed| match n {
                3 => Err(Error::new(Kind::Limit, "cause")),
                0..3 => Ok(()),
                _ => loop {
                    check(failed)?;
                    std::thread::sleep(Duration::from_millis(1));
                },
            },
            |_, ()| Ok(()),
        );
        assert_eq!(result.unwrap_err().to_string(), "cause");
    }

    #[test]
    fn a_panic_does_not_make_the_others_wait() {
        let result = std::panic::catch_unwind(|| {
            in_order(
                4,
                2,
                |n, _| if n == 0 { panic!("test") } else { Ok(()) },
                |_, ()| Ok(()),
            )
        });
        assert!(result.is_err());
    }
}
