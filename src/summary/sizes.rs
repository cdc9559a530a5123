//! How many bytes attempts sent to a peer: over HTTP/2 and gRPC a new connection sends a preface besides the request.

#![expect(
    clippy::inline_always,
    reason = "several times a line: a call for each would be felt, and hide what is certain of the usual line"
)]

use super::Merge;
use super::codec::ascends;
use super::near::Near;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Attempts that sent more carry a body, whose size tells nothing.
pub const MAX_BYTES: u64 = 4095;

/// Peers whose attempts come in more sizes than this are not looked at: their requests differ too much.
const MAX_SIZES: usize = 256;

/// Attempts that sent the same number of bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Reused or new.
    pub undecided: u64,
    /// Certainly new.
    pub new_certain: u64,
}

impl Merge for Sent {
    fn merge(&mut self, other: Self) {
        self.undecided += other.undecided;
        self.new_certain += other.new_certain;
    }
}

/// Connected attempts by `$upstream_bytes_sent`. With too many sizes nothing is kept: whether there are too many depends
/// on the set of sizes alone, so any order and split ends the same.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Sizes {
    /// In the order of the sizes.
    counts: Vec<(u64, Sent)>,
    too_many: bool,
    /// Where a size was found.
    #[serde(skip)]
    near: Near<64>,
}

/// Equal contents: where what was found can't be seen from outside.
impl PartialEq for Sizes {
    fn eq(&self, other: &Self) -> bool {
        (&self.counts, self.too_many) == (&other.counts, other.too_many)
    }
}

/// The form in which they are stored.
#[derive(Deserialize)]
struct Stored {
    sizes: Vec<(u64, Sent)>,
    too_many: bool,
}

impl TryFrom<Stored> for Sizes {
    type Error = &'static str;

    fn try_from(Stored { sizes, too_many }: Stored) -> Result<Self, &'static str> {
        let most = if too_many { 0 } else { MAX_SIZES };
        let is_small = sizes.last().is_none_or(|(bytes, _)| *bytes <= MAX_BYTES);
        if sizes.len() > most || !is_small || !ascends(sizes.iter().map(|(bytes, _)| bytes)) {
            return Err("sizes in order");
        }
        Ok(Sizes { counts: sizes, too_many, near: Near::default() })
    }
}

impl Sizes {
    /// Takes in attempts that sent `bytes` each.
    #[inline(always)]
    pub fn record(&mut self, bytes: u64, sent: Sent) {
        // Where there were too many nothing is left to be found.
        let near = self.near.get(bytes);
        if let Some((_, own)) = self.counts.get_mut(near).filter(|(size, _)| *size == bytes) {
            own.merge(sent);
            return;
        }
        self.add(bytes, sent);
    }

    #[inline(never)]
    fn add(&mut self, bytes: u64, sent: Sent) {
        if self.too_many || bytes > MAX_BYTES {
            return;
        }
        match self.counts.binary_search_by_key(&bytes, |&(size, _)| size) {
            Ok(at) => {
                self.near.set(bytes, at);
                self.counts[at].1.merge(sent);
            }
            Err(at) if self.counts.len() < MAX_SIZES => self.counts.insert(at, (bytes, sent)),
            Err(_) => {
                self.counts = Vec::new();
                self.too_many = true;
            }
        }
    }

    /// Attempts by the bytes that they sent; empty with too many sizes.
    pub fn get(&self) -> BTreeMap<u64, Sent> {
        self.counts.iter().copied().collect()
    }
}

impl Merge for Sizes {
    fn merge(&mut self, other: Self) {
        if other.too_many {
            *self = other;
        } else {
            other.counts.into_iter().for_each(|(bytes, sent)| self.record(bytes, sent));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(sizes: &[u64]) -> Sizes {
        let mut all = Sizes::default();
        for &bytes in sizes {
            all.record(bytes, Sent { undecided: 1, new_certain: bytes % 2 });
        }
        all
    }

    #[test]
    fn more_sizes_than_fit_leave_nothing() {
        assert_eq!(of(&(0..256).collect::<Vec<_>>()).get().len(), 256);
        assert_eq!(of(&(0..257).collect::<Vec<_>>()).get().len(), 0);
        assert_eq!(of(&[5000]).get().len(), 0);
    }

    proptest! {
        #[test]
        fn any_order_and_split_gives_the_same(
            mut sizes in prop::collection::vec(0u64..400, 0..800), cut in 0usize..800,
        ) {
            let whole = of(&sizes);
            let cut = cut.min(sizes.len());
            let mut parts = of(&sizes[cut..]);
            parts.merge(of(&sizes[..cut]));
            prop_assert_eq!(&parts, &whole);
            sizes.reverse();
            prop_assert_eq!(&of(&sizes), &whole);
        }
    }
}
