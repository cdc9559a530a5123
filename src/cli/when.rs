//! Times on the command line: `--since` and `--until`.
//!
//! Operators copy times from logs, dashboards and chats, so many forms are read. None of them is guessed: a text has one
//! meaning or is refused, with the place where it goes wrong.
//!
//! | form | meaning |
//! | --- | --- |
//! | `2026-11-21T10:00:05Z`, `2026-11-21 10:00:05.123 +02:00` | that moment |
//! | `2026-11-21`, `2026-11-21 10:00` | in the local time zone; a date alone is the start of that day |
//! | `21/Nov/2026:10:00:00 +0000`, `21/Nov/2026` | as nginx writes `$time_local` |
//! | `1795226603.023`, `@1795226603` | seconds since 1970, as nginx writes `$msec`; without `@` 9 digits or more |
//! | `10:00`, `today 10:00`, `yesterday 10:00:05` | local time of that day; `10:00` is today's, also if it is still to come |
//! | `now`, `today`, `yesterday` | this moment; the start of that day |
//! | `2h`, `1d2h`, `90 min ago`, `1 week ago` | that long before now, with or without `ago` |
//!
//! Days, weeks and months before now are calendar days and months: `1d` is the same time of day yesterday, also if the
//! clocks changed since. A local time that the clocks skip is moved on by the skipped hour; of one that they repeat the
//! first is meant.

use std::ops::RangeInclusive;

use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::friendly::SpanParser;
use jiff::tz::Offset;
use jiff::{Timestamp, Zoned};

use crate::error::{Error, ErrorKind, Result, caret};
use crate::render::printable;

#[cfg(test)]
mod tests;

const HINT: &str = "accepted are: 2026-11-21, \"2026-11-21 10:00:05\", 2026-11-21T10:00:05Z, \
    21/Nov/2026:10:00:05 +0000, 10:00, yesterday, \"yesterday 10:00\", now, 2h, \"90 min ago\", \
    1795226603.023, @1795226603";

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Fewer digits without `@` look like a year, a day or an hour.
const EPOCH_DIGITS_MIN: usize = 9;

/// How much of the text an error shows around its place.
const EXCERPT: usize = 40;

/// Reads a time in one of the forms of the module's table, as milliseconds since 1970-01-01T00:00:00Z.
///
/// `now` is the present moment in the user's time zone. Digits below a millisecond are cut off; spaces around the text
/// are allowed.
///
/// # Errors
///
/// Kind [`ErrorKind::Usage`] with the column (in characters, from 1) where the text stops being a time, and the
/// accepted forms as hint.
pub fn parse(text: &str, now: &Zoned) -> Result<i64> {
    let text = text.trim();
    parse_trimmed(text, now).map_err(|wrong| wrong.into_error(text))
}

/// At which byte a text goes wrong, and what should stand there.
struct Wrong {
    at: usize,
    expected: &'static str,
}

type Parsed<T> = std::result::Result<T, Wrong>;

impl Wrong {
    /// The text is wrong as a whole.
    fn whole(expected: &'static str) -> Self {
        Wrong { at: 0, expected }
    }

    #[cold]
    fn into_error(self, text: &str) -> Error {
        let (before, rest) = text.split_at(self.at);
        let start: String = rest.chars().take(EXCERPT).collect();
        let found = match (start.len(), rest.len()) {
            (0, _) => "the end".to_owned(),
            (shown, all) if shown < all => format!("\"{}...\"", printable(&start)),
            _ => format!("\"{}\"", printable(rest)),
        };
        let column = before.chars().count() + 1;
        let place = caret(&printable(text), printable(before).chars().count(), EXCERPT);
        let expected = self.expected;
        let message = format!("time:1:{column}: expected {expected}, found {found}\n{place}");
        Error::new(ErrorKind::Usage, message).with_hint(HINT)
    }
}

fn parse_trimmed(text: &str, now: &Zoned) -> Parsed<i64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    match text.as_bytes().get(digits) {
        Some(b'@') if digits == 0 => parse_epoch(text, 1),
        _ if digits == 0 => parse_word(text, now),
        _ if is_number => parse_epoch(text, 0),
        Some(b'-') => parse_iso(text, now),
        Some(b'/') => parse_nginx(text, now),
        Some(b':') => Cursor { text, at: 0 }.time_to_end(now.date(), now),
        _ => parse_ago(text, now),
    }
}

