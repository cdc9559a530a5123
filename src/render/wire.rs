//! The JSON form of a report, schema `keepwarm.report/1`.
//!
//! These types are a contract with other programs: fields may be added, none may be renamed or removed without a new
//! schema name. So they stand apart from the domain types, which are free to change.

use std::io;

use serde::Serialize;

use super::{escape, words};
use crate::analysis::report;

/// Writes the report as pretty-printed JSON with a final newline.
///
/// The output is complete (`--top` does not apply) and holds no raw control character but line ends.
pub(super) fn write(report: &report::Report, out: &mut dyn io::Write) -> io::Result<()> {
    let text = serde_json::to_string_pretty(&Report::from(report))?;
    writeln!(out, "{}", escape::json(&text))
}

#[derive(Serialize)]
struct Report<'a> {
    schema: &'static str,
    input: Input<'a>,
    period: Option<Period>,
    total: Stats<'a>,
    upstreams: Vec<Upstream<'a>>,
    warmups: Vec<Warmup<'a>>,
    findings: Vec<Finding<'a>>,
}

#[derive(Serialize)]
struct Input<'a> {
    sources: &'a [String],
    bytes: u64,
    lines: u64,
    matched: u64,
    without_upstream: u64,
    malformed: u64,
    too_long: u64,
    filtered: u64,
    excluded: u64,
    first_malformed: Option<MalformedLine<'a>>,
}

#[derive(Serialize)]
struct MalformedLine<'a> {
    source: &'a str,
    line: u64,
    column: u64,
    reason: &'a str,
}

/// Both ends in RFC 3339, UTC, with milliseconds.
#[derive(Serialize)]
struct Period {
    from: String,
    to: String,
}

#[derive(Serialize)]
struct Upstream<'a> {
    name: Option<&'a str>,
    peers: Vec<Peer<'a>>,
    warmup: Option<UpstreamWarmup>,
    timeline: Vec<Point>,
    #[serde(flatten)]
    stats: Stats<'a>,
}

/// What it cost to warm an upstream's pools.
#[derive(Serialize)]
struct UpstreamWarmup {
    events: u64,
    warm_ms: Option<u64>,
    excess_new: u64,
    handshake_ms: u64,
}

/// One step of an upstream's timeline.
#[derive(Serialize)]
struct Point {
    from: String,
    connected: u64,
    new_certain: u64,
}

/// A time in which pools had to be filled anew, or `count` of them every `period_s`.
#[derive(Serialize)]
struct Warmup<'a> {
    cause: &'static str,
    suspected: bool,
    evidence: &'a [&'static str],
    start: String,
    end: Option<String>,
    settled: bool,
    new_connections: u64,
    excess_new: u64,
    handshake_ms: u64,
    peak_new_per_second: f64,
    share_of_new: f64,
    upstreams: &'a [String],
    count: u64,
    period_s: Option<f64>,
}

#[derive(Serialize)]
struct Peer<'a> {
    addr: &'a str,
    #[serde(flatten)]
    stats: Stats<'a>,
}

#[derive(Serialize)]
struct Stats<'a> {
    attempts: u64,
    failed: u64,
    no_live: u64,
    stale: u64,
    new_certain: u64,
    undecided: u64,
    hit_rate: HitRate<'a>,
    connect_ms: Option<Latency>,
    handshake_ms: Option<Latency>,
    header_ms: Option<Latency>,
    response_ms: Option<Latency>,
    new_per_second: Option<PerSecond>,
}

#[derive(Serialize)]
struct HitRate<'a> {
    estimate: Option<f64>,
    low: f64,
    high: f64,
    naive: Option<f64>,
    basis: &'a [&'static str],
}

/// Milliseconds.
#[derive(Serialize)]
struct Latency {
    p50: u64,
    p95: u64,
    p99: u64,
    max: u64,
    /// For the handshake only: what all the new connections cost together.
    #[serde(skip_serializing_if = "Option::is_none")]
    sum: Option<u64>,
}

#[derive(Serialize)]
struct PerSecond {
    mean: f64,
    peak: f64,
    peak_over_s: u64,
}

#[derive(Serialize)]
struct Finding<'a> {
    rule: &'static str,
    severity: &'static str,
    upstream: Option<&'a str>,
    message: &'a str,
    fix: &'a str,
}

impl<'a> From<&'a report::Report> for Report<'a> {
    fn from(report: &'a report::Report) -> Self {
        Report {
            schema: "keepwarm.report/1",
            input: Input::from(&report.input),
            period: report.period.map(|period| Period {
                from: words::rfc3339(period.from_ms),
                to: words::rfc3339(period.to_ms),
            }),
            total: Stats::from(&report.total),
            upstreams: report.upstreams.iter().map(Upstream::from).collect(),
            warmups: report.warmups.iter().map(Warmup::from).collect(),
            findings: report.findings.iter().map(Finding::from).collect(),
        }
    }
}

