//! The warm-up windows of the form for a person: a table where one fits, else a sentence for each.

use comfy_table::{Cell, CellAlignment};
use unicode_width::UnicodeWidthStr;

use super::table::{GAP, NAME_MAX, plain, push_line};
use super::windows::{self, Column, NAMED};
use super::words::Signs;
use super::{Options, escape, fit};
use crate::analysis::report::{Report, Warmup};

/// Columns in the order in which a narrow terminal loses them. Upstreams are shortened before.
const OPTIONAL: [Column; 4] = [Column::Peak, Column::Evidence, Column::Upstreams, Column::Waiting];

/// The narrowest column of upstreams, if they need as much: a name and how many more there are.
const NAMES_MIN: usize = 16;

/// Appends the windows, what they mean, and what they cost each upstream. Nothing if there are none.
pub(super) fn push(report: &Report, options: &Options, width: Option<usize>, out: &mut String) {
    if report.warmups.is_empty() {
        return;
    }
    let paragraph = |text: &str, out: &mut String| {
        fit::wrap(&escape::shown(text, options.ascii), (0, 2), width, out);
    };
    let shown = windows::shown(report, options.top);
    let date = windows::needs_date(report, &shown);
    out.push('\n');
    let grid = Grid::new(&shown, report, options, date);
    match width {
        _ if shown.is_empty() => {}
        Some(width) => match grid.fitted(width) {
            Some(grid) => grid.draw(options, out),
            None => shown
                .iter()
                .for_each(|window| paragraph(&windows::sentence(window, report, date), out)),
        },
        None => grid.draw(options, out),
    }
    if let Some(hidden) = windows::hidden(report, options.top) {
        paragraph(&hidden, out);
    }
    for said in windows::footnotes(&shown, report) {
        paragraph(said, out);
    }
    for said in windows::by_upstream(report, options.top) {
        paragraph(&said, out);
    }
}

/// All cells as text, and which columns are shown.
struct Grid<'a> {
    report: &'a Report,
    windows: &'a [&'a Warmup],
    /// Per window one text per column of [`Column::ALL`], escaped.
    texts: Vec<Vec<String>>,
    shown: Vec<Column>,
    two_lines: bool,
    signs: Signs,
    ascii: bool,
}

impl<'a> Grid<'a> {
    fn new(windows: &'a [&'a Warmup], report: &'a Report, options: &Options, date: bool) -> Self {
        let signs = Signs::new(options.ascii);
        let text = |column, window: &Warmup| {
            let text = windows::cell(column, window, report, date);
            let text = escape::shown(&text, options.ascii);
            fit::shorten(&text, NAME_MAX, signs.ellipsis)
        };
        let texts =
            windows.iter().map(|window| Column::ALL.map(|column| text(column, window)).to_vec());
        Grid {
            report,
            windows,
            texts: texts.collect(),
            shown: Column::ALL.to_vec(),
            two_lines: options.width.is_some(),
            signs,
            ascii: options.ascii,
        }
    }

    /// The same with so few columns that it fits; none if the last ones don't.
    fn fitted(mut self, width: usize) -> Option<Self> {
        let mut optional = OPTIONAL.iter();
        loop {
            let others = self.total_width() - self.column_width(Column::Upstreams);
            let room = width.saturating_sub(others);
            if !self.shown.contains(&Column::Upstreams) {
                if self.total_width() <= width {
                    return Some(self);
                }
            } else if room >= self.column_width(Column::Upstreams).min(NAMES_MIN) {
                self.shorten_names(room);
                return Some(self);
            }
            let dropped = optional.next()?;
            self.shown.retain(|column| column != dropped);
        }
    }

    /// Names fewer upstreams where they would be too wide, and at last shortens what is left.
    fn shorten_names(&mut self, room: usize) {
        for (window, texts) in self.windows.iter().zip(&mut self.texts) {
            let text = &mut texts[Column::Upstreams as usize];
            for most in (1..NAMED).rev() {
                if text.width() > room {
                    let names = windows::names(window, self.report, most);
                    *text = escape::shown(&names, self.ascii).into_owned();
                }
            }
            *text = fit::shorten(text, room, self.signs.ellipsis);
        }
    }

    fn total_width(&self) -> usize {
        let columns = self.shown.iter().map(|&column| self.column_width(column));
        columns.sum::<usize>() + usize::from(GAP) * (self.shown.len() - 1)
    }

    /// 0 for a column that is not shown.
    fn column_width(&self, column: Column) -> usize {
        if !self.shown.contains(&column) {
            return 0;
        }
        let cells = self.texts.iter().map(|texts| texts[column as usize].width());
        let heading = self.heading(column);
        cells.chain(heading.lines().map(UnicodeWidthStr::width)).max().unwrap_or(0)
    }

    fn heading(&self, column: Column) -> String {
        let (first, second) = column.heading();
        if self.two_lines { format!("{first}\n{second}") } else { column.title() }
    }

    fn draw(&self, options: &Options, out: &mut String) {
        let align = |column: Column, text: String| {
            let cell = Cell::new(text);
            if column.is_number() { cell.set_alignment(CellAlignment::Right) } else { cell }
        };
        let heading = self.shown.iter().map(|&column| align(column, self.heading(column)));
        let row = |texts: &Vec<String>| {
            let cells = self.shown.iter();
            cells.map(|&column| align(column, texts[column as usize].clone())).collect()
        };
        let rows = self.texts.iter().map(row).collect();
        let rule = self.two_lines.then_some(self.signs.rule);
        let heading_lines = if self.two_lines { 2 } else { 1 };
        for (at, line) in plain(heading.collect(), rows, rule).lines().enumerate() {
            push_line(line.trim_end(), options.color && at < heading_lines, out);
        }
    }
}
