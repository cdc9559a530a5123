//! Reports to render.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::analysis::report::*;

mod evidence;
mod warmup;
pub(super) use evidence::evidence;
pub(in crate::render) use warmup::warmup;
use warmup::{any_history, any_warmup};

/// The reports of the golden files, by name.
pub(super) fn reports() -> [(&'static str, Report); 6] {
    [
        ("small", small()),
        ("mixed", mixed()),
        ("evidence", evidence()),
        ("warmup", warmup()),
        ("hostile", hostile()),
        ("empty", empty()),
    ]
}

/// One upstream with one peer: the loopback case, where 0.000 says nothing.
fn small() -> Report {
    let mut stats = stats(1_046, (2, 1_044), rate(None, 0.0, 0.998_088, "connect_time"));
    stats.handshake = latency(2, [1, 1, 1, 1]);
    stats.new_per_second = Some(PerSecond { mean: 0.588, peak: 1.0, peak_over_s: 1 });
    Report {
        input: InputStats {
            sources: vec!["access.log".to_owned()],
            bytes: 123_456,
            lines: 1_046,
            matched: 1_046,
            ..InputStats::default()
        },
        period: Some(Period { from_ms: 1_795_225_542_881, to_ms: 1_795_225_546_281 }),
        total: stats.clone(),
        upstreams: vec![upstream(Some("app"), stats.clone(), vec![("127.0.0.1:8080", stats)])],
        findings: vec![],
        warmups: Vec::new(),
        logs_serials: false,
    }
}

/// Most of what a report can hold: an estimate, certainty, failures, a unix socket, an upstream without a name.
pub(in crate::render) fn mixed() -> Report {
    let mut app =
        stats(1_234_567, (310_000, 880_000), rate(Some(0.412), 0.4, 0.431, "connect_time serial"));
    (app.failed, app.no_live, app.stale) = (1_234, 34, 12);
    let mut first = app.clone();
    first.attempts = 1_000_000;
    let mut second = stats(234_567, (100, 0), rate(Some(0.9996), 0.9996, 0.9996, "connect_time"));
    second.connect = None;
    second.response = None;
    let socket = stats(5_000, (0, 5_000), rate(None, 0.0, 1.0, "connect_time"));
    let mut dead = stats(70, (0, 0), rate(None, 0.0, 1.0, ""));
    (dead.failed, dead.no_live) = (70, 70);
    (dead.connect, dead.handshake, dead.response, dead.new_per_second) = (None, None, None, None);
    Report {
        input: InputStats {
            sources: vec!["access.log".to_owned(), "access.log.1.gz".to_owned()],
            bytes: 987_654_321,
            lines: 1_300_003,
            matched: 1_299_990,
            without_upstream: 60_000,
            malformed: 10,
            too_long: 1,
            filtered: 2,
            excluded: 3,
            first_malformed: Some(MalformedLine {
                source: "access.log".to_owned(),
                line: 17,
                column: 42,
                reason: "expected a time or \"-\" for $upstream_connect_time, found \"abc\""
                    .to_owned(),
            }),
        },
        period: Some(Period { from_ms: 1_795_225_542_881, to_ms: 1_795_409_142_881 }),
        total: app.clone(),
        upstreams: vec![
            upstream(
                Some("app"),
                app,
                vec![("10.0.0.1:8080", first), ("10.0.0.2:8080", second.clone())],
            ),
            upstream(
                Some("socket"),
                socket.clone(),
                vec![("unix:/run/gunicorn/socket.sock", socket)],
            ),
            upstream(None, second.clone(), vec![("[2001:db8::1]:443", second)]),
            upstream(Some("static"), dead, vec![]),
        ],
        findings: vec![
            finding(
                ("low_hit_rate", Severity::Alert, Some("app")),
                "hit rate 41.2 % (40.0 - 43.1) of 1,233,333 attempts is under 70 %; new connections cost 13 min in all",
                "raise `keepalive` in upstream app: 16 idle connections per worker do not hold 48 concurrent requests",
            ),
            finding(
                ("no_live_upstreams", Severity::Warning, Some("static")),
                "all 70 attempts found no live upstream",
                "look for `upstream server temporarily disabled` in the error log",
            ),
            finding(
                ("undecidable", Severity::Note, None),
                "a unix socket always logs 0.000: its hit rate cannot be told from this log",
                "add $connection and $pid to log_format",
            ),
        ],
        warmups: Vec::new(),
        logs_serials: false,
    }
}

/// Every text is an attack.
fn hostile() -> Report {
    let mut report = mixed();
    let names = [
        "\x1b[2J\x1b]0;owned\x07",
        "<script>alert(1)</script>",
        "=cmd|'/C calc'!A0,\"x\"",
        "a|b`c\nALERT app: forged",
    ];
    for (upstream, name) in report.upstreams.iter_mut().zip(names) {
        upstream.name = Some(name.to_owned());
    }
    report.upstreams[0].peers[0].addr = "\u{202e}1.0.0.01\u{2066}:80 \u{9b}31m".to_owned();
    report.upstreams[0].peers[1].addr =
        String::from_utf8_lossy(b"bytes \xff\xfe \xc3\xa9 ").into_owned() + "東京";
    report.upstreams[1].peers[0].addr = "unix:/".to_owned() + &"very-long-name/".repeat(20);
    report.input.sources = vec!["\x1b[31m.log".to_owned()];
    let first = report.input.first_malformed.as_mut().unwrap();
    first.source = "\x1b[31m.log".to_owned();
    first.reason = "expected a time, found \"\\x22 \x08\x08\x7f\r\n\"".to_owned();
    for (finding, name) in report.findings.iter_mut().zip(names) {
        finding.upstream = Some(name.to_owned());
        finding.message = format!("about {name}");
        finding.fix = format!("fix {name}");
    }
    report.warmups = warmup().warmups;
    for (window, name) in report.warmups.iter_mut().zip(names) {
        window.upstreams = vec![name.to_owned()];
        report.upstreams[0].warmup = warmup().upstreams[2].warmup;
    }
    report
}

/// Nothing to tell: only static files, and no time in the log.
fn empty() -> Report {
    let none = Stats {
        attempts: 0,
        failed: 0,
        no_live: 0,
        stale: 0,
        new_certain: 0,
        undecided: 0,
        hit_rate: rate(None, 0.0, 1.0, ""),
        connect: None,
        handshake: None,
        header: None,
        response: None,
        new_per_second: None,
        steadily_new: false,
    };
    Report {
        input: InputStats { lines: 3, matched: 3, without_upstream: 3, ..InputStats::default() },
        period: None,
        total: none,
        upstreams: vec![],
        findings: vec![],
        warmups: Vec::new(),
        logs_serials: false,
    }
}

fn stats(attempts: u64, (new_certain, undecided): (u64, u64), hit_rate: HitRate) -> Stats {
    Stats {
        attempts,
        failed: 0,
        no_live: 0,
        stale: 0,
        new_certain,
        undecided,
        hit_rate,
        connect: latency(attempts, [0, 0, 12, 1_300]),
        handshake: latency(new_certain, [900, 1_300, 1_300, 1_300]),
        header: latency(attempts, [3, 40, 200, 60_000]),
        response: latency(attempts, [3, 45, 210, 61_000]),
        new_per_second: Some(PerSecond { mean: 1_692.384_615_384, peak: 2_000.0, peak_over_s: 60 }),
        steadily_new: false,
    }
}

fn rate(estimate: Option<f64>, low: f64, high: f64, basis: &'static str) -> HitRate {
    HitRate { estimate, low, high, naive: Some(high), basis: basis.split_whitespace().collect() }
}

#[expect(clippy::unnecessary_wraps, reason = "short fixtures")]
fn latency(count: u64, [p50, p95, p99, max]: [u64; 4]) -> Option<Latency> {
    Some(Latency { count, p50, p95, p99, max, sum: count * p50 })
}

fn upstream(name: Option<&str>, stats: Stats, peers: Vec<(&str, Stats)>) -> UpstreamReport {
    let peer = |(addr, stats): (&str, Stats)| PeerReport { addr: addr.to_owned(), stats };
    UpstreamReport {
        name: name.map(str::to_owned),
        stats,
        peers: peers.into_iter().map(peer).collect(),
        timeline: Vec::new(),
        warmup: None,
    }
}

fn finding(
    (rule, severity, upstream): (&'static str, Severity, Option<&str>),
    message: &str,
    fix: &str,
) -> Finding {
    let (upstream, message, fix) =
        (upstream.map(str::to_owned), message.to_owned(), fix.to_owned());
    Finding { rule, severity, upstream, message, fix }
}

/// Any report: numbers that need not fit each other, and texts of the worst kind.
pub(in crate::render) fn any_report() -> impl Strategy<Value = Report> {
    (
        any_input(),
        option::of(prop_oneof![any::<(i64, i64)>(), Just((1_795_225_542_881, 1_795_225_642_881))]),
        any_stats(),
        vec(any_upstream(), 0..4),
        (vec(any_warmup(), 0..14), vec(any_finding(), 0..4)),
        any::<bool>(),
    )
        .prop_map(|(input, period, total, upstreams, (warmups, findings), logs_serials)| {
            Report {
                input,
                period: period.map(|(from_ms, to_ms)| Period { from_ms, to_ms }),
                total,
                upstreams,
                findings,
                warmups,
                logs_serials,
            }
        })
}

/// The same report with a harmless letter for each text: what stays is only the structure.
pub(super) fn with_harmless_texts(mut report: Report) -> Report {
    let harmless = || "x".to_owned();
    // Equal names stay equal: windows name upstreams.
    let mut names: Vec<String> = Vec::new();
    let mut renamed = |name: &mut String| {
        let at = names.iter().position(|known| known == name).unwrap_or_else(|| {
            names.push(name.clone());
            names.len() - 1
        });
        *name = format!("x{at}");
    };
    report.input.sources.fill_with(harmless);
    if let Some(first) = &mut report.input.first_malformed {
        (first.source, first.reason) = (harmless(), harmless());
    }
    for upstream in &mut report.upstreams {
        upstream.name.iter_mut().for_each(&mut renamed);
        upstream.peers.iter_mut().for_each(|peer| renamed(&mut peer.addr));
    }
    for window in &mut report.warmups {
        window.upstreams.iter_mut().for_each(&mut renamed);
        window.upstreams.sort();
    }
    // Equal ones stay equal: a fix that findings share is given once.
    let fixes: Vec<String> = report.findings.iter().map(|finding| finding.fix.clone()).collect();
    for finding in &mut report.findings {
        let first = fixes.iter().position(|fix| *fix == finding.fix).unwrap();
        finding.upstream = finding.upstream.take().map(|_| harmless());
        (finding.message, finding.fix) = (harmless(), format!("x{first}"));
    }
    report
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9.:-]{0,40}",
        any::<String>(),
        "[\u{0}-\u{20}\u{7f}-\u{9f}\u{200b}-\u{202e}\u{2066}-\u{2069}\u{fe0f}|`<=+@,\"\\\\ab]{0,30}",
        "[東京é☺\u{301}\u{644}\u{627}👩👨🏽🇩 ]{0,60}",
        "[=+@\t\r-][a-z|\",]{0,9}",
    ]
}

