//! What an operator should know, in words.

mod reuse;
mod warmup;

use super::hit_rate::Conflict;
use super::report::{
    Finding, InputStats, PeerReport, Period, Severity, Stats, UpstreamReport, Warmup,
};
use super::{Limits, Policy};
use crate::units::{lines, thousands};
use reuse::{Advice, percent};
use std::net::{IpAddr, SocketAddr};

/// What the evidence says besides the rates.
#[derive(Debug, Clone, Copy)]
pub(super) struct Evidence<'a> {
    /// Evidence that disagrees.
    pub(super) conflicts: &'a [Conflict],
    /// Connection numbers per second that belong to nothing in the log, where that is sure.
    pub(super) silent_per_second: Option<f64>,
    /// Does the log tell serial numbers?
    pub(super) logs_serials: bool,
    /// When pools were emptied, by time.
    pub(super) warmups: &'a [Warmup],
    /// What the log covers.
    pub(super) period: Option<Period>,
}

/// All findings, worst first.
pub(super) fn findings(
    input: &InputStats,
    total: &Stats,
    upstreams: &[UpstreamReport],
    evidence: Evidence<'_>,
    policy: &Policy,
) -> Vec<Finding> {
    let Evidence { conflicts, silent_per_second, logs_serials, .. } = evidence;
    let serials_disagree =
        conflicts.iter().any(|conflict| !matches!(conflict, Conflict::Latency { .. }));
    let advice = Advice::of(logs_serials, serials_disagree);
    let mut found = Vec::new();
    for upstream in upstreams {
        let limits = policy.limits_of(&name_of(upstream));
        found.extend(reuse::finding(upstream, advice, limits));
        found.extend(failed(upstream, limits));
        found.extend(warmup::never_warm(upstream, evidence, limits));
        for peer in &upstream.peers {
            found.extend(connect_p95(upstream, peer, limits));
        }
    }
    found.extend(warmup::reload_cost(total, evidence, policy));
    found.extend(conflicts.iter().map(disagreement));
    found.extend(silent_per_second.map(silent_clients));
    found.extend(number_takers(logs_serials, policy));
    found.extend(not_logged(input, total));
    found.extend(malformed(input));
    found.sort_by_key(|finding| finding.severity);
    found
}

/// In a part of the time that has holes serial numbers tell nothing: logging them is no advice.
pub(super) fn say_numbers_are_not_used(findings: &mut [Finding]) {
    for finding in findings.iter_mut().filter(|finding| finding.rule == "cannot_tell") {
        "serial numbers tell of the whole log only: see the report without --exclude-warmup"
            .clone_into(&mut finding.fix);
    }
}

/// What a group is called in a sentence.
fn name_of(upstream: &UpstreamReport) -> String {
    match (&upstream.name, upstream.peers.as_slice()) {
        (Some(name), _) => name.clone(),
        (None, [peer]) if !peer.addr.is_empty() => peer.addr.clone(),
        _ => "(not logged)".to_owned(),
    }
}

/// More than one attempt in a hundred never connected.
fn failed(upstream: &UpstreamReport, limits: Limits) -> Option<Finding> {
    let stats = &upstream.stats;
    if stats.attempts < limits.min_attempts || stats.failed * 100 <= stats.attempts {
        return None;
    }
    let name = name_of(upstream);
    let no_live = match stats.no_live {
        0 => String::new(),
        n => format!(", {} of them because no peer was live", thousands(n)),
    };
    Some(Finding {
        rule: "failed_connects",
        severity: Severity::Warning,
        message: format!(
            "{} of {} attempts never connected{no_live}",
            thousands(stats.failed),
            thousands(stats.attempts)
        ),
        upstream: Some(name),
        fix: "see nginx's error log for `connect() failed` or `upstream timed out`; they are not part of the hit rate"
            .to_owned(),
    })
}

