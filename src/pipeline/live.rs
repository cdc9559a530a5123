//! The threads of a live run.
//!
//! ```text
//! files ──── one thread ──┐
//! syslog ─── one each ────┼─ bounded channels ── fold threads ── handed over at each tick
//! stdin ──── one thread ──┘
//! ```
//!
//! All pieces of a log go to the same fold thread, which keeps what it counted and how far it has read under one lock. So
//! what is handed over is of the same lines at any moment, and can be stored as one. Channels are bounded: when folding is
//! slower than reading, files and pipes wait; datagrams wait in the kernel, which counts those that it drops.

use crate::error::Result;
use crate::fold::{Reader, Recipe};
use crate::input::follow::{Follower, Notice, Piece, Position, Positions};
use crate::input::listen::Listener;
use crate::input::{Lines, Stream};
use crate::live::part::Part;
use crate::record::error_log::ErrorLog;
use crate::summary::LineCounts;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long readers wait where there is nothing to read.
const PAUSE: Duration = Duration::from_millis(200);

/// How often folders and patterns are looked through for new files.
const RESCAN: Duration = Duration::from_secs(5);

/// Bytes that are read of all files before anything else is looked at.
const BUDGET: usize = 16 << 20;

/// Blocks that wait for a fold thread, of about 1 MiB each.
const WAITING: usize = 8;

/// Notices that nobody has taken yet; more are let go.
const MAX_NOTICES: usize = 256;

/// Lines that a format is chosen by.
const SAMPLE_LINES: usize = 100;

/// How the lines of a source are read.
#[derive(Debug, Clone)]
pub enum Reading {
    /// As those of an access log.
    Access(Arc<Recipe>),
    /// As those of an error log.
    Errors,
}

/// Chooses how to read a source by its name and its first lines; none: there is too little to tell.
pub type Choose<'a> = dyn Fn(&str, &[&[u8]]) -> Result<Option<Reading>> + Sync + 'a;

/// Where lines come from.
#[derive(Debug, Default)]
pub struct Inputs {
    /// Files.
    pub files: Option<Follower>,
    /// Syslog.
    pub listeners: Vec<Listener>,
    /// Standard input and named pipes.
    pub streams: Vec<Stream>,
}

/// What is known of one source since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceCounts {
    /// Lines, empty ones not counted.
    pub lines: u64,
    /// Lines that do not fit, and those that are too long.
    pub malformed: u64,
    /// Those for which no format was found yet.
    pub unread: u64,
    /// When its last line came, in milliseconds since the epoch.
    pub last_line_ms: Option<i64>,
    /// Why the first line did not fit.
    pub first_malformed: Option<String>,
}

/// What a fold thread counted since the last time, and how far it has read with it.
#[derive(Debug)]
pub struct Handed {
    /// Counts.
    pub part: Part,
    /// Positions behind all that was ever counted.
    pub positions: Vec<Position>,
    /// Sources since the start.
    pub sources: BTreeMap<Arc<str>, SourceCounts>,
    /// What went wrong.
    pub errors: Vec<crate::error::Error>,
    /// All followed files are among the positions. Before that they must not be stored.
    pub announced: bool,
}

/// A block of whole lines for a fold thread.
struct Job {
    source: Arc<str>,
    bytes: Vec<u8>,
    too_long: u64,
    /// Of a file: its number, and where the block ends.
    at: Option<(u64, Position)>,
    /// Lines that do not fit may be those of an error log.
    is_mixed: bool,
    /// With this block all followed files have told where they begin.
    is_announced: bool,
}

/// What a fold thread keeps.
#[derive(Debug)]
struct Counted {
    part: Part,
    positions: Positions,
    sources: BTreeMap<Arc<str>, SourceCounts>,
    errors: Vec<crate::error::Error>,
    announced: bool,
}

/// The threads, as the one that coordinates them sees them.
#[derive(Debug)]
pub struct Threads {
    counted: Vec<Mutex<Counted>>,
    notices: Receiver<Notice>,
    /// Closed when all fold threads have ended.
    ended: Receiver<()>,
    stop: AtomicBool,
    open_inputs: AtomicUsize,
    lag: AtomicU64,
    dropped: AtomicU64,
    datagrams: AtomicU64,
}

