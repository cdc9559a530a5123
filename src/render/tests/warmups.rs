//! Which warm-ups are shown, and what is said of them.

use super::*;
use crate::analysis::report::{Period, UpstreamWarmup};
use crate::render::windows;

fn top(n: usize) -> Options {
    Options { top: Some(n), ..Options::default() }
}

#[test]
fn the_last_and_the_costliest_windows_are_shown_by_time() {
    let report = fixture::warmup();
    let costs = |top| -> Vec<u64> {
        windows::shown(&report, top).iter().map(|window| window.handshake_ms).collect()
    };
    assert_eq!(costs(Some(1)), [900]);
    assert_eq!(costs(Some(3)), [61_300, 9_120, 900]);
    assert_eq!(costs(None), [61_300, 5_120, 9_120, 431, 93, 12, 13, 14, 15, 900]);
    assert_eq!(costs(Some(100)).len(), report.warmups.len());
}

#[test]
fn windows_that_are_not_shown_are_counted_one_by_one() {
    let report = fixture::warmup();
    for format in [Format::Table, Format::Markdown] {
        let text = rendered(&report, format, &top(1));
        // All but the last, and each of the series.
        let hidden =
            "298 more warm-ups are not shown: they cost 6,298 handshakes = 1.2 min of waiting\n";
        assert!(text.contains(hidden), "{text}");
        assert!(rendered(&report, format, &top(12)).contains("1 more warm-up is not shown: it "));
        assert!(!rendered(&report, format, &top(13)).contains("not shown: "));
        let none = rendered(&report, format, &top(0));
        assert!(none.contains("299 more warm-ups are not shown") && !none.contains("warm after -"));
    }
}

#[test]
fn moments_have_a_date_only_if_the_first_line_does_not_say_it() {
    let mut report = fixture::warmup();
    report.warmups.truncate(1);
    let pipe = |report: &Report| rendered(report, Format::Table, &Options::default());
    assert!(pipe(&report).contains("\n2026-11-21 02:45:42  287 reloads, every 5 min "));
    report.period = Some(Period { to_ms: 1_795_235_542_881, ..report.period.unwrap() });
    assert!(pipe(&report).contains("\n02:45:42       287 reloads, every 5 min "));
}

#[test]
fn a_window_that_is_all_there_is_has_no_line_beside_its_row() {
    let mut report = fixture::warmup();
    report.warmups.drain(..11);
    report.warmups.truncate(1);
    for upstream in &mut report.upstreams {
        upstream.warmup = None;
    }
    let paid = UpstreamWarmup { events: 1, warm_ms: Some(250), excess_new: 6, handshake_ms: 15 };
    report.upstreams[2].warmup = Some(paid);
    assert_eq!(windows::by_upstream(&report, None), [""; 0]);
    // Of this one, most new connections do not show.
    report.upstreams[0].warmup = Some(UpstreamWarmup { handshake_ms: 0, warm_ms: None, ..paid });
    assert_eq!(
        windows::by_upstream(&report, None),
        [
            "tls: 1 reload cost 6 handshakes = 15 ms of waiting, warm after 250 ms",
            "bad: 1 reload cost at least 6 handshakes, not seen warm",
        ]
    );
    let said = windows::by_upstream(&report, Some(1));
    assert_eq!(
        said,
        [
            "tls: 1 reload cost 6 handshakes = 15 ms of waiting, warm after 250 ms",
            "1 more upstream: warm-ups cost 6 handshakes"
        ]
    );
}

#[test]
fn a_series_is_warm_when_the_slowest_upstream_usually_is() {
    let mut report = fixture::warmup();
    let cell = |report: &Report| {
        windows::cell(windows::Column::WarmAfter, &report.warmups[0], report, false)
    };
    assert_eq!(cell(&report), "3.1 s");
    report.upstreams[2].warmup = None;
    assert_eq!(cell(&report), "-", "too fast to tell for the other");
}

#[test]
fn bars_need_room_and_a_terminal() {
    let report = fixture::warmup();
    let has = |options| rendered(&report, Format::Table, &options).contains("a bar is 1.6 h:");
    assert!(has(terminal(80)) && has(terminal(200)));
    assert!(!has(terminal(79)) && !has(Options::default()));
}

#[test]
fn bars_need_a_timeline_with_enough_steps() {
    let mut report = fixture::warmup();
    for upstream in &mut report.upstreams {
        upstream.timeline.truncate(1);
    }
    assert!(!rendered(&report, Format::Table, &terminal(120)).contains("a bar is"));
}
