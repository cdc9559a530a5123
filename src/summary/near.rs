//! Where things that take turns were found. To look again at the same place costs less than a search, and the processor
//! need not guess the way that the search goes.

/// Places by a few bits of a hash.
#[derive(Debug, Clone, Copy)]
pub(super) struct Near<const N: usize>([u16; N]);

impl<const N: usize> Near<N> {
    /// The place where something of this hash may be.
    #[inline]
    pub(super) fn get(&self, hash: u64) -> usize {
        usize::from(self.0[slot::<N>(hash)])
    }

    /// Notes where it is.
    #[inline]
    pub(super) fn set(&mut self, hash: u64, at: usize) {
        self.0[slot::<N>(hash)] = u16::try_from(at).unwrap_or(0);
    }
}

/// The lowest bits of a hash choose.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "only the lowest bits count")]
fn slot<const N: usize>(hash: u64) -> usize {
    hash as usize % N
}

impl<const N: usize> Default for Near<N> {
    fn default() -> Self {
        Near([0; N])
    }
}

/// A hash of a text, by its first and last bytes: peers differ in the last bytes of their address or port, and in a large
/// network before these.
#[inline]
pub(super) fn of_text(text: &[u8]) -> u64 {
    let word = match (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        (Some(first), Some(last)) => {
            u64::from_le_bytes(*first).rotate_left(29) ^ u64::from_le_bytes(*last)
        }
        _ => text.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    // Fibonacci hashing: the upper bits of the product depend on all of them.
    word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48
}

/// Are two texts the same? Short ones, as addresses are, need no call.
#[inline]
pub(super) fn is_same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len()
        && match a.len() {
            8..=16 => same_ends::<8>(a, b),
            4..8 => same_ends::<4>(a, b),
            0..4 => a.iter().zip(b).all(|(a, b)| a == b),
            _ => a == b,
        }
}

/// Do two texts begin and end with the same `N` bytes?
#[inline]
fn same_ends<const N: usize>(a: &[u8], b: &[u8]) -> bool {
    a.first_chunk::<N>() == b.first_chunk::<N>() && a.last_chunk::<N>() == b.last_chunk::<N>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_same_texts_are_the_same(
            a in prop::collection::vec(0u8..2, 0..20), b in prop::collection::vec(0u8..2, 0..20),
        ) {
            prop_assert_eq!(is_same(&a, &b), a == b);
            prop_assert!(is_same(&a, &a.clone()));
        }
    }

    #[test]
    fn what_is_near_is_found_again() {
        let mut near = Near::<16>::default();
        near.set(3, 7);
        assert_eq!((near.get(3), near.get(19), near.get(4)), (7, 7, 0));
        near.set(3, usize::MAX);
        assert_eq!(near.get(3), 0);
    }
}
