//! What keepwarm may say of warm-ups, given what really happened.
//!
//! It is asked three times: with the error log, with the access log alone, and with an access log that has neither
//! `$pid` nor `$connection`. The first two know for certain, so they have to find all, in order, and nothing else. The
//! third may suspect or say nothing, but must never name a wrong cause.

use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// How far from the truth a certain start may lie, in milliseconds: the error log has whole seconds.
const CERTAIN_MS: i64 = 1000;

/// How far a suspected one may, in milliseconds.
const SUSPECTED_MS: i64 = 2000;

/// What keepwarm gets to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// The error log, and all of the access log.
    ErrorLog,
    /// The access log with `$pid` and `$connection`.
    Pid,
    /// The access log without them.
    Statistics,
}

/// Something that happened.
#[derive(Debug, Clone)]
pub(crate) struct Happened {
    /// `reload`, `restart`, `upgrade`, `worker_exit`, `backend_restart`, `rotation`.
    pub(crate) kind: String,
    /// When it began, in milliseconds since 1970.
    pub(crate) at_ms: i64,
    /// When it was complete. A window may begin only with the first request that the new workers log.
    pub(crate) done_ms: i64,
}

/// The logs of a run and what happened in it.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) access_logs: Vec<PathBuf>,
    /// None: it was not kept, so there is nothing to judge by [`Evidence::ErrorLog`].
    pub(crate) error_log: Option<PathBuf>,
    /// In order.
    pub(crate) events: Vec<Happened>,
}

/// A warm-up of the report.
#[derive(Debug)]
struct Window {
    cause: String,
    suspected: bool,
    start_ms: i64,
}

/// Does the program under test look for warm-ups at all? Says so once if not.
pub(crate) fn has_warmups() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| {
        let help = keepwarm(&["report", "--help"]);
        let has = String::from_utf8_lossy(&help).contains("--error-log");
        if !has {
            // Past the harness, which hides what passing tests print.
            let word = "skipped: this keepwarm has no --error-log and finds no warm-ups\n";
            std::io::stderr().write_all(word.as_bytes()).expect("standard error");
        }
        has
    })
}

/// What is wrong with the report of a case; nothing if there is nothing to judge by.
pub(crate) fn wrong(case: &Case, evidence: Evidence) -> Vec<String> {
    let scratch = tempfile::tempdir().unwrap();
    let mut args: Vec<String> = ["report", "-o", "json", "-q"].map(str::to_owned).to_vec();
    match (evidence, &case.error_log) {
        (Evidence::ErrorLog, Some(error_log)) => {
            args.extend(["--error-log".to_owned(), error_log.display().to_string()]);
        }
        (Evidence::ErrorLog, None) => return Vec::new(),
        (Evidence::Pid | Evidence::Statistics, _) => {}
    }
    for log in &case.access_logs {
        let path = match evidence {
            Evidence::Statistics => stripped(log, scratch.path()),
            _ => log.clone(),
        };
        args.push(path.display().to_string());
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let report: Value = serde_json::from_slice(&keepwarm(&args)).expect("a report in JSON");
    println!("{evidence:?}: {:?}\n  {}", case.events, report["warmups"]);
    judge(&report, &case.events, evidence)
}

/// Runs the program; what it writes. The laboratory's error logs are in UTC.
fn keepwarm(args: &[&str]) -> Vec<u8> {
    let program = Command::new(env!("CARGO_BIN_EXE_keepwarm")).args(args).env("TZ", "UTC").output();
    let output = program.expect("the program that was just built");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code().is_some_and(|code| code < 2), "{args:?}: {complaint}");
    output.stdout
}

/// A copy of a log without `$pid` and `$connection`.
pub(crate) fn stripped(log: &Path, folder: &Path) -> PathBuf {
    let text = std::fs::read_to_string(log).expect("a log is text");
    let lines = text
        .lines()
        .map(|line| ["pid", "connection", "conn"].into_iter().fold(line.to_owned(), without));
    let copy = folder.join(log.file_name().expect("a file has a name"));
    std::fs::write(&copy, lines.map(|line| line + "\n").collect::<String>()).expect("a copy");
    copy
}

