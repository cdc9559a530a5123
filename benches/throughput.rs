//! What each stage of a report costs: `cargo bench`, or `cargo bench -- tokenizer` for some.
//!
//! Logs are generated, so that every answer can be compared with the truth about them. Without `--bench`, as
//! `cargo test --benches` runs it, logs are small and nothing is timed.

#[allow(
    dead_code,
    unused_imports,
    reason = "its tests, built here without a harness, run in the example"
)]
mod generate;
mod measure;

use generate::{Limit, Options, Truth, generate};
use keepwarm::fold::{Choice, Fold, Recipe};
use keepwarm::input::Lines;
use keepwarm::log_format::variable::Field;
use keepwarm::log_format::{Escape, LogFormat, presets::Preset};
use keepwarm::record::attempt::{Attempt, Outcome, attempts};
use keepwarm::record::time::msec;
use keepwarm::summary::keys::Key;
use keepwarm::summary::{Merge, Summary};
use keepwarm::tokenizer::{Tokenizer, Tokens, Wanted};
use measure::Bench;
use std::error::Error;
use std::process::Command;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A generated log.
struct Log {
    bytes: Vec<u8>,
    truth: Truth,
}

impl Log {
    /// In a format and of about so many bytes. Of a reload, and more retries than usual, so that lists occur.
    fn new(format: &LogFormat, bytes: u64) -> Result<Self> {
        let options = Options {
            reloads: 1,
            retries: 0.02,
            ..Options::new(format.clone(), Limit::Bytes(bytes))
        };
        let mut bytes = Vec::new();
        let truth = generate(&options, &mut bytes)?;
        Ok(Log { bytes, truth })
    }

    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        Lines::new(&self.bytes).map(|line| line.bytes)
    }

    fn size(&self) -> (u64, u64) {
        (self.truth.lines, self.truth.bytes)
    }

    /// Attempts, certainly new ones, failed ones.
    fn counts(&self) -> [u64; 3] {
        let total = &self.truth.total;
        [total.attempts, total.new_visible, total.failed]
    }
}

fn main() -> Result<()> {
    let bench = Bench::from_args();
    let (small, large) =
        if bench.measuring { (16_000_000, 64_000_000) } else { (200_000, 400_000) };
    tokenizers(&bench, small)?;
    let log = Log::new(&preset("keepwarm")?, small)?;
    attempt_lists(&bench, &log)?;
    summaries(&bench, &log)?;
    report(&bench, &Log::new(&preset("keepwarm")?, large)?)
}

fn preset(name: &str) -> Result<LogFormat> {
    let preset = Preset::named(name).ok_or("no such preset")?;
    preset.format().map_err(|error| error.message().into())
}

/// What a report needs.
fn wanted() -> Wanted {
    Wanted::new(&[
        Field::Addr,
        Field::UpstreamStatus,
        Field::ConnectTime,
        Field::HeaderTime,
        Field::ResponseTime,
        Field::BytesReceived,
        Field::BytesSent,
        Field::Msec,
        Field::UpstreamName,
    ])
}

/// One format of each class of tokenizers.
fn tokenizers(bench: &Bench, bytes: u64) -> Result<()> {
    let shuffled = LogFormat::from_string("shuffled", SHUFFLED, Escape::Json)
        .map_err(|error| error.message().to_owned())?;
    for (class, written, read) in [
        ("quoted", preset("keepwarm")?, "keepwarm"),
        ("unquoted lists", preset("combined_upstream")?, "combined_upstream"),
        ("ingress-nginx", preset("ingress-nginx")?, "ingress-nginx"),
        ("ltsv", preset("ltsv")?, "ltsv"),
        ("json in order", preset("keepwarm_json")?, "keepwarm_json"),
        ("json by keys", shuffled, "keepwarm_json"),
    ] {
        let name = format!("tokenizer: {class}");
        if !bench.wants(&name) {
            continue;
        }
        let log = Log::new(&written, bytes)?;
        let tokenizer = Tokenizer::new(&preset(read)?, &wanted());
        let with_upstream = log.truth.lines - log.truth.without_upstream;
        bench.run(&name, log.size(), &(log.truth.lines, with_upstream), || {
            let (mut fit, mut with_upstream) = (0, 0);
            for line in log.lines() {
                if let Ok(tokens) = tokenizer.tokenize(line) {
                    fit += 1;
                    with_upstream += u64::from(tokens.get(Field::Addr) > Some(b"-"));
                }
            }
            Ok((fit, with_upstream))
        })?;
    }
    Ok(())
}

