//! The form for a person at a terminal, or reading a pipe.
//!
//! Nothing here asks the terminal: width and colour are given. Colour only supports; every word is there without it.

use std::fmt::Write as _;
use std::io;

use anstyle::{AnsiColor, Style};
use comfy_table::{Cell, CellAlignment, LineStyle, Table, TableStyle};
use unicode_width::UnicodeWidthStr;

use super::cells::{self, Column, Row, RowKind};
use super::words::Signs;
use super::{Options, escape, fit, lines, over_time, window_table};
use crate::analysis::report::{Finding, Report, Severity};

/// Columns in the order in which a narrow terminal loses them.
const OPTIONAL: [Column; 8] = [
    Column::Response,
    Column::Undecided,
    Column::Handshake,
    Column::By,
    Column::Failed,
    Column::NewPerSecond,
    Column::Connect,
    Column::Reused,
];

/// Columns that go only if a name would otherwise be shorter than [`NAME_MIN`].
const LAST: [Column; 2] = [Column::New, Column::Attempts];

/// The narrowest name column: its heading, and enough to tell names apart.
const NAME_MIN: usize = 8;

/// The widest name column, also where there is no terminal: a log line may hold a name of any length.
pub(super) const NAME_MAX: usize = 200;

/// Narrower terminals get lines for this one.
const WIDTH_MIN: usize = 40;

/// Between columns.
pub(super) const GAP: u16 = 2;
const NAME: usize = Column::Name as usize;
const HIT_RATE: usize = Column::HitRate as usize;
const BOLD: Style = Style::new().bold();

/// Writes the summary line, the table, the warm-ups, the findings and, if needed, how to read the rows.
pub(super) fn write(report: &Report, options: &Options, out: &mut dyn io::Write) -> io::Result<()> {
    let width = options.width.map(|width| width.max(WIDTH_MIN));
    let paragraph = |text: &str, out: &mut String| {
        fit::wrap(&escape::shown(text, options.ascii), (0, 2), width, out);
    };
    let rows = cells::rows(report, options.top);
    let mut text = String::new();
    paragraph(&lines::summary(report), &mut text);
    if let Some(first) = lines::first_malformed(report) {
        paragraph(&first, &mut text);
    }
    text.push('\n');
    let mut grid = Grid::new(&rows, options);
    if let Some(width) = width {
        grid.fit(width);
    }
    grid.draw(options.color, &mut text);
    if let Some(hidden) = lines::hidden(report, options.top) {
        paragraph(&hidden, &mut text);
    }
    window_table::push(report, options, width, &mut text);
    over_time::push(report, options, width, &mut text);
    if !report.findings.is_empty() {
        text.push('\n');
    }
    for (found, fix) in lines::findings(report) {
        push_finding(found, options, width, &mut text);
        if fix {
            let fix = escape::shown(&format!("fix: {}", found.fix), options.ascii).into_owned();
            fit::wrap(&fix, (2, 7), width, &mut text);
        }
    }
    let shows_by = grid.shown.contains(&Column::By);
    let footnotes = lines::footnotes(report, &rows, options.top, shows_by);
    if !footnotes.is_empty() {
        text.push('\n');
    }
    for footnote in footnotes {
        paragraph(&footnote, &mut text);
    }
    out.write_all(text.as_bytes())
}

/// All cells of the table as text, and which columns of it are shown.
#[derive(Debug)]
struct Grid<'a> {
    rows: &'a [Row<'a>],
    /// Per row one text per column of [`Column::ALL`], escaped.
    texts: Vec<Vec<String>>,
    /// Per column of [`Column::ALL`]. Names may be longer than theirs; then they are shortened.
    widths: Vec<usize>,
    shown: Vec<Column>,
    /// Headings on two lines: where columns are dear. A pipe gets one line, as programs expect.
    two_lines: bool,
    signs: Signs,
}

