//! The last values of a line, from the last one on: most formats have at their end what is wanted.
//!
//! Nearly all of these are numbers, so each is first read as one; and where that is known, as one of its usual width.

use super::Values;
use super::digits::{self, Number};
use super::layout::{Layout, is_escaped};
use super::near::{self, Literal};
use super::scan::is_whole;
use crate::log_format::variable::Field;

/// How to find the start of a value from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Backward {
    /// Behind the last quote that is not escaped.
    Quote,
    /// Behind the literal that starts at the last such byte.
    From,
    /// Behind the last such byte.
    After,
}

/// A step from the right.
#[derive(Debug, Clone)]
pub(super) struct FromRight {
    /// What the value is read as first, which is quick; any other way must find the same start.
    pub(super) number: Number,
    pub(super) usual: Usual,
    pub(super) is_number: bool,
    /// What stands in front of the value.
    pub(super) before: Literal,
    /// Where the value goes, if it is wanted; a number is.
    pub(super) field: Field,
    pub(super) is_wanted: bool,
    pub(super) how: Backward,
    /// The byte that is looked for, and how many bytes behind it the value starts.
    pub(super) byte: u8,
    pub(super) skip: usize,
    /// The least that bytes of the value must be so that it is seen at once to be one of its shape, 0 if they may be any;
    /// none where that takes a longer look.
    pub(super) least: Option<u8>,
    /// What stands between the ends may be anything: it need not be seen to be a value of its shape.
    pub(super) is_sealed: bool,
    pub(super) leg: usize,
}

/// A number as it most often looks, with what stands in front of it: no more than 16 bytes.
#[derive(Debug, Clone)]
pub(super) struct Usual {
    /// The sixteen bytes up to its end, with 0 for digits.
    front: u64,
    last: u64,
    /// The bits of the first eight that count; of the last eight those that are as they are, and those of digits.
    front_mask: u64,
    exact: u64,
    digits: u64,
    scale: u64,
    /// Bytes of the value.
    width: usize,
}

/// The steps for the last legs of a layout: the last leg first.
#[derive(Debug, Clone)]
pub(super) struct Back {
    /// What a line ends with.
    last: Literal,
    steps: Vec<FromRight>,
}

impl Usual {
    /// That of a field behind a literal; one that fits nothing, if it has none.
    pub(super) fn new(field: Field, number: &Number, before: &[u8]) -> Self {
        let example = usual_value(field).filter(|_| *number != digits::NONE);
        let text = [before, example.unwrap_or_default()].concat();
        let (mut bytes, mut counts, mut is_digit) = ([0; WINDOW], [0; WINDOW], [0; WINDOW]);
        let width = if text.len() > WINDOW { 0 } else { example.unwrap_or_default().len() };
        if width > 0 {
            bytes[WINDOW - text.len()..].copy_from_slice(&text);
            counts[WINDOW - text.len()..].fill(0xff);
            for at in WINDOW - width..WINDOW {
                is_digit[at] = if bytes[at] == b'0' { 0xff } else { 0 };
            }
        }
        let [(front, last), (front_mask, last_mask), (_, digits)] =
            [bytes, counts, is_digit].map(|bytes| halves(&bytes));
        let exact = last_mask & !digits;
        Usual { front, last, front_mask, exact, digits, scale: number.scale(), width }
    }

    /// The number that `text` ends with, and where it starts, if all of it looks as usual.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "called a dozen times a line; measured")]
    fn read_back(&self, text: &[u8]) -> Option<(u64, usize)> {
        if self.width == 0 {
            return None;
        }
        let (front, last) = halves(text.last_chunk()?);
        let (front, last) = (front ^ self.front, last ^ self.last);
        let digits = last & self.digits;
        let odd = front & self.front_mask | last & self.exact | digits::not_below_ten(digits);
        (odd == 0).then(|| (digits::eight(digits, self.scale), text.len() - self.width))
    }
}

/// So many bytes are compared at once.
const WINDOW: usize = 16;

/// As two words, whose lower bytes stand in front.
#[inline]
fn halves(bytes: &[u8; WINDOW]) -> (u64, u64) {
    let [front, last] = [0, 8].map(|from| bytes[from..].first_chunk().copied().unwrap_or_default());
    (u64::from_le_bytes(front), u64::from_le_bytes(last))
}

/// A number as wide as it is most often: times are below ten seconds, and codes have three digits.
fn usual_value(field: Field) -> Option<&'static [u8]> {
    match field {
        Field::ConnectTime | Field::HeaderTime | Field::ResponseTime | Field::RequestTime => {
            Some(b"0.000")
        }
        Field::UpstreamStatus => Some(b"000"),
        _ => None,
    }
}

impl Back {
    pub(super) fn new(last: &[u8], steps: Vec<FromRight>) -> Self {
        Back { last: Literal::new(last), steps }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    /// Sets the last values of a line, and says where the literal in front of them starts.
    ///
    /// A function of its own, so that all that its loops need is in registers.
    #[inline(never)]
    pub(super) fn scan(&self, layout: &Layout, line: &[u8], values: &mut Values) -> Option<usize> {
        let mut end = self.last.strip_end(line)?.len();
        let mut numbered = values.numbered;
        for step in &self.steps {
            let rest = line.get(..end)?;
            if let Some((number, start)) = step.number(rest) {
                values.place(step.field, start, end);
                values.place_number(step.field, number);
                numbered |= 1 << step.field.index();
                end = start - step.before.len();
            } else {
                let start = step.search(layout, line, end)?;
                if step.is_wanted {
                    values.place(step.field, start, end);
                }
                end = start - step.before.len();
            }
        }
        values.numbered = numbered;
        Some(end)
    }
}

impl FromRight {
    /// The number that `text` ends with behind the literal, and where it starts.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "called a dozen times a line; measured")]
    fn number(&self, text: &[u8]) -> Option<(u64, usize)> {
        if !self.is_number {
            return None;
        }
        if let Some(found) = self.usual.read_back(text) {
            return Some(found);
        }
        let (number, start) = self.number.read_back(text);
        let is_it = text.get(..start).is_some_and(|front| self.before.ends(front));
        is_it.then_some((number, start))
    }

    /// Where the value that ends here starts.
    #[inline]
    fn search(&self, layout: &Layout, line: &[u8], end: usize) -> Option<usize> {
        let text = &line[..end];
        if let Some(least) = self.least
            && let Some(at) = near::behind(self.byte, least, text)
            && let Some(front) = text.get(..at + self.skip)
            && self.before.ends(front)
        {
            return Some(at + self.skip);
        }
        self.search_far(layout, line, end)
    }

    #[inline(never)]
    fn search_far(&self, layout: &Layout, line: &[u8], end: usize) -> Option<usize> {
        let mut at = near::rfind(self.byte, line, end)?;
        while self.how == Backward::Quote && is_escaped(line, 0, at) {
            at = near::rfind(self.byte, line, at)?;
        }
        let start = at + self.skip;
        let value = line.get(start..end)?;
        let is_good = self.is_sealed || is_whole(&layout.legs[self.leg], line, start, value);
        (is_good && self.before.ends(&line[..start])).then_some(start)
    }
}
