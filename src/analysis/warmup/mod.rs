//! When pools were emptied, by what, for how long, and what it cost.
//!
//! # Evidence, strongest first
//!
//! | evidence | tells | fails when |
//! | --- | --- | --- |
//! | `error_log` | what nginx did, to the second (`told`) | it is at a level above notice, as by default |
//! | `pid` | workers that are replaced: all, or one (`births`) | a generation logs few lines |
//! | `serial` | numbers that go on (reload) or begin anew (restart, upgrade) | `$connection` is not logged |
//! | `connect_time` | bursts of new connections (`scan`) | connects are too fast to show |
//!
//! The last one alone only suspects, as a backend that hangs for a moment looks much the same. It is asked for what
//! the others can't know: that a backend restarted; and for everything where the log tells neither pids nor numbers.
//!
//! # What is no event
//!
//! Log rotation (USR1) changes no pid. Old workers that finish long requests after a reload are not counted: a window of
//! new workers is made of their own requests. A hole in the log is none. A worker that was idle is not new.
//!
//! # When it fails
//!
//! - Times of whole seconds leave open which of two workers came first: an upgrade whose old workers go at once may be
//!   told as a restart, and a reload without `$connection` as unknown.
//! - Reloads between which a worker writes less than some ten lines may be told as one.
//! - Pools that grow to a new peak of traffic open several connections at once, and may be suspected: in one of some
//!   hundred quiet logs (`suspects`). A backend that hangs makes requests open as many as if its pool were empty.
//! - A burst that comes while requests pile up, or that opens fewer than eight connections, is not suspected at all.
//! - Where pids come again (containers), hosts are told apart by their own logs only.
//! - An error log tells no zone. Where the access log names none and has no `$pid` of it, the zone of this machine is taken.
//! - In logs of which only some tell `$pid`, a reload may be suspected only, and of unknown cause.

mod births;
pub mod history;
mod lives;
mod pace;
mod peers;
mod places;
mod scan;
mod series;
mod suspects;
mod told;
mod unite;
mod upstreams;
mod window;

use told::Told;

use super::report::{Cause, Cold, UpstreamWarmup, Warmup};
use crate::summary::Summary;
use crate::summary::burst::{Begun, Bursts, Refusals};
use crate::summary::events::Events;
use crate::summary::peer::PeerSummary;
use crate::summary::pool::Worker;
use crate::summary::serials::Serials;
use crate::summary::workers;
use births::Birth;
use lives::Life;
use pace::Pace;
use peers::Peers;
use scan::Burst;
use series::Instance;
use std::borrow::Cow;
use std::collections::BTreeMap;
use suspects::Workers;
use window::Window;

/// Peers of each upstream, by address.
pub(super) type Groups = [(Option<String>, BTreeMap<String, PeerSummary>)];

/// What is needed of a summary.
#[derive(Debug)]
pub(super) struct Inputs {
    workers: Vec<(Worker, workers::Life)>,
    bursts: Bursts,
    begun: Begun,
    refusals: Refusals,
    events: Events,
    period: Option<(i64, i64)>,
}

impl Inputs {
    /// Takes it out of a summary.
    pub(super) fn take(summary: &mut Summary) -> Self {
        Inputs {
            workers: std::mem::take(&mut summary.workers).sorted(),
            bursts: std::mem::take(&mut summary.bursts),
            begun: std::mem::take(&mut summary.begun),
            refusals: std::mem::take(&mut summary.refusals),
            events: std::mem::take(&mut summary.events),
            period: summary.span.get(),
        }
    }

    /// Does each attempt that got a connection tell the worker that made it?
    fn tells_all_workers(&self, peers: &Peers<'_>) -> bool {
        let told = self.workers.iter().filter(|(worker, _)| worker.pid.is_some());
        let told: u64 = told.map(|(_, life)| life.connected).sum();
        let all = peers.iter().map(|peer| peer.summary.attempts - peer.summary.failed);
        told > 0 && told >= all.sum()
    }

    /// What error logs tell. They name no zone: that is the access logs', or taken from when workers show in those, or
    /// else it is `utc_offset_seconds`.
    fn told(&self, utc_offset_seconds: i64) -> Vec<Told> {
        let mut spans: BTreeMap<u64, (i64, i64)> = BTreeMap::new();
        for (worker, life) in &self.workers {
            if let (Some(pid), Some((first, last))) = (worker.pid, life.ends.get()) {
                let span = spans.entry(pid).or_insert((first, last));
                *span = (span.0.min(first), span.1.max(last));
            }
        }
        let (zone, _) = history::zone(&self.events, &spans, utc_offset_seconds);
        history::history(&self.events, &zone).into_iter().filter_map(Told::of).collect()
    }
}

/// All that was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// By time.
    pub(super) warmups: Vec<Warmup>,
    /// One per group.
    pub(super) upstreams: Vec<Option<UpstreamWarmup>>,
    /// One per event, by time.
    pub(super) cold: Vec<Cold>,
}

/// An event and its window.
#[derive(Debug, Clone, PartialEq)]
struct Event {
    cause: Cause,
    suspected: bool,
    evidence: Vec<&'static str>,
    window: Window,
    instance: Instance,
}

impl Event {
    fn cold(&self) -> Cold {
        let Window { start, end, until, .. } = self.window;
        let to_ms = end.unwrap_or(until).max(start + window::AT_ONCE_MS);
        Cold { cause: self.cause, suspected: self.suspected, from_ms: start, to_ms }
    }
}

