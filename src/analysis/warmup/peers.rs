//! Which peers the new connections of a time went to.
//!
//! The fine timeline of the whole log has only a set of peers per cell, as 64 bits; the timelines of peers have counts,
//! but cells of half an hour in a log of a month. So the connections of a fine cell are shared out to the peers in its
//! set, by what the coarse timelines say of each: exact where a cell is one peer's, or the log short.

use super::Groups;
use super::pace::{BegunBefore, Pace, per};
use crate::summary::burst::{Burst, Refusals, peer_bit};
use crate::summary::peer::PeerSummary;
use std::rc::Rc;

/// All peers of a log.
#[derive(Debug)]
pub(super) struct Peers<'a> {
    all: Vec<Peer<'a>>,
    /// Certainly new connections of all.
    new_certain: u64,
    /// Connections of all peers, new or reused, in cells of this width.
    begun_width: i64,
    begun: Rc<[BegunBefore]>,
    refusals: &'a Refusals,
}

/// One peer of one upstream.
#[derive(Debug)]
pub(super) struct Peer<'a> {
    /// Place of its upstream among the groups.
    pub(super) upstream: usize,
    /// Its bit, as of [`peer_bit`].
    pub(super) bit: u64,
    pub(super) summary: &'a PeerSummary,
}

/// Fewer certainly new connections do not tell whether others are hidden.
const MIN_VISIBLE: u64 = 4;

impl Peer<'_> {
    /// Would new connections to it show? Those that take more than a tick of nginx's clock do: some of them then take
    /// two.
    pub(super) fn shows(&self) -> bool {
        let PeerSummary { new_certain, connect, .. } = self.summary;
        let longer = new_certain.saturating_sub(connect.count_at(1));
        *new_certain >= MIN_VISIBLE && longer * 5 >= *new_certain
    }

    /// Attempts of a time that got a connection.
    pub(super) fn connected(&self, from: i64, to: i64) -> f64 {
        self.summary.timeline.between(from, to, |cell| cell.attempts - cell.failed)
    }

    /// The time in which half of its responses have come, in milliseconds.
    pub(super) fn response_ms(&self) -> f64 {
        per(self.summary.response.percentile(500).unwrap_or(0), 1)
    }
}

/// New connections to a peer, as far as is known.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Opened {
    /// How many.
    pub(super) new: f64,
    /// Of these: more than usual.
    pub(super) beyond: f64,
    /// What was waited for those, in milliseconds.
    pub(super) waited_ms: f64,
}

impl<'a> Peers<'a> {
    pub(super) fn of(groups: &'a Groups, pace: &Pace, refusals: &'a Refusals) -> Self {
        let all: Vec<Peer<'a>> = groups
            .iter()
            .enumerate()
            .flat_map(|(upstream, (_, peers))| {
                peers.iter().map(move |(addr, summary)| {
                    let bit = peer_bit(addr.as_bytes());
                    Peer { upstream, bit, summary }
                })
            })
            .collect();
        let new_certain = all.iter().map(|peer| peer.summary.new_certain).sum();
        let (begun_width, begun) = (pace.begun_width, Rc::clone(&pace.begun));
        Peers { all, new_certain, begun_width, begun, refusals }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Peer<'a>> {
        self.all.iter()
    }

    /// Width of the cells in which [`Peers::begun`] knows connections, in milliseconds.
    pub(super) fn begun_width(&self) -> i64 {
        self.begun_width
    }

    /// Connections of all peers, new or reused, of the cells that begin in `from..to`.
    pub(super) fn begun(&self, from: i64, to: i64) -> impl Iterator<Item = f64> {
        let at = |ms: i64| self.begun.partition_point(|(start, ..)| *start < ms);
        let cells = &self.begun[at(from)..at(to).max(at(from))];
        cells.iter().map(|(_, count, _)| f64::from(count.0))
    }

    /// Connections of all peers, new or reused, of requests that began in `from..to`, as if cells were filled evenly.
    pub(super) fn begun_between(&self, from: i64, to: i64) -> f64 {
        let width = self.begun_width;
        let at = |ms: i64| self.begun.partition_point(|(start, ..)| start + width <= ms);
        let cells = self.begun[at(from)..].iter().take_while(|(start, ..)| *start < to);
        let part = |(start, count, _): &BegunBefore| {
            let inside = (to.min(start + width) - from.max(*start)).max(0);
            f64::from(count.0) * per(1, width) * super::pace::times(1.0, inside)
        };
        cells.map(part).sum()
    }

    /// Attempts of a time that one peer refused.
    pub(super) fn refused(&self, bit: u64, from: i64, to: i64) -> f64 {
        self.refusals.between(from, to, |cell| {
            let part = cell.attempts.div_ceil(cell.peers.count_ones().max(1));
            if cell.peers & bit == 0 { 0 } else { part.into() }
        })
    }

    /// New connections of each peer in the cells that start in `from..to`, of which `usual` are in a millisecond.
    pub(super) fn opened(&self, pace: &Pace, from: i64, to: i64, usual: f64) -> Vec<Opened> {
        let new =
            |peer: &Peer<'_>| peer.summary.timeline.between(from, to, |cell| cell.new_certain);
        // A peer in the set has had one, whatever its own timeline makes of it.
        let weights: Vec<f64> = self.all.iter().map(|peer| new(peer).max(1e-6)).collect();
        let mut by_bit = [0.0; 64];
        for (peer, weight) in self.all.iter().zip(&weights) {
            by_bit[index(peer.bit)] += weight;
        }
        let mut of_bit = [(0.0, 0.0); 64];
        for (_, cell) in &pace.cells()[pace.range(from, to)] {
            share_out(cell, &by_bit, &mut of_bit);
        }
        let expected = super::pace::times(usual, to - from);
        let shares = self.all.iter().zip(&weights);
        shares
            .map(|(peer, weight)| {
                let part = weight / by_bit[index(peer.bit)];
                let (new, waited) = of_bit[index(peer.bit)];
                let (new, waited) = (new * part, waited * part);
                let share = per(peer.summary.new_certain, 1) / per(self.new_certain.max(1), 1);
                let beyond = (new - expected * share).max(0.0);
                let waited_ms = if new > 0.0 { waited * beyond / new } else { 0.0 };
                Opened { new, beyond, waited_ms }
            })
            .collect()
    }
}

/// Shares out a cell's connections and waiting to the peers in its set.
fn share_out(cell: &Burst, weights: &[f64; 64], shares: &mut [(f64, f64); 64]) {
    let bits = (0..64).filter(|bit| cell.peers & (1 << bit) != 0);
    let sum: f64 = bits.clone().map(|bit| weights[bit]).sum();
    // One each, for each is in the set; the rest by weight.
    let rest = f64::from(cell.new_certain) - f64::from(cell.peers.count_ones());
    for bit in bits {
        let new = 1.0 + rest.max(0.0) * weights[bit] / sum.max(1e-9);
        shares[bit].0 += new;
        shares[bit].1 += f64::from(cell.handshake_ms) * new / f64::from(cell.new_certain.max(1));
    }
}

fn index(bit: u64) -> usize {
    usize::try_from(bit.trailing_zeros()).unwrap_or(0).min(63)
}
