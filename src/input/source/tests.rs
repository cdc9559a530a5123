use std::io::{Read, Write};
use std::os::fd::AsRawFd;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::input::compression::tests::compress;
use crate::input::discover;

fn source_at(path: &Path) -> Source {
    Source::at(path, "x".to_owned()).unwrap().0
}

/// A source that is a pipe holding these bytes, as `<(…)` gives it.
fn pipe_of(bytes: &[u8]) -> (Source, io::PipeReader) {
    let (reader, mut writer) = io::pipe().unwrap();
    writer.write_all(bytes).unwrap();
    let path = format!("/dev/fd/{}", reader.as_raw_fd());
    let mut found = discover(&[path]);
    assert_eq!(found.errors, []);
    (found.sources.remove(0), reader)
}

fn all_of(source: &Source) -> Vec<u8> {
    let mut bytes = Vec::new();
    source.open().unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    compress(Compression::Gzip, bytes)
}

#[test]
fn a_sample_is_whole_lines_within_both_limits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    for (text, max_lines, max_bytes, expected, complete) in [
        ("a\nb\nc\n", 2, 99, "a\nb\n", false),
        ("a\nb\nc\n", 3, 99, "a\nb\nc\n", false),
        ("a\nb\nc\n", 4, 99, "a\nb\nc\n", true),
        ("a\nb\nc\n", 9, 5, "a\nb\n", false),
        ("a\nb\nc\n", 9, 6, "a\nb\nc\n", true),
        ("a\nb", 9, 99, "a\nb", true),
        ("a\nb", 1, 99, "a\n", false),
        ("a\nb", 9, 2, "a\n", false),
        ("aaaa", 9, 3, "", false),
        ("a\nb", 0, 99, "", false),
        ("", 9, 99, "", true),
    ] {
        fs::write(&path, text).unwrap();
        let sample = sample(&source_at(&path), max_lines, max_bytes).unwrap();
        assert_eq!(
            (&sample.bytes[..], sample.complete),
            (expected.as_bytes(), complete),
            "{text:?}"
        );
        assert_eq!(sample.lines().count(), expected.lines().count());
    }
}

proptest! {
    #[test]
    fn sampling_a_pipe_loses_nothing(
        text in vec(prop_oneof![Just(b'\n'), b'a'..=b'z'], 0..4000),
        max_lines in 0_usize..50,
        max_bytes in 0_usize..3000,
        compressed in any::<bool>(),
    ) {
        let stored = if compressed { gzip(&text) } else { text.clone() };
        let (source, _reader) = pipe_of(&stored);
        let first = sample(&source, max_lines, max_bytes).unwrap();
        prop_assert!(text.starts_with(&first.bytes));
        prop_assert_eq!(&sample(&source, max_lines, max_bytes).unwrap(), &first);
        prop_assert_eq!(all_of(&source), text);
    }
}

#[test]
fn a_pipe_can_be_opened_once() {
    let (source, _reader) = pipe_of(b"one\n");
    assert_eq!(all_of(&source), b"one\n");
    let error = source.open().unwrap_err();
    assert!(error.message().ends_with("a stream can be read only once"), "{error}");
    assert!(sample(&source, 1, 9).is_err());
}

#[test]
fn a_sample_of_what_cannot_be_decompressed_is_an_error() {
    let (source, _reader) = pipe_of(b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xff\xff\xff");
    let error = sample(&source, 9, 99).unwrap_err();
    assert!(error.message().contains("corrupt gzip data after 0 bytes"), "{error}");
    let mut opened = source.open().unwrap();
    assert!(opened.read(&mut [0; 9]).is_err(), "the reader meets it too");
}

#[test]
fn a_file_that_was_renamed_is_still_found_and_one_that_was_replaced_is_not_mistaken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    fs::write(&path, "old\n").unwrap();
    let source = source_at(&path);
    fs::rename(&path, folder.path().join("access.log.1")).unwrap();
    assert_eq!(all_of(&source), b"old\n");
    fs::write(&path, "new\n").unwrap();
    assert_eq!(all_of(&source), b"old\n");
    // Not removed: its inode number would be free to be used again.
    let elsewhere = tempfile::tempdir().unwrap();
    fs::rename(folder.path().join("access.log.1"), elsewhere.path().join("old")).unwrap();
    let error = source.open().unwrap_err();
    assert_eq!(error.message(), "x: removed or replaced while it was read");
}

#[test]
fn a_compressed_file_is_read_up_to_the_size_it_had() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log.gz");
    fs::write(&path, gzip(b"one\n")).unwrap();
    let source = source_at(&path);
    assert_eq!(source.plain_size(), None);
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(&gzip(b"two\n")).unwrap();
    assert_eq!(all_of(&source), b"one\n");
}