impl<'a> From<&'a report::InputStats> for Input<'a> {
    fn from(input: &'a report::InputStats) -> Self {
        Input {
            sources: &input.sources,
            bytes: input.bytes,
            lines: input.lines,
            matched: input.matched,
            without_upstream: input.without_upstream,
            malformed: input.malformed,
            too_long: input.too_long,
            filtered: input.filtered,
            excluded: input.excluded,
            first_malformed: input.first_malformed.as_ref().map(|first| MalformedLine {
                source: &first.source,
                line: first.line,
                column: first.column,
                reason: &first.reason,
            }),
        }
    }
}

impl<'a> From<&'a report::UpstreamReport> for Upstream<'a> {
    fn from(upstream: &'a report::UpstreamReport) -> Self {
        let peer = |peer: &'a report::PeerReport| Peer {
            addr: &peer.addr,
            stats: Stats::from(&peer.stats),
        };
        Upstream {
            name: upstream.name.as_deref(),
            peers: upstream.peers.iter().map(peer).collect(),
            warmup: upstream.warmup.map(|warmup| UpstreamWarmup {
                events: warmup.events,
                warm_ms: warmup.warm_ms,
                excess_new: warmup.excess_new,
                handshake_ms: warmup.handshake_ms,
            }),
            timeline: upstream
                .timeline
                .iter()
                .map(|point| Point {
                    from: words::rfc3339(point.from_ms),
                    connected: point.connected,
                    new_certain: point.new_certain,
                })
                .collect(),
            stats: Stats::from(&upstream.stats),
        }
    }
}

impl<'a> From<&'a report::Stats> for Stats<'a> {
    fn from(stats: &'a report::Stats) -> Self {
        let rate = &stats.hit_rate;
        Stats {
            attempts: stats.attempts,
            failed: stats.failed,
            no_live: stats.no_live,
            stale: stats.stale,
            new_certain: stats.new_certain,
            undecided: stats.undecided,
            hit_rate: HitRate {
                estimate: rate.estimate.map(round),
                low: round(rate.low),
                high: round(rate.high),
                naive: rate.naive.map(round),
                basis: &rate.basis,
            },
            connect_ms: stats.connect.map(Latency::without_sum),
            handshake_ms: stats
                .handshake
                .map(|times| Latency { sum: Some(times.sum), ..Latency::without_sum(times) }),
            header_ms: stats.header.map(Latency::without_sum),
            response_ms: stats.response.map(Latency::without_sum),
            new_per_second: stats.new_per_second.map(|rate| PerSecond {
                mean: round(rate.mean),
                peak: round(rate.peak),
                peak_over_s: rate.peak_over_s,
            }),
        }
    }
}

impl Latency {
    fn without_sum(times: report::Latency) -> Self {
        Latency { p50: times.p50, p95: times.p95, p99: times.p99, max: times.max, sum: None }
    }
}

impl<'a> From<&'a report::Warmup> for Warmup<'a> {
    #[expect(clippy::cast_precision_loss, reason = "times are far below 2^53")]
    fn from(warmup: &'a report::Warmup) -> Self {
        Warmup {
            cause: cause_name(warmup.cause),
            suspected: warmup.suspected,
            evidence: &warmup.evidence,
            start: words::rfc3339(warmup.start_ms),
            end: warmup.end_ms.map(words::rfc3339),
            settled: warmup.end_ms.is_some(),
            new_connections: warmup.new_connections,
            excess_new: warmup.excess_new,
            handshake_ms: warmup.handshake_ms,
            peak_new_per_second: round(warmup.peak_new_per_second),
            share_of_new: round(warmup.share_of_new),
            upstreams: &warmup.upstreams,
            count: warmup.count,
            period_s: warmup.period_ms.map(|ms| round(ms as f64 / 1000.0)),
        }
    }
}

impl<'a> From<&'a report::Finding> for Finding<'a> {
    fn from(finding: &'a report::Finding) -> Self {
        Finding {
            rule: finding.rule,
            severity: match finding.severity {
                report::Severity::Alert => "alert",
                report::Severity::Warning => "warning",
                report::Severity::Note => "note",
            },
            upstream: finding.upstream.as_deref(),
            message: &finding.message,
            fix: &finding.fix,
        }
    }
}

/// Six digits after the point: more would be noise of the arithmetic.
pub(super) fn round(x: f64) -> f64 {
    (x * 1e6).round() / 1e6
}

/// The name of a cause in JSON and in metrics.
pub(super) fn cause_name(cause: report::Cause) -> &'static str {
    match cause {
        report::Cause::Reload => "reload",
        report::Cause::Restart => "restart",
        report::Cause::Upgrade => "upgrade",
        report::Cause::WorkerExit => "worker_exit",
        report::Cause::BackendRestart => "backend_restart",
        report::Cause::Unknown => "unknown",
    }
}
