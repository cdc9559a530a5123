//! Digits, eight at a time.

use super::lanes::LANES;
use super::near::halves;
use std::num::NonZero;

/// The top bit of each byte.
const TOP: u64 = 0x8080_8080_8080_8080;

/// Eight times the digit 0.
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// How many bytes from the start are digits.
#[inline]
pub(super) fn digits(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(chunk) = text[at..].first_chunk::<8>() {
        let others = not_digits(u64::from_le_bytes(*chunk));
        if others != 0 {
            return at + others.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    at + text[at..].iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// What a number looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number {
    /// Makes digits of its last eight bytes, and a 0 of its dot.
    zeros: u64,
    /// Where the dot must be.
    dot: u64,
    /// The least width, in bits.
    least: u32,
    /// What the upper four of eight digits count, in the upper half; and one for the lower four.
    scale: u64,
    /// What digits in front of all eight count.
    front: u64,
}

/// The scale where the upper four of eight digits count so much.
const fn scale(upper: u64) -> u64 {
    upper << 32 | 1
}

/// A whole number.
pub(super) const INTEGER: Number =
    Number { zeros: ZEROS, dot: 0, least: 8, scale: scale(10_000), front: 100_000_000 };

/// Seconds with three digits behind the dot, to be read as milliseconds.
pub(super) const MILLIS: Number = Number {
    zeros: ZEROS ^ ((b'0' ^ b'.') as u64) << 32,
    dot: 0xff << 32,
    // That of `0.000`.
    least: 8 * 5,
    scale: scale(1000),
    front: 10_000_000,
};

/// No number at all.
pub(super) const NONE: Number = Number { zeros: 0, dot: 0, least: u64::BITS, scale: 0, front: 0 };

impl Number {
    /// The number of sixteen digits, the dot being one that counts nothing.
    #[inline]
    pub(super) fn join(&self, front: u64, last: u64) -> u64 {
        eight(front, INTEGER.scale) * self.front + eight(last, self.scale)
    }

    /// The number that these eight bytes start with, and its width; none where it is not quickly read: with more than seven
    /// digits, or not as wide as a time below ten seconds. Behind it another digit may follow.
    #[inline]
    pub(super) fn read_front(&self, word: u64) -> Option<(u64, usize)> {
        const BEHIND_TIME: usize = 64 - 8 * "0.000".len();
        if self.dot != 0 {
            let digits = (word << BEHIND_TIME) ^ (self.zeros >> BEHIND_TIME << BEHIND_TIME);
            let odd = digits & self.dot | not_below_ten(digits);
            return (odd == 0).then(|| (eight(digits, self.scale), "0.000".len()));
        }
        let digits = word ^ self.zeros;
        let many = not_below_ten(digits).trailing_zeros() / 8;
        if many == 0 || many == 8 || self.scale == 0 {
            return None;
        }
        Some((eight(digits << (64 - 8 * many), self.scale), many as usize))
    }

    /// The number of at most seven digits that a text ends with, its width, and the eight bytes in front of it; none where it
    /// is not quickly read.
    #[inline]
    pub(super) fn read_window(&self, text: &[u8; LANES]) -> Option<(u64, usize, u64)> {
        let [front, last] = halves(text);
        let digits = last ^ self.zeros;
        // The byte in front of a number lets no carry through, whatever stands before it.
        let others = (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & TOP;
        // Neither all nor none of them: seen at once, as the last one has the sign.
        if others.cast_signed() <= 0 {
            return None;
        }
        // In bits; at least a byte, and at most seven.
        let behind = NonZero::new(others)?.ilog2() + 1;
        // One byte it is wide anyway.
        if digits & self.dot != 0 || self.least > 8 && behind > u64::BITS - self.least {
            return None;
        }
        // In the shape that makes one shift of both.
        let before = front >> behind | last << 1 << (behind ^ 63);
        let kept = digits >> behind << behind;
        Some((eight(kept, self.scale), 8 - behind as usize / 8, before))
    }

    /// The longest number that `text` ends with, and where it starts; none also where it is not quickly read, with more than
    /// fifteen digits or too near the start of the text.
    #[inline]
    pub(super) fn read_back(&self, text: &[u8]) -> Option<(u64, usize)> {
        let digits = u64::from_le_bytes(*text.last_chunk::<8>()?) ^ self.zeros;
        if digits & self.dot != 0 {
            return None;
        }
        let Some(others) = NonZero::new(not_below_ten(digits)) else {
            return self.read_long(digits, &text[..text.len() - 8]);
        };
        let width = others.leading_zeros();
        if width < self.least {
            return None;
        }
        // What stands in front becomes zeros: at least a byte, and at most seven.
        let behind = width.wrapping_neg() & 63;
        Some((eight(digits >> behind << behind, self.scale), text.len() - width as usize / 8))
    }

    /// The same where the last eight digits are not all there are.
    #[inline(never)]
    fn read_long(&self, digits: u64, front: &[u8]) -> Option<(u64, usize)> {
        let upper = u64::from_le_bytes(*front.last_chunk::<8>()?) ^ ZEROS;
        let before = not_below_ten(upper).checked_ilog2()?;
        if self.scale == 0 {
            return None;
        }
        let kept = upper & ((u64::MAX - 1) << before);
        Some((self.join(kept, digits), front.len() - 7 + before as usize / 8))
    }
}

/// The top bit of each byte of `word` that is no digit.
#[inline]
pub(super) fn not_digits(word: u64) -> u64 {
    not_below_ten(word ^ ZEROS)
}

/// The top bit of each byte that is 10 or more.
#[inline]
pub(super) fn not_below_ten(bytes: u64) -> u64 {
    (((bytes & !TOP) + 0x7676_7676_7676_7676) | bytes) & TOP
}

/// Eight digits, each in a byte of its own, the first one in the lowest: their pairs, then pairs of these, are added up
/// in the lanes of one register.
#[inline]
pub(super) fn eight(digits: u64, scale: u64) -> u64 {
    let pairs = (digits.wrapping_mul(10 << 8 | 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100 << 16 | 1) >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(scale) >> 32
}

/// Milliseconds out of a digit, a byte of 0 for the dot and three digits, the last of eight bytes; or what three digits make.
/// The other bytes are 0.
#[inline]
pub(super) fn four(digits: u64) -> u64 {
    let pairs = (digits.wrapping_mul(10 << 8 | 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    pairs.wrapping_mul(1000 << 32 | 100 << 16 | 1) >> 48
}

/// The number that eight digits make, as logged.
#[inline]
pub(crate) fn eight_digits(text: [u8; 8]) -> Option<u64> {
    let digits = u64::from_le_bytes(text) ^ ZEROS;
    (not_below_ten(digits) == 0).then(|| eight(digits, INTEGER.scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_counted_up_to_any_other_byte() {
        for byte in 0..=255u8 {
            for at in 0..20 {
                let mut text = *b"12345678901234567890";
                text[at] = byte;
                let plain = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
                assert_eq!(digits(&text), plain, "{byte} at {at}");
            }
        }
    }

    #[test]
    fn numbers_are_read_from_the_front_of_a_text() {
        for (at, byte) in (0..8).flat_map(|at| (0..=255).map(move |byte| (at, byte))) {
            for end in 0..8 {
                let mut text = *b"12345678";
                text[at] = byte;
                text[end] = b'"';
                let many = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
                let number = str::from_utf8(&text[..many]).unwrap().parse().ok();
                let slow = number.map(|number: u64| (number, many));
                let word = u64::from_le_bytes(text);
                assert_eq!(INTEGER.read_front(word), slow, "{}", text.escape_ascii());
            }
            let mut text = *b"1.234567";
            text[at] = byte;
            let slow = slowly(&text[..5], true).filter(|(_, start)| *start == 0);
            let slow = slow.map(|(number, _)| (number, 5));
            let word = u64::from_le_bytes(text);
            assert_eq!(MILLIS.read_front(word), slow, "{}", text.escape_ascii());
        }
        let read = |number: Number, text| number.read_front(u64::from_le_bytes(text));
        assert_eq!(read(INTEGER, *b"12345678"), None, "too long");
        assert_eq!(read(NONE, [0; 8]), None);
        assert_eq!(read(NONE, *b"12345 78"), None);
    }

    /// What `text` ends with, byte by byte.
    fn slowly(text: &[u8], is_millis: bool) -> Option<(u64, usize)> {
        let digits =
            |text: &[u8]| text.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let number = |text: &[u8]| str::from_utf8(text).unwrap().parse::<u64>().ok();
        if !is_millis {
            let start = text.len() - digits(text);
            return Some((number(&text[start..])?, start));
        }
        let (whole, fraction) = text.split_at_checked(text.len().checked_sub(4)?)?;
        let fraction = fraction.strip_prefix(b".").filter(|text| digits(text) == 3)?;
        let start = whole.len() - digits(whole);
        Some((number(&whole[start..])? * 1000 + number(fraction)?, start))
    }

    #[test]
    fn numbers_of_few_digits_are_read_with_what_stands_in_front() {
        for (at, byte) in (0..16).flat_map(|at| (0..=255).map(move |byte| (at, byte))) {
            for front in 8..16 {
                for (number, text) in
                    [(INTEGER, *b"1234567890123456"), (MILLIS, *b"123456789012.456")]
                {
                    let mut text = text;
                    text[front] = b'=';
                    text[at] = byte;
                    let slow = slowly(&text, number == MILLIS).filter(|(_, start)| *start < 16);
                    let read = number.read_window(&text);
                    let shown = text.escape_ascii();
                    if let Some((number, width, before)) = read {
                        let start = 16 - width;
                        let before = before.to_le_bytes();
                        assert_eq!(
                            (slow, &before[..]),
                            (Some((number, start)), &text[start - 8..start]),
                            "{shown}"
                        );
                    } else {
                        // No literal ends with a byte that lets a carry through to digits behind it.
                        let is_quick = |(_, start): &(u64, usize)| *start > 8 && byte < 0x80;
                        assert_eq!(slow.filter(is_quick), None, "{shown}");
                    }
                }
            }
        }
        assert_eq!(NONE.read_window(&[0; 16]), None);
    }

    #[test]
    fn four_digits_make_a_number() {
        for number in 0..10_000u64 {
            let text = format!("{}.{:03}", number / 1000, number % 1000);
            let mut digits = [0; 8];
            for (digit, byte) in digits[3..].iter_mut().zip(text.bytes()) {
                *digit = if byte == b'.' { 0 } else { byte - b'0' };
            }
            assert_eq!(four(u64::from_le_bytes(digits)), number);
        }
    }

    #[test]
    fn numbers_are_read_back_from_the_end_of_a_text() {
        for (at, byte) in (0..20).flat_map(|at| (0..=255).map(move |byte| (at, byte))) {
            for front in 0..20 {
                let mut text = *b"12345678901234567890";
                text[at] = byte;
                text[front] = b'=';
                let read = INTEGER.read_back(&text);
                let slow = slowly(&text, false).filter(|(_, start)| (5..20).contains(start));
                assert_eq!(read, slow, "{}", text.escape_ascii());
                let mut text = *b"1234567890123456.890";
                text[at] = byte;
                text[front] = b'"';
                let read = MILLIS.read_back(&text);
                let slow = slowly(&text, true).filter(|(_, start)| (5..20).contains(start));
                assert_eq!(read, slow, "{}", text.escape_ascii());
            }
        }
        assert_eq!(INTEGER.read_back(b"=123456"), None, "near the start");
        assert_eq!(INTEGER.read_back(b"=12345678"), None, "near the start");
        let controls = b"\" 123\x01\x02\x03\x04\x05\x06\x07\x08";
        for no_number in [&b"uct=\"0.001"[..], controls, &[0; 16]] {
            assert_eq!(NONE.read_back(no_number), None, "{}", no_number.escape_ascii());
        }
    }
}
