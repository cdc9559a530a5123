//! The table in the documentation of `analysis::hit_rate`: measured by this test, not typed.

use super::cases::{cases, report_of, without};
use super::{Row, rows_of};
use std::fmt::Write;
use std::path::Path;

const FILE: &str = "src/analysis/hit_rate/measured.md";

fn percent(rate: f64) -> String {
    format!("{:.1}", 100.0 * rate)
}

fn interval(row: &Row) -> String {
    format!("{}–{}", percent(row.rate.low), percent(row.rate.high))
}

/// All cases as a Markdown table; rates in percent.
fn table() -> String {
    let mut text = String::from(
        "| recorded case | attempts | truth | 0.000 rule | keepwarm | interval | by | interval without `$connection` |\n\
         | --- | ---: | ---: | ---: | ---: | --- | --- | --- |\n",
    );
    for case in cases() {
        let with = rows_of(&case, &report_of(&case.lines()));
        let lines: Vec<String> = case.lines().iter().map(|line| without(line, "conn")).collect();
        let without = rows_of(&case, &report_of(&lines));
        for (row, bare) in with.iter().zip(&without) {
            let name = match &row.peer {
                Some(addr) => format!("– `{addr}`"),
                None => row.case.clone(),
            };
            let or_dash = |rate: Option<f64>| rate.map_or("–".to_owned(), percent);
            let cells = [
                name,
                row.connected.to_string(),
                percent(row.truth),
                or_dash(row.rate.naive),
                or_dash(row.rate.estimate),
                interval(row),
                row.rate.basis.join(", "),
                interval(bare),
            ];
            writeln!(text, "| {} |", cells.join(" | ")).unwrap();
        }
    }
    text
}

#[test]
fn the_documented_table_is_what_this_code_measures() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let table = table();
    if std::env::var_os("KEEPWARM_BLESS").is_some() {
        std::fs::write(&path, &table).unwrap();
    }
    let documented = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(documented, table, "if this is right, write it with KEEPWARM_BLESS=1 cargo test");
}
