//! Where things that take turns were found. To look again at the same place costs less than a search, and the processor
//! need not guess the way that the search goes.

#![expect(
    clippy::inline_always,
    reason = "several times a line: a call for each would be felt, and hide what is certain of the usual line"
)]

/// Places by a few bits of a number: a pid, a size, a hash.
#[derive(Debug, Clone, Copy)]
pub(super) struct Near<const N: usize>([u16; N]);

impl<const N: usize> Near<N> {
    /// The place where something of this number may be.
    #[inline]
    pub(super) fn get(&self, number: u64) -> usize {
        usize::from(self.0[slot::<N>(number)])
    }

    /// Notes where it is.
    #[inline]
    pub(super) fn set(&mut self, number: u64, at: usize) {
        self.0[slot::<N>(number)] = u16::try_from(at).unwrap_or(0);
    }
}

/// Its lowest bits choose.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "only the lowest bits count")]
fn slot<const N: usize>(number: u64) -> usize {
    number as usize % N
}

impl<const N: usize> Default for Near<N> {
    fn default() -> Self {
        Near([0; N])
    }
}

/// First and last bytes of a text. Short ones, as names and addresses are, are told apart by these and their length, which
/// takes no call.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ends {
    len: usize,
    first: u64,
    last: u64,
}

impl Ends {
    /// Those of no text.
    pub(super) const NONE: Ends = Ends { len: usize::MAX, first: 0, last: 0 };

    /// Those of a text.
    #[inline(always)]
    pub(super) fn of(text: &[u8]) -> Self {
        let (first, last) = if let Some(first) = text.first_chunk::<8>()
            && let Some(last) = text.last_chunk::<8>()
        {
            (u64::from_le_bytes(*first), u64::from_le_bytes(*last))
        } else if let Some(first) = text.first_chunk::<4>()
            && let Some(last) = text.last_chunk::<4>()
        {
            (u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into())
        } else if let (Some(first), Some(last)) = (text.first(), text.last()) {
            // The one in the middle is the first or last one too, where there are fewer than three.
            (u64::from(*first) | u64::from(text[text.len() / 2]) << 8, u64::from(*last))
        } else {
            (0, 0)
        };
        Ends { len: text.len(), first, last }
    }

    /// Are these the same? Asked once a line, so that a call for it would be felt.
    #[inline(always)]
    pub(super) fn is(self, other: Self) -> bool {
        self.last == other.last && self.first == other.first && self.len == other.len
    }

    /// Are these all of the text?
    #[inline]
    pub(super) fn are_all(self) -> bool {
        self.len <= 16
    }

    /// A hash of ten bits, for [`Near`] with 1,024 places: peers differ in the last bytes of their address or port, and in a
    /// large network before these.
    #[inline]
    pub(super) fn hash(self) -> u64 {
        // Fibonacci hashing: only the topmost bits of a product depend on all bits of its factor. Rotated, as both ends of a
        // short text are nearly the same bytes.
        (self.first.rotate_left(5) ^ self.last).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54
    }
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
            let (ends, others) = (Ends::of(&a), Ends::of(&b));
            prop_assert!(ends.is(others) || a != b);
            prop_assert!(!ends.is(others) || a == b || !ends.are_all());
            prop_assert_eq!(ends.are_all(), a.len() <= 16);
        }
    }

    #[test]
    fn peers_of_all_kinds_of_networks_have_places_of_their_own() {
        let ports = (8000..8100).map(|port| format!("127.0.0.1:{port}")).collect();
        let hosts = (1..=100).map(|host| format!("10.0.0.{host}:8080")).collect();
        let nets = (1..=100).map(|net| format!("10.{}.{}.7:80", net / 10, net % 10)).collect();
        let names = (1..=100).map(|name| format!("app-{name}.svc:80")).collect();
        for peers in [ports, hosts, nets, names] as [Vec<String>; 4] {
            let places = peers.iter().map(|peer| slot::<1024>(Ends::of(peer.as_bytes()).hash()));
            let different = places.collect::<std::collections::HashSet<_>>().len();
            // By chance it would be 95 of 1024 places.
            assert!(different > 88, "{different}: {}", peers[0]);
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
