//! Points in time as nginx logs them, in milliseconds since 1970-01-01T00:00:00Z.
//!
//! All of them say when the line was written: the end of the request (`ngx_http_log_handler` uses the cached clock).

use super::number::{integer, millis_wide};

/// `$msec`: `1795226603.023`.
pub fn msec(text: &[u8]) -> Option<i64> {
    millis_wide(text).filter(|ms| *ms > 0)
}

/// Reads `$time_local` and `$time_iso8601`, and remembers the last one of each: many lines share a second.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    local: Memory,
    iso8601: Memory,
}

/// A text and what it was read as.
#[derive(Debug, Clone, Default)]
struct Memory {
    last: Vec<u8>,
    ms: Option<i64>,
}

impl Clock {
    /// `21/Nov/2026:02:03:23 +0000`, or none if it is no such time.
    #[inline]
    pub fn time_local(&mut self, text: &[u8]) -> Option<i64> {
        self.local.or_read(text, parse_local)
    }

    /// `2026-11-21T02:03:23+00:00`, also with a fraction, a space for the `T`, `Z` or no zone (then UTC).
    #[inline]
    pub fn time_iso8601(&mut self, text: &[u8]) -> Option<i64> {
        self.iso8601.or_read(text, parse_iso)
    }
}

impl Memory {
    #[inline]
    fn or_read(&mut self, text: &[u8], parse: fn(&[u8]) -> Option<i64>) -> Option<i64> {
        if self.last == text {
            return self.ms;
        }
        let ms = parse(text);
        // No time is longer; a hostile value need not be kept.
        if text.len() <= 64 {
            self.last.clear();
            self.last.extend_from_slice(text);
            self.ms = ms;
        }
        ms
    }
}

const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";

fn parse_local(text: &[u8]) -> Option<i64> {
    let [date, time @ ..] = [text.get(..11)?, text.get(12..20)?, text.get(21..)?];
    if text[11] != b':' || text[20] != b' ' || date[2] != b'/' || date[6] != b'/' {
        return None;
    }
    let month = MONTHS.chunks(3).position(|name| name == &date[3..6])?;
    at(number(&date[7..])?, i64::try_from(month).ok()? + 1, number(&date[..2])?, time[0], time[1])
}

fn parse_iso(text: &[u8]) -> Option<i64> {
    let (date, time, rest) = (text.get(..10)?, text.get(11..19)?, &text[19..]);
    if date[4] != b'-' || date[7] != b'-' {
        return None;
    }
    let digits = match rest.split_first() {
        Some((b'.' | b',', fraction)) => {
            fraction.iter().take_while(|byte| byte.is_ascii_digit()).count() + 1
        }
        _ => 0,
    };
    let fraction =
        (1..4).fold(0, |sum, i| sum * 10 + if i < digits { i64::from(rest[i] - b'0') } else { 0 });
    let seconds =
        at(number(&date[..4])?, number(&date[5..7])?, number(&date[8..])?, time, &rest[digits..])?;
    Some(seconds + fraction)
}

/// How many seconds the zone that `$time_local` or `$time_iso8601` names is ahead of UTC; none where it names none.
pub fn zone(text: &[u8]) -> Option<i64> {
    if parse_local(text).is_some() {
        return offset(text.get(21..)?);
    }
    parse_iso(text)?;
    let from = text.iter().rposition(|byte| b"Z+-".contains(byte)).filter(|from| *from >= 19)?;
    offset(&text[from..])
}

/// A zone in seconds ahead of UTC; none is UTC.
fn offset(zone: &[u8]) -> Option<i64> {
    match zone {
        [] | b"Z" => Some(0),
        [sign @ (b'+' | b'-'), digits @ ..] => {
            let (hours, minutes) = match *digits {
                [a, b, c, d] | [a, b, b':', c, d] => (number(&[a, b])?, number(&[c, d])?),
                _ => return None,
            };
            Some((hours * 60 + minutes) * if *sign == b'-' { -60 } else { 60 })
        }
        _ => None,
    }
}

