use super::*;
use crate::record::error_log::{ErrorLog, LocalSecond};
use crate::summary::Merge;
use proptest::prelude::*;
use std::collections::BTreeMap;

const RELOAD: &str = include_str!("../../../../testdata/error_log/reload.log");
const RESTART: &str = include_str!("../../../../testdata/error_log/restart.log");
const CRASH: &str = include_str!("../../../../testdata/error_log/worker-crash.log");
const FAILURES: &str = include_str!("../../../../testdata/error_log/failures.log");
const UPGRADE: &str = include_str!("../../../../testdata/error_log/upgrade.log");

fn events(text: &str) -> Events {
    let log = ErrorLog::new().unwrap();
    let mut events = Events::default();
    text.lines()
        .filter_map(|line| log.event(line.as_bytes()))
        .for_each(|event| events.record(event));
    events
}

/// One line each: from, to, cause, workers started and gone.
fn told(happened: &[Happened]) -> Vec<String> {
    let pids = |pids: &[u64]| pids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let clock = |ms: i64| {
        let second = ms.div_euclid(1000).rem_euclid(86_400);
        format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
    };
    let line = |one: &Happened| {
        format!(
            "{}-{} {:?}{} +{} -{}",
            clock(one.from_ms),
            clock(one.to_ms),
            one.cause,
            one.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default(),
            pids(&one.pids_started),
            pids(&one.pids_gone)
        )
    };
    happened.iter().map(line).collect()
}

fn told_by(text: &str) -> Vec<String> {
    told(&history(&events(text), &Zone::fixed(0)))
}

/// Lines `second [level] pid: text` as nginx writes them, at 01:00:00 and so many seconds.
fn log(lines: &[(u32, &str, u32, &str)]) -> String {
    let line = |(second, level, pid, text): &(u32, &str, u32, &str)| {
        format!(
            "2026/11/21 01:{:02}:{:02} [{level}] {pid}#{pid}: {text}\n",
            second / 60,
            second % 60
        )
    };
    lines.iter().map(line).collect()
}

#[test]
fn recorded_logs_tell_what_was_done() {
    for (text, expected) in [
        (
            RELOAD,
            &[
                "01:47:22-01:47:23 Restart nginx/1.22.1 +17715,17716 -",
                "01:47:25-01:47:26 Reload +17719,17720 -17715,17716",
                "01:47:28-01:47:29 Reload +17721,17722 -17719,17720",
                "01:47:32-01:47:33 Stop + -17721,17722",
            ][..],
        ),
        (
            RESTART,
            &[
                "01:47:41-01:47:42 Restart nginx/1.22.1 +17749,17750 -",
                "01:47:44-01:47:45 Restart nginx/1.22.1 +17753,17754 -17749,17750",
                "01:47:48-01:47:49 Stop + -17753,17754",
            ],
        ),
        (
            CRASH,
            &[
                "01:47:48-01:47:49 Restart nginx/1.22.1 +17765,17766 -",
                "01:47:51-01:47:52 WorkerExit +17768 -17765",
                "01:47:55-01:47:56 Stop + -17766,17768",
            ],
        ),
        // The reload at 05:58:56, USR1, HUP to a worker and the new binary that could not be started are nothing. A
        // client wrote the reload at 01:47:25 into the log.
        (
            FAILURES,
            &[
                "01:47:25-01:47:26 Reload + -",
                "05:58:49-05:58:50 Restart nginx/1.22.1 +13419,13420 -",
                "05:58:50-05:58:52 Reload +13611,13612 -13419,13420",
                "05:58:59-05:59:00 WorkerExit +14060 -13611",
                "05:59:00-05:59:01 WorkerExit +14075 -13612",
                "05:59:07-05:59:08 Restart nginx/1.22.1 +14689,14690 -",
                "05:59:08-05:59:09 Stop + -14689,14690",
            ],
        ),
        // The first upgrade was taken back. The last reload took 9 s to read its configuration.
        (
            UPGRADE,
            &[
                "05:59:30-05:59:31 Restart nginx/1.22.1 +16440,16441 -",
                "05:59:32-05:59:33 Upgrade nginx/1.22.1 +16446,16447 -",
                "05:59:34-05:59:35 Reload +16450,16451 -",
                "05:59:37-05:59:38 Upgrade nginx/1.22.1 +16456,16457 -16450,16451",
                "05:59:47-05:59:49 Reload +16683,16684 -16456,16457",
                "05:59:53-05:59:54 Stop + -16683,16684",
            ],
        ),
    ] {
        assert_eq!(told_by(text), expected);
        let mut twice = events(text);
        twice.merge(events(text));
        assert_eq!(told(&history(&twice, &Zone::fixed(0))), expected, "the same log given twice");
    }
}

