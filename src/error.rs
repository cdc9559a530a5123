//! The one error type: what went wrong, where, and what to try.
//!
//! A message names its place as `source:line:column`, says what was expected and what was found, and carries a hint
//! where there is one to give. Lines of a log that do not fit are *not* errors: they are counted (see
//! [`crate::tokenizer::Mismatch`]).

use std::fmt::{self, Write};

/// What kind of failure an [`Error`] is. Every kind ends a run with exit status 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// A file, folder or stream that could not be read or written.
    Io,
    /// A text with a grammar (`log_format`, nginx.conf, a time, a pattern) that does not follow it.
    Syntax,
    /// A log that keepwarm can't analyse: nothing matched, or it is of another kind.
    Input,
    /// Command-line arguments that do not go together.
    Usage,
}

/// An error with its message and, where there is one, a hint for the person who sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
}

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of `kind`. The message is one sentence without a final period; values come last, after a colon.
    #[cold]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error { kind, message: message.into(), hint: None }
    }

    /// An I/O error with the path it happened on: `/var/log/x.log: No such file or directory`.
    #[cold]
    pub fn io(path: impl fmt::Display, error: &std::io::Error) -> Self {
        Error::new(ErrorKind::Io, format!("{path}: {}", strip_os_number(&error.to_string())))
    }

    /// The same error with a hint: what the reader can do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The kind of failure.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The message, without the hint. May hold several lines (an excerpt with a caret).
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to try, if anything is known.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

/// Points at a column of a text, as compilers do:
///
/// ```
/// let shown = keepwarm::error::caret("$a ${b", 3, 8);
/// assert_eq!(shown, "    $a ${b\n       ^");
/// ```
///
/// `column` counts characters from 0; `around` is how many characters to keep on each side of it. Control characters
/// are shown as `.`, so that the caret stays under its character and the terminal is safe.
pub fn caret(text: &str, column: usize, around: usize) -> String {
    let chars: Vec<char> = text.chars().map(|c| if c.is_control() { '.' } else { c }).collect();
    let column = column.min(chars.len());
    let from = column.saturating_sub(around);
    let to = chars.len().min(column.saturating_add(around));
    let mut shown = String::from("    ");
    let lead = if from > 0 { "..." } else { "" };
    shown.push_str(lead);
    shown.extend(&chars[from..to]);
    if to < chars.len() {
        shown.push_str("...");
    }
    shown.push('\n');
    shown.push_str(&" ".repeat(4 + lead.len() + (column - from)));
    shown.push('^');
    shown
}

/// The first `most` bytes of a text as they can be shown anywhere: what is no printable ASCII becomes `\\xNN`, and `...`
/// stands for the rest.
///
/// ```
/// assert_eq!(keepwarm::error::excerpt(b"a \"b\"\x1b[m", 6), "a \"b\"\\x1B...");
/// ```
pub fn excerpt(bytes: &[u8], most: usize) -> String {
    let mut shown = String::new();
    for &byte in bytes.iter().take(most) {
        if byte == b' ' || byte.is_ascii_graphic() {
            shown.push(char::from(byte));
        } else {
            let _ = write!(shown, "\\x{byte:02X}");
        }
    }
    if bytes.len() > most {
        shown.push_str("...");
    }
    shown
}

/// `No such file or directory (os error 2)` -> `No such file or directory`.
fn strip_os_number(text: &str) -> &str {
    text.find(" (os error ").map_or(text, |at| &text[..at])
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_io_error_names_the_path_and_not_the_number() {
        let gone = std::io::Error::from_raw_os_error(2);
        assert_eq!(Error::io("a.log", &gone).to_string(), "a.log: No such file or directory");
    }

    #[test]
    fn the_caret_stands_under_its_character() {
        assert_eq!(caret("abc\x1bdef", 3, 2), "    ...bc.d...\n         ^");
        assert_eq!(caret("abc", 99, 2), "    ...bc\n         ^");
    }
}
