//! keepwarm's own report of a run, beside what the backends counted.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use super::{Counts, Run};

/// How far the estimate of a total may be off, as a share of its attempts.
const CLOSE: f64 = 0.02;
/// With at least so many attempts.
const ENOUGH: u64 = 800;

/// Reports on a run and asserts that the truth, as counted, is what the report says: in the interval of the total and
/// of every peer, and near the estimate of a total with enough attempts.
pub(crate) fn judge(run: &Run, total: Counts, peers: &BTreeMap<String, Counts>) {
    let report = report(run);
    let wrong: Vec<String> = std::iter::once(judge_one("total", &report["total"], total, CLOSE))
        .chain(all_peers(&report).map(|peer| {
            let addr = peer["addr"].as_str().expect("a peer has an address");
            // A peer that refuses everything is no backend of ours.
            let counts = peers.get(addr).copied().unwrap_or_default();
            judge_one(addr, peer, counts, 1.0)
        }))
        .flatten()
        .collect();
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), report["findings"]);
}

/// What is wrong with a rate, if anything is.
fn judge_one(name: &str, stats: &Value, counts: Counts, close: f64) -> Option<String> {
    let count = |field: &str| stats[field].as_u64().expect("a count");
    let connected = count("attempts") - count("failed");
    if connected == 0 {
        return None;
    }
    let exact = |n: u64| f64::from(u32::try_from(n).expect("a laboratory's numbers are small"));
    let truth = 1.0 - exact(counts.new) / exact(connected);
    let rate = &stats["hit_rate"];
    let at = |field: &str| rate[field].as_f64();
    let (low, high) = (at("low").expect("a bound"), at("high").expect("a bound"));
    let said = format!("{name}: {connected} attempts, truth {truth:.4}, {rate}");
    println!("{said}");
    // The report rounds to six digits.
    let inside = low - 1e-6 <= truth && truth <= high + 1e-6;
    let near = connected < ENOUGH
        || close >= 1.0
        || at("estimate").is_some_and(|estimate| (estimate - truth).abs() <= close);
    (!inside || !near).then_some(said)
}

fn all_peers(report: &Value) -> impl Iterator<Item = &Value> {
    let upstreams = report["upstreams"].as_array().expect("a list");
    upstreams.iter().flat_map(|upstream| upstream["peers"].as_array().expect("a list"))
}

fn report(run: &Run) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_keepwarm"))
        .args(["report", "-o", "json", "-q", "--by", "peer"])
        .args(&run.access_logs)
        .output()
        .expect("the program that was just built");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code().is_some_and(|code| code < 2), "{complaint}");
    serde_json::from_slice(&output.stdout).expect("a report in JSON")
}
