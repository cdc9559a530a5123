//! The form for tickets and pull requests: a GitHub table with all columns, and the findings as a list.

use std::io::{self, Write};

use super::cells::{self, Column, Row, RowKind};
use super::words::Signs;
use super::{Options, escape, lines, windows};
use crate::analysis::report::Report;

/// Writes the summary, the table, the warm-ups, the findings and, if needed, how to read the rows. Width and colour don't apply.
pub(super) fn write(report: &Report, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let markdown = |text: &str| escape::markdown(text, options.ascii);
    let rows = cells::rows(report, options.top);
    writeln!(out, "{}\n", markdown(&lines::summary(report)))?;
    if let Some(first) = lines::first_malformed(report) {
        writeln!(out, "{}\n", markdown(&first))?;
    }
    write_table(&rows, options.ascii, out)?;
    if let Some(hidden) = lines::hidden(report, options.top) {
        writeln!(out, "\n{}", markdown(&hidden))?;
    }
    write_windows(report, options, out)?;
    if !report.findings.is_empty() {
        writeln!(out)?;
    }
    for (found, fix) in lines::findings(report) {
        let severity = lines::severity(found.severity);
        writeln!(out, "- **{severity}**{}", markdown(&lines::finding(found)))?;
        if fix {
            writeln!(out, "  - fix: {}", markdown(&found.fix))?;
        }
    }
    for footnote in lines::footnotes(report, &rows, options.top, true) {
        writeln!(out, "\n{}", markdown(&footnote))?;
    }
    Ok(())
}

/// The table of warm-ups, and what they cost each upstream. Nothing if there are none.
fn write_windows(report: &Report, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let markdown = |text: &str| escape::markdown(text, options.ascii);
    let shown = windows::shown(report, options.top);
    let date = windows::needs_date(report, &shown);
    let columns = windows::Column::ALL;
    if !shown.is_empty() {
        let side = |column: windows::Column| if column.is_number() { "---:" } else { ":---" };
        writeln!(out, "\n| {} |", columns.map(windows::Column::title).join(" | "))?;
        writeln!(out, "| {} |", columns.map(side).join(" | "))?;
    }
    for window in &shown {
        let cells = columns.map(|column| markdown(&windows::cell(column, window, report, date)));
        writeln!(out, "| {} |", cells.join(" | "))?;
    }
    if let Some(hidden) = windows::hidden(report, options.top) {
        writeln!(out, "\n{}", markdown(&hidden))?;
    }
    for said in windows::footnotes(&shown, report) {
        writeln!(out, "\n{}", markdown(said))?;
    }
    let lines = windows::by_upstream(report, options.top);
    if !lines.is_empty() {
        writeln!(out)?;
    }
    for said in lines {
        writeln!(out, "- {}", markdown(&said))?;
    }
    Ok(())
}

fn write_table(rows: &[Row<'_>], ascii: bool, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "| {} |", Column::ALL.map(Column::title).join(" | "))?;
    writeln!(out, "| :--- |{}", " ---: |".repeat(Column::ALL.len() - 1))?;
    for row in rows {
        let label = escape::markdown(&row.label, ascii);
        match row.kind {
            RowKind::Upstream | RowKind::Total => write!(out, "| **{label}** |")?,
            RowKind::Peer => write!(out, "| &nbsp;&nbsp;{label} |")?,
        }
        for &column in &Column::ALL[1..] {
            let cell = cells::cell(column, row, Signs::new(ascii));
            write!(out, " {} |", escape::markdown(&cell, ascii))?;
        }
        writeln!(out)?;
    }
    Ok(())
}
