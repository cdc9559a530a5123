//! Warm-ups at equal distances, such as reloads by cron, told as one.
//!
//! Pools got warm after all of a series, or after none: what stayed cold has another reason. A series is one nginx's.
//! Hosts that are reloaded one after the other are none, though the distances be equal.

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

/// What error logs tell within this time is one event, in milliseconds: they have whole seconds.
const AT_ONCE_MS: i64 = 2000;

/// What is cold for so many times as long as usual stays cold.
const TIMES_USUAL: i64 = 2;

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

/// The same, where births at one moment of which nothing but an error log tells are one: they may be two hosts', but
/// what each cost can't be told apart.
pub(super) fn together(births: &mut Vec<Birth>, lives: &[Life<'_>]) -> Vec<Instance> {
    let mut instances = instances(births, lives);
    let is_told_only = |at: usize| births[at].born.is_empty() && instances[at].is_none();
    let mut kept: BTreeMap<Cause, i64> = BTreeMap::new();
    let mut is_kept = vec![true; births.len()];
    for (at, birth) in births.iter().enumerate().filter(|(at, _)| is_told_only(*at)) {
        match kept.get(&birth.cause) {
            Some(first) if birth.at_ms - first <= AT_ONCE_MS => is_kept[at] = false,
            _ => drop(kept.insert(birth.cause, birth.at_ms)),
        }
    }
    let mut keep = is_kept.iter();
    births.retain(|_| keep.next().is_none_or(|keep| *keep));
    let mut keep = is_kept.iter();
    instances.retain(|_| keep.next().is_none_or(|keep| *keep));
    instances
}

/// Are these known to be two?
pub(super) fn is_apart(one: Instance, other: Instance) -> bool {
    matches!((one, other), (Some(one), Some(other)) if one != other)
}

/// A warm-up by itself.
#[derive(Debug, Clone)]
pub(super) struct Single {
    pub(super) instance: Instance,
    /// How long it is known, in milliseconds: until the log ends, or pools are emptied again.
    pub(super) known_ms: i64,
    pub(super) warmup: Warmup,
}

impl Single {
    fn took_ms(&self) -> Option<i64> {
        self.warmup.end_ms.map(|end_ms| end_ms - self.warmup.start_ms)
    }
}

/// Puts what comes at equal distances at one nginx into one, at the place of the first.
pub(super) fn gather(warmups: Vec<Single>) -> Vec<Warmup> {
    let mut alike: BTreeMap<(Instance, Cause, bool), Vec<Single>> = BTreeMap::new();
    for single in warmups {
        let Warmup { cause, suspected, .. } = single.warmup;
        alike.entry((single.instance, cause, suspected)).or_default().push(single);
    }
    let mut gathered: Vec<Warmup> = Vec::new();
    for alike in alike.into_values() {
        let stays_cold = stays_cold(&alike);
        let (cold, warm): (Vec<Single>, Vec<Single>) = alike.into_iter().partition(stays_cold);
        for singles in [warm, cold] {
            let warmups: Vec<Warmup> = singles.into_iter().map(|single| single.warmup).collect();
            gathered.extend(of_cause(&warmups));
        }
    }
    gathered.sort_by_key(|warmup| (warmup.start_ms, warmup.cause));
    gathered
}

/// Tells those that stay cold for longer than the others usually take. Of one that was cut short nobody knows.
fn stays_cold(alike: &[Single]) -> impl Fn(&Single) -> bool + use<> {
    let mut took: Vec<i64> = alike.iter().filter_map(Single::took_ms).collect();
    took.sort_unstable();
    let enough_ms = took.get(took.len() / 2).map_or(0, |usual| usual * TIMES_USUAL);
    move |single| single.warmup.end_ms.is_none() && single.known_ms >= enough_ms
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
        all.end_ms = next.end_ms.or(all.end_ms);
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
