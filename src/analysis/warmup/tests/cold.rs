//! Pools that stay cold, and windows that end with the log.

use super::*;

/// Two workers of 50 requests/s each that are reloaded every `every` ms, so many times.
fn reloads(every: i64, count: i64, end: i64) -> Vec<Working> {
    (0..=count)
        .flat_map(|n| {
            let serial = 1000 + 100_000 * n.unsigned_abs();
            let pid = 100 + 10 * n.unsigned_abs();
            let to = if n == count { end } else { every * (n + 1) - 10 };
            let one = |at: i64| Working {
                step: 20,
                ..working(pid + at.unsigned_abs(), every * n + at, to, serial + at.unsigned_abs())
            };
            [one(0), one(1)]
        })
        .collect()
}

/// The log where one in `nth` attempts of requests that ended in this time opens a connection.
fn cold(mut lines: Vec<(i64, String)>, from: i64, to: i64, nth: usize) -> Vec<(i64, String)> {
    let inside = lines.iter_mut().filter(|(at, _)| (from..to).contains(at));
    for (_, line) in inside.step_by(nth) {
        *line = line.replace("\"0.000\"", "\"0.003\"");
    }
    lines
}

fn rules(report: &Report) -> Vec<&'static str> {
    report.findings.iter().map(|finding| finding.rule).collect()
}

#[test]
fn a_pool_that_stays_cold_is_not_its_own_measure() {
    for (at, end) in [(300_000, 600_000), (600_000, 900_000), (900_000, 1_800_000)] {
        for nth in [1, 2, 10] {
            let lines = cold(log(&reloads(at, 1, end)), at, end + 100, nth);
            let report = report(&lines, &[]);
            let [warmup] = &report.warmups[..] else { panic!("{:?}", report.warmups) };
            assert_eq!(warmup.end_ms, None, "1 of {nth} from {at} to {end}: {warmup:?}");
            // 100 requests/s, of which two in a hundred may be new.
            let new = u64::try_from((end - at) / 10).unwrap() / u64::try_from(nth).unwrap();
            assert!(warmup.excess_new >= new * 3 / 4, "{new}: {warmup:?}");
            assert_eq!(rules(&report).contains(&"never_warm"), nth <= 2, "{:?}", report.findings);
        }
    }
}

#[test]
fn more_traffic_behind_a_reload_is_no_cold_pool() {
    // Three times as many requests from then on, and one in ten of all opens a connection.
    let mut workers = reloads(300_000, 1, 600_000);
    workers[2..].iter_mut().for_each(|worker| worker.step = 7);
    let report = report(&cold(log(&workers), 0, 600_000, 10), &[]);
    let took = report.warmups[0].end_ms.unwrap() - report.warmups[0].start_ms;
    assert!(took < 1000, "{:?}", report.warmups);
}

#[test]
fn one_of_a_series_that_stays_cold_stays_by_itself() {
    let lines = cold(log(&reloads(100_000, 8, 1_000_000)), 800_000, 1_000_100, 1);
    let report = report(&lines, &[]);
    let [series, last] = &report.warmups[..] else { panic!("{:?}", report.warmups) };
    assert_eq!((series.count, series.period_ms), (7, Some(100_000)));
    assert!(series.end_ms.is_some());
    assert_eq!((last.count, last.end_ms, last.start_ms - BEGIN), (1, None, 800_000));
    assert!(rules(&report).contains(&"never_warm"), "{:?}", report.findings);
    assert!(!rules(&report).contains(&"reload_cost"), "{:?}", report.findings);
}

#[test]
fn pools_that_are_cold_after_each_of_many_reloads_never_got_warm() {
    let lines = cold(log(&reloads(100_000, 7, 800_000)), 300_000, 800_100, 1);
    let report = report(&lines, &[]);
    let counts: Vec<_> =
        report.warmups.iter().map(|window| (window.count, window.end_ms.is_some())).collect();
    assert_eq!(counts, [(1, true), (1, true), (5, false)], "{:?}", report.warmups);
    assert!(rules(&report).contains(&"never_warm"), "{:?}", report.findings);
    let took = report.upstreams.iter().map(|upstream| upstream.warmup.unwrap().warm_ms);
    assert!(took.eq([None, None]), "most were not seen warm");
}

#[test]
fn the_end_of_the_log_says_nothing_of_a_series() {
    // Pools are warm after 3.6 s, and of the last reload there are 3 s.
    let workers = reloads(100_000, 8, 803_000);
    let workers: Vec<Working> =
        workers.into_iter().map(|worker| Working { opens: 60, ..worker }).collect();
    let report = report(&log(&workers), &[]);
    let [series] = &report.warmups[..] else { panic!("{:?}", report.warmups) };
    assert_eq!(series.count, 8);
    assert!(series.end_ms.is_some(), "{series:?}");
}
