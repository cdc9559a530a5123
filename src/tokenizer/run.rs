//! Values that stand next to each other and are nearly always as wide as usual: all of them, with the literals between, are
//! compared at once with how they usually look.

use super::Tokens;
use super::digits;
use super::fields::Extent;
use super::lanes::{LANES, Lanes};
use super::near::halves;
use crate::log_format::variable::Field;

/// Most windows of a run.
const WIDEST: usize = 4;

/// A byte of a literal may not differ by a single bit: any that does reaches the top bit when this is added.
const LITERAL: u8 = 0x7f;

/// A digit may differ from 0 by up to nine.
const DIGIT: u8 = 0x80 - 10;

/// Bytes as they usually are.
#[derive(Debug, Clone)]
struct Window {
    usual: Lanes,
    /// The bits that count: all of a byte, or none.
    counts: Lanes,
    /// What is added to the difference: [`LITERAL`] or [`DIGIT`].
    added: Lanes,
}

/// A number of a run.
#[derive(Debug, Clone)]
struct Value {
    field: Field,
    /// Where it stands, from the start of the windows on.
    extent: Extent,
    /// Where the eight bytes that it ends with begin, and the bits of their digits.
    at: usize,
    digits: u64,
    /// Bits of the digits of the eight bytes in front of these; none for most.
    front: u64,
}

/// Some values in a row.
#[derive(Debug, Clone)]
pub(super) struct Run {
    windows: Vec<Window>,
    values: Vec<Value>,
    /// Bytes of the values and of the literals in front of them.
    width: usize,
}

/// A number as wide as it is most often: times are below ten seconds, codes have three digits, and it is not yet the year
/// 2286.
pub(super) fn usual_value(field: Field) -> Option<&'static [u8]> {
    match field {
        Field::ConnectTime | Field::HeaderTime | Field::ResponseTime | Field::RequestTime => {
            Some(b"0.000")
        }
        Field::UpstreamStatus => Some(b"000"),
        Field::Msec => Some(b"0000000000.000"),
        _ => None,
    }
}

impl Run {
    /// A run of the first of these values, the last one first, each with the literal in front of it; and how many of them fit
    /// into it, if there is one that does.
    pub(super) fn new(values: &[(Field, &[u8])]) -> Option<(Self, usize)> {
        let texts = values
            .iter()
            .map(|(field, before)| (*field, *before, usual_value(*field).unwrap_or_default()));
        // Each value is the end of eight bytes, and a long one that of twice as many.
        let ends = texts.clone().scan((0, 0), |(width, room), (_, before, text)| {
            *room = (*width + text.len().next_multiple_of(8)).max(*room);
            *width += before.len() + text.len();
            *room = (*width).max(*room);
            Some((*width, room.next_multiple_of(LANES)))
        });
        let ends = ends.take_while(|(_, room)| *room <= WIDEST * LANES);
        let (count, (width, room)) = ends.enumerate().last()?;
        let texts = texts.take(count + 1);
        let (mut usual, mut counts, mut added) = (vec![0; room], vec![0; room], vec![0; room]);
        let mut end = room;
        let mut all = Vec::new();
        for (field, before, text) in texts {
            let to = end;
            let from = to - text.len();
            end = from - before.len();
            usual[from..to].copy_from_slice(text);
            usual[end..from].copy_from_slice(before);
            counts[end..to].fill(0xff);
            added[end..to].fill(LITERAL);
            let mut digits = [0u8; LANES];
            for at in (from..to).filter(|at| text[at - from] == b'0') {
                added[at] = DIGIT;
                digits[at + LANES - to] = 0x0f;
            }
            let [front, digits] = halves(&digits);
            all.push(Value { field, extent: Extent::new(from, to), at: to - 8, digits, front });
        }
        let lanes = |bytes: &[u8]| Lanes::of(bytes.first_chunk().unwrap_or(&[0; LANES]));
        let windows = (0..room).step_by(LANES).map(|at| Window {
            usual: lanes(&usual[at..]),
            counts: lanes(&counts[at..]),
            added: lanes(&added[at..]),
        });
        Some((Run { windows: windows.collect(), values: all, width }, count + 1))
    }

    /// Sets the values of lines that end here; `odd` is given those of which one looks otherwise.
    pub(super) fn scan(&self, lines: &mut [Tokens<'_>], odd: impl FnMut(&mut Tokens<'_>)) {
        match self.windows.len() {
            1 => self.scan_wide::<1>(lines, odd),
            2 => self.scan_wide::<2>(lines, odd),
            3 => self.scan_wide::<3>(lines, odd),
            _ => self.scan_wide::<WIDEST>(lines, odd),
        }
    }

