//! One row per situation: its logs, read by the built program as an operator would give them, beside the truth.

use super::super::Row;
use super::super::cases::Counts;
use super::super::variations::Random;
use super::{Line, Nginx, Peer};
use crate::util::Dir;
use keepwarm::analysis::report::HitRate;
use serde_json::Value;

/// `keepalive_requests 10`: nine of ten are reused.
pub(super) const MIDDLING: Peer =
    Peer { addr: "127.0.0.1:80", pool: 64, requests: 10, visible: 0.05 };
/// A pool that fits.
const ON: Peer = Peer { requests: 1000, ..MIDDLING };
/// No pool.
const OFF: Peer = Peer { pool: 0, ..MIDDLING };

/// What must be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// The truth is inside, and there is an estimate.
    Estimate,
    /// The truth is inside.
    Inside,
    /// The truth is inside, or the evidence is said to disagree.
    Honest,
    /// The evidence is said to disagree.
    Conflict,
    /// The truth is inside, and numbers are said to come with time.
    Silent,
}

use Expected::{Conflict, Estimate, Honest, Inside, Silent};

/// Files of a run by name.
type Files = Vec<(String, Vec<Line>)>;

fn one(lines: Vec<Line>) -> Files {
    vec![("access.log".to_owned(), lines)]
}

/// Lines by the file that each belongs to.
fn spread(lines: &[Line], files: usize, file_of: impl Fn(usize, &Line) -> usize) -> Vec<Vec<Line>> {
    let mut parts = vec![Vec::new(); files];
    for (i, line) in lines.iter().enumerate() {
        parts[file_of(i, line)].push(line.clone());
    }
    parts
}

fn named(parts: Vec<Vec<Line>>, name: impl Fn(usize) -> String) -> Files {
    parts.into_iter().enumerate().map(|(i, lines)| (name(i), lines)).collect()
}

/// Two logs in one file, the second one to begin `after_ms` behind the first one's beginning.
fn mixed(first: &Nginx, second: Nginx, after_ms: i64) -> Files {
    let second = Nginx { seed: 2, begin_ms: first.begin_ms + after_ms, ..second };
    let mut lines = [first.log(), second.log()].concat();
    lines.sort_by_key(|line| line.end_ms);
    one(lines)
}

fn late_clients() -> Vec<(String, Files, Expected)> {
    let mut all = Vec::new();
    for late_ms in [[20.0, 300.0], [50.0, 500.0]] {
        for seed in 1..=3 {
            let nginx =
                Nginx { seed, seconds: 60, late_ms, pids: (1..=4).collect(), ..Nginx::default() };
            all.push((format!("late by {late_ms:?} ms, seed {seed}"), one(nginx.log()), Estimate));
        }
    }
    all
}

fn several_logs() -> Vec<(String, Files, Expected)> {
    let numbered = Nginx { peers: vec![ON], ..Nginx::default() }.log();
    let other =
        Nginx { seed: 2, clients: 10.0, pids: vec![201], peers: vec![OFF], ..Nginx::default() };
    let bare = other.log().into_iter().map(|line| Line { serial: None, ..line }).collect();
    let off = Nginx { peers: vec![OFF], ..Nginx::default() }.log();
    let lines = Nginx::default().log();
    let by_date = spread(&lines, 6, |i, _| i * 6 / lines.len());
    let mut all = vec![
        (
            "one log with serial numbers, one without".to_owned(),
            vec![("a.log".to_owned(), numbered), ("b.log".to_owned(), bare)],
            Inside,
        ),
        (
            "the same requests in two logs".to_owned(),
            vec![("a.log".to_owned(), off.clone()), ("b.log".to_owned(), off)],
            Conflict,
        ),
        (
            "files named by date".to_owned(),
            named(by_date, |i| format!("access-2026-11-{}.log", 15 + i)),
            Estimate,
        ),
    ];
    for logs in [4, 12] {
        let by_request = spread(&lines, logs, |i, _| i % logs);
        let by_client =
            spread(&lines, logs, |_, line| usize::try_from(line.serial.unwrap().0).unwrap() % logs);
        let name = |i| format!("site{i}.log");
        all.push((format!("{logs} logs by request"), named(by_request, name), Estimate));
        all.push((format!("{logs} logs by client"), named(by_client, name), Estimate));
    }
    all
}

