//! Logs recorded from a real nginx beside what its backends counted, and reports of them through the library.
//!
//! Each folder of `testdata/cases` holds the logs, `truth.json`, and `new.tsv` where it is known of every request
//! whether it opened a connection: `$pid`, `$connection` and `$connection_requests` of those that did.

use keepwarm::analysis::report::{InputStats, Report, Stats};
use keepwarm::analysis::{Policy, analyse};
use keepwarm::detect::detect;
use keepwarm::fold::{By, Choice, Fold, Recipe};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A recorded case.
pub(crate) struct Case {
    pub(crate) name: String,
    /// The lines of each of its files, oldest file first.
    pub(crate) files: Vec<Vec<String>>,
    pub(crate) total: Counts,
    pub(crate) peers: BTreeMap<String, Counts>,
    /// The requests that opened a connection, if each is known.
    new: Option<BTreeSet<Request>>,
}

/// `$pid`, `$connection` and `$connection_requests`
type Request = [u64; 3];

/// What the backends counted, and how many attempts of the log got a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) new: u64,
    pub(crate) connected: u64,
}

impl Counts {
    /// The hit rate; a reuse that turned out stale is a reuse. None without attempts.
    pub(crate) fn rate(self) -> Option<f64> {
        let exact = |n: u64| f64::from(u32::try_from(n).unwrap());
        (self.connected > 0).then(|| 1.0 - exact(self.new) / exact(self.connected))
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cases")
}

/// All cases by name.
pub(crate) fn cases() -> Vec<Case> {
    let folders = std::fs::read_dir(folder()).unwrap();
    let mut names: Vec<String> =
        folders.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert!(names.len() >= 32, "the cases are there");
    names.iter().map(|name| case(name)).collect()
}

/// One case.
pub(crate) fn case(name: &str) -> Case {
    let path = folder().join(name);
    let text = |name: &str| std::fs::read_to_string(path.join(name)).ok();
    let truth: Value = serde_json::from_str(&text("truth.json").unwrap()).unwrap();
    let peers = truth["peers"].as_object().unwrap().iter();
    let older = (1..10).rev().filter_map(|n| text(&format!("access.log.{n}")));
    let files = older.chain(text("access.log"));
    Case {
        name: name.to_owned(),
        files: files.map(|file| file.lines().map(str::to_owned).collect()).collect(),
        total: counts(&truth["total"]),
        peers: peers.map(|(addr, value)| (addr.clone(), counts(value))).collect(),
        new: text("new.tsv").map(|file| file.lines().map(new_request).collect()),
    }
}

fn counts(value: &Value) -> Counts {
    let count = |name: &str| value[name].as_u64().unwrap();
    Counts { new: count("new"), connected: count("connected") }
}

fn new_request(row: &str) -> Request {
    let values: Vec<u64> = row.split('\t').map(|value| value.parse().unwrap()).collect();
    values.try_into().unwrap()
}

impl Case {
    /// The lines of all files, in order.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.files.concat()
    }

    /// Does it log serial numbers?
    pub(crate) fn has_serials(&self) -> bool {
        value(&self.files[0][0], "conn").is_some()
    }

    /// How many of these lines opened a connection, if each is known.
    pub(crate) fn new_of(&self, lines: &[String]) -> Option<u64> {
        let new = self.new.as_ref()?;
        let request = |line: &String| {
            ["pid", "conn", "creq"].map(|name| value(line, name).unwrap().parse().unwrap())
        };
        Some(lines.iter().filter(|line| new.contains(&request(line))).count() as u64)
    }
}

/// A value of a line in the labelled or in the JSON form of these logs.
pub(crate) fn value<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (at, length) = place(line, name)?;
    Some(&line[at..at + length])
}

/// Where a value stands and how long it is.
fn place(line: &str, name: &str) -> Option<(usize, usize)> {
    let label = if line.starts_with('{') { format!("\"{name}\":") } else { format!(" {name}=") };
    let at = line.find(&label)? + label.len();
    Some((at, line[at..].find([' ', ','])?))
}

/// The line without a value and its label.
pub(crate) fn without(line: &str, name: &str) -> String {
    let Some((at, length)) = place(line, name) else { return line.to_owned() };
    // One of the two separators goes too: the space before the label, or the comma behind the value.
    let label = name.len() + if line.starts_with('{') { 3 } else { 2 };
    let end = at + length + usize::from(line.starts_with('{'));
    format!("{}{}", &line[..at - label], &line[end..])
}

/// The line with another value.
pub(crate) fn with(line: &str, name: &str, new: &str) -> String {
    let (at, length) = place(line, name).unwrap();
    format!("{}{new}{}", &line[..at], &line[at + length..])
}

/// `$msec` in milliseconds.
pub(crate) fn msec(line: &str) -> i64 {
    value(line, "msec").unwrap().replace('.', "").parse().unwrap()
}

/// The report of some files, each with the name of the log it is a part of.
pub(crate) fn report(files: &[(&str, &[String])]) -> Report {
    report_like(files[0].1, files)
}

/// The same, with the format of other lines.
pub(crate) fn report_like(lines: &[String], files: &[(&str, &[String])]) -> Report {
    let first: Vec<&[u8]> = lines.iter().take(100).map(String::as_bytes).collect();
    let mut fold = Fold::default();
    for (log, lines) in files {
        let found = detect(log, &first).unwrap();
        let choice = Choice { by: By::Peer, ..Choice::default() };
        let recipe = Recipe::of_detected(&found, choice, log);
        for line in *lines {
            assert!(fold.line(&recipe, line.as_bytes()).is_ok(), "{line}");
        }
    }
    let policy = Policy { by_peer: true, ..Policy::default() };
    analyse(fold.summary, InputStats::default(), &policy)
}

/// The report of one log.
pub(crate) fn report_of(lines: &[String]) -> Report {
    report(&[("access.log", lines)])
}

/// Attempts that got a connection.
pub(crate) fn connected(stats: &Stats) -> u64 {
    stats.attempts - stats.failed
}

/// Was evidence found to disagree?
pub(crate) fn has_conflict(report: &Report) -> bool {
    report.findings.iter().any(|finding| finding.rule == "serial_conflict")
}