/// Finds the warm-ups. The clock of error logs is `utc_offset_seconds` ahead of UTC where nothing better is known.
pub(super) fn find(
    mut inputs: Inputs,
    serials: &Serials,
    groups: &Groups,
    utc_offset_seconds: i64,
) -> Found {
    let Some(period) = inputs.period else {
        return Found { upstreams: vec![None; groups.len()], ..Found::default() };
    };
    let attempts = groups.iter().flat_map(|(_, peers)| peers.values()).map(|peer| peer.attempts);
    let pace = Pace::of(std::mem::take(&mut inputs.bursts), &inputs.begun, attempts.sum(), period);
    let logs = lives::lives(&inputs.workers, serials);
    let mut events = by_workers(&logs, &inputs.told(utc_offset_seconds), &pace);
    let peers = Peers::of(groups, &pace, &inputs.refusals);
    let all_told = inputs.tells_all_workers(&peers);
    let workers = |burst: &Burst| Workers::near(burst, &logs, all_told);
    events.extend(by_statistics(&events, &pace, &peers, workers));
    events.sort_by_key(|event| (event.window.start, event.cause));
    let (names, upstreams) = upstreams::upstreams(&events, groups, &peers, &pace);
    let cold = events.iter().map(Event::cold).collect();
    let events = events.into_iter().zip(names);
    let single = |(event, names): (Event, Vec<String>)| series::Single {
        instance: event.instance,
        known_ms: event.window.until - event.window.start,
        warmup: warmup(event, names, &pace),
    };
    let warmups = events.map(single).collect();
    Found { warmups: series::gather(warmups), upstreams, cold }
}

/// Events that workers and error logs tell of.
fn by_workers(logs: &[Vec<Life<'_>>], told: &[Told], pace: &Pace) -> Vec<Event> {
    let mut lives: Vec<Life<'_>> = Vec::new();
    let mut found: Vec<Birth> = Vec::new();
    for log in logs {
        let offset = lives.len();
        found.extend(births::births(log).into_iter().map(|mut birth| {
            birth.born.iter_mut().chain(&mut birth.ended).for_each(|at| *at += offset);
            birth
        }));
        lives.extend(log.iter().cloned());
    }
    found.sort_by_key(|birth| birth.at_ms);
    let mut found = unite::unite(found, &lives);
    told::join(&mut found, &lives, told, pace.period);
    let instances = series::together(&mut found, &lives);
    // What another nginx does empties none of these pools.
    let next = |at: usize| {
        let later = found.iter().zip(&instances).skip(at + 1);
        let mut same = later.filter(|(_, instance)| !series::is_apart(instances[at], **instance));
        same.next().map_or(pace.period.1 + 1, |(next, _)| next.at_ms)
    };
    let nexts: Vec<i64> = (0..found.len()).map(next).collect();
    let window = |(at, birth): (usize, Birth)| {
        let window = window::of_workers(&birth, &lives, pace, nexts[at]);
        let visible = window.is_visible.then_some("connect_time");
        let evidence = birth.evidence.into_iter().chain(visible).collect();
        let instance = instances[at];
        Event { cause: birth.cause, suspected: false, evidence, window, instance }
    };
    found.into_iter().enumerate().map(window).collect()
}

/// Bursts of new connections that none of the known events explains.
fn by_statistics(
    known: &[Event],
    pace: &Pace,
    peers: &Peers<'_>,
    workers: impl Fn(&Burst) -> Workers,
) -> Vec<Event> {
    let spans: Vec<(i64, i64)> = known
        .iter()
        .map(|event| {
            let window = &event.window;
            let end = window.end.unwrap_or(window.start).max(window.start + pace.width);
            (window.start - pace.width, end)
        })
        .collect();
    // Without events, as of most logs, it is all there is.
    let rest =
        if spans.is_empty() { Cow::Borrowed(pace) } else { Cow::Owned(pace.without(&spans)) };
    let bursts = scan::bursts(&rest);
    let mut before: Vec<(i64, u64)> =
        known.iter().map(|event| (event.window.start, event.window.new)).collect();
    before.extend(bursts.iter().map(|burst| (burst.start, burst.new)));
    before.sort_unstable();
    let habit = suspects::habit(&bursts, pace.period).unwrap_or(0);
    let mut starts: Vec<i64> = known.iter().map(|event| event.window.start).collect();
    starts.sort_unstable();
    let mut found = Vec::new();
    for burst in bursts.iter().filter(|burst| burst.new > habit.saturating_mul(2)) {
        if suspects::is_echo(burst, &before) {
            continue;
        }
        let Some(cause) = suspects::cause(burst, peers, &rest, workers(burst)) else { continue };
        let next = starts.get(starts.partition_point(|&start| start <= burst.start)).copied();
        let until = next.unwrap_or(pace.period.1 + 1);
        let window = window::of_pace(burst.start, &rest, until);
        let evidence = vec!["connect_time"];
        found.push(Event { cause, suspected: true, evidence, window, instance: None });
    }
    found
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts and times, never negative, far below 2^53"
)]
fn warmup(event: Event, upstreams: Vec<String>, pace: &Pace) -> Warmup {
    let Event { cause, suspected, evidence, window, .. } = event;
    Warmup {
        cause,
        suspected,
        evidence,
        start_ms: window.start,
        end_ms: window.end,
        new_connections: window.new,
        excess_new: window.excess.round() as u64,
        handshake_ms: window.handshake_ms.round() as u64,
        peak_new_per_second: window.peak_per_second,
        upstreams,
        share_of_new: (window.visible_excess
            / pace::times(1.0, i64::try_from(pace.all().max(1)).unwrap_or(i64::MAX)))
        .min(1.0),
        count: 1,
        period_ms: None,
    }
}

#[cfg(test)]
mod alarms;
#[cfg(test)]
mod tests;
