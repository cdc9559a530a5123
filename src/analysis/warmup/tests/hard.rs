//! Logs that tell little, or are told lies about.

use super::*;
use crate::record::error_log::ErrorLog;

/// Two workers of 20 requests/s each, a client each request, from `from` to `to`.
fn generation(pid: u64, from: i64, to: i64, serial: u64) -> [Working; 2] {
    let one = |n: i64| Working {
        step: 50,
        requests: 1,
        ..working(pid + n.unsigned_abs(), from + 7 * n, to, serial + n.unsigned_abs())
    };
    [one(0), one(1)]
}

/// The log as if nginx had written `$time_local`: the second in which each request ended.
fn whole_seconds(lines: Vec<(i64, String)>) -> Vec<(i64, String)> {
    let cut = |(at, line): (i64, String)| {
        let dot = line.find('.').unwrap();
        (at, format!("{}.000{}", &line[..dot], &line[dot + 4..]))
    };
    lines.into_iter().map(cut).collect()
}

/// The report with an error log, whose lines come as milliseconds of the log, level and text; the zone is UTC.
fn report_with(lines: &[(i64, String)], error_log: &[(i64, &str, &str)]) -> Report {
    let format = LogFormat::from_string("main", FORMAT, Escape::Default).unwrap();
    let recipe = Recipe::new(&format, None, Choice::default(), "access.log");
    let mut fold = Fold::default();
    for (_, line) in lines {
        fold.line(&recipe, line.as_bytes()).unwrap();
    }
    let reader = ErrorLog::new().unwrap();
    for (at, level, text) in error_log {
        let second = (at + BEGIN).div_euclid(1000).rem_euclid(86_400);
        let time = format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
        let line = format!("2026/11/21 {time} [{level}] 1#1: {text}");
        fold.summary.events.record(reader.event(line.as_bytes()).expect("an event"));
    }
    fold.summary.events.record_zone(BEGIN, 0);
    analyse(fold.summary, InputStats::default(), &Policy::default())
}

#[test]
fn whole_seconds_do_not_turn_a_restart_into_an_upgrade() {
    use Cause::{Reload, Restart, Unknown, WorkerExit};
    let old = generation(100, 0, 60_300, 1001);
    let anew = generation(110, 60_400, 120_000, 1);
    let on = generation(110, 60_400, 120_000, 6001);
    // Its numbers go on from those of the other one.
    let crash = [old[0], Working { to: 120_000, ..old[1] }, Working { serial: 3417, ..on[0] }];
    for (what, workers, hidden, expected) in [
        ("restart", [old, anew].concat(), &[][..], Restart),
        ("restart", [old, anew].concat(), &SERIALS, Unknown),
        ("reload", [old, on].concat(), &[], Reload),
        ("reload", [old, on].concat(), &SERIALS, Unknown),
        ("crash", crash.to_vec(), &[], WorkerExit),
    ] {
        let found = found(&report(&whole_seconds(log(&workers)), hidden));
        let [(cause, at, false)] = found[..] else { panic!("{what}, {hidden:?}: {found:?}") };
        assert_eq!(cause, expected, "{what}, {hidden:?}");
        assert!((59_000..61_500).contains(&at), "{what}: {at}");
    }
}

#[test]
fn reloads_of_a_quiet_nginx_are_told_one_by_one() {
    // A request in 2 s to each worker: 30 lines between reloads.
    let workers = (0..8u64).flat_map(|n| {
        let from = 60_000 * i64::try_from(n).unwrap();
        generation(100 + 10 * n, from, from + 59_000, 1001 + 100 * n)
            .map(|worker| Working { step: 2000, ..worker })
    });
    let report = report(&log(&workers.collect::<Vec<_>>()), &[]);
    let count: u64 = report.warmups.iter().map(|warmup| warmup.count).sum();
    assert_eq!(count, 7, "{:?}", report.warmups);
    assert!(report.warmups.iter().all(|warmup| warmup.cause == Cause::Reload));
}

