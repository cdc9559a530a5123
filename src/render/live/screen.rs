//! The rows of a screen: what it is of, alerts, a table, and below it warm-ups, findings and messages.

use super::history::{History, STEPS};
use super::{chosen, more_than};
use crate::analysis::report::{Report, Severity, UpstreamReport, Warmup};
use crate::render::cells::{self, Column, Row, RowKind};
use crate::render::escape::printable;
use crate::render::words::Signs;
use crate::render::{fit, windows};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use unicode_width::UnicodeWidthStr;

/// Rows of alerts, warm-ups and findings; more are counted.
const MOST_ALERTS: usize = 5;
const MOST_WARMUPS: usize = 2;
const MOST_FINDINGS: usize = 3;

/// The narrowest column of names, if they need as much, and the widest.
const NAME_MIN: usize = 12;
const NAME_MAX: usize = 40;

/// What a screen shows.
#[derive(Debug, Clone, Copy)]
pub struct Screen<'a> {
    /// What it is of: window, lines.
    pub head: &'a str,
    /// Alerts that fire, in words.
    pub alerts: &'a [String],
    /// The upstreams that they are about: these are shown first.
    pub firing: &'a BTreeSet<String>,
    /// The window.
    pub report: &'a Report,
    /// Warm-ups, by time: those of a longer window, as a short one forgets them.
    pub warmups: &'a [Warmup],
    /// What was said last, oldest first.
    pub messages: &'a [String],
    /// Rates until now.
    pub history: &'a History,
}

/// Rows for a terminal of so many columns and rows: none is wider, and the last row of the terminal stays empty, so that
/// nothing scrolls.
///
/// Findings that alerts tell of are left out: an alert has its own limit for each upstream, and waits.
pub fn screen(shown: &Screen<'_>, width: usize, height: usize) -> Vec<String> {
    let height = height.saturating_sub(1);
    let alerts = shown.alerts.iter().map(|alert| format!("ALERT {alert}"));
    let mut rows = vec![shown.head.to_owned()];
    rows.extend(first(alerts.collect(), MOST_ALERTS, "alerts"));
    // The table has at least half of what is left.
    let room = height.saturating_sub(rows.len());
    let mut below = below(shown);
    below.truncate((room / 2).saturating_sub(1));
    if !below.is_empty() {
        below.insert(0, String::new());
    }
    // An empty row, the heading, and the total.
    let most = room.saturating_sub(below.len() + 3).max(1);
    rows.push(String::new());
    rows.extend(table(shown, width, most));
    rows.extend(below);
    rows.truncate(height);
    rows.iter().map(|row| fit::cut(&printable(row), width)).collect()
}

/// So many rows at most, the last of them saying how many more there are.
fn first(mut rows: Vec<String>, most: usize, what: &str) -> Vec<String> {
    let more = rows.len().saturating_sub(most);
    rows.truncate(most);
    if more > 0 {
        rows.push(format!("and {more} more {what}"));
    }
    rows
}

fn below(shown: &Screen<'_>) -> Vec<String> {
    // The newest tell how it is now.
    let warmups = shown.warmups.iter().rev().take(MOST_WARMUPS);
    let mut rows: Vec<String> = warmups
        .map(|warmup| format!("warm-up {}", windows::sentence(warmup, shown.report, false)))
        .collect();
    let told = |rule: &str| matches!(rule, "low_hit_rate" | "failed_connects" | "connect_p95");
    let findings = shown.report.findings.iter();
    let findings = findings
        .filter(|finding| finding.severity <= Severity::Warning && !told(finding.rule))
        .map(|finding| match &finding.upstream {
            Some(upstream) => format!("WARNING {upstream}: {}", finding.message),
            None => format!("WARNING {}", finding.message),
        });
    rows.extend(first(findings.collect(), MOST_FINDINGS, "warnings"));
    rows.extend(shown.messages.iter().cloned());
    rows
}

/// Columns behind the name, the narrowest bars (0: none), and whether rates are compact: the first that fits is taken.
const LAYOUTS: [(&[Column], usize, bool); 5] = [
    (&[Column::HitRate, Column::NewPerSecond, Column::Connect, Column::Attempts], 10, false),
    (&[Column::HitRate, Column::NewPerSecond, Column::Connect, Column::Attempts], 10, true),
    (&[Column::HitRate, Column::NewPerSecond, Column::Connect], 6, true),
    (&[Column::HitRate, Column::NewPerSecond], 5, true),
    (&[Column::HitRate], 0, true),
];

const GAP: &str = "  ";

