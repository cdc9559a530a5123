//! `keepwarm watch` beside readers of its output that stall or go away.

use crate::util::Dir;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::{PipeReader, Read, Write};
use std::process::{Child, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const FORMAT: &str = "$msec $upstream_addr $upstream_connect_time";

/// So many attempts of the last seconds, none of which reuses a connection.
fn log(attempts: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let line = |n| format!("{}.000 10.0.0.1:80 0.003", now - n % 20);
    (0..attempts).map(line).collect::<Vec<_>>().join("\n") + "\n"
}

/// Waits until it is so, or for far longer than a loaded machine needs.
fn await_that(what: &str, mut seen: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if seen() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("waited in vain: {what}");
}

/// A pipe without room, and who could read it.
fn full_pipe() -> (File, PipeReader) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    while writer.write(&[b'\n'; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false).unwrap();
    (File::from(std::os::fd::OwnedFd::from(writer)), reader)
}

/// Watches a log whose connections are not reused, with nobody reading stdout and stderr, until the alert is told.
fn stalled(dir: &Dir) -> (Child, PipeReader) {
    dir.write("access.log", log(500));
    let (full, reader) = full_pipe();
    let mut child = dir
        .command(&["watch", "-f", FORMAT, "--from-start", "--every", "1s"])
        .args(["--for", "0s", "--alerts", "alerts", "access.log"])
        .stdout(full.try_clone().unwrap())
        .stderr(full)
        .spawn()
        .unwrap();
    // The file is there before signals are handled.
    await_that("an alert", || dir.path("alerts").metadata().is_ok_and(|file| file.len() > 0));
    assert!(child.try_wait().unwrap().is_none());
    (child, reader)
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn a_reader_that_stalls_holds_up_neither_alerts_nor_the_end() {
    let dir = Dir::new();
    let (mut child, reader) = stalled(&dir);
    send(&child, Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    drop(reader);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let dir = Dir::new();
    let (mut child, reader) = stalled(&dir);
    // It would wait seconds for its readers.
    await_that("the end", || {
        send(&child, Signal::INT);
        child.try_wait().unwrap().is_some()
    });
    assert_eq!(child.wait().unwrap().code(), Some(130));
    drop(reader);
}

#[test]
fn a_reader_that_goes_away_ends_it() {
    let dir = Dir::new();
    dir.write("access.log", log(1));
    let args = ["watch", "-f", FORMAT, "--from-start", "--every", "1s", "access.log"];
    let mut child =
        dir.command(&args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut first = [0; 10];
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut first).unwrap();
    drop(stdout);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn with_alerts_on_stdout_there_is_nothing_else() {
    let dir = Dir::new();
    dir.write("access.log", log(500));
    let args = ["watch", "-f", FORMAT, "--from-start", "--once", "1s"];
    let run = dir.command(&args).args(["--alerts", "-", "access.log"]).output().unwrap();
    let stdout = String::from_utf8(run.stdout).unwrap();
    assert_eq!(run.status.code(), Some(1), "{stdout}");
    assert!(!stdout.is_empty() && stdout.lines().all(|line| line.starts_with('{')), "{stdout}");
}

#[test]
fn metrics_as_a_file_are_gone_after_the_end_unless_they_are_what_the_run_was_for() {
    let dir = Dir::new();
    dir.write("access.log", log(10));
    let args = ["watch", "-q", "-f", FORMAT, "--textfile", "keepwarm.prom", "access.log"];
    let once = dir.command(&args).args(["--once", "1s", "--from-start"]).output().unwrap();
    assert_eq!(once.status.code(), Some(0), "{once:?}");
    assert!(dir.path("keepwarm.prom").exists());
    std::fs::remove_file(dir.path("keepwarm.prom")).unwrap();
    let mut child = dir.command(&args).stdout(Stdio::null()).spawn().unwrap();
    await_that("metrics", || dir.path("keepwarm.prom").exists());
    send(&child, Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(!dir.path("keepwarm.prom").exists());
}
