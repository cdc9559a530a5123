//! The cells that the table and the Markdown form share: which rows there are, which columns, and what stands in them.

use std::collections::BTreeMap;

use super::words::{self, Signs};
use crate::analysis::report::{Finding, Latency, Period, Report, Severity, Stats, UpstreamReport};

/// A column, in the order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Name,
    Attempts,
    Reused,
    New,
    Undecided,
    Failed,
    HitRate,
    By,
    Connect,
    Handshake,
    Response,
    NewPerSecond,
}

impl Column {
    pub(super) const ALL: [Column; 12] = [
        Column::Name,
        Column::Attempts,
        Column::Reused,
        Column::New,
        Column::Undecided,
        Column::Failed,
        Column::HitRate,
        Column::By,
        Column::Connect,
        Column::Handshake,
        Column::Response,
        Column::NewPerSecond,
    ];

    /// The heading in two parts, which stand under each other where columns are dear.
    pub(super) fn heading(self) -> (&'static str, &'static str) {
        match self {
            Column::Name => ("upstream", "/ peer"),
            Column::Attempts => ("attempts", ""),
            Column::Reused => ("reused", ""),
            Column::New => ("new", ""),
            Column::Undecided => ("undecided", ""),
            Column::Failed => ("failed", ""),
            Column::HitRate => ("hit rate", ""),
            Column::By => ("by", ""),
            Column::Connect => ("connect", "p95"),
            Column::Handshake => ("handshake", "p50/p95"),
            Column::Response => ("response", "p95"),
            Column::NewPerSecond => ("new/s", ""),
        }
    }

    /// The heading on one line.
    pub(super) fn title(self) -> String {
        let (first, second) = self.heading();
        format!("{first} {second}").trim_end().to_owned()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowKind {
    Upstream,
    Peer,
    Total,
}

/// One row of the table.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) kind: RowKind,
    /// The first cell, not yet escaped.
    pub(super) label: String,
    pub(super) stats: &'a Stats,
    /// The worst finding about this row's upstream.
    pub(super) severity: Option<Severity>,
    /// The length of the report's period.
    pub(super) seconds: Option<f64>,
}

/// The evidence of hit rates: the report's word, the word in the table, and what it means.
pub(super) const EVIDENCE: [(&str, &str, &str); 6] = [
    ("serial", "serial", "gaps between $connection numbers"),
    ("pool", "pool", "attempts in flight at one time"),
    ("bytes", "bytes", "$upstream_bytes_sent"),
    ("latency", "latency", "--connect-latency"),
    ("ticks", "ticks", "how many connect times show 0.001"),
    ("connect_time", "connect", "connect times above 0"),
];

/// The rows for the first `top` upstreams (all, if none) and the total.
///
/// An upstream with one peer has the peer's numbers, so the two share a row.
pub(super) fn rows(report: &Report, top: Option<usize>) -> Vec<Row<'_>> {
    let worst = worst_severities(&report.findings);
    let seconds = report.period.map(Period::seconds);
    let mut rows = Vec::new();
    for upstream in report.upstreams.iter().take(top.unwrap_or(usize::MAX)) {
        rows.push(Row {
            kind: RowKind::Upstream,
            label: upstream_label(upstream),
            stats: &upstream.stats,
            severity: worst.get(&Some(name_of(upstream))).copied(),
            seconds,
        });
        if upstream.peers.len() < 2 {
            continue;
        }
        rows.extend(upstream.peers.iter().map(|peer| Row {
            kind: RowKind::Peer,
            label: peer.addr.clone(),
            stats: &peer.stats,
            severity: None,
            seconds,
        }));
    }
    rows.push(Row {
        kind: RowKind::Total,
        label: "total".to_owned(),
        stats: &report.total,
        severity: worst.values().min().copied(),
        seconds,
    });
    rows
}

fn worst_severities(findings: &[Finding]) -> BTreeMap<Option<&str>, Severity> {
    let mut worst = BTreeMap::new();
    for finding in findings {
        let severity = worst.entry(finding.upstream.as_deref()).or_insert(finding.severity);
        *severity = finding.severity.min(*severity);
    }
    worst
}

/// What an upstream is called, here and in the findings.
pub(super) fn name_of(upstream: &UpstreamReport) -> &str {
    match (&upstream.name, upstream.peers.as_slice()) {
        (Some(name), _) => name,
        (None, [peer]) if !peer.addr.is_empty() => &peer.addr,
        (None, _) => "(not logged)",
    }
}

