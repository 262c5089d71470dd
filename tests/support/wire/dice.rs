//! Chance that is the same in each run (xorshift).

/// A die with as many sides as it is asked for.
pub struct Dice(u64);

impl Dice {
    /// One whose throws depend on the seed alone.
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `sides`.
    pub fn throw(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        #[allow(
            clippy::cast_possible_truncation,
            reason = "chance is as good in fewer bits"
        )]
        let number = (self.0 >> 16) as usize;
        number % sides
    }

    /// Whether something happens that happens so many times in a hundred.
    pub fn is_below(&mut self, percent: usize) -> bool {
        self.throw(100) < percent
    }

    /// One of several.
    ///
    /// # Panics
    /// If there is none.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.throw(from.len())]
    }
}
