//! Findings about the share of reused connections: too low, or unknown.

use super::name_of;
use crate::analysis::Limits;
use crate::analysis::report::{Finding, HitRate, Severity, Stats, UpstreamReport};
use crate::units::{tenths_of_percent, thousands};

/// What would narrow an interval that serial numbers did not.
#[derive(Debug, Clone, Copy)]
pub(super) enum Advice {
    /// They are not logged.
    LogThem,
    /// They are logged, but more of them are needed.
    ReadMore,
    /// They disagree with other evidence or are not all logged, which has its own finding.
    SeeConflict,
}

impl Advice {
    pub(super) fn of(logs_serials: bool, disagree: bool) -> Advice {
        match (logs_serials, disagree) {
            (_, true) => Advice::SeeConflict,
            (true, false) => Advice::ReadMore,
            (false, false) => Advice::LogThem,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Advice::LogThem => {
                "log `$connection`, `$msec` and `$request_time`; `keepwarm formats FILE` shows the log_format"
            }
            Advice::ReadMore => {
                "give a longer log: the more client connections begin in it, the more serial numbers tell"
            }
            Advice::SeeConflict => {
                "serial numbers would narrow it, but could not be used: see the warning about them"
            }
        }
    }
}

/// Reuse under the limit, judged by the interval's upper end; or an interval that holds the limit, which is said too.
pub(super) fn finding(
    upstream: &UpstreamReport,
    advice: Advice,
    limits: Limits,
) -> Option<Finding> {
    let stats = &upstream.stats;
    let HitRate { low, high, .. } = stats.hit_rate;
    let connected = stats.attempts - stats.failed;
    if connected == 0 || connected < limits.min_attempts || low >= limits.min_hit_rate {
        return None;
    }
    let name = name_of(upstream);
    if high < limits.min_hit_rate {
        return Some(Finding {
            rule: "low_hit_rate",
            severity: Severity::Alert,
            message: low_in_words(stats, connected, limits),
            upstream: Some(name),
            fix: "check that the upstream block has `keepalive`, that the location sets `proxy_http_version 1.1` and \
                  `proxy_set_header Connection \"\"` (both needed before nginx 1.29.7), and that the peers do not close \
                  connections themselves"
                .to_owned(),
        });
    }
    Some(Finding {
        rule: "cannot_tell",
        severity: Severity::Note,
        message: open_in_words(stats, limits),
        upstream: Some(name),
        fix: advice.text().to_owned(),
    })
}

/// How low reuse is: as estimated, or at most.
fn low_in_words(stats: &Stats, connected: u64, limits: Limits) -> String {
    let limit = limit_in_words(limits);
    let attempts = thousands(connected);
    let rate = &stats.hit_rate;
    if rate.high <= 0.0 {
        return format!("none of {attempts} attempts reused a connection, the limit is {limit}");
    }
    let Some(estimate) = rate.estimate else {
        let most = percent(rate.high, limits.min_hit_rate);
        return format!(
            "at most {most} of {attempts} attempts reused a connection, the limit is {limit}"
        );
    };
    let reuse = with_interval(rate, estimate, limits);
    let hidden = match hidden_new(stats, connected, estimate) {
        0 => String::new(),
        n => format!(": 0.000 hides {} new connections", thousands(n)),
    };
    format!("reuse is {reuse} of {attempts} attempts, under the limit of {limit}{hidden}")
}

