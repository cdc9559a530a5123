//! Seeded randomness in whole numbers only, so that a seed gives the same bytes on every machine.

/// The `SplitMix64` generator (Steele, Lea and Flood, 2014).
#[derive(Debug)]
pub(super) struct Rng(u64);

/// A probability, in steps of 2^-32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chance(u64);

impl Chance {
    /// From 0 to 1; anything else is cut.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "cut to the range first; one IEEE multiplication is the same everywhere"
    )]
    pub(super) fn new(share: f64) -> Self {
        Chance((share.clamp(0.0, 1.0) * 4_294_967_296.0) as u64)
    }

    /// As likely as `numerator / denominator` of this, but not above 1.
    pub(super) fn times(self, numerator: u64, denominator: u64) -> Self {
        Chance((self.0 * numerator / denominator).min(1 << 32))
    }
}

impl Rng {
    /// A generator for `seed`; every seed is fine.
    pub(super) fn new(seed: u64) -> Self {
        Rng(seed)
    }

    /// The next 64 random bits.
    #[inline]
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Evenly spread over `0..n`; 0 if `n` is 0.
    #[inline]
    pub(super) fn below(&mut self, n: usize) -> usize {
        let product = u128::from(self.next()) * n as u128;
        usize::try_from(product >> 64).unwrap_or(0)
    }

    /// The same, but small numbers are likelier: some URIs and some upstreams get most of the requests.
    #[inline]
    pub(super) fn skewed_below(&mut self, n: usize) -> usize {
        let (a, b) = (self.below(n), self.below(n));
        a.min(b)
    }

    /// True as often as `chance` says.
    #[inline]
    pub(super) fn happens(&mut self, chance: Chance) -> bool {
        (self.next() >> 32) < chance.0
    }

    /// Close to exponentially distributed, with this mean.
    ///
    /// An exponential variable in units of ln 2 has a whole part that is geometric, one half each, which is the number
    /// of leading zeros of random bits, and a fraction that is nearly evenly spread. Their means add up to 1.5.
    #[inline]
    pub(super) fn exponential(&mut self, mean: u64) -> u64 {
        let bits = self.next();
        let units = (u64::from(bits.leading_zeros()) << 16) + (bits & 0xffff);
        mean * units / (3 << 15)
    }

    /// Three quarters of `mean` and more: about `mean` in the mean, at most 1.75 times.
    #[inline]
    pub(super) fn around(&mut self, mean: u64) -> u64 {
        mean - mean / 4 + self.exponential(mean / 4).min(mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_that_of_splitmix64() {
        let mut rng = Rng::new(1_234_567);
        let first: Vec<u64> = (0..2).map(|_| rng.next()).collect();
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn means_and_chances_are_what_they_say() {
        let mut rng = Rng::new(7);
        let draws = 100_000;
        let sum: u64 = (0..draws).map(|_| rng.exponential(1000)).sum();
        assert!((980..=1020).contains(&(sum / draws)), "{}", sum / draws);
        let hits = (0..draws).filter(|_| rng.happens(Chance::new(0.25))).count();
        assert!((24_500..=25_500).contains(&hits), "{hits}");
        assert!(!rng.happens(Chance::new(0.0)) && rng.happens(Chance::new(1.0)));
        assert!(rng.happens(Chance::new(0.5).times(4, 1)));
    }
}
