//! The last values of a line, from the last one on: most formats have at their end what is wanted.
//!
//! Nearly all of these are numbers, so each is first read as one; and those that are usually of some width all at once. Each
//! step is done for all lines before the next one, see [`super::scan`].

use super::Tokens;
use super::digits::Number;
use super::fields::NOWHERE;
use super::front::is_whole;
use super::lanes::LANES;
use super::layout::{Layout, is_escaped};
use super::near::{self, Literal, Near};
use super::run::{Run, usual_value};
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
    /// How to find the byte quickly, where that is enough to see that the value is one of its shape.
    pub(super) near: Option<Near>,
    /// What stands between the ends may be anything: it need not be seen to be a value of its shape.
    pub(super) is_sealed: bool,
    pub(super) leg: usize,
}

/// What is done next, with all lines.
#[derive(Debug, Clone)]
enum Step {
    /// Several values at once, and one by one where they do not look as usual.
    Run(Run, Vec<FromRight>),
    Number(FromRight),
    Text(FromRight),
}

/// The steps for the last legs of a layout: the last leg first.
#[derive(Debug, Clone)]
pub(super) struct Back {
    /// What a line ends with.
    last: Literal,
    steps: Vec<Step>,
    /// Bits of the fields that are read as numbers.
    pub(super) numbered: u32,
}

impl Back {
    pub(super) fn new(last: &[u8], steps: &[FromRight]) -> Self {
        let numbers = steps.iter().filter(|step| step.is_number);
        let numbered = numbers.fold(0, |bits, step| bits | 1 << step.field.index());
        let mut all = Vec::new();
        let mut rest = steps;
        while let [step, behind @ ..] = rest {
            let values: Vec<_> = rest.iter().map_while(FromRight::usual).collect();
            if let Some((run, count)) = Run::new(&values) {
                all.push(Step::Run(run, rest[..count].to_vec()));
                rest = &rest[count..];
                continue;
            }
            let step = step.clone();
            all.push(if step.is_number { Step::Number(step) } else { Step::Text(step) });
            rest = behind;
        }
        Back { last: Literal::new(last), steps: all, numbered }
    }

    /// Is nothing read from the right?
    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Where the last value of a line ends, or [`NOWHERE`].
    #[inline]
    pub(super) fn end(&self, line: &[u8]) -> usize {
        match line.last_chunk() {
            Some(chunk) if self.last.is_short() => {
                let is_it = self.last.is_tail(u64::from_le_bytes(*chunk));
                if is_it { line.len() - self.last.len() } else { NOWHERE }
            }
            _ => self.last.strip_end(line).map_or(NOWHERE, <[u8]>::len),
        }
    }

    /// Sets the last values of some lines, and their ends to where the literals in front of these start.
    pub(super) fn scan(&self, layout: &Layout, lines: &mut [Tokens<'_>]) {
        for step in &self.steps {
            match step {
                Step::Run(run, steps) => run.scan(lines, |line| {
                    for step in steps {
                        step.read_number(layout, line);
                    }
                }),
                Step::Number(step) => step.read_numbers(layout, lines),
                Step::Text(step) => step.read_texts(layout, lines),
            }
        }
    }
}

impl FromRight {
    /// Its field and what stands in front, if it is a number of a usual width.
    fn usual(&self) -> Option<(Field, &[u8])> {
        (self.is_number && usual_value(self.field).is_some())
            .then(|| (self.field, self.before.bytes()))
    }

    /// Sets a number of each line.
    #[inline(never)]
    fn read_numbers(&self, layout: &Layout, lines: &mut [Tokens<'_>]) {
        for line in lines {
            if self.read_quickly(line).is_none() {
                self.read_number(layout, line);
            }
        }
    }

    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "the loop's body: half a dozen numbers a line; measured"
    )]
    fn read_quickly(&self, line: &mut Tokens<'_>) -> Option<()> {
        let text = line.line.get(..line.end)?;
        let (number, width, before) = self.number.read_window(text.last_chunk()?)?;
        let start = text.len() - width;
        if !self.before.ends_with_word(&text[..start], before) {
            return None;
        }
        line.values.place(self.field, start, line.end);
        line.values.place_number(self.field, number);
        line.end = start - self.before.len();
        Some(())
    }

    /// Sets a value of each line that is no number.
    #[inline(never)]
    fn read_texts(&self, layout: &Layout, lines: &mut [Tokens<'_>]) {
        let Some(near) = &self.near else {
            return lines.iter_mut().for_each(|line| self.read_text(layout, line));
        };
        for line in lines {
            if self.read_near(near, line).is_none() {
                self.read_text(layout, line);
            }
        }
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as above")]
    fn read_near(&self, near: &Near, line: &mut Tokens<'_>) -> Option<()> {
        let text = line.line.get(..line.end)?;
        let found = near.find_back(text.last_chunk()?)?;
        let start = text.len() - LANES + found + self.skip;
        if !self.before.ends(text.get(..start)?) {
            return None;
        }
        if self.is_wanted {
            line.values.place(self.field, start, line.end);
        }
        line.end = start - self.before.len();
        Some(())
    }

    /// Sets what may be a number of one line, if that is not quickly seen.
    #[inline(never)]
    fn read_number(&self, layout: &Layout, line: &mut Tokens<'_>) {
        let Some(rest) = line.line.get(..line.end) else { return };
        // Where there was no upstream nothing else stands in all of its lists.
        if let [front @ .., b'-'] = rest
            && self.before.ends(front)
        {
            line.values.numbered &= !(1 << self.field.index());
            line.values.place(self.field, front.len(), line.end);
            line.end = front.len() - self.before.len();
            return;
        }
        if let Some((number, start)) = self.number.read_back(rest)
            && self.before.ends(&rest[..start])
        {
            line.values.place(self.field, start, line.end);
            line.values.place_number(self.field, number);
            line.end = start - self.before.len();
        } else {
            line.values.numbered &= !(1 << self.field.index());
            self.read_text(layout, line);
        }
    }

    /// Sets a value of one line.
    #[inline(never)]
    fn read_text(&self, layout: &Layout, line: &mut Tokens<'_>) {
        if line.end > line.line.len() {
            return;
        }
        line.end = match self.search(layout, line.line, line.end) {
            Some(start) => {
                if self.is_wanted {
                    line.values.place(self.field, start, line.end);
                }
                start - self.before.len()
            }
            None => NOWHERE,
        };
    }

    /// Where the value that ends here starts.
    fn search(&self, layout: &Layout, line: &[u8], end: usize) -> Option<usize> {
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
