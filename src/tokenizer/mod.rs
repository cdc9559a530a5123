//! From a line to the values that were asked for, borrowed from the line.
//!
//! A [`Tokenizer`] is compiled once, from a format and the fields that a command needs. It reads a line from whichever
//! end is cheaper, skips what nobody asked for, and allocates nothing. What ends a value:
//!
//! - a quote or a control byte, where values can't hold one raw (nginx escapes them);
//! - the value's own grammar for numbers, times and the `$upstream_*` lists, whose commas and spaces are part of them;
//! - else the next literal of the format, at its first place that lets the rest of the line fit.
//!
//! Where the first try fails the slow and obvious engine ([`mod@reference`]) decides, which is also the oracle of the
//! tests; a JSON line whose keys come in another order is read by its keys ([`json`]).

mod back;
mod digits;
mod fields;
mod front;
pub mod json;
mod lanes;
mod layout;
mod near;
mod plan;
pub mod prefix;
pub mod reference;
mod run;
mod scan;
mod shapes;

use crate::error::excerpt;
use crate::log_format::LogFormat;
use crate::log_format::variable::{Field, Shape};
pub(crate) use digits::eight_digits;
use fields::LONGEST;
pub use fields::{Fields, Tokens, Values};
use json::JsonKeys;
pub use layout::Layout;
pub(crate) use near::{holds, is_word};
pub use shapes::longest as longest_value;
use std::fmt;

/// A set of fields, and the variable behind [`Field::Group`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    bits: u32,
    group: Option<String>,
}

impl Wanted {
    /// These fields.
    pub const fn new(fields: &[Field]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < fields.len() {
            bits |= 1 << fields[at].index();
            at += 1;
        }
        Wanted { bits, group: None }
    }

    /// The same and, as [`Field::Group`], the variable of this name (without `$`).
    #[must_use]
    pub fn with_group(mut self, variable: &str) -> Self {
        self.bits |= 1 << Field::Group.index();
        self.group = Some(variable.to_owned());
        self
    }

    /// The field that a variable fills, if it is wanted.
    fn field_of(&self, variable: &str) -> Option<Field> {
        if self.group.as_deref() == Some(variable) {
            return Some(Field::Group);
        }
        Field::of_variable(variable).filter(|field| self.bits & (1 << field.index()) != 0)
    }
}

/// What a line should have held at some column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// These bytes of the format.
    Literal(Box<[u8]>),
    /// A value of this variable.
    Value(String, Shape),
    /// The end of the line.
    End,
    /// Anything that this sentence says.
    Text(&'static str),
}

/// Where and why a line does not fit its format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Byte offset in the line, from 0.
    pub column: usize,
    /// What should have stood there.
    pub expected: Expected,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expected::Literal(text) => write!(f, "`{}`", excerpt(text, usize::MAX)),
            Expected::Value(name, shape) => write!(f, "{} (${name})", shapes::describe(*shape)),
            Expected::End => f.write_str("the end of the line"),
            Expected::Text(text) => f.write_str(text),
        }
    }
}

impl Mismatch {
    /// `expected …, found …`, with at most 24 bytes of what was found.
    pub fn reason(&self, line: &[u8]) -> String {
        let rest = &line[self.column.min(line.len())..];
        let found = if rest.is_empty() {
            "the end of the line".to_owned()
        } else {
            format!("`{}`", excerpt(rest, 24))
        };
        format!("expected {}, found {found}", self.expected)
    }
}

/// Most lines that are read at once: they and their values lie in the processor's nearest cache.
pub const BATCH: usize = 32;

/// A format compiled for the fields that are wanted.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    layout: Layout,
    plan: plan::Plan,
    keys: Option<JsonKeys>,
}

impl Tokenizer {
    /// Compiles a format.
    pub fn new(format: &LogFormat, wanted: &Wanted) -> Self {
        let layout = Layout::new(format, wanted);
        let plan = plan::Plan::new(&layout);
        let keys = format.is_json().then(|| JsonKeys::of_format(format, wanted));
        Tokenizer { layout, plan, keys }
    }

    /// The values of a line, without its newline.
    ///
    /// # Errors
    /// The place where the line stops fitting the format.
    pub fn tokenize<'a>(&self, line: &'a [u8]) -> Result<Tokens<'a>, Mismatch> {
        let mut tokens = Tokens::new(line);
        match self.tokenize_some(std::slice::from_mut(&mut tokens)) {
            0 => self.tokenize_strictly(line),
            _ => Ok(tokens),
        }
    }

    /// The same of some lines, at most [`BATCH`]. Gives the bits of those that were read; what is known of the others counts
    /// no more: these [`Tokenizer::tokenize_strictly`] reads, or says where they stop fitting.
    #[inline]
    pub fn tokenize_some(&self, lines: &mut [Tokens<'_>]) -> u32 {
        let some = lines.len().min(BATCH);
        self.plan.scan(&self.layout, &mut lines[..some])
    }

    /// Does the line fit the format as it stands, not only by its keys?
    pub fn fits_in_order(&self, line: &[u8]) -> bool {
        self.tokenize_some(&mut [Tokens::new(line)]) == 1
            || reference::tokenize(&self.layout, line).is_ok()
    }

    /// All variables of a line with their values, in order; those of a JSON line whose keys come in another order by
    /// their keys. Slow: for showing.
    ///
    /// # Errors
    /// The place where the line stops fitting the format.
    pub fn values<'a>(&'a self, line: &'a [u8]) -> Result<Vec<(&'a str, &'a [u8])>, Mismatch> {
        let by_format = reference::spans(&self.layout, line);
        if by_format.is_err() && self.keys.is_some() {
            let pairs: Result<Vec<_>, Mismatch> = json::pairs(line).collect();
            if let Ok(pairs) = pairs {
                return Ok(pairs
                    .into_iter()
                    .map(|(key, value)| (str::from_utf8(key).unwrap_or("?"), value))
                    .collect());
            }
        }
        let names = self.layout.legs.iter().map(|leg| leg.variable.as_str());
        Ok(names.zip(by_format?).map(|(name, (from, to))| (name, &line[from..to])).collect())
    }

    /// The same as [`Tokenizer::tokenize`], but values that nobody asked for are checked too. Slow: for judging whether a
    /// format is the right one, and for lines that do not fit at the first try.
    ///
    /// # Errors
    /// The place where the line stops fitting the format.
    #[cold]
    pub fn tokenize_strictly<'a>(&self, line: &'a [u8]) -> Result<Tokens<'a>, Mismatch> {
        if line.len() > LONGEST {
            return Err(Mismatch { column: 0, expected: Expected::Text("a line below 4 GiB") });
        }
        let read = reference::tokenize(&self.layout, line);
        match &self.keys {
            Some(keys) => read.or_else(|by_format| {
                keys.tokenize(line).map_err(|by_keys| {
                    if by_keys.column >= by_format.column { by_keys } else { by_format }
                })
            }),
            None => read,
        }
    }
}
