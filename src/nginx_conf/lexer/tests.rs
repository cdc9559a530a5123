use proptest::prelude::*;

use super::*;

/// All tokens of a text, written `word`, `"quoted"`, `;`, `{`, `}`; the error as `!line:column what`.
fn tokens(text: &[u8]) -> Vec<String> {
    let mut lexer = Lexer::new("t", text);
    let mut shown = Vec::new();
    loop {
        match lexer.next() {
            Ok(None) => return shown,
            Ok(Some(token)) => shown.push(match token.kind {
                TokenKind::Word { bytes, quoted: true } => {
                    format!("\"{}\"", String::from_utf8_lossy(&bytes))
                }
                TokenKind::Word { bytes, .. } => String::from_utf8_lossy(&bytes).into_owned(),
                TokenKind::Semicolon => ";".to_owned(),
                TokenKind::Open => "{".to_owned(),
                TokenKind::Close => "}".to_owned(),
            }),
            Err(error) => {
                let first = error.message().lines().next().unwrap().to_owned();
                shown.push(first.replacen("t:", "!", 1));
                return shown;
            }
        }
    }
}

#[test]
fn words_end_where_nginx_ends_them() {
    let cases: &[(&str, &[&str])] = &[
        ("", &[]),
        (" \t\r\n", &[]),
        ("a b;", &["a", "b", ";"]),
        ("a\tb\r\nc\n;", &["a", "b", "c", ";"]),
        ("a{b;}", &["a", "{", "b", ";", "}"]),
        ("map $a $b{}", &["map", "$a", "$b", "{", "}"]),
        ("a b}c;", &["a", "b}c", ";"]),
        ("a }", &["a", "}"]),
        ("a \u{b}b\u{c};", &["a", "\u{b}b\u{c}", ";"]),
        ("a b\u{a0}c;", &["a", "b\u{a0}c", ";"]),
        ("unfinished", &["unfinished"]),
    ];
    for (text, expected) in cases {
        assert_eq!(tokens(text.as_bytes()), *expected, "{text:?}");
    }
}

#[test]
fn quotes_open_a_string_only_at_the_start_of_a_word() {
    let cases: &[(&str, &[&str])] = &[
        ("a '';", &["a", "\"\"", ";"]),
        ("a 'b \"c\" d';", &["a", "\"b \"c\" d\"", ";"]),
        ("a \"it's\";", &["a", "\"it's\"", ";"]),
        ("a b\"c'd;", &["a", "b\"c'd", ";"]),
        ("a 'b\nc';", &["a", "\"b\nc\"", ";"]),
        ("a 'b' # c'd\n 'e';", &["a", "\"b\"", "\"e\"", ";"]),
        ("a 'b'{", &["a", "\"b\"", "{"]),
        ("if ($x ~ \"}\"){", &["if", "($x", "~", "\"}\"", ")", "{"]),
        ("if ($x ~ \"a\")b {", &["if", "($x", "~", "\"a\"", ")b", "{"]),
        ("location ~ \"^/[a-z]{2,3}$\" {", &["location", "~", "\"^/[a-z]{2,3}$\"", "{"]),
        ("location ~ ^/[a-z]{2,3}$ {", &["location", "~", "^/[a-z]", "{", "2,3}$", "{"]),
        ("a '#';", &["a", "\"#\"", ";"]),
        ("a ';' \"{\" '}';", &["a", "\";\"", "\"{\"", "\"}\"", ";"]),
    ];
    for (text, expected) in cases {
        assert_eq!(tokens(text.as_bytes()), *expected, "{text:?}");
    }
}

#[test]
fn comments_start_only_where_a_word_could() {
    let cases: &[(&str, &[&str])] = &[
        ("# a 'b\nc;", &["c", ";"]),
        ("a b#c;", &["a", "b#c", ";"]),
        ("a;#b\n}", &["a", ";", "}"]),
        ("a{#b\n}", &["a", "{", "}"]),
        ("a #b;\n#c;\n d;", &["a", "d", ";"]),
        ("# b\rstill the comment", &[]),
        ("a '\n# b\n';", &["a", "\"\n# b\n\"", ";"]),
        ("a \\#b;", &["a", "\\#b", ";"]),
        ("#", &[]),
    ];
    for (text, expected) in cases {
        assert_eq!(tokens(text.as_bytes()), *expected, "{text:?}");
    }
}

