//! keepwarm's warm-ups in logs recorded from a real nginx, beside what was done to it.
//!
//! `truth.json` of a case says under `events` what was done and when. A case without `events` is one in which nothing
//! was done: connections may be new for any other reason, but there is no warm-up.

#![expect(clippy::print_stdout, reason = "what these tests judge by")]

use crate::util::run_in;
use rules::{Case, Evidence, Happened, has_warmups, judge, stripped, wrong};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

mod rules;

/// All cases by name.
fn cases() -> Vec<(String, Case)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cases");
    let folders = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<(String, Case)> = folders.map(|folder| case(&folder)).collect();
    cases.sort_by(|a, b| a.0.cmp(&b.0));
    let kinds = |kind: &str| {
        let events = cases.iter().flat_map(|(_, case)| &case.events);
        events.filter(|event| event.kind == kind).count()
    };
    for kind in ["reload", "restart", "upgrade", "worker_exit", "backend_restart", "rotation"] {
        assert!(kinds(kind) > 0, "{kind}: the cases are there");
    }
    cases
}

fn case(folder: &Path) -> (String, Case) {
    let truth: Value =
        serde_json::from_slice(&std::fs::read(folder.join("truth.json")).unwrap()).unwrap();
    let none = Vec::new();
    let happened = |event: &Value| Happened {
        kind: event["kind"].as_str().unwrap().to_owned(),
        at_ms: event["at_ms"].as_i64().unwrap(),
        done_ms: event["done_ms"].as_i64().unwrap(),
    };
    let existing = |name: String| Some(folder.join(name)).filter(|path| path.exists());
    let older = (1..10).rev().map(|n| format!("access.log.{n}"));
    let logs: Vec<PathBuf> = older.chain(["access.log".to_owned()]).filter_map(existing).collect();
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    let case = Case {
        access_logs: logs,
        error_log: existing("error.log".to_owned()),
        events: truth["events"].as_array().unwrap_or(&none).iter().map(happened).collect(),
    };
    (name, case)
}

/// Judges all cases, and says of each what is wrong.
fn judge_cases(evidence: Evidence) {
    if !has_warmups() {
        return;
    }
    let wrong: Vec<String> = cases()
        .iter()
        .flat_map(|(name, case)| {
            println!("{name}");
            wrong(case, evidence).into_iter().map(move |what| format!("{name}: {what}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_error_log_tells_all_causes_and_times() {
    judge_cases(Evidence::ErrorLog);
}

#[test]
fn pids_and_serials_tell_all_causes_and_times() {
    judge_cases(Evidence::Pid);
}

#[test]
fn statistics_alone_suspect_nothing_wrong() {
    judge_cases(Evidence::Statistics);
}

#[test]
fn the_copies_for_statistics_have_neither_pids_nor_serials_and_are_logs_still() {
    for (name, case) in cases() {
        let scratch = tempfile::tempdir().unwrap();
        for log in &case.access_logs {
            let copy = std::fs::read_to_string(stripped(log, scratch.path())).unwrap();
            let original = std::fs::read_to_string(log).unwrap();
            assert_eq!(copy.lines().count(), original.lines().count(), "{name}");
            for label in [" pid=", " conn=", "\"pid\"", "\"conn\"", "\"connection\""] {
                assert!(!copy.contains(label), "{name}: {label}");
            }
        }
        let run = run_in(scratch.path(), &["report", "access.log*", "--strict", "-o", "json"]);
        assert!(run.code <= 1, "{name}: {}", run.stderr);
    }
}

/// A report with warm-ups of these causes, suspected or not, that begin so many milliseconds after 10:00:00.
fn report(windows: &[(&str, bool, i64)]) -> Value {
    let time = |ms: i64| jiff::Timestamp::from_millisecond(TEN + ms).unwrap().to_string();
    let window = |&(cause, suspected, ms): &(&str, bool, i64)| {
        json!({
            "cause": cause, "suspected": suspected, "start": time(ms), "end": null, "settled": false,
        })
    };
    json!({
        "period": { "from": time(0) },
        "warmups": windows.iter().map(window).collect::<Vec<_>>(),
    })
}

/// A time of day, in milliseconds since 1970.
const TEN: i64 = 1_795_255_200_000;

fn at(kind: &str, ms: i64) -> Happened {
    Happened { kind: kind.to_owned(), at_ms: TEN + ms, done_ms: TEN + ms + 100 }
}

#[test]
fn the_judge_of_certain_windows_accepts_the_truth_only() {
    let events = [at("reload", 3000), at("rotation", 4000), at("worker_exit", 9000)];
    let right = [("reload", false, 3050), ("worker_exit", false, 8100)];
    for (windows, is_right) in [
        (&right[..], true),
        // That nginx was started is the truth, too.
        (&[("restart", false, 20), right[0], right[1]], true),
        (&[("reload", false, 20), right[0], right[1]], false),
        (&right[..1], false),
        (&[right[1], right[0]], false),
        (&[right[0], ("reload", false, 4000), right[1]], false),
        (&[right[0], ("reload", false, 9000)], false),
        (&[("reload", false, 4200), right[1]], false),
        (&[("reload", false, 1900), right[1]], false),
        (&[("reload", true, 3050), right[1]], false),
    ] {
        let wrong = judge(&report(windows), &events, Evidence::Pid);
        assert_eq!(wrong.is_empty(), is_right, "{windows:?}: {wrong:?}");
    }
}

#[test]
fn the_judge_tells_an_upgrade_from_a_restart_by_the_error_log_only() {
    for (cause, evidence, is_right) in [
        ("upgrade", Evidence::ErrorLog, true),
        ("upgrade", Evidence::Pid, true),
        ("restart", Evidence::ErrorLog, false),
        ("restart", Evidence::Pid, true),
        ("reload", Evidence::Pid, false),
    ] {
        let report = report(&[(cause, false, 3000)]);
        let wrong = judge(&report, &[at("upgrade", 3000)], evidence);
        assert_eq!(wrong.is_empty(), is_right, "{cause}: {wrong:?}");
    }
}

#[test]
fn the_judge_of_suspicions_accepts_silence_and_no_wrong_cause() {
    for (kind, windows, is_right) in [
        ("reload", &[][..], true),
        ("reload", &[("unknown", true, 1500)], true),
        ("restart", &[("reload", true, 4900)], true),
        ("reload", &[("reload", false, 3000)], false),
        ("reload", &[("reload", true, 5200)], false),
        ("reload", &[("backend_restart", true, 3000)], false),
        ("reload", &[("unknown", true, 3000), ("unknown", true, 3500)], false),
        ("worker_exit", &[("reload", true, 3000)], false),
        ("worker_exit", &[("unknown", true, 3000)], true),
        ("backend_restart", &[("backend_restart", true, 3000)], true),
        ("backend_restart", &[("reload", true, 3000)], false),
        ("rotation", &[("unknown", true, 3000)], false),
    ] {
        let wrong = judge(&report(windows), &[at(kind, 3000)], Evidence::Statistics);
        assert_eq!(wrong.is_empty(), is_right, "{kind}: {windows:?}: {wrong:?}");
    }
}
