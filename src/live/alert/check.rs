//! What is seen at one tick, and what each rule says of it.

use super::rules::{RuleSet, Rules};
use super::{Id, Rule};
use crate::analysis::report::{PeerReport, Report, Stats, UpstreamReport};
use std::collections::BTreeMap;

/// What one tick shows. All of the same window, but `warmup_since_ms`, which the warm-ups of a longer one tell.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// One per upstream.
    pub upstreams: Vec<SeenUpstream>,
    /// One per source.
    pub sources: Vec<SeenSource>,
}

/// What the window shows of an upstream.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SeenUpstream {
    /// Its name; for one without, the address of its only peer.
    pub name: String,
    /// Attempts, with those that failed.
    pub attempts: u64,
    /// Of these: never connected.
    pub failed: u64,
    /// Lower end of the hit rate, from 0 to 1.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// 95 % of connects took no longer, in milliseconds; none without any.
    pub connect_p95: Option<u64>,
    /// Its pools have been filling since this moment, in milliseconds since the epoch; none: they are not.
    pub warmup_since_ms: Option<i64>,
    /// Certainly new connections per second, by peer.
    pub peers: Vec<(String, f64)>,
    /// What the last seconds show, if they are looked at apart.
    pub recent: Option<Recent>,
}

/// What the last seconds show of an upstream: a long window still holds what was before.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Recent {
    /// Attempts, with those that failed.
    pub attempts: u64,
    /// Lower end of the hit rate, from 0 to 1.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// What is known of a source.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SeenSource {
    /// As the user named it.
    pub name: String,
    /// When its last line came, in milliseconds since the epoch; none: it never had one.
    pub last_line_ms: Option<i64>,
    /// Its last lines, up to [`RuleSet::lines`].
    pub lines: u64,
    /// Of these: do not fit its format.
    pub malformed: u64,
}

/// What a rule says of what is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The limit is passed.
    Bad,
    /// All is well, and by the margin if there is one.
    Good,
    /// Neither bad enough to begin nor good enough to end.
    Between,
    /// There is not enough to tell.
    Unknown,
}

/// A verdict with its numbers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Check {
    pub(super) id: Id,
    pub(super) verdict: Verdict,
    /// What the last seconds say.
    pub(super) recent: Option<Verdict>,
    /// A reload emptied the pools so many seconds ago, and they are not full yet.
    pub(super) warming_s: Option<u64>,
    /// It must not fire now, as a warm-up takes no longer than it may.
    pub(super) is_muted: bool,
    /// How long one may take, in seconds.
    pub(super) grace_s: u64,
    /// How long it must last, in seconds.
    pub(super) for_s: u64,
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) limit: f64,
}

impl Check {
    fn of(id: Id, verdict: Verdict, for_s: u64, value: f64, limit: f64) -> Self {
        let (low, high) = (value, value);
        let (recent, warming_s, is_muted, grace_s) = (None, None, false, 0);
        Check { id, verdict, recent, warming_s, is_muted, grace_s, for_s, low, high, limit }
    }
}

/// Seconds for which a closed connection keeps its port: Linux's `TCP_TIMEWAIT_LEN`.
const TIME_WAIT_S: f64 = 60.0;

/// All that the rules say at this moment, in milliseconds since the epoch.
pub(super) fn checks(rules: &RuleSet, seen: &Seen, now_ms: i64) -> Vec<Check> {
    let mut all = Vec::new();
    for upstream in &seen.upstreams {
        of_upstream(rules.of(&upstream.name), upstream, now_ms, &mut all);
    }
    for source in &seen.sources {
        of_source(rules, source, now_ms, &mut all);
    }
    all
}

fn is_over(value: f64, limit: f64) -> Verdict {
    if value > limit { Verdict::Bad } else { Verdict::Good }
}

/// How a hit rate's upper end, in percent, compares to its limit.
fn of_rate(rules: &Rules, attempts: u64, high: f64) -> Verdict {
    if attempts < rules.min_attempts.max(1) {
        Verdict::Unknown
    } else if high < rules.min_hit_rate {
        Verdict::Bad
    } else if high >= (rules.min_hit_rate + rules.clear_margin).min(100.0) {
        Verdict::Good
    } else {
        Verdict::Between
    }
}