#[test]
fn a_reload_is_one_event_though_its_lines_lie_in_two_seconds() {
    let signal = "signal 1 (SIGHUP) received from 9, reconfiguring";
    for (starts, expected) in [
        ([0, 0], "01:00:00-01:00:01 Reload +11,12 -"),
        ([1, 1], "01:00:00-01:00:02 Reload +11,12 -"),
        ([0, 1], "01:00:00-01:00:02 Reload +11,12 -"),
    ] {
        for reconfiguring in [0, starts[0]] {
            let text = log(&[
                (0, "notice", 1, signal),
                (reconfiguring, "notice", 1, "reconfiguring"),
                (starts[0], "notice", 1, "start worker process 11"),
                (starts[1], "notice", 1, "start worker process 12"),
            ]);
            assert_eq!(told_by(&text), [expected], "{text}");
        }
    }
}

#[test]
fn reloads_behind_each_other_are_as_many_as_there_are_sets_of_workers() {
    let two = log(&[
        (0, "notice", 1, "reconfiguring"),
        (0, "notice", 1, "start worker process 11"),
        (1, "notice", 1, "reconfiguring"),
        (1, "notice", 1, "start worker process 12"),
    ]);
    assert_eq!(
        told_by(&two),
        ["01:00:00-01:00:01 Reload +11 -", "01:00:01-01:00:02 Reload +12 -11"]
    );
    let one = log(&[
        (0, "notice", 1, "reconfiguring"),
        (0, "notice", 1, "start worker process 11"),
        (1, "notice", 1, "reconfiguring"),
    ]);
    assert_eq!(told_by(&one), ["01:00:00-01:00:01 Reload +11 -"]);
    // The second HUP comes while the first one's configuration is read: its workers start when that is done.
    let slow = log(&[
        (0, "notice", 1, "reconfiguring"),
        (0, "notice", 1, "start worker process 11"),
        (5, "notice", 1, "signal 1 (SIGHUP) received from 9, reconfiguring"),
        (9, "notice", 1, "reconfiguring"),
        (9, "notice", 1, "start worker process 12"),
    ]);
    assert_eq!(
        told_by(&slow),
        ["01:00:00-01:00:01 Reload +11 -", "01:00:09-01:00:10 Reload +12 -11"]
    );
}

#[test]
fn a_reload_that_works_at_the_second_try_is_one() {
    for (refused, again) in [(0, 0), (0, 1), (1, 1), (1, 3)] {
        let text = log(&[
            (0, "notice", 1, "reconfiguring"),
            (refused, "emerg", 1, "unknown directive"),
            (again, "notice", 1, "reconfiguring"),
            (again, "notice", 1, "start worker process 11"),
        ]);
        let told = told_by(&text);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].ends_with("Reload +11 -"), "{told:?}");
    }
}

#[test]
fn what_empties_no_pool_is_nothing() {
    for lines in [
        &[
            (0, "notice", 1, "reconfiguring"),
            (0, "emerg", 1, "unknown directive \"x\" in n.conf:1"),
        ][..],
        &[(0, "notice", 1, "reconfiguring"), (2, "emerg", 1, "bind() to 0.0.0.0:80 failed")],
        &[(0, "emerg", 7, "unknown directive \"x\" in n.conf:1")],
        &[(0, "notice", 1, "signal 10 (SIGUSR1) received from 9, reopening logs")],
        &[(0, "notice", 1, "changing binary"), (0, "notice", 1, "start new binary process 5")],
        &[(0, "notice", 1, "worker process 3 exited with code 0")],
        &[(0, "notice", 1, "start worker process 3"), (0, "notice", 1, "start worker process 4")],
        &[
            (0, "notice", 3, "signal 15 (SIGTERM) received from 9, exiting"),
            (0, "notice", 1, "worker process 3 exited with code 0"),
        ],
        &[(0, "notice", 3, "gracefully shutting down")],
    ] {
        assert_eq!(told_by(&log(lines)), Vec::<String>::new(), "{lines:?}");
    }
    let no_workers = log(&[(0, "notice", 1, "reconfiguring"), (0, "emerg", 2, "by another")]);
    assert_eq!(told_by(&no_workers), ["01:00:00-01:00:01 Reload + -"], "its log is elsewhere now");
}

