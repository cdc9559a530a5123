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

mod folding;
mod readers;

use crate::error::{Error, ErrorKind, Result};
use crate::fold::Recipe;
use crate::input::Stream;
use crate::input::follow::{Follower, Notice, Position, Positions};
use crate::input::listen::Listener;
use crate::live::part::Part;
use crate::record::error_log::ErrorLog;
use crossbeam_channel::{Receiver, bounded};
use folding::Folding;
use readers::Tell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Scope};

/// Blocks that wait for a fold thread, of about 1 MiB each.
const WAITING: usize = 8;

/// Notices that nobody has taken yet; more are let go.
const MAX_NOTICES: usize = 256;

/// How the lines of a source are read.
#[derive(Debug, Clone)]
pub enum Reading {
    /// As those of an access log.
    Access(Arc<Recipe>),
    /// As those of an error log.
    Errors,
    /// Not at all, as their format logs nothing of upstreams.
    Nothing,
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
    /// Lines that are too long.
    pub too_long: u64,
    /// Those for which no format was found yet.
    pub unread: u64,
    /// It is an error log, or its format logs nothing of upstreams.
    pub is_other: bool,
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
    /// Sources since the start. A log that was let go is here once more, and then no longer.
    pub sources: BTreeMap<Arc<str>, SourceCounts>,
    /// What went wrong.
    pub errors: Vec<crate::error::Error>,
    /// All followed files are among the positions. Before that they must not be stored.
    pub announced: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
    /// Nothing more comes of the source: it is to be forgotten.
    is_over: bool,
}

impl Job {
    fn lines(source: &Arc<str>, bytes: Vec<u8>, too_long: u64) -> Self {
        let source = Arc::clone(source);
        let (at, is_mixed, is_announced, is_over) = (None, false, false, false);
        Job { source, bytes, too_long, at, is_mixed, is_announced, is_over }
    }
}

/// What a fold thread keeps.
#[derive(Debug)]
struct Counted {
    part: Part,
    positions: Positions,
    sources: BTreeMap<Arc<str>, SourceCounts>,
    errors: Vec<crate::error::Error>,
    announced: bool,
    /// Sources to be forgotten once they are handed over for the last time.
    over: Vec<Arc<str>>,
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
    transports: Mutex<BTreeMap<Arc<str>, Transport>>,
}

/// What is known of a source apart from its lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Transport {
    /// Of a log that is followed: bytes that wait to be read.
    pub lag: Option<u64>,
    /// Datagrams that were received.
    pub datagrams: u64,
    /// Datagrams that the kernel dropped, where it can tell.
    pub dropped: u64,
}

impl Threads {
    /// None of them has begun.
    fn new(
        inputs: &Inputs,
        parts: Vec<Part>,
        notices: Receiver<Notice>,
        ended: Receiver<()>,
    ) -> Self {
        let counted = |part| {
            let (positions, sources) = (Positions::default(), BTreeMap::new());
            let announced = inputs.files.is_none();
            let (errors, over) = (Vec::new(), Vec::new());
            Mutex::new(Counted { part, positions, sources, errors, announced, over })
        };
        let count = usize::from(inputs.files.is_some()) + inputs.listeners.len();
        Threads {
            counted: parts.into_iter().map(counted).collect(),
            notices,
            ended,
            stop: AtomicBool::new(false),
            open_inputs: AtomicUsize::new(count + inputs.streams.len()),
            transports: Mutex::default(),
        }
    }

    /// What was counted since the last time, thread by thread.
    pub fn hand_over(&self) -> Vec<Handed> {
        let take = |counted: &Mutex<Counted>| {
            let mut counted = lock(counted);
            let sources = counted.sources.clone();
            for name in std::mem::take(&mut counted.over) {
                counted.sources.remove(&name);
            }
            Handed {
                part: counted.part.hand_over(),
                positions: counted.positions.list(),
                sources,
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

    /// What is known of the sources apart from their lines, by name.
    pub fn transports(&self) -> BTreeMap<Arc<str>, Transport> {
        lock(&self.transports).clone()
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
///
/// # Errors
/// Kind `Io` if a thread can't be started, whereupon those that were end, or the patterns for error logs can't be compiled.
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
    let threads = Threads::new(&inputs, parts, notices, ended);
    thread::scope(|scope| {
        let threads = &threads;
        let error_log = &error_log;
        let _stop = Stop(threads);
        let mut senders = Vec::new();
        for counted in &threads.counted {
            let (sender, jobs) = bounded::<Job>(WAITING);
            senders.push(sender);
            let alive = alive.clone();
            start(scope, move || {
                let mut folding = Folding::new(choose, error_log, now);
                for job in jobs {
                    folding.job(&job, counted);
                }
                drop(alive);
            })?;
        }
        drop(alive);
        if let Some(files) = inputs.files {
            let senders = senders.clone();
            let tell = Tell::new(notice.clone());
            start(scope, move || readers::follow(files, &senders, tell, threads))?;
        }
        for (i, listener) in inputs.listeners.into_iter().enumerate() {
            let sender = senders[i % senders.len()].clone();
            let tell = Tell::new(notice.clone());
            start(scope, move || readers::listen(listener, &sender, tell, threads))?;
        }
        for (i, stream) in inputs.streams.into_iter().enumerate() {
            let sender = senders[i % senders.len()].clone();
            let tell = Tell::new(notice.clone());
            start(scope, move || readers::read(stream, &sender, tell, threads))?;
        }
        drop(senders);
        Ok(coordinate(threads))
    })
}

/// Starts one of the threads of a run, if the system has one to give.
fn start<'scope>(
    scope: &'scope Scope<'scope, '_>,
    run: impl FnOnce() + Send + 'scope,
) -> Result<()> {
    let thread = thread::Builder::new().spawn_scoped(scope, run);
    thread.map(drop).map_err(|error| Error::new(ErrorKind::Io, format!("threads: {error}")))
}

/// Stops the threads at the end, also that of a panic or where one can't be started: they would be waited for else.
struct Stop<'a>(&'a Threads);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Release);
    }
}
