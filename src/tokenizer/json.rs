//! JSON lines by their keys: for lines whose keys come in another order than the format's, or without a format.
//!
//! Lenient on purpose. nginx writes what its `log_format` says, and many of those are not quite JSON: `"x":,` for an
//! absent number, a bare `-`, bare lists `0.000, 0.002`, `\x22` without `escape=json`. Nested objects are entered: a
//! value is known by its own key, at any depth.

use super::{Expected, Mismatch, Tokens, Values, Wanted};
use crate::log_format::variable::Field;
use crate::log_format::{LogFormat, Piece};
use memchr::memchr2;

/// Which key holds which field.
#[derive(Debug, Clone, Default)]
pub struct JsonKeys {
    keys: Vec<(Box<[u8]>, Field)>,
}

impl JsonKeys {
    /// The keys of a JSON format: what stands quoted, with a colon, in front of each wanted variable.
    pub fn of_format(format: &LogFormat, wanted: &Wanted) -> Self {
        let mut keys: Vec<(Box<[u8]>, Field)> = Vec::new();
        let mut before: &[u8] = b"";
        for piece in &format.pieces {
            match piece {
                Piece::Literal(text) => before = text,
                Piece::Variable(variable) => {
                    if let (Some(field), Some(key)) = (wanted.field_of(variable), last_key(before))
                        && !keys.iter().any(|(_, taken)| *taken == field)
                    {
                        keys.push((key.into(), field));
                    }
                    before = b"";
                }
            }
        }
        JsonKeys { keys }
    }

    /// The values of a line.
    ///
    /// # Errors
    /// The place where the line stops looking like a JSON object, or that it holds none of the keys.
    pub fn tokenize<'a>(&self, line: &'a [u8]) -> Result<Tokens<'a>, Mismatch> {
        let mut values = Values::EMPTY;
        let mut found = 0;
        for pair in pairs(line) {
            let (key, value) = pair?;
            if let Some((_, field)) = self.keys.iter().find(|(name, _)| **name == *key)
                && !values.has(*field)
            {
                // A part of the line.
                let from = value.as_ptr().addr() - line.as_ptr().addr();
                values.set(*field, from, from + value.len());
                found += 1;
            }
        }
        if found == 0 && !self.keys.is_empty() {
            return Err(Mismatch {
                column: 0,
                expected: Expected::Text("a JSON object with at least one of the format's keys"),
            });
        }
        Ok(Tokens { values, ..Tokens::new(line) })
    }
}

/// `…"key":` or `…"key":"` -> `key`
fn last_key(literal: &[u8]) -> Option<&[u8]> {
    let text = literal.trim_ascii_end();
    let text = text.strip_suffix(b"\"").unwrap_or(text).trim_ascii_end();
    let text = text.strip_suffix(b":")?.trim_ascii_end().strip_suffix(b"\"")?;
    let open = memchr::memrchr(b'"', text)?;
    Some(&text[open + 1..])
}

/// The keys and plain values of an object, in order; strings without their quotes, escapes not undone.
pub fn pairs(line: &[u8]) -> Pairs<'_> {
    Pairs { line, at: 0, depth: 0, done: false }
}

/// A key and its value.
pub type Pair<'a> = (&'a [u8], &'a [u8]);

/// See [`pairs`].
#[derive(Debug, Clone)]
pub struct Pairs<'a> {
    line: &'a [u8],
    at: usize,
    depth: usize,
    done: bool,
}

