//! The sentences around the table: what was read, what was found, and how to read it. Not yet escaped or wrapped.

use super::cells::{self, Row};
use super::words;
use crate::analysis::report::{Finding, HitRate, Report, Severity, Stats};

/// The period and the line accounting.
pub(super) fn summary(report: &Report) -> String {
    let input = &report.input;
    let mut parts = Vec::new();
    if let Some(period) = report.period {
        parts.push(words::period(period));
    }
    let lines = crate::units::lines(input.lines);
    let counted = |count: u64, what: &str| format!("{} {what}", words::thousands(count));
    parts.push(format!("{lines}: {}", counted(input.matched, "matched")));
    parts.push(counted(input.without_upstream, "without upstream"));
    parts.push(counted(input.malformed, "malformed"));
    if input.too_long > 0 {
        parts.push(counted(input.too_long, "too long"));
    }
    if input.filtered > 0 {
        parts.push(counted(input.filtered, "outside --since and --until"));
    }
    if input.excluded > 0 {
        parts.push(counted(input.excluded, "left out (warm-ups)"));
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

/// The rule "0.000 means reused" misleads where it misses the estimate by more than this, and the interval too.
const MISLED: f64 = 0.02;

/// How many upstreams are named that the rule misleads about.
const NAMED: usize = 2;

/// How to read the rows: where the usual rule misleads, what would narrow intervals, and what the words of the column
/// `by` mean, if it is shown.
pub(super) fn footnotes(
    report: &Report,
    rows: &[Row<'_>],
    top: Option<usize>,
    shows_by: bool,
) -> Vec<String> {
    let by = if shows_by { evidence(rows) } else { None };
    [naive(report, top), interval(report, rows).map(str::to_owned), by]
        .into_iter()
        .flatten()
        .collect()
}

/// What the rule "0.000 means reused" would say where the estimate is far from it.
fn naive(report: &Report, top: Option<usize>) -> Option<String> {
    let misled = |stats: &Stats| {
        let HitRate { naive, estimate, high, .. } = stats.hit_rate;
        let naive = naive.filter(|naive| *naive > high + 0.0005)?;
        estimate.filter(|estimate| naive - estimate > MISLED).map(|estimate| (naive, estimate))
    };
    let shown = report.upstreams.iter().take(top.unwrap_or(usize::MAX));
    let mut upstreams: Vec<(f64, f64, &str)> = shown
        .filter(|_| report.upstreams.len() > 1)
        .filter_map(|upstream| {
            let (naive, estimate) = misled(&upstream.stats)?;
            Some((naive - estimate, naive, cells::name_of(upstream)))
        })
        .collect();
    upstreams.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut said: Vec<String> = upstreams
        .iter()
        .take(NAMED)
        .map(|(_, naive, name)| format!("{} % for {name}", words::percent(*naive)))
        .collect();
    if let Some((naive, _)) = misled(&report.total) {
        let all = if report.upstreams.len() > 1 { " in all" } else { "" };
        said.push(format!("{} %{all}", words::percent(naive)));
    }
    (!said.is_empty()).then(|| format!("the 0.000 rule would say {}", said.join(", ")))
}

/// What an interval means and what would narrow it, if there is a row where nothing tells the truth within it.
fn interval(report: &Report, rows: &[Row<'_>]) -> Option<&'static str> {
    let mut open =
        rows.iter().map(|row| row.stats).filter(|stats| cells::is_open(stats)).peekable();
    open.peek()?;
    let disagree = report.findings.iter().any(|finding| finding.rule == "serial_conflict");
    Some(if open.all(|stats| stats.hit_rate.naive.is_none()) {
        "an interval alone means: without $upstream_connect_time in the log a reused connection looks like a new one"
    } else if disagree {
        "an interval alone means: connect time 0.000 may be a reused or a fast new connection"
    } else if report.logs_serials {
        "an interval alone means: connect time 0.000 may be a reused or a fast new connection; a longer log narrows it"
    } else {
        "an interval alone means: connect time 0.000 may be a reused or a fast new connection; to narrow it, log \
         $connection, $msec and $request_time"
    })
}

/// What the words of the column `by` mean, of those that stand in it.
fn evidence(rows: &[Row<'_>]) -> Option<String> {
    let used: Vec<&str> = rows.iter().map(|row| cells::by(row.stats)).collect();
    let said: Vec<String> = cells::EVIDENCE
        .iter()
        .filter(|(_, word, _)| used.contains(word))
        .map(|(_, word, meaning)| format!("{word} ({meaning})"))
        .collect();
    (!said.is_empty()).then(|| format!("by: {}", said.join(", ")))
}
