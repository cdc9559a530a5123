//! Which values of a layout are read from which end, and how each is found: chosen once, for all lines.

use super::back::{Back, Backward, FromRight};
use super::digits::{self, Number};
use super::layout::{Layout, Leg};
use super::near::{Literal, Near};
use crate::log_format::variable::{Field, Shape};
use crate::wide::Mark;
use memchr::memchr;

/// How to find the end of a value from its start.
#[derive(Debug, Clone)]
pub(super) enum Forward {
    /// At the next such byte that is not escaped.
    Seal(u8),
    /// At the next such byte, with which the literal starts.
    Byte(u8),
    /// At the next place of the literal, which starts with this byte.
    Literal(u8),
    /// At the next such byte, if a single number or address stands before it, and else as far as the value's grammar goes.
    Number(Shape, u8),
    /// The same of addresses.
    Address(u8),
    /// At the end of the line, if a single number stands before it, and else as far as the value's grammar goes.
    LastNumber(Shape),
    /// Behind the only time that can stand there.
    TimeLocal,
    /// As far as the value's grammar goes.
    Grammar(Shape, Option<u8>),
    /// At the end of the line, less the last literal.
    LineEnd,
}

/// What the value of a field is read as on the way.
fn number_of(field: Option<Field>) -> Number {
    use Field::{
        BytesReceived, BytesSent, ConnectTime, Connection, ConnectionRequests, ConnectionTime,
        HeaderTime, Msec, Pid, RequestTime, ResponseTime, UpstreamStatus,
    };
    match field {
        Some(
            UpstreamStatus | BytesReceived | BytesSent | Pid | Connection | ConnectionRequests,
        ) => digits::INTEGER,
        Some(ConnectTime | HeaderTime | ResponseTime | Msec | ConnectionTime | RequestTime) => {
            digits::MILLIS
        }
        _ => digits::NONE,
    }
}

/// The same of any value.
fn number_from_left(leg: &Leg) -> Number {
    match (leg.field, leg.shape) {
        (None, Shape::Integer | Shape::Numbers) => digits::INTEGER,
        (None, Shape::Seconds) => digits::MILLIS,
        (field, _) => number_of(field),
    }
}

/// A step from the left.
#[derive(Debug, Clone)]
pub(super) struct FromLeft {
    pub(super) how: Forward,
    /// What stands behind the value.
    pub(super) literal: Literal,
    pub(super) number: Number,
    pub(super) field: Option<Field>,
}

/// The steps for one layout.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// What a line starts with.
    pub(super) lead: Literal,
    /// Steps for the first legs, from the left.
    pub(super) forward: Vec<FromLeft>,
    /// Bits of the fields that this sets.
    pub(super) present: u32,
    /// Steps for the last legs, from the right.
    pub(super) back: Back,
    /// These are all legs.
    pub(super) is_all: bool,
    /// The length of the literal between those from the left and those from the right.
    pub(super) overlap: usize,
    /// Nothing of this layout can be read without trying.
    pub(super) hopeless: bool,
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
            // A quote right behind another value may be that one's own.
            let is_clear = how != Backward::Quote || before.len() > 1;
            let least = match legs[i].shape {
                _ if !is_clear => None,
                _ if legs[i].seal.is_some() => Some(0),
                Shape::Token => Some(b' ' + 1),
                _ => None,
            };
            let number = if is_clear { number_of(legs[i].field) } else { digits::NONE };
            // Any one, where none is wanted: then it is no number, and `is_wanted` keeps it from being set.
            let field = legs[i].field.unwrap_or(Field::Group);
            Some(FromRight {
                near: least.map(|least| Near::new(Mark { byte, least })),
                number,
                // Of a wanted field: of others no number is read.
                is_number: number != digits::NONE,
                before: Literal::new(before),
                field,
                is_wanted: legs[i].field.is_some(),
                how,
                byte,
                skip,
                is_sealed: legs[i].seal.is_some(),
                leg: i,
            })
        });
        let backward: Vec<FromRight> = backward.collect();
        let forward = (0..left).map_while(|i| {
            let how = forward_step(&legs[i], i + 1 == legs.len())?;
            let literal = Literal::new(&legs[i].literal);
            let number = number_from_left(&legs[i]);
            Some(FromLeft { how, literal, number, field: legs[i].field })
        });
        let forward: Vec<FromLeft> = forward.collect();
        let fields = legs.iter().filter_map(|leg| leg.field);
        Plan {
            present: fields.fold(0, |bits, field| bits | 1 << field.index()),
            hopeless: forward.len() < left,
            lead: Literal::new(&layout.lead),
            is_all: forward.len() + backward.len() == legs.len(),
            overlap: literal_before(layout, legs.len() - right).len(),
            forward,
            back: Back::new(legs.last().map_or(&[], |leg| &leg.literal), &backward),
        }
    }
}

/// The literal in front of a leg's value.
#[inline]
pub(super) fn literal_before(layout: &Layout, index: usize) -> &[u8] {
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
                // Or, past one that may be empty, to the one that touches it.
                let touches = next.literal.is_empty() && index + 2 < layout.legs.len();
                !matches!(next.shape, Shape::Text | Shape::Token | Shape::Addresses)
                    && !touches
                    && next.literal.first() != Some(&b':')
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
        (shape, []) if is_last && number_from_left(leg) != digits::NONE => {
            Some(Forward::LastNumber(shape))
        }
        // No word holds a blank, so one that ends it is the next one.
        (Shape::Text, [byte]) | (Shape::Token, [byte @ b' ', ..]) => Some(Forward::Byte(*byte)),
        (Shape::Text | Shape::Token, [byte, ..]) => Some(Forward::Literal(*byte)),
        (shape @ (Shape::Integer | Shape::Seconds | Shape::Numbers), [byte, ..])
            if number_from_left(leg) != digits::NONE
                && !byte.is_ascii_digit()
                && !b"-.,:".contains(byte) =>
        {
            Some(Forward::Number(shape, *byte))
        }
        (Shape::Addresses, [byte, ..]) if !b",:[".contains(byte) => Some(Forward::Address(*byte)),
        (Shape::TimeLocal, _) => Some(Forward::TimeLocal),
        (shape, literal) => Some(Forward::Grammar(shape, literal.first().copied())),
    }
}

/// The step that finds the start of a leg's value from its end, where only one start is possible.
fn backward_step(layout: &Layout, index: usize) -> Option<(Backward, u8)> {
    let leg = &layout.legs[index];
    let before = literal_before(layout, index);
    let sealed_by = |byte: u8| index > 0 && layout.legs[index - 1].seal == Some(byte);
    match (before.first(), before.last()?) {
        // Only where values can't hold a raw quote: then the literal behind this value tells that they are escaped.
        // And not behind a backslash, by which the literal's quote would look like the value's own.
        (_, b'"') if leg.seal == Some(b'"') && !before.ends_with(b"\\\"") => {
            Some((Backward::Quote, b'"'))
        }
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
