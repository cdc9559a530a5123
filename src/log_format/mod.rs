//! A log's format: literal text and variables, as nginx's `log_format` directive gives them.
//!
//! A format comes from the user, from nginx.conf, or from the lines themselves ([`crate::detect`]). What a variable's
//! value may look like is in [`variable`].

pub mod advice;
mod grammar;
pub mod presets;
pub mod variable;

pub(crate) use grammar::MAX_VARIABLES;
use std::fmt;

/// How nginx escapes the values of variables (`log_format name escape=…`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Escape {
    /// Bytes below 0x20, above 0x7E, `"` and `\` become `\xXX`; an absent value is `-`.
    #[default]
    Default,
    /// As in JSON strings; an absent value is empty.
    Json,
    /// Raw; an absent value is empty. Lines can be forged.
    None,
}

/// A part of a format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Bytes that stand in every line.
    Literal(Vec<u8>),
    /// A variable by its name, without `$`.
    Variable(String),
}

/// A log's format, ready to be compiled into a tokenizer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFormat {
    /// The name the directive, the preset or the detection gave it.
    pub name: String,
    /// How values are escaped.
    pub escape: Escape,
    /// Literals and variables in turn; two literals never stand side by side.
    pub pieces: Vec<Piece>,
}

impl LogFormat {
    /// The names of its variables, in order.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Variable(name) => Some(name.as_str()),
            Piece::Literal(_) => None,
        })
    }

    /// Does the format log this variable?
    pub fn logs(&self, variable: &str) -> bool {
        self.variables().any(|name| name == variable)
    }

    /// Does every line begin with `{`, as JSON objects do?
    pub fn is_json(&self) -> bool {
        matches!(self.pieces.first(), Some(Piece::Literal(text)) if text.trim_ascii_start().first() == Some(&b'{'))
    }
}

/// The format string in nginx's syntax, on one line, every variable in braces.
impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => {
                    f.write_str(&String::from_utf8_lossy(text).replace('\t', "\\t"))?;
                }
                Piece::Variable(name) => write!(f, "${{{name}}}")?,
            }
        }
        Ok(())
    }
}
