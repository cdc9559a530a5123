use super::*;
use crate::summary::peer::PeerSummary;
use crate::summary::pool::Flight;
use std::sync::Arc;

/// A worker with `n` attempts spread evenly over `from..=to` seconds, and `at_once` at one moment in the middle.
fn work(peer: &mut PeerSummary, log: &str, pid: u64, (from, to): (i64, i64), n: i64, at_once: u32) {
    let log: Arc<str> = log.into();
    let pool = peer.pools.of(&Worker::new(&log, Some(pid))).unwrap();
    let flight = |ms, lasted| Flight {
        earliest_start: ms,
        latest_start: ms,
        lasted: Some(lasted),
        new: false,
    };
    let (from, to) = (from * 1000, to * 1000);
    (0..n).for_each(|i| pool.record(flight(from + (to - from) * i / (n - 1).max(1), 0)));
    (0..at_once).for_each(|_| pool.record(flight(i64::midpoint(from, to), 100)));
}

fn row(peer: &PeerSummary) -> Row<'_> {
    Row { addr: "10.0.0.1:80", peer, latency_ms: None }
}

fn one(peer: &PeerSummary, kin: &[Kin]) -> u64 {
    opened(&[&row(peer)], kin).rows[0]
}

#[test]
fn of_workers_that_were_there_before_the_log_nothing_is_known() {
    let mut peer = PeerSummary::default();
    work(&mut peer, "a.log", 1, (0, 60), 500, 8);
    work(&mut peer, "a.log", 2, (0, 60), 500, 8);
    assert_eq!(one(&peer, &[]), 0);
}

#[test]
fn small_numbers_of_the_first_clients_show_how_little_is_older() {
    let mut peer = PeerSummary::default();
    work(&mut peer, "a.log", 1, (0, 60), 500, 8);
    work(&mut peer, "a.log", 2, (0, 60), 500, 6);
    let kin =
        |older| Kin { workers: vec![("a.log".into(), Some(1)), ("a.log".into(), Some(2))], older };
    assert_eq!(one(&peer, &[kin(0)]), 14);
    assert_eq!(one(&peer, &[kin(3)]), 11);
    assert_eq!(one(&peer, &[kin(100)]), 0);
}

#[test]
fn workers_that_follow_on_the_end_of_all_others_are_new() {
    let mut peer = PeerSummary::default();
    for (pid, span) in [(1, (0, 60)), (2, (0, 60)), (3, (61, 120)), (4, (61, 120))] {
        work(&mut peer, "a.log", pid, span, 500, 8);
    }
    assert_eq!(one(&peer, &[]), 16);
    // If another log has a worker of the same number, it may be the same, which was there before.
    work(&mut peer, "b.log", 3, (0, 60), 500, 8);
    assert_eq!(one(&peer, &[]), 8);
}

#[test]
fn a_worker_that_writes_several_logs_has_one_pool() {
    let mut peer = PeerSummary::default();
    let logs = ["a.log", "b.log", "c.log"];
    for (log, from) in logs.into_iter().zip([0, 60, 120]) {
        work(&mut peer, log, 1, (from, from + 59), 500, 8);
    }
    let workers = logs.map(|log| (log.to_owned(), Some(1))).to_vec();
    assert_eq!(one(&peer, &[Kin { workers, older: 0 }]), 8);
}

#[test]
fn behind_a_gap_in_the_log_nothing_is_known() {
    let mut peer = PeerSummary::default();
    for (pid, span) in [(1, (0, 60)), (2, (0, 60)), (3, (600, 660)), (4, (600, 660))] {
        work(&mut peer, "a.log", pid, span, 500, 8);
    }
    assert_eq!(one(&peer, &[]), 0);
}

#[test]
fn one_client_that_changes_its_worker_is_no_reload() {
    let mut peer = PeerSummary::default();
    work(&mut peer, "a.log", 1, (0, 60), 500, 8);
    work(&mut peer, "a.log", 2, (61, 120), 500, 8);
    assert_eq!(one(&peer, &[]), 0);
}

#[test]
fn a_worker_that_replaces_another_late_is_new() {
    for (at, expected) in [(900, 8), (300, 0)] {
        let mut peer = PeerSummary::default();
        work(&mut peer, "a.log", 1, (0, 1800), 5000, 8);
        work(&mut peer, "a.log", 2, (0, at), 2000, 8);
        work(&mut peer, "a.log", 3, (at + 1, 1800), 2000, 8);
        assert_eq!(one(&peer, &[]), expected, "at {at} s");
    }
}

#[test]
fn of_one_peer_in_two_upstreams_only_the_sum_is_known() {
    let (mut a, mut b) = (PeerSummary::default(), PeerSummary::default());
    work(&mut a, "a.log", 1, (0, 60), 500, 3);
    work(&mut b, "a.log", 1, (0, 60), 500, 4);
    let kin = Kin { workers: vec![("a.log".into(), Some(1))], older: 0 };
    let both = opened(&[&row(&a), &row(&b)], &[kin]);
    assert_eq!((both.rows, both.shared), (vec![0, 0], 7));
}