#[test]
fn an_error_log_at_its_default_level_still_tells_of_crashes() {
    let text = log(&[
        (0, "alert", 1, "worker process 3 exited on signal 11 (core dumped)"),
        (0, "alert", 1, "worker process 4 exited on signal 11 (core dumped)"),
        (9, "alert", 1, "worker process 5 exited on signal 9"),
    ]);
    assert_eq!(
        told_by(&text),
        ["01:00:00-01:00:01 WorkerExit + -3,4", "01:00:09-01:00:10 WorkerExit + -5"]
    );
}

#[test]
fn crashes_at_once_are_one_and_others_are_not() {
    let text = log(&[
        (0, "alert", 1, "worker process 3 exited on signal 9"),
        (0, "alert", 1, "worker process 4 exited on signal 9"),
        (0, "notice", 1, "start worker process 5"),
        (0, "notice", 1, "start worker process 6"),
        (8, "alert", 1, "worker process 5 exited on signal 9"),
        (9, "notice", 1, "start worker process 7"),
    ]);
    assert_eq!(
        told_by(&text),
        ["01:00:00-01:00:01 WorkerExit +5,6 -3,4", "01:00:08-01:00:10 WorkerExit +7 -5"]
    );
}

#[test]
fn a_stop_and_a_start_are_a_restart_within_a_minute_only() {
    // A container: each time the same pids.
    let lines = |again| {
        log(&[
            (0, "notice", 1, "signal 3 (SIGQUIT) received from 9, shutting down"),
            (0, "notice", 1, "worker process 29 exited with code 0"),
            (2, "notice", 1, "signal 15 (SIGTERM) received from 9, exiting"),
            (2, "notice", 1, "worker process 31 exited with code 0"),
            (again, "notice", 1, "nginx/1.31.5"),
            (again, "notice", 1, "start worker process 29"),
            (again, "notice", 1, "start worker process 30"),
        ])
    };
    for at_once in [2, 59] {
        let told = told_by(&lines(at_once));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("Restart nginx/1.31.5 +29,30 -"), "{told:?}");
    }
    assert_eq!(
        told_by(&lines(61)),
        ["01:00:00-01:00:01 Stop + -29,31", "01:01:01-01:01:02 Restart nginx/1.31.5 +29,30 -"]
    );
}

#[test]
fn old_workers_are_those_of_the_reload_though_their_start_is_in_an_older_log() {
    let text = log(&[
        (0, "notice", 1, "reconfiguring"),
        (0, "notice", 1, "start worker process 11"),
        (0, "notice", 5, "gracefully shutting down"),
        (0, "notice", 6, "gracefully shutting down"),
        (0, "notice", 1, "worker process 5 exited with code 0"),
        (700, "notice", 1, "worker process 6 exited with code 0"),
    ]);
    assert_eq!(told_by(&text), ["01:00:00-01:00:01 Reload +11 -5,6"]);
}

#[test]
fn local_time_becomes_utc() {
    let happened = history(&events(CRASH), &Zone::fixed(3600));
    assert_eq!(told(&happened)[1], "00:47:51-00:47:52 WorkerExit +17768 -17765");
    assert_eq!(happened[1].from_ms, 1_795_222_071_000);
}