/// Why it is open whether reuse is above the limit, and by what evidence.
fn open_in_words(stats: &Stats, limits: Limits) -> String {
    let limit = limit_in_words(limits);
    let rate = &stats.hit_rate;
    let shown = |share| percent(share, limits.min_hit_rate);
    let range = match (rate.estimate, shown(rate.low), shown(rate.high)) {
        (Some(estimate), ..) => format!("is {}", with_interval(rate, estimate, limits)),
        (None, low, high) if low == "0 %" && high == "100 %" => "may be anything".to_owned(),
        (None, low, high) => format!("lies between {low} and {high}"),
    };
    let undecided = thousands(stats.undecided);
    let why = if rate.naive.is_some() {
        format!(
            "{undecided} attempts with connect time 0.000 may be reused or fast new connections"
        )
    } else {
        format!("no connect time is logged for {undecided} attempts")
    };
    let by = match evidence(rate) {
        Some(evidence) => format!("by {evidence} it {range}"),
        None => return format!("cannot tell whether reuse is above {limit}: {why}"),
    };
    let because = if rate.estimate.is_some() { String::new() } else { format!(", because {why}") };
    format!("cannot tell whether reuse is above {limit}: {by}{because}")
}

/// `0.3 % (0 - 2.2 %)`, or `12.0 %` where it is certain.
fn with_interval(rate: &HitRate, estimate: f64, limits: Limits) -> String {
    let shown = |share| percent(share, limits.min_hit_rate);
    let (low, high) = (shown(rate.low), shown(rate.high));
    if low == high {
        return low;
    }
    format!("{} ({} - {high})", shown(estimate), low.trim_end_matches(" %"))
}

/// New connections that connect times do not show, by the estimate; none are hidden by times that are not logged.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts are far below 2^53, and `as` saturates"
)]
fn hidden_new(stats: &Stats, connected: u64, estimate: f64) -> u64 {
    if stats.hit_rate.naive.is_none() {
        return 0;
    }
    let new = ((1.0 - estimate) * connected as f64).round() as u64;
    new.saturating_sub(stats.new_certain)
}

/// The evidence of a rate in words: `serial numbers and connect times`. None where there is none.
fn evidence(rate: &HitRate) -> Option<String> {
    let words: Vec<&str> = rate
        .basis
        .iter()
        .map(|basis| match *basis {
            "serial" => "serial numbers",
            "ticks" => "ticks of the clock",
            "connect_time" => "connect times",
            "bytes" => "bytes sent",
            "latency" => "the latency of connects",
            "pool" => "attempts in flight",
            other => other,
        })
        .collect();
    match words.as_slice() {
        [] => None,
        [only] => Some(format!("{only} alone")),
        [others @ .., last] => Some(format!("{} and {last}", others.join(", "))),
    }
}

/// `0.6612` -> `66.1 %`, as the table shows it, but a share under the limit is never rounded up to it. Only exactly none
/// and all are `0 %` and `100 %`.
pub(super) fn percent(share: f64, limit: f64) -> String {
    if share <= 0.0 {
        return "0 %".to_owned();
    }
    if share >= 1.0 {
        return "100 %".to_owned();
    }
    let tenths = tenths_of_percent(share);
    let rounded_up = share < limit && tenths >= limit * 1000.0;
    format!("{:.1} %", if rounded_up { tenths - 1.0 } else { tenths } / 10.0)
}

