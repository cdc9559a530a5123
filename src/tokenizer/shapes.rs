//! How far a value of a given shape goes.

use super::digits;
use crate::log_format::variable::Shape;

/// What a shape is called in messages.
pub(super) fn describe(shape: Shape) -> &'static str {
    match shape {
        Shape::Text => "a value",
        Shape::Token => "a word",
        Shape::Integer => "a whole number",
        Shape::Seconds => "a number of seconds",
        Shape::TimeLocal => "a time like 21/Nov/2026:02:03:23 +0000",
        Shape::TimeIso8601 => "a time like 2026-11-21T02:03:23+00:00",
        Shape::Addresses => "a list of addresses",
        Shape::Numbers => "a list of numbers",
    }
}

/// The end of the longest value of this shape that starts at `at`. Not for [`Shape::Text`] and [`Shape::Token`].
/// An absent value is `-` or empty, so there always is one, except for times, which nginx always writes.
/// `stop` is the byte that follows the value in the format: it ends an address.
#[inline]
pub fn longest(shape: Shape, line: &[u8], at: usize, stop: Option<u8>) -> Option<usize> {
    match shape {
        Shape::Text | Shape::Token => None,
        Shape::Integer => Some(dash_or(line, at, digits(line, at))),
        Shape::Seconds => Some(dash_or(line, at, decimal(line, at))),
        Shape::TimeLocal => {
            let text = line.get(at..)?.first_chunk()?;
            is_time_local(text).then_some(at + text.len())
        }
        Shape::TimeIso8601 => time_iso8601(line, at),
        Shape::Addresses => Some(list(line, at, |line, at| address(line, at, stop), &mut |_| ())),
        Shape::Numbers => {
            Some(list(line, at, |line, at| dash_or(line, at, decimal(line, at)), &mut |_| ()))
        }
    }
}

/// Every end at which a list may also be said to stop, shortest first; the last one is that of [`longest`].
pub(super) fn list_ends(shape: Shape, line: &[u8], at: usize, stop: Option<u8>) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut note = |end| ends.push(end);
    match shape {
        Shape::Addresses => list(line, at, |line, at| address(line, at, stop), &mut note),
        _ => list(line, at, |line, at| dash_or(line, at, decimal(line, at)), &mut note),
    };
    ends.dedup();
    ends
}

/// Walks `slot ((", " | " : ") slot)*`, where a slot may be empty beside ` : ` (a pass that ended before it had an
/// address leaves an empty slot). Calls `note` at each end of a slot and gives the last one.
#[inline]
fn list(
    line: &[u8],
    at: usize,
    slot: impl Fn(&[u8], usize) -> usize,
    note: &mut impl FnMut(usize),
) -> usize {
    let mut end = slot(line, at);
    note(end);
    loop {
        let (next, is_pass) = match line.get(end..) {
            Some([b',', b' ', ..]) => (end + 2, false),
            Some([b' ', b':', b' ', ..]) => (end + 3, true),
            // The trailing space is lost where a line was trimmed.
            Some([b' ', b':']) => (end + 2, true),
            _ => return end,
        };
        let after = slot(line, next);
        if after == next && !is_pass {
            return end;
        }
        end = after;
        note(end);
    }
}

#[inline]
fn digits(line: &[u8], at: usize) -> usize {
    at + digits::digits(line.get(at..).unwrap_or_default())
}

#[inline]
fn decimal(line: &[u8], at: usize) -> usize {
    let end = digits(line, at);
    if end > at && line.get(end) == Some(&b'.') { digits(line, end + 1) } else { end }
}

/// A lone `-` where no number was found.
#[inline]
fn dash_or(line: &[u8], at: usize, end: usize) -> usize {
    if end == at && line.get(at) == Some(&b'-') { at + 1 } else { end }
}

#[inline]
fn address(line: &[u8], at: usize, stop: Option<u8>) -> usize {
    let ends = |byte: &u8| *byte <= b' ' || *byte == b',' || *byte == b'"' || Some(*byte) == stop;
    // An IPv6 address holds colons; only a stop of `:` itself could cut it, so brackets are taken whole.
    let from = match line.get(at) {
        Some(b'[') => {
            let inside =
                line[at..].iter().position(|byte| *byte == b']' || *byte <= b' ' || *byte == b'"');
            inside.filter(|close| line[at + close] == b']').map_or(at, |close| at + close)
        }
        _ => at,
    };
    // `host:port` and `unix:/path` hold one colon even where the format's next literal is a colon.
    let colon_stops = stop == Some(b':');
    let rest = &line[from.min(line.len())..];
    let mut colons = 0;
    let count = rest
        .iter()
        .take_while(|byte| {
            if colon_stops && **byte == b':' {
                colons += 1;
                return colons == 1;
            }
            !ends(byte)
        })
        .count();
    from + count
}

/// The form of `21/Nov/2026:02:03:23 +0000`: digits, a letter or sign for each `?`, and punctuation.
const TIME_LOCAL: &[u8; 26] = b"00/???/0000:00:00:00 ?0000";

/// Eight bytes of it: where it has digits, its punctuation, and where that is.
const fn eight_of_time_local(from: usize) -> (usize, u64, u64, u64) {
    let (mut digits, mut literal, mut mask) = (0, 0, 0);
    let mut i = 0;
    while i < 8 {
        let byte = TIME_LOCAL[from + i];
        if byte == b'0' {
            digits |= 0x80 << (8 * i);
        } else if byte != b'?' {
            literal |= (byte as u64) << (8 * i);
            mask |= 0xff << (8 * i);
        }
        i += 1;
    }
    (from, digits, literal, mask)
}

