//! The CSV form of a report, for spreadsheets and scripts: one row per upstream, each followed by one per peer, then
//! one for the total. Numbers are plain, times are milliseconds, shares run from 0 to 1, and what is not known is empty.
//!
//! Rows end with `\n`, not with RFC 4180's `\r\n`: every CSV reader takes both, Unix tools only the first.

use std::io::{self, Write};

use super::escape;
use super::wire::round;
use crate::analysis::report::{Latency, Report, Stats};

/// The header is a contract: columns may be added at the end, none may be renamed or moved.
const HEADER: &str = "row,upstream,peer,attempts,failed,no_live,stale,new_certain,undecided,\
    hit_rate_estimate,hit_rate_low,hit_rate_high,hit_rate_naive,hit_rate_basis,\
    connect_p50_ms,connect_p95_ms,connect_p99_ms,connect_max_ms,\
    handshake_p50_ms,handshake_p95_ms,handshake_p99_ms,handshake_max_ms,handshake_sum_ms,\
    header_p50_ms,header_p95_ms,header_p99_ms,header_max_ms,\
    response_p50_ms,response_p95_ms,response_p99_ms,response_max_ms,\
    new_per_second_mean,new_per_second_peak,new_per_second_peak_over_s";

/// Writes the header and all rows; `--top` does not apply.
pub(super) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{HEADER}")?;
    for upstream in &report.upstreams {
        let name = escape::csv(upstream.name.as_deref().unwrap_or_default());
        writeln!(out, "upstream,{name},,{}", numbers(&upstream.stats))?;
        for peer in &upstream.peers {
            writeln!(out, "peer,{name},{},{}", escape::csv(&peer.addr), numbers(&peer.stats))?;
        }
    }
    writeln!(out, "total,,,{}", numbers(&report.total))
}

fn numbers(stats: &Stats) -> String {
    let rate = &stats.hit_rate;
    let mut fields = vec![
        stats.attempts.to_string(),
        stats.failed.to_string(),
        stats.no_live.to_string(),
        stats.stale.to_string(),
        stats.new_certain.to_string(),
        stats.undecided.to_string(),
        fraction(rate.estimate),
        fraction(Some(rate.low)),
        fraction(Some(rate.high)),
        fraction(rate.naive),
        rate.basis.join("+"),
    ];
    fields.extend(percentiles(stats.connect));
    fields.extend(percentiles(stats.handshake));
    fields.push(stats.handshake.map_or_else(String::new, |times| times.sum.to_string()));
    fields.extend(percentiles(stats.header));
    fields.extend(percentiles(stats.response));
    let rate = stats.new_per_second;
    fields.push(fraction(rate.map(|rate| rate.mean)));
    fields.push(fraction(rate.map(|rate| rate.peak)));
    fields.push(rate.map_or_else(String::new, |rate| rate.peak_over_s.to_string()));
    fields.join(",")
}

fn percentiles(times: Option<Latency>) -> [String; 4] {
    times.map_or_else(Default::default, |t| [t.p50, t.p95, t.p99, t.max].map(|ms| ms.to_string()))
}

/// A fraction with at most six digits after the point.
fn fraction(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| round(value).to_string())
}
