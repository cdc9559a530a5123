//! Series of warm-ups, and the order of lines.

use super::*;

#[test]
fn reloads_at_equal_distances_are_told_as_one() {
    let generations = (0..8).flat_map(|i: i64| {
        let serial = 1000 + 1000 * u64::try_from(i).unwrap();
        let pid = 100 + 2 * u64::try_from(i).unwrap();
        let (from, to) = (20_000 * i, 20_000 * i + 19_990);
        [working(pid, from, to, serial), working(pid + 1, from + 5, to, serial + 1)]
    });
    let generations: Vec<Working> = generations.collect();
    let report = report(&log(&generations), &[]);
    let [warmup] = &report.warmups[..] else { panic!("{:?}", report.warmups) };
    assert_eq!((warmup.cause, warmup.count, warmup.period_ms), (Cause::Reload, 7, Some(20_000)));
    assert_eq!(warmup.new_connections, 7 * 18);
    assert_eq!(warmup.start_ms - BEGIN, 20_000);
}

#[test]
fn the_same_lines_in_any_order_give_the_same_warm_ups() {
    let new = [working(110, 10_020, 20_000, 1500), working(111, 10_027, 20_000, 1501)];
    let mut lines = with(&OLD, &new);
    let forward = report(&lines, &[]);
    lines.reverse();
    assert_eq!(report(&lines, &[]).warmups, forward.warmups);
}

#[test]
fn hosts_that_are_reloaded_one_after_the_other_are_no_series() {
    let mut fold = Fold::default();
    for host in 0..6 {
        let (pid, at) = (1000 * (host + 1), 5000 * i64::try_from(host).unwrap());
        let on = |pid, from, to, serial| working(pid, from, to, serial);
        let lines = log(&[
            on(pid, 0, 40_000 + at, 1001),
            on(pid + 1, 5, 40_000 + at, 1002),
            on(pid + 10, 40_020 + at, 80_000, 9001),
            on(pid + 11, 40_027 + at, 80_000, 9002),
        ]);
        let name = format!("host{host}/access.log");
        add(&mut fold, FORMAT, &name, lines.iter().map(|(_, line)| line.as_str()), &[]);
    }
    let report = analyse(fold.summary, InputStats::default(), &Policy::default());
    let expected: Vec<_> = (0..6).map(|i| (Cause::Reload, 40_020 + 5000 * i, false)).collect();
    assert_eq!(found(&report), expected);
}

#[test]
fn where_only_some_logs_tell_pids_a_burst_is_nobodys() {
    let mut fold = Fold::default();
    let told = log(&[working(100, 0, 60_000, 1001), working(101, 5, 60_000, 1002)]);
    for (name, lines, hidden) in
        [("a.log", told, &[][..]), ("b.log", burst(&[1], 300, false), &ALL)]
    {
        add(&mut fold, FORMAT, name, lines.iter().map(|(_, line)| line.as_str()), hidden);
    }
    let report = analyse(fold.summary, InputStats::default(), &Policy::default());
    for (cause, start, suspected) in found(&report) {
        assert_eq!((cause, start, suspected), (Cause::Unknown, 30_000, true));
    }
}
