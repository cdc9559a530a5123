//! The fast engine: one pass from each end, no second thoughts.
//!
//! From the left it takes the first end that [`super::reference`] would try; if all of them fit, that reading is the
//! reference's. It stops before the end of the line only where nothing behind could change that: see [`settled`]. From
//! the right it reads values whose start is certain: between quotes, behind a tab, or of a grammar that can't hold the
//! byte in front. What lies between and was not asked for is not looked at. Where a step fails it gives up, and the
//! reference decides.

use super::Fields;
use super::layout::{Layout, Leg, find_seal, rfind_quote};
use super::near::{self, Literal};
use super::shapes::longest;
use crate::log_format::variable::Shape;
use memchr::{memchr, memmem};

/// How to find the end of a value from its start.
#[derive(Debug, Clone)]
enum Forward {
    /// At the next such byte that is not escaped.
    Seal(u8),
    /// At the next such byte, with which the literal starts.
    Byte(u8),
    /// At the next place of the literal.
    Literal(Box<memmem::Finder<'static>>),
    /// As far as the value's grammar goes.
    Grammar(Shape, Option<u8>),
    /// At the end of the line, less the last literal.
    LineEnd,
}

/// How to find the start of a value from its end.
#[derive(Debug, Clone, Copy)]
enum Backward {
    /// Behind the last quote that is not escaped.
    Quote,
    /// Behind the literal that starts at the last such byte.
    From(u8),
    /// Behind the last such byte.
    After(u8),
}

/// The steps for one layout.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// What a line starts with.
    lead: Literal,
    /// Steps for the first legs, from the left, each with the literal behind its value.
    forward: Vec<(Forward, Literal)>,
    /// Steps for the last legs, from the right, each with the literal behind its value: the last leg first.
    backward: Vec<(Backward, Literal)>,
    /// What stands in front of the first value that is read from the right.
    before: Literal,
    /// Nothing of this layout can be read without trying.
    hopeless: bool,
}

impl Plan {
    /// Chooses which legs to read from which end: the fewest steps.
    pub(super) fn new(layout: &Layout) -> Self {
        let legs = &layout.legs;
        let wanted: Vec<usize> = (0..legs.len()).filter(|&i| legs[i].field.is_some()).collect();
        let from_right: Vec<Backward> =
            (0..legs.len()).rev().map_while(|i| backward_step(layout, i)).collect();
        let steps = |split: usize| {
            let left = wanted.iter().rev().find(|&&i| i < split).map_or(0, |&i| i + 1);
            let left = settled(layout, left);
            let right =
                wanted.iter().find(|&&i| i >= split.max(left)).map_or(0, |&i| legs.len() - i);
            (left, right)
        };
        let (left, right) = (legs.len() - from_right.len()..=legs.len())
            .rev()
            .map(steps)
            .min_by_key(|(left, right)| left + right)
            .unwrap_or((legs.len(), 0));
        let forward: Vec<(Forward, Literal)> = (0..left)
            .map_while(|i| {
                let step = forward_step(&legs[i], i + 1 == legs.len())?;
                Some((step, Literal::new(&legs[i].literal)))
            })
            .collect();
        let lead = Literal::new(&layout.lead);
        let literals = legs.iter().rev().map(|leg| Literal::new(&leg.literal));
        let backward = from_right.into_iter().zip(literals).take(right).collect();
        let before = Literal::new(literal_before(layout, legs.len() - right));
        Plan { hopeless: forward.len() < left, lead, forward, backward, before }
    }

    /// Sets the values of a line; none where the first try does not fit, and then some may be set.
    #[inline]
    pub(super) fn scan<'a>(
        &self,
        layout: &Layout,
        line: &'a [u8],
        fields: &mut Fields<'a>,
    ) -> Option<()> {
        if self.hopeless || !self.lead.starts(line) {
            return None;
        }
        let mut left = self.lead.len();
        for ((step, literal), leg) in self.forward.iter().zip(&layout.legs) {
            let end = forward_end(step, leg, literal, line, left)?;
            if let Some(field) = leg.field {
                fields.set(field, &line[left..end]);
            }
            left = end + literal.len();
        }
        let mut right = line.len();
        let first_right = layout.legs.len() - self.backward.len();
        for ((step, literal), i) in self.backward.iter().zip((first_right..layout.legs.len()).rev())
        {
            let leg = &layout.legs[i];
            // The literal in front of the value is that of the next step, or the last one below.
            if !literal.ends(&line[..right]) {
                return None;
            }
            let end = right - literal.len();
            let start = backward_start(*step, literal_before(layout, i), line, end)?;
            if !is_whole(leg, &line[start..end]) {
                return None;
            }
            if let Some(field) = leg.field {
                fields.set(field, &line[start..end]);
            }
            right = start;
        }
        if !self.backward.is_empty() && !self.before.ends(&line[..right]) {
            return None;
        }
        let meets = if self.forward.len() == layout.legs.len() {
            left == line.len()
        } else if self.backward.is_empty() {
            true
        } else if self.forward.len() == first_right {
            left == right
        } else {
            left + self.before.len() <= right
        };
        meets.then_some(())
    }
}