    /// The same with so many windows.
    #[inline(never)]
    fn scan_wide<const WIDE: usize>(
        &self,
        lines: &mut [Tokens<'_>],
        mut odd: impl FnMut(&mut Tokens<'_>),
    ) {
        let Some(windows) = self.windows.first_chunk::<WIDE>() else { return };
        for line in lines {
            if self.read_back(windows, line).is_none() {
                odd(line);
            }
        }
    }

    /// Sets the values that a line ends with; none if one of them looks otherwise.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the loop's body; measured")]
    fn read_back<const WIDE: usize>(
        &self,
        windows: &[Window; WIDE],
        line: &mut Tokens<'_>,
    ) -> Option<()> {
        let text = line.line.get(..line.end)?;
        let start = text.len().checked_sub(WIDE * LANES)?;
        let text = &text[start..];
        let bytes = text.as_chunks().0.first_chunk::<WIDE>()?;
        let mut odd = Lanes::all(0);
        for (window, bytes) in windows.iter().zip(bytes) {
            odd = odd.or(window.odd(bytes));
        }
        if odd.has_top() {
            return None;
        }
        for value in &self.values {
            let word = u64::from_le_bytes(*text.get(value.at..)?.first_chunk()?);
            let mut number = digits::four(word & value.digits);
            if value.front != 0 {
                number = value.long(text)?;
            }
            line.values.place_extent(value.field, value.extent.later(start));
            line.values.place_number(value.field, number);
        }
        line.end -= self.width;
        Some(())
    }
}

impl Value {
    /// The number, if it has more digits than a time or a code.
    #[inline]
    fn long(&self, windows: &[u8]) -> Option<u64> {
        let eight = |at: usize| Some(u64::from_le_bytes(*windows.get(at..)?.first_chunk()?));
        let [front, last] = [eight(self.at.checked_sub(8)?)?, eight(self.at)?];
        Some(digits::MILLIS.join(front & self.front, last & self.digits))
    }
}

impl Window {
    /// The top bits of the bytes that are not as usual.
    #[inline]
    fn odd(&self, bytes: &[u8; LANES]) -> Lanes {
        Lanes::of(bytes).xor(self.usual).and(self.counts).reach(self.added)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VALUES: [(Field, &[u8]); 5] = [
        (Field::Msec, b" msec="),
        (Field::UpstreamStatus, b"\",\"upstream_status\":\""),
        (Field::ConnectTime, b"\" uct=\""),
        (Field::ResponseTime, b"\t"),
        (Field::RequestTime, b" "),
    ];

    proptest! {
        #[test]
        fn a_run_is_read_only_where_each_byte_fits(
            numbers in prop::collection::vec(0u64..10_000, 5),
            front in prop::collection::vec(any::<u8>(), 0..80),
            change in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        ) {
            let (run, count) = Run::new(&VALUES).unwrap();
            prop_assert_eq!((count, run.windows.len()), (4, 4), "as many as fit");
            // The last value comes first.
            let texts = VALUES[..count].iter().zip(&numbers).map(|((field, before), number)| {
                let text = match field {
                    Field::Msec => format!("{}.123", 1_795_220_000 + number),
                    Field::UpstreamStatus => format!("{:03}", number % 1000),
                    _ => format!("{}.{:03}", number / 1000, number % 1000),
                };
                [before, text.as_bytes()].concat()
            });
            let texts: Vec<_> = texts.collect();
            let mut line = front.clone();
            texts.iter().rev().for_each(|text| line.extend(text));
            let plain = line.clone();
            if let Some((at, byte)) = change {
                line[at.index(plain.len())] = byte;
            }
            let mut tokens = [Tokens::new(&line)];
            tokens[0].end = line.len();
            let mut is_odd = false;
            run.scan(&mut tokens, |_| is_odd = true);
            let is_usual = line[front.len()..].iter().zip(&plain[front.len()..]).all(|(a, b)| {
                a == b || a.is_ascii_digit() && b.is_ascii_digit()
            });
            if line.len() < 64 {
                prop_assert!(is_odd, "no room to look");
                return Ok(());
            }
            prop_assert_eq!(is_odd, !is_usual);
            if is_odd {
                return Ok(());
            }
            prop_assert_eq!(tokens[0].end, front.len());
            let mut values = tokens[0].values;
            values.restart(u32::MAX);
            values.declare(u32::MAX);
            let fields = crate::tokenizer::Fields::new(&line, &values);
            for (field, before) in &VALUES[..count] {
                let text = fields.get(*field).unwrap();
                let digits: Vec<u8> = text.iter().copied().filter(u8::is_ascii_digit).collect();
                let number: u64 = str::from_utf8(&digits).unwrap().parse().unwrap();
                prop_assert_eq!(fields.number(*field), Some(number));
                prop_assert_eq!(text.len(), usual_value(*field).unwrap().len());
                let end = text.as_ptr() as usize - line.as_ptr() as usize;
                prop_assert!(line[..end].ends_with(before) || change.is_some());
            }
        }
    }
}