/// Date, `hh:mm:ss` and zone to milliseconds.
pub(super) fn at(year: i64, month: i64, day: i64, time: &[u8], zone: &[u8]) -> Option<i64> {
    let [h1, h2, b':', m1, m2, b':', s1, s2] = *time else { return None };
    let (hour, minute, second) = (number(&[h1, h2])?, number(&[m1, m2])?, number(&[s1, s2])?);
    let in_range = (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !in_range || year < 1970 {
        return None;
    }
    let offset = offset(zone)?;
    let days = days_since_1970(year, month, day);
    Some((days * 86_400 + hour * 3600 + minute * 60 + second - offset) * 1000)
}

fn number(digits: &[u8]) -> Option<i64> {
    i64::try_from(integer(digits)?).ok()
}

/// How many days a month has.
fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar (H. Hinnant, `days_from_civil`).
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_seconds_ahead_of_utc() {
        for (text, seconds) in [
            ("21/Nov/2026:02:03:23 +0000", Some(0)),
            ("20/Nov/2026:21:33:23 -0430", Some(-16_200)),
            ("2026-11-21T02:03:23+02:00", Some(7200)),
            ("2026-11-21T02:03:23.123-03:30", Some(-12_600)),
            ("2026-11-21T02:03:23Z", Some(0)),
            ("2026-11-21T02:03:23", None),
            ("1795226603.023", None),
            ("-", None),
        ] {
            assert_eq!(zone(text.as_bytes()), seconds, "{text}");
        }
    }

    #[test]
    fn nginx_times_are_read() {
        let mut clock = Clock::default();
        for text in [
            "21/Nov/2026:02:03:23 +0000",
            "21/Nov/2026:03:03:23 +0100",
            "20/Nov/2026:21:33:23 -0430",
        ] {
            assert_eq!(clock.time_local(text.as_bytes()), Some(1_795_226_603_000), "{text}");
        }
        for (text, ms) in [
            ("2026-11-21T02:03:23+00:00", 0),
            ("2026-11-21T03:03:23+0100", 0),
            ("2026-11-21T02:03:23.5Z", 500),
            ("2026-11-21 02:03:23.1239", 123),
        ] {
            assert_eq!(clock.time_iso8601(text.as_bytes()), Some(1_795_226_603_000 + ms), "{text}");
        }
        assert_eq!(msec(b"1795226603.023"), Some(1_795_226_603_023));
    }

    #[test]
    fn what_is_no_time_is_none() {
        let mut clock = Clock::default();
        for text in [
            "",
            "21/Nov/2026",
            "21/Nox/2026:02:03:23 +0000",
            "21/Nov/2026:24:03:23 +0000",
            "31/Nov/1969:02:03:23 +0000",
        ] {
            assert_eq!(clock.time_local(text.as_bytes()), None, "{text}");
        }
        for text in ["2026-13-21T02:03:23Z", "2026-11-21T02:03:23+1", "2026-11-21T02:03:2x"] {
            assert_eq!(clock.time_iso8601(text.as_bytes()), None, "{text}");
        }
        assert_eq!(msec(b"0.000"), None);
    }

    #[test]
    fn the_memory_does_not_mix_up_values() {
        let mut clock = Clock::default();
        let first = clock.time_local(b"21/Nov/2026:02:03:23 +0000");
        assert_eq!(clock.time_local(b"21/Nov/2026:02:03:24 +0000"), first.map(|ms| ms + 1000));
        assert_eq!(clock.time_local(b"21/Nov/2026:02:03:23 +0000"), first);
    }

    #[test]
    fn days_agree_with_the_calendar() {
        assert_eq!(days_since_1970(1970, 1, 1), 0);
        assert_eq!(days_since_1970(2000, 2, 29), 11_016);
        assert_eq!(days_since_1970(2000, 3, 1), 11_017);
        assert_eq!(days_since_1970(2100, 3, 1), 47_541);
    }
}
