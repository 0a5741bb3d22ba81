//! Waiting for the kernel in steps.

use std::time::{Duration, Instant};

/// How much is still waited. It is counted by steps that were slept or waited and not by the clock: while a machine stands still (suspended,
/// saved as a snapshot, starved by others) those who are waited for have no time either.
#[derive(Debug)]
pub(crate) struct Patience {
    left: Duration,
}

impl Patience {
    pub(crate) fn of(whole: Duration) -> Patience {
        Patience { left: whole }
    }

    /// Sleeps for a step; false when nothing is left.
    pub(crate) fn wait(&mut self, step: Duration) -> bool {
        let step = self.step(step);
        std::thread::sleep(step);
        self.pass(step)
    }

    /// How long to wait next, at most so long.
    pub(crate) fn step(&self, most: Duration) -> Duration {
        most.min(self.left)
    }

    /// A step has passed; false when nothing was left before.
    fn pass(&mut self, step: Duration) -> bool {
        let some = !self.left.is_zero();
        self.left = self.left.saturating_sub(step);
        some
    }

    /// Something was waited for since then, of which this step counts at most; false when nothing was left before.
    pub(crate) fn waited(&mut self, begin: Instant, step: Duration) -> bool {
        self.pass(begin.elapsed().min(step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_add_up_to_the_whole() {
        let mut patience = Patience::of(Duration::from_millis(5));
        let steps = (0..).take_while(|_| patience.wait(Duration::from_millis(2)));
        assert_eq!(steps.count(), 3);
        assert!(!patience.wait(Duration::ZERO));
    }

    #[test]
    fn of_a_long_standstill_a_step_counts() {
        let (mut patience, step) = (
            Patience::of(Duration::from_secs(1)),
            Duration::from_millis(400),
        );
        let long_ago = Instant::now() - Duration::from_secs(60);
        let waits = (0..).take_while(|_| patience.waited(long_ago, step));
        assert_eq!(waits.count(), 3);
    }
}
