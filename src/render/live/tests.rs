use super::*;
use crate::analysis::report::{Finding, HitRate, InputStats, PerSecond, Severity};
use crate::analysis::{Policy, analyse};
use crate::render::words::Signs;
use crate::summary::Summary;
use proptest::prelude::*;
use unicode_width::UnicodeWidthStr;

fn stats(attempts: u64, rate: f64) -> Stats {
    let empty = analyse(Summary::default(), InputStats::default(), &Policy::default()).total;
    let hit_rate = HitRate { estimate: Some(rate), low: rate - 0.01, high: rate, ..empty.hit_rate };
    let new_per_second = Some(PerSecond { mean: 0.5, peak: 1.0, peak_over_s: 1 });
    Stats { attempts, hit_rate, new_per_second, ..empty }
}

fn report(upstreams: &[(&str, u64, f64)]) -> Report {
    let empty = analyse(Summary::default(), InputStats::default(), &Policy::default());
    let upstream = |(name, attempts, rate): &(&str, u64, f64)| UpstreamReport {
        name: Some((*name).to_owned()),
        stats: stats(*attempts, *rate),
        peers: Vec::new(),
        warmup: None,
        timeline: Vec::new(),
    };
    Report {
        upstreams: upstreams.iter().map(upstream).collect(),
        total: stats(upstreams.iter().map(|(_, attempts, _)| attempts).sum(), 0.9),
        ..empty
    }
}

fn many(count: u64) -> Report {
    let names: Vec<String> = (0..count).map(|n| format!("up{n:05}")).collect();
    let all: Vec<_> = names.iter().zip(0..).map(|(name, n)| (&**name, 10 + n, 0.9)).collect();
    report(&all)
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn rows(shown: Screen<'_>, width: usize, height: usize) -> String {
    screen(&shown, width, height).join("\n")
}

#[test]
fn of_thousands_of_upstreams_those_with_alerts_and_the_busiest_have_lines() {
    let text = lines(&many(12_000), &names(&["up00003"]), 0);
    assert_eq!(text.lines().count(), 21);
    assert!(text.starts_with("1970-01-01T00:00:00.000Z up00003: reuse 90.0 % (89.0 - 90.0), "));
    assert!(text.lines().nth(1).unwrap().contains(" up11999: "), "{text}");
    assert!(text.ends_with("Z and 11,980 more upstreams\n"), "{text}");
}

#[test]
fn a_screen_shows_rates_now_and_before_and_fits_its_width() {
    let (now, mut history) = (report(&[("app", 1344, 0.97), ("api", 50, 0.4)]), History::default());
    for (n, rate) in (0..40).zip([0.0, 0.2, 0.4, 0.6, 0.8].iter().cycle()) {
        history.take(&report(&[("app", 100, *rate)]), n * 10_000);
    }
    history.take(&now, 400_000);
    let shown = Screen {
        head: "keepwarm watch: last 1m",
        alerts: &["hit_rate:api: low".to_owned()],
        firing: &names(&["api"]),
        report: &now,
        warmups: &[],
        messages: &[],
        history: &history,
    };
    assert_eq!(
        rows(shown, 100, 24),
        "\
keepwarm watch: last 1m
ALERT hit_rate:api: low

upstream              hit rate  last 5 min                      new/s  connect p95  attempts
api       40.0 % (39.0 - 40.0)                               ▄   0.50            -        50
app       97.0 % (96.0 - 97.0)  ▂▄▅▇▁▂▄▅▇▁▂▄▅▇▁▂▄▅▇▁▂▄▅▇▁▂▄▅▇█   0.50            -     1,344
total     90.0 % (89.0 - 90.0)                                   0.50            -     1,394"
    );
    assert_eq!(
        rows(shown, 40, 24),
        "\
keepwarm watch: last 1m
ALERT hit_rate:api: low

upstream     hit rate  last 100 s  new/s
api       39.0-40.0 %           ▄   0.50
app       96.0-97.0 %  ▂▄▅▇▁▂▄▅▇█   0.50
total     89.0-90.0 %               0.50"
    );
}

#[test]
fn alerts_and_messages_leave_room_for_the_table() {
    let (report, history) = (many(100), History::default());
    let finding = |rule, message: &str| Finding {
        rule,
        severity: Severity::Alert,
        upstream: Some("app".to_owned()),
        message: message.to_owned(),
        fix: String::new(),
    };
    let findings = vec![finding("low_hit_rate", "told"), finding("serial_conflict", "odd")];
    let report = Report { findings, ..report };
    let alerts: Vec<String> = (0..23).map(|n| format!("hit_rate:up{n:05}: low")).collect();
    let messages: Vec<String> = (0..3).map(|n| format!("keepwarm: note: {n}")).collect();
    let firing = names(&["up00001", "up00000"]);
    let shown = Screen {
        head: "head",
        alerts: &alerts,
        firing: &firing,
        report: &report,
        warmups: &[],
        messages: &messages,
        history: &history,
    };
    let text = rows(shown, 80, 24);
    assert_eq!(text.matches("ALERT").count(), 5, "{text}");
    assert!(text.contains("\nand 18 more alerts\n\nupstream "), "{text}");
    assert!(text.contains("WARNING app: odd") && !text.contains("told"), "{text}");
    assert!(text.ends_with("keepwarm: note: 2"), "{text}");
    let table: Vec<&str> = text.lines().skip(8).collect();
    assert!(table[1].starts_with("up00000 ") && table[2].starts_with("up00001 "), "{text}");
    assert!(table.iter().any(|row| row.starts_with("and ")), "{text}");
    assert!(table.iter().any(|row| row.starts_with("total ")), "{text}");
    assert_eq!(text.lines().count(), 23, "{text}");
    let small = rows(shown, 80, 12);
    assert!(small.contains("\nup0000"), "{small}");
}

#[test]
fn a_history_is_bounded_and_forgets_what_is_gone() {
    let mut history = History::default();
    for n in 0..30 {
        history.take(&many(2_000), n * 10_000);
    }
    let signs = Signs::new(false);
    assert_eq!(history.bars("up01999", 3, signs), "███");
    assert_eq!(history.bars("up00000", 3, signs), "");
    for n in 30..60 {
        history.take(&report(&[("new", 1, 1.0)]), n * 10_000);
    }
    assert_eq!(history.bars("up01999", 3, signs), "");
    assert_eq!(history.bars("new", 3, signs), "███");
    // Within a step the last one counts.
    history.take(&report(&[("new", 1, 0.0)]), 590_001);
    assert_eq!(history.bars("new", 3, signs), "██▁");
}

proptest! {
    #[test]
    fn a_screen_never_has_more_rows_or_columns_than_the_terminal(
        name: String,
        texts in prop::collection::vec(any::<String>(), 0..30),
        width in 1_usize..200,
        height in 1_usize..60,
    ) {
        let report = report(&[(&name, 10, 0.5), ("other", 1, 0.1)]);
        let mut history = History::default();
        history.take(&report, 0);
        let shown = Screen {
            head: &name,
            alerts: &texts,
            firing: &BTreeSet::from([name.clone()]),
            report: &report,
            warmups: &[],
            messages: &texts,
            history: &history,
        };
        let rows = screen(&shown, width, height);
        prop_assert!(rows.len() < height.max(1) || height == 0);
        for row in rows {
            prop_assert!(row.width() <= width, "{row:?}");
            prop_assert!(!row.chars().any(char::is_control), "{row:?}");
        }
    }
}
