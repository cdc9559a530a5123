use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::input::buffer::MAX_LINE;
use crate::input::compression::tests::{ALL, compress};
use crate::input::{Lines, Source, compression, discover, plan};

/// What a reader made of a source: each line with its offset, the sums, and how it ended.
#[derive(Debug, Default, PartialEq)]
struct Got {
    lines: Vec<(u64, Vec<u8>)>,
    bytes: u64,
    too_long: u64,
    error: Option<String>,
}

impl Got {
    fn add(&mut self, mut reader: BlockReader<'_>) {
        loop {
            match reader.next_block() {
                Ok(None) => break,
                Ok(Some(block)) => {
                    assert!(!block.bytes.is_empty());
                    let lines = Lines::new(block.bytes)
                        .map(|line| (block.offset + line.offset as u64, line.bytes.to_vec()));
                    self.lines.extend(lines);
                    // Whether a block is given away or not makes no difference to those that follow.
                    if !self.lines.len().is_multiple_of(3) {
                        let bytes = block.bytes.to_vec();
                        let spare = Buffer::with_limits(reader.buffer.read, reader.buffer.max_line);
                        assert_eq!(reader.take_block(spare).bytes(), bytes);
                    }
                }
                Err(error) => {
                    assert_eq!(reader.next_block(), Ok(None), "after an error comes none");
                    self.error = Some(error.to_string());
                    break;
                }
            }
        }
        self.bytes += reader.summary().bytes;
        self.too_long += reader.summary().too_long;
    }
}

/// The obvious way, which all others must agree with.
fn naive(bytes: &[u8], max_line: usize) -> Got {
    let mut got = Got { bytes: bytes.len() as u64, ..Got::default() };
    let mut offset = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        if text.len() > max_line {
            got.too_long += 1;
        } else {
            got.lines.push((offset, text.strip_suffix(b"\r").unwrap_or(text).to_vec()));
        }
        offset += line.len() as u64;
    }
    got
}

/// Gives its bytes in pieces of the given sizes, over and over, then fails if told so.
struct Pieces {
    bytes: Vec<u8>,
    at: usize,
    sizes: Vec<usize>,
    turn: AtomicUsize,
    fails: bool,
}

impl Pieces {
    fn new(bytes: &[u8], sizes: &[usize]) -> Self {
        let (bytes, sizes) = (bytes.to_vec(), sizes.to_vec());
        Pieces { bytes, at: 0, sizes, turn: AtomicUsize::new(0), fails: false }
    }
}

impl Read for Pieces {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let rest = &self.bytes[self.at..];
        if rest.is_empty() && self.fails {
            return Err(io::Error::from_raw_os_error(5));
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let n = self.sizes[turn % self.sizes.len()].min(buf.len()).min(rest.len());
        buf[..n].copy_from_slice(&rest[..n]);
        self.at += n;
        Ok(n)
    }
}

fn read_stream(raw: impl Read + Send + 'static, buffer: &mut Buffer) -> Got {
    let mut got = Got::default();
    let stream = compression::open("x", Box::new(raw)).unwrap();
    got.add(BlockReader::of_stream("x", stream, buffer));
    got
}

fn file_of(bytes: &[u8]) -> (tempfile::NamedTempFile, Vec<Source>) {
    let mut file = tempfile::Builder::new().suffix(".log").tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let found = discover(&[file.path().to_str().unwrap().to_owned()]);
    assert_eq!(found.errors, []);
    (file, found.sources)
}

fn read_ranges(sources: &[Source], chunk: u64, buffer: &mut Buffer) -> Got {
    let mut got = Got::default();
    for task in plan(sources, chunk) {
        got.add(task.open(buffer).unwrap());
    }
    got
}

/// Bytes as logs have them at worst: many short lines, NULs, lone and paired CRs, some long lines.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => Just(b"\n".to_vec()),
        2 => Just(b"\r\n".to_vec()),
        1 => Just(b"\r".to_vec()),
        1 => Just(b"\0".to_vec()),
        6 => vec(any::<u8>(), 0..6),
        1 => (0_usize..90).prop_map(|n| vec![b'x'; n]),
    ];
    // Two first bytes that are neither a magic number nor UTF-16, so that the bytes are plain.
    vec(piece, 0..40).prop_map(|pieces| [b"--".to_vec(), pieces.concat()].concat())
}

proptest! {
    #[test]
    fn ranges_and_streams_give_the_lines_of_a_naive_split(
        bytes in hostile(),
        chunk in 1_u64..60,
        read in 1_usize..30,
        max_line in 1_usize..40,
        sizes in vec(1_usize..20, 1..5),
    ) {
        let expected = naive(&bytes, max_line);
        let mut buffer = Buffer::with_limits(read, max_line);
        prop_assert_eq!(&read_stream(Pieces::new(&bytes, &sizes), &mut buffer), &expected);
        let (_file, sources) = file_of(&bytes);
        prop_assert_eq!(&read_ranges(&sources, chunk, &mut buffer), &expected);
        prop_assert_eq!(&read_ranges(&sources, u64::MAX, &mut buffer), &expected);
    }

    #[test]
    fn a_compressed_log_gives_the_same_lines(bytes in hostile(), read in 1_usize..30) {
        for compression in ALL {
            let (_file, sources) = file_of(&compress(compression, &bytes));
            let got = read_ranges(&sources, 8, &mut Buffer::with_limits(read, 30));
            prop_assert_eq!(got, naive(&bytes, 30), "{:?}", compression);
        }
    }

    #[test]
    fn a_failure_comes_after_every_byte_before_it(
        bytes in hostile(),
        read in 1_usize..30,
        sizes in vec(1_usize..20, 1..5),
    ) {
        let mut pieces = Pieces::new(&bytes, &sizes);
        pieces.fails = true;
        let got = read_stream(pieces, &mut Buffer::with_limits(read, 100_000));
        let error = Some("x: Input/output error".to_owned());
        prop_assert_eq!(got, Got { error, ..naive(&bytes, 100_000) });
    }
}

