//! What warm-ups cost each upstream.

use super::window::Window;
use super::{Event, Groups};
use crate::analysis::report::UpstreamWarmup;
use crate::summary::burst::{New, peer_bit};
use crate::summary::peer::PeerSummary;
use std::collections::BTreeMap;

/// A peer's new connections are compared with those of this time before and behind a window, in milliseconds.
const AROUND_MS: i64 = 600_000;

/// New connections this long behind the end of a window are still part of its last cell, in milliseconds.
const TAIL_MS: i64 = 1000;

/// Which upstreams have which peers.
pub(super) struct Names {
    upstreams: Vec<(String, u64, Vec<i64>)>,
    /// Width of the cells of attempts.
    widths: Vec<i64>,
}

impl Names {
    pub(super) fn of(groups: &Groups) -> Self {
        let mut upstreams = Vec::new();
        let mut widths = Vec::new();
        for (name, peers) in groups {
            let only = || peers.keys().next().cloned().unwrap_or_default();
            let bits = peers.keys().fold(0, |bits, addr| bits | peer_bit(addr.as_bytes()));
            let mut width = 1;
            let mut busy = Vec::new();
            for peer in peers.values() {
                let (own, cells) = peer.timeline.to_vec();
                width = width.max(own);
                busy.extend(cells.iter().map(|(at, _)| *at));
            }
            busy.sort_unstable();
            upstreams.push((name.clone().unwrap_or_else(only), bits, busy));
            widths.push(width);
        }
        Names { upstreams, widths }
    }

    /// The upstreams of a window's peers that had traffic then, by name. Peers share 64 bits: with more of them there
    /// may be one too many.
    pub(super) fn touched(&self, window: &Window) -> Vec<String> {
        let mut names: Vec<String> = (0..self.upstreams.len())
            .filter(|&at| self.is_touched(at, window))
            .map(|at| self.upstreams[at].0.clone())
            .collect();
        names.sort();
        names.dedup();
        names
    }

    fn is_touched(&self, at: usize, window: &Window) -> bool {
        let (_, bits, busy) = &self.upstreams[at];
        let to = window.end.unwrap_or(i64::MAX).max(window.start + TAIL_MS);
        let first = busy.partition_point(|&start| start + self.widths[at] <= window.start);
        bits & window.peers != 0 && busy.get(first).is_some_and(|&start| start <= to)
    }
}

/// What all windows together cost each group.
pub(super) fn upstreams(
    events: &[Event],
    groups: &Groups,
    names: &Names,
) -> Vec<Option<UpstreamWarmup>> {
    let cost = |(at, (_, peers)): (usize, &(_, BTreeMap<String, PeerSummary>))| {
        let news = Connects::of(peers);
        let touched: Vec<&Window> = events
            .iter()
            .map(|event| &event.window)
            .filter(|window| names.is_touched(at, window))
            .collect();
        (!touched.is_empty()).then(|| news.costs(&touched))
    };
    groups.iter().enumerate().map(cost).collect()
}

/// New connections of an upstream's peers, in the cells of the coarsest.
struct Connects {
    width: i64,
    cells: BTreeMap<i64, New>,
}

impl Connects {
    fn of(peers: &BTreeMap<String, PeerSummary>) -> Self {
        let mut all = crate::summary::burst::News::default();
        for peer in peers.values() {
            crate::summary::Merge::merge(&mut all, peer.news.clone());
        }
        let (width, cells) = all.to_vec();
        Connects { width, cells: cells.into_iter().collect() }
    }

    /// New connections, connect times in milliseconds, and the end of the last cell that starts in `from..to`.
    fn sum(&self, from: i64, to: i64) -> (u64, u64, Option<i64>) {
        let mut sum = (0, 0, None);
        for (&at, new) in self.cells.range(from..to.max(from)) {
            sum = (
                sum.0 + u64::from(new.count),
                sum.1 + u64::from(new.handshake_ms),
                Some(at + self.width),
            );
        }
        sum
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts and times, never negative, far below 2^53"
    )]
    fn costs(&self, windows: &[&Window]) -> UpstreamWarmup {
        let (mut excess, mut waited) = (0.0, 0.0);
        let mut warm: Vec<u64> = Vec::new();
        for window in windows {
            let from = window.start.div_euclid(self.width) * self.width;
            let to = window.end.unwrap_or(window.start + AROUND_MS).max(window.start + TAIL_MS);
            let to = (to.div_euclid(self.width) + 1) * self.width;
            let (new, handshake, last) = self.sum(from, to);
            let around = self.sum(from - AROUND_MS, from).0 + self.sum(to, to + AROUND_MS).0;
            let usual = around as f64 / (2 * AROUND_MS) as f64 * (to - from) as f64;
            let beyond = (new as f64 - usual).max(0.0);
            excess += beyond;
            waited += handshake as f64 * beyond / (new as f64).max(1.0);
            if let Some(end) = window.end {
                let last =
                    last.filter(|_| beyond >= 1.0).map_or(0, |last| last.min(end) - window.start);
                warm.push(u64::try_from(last).unwrap_or(0));
            }
        }
        warm.sort_unstable();
        UpstreamWarmup {
            events: windows.len() as u64,
            warm_ms: warm.get(warm.len() / 2).copied(),
            excess_new: excess.round() as u64,
            handshake_ms: waited.round() as u64,
        }
    }
}
