//! The number and time parsers against slow ones of std and jiff.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use keepwarm::record::number::{integer, millis, millis_wide};
use keepwarm::record::time::{Clock, msec};
use proptest::prelude::*;

/// Texts that are nearly numbers, and numbers of all lengths.
fn number_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9]{1,22}",
        "[0-9]{1,17}\\.[0-9]{0,6}",
        "[0-9]{1,4}\\.[0-9]{3}",
        "[0-9.\\-+ eE_]{0,8}",
    ]
}

/// Seconds by way of 128-bit integers and text, with the documented limits.
fn slow_millis(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) || whole.len() > 15 {
        return None;
    }
    let thousandths: String = fraction.chars().chain("000".chars()).take(3).collect();
    format!("{whole}{thousandths}").parse().ok()
}

/// A local date and time with a zone's offset in minutes, from 1970 on in UTC too.
fn any_time() -> impl Strategy<Value = (DateTime, i32)> {
    let date = (1971i16..=9998, 1i8..=12, 1i8..=28, 0i8..24, 0i8..60, 0i8..60);
    (date, -14 * 60..=14 * 60).prop_map(|((y, m, d, hour, minute, second), zone)| {
        (DateTime::new(y, m, d, hour, minute, second, 0).unwrap(), zone)
    })
}

/// What jiff makes of it, in milliseconds.
fn slow_time(local: DateTime, zone: i32) -> i64 {
    let zone = TimeZone::fixed(Offset::from_seconds(zone * 60).unwrap());
    local.to_zoned(zone).unwrap().timestamp().as_millisecond()
}

fn zone_text(zone: i32, colon: &str) -> String {
    let sign = if zone < 0 { '-' } else { '+' };
    format!("{sign}{:02}{colon}{:02}", zone.abs() / 60, zone.abs() % 60)
}

proptest! {
    #[test]
    fn integers_are_those_of_std(text in number_text()) {
        // std takes a sign in front, nginx writes none.
        let slow = if text.starts_with('+') { None } else { text.parse::<u64>().ok() };
        prop_assert_eq!(integer(text.as_bytes()), slow);
    }

    #[test]
    fn seconds_are_cut_to_milliseconds(text in number_text()) {
        let slow = slow_millis(&text);
        prop_assert_eq!(millis_wide(text.as_bytes()), slow, "{}", text);
        let narrow = slow.map(|ms| u32::try_from(ms).unwrap_or(u32::MAX));
        prop_assert_eq!(millis(text.as_bytes()), narrow, "{}", text);
        prop_assert_eq!(msec(text.as_bytes()), slow.filter(|ms| *ms > 0), "{}", text);
    }

    #[test]
    fn times_are_those_of_the_calendar((local, zone) in any_time(), fraction in 0i64..1000) {
        let exact = slow_time(local, zone);
        let mut clock = Clock::default();
        let text = local.strftime("%d/%b/%Y:%H:%M:%S ").to_string() + &zone_text(zone, "");
        prop_assert_eq!(clock.time_local(text.as_bytes()), Some(exact), "{}", text);
        for colon in ["", ":"] {
            let text = local.strftime("%Y-%m-%dT%H:%M:%S").to_string() + &zone_text(zone, colon);
            prop_assert_eq!(clock.time_iso8601(text.as_bytes()), Some(exact), "{}", text);
        }
        let text = format!("{}.{fraction:03}", local.strftime("%Y-%m-%d %H:%M:%S"));
        let utc = slow_time(local, 0);
        prop_assert_eq!(clock.time_iso8601(text.as_bytes()), Some(utc + fraction), "{}", text);
    }

    #[test]
    fn days_that_no_month_has_are_refused(year in 1970i16..=9999, month in 1i8..=12, day in 0i8..=99) {
        let exists = jiff::civil::Date::new(year, month, day).is_ok();
        let text = format!("{year:04}-{month:02}-{day:02}T12:00:00Z");
        prop_assert_eq!(Clock::default().time_iso8601(text.as_bytes()).is_some(), exists, "{}", text);
    }

    #[test]
    fn what_was_read_before_changes_nothing(
        texts in prop::collection::vec((any::<bool>(), prop_oneof![
            Just("21/Nov/2026:02:03:23 +0000".to_owned()),
            Just("2026-11-21T02:03:23Z".to_owned()),
            Just(format!("2026-11-21T02:03:23.{}Z", "0".repeat(43))),
            Just(format!("2026-11-21T02:03:23.{}Zx", "0".repeat(43))),
            Just("x".repeat(64)),
            Just(String::new()),
        ]), 0..8)
    ) {
        let mut clock = Clock::default();
        for (is_local, text) in texts {
            let mut fresh = Clock::default();
            let (got, alone) = if is_local {
                (clock.time_local(text.as_bytes()), fresh.time_local(text.as_bytes()))
            } else {
                (clock.time_iso8601(text.as_bytes()), fresh.time_iso8601(text.as_bytes()))
            };
            prop_assert_eq!(got, alone, "{}", text);
        }
    }

    #[test]
    fn no_bytes_make_the_parsers_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let mut clock = Clock::default();
        let _ = (clock.time_local(&bytes), clock.time_iso8601(&bytes), msec(&bytes), millis(&bytes));
    }
}
