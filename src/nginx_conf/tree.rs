//! Tokens to directives, with every `include` replaced by what it includes.
//!
//! Which directives exist depends on the modules of an nginx, so any name is fine here; only the grammar is checked,
//! as `ngx_conf_parse` does it. Files come through a [`Loader`], which keeps this code free of I/O and lets the output
//! of `nginx -T` stand in for a disk.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::lexer::{Lexer, Position, TokenKind};
use super::raw::Language;
use crate::error::{Error, ErrorKind, Result};

/// Blocks and includes may nest this deep. nginx has no limit, but nobody goes beyond eight or so.
const MAX_DEPTH: usize = 64;
/// How many different files a configuration may include.
pub(super) const MAX_FILES: usize = 1000;
/// How often files may be included, all together: one snippet may serve many servers.
const MAX_INCLUDES: usize = 100_000;
/// How many bytes a configuration may have, a file that is included twice counting twice.
pub(super) const MAX_BYTES: usize = 64 << 20;

/// Where the reader gets the files that `include` names.
pub trait Loader {
    /// The content of the file at `path`. A missing file is an error that names the path.
    fn read(&self, path: &str) -> Result<Vec<u8>>;

    /// The files that match the shell pattern `pattern` (`*`, `?`, `[…]`, as in glob(3)), in byte order. None is fine.
    fn glob(&self, pattern: &str) -> Result<Vec<String>>;
}

/// Where a directive stands. Shown as `source:line`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file's path as nginx would name it, with control characters replaced by `.`.
    pub source: Arc<str>,
    /// Line, from 1.
    pub line: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source, self.line)
    }
}

/// One directive of a configuration, whether or not nginx knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// The first word. Bytes that are not UTF-8 are replaced.
    pub name: String,
    /// The other words, without their quotes and with escapes undone. For `*_by_lua_block` and its like the code in
    /// the braces is the last one.
    pub args: Vec<Vec<u8>>,
    /// What stands between `{` and `}`; none for a directive that ends with `;`.
    pub block: Option<Vec<Directive>>,
    /// Where its name stands.
    pub place: Place,
}

/// Reads the configuration `text` and all it includes. Relative includes start at the folder of `name`, whichever file
/// they are in: that is nginx's `conf_prefix` (`ngx_process_options`).
pub(super) fn read(name: &str, text: &[u8], loader: &dyn Loader) -> Result<Vec<Directive>> {
    let prefix = name.rfind('/').map_or("", |slash| &name[..=slash]);
    let mut tree =
        Tree { loader, prefix, files: BTreeMap::new(), reading: Vec::new(), includes: 0, bytes: 0 };
    let mut directives = Vec::new();
    tree.file(name, text, 0, &mut directives)?;
    Ok(directives)
}

/// Reads a single directive without a block, as typed on a command line. The final `;` may be missing.
pub(super) fn single(source: &str, text: &[u8]) -> Result<Directive> {
    let mut lexer = Lexer::new(source, text);
    let directive = match statement(&mut lexer, &source.into())? {
        Statement::Simple(directive, _) | Statement::Unfinished(directive, _) => directive,
        Statement::Block(_, at) => return Err(lexer.error(at, "expected \";\", found \"{\"")),
        Statement::Close(at) => return Err(lexer.error(at, "expected a directive, found \"}\"")),
        Statement::End(at) => {
            return Err(lexer.error(at, "expected a directive, found the end of the text"));
        }
    };
    match lexer.next()? {
        None => Ok(directive),
        Some(token) => {
            let what = "expected the end of the text after \";\", found more";
            Err(lexer.error(token.at, what).with_hint("only one directive can be given here"))
        }
    }
}

/// One step of the grammar. The position is that of what ended it; for `Simple` that of its first word.
enum Statement {
    /// `name args… ;`
    Simple(Directive, Position),
    /// `name args… {`
    Block(Directive, Position),
    /// `name args…` and then the end of the text.
    Unfinished(Directive, Position),
    /// `}`
    Close(Position),
    /// The end of the text.
    End(Position),
}

