//! The fast engine: one pass from each end, no second thoughts.
//!
//! From the left it takes the first end that [`super::reference`] would try; if all of them fit, that reading is the
//! reference's. It stops before the end of the line only where nothing behind could change that: see `plan`. From
//! the right it reads values whose start is certain: between quotes, behind a tab, or of a grammar that can't hold the
//! byte in front. What lies between and was not asked for is not looked at. Where a step fails it gives up, and the
//! reference decides.

use super::Values;
use super::layout::{Layout, Leg, find_seal as find_far_seal, is_escaped};
use super::near::{self, Literal};
use super::plan::{Forward, FromLeft, Plan};
use super::shapes::longest;
use crate::log_format::variable::Shape;

impl Plan {
    /// Sets the values of a line; none where the first try does not fit, and then some may be set.
    #[inline]
    pub(super) fn scan(&self, layout: &Layout, line: &[u8], values: &mut Values) -> Option<()> {
        if self.hopeless || !self.lead.starts(line) {
            return None;
        }
        let mut left = self.lead.len();
        for (step, leg) in self.forward.iter().zip(&layout.legs) {
            let (end, number) = forward_end(step, leg, line, left)?;
            if let Some(field) = step.field {
                values.place(field, left, end);
                if let Some(number) = number {
                    values.place_number(field, number);
                    values.numbered |= 1 << field.index();
                }
            }
            left = end + step.literal.len();
        }
        let meets = if self.back.len() == 0 {
            self.forward.len() < layout.legs.len() || left == line.len()
        } else {
            let right = self.back.scan(layout, line, values)?;
            // The literal in front of these values stands behind the others.
            if self.is_all { left == right + self.overlap } else { left <= right }
        };
        values.declare(self.present);
        meets.then_some(())
    }
}

#[inline]
fn forward_end(step: &FromLeft, leg: &Leg, line: &[u8], at: usize) -> Option<(usize, Option<u64>)> {
    let FromLeft { how, literal, .. } = step;
    let mut number = None;
    let end = match how {
        Forward::Seal(seal) => {
            if step.field.is_none() {
                // Nobody asked for it, so it is most often long.
                find_far_seal(*seal, line, at)?
            } else {
                let end = find_seal(*seal, line, at)?;
                number = step.number_from(line, at, end);
                end
            }
        }
        Forward::Byte(_) | Forward::Literal(_) | Forward::LineEnd => {
            let end = match how {
                Forward::Byte(byte) => near::find(*byte, line, at)?,
                Forward::Literal(byte) => literal_from(*byte, literal, line, at)?,
                _ => line.len().checked_sub(literal.len()).filter(|end| *end >= at)?,
            };
            if !is_text(leg, line, at, end) {
                return None;
            }
            end
        }
        Forward::Number(shape, byte) => {
            if let Some((number, length)) =
                line.get(at..).and_then(|text| step.number.read_front(text))
                && line.get(at + length) == Some(byte)
                && !goes_on(*shape, line, at + length)
            {
                let end = at + length;
                return literal.starts(&line[end..]).then_some((end, Some(number)));
            }
            let end;
            (end, number) = step.number_far(line, at, *shape, *byte)?;
            end
        }
        Forward::Address(byte) => {
            let end = near::find(*byte, line, at)?;
            let is_single = line[at] != b'[' && near::is_word(&line[at..end]);
            let is_all = is_single && !goes_on(Shape::Addresses, line, end);
            if is_all { end } else { longest(Shape::Addresses, line, at, Some(*byte))? }
        }
        Forward::Grammar(shape, stop) => longest(*shape, line, at, *stop)?,
    };
    literal.starts(&line[end..]).then_some((end, number))
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

impl FromLeft {
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
        let (number, start) = self.number.read_back(&line[..end]);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_format::variable::{Field, shape_of};
    use crate::log_format::{Piece, presets::ALL};
    use crate::record::attempt::attempts;
    use crate::record::number::{integer, integer_of, millis_of, millis_wide};
    use crate::tokenizer::{Fields, Tokens, Wanted, reference};
    use proptest::prelude::*;
    use proptest::sample::Index;

    /// Values of a shape, odd ones too.
    fn values(shape: Shape) -> &'static [&'static str] {
        match shape {
            Shape::Text => &["-", "", "GET /a HTTP/1.1", "a b=c", "x:1, y", "[a] - pid=1 ua=2"],
            Shape::Token => &["-", "", "api", "a=b", "10.0.0.1", "up=x", "web_1.example"],
            Shape::Integer => &["-", "0", "200", "4294967296"],
            Shape::Seconds => &["-", "0.000", "4294967.296", "1795226603.023"],
            Shape::TimeLocal => &["21/Nov/2026:02:03:23 +0000"],
            Shape::TimeIso8601 => &["2026-11-21T02:03:23+00:00"],
            Shape::Addresses => &[
                "-",
                "app",
                "10.0.0.1:80",
                "192.168.0.10:8080",
                "[::1]:80",
                "a:1, [::1]:80",
                "unix:/x : b:2",
                "a:1 : ",
            ],
            Shape::Numbers => &[
                "-",
                "0",
                "101",
                "0.000",
                "12.345",
                "5000000.000",
                "0101",
                "200, 502",
                "0.000 : -",
                "1 : ",
            ],
        }
    }

    proptest! {
        #[test]
        fn what_it_reads_is_what_the_reference_reads(
            preset in prop::sample::select(ALL),
            picks in prop::collection::vec(any::<Index>(), 24),
            change in prop::option::of((any::<Index>(), prop::sample::select(b"\"\\= ,:-0\t\x00\x01\xff".to_vec()))),
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
            let layout = Layout::new(&format, &Wanted::new(&Field::ALL));
            let mut values = Values::EMPTY;
            let fast = Plan::new(&layout).scan(&layout, &line, &mut values);
            let fast = fast.map(|()| Tokens { line: &line, values });
            let slow = reference::tokenize(&layout, &line);
            if let (Some(fast), Ok(slow)) = (fast, slow) {
                prop_assert_eq!(fast, slow, "{}: {}", preset.name, line.escape_ascii());
                // Without what was read as numbers on the way.
                let (fast, texts) = (fast.fields(), slow.fields());
                for field in Field::ALL {
                    let text = fast.get(field).unwrap_or_default();
                    if let Some(number) = fast.number(field) {
                        let millis = millis_wide(text).filter(|_| text.contains(&b'.'));
                        let plain = millis.and_then(|ms| u64::try_from(ms).ok()).or(integer(text));
                        prop_assert_eq!(Some(number), plain, "{:?}: {}", field, text.escape_ascii());
                    }
                }
                let all = |fields: &Fields<'_>| {
                    let mut all = Vec::new();
                    let count = attempts(fields, |attempt| all.push(format!("{attempt:?}")));
                    format!("{count:?} {all:?}")
                };
                prop_assert_eq!(all(&fast), all(&texts));
                for field in [Field::ConnectTime, Field::ConnectionTime, Field::RequestTime] {
                    prop_assert_eq!(millis_of(&fast, field), millis_of(&texts, field));
                }
                for field in [Field::UpstreamStatus, Field::Pid, Field::Connection] {
                    prop_assert_eq!(integer_of(&fast, field), integer_of(&texts, field));
                }
            }
        }
    }
}