/// The keys of `keepwarm_json` in another order.
const SHUFFLED: &str = concat!(
    r#"{"upstream_bytes_received":"$upstream_bytes_received","user_agent":"$http_user_agent","#,
    r#""upstream_addr":"$upstream_addr","time":"$time_iso8601","remote_addr":"$remote_addr","#,
    r#""upstream_response_time":"$upstream_response_time","msec":"$msec","request":"$request","#,
    r#""upstream_header_time":"$upstream_header_time","status":"$status","#,
    r#""bytes":"$body_bytes_sent","proxy_host":"$proxy_host","request_time":"$request_time","#,
    r#""upstream_status":"$upstream_status","upstream_bytes_sent":"$upstream_bytes_sent","#,
    r#""pid":"$pid","connection":"$connection","connection_requests":"$connection_requests","#,
    r#""upstream_connect_time":"$upstream_connect_time"}"#
);

/// From the fields of lines to their attempts.
fn attempt_lists(bench: &Bench, log: &Log) -> Result<()> {
    let tokenizer = Tokenizer::new(&preset("keepwarm")?, &wanted());
    let read: Vec<Tokens<'_>> =
        log.lines().filter_map(|line| tokenizer.tokenize(line).ok()).collect();
    bench.run("attempts", log.size(), &log.counts(), || {
        let mut counts = [0; 3];
        for tokens in &read {
            attempts(&tokens.fields(), |attempt| count(&mut counts, &attempt))
                .map_err(|reject| reject.expected)?;
        }
        Ok(counts)
    })
}

fn count(counts: &mut [u64; 3], attempt: &Attempt<'_>) {
    counts[0] += 1;
    counts[1] += u64::from(attempt.outcome == Outcome::New);
    counts[2] += u64::from(attempt.outcome == Outcome::Failed);
}

/// What a summary knows of the same.
fn counts(summary: Summary) -> [u64; 3] {
    let (peers, _) = summary.peers.sorted();
    peers.iter().fold([0; 3], |[attempts, new, failed], (_, _, peer)| {
        [attempts + peer.attempts, new + peer.new_certain, failed + peer.failed]
    })
}

/// Recording attempts, folding whole lines, and merging what several workers found.
fn summaries(bench: &Bench, log: &Log) -> Result<()> {
    let format = preset("keepwarm")?;
    let tokenizer = Tokenizer::new(&format, &wanted());
    let mut recorded: Vec<(Key<'_>, Attempt<'_>, Option<i64>)> = Vec::new();
    let read: Vec<Tokens<'_>> =
        log.lines().filter_map(|line| tokenizer.tokenize(line).ok()).collect();
    for tokens in &read {
        let (group, ms) = (tokens.get(Field::UpstreamName), tokens.get(Field::Msec).and_then(msec));
        attempts(&tokens.fields(), |attempt| {
            recorded.push((Key { group, peer: attempt.addr }, attempt, ms));
        })
        .map_err(|reject| reject.expected)?;
    }
    bench.run("summary: record", log.size(), &log.counts(), || {
        let mut summary = Summary::default();
        for (key, attempt, ms) in &recorded {
            summary.peer(*key).record(attempt, *ms);
        }
        Ok(counts(summary))
    })?;
    let recipe = Recipe::new(&format, None, Choice::default(), "access.log");
    bench.run("fold", log.size(), &log.counts(), || {
        let mut fold = Fold::default();
        let mut odd = None;
        fold.lines(&recipe, log.lines(), |_, line, mismatch| odd = Some(mismatch.reason(line)));
        odd.map_or(Ok(counts(fold.summary)), |reason| Err(reason.into()))
    })?;
    let mut parts: Vec<Fold> = (0..64).map(|_| Fold::default()).collect();
    for (i, line) in log.lines().enumerate() {
        parts[i * 64 / usize::try_from(log.truth.lines)?].line(&recipe, line).ok();
    }
    bench.run("summary: merge 64 parts", log.size(), &log.counts(), || {
        let mut whole = Summary::default();
        for part in &parts {
            whole.merge(part.summary.clone());
        }
        Ok(counts(whole))
    })
}

/// The program itself, on a file.
fn report(bench: &Bench, log: &Log) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("access.log");
    std::fs::write(&path, &log.bytes)?;
    for threads in ["1", "2"] {
        bench.run(&format!("report -j{threads}"), log.size(), &log.counts(), || {
            let output = Command::new(env!("CARGO_BIN_EXE_keepwarm"))
                .args(["report", "--quiet", "--output", "json", "--threads", threads])
                .arg(&path)
                .output()?;
            let report: serde_json::Value = serde_json::from_slice(&output.stdout)?;
            let count = |name: &str| report["total"][name].as_u64().unwrap_or(0);
            Ok([count("attempts"), count("new_certain"), count("failed")])
        })?;
    }
    Ok(())
}
