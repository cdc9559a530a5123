//! Making text fit a width, counted in terminal columns: wide characters take two.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Shortens a text in its middle, where names differ least: `backend-eu-west-1…:8080`.
pub(super) fn shorten(text: &str, width: usize, ellipsis: &str) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(ellipsis.width());
    let head = take(text.chars(), room.div_ceil(2));
    let tail: Vec<char> = take(text.chars().rev(), room / 2);
    head.into_iter().chain(ellipsis.chars()).chain(tail.into_iter().rev()).collect()
}

/// Cuts a text at its end.
pub(super) fn cut(text: &str, width: usize) -> String {
    take(text.chars(), width).into_iter().collect()
}

/// The first characters that take at most `width` columns.
///
/// A text is never wider than its characters one by one: invisible characters that widen others are escaped before.
fn take(chars: impl Iterator<Item = char>, width: usize) -> Vec<char> {
    let mut used = 0;
    chars
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= width
        })
        .collect()
}

/// Appends a text as lines of at most `width` columns (one line if none), broken at spaces; longer words are cut. The
/// first line is indented by `first` columns, the others by `rest`.
pub(super) fn wrap(
    text: &str,
    (first, rest): (usize, usize),
    width: Option<usize>,
    out: &mut String,
) {
    let width = width.unwrap_or(usize::MAX);
    let mut used = first;
    out.extend(std::iter::repeat_n(' ', first));
    let mut at_start = true;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let wide = word.width();
        if !at_start && wide < width.saturating_sub(used) {
            out.push(' ');
            out.push_str(word);
            used += 1 + wide;
            continue;
        }
        if !at_start {
            new_line(out, rest);
            used = rest;
        }
        at_start = false;
        for c in word.chars() {
            let wide = c.width().unwrap_or(0);
            if used + wide > width && used > rest {
                new_line(out, rest);
                used = rest;
            }
            out.push(c);
            used += wide;
        }
    }
    out.push('\n');
}

fn new_line(out: &mut String, indent: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', indent));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shortened_in_the_middle() {
        for (text, width, expected) in [
            ("10.0.0.1:80", 11, "10.0.0.1:80"),
            ("10.0.0.1:80", 10, "10.0.…1:80"),
            ("backend.example.com:8080", 9, "back…8080"),
            ("東京大阪名古屋", 7, "東…屋"),
            ("ab", 1, "…"),
            ("ab", 0, "…"),
        ] {
            assert_eq!(shorten(text, width, "…"), expected, "{text} to {width}");
        }
        assert_eq!(shorten("backend.example.com:8080", 9, "..."), "bac...080");
    }

    #[test]
    fn text_is_wrapped_at_spaces_and_long_words_are_cut() {
        for (text, indents, width, expected) in [
            ("one two three", (0, 2), None, "one two three\n"),
            ("one two three", (0, 2), Some(7), "one two\n  three\n"),
            ("one two three", (2, 4), Some(9), "  one two\n    three\n"),
            ("one 1234567890 two", (0, 2), Some(6), "one\n  1234\n  5678\n  90\n  two\n"),
            ("1234567890", (0, 0), Some(5), "12345\n67890\n"),
            ("東京大阪", (0, 0), Some(5), "東京\n大阪\n"),
            ("", (0, 2), Some(6), "\n"),
        ] {
            let mut out = String::new();
            wrap(text, indents, width, &mut out);
            assert_eq!(out, expected, "{text:?}");
        }
    }
}
