//! Searches and comparisons that look at a few bytes only. Most values and literals are so short that a call into
//! `memchr` or `memcmp` costs more than the work itself, and a line takes dozens of them.

use memchr::{memchr, memrchr};

/// Eight bytes at a time, before a search is left to `memchr`.
const TRIES: usize = 3;

/// The last place of a byte before `end`, which may not lie behind the line.
#[inline]
pub(super) fn rfind(byte: u8, line: &[u8], end: usize) -> Option<usize> {
    let mut to = end;
    for _ in 0..TRIES {
        let Some(chunk) = line[..to].last_chunk::<8>() else { break };
        let found = equal_bytes(u64::from_le_bytes(*chunk), byte);
        if found != 0 {
            return Some(to - 1 - found.leading_zeros() as usize / 8);
        }
        to -= 8;
    }
    memrchr(byte, &line[..to])
}

/// The next place of a byte from `from` on, which may not lie behind the line.
#[inline]
pub(super) fn find(byte: u8, line: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    for _ in 0..TRIES {
        let Some(chunk) = line[at..].first_chunk::<8>() else { break };
        let found = equal_bytes(u64::from_le_bytes(*chunk), byte);
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    memchr(byte, &line[at..]).map(|found| at + found)
}

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

/// The top bit of each byte of `word` that is no digit, exact up to the first one.
#[inline]
pub(super) fn not_digits(word: u64) -> u64 {
    const TOP: u64 = 0x8080_8080_8080_8080;
    // Digits are 0x30 to 0x39: with 0x46 added they stay below 0x80, and 0x3a and above do not; with 0x30 taken away
    // from 0x80 and more, those below 0x30 lose their top bit. Bytes that have it already are no digits either.
    let low = word & !TOP;
    let above = low + 0x4646_4646_4646_4646;
    let below = !((low | TOP) - 0x3030_3030_3030_3030);
    (word | above | below) & TOP
}

/// The top bit of each byte of `word` that equals `byte`. Exact: no carry goes from one byte to the next.
#[inline]
fn equal_bytes(word: u64, byte: u8) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let differs = word ^ (u64::from(byte) * 0x0101_0101_0101_0101);
    !(((differs & LOW) + LOW) | differs | LOW)
}

/// A literal of a format, ready to be compared.
#[derive(Debug, Clone)]
pub(super) struct Literal {
    bytes: Box<[u8]>,
    /// The first bytes, eight at most, as the low bytes of a little-endian word, and the bits that count.
    head: (u64, u64),
    /// The last bytes, eight at most, as the high bytes of such a word, and the bits that count.
    tail: (u64, u64),
}

impl Literal {
    pub(super) fn new(bytes: &[u8]) -> Self {
        let short = bytes.len().min(8);
        let word = |from: usize, part: &[u8]| {
            let (mut word, mut mask) = ([0; 8], [0; 8]);
            word[from..from + short].copy_from_slice(part);
            mask[from..from + short].fill(0xff);
            (u64::from_le_bytes(word), u64::from_le_bytes(mask))
        };
        let head = word(0, &bytes[..short]);
        let tail = word(8 - short, &bytes[bytes.len() - short..]);
        Literal { bytes: bytes.into(), head, tail }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Does `text` start with it?
    #[inline]
    pub(super) fn starts(&self, text: &[u8]) -> bool {
        match text.first_chunk::<8>() {
            Some(chunk) => {
                (u64::from_le_bytes(*chunk) ^ self.head.0) & self.head.1 == 0
                    && (self.bytes.len() <= 8 || text.starts_with(&self.bytes))
            }
            // Not even a call with nothing to compare: the C library's may read through the pointer of an empty slice,
            // which points nowhere, and the processor takes its time to find that nothing was asked for.
            None => self.bytes.is_empty() || text.starts_with(&self.bytes),
        }
    }

    /// Does `text` end with it?
    #[inline]
    pub(super) fn ends(&self, text: &[u8]) -> bool {
        match text.last_chunk::<8>() {
            Some(chunk) => {
                (u64::from_le_bytes(*chunk) ^ self.tail.0) & self.tail.1 == 0
                    && (self.bytes.len() <= 8 || text.ends_with(&self.bytes))
            }
            None => self.bytes.is_empty() || text.ends_with(&self.bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_last_place_is_found_near_and_far() {
        for (text, end, found) in [
            ("", 0, None),
            ("=", 1, Some(0)),
            ("a=b=c", 5, Some(3)),
            ("a=b=c", 3, Some(1)),
            ("=3456789", 8, Some(0)),
            ("=<=<=<=<", 8, Some(6)),
            ("=234567890123456789012345678901234567890", 40, Some(0)),
            ("1234567890123456789012345678901234567890", 40, None),
        ] {
            assert_eq!(rfind(b'=', text.as_bytes(), end), found, "{text} {end}");
        }
    }

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

    proptest! {
        #[test]
        fn near_searches_find_what_plain_ones_find(
            text in prop::collection::vec(prop::sample::select(b"\x00\x01\x7f\x80\x81\xff\"= a".to_vec()), 0..60),
            cut in 0usize..60,
            byte in prop::sample::select(b"\x00\x01\x7f\x80\x81\xff\"=".to_vec()),
        ) {
            let end = cut.min(text.len());
            let plain = text[..end].iter().rposition(|&other| other == byte);
            prop_assert_eq!(rfind(byte, &text, end), plain);
            let next = text[end..].iter().position(|&other| other == byte).map(|found| end + found);
            prop_assert_eq!(find(byte, &text, end), next);
            let literal = Literal::new(&text[end..]);
            prop_assert!(literal.ends(&text) && literal.starts(&text[end..]));
            prop_assert_eq!(literal.ends(&text[..end]), text[..end].ends_with(&text[end..]));
            prop_assert_eq!(literal.starts(&text), text.starts_with(&text[end..]));
            for at in end..text.len() {
                let mut other = text.clone();
                other[at] ^= 0x80;
                prop_assert!(!literal.ends(&other) && !literal.starts(&other[end..]));
            }
        }
    }
}
