//! Warm-up windows as people read them: which are shown, their cells, and what they cost each upstream.
//!
//! What one window cost stands in a row, with the moment and the cause. Reloads at equal distances are one row already
//! (`analysis::warmup`). Of many rows the last one and the costliest are shown, as these are what operators ask for.

use super::cells;
use super::words;
use crate::analysis::report::{Cause, Report, UpstreamReport, Warmup};
use crate::units::{distance, thousands};

/// How many windows are shown if `--top` does not say.
const TOP: usize = 10;

/// How many upstreams have a line of their own if `--top` does not say.
const TOP_UPSTREAMS: usize = 5;

/// How many upstreams of a window are named at most.
pub(super) const NAMED: usize = 3;

/// A column, in the order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    When,
    What,
    WarmAfter,
    ExtraNew,
    Waiting,
    Peak,
    Upstreams,
    Evidence,
}

impl Column {
    pub(super) const ALL: [Column; 8] = [
        Column::When,
        Column::What,
        Column::WarmAfter,
        Column::ExtraNew,
        Column::Waiting,
        Column::Peak,
        Column::Upstreams,
        Column::Evidence,
    ];

    /// The heading in two parts, which stand under each other where columns are dear.
    pub(super) fn heading(self) -> (&'static str, &'static str) {
        match self {
            Column::When => ("warm-up", "(UTC)"),
            Column::What => ("after", ""),
            Column::WarmAfter => ("warm", "after"),
            Column::ExtraNew => ("extra", "new"),
            Column::Waiting => ("waiting", ""),
            Column::Peak => ("peak", "new/s"),
            Column::Upstreams => ("upstreams", ""),
            Column::Evidence => ("evidence", ""),
        }
    }

    /// The heading on one line.
    pub(super) fn title(self) -> String {
        let (first, second) = self.heading();
        format!("{first} {second}").trim_end().to_owned()
    }

    /// Numbers stand at the right.
    pub(super) fn is_number(self) -> bool {
        matches!(self, Column::WarmAfter | Column::ExtraNew | Column::Waiting | Column::Peak)
    }
}

/// The windows to show, by time: the last one, and of the others those that cost most.
pub(super) fn shown(report: &Report, top: Option<usize>) -> Vec<&Warmup> {
    let mut places: Vec<usize> = (0..report.warmups.len()).collect();
    let last = places.len().saturating_sub(1);
    places.sort_by_key(|&at| {
        let Warmup { handshake_ms, excess_new, .. } = report.warmups[at];
        std::cmp::Reverse((at == last, handshake_ms, excess_new, at))
    });
    places.truncate(top.unwrap_or(TOP));
    places.sort_unstable();
    places.into_iter().map(|at| &report.warmups[at]).collect()
}

/// How many windows are not shown, and what they cost.
pub(super) fn hidden(report: &Report, top: Option<usize>) -> Option<String> {
    let total = |windows: &mut dyn Iterator<Item = &Warmup>| {
        windows.fold((0_u64, 0_u64, 0_u64), |(count, new, ms), window| {
            (
                count.saturating_add(window.count),
                new.saturating_add(window.excess_new),
                ms.saturating_add(window.handshake_ms),
            )
        })
    };
    let all = total(&mut report.warmups.iter());
    let seen = total(&mut shown(report, top).into_iter());
    let count = all.0.saturating_sub(seen.0);
    let cost = cost(all.1.saturating_sub(seen.1), all.2.saturating_sub(seen.2));
    match count {
        0 => None,
        1 => Some(format!("1 more warm-up is not shown: it cost {cost}")),
        n => Some(format!("{} more warm-ups are not shown: they cost {cost}", thousands(n))),
    }
}

/// Whether moments need a date: not if all are on the one day that the first line names.
pub(super) fn needs_date(report: &Report, windows: &[&Warmup]) -> bool {
    let Some(period) = report.period else { return true };
    let day = words::date(period.from_ms);
    let moments = windows.iter().map(|window| window.start_ms);
    moments.chain([period.to_ms]).any(|ms| words::date(ms) != day)
}

/// What stands in a cell; names are not escaped. `-` means: not known.
pub(super) fn cell(column: Column, window: &Warmup, report: &Report, date: bool) -> String {
    match column {
        Column::When => words::moment(window.start_ms, date),
        Column::What => what(window),
        Column::WarmAfter => warm_after(window, report),
        Column::ExtraNew => thousands(window.excess_new),
        Column::Waiting => match window.handshake_ms {
            0 => "-".to_owned(),
            ms => words::latency(ms),
        },
        // Connects are too fast to show.
        Column::Peak if window.peak_new_per_second <= 0.0 => "-".to_owned(),
        Column::Peak => words::rate(window.peak_new_per_second),
        Column::Upstreams => names(window, report, NAMED),
        Column::Evidence => evidence(window),
    }
}

