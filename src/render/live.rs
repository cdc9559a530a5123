//! A live window in a line per upstream, for logs and pipes.

use super::cells;
use super::escape::shown;
use super::words;
use crate::analysis::report::{Report, UpstreamReport};

/// A line per upstream, without the newlines: `2026-11-21T10:00:00.000Z app: reuse 97.5 % (96.2 - 97.5), 1,344 attempts,
/// 12 failed, 0.47 new/s, connect p95 3 ms`.
pub fn live_lines(report: &Report, to_ms: i64) -> Vec<String> {
    report.upstreams.iter().map(|upstream| line(upstream, to_ms)).collect()
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
