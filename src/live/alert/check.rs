//! What is seen at one tick, and what each rule says of it.

use super::rules::{RuleSet, Rules};
use super::{Id, Rule};
use crate::analysis::report::{PeerReport, Report, Stats, UpstreamReport};

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
    /// How long it must last, in seconds.
    pub(super) for_s: u64,
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) limit: f64,
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

#[expect(clippy::cast_precision_loss, reason = "counts, ports and times are far below 2^53")]
fn of_upstream(rules: &Rules, seen: &SeenUpstream, now_ms: i64, all: &mut Vec<Check>) {
    let is_enough = seen.attempts >= rules.min_attempts.max(1);
    let enough = |verdict| if is_enough { verdict } else { Verdict::Unknown };
    let id = |rule, peer: Option<&str>| Id::new(rule, &seen.name, peer);
    let check =
        |id, verdict, low, high, limit| Check { id, verdict, for_s: rules.for_s, low, high, limit };
    let warming_s = seen.warmup_since_ms.map(|since| now_ms.saturating_sub(since).max(0) / 1000);
    let is_long = |seconds: i64| u64::try_from(seconds).unwrap_or(0) >= rules.warmup_grace;
    let (low, high) = (seen.low * 100.0, seen.high * 100.0);
    let hit_rate = if warming_s.is_some_and(|seconds| !is_long(seconds)) {
        Verdict::Between
    } else if high < rules.min_hit_rate {
        Verdict::Bad
    } else if high >= (rules.min_hit_rate + rules.clear_margin).min(100.0) {
        Verdict::Good
    } else {
        Verdict::Between
    };
    let limit = rules.min_hit_rate;
    all.push(check(id(Rule::HitRate, None), enough(hit_rate), low, high, limit));
    let seconds = warming_s.unwrap_or(0);
    let warm = if warming_s.is_some_and(is_long) { Verdict::Bad } else { Verdict::Good };
    let (value, limit) = (seconds as f64, rules.warmup_grace as f64);
    // The grace is its time to wait.
    all.push(Check { for_s: 0, ..check(id(Rule::NeverWarmed, None), warm, value, value, limit) });
    if let Some(limit) = rules.max_connect_p95 {
        let value = seen.connect_p95.unwrap_or(0) as f64;
        let verdict = seen.connect_p95.map_or(Verdict::Unknown, |_| is_over(value, limit as f64));
        let id = id(Rule::ConnectP95, None);
        all.push(check(id, enough(verdict), value, value, limit as f64));
    }
    if let Some(limit) = rules.max_failed {
        let value = 100.0 * seen.failed as f64 / seen.attempts.max(1) as f64;
        let id = id(Rule::FailedConnects, None);
        all.push(check(id, enough(is_over(value, limit)), value, value, limit));
    }
    for (peer, per_second) in &seen.peers {
        let limit = rules.ports as f64 / TIME_WAIT_S * rules.max_ports / 100.0;
        let verdict = is_over(*per_second, limit);
        let id = id(Rule::PortExhaustion, Some(peer));
        all.push(check(id, verdict, *per_second, *per_second, limit));
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts and times are far below 2^53")]
fn of_source(rules: &RuleSet, seen: &SeenSource, now_ms: i64, all: &mut Vec<Check>) {
    let mut add = |rule, verdict, value, limit| {
        let id = Id::new(rule, &seen.name, None);
        all.push(Check { id, verdict, for_s: 0, low: value, high: value, limit });
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

impl Seen {
    /// What a report of the window shows; the warm-ups are those of a report of more time, as they may have begun before
    /// the window. Those that statistics alone suspect count for nothing.
    pub fn of_reports(window: &Report, longer: &Report) -> Self {
        let name_of = |upstream: &UpstreamReport| {
            let first = upstream.peers.first().map(|peer| &peer.addr);
            upstream.name.as_ref().or(first).cloned().unwrap_or_default()
        };
        let warmup_since_ms = |name: &String| {
            let mut known = longer.warmups.iter().filter(|warmup| !warmup.suspected);
            let last = known.rfind(|warmup| warmup.upstreams.contains(name))?;
            last.end_ms.is_none().then_some(last.start_ms)
        };
        let upstreams = window.upstreams.iter().map(|upstream| {
            let Stats { attempts, failed, hit_rate, connect, .. } = &upstream.stats;
            let name = name_of(upstream);
            let new = |peer: &PeerReport| {
                let per_second = peer.stats.new_per_second.map_or(0.0, |new| new.mean);
                (peer.addr.clone(), per_second)
            };
            SeenUpstream {
                warmup_since_ms: warmup_since_ms(&name),
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
