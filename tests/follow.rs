//! Following a log through rotation, whatever happens between two looks: each line exactly once.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use keepwarm::input::follow::{Follower, Options, Piece};
use proptest::prelude::*;
use tempfile::TempDir;

/// What can happen.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// A worker writes some lines.
    Write(bool, u8),
    /// The follower reads up to this many bytes.
    Poll(usize),
    /// `access.log` becomes `access.log.1` and so on; the workers still write to the old file.
    Rename,
    /// The same, as nginx's `create`-less rotation does it: there is no `access.log` until a worker reopens it.
    RenameOnly,
    /// The follower looks through folders and patterns again.
    Rescan,
    /// One worker reopens its log.
    Reopen(bool),
    CopyTruncate,
    /// logrotate's `compress`, or `delaycompress`.
    Gzip(u8),
    /// Killed, and started again.
    Restart,
    /// Quiet for longer than the grace time.
    Pass,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => (any::<bool>(), 1..20_u8).prop_map(|(worker, lines)| Event::Write(worker, lines)),
        4 => prop_oneof![Just(0), 1..2_000_usize, Just(usize::MAX)].prop_map(Event::Poll),
        1 => Just(Event::Rename),
        1 => Just(Event::RenameOnly),
        1 => Just(Event::Rescan),
        3 => any::<bool>().prop_map(Event::Reopen),
        1 => Just(Event::CopyTruncate),
        2 => (1..4_u8).prop_map(Event::Gzip),
        2 => Just(Event::Restart),
        1 => Just(Event::Pass),
    ];
    prop::collection::vec(event, 1..60)
}

/// A folder with a log, two workers that write to it, and a follower.
struct World {
    folder: TempDir,
    workers: [(File, PathBuf); 2],
    /// What is followed, in the folder.
    arg: &'static str,
    follower: Follower,
    written: u32,
    got: Vec<String>,
    now_ms: u64,
    /// Seconds since 1970 for the times of files: the clock of the file system is too coarse.
    written_at: u64,
}

fn args(folder: &Path, arg: &str) -> Vec<String> {
    vec![folder.join(arg).to_str().unwrap().to_owned()]
}

fn open(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}

impl World {
    fn new(arg: &'static str) -> Self {
        let folder = TempDir::new().unwrap();
        let log = folder.path().join("access.log");
        let workers = [0, 1].map(|_| (open(&log), log.clone()));
        let options = Options { from_beginning: true, ..Options::default() };
        let follower = Follower::new(&args(folder.path(), arg), options, 0).unwrap();
        let mut world = World {
            folder,
            workers,
            arg,
            follower,
            written: 0,
            got: vec![],
            now_ms: 0,
            written_at: 0,
        };
        world.stamp(&log);
        world
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("access.log")
    }

    fn rotated(&self, number: u8, end: &str) -> PathBuf {
        self.folder.path().join(format!("access.log.{number}{end}"))
    }

