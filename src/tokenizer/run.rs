//! Values that stand next to each other and are nearly always as wide as usual: all of them, with the literals between, are
//! compared at once with how they usually look.

use super::digits;
use super::fields::{Extent, LISTS};
use super::near::halves;
use super::{BATCH, Tokens};
use crate::log_format::variable::Field;
use crate::wide::{self, Digits, Look, Numbers, WIDTH};

/// A byte of a literal may not differ by a single bit: any that does reaches the top bit when this is added.
const LITERAL: u8 = 0x7f;

/// A digit may differ from 0 by up to nine.
const DIGIT: u8 = 0x80 - 10;

/// A number of a run.
#[derive(Debug, Clone)]
struct Value {
    field: Field,
    /// Where it stands in the text that is looked at.
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
    look: Look,
    values: Vec<Value>,
    /// Those that are read one by one where the others are read at once: the upstream lists, and when the line was written.
    single: Vec<Value>,
    lists: [Extent; LISTS.len()],
    msec: Extent,
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
    /// into it, if there is one that does. `done` has the bits of the fields that are read before.
    pub(super) fn new(values: &[(Field, &[u8])], done: u32) -> Option<(Self, usize)> {
        let texts = values
            .iter()
            .map(|(field, before)| (*field, *before, usual_value(*field).unwrap_or_default()));
        // Each value is the end of eight bytes, and a long one that of twice as many.
        let ends = texts.clone().scan((0, 0), |(width, room), (_, before, text)| {
            *room = (*width + text.len().next_multiple_of(8)).max(*room);
            *width += before.len() + text.len();
            *room = (*width).max(*room);
            Some((*width, *room))
        });
        let ends = ends.take_while(|(_, room)| *room <= WIDTH);
        let (count, (width, _)) = ends.enumerate().last()?;
        let mut look = Look {
            usual: [0; WIDTH],
            counts: [0; WIDTH],
            added: [0; WIDTH],
            fours: None,
            sixteen: None,
        };
        let mut end = WIDTH;
        let mut all = Vec::new();
        for (field, before, text) in texts.take(count + 1) {
            let to = end;
            let from = to - text.len();
            end = from - before.len();
            look.usual[from..to].copy_from_slice(text);
            look.usual[end..from].copy_from_slice(before);
            look.counts[end..to].fill(0xff);
            look.added[end..to].fill(LITERAL);
            let mut digits = [0u8; 16];
            for at in (from..to).filter(|at| text[at - from] == b'0') {
                look.added[at] = DIGIT;
                digits[at + 16 - to] = 0x0f;
            }
            let [front, digits] = halves(&digits);
            all.push(Value { field, extent: Extent::new(from, to), at: to - 8, digits, front });
        }
        let mut run = Run {
            look,
            single: all.clone(),
            values: all,
            lists: [Extent::new(0, 0); LISTS.len()],
            msec: Extent::new(0, 0),
            width,
        };
        run.unite(done);
        Some((run, count + 1))
    }

    /// Chooses which values are read at once.
    fn unite(&mut self, done: u32) {
        let Run { look, values, .. } = self;
        let of = |field| values.iter().find(|value: &&Value| value.field == field);
        if let Some(value) = of(Field::Msec) {
            (look.sixteen, self.msec) = (Some(Digits::new(value.digits())), value.extent);
            self.single.retain(|value| value.field != Field::Msec);
        }
        // All four are set then, those as well that are not here: they must not be read yet, if they are logged.
        let are_here = LISTS.map(|field| of(field).is_some());
        let is_done = |field: &Field| done & 1 << field.index() != 0;
        if LISTS.iter().any(is_done) || are_here.iter().filter(|is_here| **is_here).count() < 2 {
            return;
        }
        let mut fours = [None; 16];
        for (at, value) in LISTS.into_iter().map(of).enumerate() {
            let Some(value) = value else { continue };
            fours[4 * at..4 * at + 4].copy_from_slice(&value.digits()[12..]);
            self.lists[at] = value.extent;
        }
        look.fours = Some(Digits::new(fours));
        self.single.retain(|value| !LISTS.contains(&value.field));
    }

