//! The cells that the table and the Markdown form share: which rows there are, which columns, and what stands in them.

use std::collections::BTreeMap;

use super::words::{self, Signs};
use crate::analysis::report::{Finding, Latency, Report, Severity, Stats, UpstreamReport};

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
    Connect,
    Handshake,
    Response,
    NewPerSecond,
}

impl Column {
    pub(super) const ALL: [Column; 11] = [
        Column::Name,
        Column::Attempts,
        Column::Reused,
        Column::New,
        Column::Undecided,
        Column::Failed,
        Column::HitRate,
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
}

/// The rows for the first `top` upstreams (all, if none) and the total.
///
/// An upstream with one peer has the peer's numbers, so the two share a row.
pub(super) fn rows(report: &Report, top: Option<usize>) -> Vec<Row<'_>> {
    let worst = worst_severities(&report.findings);
    let mut rows = Vec::new();
    for upstream in report.upstreams.iter().take(top.unwrap_or(usize::MAX)) {
        rows.push(Row {
            kind: RowKind::Upstream,
            label: upstream_label(upstream),
            stats: &upstream.stats,
            severity: worst.get(&upstream.name.as_deref()).copied(),
        });
        if upstream.peers.len() < 2 {
            continue;
        }
        rows.extend(upstream.peers.iter().map(|peer| Row {
            kind: RowKind::Peer,
            label: peer.addr.clone(),
            stats: &peer.stats,
            severity: None,
        }));
    }
    rows.push(Row {
        kind: RowKind::Total,
        label: "total".to_owned(),
        stats: &report.total,
        severity: worst.values().min().copied(),
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

fn upstream_label(upstream: &UpstreamReport) -> String {
    match (upstream.name.as_deref(), upstream.peers.as_slice()) {
        (Some(name), [peer]) if name != peer.addr => format!("{name} / {}", peer.addr),
        (Some(name), _) => name.to_owned(),
        (None, [peer]) => peer.addr.clone(),
        (None, _) => "(unnamed upstream)".to_owned(),
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
        Column::Connect => p95(stats.connect),
        Column::Handshake => {
            stats.handshake.map_or_else(none, |times| words::latency_pair(times.p50, times.p95))
        }
        Column::Response => p95(stats.response),
        Column::NewPerSecond => new_per_second(stats, signs),
    }
}

/// The hit rate in words; `-` if nothing connected.
pub(super) fn hit_rate(stats: &Stats, compact: bool) -> String {
    if connected(stats) == 0 { none() } else { words::hit_rate(&stats.hit_rate, compact) }
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
    let share = stats.hit_rate.estimate.unwrap_or(stats.hit_rate.high);
    let reused = words::whole(share * as_float(connected)).min(may_be_reused);
    let new = words::thousands(connected - reused);
    let reused = words::thousands(reused);
    if stats.hit_rate.estimate.is_some() {
        (reused, new)
    } else {
        (format!("{} {reused}", signs.at_most), format!("{} {new}", signs.at_least))
    }
}

/// Only certainly new connections are counted per second: undecided ones make it a lower bound.
fn new_per_second(stats: &Stats, signs: Signs) -> String {
    let Some(rate) = stats.new_per_second else { return none() };
    let mean = words::rate(rate.mean);
    if stats.undecided > 0 { format!("{} {mean}", signs.at_least) } else { mean }
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
