//! Numbers and times as people read them. Each takes a plain value and gives a short text with its unit.

use jiff::{SignedDuration, Timestamp};

use crate::analysis::report::{HitRate, Period};
use crate::units::tenths_of_percent;
pub(super) use crate::units::thousands;

/// The few signs that are not ASCII, and what stands for them where only ASCII may come out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signs {
    pub(super) at_most: &'static str,
    pub(super) at_least: &'static str,
    pub(super) ellipsis: &'static str,
    pub(super) rule: char,
    /// From low to high.
    pub(super) bars: [char; 8],
}

impl Signs {
    pub(super) fn new(ascii: bool) -> Self {
        if ascii {
            let bars = ['_', '.', ':', '-', '=', '+', '*', '#'];
            Signs { at_most: "<=", at_least: ">=", ellipsis: "...", rule: '-', bars }
        } else {
            let bars = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
            Signs { at_most: "≤", at_least: "≥", ellipsis: "…", rule: '─', bars }
        }
    }
}

/// A latency: `12 ms`, `1.3 s`, `2.5 min`, `1.0 h`.
pub(super) fn latency(ms: u64) -> String {
    // One digit after the point, cut and not rounded: `60.0 s` would be a minute.
    let scaled = |unit: u64| format!("{}.{}", thousands(ms / unit), ms % unit * 10 / unit);
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{} s", scaled(1_000)),
        60_000..3_600_000 => format!("{} min", scaled(60_000)),
        _ => format!("{} h", scaled(3_600_000)),
    }
}

/// Two latencies in one cell: `1/3 ms` where they share a unit, else `900 ms/1.3 s`.
pub(super) fn latency_pair(first_ms: u64, second_ms: u64) -> String {
    let (first, second) = (latency(first_ms), latency(second_ms));
    match (first.split_once(' '), second.split_once(' ')) {
        (Some((number, unit)), Some((_, other))) if unit == other => format!("{number}/{second}"),
        _ => format!("{first}/{second}"),
    }
}

/// How often per second at least: as [`rate`], but `0.00` and not `<0.01` behind the sign for "at least".
pub(super) fn least_rate(per_second: f64) -> String {
    if per_second < 0.01 { "0.00".to_owned() } else { rate(per_second) }
}

/// How often per second: `0.59`, `12.3`, `1,240`; `<0.01` where two digits would say none.
pub(super) fn rate(per_second: f64) -> String {
    match per_second {
        r if r > 0.0 && r < 0.01 => "<0.01".to_owned(),
        r if r < 9.995 => format!("{:.2}", r.max(0.0)),
        r if r < 99.95 => format!("{r:.1}"),
        r => thousands(whole(r)),
    }
}

/// The nearest whole number; 0 for what is negative or not a number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and that is what is wanted"
)]
pub(super) fn whole(x: f64) -> u64 {
    x.round() as u64
}

/// A share from 0 to 1 in percent, without the sign: `66.1`. Only exactly none and all are `0` and `100`; what is nearly
/// that is `0.1` and `99.9`.
pub(super) fn percent(share: f64) -> String {
    if share <= 0.0 {
        "0".to_owned()
    } else if share >= 1.0 {
        "100".to_owned()
    } else {
        // NaN ends here and must not show as a number.
        format!("{:.1}", tenths_of_percent(share) / 10.0)
    }
}

/// A hit rate with its uncertainty: `66.1 % (65.4 - 67.0)`, `0 - 99.8 %`, `66.1 %` where it is certain, and
/// `cannot tell` where it may be anything. `compact` has no room for the estimate: `65.4-67.0 %`.
pub(super) fn hit_rate(rate: &HitRate, compact: bool) -> String {
    let (low, high) = (percent(rate.low), percent(rate.high));
    if low == high {
        return format!("{low} %");
    }
    match rate.estimate {
        Some(estimate) if !compact => format!("{} % ({low} - {high})", percent(estimate)),
        None if may_be_anything(rate) => "cannot tell".to_owned(),
        _ if compact => format!("{low}-{high} %"),
        _ => format!("{low} - {high} %"),
    }
}

/// Nothing narrows the rate: it has no estimate, and any share is possible.
pub(super) fn may_be_anything(rate: &HitRate) -> bool {
    rate.estimate.is_none() && rate.low < 0.0005 && rate.high >= 0.9995
}

/// A moment after RFC 3339, in UTC with milliseconds: `2026-11-21T01:45:42.881Z`. The years end at 9999.
pub(super) fn rfc3339(ms: i64) -> String {
    format!("{:.3}", timestamp(ms))
}

/// A moment in UTC to the second: `2026-11-21 01:45:42`, or without the date.
pub(super) fn moment(ms: i64, with_date: bool) -> String {
    timestamp(ms).strftime(if with_date { "%F %T" } else { "%T" }).to_string()
}

/// A moment's day in UTC: `2026-11-21`.
pub(super) fn date(ms: i64) -> String {
    timestamp(ms).strftime("%F").to_string()
}

