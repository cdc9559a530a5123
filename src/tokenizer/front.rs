//! The first values of a line, from the first one on.

use super::Tokens;
use super::digits::{INTEGER, MILLIS, NONE};
use super::fields::NOWHERE;
use super::layout::{Leg, is_escaped};
use super::near::{self, Literal};
use super::plan::{Forward, FromLeft};
use super::shapes::{is_time_local, longest};
use crate::log_format::variable::Shape;
use crate::wide::{self, Mark};

/// Where a value ends, and what it is as a number.
type Found = Option<(usize, Option<u64>)>;

impl FromLeft {
    /// Sets one value of each line.
    pub(super) fn scan(&self, leg: &Leg, lines: &mut [Tokens<'_>]) {
        let text = |line: &[u8], at, end| is_text(leg, line, at, end).then_some((end, None));
        let mark = |byte| Mark { byte, least: least(leg) };
        match self.how {
            Forward::Seal(seal) => {
                self.each_near(Mark { byte: seal, least: 0 }, lines, |line, at| {
                    let end = find_seal(seal, line, at)?;
                    Some((end, self.number_from(line, at, end)))
                });
            }
            Forward::Byte(byte) => {
                self.each_near(mark(byte), lines, |line, at| {
                    text(line, at, near::find(byte, line, at)?)
                });
            }
            Forward::Literal(byte) => self.each_near(mark(byte), lines, |line, at| {
                text(line, at, literal_from(byte, &self.literal, line, at)?)
            }),
            Forward::LineEnd => self.each(lines, |line, at| {
                let end = line.len().checked_sub(self.literal.len()).filter(|end| *end >= at)?;
                text(line, at, end)
            }),
            Forward::Number(shape, byte) => self.scan_numbers(shape, byte, lines),
            Forward::LastNumber(shape) => self.each(lines, |line, at| {
                let end = line.len();
                match self.number_from(line, at, end) {
                    None => Some((longest(shape, line, at, None)?, None)),
                    number => Some((end, number)),
                }
            }),
            Forward::Address(byte) => self.each(lines, |line, at| address_end(line, at, byte)),
            Forward::TimeLocal => {
                // Many lines of a busy log are of the same second.
                let mut last = None;
                self.each(lines, |line, at| {
                    let text = line.get(at..)?.first_chunk()?;
                    if last != Some(text) && !is_time_local(text) {
                        return None;
                    }
                    last = Some(text);
                    Some((at + text.len(), None))
                });
            }
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
    fn each<'a>(&self, lines: &mut [Tokens<'a>], mut find: impl FnMut(&'a [u8], usize) -> Found) {
        for line in lines {
            if line.start <= line.line.len() {
                line.start = self.set(line, &mut find).unwrap_or(NOWHERE);
            }
        }
    }

    /// The same of values that end at the first place of a byte, which is most often enough to find.
    fn each_near(
        &self,
        mark: Mark,
        lines: &mut [Tokens<'_>],
        find: impl Fn(&[u8], usize) -> Found,
    ) {
        // What may be a number is read by `find`, which gives the number, too.
        let is_near = self.field.is_none() || self.number == NONE;
        let Some(mut odd) = is_near.then(|| self.set_all_near(mark, lines)).flatten() else {
            return self.each(lines, find);
        };
        while odd != 0 {
            let line = &mut lines[odd.trailing_zeros() as usize];
            line.start = self.set_far(line, &find);
            odd &= odd - 1;
        }
    }

    /// Sets those that are seen at a glance, and gives the bits of all other lines.
    #[inline(never)]
    fn set_all_near(&self, mark: Mark, lines: &mut [Tokens<'_>]) -> Option<u32> {
        let is_quote = mark.byte == b'"';
        wide::first_places(mark, lines, Tokens::rest, |tokens, width| {
            let Tokens { line, start, values, .. } = tokens;
            let end = *start + width;
            let Some(behind) = line.get(end..) else { return false };
            let Some(word) = behind.first_chunk() else { return false };
            // It may be escaped.
            let is_odd = is_quote && line[..end].ends_with(b"\\");
            if is_odd || !self.literal.starts_with_word(behind, u64::from_le_bytes(*word)) {
                return false;
            }
            if let Some(field) = self.field {
                values.place(field, *start, end);
            }
            *start = end + self.literal.len();
            true
        })
    }

    #[inline(never)]
    fn set_far(&self, line: &mut Tokens<'_>, find: impl Fn(&[u8], usize) -> Found) -> usize {
        if line.start > line.line.len() {
            return NOWHERE;
        }
        self.set(line, find).unwrap_or(NOWHERE)
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as that which calls it")]
    fn set<'a>(
        &self,
        tokens: &mut Tokens<'a>,
        find: impl FnOnce(&'a [u8], usize) -> Found,
    ) -> Option<usize> {
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

    /// Sets a number of each line, or the list that stands there.
    fn scan_numbers(&self, shape: Shape, byte: u8, lines: &mut [Tokens<'_>]) {
        match (self.number == MILLIS, self.field.is_some()) {
            (false, false) => self.each_number::<false, false>(shape, byte, lines),
            (false, true) => self.each_number::<false, true>(shape, byte, lines),
            (true, false) => self.each_number::<true, false>(shape, byte, lines),
            (true, true) => self.each_number::<true, true>(shape, byte, lines),
        }
    }

    #[inline(never)]
    fn each_number<const IS_MILLIS: bool, const IS_WANTED: bool>(
        &self,
        shape: Shape,
        byte: u8,
        lines: &mut [Tokens<'_>],
    ) {
        // A list may go on where a literal that starts with a blank is found.
        let may_go_on = shape.is_list() && byte == b' ';
        for line in lines {
            let next = self.read_number::<IS_MILLIS, IS_WANTED>(line, may_go_on);
            line.start = match next {
                Some(next) => next,
                None => self.set_far(line, |line, at| self.number_far(line, at, shape, byte)),
            };
        }
    }

    /// Sets a number with the literal behind it, if that is quickly seen, and gives where that ends.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as that which calls it")]
    fn read_number<const IS_MILLIS: bool, const IS_WANTED: bool>(
        &self,
        tokens: &mut Tokens<'_>,
        may_go_on: bool,
    ) -> Option<usize> {
        let Tokens { line, start, values, .. } = tokens;
        let text = line.get(*start..)?;
        let word = u64::from_le_bytes(*text.first_chunk()?);
        let (number, width) = if IS_MILLIS { MILLIS } else { INTEGER }.read_front(word)?;
        let word = near::eight_from(text, width)?;
        if !self.literal.starts_with_word(text.get(width..)?, word)
            || may_go_on && word.to_le_bytes()[1] == b':'
        {
            return None;
        }
        let end = *start + width;
        if IS_WANTED && let Some(field) = self.field {
            values.place(field, *start, end);
            values.place_number(field, number);
            values.numbered |= 1 << field.index();
        }
        Some(end + self.literal.len())
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
    near::is_plain(line, at, end, least(leg)) || is_odd_text(leg, line, at, end)
}

/// The least byte of a text that is no odd one.
fn least(leg: &Leg) -> u8 {
    if leg.shape == Shape::Token { b' ' + 1 } else { b' ' }
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