    fn stamp(&mut self, path: &Path) {
        self.written_at += 1;
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + self.written_at);
        open(path).set_modified(time).unwrap();
    }

    fn write(&mut self, worker: usize, lines: u8) {
        let mut text = String::new();
        for _ in 0..lines {
            writeln!(text, "{:06} worker {worker} GET / HTTP/1.1", self.written).unwrap();
            self.written += 1;
        }
        let (file, path) = &mut self.workers[worker];
        file.write_all(text.as_bytes()).unwrap();
        let path = path.clone();
        self.stamp(&path);
    }

    fn reopen(&mut self, worker: usize) {
        let log = self.log();
        let is_new = !log.exists();
        self.workers[worker] = (open(&log), log.clone());
        if is_new {
            self.stamp(&log);
        }
    }

    fn poll(&mut self, budget: usize) -> bool {
        let got = &mut self.got;
        let mut sink = |piece: Piece<'_>| {
            let text = std::str::from_utf8(piece.bytes).unwrap();
            got.extend(text.lines().map(str::to_owned));
        };
        let progress = self.follower.poll(budget, self.now_ms, &mut sink);
        progress.more
    }

    /// `.1` becomes `.2`, and so on.
    fn shift(&mut self) {
        for number in (1..60).rev() {
            for end in ["", ".gz"] {
                let (from, to) = (self.rotated(number, end), self.rotated(number + 1, end));
                if from.exists() {
                    fs::rename(&from, &to).unwrap();
                    for (_, path) in self.workers.iter_mut().filter(|(_, path)| *path == from) {
                        path.clone_from(&to);
                    }
                }
            }
        }
    }

    fn happen(&mut self, event: Event) {
        let (log, first) = (self.log(), self.rotated(1, ""));
        match event {
            Event::Write(worker, lines) => self.write(usize::from(worker), lines),
            Event::Poll(budget) => {
                self.poll(budget);
            }
            Event::Rename | Event::RenameOnly => {
                if log.exists() {
                    self.shift();
                    fs::rename(&log, &first).unwrap();
                }
                for (_, path) in self.workers.iter_mut().filter(|(_, path)| *path == log) {
                    path.clone_from(&first);
                }
                if matches!(event, Event::Rename) {
                    open(&log);
                    self.stamp(&log);
                }
            }
            Event::Rescan => self.follower.rescan(self.now_ms),
            Event::Reopen(worker) => self.reopen(usize::from(worker)),
            Event::CopyTruncate => {
                self.reopen(0);
                self.reopen(1);
                self.shift();
                fs::copy(&log, &first).unwrap();
                self.stamp(&first);
                File::create(&log).unwrap();
                self.stamp(&log);
            }
            Event::Gzip(number) => self.gzip(number),
            Event::Restart => {
                let positions = self.follower.positions();
                let args = args(self.folder.path(), self.arg);
                let options = Options::default();
                self.follower = Follower::resume(&args, options, &positions, self.now_ms).unwrap();
            }
            Event::Pass => {
                self.reopen(0);
                self.reopen(1);
                self.now_ms += 61_000;
            }
        }
    }

    /// As gzip does it: the new file keeps the time of the old one.
    fn gzip(&mut self, number: u8) {
        let (from, to) = (self.rotated(number, ""), self.rotated(number, ".gz"));
        if !from.exists() || self.workers.iter().any(|(_, path)| *path == from) {
            return;
        }
        let file = File::create(&to).unwrap();
        let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        encoder.write_all(&fs::read(&from).unwrap()).unwrap();
        let modified = fs::metadata(&from).unwrap().modified().unwrap();
        encoder.finish().unwrap().set_modified(modified).unwrap();
        fs::remove_file(from).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_line_comes_out_exactly_once(
        events in events(),
        arg in prop::sample::select(vec!["access.log", "", "*.log", "*.log*"]),
    ) {
        let mut world = World::new(arg);
        world.poll(0);
        for event in events {
            world.happen(event);
        }
        // Without its name a log waits.
        world.happen(Event::Reopen(true));
        world.happen(Event::Rescan);
        while world.poll(usize::MAX) {}
        let mut numbers: Vec<u32> = world.got.iter().map(|line| line[..6].parse().unwrap()).collect();
        numbers.sort_unstable();
        prop_assert_eq!(numbers, (0..world.written).collect::<Vec<u32>>());
    }
}

/// A rare one: what an empty file got after the last look is compressed, and then somebody starts anew.
#[test]
fn a_file_filled_and_compressed_while_nobody_looked_is_read() {
    let mut world = World::new("access.log");
    let before = [Event::Rename, Event::Reopen(true), Event::Write(true, 1), Event::Poll(0)];
    let missed = [Event::Write(false, 1), Event::Reopen(false), Event::Gzip(1), Event::Restart];
    before.into_iter().chain(missed).for_each(|event| world.happen(event));
    while world.poll(usize::MAX) {}
    let (lines, written) = (world.got.len(), world.written);
    assert_eq!((lines, written), (2, 2), "{:?}", world.got);
}
