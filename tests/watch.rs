//! `keepwarm watch`: each line is counted once, whatever happens to the files and to the program.

use crate::util::Dir;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const FORMAT: &str =
    "$msec $request_time $upstream_addr $upstream_connect_time $upstream_response_time";

/// Runs that are waited for: far more than a loaded machine needs.
const PATIENCE: usize = 60;

/// A log that is written and rotated while it is watched. One writer does both, so that nothing is lost by the
/// rotation itself.
struct Log {
    dir: Dir,
    file: File,
    written: u64,
    rotations: u32,
    seed: u64,
    /// What is watched: the log by its name, by its folder, or by a pattern.
    arg: &'static str,
}

impl Log {
    fn new(seed: u64) -> Self {
        let dir = Dir::new();
        let file = File::create(dir.path("access.log")).unwrap();
        let arg = ["access.log", ".", "access.log*"][usize::try_from(seed).unwrap() % 3];
        Log { dir, file, written: 0, rotations: 0, seed: seed * 7919 + 1, arg }
    }

    fn random(&mut self, below: u64) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed % below
    }

    fn write(&mut self, lines: u64) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let ms = format!("{}.{:03}", now.as_secs(), now.subsec_millis());
        for _ in 0..lines {
            self.written += 1;
            let n = self.written % 7;
            writeln!(self.file, "{ms} 0.010 10.0.0.{n}:80 0.000 0.010").unwrap();
        }
    }

    /// As logrotate does it, the old file being written to for a while.
    fn rotate(&mut self) {
        self.rename();
        self.create();
    }

    /// There is no log for a while.
    fn rename(&mut self) {
        self.rotations += 1;
        for n in (1..self.rotations).rev() {
            for end in ["", ".gz"] {
                let name = |n: u32| self.dir.path(&format!("access.log.{n}{end}"));
                if name(n).exists() {
                    std::fs::rename(name(n), name(n + 1)).unwrap();
                }
            }
        }
        std::fs::rename(self.dir.path("access.log"), self.dir.path("access.log.1")).unwrap();
    }

    fn create(&mut self) {
        let new = OpenOptions::new().append(true).create(true).open(self.dir.path("access.log"));
        self.write(20);
        self.file = new.unwrap();
        self.write(20);
        let older = self.dir.path("access.log.2");
        if older.exists() {
            let gzip = Command::new("gzip").arg(&older).status();
            assert!(gzip.unwrap().success());
        }
    }

    fn watch(&self, more: &[&str]) -> Child {
        let mut args = vec!["watch", "-f", FORMAT, "--state", "state", "--save-every", "50ms"];
        args.extend(["--from-start", "--no-tui", self.arg]);
        args.extend(more);
        self.dir.command(&args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The same, once it knows where each file begins: what is rotated away before a first state is stored is nobody's.
    fn watch_first(&self) -> Child {
        let mut watch = self.watch(&[]);
        for _ in 0..6000 {
            if self.dir.path("state").exists() {
                return watch;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        watch.kill().unwrap();
        panic!("no state is stored: {:?}", watch.wait());
    }

    /// Lines counted when all has been read that there is.
    fn counted(&self) -> u64 {
        let mut counted = 0;
        for _ in 0..PATIENCE {
            let run = self.watch(&["--once", "1s"]).wait_with_output().unwrap();
            let said = String::from_utf8(run.stderr).unwrap();
            let line = said.lines().find(|line| line.contains("counted since the start"));
            let line = line.unwrap_or_else(|| panic!("{said}"));
            let digits: String = line.chars().filter(char::is_ascii_digit).collect();
            counted = digits.parse().unwrap();
            if counted >= self.written {
                break;
            }
        }
        counted
    }
}

#[test]
fn no_line_is_lost_or_counted_twice_over_rotation_and_kill() {
    let seeds = std::env::var("KEEPWARM_RUNS").map_or(3, |runs| runs.parse().unwrap());
    for seed in 1..=seeds {
        let mut log = Log::new(seed);
        let mut watch = log.watch_first();
        for _ in 0..30 {
            let lines = log.random(300);
            log.write(lines);
            match log.random(6) {
                0 => {
                    watch.kill().unwrap();
                    watch.wait().unwrap();
                    let rotation = log.random(3);
                    if rotation < 2 {
                        log.rename();
                    }
                    if rotation == 0 {
                        log.create();
                    }
                    watch = log.watch(&[]);
                    if rotation == 1 {
                        std::thread::sleep(Duration::from_millis(log.random(120)));
                        log.create();
                    }
                }
                1 => log.rotate(),
                _ => {}
            }
            // So that some of it happens while the program looks; nothing depends on how much.
            std::thread::sleep(Duration::from_millis(log.random(120)));
        }
        watch.kill().unwrap();
        watch.wait().unwrap();
        assert_eq!(
            log.counted(),
            log.written,
            "seed {seed}, {}, {} rotations",
            log.arg,
            log.rotations
        );
    }
}

#[test]
fn a_pipe_ends_the_run_and_an_alert_its_status() {
    let lines = |connect: &str| -> String {
        let line = |n: u32| {
            let (second, ms) = (1_795_226_603 + n / 20, n % 20 * 50);
            format!("{second}.{ms:03} 0.010 10.0.0.1:80 {connect} 0.010")
        };
        (0..3000).map(line).collect::<Vec<_>>().join("\n")
    };
    for (connect, code) in [("0.000", 0), ("0.003", 1)] {
        let dir = Dir::new();
        dir.write("lines", lines(connect));
        let input = File::open(dir.path("lines")).unwrap();
        let args = ["watch", "-f", FORMAT, "--window", "1m", "-"];
        let run = dir.command(&args).stdin(input).output().unwrap();
        let said = String::from_utf8(run.stderr).unwrap();
        assert_eq!(run.status.code(), Some(code), "{connect}: {said}");
        assert!(said.contains("3,000 lines counted"), "{said}");
        let shown = String::from_utf8(run.stdout).unwrap();
        assert!(shown.contains("10.0.0.1:80: reuse"), "{shown}");
    }
}

#[test]
fn logs_that_tell_nothing_of_upstreams_are_no_reason_to_alert() {
    let combined =
        "10.0.0.1 - - [21/Nov/2026:02:03:23 +0000] \"GET / HTTP/1.1\" 200 12 \"-\" \"x\"\n";
    let error = "2026/11/21 02:03:23 [error] 12#12: *1 connect() failed\n";
    let good = "{\"msec\":\"1795226603.000\",\"upstream_addr\":\"10.0.0.1:80\",\
                \"upstream_connect_time\":\"0.000\",\"upstream_response_time\":\"0.001\"}\n";
    let dir = Dir::new();
    std::fs::create_dir(dir.path("logs")).unwrap();
    for (name, line) in
        [("logs/access.log", combined), ("logs/error.log", error), ("logs/a.log", good)]
    {
        dir.write(name, line.repeat(200));
    }
    for input in ["logs", "logs/*.log"] {
        let args = ["watch", "--from-start", "--once", "1s", "--no-tui", input];
        let run = dir.command(&args).output().unwrap();
        let said = String::from_utf8(run.stderr).unwrap();
        assert_eq!(run.status.code(), Some(0), "{said}");
        assert!(!said.contains("ALERT"), "{said}");
        assert!(
            said.contains("access.log: its format (combined) logs nothing of upstreams"),
            "{said}"
        );
    }
}
