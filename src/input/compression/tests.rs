use std::io::Write;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// All there is to undo.
pub(in crate::input) const ALL: [Compression; 4] =
    [Compression::Gzip, Compression::Zstd, Compression::Bzip2, Compression::Xz];

/// One member that holds `bytes`.
pub(in crate::input) fn compress(compression: Compression, bytes: &[u8]) -> Vec<u8> {
    match compression {
        Compression::Plain => bytes.to_vec(),
        Compression::Gzip => {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Zstd => {
            let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
            encoder.include_checksum(true).unwrap();
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Bzip2 => {
            let level = bzip2::Compression::fast();
            let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Xz => {
            let options = lzma_rust2::XzOptions::with_preset(0);
            let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
    }
}

/// The plain bytes, the warning and the error of a source with these stored bytes.
fn read(stored: &[u8]) -> (Vec<u8>, Option<String>, Option<Error>) {
    let mut opened = match open("x", Box::new(io::Cursor::new(stored.to_vec()))) {
        Ok(opened) => opened,
        Err(error) => return (Vec::new(), None, Some(error)),
    };
    let mut plain = Vec::new();
    let result = opened.read_to_end(&mut plain);
    let error = result.err().map(|error| opened.get_ref().explain("x", &error));
    (plain, opened.get_ref().warning().map(str::to_owned), error)
}

/// Lines that compress to something longer than a few blocks.
fn log(lines: u32) -> Vec<u8> {
    let line = |n: u32| format!("10.0.0.{} GET /{} 200\n", n % 251, n.wrapping_mul(2_654_435_761));
    (0..lines).flat_map(|n| line(n).into_bytes()).collect()
}

proptest! {
    #[test]
    fn what_was_compressed_in_members_is_read_back(
        members in vec(vec(any::<u8>(), 0..300), 1..4),
    ) {
        // Two first bytes that are neither a magic number nor UTF-16: those are refused.
        let members: Vec<_> = members.into_iter().map(|m| [b"--".to_vec(), m].concat()).collect();
        for compression in ALL {
            let stored: Vec<_> = members.iter().flat_map(|m| compress(compression, m)).collect();
            prop_assert_eq!(read(&stored), (members.concat(), None, None), "{:?}", compression);
        }
    }

    #[test]
    fn a_cut_gives_a_prefix_and_a_warning(
        at in any::<prop::sample::Index>(), in_second in any::<bool>(),
    ) {
        for compression in ALL {
            let member = compress(compression, &log(300));
            let (stored, plain) = (member.repeat(2), log(300).repeat(2));
            // Within the first magic number only gzip can be told from text.
            let shortest = if compression == Compression::Gzip { 0 } else { LONGEST_MAGIC };
            let before = if in_second { member.len() } else { 0 };
            let cut = before + shortest + at.index(member.len() - shortest);
            let (got, warning, error) = read(&stored[..cut]);
            prop_assert_eq!(error, None, "{:?} at {}", compression, cut);
            prop_assert!(plain.starts_with(&got), "{:?} at {}", compression, cut);
            let between = cut == 0 || cut == member.len();
            let expected = (!between).then(|| format!("cut short after {} bytes", got.len()));
            prop_assert_eq!(warning, expected, "{:?} at {}", compression, cut);
        }
    }

    #[test]
    fn damaged_data_never_panics(
        at in any::<prop::sample::Index>(), byte in any::<u8>(), tail in vec(any::<u8>(), 0..64),
    ) {
        for compression in ALL {
            let mut stored = compress(compression, &log(100));
            let at = at.index(stored.len());
            stored[at] = byte;
            read(&stored);
            stored.truncate(at);
            stored.extend(&tail);
            read(&stored);
        }
    }
}

#[test]
fn all_that_nginx_flushed_is_read_from_a_gzip_log_still_being_written() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for line in log(5000).split_inclusive(|byte| *byte == b'\n') {
        encoder.write_all(line).unwrap();
        encoder.flush().unwrap();
    }
    let (plain, warning, error) = read(encoder.get_ref());
    assert!(plain == log(5000));
    assert_eq!(warning.unwrap(), format!("cut short after {} bytes", log(5000).len()));
    assert_eq!(error, None);
}

#[test]
fn what_follows_the_members_is_said_and_does_not_stop_the_reading() {
    for compression in ALL {
        let stored = compress(compression, b"one\n");
        let tool = compression.name();
        let zeros = [stored.clone(), vec![0; 100_000]].concat();
        let (plain, warning, error) = read(&zeros);
        assert_eq!((&plain[..], error), (&b"one\n"[..], None), "{tool}");
        let padded = "100000 zero bytes behind the compressed data, after 4 bytes".to_owned();
        assert_eq!(warning, (compression != Compression::Xz).then_some(padded), "{tool}");

        let garbage = [&stored[..], b"garbage\n"].concat();
        let ignored = format!("ignored what follows after 4 bytes: it is not {tool} data");
        assert_eq!(read(&garbage), (b"one\n".to_vec(), Some(ignored), None), "{tool}");

        let hole = [&stored[..], &[0; 64], &stored[..]].concat();
        let (plain, _, error) = read(&hole);
        assert_eq!((&plain[..], error), (&b"one\none\n"[..], None), "{tool}");
    }
}

#[test]
fn skippable_frames_of_zstd_are_skipped() {
    let skippable = b"\x50\x2a\x4d\x18\x04\0\0\0abcd";
    let frame = compress(Compression::Zstd, b"one\n");
    let stored = [skippable, &frame[..], skippable, &frame[..]].concat();
    assert_eq!(read(&stored), (b"one\none\n".to_vec(), None, None));
}

#[test]
fn damage_in_the_middle_is_an_error_after_the_lines_before_it() {
    let plain = log(200_000);
    for compression in ALL {
        let mut stored = compress(compression, &plain);
        let middle = stored.len() / 2;
        stored[middle..middle + 64].fill(0xff);
        let (got, _, error) = read(&stored);
        let (error, tool) = (error.unwrap(), compression.name());
        // Some decoders notice only at a checksum, a block later.
        let sound = got.iter().zip(&plain).take_while(|(a, b)| a == b).count();
        assert!(sound > plain.len() / 4, "{tool}: {sound}");
        let expected = format!("x: corrupt {tool} data after {} bytes: ", got.len());
        assert!(error.message().starts_with(&expected), "{error}");
        assert_eq!(error.hint().unwrap(), format!("`{tool} -t FILE` checks the file"));
    }
}

#[test]
fn the_memory_of_decoders_is_bounded() {
    // A zstd frame header that asks for a window of 2 GB.
    let stored = b"\x28\xb5\x2f\xfd\0\xa8\x01\0\0";
    let error = read(stored).2.unwrap();
    assert_eq!(
        error.message(),
        "x: expected zstd data that needs at most 128 MB of memory, found more"
    );
    assert!(error.hint().unwrap().contains("zstd -dc --long=31"));
}

#[test]
fn logs_are_told_from_each_other_by_content() {
    let cases: [(&[u8], Compression); 9] = [
        (b"", Compression::Plain),
        (b"\n", Compression::Plain),
        (b"10.0.0.1 - -", Compression::Plain),
        (b"\0\0\0\0\0\0\0\0\0\0\0\0", Compression::Plain),
        (b"BZhello world", Compression::Plain),
        (b"\x1f", Compression::Gzip),
        (b"\x1f\x8b\x08", Compression::Gzip),
        (b"BZh91AY&SY", Compression::Bzip2),
        (b"BZh9\x17\x72\x45\x38\x50\x90", Compression::Bzip2),
    ];
    for (head, expected) in cases {
        assert_eq!(detect("x", Box::new(head)), Ok(expected), "{head:?}");
    }
    for compression in ALL {
        let stored = io::Cursor::new(compress(compression, b"one\n"));
        assert_eq!(detect("x", Box::new(stored)), Ok(compression));
    }
}

fn tar() -> Vec<u8> {
    let mut tar = vec![0; 1024];
    tar[..10].copy_from_slice(b"access.log");
    tar[257..262].copy_from_slice(b"ustar");
    tar
}

#[test]
fn what_is_no_log_is_refused_with_a_way_out() {
    let utf16: Vec<u8> = "10.0.0.1 - -".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let with_mark = [b"\xff\xfe", &utf16[..]].concat();
    let cases: [(&[u8], &str, &str); 9] = [
        (&tar(), "a tar archive", "tar -xOf"),
        (&compress(Compression::Gzip, &tar()), "a tar archive", "tar -xOf"),
        (b"PK\x03\x04\x14\0", "a zip archive", "unzip -p"),
        (&utf16, "UTF-16 text", "iconv"),
        (&with_mark, "UTF-16 text", "iconv"),
        (&compress(Compression::Xz, &utf16), "UTF-16 text", "iconv"),
        (b"\x1f\x9d\x90abc", "compress (.Z) data", "gzip -dc"),
        (b"\x04\x22\x4d\x18abc", "lz4 data", "lz4 -dc"),
        (
            &compress(Compression::Zstd, &compress(Compression::Gzip, b"one\n")),
            "gzip data inside zstd data",
            "zstd -dc",
        ),
    ];
    for (stored, what, hint) in cases {
        let error = read(stored).2.unwrap();
        assert_eq!(error.kind(), ErrorKind::Input);
        assert_eq!(error.message(), format!("x: expected a log, found {what}"));
        assert!(error.hint().unwrap().contains(hint), "{:?}", error.hint());
    }
}
