//! `keepwarm watch` beside a real nginx.
//!
//! `KEEPWARM_RUNS` raises the number of runs with rotation and kills from 2.

#![expect(clippy::disallowed_methods, reason = "tests wait, and serve what they test with")]

use crate::lab::Lab;
use crate::lab::backend::Spec;
use crate::lab::load::{Load, Running};
use crate::lab::nginx::{Nginx, signal};
use crate::lab::rng::Rng;
use crate::lab::site::{KEEP, RICH, Site};
use crate::ready;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Waiting ends here: far more than a loaded machine needs.
const PATIENCE: Duration = Duration::from_secs(180);

/// nginx with one upstream, and a folder for its log and all else.
struct Front {
    nginx: Nginx,
    dir: TempDir,
    log: PathBuf,
    _lab: Lab,
}

impl Front {
    fn new() -> Front {
        let mut lab = Lab::new();
        let peer = lab.backend(Spec::delayed(4));
        let site = Site::new(RICH).upstream("app", &[&peer], "keepalive 32;").pass(
            "/",
            "http://app",
            KEEP,
        );
        let dir = tempfile::tempdir().unwrap();
        let nginx = Nginx::start(&dir.path().join("front"), &site.text(), 2, false);
        let log = fs::canonicalize(dir.path().join("front")).unwrap().join("access.log");
        Front { nginx, dir, log, _lab: lab }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn watch(&self, more: &[&str]) -> Child {
        let said = fs::File::options().append(true).create(true).open(self.path("said")).unwrap();
        Command::new(env!("CARGO_BIN_EXE_keepwarm"))
            .args(["watch", "--no-tui", "-f", RICH.text])
            .args(more)
            .arg(&self.log)
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(said)
            .spawn()
            .unwrap()
    }

    fn said(&self) -> String {
        fs::read_to_string(self.path("said")).unwrap_or_default()
    }

    /// Changes the configuration as by hand, and reloads.
    fn change(&mut self, from: &str, to: &str) {
        let conf = self.log.with_file_name("nginx.conf");
        let text = fs::read_to_string(&conf).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(&conf, text.replace(from, to)).unwrap();
        self.nginx.reload();
    }

    fn rotated(&self, n: u32, end: &str) -> PathBuf {
        self.log.with_file_name(format!("access.log.{n}{end}"))
    }

    /// Compresses the last rotated log, so that the next can take its place.
    fn make_room(&self) {
        for n in (2..60).rev().filter(|n| self.rotated(*n, ".gz").exists()) {
            fs::rename(self.rotated(n, ".gz"), self.rotated(n + 1, ".gz")).unwrap();
        }
        if self.rotated(1, "").exists() {
            fs::rename(self.rotated(1, ""), self.rotated(2, "")).unwrap();
            let done = Command::new("gzip").arg(self.rotated(2, "")).status();
            assert!(done.unwrap().success());
        }
    }

    fn rename_and_reopen(&mut self) {
        self.make_room();
        self.nginx.rotate();
    }

    /// What nginx writes between the copy and the cut is lost by `copytruncate` itself, so it writes nothing then.
    fn copytruncate(&self) {
        self.make_room();
        let pids: Vec<u32> = self.nginx.seen().iter().copied().collect();
        for pid in &pids {
            signal(*pid, "STOP");
        }
        // A signal takes a moment: what a worker writes in it would be lost too.
        await_that("stopped workers", self, || pids.iter().all(|pid| is_stopped(*pid)));
        fs::copy(&self.log, self.rotated(1, "")).unwrap();
        fs::File::options().write(true).open(&self.log).unwrap().set_len(0).unwrap();
        for pid in &pids {
            signal(*pid, "CONT");
        }
    }
}

/// Is it stopped, or gone?
fn is_stopped(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, state)| state.starts_with(['T', 'Z']))
}