fn hit_rate(rules: &Rules, seen: &SeenUpstream, now_ms: i64) -> Check {
    let warming_s = seen.warmup_since_ms.map(|since| now_ms.saturating_sub(since).max(0) / 1000);
    let warming_s = warming_s.and_then(|seconds| u64::try_from(seconds).ok());
    // A burst stays in the window for as long as that is: without attempts it says nothing of this moment.
    let is_idle = seen.recent.is_some_and(|recent| recent.attempts == 0);
    let attempts = if is_idle { 0 } else { seen.attempts };
    let verdict = of_rate(rules, attempts, 100.0 * seen.high);
    let recent = seen.recent.map(|recent| of_rate(rules, recent.attempts, 100.0 * recent.high));
    // The numbers are those that show it first.
    let (low, high) = match seen.recent {
        Some(of) if recent == Some(Verdict::Bad) && verdict != Verdict::Bad => (of.low, of.high),
        _ => (seen.low, seen.high),
    };
    Check {
        id: Id::new(Rule::HitRate, &seen.name, None),
        verdict,
        recent,
        warming_s,
        is_muted: warming_s.is_some_and(|seconds| seconds < rules.warmup_grace),
        grace_s: rules.warmup_grace,
        for_s: rules.for_s,
        low: low * 100.0,
        high: high * 100.0,
        limit: rules.min_hit_rate,
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts, ports and times are far below 2^53")]
fn of_upstream(rules: &Rules, seen: &SeenUpstream, now_ms: i64, all: &mut Vec<Check>) {
    all.push(hit_rate(rules, seen, now_ms));
    let is_enough = seen.attempts >= rules.min_attempts.max(1);
    let enough = |verdict| if is_enough { verdict } else { Verdict::Unknown };
    let id = |rule, peer: Option<&str>| Id::new(rule, &seen.name, peer);
    let mut add =
        |id, verdict, value, limit| all.push(Check::of(id, verdict, rules.for_s, value, limit));
    if let Some(limit) = rules.max_connect_p95 {
        let value = seen.connect_p95.unwrap_or(0) as f64;
        let verdict = seen.connect_p95.map_or(Verdict::Unknown, |_| is_over(value, limit as f64));
        add(id(Rule::ConnectP95, None), enough(verdict), value, limit as f64);
    }
    if let Some(limit) = rules.max_failed {
        let value = 100.0 * seen.failed as f64 / seen.attempts.max(1) as f64;
        add(id(Rule::FailedConnects, None), enough(is_over(value, limit)), value, limit);
    }
    // Unix sockets have no ports.
    for (peer, per_second) in seen.peers.iter().filter(|(peer, _)| !peer.starts_with("unix:")) {
        let limit = rules.ports as f64 / TIME_WAIT_S * rules.max_ports / 100.0;
        let verdict = is_over(*per_second, limit);
        add(id(Rule::PortExhaustion, Some(peer)), verdict, *per_second, limit);
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts and times are far below 2^53")]
fn of_source(rules: &RuleSet, seen: &SeenSource, now_ms: i64, all: &mut Vec<Check>) {
    let mut add = |rule, verdict, value, limit| {
        all.push(Check::of(Id::new(rule, &seen.name, None), verdict, 0, value, limit));
    };
    if let (Some(silence), Some(last)) = (rules.silence, seen.last_line_ms) {
        let silent = (now_ms.saturating_sub(last).max(0) / 1000) as f64;
        add(Rule::SilentSource, is_over(silent, silence as f64), silent, silence as f64);
    }
    let share = 100.0 * seen.malformed as f64 / seen.lines.max(1) as f64;
    let verdict =
        if seen.lines >= rules.lines.max(1) { is_over(share, 50.0) } else { Verdict::Unknown };
    add(Rule::NotMatching, verdict, share, 50.0);
}

/// The name of an upstream; of one without, the address of its first peer.
fn name_of(upstream: &UpstreamReport) -> &str {
    let first = upstream.peers.first().map(|peer| &*peer.addr);
    upstream.name.as_deref().or(first).unwrap_or_default()
}

impl Seen {
    /// What a report of the window shows, and one of the last seconds if these are looked at apart; the warm-ups are
    /// those of a report of more time, as they may have begun before the window. Those that statistics alone suspect
    /// count for nothing.
    pub fn of_reports(window: &Report, recent: Option<&Report>, longer: &Report) -> Self {
        let warmup_since_ms = |name: &String| {
            let mut known = longer.warmups.iter().filter(|warmup| !warmup.suspected);
            let last = known.rfind(|warmup| warmup.upstreams.contains(name))?;
            last.end_ms.is_none().then_some(last.start_ms)
        };
        let recent: Option<BTreeMap<&str, Recent>> = recent.map(|report| {
            let of = |upstream| (name_of(upstream), Recent::of(&upstream.stats));
            report.upstreams.iter().map(of).collect()
        });
        let upstreams = window.upstreams.iter().map(|upstream| {
            let Stats { attempts, failed, hit_rate, connect, .. } = &upstream.stats;
            let name = name_of(upstream).to_owned();
            let new = |peer: &PeerReport| {
                let per_second = peer.stats.new_per_second.map_or(0.0, |new| new.mean);
                (peer.addr.clone(), per_second)
            };
            SeenUpstream {
                warmup_since_ms: warmup_since_ms(&name),
                recent: recent.as_ref().map(|all| all.get(&*name).copied().unwrap_or_default()),
                name,
                attempts: *attempts,
                failed: *failed,
                low: hit_rate.low,
                high: hit_rate.high,
                connect_p95: connect.map(|connect| connect.p95),
                peers: upstream.peers.iter().map(new).collect(),
            }
        });
        Seen { upstreams: upstreams.collect(), sources: Vec::new() }
    }
}

impl Recent {
    fn of(stats: &Stats) -> Self {
        let Stats { attempts, hit_rate, .. } = stats;
        Recent { attempts: *attempts, low: hit_rate.low, high: hit_rate.high }
    }
}
