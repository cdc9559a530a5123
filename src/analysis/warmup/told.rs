//! What an error log tells, joined with what the access logs show.

use super::births::Birth;
use super::history::{self, Happened};
use super::lives::Life;
use crate::analysis::report::Cause;
use std::collections::BTreeMap;

/// An event may be told before its first request is logged, by this much, in milliseconds: a quiet log.
const LATER_MS: i64 = 120_000;

/// And what the access log shows may come before it is told: error logs have whole seconds, and a master that takes
/// long to read its configuration stamps workers with the time when it began.
const EARLIER_MS: i64 = 2000;

/// Old workers take no requests any more when new ones have started: this much later at most, in milliseconds.
const GOES_ON_MS: i64 = 5000;

/// A worker that would have written so many lines since its last one has ended.
const MISSED: f64 = 100.0;

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
    let known = Known::of(lives, told);
    let mut others = Vec::new();
    for event in told {
        let is_in_period = event.to_ms >= period.0 - EARLIER_MS && event.from_ms <= period.1;
        if !is_in_period || known.contradicts(event, births) {
            continue;
        }
        let near = |ms: i64| births.partition_point(|birth| birth.at_ms < ms);
        let near = near(event.from_ms - EARLIER_MS)..near(event.to_ms + LATER_MS + 1);
        let fits = |birth: &&mut Birth| {
            // An old worker may crash while a reload ends it: that is still a reload.
            (event.cause != Cause::WorkerExit
                || matches!(birth.cause, Cause::WorkerExit | Cause::Unknown)
                || known.have_crashed(birth))
                && (event.pids_started.is_empty()
                    || birth.born.iter().any(|&at| is_started(&lives[at], event)))
        };
        if let Some(birth) = births.get_mut(near).unwrap_or_default().iter_mut().find(fits) {
            birth.cause = event.cause;
            birth.evidence.insert(0, "error_log");
            birth.evidence.dedup();
            continue;
        }
        // What came before the first lines emptied no pool that this log shows: all of it is a beginning.
        if event.from_ms - EARLIER_MS > period.0 {
            others.extend(known.alone(event));
        }
    }
    births.extend(others);
    births.sort_by_key(|birth| birth.at_ms);
}

fn is_started(life: &Life<'_>, event: &Told) -> bool {
    life.pid.is_some_and(|pid| event.pids_started.contains(&pid))
}

/// Lives by what is asked of them.
struct Known<'a> {
    lives: &'a [Life<'a>],
    by_pid: BTreeMap<u64, Vec<usize>>,
    /// Of those with a pid: when one began, and when the last one of these and all before had its last request.
    going: Vec<(i64, i64)>,
    /// The same of logs without pids.
    unknown: Vec<(i64, i64)>,
    /// How long an old worker may take requests after it was told to go.
    grace: i64,
    /// When workers exited that nobody had told to.
    exits: BTreeMap<u64, Vec<(i64, i64)>>,
}

impl<'a> Known<'a> {
    fn of(lives: &'a [Life<'a>], told: &[Told]) -> Self {
        let mut by_pid: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (at, life) in lives.iter().enumerate() {
            if let Some(pid) = life.pid {
                by_pid.entry(pid).or_default().push(at);
            }
        }
        let ends = |has_pid: bool| {
            let mut ends: Vec<(i64, i64)> = lives
                .iter()
                .filter(|life| life.pid.is_some() == has_pid)
                .map(|life| (life.first, life.last))
                .collect();
            ends.sort_unstable();
            let mut last = i64::MIN;
            for end in &mut ends {
                last = last.max(end.1);
                end.1 = last;
            }
            ends
        };
        // Without `$request_time` a request that ends late looks as if it began late.
        let tells_starts = lives.iter().any(|life| life.last != life.end);
        let grace = if tells_starts { GOES_ON_MS } else { LATER_MS };
        let mut exits: BTreeMap<u64, Vec<(i64, i64)>> = BTreeMap::new();
        for event in told.iter().filter(|event| event.cause == Cause::WorkerExit) {
            for &pid in &event.pids_gone {
                exits.entry(pid).or_default().push((event.from_ms, event.to_ms));
            }
        }
        Known { lives, by_pid, going: ends(true), unknown: ends(false), grace, exits }
    }

    fn of_pids(&self, pids: &'a [u64]) -> impl Iterator<Item = usize> {
        pids.iter().filter_map(|pid| self.by_pid.get(pid)).flatten().copied()
    }

    /// Is it another nginx's, or a line that a client made up?
    fn contradicts(&self, event: &Told, births: &[Birth]) -> bool {
        event.cause == Cause::WorkerExit
            && self.of_pids(&event.pids_gone).any(|at| {
                let life = &self.lives[at];
                // One that goes on was not killed, nor one that had ended long before.
                life.first < event.from_ms && life.last > event.to_ms + EARLIER_MS
                    || life.would_write(event.from_ms - life.end) >= MISSED
                    || self.is_retired(at, event, births)
            })
    }

    /// An event that the access log alone does not show; none where it contradicts.
    fn alone(&self, event: &'a Told) -> Option<Birth> {
        let near = event.from_ms - EARLIER_MS..=event.to_ms + LATER_MS;
        let started = self.of_pids(&event.pids_started);
        let born: Vec<usize> = started.filter(|&at| near.contains(&self.lives[at].first)).collect();
        let first = born.iter().map(|&at| self.lives[at].first).min();
        // Workers that go on over it: the error log is another nginx's, or it had not come to pass when the log ended.
        let over = |ends: &[(i64, i64)]| {
            let before = ends.partition_point(|(first, _)| *first < event.from_ms);
            before > 0 && ends[before - 1].1 > event.to_ms + self.grace
        };
        let numbers_go_on =
            matches!(event.cause, Cause::Restart | Cause::Upgrade) && over(&self.unknown);
        if first.is_none()
            && event.cause != Cause::WorkerExit
            && (over(&self.going) || numbers_go_on)
        {
            return None;
        }
        let at_ms = first.unwrap_or(event.from_ms).max(event.from_ms - EARLIER_MS);
        let evidence = if first.is_some() { vec!["error_log", "pid"] } else { vec!["error_log"] };
        Some(Birth { at_ms, cause: event.cause, evidence, born, ended: Vec::new() })
    }

    /// Have all whose place these workers took exited by themselves just then, and none of them beside the new ones?
    fn have_crashed(&self, birth: &Birth) -> bool {
        let has_crashed = |&at: &usize| {
            let life = &self.lives[at];
            let mut exits = life.pid.and_then(|pid| self.exits.get(&pid)).into_iter().flatten();
            let near = exits
                .any(|&(from, to)| (from - EARLIER_MS..to + EARLIER_MS).contains(&birth.at_ms));
            near && life.last <= birth.at_ms + life.slack
        };
        birth.evidence.first() != Some(&"error_log")
            && !birth.ended.is_empty()
            && birth.ended.iter().all(has_crashed)
    }

    /// Had others taken this worker's place before it ended? Then it finished its last requests, and its pools are nobody's
    /// loss.
    fn is_retired(&self, at: usize, event: &Told, births: &[Birth]) -> bool {
        let life = &self.lives[at];
        let from = births.partition_point(|birth| birth.at_ms < life.last - EARLIER_MS);
        let before = births[from..].iter().take_while(|birth| birth.at_ms < event.to_ms);
        before.filter(|birth| birth.cause != Cause::WorkerExit).any(|birth| {
            !birth.born.contains(&at)
                && !self.have_crashed(birth)
                && birth.born.iter().any(|&born| self.lives[born].log == life.log)
        })
    }
}
