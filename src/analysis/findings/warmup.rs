//! Findings about warm-ups: pools that never got warm, and reloads that cost a large part of all new connections.
//!
//! A warm-up by itself is no finding: it belongs to a reload, and the report lists it. These two are more than that.

use super::{Evidence, name_of};
use crate::analysis::report::{
    Cause, Finding, Period, Point, Severity, Stats, UpstreamReport, Warmup,
};
use crate::analysis::{Limits, Policy};
use crate::units::{distance, thousands};
use jiff::Timestamp;

/// Pools have so long to get warm, in milliseconds. Those that do, take seconds.
const MIN_COLD_MS: i64 = 60_000;

/// Fewer reloads are no habit.
const MIN_RELOADS: u64 = 5;

/// Share of all new connections from which reloads are worth a word.
const MIN_SHARE: f64 = 0.2;

/// Since some event connections are surely not reused: until the end of the log, and not before.
///
/// An upstream that is cold all the time is no case for this, but for `low_hit_rate`.
pub(super) fn never_warm(
    upstream: &UpstreamReport,
    evidence: Evidence<'_>,
    limits: Limits,
) -> Option<Finding> {
    let Period { from_ms, to_ms } = evidence.period?;
    let name = upstream.name.as_ref().or(upstream.peers.first().map(|peer| &peer.addr))?;
    if upstream.warmup.is_none() || upstream.stats.attempts < limits.min_attempts {
        return None;
    }
    // Names are sorted, and there may be thousands.
    let touches = |window: &&Warmup| window.upstreams.binary_search(name).is_ok();
    let windows: Vec<&Warmup> = evidence.warmups.iter().filter(touches).collect();
    let step = step(&upstream.timeline)?;
    for (at, window) in windows.iter().enumerate().rev() {
        let start = window.start_ms;
        let length = to_ms.saturating_sub(start);
        if (window.count > 1 && !stays_cold(window)) || length < MIN_COLD_MS {
            continue;
        }
        let previous = at.checked_sub(1).map_or(from_ms, |at| windows[at].start_ms);
        let before = Sum::of(&upstream.timeline, previous, start.saturating_sub(step));
        let after = Sum::of(&upstream.timeline, start.saturating_add(length / 2), to_ms);
        let was_warm = window.end_ms.is_none() || before.is_warm(limits);
        if was_warm && after.is_cold(limits) {
            return Some(cold(name_of(upstream), window, &after, length - length / 2));
        }
    }
    None
}

/// Did pools stay cold though each had its time? Of a single one that was cut short nobody knows.
fn stays_cold(window: &Warmup) -> bool {
    window.end_ms.is_none() && window.period_ms.is_none_or(|ms| ms >= MIN_COLD_MS)
}

fn cold(upstream: String, window: &Warmup, after: &Sum, length: i64) -> Finding {
    let event = match window.cause {
        Cause::Reload => "reload",
        Cause::Restart => "restart",
        Cause::Upgrade => "upgrade",
        Cause::WorkerExit => "exit of a worker",
        Cause::BackendRestart => "restart of a backend",
        Cause::Unknown => "change",
    };
    let suspected = if window.suspected { "suspected " } else { "" };
    let when = Timestamp::from_millisecond(window.start_ms).unwrap_or_default();
    Finding {
        rule: "never_warm",
        severity: Severity::Warning,
        upstream: Some(upstream),
        message: format!(
            "never got warm after the {suspected}{event} at {} UTC: {} of {} attempts in the last {} certainly opened a \
             connection",
            when.strftime("%F %T"),
            thousands(after.new),
            thousands(after.connected),
            distance(length.unsigned_abs()),
        ),
        fix: "the pool is too small (raise `keepalive`), or the backend closes connections; compare the upstream block \
              and the backend's settings with those before"
            .to_owned(),
    }
}

/// Attempts of a part of the timeline.
#[derive(Debug, Default)]
struct Sum {
    connected: u64,
    new: u64,
}

impl Sum {
    /// Of the steps that begin in this span.
    fn of(timeline: &[Point], from_ms: i64, to_ms: i64) -> Sum {
        let within = |point: &&Point| point.from_ms >= from_ms && point.from_ms <= to_ms;
        timeline.iter().filter(within).fold(Sum::default(), |sum, point| Sum {
            connected: sum.connected + point.connected,
            new: sum.new + point.new_certain,
        })
    }

    /// The most that may have been reused, if there is enough to judge.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    fn at_most(&self, limits: Limits) -> Option<f64> {
        let enough = self.connected > 0 && self.connected >= limits.min_attempts;
        enough.then(|| 1.0 - self.new as f64 / self.connected as f64)
    }

    fn is_cold(&self, limits: Limits) -> bool {
        self.at_most(limits).is_some_and(|rate| rate < limits.min_hit_rate)
    }

    fn is_warm(&self, limits: Limits) -> bool {
        self.at_most(limits).is_some_and(|rate| rate >= limits.min_hit_rate)
    }
}

/// The step of a timeline in milliseconds; none if there are too few to tell.
fn step(timeline: &[Point]) -> Option<i64> {
    timeline.windows(2).map(|pair| pair[1].from_ms - pair[0].from_ms).min()
}

/// Reloads are many, and cost a large share of all new connections.
pub(super) fn reload_cost(
    total: &Stats,
    evidence: Evidence<'_>,
    policy: &Policy,
) -> Option<Finding> {
    let reloads = || {
        let windows = evidence.warmups.iter();
        // What stays cold costs this much however seldom nginx is reloaded.
        windows.filter(|window| {
            window.cause == Cause::Reload && !window.suspected && !stays_cold(window)
        })
    };
    let count: u64 = reloads().map(|window| window.count).sum();
    let cost: u64 = reloads().map(|window| window.excess_new).sum();
    let share = share(cost, total)?;
    if count < MIN_RELOADS || cost < policy.min_attempts || share < MIN_SHARE {
        return None;
    }
    // Their distance, if one series is nearly all.
    let series = reloads().max_by_key(|window| window.count)?;
    let every = match series.period_ms {
        Some(ms) if series.count * 10 >= count * 9 => {
            format!(", one every {},", distance(ms.unsigned_abs()))
        }
        _ => String::new(),
    };
    let at_least = if total.hit_rate.estimate.is_none() { "at least " } else { "" };
    Some(Finding {
        rule: "reload_cost",
        severity: Severity::Note,
        upstream: None,
        message: format!(
            "{} reloads{every} cost {} handshakes: {at_least}{:.0} % of all new connections",
            thousands(count),
            thousands(cost),
            share * 100.0
        ),
        fix: "reload less often: put changes together; addresses that change need no reload with `resolve` in `server` \
              (since nginx 1.27.3)"
            .to_owned(),
    })
}

/// The share of all new connections: as many as estimated, or else as many as there may be.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn share(cost: u64, total: &Stats) -> Option<f64> {
    let connected = (total.attempts - total.failed) as f64;
    let reused = total.hit_rate.estimate.unwrap_or(total.hit_rate.low);
    let new = ((1.0 - reused) * connected).max(total.new_certain as f64);
    (new > 0.0).then(|| (cost as f64 / new).min(1.0))
}

#[cfg(test)]
mod tests;