/// The literal in front of a leg's value.
#[inline]
fn literal_before(layout: &Layout, index: usize) -> &[u8] {
    if index == 0 { &layout.lead } else { &layout.legs[index - 1].literal }
}

/// How many of the first legs must be read so that the ends found for the first `left` of them are those of every
/// reading of the line.
///
/// The first end that fits is not always the right one: in `$remote_user $status` it may lie inside a user's name with a
/// space. What comes behind decides, up to a literal with a byte that no value can hold (`" `, a tab): there all readings
/// meet again.
fn settled(layout: &Layout, left: usize) -> usize {
    let legs = &layout.legs;
    let meets = |unsure: usize| {
        let at = (unsure..legs.len()).find(|&i| legs[i].literal_seals())?;
        // Whether a quote is escaped must not hang on where a value starts: not behind a backslash.
        let is_clear = |leg: &Leg| leg.literal.last().is_some_and(|byte| *byte != b'\\');
        legs[unsure..at].iter().all(is_clear).then_some(at + 1)
    };
    let unsure = (0..left).filter(|&i| !has_one_end(layout, i));
    unsure.map(|i| meets(i).unwrap_or(legs.len())).fold(left, usize::max)
}

/// Is there only one end that a value can have, whatever follows?
fn has_one_end(layout: &Layout, index: usize) -> bool {
    let leg = &layout.legs[index];
    if leg.seal.is_some() || matches!(leg.shape, Shape::TimeLocal | Shape::TimeIso8601) {
        return true;
    }
    let Some(&first) = leg.literal.first() else { return false };
    match leg.shape {
        Shape::Token => first == b' ',
        Shape::Integer => !first.is_ascii_digit() && first != b'-',
        Shape::Seconds => !first.is_ascii_digit() && !matches!(first, b'-' | b'.'),
        Shape::Numbers | Shape::Addresses if first == b' ' => match leg.literal.get(1) {
            Some(second) => *second != b':',
            // A shorter list would leave `: ` to what follows.
            None => layout.legs.get(index + 1).is_none_or(|next| {
                !matches!(next.shape, Shape::Text | Shape::Token | Shape::Addresses)
                    && next.literal.first().is_none_or(|byte| *byte != b':')
            }),
        },
        Shape::Numbers => !first.is_ascii_digit() && !matches!(first, b'-' | b','),
        Shape::Addresses => !matches!(first, b',' | b':' | b'['),
        _ => false,
    }
}

fn forward_step(leg: &Leg, is_last: bool) -> Option<Forward> {
    if let Some(seal) = leg.seal {
        return Some(Forward::Seal(seal));
    }
    let finder = || Box::new(memmem::Finder::new(&leg.literal).into_owned());
    match (leg.shape, &*leg.literal) {
        (Shape::Text | Shape::Token, _) if is_last => Some(Forward::LineEnd),
        (Shape::Text | Shape::Token, []) => None,
        // No word holds a blank, so one that ends it is the next one.
        (Shape::Text, [byte]) | (Shape::Token, [byte @ b' ', ..]) => Some(Forward::Byte(*byte)),
        (Shape::Text | Shape::Token, _) => Some(Forward::Literal(finder())),
        (shape, literal) => Some(Forward::Grammar(shape, literal.first().copied())),
    }
}

#[inline]
fn forward_end(
    step: &Forward,
    leg: &Leg,
    literal: &Literal,
    line: &[u8],
    at: usize,
) -> Option<usize> {
    let end = match step {
        Forward::Seal(seal) => find_seal(*seal, line, at)?,
        Forward::Byte(byte) => text_up_to(leg, line, at, near::find(*byte, line, at)? - at)?,
        Forward::Literal(finder) => return text_up_to(leg, line, at, finder.find(&line[at..])?),
        Forward::Grammar(shape, stop) => longest(*shape, line, at, *stop)?,
        Forward::LineEnd => {
            let end = line.len().checked_sub(literal.len()).filter(|end| *end >= at)?;
            text_up_to(leg, line, at, end - at)?
        }
    };
    literal.starts(&line[end..]).then_some(end)
}

/// The end of a text of this length, if it can be one.
#[inline]
fn text_up_to(leg: &Leg, line: &[u8], at: usize, length: usize) -> Option<usize> {
    leg.is_text(&line[at..at + length]).then_some(at + length)
}

