//! Small seeded randomness: the same seed gives the same load, so a failure can be run again.

use std::time::Duration;

/// A xorshift64* generator.
#[derive(Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    /// A generator for `seed`; every seed is fine, also 0.
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        rng.next(); // Small seeds give small first numbers.
        rng
    }

    /// The next 32 random bits.
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32;
        u32::try_from(bits).unwrap_or(0)
    }

    /// Evenly spread, from 0 up to, not including, 1.
    pub(crate) fn unit(&mut self) -> f64 {
        f64::from(self.next()) / 4_294_967_296.0
    }

    /// True with probability `p`.
    pub(crate) fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// One of `items`, which may not be empty.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let at = usize::try_from(self.next()).unwrap_or(0) % items.len();
        &items[at]
    }

    /// Exponentially distributed with the given mean; never above ten times the mean, so that a run ends.
    pub(crate) fn exponential(&mut self, mean: Duration) -> Duration {
        mean.mul_f64((-(1.0 - self.unit()).ln()).min(10.0))
    }
}
