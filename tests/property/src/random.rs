//! Numbers by chance that can be had again.

/// The same numbers for the same seed (Marsaglia's xorshift).
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// Of this seed. (The next odd number is it: with 0 all would be 0.)
    pub fn new(seed: u64) -> Random {
        Random(seed | 1)
    }

    /// Less than `end`; 0 if that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 32).unwrap() % end.max(1)
    }

    /// A part, perhaps none, of something that long; 64 at most.
    pub fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        start..start + self.below((length - start).min(64) + 1)
    }
}
