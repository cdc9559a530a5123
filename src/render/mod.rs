//! Writing a report: pure functions from a [`Report`] to bytes, one module per format.
//!
//! No renderer decides anything: order, numbers and findings are the report's. None looks at the terminal or the
//! environment: [`Options`] says all there is to know. Every text that comes from a log is escaped where it is written.

use std::io;

use crate::analysis::report::Report;

mod cells;
mod csv;
mod escape;
mod fit;
mod lines;
pub mod live;
mod markdown;
mod over_time;
pub mod prometheus;
mod table;
#[cfg(test)]
mod tests;
mod window_table;
mod windows;
mod wire;
mod words;

pub use escape::{printable, printable_lines};

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For a person: fits the terminal, with the findings in words.
    Table,
    /// For programs: schema `keepwarm.report/1`, complete.
    Json,
    /// For spreadsheets and scripts: one row per upstream, peer and total, complete, without warm-ups and findings.
    Csv,
    /// For tickets and pull requests: a GitHub table and a list of findings.
    Markdown,
    /// For Prometheus: text exposition format 0.0.4, of upstreams and peers, without findings.
    Prometheus,
}

impl Format {
    /// All formats, in the order of the help text.
    pub const ALL: [Format; 5] =
        [Format::Table, Format::Json, Format::Csv, Format::Markdown, Format::Prometheus];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::Table => "table",
            Format::Json => "json",
            Format::Csv => "csv",
            Format::Markdown => "markdown",
            Format::Prometheus => "prometheus",
        }
    }

    /// The format of that name, if there is one.
    pub fn parse(name: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.name() == name)
    }
}

/// What a renderer has to know besides the report. The default suits a pipe or a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Columns of the terminal (under 40 counts as 40); none where the output is not a terminal: then lines are as long
    /// as they are and nothing is drawn. For the table only.
    pub width: Option<usize>,
    /// ANSI colour, in the table only.
    pub color: bool,
    /// Only ASCII, in the table and in Markdown: `>=` for `≥`, and names of other letters as `\u{e9}`.
    pub ascii: bool,
    /// How many upstreams and warm-ups to show in the table and in Markdown, with a line that says how many more there
    /// are. JSON and CSV are always complete. None: all upstreams, and 10 warm-ups.
    pub top: Option<usize>,
}

/// Writes a report.
///
/// # Errors
///
/// Only what `out` returns.
pub fn render(
    report: &Report,
    format: Format,
    options: &Options,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    match format {
        Format::Table => table::write(report, options, out),
        Format::Json => wire::write(report, out),
        Format::Csv => csv::write(report, out),
        Format::Markdown => markdown::write(report, options, out),
        Format::Prometheus => prometheus::write_report(report, out),
    }
}
