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

/// Tells what happens to inputs. What nobody takes is counted.
pub(super) struct Tell {
    sender: Sender<Notice>,
    unsaid: u64,
}

impl Tell {
    pub(super) fn new(sender: Sender<Notice>) -> Self {
        Tell { sender, unsaid: 0 }
    }

    fn tell(&mut self, notice: Notice) {
        self.tell_unsaid();
        if self.unsaid > 0 || self.sender.try_send(notice).is_err() {
            self.unsaid += 1;
        }
    }

    /// Says how many notices were left out, as soon as there is room.
    fn tell_unsaid(&mut self) {
        if self.unsaid > 0 && self.sender.try_send(Notice::Unsaid(self.unsaid)).is_ok() {
            self.unsaid = 0;
        }
    }
}

/// Follows files until the run stops.
pub(super) fn follow(
    mut files: Follower,
    senders: &[Sender<Job>],
    mut tell: Tell,
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
            let at = Some((piece.file, piece.position));
            let bytes = piece.bytes.to_vec();
            let job = Job { at, ..Job::lines(source, bytes, piece.too_long) };
            // A fold thread ends only when nothing can be sent any more.
            let _ = senders[piece.log % senders.len()].send(job);
        };
        let progress = files.poll(if is_first { 0 } else { BUDGET }, now_ms, &mut sink);
        note_lags(&files, threads);
        tell.tell_unsaid();
        for notice in progress.notices {
            if let Notice::LetGo(name) = &notice {
                let_go(name, &mut names, senders, threads);
            }
            tell.tell(notice);
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

fn note_lags(files: &Follower, threads: &Threads) {
    let mut transports = lock(&threads.transports);
    for (name, lag) in files.lags() {
        if let Some(transport) = transports.get_mut(name) {
            transport.lag = Some(lag);
        } else {
            let transport = Transport { lag: Some(lag), ..Transport::default() };
            transports.insert(name.into(), transport);
        }
    }
}

/// Forgets a log that is gone, after the last of its lines is counted.
fn let_go(
    name: &str,
    names: &mut BTreeMap<usize, Arc<str>>,
    senders: &[Sender<Job>],
    threads: &Threads,
) {
    lock(&threads.transports).remove(name);
    let gone = names.iter().find(|(_, own)| ***own == *name).map(|(log, _)| *log);
    let Some((log, source)) = gone.and_then(|log| names.remove_entry(&log)) else { return };
    let job = Job { is_over: true, ..Job::lines(&source, Vec::new(), 0) };
    let _ = senders[log % senders.len()].send(job);
}

/// Tells a fold thread that all files were announced before.
fn announce(sender: &Sender<Job>) {
    let _ = sender.send(Job { is_announced: true, ..Job::lines(&"".into(), Vec::new(), 0) });
}

/// Receives syslog until the run stops.
pub(super) fn listen(
    mut listener: Listener,
    sender: &Sender<Job>,
    mut tell: Tell,
    threads: &Threads,
) {
    let source: Arc<str> = listener.name().into();
    let mut asked = Instant::now();
    let mut trouble = None;
    loop {
        let is_last = threads.stops();
        let mut sink = |bytes: &[u8]| {
            let job = Job { is_mixed: true, ..Job::lines(&source, bytes.to_vec(), 0) };
            let _ = sender.send(job);
        };
        let failed = listener.receive(PAUSE, &mut sink).err();
        if let Some(error) = &failed {
            if trouble != failed {
                tell.tell(Notice::CannotRead(error.clone()));
            }
            thread::sleep(PAUSE);
        }
        trouble = failed;
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
pub(super) fn read(mut stream: Stream, sender: &Sender<Job>, mut tell: Tell, threads: &Threads) {
    let source: Arc<str> = stream.name().into();
    while !threads.stops() {
        let mut sink = |bytes: &[u8], too_long: u64| {
            let _ = sender.send(Job::lines(&source, bytes.to_vec(), too_long));
        };
        let goes_on = stream.read(PAUSE, &mut sink).unwrap_or_else(|error| {
            tell.tell(Notice::CannotRead(error));
            false
        });
        if !goes_on {
            // One that was stopped is not over.
            threads.open_inputs.fetch_sub(1, Ordering::AcqRel);
            return;
        }
    }
}
