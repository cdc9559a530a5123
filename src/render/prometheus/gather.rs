//! From names as logs have them to labels that are few, short and differ from each other.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::text::value;
use super::{Alert, Histogram, MAX_SERIES, MAX_UPSTREAMS, OTHER, Series, Snapshot, Source};
use crate::analysis::report::{Report, UpstreamReport};
use crate::render::wire::cause_name;

/// Upstream and peer, as labels.
pub(super) type Labels = (String, String);

/// Counts of all series with the same labels.
#[derive(Debug, Default)]
pub(super) struct Counts {
    attempts: u64,
    new_certain: u64,
    undecided: u64,
    failed: u64,
    pub(super) stale: u64,
}

impl Counts {
    /// Each outcome with its count; together they are all attempts.
    pub(super) fn outcomes(&self) -> [(&'static str, u64); 4] {
        let others = self.new_certain.saturating_add(self.undecided).saturating_add(self.failed);
        [
            ("reused", self.attempts.saturating_sub(others)),
            ("new", self.new_certain),
            ("undecided", self.undecided),
            ("failed", self.failed),
        ]
    }

    fn add(&mut self, series: &Series<'_>) {
        let Counts { attempts, new_certain, undecided, failed, stale } = self;
        for (sum, count) in [
            (attempts, series.attempts),
            (new_certain, series.new_certain),
            (undecided, series.undecided),
            (failed, series.failed),
            (stale, series.stale),
        ] {
            *sum = sum.saturating_add(count);
        }
    }
}

/// A histogram of all series of an upstream.
#[derive(Debug, Default)]
pub(super) struct Times {
    pub(super) up_to: Vec<u64>,
    pub(super) count: u64,
    pub(super) sum_ms: u64,
}

impl Times {
    fn add(&mut self, other: &Histogram<'_>) {
        self.up_to.resize(self.up_to.len().max(other.up_to.len()), 0);
        for (sum, count) in self.up_to.iter_mut().zip(other.up_to) {
            *sum = sum.saturating_add(*count);
        }
        self.count = self.count.saturating_add(other.count);
        self.sum_ms = self.sum_ms.saturating_add(other.sum_ms);
    }
}

/// All counters.
#[derive(Debug, Default)]
pub(super) struct Totals {
    pub(super) series: BTreeMap<Labels, Counts>,
    /// By upstream only: with buckets by peer there would be twenty times as many series.
    pub(super) handshake: BTreeMap<String, Times>,
    pub(super) response: BTreeMap<String, Times>,
    pub(super) warmups: BTreeMap<&'static str, u64>,
}

impl Totals {
    pub(super) fn new(snapshot: &Snapshot<'_>) -> Self {
        let mut totals = Totals::default();
        for series in &snapshot.series {
            let labels = labels(series);
            let times = [
                (&mut totals.handshake, series.handshake),
                (&mut totals.response, series.response),
            ];
            for (all, times) in times {
                let Some(times) = times else { continue };
                let is_kept = all.len() < MAX_UPSTREAMS || all.contains_key(&labels.0);
                let upstream = if is_kept { labels.0.clone() } else { OTHER.to_owned() };
                all.entry(upstream).or_default().add(&times);
            }
            let is_kept = totals.series.len() < MAX_SERIES || totals.series.contains_key(&labels);
            let labels = if is_kept { labels } else { (OTHER.to_owned(), OTHER.to_owned()) };
            totals.series.entry(labels).or_default().add(series);
        }
        for (cause, count) in &snapshot.warmups {
            let sum = totals.warmups.entry(cause_name(*cause)).or_default();
            *sum = sum.saturating_add(*count);
        }
        totals
    }
}

fn labels(series: &Series<'_>) -> Labels {
    let peer = value(&String::from_utf8_lossy(series.peer));
    let upstream = value(&String::from_utf8_lossy(series.upstream));
    (if upstream.is_empty() { peer.clone() } else { upstream }, peer)
}

/// What a window shows, as far as it has series.
pub(super) struct Window<'a> {
    pub(super) name: &'a str,
    pub(super) report: &'a Report,
    pub(super) upstreams: BTreeMap<String, &'a UpstreamReport>,
    pub(super) new_per_second: BTreeMap<Labels, f64>,
    pub(super) left_out: usize,
}

/// The upstreams with the most attempts, so that the few that matter stay when an attacker invents many.
pub(super) fn window<'a>((name, report): &(&'a str, &'a Report)) -> Window<'a> {
    let mut by_attempts: Vec<&UpstreamReport> = report.upstreams.iter().collect();
    by_attempts.sort_by_key(|upstream| Reverse(upstream.stats.attempts));
    let mut window = Window {
        name,
        report,
        upstreams: BTreeMap::new(),
        new_per_second: BTreeMap::new(),
        left_out: 0,
    };
    for upstream in by_attempts {
        let label = value(&upstream_name(upstream));
        if window.upstreams.len() >= MAX_UPSTREAMS || window.upstreams.contains_key(&label) {
            window.left_out += 1;
            continue;
        }
        let mut peers: Vec<_> = upstream.peers.iter().collect();
        peers.sort_by_key(|peer| Reverse(peer.stats.attempts));
        for peer in peers {
            let Some(rate) = peer.stats.new_per_second else { continue };
            let labels = (label.clone(), value(&peer.addr));
            if window.new_per_second.len() >= MAX_SERIES
                || window.new_per_second.contains_key(&labels)
            {
                window.left_out += 1;
                continue;
            }
            window.new_per_second.insert(labels, rate.mean);
        }
        window.upstreams.insert(label, upstream);
    }
    window
}

/// Its name; of one without, the address of its first peer, which is its only one.
pub(super) fn upstream_name(upstream: &UpstreamReport) -> String {
    let first = upstream.peers.first().map(|peer| &peer.addr);
    upstream.name.as_ref().or(first).cloned().unwrap_or_default()
}

/// Its pools were emptied for a known reason, and new connections still come faster than usual.
pub(super) fn is_warming(report: &Report, upstream: &String) -> bool {
    let mut known = report.warmups.iter().filter(|warmup| !warmup.suspected);
    let last = known.rfind(|warmup| warmup.upstreams.contains(upstream));
    last.is_some_and(|warmup| warmup.end_ms.is_none())
}

/// Sources by label.
pub(super) fn sources<'a>(sources: &[Source<'a>]) -> BTreeMap<String, Source<'a>> {
    let mut all: BTreeMap<String, Source<'a>> = BTreeMap::new();
    for source in sources {
        let name = value(source.name);
        let is_kept = all.len() < MAX_SERIES || all.contains_key(&name);
        let sum = all.entry(if is_kept { name } else { OTHER.to_owned() }).or_default();
        sum.matched = sum.matched.saturating_add(source.matched);
        sum.malformed = sum.malformed.saturating_add(source.malformed);
        sum.too_long = sum.too_long.saturating_add(source.too_long);
        sum.dropped = sum.dropped.saturating_add(source.dropped);
        if let Some(bytes) = source.lag_bytes {
            sum.lag_bytes = Some(sum.lag_bytes.unwrap_or(0).saturating_add(bytes));
        }
    }
    all
}

/// The labels of alerts that fire: rule, upstream, peer and source.
pub(super) fn alerts(alerts: &[Alert<'_>]) -> BTreeSet<[String; 4]> {
    let text = |name: Option<&str>| value(name.unwrap_or_default());
    let labels = |alert: &Alert<'_>| {
        [alert.rule.to_owned(), text(alert.upstream), text(alert.peer), text(alert.source)]
    };
    alerts.iter().take(MAX_SERIES).map(labels).collect()
}
