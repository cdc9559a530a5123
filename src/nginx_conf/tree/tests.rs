use proptest::prelude::*;

use super::*;
use crate::nginx_conf::pattern::PathPattern;

/// Files in memory.
struct Files(Vec<(&'static str, String)>);

impl Loader for Files {
    fn read(&self, path: &str) -> Result<Vec<u8>> {
        let file = self.0.iter().find(|(name, _)| *name == path);
        let gone = || Error::new(ErrorKind::Io, format!("{path}: no such file"));
        file.map(|(_, text)| text.clone().into_bytes()).ok_or_else(gone)
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>> {
        let pattern = PathPattern::new(pattern)?;
        let names = self.0.iter().map(|(name, _)| *name);
        Ok(names.filter(|name| pattern.matches(name)).map(str::to_owned).collect())
    }
}

fn files(files: &[(&'static str, &str)]) -> Files {
    Files(files.iter().map(|&(name, text)| (name, text.to_owned())).collect())
}

/// Directives in one line: `a b; c {d; }`.
fn shown(directives: &[Directive]) -> String {
    let mut text = String::new();
    for directive in directives {
        text.push_str(&directive.name);
        for arg in &directive.args {
            text.push(' ');
            text.push_str(&String::from_utf8_lossy(arg));
        }
        match &directive.block {
            Some(block) => text.extend([" {", &shown(block), "}"]),
            None => text.push(';'),
        }
    }
    text
}

/// The directives of the main file `/e/n.conf`, or the first line of the error.
fn read_all(all: &[(&'static str, &str)]) -> std::result::Result<String, String> {
    let loader = files(all);
    let text = loader.read("/e/n.conf").unwrap();
    match read("/e/n.conf", &text, &loader) {
        Ok(directives) => Ok(shown(&directives)),
        Err(error) => Err(error.message().lines().next().unwrap().to_owned()),
    }
}

fn read_one(text: &str) -> std::result::Result<String, String> {
    read_all(&[("/e/n.conf", text)])
}

#[test]
fn directives_nest_as_written() {
    for (text, expected) in [
        ("", ""),
        ("a;", "a;"),
        ("a b 'c d';e{f g{}h;}", "a b c d;e {f g {}h;}"),
        ("map $a $b {}", "map $a $b {}"),
        ("\"a\" 'b';", "a b;"),
        ("no_such_directive x { neither; }", "no_such_directive x {neither;}"),
        ("if ($x ~ \"}\") { a; }", "if ($x ~ } ) {a;}"),
        ("log_format m # c\n 'a' # it's\n\n 'b';\r\n", "log_format m a b;"),
    ] {
        assert_eq!(read_one(text).as_deref(), Ok(expected), "{text:?}");
    }
}

#[test]
fn lua_code_is_one_argument() {
    let text =
        "a { content_by_lua_block { x = \"}\" -- }'\n } b; } set_by_lua_block $y {return 1}c;";
    let expected = "a {content_by_lua_block  x = \"}\" -- }'\n ;b;}set_by_lua_block $y return 1;c;";
    assert_eq!(read_one(text).as_deref(), Ok(expected));
}

#[test]
fn errors_of_the_grammar_name_place_and_reason() {
    for (text, expected) in [
        (";", "1:1: expected a directive, found \";\""),
        ("a;;", "1:3: expected a directive, found \";\""),
        ("{}", "1:1: expected a directive, found \"{\""),
        ("a;\n}", "2:1: expected a directive, found \"}\""),
        ("a{b }", "1:5: expected \";\" or \"{\" after \"b\", found \"}\""),
        (
            "a{\nb{\nc;\n}\n",
            "5:1: expected \"}\" to close \"a\" of line 1, found the end of the file",
        ),
        ("\n a b", "2:5: expected \";\" or \"{\" after \"a\" of line 2, found the end of the file"),
        (
            "a_by_lua_block {",
            "1:16: expected a \"}\" to close this block, found the end of the text",
        ),
        ("include;", "1:1: expected one path after include, found 0"),
        ("include a b;", "1:1: expected one path after include, found 2"),
        ("a\u{7} }", "1:4: expected \";\" or \"{\" after \"a.\", found \"}\""),
    ] {
        assert_eq!(read_one(text), Err(format!("/e/n.conf:{expected}")), "{text:?}");
    }
}

#[test]
fn a_long_name_is_cut_in_an_error() {
    let error = read_one(&format!("{} }}", "x".repeat(10_000))).unwrap_err();
    assert!(error.len() < 200, "{error}");
}

#[test]
fn includes_start_at_the_folder_of_the_main_file() {
    let all = [
        ("/e/n.conf", "a; include d/*.conf; b { include s; } include /f/g; include none/*;"),
        ("/e/d/1.conf", "one; include s;"),
        ("/e/d/2.conf", "two { x; }"),
        ("/e/d/.conf", "hidden;"),
        ("/e/d/s", "wrong;"),
        ("/e/s", "snippet;"),
        ("/f/g", ""),
    ];
    assert_eq!(read_all(&all).as_deref(), Ok("a;one;snippet;two {x;}b {snippet;}"));
}

#[test]
fn without_a_folder_includes_are_relative_to_nothing() {
    let loader = files(&[("s", "x;")]);
    assert_eq!(shown(&read("n.conf", b"include s;", &loader).unwrap()), "x;");
}

#[test]
fn included_directives_keep_their_place() {
    let loader = files(&[("/e/s\u{1b}", "\n\nx { y; }")]);
    let directives = read("/e/n.conf", b"a;\ninclude s\x1b;", &loader).unwrap();
    assert_eq!(directives[0].place.to_string(), "/e/n.conf:1");
    assert_eq!(directives[1].place.to_string(), "/e/s.:3");
    assert_eq!(directives[1].block.as_ref().unwrap()[0].place.line, 3);
}

#[test]
fn an_include_that_fails_names_the_directive() {
    for (all, expected) in [
        (vec![("/e/n.conf", "\n include s;")], "/e/n.conf:2:2: include: /e/s: no such file"),
        (
            vec![("/e/n.conf", "include s;"), ("/e/s", "a }")],
            "/e/s:1:3: expected \";\" or \"{\" after \"a\", found \"}\"",
        ),
        (
            vec![("/e/n.conf", "a { include s; }"), ("/e/s", "b; }")],
            "/e/s:1:4: expected a directive, found \"}\"",
        ),
        (
            vec![("/e/n.conf", "include n.conf;")],
            "/e/n.conf:1:1: include: a file includes itself: /e/n.conf -> /e/n.conf",
        ),
        (
            vec![("/e/n.conf", "include s;"), ("/e/s", "include t;"), ("/e/t", "a{include s*;}")],
            "/e/t:1:3: include: a file includes itself: /e/s -> /e/t -> /e/s",
        ),
    ] {
        assert_eq!(read_all(&all), Err(expected.to_owned()));
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| "a{".repeat(depth) + &"}".repeat(depth);
    assert!(read_one(&nested(64)).is_ok());
    let error = read_one(&nested(65)).unwrap_err();
    let expected = "expected blocks and includes to nest at most 64 deep, found more";
    assert_eq!(error, format!("/e/n.conf:1:130: {expected}"));
    assert!(read_one(&"a{".repeat(1_000_000)).is_err());
    let chain = [("/e/n.conf", "include ./n.conf;"), ("/e/./n.conf", "include ././n.conf;")];
    assert!(read_all(&chain).is_err());
}

/// Makes up a file for every name: `N` includes `N+1` twice, or as many as were asked for.
struct Endless;

impl Loader for Endless {
    fn read(&self, path: &str) -> Result<Vec<u8>> {
        let number = path.trim_start_matches('/').parse::<u64>().unwrap_or_default();
        Ok(format!("include {0}; include {0};", (number + 1) % 60).into_bytes())
    }

    fn glob(&self, _: &str) -> Result<Vec<String>> {
        Ok((0..2000).map(|number| format!("/many/{number}")).collect())
    }
}

#[test]
fn includes_are_bounded_in_number_and_size() {
    struct Large;
    impl Loader for Large {
        fn read(&self, _: &str) -> Result<Vec<u8>> {
            Ok(vec![b'\n'; 1 << 20])
        }
        fn glob(&self, _: &str) -> Result<Vec<String>> {
            Ok(Vec::new())
        }
    }
    struct Empty;
    impl Loader for Empty {
        fn read(&self, _: &str) -> Result<Vec<u8>> {
            Ok(Vec::new())
        }
        fn glob(&self, pattern: &str) -> Result<Vec<String>> {
            Endless.glob(pattern)
        }
    }
    let message = |text: &str, loader: &dyn Loader| {
        read("main", text.as_bytes(), loader).unwrap_err().message().to_owned()
    };
    let large = message(&"include a;".repeat(65), &Large);
    assert_eq!(large, "the configuration is too large: more than 64 MiB");
    let many = message("include *;", &Empty);
    assert!(many.ends_with("too large: more than 1000 included files"), "{many}");
    let often = message(&"include a;".repeat(100_001), &Empty);
    assert!(often.ends_with("too large: more than 100000 includes"), "{often}");
    let bomb = message("include 0;", &Endless);
    assert!(bomb.contains("a file includes itself"), "{bomb}");
}

#[test]
fn one_directive_can_be_read_alone() {
    for (text, expected) in [
        ("log_format x '$a';", "log_format x $a;"),
        ("log_format x '$a'", "log_format x $a;"),
        (" log_format x\n $a ; # done\n", "log_format x $a;"),
        ("include x;", "include x;"),
    ] {
        let directive = single("t", text.as_bytes()).unwrap();
        assert_eq!(shown(&[directive]), expected, "{text:?}");
    }
    for (text, expected) in [
        ("", "t:1:1: expected a directive, found the end of the text"),
        ("  # x", "t:1:6: expected a directive, found the end of the text"),
        ("}", "t:1:1: expected a directive, found \"}\""),
        ("a {}", "t:1:3: expected \";\", found \"{\""),
        ("a }", "t:1:3: expected \";\" or \"{\" after \"a\", found \"}\""),
        ("a; b;", "t:1:4: expected the end of the text after \";\", found more"),
        ("a 'b", "t:1:3: expected a closing \"'\", found the end of the text"),
    ] {
        let error = single("t", text.as_bytes()).unwrap_err();
        assert_eq!(error.message().lines().next(), Some(expected), "{text:?}");
    }
}

proptest! {
    #[test]
    fn any_text_gives_directives_or_an_error(
        text in prop::collection::vec(
            prop_oneof![
                8 => prop::sample::select(b" \n;;{}'\"\\$#()-[]ab".to_vec()).prop_map(|b| vec![b]),
                1 => any::<u8>().prop_map(|byte| vec![byte]),
                1 => Just(b"a_by_lua_block {".to_vec()),
                1 => Just(b"include *;".to_vec()),
            ],
            0..100,
        ),
    ) {
        let text = text.concat();
        let result = read("main", &text, &files(&[("a", "x;"), ("b", "y{include a;}")]));
        if let Err(error) = result {
            prop_assert!(!error.message().contains(|c: char| c.is_control() && c != '\n'));
        }
    }
}
