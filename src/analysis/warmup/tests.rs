//! Warm-ups of generated logs. Every worker reuses its connections but the first ones to each peer.

use super::*;
use crate::analysis::report::{InputStats, Report};
use crate::analysis::{Policy, analyse};
use crate::fold::{Choice, Fold, Recipe};
use crate::log_format::{Escape, LogFormat};

mod cold;
mod hard;
mod series;

const FORMAT: &str = "$msec $request_time $pid $connection $connection_requests up=$proxy_host \"$upstream_addr\" \
                      \"$upstream_connect_time\" \"$upstream_response_time\"";

/// Where logs begin, in milliseconds since the epoch.
pub(super) const BEGIN: i64 = 1_795_219_200_000;

/// Peers of two upstreams. Connects to them take 3 ms.
const PEERS: [(&str, &str); 3] =
    [("app", "10.0.0.1:80"), ("app", "10.0.0.2:80"), ("far", "10.0.0.3:80")];

/// A worker that takes a request every `step` ms from `from` to `to`, in milliseconds of the log.
#[derive(Debug, Clone, Copy)]
struct Working {
    pid: u64,
    from: i64,
    to: i64,
    step: i64,
    /// Number of its first client; the next ones have numbers two further each.
    serial: u64,
    /// New connections to each peer when it begins.
    opens: i64,
    /// Requests of one client.
    requests: i64,
}

const fn working(pid: u64, from: i64, to: i64, serial: u64) -> Working {
    Working { pid, from, to, step: 10, serial, opens: 3, requests: 5 }
}

impl Working {
    fn lines(self) -> impl Iterator<Item = (i64, String)> {
        let starts = (self.from..self.to).step_by(usize::try_from(self.step).unwrap());
        (0..).zip(starts).map(move |(n, start): (i64, i64)| {
            let (upstream, addr) = PEERS[usize::try_from(n).unwrap() % PEERS.len()];
            let is_new = n < self.opens * i64::try_from(PEERS.len()).unwrap();
            let (connect, took) = if is_new { ("0.003", 8) } else { ("0.000", 5) };
            let serial = self.serial + 2 * u64::try_from(n / self.requests).unwrap();
            (
                start + took,
                line(
                    start,
                    took,
                    [self.pid, serial, 1 + u64::try_from(n % self.requests).unwrap()],
                    upstream,
                    addr,
                    connect,
                ),
            )
        })
    }
}

/// A line of a request that began at `start` and took so many milliseconds.
fn line(
    start: i64,
    took: i64,
    [pid, serial, request]: [u64; 3],
    upstream: &str,
    addr: &str,
    connect: &str,
) -> String {
    let end = BEGIN + start + took;
    let seconds = |ms: i64| format!("{}.{:03}", ms / 1000, ms % 1000);
    let took = seconds(took);
    format!(
        "{} {took} {pid} {serial} {request} up={upstream} \"{addr}\" \"{connect}\" \"{took}\"",
        seconds(end)
    )
}

fn log(workers: &[Working]) -> Vec<(i64, String)> {
    let mut lines: Vec<(i64, String)> = workers.iter().flat_map(|worker| worker.lines()).collect();
    lines.sort();
    lines
}

/// The report of a log in which some variables are not logged.
fn report(lines: &[(i64, String)], hidden: &[&str]) -> Report {
    report_of(FORMAT, lines.iter().map(|(_, line)| line.as_str()), hidden)
}

/// The same of lines of any format.
pub(super) fn report_of<'a>(
    format: &str,
    lines: impl Iterator<Item = &'a str>,
    hidden: &[&str],
) -> Report {
    let mut fold = Fold::default();
    add(&mut fold, format, "access.log", lines, hidden);
    analyse(fold.summary, InputStats::default(), &Policy::default())
}

