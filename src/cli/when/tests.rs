use jiff::civil::date;
use jiff::tz::TimeZone;

use super::*;

/// Central European time by its rule, so that no time zone database is needed.
fn berlin() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
}

fn now() -> Zoned {
    date(2026, 11, 21).at(3, 4, 5, 678_000_000).to_zoned(berlin()).unwrap()
}

/// Both sides are compared as text: a failure then shows moments, not milliseconds.
fn check(now: &Zoned, cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let ms = parse(text, now).unwrap_or_else(|error| panic!("{text}: {}", error.message()));
        let moment = Timestamp::from_millisecond(ms).unwrap();
        assert_eq!(format!("{moment:.3}"), *expected, "{text}");
    }
}

#[test]
fn moments_with_a_zone_mean_the_same_everywhere() {
    check(
        &now(),
        &[
            ("2026-11-21T10:00:05Z", "2026-11-21T10:00:05.000Z"),
            ("2026-11-21t10:00:05.123z", "2026-11-21T10:00:05.123Z"),
            ("2026-11-21T10:00:05.1239+02:00", "2026-11-21T08:00:05.123Z"),
            ("2026-11-21 10:00 +0200", "2026-11-21T08:00:00.000Z"),
            ("2026-11-21 10:00:05 -02", "2026-11-21T12:00:05.000Z"),
            ("2026-11-21 10:00 UTC", "2026-11-21T10:00:00.000Z"),
            ("21/Nov/2026:10:00:00 +0000", "2026-11-21T10:00:00.000Z"),
            ("21/nov/2026:10:00:00 -0530", "2026-11-21T15:30:00.000Z"),
            ("1795226603", "2026-11-21T02:03:23.000Z"),
            ("1795226603.023", "2026-11-21T02:03:23.023Z"),
            ("@1795226603.5", "2026-11-21T02:03:23.500Z"),
            ("@0", "1970-01-01T00:00:00.000Z"),
            ("  2026-11-21T10:00:05Z ", "2026-11-21T10:00:05.000Z"),
        ],
    );
}

#[test]
fn moments_without_a_zone_are_local() {
    check(
        &now(),
        &[
            ("2026-11-21", "2026-11-20T23:00:00.000Z"),
            ("2026-07-01", "2026-06-30T22:00:00.000Z"),
            ("2026-11-21 10:00", "2026-11-21T09:00:00.000Z"),
            ("2026-11-21T10:00:05.1", "2026-11-21T09:00:05.100Z"),
            ("21/Nov/2026", "2026-11-20T23:00:00.000Z"),
            ("21/Nov/2026:10:00:07", "2026-11-21T09:00:07.000Z"),
            ("01:00", "2026-11-21T00:00:00.000Z"),
            ("23:59:59.999", "2026-11-21T22:59:59.999Z"),
            ("today", "2026-11-20T23:00:00.000Z"),
            ("today 00:30", "2026-11-20T23:30:00.000Z"),
            ("Yesterday", "2026-11-19T23:00:00.000Z"),
            ("yesterday 10:00:05", "2026-11-20T09:00:05.000Z"),
            ("now", "2026-11-21T02:04:05.678Z"),
        ],
    );
}

#[test]
fn spans_count_back_from_now() {
    check(
        &now(),
        &[
            ("2h", "2026-11-21T00:04:05.678Z"),
            ("2h ago", "2026-11-21T00:04:05.678Z"),
            ("2 hours ago", "2026-11-21T00:04:05.678Z"),
            ("1d2h", "2026-11-20T00:04:05.678Z"),
            ("90 min ago", "2026-11-21T00:34:05.678Z"),
            ("90m", "2026-11-21T00:34:05.678Z"),
            ("1 week ago", "2026-11-14T02:04:05.678Z"),
            ("1 day, 30 s ago", "2026-11-20T02:03:35.678Z"),
            ("1mo", "2026-10-21T01:04:05.678Z"),
            ("500ms", "2026-11-21T02:04:05.178Z"),
        ],
    );
}

#[test]
fn days_follow_the_clocks_when_they_change() {
    // 2026-03-29: 02:00 becomes 03:00. 2026-10-25: 03:00 becomes 02:00 again.
    let spring = date(2026, 3, 29).at(12, 0, 0, 0).to_zoned(berlin()).unwrap();
    check(
        &spring,
        &[
            ("today", "2026-03-28T23:00:00.000Z"),
            ("01:59", "2026-03-29T00:59:00.000Z"),
            ("02:30", "2026-03-29T01:30:00.000Z"),
            ("03:00", "2026-03-29T01:00:00.000Z"),
            ("1d", "2026-03-28T11:00:00.000Z"),
            ("24h", "2026-03-28T10:00:00.000Z"),
            ("yesterday 12:00", "2026-03-28T11:00:00.000Z"),
        ],
    );
    let autumn = date(2026, 10, 25).at(12, 0, 0, 0).to_zoned(berlin()).unwrap();
    check(
        &autumn,
        &[
            ("today", "2026-10-24T22:00:00.000Z"),
            ("02:30", "2026-10-25T00:30:00.000Z"),
            ("03:00", "2026-10-25T02:00:00.000Z"),
            ("1d", "2026-10-24T10:00:00.000Z"),
            ("24h", "2026-10-24T11:00:00.000Z"),
        ],
    );
}

