//! Digits, eight at a time.

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
    /// The least bytes.
    least: usize,
    /// What the upper four of eight digits count, and those in front of all eight.
    upper: u64,
    front: u64,
}

/// A whole number.
pub(super) const INTEGER: Number =
    Number { zeros: ZEROS, dot: 0, least: 1, upper: 10_000, front: 100_000_000 };

/// Seconds with three digits behind the dot, to be read as milliseconds.
pub(super) const MILLIS: Number = Number {
    zeros: ZEROS ^ ((b'0' ^ b'.') as u64) << 32,
    dot: 0xff << 32,
    least: 5,
    upper: 1000,
    front: 10_000_000,
};

/// No number at all.
pub(super) const NONE: Number = Number { zeros: 0, dot: 0, least: usize::MAX, upper: 0, front: 0 };

impl Number {
    /// The longest number that `text` ends with, and where it starts. None also where it is not quickly read: with more
    /// than fifteen digits, or too near the start of the text.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "called a dozen times a line; measured")]
    pub(super) fn read_back(&self, text: &[u8]) -> Option<(u64, usize)> {
        if self.upper == 0 {
            return None;
        }
        let digits = u64::from_le_bytes(*text.last_chunk::<8>()?) ^ self.zeros;
        if digits & self.dot != 0 {
            return None;
        }
        let others = not_below_ten(digits);
        if others == 0 {
            return self.read_long(digits, &text[..text.len() - 8]);
        }
        let many = others.leading_zeros() as usize / 8;
        if many < self.least {
            return None;
        }
        // What stands in front becomes zeros.
        let kept = digits & (u64::MAX << ((64 - 8 * many) % 64));
        Some((eight(kept, self.upper), text.len() - many))
    }

    /// The same where the last eight digits are not all there are.
    #[inline(never)]
    fn read_long(&self, digits: u64, front: &[u8]) -> Option<(u64, usize)> {
        let upper = u64::from_le_bytes(*front.last_chunk::<8>()?) ^ ZEROS;
        let others = not_below_ten(upper);
        if others == 0 {
            return None;
        }
        let many = others.leading_zeros() as usize / 8;
        let kept = if many == 0 { 0 } else { upper & (u64::MAX << (64 - 8 * many)) };
        let upper = eight(kept, INTEGER.upper);
        Some((upper * self.front + eight(digits, self.upper), front.len() - many))
    }
}

/// The top bit of each byte of `word` that is no digit.
#[inline]
pub(super) fn not_digits(word: u64) -> u64 {
    // Digits are 0x30 to 0x39: with 0x46 added they stay below 0x80, and 0x3a and above do not; with 0x30 taken away
    // from 0x80 and more, those below 0x30 lose their top bit. Bytes that have it already are no digits either.
    let low = word & !TOP;
    let above = low + 0x4646_4646_4646_4646;
    let below = !((low | TOP) - ZEROS);
    (word | above | below) & TOP
}

/// The top bit of each byte that is 10 or more.
#[inline]
fn not_below_ten(bytes: u64) -> u64 {
    (((bytes & !TOP) + 0x7676_7676_7676_7676) | bytes) & TOP
}

/// Eight digits, each in a byte of its own, the first one in the lowest: their pairs, then pairs of these, are added up
/// in the lanes of one register. The upper four count `upper` each.
#[inline]
fn eight(digits: u64, upper: u64) -> u64 {
    let pairs = (digits * 10 + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    (fours & 0xffff) * upper + (fours >> 32)
}

/// The number that eight digits make, as logged.
#[inline]
pub(crate) fn eight_digits(text: [u8; 8]) -> Option<u64> {
    let digits = u64::from_le_bytes(text) ^ ZEROS;
    (not_below_ten(digits) == 0).then(|| eight(digits, INTEGER.upper))
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
