//! The estimated hit rate beside the truth, over all logs recorded from a real nginx.

#![expect(clippy::print_stdout, reason = "the tables that these tests judge by")]

mod cases;
mod measured;
mod simulated;
mod variations;

use cases::{Case, Counts, cases, connected, has_conflict, report_of, without};
use keepwarm::analysis::report::{HitRate, PeerReport, Report, Stats};

/// A rate beside its truth.
struct Row {
    case: String,
    /// Of a peer, or of the total.
    peer: Option<String>,
    connected: u64,
    truth: f64,
    rate: HitRate,
    conflict: bool,
}

impl Row {
    fn is_inside(&self) -> bool {
        // Times are sums of fractions.
        self.rate.low - 1e-9 <= self.truth && self.truth <= self.rate.high + 1e-9
    }

    fn error(&self) -> Option<f64> {
        self.rate.estimate.map(|estimate| (estimate - self.truth).abs())
    }

    fn width(&self) -> f64 {
        self.rate.high - self.rate.low
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Row { case, peer, connected, truth, rate, conflict } = self;
        let peer = peer.as_deref().unwrap_or("total");
        let estimate =
            rate.estimate.map_or("  -   ".to_owned(), |estimate| format!("{estimate:.4}"));
        let (low, high, basis) = (rate.low, rate.high, rate.basis.join("+"));
        write!(
            f,
            "{case:36} {peer:16} {connected:5} truth {truth:.4} estimate {estimate} [{low:.4} {high:.4}] {basis}"
        )?;
        f.write_str(if *conflict { " conflict" } else { "" })?;
        f.write_str(if self.is_inside() { "" } else { " OUTSIDE" })
    }
}

/// The rows of a report: the total and, where there are several, the peers. What has no attempts has no rate.
fn rows(case: &str, report: &Report, total: Counts, peers: &[(&str, Counts)]) -> Vec<Row> {
    let conflict = has_conflict(report);
    let row = |peer: Option<&str>, stats: &Stats, counts: Counts| {
        assert_eq!(connected(stats), counts.connected, "{case}: {peer:?}");
        Some(Row {
            case: case.to_owned(),
            peer: peer.map(str::to_owned),
            connected: counts.connected,
            truth: counts.rate()?,
            rate: stats.hit_rate.clone(),
            conflict,
        })
    };
    let mut rows: Vec<Row> = row(None, &report.total, total).into_iter().collect();
    if peers.len() > 1 {
        rows.extend(peers.iter().filter_map(|(addr, counts)| {
            // A peer that never connected may be called by its upstream's name only.
            row(Some(addr), &peer(report, addr)?.stats, *counts)
        }));
    }
    rows
}

fn peer<'a>(report: &'a Report, addr: &str) -> Option<&'a PeerReport> {
    report.upstreams.iter().flat_map(|upstream| &upstream.peers).find(|peer| peer.addr == addr)
}

/// The rows of a whole case under a report of its lines, perhaps changed.
fn rows_of(case: &Case, report: &Report) -> Vec<Row> {
    let peers: Vec<(&str, Counts)> =
        case.peers.iter().map(|(addr, counts)| (addr.as_str(), *counts)).collect();
    rows(&case.name, report, case.total, &peers)
}

fn all_rows(cases: &[Case]) -> Vec<Row> {
    cases.iter().flat_map(|case| rows_of(case, &report_of(&case.lines()))).collect()
}

/// Prints the rows, and asserts that the truth is inside in at least 95 of 100.
fn assert_mostly_inside(rows: &[Row]) {
    for row in rows {
        println!("{row}");
    }
    let outside = rows.iter().filter(|row| !row.is_inside()).count();
    assert!(!rows.is_empty() && outside * 20 <= rows.len(), "{outside} of {} outside", rows.len());
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[test]
fn the_total_is_within_a_point_of_the_truth_where_serials_are_logged() {
    let cases: Vec<Case> = cases().into_iter().filter(Case::has_serials).collect();
    let rows = all_rows(&cases);
    assert_mostly_inside(&rows);
    let totals: Vec<&Row> = rows.iter().filter(|row| row.peer.is_none()).collect();
    for row in &totals {
        assert!(row.error().is_some_and(|error| error <= 0.01), "{row}");
    }
    let width = median(totals.iter().map(|row| row.width()).collect());
    println!("median width of totals {width:.4}");
    assert!(width <= 0.03, "{width}");
}

#[test]
fn busy_peers_are_within_five_points_of_the_truth() {
    let cases: Vec<Case> = cases().into_iter().filter(Case::has_serials).collect();
    let rows = all_rows(&cases);
    let busy: Vec<&Row> =
        rows.iter().filter(|row| row.peer.is_some() && row.connected >= 300).collect();
    let unknown = busy.iter().filter(|row| row.rate.estimate.is_none()).count();
    assert!(unknown * 5 <= busy.len(), "{unknown} of {} have no estimate", busy.len());
    for row in busy {
        assert!(row.error().is_none_or(|error| error <= 0.05), "{row}");
    }
}

#[test]
fn without_serials_the_truth_is_inside_and_unix_sockets_have_no_estimate() {
    let mut all = Vec::new();
    for case in cases() {
        let lines: Vec<String> = case.lines().iter().map(|line| without(line, "conn")).collect();
        let report = report_of(&lines);
        all.extend(rows_of(&case, &report));
        for peer in report.upstreams.iter().flat_map(|upstream| &upstream.peers) {
            let rate = &peer.stats.hit_rate;
            if peer.addr.starts_with("unix:") {
                assert!(rate.estimate.is_none(), "{rate:?}");
            }
        }
    }
    assert_mostly_inside(&all);
}
