//! How many of the reloads and backend restarts that are hidden in a month of traffic a report finds, with `$pid` and
//! without: `cargo bench --bench warmup`. Without `--bench`, as `cargo test --benches` runs it, it is a day.
//!
//! The log goes through a pipe as it is generated, so that it needs no place on disk.

#[allow(
    dead_code,
    unused_imports,
    reason = "its tests, built here without a harness, run in the example"
)]
mod generate;

use generate::{Limit, Options, Truth, generate};
use keepwarm::log_format::{Escape, LogFormat};
use serde_json::Value;
use std::error::Error;
use std::io::{Read, Write, stdout};
use std::process::{Child, Command, Stdio};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How much of what is reported has to be true, and how much of what is true has to be reported, in percent, in a
/// month: with `$pid`, where 100 and 100 were measured, and by statistics alone, where 95 and 95 were. Backend restarts
/// are printed only: a peer of this quiet month has two connections, and two new ones are no burst.
const FLOORS: [Floor; 2] = [
    Floor { name: "pid", precision: 98, recall: 98 },
    Floor { name: "statistics", precision: 93, recall: 93 },
];

/// Most memory that a report of a month may take, in KiB (`VmHWM`).
const MOST_KIB: u64 = 128 << 10;

/// How late a window may begin, in milliseconds: at 2 requests/s it takes a while until both workers have logged one.
const LATE_MS: i64 = 120_000;

/// How early: times of requests are those of their ends.
const EARLY_MS: i64 = 5_000;

#[derive(Debug)]
struct Floor {
    name: &'static str,
    precision: u64,
    recall: u64,
}

const FORMATS: [&str; 2] = [
    "$remote_addr [$time_local] msec=$msec rt=$request_time pid=$pid conn=$connection \
     creq=$connection_requests up=$proxy_host ups=\"$upstream_addr\" us=\"$upstream_status\" \
     uct=\"$upstream_connect_time\" uht=\"$upstream_header_time\" urt=\"$upstream_response_time\"",
    "$remote_addr [$time_local] msec=$msec rt=$request_time up=$proxy_host \
     ups=\"$upstream_addr\" us=\"$upstream_status\" uct=\"$upstream_connect_time\" \
     uht=\"$upstream_header_time\" urt=\"$upstream_response_time\"",
];

/// A quiet month of 50 upstreams with daily waves: 2 requests/s over two workers, connects that take 2 ms, and about one
/// connection in seventy that does not come back to its pool, so that there are always new ones.
fn site(format: &str, days: u64, reloads: u64) -> Result<Options> {
    let format = LogFormat::from_string("bench", format, Escape::Default)
        .map_err(|error| error.message().to_owned())?;
    Ok(Options {
        upstreams: 50,
        peers: 1,
        workers: 2,
        rate: 2,
        wave: 80,
        reuse: 0.99,
        retries: 0.0005,
        keepalive_timeout: 600,
        connect_us: Some(2000),
        reloads,
        backend_restarts: reloads / 4,
        clients: 40,
        ..Options::new(format, Limit::Lines(days * 2 * 86_400))
    })
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let filters: Vec<&String> = args.iter().filter(|arg| !arg.starts_with("--")).collect();
    if !filters.is_empty() && !filters.iter().any(|filter| "warmup".contains(filter.as_str())) {
        return Ok(());
    }
    let is_month = args.iter().any(|arg| arg == "--bench");
    let (days, reloads) = if is_month { (30, 60) } else { (1, 4) };
    let mut out = stdout();
    writeln!(out, "| evidence   | event           | true | found | precision | recall | MiB |")?;
    writeln!(out, "| ---------- | --------------- | ---: | ----: | --------: | -----: | --: |")?;
    for (format, floor) in FORMATS.iter().zip(FLOORS) {
        let (truth, report, kib) = report(&site(format, days, reloads)?, format)?;
        let windows = windows(&report)?;
        let reload_times: Vec<i64> = times(truth.reloads_ms.iter().copied());
        let restart_times = times(truth.backend_restarts.iter().map(|restart| restart.at_ms));
        for (event, truth, is_backend) in
            [("reload", reload_times, false), ("backend restart", restart_times, true)]
        {
            let found: Vec<i64> = windows
                .iter()
                .filter(|(cause, _)| (cause == "backend_restart") == is_backend)
                .map(|(_, start)| *start)
                .collect();
            let hits = hits(&found, &truth);
            let (precision, recall) = (percent(hits, found.len()), percent(hits, truth.len()));
            let [p, r] = [precision, recall].map(|percent| match percent {
                Some(percent) => percent.to_string(),
                None => "-".to_owned(),
            });
            writeln!(
                out,
                "| {:<10} | {event:<15} | {:>4} | {:>5} | {p:>9} | {r:>6} | {:>3} |",
                floor.name,
                truth.len(),
                found.len(),
                kib >> 10,
            )?;
            if is_month && !is_backend {
                assert!(precision.unwrap_or(0) >= floor.precision, "{floor:?}");
                assert!(recall.unwrap_or(0) >= floor.recall, "{floor:?}");
            }
        }
        assert!(!is_month || kib <= MOST_KIB, "{kib} KiB");
    }
    Ok(())
}