/// `21/Nov/2026:02:03:23 +0000`, by the places of its punctuation and digits.
#[inline]
pub(super) fn is_time_local(text: &[u8; TIME_LOCAL.len()]) -> bool {
    const EIGHTS: [(usize, u64, u64, u64); 4] = [
        eight_of_time_local(0),
        eight_of_time_local(8),
        eight_of_time_local(16),
        eight_of_time_local(18),
    ];
    let fits = |&(from, digits, literal, mask): &(usize, u64, u64, u64)| {
        text.get(from..).and_then(<[u8]>::first_chunk::<8>).is_some_and(|chunk| {
            let word = u64::from_le_bytes(*chunk);
            digits::not_digits(word) & digits == 0 && (word ^ literal) & mask == 0
        })
    };
    EIGHTS.iter().all(fits)
        && text[3].is_ascii_uppercase()
        && text[4].is_ascii_lowercase()
        && text[5].is_ascii_lowercase()
        && matches!(text[21], b'+' | b'-')
}

/// The end of `2026-11-21T02:03:23`, an optional fraction and `Z`, `+00:00` or `+0000`.
fn time_iso8601(line: &[u8], at: usize) -> Option<usize> {
    const PATTERN: &[u8; 19] = b"0000-00-00T00:00:00";
    let text = line.get(at..at + PATTERN.len())?;
    let fits = text.iter().zip(PATTERN).all(|(byte, pattern)| match pattern {
        b'0' => byte.is_ascii_digit(),
        b'T' => matches!(byte, b'T' | b' '),
        _ => byte == pattern,
    });
    if !fits {
        return None;
    }
    let mut end = at + PATTERN.len();
    if matches!(line.get(end), Some(b'.' | b',')) {
        end = digits(line, end + 1);
    }
    match line.get(end..) {
        Some([b'Z', ..]) => Some(end + 1),
        Some([b'+' | b'-', zone @ ..]) => {
            let hours = digits(zone, 0);
            let colon = usize::from(hours == 2 && zone.get(2) == Some(&b':'));
            let all = digits(zone, hours + colon);
            (all - colon == 4).then_some(end + 1 + all)
        }
        _ => Some(end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_as_far_as_their_grammar_allows() {
        for (shape, line, end) in [
            (Shape::Integer, "200 1", Some(3)),
            (Shape::Integer, "- 1", Some(1)),
            (Shape::Integer, " 1", Some(0)),
            (Shape::Seconds, "0.001 x", Some(5)),
            (Shape::Seconds, "-0.1", Some(1)),
            (Shape::Numbers, "0.000, -, 0.002 : 0.001 0.000", Some(23)),
            (Shape::Numbers, "200 :  0.0", Some(6)),
            (Shape::Numbers, "200, x", Some(3)),
            (Shape::Numbers, "200 :", Some(5)),
            (Shape::Addresses, "a:80, [::1]:80 : unix:/x y", Some(24)),
            (Shape::Addresses, "-  x", Some(1)),
            (Shape::TimeLocal, "21/Nov/2026:02:03:23 +0000]", Some(26)),
            (Shape::TimeLocal, "21/Nov/2026:02:03:23", None),
            (Shape::TimeIso8601, "2026-11-21T02:03:23+00:00,", Some(25)),
            (Shape::TimeIso8601, "2026-11-21T02:03:23.123Z", Some(24)),
            (Shape::TimeIso8601, "2026-11-21 02:03:23 x", Some(19)),
            (Shape::TimeIso8601, "2026-11-21T02:03:23+1", None),
        ] {
            assert_eq!(longest(shape, line.as_bytes(), 0, None), end, "{shape:?} {line}");
        }
    }

    #[test]
    fn every_place_of_a_time_is_checked() {
        let good = b"21/Nov/2026:02:03:23 +0000";
        assert!(is_time_local(good));
        for at in 0..good.len() {
            for byte in 0..=255u8 {
                let mut text = *good;
                text[at] = byte;
                let fits = match TIME_LOCAL[at] {
                    b'0' => byte.is_ascii_digit(),
                    b'?' if at == 3 => byte.is_ascii_uppercase(),
                    b'?' if at == 21 => matches!(byte, b'+' | b'-'),
                    b'?' => byte.is_ascii_lowercase(),
                    punctuation => byte == punctuation,
                };
                assert_eq!(is_time_local(&text), fits, "{byte} at {at}");
            }
        }
    }

    #[test]
    fn an_address_before_a_colon_keeps_its_port() {
        let line = b"127.0.0.1:80:0.001";
        assert_eq!(longest(Shape::Addresses, line, 0, Some(b':')), Some(12));
        assert_eq!(longest(Shape::Addresses, b"[::1]:80:x", 0, Some(b':')), Some(8));
        assert_eq!(longest(Shape::Addresses, b"a:80|b", 0, Some(b'|')), Some(4));
    }

    #[test]
    fn a_list_may_also_stop_after_each_slot() {
        assert_eq!(list_ends(Shape::Numbers, b"1, 2 : 3", 0, None), [1, 4, 8]);
    }
}
