//! Where lines come from makes no difference: plain or compressed, a file, a pipe or standard input.

use crate::util::{Dir, FORMAT, Run, finish, line};
use keepwarm::fold::{Choice, Recipe};
use keepwarm::input::{discover, plan};
use keepwarm::log_format::{Escape, LogFormat};
use keepwarm::pipeline::batch;
use serde_json::Value;
use std::fs::File;
use std::io::Write;
use std::process::Stdio;

/// A log of `count` lines with all outcomes.
pub(crate) fn log(count: u32) -> String {
    (0..count)
        .map(|i| match i % 4 {
            0 => line(i, "10.0.0.1:80", "0.001"),
            1 => line(i, "10.0.0.2:80, 10.0.0.1:80", "-, 0.000"),
            2 => line(i, "-", "-"),
            _ => line(i, "10.0.0.2:80", "0.000"),
        })
        .collect()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let options = lzma_rust2::XzOptions::with_preset(1);
    let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The report without the names of its sources.
fn nameless(run: &Run) -> Value {
    let mut report = run.json();
    report["input"]["sources"] = Value::Null;
    report
}

#[test]
fn a_compressed_log_gives_the_report_of_the_plain_one() {
    let text = log(500);
    let half = text.len() / 2;
    let dir = Dir::new();
    dir.write("plain", &text);
    let plain = dir.run(&["report", "-o", "json", "plain"]);
    assert_eq!(plain.json()["input"]["matched"], 500);
    for (name, compress) in
        [("gz", gzip as fn(&[u8]) -> Vec<u8>), ("zst", zstd), ("bz2", bzip2), ("xz", xz)]
    {
        let whole = compress(text.as_bytes());
        // Several members, cut in the middle of a line.
        let (a, b) = text.as_bytes().split_at(half);
        let members = [compress(a), compress(b)].concat();
        for bytes in [whole, members] {
            // The content tells how it is compressed, not the name.
            dir.write("log", bytes);
            let run = dir.run(&["report", "-o", "json", "log"]).code(plain.code);
            assert_eq!(nameless(&run), nameless(&plain), "{name}");
        }
    }
}

#[test]
fn a_cut_gzip_keeps_what_came_and_says_so() {
    let whole = gzip(log(2000).as_bytes());
    for length in [whole.len() - 1, whole.len() - 9, whole.len() / 2] {
        let dir = Dir::new();
        dir.write("access.log.gz", &whole[..length]);
        let run = dir.run(&["report", "-o", "json", "access.log.gz"]).says("cut short");
        assert!(run.code <= 1);
        let input = &run.json()["input"];
        assert!(input["matched"].as_u64().unwrap() > 0);
        assert!(input["malformed"].as_u64().unwrap() <= 1, "only the line that was cut: {input}");
    }
}

#[test]
fn a_log_that_is_cut_before_its_first_line_is_not_called_empty() {
    let dir = Dir::with_log(log(40));
    for compress in [gzip as fn(&[u8]) -> Vec<u8>, zstd, bzip2, xz] {
        let whole = compress(log(40).as_bytes());
        dir.write("cut.log", &whole[..14]);
        let cut = "cut.log: no whole line: cut short after 0 bytes";
        dir.run(&["report", "cut.log"]).code(2).says(cut).says("nothing to read");
        dir.run(&["formats", "cut.log"]).code(2).says(cut);
        let run = dir.run(&["report", "-o", "json", "cut.log", "access.log"]).code(0).says(cut);
        assert_eq!(run.json()["input"]["matched"], 40);
    }
    dir.write("empty.log", "");
    dir.run(&["report", "-f", FORMAT, "empty.log"]).code(2).says("nothing to read");
}

#[test]
fn a_damaged_gzip_is_named_and_the_others_are_read() {
    let dir = Dir::with_log(log(40));
    let mut bytes = gzip(log(20_000).as_bytes());
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].fill(0x55);
    dir.write("bad.log.gz", bytes);
    let run =
        dir.run(&["report", "-o", "json", "access.log", "bad.log.gz"]).code(2).says("bad.log.gz");
    assert!(run.json()["input"]["matched"].as_u64().unwrap() >= 40);
}

#[test]
fn standard_input_is_a_log() {
    let text = log(100);
    let dir = Dir::with_log(&text);
    let plain = dir.run(&["report", "-o", "json", "access.log"]);
    dir.write("x", gzip(text.as_bytes()));
    for file in ["access.log", "x"] {
        for args in [&["report", "-o", "json"][..], &["report", "-o", "json", "-"]] {
            let mut command = dir.command(args);
            command.stdin(File::open(dir.path(file)).unwrap());
            let run = finish(command.output().unwrap());
            assert_eq!(nameless(&run), nameless(&plain), "{file} {args:?}");
        }
        // A pipe can't be read twice.
        let mut command = dir.command(&["report", "-o", "json", "-"]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = child.stdin.take().unwrap();
        for part in dir.read(file).chunks(1000) {
            pipe.write_all(part).unwrap();
        }
        drop(pipe);
        let run = finish(child.wait_with_output().unwrap());
        assert_eq!(nameless(&run), nameless(&plain), "{file} through a pipe");
    }
}

#[test]
fn a_fifo_is_read_once_and_whole() {
    let text = log(100);
    let dir = Dir::with_log(&text);
    let plain = dir.run(&["report", "-o", "json", "access.log"]);
    let made = std::process::Command::new("mkfifo").arg(dir.path("fifo")).status();
    if !made.is_ok_and(|status| status.success()) {
        return; // no mkfifo command here
    }
    let mut command = dir.command(&["report", "-o", "json", "fifo"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Opening waits for the reader.
    File::options().write(true).open(dir.path("fifo")).unwrap().write_all(text.as_bytes()).unwrap();
    let run = finish(child.wait_with_output().unwrap());
    assert_eq!(nameless(&run), nameless(&plain));
}

#[test]
fn a_log_named_twice_counts_once() {
    let dir = Dir::with_log(log(40));
    std::os::unix::fs::symlink(dir.path("access.log"), dir.path("current.log")).unwrap();
    let run = dir.run(&[
        "report",
        "-o",
        "json",
        "access.log",
        "access.log",
        "current.log",
        "./access.log",
    ]);
    assert_eq!(run.json()["input"]["lines"], 40);
}

#[test]
fn a_file_that_can_not_be_read_is_said_once_whatever_its_size() {
    let dir = Dir::new();
    for name in ["a.log", "b.log"] {
        dir.write(name, line(0, "10.0.0.1:80", "0.000").repeat(50));
    }
    let inputs = ["a.log", "b.log"].map(|name| dir.path(name).to_string_lossy().into_owned());
    let found = discover(&inputs);
    let format = LogFormat::from_string("main", FORMAT, Escape::Default).unwrap();
    let recipes = vec![Recipe::new(&format, None, Choice::default(), "access.log"); 2];
    let tasks = plan(&found.sources, 100);
    assert!(tasks.len() > 20, "many ranges");
    for name in ["a.log", "b.log"] {
        std::fs::remove_file(dir.path(name)).unwrap();
    }
    let errors = batch(&tasks, &recipes, Some(2), None).unwrap().errors;
    assert_eq!(errors.len(), 2, "{errors:?}");
}
