use super::*;
use crate::fold::{Choice, Fold, Reader, Recipe};
use crate::log_format::{Escape, LogFormat};
use crate::record::error_log::{Kind, LocalSecond};
use proptest::prelude::*;

/// 2026-11-21T00:00:00Z
const NOW: i64 = 1_795_219_200_000;
const HOUR: i64 = 3_600_000;

fn recipe(format: &str) -> Recipe {
    let format = LogFormat::from_string("main", format, Escape::Default).unwrap();
    Recipe::new(&format, None, Choice::default(), "access.log")
}

/// All that evidence needs: serial numbers, attempts in flight, workers.
fn full() -> Recipe {
    recipe(
        "$msec $request_time $pid $connection $connection_requests $proxy_host \"$upstream_addr\" \
         \"$upstream_connect_time\" \"$upstream_response_time\"",
    )
}

/// A line that was written so many milliseconds before [`NOW`].
fn line(ago: i64, worker: u64, serial: u64, peer: u64, connect: &str) -> String {
    let ms = NOW - ago;
    format!(
        "{}.{:03} 0.020 {worker} {serial} 1 app \"10.0.0.{peer}:80\" \"{connect}\" \"0.020\"",
        ms / 1000,
        ms % 1000
    )
}

fn plain(ago: i64) -> String {
    line(ago, 7, 1, 1, "0.000")
}

fn count(part: &mut Part, lines: &[String]) {
    let (recipe, mut reader) = (full(), Reader::default());
    for line in lines {
        reader.line(&recipe, line.as_bytes(), part).unwrap();
    }
}

/// Slices that took in these lines at [`NOW`].
fn of(lines: &[String]) -> Slices {
    let mut slices = Slices::new(HOUR);
    let mut part = slices.part(NOW);
    count(&mut part, lines);
    slices.take([part], NOW);
    slices
}

fn lines_in(slices: &Slices, span_ms: i64, now_ms: i64) -> u64 {
    slices.window(span_ms, now_ms, &mut Closed::default()).summary.lines.matched
}

/// The same lines as `keepwarm report --since` reads them.
fn report(lines: &[String], from_ms: i64) -> Summary {
    let (recipe, mut fold) = (full().since(from_ms), Fold::default());
    for line in lines {
        fold.line(&recipe, line.as_bytes()).unwrap();
    }
    fold.summary
}

/// Windows know of no other lines than their own.
fn without_filtered(mut summary: Summary) -> Summary {
    summary.lines.lines -= summary.lines.filtered;
    summary.lines.filtered = 0;
    summary
}

#[test]
fn a_line_goes_to_the_windows_of_its_own_time() {
    for (ago_s, minute, five, hour, why) in [
        (0, 1, 1, 1, "now"),
        (-30, 1, 1, 1, "a clock that is ahead a little"),
        (-61, 0, 0, 0, "from the future"),
        (60, 1, 1, 1, "the first slice is a whole one"),
        (61, 0, 1, 1, "older than a minute"),
        (301, 0, 0, 1, "older than five"),
        (3600, 0, 0, 1, "as old as can be"),
        (3601, 0, 0, 0, "older"),
        (1_000_000, 0, 0, 0, "from long ago"),
    ] {
        let mut slices = of(&[plain(0)]);
        let mut part = slices.part(NOW);
        count(&mut part, &[plain(ago_s * 1000)]);
        slices.take([part], NOW);
        let seen = [60_000, 300_000, HOUR].map(|span| lines_in(&slices, span, NOW) - 1);
        assert_eq!(seen, [minute, five, hour], "{why}");
        let (late, ahead) = (u64::from(ago_s > 3600), u64::from(ago_s < -60));
        assert_eq!((slices.late(), slices.ahead()), (late, ahead), "{why}");
    }
}

#[test]
fn windows_run_empty_in_silence() {
    let mut slices = of(&[plain(0)]);
    for (later_s, minute, hour) in [(30, 1, 1), (90, 0, 1), (3500, 0, 1), (3700, 0, 0)] {
        let now = NOW + later_s * 1000;
        slices.take([], now);
        let seen = [60_000, HOUR].map(|span| lines_in(&slices, span, now));
        assert_eq!(seen, [minute, hour], "after {later_s} s");
    }
    assert!(slices.fine.is_empty() && slices.coarse.is_empty(), "nothing is kept for ever");
}

