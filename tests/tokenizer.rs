//! The fast tokenizer against the slow one, and both against lines as nginx writes them.

use crate::lines::{self, Rng};
use keepwarm::log_format::variable::Field;
use keepwarm::log_format::{Escape, LogFormat, Piece, presets};
use keepwarm::record::number::{integer, millis_wide};
use keepwarm::tokenizer::{Fields, Layout, Mismatch, Tokenizer, Tokens, Wanted, reference};
use proptest::prelude::*;

/// Variables of every shape; those that fill a field of keepwarm first.
const VARIABLES: &[&str] = &[
    "upstream_addr",
    "upstream_connect_time",
    "upstream_status",
    "upstream_bytes_sent",
    "msec",
    "time_local",
    "time_iso8601",
    "proxy_host",
    "pid",
    "connection",
    "connection_requests",
    "connection_time",
    "upstream_header_time",
    "upstream_response_time",
    "upstream_bytes_received",
    "status",
    "request_time",
    "request",
    "http_user_agent",
    "remote_addr",
    "remote_user",
    "upstream_response_length",
];

/// How many of [`VARIABLES`] fill a field.
const FIELDS: usize = 15;

const LITERALS: &[&str] = &[
    " ",
    "\"",
    "\" \"",
    " \"",
    "\" ",
    "\"\"",
    "\t",
    "|",
    ":",
    ", ",
    " : ",
    " - ",
    " [",
    "] ",
    "=",
    "-",
    " rt=",
    " header=\"",
    " response=\"",
    "\" response=\"",
    "\" response-time=\"",
    ",\"upstream_response_time\":\"",
    " t1",
    " a\\\"",
    "\",\"k\":\"",
    ".",
    "0",
    "\\",
    "\\\"",
];

fn any_escape() -> impl Strategy<Value = Escape> {
    prop_oneof![3 => Just(Escape::Default), 2 => Just(Escape::Json), 1 => Just(Escape::None)]
}

/// A format of literals and the first `variables` of [`VARIABLES`], in any order.
fn any_format(variables: usize) -> impl Strategy<Value = LogFormat> {
    let piece = prop_oneof![
        prop::sample::select(LITERALS).prop_map(|text| Piece::Literal(text.into())),
        prop::sample::select(&VARIABLES[..variables]).prop_map(|name| Piece::Variable(name.into())),
    ];
    (
        prop::collection::vec(piece, 0..12),
        prop::sample::select(&VARIABLES[..variables]),
        any_escape(),
    )
        .prop_map(|(pieces, last, escape)| {
            let mut all: Vec<Piece> = Vec::new();
            // Literals side by side are one, as the parser leaves them.
            for piece in pieces.into_iter().chain([Piece::Variable(last.into())]) {
                match (all.last_mut(), piece) {
                    (Some(Piece::Literal(text)), Piece::Literal(more)) => text.extend(more),
                    (_, piece) => all.push(piece),
                }
            }
            LogFormat { name: "random".into(), escape, pieces: all }
        })
}

fn any_preset() -> impl Strategy<Value = LogFormat> {
    prop::sample::select(presets::ALL).prop_map(|preset| preset.format().unwrap())
}

