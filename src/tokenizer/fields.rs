//! The values of a line: where they stand in it, and what was read as a number on the way.

#![expect(
    clippy::inline_always,
    reason = "several times a line: a call for each would be felt, and hide what is certain of the usual line"
)]

use super::Wanted;
use crate::log_format::variable::Field;

/// From which byte of a line to which one. No line is so long that they do not fit, see [`LONGEST`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    from: u32,
    to: u32,
}

/// Lists of an upstream's numbers that most often stand next to each other, and are all read at once. Their places in
/// [`Values`] follow on each other.
pub(super) const LISTS: [Field; 4] =
    [Field::UpstreamStatus, Field::ConnectTime, Field::HeaderTime, Field::ResponseTime];

/// The place of the first one, and that behind the last one.
const FIRST_LIST: usize = LISTS[0].index();
const BEHIND_LISTS: usize = FIRST_LIST + LISTS.len();

const _: () = {
    let mut at = 0;
    while at < LISTS.len() {
        assert!(LISTS[at].index() == FIRST_LIST + at, "one behind the other");
        at += 1;
    }
};

/// The longest line that is read.
pub(super) const LONGEST: usize = u32::MAX as usize;

impl Extent {
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "of lines that are not too long")]
    pub(super) const fn new(from: usize, to: usize) -> Self {
        Extent { from: from as u32, to: to as u32 }
    }

    /// The same so many bytes later.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "as above")]
    pub(super) fn later(self, by: usize) -> Self {
        let later = |at: u32| at.wrapping_add(by as u32);
        Extent { from: later(self.from), to: later(self.to) }
    }

    #[inline]
    fn of(self, line: &[u8]) -> Option<&[u8]> {
        line.get(self.from as usize..self.to as usize)
    }
}

/// Where the values of a line stand. It is used again for line after line, so what was there before only counts no more.
#[derive(Debug, Clone, Copy)]
pub struct Values {
    /// Those of the fields of `present`.
    extents: [Extent; Field::COUNT],
    /// What was read as a number, for the fields of `numbered`.
    numbers: [u64; Field::COUNT],
    /// Bits of the fields that have a value, and of those that were read as a number.
    present: u32,
    pub(super) numbered: u32,
}

impl Values {
    /// No value at all.
    pub const EMPTY: Values = Values {
        extents: [Extent::new(0, 0); Field::COUNT],
        numbers: [0; Field::COUNT],
        present: 0,
        numbered: 0,
    };

    /// Forgets all of them. Those of the fields of `present` are to be set, which is seen in the end, and those of `numbered`
    /// to be numbers, unless that is taken back.
    #[inline]
    pub(super) fn restart(&mut self, present: u32, numbered: u32) {
        (self.present, self.numbered) = (present, numbered);
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
        self.place_extent(field, Extent::new(from, to));
    }

    #[inline]
    pub(super) fn place_extent(&mut self, field: Field, extent: Extent) {
        self.extents[field.index()] = extent;
    }

    /// Sets the values of [`LISTS`], and notes what they were read as.
    #[inline]
    pub(super) fn place_lists(&mut self, extents: [Extent; 4], numbers: [u64; 4]) {
        self.extents[FIRST_LIST..BEHIND_LISTS].copy_from_slice(&extents);
        self.numbers[FIRST_LIST..BEHIND_LISTS].copy_from_slice(&numbers);
    }

    /// Notes what a value was read as; that it counts, `numbered` must say.
    #[inline]
    pub(super) fn place_number(&mut self, field: Field, number: u64) {
        self.numbers[field.index()] = number;
    }
}

impl Default for Values {
    fn default() -> Self {
        Values::EMPTY
    }
}

/// Where no line has a byte.
pub(super) const NOWHERE: usize = usize::MAX;

/// A line and its values.
#[derive(Debug, Clone, Copy)]
pub struct Tokens<'a> {
    pub(super) line: &'a [u8],
    /// What is not yet read; beyond the line, [`NOWHERE`], where it does not fit from that side.
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) values: Values,
}

impl<'a> Tokens<'a> {
    /// The values.
    #[inline]
    pub fn fields(&self) -> Fields<'_> {
        Fields::new(self.line, &self.values)
    }

    /// A line of which no value is known.
    pub const fn new(line: &'a [u8]) -> Self {
        Tokens { line, start: 0, end: 0, values: Values::EMPTY }
    }

    /// Goes on with another line. Nothing is known of it.
    #[inline]
    pub fn restart(&mut self, line: &'a [u8]) {
        self.line = line;
        self.values.restart(0, 0);
    }

    /// The last bytes of what is not yet read; none where they are not as many.
    #[inline]
    pub(super) fn ending<const N: usize>(&self) -> Option<&'a [u8; N]> {
        self.line.get(..self.end)?.last_chunk()
    }

    /// What is not yet read from the left.
    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.line.get(self.start..).unwrap_or_default()
    }

    /// The line.
    #[inline]
    pub fn line(&self) -> &'a [u8] {
        self.line
    }

    /// The value of a field, as [`Fields::get`] gives it.
    pub fn get(&self, field: Field) -> Option<&'a [u8]> {
        let extent = self.values.extents[field.index()];
        if self.values.has(field) { extent.of(self.line) } else { None }
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
        let extent = self.values.extents[field.index()];
        if self.present & 1 << field.index() == 0 { None } else { extent.of(self.line) }
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