fn sampled() -> Vec<(String, Files, Expected)> {
    let mut all = Vec::new();
    for percent in [95, 80] {
        for requests in [[1, 1], [1, 2]] {
            let nginx = Nginx { clients: 100.0, requests, ..Nginx::default() };
            let mut random = Random(7);
            let kept = nginx.log().into_iter().filter(|_| random.below(100) < percent).collect();
            all.push((
                format!("{percent} % of the lines, {requests:?} a client"),
                one(kept),
                Honest,
            ));
        }
    }
    all
}

fn mixed_counters() -> Vec<(String, Files, Expected)> {
    let mut all = Vec::new();
    let old = |peer| Nginx {
        pids: vec![29, 30],
        drawn: 5_000_000,
        peers: vec![peer],
        ..Nginx::default()
    };
    for (name, before, after) in [("off to on", OFF, ON), ("on to off", ON, OFF)] {
        for percent in [75, 90] {
            let first = Nginx { seconds: 2 * percent, ..old(before) };
            let second = Nginx { seconds: 200 - 2 * percent, drawn: 0, ..old(after) };
            let after_ms = i64::try_from(2 * percent * 1000 + 1500).unwrap();
            let files = mixed(&first, second, after_ms);
            all.push((format!("restart at {percent} %, same pids, {name}"), files, Honest));
        }
        for percent in [10.0, 40.0] {
            let clients = 20.0 * percent / (100.0 - percent);
            let second = Nginx { clients, drawn: 1000, ..old(after) };
            let files = mixed(&old(before), second, 0);
            all.push((
                format!("two hosts, same pids, {percent} % of the other, {name}"),
                files,
                Honest,
            ));
        }
    }
    all
}

/// Keepalive is turned on or off by a reload in the middle of a log.
fn changed() -> Vec<(String, Files, Expected)> {
    let mut all = Vec::new();
    for (name, before, after) in [("off to on", OFF, ON), ("on to off", ON, OFF)] {
        for clients in [5.0, 20.0] {
            let first = Nginx { clients, peers: vec![before], ..Nginx::default() };
            let (_, drawn) = first.run();
            let pids = vec![103, 104];
            let second = Nginx { pids, drawn, peers: vec![after], ..first.clone() };
            let files = mixed(&first, second, 120_000);
            all.push((format!("{clients} clients a second, reload, {name}"), files, Estimate));
        }
    }
    all
}

fn other_numbers() -> Vec<(String, Files, Expected)> {
    let far = [(10, 0.5, 1000, 0.03), (1000, 0.6, 5, 0.05), (20, 0.8, 1000, 0.04)];
    let apart = far.map(|(requests, visible, near_requests, near_visible)| {
        let far = Peer { addr: "10.0.0.1:80", requests, visible, ..ON };
        let near = Peer { requests: near_requests, visible: near_visible, ..ON };
        let nginx = Nginx { clients: 10.0, peers: vec![far, near], ..Nginx::default() };
        (format!("peers of which {visible} and {near_visible} show"), one(nginx.log()), Inside)
    });
    let silent = [8.0, 20.0].into_iter().flat_map(|silent| {
        let nginx = Nginx { seconds: 300, silent, phases: Some(5), ..Nginx::default() };
        let steady = Nginx { phases: None, ..nginx.clone() };
        [
            (format!("{silent} silent clients a second, load in phases"), one(nginx.log()), Silent),
            (format!("{silent} silent clients a second, steady load"), one(steady.log()), Inside),
        ]
    });
    let brief = (1..=6).map(|seed| {
        let peers = vec![ON];
        let nginx = Nginx {
            seed,
            seconds: 60,
            clients: 2.0,
            silent: 20.0,
            silent_seconds: 25,
            peers,
            ..Nginx::default()
        };
        (format!("silent clients for a part of the time, seed {seed}"), one(nginx.log()), Inside)
    });
    apart.into_iter().chain(silent).chain(brief).collect()
}

/// The program's report on files of these lines.
fn report(files: &Files, args: &[&str], text: impl Fn(&Line) -> String) -> Value {
    let dir = Dir::new();
    for (name, lines) in files {
        let text: Vec<String> = lines.iter().map(|line| text(line) + "\n").collect();
        dir.write(name, text.concat());
    }
    let paths: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    dir.run(&[&["report", "-q", "-o", "json"], args, &paths].concat()).json()
}