/// Changes to a line: what hostile clients, cut logs and wrong formats do to it.
#[derive(Debug, Clone)]
enum Edit {
    Insert(prop::sample::Index, &'static [u8]),
    Remove(prop::sample::Index, usize),
    Cut(prop::sample::Index),
}

fn any_edits() -> impl Strategy<Value = Vec<Edit>> {
    let bytes: &[&[u8]] = &[
        b"\"", b" ", b"\\", b"\t", b"-", b", ", b" : ", b":", b"0", b"x", b"\xff", b"\0", b"[",
        b" [",
    ];
    let at = any::<prop::sample::Index>;
    let edit = prop_oneof![
        4 => (at(), prop::sample::select(bytes)).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        3 => (at(), 1usize..6).prop_map(|(at, length)| Edit::Remove(at, length)),
        1 => at().prop_map(Edit::Cut),
    ];
    prop::collection::vec(edit, 0..4)
}

fn edited(mut line: Vec<u8>, edits: &[Edit]) -> Vec<u8> {
    for edit in edits {
        match edit {
            Edit::Insert(at, bytes) => {
                let at = at.index(line.len() + 1);
                line.splice(at..at, bytes.iter().copied());
            }
            Edit::Remove(at, length) => {
                let at = at.index(line.len() + 1);
                line.drain(at..(at + length).min(line.len()));
            }
            Edit::Cut(at) => line.truncate(at.index(line.len() + 1)),
        }
    }
    line
}

/// A format and a line that it may or may not fit.
fn with_line(
    format: impl Strategy<Value = LogFormat>,
) -> impl Strategy<Value = (LogFormat, Vec<u8>)> {
    (format, any::<u64>(), any_edits()).prop_map(|(format, seed, edits)| {
        let (line, _) = lines::line(&format, &mut Rng::new(seed));
        (format, edited(line, &edits))
    })
}

fn any_fields() -> impl Strategy<Value = Vec<Field>> {
    prop::sample::subsequence(Field::ALL.to_vec(), 0..=Field::COUNT)
}

/// Is each number that was read on the way the one that stands there?
fn are_true(fields: &Fields<'_>) -> bool {
    Field::ALL.into_iter().all(|field| {
        let text = fields.get(field).unwrap_or_default();
        fields.number(field).is_none_or(|number| {
            let millis = millis_wide(text).filter(|_| text.contains(&b'.'));
            millis.and_then(|ms| u64::try_from(ms).ok()).or(integer(text)) == Some(number)
        })
    })
}

/// Values as text, for messages.
fn texts(read: Result<Tokens<'_>, Mismatch>) -> Option<Vec<(&'static str, String)>> {
    let read = read.ok()?;
    let values = Field::ALL.into_iter().filter_map(|field| Some((field, read.get(field)?)));
    Some(
        values.map(|(field, value)| (field.variable(), value.escape_ascii().to_string())).collect(),
    )
}

fn shown(format: &LogFormat, line: &[u8]) -> String {
    format!("{format} ({:?}): {}", format.escape, line.escape_ascii())
}

/// What was once read otherwise.
#[test]
fn odd_formats_are_read_as_the_slow_engine_reads_them() {
    for (escape, format, line) in [
        // A list may leave its ` : ` to the second of two that touch.
        (
            Escape::Default,
            r#"$connection $upstream_connect_time $request_length$upstream_queue_time $request_id $foo" end="#,
            r#"567 9218 : 8085957 81_x" end="#,
        ),
        // The literal's quote seems to be escaped, by itself or by what stands in front.
        (
            Escape::Json,
            r#"$remote_user"$hostname|$status]$body_bytes_sent\"$upstream_bytes_received" end"#,
            r#"a\\"b|200]7\"12" end"#,
        ),
    ] {
        let format = LogFormat::from_string("odd", format, escape).unwrap();
        for field in Field::ALL {
            let wanted = Wanted::new(&[field]);
            let fast = Tokenizer::new(&format, &wanted).tokenize(line.as_bytes());
            let slow = reference::tokenize(&Layout::new(&format, &wanted), line.as_bytes());
            assert!(slow.is_ok(), "{slow:?}");
            assert_eq!(texts(fast), texts(slow), "{}", shown(&format, line.as_bytes()));
        }
    }
}

/// Cases are cheap here, and what they look for is rare.
fn many() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: usual.cases.saturating_mul(16), max_shrink_iters: 20_000, ..usual }
}

