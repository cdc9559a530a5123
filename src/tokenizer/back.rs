//! The last values of a line, from the last one on: most formats have at their end what is wanted.
//!
//! Nearly all of these are numbers, so each is first read as one; and those that are usually of some width all at once. Each
//! step is done for all lines before the next one, see [`super::scan`].

use super::Tokens;
use super::digits::{INTEGER, Number};
use super::fields::{NOWHERE, Values};
use super::front::is_whole;
use super::lanes::LANES;
use super::layout::{Layout, is_escaped};
use super::near::{self, Literal, Near};
use super::run::{Run, usual_value};
use crate::log_format::variable::Field;
use crate::wide;

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
    Run(Box<Run>, Vec<FromRight>),
    /// Numbers, and anything else where there is none.
    Numbers(Vec<FromRight>),
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
        let mut done = 0;
        let mut rest = steps;
        while let [step, ..] = rest {
            let values: Vec<_> = rest.iter().map_while(FromRight::usual).collect();
            let run = Run::new(&values, done);
            let (now, behind) = rest.split_at(run.as_ref().map_or(1, |(_, count)| *count));
            rest = behind;
            done |= now.iter().fold(0, |bits, step| bits | 1 << step.field.index());
            if let Some((run, _)) = run {
                all.push(Step::Run(Box::new(run), now.to_vec()));
                continue;
            }
            if !step.is_number {
                all.push(Step::Text(step.clone()));
            } else if let Some(Step::Numbers(numbers)) = all.last_mut() {
                numbers.push(step.clone());
            } else {
                all.push(Step::Numbers(vec![step.clone()]));
            }
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
                Step::Numbers(steps) if steps.iter().all(FromRight::is_short) => {
                    read_numbers::<true>(steps, layout, lines);
                }
                Step::Numbers(steps) => read_numbers::<false>(steps, layout, lines),
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

    /// Is it a whole number behind a short literal?
    fn is_short(&self) -> bool {
        self.number == INTEGER && self.before.is_short()
    }

    /// Sets a number that `text` ends with, and gives what stands in front of it and the literal. None where it is not
    /// quickly read.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "the loop's body: half a dozen numbers a line; measured"
    )]
    fn read_quickly<'a, const SHORT: bool>(
        &self,
        text: &'a [u8],
        values: &mut Values,
    ) -> Option<&'a [u8]> {
        let window = text.last_chunk()?;
        let number = if SHORT { &INTEGER } else { &self.number };
        let (number, width, before) = number.read_window(window)?;
        let start = text.len() - width;
        let is_it = if SHORT {
            self.before.is_tail(before)
        } else {
            self.before.ends_with_word(&text[..start], before)
        };
        // Beyond the text where there is no room for it.
        let front = text.get(..start.wrapping_sub(self.before.len()))?;
        if !is_it {
            return None;
        }
        values.place(self.field, start, text.len());
        values.place_number(self.field, number);
        Some(front)
    }

    /// Sets a value of each line that is no number.
    fn read_texts(&self, layout: &Layout, lines: &mut [Tokens<'_>]) {
        match &self.near {
            Some(near) if self.is_wanted && self.before.is_short() => {
                self.read_all_near::<true>(near, layout, lines);
            }
            Some(near) => self.read_all_near::<false>(near, layout, lines),
            None => lines.iter_mut().for_each(|line| self.read_text(layout, line)),
        }
    }

    /// The same where its start is near. `USUAL` if it is wanted and has a short literal in front.
    #[inline(never)]
    fn read_all_near<const USUAL: bool>(
        &self,
        near: &Near,
        layout: &Layout,
        lines: &mut [Tokens<'_>],
    ) {
        let wide = wide::last_places(near.mark, lines, Tokens::ending, |line, text, at| {
            let from = at + self.skip;
            let before = text.get(from.wrapping_sub(8)..from).and_then(<[u8]>::first_chunk);
            let Some(before) = before else { return false };
            let start = line.end - text.len() + from;
            self.set_near::<USUAL>(line, start, u64::from_le_bytes(*before)).is_some()
        });
        if let Some(mut odd) = wide {
            while odd != 0 {
                self.read_text_near(near, layout, &mut lines[odd.trailing_zeros() as usize]);
                odd &= odd - 1;
            }
            return;
        }
        for line in lines {
            if self.read_near::<USUAL>(near, line).is_none() {
                self.read_text(layout, line);
            }
        }
    }

    /// Sets a value of one line, which may be too short to be looked at otherwise.
    #[inline(never)]
    fn read_text_near(&self, near: &Near, layout: &Layout, line: &mut Tokens<'_>) {
        if self.read_near::<false>(near, line).is_none() {
            self.read_text(layout, line);
        }
    }

    /// Sets the value that starts at `start`, if the literal is in front of it, as which `before` ends.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as above")]
    fn set_near<const USUAL: bool>(
        &self,
        line: &mut Tokens<'_>,
        start: usize,
        before: u64,
    ) -> Option<()> {
        let is_it = if USUAL {
            self.before.is_tail(before)
        } else {
            self.before.ends_with_word(line.line.get(..start)?, before)
        };
        if !is_it {
            return None;
        }
        if USUAL || self.is_wanted {
            line.values.place(self.field, start, line.end);
        }
        line.end = start - self.before.len();
        Some(())
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as above")]
    fn read_near<const USUAL: bool>(&self, near: &Near, line: &mut Tokens<'_>) -> Option<()> {
        let text = line.line.get(..line.end)?;
        let window: &[u8; 8 + LANES] = text.last_chunk()?;
        let from = near.find_back(window.last_chunk()?)? + self.skip;
        let before = u64::from_le_bytes(*window.get(from..)?.first_chunk()?);
        self.set_near::<USUAL>(line, text.len() - LANES + from, before)
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

/// Sets some numbers of each line, the last one first. `SHORT` where all are whole and have short literals in front.
#[inline(never)]
fn read_numbers<const SHORT: bool>(steps: &[FromRight], layout: &Layout, lines: &mut [Tokens<'_>]) {
    'lines: for line in lines {
        let Some(mut rest) = line.line.get(..line.end) else { continue };
        for step in steps {
            if let Some(front) = step.read_quickly::<SHORT>(rest, &mut line.values) {
                rest = front;
                continue;
            }
            line.end = rest.len();
            step.read_number(layout, line);
            let Some(front) = line.line.get(..line.end) else { continue 'lines };
            rest = front;
        }
        line.end = rest.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_format::{Escape, LogFormat};
    use crate::tokenizer::plan::Plan;
    use crate::tokenizer::{Wanted, reference};

    #[test]
    fn numbers_in_a_row_are_read_one_behind_the_other() {
        let fields = [Field::ConnectionRequests, Field::Connection, Field::Pid];
        for (text, are_short) in [
            ("$remote_addr pid=$pid conn=$connection creq=$connection_requests", true),
            ("$remote_addr the_pid==$pid conn=$connection creq=$connection_requests", false),
        ] {
            let format = LogFormat::from_string("main", text, Escape::Default).unwrap();
            let layout = Layout::new(&format, &Wanted::new(&fields));
            let plan = Plan::new(&layout);
            let [Step::Numbers(steps)] = &plan.back.steps[..] else { panic!("{:?}", plan.back) };
            assert_eq!((steps.len(), steps.iter().all(FromRight::is_short)), (3, are_short));
            let numbers =
                ["-", "", "0", "7", "042", "1234567", "12345678", "1234567890", "1:2", "x"];
            for (pid, conn, creq) in numbers.iter().flat_map(|pid| {
                numbers.iter().flat_map(move |conn| numbers.map(|creq| (pid, conn, creq)))
            }) {
                let values = text.replace("$remote_addr", "192.168.100.100").replace("$pid", pid);
                let values = values.replace("$connection_requests", creq);
                let line = values.replace("$connection", conn);
                let mut lines = [Tokens::new(line.as_bytes()); 2];
                let fit = plan.scan(&layout, &mut lines);
                let slow = reference::tokenize(&layout, line.as_bytes());
                assert_eq!(fit, if slow.is_ok() { 3 } else { 0 }, "{line}");
                let Ok(slow) = slow else { continue };
                assert_eq!(lines, [slow; 2], "{line}");
                for (field, text) in fields.into_iter().zip([creq, conn, pid]) {
                    assert_eq!(lines[1].fields().number(field), text.parse().ok(), "{line}");
                }
                // The usual way is taken where it can be.
                let is_quick = |text: &&str| (1..8).contains(&text.len()) && *text != "-";
                if [&creq, conn, pid].into_iter().all(is_quick) {
                    let mut rest = line.as_bytes();
                    for step in steps {
                        let values = &mut lines[0].values;
                        rest = if are_short {
                            step.read_quickly::<true>(rest, values).unwrap()
                        } else {
                            step.read_quickly::<false>(rest, values).unwrap()
                        };
                    }
                    assert_eq!(rest, b"192.168.100.100");
                }
            }
        }
    }
}
