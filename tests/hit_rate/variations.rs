//! The same logs as they are met in practice: cut, rotated, sampled, mixed, with fewer fields.
//!
//! There may be no confident wrong number: the truth lies in the interval, or the report says that its evidence
//! disagrees, or gives no estimate.

use super::cases::{
    Case, Counts, case, cases, connected, has_conflict, msec, report, report_like, report_of,
    value, with, without,
};
use super::{Row, rows, rows_of};
use keepwarm::analysis::report::Report;
use std::collections::BTreeSet;

/// Random numbers from a seed (Vigna's splitmix64).
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Evenly spread, from 0 up to, not including, 1.
    pub(super) fn unit(&mut self) -> f64 {
        f64::from(u32::try_from(self.next() >> 32).unwrap()) / 4_294_967_296.0
    }

    /// From 0 up to, not including, `n`.
    pub(super) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap()
    }
}

fn shuffled(mut lines: Vec<String>) -> Vec<String> {
    let mut random = Random(1);
    for i in (1..lines.len()).rev() {
        lines.swap(i, random.below(i + 1));
    }
    lines
}

/// Cases that log serial numbers.
fn with_serials() -> Vec<Case> {
    cases().into_iter().filter(Case::has_serials).collect()
}

/// The total of some lines of cases in which each new connection is known.
fn total(name: &str, report: &Report, new: u64) -> Vec<Row> {
    rows(name, report, Counts { new, connected: connected(&report.total) }, &[])
}

