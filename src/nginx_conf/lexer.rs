//! Words and punctuation of nginx.conf, after nginx's own rules.
//!
//! The rules are those of `ngx_conf_read_token` in nginx's `src/core/ngx_conf_file.c`, quirks included: people paste
//! what nginx accepts, and a reader with rules of its own would split a `log_format` at another place than nginx does.
//! The input is bytes: a configuration need not be UTF-8. Two things differ from nginx, both on the lenient side: a
//! byte order mark is skipped, and a word may be longer than nginx's buffer of 4096 bytes.

use memchr::{memchr, memchr_iter, memrchr};

use super::raw::Language;
use crate::error::{Error, ErrorKind, Result, caret};

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    /// Bytes from the start of the text.
    pub(super) offset: usize,
    /// Line, from 1.
    pub(super) line: u64,
    /// Byte within the line, from 1.
    pub(super) column: usize,
}

/// What a [`Token`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A name or an argument: escapes are undone, and quotes around it are gone.
    Word { bytes: Vec<u8>, quoted: bool },
    /// `;`
    Semicolon,
    /// `{`
    Open,
    /// `}`
    Close,
}

/// One word or punctuation mark and where it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    /// What it is.
    pub(super) kind: TokenKind,
    /// Its first byte: for a quoted word the quote.
    pub(super) at: Position,
}

/// Cuts one text into tokens.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    source: &'a str,
    text: &'a [u8],
    at: Position,
}

impl<'a> Lexer<'a> {
    /// A lexer at the start of `text`. `source` names the text in errors and must be printable.
    pub(super) fn new(source: &'a str, text: &'a [u8]) -> Self {
        // nginx would take a byte order mark for a part of the first name, and call it unknown.
        let offset = if text.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
        Lexer { source, text, at: Position { offset, line: 1, column: 1 } }
    }

    /// The next token, or none at the end of the text.
    pub(super) fn next(&mut self) -> Result<Option<Token>> {
        self.skip_spaces_and_comments();
        let at = self.at;
        let Some(&byte) = self.text.get(at.offset) else { return Ok(None) };
        let kind = match byte {
            b';' => TokenKind::Semicolon,
            b'{' => TokenKind::Open,
            b'}' => TokenKind::Close,
            b'"' | b'\'' => return self.quoted_word(byte).map(Some),
            _ => return Ok(Some(self.bare_word())),
        };
        self.advance_to(at.offset + 1);
        Ok(Some(Token { kind, at }))
    }

    /// Where the next byte to be read stands.
    pub(super) fn position(&self) -> Position {
        self.at
    }

    /// The code of a `*_by_lua_block` or its like, up to the `}` that closes it, which is consumed but not returned.
    /// To be called right after the `{`, which stands at `open`.
    pub(super) fn raw_block(&mut self, open: Position, language: Language) -> Result<Vec<u8>> {
        let start = self.at.offset;
        let Some(end) = language.block_end(self.text, start) else {
            return Err(
                self.error(open, "expected a \"}\" to close this block, found the end of the text")
            );
        };
        self.advance_to(end + 1);
        Ok(self.text[start..end].to_vec())
    }

    /// A syntax error at `at`: `source:line:column: what`, and the line with a caret under the place.
    #[cold]
    pub(super) fn error(&self, at: Position, what: &str) -> Error {
        let (before, after) = self.text.split_at(at.offset.min(self.text.len()));
        let before = &before[memrchr(b'\n', before).map_or(0, |newline| newline + 1)..];
        let after = &after[..memchr(b'\n', after).unwrap_or(after.len())];
        // A line may be megabytes long; a little more than the caret's surroundings is enough.
        let before = String::from_utf8_lossy(&before[before.len().saturating_sub(400)..]);
        let after = String::from_utf8_lossy(&after[..after.len().min(400)]);
        let line = format!("{before}{}", after.trim_end());
        let shown = caret(&line, before.chars().count(), 40);
        let Position { line, column, .. } = at;
        Error::new(ErrorKind::Syntax, format!("{}:{line}:{column}: {what}\n{shown}", self.source))
    }

