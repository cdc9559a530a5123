//! A real Prometheus scrapes `keepwarm watch` and evaluates the shipped rules. Does nothing unless `KEEPWARM_PROMETHEUS`
//! names a binary: tests/run does.

use crate::util::Dir;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Waiting ends here: far more than a loaded machine needs.
const PATIENCE: Duration = Duration::from_secs(120);

/// A program that ends with the test.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The body of an answer; none if there is none (yet).
fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.contains(" 200 ").then(|| body.to_owned())
}

fn await_some<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Watches a recorded log from its start; also gives where it listens.
fn watch(dir: &Dir) -> (Started, SocketAddr) {
    let args = ["watch", "--no-tui", "--from-start", "--listen", "127.0.0.1:0", "access.log"];
    let mut child =
        dir.command(&args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let started = Started(child);
    let address = loop {
        let mut line = String::new();
        assert!(said.read_line(&mut line).unwrap() > 0, "it ended");
        if let Some((_, rest)) = line.split_once("listening on http://") {
            break rest.split('/').next().unwrap().trim().parse().unwrap();
        }
    };
    // What else it says must not fill the pipe.
    std::thread::Builder::new()
        .spawn(move || std::io::copy(&mut said, &mut std::io::sink()))
        .unwrap();
    (started, address)
}

fn prometheus(dir: &Dir, program: &str, target: SocketAddr) -> (Started, SocketAddr) {
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/keepwarm.rules.yml");
    dir.write(
        "prometheus.yml",
        format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: ['{rules}']\n\
             scrape_configs:\n- job_name: keepwarm\n  static_configs: [{{targets: ['{target}']}}]\n"
        ),
    );
    // Free a moment ago; if somebody else takes it, Prometheus ends and the test says so.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let child = Command::new(program)
        .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
        .arg(format!("--web.listen-address={address}"))
        .current_dir(dir.path(""))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    (Started(child.unwrap()), address)
}

/// The values of a query, by the label `outcome`.
fn by_outcome(address: SocketAddr, query: &str) -> Option<Vec<(String, u64)>> {
    let answer = get(address, &format!("/api/v1/query?query={query}"))?;
    let answer: Value = serde_json::from_str(&answer).ok()?;
    let results = answer["data"]["result"].as_array()?.iter().map(|result| {
        let outcome = result["metric"]["outcome"].as_str().unwrap_or_default().to_owned();
        (outcome, result["value"][1].as_str().unwrap().parse().unwrap())
    });
    let mut results: Vec<(String, u64)> = results.collect();
    results.sort();
    (!results.is_empty()).then_some(results)
}

/// The values of a metric in the window of an hour, by upstream; none as long as Prometheus has none.
fn of_the_hour(address: SocketAddr, metric: &str) -> Option<BTreeMap<String, f64>> {
    let query = format!("/api/v1/query?query={metric}%7Bwindow=%221h%22%7D");
    let answer: Value = serde_json::from_str(&get(address, &query)?).ok()?;
    let results = answer["data"]["result"].as_array()?.iter().map(|result| {
        let upstream = result["metric"]["upstream"].as_str().unwrap().to_owned();
        (upstream, result["value"][1].as_str().unwrap().parse().unwrap())
    });
    let results: BTreeMap<String, f64> = results.collect();
    (!results.is_empty()).then_some(results)
}

/// The window of an hour holds the whole log, so it must show what the report says.
fn compare_windows(address: SocketAddr, report: &Value) {
    let upstreams = report["upstreams"].as_array().unwrap();
    let attempts: f64 = report["total"]["attempts"].as_f64().unwrap();
    await_some("the window", || {
        let counted = of_the_hour(address, "keepwarm_window_attempts")?;
        (counted.values().sum::<f64>() >= attempts).then_some(())
    });
    for (metric, field, unit) in [
        ("keepwarm_window_attempts", "/attempts", 1.0),
        ("keepwarm_window_failed_attempts", "/failed", 1.0),
        ("keepwarm_hit_rate_low", "/hit_rate/low", 1.0),
        ("keepwarm_hit_rate_high", "/hit_rate/high", 1.0),
        ("keepwarm_hit_rate_estimate", "/hit_rate/estimate", 1.0),
        ("keepwarm_connect_p95_seconds", "/connect_ms/p95", 1000.0),
        ("keepwarm_handshake_p95_seconds", "/handshake_ms/p95", 1000.0),
        ("keepwarm_response_p95_seconds", "/response_ms/p95", 1000.0),
    ] {
        let shown = of_the_hour(address, metric).unwrap_or_default();
        for upstream in upstreams {
            let name = upstream["name"].as_str().unwrap();
            let expected = upstream.pointer(field).and_then(Value::as_f64).map(|of| of / unit);
            assert_eq!(shown.get(name).copied(), expected, "{metric} of {name}");
        }
    }
}

#[test]
fn a_real_prometheus_scrapes_what_the_report_says_and_evaluates_the_rules() {
    let Ok(program) = std::env::var("KEEPWARM_PROMETHEUS") else {
        let word = "skipped: set KEEPWARM_PROMETHEUS to a prometheus binary (tests/run does)\n";
        std::io::stderr().write_all(word.as_bytes()).unwrap();
        return;
    };
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/cases/warm-three-reloads/access.log");
    let dir = Dir::with_log(std::fs::read(root).unwrap());
    let report = dir.run(&["report", "-o", "json", "access.log"]).json();
    let total = |name: &str| report["total"][name].as_u64().unwrap();
    let (_watch, target) = watch(&dir);
    let (_prometheus, address) = prometheus(&dir, &program, target);
    let lines = report["input"]["lines"].as_u64().unwrap();
    await_some("all lines", || {
        let counted = by_outcome(address, "sum(keepwarm_lines_total)")?;
        (counted[0].1 == lines).then_some(())
    });
    let attempts = await_some("attempts", || {
        by_outcome(address, "sum%20by%20(outcome)%20(keepwarm_attempts_total)")
    });
    let value =
        |name: &str| attempts.iter().find(|(outcome, _)| outcome == name).map_or(0, |of| of.1);
    assert_eq!(value("new"), total("new_certain"), "{attempts:?}");
    assert_eq!(value("undecided"), total("undecided"), "{attempts:?}");
    assert_eq!(value("failed"), total("failed"), "{attempts:?}");
    let sum: u64 = attempts.iter().map(|(_, count)| count).sum();
    assert_eq!(sum, total("attempts"), "{attempts:?}");
    compare_windows(address, &report);
    let rules = await_some("all rules", || {
        let answer: Value = serde_json::from_str(&get(address, "/api/v1/rules")?).ok()?;
        let rules = answer["data"]["groups"][0]["rules"].as_array()?.clone();
        rules.iter().all(|rule| rule["health"] != "unknown").then_some(rules)
    });
    assert!(rules.len() >= 5, "{rules:?}");
    for rule in rules {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
}