#[test]
fn pids_in_any_order_are_a_reload_all_the_same() {
    let lines =
        with(&generation(20_001, 0, 60_300, 1001), &generation(15_001, 60_310, 120_000, 6001));
    assert_eq!(found(&report(&lines, &[])), [(Cause::Reload, 60_310, false)]);
}

#[test]
fn a_restart_with_the_same_pids_is_as_sharp_as_its_first_client() {
    let day = 86_400_000;
    let slow = |worker: Working| Working { step: 20_000, ..worker };
    let old = generation(7, 0, day / 2, 1001).map(slow);
    let new = generation(7, day / 2 + 5000, day, 1).map(slow);
    for hidden in [&[][..], &["pid"]] {
        let found = found(&report(&with(&old, &new), hidden));
        assert_eq!(found, [(Cause::Restart, day / 2 + 5000, false)], "{hidden:?}");
    }
}

#[test]
fn a_restart_where_the_log_has_a_hole_is_not_told_behind_it() {
    let old = generation(100, 0, 60_000, 1001);
    let new = generation(110, 260_000, 360_000, 9001);
    let anew = |serial| generation(110, 260_000, 360_000, serial);
    assert_eq!(found(&report(&with(&old, &new), &[])), [], "numbers go on");
    let old = generation(100, 0, 60_000, 90_001);
    assert_eq!(found(&report(&with(&old, &anew(5001)), &[])), [], "numbers of some time");
    let begun = found(&report(&with(&old, &anew(1)), &[]));
    assert_eq!(begun, [(Cause::Restart, 260_000, false)], "nginx was down");
}

#[test]
fn many_clients_may_come_out_of_order() {
    // 2,000 numbers a second on each worker: the old ones accept some more while the new ones begin.
    let busy = |worker: Working| Working { step: 1, requests: 1, ..worker };
    let old = generation(100, 0, 10_150, 1_000_001).map(busy);
    let new = generation(110, 10_000, 20_000, 1_020_002).map(busy);
    assert_eq!(found(&report(&with(&old, &new), &[])), [(Cause::Reload, 10_000, false)]);
}

#[test]
fn an_old_worker_that_crashes_behind_a_reload_is_no_second_event() {
    let lines = with(&generation(100, 0, 60_300, 1001), &generation(110, 60_310, 120_000, 6001));
    for at in [60_400, 63_000, 90_000] {
        let crash = (at, "alert", "worker process 100 exited on signal 11");
        let found = found(&report_with(&lines, &[crash]));
        assert_eq!(found, [(Cause::Reload, 60_310, false)], "{at}");
    }
}

#[test]
fn what_the_access_log_contradicts_is_not_believed() {
    let lines = log(&generation(100, 0, 120_000, 1001));
    let forged = |at: i64| {
        [
            (at, "notice", "reconfiguring"),
            (at, "notice", "start worker process 200"),
            (at, "notice", "start worker process 201"),
        ]
    };
    for at in [50_000, 110_000] {
        assert_eq!(found(&report_with(&lines, &forged(at))), [], "{at}");
    }
    let killed = (50_000, "alert", "worker process 100 exited on signal 9");
    assert_eq!(found(&report_with(&lines, &[killed])), []);
}

#[test]
fn a_quiet_log_of_the_same_nginx_tells_of_the_same_reload() {
    let busy =
        with(&generation(100, 0, 600_000, 1001), &generation(110, 600_010, 1_800_000, 90_001));
    // One request in 20 s to one worker, the first one three minutes behind the reload.
    let quiet = |pid, from, to, serial| Working {
        step: 20_000,
        requests: 1,
        ..working(pid, from, to, serial)
    };
    let quiet = log(&[quiet(100, 0, 590_000, 1002), quiet(110, 780_000, 1_800_000, 97_000)]);
    let report = report_of(&[("busy.log", busy), ("quiet.log", quiet)]);
    assert_eq!(found(&report), [(Cause::Reload, 600_010, false)]);
}

