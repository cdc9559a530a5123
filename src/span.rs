//! Lengths of time as people write them: `30s`, `5m`, `1h30m`, `250ms`.
//!
//! In a configuration file such a text may stand for any time, or a number for whole seconds where times are in seconds.

use serde::de::{Deserializer, Unexpected, Visitor};
use serde::ser::Serializer;
use std::fmt;

/// What is expected where a time is in whole seconds.
pub(crate) const SECONDS: &str = "a time in whole seconds, such as \"30s\", \"5m\" or \"1h\"";

/// What is expected where a time is in milliseconds.
const MILLISECONDS: &str = "a time with its unit, such as \"20ms\" or \"1s\"";

/// A time in milliseconds; `0` is one without a unit. None: it is no time.
pub(crate) fn milliseconds(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let time = text.parse::<jiff::SignedDuration>().ok()?;
    u64::try_from(time.as_millis()).ok().filter(|ms| *ms > 0 || time.is_zero())
}

/// A time in whole seconds. None: it is no time, or has parts of a second.
pub(crate) fn seconds(text: &str) -> Option<u64> {
    milliseconds(text).filter(|ms| ms.is_multiple_of(1000)).map(|ms| ms / 1000)
}

/// So many seconds in their largest whole unit: `90s`, `5m`, `1h`.
fn in_words(seconds: u64) -> String {
    let units = [(3600, "h"), (60, "m")];
    let unit = units.into_iter().find(|(size, _)| seconds > 0 && seconds.is_multiple_of(*size));
    let (size, name) = unit.unwrap_or((1, "s"));
    format!("{}{name}", seconds / size)
}

/// Reads a time; a number is a time only if it is said what of.
struct Read {
    expected: &'static str,
    of_text: fn(&str) -> Option<u64>,
    takes_numbers: bool,
}

impl Visitor<'_> for Read {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<u64, E> {
        (self.of_text)(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<u64, E> {
        let found = Unexpected::Unsigned(number);
        self.takes_numbers.then_some(number).ok_or_else(|| E::invalid_type(found, &self))
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<u64, E> {
        let found = Unexpected::Signed(number);
        let whole = u64::try_from(number).ok().filter(|_| self.takes_numbers);
        whole.ok_or_else(|| E::invalid_type(found, &self))
    }
}

/// For serde: a number of seconds.
pub(crate) mod in_seconds {
    use super::{Deserializer, Read, SECONDS, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives references")]
    pub(crate) fn serialize<S: Serializer>(seconds: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&super::in_words(*seconds))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        let read = Read { expected: SECONDS, of_text: super::seconds, takes_numbers: true };
        from.deserialize_any(read)
    }
}

/// For serde: a number of seconds above 0, or nothing.
pub(crate) mod in_some_seconds {
    use super::{Deserializer, Serializer, Unexpected, in_seconds};
    use serde::de::Error as _;

    #[expect(clippy::ref_option, reason = "serde gives references")]
    pub(crate) fn serialize<S: Serializer>(time: &Option<u64>, to: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(seconds) => in_seconds::serialize(seconds, to),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
        match in_seconds::deserialize(from)? {
            0 => Err(D::Error::invalid_value(Unexpected::Unsigned(0), &"a time above 0")),
            seconds => Ok(Some(seconds)),
        }
    }
}

/// For serde: a number of milliseconds, or nothing.
pub(crate) mod in_some_milliseconds {
    use super::{Deserializer, MILLISECONDS, Read, Serializer};

    #[expect(clippy::ref_option, reason = "serde gives references")]
    pub(crate) fn serialize<S: Serializer>(time: &Option<u64>, to: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(ms) => to.serialize_str(&format!("{ms}ms")),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
        let read =
            Read { expected: MILLISECONDS, of_text: super::milliseconds, takes_numbers: false };
        from.deserialize_any(read).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_any_unit_and_never_cut() {
        for (text, expected) in [
            ("30s", Some(30)),
            ("1h30m", Some(5400)),
            ("2000ms", Some(2)),
            ("0s", Some(0)),
            ("0", Some(0)),
            ("500ms", None),
            ("1.5s", None),
            ("30", None),
            ("-5s", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
        assert_eq!(milliseconds("500ms"), Some(500));
        assert_eq!(milliseconds("10us"), None, "not a millisecond is not no time");
    }

    #[test]
    fn what_is_written_is_read_back() {
        for (time, text) in
            [(0, "0s"), (59, "59s"), (60, "1m"), (90, "90s"), (3600, "1h"), (5400, "90m")]
        {
            assert_eq!(in_words(time), text);
            assert_eq!(seconds(text), Some(time));
        }
    }
}
