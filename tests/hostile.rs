//! Logs written by attackers: nothing panics, nothing takes for ever, and no control byte comes out.
//!
//! [`crate::util::finish`] checks each run for panics and raw control bytes.

use crate::util::{Dir, FORMAT, line};
use keepwarm::error::Error;
use keepwarm::fold::{Choice, Fold, Recipe};
use keepwarm::log_format::{Escape, LogFormat, presets};
use keepwarm::nginx_conf::{DiskLoader, NginxConf};
use keepwarm::tokenizer::prefix::Prefix;
use proptest::prelude::*;

const OUTPUTS: [&str; 5] = ["table", "json", "csv", "markdown", "prometheus"];

/// What could act on a terminal, a spreadsheet or a browser.
const NASTY: &str = "\x1b]0;title\x07\x1b[2J\u{9b}1m\x7f\r\u{202e}<script>=1+1|`a`";

#[test]
fn control_bytes_in_a_log_never_come_out() {
    let nasty = NASTY.replace('\r', "");
    // As peer, as upstream's name, in a line that does not fit, and in a format that is shown.
    let named = format!("app{nasty}");
    let text = [
        line(1, &nasty.replace(' ', ""), "0.000"),
        line(2, "10.0.0.1:80", "0.000"),
        line(3, &named, "-"),
        format!("1.1.1.1 - - {nasty}\n"),
        format!("{nasty}\n"),
    ]
    .concat();
    let dir = Dir::with_log(text);
    let grouped = format!("{FORMAT} $host");
    for output in OUTPUTS {
        for args in [&[][..], &["-f", FORMAT], &["--by", "peer"], &["--color", "never"]] {
            dir.run(&[&["report", "-o", output, "access.log"], args].concat());
        }
        dir.run(&["report", "-o", output, "-f", &grouped, "--by", "$host", "access.log"]);
    }
    dir.run(&["formats", "access.log"]);
    dir.run(&["formats", "-f", FORMAT, "access.log"]);
    dir.run(&["formats", &format!("{NASTY} x")]);
}

#[test]
fn control_bytes_in_names_and_arguments_never_come_out() {
    let dir = Dir::new();
    let name = format!("{}.log", NASTY.replace('/', ""));
    dir.write(&name, line(1, "10.0.0.1:80", "0.000"));
    dir.write(&format!("empty{name}"), "");
    for output in OUTPUTS {
        assert!(dir.run(&["report", "-o", output, "."]).code <= 1);
        assert!(dir.run(&["report", "-o", output, &name]).code <= 1);
    }
    dir.run(&["report", &name, "--invalid-out", &format!("no/{NASTY}")]).code(2);
    let gone = format!("gone{NASTY}");
    for args in [
        &["report", gone.as_str()][..],
        &["report", &name, "-f", &gone],
        &["report", &name, "-f", &format!("${gone} ${{x")],
        &["report", &name, "-c", &gone],
        &["report", &name, "--by", &gone],
        &["report", &name, "--by", &format!("${gone}")],
        &["report", &name, "--group", &format!("({gone}")],
        &["report", &name, "--since", &gone],
        &["report", &name, "-o", &gone],
        &["report", &name, "--min-hit-rate", &gone],
        &["report", &format!("--{gone}")],
        &["report", &format!("[{gone}")],
        &["formats", &gone],
        &[gone.as_str()],
    ] {
        dir.run(args).code(2);
    }
    dir.write("bad.conf", format!("log_format x '{NASTY}${{';\n{NASTY} {{ {{ "));
    dir.run(&["report", &name, "-c", "bad.conf"]).code(2);
    dir.write("bad.conf", format!("access_log access.log {NASTY};include {NASTY};"));
    dir.run(&["report", &name, "-c", "bad.conf"]).code(2);
}

#[test]
fn bytes_of_all_kinds_are_read_without_a_word_lost() {
    let every: Vec<u8> = (0..=255).collect();
    let dir = Dir::new();
    for (name, bytes) in [
        ("nuls", vec![0; 5000]),
        ("every byte", every.repeat(40)),
        ("newlines", vec![b'\n'; 5000]),
        ("returns", vec![b'\r'; 5000]),
        ("no end", b"x".to_vec()),
        ("utf-8 cut", b"\xf0\x9f\x92\n".repeat(9)),
    ] {
        dir.write("access.log", &bytes);
        for command in ["report", "formats"] {
            dir.run(&[command, "access.log"]).code(2);
            dir.run(&[command, "-f", FORMAT, "access.log"]).code(2);
        }
        // Among good lines they are counted.
        let good = line(1, "10.0.0.1:80", "0.000");
        dir.write("access.log", [good.as_bytes(), b"\n", &bytes, b"\n", good.as_bytes()].concat());
        let run = dir.run(&["report", "-f", FORMAT, "-o", "json", "access.log"]).code(0);
        assert_eq!(run.json()["input"]["matched"], 2, "{name}");
    }
}