proptest! {
    #![proptest_config(many())]

    #[test]
    fn fast_equals_slow_where_every_variable_is_wanted((format, line) in with_line(any_format(FIELDS))) {
        let wanted = Wanted::new(&Field::ALL);
        let fast = Tokenizer::new(&format, &wanted).tokenize(&line);
        prop_assert!(fast.as_ref().is_ok_and(|fast| are_true(&fast.fields())) || fast.is_err());
        let fast = texts(fast);
        let slow = texts(reference::tokenize(&Layout::new(&format, &wanted), &line));
        // The second of two variables for one field is wanted by nobody.
        if slow.is_some() || !has_doubles(&format) {
            prop_assert_eq!(fast, slow, "{}", shown(&format, &line));
        }
    }

    #[test]
    fn fast_reads_what_slow_reads_of_the_fields_that_are_wanted(
        (format, line) in with_line(prop_oneof![3 => any_format(VARIABLES.len()), 1 => any_preset()]),
        fields in any_fields(),
    ) {
        let wanted = Wanted::new(&fields);
        let tokenizer = Tokenizer::new(&format, &wanted);
        if let Ok(slow) = reference::tokenize(&Layout::new(&format, &wanted), &line) {
            let slow = texts(Ok(slow));
            for read in [tokenizer.tokenize(&line), tokenizer.tokenize_strictly(&line)] {
                prop_assert_eq!(texts(read), slow.clone(), "{:?} of {}", fields, shown(&format, &line));
            }
        }
    }

    #[test]
    fn lines_that_are_read_together_are_read_as_each_alone(
        format in prop_oneof![any_format(VARIABLES.len()), any_preset()],
        seeds in prop::collection::vec((any::<u64>(), any_edits(), any::<bool>()), 1..20),
        more in prop::collection::vec((any::<u64>(), any_edits(), any::<bool>()), 0..20),
    ) {
        let line = |(seed, edits, is_good): &(u64, Vec<Edit>, bool)| {
            let (line, _) = lines::line(&format, &mut Rng::new(*seed));
            if *is_good { line } else { edited(line, edits) }
        };
        let tokenizer = Tokenizer::new(&format, &Wanted::new(&Field::ALL));
        let rounds: [Vec<_>; 2] = [&seeds, &more].map(|seeds| seeds.iter().map(line).collect());
        let mut tokens = [const { Tokens::new(b"") }; 20];
        // In the second round nothing is left of the first.
        for lines in &rounds {
            let tokens = &mut tokens[..lines.len()];
            tokens.iter_mut().zip(lines).for_each(|(tokens, line)| tokens.restart(line));
            let read = tokenizer.tokenize_some(tokens);
            for (at, (together, line)) in tokens.iter().zip(lines).enumerate() {
                prop_assert_eq!(together.line(), &line[..]);
                let mut alone = [Tokens::new(line)];
                prop_assert_eq!(tokenizer.tokenize_some(&mut alone), read >> at & 1);
                if read >> at & 1 == 0 {
                    continue;
                }
                let (together, alone) = (together.fields(), alone[0].fields());
                for field in Field::ALL {
                    prop_assert_eq!(together.get(field), alone.get(field), "{:?} of {}", field, shown(&format, line));
                    prop_assert_eq!(together.number(field), alone.number(field), "{:?} of {}", field, shown(&format, line));
                }
            }
        }
    }

    #[test]
    fn a_line_of_a_clear_format_reads_back_as_it_was_written(
        format in prop_oneof![3 => clear_format(), 1 => any_preset()],
        seed in any::<u64>(),
        fields in any_fields(),
    ) {
        let (line, values) = lines::line(&format, &mut Rng::new(seed));
        let all = Tokenizer::new(&format, &Wanted::new(&Field::ALL));
        let expected: Vec<(&str, &[u8])> =
            format.variables().zip(values.iter().map(Vec::as_slice)).collect();
        prop_assert_eq!(all.values(&line), Ok(expected.clone()), "{}", shown(&format, &line));
        let some = Tokenizer::new(&format, &Wanted::new(&fields));
        let read = some.tokenize(&line).map_err(|error| TestCaseError::fail(format!("{error:?}: {}", shown(&format, &line))))?;
        for &field in &fields {
            let written = expected.iter().find(|(name, _)| Field::of_variable(name) == Some(field));
            prop_assert_eq!(read.get(field), written.map(|(_, value)| *value), "{:?} of {}", field, shown(&format, &line));
        }
    }

    #[test]
    fn no_line_makes_a_tokenizer_panic(
        format in any_format(VARIABLES.len()),
        line in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let tokenizer = Tokenizer::new(&format, &Wanted::new(&Field::ALL));
        if let Err(mismatch) = tokenizer.tokenize(&line) {
            prop_assert!(mismatch.column <= line.len());
            let reason = mismatch.reason(&line);
            prop_assert!(!reason.chars().any(char::is_control), "{}", reason);
        }
        let _ = tokenizer.values(&line);
    }
}

/// Only the first of two variables for one field is wanted; the second is not looked at.
fn has_doubles(format: &LogFormat) -> bool {
    let fields: Vec<Option<Field>> = format.variables().map(Field::of_variable).collect();
    (1..fields.len()).any(|at| fields[..at].contains(&fields[at]))
}

/// A format whose lines can be read in one way only: what may hold anything stands in quotes or between tabs, with
/// escapes; the rest stands between spaces and labels.
fn clear_format() -> impl Strategy<Value = LogFormat> {
    let quoted = (prop::sample::select(VARIABLES), any::<bool>())
        .prop_map(|(name, label)| format!("{}\"${name}\"", if label { "l=" } else { "" }));
    let bare = prop::sample::select(
        &[
            "$upstream_addr",
            "$upstream_connect_time",
            "uct=$upstream_connect_time",
            "ua=$upstream_addr",
            "$status",
            "$msec",
            "rt=$request_time",
            "[$time_local]",
            "$time_iso8601",
        ][..],
    )
    .prop_map(str::to_owned);
    let text =
        prop::collection::vec(prop_oneof![quoted, bare], 1..8).prop_map(|parts| parts.join(" "));
    let tabbed = prop::collection::vec(prop::sample::select(VARIABLES), 1..8).prop_map(|names| {
        names
            .iter()
            .enumerate()
            .map(|(i, name)| format!("k{i}:${name}"))
            .collect::<Vec<_>>()
            .join("\t")
    });
    let json = prop::collection::vec(prop::sample::select(VARIABLES), 1..8).prop_map(|names| {
        let pairs: Vec<String> =
            names.iter().enumerate().map(|(i, name)| format!("\"k{i}\":\"${name}\"")).collect();
        format!("{{{}}}", pairs.join(","))
    });
    let escape = prop_oneof![Just(Escape::Default), Just(Escape::Json)];
    prop_oneof![(text, escape.clone()), (tabbed, escape), (json, Just(Escape::Json)),]
        .prop_map(|(text, escape)| LogFormat::from_string("clear", &text, escape).unwrap())
}
