//! The values of a line: where they stand in it, and what was read as a number on the way.

#![expect(
    clippy::inline_always,
    reason = "several times a line: a call for each would be felt, and hide what is certain of the usual line"
)]

use super::Wanted;
use crate::log_format::variable::Field;

/// Where the values of a line stand. It is used again for line after line, so what was there before only counts no more.
#[derive(Debug, Clone, Copy)]
pub struct Values {
    /// From which byte of the line to which one, for the fields of `present`.
    spans: [(usize, usize); Field::COUNT],
    /// What was read as a number, for the fields of `numbered`.
    numbers: [u64; Field::COUNT],
    /// Bits of the fields that have a value, and of those that were read as a number.
    present: u32,
    pub(super) numbered: u32,
}

impl Values {
    /// No value at all.
    pub const EMPTY: Values = Values {
        spans: [(0, 0); Field::COUNT],
        numbers: [0; Field::COUNT],
        present: 0,
        numbered: 0,
    };

    /// Forgets all of them.
    #[inline]
    pub(super) fn clear(&mut self) {
        (self.present, self.numbered) = (0, 0);
    }

    /// Has this field a value?
    pub(super) fn has(&self, field: Field) -> bool {
        self.present & 1 << field.index() != 0
    }

    /// Sets a value.
    #[inline]
    pub(crate) fn set(&mut self, field: Field, from: usize, to: usize) {
        self.place(field, from, to);
        self.present |= 1 << field.index();
    }

    /// The same where all values are declared present at once.
    #[inline]
    pub(super) fn place(&mut self, field: Field, from: usize, to: usize) {
        self.spans[field.index()] = (from, to);
    }

    /// Notes what a value was read as; that it counts, `numbered` must say.
    #[inline]
    pub(super) fn place_number(&mut self, field: Field, number: u64) {
        self.numbers[field.index()] = number;
    }

    /// Declares values present, by the bits of their fields.
    #[inline]
    pub(super) fn declare(&mut self, present: u32) {
        self.present |= present;
    }
}

impl Default for Values {
    fn default() -> Self {
        Values::EMPTY
    }
}

/// A line and its values.
#[derive(Debug, Clone, Copy)]
pub struct Tokens<'a> {
    pub(super) line: &'a [u8],
    pub(super) values: Values,
}

impl<'a> Tokens<'a> {
    /// The values.
    pub fn fields(&self) -> Fields<'_> {
        Fields::new(self.line, &self.values)
    }

    /// The value of a field, as [`Fields::get`] gives it.
    pub fn get(&self, field: Field) -> Option<&'a [u8]> {
        let (from, to) = self.values.spans[field.index()];
        if self.values.has(field) { self.line.get(from..to) } else { None }
    }
}

/// Equal values: how they were read, and from what line, can't be seen from outside.
impl PartialEq for Tokens<'_> {
    fn eq(&self, other: &Self) -> bool {
        Field::ALL.into_iter().all(|field| self.get(field) == other.get(field))
    }
}

impl Eq for Tokens<'_> {}

/// The values of one line, as logged: escapes are not undone.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a> {
    line: &'a [u8],
    values: &'a Values,
    /// Those of the values, where the compiler sees that no one writes to them.
    present: u32,
    numbered: u32,
}

impl<'a> Fields<'a> {
    /// The values of a line that were read from it.
    #[inline]
    pub fn new(line: &'a [u8], values: &'a Values) -> Self {
        Fields { line, values, present: values.present, numbered: values.numbered }
    }

    /// The same with all of these fields read as numbers, so that the compiler has no more to ask whether one was; none
    /// where they were not.
    #[inline]
    pub fn with_numbers(self, fields: &Wanted) -> Option<Self> {
        let is_so = self.numbered & fields.bits == fields.bits;
        is_so.then_some(Fields { numbered: self.numbered | fields.bits, ..self })
    }

    /// The value of a field; none where the format does not log it or nobody asked for it.
    #[inline(always)]
    pub fn get(&self, field: Field) -> Option<&'a [u8]> {
        let (from, to) = self.values.spans[field.index()];
        if self.present & 1 << field.index() == 0 { None } else { self.line.get(..to)?.get(from..) }
    }

    /// The value of a field that is a single number, times in milliseconds. None also where it was not read so: see
    /// [`crate::record::number`] for all that can be.
    #[inline(always)]
    pub fn number(&self, field: Field) -> Option<u64> {
        let is_number = self.numbered & 1 << field.index() != 0;
        is_number.then(|| self.values.numbers[field.index()])
    }

    /// Were all of these that have a value read as a number?
    #[inline]
    pub fn are_numbers(&self, fields: &Wanted) -> bool {
        self.present & fields.bits & !self.numbered == 0
    }
}