impl<'a> Pairs<'a> {
    fn fail(&mut self, column: usize, expected: &'static str) -> Result<Pair<'a>, Mismatch> {
        self.done = true;
        Err(Mismatch { column, expected: Expected::Text(expected) })
    }

    fn skip_space(&mut self) {
        while self.line.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    /// The text of the string whose opening quote stands at `at`; goes behind its closing quote.
    fn string(&mut self) -> Option<&'a [u8]> {
        let from = self.at + 1;
        let mut at = from;
        loop {
            at += memchr2(b'"', b'\\', self.line.get(at..)?)?;
            if self.line[at] == b'"' {
                self.at = at + 1;
                return Some(&self.line[from..at]);
            }
            at += 2;
        }
    }

    /// A value without quotes: up to `}`, `]` or a comma that a key, a bracket or the end follows. Bare lists hold commas.
    fn bare(&mut self) -> &'a [u8] {
        let from = self.at;
        while let Some(&byte) = self.line.get(self.at) {
            let ends = match byte {
                b'}' | b']' => true,
                b',' => {
                    let rest = self.line[self.at + 1..].trim_ascii_start();
                    matches!(rest.first(), None | Some(b'"' | b'}' | b']' | b'{' | b','))
                }
                _ => false,
            };
            if ends {
                break;
            }
            self.at += 1;
        }
        self.line[from..self.at].trim_ascii()
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Result<Pair<'a>, Mismatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        loop {
            self.skip_space();
            match self.line.get(self.at) {
                None if self.depth == 0 && self.at > 0 => return None,
                None => return Some(self.fail(self.line.len(), "`}`")),
                Some(b'{' | b'[') => {
                    self.depth += 1;
                    self.at += 1;
                }
                Some(_) if self.depth == 0 => {
                    return Some(if self.line[..self.at].contains(&b'}') {
                        self.fail(self.at, "the end of the line")
                    } else {
                        self.fail(self.at, "`{`")
                    });
                }
                Some(b'}' | b']') => {
                    self.depth -= 1;
                    self.at += 1;
                }
                Some(b',') => self.at += 1,
                Some(b'"') => {
                    let at = self.at;
                    let Some(key) = self.string() else {
                        return Some(self.fail(at, "a string with a closing quote"));
                    };
                    self.skip_space();
                    if self.line.get(self.at) != Some(&b':') {
                        continue; // an element of an array
                    }
                    self.at += 1;
                    self.skip_space();
                    let value = match self.line.get(self.at) {
                        Some(b'"') => {
                            let at = self.at;
                            let Some(value) = self.string() else {
                                return Some(self.fail(at, "a string with a closing quote"));
                            };
                            value
                        }
                        Some(b'{' | b'[') => continue,
                        _ => self.bare(),
                    };
                    // An empty part of the line, as all values are parts of it.
                    return Some(Ok((key, if value == b"null" { &value[..0] } else { value })));
                }
                Some(_) => {
                    let at = self.at;
                    self.bare();
                    if self.at == at {
                        return Some(self.fail(at, "a key in quotes"));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Vec<(String, String)>, Mismatch> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        pairs(line.as_bytes()).map(|pair| pair.map(|(k, v)| (text(k), text(v)))).collect()
    }

    #[test]
    fn what_is_not_quite_json_is_read_too() {
        for (line, expected) in [
            (r#"{"a":"x","b":1}"#, vec![("a", "x"), ("b", "1")]),
            (r#"{ "a" : "x\"y" , "b" : - }"#, vec![("a", r#"x\"y"#), ("b", "-")]),
            (r#"{"a":,"b":}"#, vec![("a", ""), ("b", "")]),
            (r#"{"a":0.000, 0.002,"b":null}"#, vec![("a", "0.000, 0.002"), ("b", "")]),
            (r#"{"n":{"a":"1"},"l":["x","y"],"b":2}"#, vec![("a", "1"), ("b", "2")]),
            (r#"{"a":"\x22"}"#, vec![("a", r"\x22")]),
            ("{}", vec![]),
        ] {
            let expected: Vec<_> =
                expected.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
            assert_eq!(read(line).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn what_is_no_object_is_refused_with_its_column() {
        for (line, column) in
            [("", 0), ("x", 0), (r#"{"a":"x"#, 5), (r#"{"a":1"#, 6), (r#"{"a":1} x"#, 8)]
        {
            assert_eq!(read(line).unwrap_err().column, column, "{line}");
        }
    }

    #[test]
    fn a_key_is_what_stands_quoted_before_the_colon() {
        assert_eq!(last_key(br#"","status":"#), Some(&b"status"[..]));
        assert_eq!(last_key(br#", "uct": ""#), Some(&b"uct"[..]));
        assert_eq!(last_key(b"x="), None);
    }
}
