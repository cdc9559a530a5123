//! What empties the pools under steady load, and whether keepwarm sees when it was and why.

use crate::lab::record::record;
use crate::lab::site::{Format, RICH};
use crate::lab::warmup::judge_warmups;
use crate::lab::{EventKind, Run, events};
use crate::{ready, run, run_tls};

/// What holds for every run, whatever happened in it.
fn check(run: &Run, kinds: &[EventKind]) {
    println!("{:?}\n{:?}", run.truth, run.sent);
    assert_eq!(run.sent.failed, 0, "{:?}", run.sent);
    let happened: Vec<EventKind> = run.truth.events.iter().map(|event| event.kind).collect();
    assert_eq!(happened, kinds);
    judge_warmups(run);
}

/// New connections on lines that were logged in the second after an event, and in the one before it.
fn around(run: &Run, event: usize) -> (usize, usize) {
    let event = run.truth.events[event];
    let new = new_at(run);
    let between = |from: i64, to: i64| new.iter().filter(|ms| (from..to).contains(*ms)).count();
    (between(event.at_ms, event.done_ms + 1000), between(event.at_ms - 1000, event.at_ms))
}

/// `$msec` of the lines whose last attempt opened a connection. Both logs are written in the same order.
fn new_at(run: &Run) -> Vec<i64> {
    let mut lines = run.access_logs.iter().flat_map(|path| {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(msec).collect::<Vec<_>>()
    });
    let logged = |row: &crate::lab::LastAttempt| (lines.next().unwrap(), row.ordinal == Some(1));
    let rows = run.last_attempts.iter().map(logged);
    rows.filter_map(|(ms, is_new)| is_new.then_some(ms)).collect()
}

fn msec(line: &str) -> i64 {
    let value = line.split_once(" msec=").and_then(|(_, rest)| rest.split(' ').next());
    value.unwrap().replace('.', "").parse().unwrap()
}

/// Pools were warm, then empty.
fn assert_cold_after(run: &Run, event: usize) {
    let (after, before) = around(run, event);
    assert!(after >= 6 && after > 2 * before, "{after} after, {before} before: {:?}", run.truth);
}

/// A run with events that nginx's logs show.
fn happens(scenario: fn(Format) -> Run, kinds: &[EventKind]) -> Option<Run> {
    let run = run(scenario, RICH)?;
    check(&run, kinds);
    for event in 0..kinds.len() {
        assert_cold_after(&run, event);
    }
    Some(run)
}

#[test]
fn a_reload_empties_the_pools() {
    let Some(run) = happens(events::reload, &[EventKind::Reload]) else { return };
    record(&run, "warm-reload-tls", "HUP at 3 s of 7; 2 workers, 2 plain peers and a TLS peer");
}

#[test]
fn three_reloads_empty_the_pools_three_times() {
    let Some(run) = happens(events::three_reloads, &[EventKind::Reload; 3]) else { return };
    record(
        &run,
        "warm-three-reloads",
        "HUP at 10, 30 and 50 s of 70; a TLS peer besides two plain",
    );
}

#[test]
fn a_restart_empties_the_pools() {
    happens(events::restart, &[EventKind::Restart]);
}

#[test]
fn an_upgrade_empties_the_pools() {
    let Some(run) = happens(events::upgrade, &[EventKind::Upgrade]) else { return };
    record(&run, "warm-upgrade", "USR2 and QUIT at 3 s of 7; a TLS peer besides two plain ones");
}

#[test]
fn a_killed_worker_takes_its_pools_along() {
    let Some(run) = run(events::worker_killed, RICH) else { return };
    check(&run, &[EventKind::WorkerKilled]);
}

#[test]
fn a_rotation_leaves_the_pools_alone() {
    let Some(run) = run(events::rotation, RICH) else { return };
    check(&run, &[EventKind::Rotation; 2]);
}

#[test]
fn a_backend_that_restarts_empties_its_own_pool() {
    // Its new connections have to be visible: nothing else in the logs shows them.
    let Some(run) = run_tls(events::backend_restart, RICH) else { return };
    check(&run, &[EventKind::BackendRestart]);
    record(
        &run,
        "warm-backend-restart",
        "the TLS peer is restarted at 3 s of 7, two plain ones not",
    );
}

#[test]
fn nothing_happens_in_a_quiet_run() {
    let Some(run) = run(events::quiet, RICH) else { return };
    check(&run, &[]);
    record(&run, "warm-quiet", "7 s in which nothing happens; a TLS peer besides two plain ones");
}

#[test]
fn new_connections_all_the_time_are_no_warm_up() {
    let Some(run) = run(events::quiet_and_never_warm, RICH) else { return };
    check(&run, &[]);
    assert!(ready() && run.truth.total.hit_rate() < 0.9, "{:?}", run.truth);
}