/// Long lines that are the worst for one step or another. Where the work for a line is not bounded these take
/// minutes, or overflow the stack.
fn long_lines() -> Vec<(&'static str, String)> {
    let times = |text: &str| text.repeat(400_000 / text.len());
    let labelled = |text: &str| format!("uct=0.000 {}", times(text));
    vec![
        ("JSON pairs", format!("{{\"uct\":\"0.000\"{}}}", times(",\"a\":1"))),
        ("open JSON", times("{")),
        ("JSON lists", format!("{{\"uct\":{}}}", times("0.0, "))),
        ("labels", labelled("a=1 ")),
        ("words", labelled("a ")),
        ("words before a label", times("a ") + "=0.000"),
        ("quotes", labelled("\"a\" ")),
        ("open brackets", labelled("[ ")),
        ("times", format!("1.1.1.1 - {}", times("a [21/Nov/2026:02:03:23 +0000] "))),
        ("near times", format!("1.1.1.1 - {}", times(" ["))),
        ("tabs", format!("uct:0.000{}", times("\tb:1"))),
        ("addresses", format!("ua={}", times("[:1, "))),
        ("backslashes", format!("uct=\"{}", times("\\"))),
        ("escaped quotes", format!("uct=\"{}", times("\\\""))),
        ("dashes", times("-")),
        ("slots", times("0, ")),
        ("passes", times(" : ")),
        ("digits", times("1")),
    ]
}

/// Formats with values that can end anywhere.
const VAGUE: [&str; 5] = [
    "$http_a-$host-$upstream_addr-$http_c end",
    "$http_a$http_b$upstream_addr$http_c end",
    "$upstream_addr $upstream_status $upstream_connect_time end",
    "$upstream_connect_time:$upstream_addr : $upstream_status:end",
    "$status$msec$upstream_connect_time end",
];

#[test]
fn a_long_line_is_read_or_refused_in_bounded_time() {
    let good = line(1, "10.0.0.1:80", "0.000");
    let dir = Dir::new();
    for (_, long) in long_lines() {
        dir.write("access.log", format!("{long}\n{good}"));
        dir.run(&["report", "access.log"]);
        dir.run(&["formats", "access.log"]);
    }
    for text in VAGUE {
        let format = LogFormat::from_string("vague", text, Escape::Default).unwrap();
        let recipe = Recipe::new(&format, None, Choice::default(), "access.log");
        for (_, long) in long_lines() {
            let mut fold = Fold::default();
            let _ = fold.line(&recipe, long.as_bytes());
            assert_eq!(fold.summary.lines.lines, 1);
        }
    }
}

#[test]
fn lines_over_a_megabyte_are_counted_and_passed_over() {
    let good = line(1, "10.0.0.1:80", "0.000");
    let long = "x".repeat(3_000_000);
    for text in [
        format!("{good}{long}\n{good}"),
        format!("{long}\n{good}{good}"),
        format!("{good}{good}{long}"),
    ] {
        let dir = Dir::with_log(text);
        let run = dir.run(&["report", "-o", "json", "-f", FORMAT, "access.log"]).code(0);
        let input = &run.json()["input"];
        assert_eq!((&input["matched"], &input["too_long"]), (&2.into(), &1.into()));
    }
}

#[test]
fn times_at_the_ends_of_the_calendar_are_shown() {
    let format = "$msec $upstream_addr $upstream_connect_time";
    for text in [
        "0.001 10.0.0.1:80 0.000\n999999999999999.999 10.0.0.1:80 0.001\n",
        "999999999999999 10.0.0.1:80 99999999999.999\n",
        "253402300800.000 10.0.0.1:80 0.000\n",
    ] {
        let dir = Dir::with_log(text);
        for output in OUTPUTS {
            assert!(dir.run(&["report", "-o", output, "-f", format, "access.log"]).code <= 1);
        }
    }
}