/// Adds the lines of one log.
fn add<'a>(
    fold: &mut Fold,
    format: &str,
    log: &str,
    lines: impl Iterator<Item = &'a str>,
    hidden: &[&str],
) {
    let mut format = LogFormat::from_string("main", format, Escape::Default).unwrap();
    for piece in &mut format.pieces {
        if let crate::log_format::Piece::Variable(name) = piece
            && hidden.contains(&name.as_str())
        {
            "unknown".clone_into(name);
        }
    }
    let recipe = Recipe::new(&format, None, Choice::default(), log);
    for line in lines {
        fold.line(&recipe, line.as_bytes()).unwrap();
    }
}

/// Cause and start in milliseconds of the log, and whether it is only suspected.
fn found(report: &Report) -> Vec<(Cause, i64, bool)> {
    let warmups = report.warmups.iter();
    warmups.map(|warmup| (warmup.cause, warmup.start_ms - BEGIN, warmup.suspected)).collect()
}

const SERIALS: [&str; 2] = ["connection", "connection_requests"];
const ALL: [&str; 3] = ["pid", "connection", "connection_requests"];

/// Two workers from the beginning.
const OLD: [Working; 2] = [working(100, 0, 10_000, 1001), working(101, 5, 10_000, 1002)];

fn with(old: &[Working], new: &[Working]) -> Vec<(i64, String)> {
    log(&[old, new].concat())
}

#[test]
fn workers_that_take_the_place_of_all_others_are_a_reload_a_restart_or_an_upgrade() {
    use Cause::{Reload, Restart, Upgrade};
    let on = |first: i64, serial: u64| {
        [
            working(110, first, first + 10_000, serial),
            working(111, first + 7, first + 10_000, serial + 1),
        ]
    };
    let on_to = |to: i64| OLD.map(|old| Working { to, ..old });
    for (what, lines, expected) in [
        ("numbers go on", with(&OLD, &on(10_020, 1500)), vec![(Reload, 10_020, false)]),
        (
            "old ones for a moment",
            with(&on_to(10_100), &on(10_020, 1500)),
            vec![(Reload, 10_020, false)],
        ),
        ("numbers begin anew", with(&OLD, &on(10_040, 1)), vec![(Restart, 10_040, false)]),
        ("after a minute", with(&OLD, &on(70_000, 1)), vec![(Restart, 70_000, false)]),
        ("old ones go on", with(&on_to(14_000), &on(10_040, 1)), vec![(Upgrade, 10_040, false)]),
        ("a hole in the log", with(&OLD, &on(70_000, 15_000)), vec![]),
    ] {
        assert_eq!(found(&report(&lines, &[])), expected, "{what}");
    }
}

#[test]
fn without_numbers_a_restart_is_no_reload() {
    let new = [working(110, 10_020, 20_000, 1), working(111, 10_027, 20_000, 2)];
    let apart = with(&OLD, &new);
    assert_eq!(found(&report(&apart, &SERIALS)), [(Cause::Unknown, 10_020, false)]);
    // Old workers that finish requests while new ones take some: the master is the same.
    let overlap = with(&OLD.map(|old| Working { to: 10_100, ..old }), &new);
    assert_eq!(found(&report(&overlap, &SERIALS)), [(Cause::Reload, 10_020, false)]);
}

#[test]
fn a_worker_that_takes_the_place_of_one_is_its_exit() {
    let old = [working(100, 0, 10_000, 1001), working(101, 5, 20_000, 1002)];
    let lines = with(&old, &[working(110, 10_030, 20_000, 1403)]);
    assert_eq!(found(&report(&lines, &[])), [(Cause::WorkerExit, 10_030, false)]);
    // The same log of a nginx whose workers have nearby pids could be of idle ones without their clients' numbers.
    assert_eq!(found(&report(&lines, &SERIALS)), []);
}

