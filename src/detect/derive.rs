//! A format from a line whose fields carry labels: `uct="0.000" urt="0.004"`, LTSV, JSON.
//!
//! The line is cut into literals and values: what stands in quotes or brackets, behind a label, or between spaces is a
//! value. Values behind a known label, and times, get their variable; the others are called `unknown`, which fits
//! anything. Whether the derived format is right is for the other lines to say.

use super::labels::{time_variable, variable_for};
use crate::log_format::variable::{Field, Shape};
use crate::log_format::{Escape, LogFormat, MAX_VARIABLES, Piece};
use crate::tokenizer::{json, longest_value};

/// The name of values that nothing is known about.
const UNKNOWN: &str = "unknown";

/// Most bytes of a label of several words.
const MAX_LABEL: usize = 64;

/// Most bytes between brackets.
const MAX_BRACKETED: usize = 1024;

/// The format of a JSON line, keys as they come.
pub(super) fn json_format(line: &[u8]) -> Option<LogFormat> {
    let mut pieces = Pieces::default();
    for pair in json::pairs(line) {
        let (key, value) = pair.ok()?;
        // `null` is given as an empty value that is no part of the line.
        let from = value
            .as_ptr()
            .addr()
            .checked_sub(line.as_ptr().addr())
            .filter(|from| *from <= line.len());
        let Some(from) = from.filter(|from| *from >= pieces.at) else { continue };
        pieces.literal_up_to(line, from);
        pieces.value(variable_for(key, value).unwrap_or(UNKNOWN), from + value.len());
        if pieces.are_too_many() {
            return None;
        }
    }
    pieces.literal_up_to(line, line.len());
    pieces.format("JSON keys", Escape::Json)
}

/// The format of a line of text.
pub(super) fn text_format(line: &[u8]) -> Option<LogFormat> {
    let mut pieces = Pieces::default();
    let mut at = 0;
    while at < line.len() {
        at = match line[at] {
            b'"' => quoted(line, at, &mut pieces)?,
            b'[' => bracketed(line, at, &mut pieces),
            byte if is_separator(byte) => at + 1,
            _ => word(line, at, &mut pieces),
        };
        if pieces.are_too_many() {
            return None;
        }
    }
    pieces.literal_up_to(line, line.len());
    pieces.format("labelled fields", Escape::Default)
}

/// The pieces so far, and how much of the line they cover.
#[derive(Default)]
struct Pieces {
    pieces: Vec<Piece>,
    at: usize,
}

impl Pieces {
    fn literal_up_to(&mut self, line: &[u8], to: usize) {
        if to > self.at {
            self.pieces.push(Piece::Literal(line[self.at..to].to_vec()));
            self.at = to;
        }
    }

    /// A value up to `to`. Two unknown values never touch: they could not be told apart.
    fn value(&mut self, variable: &str, to: usize) {
        if !matches!(self.pieces.last(), Some(Piece::Variable(_))) {
            self.pieces.push(Piece::Variable(variable.to_owned()));
        }
        self.at = to;
    }

    /// No format has so many. Variables stand between literals.
    fn are_too_many(&self) -> bool {
        self.pieces.len() > 2 * MAX_VARIABLES
    }

    fn format(self, name: &str, escape: Escape) -> Option<LogFormat> {
        let format = LogFormat { name: name.to_owned(), escape, pieces: self.pieces };
        // A time alone is no reason to believe that the line was understood.
        let of_use = [Field::Addr, Field::ConnectTime, Field::HeaderTime, Field::ResponseTime];
        let knows =
            format.variables().filter_map(Field::of_variable).any(|field| of_use.contains(&field));
        knows.then_some(format)
    }
}

fn is_separator(byte: u8) -> bool {
    byte <= b' ' || matches!(byte, b',' | b';' | b'|' | b']' | b')' | b'(')
}

