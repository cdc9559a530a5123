//! keepwarm against a real nginx. Every test does nothing unless `KEEPWARM_NGINX` names a binary.
//!
//! Each scenario is about two things: that the laboratory's own truth is sound, as a wrong one would prove nothing, and
//! that keepwarm's report of the logs agrees with what the backends counted.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "these are tests")]

mod lab;
#[path = "e2e/watch.rs"]
mod live;
#[path = "e2e/warmup.rs"]
mod warmup;

use lab::judge::judge;
use lab::nginx::{Nginx, is_running};
use lab::record::record;
use lab::scenarios;
use lab::site::{Format, JSON, RICH};
use lab::{Counts, EventKind, Run};
use std::io::Write;
use std::sync::Once;

/// True if there is an nginx to test with.
fn ready() -> bool {
    let ready = lab::nginx::binary().is_some();
    if !ready {
        say_once("e2e: skipped, set KEEPWARM_NGINX to an nginx binary (tests/run does)\n");
    }
    ready
}

/// Says why tests are skipped, past the harness, which hides what passing tests print.
fn say_once(line: &str) {
    static SAID: Once = Once::new();
    SAID.call_once(|| std::io::stderr().write_all(line.as_bytes()).unwrap());
}

/// Runs a scenario if there is an nginx.
fn run(scenario: fn(Format) -> Run, format: Format) -> Option<Run> {
    ready().then(|| scenario(format))
}

/// Runs a scenario if there is an nginx and also the openssl command.
fn run_tls(scenario: fn(Format) -> Run, format: Format) -> Option<Run> {
    if ready() && !lab::tls::has_openssl() {
        say_once("e2e: TLS skipped, the openssl command is missing (tests/run installs it)\n");
        return None;
    }
    run(scenario, format)
}

/// What holds for every run in which no worker was killed.
fn check(run: &Run) {
    println!("{:?}\n{:?}", run.truth, run.sent);
    assert_eq!(run.sent.failed, 0, "{:?}", run.sent);
    assert_eq!(lines(run), run.sent.logged(), "lines of access.log against requests sent");
    assert_eq!(run.last_attempts.len() as u64, run.sent.logged());
    let alone: Vec<u32> = run.pids.iter().copied().filter(|&pid| is_running(pid)).collect();
    assert!(alone.is_empty(), "still running: {alone:?}");
    assert!(run.conf.exists() && run.error_log.exists());
    judge(run, run.truth.total, &run.truth.peers);
}

/// What also holds where every request has exactly one answered attempt: nginx's log and the backends agree.
fn check_one_attempt_each(run: &Run) {
    check(run);
    assert_eq!(logged_truth(run, None), run.truth.total);
    for (addr, counts) in &run.truth.peers {
        assert_eq!(logged_truth(run, Some(addr)), *counts, "{addr}");
    }
    assert_eq!(run.sent.answered.keys().copied().collect::<Vec<_>>(), [200]);
}

fn lines(run: &Run) -> u64 {
    let read = |path| std::fs::read_to_string(path).unwrap();
    run.access_logs.iter().map(|path| read(path).lines().count() as u64).sum()
}

/// New and reused by the ordinals that nginx logged, of one peer or of all.
fn logged_truth(run: &Run, addr: Option<&str>) -> Counts {
    let mut counts = Counts::default();
    for attempt in run.last_attempts.iter().filter(|row| addr.is_none_or(|addr| row.addr == addr)) {
        match attempt.ordinal {
            Some(1) => counts.new += 1,
            Some(_) => counts.reused += 1,
            None => {}
        }
    }
    counts
}

/// The hit rate of the whole run in percent.
fn hit_rate(run: &Run) -> f64 {
    100.0 * run.truth.total.hit_rate()
}

/// The hit rates of the peers in percent, lowest first.
fn peer_rates(run: &Run) -> Vec<f64> {
    let mut rates: Vec<f64> = run.truth.peers.values().map(|c| 100.0 * c.hit_rate()).collect();
    rates.sort_by(f64::total_cmp);
    rates
}

fn answered(run: &Run, status: u16) -> u64 {
    run.sent.answered.get(&status).copied().unwrap_or(0)
}

/// Distinct workers in the log.
fn worker_pids(run: &Run) -> usize {
    let pids: std::collections::BTreeSet<u32> =
        run.last_attempts.iter().map(|row| row.pid).collect();
    pids.len()
}