#[test]
fn idle_workers_come_and_go_without_an_event() {
    let busy = working(100, 0, 60_000, 1001);
    let one = |pid: u64, from: i64, lines: i64| working(pid, from, from + 10 * lines, 5001);
    let few = |pid: u64, from: i64, serial: u64| Working {
        requests: 100,
        ..working(pid, from, from + 8000, serial)
    };
    for (what, workers) in [
        ("one comes late", vec![busy, one(101, 30_000, 3000)]),
        ("one stays away", vec![busy, one(101, 0, 3000)]),
        (
            "one after the other",
            vec![busy, one(101, 10_000, 40), one(102, 10_400, 40), one(103, 10_800, 40)],
        ),
        ("a few busy clients each", vec![few(100, 0, 1), few(101, 8010, 900)]),
        (
            "at the end of the log",
            vec![working(100, 0, 10_000, 1), working(101, 9990, 10_050, 900)],
        ),
        (
            "a line each",
            (0..40).map(|i| one(100 + u64::try_from(i).unwrap(), 200 * i, 1)).collect(),
        ),
    ] {
        // New connections that are usual, so that only workers can tell.
        let workers: Vec<Working> =
            workers.into_iter().map(|worker| Working { opens: 0, ..worker }).collect();
        let lines = log(&workers);
        assert_eq!(found(&report(&lines, &[])), [], "{what}");
    }
}

#[test]
fn long_requests_of_old_workers_do_not_make_a_window_longer() {
    let new = [working(110, 10_020, 30_000, 1500), working(111, 10_027, 30_000, 1501)];
    let mut lines = with(&OLD, &new);
    // They began before the reload, and each opened a connection.
    for i in 0..50 {
        let start = 200 * i;
        let took = 12_000 + 100 * i;
        lines
            .push((start + took, line(start, took, [100, 1001, 9], "app", "10.0.0.1:80", "0.003")));
    }
    lines.sort();
    let report = report(&lines, &[]);
    assert_eq!(found(&report)[0], (Cause::Reload, 10_020, false));
    let warmup = &report.warmups[0];
    assert!(warmup.end_ms.is_some_and(|end| end - warmup.start_ms < 1000), "{warmup:?}");
    assert!((18..25).contains(&warmup.new_connections), "{warmup:?}");
}

#[test]
fn a_window_counts_what_was_opened_and_waited_for() {
    let new = [working(110, 10_020, 20_000, 1500), working(111, 10_027, 20_000, 1501)];
    let report = report(&with(&OLD, &new), &[]);
    let warmup = &report.warmups[0];
    assert_eq!(warmup.evidence, ["pid", "serial", "connect_time"]);
    assert_eq!(warmup.upstreams, ["app", "far"]);
    // 3 connections of 2 workers to 3 peers, 3 ms each.
    assert_eq!((warmup.new_connections, warmup.excess_new, warmup.handshake_ms), (18, 18, 54));
    assert!((warmup.share_of_new - 0.5).abs() < 0.01, "{warmup:?}");
    assert!((warmup.peak_new_per_second - 18.0).abs() < 1e-9, "{warmup:?}");
    let app = report.upstreams.iter().find(|upstream| upstream.name.as_deref() == Some("app"));
    let cost = app.unwrap().warmup.unwrap();
    assert_eq!((cost.events, cost.excess_new, cost.handshake_ms), (1, 12, 36));
    assert!(cost.warm_ms.unwrap() <= 250, "{cost:?}");
    let points = &app.unwrap().timeline;
    assert!(points.len() <= 60 && points[0].from_ms <= BEGIN);
    assert_eq!(points.iter().map(|point| point.new_certain).sum::<u64>(), 24);
}

#[test]
fn connects_that_are_too_fast_to_show_end_a_window_at_once() {
    let new = [working(110, 10_020, 20_000, 1500), working(111, 10_027, 20_000, 1501)];
    let mut lines = with(&OLD, &new);
    for (_, line) in &mut lines {
        *line = line.replace("\"0.003\"", "\"0.000\"");
    }
    let report = report(&lines, &[]);
    let warmup = &report.warmups[0];
    assert_eq!(warmup.end_ms, Some(warmup.start_ms));
    // One of each worker to each peer at least.
    assert_eq!((warmup.new_connections, warmup.handshake_ms), (6, 0));
}

