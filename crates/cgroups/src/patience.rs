//! Waiting for the kernel in steps.

use std::time::Duration;

/// How much is still waited. It is counted by what was slept and not by the clock: while a machine stands still (suspended,
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
        if self.left.is_zero() {
            return false;
        }
        let step = step.min(self.left);
        std::thread::sleep(step);
        self.left -= step;
        true
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
}
