//! `keepwarm watch` tells of alerts: once, also when the receiver or keepwarm itself was away for a while.

use crate::util::{Dir, Run, finish};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const FORMAT: &str = "$msec $upstream_addr $upstream_connect_time";

/// So many lines of new connections, so many per second, the last of them of now.
fn lines(many: u64, per_second: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let line = |n: u64| format!("{}.000 10.0.0.1:80 0.003\n", now - (many - 1 - n) / per_second);
    (0..many).map(line).collect()
}

/// Waits, for longer than a loaded machine needs.
fn until(what: &str, mut seen: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !seen() {
        assert!(begin.elapsed() < Duration::from_secs(120), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Watches `access.log` by `state`, and alerts at once. What it says goes to the end of `said`.
fn watch(dir: &Dir, more: &[&str]) -> Child {
    let mut args = vec!["watch", "-f", FORMAT, "--no-tui", "--from-start", "--state", "state"];
    args.extend(["--save-every", "50ms", "--textfile", "a.prom", "--for", "0s", "access.log"]);
    args.extend(more);
    let said = File::options().append(true).create(true).open(dir.path("said")).unwrap();
    dir.command(&args).stdout(Stdio::null()).stderr(said).spawn().unwrap()
}

fn text(dir: &Dir, name: &str) -> String {
    std::fs::read_to_string(dir.path(name)).unwrap_or_default()
}

fn append(dir: &Dir, text: &str) {
    let mut log = File::options().append(true).create(true).open(dir.path("access.log")).unwrap();
    log.write_all(text.as_bytes()).unwrap();
}

fn signal(watch: &Child, name: &str) {
    let kill = format!("kill -{name} {}", watch.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

/// A webhook that breaks connections as long as it is not up.
#[derive(Default)]
struct Hook {
    is_up: AtomicBool,
    tries: AtomicUsize,
    bodies: Mutex<Vec<String>>,
}

impl Hook {
    fn start() -> (Arc<Hook>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let hook = Arc::new(Hook::default());
        let own = Arc::clone(&hook);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                own.tries.fetch_add(1, Ordering::SeqCst);
                if own.is_up.load(Ordering::SeqCst) {
                    own.take(BufReader::new(stream.unwrap()));
                }
            }
        });
        (hook, url)
    }

    fn take(&self, mut reader: BufReader<std::net::TcpStream>) {
        let (mut length, mut line) = (0, String::new());
        while reader.read_line(&mut line).unwrap() > 2 {
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        self.bodies.lock().unwrap().push(String::from_utf8(body).unwrap());
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        reader.get_mut().write_all(answer).unwrap();
    }

    fn tries(&self) -> usize {
        self.tries.load(Ordering::SeqCst)
    }

    fn bodies(&self) -> Vec<String> {
        self.bodies.lock().unwrap().clone()
    }
}

/// What makes an event the same one: id, state and when it began.
fn key(event: &str) -> String {
    let event: serde_json::Value = serde_json::from_str(event).unwrap();
    format!("{} {} {}", event["id"], event["state"], event["since_ms"])
}

#[test]
fn what_could_not_be_told_before_a_restart_is_told_after_it() {
    for how in ["TERM", "KILL"] {
        let dir = Dir::new();
        let (hook, url) = Hook::start();
        append(&dir, &lines(500, 50));
        let args = ["--webhook", &url, "--alerts", "alerts"];
        let mut first = watch(&dir, &args);
        until("a try", || hook.tries() > 0);
        signal(&first, how);
        first.wait().unwrap();
        assert_eq!(hook.bodies(), Vec::<String>::new());
        hook.is_up.store(true, Ordering::SeqCst);
        let mut second = watch(&dir, &args);
        until("the event", || !hook.bodies().is_empty());
        signal(&second, "TERM");
        assert!(second.wait().unwrap().success());
        let told: Vec<String> = hook.bodies().iter().map(|body| key(body)).collect();
        assert_eq!(told.len(), 1, "{how}: {told:?}");
        assert!(told[0].starts_with("\"hit_rate:10.0.0.1:80\" \"firing\" "), "{told:?}");
        let mut alerts: Vec<String> = text(&dir, "alerts").lines().map(key).collect();
        assert!(how == "KILL" || alerts.len() == 1, "{alerts:?}");
        // What was told just before a kill may be told again, as the same.
        alerts.dedup();
        assert_eq!(alerts, told, "{how}");
    }
}

#[test]
fn a_webhook_may_be_down_for_a_while() {
    // With KEEPWARM_RUNS for a minute.
    let least = match std::env::var_os("KEEPWARM_RUNS") {
        Some(_) => Duration::from_secs(60),
        None => Duration::ZERO,
    };
    let dir = Dir::new();
    let (hook, url) = Hook::start();
    append(&dir, &lines(500, 50));
    let begin = Instant::now();
    let mut watch = watch(&dir, &["--webhook", &url]);
    until("tries", || hook.tries() >= 3 && begin.elapsed() >= least);
    append(&dir, &lines(200, 50));
    until("lines that come meanwhile", || text(&dir, "a.prom").contains("\"matched\"} 700\n"));
    let queued = "keepwarm_notifications_queued{sink=\"webhook\"} 1\n";
    assert!(text(&dir, "a.prom").contains(queued));
    hook.is_up.store(true, Ordering::SeqCst);
    until("the event", || !hook.bodies().is_empty());
    let delivered = "keepwarm_notifications_total{sink=\"webhook\",outcome=\"delivered\"} 1\n";
    until("its count", || text(&dir, "a.prom").contains(delivered));
    signal(&watch, "TERM");
    assert!(watch.wait().unwrap().success());
    assert_eq!(hook.bodies().len(), 1);
    let said = text(&dir, "said");
    assert!(said.contains("trying again") && said.contains("works again"), "{said}");
    assert!(!said.contains("lost") && !said.contains("not delivered"), "{said}");
}

#[test]
fn a_run_that_ends_by_itself_waits_until_all_is_told() {
    let args = ["watch", "-f", FORMAT, "--exec", "sh -c 'sleep 2; cat >told'", "--from-start"];
    for more in [&["--once", "1s", "access.log"][..], &["-"]] {
        let dir = Dir::with_log(lines(500, 50));
        let input = File::open(dir.path("access.log")).unwrap();
        let mut command = dir.command(&[&args[..], more].concat());
        let run = finish(command.stdin(input).output().unwrap()).code(1).says("ALERT: hit_rate");
        assert!(!run.stderr.contains("warning"), "{more:?}: {run:?}");
        assert_eq!(text(&dir, "told").lines().count(), 1, "{more:?}");
    }
}

#[test]
fn a_run_of_limited_time_judges_all_of_it_whatever_the_windows() {
    for (args, many, attempts) in [
        (&["--once", "2h"][..], 6000, "6,000 attempts"),
        (&["--once", "5m", "--window", "1m"], 290, "290 attempts"),
    ] {
        let dir = Dir::with_log(lines(many, 1));
        let input = File::open(dir.path("access.log")).unwrap();
        let args = [&["watch", "-f", FORMAT, "-"], args].concat();
        let run = finish(dir.command(&args).stdin(input).output().unwrap()).code(1);
        assert!(run.text().contains(attempts), "{run:?}");
    }
    let dir = Dir::with_log("");
    dir.run(&["watch", "--once", "7h", "access.log"]).code(2).says("--once: expected up to 6 h");
}

#[test]
fn a_run_of_limited_time_says_all_that_it_finds_whatever_the_last_one_said() {
    let dir = Dir::with_log(lines(500, 50));
    let args = ["watch", "-f", FORMAT, "--state", "state", "--from-start", "access.log"];
    let run = || dir.run(&[&args[..], &["--once", "1s"]].concat());
    run().code(1).says("ALERT: hit_rate");
    // It ends when the lines are too old; until then it is found again each time.
    until("a run without an alert", || {
        let Run { code, stderr, .. } = run();
        assert_eq!(stderr.contains("ALERT: hit_rate"), code == 1, "{code}: {stderr}");
        code == 0
    });
}

#[test]
fn counters_begin_anew_with_the_process() {
    let dir = Dir::with_log(lines(500, 50));
    let attempts = |many: u32| {
        let text = text(&dir, "a.prom");
        let of_attempts = |line: &&str| line.starts_with("keepwarm_attempts_total{");
        let counts = text.lines().filter(of_attempts).map(|line| line.rsplit(' ').next().unwrap());
        counts.map(|count| count.parse::<u32>().unwrap()).sum::<u32>() == many
    };
    let mut first = watch(&dir, &[]);
    until("500 attempts", || attempts(500));
    until("a state", || dir.path("state").exists());
    signal(&first, "TERM");
    first.wait().unwrap();
    assert!(text(&dir, "said").contains("500 lines counted since the start"));
    append(&dir, &lines(100, 50));
    assert!(!dir.path("a.prom").exists(), "nobody writes it any more");
    let mut second = watch(&dir, &[]);
    until("100 attempts", || attempts(100));
    signal(&second, "TERM");
    second.wait().unwrap();
    assert!(text(&dir, "said").contains("600 lines counted since the start"));
}

#[test]
fn limits_are_read_again_and_broken_ones_change_nothing() {
    let dir = Dir::with_log(lines(500, 50));
    dir.write("c.toml", "[limits]\nmin_hit_rate = 0.0\nfor = 0\n");
    let said = |what: &str| text(&dir, "said").matches(what).count();
    let mut watch = watch(&dir, &["--config", "c.toml"]);
    until("all lines", || text(&dir, "a.prom").contains("\"matched\"} 500\n"));
    dir.write("c.toml", "[limits]\nmin_hit_rat = 70.0\n");
    signal(&watch, "HUP");
    until("an error", || said("c.toml:2:1: unknown field") == 1);
    assert_eq!(said("ALERT"), 0);
    dir.write("c.toml", "[limits]\nmin_hit_rate = 70.0\nfor = 0\n");
    signal(&watch, "HUP");
    until("the alert", || said("ALERT: hit_rate") == 1);
    assert_eq!(said("limits read again"), 1);
    signal(&watch, "TERM");
    assert!(watch.wait().unwrap().success());
}

#[test]
fn a_run_of_limited_time_judges_at_once_also_with_limits_that_were_read_again() {
    // Of a clock that is ahead a little, so that all is still in the window at its end.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let dir = Dir::with_log(format!("{}.000 10.0.0.1:80 0.003\n", now + 4).repeat(500));
    dir.write("c.toml", "[limits]\nmin_hit_rate = 70.0\nfor = 60\n");
    let args =
        ["watch", "-f", FORMAT, "--from-start", "--config", "c.toml", "--textfile", "a.prom"];
    let mut command = dir.command(&[&args[..], &["--once", "5s", "access.log"]].concat());
    let watch = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("the run", || dir.path("a.prom").exists());
    signal(&watch, "HUP");
    let run = finish(watch.wait_with_output().unwrap());
    run.code(1).says("limits read again").says("ALERT: hit_rate");
}

#[test]
fn who_cannot_be_told_is_said_at_the_start() {
    let dir = Dir::with_log("");
    for (args, expected) in [
        (["--exec", "keepwarm-no-such-command x"], "no command keepwarm-no-such-command"),
        (["--alerts", "no/such/file"], "--alerts no/such/file: No such file"),
        (["--alerts", "."], "--alerts .: Is a directory"),
        (["--webhook", "example.com"], "--webhook: expected a URL"),
    ] {
        let args = [&["watch", "-f", FORMAT, "--once", "1s", "access.log"], &args[..]].concat();
        dir.run(&args).code(2).says(expected);
    }
}
