//! A format as both engines use it: literals and values in turn.

use super::Wanted;
use crate::log_format::variable::{Field, Shape, shape_of};
use crate::log_format::{Escape, LogFormat, Piece};

/// A value and the literal behind it.
#[derive(Debug, Clone)]
pub(super) struct Leg {
    /// The variable's name.
    pub(super) variable: String,
    /// Where it goes, if anybody asked for it.
    pub(super) field: Option<Field>,
    /// What it may look like.
    pub(super) shape: Shape,
    /// The value can't hold the byte that the literal starts with, so the first such byte ends it.
    pub(super) seal: Option<u8>,
    /// The value can't hold sealing bytes at all, wherever the literal has them.
    pub(super) escaped: bool,
    /// The literal behind the value; empty at the end of a format and where two variables touch.
    pub(super) literal: Box<[u8]>,
}

/// A format as a leading literal and legs.
#[derive(Debug, Clone)]
pub struct Layout {
    pub(super) lead: Box<[u8]>,
    pub(super) legs: Vec<Leg>,
}

impl Layout {
    /// Lays out a format. Of several variables for one field the first counts, and nginx's own wins over a copy.
    pub fn new(format: &LogFormat, wanted: &Wanted) -> Self {
        let mut lead: Box<[u8]> = Box::default();
        let mut legs: Vec<Leg> = Vec::new();
        let mut taken = [false; Field::COUNT];
        for piece in &format.pieces {
            match piece {
                Piece::Literal(text) => match legs.last_mut() {
                    Some(leg) => leg.literal = text.clone().into(),
                    None => lead = text.clone().into(),
                },
                Piece::Variable(variable) => {
                    let field = wanted
                        .field_of(variable)
                        .filter(|field| !std::mem::replace(&mut taken[field.index()], true));
                    let (variable, shape) = (variable.clone(), shape_of(variable));
                    let escaped = format.escape != Escape::None;
                    let literal = Box::default();
                    legs.push(Leg { variable, field, shape, seal: None, escaped, literal });
                }
            }
        }
        for leg in &mut legs {
            leg.seal = leg.literal.first().copied().filter(|&byte| is_sealing(format.escape, byte));
        }
        Layout { lead, legs }
    }
}

/// Can this byte never stand raw in a value? nginx escapes quotes and control bytes, with `\xXX` or as JSON does
/// (`ngx_http_log_escape`, `ngx_escape_json`).
fn is_sealing(escape: Escape, byte: u8) -> bool {
    escape != Escape::None && (byte == b'"' || byte < 0x20)
}

/// Values up to this length are looked at byte by byte: to call a search costs more.
const SHORT: usize = 24;

impl Leg {
    /// Can this be the text of a value that nothing seals?
    #[inline]
    pub(super) fn is_text(&self, value: &[u8]) -> bool {
        if value.len() > SHORT {
            return self.text_limit(value, 0) == value.len();
        }
        let is_token = self.shape == Shape::Token;
        // A quote may be escaped: that is for the long way.
        let is_plain = |byte: &u8| {
            !(is_token && *byte == b' ' || self.escaped && (*byte == b'"' || *byte < 0x20))
        };
        value.iter().all(is_plain) || self.text_limit(value, 0) == value.len()
    }

    /// How far a text that nothing seals may go: up to a space in a word, or a byte that nginx would have escaped.
    #[inline]
    pub(super) fn text_limit(&self, line: &[u8], at: usize) -> usize {
        let mut limit = line.len();
        if self.shape == Shape::Token {
            limit = memchr::memchr(b' ', &line[at..]).map_or(limit, |found| at + found);
        }
        if self.escaped {
            limit = find_seal(b'"', &line[..limit], at).unwrap_or(limit);
            let control = line[at..limit].iter().position(|byte| *byte < 0x20);
            limit = control.map_or(limit, |found| at + found);
        }
        limit
    }

    /// Does the literal hold a byte that no value can hold?
    pub(super) fn literal_seals(&self) -> bool {
        let sealing = |at: usize| {
            let byte = self.literal[at];
            byte < 0x20 || byte == b'"' && (at == 0 || self.literal[at - 1] != b'\\')
        };
        self.escaped && (0..self.literal.len()).any(sealing)
    }
}

/// The next place of a sealing byte. A quote behind an odd number of backslashes is part of the value: that is how
/// JSON, and Apache's logs, escape it; with nginx's default escape a backslash never stands before a quote.
pub(super) fn find_seal(seal: u8, line: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += memchr::memchr(seal, line.get(at..)?)?;
        if seal != b'"' || !is_escaped(line, from, at) {
            return Some(at);
        }
        at += 1;
    }
}

/// Does an odd number of backslashes stand before this place, none of them before `from`?
#[inline]
pub(super) fn is_escaped(line: &[u8], from: usize, at: usize) -> bool {
    at > from
        && line[at - 1] == b'\\'
        && line[from..at].iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_quotes_do_not_end_a_value() {
        assert_eq!(find_seal(b'"', br#"a\"b\\"c"#, 0), Some(6));
        assert_eq!(find_seal(b'"', br#"a\"b"#, 0), None);
        assert_eq!(find_seal(b'\t', b"ab\tc", 1), Some(2));
    }

    #[test]
    fn a_backslash_before_the_value_does_not_escape_its_end() {
        // The literal in front may end in a backslash: only bytes of the value count.
        assert_eq!(find_seal(b'"', br#"\""#, 1), Some(1));
    }

    #[test]
    fn the_first_variable_of_a_field_counts() {
        let format =
            LogFormat::from_string("t", "$upstream_addr $upstream_addr", Escape::Default).unwrap();
        let layout = Layout::new(&format, &Wanted::new(&[Field::Addr]));
        assert_eq!(layout.legs[0].field, Some(Field::Addr));
        assert_eq!(layout.legs[1].field, None);
    }
}
