//! Hit rates of the last minutes, for a line of small bars beside each upstream.

use crate::analysis::report::{Report, Stats, UpstreamReport};
use crate::render::cells;
use crate::render::words::{self, Signs};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How many rates are kept of an upstream, and how far apart they are in milliseconds: 5 minutes.
pub(super) const STEPS: usize = 30;
const STEP_MS: i64 = 10_000;

/// Upstreams whose rates are taken in, and those whose rates are kept: others may be the busiest for a while.
const MOST: usize = 200;
const MOST_KEPT: usize = 2 * MOST;

/// The rates of each upstream, oldest first; none where there was nothing to tell by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    rates: BTreeMap<String, VecDeque<Option<f64>>>,
    last_ms: Option<i64>,
}

impl History {
    /// Takes in what a window that ends at this moment, in milliseconds since the epoch, shows: every 10 s as a new step,
    /// until then in the place of the last one.
    pub fn take(&mut self, report: &Report, to_ms: i64) {
        let is_new = self.last_ms.is_none_or(|last| !(last..last + STEP_MS).contains(&to_ms));
        if is_new {
            self.last_ms = Some(to_ms);
        }
        let shown = super::chosen(report, &BTreeSet::new(), MOST);
        let now: BTreeMap<&str, &UpstreamReport> =
            shown.into_iter().map(|upstream| (cells::name_of(upstream), upstream)).collect();
        for name in now.keys() {
            if !self.rates.contains_key(*name) && self.rates.len() < MOST_KEPT {
                self.rates.insert((*name).to_owned(), VecDeque::new());
            }
        }
        self.rates.retain(|name, rates| {
            if !is_new {
                rates.pop_back();
            }
            rates.push_back(now.get(&**name).and_then(|upstream| rate(&upstream.stats)));
            if rates.len() > STEPS {
                rates.pop_front();
            }
            rates.iter().any(Option::is_some)
        });
    }

    /// The last rates of an upstream as bars, the newest at the right.
    pub(super) fn bars(&self, name: &str, width: usize, signs: Signs) -> String {
        let Some(rates) = self.rates.get(name) else { return String::new() };
        let bar = |rate: &Option<f64>| {
            let level = |rate: f64| signs.bars[level(rate, signs.bars.len())];
            rate.map_or(' ', level)
        };
        let bars: String = rates.iter().skip(rates.len().saturating_sub(width)).map(bar).collect();
        format!("{bars:>width$}")
    }
}

/// Which of so many levels a rate from 0 to 1 has.
fn level(rate: f64, levels: usize) -> usize {
    #[expect(clippy::cast_precision_loss, reason = "levels are few")]
    let at = words::whole((rate * levels as f64).floor());
    usize::try_from(at).unwrap_or(usize::MAX).min(levels - 1)
}

/// One number for a rate: as estimated, or else the middle of what it may be.
fn rate(stats: &Stats) -> Option<f64> {
    let rate = &stats.hit_rate;
    let is_known = stats.attempts > stats.failed && !words::may_be_anything(rate);
    is_known.then(|| rate.estimate.unwrap_or(f64::midpoint(rate.low, rate.high)))
}