/// The heading, so many upstreams, how many more there are, and the total if there are several.
fn table(shown: &Screen<'_>, width: usize, most: usize) -> Vec<String> {
    let report = shown.report;
    let seconds = report.period.map(crate::analysis::report::Period::seconds);
    let is_cut = report.upstreams.len() > most;
    let most = if is_cut { most.saturating_sub(1).max(1) } else { most };
    let mut upstreams = chosen(report, shown.firing, most);
    let calm = |upstream: &&UpstreamReport| {
        let name = cells::name_of(upstream);
        (!shown.firing.contains(name), name.to_owned())
    };
    // Rows stay where they are while numbers change.
    upstreams.sort_by_cached_key(calm);
    let row = |label: &str, stats| {
        let (kind, label) = (RowKind::Upstream, label.to_owned());
        Row { kind, label, stats, severity: None, seconds }
    };
    let mut rows: Vec<Row<'_>> =
        upstreams.iter().map(|upstream| row(cells::name_of(upstream), &upstream.stats)).collect();
    if report.upstreams.len() > 1 {
        rows.push(row("total", &report.total));
    }
    let mut drawn = Grid::fitted(&rows, shown.history, width).draw();
    if let Some(more) = more_than(report, most) {
        drawn.insert(drawn.len() - 1, more);
    }
    drawn
}

/// Cells as text, and how wide the columns are.
struct Grid {
    name_width: usize,
    bars_width: usize,
    /// Heading and cells of each row: name, bars, and the columns of a layout.
    rows: Vec<(String, String, Vec<String>)>,
    widths: Vec<usize>,
}

impl Grid {
    fn fitted(rows: &[Row<'_>], history: &History, width: usize) -> Grid {
        let signs = Signs::new(false);
        let cell = |column: Column, row: &Row<'_>, compact: bool| match column {
            Column::HitRate => cells::hit_rate(row.stats, compact),
            _ => cells::cell(column, row, signs),
        };
        let names: Vec<String> =
            rows.iter().map(|row| printable(&row.label).into_owned()).collect();
        let longest = names.iter().map(|name| name.width()).chain([8]).max().unwrap_or(0);
        let mut found = None;
        for (columns, bars_min, compact) in LAYOUTS {
            let heading: Vec<String> = columns.iter().map(|column| column.title()).collect();
            let texts: Vec<Vec<String>> = rows
                .iter()
                .map(|row| columns.iter().map(|column| cell(*column, row, compact)).collect())
                .collect();
            let widths: Vec<usize> = (0..columns.len())
                .map(|at| texts.iter().chain([&heading]).map(|row| row[at].width()).max())
                .map(Option::unwrap_or_default)
                .collect();
            let gaps = GAP.len() * (columns.len() + usize::from(bars_min > 0));
            let used = widths.iter().sum::<usize>() + gaps;
            let fits = width >= used + bars_min + longest.min(NAME_MIN);
            found = Some((bars_min, used, heading, texts, widths));
            if fits {
                break;
            }
        }
        let (bars_min, used, heading, texts, widths) = found.unwrap_or_default();
        let room = width.saturating_sub(used + bars_min);
        let name_width = longest.min(NAME_MAX).min(room).max(1);
        let bars_width =
            if bars_min > 0 { (bars_min + room.saturating_sub(name_width)).min(STEPS) } else { 0 };
        let mut all = vec![("upstream".to_owned(), bars_heading(bars_width), heading)];
        for ((name, row), texts) in names.into_iter().zip(rows).zip(texts) {
            let bars = history.bars(&row.label, bars_width, signs);
            all.push((fit::shorten(&name, name_width, signs.ellipsis), bars, texts));
        }
        Grid { name_width, bars_width, rows: all, widths }
    }

    fn draw(&self) -> Vec<String> {
        let pad = |text: &str, width: usize| " ".repeat(width.saturating_sub(text.width()));
        let row = |(name, bars, texts): &(String, String, Vec<String>)| {
            let mut row = format!("{name}{}", pad(name, self.name_width));
            for (at, (text, width)) in texts.iter().zip(&self.widths).enumerate() {
                let _ = write!(row, "{GAP}{}{text}", pad(text, *width));
                if at == 0 && self.bars_width > 0 {
                    let _ = write!(row, "{GAP}{bars}{}", pad(bars, self.bars_width));
                }
            }
            row.trim_end().to_owned()
        };
        self.rows.iter().map(row).collect()
    }
}

/// What the bars are of, as far as there is room.
fn bars_heading(width: usize) -> String {
    let seconds = width * 10;
    let time = if seconds.is_multiple_of(60) {
        format!("{} min", seconds / 60)
    } else {
        format!("{seconds} s")
    };
    let texts = [format!("last {time}"), time, String::new()];
    texts.into_iter().find(|text| text.len() <= width).unwrap_or_default()
}