impl Threads {
    /// What was counted since the last time, thread by thread.
    pub fn hand_over(&self) -> Vec<Handed> {
        let take = |counted: &Mutex<Counted>| {
            let mut counted = counted.lock().unwrap_or_else(PoisonError::into_inner);
            Handed {
                part: counted.part.hand_over(),
                positions: counted.positions.list(),
                sources: counted.sources.clone(),
                errors: std::mem::take(&mut counted.errors),
                announced: counted.announced,
            }
        };
        self.counted.iter().map(take).collect()
    }

    /// What happened to files since the last time.
    pub fn notices(&self) -> impl Iterator<Item = Notice> {
        self.notices.try_iter()
    }

    /// Bytes of files that wait to be read.
    pub fn lag(&self) -> u64 {
        self.lag.load(Ordering::Relaxed)
    }

    /// Datagrams that were received, and those that the kernel dropped, of all listeners that can tell.
    pub fn datagrams(&self) -> (u64, u64) {
        (self.datagrams.load(Ordering::Relaxed), self.dropped.load(Ordering::Relaxed))
    }

    /// Can nothing more come? Files and sockets never end.
    pub fn is_over(&self) -> bool {
        self.open_inputs.load(Ordering::Acquire) == 0
    }

    /// Ends reading, and waits until all that was read is counted.
    pub fn finish(&self) {
        self.stop.store(true, Ordering::Release);
        // Nothing is ever sent: the channel closes with the last thread.
        let _ = self.ended.recv();
    }

