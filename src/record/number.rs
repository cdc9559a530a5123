//! Numbers as nginx prints them: integers, and seconds with three digits behind the dot. No floating point.

#![expect(
    clippy::inline_always,
    reason = "several times a line: a call for each would be felt, and hide what is certain of the usual line"
)]

use crate::log_format::variable::Field;
use crate::tokenizer::{Fields, eight_digits};

/// The value of a field that is one whole number.
#[inline(always)]
pub fn integer_of(fields: &Fields<'_>, field: Field) -> Option<u64> {
    fields.number(field).or_else(|| integer(fields.get(field)?))
}

/// Is the value of a field one whole number?
#[inline(always)]
pub fn is_integer(fields: &Fields<'_>, field: Field) -> bool {
    integer_of(fields, field).is_some()
}

/// The value of a field that is one time, in milliseconds.
#[inline(always)]
pub fn millis_of(fields: &Fields<'_>, field: Field) -> Option<u32> {
    match fields.number(field) {
        Some(number) => Some(u32::try_from(number).unwrap_or(u32::MAX)),
        None => millis(fields.get(field)?),
    }
}

/// `0.123` -> 123. Milliseconds are cut, not rounded, behind the third digit; nginx prints exactly three
/// (`%T.%03M`), other writers fewer or more. None if it is no number; more than 49 days count as 49 days.
#[inline]
pub fn millis(text: &[u8]) -> Option<u32> {
    // What nearly every value looks like: one digit, a dot, three digits.
    if let [s @ b'0'..=b'9', b'.', a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] = *text {
        let digit = |byte: u8| u32::from(byte - b'0');
        return Some(digit(s) * 1000 + digit(a) * 100 + digit(b) * 10 + digit(c));
    }
    u32::try_from(millis_wide(text)?.min(i64::from(u32::MAX))).ok()
}

/// The same for points in time: `1795226603.023` -> 1795226603023.
#[inline]
pub fn millis_wide(text: &[u8]) -> Option<i64> {
    // What `$msec` looks like until the year 2286: ten digits, a dot, three digits.
    if let [whole @ .., b'.', a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] = text
        && let [eight @ .., d @ b'0'..=b'9', e @ b'0'..=b'9'] = whole
        && let Ok(eight) = <[u8; 8]>::try_from(eight)
    {
        let digit = |byte: &u8| i64::from(*byte - b'0');
        let low = digit(d) * 10_000 + digit(e) * 1000 + digit(a) * 100 + digit(b) * 10 + digit(c);
        let high = eight_digits(eight).and_then(|high| i64::try_from(high).ok());
        return high.map(|high| high * 100_000 + low);
    }
    millis_long(text)
}

fn millis_long(text: &[u8]) -> Option<i64> {
    if text == b"-" {
        return None;
    }
    let dot = text.iter().position(|&byte| byte == b'.').unwrap_or(text.len());
    let (whole, fraction) = (&text[..dot], text.get(dot + 1..).unwrap_or(b""));
    if whole.is_empty() || whole.len() > 15 || !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let seconds = i64::try_from(integer(whole)?).ok()?;
    let thousandths = (0..3)
        .fold(0, |sum, i| sum * 10 + i64::from(fraction.get(i).map_or(0, |byte| byte - b'0')));
    Some(seconds * 1000 + thousandths)
}

/// A whole number without a sign; none if it is anything else or over 64 bits.
#[inline]
pub fn integer(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    // Nineteen digits always fit.
    if text.len() < 20 {
        return text.iter().try_fold(0u64, |sum, &byte| {
            let digit = byte.wrapping_sub(b'0');
            (digit < 10).then(|| sum * 10 + u64::from(digit))
        });
    }
    text.iter().try_fold(0u64, |sum, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_become_milliseconds() {
        for (text, expected) in [
            ("0.000", Some(0)),
            ("9.999", Some(9999)),
            ("12.345", Some(12_345)),
            ("0.05", Some(50)),
            ("3", Some(3000)),
            ("0.0019", Some(1)),
            ("", None),
            ("-", None),
            (".5", None),
            ("1.2.3", None),
            ("-0.1", None),
            ("1e3", None),
            ("99999999999.000", Some(u32::MAX)),
            ("99999999999999999999.000", None),
        ] {
            assert_eq!(millis(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(millis_wide(b"1795226603.023"), Some(1_795_226_603_023));
    }

    #[test]
    fn a_byte_that_is_no_digit_is_seen_at_every_place() {
        let good = *b"1795226603.023";
        for at in (0..good.len()).filter(|at| *at != 10) {
            for byte in 0..=255 {
                let mut text = good;
                text[at] = byte;
                assert_eq!(millis_wide(&text), millis_long(&text), "{}", text.escape_ascii());
            }
        }
    }

    #[test]
    fn integers_do_not_wrap() {
        assert_eq!(integer(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(integer(b"18446744073709551616"), None);
        assert_eq!(integer(b"1 "), None);
    }
}
