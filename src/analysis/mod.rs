//! Pure functions of a summary: rates with their evidence, percentiles, findings.

mod findings;
pub mod hit_rate;
pub mod report;
pub mod warmup;

use crate::summary::keys::Keys;
use crate::summary::latency::LatencySummary;
use crate::summary::peer::PeerSummary;
use crate::summary::timeline::Timeline;
use crate::summary::{Merge, Summary};
use findings::Evidence;
use hit_rate::Row;
use report::{
    Cold, HitRate, InputStats, Latency, PeerReport, PerSecond, Period, Point, Report, Stats,
    UpstreamReport, UpstreamWarmup, Warmup,
};
use std::cmp::Ordering;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

/// What the operator expects, and what is known besides the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Reuse under this share (0 to 1) is a finding.
    pub min_hit_rate: f64,
    /// Fewer attempts than this are no base for a finding.
    pub min_attempts: u64,
    /// The same of single upstreams, by name.
    pub own_limits: BTreeMap<String, Limits>,
    /// Upstream names by peer address, from nginx.conf: for attempts whose upstream the log does not name.
    pub names: BTreeMap<String, String>,
    /// Peers are listed one by one, whatever their upstream.
    pub by_peer: bool,
    /// Order of upstreams, and of the peers of each.
    pub sort: Sort,
    /// How long connects take, in milliseconds, by peer address, upstream name, or `*` for all others.
    pub connect_latency: BTreeMap<String, f64>,
    /// Directives of nginx.conf that take connection numbers and write no line: with them serial numbers give a lower
    /// end only.
    pub number_takers: Vec<&'static str>,
    /// How far the clock of this machine is ahead of UTC, in seconds: the last resort for error logs, which tell no zone.
    pub utc_offset_seconds: i64,
    /// Requests that began in these spans are not in the summary, though their clients' numbers are, see
    /// [`crate::fold::Choice::excluded`].
    pub excluded: Arc<[(i64, i64)]>,
}

/// What is a finding for one upstream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// As [`Policy::min_hit_rate`].
    pub min_hit_rate: f64,
    /// As [`Policy::min_attempts`].
    pub min_attempts: u64,
}

impl Policy {
    /// The limits of an upstream.
    fn limits_of(&self, upstream: &str) -> Limits {
        let Policy { min_hit_rate, min_attempts, .. } = *self;
        self.own_limits.get(upstream).copied().unwrap_or(Limits { min_hit_rate, min_attempts })
    }

    /// The connect latency given for a peer of an upstream, in milliseconds.
    fn latency_of(&self, upstream: Option<&str>, addr: &str) -> Option<f64> {
        let names = [Some(addr), upstream, Some("*")];
        names.into_iter().flatten().find_map(|name| self.connect_latency.get(name)).copied()
    }
}

/// Orders of rows. Equals stand in the order of their names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sort {
    /// Those with enough attempts first, lowest reuse first, then the busiest.
    #[default]
    Worst,
    /// Most attempts first.
    Attempts,
    /// Most certainly new connections first.
    New,
    /// By name.
    Name,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            min_hit_rate: 0.7,
            min_attempts: 100,
            own_limits: BTreeMap::new(),
            names: BTreeMap::new(),
            by_peer: false,
            sort: Sort::Worst,
            connect_latency: BTreeMap::new(),
            number_takers: Vec::new(),
            utc_offset_seconds: 0,
            excluded: Arc::default(),
        }
    }
}

/// Turns a summary into what is shown. The line accounting comes with the names of the sources, which a summary does
/// not know.
pub fn analyse(summary: Summary, input: InputStats, policy: &Policy) -> Report {
    analyse_with_cold(summary, input, policy).0
}