#[test]
fn an_old_log_is_replayed_in_its_own_time() {
    let day = 24 * HOUR;
    let lines: Vec<String> = (0..7200).rev().map(|second| plain(day + second * 1000)).collect();
    let mut slices = Slices::new(HOUR);
    for chunk in lines.chunks(500) {
        let mut part = slices.part(NOW);
        count(&mut part, chunk);
        slices.take([part], NOW);
    }
    assert_eq!(slices.end(NOW), NOW - day);
    assert_eq!(slices.lag_ms(), Some(day));
    for (span_ms, from, to) in [(60_000, 61, 65), (HOUR, 3601, 3660)] {
        assert!((from..=to).contains(&lines_in(&slices, span_ms, NOW)), "{span_ms} ms");
    }
    // All at once is the same.
    assert_eq!(
        of(&lines).window(HOUR, NOW, &mut Closed::default()),
        slices.window(HOUR, NOW, &mut Closed::default())
    );
    assert_eq!(slices.late(), 0);
}

#[test]
fn a_clock_that_is_set_back_does_not_stop_the_windows() {
    let mut slices = of(&[plain(0), plain(HOUR)]);
    let back = NOW - HOUR + 10_000;
    slices.take([], back);
    assert_eq!(slices.end(back), back);
    assert_eq!(lines_in(&slices, 60_000, back), 1, "what was written at that time is there again");
    assert_eq!(lines_in(&slices, HOUR, back), 1, "and the future is gone");
    let mut part = slices.part(back);
    count(&mut part, &[plain(HOUR - 9_000)]);
    slices.take([part], back + 1000);
    assert_eq!(lines_in(&slices, 60_000, back + 1000), 2);
}

#[test]
fn hostile_times_take_bounded_memory() {
    let slices = Slices::new(HOUR);
    let mut part = slices.part(NOW);
    let lines: Vec<String> = (0..5000).map(|i| plain(i * i * 10_000)).collect();
    count(&mut part, &lines);
    assert_eq!(part.line_counts().matched, 5000, "and none is lost");
    let counted: u64 = part.summaries().map(|summary| summary.lines.matched).sum();
    assert_eq!(counted, 5000);
    let slices = part.into_slices().count();
    assert!(slices <= 200, "{slices}");
}

#[test]
fn lines_without_a_time_are_of_the_time_when_they_came() {
    let recipe = recipe("\"$upstream_addr\" \"$upstream_connect_time\"");
    let mut slices = Slices::new(HOUR);
    let (mut part, mut reader) = (slices.part(NOW), Reader::default());
    part.set_now(NOW + 30_000);
    reader.line(&recipe, b"\"10.0.0.1:80\" \"0.000\"", &mut part).unwrap();
    slices.take([part.hand_over()], NOW + 30_000);
    assert_eq!(lines_in(&slices, 60_000, NOW + 80_000), 1);
    assert_eq!(lines_in(&slices, 60_000, NOW + 100_000), 0);
    assert!(part.is_empty());
}

#[test]
fn what_does_not_fit_is_counted_and_in_no_window() {
    let (mut slices, mut reader) = (Slices::new(HOUR), Reader::default());
    let mut part = slices.part(NOW);
    reader.line(&full(), b"what?", &mut part).unwrap_err();
    let lines = part.line_counts();
    assert_eq!((lines.lines, lines.malformed), (1, 1));
    slices.take([part], NOW);
    assert_eq!(slices.window(HOUR, NOW, &mut Closed::default()).summary, Summary::default());
}

#[test]
fn events_are_kept_as_long_as_windows_may_need_them() {
    let event = |at| ErrorLogEvent { at: LocalSecond(at), kind: Kind::Reload, pid: 1, about: None };
    let mut slices = Slices::new(HOUR);
    let mut part = slices.part(NOW);
    count(&mut part, &[plain(0)]);
    part.event(event(NOW / 1000));
    part.event(event(NOW / 1000 - 2 * 86_400));
    slices.take([part], NOW);
    assert_eq!(slices.window(HOUR, NOW, &mut Closed::default()).summary.events.iter().count(), 1);
}