#[test]
fn the_only_worker_may_have_been_reloaded_or_crashed() {
    let busy = |worker: Working| Working { step: 20, requests: 1, ..worker };
    let old = busy(working(100, 0, 60_000, 1001));
    let new = busy(working(110, 60_030, 120_000, 7003));
    let lines = log(&[old, new]);
    assert_eq!(found(&report_with(&lines, &[])), [(Cause::Unknown, 60_030, false)]);
    let crash = (60_010, "alert", "worker process 100 exited on signal 11");
    assert_eq!(found(&report_with(&lines, &[crash])), [(Cause::WorkerExit, 60_030, false)]);
    let overlap = log(&[Working { to: 60_100, ..old }, new]);
    assert_eq!(found(&report_with(&overlap, &[])), [(Cause::Reload, 60_030, false)]);
    assert_eq!(found(&report_with(&overlap, &[crash])), [(Cause::Reload, 60_030, false)]);
}

/// The report of several logs.
fn report_of(logs: &[(&str, Vec<(i64, String)>)]) -> Report {
    let format = LogFormat::from_string("main", FORMAT, Escape::Default).unwrap();
    let mut fold = Fold::default();
    for (name, lines) in logs {
        let recipe = Recipe::new(&format, None, Choice::default(), name);
        for (_, line) in lines {
            fold.line(&recipe, line.as_bytes()).unwrap();
        }
    }
    analyse(fold.summary, InputStats::default(), &Policy::default())
}

#[test]
fn containers_with_the_same_pids_have_reloads_of_their_own() {
    let host = |at: i64, serial: u64| {
        with(&generation(29, 0, at, serial), &generation(31, at + 10, 400_000, serial + 20_000))
    };
    // Numbers far apart, and as near as those of replicas that were started together.
    for step in [300_000, 10] {
        let logs = [
            ("a.log", host(100_000, 1001)),
            ("b.log", host(120_000, 1001 + step)),
            ("c.log", host(300_000, 1001 + 2 * step)),
        ];
        let expected = [100_010, 120_010, 300_010].map(|at| (Cause::Reload, at, false));
        assert_eq!(found(&report_of(&logs)), expected, "{step}");
    }
}

#[test]
fn hosts_in_one_log_do_not_turn_into_upgrades_and_crashes() {
    use Cause::{Reload, Restart, Unknown};
    let other = |pid: u64| generation(pid, 3, 400_000, 500_001);
    let old = generation(100, 0, 200_000, 40_001);
    let on = generation(110, 200_010, 400_000, 48_003);
    let anew = generation(110, 200_010, 400_000, 1);
    for (what, workers, expected) in [
        ("reload", [old, on, other(700)].concat(), Reload),
        ("restart", [old, anew, other(700)].concat(), Restart),
        ("reload of one worker each", vec![old[0], on[0], other(700)[0]], Unknown),
        ("restart of one worker each", vec![old[0], anew[0], other(700)[0]], Restart),
    ] {
        assert_eq!(found(&report(&log(&workers), &[])), [(expected, 200_010, false)], "{what}");
    }
}

#[test]
fn hosts_that_are_reloaded_in_one_second_do_not_cut_each_other_short() {
    // Neither access log tells of workers, and all connections are new for three seconds.
    let mut lines = log(&[Working { opens: 0, ..working(100, 0, 120_000, 1001) }]);
    for (_, line) in lines.iter_mut().filter(|(at, _)| (60_000..63_000).contains(at)) {
        *line = line.replace("\"0.000\"", "\"0.003\"");
    }
    for (_, line) in &mut lines {
        let mut words: Vec<&str> = line.split(' ').collect();
        words[2..5].fill("-");
        *line = words.join(" ");
    }
    for apart in [0, 1000] {
        let told: Vec<_> = [60_000, 60_000 + apart]
            .into_iter()
            .flat_map(|at| {
                [
                    (at, "notice", "reconfiguring"),
                    (at, "notice", "start worker process 200"),
                    (at, "notice", "start worker process 201"),
                ]
            })
            .collect();
        let report = report_with(&lines, &told);
        let known: Vec<_> = report.warmups.iter().filter(|warmup| !warmup.suspected).collect();
        let [warmup] = known[..] else { panic!("{:?}", report.warmups) };
        assert!(warmup.end_ms.is_some() && warmup.excess_new > 200, "{warmup:?}");
    }
}