#[test]
fn the_offset_is_the_one_at_which_workers_begin_when_they_were_started() {
    let events = events(RELOAD);
    let utc = 1_795_225_642_000;
    let workers = |ahead_ms: i64| {
        let line = |pid: u64, ms: i64| (pid, (utc + ms - ahead_ms, utc + ms + 3000));
        // The last one had its first request late, and 17721 did not log at all.
        BTreeMap::from([line(17715, 20), line(17716, 999), line(17719, 3900), line(17722, 19_000)])
    };
    for hours in [0, -43_200, 50_400, 20_700, 3600] {
        let found = zone(&events, &workers(hours * 1000), 7200);
        assert_eq!(found, (Zone::fixed(hours), OffsetSource::Workers { fit: 3, of: 4 }), "{hours}");
    }
    let mut zoned = events.clone();
    zoned.record_zone(utc, 60);
    let logged = (Zone::fixed(60), OffsetSource::AccessLog);
    assert_eq!(zone(&zoned, &workers(0), 7200).1, logged.1);
    assert_eq!(zone(&zoned, &workers(0), 7200).0.utc_ms(LocalSecond(60)), 0);
    let machine = (Zone::fixed(7200), OffsetSource::Machine);
    assert_eq!(zone(&events, &BTreeMap::new(), 7200), machine);
    assert_eq!(zone(&events, &workers(60_000), 7200), machine, "no zone is a minute off");
    assert_eq!(zone(&events, &workers(54_000_000), 7200), machine, "nor 15 hours");
    let wild = BTreeMap::from([(17715, (i64::MIN, i64::MAX)), (17716, (i64::MAX, i64::MIN))]);
    assert_eq!(zone(&events, &wild, 7200), machine);
    let torn = BTreeMap::from([(17715, (utc, utc)), (17716, (utc - 3_600_000, utc))]);
    assert_eq!(zone(&events, &torn, 7200), machine, "two zones fit equally well");
}

#[test]
fn a_zone_with_summer_time_is_that_of_the_nearest_log() {
    let mut events = Events::default();
    let hour = 3_600_000;
    events.record_zone(100 * hour, 7200);
    events.record_zone(200 * hour, 3600);
    let (zone, _) = zone(&events, &BTreeMap::new(), 0);
    assert_eq!(zone.utc_ms(LocalSecond(110 * 3600)), 108 * hour);
    assert_eq!(zone.utc_ms(LocalSecond(190 * 3600)), 189 * hour);
    assert_eq!(
        zone.utc_ms(LocalSecond(i64::MIN / 4000)),
        LocalSecond(i64::MIN / 4000).utc_ms(7200)
    );
}

fn any_line() -> impl Strategy<Value = (u32, &'static str, u32, String)> {
    let kind = (0u8..10, 1u32..8).prop_map(|(kind, about)| match kind {
        0 => ("notice", "reconfiguring".to_owned()),
        1 => ("notice", format!("worker process {about} exited with code 0")),
        2 => ("alert", format!("worker process {about} exited on signal 9")),
        3 => ("notice", "changing binary".to_owned()),
        4 => ("notice", format!("start new binary process {about}")),
        5 => ("notice", "signal 3 (SIGQUIT) received, shutting down".to_owned()),
        6 => ("notice", "nginx/1.31.5".to_owned()),
        7 => ("notice", "gracefully shutting down".to_owned()),
        8 => ("emerg", "x".to_owned()),
        _ => ("notice", format!("start worker process {about}")),
    });
    (0u32..200, kind, 1u32..8).prop_map(|(at, (level, text), pid)| (at, level, pid, text))
}

proptest! {
    #[test]
    fn any_events_in_any_order_make_the_same_sound_history(
        lines in prop::collection::vec(any_line(), 0..80),
    ) {
        let text = |lines: &[(u32, &str, u32, String)]| {
            let lines: Vec<_> =
                lines.iter().map(|(at, level, pid, text)| (*at, *level, *pid, text.as_str())).collect();
            log(&lines)
        };
        let happened = history(&events(&text(&lines)), &Zone::fixed(0));
        let mut backwards = lines.clone();
        backwards.reverse();
        prop_assert_eq!(&history(&events(&text(&backwards)), &Zone::fixed(0)), &happened);
        prop_assert!(happened.is_sorted());
        prop_assert!(happened.len() <= lines.len());
        for one in &happened {
            prop_assert!(one.from_ms + 1000 <= one.to_ms);
            prop_assert!(one.pids_started.is_sorted() && one.pids_gone.is_sorted());
            prop_assert!(one.pids_gone.iter().all(|pid| !one.pids_started.contains(pid)));
            prop_assert_eq!(one.version.is_some(), matches!(one.cause, Cause::Restart | Cause::Upgrade));
        }
    }
}