fn upstream_label(upstream: &UpstreamReport) -> String {
    let name = name_of(upstream);
    match upstream.peers.as_slice() {
        [peer] if name != peer.addr && !peer.addr.is_empty() => format!("{name} / {}", peer.addr),
        _ => name.to_owned(),
    }
}

/// What stands in a row's cell; the name column is the row's label, not escaped. `-` means: no samples.
pub(super) fn cell(column: Column, row: &Row<'_>, signs: Signs) -> String {
    let stats = row.stats;
    match column {
        Column::Name => row.label.clone(),
        Column::Attempts => words::thousands(stats.attempts),
        Column::Reused => counts(stats, signs).0,
        Column::New => counts(stats, signs).1,
        Column::Undecided => words::thousands(stats.undecided),
        Column::Failed => words::thousands(stats.failed),
        Column::HitRate => hit_rate(stats, false),
        Column::By => by(stats).to_owned(),
        Column::Connect => p95(stats.connect),
        Column::Handshake => {
            stats.handshake.map_or_else(none, |times| words::latency_pair(times.p50, times.p95))
        }
        Column::Response => p95(stats.response),
        Column::NewPerSecond => new_per_second(row, signs),
    }
}

/// The hit rate in words; `-` if nothing connected.
pub(super) fn hit_rate(stats: &Stats, compact: bool) -> String {
    if connected(stats) == 0 { none() } else { words::hit_rate(&stats.hit_rate, compact) }
}

/// The evidence that decided the hit rate, in a word of [`EVIDENCE`]; `-` if none did.
///
/// Connect times are under all other evidence, so they decide only alone.
pub(super) fn by(stats: &Stats) -> &'static str {
    let rate = &stats.hit_rate;
    if connected(stats) == 0 || words::may_be_anything(rate) {
        return "-";
    }
    let mut basis = rate.basis.iter().copied();
    let first = basis.clone().next();
    let decided = basis.find(|&word| word != "connect_time").or(first);
    decided.map_or("-", |word| {
        EVIDENCE.iter().find(|(name, ..)| *name == word).map_or(word, |(_, shown, _)| shown)
    })
}

/// Whether a row's hit rate is an interval with nothing to say where in it the truth lies.
pub(super) fn is_open(stats: &Stats) -> bool {
    stats.undecided > 0 && stats.hit_rate.estimate.is_none() && connected(stats) > 0
}

fn connected(stats: &Stats) -> u64 {
    stats.attempts.saturating_sub(stats.failed)
}

/// How many attempts reused a connection and how many opened one: exact, as estimated, or the bounds.
fn counts(stats: &Stats, signs: Signs) -> (String, String) {
    let connected = connected(stats);
    let may_be_reused = connected.saturating_sub(stats.new_certain);
    if stats.undecided == 0 {
        return (words::thousands(may_be_reused), words::thousands(stats.new_certain));
    }
    let new = likely_new(stats);
    let (reused, new) = (words::thousands(connected - new), words::thousands(new));
    if stats.hit_rate.estimate.is_some() {
        (reused, new)
    } else {
        (format!("{} {reused}", signs.at_most), format!("{} {new}", signs.at_least))
    }
}

/// New connections as estimated, or else at least.
fn likely_new(stats: &Stats) -> u64 {
    let connected = connected(stats);
    let may_be_reused = connected.saturating_sub(stats.new_certain);
    let share = stats.hit_rate.estimate.unwrap_or(stats.hit_rate.high);
    connected - words::whole(share * as_float(connected)).min(may_be_reused)
}

/// Whether connect times show nearly all new connections.
pub(super) fn shows_all_new(stats: &Stats) -> bool {
    let hidden = likely_new(stats).saturating_sub(stats.new_certain);
    !is_open(stats) && hidden <= stats.new_certain / 10
}

/// New connections per second: the estimate's. Without one only the certain ones are counted, which is a lower bound.
fn new_per_second(row: &Row<'_>, signs: Signs) -> String {
    let stats = row.stats;
    let Some(rate) = stats.new_per_second else { return none() };
    if let (Some(_), Some(seconds)) = (stats.hit_rate.estimate, row.seconds)
        && stats.undecided > 0
    {
        return words::rate(as_float(likely_new(stats)) / seconds);
    }
    if stats.undecided > 0 {
        format!("{} {}", signs.at_least, words::least_rate(rate.mean))
    } else {
        words::rate(rate.mean)
    }
}

fn p95(times: Option<Latency>) -> String {
    times.map_or_else(none, |times| words::latency(times.p95))
}

fn none() -> String {
    "-".to_owned()
}

#[expect(clippy::cast_precision_loss, reason = "counts over 2^53 do not occur; shown rounded")]
fn as_float(n: u64) -> f64 {
    n as f64
}
