use super::*;
use crate::record::attempt::{Attempt, Outcome};
use crate::record::error_log::{ErrorLogEvent, Kind, LocalSecond};
use crate::summary::burst::Burst;
use crate::summary::early::Beginning;
use crate::summary::keys::Key;
use crate::summary::pool::{Flight, Worker};
use crate::summary::serials::{Seen, Started};
use crate::summary::{Merge, Summary};
use proptest::prelude::*;
use std::sync::Arc;

/// One line, as far as a summary sees it.
type Line = (i64, u64, u64, u64, u32);

/// Fills every part of a summary.
fn of(lines: &[Line]) -> Summary {
    let mut summary = Summary::default();
    let log: Arc<str> = "access.log".into();
    for &(ms, pid, serial, peer, took) in lines {
        let addr = format!("10.0.0.{peer}:80");
        let worker = Worker::new(&log, Some(pid));
        let attempt = Attempt {
            addr: addr.as_bytes(),
            last_pass: true,
            outcome: if took % 3 == 0 { Outcome::Undecided } else { Outcome::New },
            stale: false,
            connect_ms: Some(took % 3),
            header_ms: None,
            response_ms: Some(took),
            bytes_sent: Some(u64::from(took % 500)),
        };
        let started = Started { undecided: 1, new_certain: 0, failed: 0 };
        summary.lines.lines += 1;
        summary.span.record(ms);
        let group = (peer > 4).then_some(&b"app"[..]);
        let entry = summary.peer(Key { group, peer: addr.as_bytes() });
        entry.record(&attempt, Some(ms));
        entry.record_sent(&attempt);
        entry.starts.record(ms, started);
        let flight = Flight {
            earliest_start: ms - i64::from(took),
            latest_start: ms - i64::from(took),
            lasted: Some(took),
            new: took % 3 > 0,
        };
        if let Some(pool) = entry.pools.of(&worker) {
            pool.record(flight);
        }
        let counter = summary.serials.counter(&log, Some(pid)).unwrap();
        counter.starts.record(ms, started);
        let (request, accepted_ms) = (Some(1), Some(ms));
        counter.record(Seen { serial, request, accepted_ms, whole_second: false });
        let life = summary.workers.of(&worker).unwrap();
        life.record((ms, ms), ms % 1000 == 0, Some(serial), Some(1));
        life.early.record(ms, Beginning { connected: 1, ..Beginning::default() });
        summary.bursts.record(ms, Burst { new_certain: 1, handshake_ms: took, peers: 1 });
        let at = LocalSecond(ms / 1000);
        summary.events.record_zone(ms, 3600);
        summary.events.record(ErrorLogEvent { at, kind: Kind::Reload, pid, about: None });
    }
    summary
}

fn lines() -> impl Strategy<Value = Vec<Line>> {
    let ms = 1_795_219_200_000..1_795_226_400_000i64;
    // Few serial numbers in one page and many; times of every form.
    let serial = prop_oneof![0..500u64, any::<u32>().prop_map(u64::from)];
    let took = prop_oneof![0..9u32, 0..100_000u32];
    prop::collection::vec((ms, 1..40u64, serial, 1..9u64, took), 0..400)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_read_back_is_what_was_stored(a in lines(), b in lines()) {
        let (a, b) = (of(&a), of(&b));
        let back: Summary = decode(&encode(&a).unwrap()).unwrap();
        prop_assert_eq!(&back, &a);
        let mut expected = a.clone();
        expected.merge(b.clone());
        let mut merged: Summary = decode(&encode(&b).unwrap()).unwrap();
        merged.merge(back);
        prop_assert_eq!(merged, expected);
    }

    #[test]
    fn damaged_bytes_are_an_error_and_never_a_panic(
        lines in lines(), at in any::<prop::sample::Index>(), bit in 0..8u8, cut in any::<bool>(),
    ) {
        let mut bytes = encode(&of(&lines)).unwrap();
        let at = at.index(bytes.len());
        if cut {
            bytes.truncate(at);
        } else {
            bytes[at] ^= 1 << bit;
        }
        let error = decode::<Summary>(&bytes).unwrap_err();
        prop_assert!(error.hint().is_some());
    }

    #[test]
    fn hostile_bytes_with_a_good_checksum_are_read_or_refused(
        lines in lines(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = encode(&of(&lines)).unwrap();
        let body = &mut bytes[HEAD..];
        for (at, byte) in changes {
            let at = at.index(body.len());
            body[at] = byte;
        }
        let sum = crc32fast::hash(body);
        bytes[14..HEAD].copy_from_slice(&sum.to_le_bytes());
        // What is accepted can be worked with.
        if let Ok(summary) = decode::<Summary>(&bytes) {
            let _ = (summary.peers.clone().sorted(), summary.workers.clone().sorted());
            let _ = summary == Summary::default();
        }
    }
}

#[test]
fn each_way_to_be_wrong_has_its_words() {
    let good = encode(&7u64).unwrap();
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    for (bytes, expected) in [
        (Vec::new(), "expected what keepwarm stored, found something else"),
        (with(0, b'K'), "expected what keepwarm stored, found something else"),
        (with(4, 9), "expected version 3 of what is stored, found 9"),
        (good[..HEAD].to_vec(), "cut: expected 1 bytes, found 0"),
        (with(HEAD, 8), "damaged: the checksum does not fit"),
        (encode(&(7u64, 8u64)).unwrap(), "damaged: 1 bytes too many"),
    ] {
        assert_eq!(decode::<u64>(&bytes).unwrap_err().message(), expected);
    }
    assert_eq!(decode::<u64>(&good), Ok(7));
}

#[test]
fn a_length_that_is_not_there_allocates_nothing() {
    // A list of 2^60 entries, says its first byte.
    let body: Vec<u8> = [0xff; 8].into_iter().chain([0x0f]).collect();
    let mut bytes = encode(&0u8).unwrap();
    bytes.truncate(HEAD);
    bytes[6..14].copy_from_slice(&9u64.to_le_bytes());
    bytes[14..HEAD].copy_from_slice(&crc32fast::hash(&body).to_le_bytes());
    bytes.extend(body);
    decode::<Vec<u64>>(&bytes).unwrap_err();
}