    /// Sets the values of lines that end here; `odd` is given those of which one looks otherwise. First all lines are compared,
    /// then each value that is left is read from all of them, so that what is known of it stays in registers.
    pub(super) fn scan<'a>(&self, lines: &mut [Tokens<'a>], mut odd: impl FnMut(&mut Tokens<'a>)) {
        // Of odd lines what is read here counts nothing.
        let mut ends = [End { text: &[0; WIDTH], start: 0 }; BATCH];
        let end = |line: &mut Tokens<'a>, text| {
            let start = line.end - WIDTH;
            line.end -= self.width;
            End { text, start }
        };
        let usual = |at: usize, line: &mut Tokens<'a>, text, numbers: Numbers| {
            let End { start, .. } = end(line, text);
            if let Some(end) = ends.get_mut(at) {
                *end = End { text, start };
            }
            if self.look.fours.is_some() {
                line.values
                    .place_lists(self.lists.map(|extent| extent.later(start)), numbers.fours);
            }
            if self.look.sixteen.is_some() {
                line.values.place_extent(Field::Msec, self.msec.later(start));
                line.values.place_number(Field::Msec, numbers.sixteen);
            }
        };
        let wide = wide::ends(&self.look, lines, Tokens::ending, usual);
        let mut are_odd = wide.unwrap_or(0);
        let values = if wide.is_some() { &self.single } else { &self.values };
        if wide.is_none() {
            for (at, (line, own)) in lines.iter_mut().zip(&mut ends).enumerate() {
                match line.ending().filter(|text| self.look.fits(text)) {
                    Some(text) => *own = end(line, text),
                    None => are_odd |= 1 << at,
                }
            }
        }
        for value in values {
            value.read(&ends, lines);
        }
        while are_odd != 0 {
            let line = &mut lines[are_odd.trailing_zeros() as usize];
            if !self.read_short(line) {
                odd(line);
            }
            are_odd &= are_odd - 1;
        }
    }

    /// Sets the values of a line that looks as usual, and is only shorter than what is compared.
    #[inline(never)]
    fn read_short(&self, line: &mut Tokens<'_>) -> bool {
        let Some(own) = line.line.get(..line.end) else { return false };
        let Some(missing) = WIDTH.checked_sub(own.len()) else { return false };
        let mut text = [0; WIDTH];
        text[missing..].copy_from_slice(own);
        if own.len() < self.width || !self.look.fits(&text) {
            return false;
        }
        // Where it would start is before the line; its values are in it.
        let end = End { text: &text, start: line.end.wrapping_sub(WIDTH) };
        line.end -= self.width;
        for value in &self.values {
            value.read(&[end], std::slice::from_mut(line));
        }
        true
    }
}

/// The end of a line, and where it starts.
#[derive(Debug, Clone, Copy)]
struct End<'a> {
    text: &'a [u8; WIDTH],
    start: usize,
}

impl End<'_> {
    /// The eight bytes from `at` on, which is not too far.
    #[inline]
    fn eight(&self, at: usize) -> u64 {
        let bytes = self.text[at..].first_chunk();
        bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }
}