#[test]
fn a_line_of_exactly_the_limit_is_kept_and_one_byte_more_is_not() {
    for read in 1..=8 {
        for (text, lines, too_long) in [
            ("12345678\n", 1, 0),
            ("12345678", 1, 0),
            ("123456789\n", 0, 1),
            ("123456789", 0, 1),
            ("a\n123456789\nb\n", 2, 1),
            ("123456789\n123456789\n12345678\n", 1, 2),
        ] {
            let mut buffer = Buffer::with_limits(read, 8);
            let streamed = read_stream(Pieces::new(text.as_bytes(), &[3]), &mut buffer);
            assert_eq!((streamed.lines.len(), streamed.too_long), (lines, too_long), "{text:?}");
            let (_file, sources) = file_of(text.as_bytes());
            assert_eq!(read_ranges(&sources, 2, &mut buffer), streamed, "{text:?}");
        }
    }
}

#[test]
fn blocks_count_the_lines_skipped_before_them() {
    let stream = compression::open("x", Box::new(&b"a\n123456789\nb\nc\n"[..])).unwrap();
    let mut buffer = Buffer::with_limits(4, 8);
    let mut reader = BlockReader::of_stream("x", stream, &mut buffer);
    let mut seen = Vec::new();
    while let Some(block) = reader.next_block().unwrap() {
        seen.extend(Lines::new(block.bytes).map(|line| (line.bytes[0], block.too_long_before)));
    }
    assert_eq!(seen, [(b'a', 0), (b'b', 1), (b'c', 1)]);
}

#[test]
fn a_file_that_shrinks_while_it_is_read_ends_quietly() {
    let (file, sources) = file_of(b"one\ntwo\nthree\nfour\n");
    let tasks = plan(&sources, 8);
    let mut buffer = Buffer::with_limits(4, 8);
    let mut got = Got::default();
    got.add(tasks[0].open(&mut buffer).unwrap());
    file.as_file().set_len(10).unwrap();
    for task in &tasks[1..] {
        got.add(task.open(&mut buffer).unwrap());
    }
    assert_eq!(got, naive(b"one\ntwo\nth", 8));
}

#[test]
fn what_is_appended_after_the_file_was_found_is_not_read() {
    let (mut file, sources) = file_of(b"one\ntw");
    file.write_all(b"o\nthree\n").unwrap();
    let got = read_ranges(&sources, 2, &mut Buffer::new());
    assert_eq!(got, naive(b"one\ntw", 8));
}

#[test]
fn a_warning_names_its_source() {
    let stored = compress(compression::Compression::Gzip, b"one\ntwo\n");
    let (_file, sources) = file_of(&stored[..stored.len() - 1]);
    let mut buffer = Buffer::new();
    let task = &plan(&sources, 8)[0];
    let mut reader = task.open(&mut buffer).unwrap();
    while reader.next_block().unwrap().is_some() {}
    let expected = format!("{}: cut short after 8 bytes", task.source().name());
    assert_eq!(reader.summary(), ReadSummary { bytes: 8, too_long: 0, warning: Some(expected) });
}

#[test]
fn an_empty_file_is_one_task_without_lines() {
    let (_file, sources) = file_of(b"");
    assert_eq!(plan(&sources, 8).len(), 1);
    assert_eq!(read_ranges(&sources, 8, &mut Buffer::new()), Got::default());
}

#[test]
fn a_long_file_in_small_reads_needs_no_more_memory_than_the_buffer() {
    let long = vec![b'x'; 3 << 20];
    let mut buffer = Buffer::new();
    let got = read_stream(Pieces::new(&long, &[100]), &mut buffer);
    assert_eq!((got.lines.len(), got.too_long, got.bytes), (0, 1, 3 << 20));
    assert_eq!(buffer.bytes.len(), Buffer::new().bytes.len());
}

#[test]
fn a_plain_file_is_read_in_steps_and_its_lines_are_those_of_one_read() {
    // Lines end just before, at and just behind the step, and one is longer than it.
    let mut text = Vec::new();
    for length in [PLAIN - 2, PLAIN, PLAIN - 1, 3 * PLAIN, 5, PLAIN / 2] {
        text.resize(text.len() + length, b'x');
        text.push(b'\n');
    }
    let (_file, sources) = file_of(&text);
    let mut buffer = Buffer::new();
    assert_eq!(read_ranges(&sources, u64::MAX, &mut buffer), naive(&text, MAX_LINE));
    let mut reader = plan(&sources, u64::MAX)[0].open(&mut buffer).unwrap();
    while let Some(block) = reader.next_block().unwrap() {
        // What one read adds, behind what was left of the one before.
        let left = Lines::new(block.bytes).next().map_or(0, |line| line.bytes.len());
        assert!(block.bytes.len() <= left + 1 + PLAIN, "{} bytes", block.bytes.len());
    }
}
