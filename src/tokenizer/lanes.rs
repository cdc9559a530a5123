//! Sixteen bytes side by side, in two words.

/// So many bytes.
pub(super) const LANES: usize = 16;

/// The first eight bytes and the last ones, lower bytes in front.
#[derive(Debug, Clone, Copy)]
#[repr(align(16))]
pub(super) struct Lanes([u64; 2]);

impl Lanes {
    #[inline]
    pub(super) fn of(bytes: &[u8; LANES]) -> Self {
        let half = |from: usize| {
            u64::from_le_bytes(bytes[from..].first_chunk().copied().unwrap_or_default())
        };
        Lanes([half(0), half(8)])
    }

    #[inline]
    fn with(self, other: Self, what: impl Fn(u64, u64) -> u64) -> Self {
        Lanes([what(self.0[0], other.0[0]), what(self.0[1], other.0[1])])
    }

    #[inline]
    pub(super) fn xor(self, other: Self) -> Self {
        self.with(other, |a, b| a ^ b)
    }

    #[inline]
    pub(super) fn and(self, other: Self) -> Self {
        self.with(other, |a, b| a & b)
    }

    #[inline]
    pub(super) fn or(self, other: Self) -> Self {
        self.with(other, |a, b| a | b)
    }

    #[inline]
    pub(super) fn are_zero(self) -> bool {
        self.0[0] | self.0[1] == 0
    }
}
