//! New connections of the whole log over time, as fine as can be kept, and what they are held against: all connections
//! that were taken at the same time, and the attempts that got none.

use super::Merge;
use super::cells::Cells;
use serde::{Deserialize, Serialize};

/// Width of a cell in milliseconds, as long as they fit.
pub const UNIT_MS: i64 = 250;

/// Most cells: a quarter of a second a cell for nine hours that have new connections in each; 32 s for a month of such.
/// A log whose connections are reused has none in most of them, so its cells stay fine.
pub const MAX_CELLS: usize = 1 << 17;

/// New connections by the time at which their requests began.
pub type Bursts = Cells<Burst, UNIT_MS, MAX_CELLS>;

/// What happened in one cell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Burst {
    /// Certainly new connections.
    pub new_certain: u32,
    /// The sum of their connect times in milliseconds.
    pub handshake_ms: u32,
    /// The peers that they went to, as of [`peer_bit`].
    pub peers: u64,
}

impl Merge for Burst {
    fn merge(&mut self, other: Self) {
        self.new_certain = self.new_certain.saturating_add(other.new_certain);
        self.handshake_ms = self.handshake_ms.saturating_add(other.handshake_ms);
        self.peers |= other.peers;
    }
}

/// Width of a cell of [`Begun`] in milliseconds, as long as they fit: a host that halts for a moment lets requests pile
/// up, and then they begin all at once.
pub const BEGUN_UNIT_MS: i64 = 50;

/// Most cells of [`Begun`]: an hour of a busy log at their finest, seconds of a day.
pub const MAX_BEGUN_CELLS: usize = 1 << 16;

/// Attempts that got a connection, new or reused, by the time at which their requests began.
pub type Begun = Cells<Count, BEGUN_UNIT_MS, MAX_BEGUN_CELLS>;

/// So many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count(pub u32);

impl Merge for Count {
    fn merge(&mut self, other: Self) {
        self.0 = self.0.saturating_add(other.0);
    }
}

/// Most cells of attempts that failed: a quarter of a second each for an hour of such.
pub const MAX_REFUSAL_CELLS: usize = 1 << 14;

/// Attempts that a peer refused by the time at which they began. Few logs have any for long, so they stay fine.
pub type Refusals = Cells<Refused, UNIT_MS, MAX_REFUSAL_CELLS>;

/// What peers that were away made of attempts: connects that failed, and pooled connections that had been closed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// How many.
    pub attempts: u32,
    /// The peers that refused, as of [`peer_bit`].
    pub peers: u64,
}

impl Merge for Refused {
    fn merge(&mut self, other: Self) {
        self.attempts = self.attempts.saturating_add(other.attempts);
        self.peers |= other.peers;
    }
}

/// One of 64 bits for a peer's address. Peers may share one; it is the same in every process.
#[inline]
pub fn peer_bit(addr: &[u8]) -> u64 {
    let mut hash = 0x9e37_79b9_7f4a_7c15_u64;
    let mut mix = |word: u64| {
        hash = (hash ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash ^= hash >> 32;
    };
    let (words, rest) = addr.as_chunks();
    for word in words {
        mix(u64::from_le_bytes(*word));
    }
    if !rest.is_empty() {
        mix(rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)));
    }
    1 << (hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53) >> 58)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_that_differ_in_one_digit_get_bits_of_their_own() {
        let bits = |addrs: &dyn Fn(u32) -> String| {
            (0..64u32).map(|i| peer_bit(addrs(i).as_bytes())).fold(0, |all, bit| all | bit)
        };
        for addrs in [
            &(|i: u32| format!("127.0.0.1:{}", 18_000 + i)) as &dyn Fn(u32) -> String,
            &|i: u32| format!("10.0.{i}.1:80"),
            &|i: u32| format!("unix:/run/app{i}.sock"),
        ] {
            // 64 throws into 64 places leave about 23 empty.
            assert!(bits(addrs).count_ones() > 32, "{:064b}", bits(addrs));
        }
    }
}
