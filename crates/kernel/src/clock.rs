//! Time: a counter that costs no system call, and the kernel's clocks.

use core::time::Duration;

use crate::{Result, syscall};

/// clock_gettime(2) CLOCK_MONOTONIC.
pub fn monotonic() -> Result<Duration> {
    const CLOCK_MONOTONIC: usize = 1;
    time_of(CLOCK_MONOTONIC)
}

/// clock_gettime(2) CLOCK_BOOTTIME: how long the machine has been running, suspended or not.
pub fn since_boot() -> Result<Duration> {
    const CLOCK_BOOTTIME: usize = 7;
    time_of(CLOCK_BOOTTIME)
}

fn time_of(clock: usize) -> Result<Duration> {
    let mut time = [0u64; 2];
    // SAFETY: the kernel writes one timespec.
    unsafe { syscall!(ClockGettime, CLOCK_GETTIME, clock, time.as_mut_ptr()) }?;
    Ok(Duration::new(time[0], time[1] as u32))
}

/// A counter that runs at a constant speed on all processors together. What a tick is worth has to be found out with a clock.
#[inline]
pub fn ticks() -> u64 {
    crate::arch::ticks()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_clocks_go_on() {
        let first = super::monotonic().unwrap();
        assert!(super::monotonic().unwrap() >= first);
        assert!(super::since_boot().unwrap() >= first);
    }

    #[test]
    fn the_counter_goes_on() {
        let first = super::ticks();
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(super::ticks() > first);
    }
}
