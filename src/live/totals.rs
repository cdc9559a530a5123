//! What was counted since the start of the process: for Prometheus, so nothing here ever goes down.
//!
//! It is not stored. A state may be older than what was exposed last: a counter that goes on from there has gone down,
//! and Prometheus takes the whole of it for new. One that begins at 0 tells right what was counted since.
//!
//! Outcomes are those that an attempt's own slots prove. What is undecided stays so: the evidence that decides it is that
//! of a window, and would move counts from one outcome to another.

use super::part::Part;
use crate::summary::keys::Key;
use crate::summary::latency::LatencySummary;
use crate::summary::peer::PeerSummary;
use std::collections::BTreeMap;

/// Most upstreams and peers that are counted apart, unless asked otherwise.
pub const MAX_SERIES: usize = 1_000;

/// The name of all others.
pub const OTHER: &str = "(other)";

/// Upper ends of the buckets of histograms, in milliseconds: Prometheus's `le`. Up to 255 ms they are exact; above, a value
/// may be counted in the bucket below if it is within 1 % of its end.
pub const BUCKETS_MS: [u32; 15] =
    [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000];

/// How long something took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Buckets {
    /// How many took as long as [`BUCKETS_MS`] or less, each with those of the buckets before.
    pub up_to: [u64; BUCKETS_MS.len()],
    /// How many there were: the bucket `+Inf`.
    pub count: u64,
    /// How long all took together, in milliseconds.
    pub sum_ms: u64,
}

impl Buckets {
    /// Adds a distribution, but for the zeros in it if `skip_zeros`.
    fn add(&mut self, times: &LatencySummary, skip_zeros: bool) {
        let skipped = if skip_zeros { times.count_at(0) } else { 0 };
        for (bucket, end) in self.up_to.iter_mut().zip(BUCKETS_MS) {
            *bucket += times.count_up_to(end).saturating_sub(skipped);
        }
        self.count += times.count().saturating_sub(skipped);
        self.sum_ms += times.sum();
    }
}

/// Attempts at one peer of one upstream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them.
    pub attempts: u64,
    /// Certainly new.
    pub new_certain: u64,
    /// Reused or new.
    pub undecided: u64,
    /// Never connected.
    pub failed: u64,
    /// Of those that connected: on a pooled connection that the peer had already closed.
    pub stale: u64,
    /// `$upstream_connect_time` where it is above 0: what new connections cost.
    pub handshake: Buckets,
    /// `$upstream_response_time`.
    pub response: Buckets,
}

impl Counts {
    fn add(&mut self, peer: &PeerSummary) {
        self.attempts += peer.attempts;
        self.new_certain += peer.new_certain;
        self.undecided += peer.undecided;
        self.failed += peer.failed;
        self.stale += peer.stale;
        self.handshake.add(&peer.connect, true);
        self.response.add(&peer.response, false);
    }
}

/// Upstream and peer as logged; an upstream whose name the log does not tell is empty.
pub type Series = (Box<[u8]>, Box<[u8]>);

/// All counts since the start.
///
/// The first [`MAX_SERIES`] upstreams and peers are counted apart, all others as one: what has a place keeps it, as a
/// counter that moved would go down. So which ones do depends on what came first.
#[derive(Debug, Clone, PartialEq)]
pub struct Totals {
    most: usize,
    series: BTreeMap<Series, Counts>,
    others: Counts,
    has_others: bool,
}

impl Default for Totals {
    fn default() -> Self {
        Totals::new(MAX_SERIES)
    }
}

impl Totals {
    /// Nothing yet, and at most so many upstreams and peers apart.
    pub fn new(most: usize) -> Self {
        Totals { most, series: BTreeMap::new(), others: Counts::default(), has_others: false }
    }

