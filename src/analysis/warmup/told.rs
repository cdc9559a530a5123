//! What an error log tells, joined with what the access logs show.

use super::births::Birth;
use super::history::{self, Happened};
use super::lives::Life;
use crate::analysis::report::Cause;

/// An event may be told before its first request is logged, by this much, in milliseconds: a quiet log.
const LATER_MS: i64 = 120_000;

/// And what the access log shows may come before it is told: error logs have whole seconds, and a master that takes
/// long to read its configuration stamps workers with the time when it began.
const EARLIER_MS: i64 = 2000;

/// Something that the error log tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    /// It happened at or after this, in milliseconds since the epoch.
    pub(super) from_ms: i64,
    /// And before this.
    pub(super) to_ms: i64,
    /// What it was.
    pub(super) cause: Cause,
    /// The workers that were started, as far as it tells.
    pub(super) pids_started: Vec<u64>,
    /// The workers that went, as far as it tells.
    pub(super) pids_gone: Vec<u64>,
}

impl Told {
    /// None where nothing began: a stop.
    pub(super) fn of(happened: Happened) -> Option<Told> {
        let cause = match happened.cause {
            history::Cause::Reload => Cause::Reload,
            history::Cause::Restart => Cause::Restart,
            history::Cause::Upgrade => Cause::Upgrade,
            history::Cause::WorkerExit => Cause::WorkerExit,
            history::Cause::Stop => return None,
        };
        let Happened { from_ms, to_ms, pids_started, pids_gone, .. } = happened;
        Some(Told { from_ms, to_ms, cause, pids_started, pids_gone })
    }
}

/// What has to be told of a birth: the error log decides its cause.
pub(super) fn join(births: &mut Vec<Birth>, lives: &[Life<'_>], told: &[Told], period: (i64, i64)) {
    for event in told {
        if event.to_ms < period.0 - EARLIER_MS || event.from_ms > period.1 {
            continue;
        }
        // One that goes on was not killed: the error log is another nginx's, or its line is a client's invention.
        let goes_on = |life: &Life<'_>| {
            life.pid.is_some_and(|pid| event.pids_gone.contains(&pid))
                && life.first < event.from_ms
                && life.last > event.to_ms + EARLIER_MS
        };
        if event.cause == Cause::WorkerExit && lives.iter().any(goes_on) {
            continue;
        }
        let fits = |birth: &&mut Birth| {
            // An old worker may crash while a reload ends it: that is still a reload.
            (event.cause != Cause::WorkerExit
                || matches!(birth.cause, Cause::WorkerExit | Cause::Unknown))
                && (event.from_ms - EARLIER_MS..=event.to_ms + LATER_MS).contains(&birth.at_ms)
                && (event.pids_started.is_empty()
                    || birth.born.iter().any(|&at| is_started(&lives[at], event)))
        };
        if let Some(birth) = births.iter_mut().filter(fits).min_by_key(|birth| birth.at_ms) {
            birth.cause = event.cause;
            birth.evidence.insert(0, "error_log");
            birth.evidence.dedup();
            continue;
        }
        // What came before the first lines emptied no pool that this log shows: all of it is a beginning.
        if event.from_ms - EARLIER_MS > period.0 {
            births.extend(alone(event, lives));
        }
    }
    births.sort_by_key(|birth| birth.at_ms);
}

fn is_started(life: &Life<'_>, event: &Told) -> bool {
    life.pid.is_some_and(|pid| event.pids_started.contains(&pid))
}

/// An event that the access log alone does not show; none where it contradicts.
fn alone(event: &Told, lives: &[Life<'_>]) -> Option<Birth> {
    let near = event.from_ms - EARLIER_MS..=event.to_ms + LATER_MS;
    let born: Vec<usize> = lives
        .iter()
        .enumerate()
        .filter(|(_, life)| is_started(life, event) && near.contains(&life.first))
        .map(|(at, _)| at)
        .collect();
    let first = born.iter().map(|&at| lives[at].first).min();
    // Workers that go on over it: the error log is another nginx's.
    let over = |life: &Life<'_>| life.first < event.from_ms && life.last > event.to_ms + LATER_MS;
    if first.is_none() && event.cause != Cause::WorkerExit && lives.iter().any(over) {
        return None;
    }
    let at_ms = first.unwrap_or(event.from_ms).max(event.from_ms - EARLIER_MS);
    let evidence = if first.is_some() { vec!["error_log", "pid"] } else { vec!["error_log"] };
    Some(Birth { at_ms, cause: event.cause, evidence, born })
}
