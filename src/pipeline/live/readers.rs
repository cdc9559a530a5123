//! The threads that read: one for all files, one per socket, one per pipe.
#![expect(clippy::disallowed_methods, reason = "how long readers wait is measured")]

use super::{Job, Threads, Transport, lock};
use crate::input::Stream;
use crate::input::follow::{Follower, Notice, Piece};
use crate::input::listen::Listener;
use crossbeam_channel::Sender;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

/// How long readers wait where there is nothing to read.
const PAUSE: Duration = Duration::from_millis(200);

/// How often folders and patterns are looked through for new files.
const RESCAN: Duration = Duration::from_secs(5);

/// Bytes that are read of all files before anything else is looked at.
const BUDGET: usize = 16 << 20;

/// Follows files until the run stops.
pub(super) fn follow(
    mut files: Follower,
    senders: &[Sender<Job>],
    notices: &Sender<Notice>,
    threads: &Threads,
) {
    let begin = Instant::now();
    let mut scanned = begin;
    let mut names: BTreeMap<usize, Arc<str>> = BTreeMap::new();
    let mut is_first = true;
    loop {
        let now_ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut sink = |piece: Piece<'_>| {
            let source = names.entry(piece.log).or_insert_with(|| piece.name.into());
            let job = Job {
                source: Arc::clone(source),
                bytes: piece.bytes.to_vec(),
                too_long: piece.too_long,
                at: Some((piece.file, piece.position)),
                is_mixed: false,
                is_announced: false,
            };
            // A fold thread ends only when nothing can be sent any more.
            let _ = senders[piece.log % senders.len()].send(job);
        };
        let progress = files.poll(if is_first { 0 } else { BUDGET }, now_ms, &mut sink);
        for (name, lag) in files.lags() {
            let mut transports = lock(&threads.transports);
            if let Some(transport) = transports.get_mut(name) {
                transport.lag = Some(lag);
            } else {
                let transport = Transport { lag: Some(lag), ..Transport::default() };
                transports.insert(name.into(), transport);
            }
        }
        for notice in progress.notices {
            let _ = notices.try_send(notice);
        }
        if std::mem::take(&mut is_first) {
            senders.iter().for_each(announce);
            continue;
        }
        if threads.stops() {
            return;
        }
        if scanned.elapsed() >= RESCAN {
            scanned = Instant::now();
            files.rescan(now_ms);
        }
        if !progress.more {
            thread::sleep(PAUSE);
        }
    }
}

/// Tells a fold thread that all files were announced before.
fn announce(sender: &Sender<Job>) {
    let (source, bytes) = ("".into(), Vec::new());
    let job = Job { source, bytes, too_long: 0, at: None, is_mixed: false, is_announced: true };
    let _ = sender.send(job);
}

/// Receives syslog until the run stops.
pub(super) fn listen(mut listener: Listener, sender: &Sender<Job>, threads: &Threads) {
    let source: Arc<str> = listener.name().into();
    let mut asked = Instant::now();
    loop {
        let is_last = threads.stops();
        let mut sink = |bytes: &[u8]| {
            let bytes = bytes.to_vec();
            let source = Arc::clone(&source);
            let job =
                Job { source, bytes, too_long: 0, at: None, is_mixed: true, is_announced: false };
            let _ = sender.send(job);
        };
        if listener.receive(PAUSE, &mut sink).is_err() {
            thread::sleep(PAUSE);
        }
        let datagrams = listener.counts().datagrams;
        let mut dropped = None;
        if is_last || asked.elapsed() >= Duration::from_secs(1) {
            asked = Instant::now();
            dropped = listener.dropped();
        }
        let mut transports = lock(&threads.transports);
        let own = transports.entry(Arc::clone(&source)).or_default();
        own.datagrams = datagrams;
        own.dropped = dropped.unwrap_or(own.dropped);
        if is_last {
            return;
        }
    }
}

/// Reads a pipe until it ends or the run stops.
pub(super) fn read(mut stream: Stream, sender: &Sender<Job>, threads: &Threads) {
    let source: Arc<str> = stream.name().into();
    while !threads.stops() {
        let mut sink = |bytes: &[u8], too_long: u64| {
            let (source, bytes) = (Arc::clone(&source), bytes.to_vec());
            let job =
                Job { source, bytes, too_long, at: None, is_mixed: false, is_announced: false };
            let _ = sender.send(job);
        };
        if !stream.read(PAUSE, &mut sink) {
            // One that was stopped is not over.
            threads.open_inputs.fetch_sub(1, Ordering::AcqRel);
            return;
        }
    }
}
