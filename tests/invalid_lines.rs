//! Lines that do not fit: counted, the first one shown with its place, all of them kept on demand, never fatal.

use crate::util::{Dir, FORMAT, finish, line};
use proptest::prelude::*;

/// A line that does not fit [`FORMAT`], told apart by its number.
fn bad(i: usize) -> String {
    format!("1.1.1.1 - - [21/Nov/2026:02:03:23 +0000] \"GET /{i} HTTP/1.1\" 200 oops\n")
}

/// Column of `oops`, from 1.
fn column(i: usize) -> u64 {
    bad(i).find("oops").unwrap() as u64 + 1
}

/// What one line of a generated log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Good,
    Bad,
    Empty,
    TooLong,
}

/// A log, its bad lines, and the number of the first bad one.
fn log(kinds: &[Kind]) -> (String, String, Option<usize>) {
    let (mut text, mut all_bad, mut first) = (String::new(), String::new(), None);
    for (i, kind) in kinds.iter().enumerate() {
        match kind {
            Kind::Good => text += &line(u32::try_from(i).unwrap(), "10.0.0.1:80", "0.000"),
            Kind::Bad => {
                text += &bad(i);
                all_bad += &bad(i);
                first = first.or(Some(i));
            }
            Kind::Empty => text.push('\n'),
            Kind::TooLong => {
                text += &"x".repeat((1 << 20) + 1);
                text.push('\n');
            }
        }
    }
    (text, all_bad, first)
}

fn check(kinds: &[Kind], threads: &str, chunk: &str) {
    let (text, all_bad, first) = log(kinds);
    let count = |kind: Kind| kinds.iter().filter(|k| **k == kind).count() as u64;
    let dir = Dir::with_log(&text);
    // Another log behind it, so that lines of both have to be put in order.
    dir.write("b.log", line(1, "10.0.0.1:80", "0.000") + &bad(1_000_000));
    let args = [
        "report",
        "-o",
        "json",
        "-f",
        FORMAT,
        "-j",
        threads,
        "--chunk",
        chunk,
        "--invalid-out",
        "bad.txt",
    ];
    let run = dir.run(&[&args[..], &["access.log", "b.log"]].concat());
    assert!(run.code <= 1, "{}", run.stderr);
    let kept = String::from_utf8(dir.read("bad.txt")).unwrap();
    assert_eq!(kept, all_bad + &bad(1_000_000), "-j {threads} --chunk {chunk}");
    let input = &run.json()["input"];
    assert_eq!(input["malformed"], count(Kind::Bad) + 1);
    assert_eq!(input["too_long"], count(Kind::TooLong));
    assert_eq!(input["matched"], count(Kind::Good) + 1);
    assert_eq!(input["bytes"], (text.len() + dir.read("b.log").len()) as u64);
    assert_eq!(
        input["lines"],
        count(Kind::Good) + count(Kind::Bad) + count(Kind::TooLong) + 2,
        "empty lines are no lines"
    );
    let found = &input["first_malformed"];
    let (source, number, column) = match first {
        Some(i) => ("access.log", i as u64 + 1, column(i)),
        None => ("b.log", 2, column(1_000_000)),
    };
    assert_eq!(
        (&found["source"], &found["line"]),
        (&source.into(), &number.into()),
        "{threads} {chunk}"
    );
    assert_eq!(found["column"], column);
    assert!(found["reason"].as_str().unwrap().contains("expected "), "{found}");
}

