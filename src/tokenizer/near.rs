//! Searches and comparisons that look at a few bytes only. Most values and literals are so short that a call into
//! `memchr` or `memcmp` costs more than the work itself, and a line takes dozens of them.

use super::lanes::{LANES, Lanes};
use crate::wide::Mark;
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

/// A byte that is looked for near the end of a text, behind which all bytes are at least some other, and none is a quote.
#[derive(Debug, Clone)]
pub(super) struct Near {
    pub(super) mark: Mark,
    /// Eight times each.
    byte: u64,
    least: u64,
}

/// Each byte one.
const ONES: u64 = 0x0101_0101_0101_0101;
const QUOTES: u64 = 0x2222_2222_2222_2222;
const TOP: u64 = 0x8080_8080_8080_8080;

impl Near {
    /// `least` is below 0x80.
    pub(super) fn new(mark: Mark) -> Self {
        let Mark { byte, least } = mark;
        Near { mark, byte: u64::from(byte) * ONES, least: u64::from(least) * ONES }
    }

    /// The byte's last place among these sixteen. None also where that is not seen at a glance, and it may be one of those right
    /// behind, where bytes stand that differ in the lowest bit only: what is found must be compared.
    #[inline]
    pub(super) fn find_back(&self, text: &[u8; LANES]) -> Option<usize> {
        let [first, last] = halves(text);
        // Of bytes behind a zero one, those that are 1 are marked too.
        let zeros = |word: u64| word.wrapping_sub(ONES) & !word & TOP;
        let odd = |word: u64| word.wrapping_sub(self.least) & !word & TOP | zeros(word ^ QUOTES);
        let found = zeros(last ^ self.byte);
        if found != 0 {
            let bit = found.ilog2();
            let is_good = self.least == 0 || odd(last) >> bit <= 1;
            return is_good.then_some(8 + bit as usize / 8);
        }
        let bit = zeros(first ^ self.byte).checked_ilog2()?;
        let is_good = self.least == 0 || odd(last) == 0 && odd(first) >> bit <= 1;
        is_good.then_some(bit as usize / 8)
    }
}

