//! The first values of a line, from the first one on.

use super::Tokens;
use super::fields::NOWHERE;
use super::layout::{Leg, find_seal as find_far_seal, is_escaped};
use super::near::{self, Literal};
use super::plan::{Forward, FromLeft};
use super::shapes::longest;
use crate::log_format::variable::Shape;

/// Where a value ends, and what it is as a number.
type Found = Option<(usize, Option<u64>)>;

impl FromLeft {
    /// Sets one value of each line.
    pub(super) fn scan(&self, leg: &Leg, lines: &mut [Tokens<'_>]) {
        let text = |line: &[u8], at, end| is_text(leg, line, at, end).then_some((end, None));
        match self.how {
            // Nobody asked for it, so it is most often long.
            Forward::Seal(seal) if self.field.is_none() => {
                self.each(lines, |line, at| Some((find_far_seal(seal, line, at)?, None)));
            }
            Forward::Seal(seal) => self.each(lines, |line, at| {
                let end = find_seal(seal, line, at)?;
                Some((end, self.number_from(line, at, end)))
            }),
            Forward::Byte(byte) => {
                self.each(lines, |line, at| text(line, at, near::find(byte, line, at)?));
            }
            Forward::Literal(byte) => self.each(lines, |line, at| {
                text(line, at, literal_from(byte, &self.literal, line, at)?)
            }),
            Forward::LineEnd => self.each(lines, |line, at| {
                let end = line.len().checked_sub(self.literal.len()).filter(|end| *end >= at)?;
                text(line, at, end)
            }),
            Forward::Number(shape, byte) => {
                self.each(lines, |line, at| self.number_end(line, at, shape, byte));
            }
            Forward::Address(byte) => self.each(lines, |line, at| address_end(line, at, byte)),
            Forward::Grammar(shape, stop) => {
                self.each(lines, |line, at| Some((longest(shape, line, at, stop)?, None)));
            }
        }
    }

    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "a loop for each kind of step, or it is asked in each line"
    )]
    fn each(&self, lines: &mut [Tokens<'_>], find: impl Fn(&[u8], usize) -> Found) {
        for line in lines {
            if line.start <= line.line.len() {
                line.start = self.set(line, &find).unwrap_or(NOWHERE);
            }
        }
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as that which calls it")]
    fn set(&self, tokens: &mut Tokens<'_>, find: impl Fn(&[u8], usize) -> Found) -> Option<usize> {
        let Tokens { line, start, values, .. } = tokens;
        let (end, number) = find(line, *start)?;
        if !self.literal.starts(line.get(end..)?) {
            return None;
        }
        if let Some(field) = self.field {
            values.place(field, *start, end);
            if let Some(number) = number {
                values.place_number(field, number);
                values.numbered |= 1 << field.index();
            }
        }
        Some(end + self.literal.len())
    }

    #[inline]
    fn number_end(&self, line: &[u8], at: usize, shape: Shape, byte: u8) -> Found {
        let text = line.get(at..)?;
        if let Some((number, length)) = self.number.read_front(text)
            && text.get(length) == Some(&byte)
            && !goes_on(shape, line, at + length)
        {
            return Some((at + length, Some(number)));
        }
        self.number_far(line, at, shape, byte)
    }

    /// The end of a list of numbers that is not read at once, and the number if it is only one.
    #[inline(never)]
    fn number_far(
        &self,
        line: &[u8],
        at: usize,
        shape: Shape,
        byte: u8,
    ) -> Option<(usize, Option<u64>)> {
        let end = near::find(byte, line, at)?;
        let number = self.number_from(line, at, end).filter(|_| !goes_on(shape, line, end));
        let end = if number.is_some() { end } else { longest(shape, line, at, Some(byte))? };
        Some((end, number))
    }

    /// The number that the value from `at` to `end` is.
    #[inline]
    fn number_from(&self, line: &[u8], at: usize, end: usize) -> Option<u64> {
        let (number, start) = self.number.read_back(&line[..end])?;
        (start == at).then_some(number)
    }
}

#[inline]
fn address_end(line: &[u8], at: usize, byte: u8) -> Found {
    let end = near::find(byte, line, at)?;
    let is_single = line[at] != b'[' && near::is_word(&line[at..end]);
    let is_all = is_single && !goes_on(Shape::Addresses, line, end);
    Some((if is_all { end } else { longest(Shape::Addresses, line, at, Some(byte))? }, None))
}

/// May a list that could end here go on with another pass?
#[inline]
fn goes_on(shape: Shape, line: &[u8], end: usize) -> bool {
    shape.is_list() && line[end] == b' ' && line.get(end + 1) == Some(&b':')
}

/// The next place of a literal that starts with this byte.
#[inline]
fn literal_from(byte: u8, literal: &Literal, line: &[u8], at: usize) -> Option<usize> {
    let mut end = near::find(byte, line, at)?;
    while !literal.starts(&line[end..]) {
        end = near::find(byte, line, end + 1)?;
    }
    Some(end)
}

/// The next place of a sealing byte that is not escaped, see [`super::layout::find_seal`].
#[inline]
fn find_seal(seal: u8, line: &[u8], from: usize) -> Option<usize> {
    let mut at = near::find(seal, line, from)?;
    while seal == b'"' && is_escaped(line, from, at) {
        at = near::find(seal, line, at + 1)?;
    }
    Some(at)
}

/// Can what stands here be the text of a value that nothing seals?
#[inline]
fn is_text(leg: &Leg, line: &[u8], at: usize, end: usize) -> bool {
    let least = if leg.shape == Shape::Token { b' ' + 1 } else { b' ' };
    near::is_plain(line, at, end, least) || is_odd_text(leg, line, at, end)
}

#[inline(never)]
fn is_odd_text(leg: &Leg, line: &[u8], at: usize, end: usize) -> bool {
    line.get(at..end).is_some_and(|text| leg.is_text(text))
}

#[inline]
pub(super) fn is_whole(leg: &Leg, line: &[u8], start: usize, value: &[u8]) -> bool {
    match leg.shape {
        Shape::Text | Shape::Token => is_text(leg, line, start, start + value.len()),
        shape => longest(shape, value, 0, None) == Some(value.len()),
    }
}