/// A line without a value, its label and the separator behind it.
fn without(line: String, name: &str) -> String {
    let (label, separator) = if line.starts_with('{') {
        (format!("\"{name}\":"), ',')
    } else {
        (format!(" {name}="), ' ')
    };
    let Some(from) = line.find(&label) else { return line };
    let value = from + label.len();
    let length = line[value..].find(separator).expect("it is not the last one");
    // Of the two separators around it, JSON's is the one behind.
    let end = value + length + usize::from(separator == ',');
    format!("{}{}", &line[..from], &line[end..])
}

/// What is wrong with a report.
pub(crate) fn judge(report: &Value, events: &[Happened], evidence: Evidence) -> Vec<String> {
    let mut windows = windows(report);
    let mut wrong = Vec::new();
    if !windows.is_sorted_by_key(|window| window.start_ms) {
        wrong.push(format!("not in order: {windows:?}"));
    }
    // nginx was started just before the load was: to say so is right, and not to say it too.
    let from = report["period"]["from"].as_str().map_or(i64::MIN, milliseconds);
    let is_begin = |window: &Window| {
        window.start_ms <= from.saturating_add(CERTAIN_MS)
            && matches!(&*window.cause, "restart" | "unknown")
    };
    windows.retain(|window| !is_begin(window));
    let events: Vec<&Happened> = events.iter().filter(|event| event.kind != "rotation").collect();
    match evidence {
        Evidence::ErrorLog | Evidence::Pid => certain(&windows, &events, evidence, &mut wrong),
        Evidence::Statistics => suspected(&windows, &events, &mut wrong),
    }
    wrong
}

/// All events, in order, and no others.
fn certain(windows: &[Window], events: &[&Happened], seen: Evidence, wrong: &mut Vec<String>) {
    if windows.len() != events.len() {
        wrong.push(format!("{seen:?}: {windows:?} for {events:?}"));
        return;
    }
    for (window, event) in windows.iter().zip(events) {
        let causes: &[&str] = match (&*event.kind, seen) {
            // The access log shows a new master either way.
            ("upgrade", Evidence::Pid) => &["upgrade", "restart"],
            (kind, _) => &[kind],
        };
        // No log of nginx's says what a backend does: that is always a conclusion.
        let sure = !window.suspected || event.kind == "backend_restart";
        if !causes.contains(&&*window.cause) || !sure || !is_near(window, event, CERTAIN_MS) {
            wrong.push(format!("{seen:?}: {window:?} for {event:?}"));
        }
    }
}

/// Each window is a suspicion, near an event that no other is near to, and names no wrong cause.
fn suspected(windows: &[Window], events: &[&Happened], wrong: &mut Vec<String>) {
    let mut left: Vec<&&Happened> = events.iter().collect();
    for window in windows {
        let near = left.iter().position(|event| is_near(window, event, SUSPECTED_MS));
        let event = near.map(|at| left.remove(at));
        let is_right = event.is_some_and(|event| match &*event.kind {
            "reload" | "restart" | "upgrade" => matches!(&*window.cause, "unknown" | "reload"),
            kind => window.cause == "unknown" || window.cause == kind,
        });
        if !window.suspected || !is_right {
            wrong.push(format!("Statistics: {window:?} for {event:?} of {events:?}"));
        }
    }
}

fn is_near(window: &Window, event: &Happened, slack_ms: i64) -> bool {
    (event.at_ms - slack_ms..=event.done_ms + slack_ms).contains(&window.start_ms)
}

fn windows(report: &Value) -> Vec<Window> {
    let window = |value: &Value| {
        let start_ms = milliseconds(value["start"].as_str().expect("a start"));
        let end = value["end"].as_str().map(milliseconds);
        assert!(end.is_none_or(|end| start_ms <= end), "{value}");
        assert_eq!(end.is_some(), value["settled"].as_bool().expect("settled or not"), "{value}");
        Window {
            cause: value["cause"].as_str().expect("a cause").to_owned(),
            suspected: value["suspected"].as_bool().expect("suspected or not"),
            start_ms,
        }
    };
    report["warmups"].as_array().expect("a list of warm-ups").iter().map(window).collect()
}

fn milliseconds(time: &str) -> i64 {
    time.parse::<jiff::Timestamp>().expect("a time as in RFC 3339").as_millisecond()
}