fn statement(lexer: &mut Lexer<'_>, source: &Arc<str>) -> Result<Statement> {
    let Some(first) = lexer.next()? else { return Ok(Statement::End(lexer.position())) };
    let name = match first.kind {
        TokenKind::Word { bytes, .. } => bytes,
        TokenKind::Close => return Ok(Statement::Close(first.at)),
        TokenKind::Semicolon => {
            return Err(lexer.error(first.at, "expected a directive, found \";\""));
        }
        TokenKind::Open => return Err(lexer.error(first.at, "expected a directive, found \"{\"")),
    };
    let mut directive = Directive {
        name: String::from_utf8_lossy(&name).into_owned(),
        args: Vec::new(),
        block: None,
        place: Place { source: source.clone(), line: first.at.line },
    };
    loop {
        let Some(token) = lexer.next()? else {
            return Ok(Statement::Unfinished(directive, lexer.position()));
        };
        match token.kind {
            TokenKind::Word { bytes, .. } => directive.args.push(bytes),
            TokenKind::Semicolon => return Ok(Statement::Simple(directive, first.at)),
            TokenKind::Open => {
                let Some(language) = Language::of_directive(&name) else {
                    return Ok(Statement::Block(directive, token.at));
                };
                directive.args.push(lexer.raw_block(token.at, language)?);
                return Ok(Statement::Simple(directive, first.at));
            }
            TokenKind::Close => {
                let what = format!(
                    "expected \";\" or \"{{\" after {}, found \"}}\"",
                    shown(&directive.name)
                );
                return Err(lexer.error(token.at, &what));
            }
        }
    }
}

/// The state of reading one configuration.
struct Tree<'a> {
    loader: &'a dyn Loader,
    /// Where relative includes start: empty, or a path that ends with `/`.
    prefix: &'a str,
    /// Included files by path, so that each is loaded once.
    files: BTreeMap<String, Arc<[u8]>>,
    /// The paths of the files being read, the main one first.
    reading: Vec<String>,
    includes: usize,
    bytes: usize,
}

