//! What a run found, ready to be rendered: plain data, sorted, without any choice left to the renderer but its form.

use serde::{Deserialize, Serialize};

/// Everything that one run found.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What was read.
    pub input: InputStats,
    /// First and last moment of the matched lines, or none where the log carries no time.
    pub period: Option<Period>,
    /// All attempts together.
    pub total: Stats,
    /// One per upstream (or per value of `--by`), worst first.
    pub upstreams: Vec<UpstreamReport>,
    /// When pools were emptied, by time.
    pub warmups: Vec<Warmup>,
    /// What an operator should know, worst first.
    pub findings: Vec<Finding>,
    /// There were lines with what the account of serial numbers needs: `$connection`, `$request_time` and a time.
    pub logs_serials: bool,
}

/// Line accounting: `lines = matched + malformed + too_long + filtered + excluded`, and `matched` includes `without_upstream`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InputStats {
    /// The sources in sorted order, as the user named them.
    pub sources: Vec<String>,
    /// Bytes read, after decompression.
    pub bytes: u64,
    /// Lines read, empty ones not counted.
    pub lines: u64,
    /// Lines that fit the format.
    pub matched: u64,
    /// Of the matched ones: requests that went to no upstream (static files, cache hits, redirects).
    pub without_upstream: u64,
    /// Lines that do not fit the format.
    pub malformed: u64,
    /// Lines over 1 MiB, skipped.
    pub too_long: u64,
    /// Lines that fit but lie outside `--since` and `--until`.
    pub filtered: u64,
    /// Lines that fit, of requests that began in a warm-up (`--exclude-warmup`).
    pub excluded: u64,
    /// The first line that does not fit, in the order of the sources' names.
    pub first_malformed: Option<MalformedLine>,
}

/// Where and why a line does not fit the format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MalformedLine {
    /// The source's name.
    pub source: String,
    /// Line number from 1.
    pub line: u64,
    /// Byte column from 1.
    pub column: u64,
    /// `expected …, found …`
    pub reason: String,
}

/// A span of time in milliseconds since 1970-01-01T00:00:00Z, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// The earliest line.
    pub from_ms: i64,
    /// The latest line.
    pub to_ms: i64,
}

impl Period {
    /// Its length in seconds. A log of less than a second tells no rate per second: it counts as one.
    #[expect(clippy::cast_precision_loss, reason = "spans of logs are far below 2^53 ms")]
    pub fn seconds(self) -> f64 {
        self.to_ms.saturating_sub(self.from_ms).max(1000) as f64 / 1000.0
    }
}

/// One upstream (or one group of `--by`) with its peers.
#[derive(Debug, Clone, PartialEq)]
pub struct UpstreamReport {
    /// The upstream's name; none where the log does not tell it and nginx.conf was not given.
    pub name: Option<String>,
    /// All its peers together.
    pub stats: Stats,
    /// One per peer, worst first.
    pub peers: Vec<PeerReport>,
    /// What it cost to warm its pools; none where no warm-up touched it.
    pub warmup: Option<UpstreamWarmup>,
    /// Attempts and certainly new connections over time, in at most 60 equal steps; those without attempts are left
    /// out. Where connects are too fast to show, there are more new ones than these.
    pub timeline: Vec<Point>,
}

/// One step of a timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// When it begins, in milliseconds since 1970-01-01T00:00:00Z.
    pub from_ms: i64,
    /// Attempts that got a connection.
    pub connected: u64,
    /// Of these: certainly new connections.
    pub new_certain: u64,
}

/// All warm-ups of one upstream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UpstreamWarmup {
    /// How often its pools were emptied.
    pub events: u64,
    /// From the event to its last new connection that was more than usual, in milliseconds: the median over the events.
    /// 0 where connects are too fast to show; none if it was cold to the end after half and more of them.
    pub warm_ms: Option<u64>,
    /// Certainly new connections in the windows that were more than usual.
    pub excess_new: u64,
    /// What requests waited for these, in milliseconds.
    pub handshake_ms: u64,
}

/// Why pools were empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Cause {
    /// HUP: all workers are new.
    Reload,
    /// nginx was stopped and started.
    Restart,
    /// USR2: a new binary took over.
    Upgrade,
    /// A worker crashed or was killed, and another took its place.
    WorkerExit,
    /// A backend restarted, or closed its connections.
    BackendRestart,
    /// Nothing tells.
    Unknown,
}

/// A time in which pools were cold, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cold {
    /// What emptied them.
    pub cause: Cause,
    /// Statistics alone say so.
    pub suspected: bool,
    /// When it began.
    pub from_ms: i64,
    /// When it was over, or else the end of the log, or when they were emptied again. At least a second later, even
    /// where connects are too fast to show.
    pub to_ms: i64,
}

