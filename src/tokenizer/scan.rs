//! The fast engine: one pass from each end, no second thoughts.
//!
//! From the left it takes the first end that [`super::reference`] would try; if all of them fit, that reading is the
//! reference's. It stops before the end of the line only where nothing behind could change that: see [`settled`]. From
//! the right it reads values whose start is certain: between quotes, behind a tab, or of a grammar that can't hold the
//! byte in front. What lies between and was not asked for is not looked at. Where a step fails it gives up, and the
//! reference decides.

use super::Fields;
use super::digits::{self, Number};
use super::layout::{Layout, Leg, is_escaped};
use super::near::{self, Literal};
use super::shapes::longest;
use crate::log_format::variable::{Field, Shape};
use memchr::memchr;

/// How to find the end of a value from its start.
#[derive(Debug, Clone)]
enum Forward {
    /// At the next such byte that is not escaped.
    Seal(u8),
    /// At the next such byte, with which the literal starts.
    Byte(u8),
    /// At the next place of the literal, which starts with this byte.
    Literal(u8),
    /// At the next such byte, if a single number or address stands before it, and else as far as the value's grammar goes.
    Number(Shape, u8),
    Address(u8),
    /// As far as the value's grammar goes.
    Grammar(Shape, Option<u8>),
    /// At the end of the line, less the last literal.
    LineEnd,
}

/// How to find the start of a value from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backward {
    /// Behind the last quote that is not escaped.
    Quote,
    /// Behind the literal that starts at the last such byte.
    From,
    /// Behind the last such byte.
    After,
}

/// What the value of a field is read as on the way.
fn number_of(field: Option<Field>, shape: Shape) -> Number {
    use Field::{
        BytesReceived, BytesSent, ConnectTime, Connection, ConnectionRequests, ConnectionTime,
        HeaderTime, Msec, Pid, RequestTime, ResponseTime, UpstreamStatus,
    };
    match field {
        None if matches!(shape, Shape::Integer | Shape::Numbers) => digits::INTEGER,
        None if shape == Shape::Seconds => digits::MILLIS,
        Some(
            UpstreamStatus | BytesReceived | BytesSent | Pid | Connection | ConnectionRequests,
        ) => digits::INTEGER,
        Some(ConnectTime | HeaderTime | ResponseTime | Msec | ConnectionTime | RequestTime) => {
            digits::MILLIS
        }
        _ => digits::NONE,
    }
}

/// A step from the left.
#[derive(Debug, Clone)]
struct FromLeft {
    how: Forward,
    /// What stands behind the value.
    literal: Literal,
    number: Number,
    field: Option<Field>,
}

/// A step from the right.
#[derive(Debug, Clone)]
struct FromRight {
    how: Backward,
    byte: u8,
    /// The byte is one, and nothing in front of it makes it another one.
    is_clear: bool,
    /// How many bytes behind that byte the value starts.
    skip: usize,
    /// What stands behind the value.
    literal: Literal,
    number: Number,
    field: Option<Field>,
    /// Whether it must be seen that what was found is a value of its shape: sealed ones may hold anything.
    is_sealed: bool,
    leg: usize,
}