#[test]
fn a_pool_that_fits_is_reused() {
    let Some(run) = run(scenarios::keepalive_on, RICH) else { return };
    check_one_attempt_each(&run);
    assert_eq!(lines(&run), 1000);
    assert!(hit_rate(&run) > 95.0, "{run:?}");
}

#[test]
fn without_a_pool_every_attempt_is_new() {
    let Some(run) = run(scenarios::keepalive_off, RICH) else { return };
    check_one_attempt_each(&run);
    assert_eq!(run.truth.total, Counts { new: 1000, reused: 0, stale: 0 });
}

#[test]
fn a_small_pool_loses_connections() {
    let Some(run) = run(scenarios::pool_too_small, RICH) else { return };
    check_one_attempt_each(&run);
    assert!((25.0..85.0).contains(&hit_rate(&run)), "{:?}", run.truth);
}

#[test]
fn keepalive_requests_limits_reuse() {
    let Some(run) = run(scenarios::keepalive_requests_10, RICH) else { return };
    check_one_attempt_each(&run);
    assert!((80.0..90.1).contains(&hit_rate(&run)), "{:?}", run.truth);
}

#[test]
fn a_peer_may_close_idle_connections_unseen() {
    let Some(run) = run(scenarios::peer_idle_timeout, RICH) else { return };
    check(&run);
    assert!((5.0..98.0).contains(&hit_rate(&run)), "{:?}", run.truth);
}

#[test]
fn one_of_two_upstreams_is_bad() {
    let Some(run) = run(scenarios::two_upstreams, RICH) else { return };
    check_one_attempt_each(&run);
    let rates = peer_rates(&run);
    assert!(rates[0] == 0.0 && rates[1] > 90.0, "{:?}", run.truth);
}

#[test]
fn tls_connections_are_reused() {
    let Some(run) = run_tls(scenarios::tls_reuse, RICH) else { return };
    check_one_attempt_each(&run);
    assert!(hit_rate(&run) > 95.0, "{:?}", run.truth);
}

#[test]
fn tls_connections_are_not_reused() {
    let Some(run) = run_tls(scenarios::tls_no_reuse, RICH) else { return };
    check_one_attempt_each(&run);
    assert_eq!(run.truth.total, Counts { new: 500, reused: 0, stale: 0 });
}

#[test]
fn unix_sockets_are_reused() {
    let Some(run) = run(scenarios::unix_socket_on, RICH) else { return };
    check_one_attempt_each(&run);
    assert!(hit_rate(&run) > 95.0, "{:?}", run.truth);
}

#[test]
fn unix_sockets_are_not_reused() {
    let Some(run) = run(scenarios::unix_socket_off, RICH) else { return };
    check_one_attempt_each(&run);
    assert_eq!(run.truth.total, Counts { new: 1000, reused: 0, stale: 0 });
}

#[test]
fn a_dead_peer_costs_an_attempt_and_no_request() {
    let Some(run) = run(scenarios::dead_peer, RICH) else { return };
    check(&run);
    assert_eq!(logged_truth(&run, None), run.truth.total);
    let retried = run.last_attempts.iter().filter(|row| row.addr.contains(", ")).count();
    assert!((300..700).contains(&retried), "{retried}");
}

#[test]
fn a_stale_connection_is_tried_again() {
    let Some(run) = run(scenarios::stale_race, RICH) else { return };
    check(&run);
    let Counts { new, reused, stale } = run.truth.total;
    assert!(stale > 10, "{:?}", run.truth);
    assert_eq!(new + reused - stale, 1000);
    assert_eq!(answered(&run, 200), 1000);
}

#[test]
fn a_stale_connection_fails_a_post() {
    let Some(run) = run(scenarios::stale_race_post, RICH) else { return };
    check(&run);
    assert!(run.truth.total.stale > 10, "{:?}", run.truth);
    assert_eq!(answered(&run, 502), run.truth.total.stale);
}

#[test]
fn clients_that_leave_cost_connections() {
    let Some(run) = run(scenarios::client_aborts, RICH) else { return };
    check(&run);
    assert!(run.sent.aborted > 50, "{:?}", run.sent);
    assert!(hit_rate(&run) < 97.0, "{:?}", run.truth);
}

#[test]
fn port_checks_are_no_upstream_connections() {
    for scenario in [
        scenarios::silent_checks,
        scenarios::silent_checks_off,
        scenarios::silent_checks_small_pool,
    ] {
        let Some(run) = run(scenario, RICH) else { return };
        check_one_attempt_each(&run);
        assert!(run.sent.checks > 10, "{:?}", run.sent);
    }
}

