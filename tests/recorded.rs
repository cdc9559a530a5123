//! Logs recorded from a real nginx beside what its backends counted.
//!
//! Each folder of `testdata/cases` is one case: `access.log` and maybe rotated ones, the `nginx.conf` that wrote them,
//! and `truth.json`: the connections that each backend accepted (`new`) and the requests it served. A new folder is a
//! new case; no code knows their names.

use crate::util::run_in;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The folders of the cases, by name.
fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cases");
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    assert!(found.len() >= 20, "the cases are there");
    found
}

/// The lines of all logs of a case.
fn log_lines(case: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(case).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("access.log") {
            let text = std::fs::read_to_string(path).unwrap();
            lines.extend(text.lines().map(str::to_owned));
        }
    }
    lines
}

/// The `log_format` directive that the configuration's `access_log …/access.log NAME` names.
fn directive(case: &Path) -> String {
    let conf = std::fs::read_to_string(case.join("nginx.conf")).unwrap();
    let access_log =
        conf.lines().find(|line| line.contains("access_log") && line.contains("/access.log"));
    let name = access_log.unwrap().split_whitespace().nth(2).unwrap().trim_end_matches(';');
    let from = conf.find(&format!("log_format {name} ")).unwrap();
    let length = conf[from..].find("';").unwrap() + "';".len();
    conf[from..from + length].to_owned()
}

/// Runs a report of all logs of a case.
fn report(case: &Path, args: &[&str]) -> Value {
    let run = run_in(case, &[&["report", "access.log*", "-o", "json"], args].concat());
    assert!(run.code <= 1, "{}: {}", case.display(), run.stderr);
    run.json()
}

fn count(stats: &Value, name: &str) -> u64 {
    stats[name].as_u64().unwrap_or_else(|| panic!("no {name}: {stats}"))
}

/// All peers of a report, whatever their upstream.
fn peers(report: &Value) -> Vec<&Value> {
    let upstreams = report["upstreams"].as_array().unwrap();
    upstreams.iter().flat_map(|upstream| upstream["peers"].as_array().unwrap()).collect()
}

#[test]
fn every_line_fits_and_every_attempt_is_counted_once() {
    for case in cases() {
        let report = report(&case, &[]);
        let name = case.display();
        let lines = log_lines(&case).len() as u64;
        assert_eq!(count(&report["input"], "lines"), lines, "{name}");
        assert_eq!(count(&report["input"], "matched"), lines, "{name}");
        assert_eq!(count(&report["input"], "malformed"), 0, "{name}");
        assert!(report["input"]["first_malformed"].is_null(), "{name}");
        for field in ["attempts", "failed", "no_live", "stale", "new_certain", "undecided"] {
            let total = count(&report["total"], field);
            let by_peer: u64 = peers(&report).iter().map(|peer| count(peer, field)).sum();
            let upstreams = report["upstreams"].as_array().unwrap();
            let by_upstream: u64 = upstreams.iter().map(|upstream| count(upstream, field)).sum();
            assert_eq!((by_peer, by_upstream), (total, total), "{name}: {field}");
        }
        let total = &report["total"];
        let parts = ["new_certain", "undecided", "failed"].map(|field| count(total, field));
        assert_eq!(count(total, "attempts"), parts.iter().sum::<u64>(), "{name}");
    }
}

#[test]
fn the_true_hit_rate_lies_in_the_interval() {
    for case in cases() {
        let truth = std::fs::read_to_string(case.join("truth.json")).unwrap();
        let truth: Value = serde_json::from_str(&truth).unwrap();
        let naive = naive_values(&log_lines(&case));
        let connected = |addr: &String| naive[addr]["upstream_connect_time"].len() as u64;
        let all: u64 = naive.keys().map(connected).sum();
        for conf in [&[][..], &["-c", "nginx.conf"]] {
            let report = report(&case, conf);
            check_rate(&case, "total", &truth["total"], all, &report["total"]);
            for (addr, true_peer) in truth["peers"].as_object().unwrap() {
                let peer = peers(&report).into_iter().find(|peer| peer["addr"] == **addr);
                let peer = peer.unwrap_or_else(|| panic!("{}: no peer {addr}", case.display()));
                check_rate(&case, addr, true_peer, connected(addr), peer);
            }
        }
    }
}

/// The true rate is that of all attempts that connected, also those on a stale connection, which no backend has seen:
/// so the log says how many there were, and the backends how many of them were new.
fn check_rate(case: &Path, what: &str, truth: &Value, connected: u64, stats: &Value) {
    let rate = &stats["hit_rate"];
    let (low, high) = (rate["low"].as_f64().unwrap(), rate["high"].as_f64().unwrap());
    let name = case.display();
    assert!(0.0 <= low && low <= high && high <= 1.0, "{name}: {what}: {rate}");
    if let Some(estimate) = rate["estimate"].as_f64() {
        assert!(low <= estimate && estimate <= high, "{name}: {what}: {rate}");
    }
    // Without any connection there is no true rate.
    if connected == 0 {
        return;
    }
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let truth = 1.0 - count(truth, "new") as f64 / connected as f64;
    // Shown with six digits.
    assert!(low - 1e-6 <= truth && truth <= high + 1e-6, "{name}: {what}: {truth} not in {rate}");
}

