//! A live window: a line per upstream for logs and pipes, and a screen for a terminal.

mod history;
mod screen;

pub use history::History;
pub use screen::{Screen, screen};

use super::cells;
use super::escape::shown;
use super::words;
use crate::analysis::report::{Report, Stats, UpstreamReport};
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Upstreams that have a line.
const MOST_LINES: usize = 20;

/// A line per upstream: `2026-11-21T10:00:00.000Z app: reuse 97.5 % (96.2 - 97.5), 1,344 attempts, 12 failed, 0.47 new/s,
/// connect p95 3 ms`. Of many those with alerts and the busiest have one, and a last line tells how many more there are.
pub fn lines(report: &Report, firing: &BTreeSet<String>, to_ms: i64) -> String {
    let mut text = String::new();
    for upstream in chosen(report, firing, MOST_LINES) {
        text.push_str(&line(upstream, to_ms));
        text.push('\n');
    }
    if let Some(more) = more_than(report, MOST_LINES) {
        let _ = writeln!(text, "{} {more}", words::rfc3339(to_ms));
    }
    text
}

fn line(upstream: &UpstreamReport, to_ms: i64) -> String {
    let stats = &upstream.stats;
    let mut parts = vec![
        format!("reuse {}", cells::hit_rate(stats, false)),
        format!("{} attempts", words::thousands(stats.attempts)),
    ];
    if stats.failed > 0 {
        parts.push(format!("{} failed", words::thousands(stats.failed)));
    }
    if let Some(new) = stats.new_per_second {
        parts.push(format!("{} new/s", words::rate(new.mean)));
    }
    if let Some(connect) = stats.connect {
        parts.push(format!("connect p95 {}", words::latency(connect.p95)));
    }
    let name = shown(cells::name_of(upstream), false);
    format!("{} {name}: {}", words::rfc3339(to_ms), parts.join(", "))
}

/// A hit rate in words: `66.1 % (65.4 - 67.0)`, or `no traffic`.
pub fn rate(stats: &Stats) -> String {
    if stats.attempts == 0 { "no traffic".to_owned() } else { cells::hit_rate(stats, false) }
}

/// The upstreams to show where not all can be: those with alerts first, then the busiest.
fn chosen<'a>(
    report: &'a Report,
    firing: &BTreeSet<String>,
    most: usize,
) -> Vec<&'a UpstreamReport> {
    let mut all: Vec<&UpstreamReport> = report.upstreams.iter().collect();
    all.sort_by_cached_key(|upstream| {
        let is_firing = firing.contains(cells::name_of(upstream));
        (Reverse(is_firing), Reverse(upstream.stats.attempts), cells::name_of(upstream))
    });
    all.truncate(most);
    all
}

/// `and 3 more upstreams`, if so many are shown at most.
fn more_than(report: &Report, most: usize) -> Option<String> {
    match report.upstreams.len().saturating_sub(most) {
        0 => None,
        1 => Some("and 1 more upstream".to_owned()),
        n => Some(format!("and {} more upstreams", words::thousands(n as u64))),
    }
}

#[cfg(test)]
mod tests;