    fn stops(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

/// Runs the threads, and `coordinate` in this one. When that returns all threads end.
///
/// `parts` are empty ones, one per fold thread, at least one; `now` is the time in milliseconds since the epoch.
pub fn run<R>(
    inputs: Inputs,
    parts: Vec<Part>,
    choose: &Choose<'_>,
    now: &(dyn Fn() -> i64 + Sync),
    coordinate: impl FnOnce(&Threads) -> R,
) -> Result<R> {
    let error_log = ErrorLog::new()?;
    let (notice, notices) = bounded(MAX_NOTICES);
    let (alive, ended) = bounded::<()>(0);
    let counted = |part| {
        let (positions, sources) = (Positions::default(), BTreeMap::new());
        let announced = inputs.files.is_none();
        Mutex::new(Counted { part, positions, sources, errors: Vec::new(), announced })
    };
    let count = usize::from(inputs.files.is_some()) + inputs.listeners.len() + inputs.streams.len();
    let threads = Threads {
        counted: parts.into_iter().map(counted).collect(),
        notices,
        ended,
        stop: AtomicBool::new(false),
        open_inputs: AtomicUsize::new(count),
        lag: AtomicU64::new(0),
        dropped: AtomicU64::new(0),
        datagrams: AtomicU64::new(0),
    };
    Ok(thread::scope(|scope| {
        let threads = &threads;
        let error_log = &error_log;
        let mut senders = Vec::new();
        for counted in &threads.counted {
            let (sender, jobs) = bounded::<Job>(WAITING);
            senders.push(sender);
            let alive = alive.clone();
            scope.spawn(move || {
                let mut folding = Folding {
                    choose,
                    error_log,
                    now,
                    reader: Reader::default(),
                    readings: BTreeMap::new(),
                };
                for job in jobs {
                    folding.job(&job, counted);
                }
                drop(alive);
            });
        }
        drop(alive);
        if let Some(files) = inputs.files {
            let senders = senders.clone();
            scope.spawn(move || follow(files, &senders, &notice, threads));
        }
        for (i, listener) in inputs.listeners.into_iter().enumerate() {
            let sender = senders[i % senders.len()].clone();
            scope.spawn(move || listen(listener, &sender, threads));
        }
        for (i, stream) in inputs.streams.into_iter().enumerate() {
            let sender = senders[i % senders.len()].clone();
            scope.spawn(move || read(stream, &sender, threads));
        }
        drop(senders);
        let result = coordinate(threads);
        threads.stop.store(true, Ordering::Release);
        result
    }))
}

/// Follows files until the run stops.
fn follow(
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
        threads.lag.store(progress.lag, Ordering::Relaxed);
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

fn listen(mut listener: Listener, sender: &Sender<Job>, threads: &Threads) {
    let source: Arc<str> = listener.name().into();
    let (mut received, mut dropped) = (0, 0);
    let mut asked = Instant::now();
    while !threads.stops() {
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
        let counts = listener.counts().datagrams;
        threads.datagrams.fetch_add(counts - received, Ordering::Relaxed);
        received = counts;
        if asked.elapsed() >= Duration::from_secs(1) {
            asked = Instant::now();
            let now = listener.dropped().unwrap_or(dropped);
            threads.dropped.fetch_add(now.saturating_sub(dropped), Ordering::Relaxed);
            dropped = now;
        }
    }
    let now = listener.dropped().unwrap_or(dropped);
    threads.dropped.fetch_add(now.saturating_sub(dropped), Ordering::Relaxed);
}

fn read(mut stream: Stream, sender: &Sender<Job>, threads: &Threads) {
    let source: Arc<str> = stream.name().into();
    while !threads.stops() {
        let mut sink = |bytes: &[u8], too_long: u64| {
            let (source, bytes) = (Arc::clone(&source), bytes.to_vec());
            let job =
                Job { source, bytes, too_long, at: None, is_mixed: false, is_announced: false };
            let _ = sender.send(job);
        };
        if !stream.read(PAUSE, &mut sink) {
            break;
        }
    }
    threads.open_inputs.fetch_sub(1, Ordering::AcqRel);
}

/// A fold thread.
struct Folding<'a> {
    choose: &'a Choose<'a>,
    error_log: &'a ErrorLog,
    now: &'a (dyn Fn() -> i64 + Sync),
    reader: Reader,
    readings: BTreeMap<Arc<str>, Reading>,
}

impl Folding<'_> {
    fn job(&mut self, job: &Job, counted: &Mutex<Counted>) {
        if job.is_announced {
            counted.lock().unwrap_or_else(PoisonError::into_inner).announced = true;
            return;
        }
        let now_ms = (self.now)();
        let reading = self.reading(job, counted);
        let mut counted = counted.lock().unwrap_or_else(PoisonError::into_inner);
        let Counted { part, positions, sources, .. } = &mut *counted;
        part.set_now(now_ms);
        let source = sources.entry(Arc::clone(&job.source)).or_default();
        let bytes = u64::try_from(job.bytes.len()).unwrap_or(u64::MAX);
        let too_long = job.too_long;
        part.count(LineCounts { bytes, lines: too_long, too_long, ..LineCounts::default() });
        source.lines += too_long;
        source.malformed += too_long;
        for line in Lines::new(&job.bytes).filter(|line| !line.bytes.is_empty()) {
            source.lines += 1;
            source.last_line_ms = Some(now_ms);
            self.line(job, reading.as_ref(), line.bytes, part, source);
        }
        if let Some((file, position)) = &job.at {
            positions.note(&Piece {
                log: 0,
                name: &job.source,
                file: *file,
                bytes: &job.bytes,
                too_long,
                position: position.clone(),
            });
        }
    }

    fn line(
        &mut self,
        job: &Job,
        reading: Option<&Reading>,
        line: &[u8],
        part: &mut Part,
        source: &mut SourceCounts,
    ) {
        match reading {
            Some(Reading::Access(recipe)) => {
                if job.is_mixed && self.error_log.fits(recipe.own(line)) {
                    self.error_log
                        .event(recipe.own(line))
                        .into_iter()
                        .for_each(|event| part.event(event));
                } else if let Err(mismatch) = self.reader.line(recipe, line, part) {
                    source.malformed += 1;
                    source.first_malformed.get_or_insert_with(|| mismatch.reason(line));
                }
            }
            Some(Reading::Errors) => {
                if let Some(event) = self.error_log.event(line) {
                    part.event(event);
                }
            }
            None => {
                source.unread += 1;
                part.count(LineCounts { lines: 1, malformed: 1, ..LineCounts::default() });
            }
        }
    }

    /// How to read a source, chosen by the first block that tells.
    fn reading(&mut self, job: &Job, counted: &Mutex<Counted>) -> Option<Reading> {
        if let Some(reading) = self.readings.get(&job.source) {
            return Some(reading.clone());
        }
        let lines: Vec<&[u8]> =
            Lines::new(&job.bytes).map(|line| line.bytes).take(SAMPLE_LINES).collect();
        if lines.is_empty() {
            return None;
        }
        match (self.choose)(&job.source, &lines) {
            Ok(Some(reading)) => {
                self.readings.insert(Arc::clone(&job.source), reading.clone());
                Some(reading)
            }
            Ok(None) => None,
            Err(error) => {
                let mut counted = counted.lock().unwrap_or_else(PoisonError::into_inner);
                let is_known =
                    counted.errors.len() >= MAX_NOTICES || counted.errors.contains(&error);
                if !is_known {
                    counted.errors.push(error);
                }
                None
            }
        }
    }
}