fn any_input() -> impl Strategy<Value = InputStats> {
    let first = (any_text(), any::<u64>(), any::<u64>(), any_text());
    (vec(any_text(), 0..3), any::<[u64; 8]>(), option::of(first)).prop_map(
        |(sources, counts, first)| {
            let [bytes, lines, matched, without_upstream, malformed, too_long, filtered, excluded] =
                counts;
            let first_malformed = first.map(|(source, line, column, reason)| MalformedLine {
                source,
                line,
                column,
                reason,
            });
            InputStats {
                sources,
                bytes,
                lines,
                matched,
                without_upstream,
                malformed,
                too_long,
                filtered,
                excluded,
                first_malformed,
            }
        },
    )
}

fn any_count() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 0_u64..100, any::<u64>()]
}

fn any_latency() -> impl Strategy<Value = Option<Latency>> {
    let ms = || prop_oneof![0_u64..300, 0_u64..4_000_000, any::<u64>()];
    option::of((ms(), ms(), ms()).prop_map(|(p50, p95, max)| Latency {
        count: 1,
        p50,
        p95,
        p99: p95,
        max,
        sum: max,
    }))
}

fn any_stats() -> impl Strategy<Value = Stats> {
    let counts = (any_count(), any_count(), any_count(), any_count());
    let share = || prop_oneof![Just(0.0), Just(1.0), 0.0..1.0];
    let basis = vec(
        proptest::sample::select(vec![
            "serial",
            "ticks",
            "connect_time",
            "bytes",
            "latency",
            "pool",
        ]),
        0..4,
    );
    let rate = (option::of(share()), share(), share(), option::of(share()), basis);
    let times = (any_latency(), any_latency(), any_latency());
    let mean = option::of(prop_oneof![0.0..1e6, 0.0..1e300]);
    (counts, rate, times, mean).prop_map(|(counts, rate, (connect, handshake, response), mean)| {
        Stats {
            attempts: counts.0,
            failed: counts.1,
            no_live: counts.1,
            stale: counts.2,
            new_certain: counts.2,
            undecided: counts.3,
            hit_rate: HitRate {
                estimate: rate.0,
                low: rate.1,
                high: rate.2,
                naive: rate.3,
                basis: rate.4,
            },
            connect,
            handshake,
            header: connect,
            response,
            new_per_second: mean.map(|mean| PerSecond { mean, peak: mean, peak_over_s: 1 }),
            steadily_new: false,
        }
    })
}

fn any_upstream() -> impl Strategy<Value = UpstreamReport> {
    let peer = (any_text(), any_stats()).prop_map(|(addr, stats)| PeerReport { addr, stats });
    (option::of(any_text()), any_stats(), vec(peer, 0..4), any_history()).prop_map(
        |(name, stats, peers, (warmup, timeline))| UpstreamReport {
            name,
            stats,
            peers,
            warmup,
            timeline,
        },
    )
}

fn any_finding() -> impl Strategy<Value = Finding> {
    let severity =
        prop_oneof![Just(Severity::Alert), Just(Severity::Warning), Just(Severity::Note)];
    (severity, option::of(any_text()), any_text(), any_text()).prop_map(
        |(severity, upstream, message, fix)| Finding {
            rule: "serial_conflict",
            severity,
            upstream,
            message,
            fix,
        },
    )
}