/// A window in a sentence, for where a table does not fit.
pub(super) fn sentence(window: &Warmup, report: &Report, date: bool) -> String {
    let mut parts = vec![match warm_after(window, report).as_str() {
        "-" => String::new(),
        "still cold" => "still cold, ".to_owned(),
        time => format!("warm after {time}, "),
    }];
    parts.push(format!("{} extra new", thousands(window.excess_new)));
    if window.handshake_ms > 0 {
        parts.push(format!(", {} of waiting", words::latency(window.handshake_ms)));
    }
    if !window.upstreams.is_empty() {
        parts.push(format!(", {}", names(window, report, NAMED)));
    }
    let when = words::moment(window.start_ms, date);
    format!("{when} {}: {}", what(window), parts.concat())
}

/// What the cells of windows mean, where that is not plain.
pub(super) fn footnotes(windows: &[&Warmup], report: &Report) -> Vec<&'static str> {
    let mut said = Vec::new();
    if windows.iter().any(|window| warm_after(window, report) == "-") {
        said.push("warm after -: new connections were too few or too fast to tell");
    }
    if windows.iter().any(|window| window.suspected) {
        said.push("suspected: nothing but the times of new connections says so");
    }
    said
}

/// The upstreams of a window: at most so many names and how many more there are, or `all 7`.
pub(super) fn names(window: &Warmup, report: &Report, most: usize) -> String {
    let upstreams = &window.upstreams;
    if upstreams.is_empty() {
        return "-".to_owned();
    }
    if upstreams.len() > most && upstreams.len() == report.upstreams.len() {
        return format!("all {}", thousands(upstreams.len() as u64));
    }
    let first = upstreams.iter().take(most).map(String::as_str).collect::<Vec<_>>().join(", ");
    match upstreams.len().saturating_sub(most) {
        0 => first,
        more => format!("{first} and {} more", thousands(more as u64)),
    }
}

/// `reload`, `suspected backend restart`, `12 reloads, every 5 min`.
fn what(window: &Warmup) -> String {
    let Warmup { cause, suspected, count, .. } = *window;
    match window.period_ms {
        Some(ms) if count > 1 => {
            format!("{}, every {}", events(cause, suspected, count), distance(ms.unsigned_abs()))
        }
        _ if count > 1 => events(cause, suspected, count),
        _ => event(cause, suspected),
    }
}

/// One event of a cause in words.
fn event(cause: Cause, suspected: bool) -> String {
    let name = match cause {
        Cause::Reload => "reload",
        Cause::Restart => "restart",
        Cause::Upgrade => "upgrade",
        Cause::WorkerExit => "worker exit",
        Cause::BackendRestart => "backend restart",
        // Bursts of new connections that nothing explains.
        Cause::Unknown if suspected => return "burst of connects".to_owned(),
        Cause::Unknown => "change of workers",
    };
    if suspected { format!("suspected {name}") } else { name.to_owned() }
}

/// So many events of a cause in words.
fn events(cause: Cause, suspected: bool, count: u64) -> String {
    let one = event(cause, suspected);
    match (count, cause) {
        (1, _) => format!("1 {one}"),
        (_, Cause::Unknown) => {
            format!("{} {}", thousands(count), one.replacen(" of", "s of", 1))
        }
        _ => format!("{} {one}s", thousands(count)),
    }
}

/// How long it took. Of a series only the last window's end is known: so it is the median of the upstream that took
/// longest.
fn warm_after(window: &Warmup, report: &Report) -> String {
    let took = match window.end_ms {
        None => return "still cold".to_owned(),
        Some(end_ms) if window.count < 2 => u64::try_from(end_ms.saturating_sub(window.start_ms)),
        Some(_) => {
            let touched = report.upstreams.iter().filter(|upstream| touches(window, upstream));
            Ok(touched.filter_map(|upstream| upstream.warmup?.warm_ms).max().unwrap_or(0))
        }
    };
    match took {
        Ok(ms) if ms > 0 => words::latency(ms),
        _ => "-".to_owned(),
    }
}