#[test]
fn the_first_bad_line_is_found_behind_any_number_of_chunks() {
    use Kind::{Bad, Empty, Good, TooLong};
    let mut kinds = vec![Good; 60];
    kinds.splice(30..33, [Empty, Bad, Bad]);
    for (threads, chunk) in [("1", "1000000"), ("2", "64"), ("8", "1"), ("8", "200")] {
        check(&kinds, threads, chunk);
    }
    // Lines that are too long have a number, too.
    for (threads, chunk) in [("1", "8388608"), ("2", "100000"), ("8", "1048576")] {
        check(&[Good, TooLong, Empty, Good, TooLong, Bad, Good], threads, chunk);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.div_ceil(16)))]

    #[test]
    fn bad_lines_are_kept_exactly_and_in_order(
        kinds in prop::collection::vec(
            prop_oneof![4 => Just(Kind::Good), 2 => Just(Kind::Bad), 1 => Just(Kind::Empty)], 1..40),
        threads in prop::sample::select(&["1", "2", "8"][..]),
        chunk in prop::sample::select(&["1", "50", "1000", "1048576"][..]),
    ) {
        check(&kinds, threads, chunk);
    }
}

#[test]
fn bad_lines_are_kept_as_they_are() {
    let bytes = b"\x00\xff\x1b[2J\xc3\r\n\"\n";
    let dir = Dir::with_log([line(1, "10.0.0.1:80", "0.000").as_bytes(), bytes].concat());
    let run = dir.run(&["report", "-f", FORMAT, "access.log", "--invalid-out", "bad.txt"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(dir.read("bad.txt"), b"\x00\xff\x1b[2J\xc3\n\"\n", "but for the line ends");
}

#[test]
fn strict_means_no_bad_line_at_all() {
    let good = line(1, "10.0.0.1:80", "0.000");
    let dir = Dir::with_log(&good);
    dir.run(&["report", "-f", FORMAT, "--strict", "access.log"]).code(0);
    dir.write("access.log", format!("{good}{}", bad(1)));
    dir.run(&["report", "-f", FORMAT, "access.log"]).code(0);
    let run = dir.run(&["report", "-f", FORMAT, "--strict", "-o", "json", "access.log"]).code(2);
    assert_eq!(run.json()["input"]["malformed"], 1, "the report is still written");
}

#[test]
fn nothing_that_matched_is_an_error_with_the_place() {
    let dir = Dir::with_log(format!("{}{}", bad(1), bad(2)));
    let run = dir.run(&["report", "-f", FORMAT, "access.log"]).code(2);
    assert!(run.stdout.is_empty());
    run.says(&format!("access.log:1:{}: expected ", column(1))).says("hint: ");
}

#[test]
fn an_output_for_bad_lines_that_can_not_be_written_is_said() {
    let dir = Dir::with_log(bad(1) + &line(1, "10.0.0.1:80", "0.000"));
    dir.run(&["report", "-f", FORMAT, "access.log", "--invalid-out", "no/such/folder"])
        .code(2)
        .says("no/such/folder");
    if std::path::Path::new("/dev/full").exists() {
        dir.run(&["report", "-f", FORMAT, "access.log", "--invalid-out", "/dev/full"])
            .code(2)
            .says("No space left");
    }
}

#[test]
fn what_is_read_is_never_written_over() {
    let log = line(0, "10.0.0.1:80", "0.000") + &bad(1);
    let dir = Dir::with_log(&log);
    dir.write("error.log", "not one\n");
    std::os::unix::fs::symlink("access.log", dir.path("link")).unwrap();
    let says = "expected a file to write, found one that is read";
    for args in [
        &["report", "--invalid-out", "access.log", "access.log"][..],
        &["report", "--invalid-out", "link", "."],
        &["report", "--invalid-out", "error.log", "--error-log", "error.log", "access.log"],
        &["watch", "--textfile", "access.log", "--once", "1s", "access.log"],
    ] {
        dir.run(args).code(2).says(says);
    }
    let mut command = dir.command(&["report", "--invalid-out", "access.log", "-"]);
    let input = std::fs::File::open(dir.path("access.log")).unwrap();
    finish(command.stdin(input).output().unwrap()).code(2).says(says);
    assert_eq!(dir.read("access.log"), log.as_bytes());
    assert_eq!(dir.read("error.log"), b"not one\n");
    dir.run(&["report", "-f", FORMAT, "--invalid-out", "new", "access.log"]).code(0);
    assert_eq!(dir.read("new"), bad(1).as_bytes());
}