/// `now`, `today`, `yesterday`, the last two also with a time of day.
fn parse_word(text: &str, now: &Zoned) -> Parsed<i64> {
    let at = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let mut cursor = Cursor { text, at };
    let day = match text[..at].to_ascii_lowercase().as_str() {
        "now" => {
            cursor.end()?;
            return Ok(now.timestamp().as_millisecond());
        }
        "today" => now.date(),
        "yesterday" => now.date().yesterday().map_err(|_| out_of_range())?,
        _ => return Err(Wrong::whole("a time")),
    };
    if cursor.skip_spaces() {
        return cursor.time_to_end(day, now);
    }
    cursor.end()?;
    to_ms(day.to_datetime(Time::midnight()), now)
}

/// Seconds since 1970 with an optional fraction, from byte `start` on.
fn parse_epoch(text: &str, start: usize) -> Parsed<i64> {
    let mut cursor = Cursor { text, at: start };
    let digits = cursor.digits();
    if digits.is_empty() {
        return Err(Wrong { at: start, expected: "seconds since 1970" });
    }
    if start == 0 && digits.len() < EPOCH_DIGITS_MIN {
        let expected = "a date, a number with a unit (2h), or @ before seconds since 1970";
        return Err(Wrong::whole(expected));
    }
    let millis = cursor.fraction()?;
    cursor.end()?;
    digits
        .parse::<i64>()
        .ok()
        .and_then(|seconds| seconds.checked_mul(1_000)?.checked_add(millis))
        .filter(|&ms| Timestamp::from_millisecond(ms).is_ok())
        .ok_or(Wrong { at: start, expected: "seconds since 1970 (not milliseconds)" })
}

/// A date after ISO 8601, then perhaps a time of day, then perhaps a zone.
fn parse_iso(text: &str, now: &Zoned) -> Parsed<i64> {
    let mut cursor = Cursor { text, at: 0 };
    let date = cursor.iso_date()?;
    if cursor.is_at_end() {
        return to_ms(date.to_datetime(Time::midnight()), now);
    }
    if !(cursor.eat("T") || cursor.eat("t") || cursor.skip_spaces()) {
        return Err(cursor.expected("a space or T, then a time of day"));
    }
    cursor.time_and_zone_to_end(date, now)
}

/// As nginx writes `$time_local`, or its date alone.
fn parse_nginx(text: &str, now: &Zoned) -> Parsed<i64> {
    let mut cursor = Cursor { text, at: 0 };
    let date = cursor.nginx_date()?;
    if cursor.is_at_end() {
        return to_ms(date.to_datetime(Time::midnight()), now);
    }
    cursor.need(":", "a colon, then a time of day")?;
    cursor.time_and_zone_to_end(date, now)
}

/// `2h`, `1d2h`, `90 min ago`: a span before now.
fn parse_ago(text: &str, now: &Zoned) -> Parsed<i64> {
    let span = text.strip_suffix("ago").unwrap_or(text).trim_end();
    let span = SpanParser::new()
        .parse_span(span)
        .map_err(|_| Wrong::whole("a span of numbers and units (w, d, h, min, s)"))?;
    let then = now.checked_sub(span).map_err(|_| out_of_range())?;
    Ok(then.timestamp().as_millisecond())
}

fn to_ms(local: DateTime, now: &Zoned) -> Parsed<i64> {
    let zoned = local.to_zoned(now.time_zone().clone()).map_err(|_| out_of_range())?;
    Ok(zoned.timestamp().as_millisecond())
}

fn out_of_range() -> Wrong {
    Wrong::whole("a time between the years -9999 and 9999")
}