fn await_that(what: &str, front: &Front, mut seen: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !seen() {
        assert!(begin.elapsed() < PATIENCE, "waited in vain for {what}\n{}", front.said());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Lines that were counted, by the state, when all has been read that there is.
fn counted(front: &Front, state: &[&str], written: u64) -> u64 {
    let mut counted = 0;
    await_that("the end of what was written", front, || {
        let end = [state, &["--once", "1s"]].concat();
        front.watch(&end).wait().unwrap();
        let said = front.said();
        let line = said.lines().rfind(|line| line.contains("counted since the start"));
        let digits: String = line.unwrap().chars().filter(char::is_ascii_digit).collect();
        let before = std::mem::replace(&mut counted, digits.parse().unwrap());
        counted >= written || before == counted
    });
    counted
}

/// Loads nginx, rotates its log in every way, and kills watch again and again.
fn rotate_and_kill(seed: u64) {
    let mut front = Front::new();
    let state = ["--state", "state", "--save-every", "200ms", "--from-start"];
    let mut watch = front.watch(&state);
    await_that("a first state", &front, || front.path("state").exists());
    let load = Load { rate: 400.0, requests: 4000, seed, ..Load::default() };
    let running = load.start(&front.nginx.addr());
    let mut rng = Rng::new(seed);
    while running.begun() < load.requests {
        // From 20 ms to 400 ms of traffic.
        running.wait(running.begun() + rng.pick(&[8, 20, 50, 100, 160]));
        match rng.unit() {
            chance if chance < 0.35 => {
                watch.kill().unwrap();
                watch.wait().unwrap();
                if rng.chance(0.5) {
                    front.rename_and_reopen();
                }
                watch = front.watch(&state);
            }
            chance if chance < 0.55 => front.rename_and_reopen(),
            chance if chance < 0.75 => front.copytruncate(),
            _ => {}
        }
    }
    let sent = running.finish();
    front.nginx.stop();
    watch.kill().unwrap();
    watch.wait().unwrap();
    let truth = fs::read_to_string(front.log.with_file_name("truth.tsv")).unwrap();
    let written = truth.lines().count() as u64;
    assert_eq!(written, sent.logged(), "{sent:?}");
    assert_eq!(counted(&front, &state, written), written, "seed {seed}\n{}", front.said());
}

#[test]
fn every_line_of_a_rotated_log_is_counted_once_over_kills() {
    if !ready() {
        return;
    }
    let runs = std::env::var("KEEPWARM_RUNS").map_or(2, |runs| runs.parse().unwrap());
    (1..=runs).for_each(rotate_and_kill);
}

/// Takes what a webhook is sent, and answers 200.
fn webhook(bodies: Arc<Mutex<Vec<String>>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let mut length = 0;
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) < 3 {
                    break;
                }
                let line = line.to_ascii_lowercase();
                if let Some(value) = line.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            bodies.lock().unwrap().push(String::from_utf8(body).unwrap());
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            reader.get_mut().write_all(answer).unwrap();
        }
    });
    url
}

/// How often each alert fired and was resolved.
fn tally<'a>(events: impl Iterator<Item = &'a str>) -> BTreeMap<String, (u32, u32)> {
    let mut tally: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    for event in events {
        let event: serde_json::Value = serde_json::from_str(event).unwrap();
        let own = tally.entry(event["id"].as_str().unwrap().to_owned()).or_default();
        match event["state"].as_str().unwrap() {
            "firing" => own.0 += 1,
            _ => own.1 += 1,
        }
    }
    tally
}

fn lines_of(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Lets so many more requests begin.
fn pass(running: &Running, requests: usize) {
    running.wait(running.begun() + requests);
}

#[test]
fn keepalive_that_is_turned_off_by_a_reload_alerts_once_and_a_plain_reload_never() {
    if !ready() {
        return;
    }
    let mut front = Front::new();
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let url = webhook(Arc::clone(&bodies));
    fs::write(front.path("told.sh"), "cat >>told\n").unwrap();
    let args = ["--for", "5s", "--warmup-grace", "5s", "--alerts", "alerts"];
    let args =
        [&args[..], &["--exec", "sh told.sh", "--webhook", &url, "--state", "state"]].concat();
    let mut watch = front.watch(&args);
    await_that("a first state", &front, || front.path("state").exists());
    let load = Load { rate: 200.0, requests: 100_000, ..Load::default() };
    let running = load.start(&front.nginx.addr());
    let alerts = front.path("alerts");
    let states = |state: &str| lines_of(&alerts).iter().filter(|line| line.contains(state)).count();
    pass(&running, 2000);
    front.nginx.reload();
    pass(&running, 3000);
    assert_eq!(lines_of(&alerts), Vec::<String>::new(), "a plain reload");
    let begin = Instant::now();
    front.change("Connection \"\"", "Connection close");
    await_that("the alert", &front, || states("firing") == 1);
    println!("fired {:?} after the reload: {:?}", begin.elapsed(), lines_of(&alerts));
    pass(&running, 1000);
    let begin = Instant::now();
    front.change("Connection close", "Connection \"\"");
    await_that("its end", &front, || states("resolved") == 1);
    println!("resolved {:?} after the reload", begin.elapsed());
    pass(&running, 2000);
    signal(watch.id(), "TERM");
    assert!(watch.wait().unwrap().success(), "{}", front.said());
    drop(running);
    let by_file = tally(lines_of(&alerts).iter().map(String::as_str));
    assert_eq!(by_file, BTreeMap::from([("never_warmed:app".to_owned(), (1, 1))]));
    assert_eq!(tally(lines_of(&front.path("told")).iter().map(String::as_str)), by_file, "exec");
    let bodies = bodies.lock().unwrap();
    assert_eq!(tally(bodies.iter().map(String::as_str)), by_file, "webhook");
    println!("{by_file:?}");
}