/// The steps for one layout.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// What a line starts with.
    lead: Literal,
    /// Steps for the first legs, from the left.
    forward: Vec<FromLeft>,
    /// Steps for the last legs, from the right: the last leg first.
    backward: Vec<FromRight>,
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
        let from_right =
            (0..legs.len()).rev().take_while(|&i| backward_step(layout, i).is_some()).count();
        let steps = |split: usize| {
            let left = wanted.iter().rev().find(|&&i| i < split).map_or(0, |&i| i + 1);
            let left = settled(layout, left);
            let right =
                wanted.iter().find(|&&i| i >= split.max(left)).map_or(0, |&i| legs.len() - i);
            (left, right)
        };
        let (left, right) = (legs.len() - from_right..=legs.len())
            .rev()
            .map(steps)
            .min_by_key(|(left, right)| left + right)
            .unwrap_or((legs.len(), 0));
        let backward = (legs.len() - right..legs.len()).rev().filter_map(|i| {
            let (how, byte) = backward_step(layout, i)?;
            let before = literal_before(layout, i);
            let skip = if how == Backward::From { before.len() } else { 1 };
            let is_clear = match how {
                Backward::Quote => before.iter().rev().nth(1).is_some_and(|byte| *byte != b'\\'),
                Backward::From => false,
                Backward::After => true,
            };
            let literal = Literal::new(&legs[i].literal);
            let (field, is_sealed) = (legs[i].field, legs[i].seal.is_some());
            let number = number_of(field, legs[i].shape);
            let leg = i;
            Some(FromRight { how, byte, is_clear, skip, literal, number, field, is_sealed, leg })
        });
        let backward = backward.collect();
        let forward = (0..left).map_while(|i| {
            let how = forward_step(&legs[i], i + 1 == legs.len())?;
            let literal = Literal::new(&legs[i].literal);
            let number = number_of(Field::of_variable(&legs[i].variable), legs[i].shape);
            Some(FromLeft { how, literal, number, field: legs[i].field })
        });
        let forward: Vec<FromLeft> = forward.collect();
        let before = Literal::new(literal_before(layout, legs.len() - right));
        Plan {
            hopeless: forward.len() < left,
            lead: Literal::new(&layout.lead),
            forward,
            backward,
            before,
        }
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
        for (step, leg) in self.forward.iter().zip(&layout.legs) {
            let (end, number) = forward_end(step, leg, line, left)?;
            if let Some(field) = step.field {
                fields.set(field, line.get(left..end)?);
                if let Some(number) = number {
                    fields.set_number(field, number);
                }
            }
            left = end + step.literal.len();
        }
        // What is not read yet.
        let mut rest = line;
        for step in &self.backward {
            // The literal in front of the value is that of the next step, or the last one below.
            let to = step.literal.strip_end(rest)?;
            if let (Some(field), Some((number, start))) = (step.field, step.number.read_back(to))
                && step.begins(to, start)
            {
                (rest, _) = to.split_at_checked(start)?;
                fields.set(field, &to[start..]);
                fields.set_number(field, number);
                continue;
            }
            let value;
            (rest, value) = to.split_at_checked(step.start(to)?)?;
            if !step.is_sealed && !is_whole(&layout.legs[step.leg], line, rest.len(), value) {
                return None;
            }
            if let Some(field) = step.field {
                fields.set(field, value);
            }
        }
        if !self.backward.is_empty() && !self.before.ends(rest) {
            return None;
        }
        let (right, legs) = (rest.len(), layout.legs.len());
        let meets = if self.forward.len() == legs {
            left == line.len()
        } else if self.backward.is_empty() {
            true
        } else if self.forward.len() + self.backward.len() == legs {
            left == right
        } else {
            left + self.before.len() <= right
        };
        meets.then_some(())
    }
}

impl FromRight {
    /// Does a number that starts here start behind the byte that must stand there?
    #[inline]
    fn begins(&self, text: &[u8], start: usize) -> bool {
        // A quote is not escaped: the byte before it is that of a literal.
        self.is_clear && text.get(start.wrapping_sub(1)) == Some(&self.byte)
    }

