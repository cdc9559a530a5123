//! What warm-ups cost each upstream.

use super::Event;
use super::Groups;
use super::pace::Pace;
use super::peers::Peers;
use crate::analysis::report::{Cause, UpstreamWarmup};

/// Attempts this long behind the end of a window still belong to it, in milliseconds.
const TAIL_MS: i64 = 1000;

/// A backend's restart is that of the upstreams with at least this share of its new connections.
const ALONE: f64 = 0.2;

/// An event's part in one upstream.
#[derive(Debug, Clone, Copy, Default)]
struct Part {
    /// It has a peer that the window touched, and attempts at that time.
    touched: bool,
    beyond: f64,
    new: f64,
    waited_ms: f64,
    /// The peers' bits.
    bits: u64,
}

/// Names the upstreams of each event, and sums up what all of them cost each upstream.
pub(super) fn upstreams(
    events: &[Event],
    groups: &Groups,
    peers: &Peers<'_>,
    pace: &Pace,
) -> (Vec<Vec<String>>, Vec<Option<UpstreamWarmup>>) {
    let mut sums: Vec<Sum> = vec![Sum::default(); groups.len()];
    let mut names = Vec::new();
    for event in events {
        let parts = parts(event, groups.len(), peers, pace);
        let mut own = Vec::new();
        for ((part, sum), (name, peers)) in parts.iter().zip(&mut sums).zip(groups) {
            if part.touched {
                sum.add(event, part, pace);
                own.extend(name.clone().or_else(|| peers.keys().next().cloned()));
            }
        }
        own.sort();
        own.dedup();
        names.push(own);
    }
    (names, sums.into_iter().map(Sum::finished).collect())
}

fn parts(event: &Event, upstreams: usize, peers: &Peers<'_>, pace: &Pace) -> Vec<Part> {
    let window = &event.window;
    let end = window.end.unwrap_or(window.until);
    let to = end.max(window.start + TAIL_MS);
    let opened = peers.opened(pace, pace.floor(window.start), to, window.usual);
    let mut parts = vec![Part::default(); upstreams];
    for (peer, opened) in peers.iter().zip(&opened) {
        let part = &mut parts[peer.upstream];
        part.touched |= window.peers & peer.bit != 0 && peer.connected(window.start, to) > 0.0;
        part.bits |= peer.bit;
        part.new += opened.new;
        part.beyond += opened.beyond;
        part.waited_ms += opened.waited_ms;
    }
    let all: f64 = parts.iter().map(|part| part.beyond).sum();
    for part in &mut parts {
        part.touched &= match event.cause {
            Cause::BackendRestart => part.beyond >= ALONE * all,
            _ if event.suspected => part.new >= 0.5 && part.beyond >= part.new / 2.0,
            _ => true,
        };
    }
    parts
}

/// What some events cost one upstream.
#[derive(Debug, Clone, Default)]
struct Sum {
    events: u64,
    beyond: f64,
    waited_ms: f64,
    /// How long each took that settled, in milliseconds.
    warm_ms: Vec<u64>,
    /// How long each of the others has been cold, as far as is known.
    cold_ms: Vec<u64>,
}

impl Sum {
    fn add(&mut self, event: &Event, part: &Part, pace: &Pace) {
        let window = &event.window;
        self.events += 1;
        self.beyond += part.beyond;
        self.waited_ms += part.waited_ms;
        let Some(end) = window.end else {
            self.cold_ms.push(u64::try_from(window.until - window.start).unwrap_or(0));
            return;
        };
        // Its last new connection in the window.
        let cells = &pace.cells()[pace.range(pace.floor(window.start), end)];
        let last = cells.iter().rev().find(|(_, cell)| cell.peers & part.bits != 0);
        if let Some((at, _)) = last {
            let warm = (at + pace.width).min(end) - window.start;
            self.warm_ms.push(u64::try_from(warm).unwrap_or(0));
        }
    }

    /// The median of all, where those that have been cold for longer took longer. Of the others nobody knows. 0 where
    /// connects are too fast to show; none if half and more were not seen warm.
    fn warm_ms(&mut self) -> Option<u64> {
        self.warm_ms.sort_unstable();
        let Some(longest) = self.warm_ms.last().copied() else {
            return self.cold_ms.is_empty().then_some(0);
        };
        let cold = self.cold_ms.iter().filter(|&&ms| ms > longest).count();
        let all = self.warm_ms.len() + cold;
        let (low, high) = (self.warm_ms.get((all - 1) / 2)?, self.warm_ms.get(all / 2)?);
        Some(low.midpoint(*high))
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts and times, never negative, far below 2^53"
    )]
    fn finished(mut self) -> Option<UpstreamWarmup> {
        (self.events > 0).then(|| UpstreamWarmup {
            events: self.events,
            warm_ms: self.warm_ms(),
            excess_new: self.beyond.round() as u64,
            handshake_ms: self.waited_ms.round() as u64,
        })
    }
}
