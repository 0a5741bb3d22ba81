//! Time without a system call.

/// A counter that runs at a constant speed on all processors together. What a tick is worth has to be found out with a clock.
#[inline]
pub fn ticks() -> u64 {
    crate::arch::ticks()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_counter_goes_on() {
        let first = super::ticks();
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(super::ticks() > first);
    }
}