#[test]
fn escapes_are_undone_where_nginx_does_it_and_other_backslashes_stay() {
    let cases: &[(&str, &[&str])] = &[
        (r#"a \"b\"\'\\\t\r\n;"#, &["a", "\"b\"'\\\t\r\n", ";"]),
        (r#"a "\"\'\\\t\r\n";"#, &["a", "\"\"'\\\t\r\n\"", ";"]),
        (r"a '\x1f\d\$b\.\a';", &["a", r#""\x1f\d\$b\.\a""#, ";"]),
        (r"a b\ c\;d\{e;", &["a", r"b\ c\;d\{e", ";"]),
        (r"a '\\n';", &["a", r#""\n""#, ";"]),
        (r"a '\\\n';", &["a", "\"\\\n\"", ";"]),
        (r"a 'b\\';", &["a", r#""b\""#, ";"]),
        ("a b\\\nc;", &["a", "b\\\nc", ";"]),
        ("a \\", &["a", "\\"]),
        ("a \\\\;", &["a", "\\", ";"]),
    ];
    for (text, expected) in cases {
        assert_eq!(tokens(text.as_bytes()), *expected, "{text:?}");
    }
}

#[test]
fn a_brace_after_a_dollar_belongs_to_the_word() {
    let cases: &[(&str, &[&str])] = &[
        ("a ${b}c;", &["a", "${b}c", ";"]),
        ("a b${c}d{", &["a", "b${c}d", "{"]),
        ("a ${{b;", &["a", "${{b", ";"]),
        ("a \\${b;", &["a", "\\$", "{", "b", ";"]),
        ("a $\\{b;", &["a", "$\\{b", ";"]),
        ("a $ {", &["a", "$", "{"]),
        ("a '${b}';", &["a", "\"${b}\"", ";"]),
        ("a '$';", &["a", "\"$\"", ";"]),
    ];
    for (text, expected) in cases {
        assert_eq!(tokens(text.as_bytes()), *expected, "{text:?}");
    }
}

#[test]
fn errors_name_the_place_and_what_was_expected() {
    let after_quote = "expected a space, \";\", \"{\" or \")\" after the closing quote, found";
    for (text, expected) in [
        ("a 'b'c;", format!("!1:6: {after_quote} \"c\"")),
        ("a\n 'b'\"c\";", format!("!2:5: {after_quote} '\"'")),
        ("a 'b'}", format!("!1:6: {after_quote} \"}}\"")),
        ("a 'b'#c", format!("!1:6: {after_quote} \"#\"")),
        ("a 'b'\x1b[2J;", format!("!1:6: {after_quote} the byte 0x1B")),
        ("a\r\n\r\n  'b;\nc;", "!3:3: expected a closing \"'\", found the end of the text".into()),
        ("\"", "!1:1: expected a closing '\"', found the end of the text".into()),
        ("'\\'", "!1:1: expected a closing \"'\", found the end of the text".into()),
    ] {
        assert_eq!(tokens(text.as_bytes()).last(), Some(&expected), "{text:?}");
    }
}

#[test]
fn an_error_shows_its_line_with_a_caret_and_no_control_bytes() {
    let mut lexer = Lexer::new("n.conf", b"x;\r\n\xC3\xA9\xFF\x1b 'b'c;\r\ny;");
    let error = loop {
        match lexer.next() {
            Ok(token) => assert!(token.is_some(), "no error"),
            Err(error) => break error,
        }
    };
    let shown = error.message().split_once('\n').unwrap();
    assert!(shown.0.starts_with("n.conf:2:9: expected a space"), "{}", shown.0);
    assert_eq!(shown.1, "    é\u{FFFD}. 'b'c;\n           ^");
    assert_eq!(error.hint(), Some("inside the string a quote is written \\'"));
}

#[test]
fn an_error_in_a_long_line_shows_only_what_is_near() {
    let text = format!("{}'b'c{}", "é ".repeat(5000), "d".repeat(5000));
    let mut lexer = Lexer::new("t", text.as_bytes());
    let error = loop {
        match lexer.next() {
            Ok(token) => assert!(token.is_some(), "no error"),
            Err(error) => break error,
        }
    };
    let shown: Vec<&str> = error.message().lines().collect();
    assert!(shown[0].starts_with("t:1:15004: "), "{}", shown[0]);
    assert_eq!(shown[1].chars().count(), 4 + 3 + 80 + 3);
    assert_eq!(shown[2].len(), 4 + 3 + 40 + 1);
}

#[test]
fn tokens_know_line_and_column() {
    let mut lexer = Lexer::new("t", b"a 'b\nc' d; # x\n\te {\n}");
    let mut places = Vec::new();
    while let Some(token) = lexer.next().unwrap() {
        places.push((token.at.line, token.at.column));
    }
    assert_eq!(places, [(1, 1), (1, 3), (2, 4), (2, 5), (3, 2), (3, 4), (4, 1)]);
}

#[test]
fn bytes_that_are_not_utf_8_pass_and_a_byte_order_mark_does_not() {
    let mut lexer = Lexer::new("t", b"\xEF\xBB\xBFa \xFF\xC3;");
    let mut words = Vec::new();
    while let Some(token) = lexer.next().unwrap() {
        if let TokenKind::Word { bytes, .. } = token.kind {
            words.push(bytes);
        }
    }
    assert_eq!(words, [b"a".to_vec(), b"\xFF\xC3".to_vec()]);
}

#[test]
fn a_raw_block_is_read_to_its_closing_brace() {
    let mut lexer = Lexer::new("t", b"x_by_lua_block {\n -- it's }\n} next;");
    lexer.next().unwrap();
    let open = lexer.next().unwrap().unwrap();
    assert_eq!(lexer.raw_block(open.at, Language::Lua).unwrap(), b"\n -- it's }\n");
    assert_eq!(lexer.position(), Position { offset: 29, line: 3, column: 2 });
    let error = lexer.raw_block(open.at, Language::Lua).unwrap_err();
    assert!(error.message().starts_with("t:1:16: expected a \"}\" to close this block"), "{error}");
}

/// `bytes` as a string that nginx reads back as the same bytes.
fn quoted(bytes: &[u8], quote: u8) -> Vec<u8> {
    let mut text = vec![quote];
    for &byte in bytes {
        if byte == b'\\' || byte == quote {
            text.push(b'\\');
        }
        text.push(byte);
    }
    text.push(quote);
    text
}

proptest! {
    #[test]
    fn a_quoted_word_reads_back_as_it_was(
        words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..5),
        quote in prop::sample::select(vec![b'"', b'\'']),
    ) {
        let text = words.iter().map(|word| quoted(word, quote)).collect::<Vec<_>>().join(&b' ');
        let mut lexer = Lexer::new("t", &text);
        for word in words {
            let kind = TokenKind::Word { bytes: word, quoted: true };
            prop_assert_eq!(lexer.next().unwrap().map(|token| token.kind), Some(kind));
        }
        prop_assert_eq!(lexer.next().unwrap(), None);
    }

    #[test]
    fn any_bytes_give_tokens_that_move_forward_or_an_error_with_a_place(
        text in prop::collection::vec(
            prop_oneof![
                4 => prop::sample::select(b" \n;{}'\"\\$#()ab".to_vec()),
                1 => any::<u8>(),
            ],
            0..200,
        ),
    ) {
        let mut lexer = Lexer::new("t", &text);
        let mut last = None;
        loop {
            match lexer.next() {
                Ok(None) => break,
                Ok(Some(token)) => {
                    let start = token.at.offset - (token.at.column - 1);
                    let lines = memchr_iter(b'\n', &text[..token.at.offset]).count() as u64;
                    prop_assert!(Some(token.at.offset) > last);
                    prop_assert_eq!(token.at.line, lines + 1);
                    prop_assert!(start == 0 || start == 3 || text[start - 1] == b'\n');
                    last = Some(token.at.offset);
                }
                Err(error) => {
                    prop_assert!(error.message().starts_with("t:"));
                    prop_assert!(!error.message().contains(|c: char| c.is_control() && c != '\n'));
                    break;
                }
            }
        }
    }
}
