//! How far the clock of an error log is ahead of UTC: nginx stamps it in local time and names no zone.

use crate::record::error_log::Kind;
use crate::summary::events::Events;
use std::collections::BTreeMap;

/// All zones differ from UTC by a multiple of 15 minutes.
const STEP_MS: i64 = 15 * 60 * 1000;

/// Zones lie between -12:00 and +14:00.
const STEPS: std::ops::RangeInclusive<i64> = -48..=56;

/// A worker's first line is looked for within so many milliseconds of the second in which it started.
const NEAR_MS: i64 = 2000;

/// What an offset was taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSource {
    /// The access log names its zone, and was written on the same host.
    AccessLog,
    /// So many workers of `of` wrote their first line in the access log when the error log says that they started.
    Workers {
        /// Workers that fit.
        fit: usize,
        /// Workers that both logs know.
        of: usize,
    },
    /// Nothing better is known than the zone of this machine: a guess.
    Machine,
}

/// The offset of the error log's clock in seconds, and where it is from.
///
/// `logged` is the offset that `$time_local` or `$time_iso8601` names. `workers` holds the first and last line in the
/// access log of each `$pid`, in milliseconds since the epoch. `machine` is the offset of this machine.
pub fn utc_offset(
    events: &Events,
    logged: Option<i64>,
    workers: &BTreeMap<u64, (i64, i64)>,
    machine: i64,
) -> (i64, OffsetSource) {
    if let Some(logged) = logged {
        return (logged, OffsetSource::AccessLog);
    }
    let mut of = 0;
    let mut fits: BTreeMap<i64, usize> = BTreeMap::new();
    for event in events.iter().filter(|event| event.kind == Kind::WorkerStarted) {
        let Some((first_ms, _)) = event.about.and_then(|pid| workers.get(&pid)) else { continue };
        of += 1;
        let ahead_ms = event.at.utc_ms(0).saturating_sub(*first_ms);
        let steps = ahead_ms.saturating_add(STEP_MS / 2).div_euclid(STEP_MS);
        let late_ms = (steps * STEP_MS).saturating_sub(ahead_ms);
        if STEPS.contains(&steps) && (-NEAR_MS..1000 + NEAR_MS).contains(&late_ms) {
            *fits.entry(steps).or_default() += 1;
        }
    }
    let best = fits.iter().max_by_key(|(_, fit)| **fit).map(|(steps, fit)| (*steps, *fit));
    match best {
        // A worker's first line may lie near any multiple by chance: one in 180 does.
        Some((steps, fit))
            if fit * 10 >= of && fits.values().filter(|other| **other == fit).count() == 1 =>
        {
            (steps * STEP_MS / 1000, OffsetSource::Workers { fit, of })
        }
        _ => (machine, OffsetSource::Machine),
    }
}