impl Tree<'_> {
    fn file(
        &mut self,
        name: &str,
        text: &[u8],
        depth: usize,
        out: &mut Vec<Directive>,
    ) -> Result<()> {
        self.bytes = self.bytes.saturating_add(text.len());
        if self.bytes > MAX_BYTES {
            return Err(limit(&format!("{} MiB", MAX_BYTES >> 20)));
        }
        let source: Arc<str> = printable(name).into();
        let mut lexer = Lexer::new(&source, text);
        self.reading.push(name.to_owned());
        self.list(&mut lexer, &source, None, depth, out)?;
        self.reading.pop();
        Ok(())
    }

    /// Reads directives up to the `}` that closes `block`, or up to the end of a file where `block` is none.
    fn list(
        &mut self,
        lexer: &mut Lexer<'_>,
        source: &Arc<str>,
        block: Option<&Directive>,
        depth: usize,
        out: &mut Vec<Directive>,
    ) -> Result<()> {
        loop {
            match statement(lexer, source)? {
                Statement::Simple(directive, at) if directive.name == "include" => {
                    self.include(lexer, at, &directive, depth, out)?;
                }
                Statement::Simple(directive, _) => out.push(directive),
                Statement::Block(mut directive, at) => {
                    if depth == MAX_DEPTH {
                        return Err(lexer.error(at, &too_deep()));
                    }
                    let mut inner = Vec::new();
                    self.list(lexer, source, Some(&directive), depth + 1, &mut inner)?;
                    directive.block = Some(inner);
                    out.push(directive);
                }
                Statement::Unfinished(directive, at) => {
                    let what = format!(
                        "expected \";\" or \"{{\" after {} of line {}, found the end of the file",
                        shown(&directive.name),
                        directive.place.line
                    );
                    return Err(lexer.error(at, &what));
                }
                Statement::Close(at) => {
                    return match block {
                        Some(_) => Ok(()),
                        None => Err(lexer
                            .error(at, "expected a directive, found \"}\"")
                            .with_hint("there is one \"}\" too many, or a \"{\" is missing")),
                    };
                }
                Statement::End(at) => {
                    let Some(block) = block else { return Ok(()) };
                    let what = format!(
                        "expected \"}}\" to close {} of line {}, found the end of the file",
                        shown(&block.name),
                        block.place.line
                    );
                    return Err(lexer.error(at, &what));
                }
            }
        }
    }

    /// Reads what `include` names into `out`, as `ngx_conf_include` does.
    fn include(
        &mut self,
        lexer: &Lexer<'_>,
        at: Position,
        include: &Directive,
        depth: usize,
        out: &mut Vec<Directive>,
    ) -> Result<()> {
        let [argument] = include.args.as_slice() else {
            let what = format!("expected one path after include, found {}", include.args.len());
            return Err(lexer.error(at, &what));
        };
        if depth == MAX_DEPTH {
            return Err(lexer.error(at, &too_deep()));
        }
        let argument = String::from_utf8_lossy(argument);
        let path = if argument.starts_with('/') {
            argument.into_owned()
        } else {
            format!("{}{argument}", self.prefix)
        };
        let here = |error: Error| at_include(&include.place, at, &error);
        self.count_include().map_err(here)?;
        if !path.contains(['*', '?', '[']) {
            let text = self.load(&path).map_err(here)?;
            return self.file(&path, &text, depth + 1, out);
        }
        for path in self.loader.glob(&path).map_err(here)? {
            self.count_include().map_err(here)?;
            let text = self.load(&path).map_err(here)?;
            self.file(&path, &text, depth + 1, out)?;
        }
        Ok(())
    }

    fn load(&mut self, path: &str) -> Result<Arc<[u8]>> {
        if let Some(first) = self.reading.iter().position(|reading| reading == path) {
            let mut cycle = self.reading[first..].to_vec();
            cycle.push(path.to_owned());
            let message = format!("a file includes itself: {}", printable(&cycle.join(" -> ")));
            return Err(Error::new(ErrorKind::Syntax, message));
        }
        if let Some(text) = self.files.get(path) {
            return Ok(text.clone());
        }
        if self.files.len() == MAX_FILES {
            return Err(limit(&format!("{MAX_FILES} included files")));
        }
        let text: Arc<[u8]> = self.loader.read(path)?.into();
        self.files.insert(path.to_owned(), text.clone());
        Ok(text)
    }

    fn count_include(&mut self) -> Result<()> {
        self.includes += 1;
        if self.includes > MAX_INCLUDES {
            return Err(limit(&format!("{MAX_INCLUDES} includes")));
        }
        Ok(())
    }
}

/// The text with every control character replaced by `.`, for messages.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '.' } else { c }).collect()
}

/// The name of a directive for a message: printable, and not longer than a line.
fn shown(name: &str) -> String {
    let mut shown = printable(&name.chars().take(60).collect::<String>());
    if shown.len() < name.len() {
        shown.push_str("...");
    }
    format!("\"{shown}\"")
}

/// The error of a file that could not be included, with the place of the `include`.
#[cold]
fn at_include(place: &Place, at: Position, error: &Error) -> Error {
    let message = format!("{place}:{}: include: {}", at.column, error.message());
    let wrapped = Error::new(error.kind(), message);
    match error.hint() {
        Some(hint) => wrapped.with_hint(hint),
        None if error.kind() == ErrorKind::Io => wrapped.with_hint(
            "the output of `nginx -T` holds the whole configuration and can be given instead",
        ),
        None => wrapped,
    }
}

/// The error of a configuration that is over one of the limits.
#[cold]
pub(super) fn limit(what: &str) -> Error {
    Error::new(ErrorKind::Input, format!("the configuration is too large: more than {what}"))
}

fn too_deep() -> String {
    format!("expected blocks and includes to nest at most {MAX_DEPTH} deep, found more")
}

#[cfg(test)]
mod tests;
