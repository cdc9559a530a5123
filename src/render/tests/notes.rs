//! What stands beside a hit rate and under the table.

use super::*;
use crate::analysis::report::{HitRate, Stats, UpstreamReport};
use crate::render::cells;

/// One upstream of the report whose evidence is known, as the only one, with another rate.
fn only(rate: HitRate) -> Report {
    let mut report = fixture::evidence();
    report.upstreams.truncate(1);
    report.upstreams[0].peers.truncate(1);
    report.upstreams[0].stats.hit_rate = rate;
    report.total = report.upstreams[0].stats.clone();
    report
}

fn rate(estimate: Option<f64>, naive: f64, basis: &[&'static str]) -> HitRate {
    let (low, high) = estimate.map_or((0.2, 0.9), |estimate| (estimate - 0.1, estimate + 0.1));
    HitRate { estimate, low, high, naive: Some(naive), basis: basis.to_vec() }
}

/// The paragraphs behind the table of a report without findings.
fn notes(report: &Report) -> Vec<String> {
    let text = rendered(report, Format::Markdown, &Options::default());
    let behind = text.split_once("| **total** |").unwrap().1;
    behind.split("\n\n").skip(1).map(|note| note.trim_end().replace('\\', "")).collect()
}

#[test]
fn the_word_beside_a_rate_is_the_strongest_evidence_over_connect_times() {
    for (basis, word) in [
        (&["serial", "ticks", "connect_time"][..], "serial"),
        (&["connect_time", "ticks"], "ticks"),
        (&["connect_time"], "connect"),
        (&["connect_time", "pool", "serial"], "pool"),
        (&["bytes"], "bytes"),
        (&["latency", "connect_time"], "latency"),
        (&["another"], "another"),
        (&[], "-"),
    ] {
        let report = only(rate(Some(0.5), 0.5, basis));
        assert_eq!(cells::by(&report.total), word, "{basis:?}");
    }
    let nothing = HitRate { low: 0.0, high: 1.0, ..rate(None, 1.0, &["connect_time"]) };
    assert_eq!(cells::by(&only(nothing).total), "-", "it may be anything");
    let failed = Stats { failed: 1_000, ..only(rate(Some(0.5), 0.5, &["serial"])).total };
    assert_eq!(cells::by(&failed), "-", "nothing connected");
}

#[test]
fn every_word_beside_a_rate_is_explained() {
    for (word, shown, meaning) in cells::EVIDENCE {
        let notes = notes(&only(rate(Some(0.5), 0.5, &[word])));
        assert_eq!(notes, [format!("by: {shown} ({meaning})")]);
    }
}

#[test]
fn the_usual_rule_is_quoted_only_where_it_surely_misleads() {
    for (estimate, high, naive, said) in [
        (0.003, 0.022, 0.913, Some("the 0.000 rule would say 91.3 %")),
        (0.97, 0.98, 1.0, Some("the 0.000 rule would say 100 %")),
        // Within two points.
        (0.97, 0.975, 0.985, None),
        // Within the interval: it may be right.
        (0.968, 0.998, 0.998, None),
        (0.97, 0.98, 0.5, None),
    ] {
        let notes = notes(&only(HitRate { high, ..rate(Some(estimate), naive, &["serial"]) }));
        assert_eq!(notes.iter().any(|note| note.starts_with("the 0.000 rule")), said.is_some());
        assert!(said.is_none_or(|said| notes[0] == said), "{notes:?}");
    }
}

#[test]
fn of_many_misleading_rates_the_worst_two_and_the_total_are_named() {
    let mut report = fixture::evidence();
    let first = |report: &Report| notes(report).swap_remove(0);
    let worst = "the 0.000 rule would say 91.3 % for bad, 98.0 % for burst";
    assert_eq!(first(&report), format!("{worst}, 78.1 % in all"));
    report.total.hit_rate.naive = Some(0.41);
    assert_eq!(first(&report), worst);
    let unnamed = UpstreamReport { name: None, ..report.upstreams[1].clone() };
    report.upstreams = vec![unnamed, report.upstreams[2].clone()];
    assert_eq!(first(&report), "the 0.000 rule would say 40.5 % for 10.1.0.1:80");
}

#[test]
fn an_interval_alone_is_explained_with_what_would_narrow_it() {
    let mut report = only(rate(None, 0.9, &["connect_time"]));
    report.logs_serials = false;
    assert!(
        notes(&report)[0].ends_with("; to narrow it, log $connection, $msec and $request_time")
    );
    report.logs_serials = true;
    assert!(notes(&report)[0].ends_with("; a longer log narrows it"));
    report.findings = fixture::mixed().findings;
    report.findings[0].rule = "serial_conflict";
    assert!(notes(&report).iter().any(|note| note.ends_with("a fast new connection")));
    report.findings.clear();
    for stats in [&mut report.upstreams[0].stats, &mut report.total] {
        stats.hit_rate.naive = None;
    }
    assert!(notes(&report)[0].contains("without $upstream_connect_time"));
}

#[test]
fn new_connections_per_second_follow_the_estimate() {
    let row = |report: &Report| {
        let text = rendered(report, Format::Markdown, &Options::default());
        text.lines().find(|line| line.contains("**total**")).unwrap().to_owned()
    };
    // 1,000 attempts in 100 s, of which 87 certainly opened a connection.
    assert!(row(&only(rate(Some(0.5), 0.5, &["serial"]))).ends_with("| 5.00 |"));
    assert!(row(&only(rate(None, 0.9, &["connect_time"]))).ends_with("| ≥ 0.87 |"));
    let mut timeless = only(rate(Some(0.5), 0.5, &["serial"]));
    timeless.period = None;
    assert!(row(&timeless).ends_with("| ≥ 0.87 |"));
}