/// Connecting to a peer nearby takes so little that P95 above 0 means: more than 5 % of attempts open a connection.
/// Said only if that goes on all the time, not in one burst after a reload.
fn connect_p95(upstream: &UpstreamReport, peer: &PeerReport, limits: Limits) -> Option<Finding> {
    let stats = &peer.stats;
    let p95 = stats.connect.map_or(0, |connect| connect.p95);
    if p95 == 0
        || stats.attempts - stats.failed < limits.min_attempts
        || !stats.steadily_new
        || !is_nearby(&peer.addr)
    {
        return None;
    }
    let name = name_of(upstream);
    Some(Finding {
        rule: "connect_p95",
        severity: Severity::Warning,
        message: format!(
            "P95 of connect time to {} is {p95} ms throughout: {} of {} attempts certainly opened a connection",
            peer.addr,
            thousands(stats.new_certain),
            thousands(stats.attempts)
        ),
        upstream: Some(name),
        fix: "with working keepalive it is 0: raise `keepalive` in the upstream block, or look for what closes the connections"
            .to_owned(),
    })
}

/// Serial numbers and other evidence disagree, so the numbers were not used.
fn disagreement(conflict: &Conflict) -> Finding {
    let all_logs = "give all access logs of this nginx at once";
    let (why, fix) = match conflict {
        Conflict::TooFewNumbers { allowed, proven } => (
            format!(
                "they allow {} new connections, connect times and attempts in flight prove {}; part of the traffic is \
                 logged elsewhere",
                thousands(*allowed),
                thousands(*proven)
            ),
            all_logs,
        ),
        Conflict::TooManyNumbers { others } => (
            format!(
                "{} numbers belong to no client or attempt of this log, but to clients that log nothing, to another log, or \
                 to subrequests",
                thousands(*others)
            ),
            "give all access logs of this nginx at once, and log port checks too",
        ),
        Conflict::TooFewVisible { asked, possible } => (
            format!(
                "they ask for {} new connections, but at most {} can hide behind connect times of 0.000; other connections \
                 are numbered too",
                thousands(*asked),
                thousands(*possible)
            ),
            all_logs,
        ),
        Conflict::Incomplete { loss } => (
            format!(
                "{} of the client connections have no first request in this log; it is sampled or filtered, or part of the \
                 traffic is logged elsewhere",
                percent(*loss, 1.0)
            ),
            "log every request (no `if=`), and give all access logs of this nginx at once",
        ),
        Conflict::Mixed { twice } => (
            match twice {
                0 | 1 => "later client connections have smaller numbers".to_owned(),
                _ => format!("{} client connections began more than once", thousands(*twice)),
            } + ": logs of several hosts, or of before and after a restart, are mixed, or a log was given twice; so \
                 serial numbers tell nothing",
            "log `$pid`, and give each host's log as a file of its own",
        ),
        Conflict::Latency { peer, latency_ms } => return unfit_latency(peer, *latency_ms),
    };
    Finding {
        rule: "serial_conflict",
        severity: Severity::Warning,
        upstream: None,
        message: format!("serial numbers ($connection) were not used: {why}"),
        fix: fix.to_owned(),
    }
}

/// Numbers come with time, not with attempts.
fn silent_clients(per_second: f64) -> Finding {
    Finding {
        rule: "silent_clients",
        severity: Severity::Note,
        upstream: None,
        message: format!(
            "about {per_second:.0} connection numbers a second are missing at any load: taken by port checks, open \
             WebSockets or what another log tells of, or by new connections to peers that close idle ones; the ranges \
             of the hit rates allow for both, the estimates take them for new connections"
        ),
        fix: "give all access logs of this nginx at once; log port checks too".to_owned(),
    }
}

/// nginx.conf has what makes serial numbers tell less.
fn number_takers(logs_serials: bool, policy: &Policy) -> Option<Finding> {
    (logs_serials && !policy.number_takers.is_empty()).then(|| Finding {
        rule: "number_takers",
        severity: Severity::Note,
        upstream: None,
        message: format!(
            "nginx.conf has {}: that takes serial numbers ($connection) for what no line of the log tells of, so they \
             give only the lower end of the hit rates",
            policy.number_takers.join(", ")
        ),
        fix: "read the log of an nginx that has no such directive".to_owned(),
    })
}