/// Generates a log into a report; the truth, the report, and the most memory it took in KiB.
fn report(options: &Options, format: &str) -> Result<(Truth, Value, u64)> {
    let mut keepwarm = Command::new(env!("CARGO_BIN_EXE_keepwarm"))
        .args(["report", "-q", "-o", "json", "-f", format, "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut stdin = keepwarm.stdin.take().ok_or("a pipe")?;
    let truth = generate(options, &mut stdin)?;
    let before = most_memory(&keepwarm);
    drop(stdin);
    // It writes when it has finished its analysis. If it has gone by then, we know what it took before that.
    let mut text = vec![0];
    let mut stdout = keepwarm.stdout.take().ok_or("a pipe")?;
    stdout.read_exact(&mut text)?;
    let after = most_memory(&keepwarm);
    stdout.read_to_end(&mut text)?;
    let status = keepwarm.wait()?;
    assert!(status.code().is_some_and(|code| code < 2), "{status}");
    let report: Value = serde_json::from_slice(&text)?;
    assert_eq!(report["input"]["matched"].as_u64(), Some(truth.lines));
    Ok((truth, report, before.max(after).unwrap_or(0)))
}

/// The most memory that a process has had so far, in KiB; none where Linux's /proc does not tell.
fn most_memory(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// Cause and start of each warm-up.
fn windows(report: &Value) -> Result<Vec<(String, i64)>> {
    let none = Vec::new();
    let windows = report["warmups"].as_array().unwrap_or(&none).iter().map(|window| {
        let cause = window["cause"].as_str().ok_or("a cause")?;
        let start: jiff::Timestamp = window["start"].as_str().ok_or("a start")?.parse()?;
        Ok((cause.to_owned(), start.as_millisecond()))
    });
    windows.collect()
}

fn times(ms: impl Iterator<Item = u64>) -> Vec<i64> {
    ms.filter_map(|ms| i64::try_from(ms).ok()).collect()
}

/// How many of the true times have a found one of their own.
fn hits(found: &[i64], truth: &[i64]) -> usize {
    let mut left = found.to_vec();
    let mut has_one = |at: &i64| {
        let near = left.iter().position(|start| (at - EARLY_MS..=at + LATE_MS).contains(start));
        near.map(|near| left.swap_remove(near)).is_some()
    };
    truth.iter().filter(|at| has_one(at)).count()
}

/// Rounded down; none of nothing.
fn percent(part: usize, whole: usize) -> Option<u64> {
    (part as u64 * 100).checked_div(whole as u64)
}
