//! The sentences around the table: what was read, what was found, and how to read it. Not yet escaped or wrapped.

use super::cells::{self, Row};
use super::words;
use crate::analysis::report::{Finding, Report, Severity};

/// The period and the line accounting.
pub(super) fn summary(report: &Report) -> String {
    let input = &report.input;
    let mut parts = Vec::new();
    if let Some(period) = report.period {
        parts.push(words::period(period));
    }
    let lines = words::thousands(input.lines);
    let counted = |count: u64, what: &str| format!("{} {what}", words::thousands(count));
    parts.push(format!("{lines} lines: {}", counted(input.matched, "matched")));
    parts.push(counted(input.without_upstream, "without upstream"));
    parts.push(counted(input.malformed, "malformed"));
    if input.too_long > 0 {
        parts.push(counted(input.too_long, "too long"));
    }
    if input.filtered > 0 {
        parts.push(counted(input.filtered, "outside --since and --until"));
    }
    parts.join(", ")
}

/// Where and why the first line did not fit.
pub(super) fn first_malformed(report: &Report) -> Option<String> {
    let first = report.input.first_malformed.as_ref()?;
    let (source, line, column) = (&first.source, first.line, first.column);
    Some(format!("first malformed: {source}:{line}:{column}: {}", first.reason))
}

/// How many upstreams `top` hides.
pub(super) fn hidden(report: &Report, top: Option<usize>) -> Option<String> {
    match report.upstreams.len().saturating_sub(top?) {
        0 => None,
        1 => Some("1 more upstream is in the total but not shown".to_owned()),
        n => Some(format!(
            "{} more upstreams are in the total but not shown",
            words::thousands(n as u64)
        )),
    }
}

/// `ALERT`
pub(super) fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Alert => "ALERT",
        Severity::Warning => "WARNING",
        Severity::Note => "NOTE",
    }
}

/// ` app: the message`, or `: the message` where it is about the whole run: what follows the severity.
pub(super) fn finding(finding: &Finding) -> String {
    match &finding.upstream {
        Some(upstream) => format!(" {upstream}: {}", finding.message),
        None => format!(": {}", finding.message),
    }
}

/// The findings, and whether to give the fix: of several in a row with the same fix only the last has it.
pub(super) fn findings(report: &Report) -> impl Iterator<Item = (&Finding, bool)> {
    let all = &report.findings;
    all.iter()
        .enumerate()
        .map(|(at, found)| (found, all.get(at + 1).is_none_or(|next| next.fix != found.fix)))
}

/// What an interval means, if there is a row where nothing narrows it down.
pub(super) fn footnote(rows: &[Row<'_>]) -> Option<&'static str> {
    let mut open =
        rows.iter().map(|row| row.stats).filter(|stats| cells::is_open(stats)).peekable();
    open.peek()?;
    let mut logged = open
        .filter_map(|stats| stats.hit_rate.naive.map(|naive| (naive, stats.hit_rate.high)))
        .peekable();
    if logged.peek().is_none() {
        return Some(
            "hit rate is an interval: without $upstream_connect_time in the log \
             a reused connection looks like a new one",
        );
    }
    // Other evidence may have lowered the upper end: then the rule is further off, and the sentence would be wrong.
    if logged.all(|(naive, high)| (naive - high).abs() < 0.0005) {
        return Some(
            "hit rate is an interval: 0.000 connect times may be reused or fast new connections; \
             the 0.000 rule would print its upper end",
        );
    }
    Some("hit rate is an interval: 0.000 connect times may be reused or fast new connections")
}