fn evidence(window: &Warmup) -> String {
    let word = |&word: &&'static str| match word {
        "error_log" => "error log",
        "connect_time" => "connect",
        other => other,
    };
    match window.evidence.as_slice() {
        [] => "-".to_owned(),
        words => words.iter().map(word).collect::<Vec<_>>().join(", "),
    }
}

/// Does a window name this upstream? Unnamed ones go by their peer. Names are sorted, and there may be thousands.
fn touches(window: &Warmup, upstream: &UpstreamReport) -> bool {
    let name = match (&upstream.name, upstream.peers.first()) {
        (Some(name), _) => name,
        (None, Some(peer)) => &peer.addr,
        (None, None) => return false,
    };
    window.upstreams.binary_search(name).is_ok()
}

/// What all windows cost each upstream, costliest first, in a sentence each. None where one window is all there is: its
/// row says it.
pub(super) fn by_upstream(report: &Report, top: Option<usize>) -> Vec<String> {
    let mut touched: Vec<&UpstreamReport> = report
        .upstreams
        .iter()
        .filter(|upstream| upstream.warmup.is_some_and(|warmup| warmup.excess_new > 0))
        .collect();
    if let [only] = touched.as_slice()
        && only.warmup.is_some_and(|warmup| warmup.events < 2)
    {
        return Vec::new();
    }
    let paid = |upstream: &UpstreamReport| {
        upstream.warmup.map_or((0, 0), |warmup| (warmup.handshake_ms, warmup.excess_new))
    };
    touched.sort_by_key(|upstream| std::cmp::Reverse(paid(upstream)));
    let others = touched.split_off(touched.len().min(top.unwrap_or(TOP_UPSTREAMS)));
    let mut said: Vec<String> =
        touched.iter().filter_map(|upstream| line(upstream, &report.warmups)).collect();
    if !others.is_empty() {
        let sum = others.iter().map(|upstream| paid(upstream)).fold((0_u64, 0_u64), |sum, one| {
            (sum.0.saturating_add(one.0), sum.1.saturating_add(one.1))
        });
        let count = thousands(others.len() as u64);
        let noun = if others.len() == 1 { "upstream" } else { "upstreams" };
        said.push(format!("{count} more {noun}: warm-ups cost {}", cost(sum.1, sum.0)));
    }
    said
}

/// `shop: 12 reloads cost 4,310 handshakes = 1.0 min of waiting, warm after 3.1 s (median)`. At least so many, where
/// connects are too fast to show.
fn line(upstream: &UpstreamReport, windows: &[Warmup]) -> Option<String> {
    let warmup = upstream.warmup?;
    let many = warmup.events > 1;
    let took = match warmup.warm_ms {
        None => ", not seen warm".to_owned(),
        Some(0) => String::new(),
        Some(ms) if many => format!(", warm after {} (median)", words::latency(ms)),
        Some(ms) => format!(", warm after {}", words::latency(ms)),
    };
    let name = cells::name_of(upstream);
    let cost = cost(warmup.excess_new, warmup.handshake_ms);
    let at_least = if cells::shows_all_new(&upstream.stats) { "" } else { "at least " };
    let causes = causes(upstream, windows, warmup.events);
    Some(format!("{name}: {causes} cost {at_least}{cost}{took}"))
}

/// `3 reloads and 1 restart`; `4 warm-ups` where a series stands for some that did not touch this upstream.
fn causes(upstream: &UpstreamReport, windows: &[Warmup], in_all: u64) -> String {
    let mut counts = std::collections::BTreeMap::<(Cause, bool), u64>::new();
    for window in windows.iter().filter(|window| touches(window, upstream)) {
        let count = counts.entry((window.cause, window.suspected)).or_default();
        *count = count.saturating_add(window.count);
    }
    if counts.values().try_fold(0_u64, |sum, count| sum.checked_add(*count)) != Some(in_all) {
        let plural = if in_all == 1 { "" } else { "s" };
        return format!("{} warm-up{plural}", thousands(in_all));
    }
    let said: Vec<String> = counts
        .into_iter()
        .map(|((cause, suspected), count)| events(cause, suspected, count))
        .collect();
    match said.as_slice() {
        [others @ .., last] if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        _ => said.concat(),
    }
}

/// `4,310 handshakes = 1.0 min of waiting`
fn cost(new: u64, ms: u64) -> String {
    let plural = if new == 1 { "" } else { "s" };
    let waiting = match ms {
        0 => String::new(),
        ms => format!(" = {} of waiting", words::latency(ms)),
    };
    format!("{} handshake{plural}{waiting}", thousands(new))
}
