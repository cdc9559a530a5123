//! One escape function per kind of output.
//!
//! Log data is written by attackers: a request line, a header or a host name can end up in an upstream's name. Shown as
//! it is, it could move the cursor, forge a line, start a formula or open a tag. So every text that does not come from
//! keepwarm itself goes through one of these functions, once, right where it is written.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Makes a text safe to show on one line of a terminal.
///
/// Control characters (C0, DEL, C1) become `\x1b`-style text; characters that show nothing or reorder their neighbours
/// (bidi overrides, zero-width and other invisible characters, line separators) become `\u{202e}`. All else, a
/// backslash too, stays: nginx's own escapes (`\x22`) read as they do in the log.
///
/// ```
/// use keepwarm::render::printable;
/// assert_eq!(printable("a\x1b[2Jb\n"), r"a\x1b[2Jb\x0a");
/// ```
pub fn printable(text: &str) -> Cow<'_, str> {
    escape_where(text, is_unsafe)
}

/// As [`printable`], but line ends stay: for messages of several lines, such as one with an excerpt and a caret.
///
/// Only for text whose line ends are keepwarm's own: an attacker's line end would pass, too.
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    escape_where(text, |c| c != '\n' && is_unsafe(c))
}

/// As [`printable`]; where only ASCII may come out, every other character becomes `\u{e9}`-style text.
pub(super) fn shown(text: &str, ascii: bool) -> Cow<'_, str> {
    escape_where(text, |c| is_unsafe(c) || (ascii && !c.is_ascii()))
}

/// A text field of a CSV row, after RFC 4180: quoted if it holds a comma or a quote; quotes are doubled.
///
/// A leading `=`, `+`, `-` or `@` starts a formula in spreadsheets: an apostrophe before it makes it text. (A leading
/// tab or carriage return does so, too; like all control characters they are already shown as text here.)
pub(super) fn csv(text: &str) -> String {
    let mut field = printable(text).into_owned();
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        field.insert(0, '\'');
    }
    if field.contains(['"', ',']) {
        field = format!("\"{}\"", field.replace('"', "\"\""));
    }
    field
}

/// A text inside a Markdown paragraph or table cell: shown literally, no markup, no HTML, no cell border.
pub(super) fn markdown(text: &str, ascii: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in shown(text, ascii).chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '$' => {
                escaped.push('\\');
                escaped.push(c);
            }
            _ => escaped.push(c),
        }
    }
    escaped
}

/// Escapes in finished JSON what the JSON grammar leaves alone: DEL, C1 controls, bidi overrides and the like.
///
/// JSON's own syntax is plain ASCII, so these characters can only stand inside strings. Line ends are the layout's.
pub(super) fn json(text: &str) -> Cow<'_, str> {
    // Nearly every report: looked at without a way out, which is many bytes at a time.
    let is_plain = |byte: u8| byte == b'\n' || (b' '..=b'~').contains(&byte);
    if text.bytes().fold(true, |plain, byte| plain & is_plain(byte)) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\n' || !is_unsafe(c) {
            escaped.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(escaped, "\\u{unit:04x}");
        }
    }
    Cow::Owned(escaped)
}

fn escape_where(text: &str, is_bad: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&is_bad) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        // Writing to a String can't fail.
        let _ = match c {
            _ if !is_bad(c) => escaped.write_char(c),
            _ if c.is_control() => write!(escaped, "\\x{:02x}", u32::from(c)),
            _ => write!(escaped, "{}", c.escape_unicode()),
        };
    }
    Cow::Owned(escaped)
}

/// Whether a character may change more than its own place on a terminal.
///
/// These are the controls (`Cc`), the line separators and Unicode's `Default_Ignorable_Code_Point` (which includes the
/// `Bidi_Control` characters).
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_act_on_a_terminal_is_shown_as_text() {
        for (text, expected) in [
            ("10.0.0.1:80", "10.0.0.1:80"),
            ("größer 東京", "größer 東京"),
            (r"nginx wrote \x22", r"nginx wrote \x22"),
            ("\x1b[31mred", r"\x1b[31mred"),
            ("a\r\nb\tc\0", r"a\x0d\x0ab\x09c\x00"),
            ("del \x7f c1 \u{9b}2J", r"del \x7f c1 \x9b2J"),
            ("\u{202e}gpj.exe\u{2066}", r"\u{202e}gpj.exe\u{2066}"),
            ("zero\u{200b}width\u{feff}", r"zero\u{200b}width\u{feff}"),
            ("\u{2028}", r"\u{2028}"),
            ("replaced \u{fffd}", "replaced \u{fffd}"),
        ] {
            assert_eq!(printable(text), expected, "{text:?}");
        }
        assert!(matches!(printable("plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn only_the_version_for_lines_keeps_line_ends() {
        assert_eq!(printable_lines("a\n  ^\x1b"), "a\n  ^\\x1b");
        assert_eq!(printable("a\n"), r"a\x0a");
    }

    #[test]
    fn ascii_means_ascii() {
        assert_eq!(shown("é≥\x1b", true), r"\u{e9}\u{2265}\x1b");
        assert_eq!(shown("é≥", false), "é≥");
    }

    #[test]
    fn csv_fields_are_quoted_and_start_no_formula() {
        for (text, expected) in [
            ("app", "app"),
            ("unix:/run/a b.sock", "unix:/run/a b.sock"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("=cmd()", "'=cmd()"),
            ("+1", "'+1"),
            ("-", "'-"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("=1,2", "\"'=1,2\""),
            ("\t=1", "'\\x09=1"),
            ("\r=1", "'\\x0d=1"),
            ("two\nlines", "two\\x0alines"),
            ("", ""),
        ] {
            assert_eq!(csv(text), expected, "{text:?}");
        }
    }

    #[test]
    fn markdown_text_has_no_markup() {
        for (text, expected) in [
            ("a|b", r"a\|b"),
            ("`x`", r"\`x\`"),
            ("<script>", "&lt;script&gt;"),
            ("&lt;", "&amp;lt;"),
            (r"\|", r"\\\|"),
            ("[a](b) *c* _d_ ~e~ $f$", r"\[a\](b) \*c\* \_d\_ \~e\~ \$f\$"),
            ("\x1b", r"\\x1b"),
        ] {
            assert_eq!(markdown(text, false), expected, "{text:?}");
        }
    }

    #[test]
    fn json_strings_hide_what_json_lets_through() {
        let text = "a\x7f\u{9b}\u{202e}\u{e0041}é\n";
        let written = serde_json::to_string(text).unwrap();
        let shown = json(&written);
        assert_eq!(shown, r#""a\u007f\u009b\u202e\udb40\udc41é\n""#);
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
    }
}