/// A log in which all attempts at these peers open a connection for so many milliseconds from 30 s on. Before that the
/// peers may have been away for a moment.
fn burst(peers: &[usize], ms: i64, was_away: bool) -> Vec<(i64, String)> {
    let mut lines = log(&[working(100, 0, 60_000, 1001), working(101, 5, 60_000, 1002)]);
    let addrs: Vec<&str> = peers.iter().map(|&peer| PEERS[peer].1).collect();
    for (end, line) in &mut lines {
        if !addrs.iter().any(|addr| line.contains(addr)) {
            continue;
        }
        if (30_000..30_000 + ms).contains(&(*end - 5)) {
            *line = line.replace("\"0.000\"", "\"0.003\"");
        } else if was_away && (29_900..30_000).contains(&(*end - 5)) {
            *line = line.replace("\"0.000\"", "\"-\"");
        }
    }
    lines
}

#[test]
fn bursts_alone_are_only_suspected() {
    use Cause::{BackendRestart, Reload, Unknown};
    for (what, peers, was_away, hidden, expected) in [
        ("all at once", &[0, 1, 2][..], false, &ALL[..], vec![(Reload, 30_000, true)]),
        // Another nginx's reload, if the logs are of several.
        ("one alone", &[1], false, &ALL, vec![(Unknown, 30_000, true)]),
        ("one that was away", &[1], true, &ALL, vec![(BackendRestart, 30_000, true)]),
        ("one alone, and workers go on", &[1], false, &[], vec![(BackendRestart, 30_000, true)]),
        ("all at once, but workers go on", &[0, 1, 2], false, &[], vec![]),
    ] {
        assert_eq!(found(&report(&burst(peers, 300, was_away), hidden)), expected, "{what}");
    }
    // Some at a time are nothing.
    assert_eq!(found(&report(&burst(&[0, 1, 2], 30, false), &ALL)), []);
}

#[test]
fn requests_that_had_piled_up_are_no_reason_to_suspect_anything() {
    let mut lines = log(&[working(100, 0, 60_000, 1001), working(101, 5, 60_000, 1002)]);
    for i in 0..30 {
        let [serial, request] = [1 + i, 1];
        let (upstream, addr) = PEERS[1];
        lines.push((30_008, line(30_000, 8, [100, serial, request], upstream, addr, "0.003")));
    }
    lines.sort();
    assert_eq!(found(&report(&lines, &ALL)), []);
    assert_eq!(found(&report(&lines, &SERIALS)), []);
}

#[test]
fn connects_that_do_not_always_show_are_no_base_for_suspicion() {
    let mut lines = burst(&[0, 1, 2], 300, false);
    for (_, line) in &mut lines {
        *line = line.replace("\"0.003\"", "\"0.001\"");
    }
    assert_eq!(found(&report(&lines, &ALL)), []);
}

#[test]
fn pools_that_never_keep_anything_give_no_event() {
    let mut lines = log(&[working(100, 0, 60_000, 1001), working(101, 5, 60_000, 1002)]);
    for (_, line) in &mut lines {
        *line = line.replace("\"0.000\"", "\"0.003\"");
    }
    assert_eq!(found(&report(&lines, &[])), []);
    assert_eq!(found(&report(&lines, &ALL)), []);
}

#[test]
fn containers_give_the_same_pids_again_and_numbers_tell_of_the_restart() {
    let new = [working(100, 10_040, 20_000, 1), working(101, 10_047, 20_000, 2)];
    let found = found(&report(&with(&OLD, &new), &[]));
    assert_eq!(found.len(), 1, "{found:?}");
    let (cause, at, suspected) = found[0];
    assert_eq!((cause, suspected), (Cause::Restart, false));
    assert!((10_000..10_100).contains(&at), "{at}");
    // Nor is $pid needed.
    let report = report(&with(&OLD, &new), &["pid"]);
    assert_eq!(report.warmups[0].cause, Cause::Restart);
    assert_eq!(report.warmups[0].evidence[0], "serial");
}