/// Reads a text from left to right.
struct Cursor<'a> {
    text: &'a str,
    /// Byte offset of the next character.
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn is_at_end(&self) -> bool {
        self.rest().is_empty()
    }

    fn expected(&self, expected: &'static str) -> Wrong {
        Wrong { at: self.at, expected }
    }

    fn end(&self) -> Parsed<()> {
        if self.is_at_end() { Ok(()) } else { Err(self.expected("the end")) }
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        self.at += if found { token.len() } else { 0 };
        found
    }

    fn need(&mut self, token: &str, expected: &'static str) -> Parsed<()> {
        if self.eat(token) { Ok(()) } else { Err(self.expected(expected)) }
    }

    fn skip_spaces(&mut self) -> bool {
        let spaces = self.rest().bytes().take_while(|&byte| byte == b' ').count();
        self.at += spaces;
        spaces > 0
    }

    fn digits(&mut self) -> &'a str {
        let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        let text = &self.rest()[..digits];
        self.at += digits;
        text
    }

    /// A number of that many digits within `range`.
    fn number(
        &mut self,
        digits: RangeInclusive<usize>,
        range: RangeInclusive<i16>,
        expected: &'static str,
    ) -> Parsed<i16> {
        let at = self.at;
        let text = self.digits();
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.filter(|_| digits.contains(&text.len())).ok_or(Wrong { at, expected })
    }

    /// As [`Cursor::number`], of two digits.
    fn two_digits(&mut self, range: RangeInclusive<i8>, expected: &'static str) -> Parsed<i8> {
        let at = self.at;
        let range = i16::from(*range.start())..=i16::from(*range.end());
        let number = self.number(2..=2, range, expected)?;
        i8::try_from(number).map_err(|_| Wrong { at, expected })
    }

    /// `2026-11-21`
    fn iso_date(&mut self) -> Parsed<Date> {
        let year = self.number(4..=4, 0..=9999, "a year of four digits")?;
        self.need("-", "- and a month")?;
        let month = self.two_digits(1..=12, "a month from 01 to 12")?;
        self.need("-", "- and a day")?;
        let at = self.at;
        let day = self.two_digits(1..=31, "a day from 01 to 31")?;
        Date::new(year, month, day).map_err(|_| Wrong { at, expected: "a day of that month" })
    }

    /// `21/Nov/2026`
    fn nginx_date(&mut self) -> Parsed<Date> {
        let day = self.two_digits(1..=31, "a day from 01 to 31")?;
        self.need("/", "/ and a month")?;
        let name = self.rest().get(..3).unwrap_or_default().to_ascii_lowercase();
        let month = (1..).zip(MONTHS).find(|&(_, month)| month == name);
        let Some((month, _)) = month else {
            return Err(self.expected("a month such as Nov"));
        };
        self.at += name.len();
        self.need("/", "/ and a year")?;
        let year = self.number(4..=4, 0..=9999, "a year of four digits")?;
        Date::new(year, month, day).map_err(|_| Wrong::whole("a day of that month"))
    }

    /// `10:00`, `10:00:05`, `10:00:05.123`
    fn time(&mut self) -> Parsed<Time> {
        let hour = self.two_digits(0..=23, "an hour from 00 to 23")?;
        self.need(":", ": and minutes")?;
        let minute = self.two_digits(0..=59, "minutes from 00 to 59")?;
        let (mut second, mut millis) = (0, 0);
        if self.eat(":") {
            second = self.two_digits(0..=59, "seconds from 00 to 59")?;
            millis = self.fraction()?;
        }
        let nanos = i32::try_from(millis * 1_000_000).unwrap_or(0);
        Time::new(hour, minute, second, nanos).map_err(|_| self.expected("a time of day"))
    }

    /// `.123` in milliseconds, further digits cut off; 0 if there is no point.
    fn fraction(&mut self) -> Parsed<i64> {
        if !self.eat(".") {
            return Ok(0);
        }
        let at = self.at;
        let digits = self.digits();
        if digits.is_empty() {
            return Err(Wrong { at, expected: "digits after the point" });
        }
        Ok(digits
            .bytes()
            .chain(*b"00")
            .take(3)
            .fold(0, |ms, digit| ms * 10 + i64::from(digit - b'0')))
    }

    /// `Z`, `UTC`, `+02:00`, `+0200`, `+02`
    fn zone(&mut self) -> Parsed<Offset> {
        if self.eat("Z") || self.eat("z") || self.eat("UTC") {
            return Ok(Offset::UTC);
        }
        let at = self.at;
        let expected = "a zone such as Z or +02:00";
        let sign = if self.eat("-") { -1 } else { 1 };
        if sign > 0 {
            self.need("+", expected)?;
        }
        let digits = self.digits();
        let (hours, mut minutes) = digits.split_at(digits.len().min(2));
        if minutes.is_empty() {
            minutes = if self.eat(":") { self.digits() } else { "00" };
        }
        let part = |text: &str, max: i32| {
            text.parse::<i32>().ok().filter(|&number| number <= max && text.len() == 2)
        };
        let (Some(hours), Some(minutes)) = (part(hours, 23), part(minutes, 59)) else {
            return Err(Wrong { at, expected });
        };
        let seconds = sign * (hours * 3_600 + minutes * 60);
        Offset::from_seconds(seconds).map_err(|_| Wrong { at, expected })
    }

    /// A local time of that day, and nothing after it.
    fn time_to_end(&mut self, day: Date, now: &Zoned) -> Parsed<i64> {
        let time = self.time()?;
        self.end()?;
        to_ms(day.to_datetime(time), now)
    }

    /// A time of that day in the zone that follows, else in the local one.
    fn time_and_zone_to_end(&mut self, day: Date, now: &Zoned) -> Parsed<i64> {
        let datetime = day.to_datetime(self.time()?);
        self.skip_spaces();
        if self.is_at_end() {
            return to_ms(datetime, now);
        }
        let zone = self.zone()?;
        self.end()?;
        let moment = zone.to_timestamp(datetime).map_err(|_| out_of_range())?;
        Ok(moment.as_millisecond())
    }
}
