//! `--since reload` and `--exclude-warmup`: the time apart from warm-ups.

use crate::util::{Dir, Run};

/// A copy of a recorded log: 70 s with reloads after 9, 29 and 50 s.
fn three_reloads() -> Dir {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/cases/warm-three-reloads/access.log");
    Dir::with_log(std::fs::read(root).unwrap())
}

fn report(dir: &Dir, args: &[&str]) -> Run {
    dir.run(&[&["report", "-o", "json", "--min-hit-rate", "0", "access.log"], args].concat())
        .code(0)
}

#[test]
fn since_reload_begins_with_the_last_one() {
    let run = report(&three_reloads(), &["--since", "reload"])
        .says("since the reload at 2026-11-21T06:08:36.");
    let json = run.json();
    let from = json["period"]["from"].as_str().unwrap();
    assert!(from.starts_with("2026-11-21T06:08:36."), "{from}");
    assert_eq!(json["warmups"].as_array().unwrap().len(), 1);
    assert!(json["total"]["hit_rate"]["basis"].to_string().contains("serial"), "{}", json["total"]);
}

#[test]
fn without_warm_ups_reuse_is_what_it_usually_is() {
    let dir = three_reloads();
    let whole = report(&dir, &[]).json();
    let steady = report(&dir, &["--exclude-warmup"]).json();
    let new = |json: &serde_json::Value| json["total"]["new_certain"].as_u64().unwrap();
    let warmups = whole["warmups"].as_array().unwrap();
    let share: f64 = warmups.iter().map(|warmup| warmup["share_of_new"].as_f64().unwrap()).sum();
    let exact = |n: u64| f64::from(u32::try_from(n).unwrap());
    let left_out = exact(new(&whole) - new(&steady));
    assert!(left_out >= share * exact(new(&whole)) - 1.0, "{left_out}, {share}");
    assert_eq!(whole["warmups"], steady["warmups"], "they are still told");
    let lines = |json: &serde_json::Value, name: &str| json["input"][name].as_u64().unwrap();
    assert_eq!(lines(&steady, "matched") + lines(&steady, "excluded"), lines(&whole, "matched"));
    // The numbers of clients that came while pools were cold are known all the same.
    let rate = |json: &serde_json::Value| json["total"]["hit_rate"]["estimate"].as_f64().unwrap();
    assert!(steady["total"]["hit_rate"]["basis"].to_string().contains("serial"));
    assert!(rate(&steady) > rate(&whole), "{} {}", rate(&steady), rate(&whole));
    let connected = lines(&steady, "excluded");
    assert!((20..400).contains(&connected), "{connected} left out");
}

#[test]
fn both_go_together() {
    let dir = three_reloads();
    let both = report(&dir, &["--since", "reload", "--exclude-warmup"]).json();
    let since = report(&dir, &["--since", "reload"]).json();
    let matched = |json: &serde_json::Value| json["input"]["matched"].as_u64().unwrap();
    assert!(matched(&both) < matched(&since));
}

#[test]
fn a_log_without_a_reload_or_a_pipe_is_an_error() {
    let dir = Dir::with_log(
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/cases/warm-quiet/access.log"))
            .unwrap(),
    );
    dir.run(&["report", "--since", "reload", "access.log"]).code(2).says("no reload in these logs");
    dir.run(&["report", "--exclude-warmup", "-"]).code(2).says("logs are read twice");
    // Nothing to leave out is fine.
    dir.run(&["report", "--exclude-warmup", "access.log"]).code(0);
}