#[test]
fn a_format_gives_the_same_report_however_it_was_found() {
    for case in cases() {
        let detected = report(&case, &["--by", "peer"]);
        let from_conf = report(&case, &["--by", "peer", "-c", "nginx.conf"]);
        let given = report(&case, &["--by", "peer", "-f", &directive(&case)]);
        assert_eq!(detected, from_conf, "{}", case.display());
        assert_eq!(detected, given, "{}", case.display());
    }
}

#[test]
fn percentiles_are_those_of_the_sorted_values() {
    for case in cases() {
        let naive = naive_values(&log_lines(&case));
        let report = report(&case, &["--by", "peer"]);
        let peers = peers(&report);
        assert_eq!(peers.len(), naive.len(), "{}", case.display());
        for peer in peers {
            let addr = peer["addr"].as_str().unwrap();
            let values = &naive[addr];
            let connect = &values["upstream_connect_time"];
            let handshake = connect.iter().copied().filter(|ms| *ms > 0).collect();
            assert_eq!(count(peer, "new_certain"), u64::try_from(Vec::len(&handshake)).unwrap());
            for (name, sorted) in [
                ("connect_ms", connect),
                ("handshake_ms", &handshake),
                ("header_ms", &values["upstream_header_time"]),
                ("response_ms", &values["upstream_response_time"]),
            ] {
                let place = format!("{}: {addr}: {name}", case.display());
                check_percentiles(&place, sorted, &peer[name]);
            }
        }
    }
}

/// Nearest rank; exact up to 255 ms, above by at most 1 % too high, never above the maximum.
fn check_percentiles(place: &str, sorted: &[u64], got: &Value) {
    let Some(max) = sorted.last() else {
        assert!(got.is_null(), "{place}: {got}");
        return;
    };
    assert_eq!(count(got, "max"), *max, "{place}");
    for (name, percent) in [("p50", 50), ("p95", 95), ("p99", 99)] {
        let exact = sorted[(sorted.len() * percent).div_ceil(100) - 1];
        let got = count(got, name);
        let allowed = if exact <= 255 { 0 } else { exact / 100 };
        assert!(
            got >= exact && got <= (exact + allowed).min(*max),
            "{place}: {name}: {got} for {exact}"
        );
    }
}

/// The times of each peer in milliseconds by variable, sorted.
type Times = BTreeMap<String, BTreeMap<&'static str, Vec<u64>>>;

const TIMES: [&str; 3] =
    ["upstream_connect_time", "upstream_header_time", "upstream_response_time"];

/// Reads the lists of all lines in the simplest way that works for these logs.
fn naive_values(lines: &[String]) -> Times {
    let mut found = Times::new();
    for line in lines {
        let [addrs, times @ ..] = naive_lists(line);
        for (slot, addr) in addrs.iter().enumerate() {
            if addr.is_empty() || addr == "-" {
                continue;
            }
            let peer = found.entry(addr.clone()).or_default();
            for (name, list) in TIMES.into_iter().zip(&times) {
                let values = peer.entry(name).or_default();
                if let Ok(seconds) = list[slot].parse::<f64>() {
                    #[expect(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "a few seconds"
                    )]
                    values.push((seconds * 1000.0).round() as u64);
                }
            }
        }
    }
    found.values_mut().flat_map(BTreeMap::values_mut).for_each(|values| values.sort_unstable());
    found
}

/// Address, connect, header and response time, slot by slot.
fn naive_lists(line: &str) -> [Vec<String>; 4] {
    let slots = |list: &str| list.replace(" : ", ", ").split(", ").map(str::to_owned).collect();
    if line.starts_with('{') {
        let object: Value = serde_json::from_str(line).unwrap();
        let [connect, header, response] = TIMES;
        return ["upstream_addr", connect, header, response]
            .map(|name| slots(object[name].as_str().unwrap()));
    }
    if line.contains("uct=\"") {
        let value = |label: &str| line.split_once(label).unwrap().1.split_once('"').unwrap().0;
        return [" ups=\"", " uct=\"", " uht=\"", " urt=\""].map(|label| slots(value(label)));
    }
    // Behind the last quote stand the four lists without quotes.
    let joined = line.rsplit_once('"').unwrap().1.replace(" : ", ",").replace(", ", ",");
    let lists: Vec<&str> = joined.split_whitespace().collect();
    let lists: [&str; 4] = lists.try_into().unwrap();
    lists.map(|list| list.split(',').map(str::to_owned).collect())
}
