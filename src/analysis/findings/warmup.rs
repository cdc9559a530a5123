//! Findings about pools that do not fill.

use super::name_of;
use super::reuse::percent;
use crate::analysis::Policy;
use crate::analysis::report::{Finding, Point, Severity, UpstreamReport};

/// A step of the timeline with fewer attempts tells no share.
const MIN_CONNECTED: u64 = 20;

/// Pools are never warm if at least this share of attempts opens a connection most of the time.
const COLD: f64 = 0.3;

/// From this share on nothing is kept at all, which is another finding: `low_hit_rate`.
const NOTHING_KEPT: f64 = 0.95;

/// Pools were emptied, filled, and yet did not keep what was opened.
pub(super) fn never_warm(upstream: &UpstreamReport, policy: &Policy) -> Option<Finding> {
    let warmup = upstream.warmup?;
    let stats = &upstream.stats;
    let share = usual_share(&upstream.timeline).filter(|&share| share < NOTHING_KEPT)?;
    let never_settled = warmup.unsettled == warmup.events;
    if stats.attempts - stats.failed < policy.min_attempts || share < COLD && !never_settled {
        return None;
    }
    let times = match warmup.events {
        1 => "after the pools were emptied".to_owned(),
        n => format!("after each of the {n} times that pools were emptied"),
    };
    let message = if share < COLD {
        format!("never warms: {times}, new connections did not come down to what is usual")
    } else {
        let share = percent(share, 1.0);
        format!("never warms: {times}, still {share} of attempts certainly opened a connection")
    };
    Some(Finding {
        rule: "never_warm",
        severity: Severity::Warning,
        upstream: Some(name_of(upstream)),
        message,
        fix: "the pool is too small, or the backend closes connections: raise `keepalive` to what one worker has busy at \
              a time, and make the backend's idle timeout longer than `keepalive_timeout` of the upstream block"
            .to_owned(),
    })
}

/// The median share of certainly new connections over time.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn usual_share(timeline: &[Point]) -> Option<f64> {
    let enough = timeline.iter().filter(|point| point.connected >= MIN_CONNECTED);
    let mut shares: Vec<f64> =
        enough.map(|point| point.new_certain as f64 / point.connected as f64).collect();
    shares.sort_by(f64::total_cmp);
    shares.get(shares.len() / 2).copied()
}