/// A span of time: `2026-11-21 01:45:42 to 01:45:46 UTC (3.4 s)`, with the second date where it is another day.
pub(super) fn period(period: Period) -> String {
    let (from, to) = (timestamp(period.from_ms), timestamp(period.to_ms));
    let same_day = date(period.from_ms) == date(period.to_ms);
    let end = to.strftime(if same_day { "%T" } else { "%F %T" });
    let length = duration(from.duration_until(to));
    format!("{} to {end} UTC ({length})", from.strftime("%F %T"))
}

/// `3.4 s`, `5 min 3 s`, `3 h 12 min`, `2 d 3 h`: the two largest units.
fn duration(length: SignedDuration) -> String {
    let seconds = length.unsigned_abs().as_secs();
    match seconds {
        0..60 => format!("{seconds}.{} s", length.subsec_millis().unsigned_abs() / 100),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", thousands(seconds / 86_400), seconds % 86_400 / 3_600),
    }
}

fn timestamp(ms: i64) -> Timestamp {
    let nearest = if ms < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_millisecond(ms).unwrap_or(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_carry_a_unit_that_fits() {
        for (ms, expected) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_000, "1.0 s"),
            (1_399, "1.3 s"),
            (59_999, "59.9 s"),
            (150_000, "2.5 min"),
            (3_600_000, "1.0 h"),
            (u64::MAX, "5,124,095,576,030.4 h"),
        ] {
            assert_eq!(latency(ms), expected);
        }
        assert_eq!(latency_pair(1, 3), "1/3 ms");
        assert_eq!(latency_pair(900, 1_300), "900 ms/1.3 s");
    }

    #[test]
    fn rates_keep_two_or_three_digits() {
        for (per_second, expected) in [
            (0.0, "0.00"),
            (0.000_3, "<0.01"),
            (0.588, "0.59"),
            (9.999, "10.0"),
            (99.96, "100"),
            (1_240.4, "1,240"),
            (f64::INFINITY, "18,446,744,073,709,551,615"),
            (f64::NAN, "0"),
        ] {
            assert_eq!(rate(per_second), expected);
        }
        assert_eq!((least_rate(0.000_3), least_rate(0.588)), ("0.00".to_owned(), rate(0.588)));
    }

    #[test]
    fn a_hit_rate_shows_its_uncertainty() {
        let rate =
            |estimate, low, high| HitRate { estimate, low, high, naive: None, basis: vec![] };
        for (given, wide, compact) in [
            (rate(Some(0.661), 0.654, 0.67), "66.1 % (65.4 - 67.0)", "65.4-67.0 %"),
            (rate(None, 0.0, 0.99808), "0 - 99.8 %", "0-99.8 %"),
            (rate(None, 0.0, 1.0), "cannot tell", "cannot tell"),
            (rate(None, 0.0, 0.999_99), "cannot tell", "cannot tell"),
            (rate(Some(0.5), 0.0, 1.0), "50.0 % (0 - 100)", "0-100 %"),
            (rate(None, 0.912, 0.912), "91.2 %", "91.2 %"),
            (rate(Some(1.0), 1.0, 1.0), "100 %", "100 %"),
            (rate(None, 0.9999, 0.9999), "99.9 %", "99.9 %"),
            (rate(None, 0.9999, 1.0), "99.9 - 100 %", "99.9-100 %"),
            (rate(Some(0.0001), 0.0, 0.0002), "0.1 % (0 - 0.1)", "0-0.1 %"),
            (rate(None, 0.0, 0.0), "0 %", "0 %"),
        ] {
            assert_eq!(hit_rate(&given, false), wide);
            assert_eq!(hit_rate(&given, true), compact);
        }
    }

    #[test]
    fn periods_name_the_second_day_only_if_it_is_another() {
        let from_ms = 1_795_225_542_881;
        for (length_ms, expected) in [
            (0, "2026-11-21 01:45:42 to 01:45:42 UTC (0.0 s)"),
            (3_400, "2026-11-21 01:45:42 to 01:45:46 UTC (3.4 s)"),
            (303_000, "2026-11-21 01:45:42 to 01:50:45 UTC (5 min 3 s)"),
            (11_520_000, "2026-11-21 01:45:42 to 04:57:42 UTC (3 h 12 min)"),
            (183_600_000, "2026-11-21 01:45:42 to 2026-11-23 04:45:42 UTC (2 d 3 h)"),
        ] {
            assert_eq!(period(Period { from_ms, to_ms: from_ms + length_ms }), expected);
        }
    }

    #[test]
    fn moments_are_rfc_3339_in_utc_and_never_out_of_range() {
        assert_eq!(rfc3339(1_795_225_542_881), "2026-11-21T01:45:42.881Z");
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(i64::MAX), "9999-12-30T22:00:00.999Z");
        assert!(rfc3339(i64::MIN).starts_with("-009999"));
    }
}