/// A time in which pools had to be filled anew. Or many alike, at equal distances.
#[derive(Debug, Clone, PartialEq)]
pub struct Warmup {
    /// What emptied them.
    pub cause: Cause,
    /// Statistics alone say so.
    pub suspected: bool,
    /// What says so, strongest first: `error_log`, `pid`, `serial`, `connect_time`.
    pub evidence: Vec<&'static str>,
    /// When it began, in milliseconds since 1970-01-01T00:00:00Z: the first request of new workers, if they tell.
    pub start_ms: i64,
    /// When new connections came as usual again; none if they never did before the log ended or the pools were emptied
    /// again. Where connects are too fast or too few to show, it is the start. Of several that of the last one that is known.
    pub end_ms: Option<i64>,
    /// New connections in that time, at least.
    pub new_connections: u64,
    /// Of these: more than usual.
    pub excess_new: u64,
    /// What requests waited for the connections that were more than usual, in milliseconds.
    pub handshake_ms: u64,
    /// Most new connections per second.
    pub peak_new_per_second: f64,
    /// The upstreams whose pools were emptied, by name; unnamed ones by their peer.
    pub upstreams: Vec<String>,
    /// Of all certainly new connections of the log: the share of the certainly new ones that were more than usual here, from
    /// 0 to 1.
    pub share_of_new: f64,
    /// How many this stands for: more than one if they came at equal distances.
    pub count: u64,
    /// Their distance in milliseconds.
    pub period_ms: Option<i64>,
}

/// One server address.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerReport {
    /// As nginx logs it: `10.0.0.1:80`, `[::1]:80`, `unix:/path`.
    pub addr: String,
    /// Its attempts.
    pub stats: Stats,
}

/// The numbers of one peer, one upstream or the whole run.
#[derive(Debug, Clone, PartialEq)]
pub struct Stats {
    /// Tries at a peer: slots of the `$upstream_*` lists.
    pub attempts: u64,
    /// Attempts that never connected: refused, timed out, no live upstream, client left.
    pub failed: u64,
    /// Of `failed`: no live upstream, so no connect was tried at all.
    pub no_live: u64,
    /// Attempts on a pooled connection that the peer had already closed (502, nothing received).
    pub stale: u64,
    /// Attempts known to have opened a connection.
    pub new_certain: u64,
    /// Attempts that may be either: connect time 0.000, or not logged.
    pub undecided: u64,
    /// Reused / (reused + new).
    pub hit_rate: HitRate,
    /// `$upstream_connect_time` over all connected attempts.
    pub connect: Option<Latency>,
    /// `$upstream_connect_time` over attempts where it is above 0: what a new connection costs.
    pub handshake: Option<Latency>,
    /// `$upstream_header_time`.
    pub header: Option<Latency>,
    /// `$upstream_response_time`, without upgraded connections (101).
    pub response: Option<Latency>,
    /// Certainly new connections per second.
    pub new_per_second: Option<PerSecond>,
    /// New connections come all the time, in more than half of the timeline's cells, and not only in a burst.
    pub steadily_new: bool,
}

/// The share of connected attempts that reused a connection, from 0 to 1, with its uncertainty.
#[derive(Debug, Clone, PartialEq)]
pub struct HitRate {
    /// The best supported value; none where nothing supports one.
    pub estimate: Option<f64>,
    /// No evidence allows less.
    pub low: f64,
    /// No evidence allows more.
    pub high: f64,
    /// What the rule "0.000 means reused" would say; none where connect times are not logged.
    pub naive: Option<f64>,
    /// Which evidence decided: `serial`, `ticks`, `connect_time`, `bytes`, `latency`, `pool`. Connect times are under
    /// all others, wherever they stand; of the others the strongest stands first.
    pub basis: Vec<&'static str>,
}

/// Percentiles of a time, in milliseconds. Exact to 200 ms, within 1 % above; over one hour counts as one hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    /// How many values.
    pub count: u64,
    /// Median.
    pub p50: u64,
    /// 95th percentile.
    pub p95: u64,
    /// 99th percentile.
    pub p99: u64,
    /// The largest value.
    pub max: u64,
    /// The sum of the values.
    pub sum: u64,
}

/// New connections per second over the period.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PerSecond {
    /// Over the whole period.
    pub mean: f64,
    /// In the busiest stretch of `peak_over_s` seconds.
    pub peak: f64,
    /// Length of that stretch: 1 s unless the log is long.
    pub peak_over_s: u64,
}

/// How bad a finding is. The order is from worst to least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The run ends with exit status 1.
    Alert,
    /// Should be looked at.
    Warning,
    /// Good to know.
    Note,
}

/// One thing an operator should know, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// A stable name: `low_hit_rate`.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The upstream it is about; none for the whole run.
    pub upstream: Option<String>,
    /// What was found, with the numbers.
    pub message: String,
    /// What to do.
    pub fix: String,
}