/// Prints all rows and asserts that none is confident and wrong.
fn assert_honest(rows: &[Row]) {
    for row in rows {
        println!("{row}");
    }
    assert!(!rows.is_empty());
    let outside = rows.iter().filter(|row| !row.is_inside()).count();
    println!("{outside} of {} outside", rows.len());
    let wrong: Vec<String> = rows
        .iter()
        .filter(|row| !row.is_inside() && !row.conflict && row.rate.estimate.is_some())
        .map(ToString::to_string)
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[test]
fn the_order_of_lines_and_files_changes_nothing() {
    for case in cases() {
        let lines = case.lines();
        let whole = report_of(&lines);
        let other = report_like(&lines, &[("access.log", &shuffled(lines.clone()))]);
        assert_eq!(other, whole, "{}", case.name);
        let files: Vec<(&str, &[String])> =
            case.files.iter().rev().map(|file| ("access.log", file.as_slice())).collect();
        assert_eq!(report_like(&lines, &files), whole, "{}", case.name);
    }
}

#[test]
fn a_part_of_a_rotated_log_is_judged_honestly() {
    let case = case("rotation");
    let [a, b, c] = &case.files[..] else { panic!("three files") };
    let mut all = Vec::new();
    for (name, files) in [
        ("the oldest", vec![a]),
        ("the middle one", vec![b]),
        ("the newest", vec![c]),
        ("the two oldest", vec![a, b]),
        ("the ends", vec![a, c]),
        ("the two newest", vec![b, c]),
    ] {
        let lines: Vec<String> = files.into_iter().flatten().cloned().collect();
        all.extend(total(name, &report_of(&lines), case.new_of(&lines).unwrap()));
    }
    assert_honest(&all);
}

/// Parts of every case, with the truth of what is left.
fn parts(keep: impl Fn(usize, usize) -> bool) -> Vec<Row> {
    let mut all = Vec::new();
    for case in with_serials() {
        let lines = case.lines();
        let count = lines.len();
        let part: Vec<String> =
            (0..count).filter(|&i| keep(i, count)).map(|i| lines[i].clone()).collect();
        let Some(new) = case.new_of(&part) else { continue };
        all.extend(total(&case.name, &report_of(&part), new));
    }
    all
}

#[test]
fn a_log_without_its_first_third_is_judged_honestly() {
    assert_honest(&parts(|i, count| i >= count / 3));
}

#[test]
fn a_log_without_its_last_third_is_judged_honestly() {
    assert_honest(&parts(|i, count| i < count - count / 3));
}

#[test]
fn a_log_without_its_middle_third_is_judged_honestly() {
    assert_honest(&parts(|i, count| i < count / 3 || i >= count - count / 3));
}

#[test]
fn a_log_that_misses_a_fifth_of_its_lines_is_judged_honestly() {
    let mut all = Vec::new();
    for seed in 0..3 {
        let mut random = Random(seed);
        let kept: Vec<bool> = (0..5000).map(|_| random.below(5) > 0).collect();
        all.extend(parts(|i, _| kept[i]));
    }
    assert_honest(&all);
}

#[test]
fn a_log_with_fewer_fields_is_judged_honestly() {
    let changes: [(&str, &[&str]); 6] = [
        ("no $connection_requests", &["creq"]),
        ("no $pid", &["pid"]),
        ("neither", &["creq", "pid"]),
        ("whole seconds", &["msec"]),
        ("whole seconds, no $pid", &["msec", "pid"]),
        ("whole seconds, no $connection_requests", &["msec", "creq"]),
    ];
    let mut all = Vec::new();
    for (change, names) in changes {
        for case in with_serials() {
            let strip =
                |line: &String| names.iter().fold(line.clone(), |line, name| without(&line, name));
            let lines: Vec<String> = case.lines().iter().map(strip).collect();
            let mut rows = rows_of(&case, &report_of(&lines));
            for row in &mut rows {
                row.case = format!("{}, {change}", row.case);
            }
            all.extend(rows);
        }
    }
    assert_honest(&all);
}

/// A line as another host would have written it, `by` milliseconds later.
fn moved(line: &str, by: i64) -> String {
    let pid: u64 = value(line, "pid").unwrap().parse().unwrap();
    let ms = msec(line) + by;
    let line = with(line, "pid", &(pid + 100_000).to_string());
    with(&line, "msec", &format!("{}.{:03}", ms / 1000, ms % 1000))
}

/// Pairs of cases: the first, and the second as another host's or a later master's.
const PAIRS: [(&str, &str); 7] = [
    ("keepalive-on", "keepalive-off"),
    ("keepalive-off", "keepalive-on"),
    ("pool-too-small", "keepalive-on"),
    ("two-upstreams", "reload-under-load"),
    ("stale-race", "rtt-1-requests-10"),
    ("unix-socket", "tls-reuse"),
    ("stale-pool", "pool-too-small"),
];

/// Both cases of a pair, the second one to begin `after` the first has begun, or ended.
fn pair(first: &str, second: &str, behind: Option<i64>) -> ([Case; 2], Vec<String>, Vec<String>) {
    let cases = [case(first), case(second)];
    let [one, two] = [cases[0].lines(), cases[1].lines()];
    let span = |lines: &[String]| {
        let times = lines.iter().map(|line| msec(line));
        (times.clone().min().unwrap(), times.max().unwrap())
    };
    let ((begin, end), (other, _)) = (span(&one), span(&two));
    let by = behind.map_or(begin, |gap| end + gap) - other;
    let two = two.iter().map(|line| moved(line, by)).collect();
    (cases, one, two)
}

fn sum(cases: &[Case; 2]) -> u64 {
    cases[0].total.new + cases[1].total.new
}

#[test]
fn a_restart_begins_a_new_count() {
    let mut all = Vec::new();
    for (first, second) in PAIRS {
        // Seconds may pass between the two, or nearly no time.
        for gap in [20, 500, 60_000] {
            let (cases, one, two) = pair(first, second, Some(gap));
            let name = format!("{first}, {second}");
            all.extend(total(&name, &report_of(&[one.clone(), two.clone()].concat()), sum(&cases)));
            let strip = |line: &String| without(line, "pid");
            let lines: Vec<String> = one.iter().chain(&two).map(strip).collect();
            all.extend(total(&format!("{name}, no pid"), &report_of(&lines), sum(&cases)));
        }
    }
    assert_honest(&all);
}

#[test]
fn two_hosts_are_two_counts() {
    let mut all = Vec::new();
    for (first, second) in PAIRS {
        let (cases, one, two) = pair(first, second, None);
        let name = format!("{first} + {second}");
        let mut mixed = [one.clone(), two.clone()].concat();
        mixed.sort_by_key(|line| msec(line));
        let report_of_one = report_of(&mixed);
        all.extend(total(&name, &report_of_one, sum(&cases)));
        let two_files = report(&[("a.log", &one), ("b.log", &two)]);
        all.extend(total(&format!("{name}, two files"), &two_files, sum(&cases)));
        let strip = |line: &String| without(line, "pid");
        let [one, two] = [&one, &two].map(|lines| lines.iter().map(strip).collect::<Vec<_>>());
        let two_files = report(&[("a.log", &one), ("b.log", &two)]);
        all.extend(total(&format!("{name}, two files, no pid"), &two_files, sum(&cases)));
        let mixed = report_of(&[one, two].concat());
        all.extend(total(&format!("{name}, no pid"), &mixed, sum(&cases)));
    }
    assert_honest(&all);
}

/// A case over and over, as one master's work over a longer time: `slower` times as long, with as many attempts.
fn repeated(case: &Case, times: i64, slower: i64) -> Vec<String> {
    let lines = case.lines();
    let begin = lines.iter().map(|line| msec(line)).min().unwrap();
    let end = lines.iter().map(|line| msec(line)).max().unwrap();
    let number = |line: &str| value(line, "conn").unwrap().parse::<i64>().unwrap();
    let clients: BTreeSet<i64> = lines.iter().map(|line| number(line)).collect();
    let failed = report_of(&lines).total.failed;
    let drawn = clients.len() as u64 + case.total.new + failed;
    let drawn = i64::try_from(drawn).unwrap();
    let again = |round: i64| {
        let lines = &lines;
        lines.iter().map(move |line| {
            let conn = number(line) + round * drawn;
            let ms = begin + (msec(line) - begin) * slower + round * (end - begin) * slower;
            let line = with(line, "conn", &conn.to_string());
            with(&line, "msec", &format!("{}.{:03}", ms / 1000, ms % 1000))
        })
    };
    (0..times).flat_map(again).collect()
}

#[test]
fn a_long_log_is_as_exact() {
    let mut all = Vec::new();
    for name in ["pool-too-small", "keepalive-off", "keepalive-on", "two-upstreams", "dead-peer"] {
        let case = case(name);
        for (times, slower) in [(30_i64, 1), (30, 30), (30, 1000)] {
            let lines = repeated(&case, times, slower);
            let times = u64::try_from(times).unwrap();
            let all_times =
                |of: Counts| Counts { new: of.new * times, connected: of.connected * times };
            let peers: Vec<(&str, Counts)> =
                case.peers.iter().map(|(addr, of)| (addr.as_str(), all_times(*of))).collect();
            let name = format!("{name}, {slower} times slower");
            all.extend(rows(&name, &report_of(&lines), all_times(case.total), &peers));
        }
    }
    assert_honest(&all);
    for row in all {
        let close = if row.peer.is_some() { 0.05 } else { 0.01 };
        assert!(row.error().is_none_or(|error| error <= close), "{row}");
    }
}

#[test]
fn a_sampled_log_is_said_to_be_one() {
    let case = case("keepalive-off");
    let lines: Vec<String> = case.lines().into_iter().step_by(2).collect();
    assert!(has_conflict(&report_of(&lines)));
}
