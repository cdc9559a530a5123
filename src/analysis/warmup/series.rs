//! Warm-ups at equal distances, such as reloads by cron, told as one.
//!
//! A series is one nginx's. Hosts that are reloaded one after the other are none, though the distances be equal.

use super::births::Birth;
use super::lives::Life;
use crate::analysis::report::{Cause, Warmup};
use std::collections::{BTreeMap, BTreeSet};

/// So many at equal distances are a series.
const MIN_COUNT: usize = 5;

/// Distances may differ from the usual one by this share, and by this many milliseconds: cron starts what it runs within
/// a second, and nginx takes a while to read its configuration.
const TOLERANCE: f64 = 0.05;
const TOLERANCE_MS: i64 = 5000;

/// One nginx of those whose logs were read. None: which one is not known.
pub(super) type Instance = Option<usize>;

/// The nginx of each birth. Logs in which the same workers came at the same time are of one; those of a birth without
/// workers, told by an error log alone, are known only if there is no other.
pub(super) fn instances(births: &[Birth], lives: &[Life<'_>]) -> Vec<Instance> {
    let logs =
        |birth: &Birth| -> BTreeSet<&str> { birth.born.iter().map(|&at| lives[at].log).collect() };
    let mut of_log: BTreeMap<&str, usize> = BTreeMap::new();
    for (number, birth) in births.iter().enumerate() {
        let logs = logs(birth);
        let known: BTreeSet<usize> =
            logs.iter().filter_map(|log| of_log.get(log)).copied().collect();
        let own = known.first().copied().unwrap_or(number);
        if known.len() > 1 {
            of_log.values_mut().filter(|of| known.contains(of)).for_each(|of| *of = own);
        }
        of_log.extend(logs.into_iter().map(|log| (log, own)));
    }
    let all: BTreeSet<usize> = of_log.values().copied().collect();
    let only = all.first().copied().filter(|_| all.len() == 1);
    births
        .iter()
        .map(|birth| logs(birth).first().map_or(only, |log| of_log.get(log).copied()))
        .collect()
}

/// Are these known to be two?
pub(super) fn is_apart(one: Instance, other: Instance) -> bool {
    matches!((one, other), (Some(one), Some(other)) if one != other)
}

/// Puts what comes at equal distances at one nginx into one, at the place of the first.
pub(super) fn gather(warmups: Vec<(Instance, Warmup)>) -> Vec<Warmup> {
    let mut alike: BTreeMap<(Instance, Cause, bool), Vec<Warmup>> = BTreeMap::new();
    for (instance, warmup) in warmups {
        alike.entry((instance, warmup.cause, warmup.suspected)).or_default().push(warmup);
    }
    let mut gathered: Vec<Warmup> =
        alike.into_values().flat_map(|alike| of_cause(&alike)).collect();
    gathered.sort_by_key(|warmup| (warmup.start_ms, warmup.cause));
    gathered
}

/// The same for warm-ups of one cause, by time.
fn of_cause(warmups: &[Warmup]) -> Vec<Warmup> {
    let mut gathered = Vec::new();
    let mut rest = warmups;
    while !rest.is_empty() {
        let length = run(rest);
        let (alike, others) = rest.split_at(length);
        match alike {
            [only] => gathered.push(only.clone()),
            alike if alike.len() >= MIN_COUNT => gathered.push(sum(alike)),
            alike => {
                // The last one may begin another series.
                gathered.extend_from_slice(&alike[..alike.len() - 1]);
                rest = &rest[alike.len() - 1..];
                continue;
            }
        }
        rest = others;
    }
    gathered
}

/// How many from the first on come at equal distances. One that was missed leaves twice the distance.
fn run(warmups: &[Warmup]) -> usize {
    let [first, second, ..] = warmups else { return warmups.len() };
    let period = second.start_ms - first.start_ms;
    let fits = |pair: &[Warmup]| {
        let distance = pair[1].start_ms - pair[0].start_ms;
        (1..=2).any(|times| (distance - times * period).abs() <= tolerance(period))
    };
    1 + warmups.windows(2).take_while(|pair| fits(pair)).count()
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "times are far below 2^53"
)]
fn tolerance(period: i64) -> i64 {
    TOLERANCE_MS.min(period / 4).max((period as f64 * TOLERANCE) as i64)
}

/// Several as one.
fn sum(alike: &[Warmup]) -> Warmup {
    let mut distances: Vec<i64> =
        alike.windows(2).map(|pair| pair[1].start_ms - pair[0].start_ms).collect();
    distances.sort_unstable();
    let mut all = alike[0].clone();
    for next in &alike[1..] {
        all.new_connections += next.new_connections;
        all.excess_new += next.excess_new;
        all.handshake_ms += next.handshake_ms;
        all.share_of_new += next.share_of_new;
        all.peak_new_per_second = all.peak_new_per_second.max(next.peak_new_per_second);
        all.end_ms = next.end_ms;
        for evidence in &next.evidence {
            if !all.evidence.contains(evidence) {
                all.evidence.push(evidence);
            }
        }
        all.upstreams.extend(next.upstreams.iter().cloned());
    }
    all.evidence.sort_by_key(|word| {
        ["error_log", "pid", "serial", "connect_time"].iter().position(|known| known == word)
    });
    all.upstreams.sort();
    all.upstreams.dedup();
    all.share_of_new = all.share_of_new.min(1.0);
    all.count = alike.iter().map(|warmup| warmup.count).sum();
    all.period_ms = distances.get(distances.len() / 2).copied();
    all
}