impl Value {
    /// Sets it in each of the lines.
    #[inline]
    fn read(&self, ends: &[End<'_>], lines: &mut [Tokens<'_>]) {
        // No more than it is, but the compiler sees it.
        let at = self.at.min(WIDTH - 8);
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
    fn each(&self, ends: &[End<'_>], lines: &mut [Tokens<'_>], number: impl Fn(&End<'_>) -> u64) {
        for (line, end) in lines.iter_mut().zip(ends) {
            line.values.place_extent(self.field, self.extent.later(end.start));
            line.values.place_number(self.field, number(end));
        }
    }

    /// Where its digits stand, the last one last.
    fn digits(&self) -> [Option<usize>; 16] {
        let bits = [self.front, self.digits].map(u64::to_le_bytes).concat();
        let from_the_last = (0..bits.len()).rev().filter(|&at| bits[at] != 0);
        let mut digits = [None; 16];
        for (digit, at) in digits.iter_mut().rev().zip(from_the_last) {
            *digit = Some(self.at + at - 8);
        }
        digits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::Fields;
    use proptest::prelude::*;

    /// The last one first.
    const VALUES: [(Field, &[u8]); 6] = [
        (Field::Msec, b" msec="),
        (Field::UpstreamStatus, b"\" us=\""),
        (Field::ConnectTime, b"\" uct=\""),
        (Field::ResponseTime, b"\t"),
        (Field::RequestTime, b" "),
        (Field::HeaderTime, b"\" quite far away \""),
    ];

    /// All lists.
    const TAIL: [(Field, &[u8]); 4] = [
        (Field::ResponseTime, b"\" urt=\""),
        (Field::HeaderTime, b"\" uht=\""),
        (Field::ConnectTime, b"\" uct=\""),
        (Field::UpstreamStatus, b"\" us=\""),
    ];

    fn texts(values: &[(Field, &[u8])], numbers: &[u64]) -> Vec<String> {
        let text = |(number, (field, before)): (&u64, &(Field, &[u8]))| {
            let text = match field {
                Field::Msec => format!("{:010}.{:03}", number / 1000, number % 1000),
                Field::UpstreamStatus => format!("{:03}", number % 1000),
                _ => format!("{}.{:03}", number / 1000 % 10, number % 1000),
            };
            format!("{}{text}", str::from_utf8(before).unwrap())
        };
        numbers.iter().zip(values).map(text).collect()
    }

    #[test]
    fn lists_are_read_at_once_unless_one_was_read_before() {
        let single = |done: &[Field]| {
            let done = done.iter().fold(0, |bits, field| bits | 1 << field.index());
            let (run, _) = Run::new(&VALUES, done).unwrap();
            run.single.iter().map(|value| value.field).collect::<Vec<_>>()
        };
        assert_eq!(single(&[Field::BytesSent]), [Field::RequestTime]);
        let all =
            [Field::UpstreamStatus, Field::ConnectTime, Field::ResponseTime, Field::RequestTime];
        assert_eq!(single(&[Field::HeaderTime]), all);
    }

    proptest! {
        #[test]
        fn a_run_is_read_only_where_each_byte_fits(
            is_wide: bool,
            (values, most) in prop::sample::select(vec![(&VALUES[..], 5), (&TAIL, 4)]),
            numbers in prop::collection::vec(0u64..10_000_000_000_000, VALUES.len()),
            front in prop::collection::vec(any::<u8>(), 0..80),
            change in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        ) {
            let (run, count) = Run::new(values, 0).unwrap();
            prop_assert_eq!(count, most, "as many as fit");
            let texts = &texts(values, &numbers)[..count];
            let mut line = front.clone();
            texts.iter().rev().for_each(|text| line.extend(text.bytes()));
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
            let mut scan = || run.scan(&mut tokens, |line| odd.push(line.line.as_ptr()));
            if is_wide { scan() } else { wide::plainly(scan) }
            let is_odd = |line: &[u8]| odd.contains(&line.as_ptr());
            prop_assert!(is_odd(tokens[0].line));
            prop_assert!(!is_odd(&plain));
            let is_usual = line[front.len()..].iter().zip(&plain[front.len()..]).all(|(a, b)| {
                a == b || a.is_ascii_digit() && b.is_ascii_digit()
            });
            prop_assert_eq!(is_odd(&line), !is_usual);
            for tokens in &mut tokens[1..] {
                let text = tokens.line;
                prop_assert_eq!(tokens.end, if is_odd(text) { text.len() } else { front.len() });
                if is_odd(text) {
                    continue;
                }
                tokens.values.restart(u32::MAX, u32::MAX);
                let fields = Fields::new(text, &tokens.values);
                for (field, before) in &values[..count] {
                    let value = fields.get(*field).unwrap();
                    let digits: Vec<u8> = value.iter().copied().filter(u8::is_ascii_digit).collect();
                    let number: u64 = str::from_utf8(&digits).unwrap().parse().unwrap();
                    prop_assert_eq!(fields.number(*field), Some(number));
                    prop_assert_eq!(value.len(), usual_value(*field).unwrap().len());
                    let start = value.as_ptr() as usize - text.as_ptr() as usize;
                    prop_assert!(text[..start].ends_with(before));
                }
            }
        }
    }
}