/// A value in quotes, with the label in front of the quote if there is one. None where the quote is not closed.
fn quoted(line: &[u8], at: usize, pieces: &mut Pieces) -> Option<usize> {
    let mut end = at + 1;
    loop {
        end += memchr::memchr2(b'"', b'\\', line.get(end..)?)?;
        if line[end] == b'"' {
            break;
        }
        end += 2;
    }
    let value = &line[at + 1..end];
    let label = label_before(&line[pieces.at..at]);
    let variable =
        label.and_then(|label| variable_for(label, value)).or_else(|| time_variable(value));
    pieces.literal_up_to(line, at + 1);
    pieces.value(variable.unwrap_or(UNKNOWN), end);
    Some(end + 1)
}

/// What stands in brackets: a time, a labelled time, or anything. An IPv6 address is a word.
fn bracketed(line: &[u8], at: usize, pieces: &mut Pieces) -> usize {
    let near = &line[at..line.len().min(at + MAX_BRACKETED)];
    let Some(length) = memchr::memchr(b']', near) else { return at + 1 };
    let end = at + length;
    if line.get(end + 1) == Some(&b':') {
        return word(line, at, pieces);
    }
    let inside = &line[at + 1..end];
    let skip = memchr::memchr(b'=', inside).map_or(0, |equals| equals + 1);
    let (from, variable) = match time_variable(&inside[skip..]) {
        Some(variable) => (at + 1 + skip, variable),
        None => (at + 1, time_variable(inside).unwrap_or(UNKNOWN)),
    };
    pieces.literal_up_to(line, from);
    pieces.value(variable, end);
    end + 1
}

/// A word, which may be a label with its value.
fn word(line: &[u8], at: usize, pieces: &mut Pieces) -> usize {
    let end = at + line[at..].iter().take_while(|&&byte| byte > b' ' && byte != b'"').count();
    let sign =
        line[at..end].iter().position(|byte| matches!(byte, b'=' | b':')).map(|sign| at + sign);
    if let Some(sign) = sign {
        if sign + 1 == end && line.get(end) == Some(&b'"') {
            return end; // the quote looks for the label itself
        }
        let is_tabbed = line[sign] == b':' && memchr::memchr(b'\t', line).is_some();
        if let Some(label) = label_before(&line[pieces.at..=sign]) {
            if let Some((variable, end)) = known_value(label, line, sign + 1) {
                pieces.literal_up_to(line, sign + 1);
                pieces.value(variable, end);
                return end;
            }
            if line[sign] == b'=' || is_tabbed {
                let end = unknown_value_end(line, sign + 1, is_tabbed);
                pieces.literal_up_to(line, sign + 1);
                pieces.value(UNKNOWN, end);
                return end;
            }
        }
    }
    if sign.is_none()
        && let Some(last_word) = label_of_words(line, at)
    {
        return last_word;
    }
    pieces.literal_up_to(line, at);
    pieces.value(time_variable(&line[at..end]).unwrap_or(UNKNOWN), end);
    end
}

/// Where the last word of a known label of several words starts: `upstream connect time=`.
fn label_of_words(line: &[u8], at: usize) -> Option<usize> {
    let near = &line[at..line.len().min(at + MAX_LABEL)];
    let length =
        near.iter().take_while(|byte| byte.is_ascii_alphabetic() || **byte == b' ').count();
    let words = &line[at..at + length];
    let is_label = line.get(at + length) == Some(&b'=') && variable_for(words, b"0.000").is_some();
    is_label.then(|| at + words.iter().rposition(|&byte| byte == b' ').map_or(0, |space| space + 1))
}

/// The variable and the end of an unquoted value behind a known label.
fn known_value(label: &[u8], line: &[u8], from: usize) -> Option<(&'static str, usize)> {
    if let Some(tab) = memchr::memchr(b'\t', &line[from..])
        && let Some(variable) = variable_for(label, &line[from..from + tab])
    {
        return Some((variable, from + tab));
    }
    // Times and lists go on behind their spaces.
    for shape in [Shape::TimeLocal, Shape::TimeIso8601, Shape::Numbers, Shape::Addresses] {
        if let Some(end) = longest_value(shape, line, from, None)
            && line.get(end).is_none_or(|&next| is_separator(next) || next == b'"')
            && let Some(variable) = variable_for(label, &line[from..end])
        {
            return Some((variable, end));
        }
    }
    let end = from + line[from..].iter().take_while(|&&byte| !is_separator(byte)).count();
    variable_for(label, &line[from..end]).map(|variable| (variable, end))
}