#[test]
fn clients_that_are_late_share_one_counter() {
    let Some(run) = run(scenarios::late_clients, RICH) else { return };
    check_one_attempt_each(&run);
    assert!((70.0..91.0).contains(&hit_rate(&run)), "{:?}", run.truth);
    record(&run, "late-clients", "first requests 20 to 300 ms behind the connect; 4 workers");
}

#[test]
fn a_redirect_passes_through_two_upstreams() {
    let Some(run) = run(scenarios::x_accel, RICH) else { return };
    check(&run);
    let passes = run.last_attempts.iter().filter(|row| row.addr.contains(" : ")).count() as u64;
    assert!(passes > 200, "{passes}");
    assert_eq!(run.truth.total.new + run.truth.total.reused, 1000 + passes);
}

#[test]
fn cache_hits_reach_no_upstream() {
    let Some(run) = run(scenarios::cache_hits, RICH) else { return };
    check(&run);
    let proxied = run.last_attempts.iter().filter(|row| row.addr != "-").count() as u64;
    assert_eq!(run.truth.total.new + run.truth.total.reused, proxied);
    assert!(answered(&run, 204) > 100 && proxied < 800, "{:?}", run.sent);
}

#[test]
fn a_reload_replaces_all_workers_and_keeps_the_serial() {
    let Some(run) = run(scenarios::reload, RICH) else { return };
    check_one_attempt_each(&run);
    assert_eq!(run.truth.events.len(), 2);
    assert!(worker_pids(&run) > 3, "{}", worker_pids(&run));
    let [first, .., last] = &run.last_attempts[..] else { panic!("no lines") };
    assert!(last.connection > first.connection);
}

#[test]
fn a_restart_replaces_the_master() {
    let Some(run) = run(scenarios::restart, RICH) else { return };
    check_one_attempt_each(&run);
    assert_eq!(run.pids.len(), 6, "two masters with two workers each");
}

#[test]
fn an_upgrade_loses_no_request() {
    let Some(run) = run(scenarios::upgrade, RICH) else { return };
    check_one_attempt_each(&run);
    assert_eq!(run.pids.len(), 6, "two masters with two workers each");
}

#[test]
fn a_killed_worker_is_replaced() {
    let Some(run) = run(scenarios::worker_killed, RICH) else { return };
    assert_eq!(run.sent.failed, 0);
    assert_eq!(run.pids.len(), 4, "one master, three workers");
    let lost = run.sent.logged().abs_diff(lines(&run));
    assert!(lost <= 1, "a response may have been sent and not logged: {lost}");
    let logged = logged_truth(&run, None);
    assert!(logged.new <= run.truth.total.new && logged.reused <= run.truth.total.reused);
    // keepwarm can only know of what was logged.
    let peers = run.truth.peers.keys().map(|addr| (addr.clone(), logged_truth(&run, Some(addr))));
    judge(&run, logged, &peers.collect());
}

#[test]
fn a_rotation_loses_no_line() {
    let Some(run) = run(scenarios::rotation, RICH) else { return };
    check_one_attempt_each(&run);
    assert_eq!(run.access_logs.len(), 3);
    assert_eq!(run.pids.len(), 3);
    assert!(run.truth.events.iter().all(|e| e.kind == EventKind::Rotation && e.at_ms <= e.done_ms));
}

#[test]
fn three_peers_differ() {
    let Some(run) = run(scenarios::three_peers_mixed, RICH) else { return };
    check_one_attempt_each(&run);
    let rates = peer_rates(&run);
    assert!(rates[0] == 0.0 && (60.0..81.0).contains(&rates[1]) && rates[2] > 90.0, "{rates:?}");
}

#[test]
fn the_format_is_the_callers() {
    let Some(run) = run(scenarios::dead_peer, JSON) else { return };
    check(&run);
    for line in std::fs::read_to_string(&run.access_logs[0]).unwrap().lines() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(object["upstream_connect_time"].is_string(), "{line}");
    }
}

#[test]
fn an_abandoned_nginx_is_ended() {
    if !ready() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let http = "access_log off; server { listen 127.0.0.1:@PORT@; }\n";
    let nginx = Nginx::start(dir.path(), http, 2, false);
    let pids = nginx.seen().clone();
    assert_eq!(pids.len(), 3);
    assert!(pids.iter().all(|&pid| is_running(pid)));
    assert!(std::net::TcpStream::connect(nginx.addr()).is_ok());
    drop(nginx);
    assert!(!pids.iter().any(|&pid| is_running(pid)));
}