/// A given connect latency does not fit the log.
fn unfit_latency(peer: &str, latency_ms: f64) -> Finding {
    Finding {
        rule: "latency_conflict",
        severity: Severity::Warning,
        upstream: None,
        message: format!(
            "connects to {peer} can't take {latency_ms} ms: the rest of the log says otherwise, so the latency was not \
             used"
        ),
        fix: "measure it from the nginx host, with the TLS handshake where the upstream has one"
            .to_owned(),
    }
}

/// The log carries attempts but no connect times.
fn not_logged(input: &InputStats, total: &Stats) -> Option<Finding> {
    (total.attempts > total.failed && total.hit_rate.naive.is_none()).then(|| Finding {
        rule: "no_connect_time",
        severity: Severity::Warning,
        upstream: None,
        message: format!(
            "{} of {} went to an upstream, but the log has no `$upstream_connect_time`: nothing tells whether \
             connections are reused",
            thousands(input.matched - input.without_upstream),
            lines(input.matched)
        ),
        fix: "add it to the log_format; `keepwarm formats` shows how".to_owned(),
    })
}

fn malformed(input: &InputStats) -> Option<Finding> {
    let bad = input.malformed + input.too_long;
    (bad > 0).then(|| Finding {
        rule: "malformed_lines",
        severity: if bad * 20 > input.lines { Severity::Warning } else { Severity::Note },
        upstream: None,
        message: format!(
            "{} of {} {}",
            thousands(bad),
            lines(input.lines),
            if bad == 1 { "does not fit the format and is not counted" } else { "do not fit the format and are not counted" }
        ),
        fix: "--invalid-out FILE keeps them; `keepwarm formats FILE` shows where a line stops fitting".to_owned(),
    })
}

/// On this host or in a private network (RFC 1918, RFC 4193).
fn is_nearby(addr: &str) -> bool {
    let ip = match addr.parse::<SocketAddr>() {
        Ok(socket) => socket.ip(),
        Err(_) => match addr.parse::<IpAddr>() {
            Ok(ip) => ip,
            Err(_) => return false,
        },
    };
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::analyse;
    use crate::analysis::report::HitRate;
    use crate::summary::Summary;
    use std::collections::BTreeMap;

    #[test]
    fn an_upstream_with_limits_of_its_own_is_held_against_these() {
        let total = analyse(Summary::default(), InputStats::default(), &Policy::default()).total;
        let hit_rate = HitRate { low: 0.6, high: 0.6, ..total.hit_rate.clone() };
        let stats = Stats { attempts: 1_000, hit_rate, ..total.clone() };
        let upstream = |name: &str| UpstreamReport {
            name: Some(name.to_owned()),
            stats: stats.clone(),
            peers: Vec::new(),
            warmup: None,
            timeline: Vec::new(),
        };
        let upstreams = ["app", "few", "other"].map(upstream);
        let own = |min_hit_rate, min_attempts| Limits { min_hit_rate, min_attempts };
        let own_limits = [("app", own(0.5, 100)), ("few", own(0.7, 2_000))];
        let own_limits: BTreeMap<String, Limits> =
            own_limits.into_iter().map(|(name, limits)| (name.to_owned(), limits)).collect();
        let policy = Policy { own_limits, ..Policy::default() };
        let evidence = Evidence {
            conflicts: &[],
            silent_per_second: None,
            logs_serials: false,
            warmups: &[],
            period: None,
        };
        let found = findings(&InputStats::default(), &total, &upstreams, evidence, &policy);
        let alerts: Vec<_> =
            found.iter().filter(|finding| finding.rule == "low_hit_rate").collect();
        assert_eq!(alerts.len(), 1, "{alerts:?}");
        assert_eq!(alerts[0].upstream.as_deref(), Some("other"));
    }

    #[test]
    fn nearby_peers_are_known_by_their_address() {
        for addr in ["127.0.0.1:80", "[::1]:80", "10.1.2.3:8080", "192.168.1.3", "[fd00::1]:80"] {
            assert!(is_nearby(addr), "{addr}");
        }
        for addr in ["8.8.8.8:53", "unix:/run/app.sock", "app", ""] {
            assert!(!is_nearby(addr), "{addr}");
        }
    }
}
