//! How far the clock of an error log is ahead of UTC: nginx stamps it in local time and names no zone.

use crate::record::error_log::{Kind, LocalSecond};
use crate::summary::events::Events;
use std::collections::BTreeMap;

/// All zones differ from UTC by a multiple of 15 minutes.
const STEP_MS: i64 = 15 * 60 * 1000;

/// Zones lie between -12:00 and +14:00.
const STEPS: std::ops::RangeInclusive<i64> = -48..=56;

/// A worker's first line is looked for within so many milliseconds of the second in which it started.
const NEAR_MS: i64 = 2000;

/// A zone over time: it changes twice a year where there is a summer time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// Local seconds and the offset then, by time; never empty.
    known: Vec<(i64, i64)>,
}

impl Zone {
    /// One that is always so many seconds ahead of UTC.
    pub fn fixed(utc_offset_seconds: i64) -> Self {
        Zone { known: vec![(0, utc_offset_seconds)] }
    }

    /// Of moments in milliseconds since the epoch, and the offset then.
    fn of(moments: impl Iterator<Item = (i64, i64)>) -> Option<Self> {
        let local = |(ms, offset): (i64, i64)| (ms.div_euclid(1000).saturating_add(offset), offset);
        let mut known: Vec<(i64, i64)> = moments.map(local).collect();
        known.sort_unstable();
        (!known.is_empty()).then_some(Zone { known })
    }

    /// Milliseconds since the epoch, by what is known nearest in time.
    pub fn utc_ms(&self, at: LocalSecond) -> i64 {
        let behind = self.known.partition_point(|(local, _)| *local < at.0);
        let near = &self.known[behind.saturating_sub(1)..self.known.len().min(behind + 1)];
        let nearest = near.iter().min_by_key(|(local, _)| local.abs_diff(at.0));
        at.utc_ms(nearest.map_or(0, |(_, offset)| *offset))
    }
}

/// What an offset was taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSource {
    /// Access logs name theirs, and were written on the same host.
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

/// The zone of the error log's clock, and where it is from.
///
/// `workers` holds the first and last line in the access log of each `$pid`, in milliseconds since the epoch. `machine` is
/// the offset of this machine in seconds.
pub fn zone(
    events: &Events,
    workers: &BTreeMap<u64, (i64, i64)>,
    machine: i64,
) -> (Zone, OffsetSource) {
    if let Some(logged) = Zone::of(events.zones()) {
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
            (Zone::fixed(steps * STEP_MS / 1000), OffsetSource::Workers { fit, of })
        }
        _ => (Zone::fixed(machine), OffsetSource::Machine),
    }
}