/// The rows of a report on some files: the total, and the peers where there are several.
fn rows(name: &str, files: &Files, report: &Value) -> Vec<Row> {
    let has = |rule: &str| {
        report["findings"].as_array().unwrap().iter().any(|finding| finding["rule"] == rule)
    };
    let row = |peer: Option<&str>, stats: &Value| {
        let lines = files.iter().flat_map(|(_, lines)| lines);
        let own: Vec<&Line> =
            lines.filter(|line| peer.is_none_or(|addr| addr == line.addr)).collect();
        let new = own.iter().filter(|line| line.new).count() as u64;
        let counts = Counts { new, connected: own.len() as u64 };
        assert_eq!(stats["attempts"].as_u64(), Some(counts.connected), "{name}");
        let peer = peer.map(str::to_owned);
        let (rate, truth) = (rate(&stats["hit_rate"]), counts.rate().unwrap());
        let conflict = has("serial_conflict");
        Row { case: name.to_owned(), peer, connected: counts.connected, truth, rate, conflict }
    };
    let mut rows = vec![row(None, &report["total"])];
    let upstreams = report["upstreams"].as_array().unwrap();
    let peers = upstreams.iter().flat_map(|upstream| upstream["peers"].as_array().unwrap());
    if upstreams.len() > 1 {
        rows.extend(peers.map(|peer| row(peer["addr"].as_str(), peer)));
    }
    rows
}

fn rate(value: &Value) -> HitRate {
    let basis = value["basis"].as_array().unwrap();
    // The report rounds to six digits.
    HitRate {
        estimate: value["estimate"].as_f64(),
        low: (value["low"].as_f64().unwrap() - 1e-6).max(0.0),
        high: value["high"].as_f64().unwrap() + 1e-6,
        naive: value["naive"].as_f64(),
        basis: ["serial", "bytes", "latency", "connect_time", "ticks", "pool"]
            .into_iter()
            .filter(|word| basis.iter().any(|used| used == word))
            .collect(),
    }
}

/// What is wrong with the report of a scenario, if anything is.
fn wrong(rows: &[Row], report: &Value, expected: Expected) -> Option<&'static str> {
    let inside = rows.iter().all(Row::is_inside);
    let conflict = rows[0].conflict;
    let silent =
        || report["findings"].as_array().unwrap().iter().any(|it| it["rule"] == "silent_clients");
    match expected {
        Conflict => (!conflict).then_some("no conflict"),
        Honest => (!inside && !conflict).then_some("outside"),
        _ if !inside => Some("outside"),
        Estimate => rows[0].rate.estimate.is_none().then_some("no estimate"),
        Silent => (!silent()).then_some("no silent clients"),
        Inside => None,
    }
}

#[test]
fn no_simulated_log_gets_a_confident_wrong_number() {
    let scenarios =
        [late_clients(), several_logs(), sampled(), mixed_counters(), changed(), other_numbers()]
            .concat();
    let (mut judged, mut confident, mut failed) = (0, Vec::new(), Vec::new());
    for (name, files, expected) in &scenarios {
        let report = report(files, &["--by", "peer"], Line::text);
        let rows = rows(name, files, &report);
        judged += rows.len();
        for row in &rows {
            println!("{row}");
            if !row.is_inside() && !row.conflict {
                confident.push(row.to_string());
            }
        }
        failed.extend(wrong(&rows, &report, *expected).map(|why| format!("{name}: {why}")));
    }
    println!("{} of {judged} confident and wrong", confident.len());
    assert!(confident.is_empty(), "{}", confident.join("\n"));
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn hosts_in_one_file_are_counted_apart_by_hostname() {
    let format = "$hostname $remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \
                  \"$http_referer\" \"$http_user_agent\" rt=$request_time msec=$msec pid=$pid conn=$connection \
                  creq=$connection_requests up=$proxy_host ua=\"$upstream_addr\" us=\"$upstream_status\" \
                  uct=\"$upstream_connect_time\" uht=\"$upstream_header_time\" urt=\"$upstream_response_time\" \
                  ubs=\"$upstream_bytes_sent\" ubr=\"$upstream_bytes_received\"";
    let host = |drawn, addr, peer: Peer| Nginx {
        pids: vec![29],
        drawn,
        peers: vec![Peer { addr, ..peer }],
        phases: Some(5),
        ..Nginx::default()
    };
    // Peers tell the hosts' lines apart here, so that the truth of each is known.
    let (web1, web2) = ("10.0.0.1:80", "10.0.0.2:80");
    let files = mixed(&host(5_000_000, web1, ON), host(1000, web2, OFF), 0);
    let text = |line: &Line| {
        format!("{} {}", if line.addr == web1 { "web1" } else { "web2" }, line.text())
    };
    let report = report(&files, &["-f", format, "--by", "$hostname"], text);
    for row in rows("two hosts", &files, &report) {
        println!("{row}");
        assert!(row.is_inside() && !row.conflict, "{row}");
        assert!(row.error().is_some_and(|error| error <= 0.01), "{row}");
    }
}