    /// Adds what a thread counted. Each part is to be added once, before the slices take it.
    pub fn add(&mut self, part: &Part) {
        for summary in part.summaries() {
            // In order, so that the same parts fill the same places.
            let mut peers: Vec<(Key<'_>, &PeerSummary)> = summary.peers.iter().collect();
            peers.sort_by_key(|(key, _)| *key);
            for (key, peer) in peers {
                self.of(key).add(peer);
            }
            if let Some(others) = summary.peers.others() {
                self.has_others = true;
                self.others.add(others);
            }
        }
    }

    fn of(&mut self, key: Key<'_>) -> &mut Counts {
        let series: Series = (key.group.unwrap_or_default().into(), key.peer.into());
        if self.series.len() >= self.most && !self.series.contains_key(&series) {
            self.has_others = true;
            return &mut self.others;
        }
        self.series.entry(series).or_default()
    }

    /// Counts by upstream and peer, in their order.
    pub fn series(&self) -> impl Iterator<Item = (&[u8], &[u8], &Counts)> {
        self.series.iter().map(|((upstream, peer), counts)| (&**upstream, &**peer, counts))
    }

    /// Those of all others, to be named [`OTHER`]; none as long as all fit.
    pub fn others(&self) -> Option<&Counts> {
        self.has_others.then_some(&self.others)
    }
}

#[cfg(test)]
mod tests {
    use super::super::slices::Slices;
    use super::*;
    use crate::fold::{Choice, Reader, Recipe};
    use crate::log_format::{Escape, LogFormat};

    const NOW: i64 = 1_795_219_200_000;

    /// A part with one attempt per line of peer, connect and response time.
    fn part(lines: &[(u32, &str, &str)]) -> Part {
        let text = "$msec $proxy_host \"$upstream_addr\" \"$upstream_connect_time\" \
                    \"$upstream_response_time\"";
        let format = LogFormat::from_string("main", text, Escape::Default).unwrap();
        let recipe = Recipe::new(&format, None, Choice::default(), "access.log");
        let mut part = Slices::new(0).part(NOW);
        let mut reader = Reader::default();
        for (peer, connect, response) in lines {
            let second = NOW / 1000;
            let line = format!("{second}.000 app \"10.0.0.1:{peer}\" \"{connect}\" \"{response}\"");
            reader.line(&recipe, line.as_bytes(), &mut part).unwrap();
        }
        part
    }

    #[test]
    fn attempts_are_counted_by_outcome_and_time() {
        let mut totals = Totals::default();
        for _ in 0..2 {
            totals.add(&part(&[
                (1, "0.000", "0.001"),
                (1, "0.003", "0.250"),
                (1, "0.300", "1.000"),
                (1, "-", "61.000"),
            ]));
        }
        let all: Vec<_> = totals.series().collect();
        let [(upstream, peer, counts)] = all[..] else { panic!("{all:?}") };
        assert_eq!((upstream, peer), (&b"app"[..], &b"10.0.0.1:1"[..]));
        let Counts { attempts, new_certain, undecided, failed, handshake, response, .. } = *counts;
        assert_eq!((attempts, new_certain, undecided, failed), (8, 4, 2, 2));
        assert_eq!(handshake.up_to, [0, 0, 2, 2, 2, 2, 2, 2, 4, 4, 4, 4, 4, 4, 4]);
        assert_eq!((handshake.count, handshake.sum_ms), (4, 606));
        assert_eq!(response.up_to, [2, 2, 2, 2, 2, 2, 2, 4, 4, 6, 6, 6, 6, 6, 6]);
        assert_eq!(response.count, 8);
    }

    #[test]
    fn what_has_a_place_keeps_it_and_the_rest_is_one() {
        let mut totals = Totals::new(2);
        for peers in [[5, 6], [1, 5], [2, 6]] {
            let before = totals.clone();
            totals.add(&part(&peers.map(|peer| (peer, "0.001", "0.001"))));
            for (upstream, peer, counts) in before.series() {
                let mut now = totals.series().filter(|(u, p, _)| (*u, *p) == (upstream, peer));
                assert!(now.next().is_some_and(|(_, _, now)| now.attempts >= counts.attempts));
            }
        }
        let kept: Vec<_> = totals.series().map(|(_, _, counts)| counts.attempts).collect();
        assert_eq!(kept, [2, 2]);
        assert_eq!(totals.others().map(|others| others.attempts), Some(2));
    }
}