#[test]
fn errors_name_the_place_and_what_should_stand_there() {
    for (text, expected) in [
        ("", "time:1:1: expected a time, found the end"),
        ("soon", "time:1:1: expected a time, found \"soon\""),
        ("-2h", "time:1:1: expected a time, found \"-2h\""),
        ("+2h", "time:1:1: expected a time, found \"+2h\""),
        ("now 10:00", "time:1:4: expected the end, found \" 10:00\""),
        ("yesterday noon", "time:1:11: expected an hour from 00 to 23, found \"noon\""),
        ("2026-13-01", "time:1:6: expected a month from 01 to 12, found \"13-01\""),
        ("2026-02-30", "time:1:9: expected a day of that month, found \"30\""),
        ("2026-11", "time:1:8: expected - and a day, found the end"),
        ("26-11-21", "time:1:1: expected a year of four digits, found \"26-11-21\""),
        ("2026-11-21 10", "time:1:14: expected : and minutes, found the end"),
        ("2026-11-21 24:00", "time:1:12: expected an hour from 00 to 23, found \"24:00\""),
        ("2026-11-21 10:60", "time:1:15: expected minutes from 00 to 59, found \"60\""),
        ("2026-11-21x", "time:1:11: expected a space or T, then a time of day, found \"x\""),
        ("2026-11-21 10:00 CET", "time:1:18: expected a zone such as Z or +02:00, found \"CET\""),
        ("2026-11-21 10:00 +2", "time:1:18: expected a zone such as Z or +02:00, found \"+2\""),
        ("2026-11-21 10:00Zz", "time:1:18: expected the end, found \"z\""),
        ("21/Nov/2026 10:00", "time:1:12: expected a colon, then a time of day, found \" 10:00\""),
        ("21/11/2026", "time:1:4: expected a month such as Nov, found \"11/2026\""),
        ("31/Feb/2026", "time:1:1: expected a day of that month, found \"31/Feb/2026\""),
        ("10:00:", "time:1:7: expected seconds from 00 to 59, found the end"),
        ("10:00:05.", "time:1:10: expected digits after the point, found the end"),
        (
            "2 fortnights",
            "time:1:1: expected a span of numbers and units (w, d, h, min, s), found \"2 fortnights\"",
        ),
        (
            "2026",
            "time:1:1: expected a date, a number with a unit (2h), or @ before seconds since 1970, found \"2026\"",
        ),
        ("@", "time:1:2: expected seconds since 1970, found the end"),
        (
            "1795226603023",
            "time:1:1: expected seconds since 1970 (not milliseconds), found \"1795226603023\"",
        ),
        (
            "99999999999999999999",
            "time:1:1: expected seconds since 1970 (not milliseconds), found \"99999999999999999999\"",
        ),
        (
            "19000 years ago",
            "time:1:1: expected a time between the years -9999 and 9999, found \"19000 years ago\"",
        ),
        (
            "5\u{202e}h",
            "time:1:1: expected a span of numbers and units (w, d, h, min, s), found \"5\\u{202e}h\"",
        ),
    ] {
        let error = parse(text, &now()).unwrap_err();
        assert_eq!(error.message().lines().next(), Some(expected), "{text}");
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.hint().unwrap().contains("yesterday"));
    }
}

#[test]
fn the_caret_stands_under_the_place() {
    let error = parse("2026-13-01", &now()).unwrap_err();
    assert_eq!(
        error.message().lines().skip(1).collect::<Vec<_>>(),
        ["    2026-13-01", "         ^"]
    );
}

proptest::proptest! {
    #[test]
    fn no_text_panics_and_no_error_holds_a_control_character(
        text in "\\PC*|[0-9 :/.@TZ+\u{1b}\u{202e}-]{0,30}|([0-9]{1,4}[-/: ]?){1,7}[a-z ]{0,5}",
    ) {
        if let Err(error) = parse(&text, &now()) {
            proptest::prop_assert!(!error.message().contains(|c: char| c.is_control() && c != '\n'));
        }
    }

    #[test]
    fn what_is_printed_is_read_back(ms in 0_i64..253_402_207_200_000) {
        let moment = Timestamp::from_millisecond(ms).unwrap();
        proptest::prop_assert_eq!(parse(&format!("{moment:.3}"), &now()), Ok(ms));
        let local = moment.to_zoned(berlin()).strftime("%d/%b/%Y:%H:%M:%S %z").to_string();
        proptest::prop_assert_eq!(parse(&local, &now()), Ok(ms / 1_000 * 1_000));
        let epoch = format!("@{}.{:03}", ms / 1_000, ms % 1_000);
        proptest::prop_assert_eq!(parse(&epoch, &now()), Ok(ms));
    }
}
