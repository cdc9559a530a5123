use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::golden;
use crate::render::tests::fixture;

fn exposed(snapshot: &Snapshot<'_>) -> String {
    let mut out = Vec::new();
    write(snapshot, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Fails unless the text follows the grammar of the format and no series comes twice; returns the series.
fn check(text: &str) -> BTreeSet<String> {
    let mut series = BTreeSet::new();
    let (mut family, mut families) = ("", BTreeSet::new());
    for line in text.strip_suffix('\n').unwrap().split('\n') {
        assert!(!line.chars().any(char::is_control), "{line:?}");
        if let Some(rest) = line.strip_prefix("# HELP ") {
            family = rest.split(' ').next().unwrap();
            assert!(families.insert(family), "{family} comes twice");
        } else if !line.starts_with("# TYPE ") {
            let (name, value) = line.rsplit_once(' ').unwrap();
            value.parse::<f64>().unwrap();
            assert!(name.starts_with(family), "{name} in {family}");
            assert!(series.insert(name.to_owned()), "{name} comes twice");
        }
    }
    series
}

fn value_of(text: &str, series: &str) -> String {
    let lines = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    lines.unwrap_or_else(|| panic!("no {series} in\n{text}")).to_owned()
}

#[test]
fn everything_that_is_watched_is_exposed() {
    let mut report = fixture::mixed();
    report.warmups = fixture::warmup().warmups;
    for warmup in &mut report.warmups {
        warmup.upstreams = vec!["app".to_owned()];
        (warmup.suspected, warmup.end_ms) = (false, None);
    }
    let times = Histogram { up_to: &[1, 3, 3], count: 4, sum_ms: 1_234 };
    let series = |peer| Series {
        upstream: b"app",
        peer,
        attempts: 10,
        new_certain: 2,
        undecided: 3,
        failed: 1,
        stale: 1,
        handshake: Some(times),
        response: Some(times),
    };
    let text = exposed(&Snapshot {
        windows: vec![("1m", &report), ("5m", &report)],
        bucket_ends_ms: &[1, 50, 1_000],
        series: vec![series(b"10.0.0.1:80"), series(b"10.0.0.2:80")],
        late: 3,
        ahead: 0,
        sources: vec![Source {
            name: "a.log",
            matched: 9,
            lag_bytes: Some(7),
            ..Source::default()
        }],
        lag_seconds: Some(0.25),
        alerts: Some(vec![Alert { rule: "hit_rate", upstream: Some("app"), ..Alert::default() }]),
        warmups: vec![(Cause::Reload, 2)],
        sinks: vec![Sink { name: "webhook", delivered: 5, lost: 1, queued: 2 }],
    });
    check(&text);
    golden::check("render/watch.prom", &text);
    for (series, value) in [
        (r#"keepwarm_attempts_total{upstream="app",peer="10.0.0.1:80",outcome="reused"}"#, "4"),
        (r#"keepwarm_attempts_total{upstream="app",peer="10.0.0.1:80",outcome="new"}"#, "2"),
        (r#"keepwarm_handshake_seconds_bucket{upstream="app",le="0.001"}"#, "2"),
        (r#"keepwarm_handshake_seconds_bucket{upstream="app",le="0.05"}"#, "6"),
        (r#"keepwarm_handshake_seconds_bucket{upstream="app",le="1"}"#, "6"),
        (r#"keepwarm_handshake_seconds_bucket{upstream="app",le="+Inf"}"#, "8"),
        (r#"keepwarm_response_seconds_sum{upstream="app"}"#, "2.468"),
        (r#"keepwarm_hit_rate_high{upstream="app",window="5m"}"#, "0.431"),
        (r#"keepwarm_warming_up{upstream="app",window="1m"}"#, "1"),
        (r#"keepwarm_lines_total{source="a.log",outcome="matched"}"#, "9"),
        (r#"keepwarm_source_lag_bytes{source="a.log"}"#, "7"),
        (r#"keepwarm_alert_firing{rule="hit_rate",upstream="app"}"#, "1"),
        (r#"keepwarm_warmups_total{cause="reload"}"#, "2"),
        (r#"keepwarm_notifications_total{sink="webhook",outcome="lost"}"#, "1"),
        ("keepwarm_lag_seconds", "0.25"),
        ("keepwarm_alerts_firing", "1"),
    ] {
        assert_eq!(value_of(&text, series), value, "{series}");
    }
    // All its attempts failed: no hit rate, and not 100 %.
    assert!(!text.contains(r#"keepwarm_hit_rate_high{upstream="static""#));
}

#[test]
fn label_values_are_escaped_and_valid() {
    for (name, expected) in [
        (&b"a\\b"[..], r"a\\b"),
        (b"a\"b", r#"a\"b"#),
        (b"a\nb", r"a\\x0ab"),
        (b"\x1b[2J", r"\\x1b[2J"),
        (b"\xff", "\u{fffd}"),
        ("\u{202e}x".as_bytes(), r"\\u{202e}x"),
        ("größer 東京".as_bytes(), "größer 東京"),
    ] {
        let series = vec![Series { upstream: name, peer: b"p", ..Series::default() }];
        let text = exposed(&Snapshot { series, ..Snapshot::default() });
        check(&text);
        let shown = format!("upstream=\"{expected}\",peer=\"p\",outcome=\"new\"");
        assert!(text.contains(&shown), "{shown} in\n{text}");
    }
}

#[test]
fn names_that_look_alike_are_one_series() {
    let long = |end: &str| "x".repeat(300) + end;
    let (one, two) = (long("1"), long("2"));
    let names = [b"\xff", b"\xfe", one.as_bytes(), two.as_bytes()];
    let series = names.map(|upstream: &[u8]| Series { upstream, attempts: 1, ..Series::default() });
    let text = exposed(&Snapshot { series: series.to_vec(), ..Snapshot::default() });
    assert_eq!(check(&text).len(), 1 + 2 * 5 + 2);
    assert_eq!(text.matches("outcome=\"reused\"} 2\n").count(), 2);
}

#[test]
fn what_is_too_many_is_summed() {
    let names: Vec<String> =
        (0..3_000).map(|n| format!("10.0.{}.{}:80", n / 250, n % 250)).collect();
    let times = Histogram { up_to: &[1], count: 1, sum_ms: 1 };
    let of = |peer: &'static str| Series {
        upstream: peer.as_bytes(),
        peer: peer.as_bytes(),
        attempts: 1,
        handshake: Some(times),
        ..Series::default()
    };
    let names: Vec<&'static str> = names.into_iter().map(|name| &*name.leak()).collect();
    let snapshot = Snapshot {
        series: names.into_iter().map(of).collect(),
        bucket_ends_ms: &[1],
        ..Snapshot::default()
    };
    let text = exposed(&snapshot);
    assert!(check(&text).len() < 7_000);
    let others = r#"keepwarm_attempts_total{upstream="(other)",peer="(other)",outcome="reused"}"#;
    assert_eq!(value_of(&text, others), "2000");
    assert_eq!(value_of(&text, r#"keepwarm_handshake_seconds_count{upstream="(other)"}"#), "2800");
}

#[test]
fn many_upstreams_of_a_window_leave_those_with_most_attempts() {
    let mut report = fixture::mixed();
    let small = report.upstreams[1].clone();
    for n in 0..1_000 {
        let mut upstream = small.clone();
        upstream.name = Some(format!("invented-{n}"));
        upstream.stats.attempts = 1;
        report.upstreams.push(upstream);
    }
    let text = exposed(&Snapshot { windows: vec![("1m", &report)], ..Snapshot::default() });
    check(&text);
    assert_eq!(text.matches("\nkeepwarm_window_attempts{").count(), MAX_UPSTREAMS);
    assert_eq!(
        value_of(&text, r#"keepwarm_window_attempts{upstream="app",window="1m"}"#),
        "1234567"
    );
    assert_eq!(value_of(&text, r#"keepwarm_window_series_left_out{window="1m"}"#), "804");
}

proptest! {
    #[test]
    fn any_report_gives_valid_text(report in fixture::any_report()) {
        let mut out = Vec::new();
        write_report(&report, &mut out).unwrap();
        check(&String::from_utf8(out).unwrap());
    }
}
