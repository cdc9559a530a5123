//! Values that stand next to each other and are nearly always as wide as usual: all of them, with the literals between, are
//! compared at once with how they usually look.

use super::digits;
use super::fields::Extent;
use super::lanes::LANES;
use super::near::halves;
use super::{BATCH, Tokens};
use crate::log_format::variable::Field;

/// Most windows of a run.
const WIDEST: usize = 4;

/// A byte of a literal may not differ by a single bit: any that does reaches the top bit when this is added.
const LITERAL: u8 = 0x7f;

/// A digit may differ from 0 by up to nine.
const DIGIT: u8 = 0x80 - 10;

/// Bytes side by side.
#[derive(Debug, Clone, Copy)]
#[repr(align(16))]
struct Bytes([u8; LANES]);

/// Bytes as they usually are.
#[derive(Debug, Clone)]
struct Window {
    usual: Bytes,
    /// The bits that count: all of a byte, or none.
    counts: Bytes,
    /// What is added to the difference: [`LITERAL`] or [`DIGIT`].
    added: Bytes,
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
        let lanes = |bytes: &[u8]| Bytes(bytes.first_chunk().copied().unwrap_or_default());
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

    /// The same with so many windows: first all lines are compared, then each value is read from all of them, so that what is
    /// known of it stays in registers.
    #[inline(never)]
    fn scan_wide<const WIDE: usize>(
        &self,
        lines: &mut [Tokens<'_>],
        mut odd: impl FnMut(&mut Tokens<'_>),
    ) {
        let Some(windows) = self.windows.first_chunk::<WIDE>() else { return };
        // Of odd lines what is read here counts nothing.
        let mut ends = [End { text: &[[0; LANES]; WIDE], start: 0 }; BATCH];
        let mut are_odd = 0u32;
        for (at, (line, end)) in lines.iter_mut().zip(&mut ends).enumerate() {
            match End::of(line, windows) {
                Some(usual) => {
                    *end = usual;
                    line.end -= self.width;
                }
                None => are_odd |= 1 << at,
            }
        }
        for value in &self.values {
            value.read(&ends, lines);
        }
        while are_odd != 0 {
            odd(&mut lines[are_odd.trailing_zeros() as usize]);
            are_odd &= are_odd - 1;
        }
    }
}

/// The end of a line, of so many windows, and where it starts.
#[derive(Debug, Clone, Copy)]
struct End<'a, const WIDE: usize> {
    text: &'a [[u8; LANES]; WIDE],
    start: usize,
}

impl<'a, const WIDE: usize> End<'a, WIDE> {
    /// That of a line, if it looks as usual.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the loop's body; measured")]
    fn of(line: &Tokens<'a>, windows: &[Window; WIDE]) -> Option<Self> {
        let start = line.end.checked_sub(WIDE * LANES)?;
        let text = line.line.get(start..line.end)?.as_chunks().0.first_chunk()?;
        let mut odd = [0; LANES];
        for (window, bytes) in windows.iter().zip(text) {
            window.mark_odd(bytes, &mut odd);
        }
        // Asked so that the compiler sees that only top bits count.
        let is_odd = odd.iter().fold(0, |all, byte| all | byte & 0x80) != 0;
        (!is_odd).then_some(End { text, start })
    }

    /// The eight bytes from `at` on, which is not too far.
    #[inline]
    fn eight(&self, at: usize) -> u64 {
        let bytes = self.text.as_flattened()[at..].first_chunk();
        bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }
}

impl Value {
    /// Sets it in each of the lines.
    #[inline]
    fn read<const WIDE: usize>(&self, ends: &[End<'_, WIDE>], lines: &mut [Tokens<'_>]) {
        // No more than it is, but the compiler sees it.
        let at = self.at.min(WIDE * LANES - 8);
        if self.front == 0 {
            return self.each(ends, lines, |end| digits::four(end.eight(at) & self.digits));
        }
        let front = at.saturating_sub(8);
        self.each(ends, lines, |end| {
            digits::MILLIS.join(end.eight(front) & self.front, end.eight(at) & self.digits)
        });
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a loop for each width")]
    fn each<const WIDE: usize>(
        &self,
        ends: &[End<'_, WIDE>],
        lines: &mut [Tokens<'_>],
        number: impl Fn(&End<'_, WIDE>) -> u64,
    ) {
        for (line, end) in lines.iter_mut().zip(ends) {
            line.values.place_extent(self.field, self.extent.later(end.start));
            line.values.place_number(self.field, number(end));
        }
    }
}

impl Window {
    /// Sets the top bits where bytes are not as usual.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "in the loop's body, where all bytes are done at once"
    )]
    fn mark_odd(&self, bytes: &[u8; LANES], odd: &mut [u8; LANES]) {
        let Window { usual: Bytes(usual), counts: Bytes(counts), added: Bytes(added) } = *self;
        for at in 0..LANES {
            let differs = (bytes[at] ^ usual[at]) & counts[at];
            odd[at] |= differs.saturating_add(added[at]);
        }
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
            // Between others, one of which has nothing to look at.
            let mut tokens = [b"odd", &line[..], &plain].map(Tokens::new);
            for line in &mut tokens {
                line.end = line.line.len();
            }
            let mut odd = Vec::new();
            run.scan(&mut tokens, |line| odd.push(line.line.len()));
            prop_assert!(odd.len() < 3 || line.len() < 64, "the last one is usual");
            let [_, tokens, last] = tokens;
            if plain.len() >= 64 {
                // One behind an odd one too.
                let mut values = last.values;
                values.restart(u32::MAX, u32::MAX);
                let fields = crate::tokenizer::Fields::new(&plain, &values);
                for (text, (field, before)) in texts.iter().zip(&VALUES) {
                    let digits = text[before.len()..].iter().filter(|byte| byte.is_ascii_digit());
                    let number = digits.fold(0, |all, digit| all * 10 + u64::from(digit - b'0'));
                    prop_assert_eq!(fields.number(*field), Some(number));
                }
            }
            let is_odd = odd.len() > 1;
            prop_assert_eq!((odd[0], tokens.end == line.len()), (3, is_odd));
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
            prop_assert_eq!(tokens.end, front.len());
            let mut values = tokens.values;
            values.restart(u32::MAX, u32::MAX);
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