impl<'a> Grid<'a> {
    fn new(rows: &'a [Row<'a>], options: &Options) -> Self {
        let signs = Signs::new(options.ascii);
        let text = |column: Column, row: &Row<'_>| match column {
            Column::Name => escape::shown(&row.label, options.ascii).into_owned(),
            _ => cells::cell(column, row, signs),
        };
        let texts = |row| Column::ALL.map(|column| text(column, row)).to_vec();
        let mut grid = Grid {
            rows,
            texts: rows.iter().map(texts).collect(),
            widths: Vec::new(),
            shown: Column::ALL.to_vec(),
            two_lines: options.width.is_some(),
            signs,
        };
        grid.widths = Column::ALL.iter().map(|&column| grid.natural_width(column)).collect();
        grid.widths[NAME] = grid.widths[NAME].min(NAME_MAX);
        grid
    }

    /// Drops columns until the rest fits, then shortens the hit rates, then the names, then drops more.
    ///
    /// Names may take a third of the width before columns are dropped for them; longer ones are shortened to what is
    /// left.
    fn fit(&mut self, width: usize) {
        let names = self.widths[NAME];
        self.widths[NAME] = names.min(width / 3);
        self.drop_until_it_fits(&OPTIONAL, width);
        if self.total_width() > width {
            self.compact_hit_rates();
        }
        self.widths[NAME] = names.min(NAME_MIN);
        self.drop_until_it_fits(&LAST, width);
        let others = self.total_width() - self.widths[NAME];
        self.widths[NAME] = names.min(width.saturating_sub(others));
    }

    fn drop_until_it_fits(&mut self, columns: &[Column], width: usize) {
        for dropped in columns {
            if self.total_width() <= width {
                return;
            }
            self.shown.retain(|column| column != dropped);
        }
    }

    fn compact_hit_rates(&mut self) {
        for (row, texts) in self.rows.iter().zip(&mut self.texts) {
            texts[HIT_RATE] = cells::hit_rate(row.stats, true);
        }
        self.widths[HIT_RATE] = self.natural_width(Column::HitRate);
    }

    fn total_width(&self) -> usize {
        let columns = self.shown.iter().map(|&column| self.widths[column as usize]);
        columns.sum::<usize>() + usize::from(GAP) * (self.shown.len() - 1)
    }

    fn natural_width(&self, column: Column) -> usize {
        let indent = |row| if column == Column::Name { indent(row).len() } else { 0 };
        let cells = self.rows.iter().zip(&self.texts);
        let cells = cells.map(|(row, texts)| indent(row) + texts[column as usize].width());
        let heading = self.heading(column);
        cells.chain(heading.lines().map(UnicodeWidthStr::width)).max().unwrap_or(0)
    }

    fn heading(&self, column: Column) -> String {
        let (first, second) = column.heading();
        if self.two_lines { format!("{first}\n{second}") } else { column.title() }
    }

    fn cell(&self, column: Column, row: &Row<'_>, texts: &[String]) -> Cell {
        let text = &texts[column as usize];
        if column != Column::Name {
            return Cell::new(text).set_alignment(CellAlignment::Right);
        }
        let indent = indent(row);
        let room = self.widths[NAME].saturating_sub(indent.len());
        Cell::new(format!("{indent}{}", fit::shorten(text, room, self.signs.ellipsis)))
    }

    fn table(&self) -> Table {
        let heading = |&column| match column {
            Column::Name => Cell::new(self.heading(column)),
            _ => Cell::new(self.heading(column)).set_alignment(CellAlignment::Right),
        };
        let cells = |(row, texts): (&Row<'_>, &Vec<String>)| {
            self.shown.iter().map(|&column| self.cell(column, row, texts)).collect()
        };
        let rows = self.rows.iter().zip(&self.texts).map(cells).collect();
        let rule = self.two_lines.then_some(self.signs.rule);
        plain(self.shown.iter().map(heading).collect(), rows, rule)
    }

    fn draw(&self, color: bool, out: &mut String) {
        let heading_lines = if self.two_lines { 2 } else { 1 };
        let first_row = heading_lines + usize::from(self.two_lines);
        let mut rows = self.rows.iter().zip(&self.texts);
        for (at, line) in self.table().lines().enumerate() {
            let line = line.trim_end();
            let row = if at < first_row { None } else { rows.next() };
            match row {
                _ if !color => out.push_str(line),
                Some((row, texts)) => push_coloured(row, &texts[HIT_RATE], line, out),
                None if at < heading_lines => paint(out, BOLD, line),
                None => out.push_str(line),
            }
            out.push('\n');
        }
    }
}

/// A table without borders. Under the heading there is a line of `rule`s, if any.
pub(super) fn plain(heading: Vec<Cell>, rows: Vec<Vec<Cell>>, rule: Option<char>) -> Table {
    let mut table = Table::new();
    let style = TableStyle::new();
    table.load_style(match rule {
        Some(rule) => style.header_separator(LineStyle::none().fill(rule)),
        None => style,
    });
    let last = heading.len().saturating_sub(1);
    table.set_header(heading);
    for row in rows {
        table.add_row(row);
    }
    for (at, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if at < last { GAP } else { 0 }));
    }
    table
}

/// A line, bold if it is a heading in colour.
pub(super) fn push_line(line: &str, is_bold: bool, out: &mut String) {
    if is_bold {
        paint(out, BOLD, line);
    } else {
        out.push_str(line);
    }
    out.push('\n');
}

/// A row's line with its hit rate in the colour of the worst finding; an upstream's is bold.
fn push_coloured(row: &Row<'_>, hit_rate: &str, line: &str, out: &mut String) {
    let base = if row.kind == RowKind::Upstream { BOLD } else { Style::new() };
    let colour = match row.severity {
        Some(Severity::Alert) => Some(AnsiColor::Red),
        Some(Severity::Warning) => Some(AnsiColor::Yellow),
        _ if row.kind == RowKind::Peer || cells::is_open(row.stats) => None,
        _ => Some(AnsiColor::Green),
    };
    // The last match: no column to the right of the hit rate holds a `%`, but a name may hold anything.
    let at = line.rfind(hit_rate).filter(|_| hit_rate.contains('%'));
    let Some((at, colour)) = at.zip(colour) else { return paint(out, base, line) };
    paint(out, base, &line[..at]);
    paint(out, base.fg_color(Some(colour.into())), hit_rate);
    paint(out, base, &line[at + hit_rate.len()..]);
}

fn indent(row: &Row<'_>) -> &'static str {
    if row.kind == RowKind::Peer { "  " } else { "" }
}

fn push_finding(found: &Finding, options: &Options, width: Option<usize>, out: &mut String) {
    let severity = lines::severity(found.severity);
    let start = out.len();
    let message = format!("{severity}{}", lines::finding(found));
    fit::wrap(&escape::shown(&message, options.ascii), (0, 2), width, out);
    if options.color {
        let colour = match found.severity {
            Severity::Alert => AnsiColor::Red,
            Severity::Warning => AnsiColor::Yellow,
            Severity::Note => AnsiColor::Cyan,
        };
        let mut painted = String::new();
        paint(&mut painted, BOLD.fg_color(Some(colour.into())), severity);
        // No severity is as long as the narrowest line, so the word is whole.
        out.replace_range(start..start + severity.len(), &painted);
    }
}

fn paint(out: &mut String, style: Style, text: &str) {
    if !text.is_empty() {
        // Writing to a String can't fail.
        let _ = write!(out, "{style}{text}{style:#}");
    }
}
