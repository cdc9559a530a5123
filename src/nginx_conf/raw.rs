//! Blocks that hold the code of another language: where do they end?
//!
//! The lua module of OpenResty reads `content_by_lua_block { … }` with a lexer of its own
//! (`ngx_http_lua_conf_lua_block_parse`): braces count, except in strings and comments. `ngx_php` does the same for
//! `content_by_php_block { … }`. Read as nginx.conf, such code would end at the wrong brace or at a lone quote.

use memchr::{memchr, memmem};

/// The rules for strings and comments of a raw block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    /// `--` comments, quoted strings, long brackets `[[ ]]` and `[==[ ]==]` in both.
    Lua,
    /// `//`, `#` and `/* */` comments, quoted strings.
    Php,
}

impl Language {
    /// The language of the block of the directive `name`, or none for ordinary directives.
    pub(super) fn of_directive(name: &[u8]) -> Option<Language> {
        if name.ends_with(b"_by_lua_block") {
            Some(Language::Lua)
        } else if name.ends_with(b"_by_php_block") {
            Some(Language::Php)
        } else {
            None
        }
    }

    /// The index of the `}` that closes the block whose code starts at `start`.
    pub(super) fn block_end(self, text: &[u8], start: usize) -> Option<usize> {
        let mut open = 1_usize;
        let mut at = start;
        while let Some(&byte) = text.get(at) {
            match byte {
                b'{' => open += 1,
                b'}' if open == 1 => return Some(at),
                b'}' => open -= 1,
                _ => {
                    at = self.skip(text, at);
                    continue;
                }
            }
            at += 1;
        }
        None
    }

    /// The index after the comment, the string or else the single byte at `at`.
    fn skip(self, text: &[u8], at: usize) -> usize {
        let rest = &text[at..];
        match (self, rest[0]) {
            (Language::Lua, b'"' | b'\'') => string_end(text, at, true),
            (Language::Lua, b'[') => long_bracket_end(text, at).unwrap_or(at + 1),
            (Language::Lua, b'-') if rest.starts_with(b"--") => {
                long_bracket_end(text, at + 2).unwrap_or_else(|| line_end(text, at))
            }
            (Language::Php, b'"' | b'\'') => string_end(text, at, false),
            (Language::Php, b'#') => line_end(text, at),
            (Language::Php, b'/') if rest.starts_with(b"//") => line_end(text, at),
            (Language::Php, b'/') if rest.starts_with(b"/*") => {
                memmem::find(&rest[2..], b"*/").map_or(text.len(), |end| at + 2 + end + 2)
            }
            _ => at + 1,
        }
    }
}

/// The index after the string that starts at `at`. In Lua a line end ends it too, unless a backslash stands before it.
fn string_end(text: &[u8], at: usize, one_line: bool) -> usize {
    let quote = text[at];
    let mut index = at + 1;
    while let Some(&byte) = text.get(index) {
        match byte {
            b'\\' => index += 1,
            b'\n' if one_line => return index,
            _ if byte == quote => return index + 1,
            _ => {}
        }
        index += 1;
    }
    text.len()
}

/// The index after the `[==[ … ]==]` that starts at `at`; none where no long bracket starts there.
fn long_bracket_end(text: &[u8], at: usize) -> Option<usize> {
    let inner = text.get(at..)?.strip_prefix(b"[")?;
    let level = inner.iter().take_while(|&&byte| byte == b'=').count();
    let inner = inner[level..].strip_prefix(b"[")?;
    let close = [b"]".as_slice(), &vec![b'='; level], b"]"].concat();
    let inside = at + level + 2;
    Some(memmem::find(inner, &close).map_or(text.len(), |end| inside + end + close.len()))
}

/// The index of the line feed that ends the line of `at`.
fn line_end(text: &[u8], at: usize) -> usize {
    memchr(b'\n', &text[at..]).map_or(text.len(), |end| at + end)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The code of the block, and what stands after it.
    fn split(language: Language, text: &str) -> Option<(&str, &str)> {
        let end = language.block_end(text.as_bytes(), 0)?;
        Some((&text[..end], &text[end + 1..]))
    }

    #[test]
    fn a_brace_in_a_lua_string_comment_or_long_bracket_does_not_count() {
        for code in [
            "",
            " ngx.say('}') ",
            r#" ngx.say("}\"}") "#,
            " t = { {1}, {2} } ",
            " -- } it's over\n x = 1 ",
            " --[[ } \n ' ]] x = 1 ",
            " --[==[ ]] } ]==] x = 1 ",
            " --[ } not long\n",
            " s = [[ } \" \n ]] ",
            " s = [=[ ]] } ]=] ",
            " s = 'a\\\n } b' ",
            " a = b[c[1]] - -1 ",
            " s = #'}' ",
        ] {
            let text = format!("{code}}} after");
            assert_eq!(split(Language::Lua, &text), Some((code, " after")), "{code:?}");
        }
    }

    #[test]
    fn a_lua_quote_that_is_not_closed_ends_with_its_line() {
        assert_eq!(split(Language::Lua, " it's \n } x"), Some((" it's \n ", " x")));
    }

    #[test]
    fn a_brace_in_a_php_string_or_comment_does_not_count() {
        for code in [
            " echo '}'; ",
            " echo \"\\\"}\n\"; ",
            " # it's }\n",
            " // \" }\n",
            " /* ' } \n */ if (1) { f(); } ",
            " $a = 4 / 2; ",
        ] {
            let text = format!("{code}}} after");
            assert_eq!(split(Language::Php, &text), Some((code, " after")), "{code:?}");
        }
    }

    #[test]
    fn a_block_without_an_end_has_none() {
        for text in ["", "{", "'", "\\", "'\\", "[[", "[=", "--", "--[[", "{}"] {
            assert_eq!(Language::Lua.block_end(text.as_bytes(), 0), None, "{text:?}");
        }
        for text in ["", "/*", "/", "//", "\"\\"] {
            assert_eq!(Language::Php.block_end(text.as_bytes(), 0), None, "{text:?}");
        }
    }

    #[test]
    fn only_raw_blocks_have_a_language() {
        assert_eq!(Language::of_directive(b"set_by_lua_block"), Some(Language::Lua));
        assert_eq!(Language::of_directive(b"content_by_php_block"), Some(Language::Php));
        assert_eq!(Language::of_directive(b"content_by_lua"), None);
    }
}