#[test]
fn longer_windows_fill_when_they_are_asked_for() {
    let mut slices = Slices::new(60_000);
    for keeps_more in [false, true] {
        if keeps_more {
            slices.keep(HOUR);
        }
        let mut part = slices.part(NOW);
        count(&mut part, &[plain(1_200_000), plain(0)]);
        slices.take([part], NOW);
        assert_eq!(lines_in(&slices, HOUR, NOW), if keeps_more { 3 } else { 1 });
    }
}

#[test]
fn the_ends_of_time_do_not_panic() {
    for now in [i64::MIN, 0, i64::MAX] {
        let mut slices = of(&[plain(0)]);
        slices.take([slices.part(now)], now);
        slices.window(HOUR, now, &mut Closed::default());
    }
}

fn any_line() -> impl Strategy<Value = String> {
    let connect = prop::sample::select(vec!["0.000", "0.000", "0.001", "0.004", "-"]);
    (-30_000..4_000_000i64, 7..10u64, 1..3000u64, 1..4u64, connect)
        .prop_map(|(ago, worker, serial, peer, connect)| line(ago, worker, serial, peer, connect))
}

proptest! {
    #[test]
    fn a_window_is_a_report_of_its_lines(
        lines in prop::collection::vec(any_line(), 0..200),
        span_s in 5..3600i64,
    ) {
        let mut lines = lines;
        lines.push(plain(0));
        let window = of(&lines).window(span_s * 1000, NOW, &mut Closed::default());
        let asked_from = NOW - span_s * 1000;
        prop_assert!(window.from_ms <= asked_from && window.from_ms > asked_from - COARSE_MS);
        prop_assert_eq!(window.summary, without_filtered(report(&lines, window.from_ms)));
    }

    #[test]
    fn threads_and_order_change_nothing(
        lines in prop::collection::vec(any_line(), 0..200),
        threads in 1..4usize,
        ticks in 1..5usize,
    ) {
        let whole = of(&lines);
        let mut slices = Slices::new(HOUR);
        for chunk in lines.chunks(lines.len() / ticks + 1) {
            let mut parts: Vec<Part> = (0..threads).map(|_| slices.part(NOW)).collect();
            for (at, line) in chunk.iter().enumerate() {
                count(&mut parts[at % threads], std::slice::from_ref(line));
            }
            parts.reverse();
            slices.take(parts, NOW);
        }
        let stored = crate::summary::codec::encode(&slices).unwrap();
        let back: Slices = crate::summary::codec::decode(&stored).unwrap();
        prop_assert_eq!((back.late(), back.ahead()), (0, 0));
        let Slices { late, ahead, changes, last_end_ms, .. } = slices;
        prop_assert_eq!(&Slices { late, ahead, changes, last_end_ms, ..back }, &slices);
        for span_ms in [60_000, 300_000, HOUR] {
            prop_assert_eq!(slices.window(span_ms, NOW, &mut Closed::default()), whole.window(span_ms, NOW, &mut Closed::default()));
        }
    }
}

/// What happens to slices: so many seconds pass, and a line comes that is so many milliseconds old.
fn any_step() -> impl Strategy<Value = (i64, i64)> {
    let ago = prop_oneof![0..3_000i64, 0..90_000i64, -70_000..4_000_000i64];
    (prop_oneof![4 => Just(1i64), 1 => 0..30i64, 1 => -40..400i64], ago)
}

proptest! {
    #[test]
    fn what_is_kept_of_a_window_changes_nothing(
        steps in prop::collection::vec(any_step(), 0..80),
        looks in 1..5usize,
    ) {
        let mut slices = Slices::new(HOUR);
        let mut kept = [5_000, 60_000, 300_000, HOUR].map(|span_ms| (span_ms, Closed::default()));
        let mut now = NOW;
        for (at, (seconds, ago)) in steps.into_iter().enumerate() {
            now += seconds * 1000;
            let mut part = slices.part(now);
            count(&mut part, &[plain(NOW - now + ago)]);
            slices.take([part], now);
            for (span_ms, closed) in kept.iter_mut().filter(|_| at % looks == 0) {
                let fresh = slices.window(*span_ms, now, &mut Closed::default());
                prop_assert_eq!(slices.window(*span_ms, now, closed), fresh);
            }
        }
    }
}
