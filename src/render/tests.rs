//! Golden files, and what must hold for any report.
//!
//! The golden files stand in `testdata/render/`. After a wanted change write them anew and read the difference:
//! `KEEPWARM_BLESS=1 cargo test --lib`.

use proptest::prelude::*;
use unicode_width::UnicodeWidthStr;

use super::cells::Column;
use super::*;
use crate::analysis::report::Finding;
use crate::golden;

pub(in crate::render) mod fixture;
mod notes;
mod schema;
mod warmups;

fn rendered(report: &Report, format: Format, options: &Options) -> String {
    let mut out = Vec::new();
    render(report, format, options, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn terminal(width: usize) -> Options {
    Options { width: Some(width), ..Options::default() }
}

/// File name and content of every golden file.
fn goldens() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for (name, report) in fixture::reports() {
        let mut add = |ending: &str, format, options: &Options| {
            files.push((format!("{name}.{ending}"), rendered(&report, format, options)));
        };
        for width in [120, 80, 60, 40] {
            add(&format!("{width}.txt"), Format::Table, &terminal(width));
        }
        add("pipe.txt", Format::Table, &Options::default());
        add("ascii.txt", Format::Table, &Options { ascii: true, ..terminal(100) });
        add("json", Format::Json, &Options::default());
        add("csv", Format::Csv, &Options::default());
        add("md", Format::Markdown, &Options::default());
        add("prom", Format::Prometheus, &Options::default());
    }
    files
}

#[test]
fn every_format_and_width_gives_the_golden_file() {
    for (name, text) in goldens() {
        golden::check(&format!("render/{name}"), &text);
    }
}

#[test]
fn a_fix_that_findings_share_is_given_once() {
    let mut report = fixture::mixed();
    let finding = report.findings[0].clone();
    report.findings = vec![finding; 3];
    for format in [Format::Table, Format::Markdown] {
        assert_eq!(rendered(&report, format, &Options::default()).matches("fix: ").count(), 1);
    }
}

#[test]
fn formats_are_found_by_their_names() {
    for format in Format::ALL {
        assert_eq!(Format::parse(format.name()), Some(format));
    }
    assert_eq!(Format::parse("xml"), None);
}

#[test]
fn top_hides_upstreams_and_says_so() {
    let report = fixture::mixed();
    for format in [Format::Table, Format::Markdown] {
        let shown = |top| rendered(&report, format, &Options { top, ..Options::default() });
        assert!(shown(Some(1)).contains("3 more upstreams are in the total but not shown\n"));
        assert!(shown(Some(3)).contains("1 more upstream is in the total but not shown\n"));
        assert_eq!(shown(Some(4)), shown(None));
        // The finding about `static` stays; its row goes.
        assert_eq!(
            shown(None).matches("static").count() - shown(Some(1)).matches("static").count(),
            1
        );
    }
}

#[test]
fn colour_only_supports() {
    let report = fixture::mixed();
    let plain = rendered(&report, Format::Table, &terminal(120));
    let coloured = rendered(&report, Format::Table, &Options { color: true, ..terminal(120) });
    let red = "\x1b[1m\x1b[31m41.2 % (40.0 - 43.1)\x1b[0m";
    assert!(coloured.contains(red), "{coloured}");
    assert!(coloured.contains("\x1b[1m\x1b[31mALERT\x1b[0m app: "), "{coloured}");
    let mut stripped = coloured;
    for code in ["\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[36m"] {
        stripped = stripped.replace(code, "");
    }
    assert_eq!(stripped, plain);
}

#[test]
fn an_upstream_without_a_name_has_the_colour_of_its_finding() {
    let mut report = fixture::mixed();
    let finding = report.findings[0].clone();
    report.upstreams.truncate(1);
    report.upstreams[0].peers.truncate(1);
    report.upstreams[0].name = None;
    for (addr, shown) in [("10.0.0.1:8080", "10.0.0.1:8080"), ("", "(not logged)")] {
        report.upstreams[0].peers[0].addr = addr.to_owned();
        report.findings = vec![Finding { upstream: Some(shown.to_owned()), ..finding.clone() }];
        let text = rendered(&report, Format::Table, &Options { color: true, ..terminal(120) });
        let row = text.lines().find(|line| line.contains(shown)).unwrap();
        assert!(row.contains("\x1b[31m41.2 %"), "{row:?}");
    }
}

#[test]
fn names_that_look_like_a_hit_rate_do_not_take_its_colour() {
    let mut report = fixture::mixed();
    report.upstreams[0].name = Some("41.2 % (40.0 - 43.1)".to_owned());
    report.findings[0].upstream = report.upstreams[0].name.clone();
    let coloured = rendered(&report, Format::Table, &Options { color: true, ..terminal(120) });
    let line = coloured.lines().find(|line| line.contains("41.2 %")).unwrap();
    assert!(line.starts_with("\x1b[1m41.2 % (40.0 - 43.1)"), "{line:?}");
    assert!(line.contains("\x1b[31m41.2 % (40.0 - 43.1)"), "{line:?}");
}

#[test]
fn a_pipe_gets_no_drawing_characters() {
    for (name, report) in fixture::reports() {
        let text = rendered(&report, Format::Table, &Options::default());
        let drawn = |c: char| ('\u{2500}'..='\u{257f}').contains(&c);
        assert!(!text.contains(drawn), "{name}: {text}");
    }
}

#[test]
fn ascii_output_is_ascii() {
    for (name, report) in fixture::reports() {
        for format in [Format::Table, Format::Markdown] {
            for width in [None, Some(40), Some(120)] {
                let options = Options { width, ascii: true, ..Options::default() };
                assert!(rendered(&report, format, &options).is_ascii(), "{name}");
            }
        }
    }
}

#[test]
fn many_upstreams_and_long_names_are_cheap() {
    let mut report = fixture::mixed();
    let upstream = report.upstreams[0].clone();
    report.upstreams = vec![upstream; 2_000];
    report.upstreams[7].name = Some("x".repeat(1 << 20));
    let text = rendered(&report, Format::Table, &Options::default());
    assert!(text.len() < 4_000_000, "a long name must not widen every row: {}", text.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_control_character_but_line_ends_comes_out(report in fixture::any_report(), ascii: bool) {
        for format in Format::ALL {
            for width in [None, Some(40), Some(100)] {
                let text = rendered(&report, format, &Options { width, ascii, ..Options::default() });
                let bad = |c: char| c != '\n' && (c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c));
                prop_assert!(!text.contains(bad), "{text:?}");
            }
        }
    }

    #[test]
    fn no_text_from_a_log_adds_a_line(report in fixture::any_report()) {
        let lines = |report: &Report, format| rendered(report, format, &Options::default()).lines().count();
        let harmless = fixture::with_harmless_texts(report.clone());
        // In Prometheus's text names that look alike are one series; its own tests say what a line may be.
        for format in Format::ALL.into_iter().filter(|format| *format != Format::Prometheus) {
            prop_assert_eq!(lines(&report, format), lines(&harmless, format));
        }
    }

    #[test]
    fn every_line_of_a_table_fits_the_terminal(
        report in fixture::any_report(),
        width in 40_usize..=200,
        ascii: bool,
        top in proptest::option::of(0_usize..3),
    ) {
        let options = Options { width: Some(width), ascii, top, color: false };
        for line in rendered(&report, Format::Table, &options).lines() {
            prop_assert!(line.width() <= width, "{} > {width}: {line:?}", line.width());
        }
    }

    #[test]
    fn markdown_rows_have_as_many_cells_as_the_header(report in fixture::any_report()) {
        let text = rendered(&report, Format::Markdown, &Options::default());
        let mut tables = Vec::new();
        for table in text.split("\n\n").filter(|table| table.starts_with('|')) {
            let borders = |line: &str| line.replace("\\\\", "").replace("\\|", "").matches('|').count();
            let columns = table.lines().next().map_or(0, borders);
            for line in table.lines() {
                prop_assert_eq!(borders(line), columns, "{}", line);
            }
            tables.push(columns);
            prop_assert!(table.lines().count() >= 3);
        }
        prop_assert_eq!(tables[0], Column::ALL.len() + 1);
        prop_assert_eq!(tables.len(), 1 + usize::from(!report.warmups.is_empty()));
        prop_assert!(!text.contains('<') && !text.contains('>'));
    }

    #[test]
    fn csv_rows_have_as_many_fields_as_the_header(report in fixture::any_report()) {
        let text = rendered(&report, Format::Csv, &Options::default());
        let mut rows = text.lines().map(schema::csv_fields);
        let columns = rows.next().unwrap().len();
        for row in rows {
            prop_assert_eq!(row.len(), columns);
            prop_assert!(!row[1].starts_with(['=', '+', '-', '@']), "{:?}", row);
        }
    }

    #[test]
    fn json_follows_the_schema_and_loses_nothing(report in fixture::any_report()) {
        let text = rendered(&report, Format::Json, &Options::default());
        prop_assert!(text.ends_with('\n'));
        schema::check(&text, &report);
    }
}