/// An unquoted value of unknown meaning goes up to the next tab, or to the space in front of the next label.
fn unknown_value_end(line: &[u8], from: usize, is_tabbed: bool) -> usize {
    if is_tabbed {
        return memchr::memchr(b'\t', &line[from..]).map_or(line.len(), |tab| from + tab);
    }
    let mut at = from;
    loop {
        at += line[at..].iter().take_while(|&&byte| byte > b' ' && byte != b'"').count();
        let next = &line[(at + 1).min(line.len())..];
        let name =
            next.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        let is_label = name > 0 && matches!(next.get(name), Some(b'='));
        if at >= line.len()
            || line[at] != b' '
            || is_label
            || matches!(next.first(), Some(b'"' | b'[') | None)
        {
            return at;
        }
        at += 1;
    }
}

/// The label that ends a literal: ` uct=` -> `uct`; of `upstream connect time=` as many words as make a known label.
fn label_before(literal: &[u8]) -> Option<&[u8]> {
    let text = literal.trim_ascii_end();
    let text = text.strip_suffix(b"=").or_else(|| text.strip_suffix(b":"))?;
    let is_label = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.@ ".contains(byte);
    let text = &text[text.len().saturating_sub(MAX_LABEL)..];
    let from = text.iter().rposition(|byte| !is_label(byte)).map_or(0, |at| at + 1);
    let words = text[from..].trim_ascii_start();
    let mut from = 0;
    loop {
        let label = &words[from..];
        // A number only asks whether the label is known at all.
        if variable_for(label, b"0.000").is_some() {
            return Some(label);
        }
        match memchr::memchr(b' ', label) {
            Some(space) => from += space + 1,
            None => return (!label.is_empty()).then_some(label),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn derived(line: &str) -> String {
        let format = if line.starts_with('{') {
            json_format(line.as_bytes())
        } else {
            text_format(line.as_bytes())
        };
        format.map_or_else(
            || "none".to_owned(),
            |format| format.to_string().replace("upstream_", "u_").replace("unknown", "?"),
        )
    }

    #[test]
    fn labelled_lines_give_their_format() {
        for (line, expected) in [
            (
                r#"1.1.1.1 - - [21/Nov/2026:02:03:23 +0000] "GET / HTTP/1.1" 200 1 "-" "x"rt=0.1 uct="0.0, -""#,
                r#"${?} ${?} ${?} [${time_local}] "${?}" ${?} ${?} "${?}" "${?}"rt=${request_time} uct="${u_connect_time}""#,
            ),
            (
                "status=504 rt=1.0 uct=0.001, 0.002 uht=1.2, 0.5 bytes=1",
                "status=${?} rt=${request_time} uct=${u_connect_time} uht=${u_header_time} bytes=${?}",
            ),
            (
                "time:2026-11-21T02:03:23Z\tua:Mozilla 5\tuct:0.000\tups:a:80, b:81",
                "time:${time_iso8601}\\tua:${?}\\tuct:${u_connect_time}\\tups:${u_addr}",
            ),
            (
                "request time=0.1 upstream connect time=0.000 upstream status 200",
                "request time=${request_time} upstream connect time=${u_connect_time} ${?} ${?} ${?}",
            ),
            (
                r#"addr="1", [time_local=21/Nov/2026:02:03:23 +0000], upstream_addr="[::1]:80", "#,
                r#"addr="${?}", [time_local=${time_local}], u_addr="${u_addr}", "#,
            ),
            (
                r#"{"ts":"1795226603.023","uct":0.001,"x":"y"}"#,
                r#"{"ts":"${msec}","uct":${u_connect_time},"x":"${?}"}"#,
            ),
            (
                r#"{"upstream_connect_time":"","n":{"urt": "0.1"}}"#,
                r#"{"u_connect_time":"${u_connect_time}","n":{"urt": "${u_response_time}"}}"#,
            ),
            ("no labels at all", "none"),
            (r#"uct="0.000"#, "none"),
        ] {
            assert_eq!(derived(line), expected, "{line}");
        }
    }
}
