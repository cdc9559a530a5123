//! Numbers drawn by clients that log nothing.
//!
//! A load balancer's port check, a scanner, a browser's spare connection: nginx accepts and numbers it, and no line tells
//! of it. Such clients come with time, not with attempts, so numbers that are missing where little was attempted speak
//! for them. New connections may come with time too, where peers close idle ones. So they are never taken out of the
//! estimate; they only widen the interval.

use super::fit::{Fit, fit};
use super::serial::{Account, Stretch, count};
use super::ticks::poisson_upper;
use super::to_count;

/// Silent clients per second that are possible where nothing speaks for them: a few load balancers with a check a second
/// each.
const MOST: f64 = 5.0;

/// A rate that the fit sets this far apart from none, per second, is there: then there is no such limit.
const SHOWN: f64 = 1.0;

/// The largest rate that the fit looks for, per second.
const LARGEST: f64 = 100.0;

/// Stretches are joined into about so many rows, each at least [`CELLS`] cells long: what lies on which side of the
/// ends of a short one is uncertain, and would pass for a rate.
const ROWS: f64 = 64.0;
const CELLS: i64 = 8;

/// The quietest part of the time is one of so many.
const PARTS: usize = 8;

/// Of new connections in the busiest part at least this share shows, and so many, or nothing is concluded from them. One
/// in fifty shows where a connect takes 20 us.
const LEAST_SHOWN: f64 = 0.02;
const FEW: f64 = 10.0;

/// What is known of silent clients.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Silent {
    /// At most this many of the covered missing numbers may have been theirs: as many as the rate allows, or fewer where
    /// the fit excludes it.
    pub(super) most: f64,
    /// Numbers per second that come with time and not with attempts, where that is sure.
    pub(super) per_second: Option<f64>,
}

/// Missing numbers are fitted by three terms: with time, with the attempts, and with their square, as a pool that is too
/// small loses more connections the more attempts there are at a time.
pub(super) fn silent(account: &Account) -> Silent {
    let seconds: f64 = account.stretches.iter().map(Stretch::seconds).sum();
    let shortest = (seconds / ROWS).max(count((CELLS << account.scale).unsigned_abs()) / 1000.0);
    let joined = joined(&account.stretches, shortest);
    let attempts: f64 = joined.iter().map(|row| count(row.undecided)).sum();
    let mean = (attempts / count(joined.len().max(1) as u64)).max(1.0);
    let terms = |row: &Row| {
        let undecided = count(row.undecided);
        vec![LARGEST * row.seconds, undecided, undecided * undecided / mean]
    };
    let rows: Vec<Vec<f64>> = joined.iter().map(terms).collect();
    let hidden: Vec<f64> = joined.iter().map(|row| row.hidden).collect();
    let Some(Fit { share, error }) = fit(&hidden, &rows) else {
        return Silent { most: MOST * seconds, per_second: None };
    };
    let (rate, error) = (LARGEST * share[0], LARGEST * error[0]);
    let by_quietest = || by_quietest(&joined).map_or(f64::INFINITY, |most| most.max(MOST));
    let limit = if rate > SHOWN { by_quietest() } else { MOST };
    let most = (rate + 2.0 * error).min(limit);
    let per_second = (rate - 3.0 * error > SHOWN).then_some(rate);
    Silent { most: most * seconds, per_second }
}

/// The most that come per second, by the quietest part of the time: what comes with time comes then too. Where keepalive
/// was turned off in the middle of a log, the fit alone takes a part of the new connections for silent clients.
///
/// Silent clients may also begin in the middle of a log. So this holds only where the new connections that show vary as
/// the missing numbers do.
fn by_quietest(rows: &[Row]) -> Option<f64> {
    let parts = rows.windows((rows.len() / PARTS).max(1)).map(|part| {
        part.iter().fold(Row::default(), |sum, row| Row {
            seconds: sum.seconds + row.seconds,
            undecided: sum.undecided + row.undecided,
            hidden: sum.hidden + row.hidden,
            visible: sum.visible + row.visible,
        })
    });
    let parts: Vec<Row> = parts.collect();
    let rate = |row: &&Row| row.hidden / row.seconds;
    let quiet = parts.iter().min_by(|a, b| rate(a).total_cmp(&rate(b)))?;
    let busy = parts.iter().max_by(|a, b| rate(a).total_cmp(&rate(b)))?;
    let is_shown = count(busy.visible) >= (busy.hidden * LEAST_SHOWN).max(FEW);
    let expected = count(busy.visible) * (quiet.hidden.max(0.0) / busy.hidden.max(1.0));
    let is_alike = count(quiet.visible) <= poisson_upper(to_count(expected));
    let most = poisson_upper(to_count(quiet.hidden)) / quiet.seconds;
    (is_shown && is_alike).then_some(most)
}

/// Some stretches that follow one another.
#[derive(Default)]
struct Row {
    seconds: f64,
    undecided: u64,
    hidden: f64,
    /// New connections that show.
    visible: u64,
}

fn joined(stretches: &[Stretch], shortest: f64) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = Row::default();
    for stretch in stretches {
        row.seconds += stretch.seconds();
        row.undecided += stretch.started.undecided;
        row.hidden += stretch.hidden();
        row.visible += stretch.started.new_certain;
        if row.seconds >= shortest {
            rows.push(std::mem::take(&mut row));
        }
    }
    rows
}