/// The same, and the times in which pools were cold, in order: each one, also of those that the report tells as a series.
pub fn analyse_with_cold(
    mut summary: Summary,
    input: InputStats,
    policy: &Policy,
) -> (Report, Vec<Cold>) {
    let period = summary.span.get().map(|(from_ms, to_ms)| Period { from_ms, to_ms });
    let inputs = warmup::Inputs::take(&mut summary);
    let groups = group(summary.peers, policy);
    let peers: Vec<Vec<Row<'_>>> = groups
        .iter()
        .map(|(name, peers)| {
            let row = |(addr, peer)| Row {
                addr,
                peer,
                latency_ms: policy.latency_of(name.as_deref(), addr),
            };
            peers.iter().map(|(addr, peer)| row((addr.as_str(), peer))).collect()
        })
        .collect();
    let rates = hit_rate::rates(&summary.serials, &peers, policy);
    let logs_serials = !summary.serials.sorted().is_empty();
    let warmups = warmup::find(inputs, &summary.serials, &groups, policy.utc_offset_seconds);
    let mut total = PeerSummary::default();
    let mut upstreams = Vec::new();
    let judged = rates.upstreams.into_iter().zip(warmups.upstreams);
    for ((name, peers), ((rate, peer_rates), warmup)) in groups.into_iter().zip(judged) {
        let mut sum = PeerSummary::default();
        let mut reports = Vec::new();
        for ((addr, mut peer), rate) in peers.into_iter().zip(peer_rates) {
            reports.push(PeerReport { addr, stats: stats(&peer, rate, period) });
            // Rates are known by now: nobody asks for what they rest on of a sum.
            peer.drop_detail();
            sum.merge(peer);
        }
        reports.sort_by(|a, b| order(&a.stats, &b.stats, policy));
        let timeline = points(&sum.timeline, period);
        let stats = stats(&sum, rate, period);
        upstreams.push(UpstreamReport { name, stats, peers: reports, warmup, timeline });
        total.merge(sum);
    }
    // By name first: unnamed ones go by the address of their only peer.
    upstreams.sort_by(|a: &UpstreamReport, b| name_of(a).cmp(name_of(b)));
    upstreams.sort_by(|a, b| order(&a.stats, &b.stats, policy));
    let total = stats(&total, rates.total, period);
    let evidence = Evidence {
        conflicts: &rates.conflicts,
        silent_per_second: rates.silent_per_second,
        logs_serials,
        warmups: &warmups.warmups,
        period,
    };
    let findings = findings::findings(&input, &total, &upstreams, evidence, policy);
    let warmup::Found { warmups, cold, .. } = warmups;
    (Report { input, period, total, upstreams, warmups, findings, logs_serials }, cold)
}

/// Findings about warm-ups.
const OF_WARMUPS: [&str; 2] = ["never_warm", "reload_cost"];

/// The report of a part of the time with the warm-ups of all of it, as far as they began after `since` (in milliseconds
/// since the epoch): the part itself has holes where they were, or begins with one.
pub fn with_warmups_of(whole: Report, mut part: Report, since: Option<i64>) -> Report {
    let is_in = |warmup: &Warmup| since.is_none_or(|ms| warmup.start_ms >= ms || warmup.count > 1);
    part.warmups = whole.warmups.into_iter().filter(is_in).collect();
    // What all warm-ups together cost.
    let costs: BTreeMap<String, Option<UpstreamWarmup>> = whole
        .upstreams
        .iter()
        .map(|upstream| (name_of(upstream).to_owned(), upstream.warmup))
        .collect();
    for upstream in &mut part.upstreams {
        let cost = costs.get(name_of(upstream)).copied().flatten();
        upstream.warmup = cost.filter(|_| since.is_none());
    }
    part.findings.retain(|finding| !OF_WARMUPS.contains(&finding.rule));
    if whole.logs_serials && !part.logs_serials {
        findings::say_numbers_are_not_used(&mut part.findings);
        part.logs_serials = true;
    }
    let of_whole = whole.findings.into_iter();
    part.findings.extend(of_whole.filter(|finding| OF_WARMUPS.contains(&finding.rule)));
    part.findings.sort_by_key(|finding| finding.severity);
    part
}

/// Peers of one upstream.
type Group = BTreeMap<String, PeerSummary>;

/// The name of the sum of what the summary could not keep apart.
const OTHERS: &str = "(others)";

/// Sorts the summary's entries into upstreams. A peer whose upstream the log does not name (an earlier pass of a request
/// that was redirected; a log without `$proxy_host`) goes to the one upstream that nginx.conf, or else the rest of the
/// log, knows it from. Where neither tells it stands alone.
fn group(peers: Keys<PeerSummary>, policy: &Policy) -> Vec<(Option<String>, Group)> {
    let (entries, others) = peers.sorted();
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut named: BTreeMap<String, Group> = BTreeMap::new();
    let mut unnamed = Group::new();
    for (name, peer, value) in entries {
        let peer = text(&peer);
        match name.filter(|_| !policy.by_peer) {
            Some(name) => {
                let name = text(&name);
                seen.entry(peer.clone()).or_default().insert(name.clone());
                put(named.entry(name).or_default(), peer, value);
            }
            None => put(&mut unnamed, peer, value),
        }
    }
    let mut groups = Vec::new();
    for (peer, value) in unnamed {
        let only = seen.get(&peer).filter(|names| names.len() == 1).and_then(|names| names.first());
        match policy.names.get(&peer).or(only).filter(|_| !policy.by_peer) {
            Some(name) => {
                put(named.entry(name.clone()).or_default(), peer, value);
            }
            None => groups.push((None, Group::from([(peer, value)]))),
        }
    }
    groups.extend(named.into_iter().map(|(name, peers)| (Some(name), peers)));
    if let Some(value) = others {
        groups.push((Some(OTHERS.to_owned()), Group::from([(OTHERS.to_owned(), *value)])));
    }
    groups
}

