//! The slow and obvious engine: tries every way to read a line, in a fixed order, until one fits.
//!
//! It defines what a line means. Values are tried from left to right; each tries its possible ends in this order:
//! a value sealed by a quote or control byte has one end; text and words try the shortest first; numbers and lists try
//! the longest first. The first reading that fits the whole line counts. The fast engine must agree with it, and asks
//! it where its own first try fails.

use super::layout::{Layout, Leg, find_seal};
use super::shapes::{list_ends, longest};
use super::{Expected, Mismatch, Tokens, Values};
use crate::log_format::variable::Shape;
use hashbrown::HashSet;

/// Ends tried per line before it is given up as too ambiguous: enough for real lines by far, and it bounds what a
/// hostile line can cost.
const MAX_TRIES: usize = 1 << 16;

/// Looking at this many bytes costs as much as a try.
const BYTES_PER_TRY: usize = 64;

/// How often each byte of a long line may be looked at.
const LOOKS: usize = 16;

/// The values of a line.
///
/// # Errors
/// The furthest place where a reading failed.
pub fn tokenize<'a>(layout: &Layout, line: &'a [u8]) -> Result<Tokens<'a>, Mismatch> {
    let mut values = Values::EMPTY;
    for (leg, (from, to)) in layout.legs.iter().zip(spans(layout, line)?) {
        if let Some(field) = leg.field {
            values.set(field, from, to);
        }
    }
    Ok(Tokens { values, ..Tokens::new(line) })
}

/// Where the values of a line stand, in the order of the format's variables.
pub(super) fn spans(layout: &Layout, line: &[u8]) -> Result<Vec<(usize, usize)>, Mismatch> {
    if !line.starts_with(&layout.lead) {
        return Err(Mismatch { column: 0, expected: Expected::Literal(layout.lead.clone()) });
    }
    let mut search = Search {
        legs: &layout.legs,
        line,
        failed: HashSet::new(),
        tries: MAX_TRIES + line.len() / BYTES_PER_TRY * LOOKS,
        furthest: 0,
        expected: Expected::End,
        spans: Vec::with_capacity(layout.legs.len()),
    };
    if !search.read(0, layout.lead.len()) {
        return Err(Mismatch { column: search.furthest, expected: search.expected });
    }
    // They were noted on the way back: the last value first.
    search.spans.reverse();
    Ok(search.spans)
}

struct Search<'a> {
    legs: &'a [Leg],
    line: &'a [u8],
    /// Leg and place from which nothing fits.
    failed: HashSet<(usize, usize)>,
    tries: usize,
    furthest: usize,
    expected: Expected,
    spans: Vec<(usize, usize)>,
}

impl Search<'_> {
    /// Reads the legs from `index` on, starting at `at`.
    fn read(&mut self, index: usize, at: usize) -> bool {
        let Some(leg) = self.legs.get(index) else {
            return at == self.line.len() || self.fail(at, || Expected::End);
        };
        if self.failed.contains(&(index, at)) {
            return false;
        }
        let is_last = index + 1 == self.legs.len();
        let fits = match (leg.seal, leg.shape) {
            (Some(seal), _) => {
                let end = find_seal(seal, self.line, at);
                self.spend(end.unwrap_or(self.line.len()) - at);
                match end {
                    Some(end) => self.try_end(index, at, end),
                    None => self.fail(self.line.len(), || Expected::Literal(leg.literal.clone())),
                }
            }
            (None, Shape::Text | Shape::Token) => self.read_text(index, at, is_last),
            (None, Shape::Addresses | Shape::Numbers) => {
                let ends = list_ends(leg.shape, self.line, at, leg.literal.first().copied());
                self.spend(ends.last().map_or(0, |end| end - at));
                ends.into_iter().rev().any(|end| self.try_end(index, at, end))
                    || (self.tries > 0 && self.try_end(index, at, at))
            }
            (None, shape) => self.read_number_or_time(index, at, shape),
        };
        if !fits {
            self.failed.insert((index, at));
        }
        fits
    }

    /// Shortest first: every place where the literal stands, or every place if it is empty.
    fn read_text(&mut self, index: usize, at: usize, is_last: bool) -> bool {
        let leg = &self.legs[index];
        let limit = leg.text_limit(self.line, at);
        self.spend(limit - at);
        if is_last {
            // Only one end can reach the end of the line.
            return match self.line.len().checked_sub(leg.literal.len()) {
                Some(end) if (at..=limit).contains(&end) => self.try_end(index, at, end),
                _ => self.fail(self.line.len(), || Expected::Literal(leg.literal.clone())),
            };
        }
        // A literal behind the last possible end may reach further.
        let room = &self.line[..self.line.len().min(limit + leg.literal.len())];
        let mut end = at;
        while let Some(found) = memchr::memmem::find(&room[end..], &leg.literal) {
            end += found;
            self.spend(found);
            if self.try_end(index, at, end) {
                return true;
            }
            end += 1;
            if end > room.len() || self.tries == 0 {
                return false;
            }
        }
        self.spend(room.len() - end);
        self.fail(at, || Expected::Value(leg.variable.clone(), leg.shape))
    }

    /// Longest first, down to an empty value where the shape allows an absent one.
    fn read_number_or_time(&mut self, index: usize, at: usize, shape: Shape) -> bool {
        let leg = &self.legs[index];
        let Some(end) = longest(shape, self.line, at, None) else {
            return self.fail(at, || Expected::Value(leg.variable.clone(), shape));
        };
        if matches!(shape, Shape::TimeLocal | Shape::TimeIso8601) {
            return self.try_end(index, at, end);
        }
        self.spend(end - at);
        (at..=end).rev().any(|end| self.try_end(index, at, end))
    }

    /// Pays for looking at some bytes.
    fn spend(&mut self, bytes: usize) {
        self.tries = self.tries.saturating_sub(bytes / BYTES_PER_TRY);
    }

    /// Takes `from..to` as the value of a leg and goes on behind its literal.
    fn try_end(&mut self, index: usize, from: usize, to: usize) -> bool {
        if self.tries == 0 {
            return false;
        }
        self.tries -= 1;
        let literal = &self.legs[index].literal;
        if !self.line[to..].starts_with(literal) {
            let same =
                self.line[to..].iter().zip(literal.iter()).take_while(|(a, b)| a == b).count();
            return self.fail(to + same, || Expected::Literal(literal[same..].into()));
        }
        let fits = self.read(index + 1, to + literal.len());
        if fits {
            self.spans.push((from, to));
        }
        fits
    }

    /// Notes the furthest failure: it names the place that a person should look at.
    fn fail(&mut self, at: usize, expected: impl FnOnce() -> Expected) -> bool {
        if at > self.furthest || self.expected == Expected::End {
            self.furthest = at;
            self.expected = expected();
        }
        false
    }
}