#[test]
fn a_format_without_end_is_refused() {
    let dir = Dir::with_log(line(1, "10.0.0.1:80", "0.000"));
    let long = "$a ".repeat(30_000);
    dir.run(&["report", "-f", &long, "access.log"]).code(2).says("variables");
    dir.write("nginx.conf", format!("log_format x '{long}'; access_log access.log x;"));
    dir.run(&["report", "-c", "nginx.conf", "access.log"]).code(2);
}

/// Bytes of which many parsers make something.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..8),
        prop::sample::select(
            &[
                "log_format x '$a ${b}';",
                "{",
                "}",
                ";",
                "'",
                "\"",
                "\\",
                "$",
                "${",
                "#",
                "\n",
                " ",
                "http {",
                "upstream a { server 10.0.0.1:80; }",
                "access_log /x y;",
                "include *;",
                "content_by_lua_block {",
                "# configuration file /x:\n",
                "escape=json",
            ][..]
        )
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn no_configuration_makes_the_parsers_panic(bytes in any_bytes()) {
        let shown = |error: &Error| error.message().replace('\n', "").chars().any(char::is_control);
        let text = String::from_utf8_lossy(&bytes);
        if let Err(error) = LogFormat::from_string("x", &text, Escape::Default) {
            prop_assert!(!shown(&error), "{:?}", error);
        }
        let _ = NginxConf::from_text("x.conf", &bytes, &DiskLoader);
        let _ = keepwarm::nginx_conf::directive(&text);
    }

    #[test]
    fn lines_that_are_read_together_are_counted_as_one_by_one(
        preset in prop::sample::select(presets::ALL),
        prefix in prop::option::of(Just("<190>Nov 21 02:03:23 web1 nginx: ")),
        lines in prop::collection::vec((any::<u64>(), 0u8..12, any::<prop::sample::Index>()), 0..100),
    ) {
        let format = preset.format().unwrap();
        let line = |(seed, change, at): &(u64, u8, prop::sample::Index)| {
            let (mut line, _) = crate::lines::line(&format, &mut crate::lines::Rng::new(*seed));
            line.splice(..0, prefix.unwrap_or_default().bytes());
            match change {
                0 => line.clear(),
                1 => line.truncate(at.index(line.len() + 1)),
                2 => line.insert(at.index(line.len() + 1), b'"'),
                3 => drop(line.remove(at.index(line.len()))),
                _ => {}
            }
            line
        };
        let lines: Vec<Vec<u8>> = lines.iter().map(line).collect();
        let found = prefix.map(|prefix| Prefix::candidates(format!("{prefix}x y").as_bytes()).unwrap().remove(0));
        prop_assert_eq!(found.is_some(), prefix.is_some());
        let recipe = Recipe::new(&format, found, Choice::default(), "access.log");
        let (mut together, mut one_by_one) = (Fold::default(), Fold::default());
        let (mut odd, mut expected) = (Vec::new(), Vec::new());
        let all = lines.iter().map(Vec::as_slice);
        let count = together.lines(&recipe, all, |number, line, mismatch| odd.push((number, line.to_vec(), mismatch)));
        prop_assert_eq!(count, lines.len() as u64);
        for (number, line) in (1..).zip(&lines) {
            if let Err(mismatch) = one_by_one.line(&recipe, line) {
                expected.push((number, line.clone(), mismatch));
            }
        }
        prop_assert_eq!(odd, expected);
        prop_assert_eq!(together.summary, one_by_one.summary);
    }

    #[test]
    fn whatever_the_lines_each_is_counted_once(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let lines: Vec<&[u8]> = bytes.split(|byte| *byte < 20).collect();
        let recipe = match keepwarm::detect::detect("x", &lines) {
            Ok(found) => Recipe::of_detected(&found, Choice::default(), "access.log"),
            Err(_) => Recipe::new(&LogFormat::from_string("x", FORMAT, Escape::Default).unwrap(), None, Choice::default(), "access.log"),
        };
        let mut fold = Fold::default();
        let errors = lines.iter().filter(|line| fold.line(&recipe, line).is_err()).count() as u64;
        let counts = fold.summary.lines;
        prop_assert_eq!(counts.lines, lines.iter().filter(|line| !line.is_empty()).count() as u64);
        prop_assert_eq!((counts.malformed, counts.matched), (errors, counts.lines - errors));
    }
}