/// Adds to a peer of a group. What is the first of it is not copied.
fn put(group: &mut Group, peer: String, value: PeerSummary) {
    match group.entry(peer) {
        Entry::Vacant(free) => drop(free.insert(value)),
        Entry::Occupied(mut own) => own.get_mut().merge(value),
    }
}

fn name_of(upstream: &UpstreamReport) -> &str {
    match (&upstream.name, upstream.peers.first()) {
        (Some(name), _) => name,
        (None, Some(peer)) => &peer.addr,
        (None, None) => "",
    }
}

/// Bytes of a log as text; what is no UTF-8 is shown as nginx would escape it.
fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.utf8_chunks().fold(String::new(), |mut text, chunk| {
            text.push_str(chunk.valid());
            for byte in chunk.invalid() {
                let _ = write!(text, "\\x{byte:02X}");
            }
            text
        }),
    }
}

/// The order of two rows that come by name; sorting is stable, so equals stay in that order.
fn order(a: &Stats, b: &Stats, policy: &Policy) -> Ordering {
    let few = |stats: &Stats| stats.attempts < policy.min_attempts;
    let rate = |stats: &Stats| stats.hit_rate.estimate.unwrap_or(stats.hit_rate.high);
    match policy.sort {
        Sort::Worst => {
            few(a).cmp(&few(b)).then(rate(a).total_cmp(&rate(b))).then(b.attempts.cmp(&a.attempts))
        }
        Sort::Attempts => b.attempts.cmp(&a.attempts),
        Sort::New => b.new_certain.cmp(&a.new_certain),
        Sort::Name => Ordering::Equal,
    }
}

fn stats(peer: &PeerSummary, hit_rate: HitRate, period: Option<Period>) -> Stats {
    Stats {
        attempts: peer.attempts,
        failed: peer.failed,
        no_live: peer.no_live,
        stale: peer.stale,
        new_certain: peer.new_certain,
        undecided: peer.undecided,
        hit_rate,
        connect: latency(&peer.connect, 0),
        handshake: latency(&peer.connect, peer.connect.count_at(0)),
        header: latency(&peer.header, 0),
        response: latency(&peer.response, 0),
        new_per_second: period.map(|period| per_second(&peer.timeline, period)),
        steadily_new: is_steadily_new(&peer.timeline),
    }
}

/// Percentiles of all values but the `zeros` smallest, which must be zeros. None where nothing is left.
fn latency(summary: &LatencySummary, zeros: u64) -> Option<Latency> {
    let count = summary.count() - zeros;
    let at = |share| summary.percentile_above(zeros, share);
    Some(Latency {
        count,
        p50: at(500)?,
        p95: at(950)?,
        p99: at(990)?,
        max: u64::from(summary.max()),
        sum: summary.sum(),
    })
}

/// Certainly new connections per second: on average over the period, and in the busiest of these cells.
#[expect(clippy::cast_precision_loss, reason = "counts and seconds are far below 2^53")]
fn per_second(timeline: &Timeline, period: Period) -> PerSecond {
    let width = u64::try_from(timeline.width() / 1000).unwrap_or(1);
    let new = || timeline.iter().map(|(_, cell)| cell.new_certain);
    PerSecond {
        mean: new().sum::<u64>() as f64 / period.seconds(),
        peak: new().max().unwrap_or(0) as f64 / width as f64,
        peak_over_s: width,
    }
}

/// Most steps of an upstream's timeline.
const MAX_POINTS: i64 = 60;

/// Attempts and certainly new connections in at most [`MAX_POINTS`] steps.
fn points(timeline: &Timeline, period: Option<Period>) -> Vec<Point> {
    let Some(period) = period else { return Vec::new() };
    let width = timeline.width();
    let from = period.from_ms.div_euclid(width) * width;
    let step = ((period.to_ms - from) / width / MAX_POINTS + 1) * width;
    let mut points: Vec<Point> = Vec::new();
    for (at, cell) in timeline.iter() {
        let from_ms = from + (at - from).div_euclid(step) * step;
        let (connected, new_certain) = (cell.attempts - cell.failed, cell.new_certain);
        match points.last_mut() {
            Some(last) if last.from_ms == from_ms => {
                last.connected += connected;
                last.new_certain += new_certain;
            }
            _ => points.push(Point { from_ms, connected, new_certain }),
        }
    }
    points
}

/// Do new connections come all the time, in more than half of the cells, and not only in a burst?
fn is_steadily_new(timeline: &Timeline) -> bool {
    let busy = timeline.iter().filter(|(_, cell)| cell.attempts > cell.failed).count();
    let new = timeline.iter().filter(|(_, cell)| cell.new_certain > 0).count();
    new * 2 > busy
}
