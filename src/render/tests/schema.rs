//! The JSON schema as a reader would write it down: a field too many, too few or of another name fails here.

use serde::Deserialize;

use crate::analysis::report;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Report {
    schema: String,
    input: Input,
    period: Option<Period>,
    total: Stats,
    upstreams: Vec<Upstream>,
    warmups: Vec<Warmup>,
    findings: Vec<Finding>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    sources: Vec<String>,
    bytes: u64,
    lines: u64,
    matched: u64,
    without_upstream: u64,
    malformed: u64,
    too_long: u64,
    filtered: u64,
    excluded: u64,
    first_malformed: Option<Malformed>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Malformed {
    source: String,
    line: u64,
    column: u64,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Period {
    from: String,
    to: String,
}

/// The numbers stand beside other fields, and serde can't both flatten and deny: so each struct lists them.
macro_rules! with_stats {
    ($name:ident { $($field:ident: $kind:ty),* }) => {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct $name {
            $($field: $kind,)*
            attempts: u64,
            failed: u64,
            no_live: u64,
            stale: u64,
            new_certain: u64,
            undecided: u64,
            hit_rate: HitRate,
            connect_ms: Option<Latency>,
            handshake_ms: Option<LatencyAndSum>,
            header_ms: Option<Latency>,
            response_ms: Option<Latency>,
            new_per_second: Option<PerSecond>,
        }

        impl $name {
            fn check(&self, stats: &report::Stats) {
                let counts = [self.attempts, self.failed, self.no_live, self.stale, self.new_certain, self.undecided];
                let expected =
                    [stats.attempts, stats.failed, stats.no_live, stats.stale, stats.new_certain, stats.undecided];
                assert_eq!(counts, expected);
                self.hit_rate.check(&stats.hit_rate);
                let times = [&self.connect_ms, &self.header_ms, &self.response_ms];
                for (times, expected) in times.into_iter().zip([stats.connect, stats.header, stats.response]) {
                    let times = times.as_ref().map(|t| [t.p50, t.p95, t.p99, t.max]);
                    assert_eq!(times, expected.map(|t| [t.p50, t.p95, t.p99, t.max]));
                }
                let handshake = self.handshake_ms.as_ref().map(|t| [t.p50, t.p95, t.p99, t.max, t.sum]);
                assert_eq!(handshake, stats.handshake.map(|t| [t.p50, t.p95, t.p99, t.max, t.sum]));
                let rate = self.new_per_second.as_ref();
                assert_eq!(rate.map(|r| r.peak_over_s), stats.new_per_second.map(|r| r.peak_over_s));
                let (given, expected) = (rate.map(|r| [r.mean, r.peak]), stats.new_per_second.map(|r| [r.mean, r.peak]));
                for (given, expected) in given.into_iter().flatten().zip(expected.into_iter().flatten()) {
                    assert!(near(given, expected), "{given} {expected}");
                }
            }
        }
    };
}

with_stats!(Stats {});
with_stats!(Upstream {
    name: Option<String>,
    peers: Vec<Peer>,
    warmup: Option<UpstreamWarmup>,
    timeline: Vec<Point>
});
with_stats!(Peer { addr: String });

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UpstreamWarmup {
    events: u64,
    warm_ms: Option<u64>,
    excess_new: u64,
    handshake_ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Point {
    from: String,
    connected: u64,
    new_certain: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Warmup {
    cause: String,
    suspected: bool,
    evidence: Vec<String>,
    start: String,
    end: Option<String>,
    settled: bool,
    new_connections: u64,
    excess_new: u64,
    handshake_ms: u64,
    peak_new_per_second: f64,
    share_of_new: f64,
    upstreams: Vec<String>,
    count: u64,
    period_s: Option<f64>,
}

impl Upstream {
    fn check_history(&self, upstream: &report::UpstreamReport) {
        let warmup = self.warmup.as_ref().map(|paid| report::UpstreamWarmup {
            events: paid.events,
            warm_ms: paid.warm_ms,
            excess_new: paid.excess_new,
            handshake_ms: paid.handshake_ms,
        });
        assert_eq!(warmup, upstream.warmup);
        assert_eq!(self.timeline.len(), upstream.timeline.len());
        for (parsed, point) in self.timeline.iter().zip(&upstream.timeline) {
            check_moment(&parsed.from, point.from_ms);
            let counts = (parsed.connected, parsed.new_certain);
            assert_eq!(counts, (point.connected, point.new_certain));
        }
    }
}

impl Warmup {
    #[expect(clippy::cast_precision_loss, reason = "compared as shares")]
    fn check(&self, warmup: &report::Warmup) {
        let cause = match warmup.cause {
            report::Cause::Reload => "reload",
            report::Cause::Restart => "restart",
            report::Cause::Upgrade => "upgrade",
            report::Cause::WorkerExit => "worker_exit",
            report::Cause::BackendRestart => "backend_restart",
            report::Cause::Unknown => "unknown",
        };
        assert_eq!((self.cause.as_str(), self.suspected), (cause, warmup.suspected));
        assert_eq!(self.evidence, warmup.evidence);
        check_moment(&self.start, warmup.start_ms);
        assert_eq!(
            (self.end.is_some(), self.settled),
            (warmup.end_ms.is_some(), self.end.is_some())
        );
        if let (Some(end), Some(end_ms)) = (&self.end, warmup.end_ms) {
            check_moment(end, end_ms);
        }
        let counts = [self.new_connections, self.excess_new, self.handshake_ms, self.count];
        let expected =
            [warmup.new_connections, warmup.excess_new, warmup.handshake_ms, warmup.count];
        assert_eq!(counts, expected);
        assert!(near(self.peak_new_per_second, warmup.peak_new_per_second));
        assert!(near(self.share_of_new, warmup.share_of_new));
        assert_eq!(self.upstreams, warmup.upstreams);
        let period_s = warmup.period_ms.map(|ms| ms as f64 / 1000.0);
        assert_eq!(self.period_s.is_some(), period_s.is_some());
        assert!(near(self.period_s.unwrap_or(0.0), period_s.unwrap_or(0.0)));
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HitRate {
    estimate: Option<f64>,
    low: f64,
    high: f64,
    naive: Option<f64>,
    basis: Vec<String>,
}

impl HitRate {
    fn check(&self, rate: &report::HitRate) {
        assert!(near(self.low, rate.low) && near(self.high, rate.high));
        assert_eq!(self.estimate.is_some(), rate.estimate.is_some());
        assert_eq!(self.naive.is_some(), rate.naive.is_some());
        assert!(near(self.estimate.unwrap_or(0.0), rate.estimate.unwrap_or(0.0)));
        assert!(near(self.naive.unwrap_or(0.0), rate.naive.unwrap_or(0.0)));
        assert_eq!(self.basis, rate.basis);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Latency {
    p50: u64,
    p95: u64,
    p99: u64,
    max: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LatencyAndSum {
    p50: u64,
    p95: u64,
    p99: u64,
    max: u64,
    sum: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PerSecond {
    mean: f64,
    peak: f64,
    peak_over_s: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Finding {
    rule: String,
    severity: String,
    upstream: Option<String>,
    message: String,
    fix: String,
}

/// Parses a JSON report and compares it with what it was made of.
pub(super) fn check(json: &str, report: &report::Report) {
    let parsed: Report = serde_json::from_str(json).unwrap();
    assert_eq!(parsed.schema, "keepwarm.report/1");
    assert_eq!(parsed.warmups.len(), report.warmups.len());
    for (parsed, warmup) in parsed.warmups.iter().zip(&report.warmups) {
        parsed.check(warmup);
    }
    parsed.input.check(&report.input);
    assert_eq!(parsed.period.is_some(), report.period.is_some());
    if let (Some(parsed), Some(period)) = (parsed.period, report.period) {
        check_moment(&parsed.from, period.from_ms);
        check_moment(&parsed.to, period.to_ms);
    }
    parsed.total.check(&report.total);
    assert_eq!(parsed.upstreams.len(), report.upstreams.len());
    for (parsed, upstream) in parsed.upstreams.iter().zip(&report.upstreams) {
        assert_eq!(parsed.name, upstream.name);
        parsed.check(&upstream.stats);
        parsed.check_history(upstream);
        assert_eq!(parsed.peers.len(), upstream.peers.len());
        for (parsed, peer) in parsed.peers.iter().zip(&upstream.peers) {
            assert_eq!(parsed.addr, peer.addr);
            parsed.check(&peer.stats);
        }
    }
    assert_eq!(parsed.findings.len(), report.findings.len());
    for (parsed, finding) in parsed.findings.iter().zip(&report.findings) {
        assert_eq!(parsed.rule, finding.rule);
        assert_eq!(parsed.severity, format!("{:?}", finding.severity).to_lowercase());
        assert_eq!(parsed.upstream, finding.upstream);
        assert_eq!((&parsed.message, &parsed.fix), (&finding.message, &finding.fix));
    }
}

impl Input {
    fn check(&self, input: &report::InputStats) {
        let first_malformed = self.first_malformed.as_ref().map(|first| report::MalformedLine {
            source: first.source.clone(),
            line: first.line,
            column: first.column,
            reason: first.reason.clone(),
        });
        let parsed = report::InputStats {
            sources: self.sources.clone(),
            bytes: self.bytes,
            lines: self.lines,
            matched: self.matched,
            without_upstream: self.without_upstream,
            malformed: self.malformed,
            too_long: self.too_long,
            filtered: self.filtered,
            excluded: self.excluded,
            first_malformed,
        };
        assert_eq!(&parsed, input);
    }
}

/// Years after 9999 are cut: RFC 3339 has none.
fn check_moment(text: &str, ms: i64) {
    let moment: jiff::Timestamp = text.parse().unwrap();
    let expected =
        ms.clamp(jiff::Timestamp::MIN.as_millisecond(), jiff::Timestamp::MAX.as_millisecond());
    assert_eq!(moment.as_millisecond(), expected, "{text}");
}

fn near(given: f64, expected: f64) -> bool {
    (given - expected).abs() <= 5.1e-7 + expected.abs() * 1e-9
}

/// The fields of one CSV row after RFC 4180.
pub(super) fn csv_fields(row: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = row.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, fields.last_mut()) {
            ('"', Some(field)) if quoted && chars.peek() == Some(&'"') => {
                field.push('"');
                chars.next();
            }
            ('"', _) => quoted = !quoted,
            (',', _) if !quoted => fields.push(String::new()),
            (c, Some(field)) => field.push(c),
            (_, None) => unreachable!("there is always a field"),
        }
    }
    assert!(!quoted, "a quote is left open: {row}");
    fields
}