/// `0.7` -> `70 %`
fn limit_in_words(limits: Limits) -> String {
    format!("{} %", (limits.min_hit_rate * 1000.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_under_the_limit_is_never_shown_as_the_limit() {
        for (share, shown) in [
            (0.699_99, "69.9 %"),
            (0.7, "70.0 %"),
            (0.6612, "66.1 %"),
            (0.0, "0 %"),
            (1.0, "100 %"),
        ] {
            assert_eq!(percent(share, 0.7), shown);
        }
    }

    fn rate(estimate: Option<f64>, low: f64, high: f64, basis: &[&'static str]) -> HitRate {
        HitRate { estimate, low, high, naive: Some(0.95), basis: basis.to_vec() }
    }

    /// What is said of 1,000 attempts, of which 50 certainly opened a connection and 950 show 0.000.
    fn said(hit_rate: HitRate, advice: Advice) -> Option<(&'static str, String, String)> {
        let stats = Stats {
            attempts: 1_000,
            failed: 0,
            no_live: 0,
            stale: 0,
            new_certain: 50,
            undecided: 950,
            hit_rate,
            connect: None,
            handshake: None,
            header: None,
            response: None,
            new_per_second: None,
            steadily_new: false,
        };
        let upstream = UpstreamReport {
            name: Some("app".to_owned()),
            stats,
            peers: Vec::new(),
            warmup: None,
            timeline: Vec::new(),
        };
        finding(&upstream, advice, Limits { min_hit_rate: 0.7, min_attempts: 100 })
            .map(|finding| (finding.rule, finding.message, finding.fix))
    }

    #[test]
    fn low_reuse_is_said_as_estimated_or_else_at_most() {
        let serial = &["serial", "connect_time"];
        for (rate, message) in [
            (
                rate(Some(0.003), 0.0, 0.022, serial),
                "reuse is 0.3 % (0 - 2.2 %) of 1,000 attempts, under the limit of 70 %: 0.000 hides 947 new connections",
            ),
            (
                rate(None, 0.0, 0.412, &["connect_time", "ticks"]),
                "at most 41.2 % of 1,000 attempts reused a connection, the limit is 70 %",
            ),
            (
                rate(None, 0.0, 0.0, serial),
                "none of 1,000 attempts reused a connection, the limit is 70 %",
            ),
            (
                HitRate { naive: None, ..rate(Some(0.5), 0.48, 0.51, serial) },
                "reuse is 50.0 % (48.0 - 51.0 %) of 1,000 attempts, under the limit of 70 %",
            ),
            (
                rate(Some(0.6999), 0.69, 0.699_99, serial),
                "reuse is 69.9 % (69.0 - 69.9 %) of 1,000 attempts, under the limit of 70 %: 0.000 hides 250 new \
                 connections",
            ),
        ] {
            let (rule, said, _) = said(rate, Advice::ReadMore).unwrap();
            assert_eq!((rule, said.as_str()), ("low_hit_rate", message));
        }
    }

    #[test]
    fn what_cannot_be_told_names_the_evidence_that_there_was() {
        let open = "cannot tell whether reuse is above 70 %: ";
        let hidden =
            "because 950 attempts with connect time 0.000 may be reused or fast new connections";
        for (rate, message) in [
            (
                rate(None, 0.0, 0.95, &["connect_time"]),
                format!("{open}by connect times alone it lies between 0 % and 95.0 %, {hidden}"),
            ),
            (
                rate(None, 0.12, 0.95, &["connect_time", "ticks"]),
                format!(
                    "{open}by connect times and ticks of the clock it lies between 12.0 % and 95.0 %, {hidden}"
                ),
            ),
            (
                rate(Some(0.71), 0.69, 0.73, &["serial", "pool", "connect_time"]),
                format!(
                    "{open}by serial numbers, attempts in flight and connect times it is 71.0 % (69.0 - 73.0 %)"
                ),
            ),
            (
                rate(None, 0.0, 1.0, &["connect_time"]),
                format!("{open}by connect times alone it may be anything, {hidden}"),
            ),
            (
                HitRate { naive: None, ..rate(None, 0.0, 1.0, &[]) },
                format!("{open}no connect time is logged for 950 attempts"),
            ),
        ] {
            let (rule, said, _) = said(rate, Advice::LogThem).unwrap();
            assert_eq!((rule, said), ("cannot_tell", message));
        }
    }

    #[test]
    fn serial_numbers_are_advised_only_where_they_are_not_logged() {
        for (logs_serials, disagree, logging) in
            [(false, false, true), (true, false, false), (true, true, false)]
        {
            let rate = rate(None, 0.0, 0.95, &["connect_time"]);
            let (_, _, fix) = said(rate, Advice::of(logs_serials, disagree)).unwrap();
            assert_eq!(fix.contains("$connection"), logging, "{fix}");
        }
    }

    #[test]
    fn enough_reuse_is_no_finding() {
        assert_eq!(said(rate(Some(0.8), 0.7, 0.9, &["serial"]), Advice::ReadMore), None);
    }
}