    /// Where the value in the end of `text`, the first bytes of the line, starts.
    #[inline]
    fn start(&self, text: &[u8]) -> Option<usize> {
        let mut at = near::rfind(self.byte, text, text.len())?;
        while self.how == Backward::Quote && is_escaped(text, 0, at) {
            at = near::rfind(self.byte, text, at)?;
        }
        Some(at + self.skip)
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
    match (leg.shape, &*leg.literal) {
        (Shape::Text | Shape::Token, _) if is_last => Some(Forward::LineEnd),
        (Shape::Text | Shape::Token, []) => None,
        // No word holds a blank, so one that ends it is the next one.
        (Shape::Text, [byte]) | (Shape::Token, [byte @ b' ', ..]) => Some(Forward::Byte(*byte)),
        (Shape::Text | Shape::Token, [byte, ..]) => Some(Forward::Literal(*byte)),
        (shape @ (Shape::Integer | Shape::Seconds | Shape::Numbers), [byte, ..])
            if !byte.is_ascii_digit() && !b"-.,:".contains(byte) =>
        {
            Some(Forward::Number(shape, *byte))
        }
        (Shape::Addresses, [byte, ..]) if !b",:[".contains(byte) => Some(Forward::Address(*byte)),
        (shape, literal) => Some(Forward::Grammar(shape, literal.first().copied())),
    }
}

#[inline]
fn forward_end(step: &FromLeft, leg: &Leg, line: &[u8], at: usize) -> Option<(usize, Option<u64>)> {
    let FromLeft { how, literal, .. } = step;
    let mut number = None;
    let end = match how {
        Forward::Seal(seal) => {
            let end = find_seal(*seal, line, at)?;
            number = step.number_from(line, at, end);
            end
        }
        Forward::Byte(byte) => {
            let end = near::find(*byte, line, at)?;
            text_up_to(leg, line, at, end)?
        }
        Forward::Literal(byte) => {
            let mut end = near::find(*byte, line, at)?;
            while !literal.starts(&line[end..]) {
                end = near::find(*byte, line, end + 1)?;
            }
            text_up_to(leg, line, at, end)?
        }
        Forward::Number(shape, byte) => {
            let end = near::find(*byte, line, at)?;
            number = step.number_from(line, at, end).filter(|_| !goes_on(*shape, line, end));
            if number.is_some() { end } else { longest(*shape, line, at, Some(*byte))? }
        }
        Forward::Address(byte) => {
            let end = near::find(*byte, line, at)?;
            let is_single = line[at] != b'[' && near::is_word(&line[at..end]);
            let is_all = is_single && !goes_on(Shape::Addresses, line, end);
            if is_all { end } else { longest(Shape::Addresses, line, at, Some(*byte))? }
        }
        Forward::Grammar(shape, stop) => longest(*shape, line, at, *stop)?,
        Forward::LineEnd => {
            let end = line.len().checked_sub(literal.len()).filter(|end| *end >= at)?;
            text_up_to(leg, line, at, end)?
        }
    };
    literal.starts(&line[end..]).then_some((end, number))
}

/// May a list that could end here go on with another pass?
#[inline]
fn goes_on(shape: Shape, line: &[u8], end: usize) -> bool {
    shape.is_list() && line[end] == b' ' && line.get(end + 1) == Some(&b':')
}

impl FromLeft {
    /// The number that the value from `at` to `end` is.
    #[inline]
    fn number_from(&self, line: &[u8], at: usize, end: usize) -> Option<u64> {
        let (number, start) = self.number.read_back(&line[..end])?;
        (start == at).then_some(number)
    }
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
    near::is_plain(line, at, end, least) || line.get(at..end).is_some_and(|text| leg.is_text(text))
}

/// The end of a text, if it can be one.
#[inline]
fn text_up_to(leg: &Leg, line: &[u8], at: usize, end: usize) -> Option<usize> {
    is_text(leg, line, at, end).then_some(end)
}

/// The step that finds the start of a leg's value from its end, where only one start is possible.
fn backward_step(layout: &Layout, index: usize) -> Option<(Backward, u8)> {
    let leg = &layout.legs[index];
    let before = literal_before(layout, index);
    let sealed_by = |byte: u8| index > 0 && layout.legs[index - 1].seal == Some(byte);
    match (before.first(), before.last()?) {
        // Only where values can't hold a raw quote: then the literal behind this value tells that they are escaped.
        (_, b'"') if leg.seal == Some(b'"') => Some((Backward::Quote, b'"')),
        (Some(&tab), _)
            if tab < 0x20
                && sealed_by(tab)
                && memchr(tab, &before[1..]).is_none()
                && (leg.seal == Some(tab) || index + 1 == layout.legs.len()) =>
        {
            Some((Backward::From, tab))
        }
        // A word can't hold the blank that the literal in front starts with.
        (Some(b' '), _)
            if leg.shape == Shape::Token
                && leg.seal.is_none()
                && memchr(b' ', &before[1..]).is_none() =>
        {
            Some((Backward::From, b' '))
        }
        (_, &last) => {
            let inside = match leg.shape {
                Shape::Token => last != b' ',
                Shape::Integer => last.is_ascii_digit() || last == b'-',
                Shape::Seconds => last.is_ascii_digit() || matches!(last, b'-' | b'.'),
                Shape::Numbers => last.is_ascii_digit() || b"-., :".contains(&last),
                _ => true,
            };
            (!inside && leg.seal.is_none()).then_some((Backward::After, last))
        }
    }
}

#[inline]
fn is_whole(leg: &Leg, line: &[u8], start: usize, value: &[u8]) -> bool {
    match leg.shape {
        Shape::Text | Shape::Token => is_text(leg, line, start, start + value.len()),
        shape => longest(shape, value, 0, None) == Some(value.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_format::variable::shape_of;
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
