//! Writes a log as nginx would, of any size and format: `cargo run --release --example generate -- --bytes 1GB -o x.log`

#[path = "mod.rs"]
mod generate;

use clap::Parser;
use generate::{Limit, Options, Truth};
use keepwarm::log_format::{Escape, LogFormat, presets::Preset};
use std::error::Error;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Writes a log as nginx would: consistent in its connection serials, pids, pools, times and lists
#[derive(Debug, Parser)]
struct Args {
    /// Stop after so many bytes: 500, 64MB, 1GB (decimal), 64MiB, 1GiB
    #[arg(long, value_name = "SIZE", value_parser = bytes, conflicts_with = "lines")]
    bytes: Option<u64>,
    /// Stop after so many lines [default: 100000]
    #[arg(long, value_name = "N")]
    lines: Option<u64>,
    /// A preset of keepwarm's, or a format string
    #[arg(long, value_name = "NAME|STRING", default_value = "keepwarm")]
    format: String,
    /// Upstreams
    #[arg(long, value_name = "N", default_value_t = 4)]
    upstreams: usize,
    /// Peers of each upstream
    #[arg(long, value_name = "N", default_value_t = 3)]
    peers: usize,
    /// Worker processes
    #[arg(long, value_name = "N", default_value_t = 4)]
    workers: usize,
    /// Requests per second of log time
    #[arg(long, value_name = "N", default_value_t = 1000)]
    rate: u64,
    /// How far the rate rises by day and falls by night, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 0)]
    wave: u64,
    /// When the log starts
    #[arg(long, value_name = "TIME", default_value = "2026-11-21T00:00:00Z")]
    start: jiff::Timestamp,
    /// How often a connection goes back to the pool; other upstreams than the first lose a quarter to four times as many
    #[arg(long, value_name = "SHARE", default_value_t = 0.95)]
    reuse: f64,
    /// How often an attempt fails
    #[arg(long, value_name = "SHARE", default_value_t = 0.01)]
    retries: f64,
    /// How long a connection may wait in a pool, as nginx's `keepalive_timeout` of an upstream; 0 for ever
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    keepalive_timeout: u64,
    /// How long a connect to any peer takes: 2, 0.4 [default: upstreams differ, from 0.06 to 12]
    #[arg(long, value_name = "MS", value_parser = micros)]
    connect_ms: Option<u64>,
    /// Reloads, at random over the log
    #[arg(long, value_name = "N", default_value_t = 0)]
    reloads: u64,
    /// Times that a peer closes all its connections, at random between the reloads
    #[arg(long, value_name = "N", default_value_t = 0)]
    backend_restarts: u64,
    /// Most idle client connections
    #[arg(long, value_name = "N", default_value_t = 200)]
    clients: usize,
    /// Requests per client connection, in the mean: their turnover
    #[arg(long, value_name = "N", default_value_t = 20)]
    requests_per_client: u64,
    /// Another seed, another log
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Where the log goes [default: stdout]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Where the truth goes, as JSON
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let options = options(&args)?;
    let result = match &args.output {
        Some(path) => generate::generate(&options, &mut File::create(path)?),
        None => generate::generate(&options, &mut io::stdout().lock()),
    };
    let truth: Truth = match result {
        // Whoever reads has enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
        result => result?,
    };
    if let Some(path) = &args.truth {
        serde_json::to_writer_pretty(File::create(path)?, &truth)?;
    }
    Ok(())
}

fn options(args: &Args) -> Result<Options, Box<dyn Error>> {
    let limit = args.bytes.map_or(Limit::Lines(args.lines.unwrap_or(100_000)), Limit::Bytes);
    Ok(Options {
        upstreams: args.upstreams,
        peers: args.peers,
        workers: args.workers,
        rate: args.rate,
        wave: args.wave,
        start: u64::try_from(args.start.as_second())?,
        reuse: args.reuse,
        retries: args.retries,
        keepalive_timeout: args.keepalive_timeout,
        connect_us: args.connect_ms,
        reloads: args.reloads,
        backend_restarts: args.backend_restarts,
        clients: args.clients,
        requests_per_client: args.requests_per_client,
        seed: args.seed,
        ..Options::new(format(&args.format)?, limit)
    })
}

fn format(text: &str) -> Result<LogFormat, Box<dyn Error>> {
    let format = if text.contains('$') {
        let escape = if text.starts_with('{') { Escape::Json } else { Escape::Default };
        LogFormat::from_string("given", text, escape)
    } else {
        Preset::named(text).ok_or_else(|| format!("no preset of this name: {text}"))?.format()
    };
    format.map_err(|error| error.message().into())
}

/// Milliseconds to microseconds.
fn micros(text: &str) -> Result<u64, String> {
    let ms: f64 = text.parse().map_err(|_| "expected milliseconds, such as 0.4".to_owned())?;
    let time = Duration::try_from_secs_f64(ms / 1000.0).map_err(|error| error.to_string())?;
    u64::try_from(time.as_micros()).map_err(|_| "too long".to_owned())
}

fn bytes(text: &str) -> Result<u64, String> {
    let (digits, unit) =
        text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let unit = match unit {
        "" | "B" => 1,
        "kB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err("expected a number and kB, MB, GB, KiB, MiB, GiB or nothing".to_owned()),
    };
    let number: u64 = digits.parse().map_err(|_| "expected a number in front".to_owned())?;
    number.checked_mul(unit).ok_or_else(|| "too large".to_owned())
}