/// The step that finds the start of a leg's value from its end, where only one start is possible.
fn backward_step(layout: &Layout, index: usize) -> Option<Backward> {
    let leg = &layout.legs[index];
    let before = literal_before(layout, index);
    let sealed_by = |byte: u8| index > 0 && layout.legs[index - 1].seal == Some(byte);
    match (before.first(), before.last()?) {
        // Only where values can't hold a raw quote: then the literal behind this value tells that they are escaped.
        (_, b'"') if leg.seal == Some(b'"') => Some(Backward::Quote),
        (Some(&tab), _)
            if tab < 0x20
                && sealed_by(tab)
                && memchr(tab, &before[1..]).is_none()
                && (leg.seal == Some(tab) || index + 1 == layout.legs.len()) =>
        {
            Some(Backward::From(tab))
        }
        // A word can't hold the blank that the literal in front starts with.
        (Some(b' '), _)
            if leg.shape == Shape::Token
                && leg.seal.is_none()
                && memchr(b' ', &before[1..]).is_none() =>
        {
            Some(Backward::From(b' '))
        }
        (_, &last) => {
            let inside = match leg.shape {
                Shape::Token => last != b' ',
                Shape::Integer => last.is_ascii_digit() || last == b'-',
                Shape::Seconds => last.is_ascii_digit() || matches!(last, b'-' | b'.'),
                Shape::Numbers => last.is_ascii_digit() || b"-., :".contains(&last),
                _ => true,
            };
            (!inside && leg.seal.is_none()).then_some(Backward::After(last))
        }
    }
}

#[inline]
fn backward_start(step: Backward, before: &[u8], line: &[u8], end: usize) -> Option<usize> {
    match step {
        Backward::Quote => rfind_quote(line, end).map(|at| at + 1),
        Backward::From(byte) => {
            let at = near::rfind(byte, line, end)?;
            (at + before.len() <= end).then_some(at + before.len())
        }
        Backward::After(byte) => near::rfind(byte, line, end).map(|at| at + 1),
    }
}

/// Is this a whole value of the leg's shape? Sealed values may hold anything.
#[inline]
fn is_whole(leg: &Leg, value: &[u8]) -> bool {
    leg.seal.is_some()
        || match leg.shape {
            Shape::Text | Shape::Token => leg.is_text(value),
            shape => longest(shape, value, 0, None) == Some(value.len()),
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_format::variable::{Field, shape_of};
    use crate::log_format::{Piece, presets::ALL};
    use crate::tokenizer::{Wanted, reference};
    use proptest::prelude::*;
    use proptest::sample::Index;

    /// Values of a shape, odd ones too.
    fn values(shape: Shape) -> &'static [&'static str] {
        match shape {
            Shape::Text => &["-", "", "GET /a HTTP/1.1", "a b=c", "x:1, y", "[a] - pid=1 ua=2"],
            Shape::Token => &["-", "", "api", "a=b", "10.0.0.1", "up=x", "web_1.example"],
            Shape::Integer => &["-", "0", "200", "4294967296"],
            Shape::Seconds => &["-", "0.000", "1795226603.023"],
            Shape::TimeLocal => &["21/Nov/2026:02:03:23 +0000"],
            Shape::TimeIso8601 => &["2026-11-21T02:03:23+00:00"],
            Shape::Addresses => &["-", "10.0.0.1:80", "a:1, [::1]:80", "unix:/x : b:2", "a:1 : "],
            Shape::Numbers => &["-", "0.000", "200, 502", "0.000 : -", "1 : "],
        }
    }

    proptest! {
        #[test]
        fn what_it_reads_is_what_the_reference_reads(
            preset in prop::sample::select(ALL),
            picks in prop::collection::vec(any::<Index>(), 24),
            change in prop::option::of((any::<Index>(), prop::sample::select(b"\"\\= ,:-0\t\xff".to_vec()))),
        ) {
            let format = preset.format().unwrap();
            let mut line = Vec::new();
            for (piece, pick) in format.pieces.iter().zip(picks.iter().cycle()) {
                match piece {
                    Piece::Literal(text) => line.extend_from_slice(text),
                    Piece::Variable(name) => {
                        line.extend_from_slice(pick.get(values(shape_of(name))).as_bytes());
                    }
                }
            }
            if let Some((at, byte)) = change {
                let at = at.index(line.len());
                line[at] = byte;
            }
            let layout = Layout::new(&format, &Wanted::new(&Field::ALL[..11]));
            let mut fields = Fields::EMPTY;
            let fast = Plan::new(&layout).scan(&layout, &line, &mut fields).map(|()| fields);
            let slow = reference::tokenize(&layout, &line);
            if let (Some(fast), Ok(slow)) = (fast, slow) {
                prop_assert_eq!(fast, slow, "{}: {}", preset.name, line.escape_ascii());
            }
        }
    }
}
