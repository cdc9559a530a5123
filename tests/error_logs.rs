//! `--error-log`: what is read, and what is said of it.

use crate::input::{gzip, log};
use crate::util::{Dir, finish};
use std::io::Write;
use std::process::Stdio;

const RELOAD: &str = include_str!("../testdata/error_log/reload.log");

/// What is said of error logs that tell of no reload.
const NOTHING: &str = "no reload or restart in";

const ERRORS: &str = "2026/11/21 02:03:23 [error] 12#12: *1 connect() failed (111: Connection refused)\n\
     2026/11/21 02:03:24 [alert] 11#11: worker process 12 exited on signal 9\n";

/// A folder with an access log.
fn dir() -> Dir {
    Dir::with_log(log(40))
}

#[test]
fn reloads_are_found_however_the_log_is_stored() {
    let dir = dir();
    dir.write("error.log", ERRORS);
    dir.write("plain", RELOAD);
    dir.write("packed.gz", gzip(RELOAD.as_bytes()));
    dir.write("syslog", RELOAD.replace("2026/", "<189>Nov 21 02:03:23 web1 nginx: 2026/"));
    dir.write("crlf", RELOAD.replace('\n', "\r\n"));
    dir.write("set-1", ERRORS);
    dir.write("set-2", RELOAD);
    for name in ["plain", "packed.gz", "syslog", "crlf", "set-*"] {
        let run = dir.run(&["report", "access.log", "--error-log", name]);
        assert_eq!(run.code, 0, "{name}: {}", run.stderr);
        assert!(!run.stderr.contains(NOTHING), "{name}: {}", run.stderr);
    }
    let several = ["report", "access.log", "--error-log", "error.log", "--error-log", "plain"];
    assert!(!dir.run(&several).code(0).stderr.contains(NOTHING));
}

#[test]
fn an_error_log_may_come_through_a_pipe() {
    let dir = dir();
    let mut command = dir.command(&["report", "access.log", "--error-log", "-"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(RELOAD.as_bytes()).unwrap();
    let run = finish(child.wait_with_output().unwrap()).code(0);
    assert!(!run.stderr.contains(NOTHING), "{}", run.stderr);
}

#[test]
fn error_logs_without_a_reload_are_told_of_once() {
    let dir = dir();
    dir.write("error.log", ERRORS);
    dir.write("error.log.1", ERRORS);
    dir.write("empty", "");
    let last = "2026/11/21 02:03:25 [notice] 11#11: reconfiguring";
    dir.write("cut", format!("{ERRORS}{last}"));
    for (name, said) in [
        ("error.log", "no reload or restart in error.log: nginx logs them at level notice"),
        ("error.log*", "no reload or restart in 2 logs: "),
        ("empty", "no reload or restart in empty: "),
        ("cut", "no reload or restart in cut: "),
    ] {
        let run = dir.run(&["report", "access.log", "--error-log", name]).code(0).says(said);
        assert_eq!(run.stderr.matches(NOTHING).count(), 1, "{}", run.stderr);
    }
    let quiet = dir.run(&["report", "-q", "access.log", "--error-log", "error.log"]).code(0);
    assert_eq!(quiet.stderr, "");
}

#[test]
fn what_is_no_error_log_is_refused_and_the_report_is_still_made() {
    let dir = dir();
    dir.write("binary", vec![0xFF; 200_000]);
    for (name, said) in [
        ("access.log", "access.log: expected an nginx error log, found no line of one"),
        ("binary", "binary: expected an nginx error log"),
        ("gone.log", "gone.log: No such file"),
        ("gone*", "no file matches"),
    ] {
        let args = ["report", "-o", "json", "access.log", "--error-log", name];
        let run = dir.run(&args).code(2).says(said);
        assert_eq!(run.json()["input"]["matched"], 40, "{name}");
        assert!(!run.stderr.contains(NOTHING), "{}", run.stderr);
    }
}

#[test]
fn arguments_that_can_be_no_error_log_end_the_run() {
    let dir = dir();
    dir.run(&["report", "access.log", "--error-log", "."])
        .code(2)
        .says("found a folder: .")
        .says("--error-log './error.log*'");
    dir.run(&["report", "-", "--error-log", "-"]).code(2).says("stdin can't be both");
    dir.run(&["report", "access.log", "-c", "-", "--error-log", "-"])
        .code(2)
        .says("stdin can't be both");
}

#[test]
fn an_error_log_given_as_input_is_refused_with_the_option_it_belongs_to() {
    let dir = dir();
    dir.write("error.log", RELOAD);
    dir.run(&["report", "error.log"]).code(2).says("an nginx error log").says("--error-log PATH");
}

#[test]
fn long_and_broken_lines_are_passed_over() {
    let dir = dir();
    let long = format!("2026/11/21 02:03:23 [error] 12#12: *1 {}\n", "x".repeat(3 << 20));
    let mut bytes = [RELOAD.as_bytes(), long.as_bytes()].concat();
    bytes.extend((0..=u8::MAX).cycle().take(100_000));
    bytes.extend(b"\n2026/11/21 02:03:23 [notice] 12#12: \xff\xfe\n");
    dir.write("error.log", bytes);
    let run = dir.run(&["report", "access.log", "--error-log", "error.log"]).code(0);
    assert!(!run.stderr.contains(NOTHING), "{}", run.stderr);
}

#[test]
fn an_error_log_follows_the_access_log_into_summer_time() {
    // The clocks of Berlin went from 02:00 to 03:00 at 01:00 UTC.
    let line = |second: u32| {
        let hour = second / 3600 + if second < 3600 { 1 } else { 2 };
        let zone = if second < 3600 { "+0100" } else { "+0200" };
        let (minute, second) = (second / 60 % 60, second % 60);
        format!(
            "[29/Mar/2026:{hour:02}:{minute:02}:{second:02} {zone}] 10.0.0.1:80 0.000 0.010 0.010\n"
        )
    };
    let dir = Dir::with_log((0..10_800).step_by(5).map(line).collect::<String>());
    dir.write(
        "error.log",
        "2026/03/29 04:30:00 [notice] 1#1: signal 1 (SIGHUP) received, reconfiguring\n\
         2026/03/29 04:30:00 [notice] 1#1: start worker process 9\n",
    );
    let format =
        "[$time_local] $upstream_addr $upstream_connect_time $upstream_response_time $request_time";
    let args = ["report", "-f", format, "-o", "json", "--error-log", "error.log", "access.log"];
    let json = dir.run(&args).code(0).json();
    assert_eq!(json["warmups"][0]["start"], "2026-03-29T02:30:00.000Z", "{}", json["warmups"]);
}