    /// nginx knows `#` as the start of a comment only where a word could start.
    fn skip_spaces_and_comments(&mut self) {
        loop {
            let rest = &self.text[self.at.offset..];
            let spaces = rest.iter().position(|&byte| !is_space(byte)).unwrap_or(rest.len());
            self.advance_to(self.at.offset + spaces);
            let rest = &self.text[self.at.offset..];
            if rest.first() != Some(&b'#') {
                return;
            }
            self.advance_to(self.at.offset + memchr(b'\n', rest).unwrap_or(rest.len()));
        }
    }

    fn bare_word(&mut self) -> Token {
        let at = self.at;
        let rest = &self.text[at.offset..];
        let end = word_end(rest, |byte| is_space(byte) || matches!(byte, b';' | b'{'));
        let bytes = unescape(&rest[..end.unwrap_or(rest.len())]);
        self.advance_to(at.offset + end.unwrap_or(rest.len()));
        Token { kind: TokenKind::Word { bytes, quoted: false }, at }
    }

    fn quoted_word(&mut self, quote: u8) -> Result<Token> {
        let at = self.at;
        let rest = &self.text[at.offset + 1..];
        let Some(end) = word_end(rest, |byte| byte == quote) else {
            let what = format!("expected a closing {}, found the end of the text", shown(quote));
            return Err(self.error(at, &what).with_hint("the string starts here and never ends"));
        };
        let bytes = unescape(&rest[..end]);
        self.advance_to(at.offset + end + 2);
        match self.text.get(self.at.offset) {
            // `)` starts a word of its own, so that `if ($x ~ "}")` needs no space.
            None | Some(b' ' | b'\t' | b'\r' | b'\n' | b';' | b'{' | b')') => {}
            Some(&byte) => {
                let what = format!(
                    "expected a space, \";\", \"{{\" or \")\" after the closing quote, found {}",
                    shown(byte)
                );
                let hint = format!("inside the string a quote is written \\{}", quote as char);
                return Err(self.error(self.at, &what).with_hint(hint));
            }
        }
        Ok(Token { kind: TokenKind::Word { bytes, quoted: true }, at })
    }

    fn advance_to(&mut self, offset: usize) {
        let passed = &self.text[self.at.offset..offset];
        self.at.offset = offset;
        match memrchr(b'\n', passed) {
            Some(newline) => {
                self.at.line += memchr_iter(b'\n', passed).count() as u64;
                self.at.column = passed.len() - newline;
            }
            None => self.at.column += passed.len(),
        }
    }
}

/// The index of the byte that ends the word at the start of `text`. A backslash hides the byte after it, and `{` right
/// after `$` belongs to the word (so does each `{` that follows it directly).
fn word_end(text: &[u8], is_end: impl Fn(u8) -> bool) -> Option<usize> {
    let mut hidden = false;
    let mut variable = false;
    for (index, &byte) in text.iter().enumerate() {
        if hidden {
            hidden = false;
            continue;
        }
        if byte == b'{' && variable {
            continue;
        }
        variable = byte == b'$';
        hidden = byte == b'\\';
        if is_end(byte) {
            return Some(index);
        }
    }
    None
}

/// Undoes `\"`, `\'`, `\\`, `\t`, `\r` and `\n`; every other backslash stays, with what follows it.
fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(backslash) = memchr(b'\\', rest) {
        bytes.extend_from_slice(&rest[..backslash]);
        let (escape, used): (&[u8], _) = match rest.get(backslash + 1) {
            Some(b'"') => (b"\"", 2),
            Some(b'\'') => (b"'", 2),
            Some(b'\\') => (b"\\", 2),
            Some(b't') => (b"\t", 2),
            Some(b'r') => (b"\r", 2),
            Some(b'n') => (b"\n", 2),
            _ => (b"\\", 1),
        };
        bytes.extend_from_slice(escape);
        rest = &rest[backslash + used..];
    }
    bytes.extend_from_slice(rest);
    bytes
}

/// The four bytes that nginx takes for white space; no other control byte is.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// A byte for an error message.
fn shown(byte: u8) -> String {
    match byte {
        b'"' => "'\"'".to_owned(),
        b' '..=b'~' => format!("\"{}\"", byte as char),
        _ => format!("the byte 0x{byte:02X}"),
    }
}

#[cfg(test)]
mod tests;
