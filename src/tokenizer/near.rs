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

/// The last place of a byte in a text, if all bytes behind it are at least `least`, which is at most 0x80, and none a
/// quote; with 0 they may be any. None also where that is not quickly seen.
#[inline]
pub(super) fn behind(byte: u8, least: u8, text: &[u8]) -> Option<usize> {
    let mut to = text.len();
    for _ in 0..TRIES {
        let word = u64::from_le_bytes(*text[..to].last_chunk()?);
        let odd = if least == 0 { 0 } else { below(word, least) | equal_bytes(word, b'"') };
        if let Some(bit) = equal_bytes(word, byte).checked_ilog2() {
            let is_good = odd & (u64::MAX - 1) << bit == 0;
            return is_good.then_some(to - 8 + bit as usize / 8);
        }
        if odd != 0 {
            return None;
        }
        to -= 8;
    }
    None
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

/// The top bit of each byte of `word` that equals `byte`. Exact: no carry goes from one byte to the next.
#[inline]
pub(super) fn equal_bytes(word: u64, byte: u8) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let differs = word ^ (u64::from(byte) * 0x0101_0101_0101_0101);
    !(((differs & LOW) + LOW) | differs | LOW)
}

/// Is this byte in a text, which is most often short?
#[inline]
pub(crate) fn holds(text: &[u8], byte: u8) -> bool {
    match (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        (Some(first), Some(last)) if text.len() <= 16 => {
            let [first, last] =
                [*first, *last].map(|part| equal_bytes(u64::from_le_bytes(part), byte));
            first | last != 0
        }
        (None, _) => text.contains(&byte),
        _ => memchr(byte, text).is_some(),
    }
}

/// Are all bytes from `at` to `end` at least `least`, which is at most 0x80, and none a quote? False also where that is
/// not quickly seen.
#[inline]
pub(super) fn is_plain(line: &[u8], at: usize, end: usize, least: u8) -> bool {
    let odd = |bytes: &[u8; 8]| {
        let word = u64::from_le_bytes(*bytes);
        below(word, least) | equal_bytes(word, b'"')
    };
    let Some(text) = line.get(at..end) else { return false };
    if let Some(last) = text.last_chunk() {
        let (chunks, _) = text.as_chunks();
        return chunks.len() <= LONG_WORD && odd(last) == 0 && chunks.iter().all(|c| odd(c) == 0);
    }
    // What stands behind the end does not count.
    let kept = 8 * text.len();
    text.is_empty() || line[at..].first_chunk().is_some_and(|chunk| odd(chunk) << (64 - kept) == 0)
}

/// So many times eight bytes are looked at in a row: as many as `$request_id` has.
const LONG_WORD: usize = 4;

/// The top bit of each byte that is below `least`, which is at most 0x80.
#[inline]
fn below(word: u64, least: u8) -> u64 {
    const TOP: u64 = 0x8080_8080_8080_8080;
    // A byte below 0x80 with the top bit put in keeps it when `least` is taken away, unless it was less.
    !((word | TOP) - u64::from(least) * 0x0101_0101_0101_0101) & !word & TOP
}

/// Is it a word without blanks, control bytes, quotes and commas, as a single address is? False also where that is not
/// quickly seen.
#[inline]
pub(crate) fn is_word(text: &[u8]) -> bool {
    let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) else {
        return false;
    };
    let odd = |part: &[u8; 8]| {
        let word = u64::from_le_bytes(*part);
        below(word, b' ' + 1) | equal_bytes(word, b'"') | equal_bytes(word, b',')
    };
    text.len() <= 24
        && odd(first) | odd(last) == 0
        && text.get(8..16).and_then(<[u8]>::first_chunk).is_none_or(|middle| odd(middle) == 0)
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

    /// What stands in front of it, if `text` ends with it.
    #[inline]
    pub(super) fn strip_end<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        let front = text.len().checked_sub(self.bytes.len())?;
        if self.ends(text) { text.get(..front) } else { None }
    }

    /// Does `text` end with it?
    #[inline]
    pub(super) fn ends(&self, text: &[u8]) -> bool {
        match text.last_chunk::<8>() {
            Some(chunk) => {
                (u64::from_le_bytes(*chunk) ^ self.tail.0) & self.tail.1 == 0
                    && (self.bytes.len() <= 8 || self.ends_far(text))
            }
            None => self.bytes.is_empty() || text.ends_with(&self.bytes),
        }
    }

    /// The same where it is longer than eight bytes, by words: a call costs more.
    #[inline]
    fn ends_far(&self, text: &[u8]) -> bool {
        let Some(start) = text.len().checked_sub(self.bytes.len()) else { return false };
        let (_, others) = text[start..].as_rchunks();
        let (_, words) = self.bytes.as_rchunks();
        let is_same = |(word, other): (&[u8; 8], &[u8; 8])| {
            u64::from_le_bytes(*word) == u64::from_le_bytes(*other)
        };
        let head = text[start..]
            .first_chunk()
            .is_some_and(|head| u64::from_le_bytes(*head) == self.head.0);
        head && words.iter().zip(others).all(is_same)
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
            for least in [0, 0x20, 0x21, 0x80] {
                let is_good = |at: &usize| {
                    let value = &text[at + 1..end];
                    least == 0 || !value.iter().any(|byte| *byte < least || *byte == b'"')
                };
                let is_quick = |at: &usize| {
                    let words = (end - at).div_ceil(8);
                    words <= TRIES && 8 * words <= end
                };
                let found = behind(byte, least, &text[..end]);
                prop_assert_eq!(found, plain.filter(is_good).filter(is_quick));
            }
            let next = text[end..].iter().position(|&other| other == byte).map(|found| end + found);
            prop_assert_eq!(find(byte, &text, end), next);
            let is_odd = |byte: &u8| *byte <= b' ' || *byte == b'"' || *byte == b',';
            let is_word = (8..=24).contains(&end) && !text[..end].iter().any(is_odd);
            prop_assert_eq!(super::is_word(&text[..end]), is_word);
            for (from, least) in (0..=end).flat_map(|from| [(from, 0x20), (from, 0x21)]) {
                let is_good = !text[from..end].iter().any(|byte| *byte < least || *byte == b'"');
                let many = end - from;
                let is_quick = many < 8 * (LONG_WORD + 1)
                    && (many == 0 || many >= 8 || text.len() >= from + 8);
                prop_assert_eq!(is_plain(&text, from, end, least), is_good && is_quick);
            }
            prop_assert_eq!(holds(&text[..end], byte), text[..end].contains(&byte));
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
