//! The evidence together, over a log that a real nginx wrote.

use crate::analysis::report::{HitRate, InputStats, Report};
use crate::analysis::{Policy, analyse};
use crate::fold::{Choice, Fold, Recipe};
use crate::log_format::{Escape, LogFormat, Piece};
use std::collections::BTreeMap;

/// 1000 requests through two gRPC upstreams; `truth.json` beside it: 5 new at 127.0.0.1:18301, 101 at 127.0.0.1:18302,
/// of 500 each.
const GRPC: &str = include_str!("../../../testdata/cases/grpc/access.log");

const FORMAT: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \
                      rt=$request_time msec=$msec pid=$pid conn=$connection creq=$connection_requests \
                      ups=\"$upstream_addr\" us=\"$upstream_status\" uct=\"$upstream_connect_time\" \
                      uht=\"$upstream_header_time\" urt=\"$upstream_response_time\" \
                      ubr=\"$upstream_bytes_received\" ubs=\"$upstream_bytes_sent\"";

/// The report of the log where some variables are called `$unknown`, as if they were not logged.
fn report(hidden: &[&str], latencies: &[(&str, f64)]) -> Report {
    let mut format = LogFormat::from_string("main", FORMAT, Escape::Default).unwrap();
    for piece in &mut format.pieces {
        if let Piece::Variable(name) = piece
            && hidden.contains(&name.as_str())
        {
            "unknown".clone_into(name);
        }
    }
    let recipe = Recipe::new(&format, None, Choice::default(), "access.log");
    let mut fold = Fold::default();
    for line in GRPC.lines() {
        fold.line(&recipe, line.as_bytes()).unwrap();
    }
    let connect_latency: BTreeMap<String, f64> =
        latencies.iter().map(|&(peer, ms)| (peer.to_owned(), ms)).collect();
    let policy = Policy { connect_latency, ..Policy::default() };
    analyse(fold.summary, InputStats::default(), &policy)
}

fn peer<'a>(report: &'a Report, addr: &str) -> &'a HitRate {
    let mut peers = report.upstreams.iter().flat_map(|upstream| &upstream.peers);
    &peers.find(|peer| peer.addr == addr).unwrap().stats.hit_rate
}

fn near(rate: &HitRate, truth: f64, by: f64) -> bool {
    rate.estimate.is_some_and(|estimate| (estimate - truth).abs() < by)
        && rate.low <= truth
        && truth <= rate.high
}

const GOOD: &str = "127.0.0.1:18301";
const SHORT: &str = "127.0.0.1:18302";

#[test]
fn bytes_count_the_new_connections_of_a_grpc_peer_one_by_one() {
    let report = report(&["connection"], &[]);
    let short = peer(&report, SHORT);
    assert!(near(short, 1.0 - 101.0 / 500.0, 1e-9), "{short:?}");
    assert_eq!(short.basis, ["bytes", "connect_time"]);
    // No connect to this one shows, so nothing shows that it speaks HTTP/2.
    let good = peer(&report, GOOD);
    assert_eq!(good.estimate, None);
    assert!(good.low < 0.99 && good.high >= 0.99, "{good:?}");
}

#[test]
fn with_serial_numbers_the_rest_is_the_other_peers() {
    let report = report(&[], &[]);
    assert!(
        near(&report.total.hit_rate, 1.0 - 106.0 / 1000.0, 0.01),
        "{:?}",
        report.total.hit_rate
    );
    assert_eq!(report.total.hit_rate.basis[..2], ["serial", "bytes"]);
    assert!(near(peer(&report, GOOD), 1.0 - 5.0 / 500.0, 0.01), "{:?}", peer(&report, GOOD));
    assert!(near(peer(&report, SHORT), 1.0 - 101.0 / 500.0, 1e-9));
    // Numbers alone leave the peers less certain, and hold the truth too.
    let alone = self::report(&["upstream_bytes_sent"], &[]);
    let (less, truth) = (peer(&alone, SHORT), 1.0 - 101.0 / 500.0);
    assert!(less.low <= truth && truth <= less.high && less.high - less.low > 0.0, "{less:?}");
}

#[test]
fn a_latency_widens_to_what_is_known_of_it_and_holds_the_truth() {
    let report = report(&["connection", "upstream_bytes_sent"], &[("*", 0.05)]);
    for (addr, truth) in [(GOOD, 1.0 - 5.0 / 500.0), (SHORT, 1.0 - 101.0 / 500.0)] {
        let rate = peer(&report, addr);
        assert_eq!(rate.basis[0], "latency");
        assert!(rate.low <= truth && truth <= rate.high, "{addr}: {rate:?}");
    }
    assert!(report.findings.iter().all(|finding| finding.rule != "latency_conflict"));
}

#[test]
fn a_latency_that_contradicts_other_evidence_is_reported_and_not_used() {
    let without = report(&[], &[]);
    let with = report(&[], &[(SHORT, 0.9)]);
    assert_eq!(peer(&with, SHORT), peer(&without, SHORT));
    let said: Vec<&str> = with
        .findings
        .iter()
        .filter(|finding| finding.rule == "latency_conflict")
        .map(|finding| finding.message.as_str())
        .collect();
    assert_eq!(said.len(), 1);
    assert!(said[0].contains(SHORT) && said[0].contains("0.9 ms"), "{said:?}");
}