/// As two words, whose lower bytes stand in front.
#[inline]
pub(super) fn halves(bytes: &[u8; LANES]) -> [u64; 2] {
    let half = |from: usize| bytes[from..].first_chunk().copied().unwrap_or_default();
    [half(0), half(8)].map(u64::from_le_bytes)
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

/// Eight bytes of a text of at least as many, from a place in it on, as a little-endian word: zeros behind its end.
#[inline]
pub(super) fn eight_from(text: &[u8], at: usize) -> Option<u64> {
    let rest = text.get(at..)?;
    if let Some(chunk) = rest.first_chunk() {
        return Some(u64::from_le_bytes(*chunk));
    }
    let last = u64::from_le_bytes(*text.last_chunk()?);
    let missing = u32::try_from(8 * (8 - rest.len())).ok()?;
    Some(last.unbounded_shr(missing))
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
    /// The same of the last sixteen.
    last: (Lanes, Lanes),
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
        let (mut last, mut counts) = ([0; LANES], [0; LANES]);
        let many = bytes.len().min(LANES);
        last[LANES - many..].copy_from_slice(&bytes[bytes.len() - many..]);
        counts[LANES - many..].fill(0xff);
        let last = (Lanes::of(&last), Lanes::of(&counts));
        Literal { bytes: bytes.into(), head, tail, last }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Does `text` start with it?
    #[inline]
    pub(super) fn starts(&self, text: &[u8]) -> bool {
        match text.first_chunk::<8>() {
            Some(chunk) => self.starts_with_word(text, u64::from_le_bytes(*chunk)),
            // Not even a call with nothing to compare: the C library's may read through the pointer of an empty slice,
            // which points nowhere, and the processor takes its time to find that nothing was asked for.
            None => self.bytes.is_empty() || text.starts_with(&self.bytes),
        }
    }

    /// Does `text` start with it, whose first eight bytes, as a little-endian word with zeros behind its end, are at hand?
    #[inline]
    pub(super) fn starts_with_word(&self, text: &[u8], word: u64) -> bool {
        (word ^ self.head.0) & self.head.1 == 0 && (self.is_short() || self.starts_far(text))
    }

    #[inline(never)]
    fn starts_far(&self, text: &[u8]) -> bool {
        text.starts_with(&self.bytes)
    }

    /// What stands in front of it, if `text` ends with it.
    #[inline]
    pub(super) fn strip_end<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        let front = text.len().checked_sub(self.bytes.len())?;
        if self.ends(text) { text.get(..front) } else { None }
    }

    /// Has it no more than eight bytes?
    pub(super) fn is_short(&self) -> bool {
        self.bytes.len() <= 8
    }

    /// Does this word, of which the last bytes are the upper ones, end with its last eight bytes?
    #[inline]
    pub(super) fn is_tail(&self, word: u64) -> bool {
        (word ^ self.tail.0) & self.tail.1 == 0
    }

    /// Does `text` end with it, whose last eight bytes, as a little-endian word, are at hand?
    #[inline]
    pub(super) fn ends_with_word(&self, text: &[u8], word: u64) -> bool {
        self.is_tail(word) && (self.is_short() || self.ends_far(text))
    }

    /// Does `text` end with it?
    #[inline]
    pub(super) fn ends(&self, text: &[u8]) -> bool {
        match text.last_chunk::<8>() {
            Some(chunk) => self.ends_with_word(text, u64::from_le_bytes(*chunk)),
            None => self.bytes.is_empty() || text.ends_with(&self.bytes),
        }
    }

    /// The same where it is longer than eight bytes: by its last sixteen and its first ones, which may be partly the same. A
    /// call into the C library costs more.
    #[inline]
    fn ends_far(&self, text: &[u8]) -> bool {
        let Some(start) = text.len().checked_sub(self.bytes.len()) else { return false };
        let Some(last) = text.last_chunk() else { return text.ends_with(&self.bytes) };
        let mut differs = Lanes::of(last).xor(self.last.0).and(self.last.1);
        if let (Some(first), Some(own)) = (text[start..].first_chunk(), self.bytes.first_chunk()) {
            differs = differs.or(Lanes::of(first).xor(Lanes::of(own)));
        }
        differs.are_zero() && (self.bytes.len() <= 2 * LANES || text.ends_with(&self.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn eight_bytes_have_zeros_behind_the_end_of_a_text() {
        let text = b"123456789012";
        for (length, at) in (0..=text.len()).flat_map(|length| (0..=13).map(move |at| (length, at)))
        {
            let text = &text[..length];
            let slow = text.get(at..).filter(|_| length >= 8).map(|rest| {
                let mut eight = [0; 8];
                let many = rest.len().min(8);
                eight[..many].copy_from_slice(&rest[..many]);
                u64::from_le_bytes(eight)
            });
            assert_eq!(eight_from(text, at), slow, "{at} of {length}");
        }
    }

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
            if let Some(window) = text[..end].last_chunk::<LANES>() {
                for least in [0, 0x20, 0x21, 0x7f] {
                    let place = window.iter().rposition(|&other| other == byte);
                    let is_good = |at: &usize| {
                        let value = &window[at + 1..];
                        least == 0 || !value.iter().any(|byte| *byte < least || *byte == b'"')
                    };
                    let is_plain = |at: &usize| window[at + 1..].iter().all(|byte| *byte == b'a');
                    let found = Near::new(Mark { byte, least }).find_back(window);
                    // What comes too early is not the byte.
                    let is_it = found.filter(|at| window[*at] == byte);
                    prop_assert!(is_it.is_none() || found == place.filter(is_good), "{found:?}");
                    prop_assert!(found == place || !place.filter(is_good).is_some_and(|at| is_plain(&at)));
                }
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
