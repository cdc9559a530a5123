//! Numbers drawn by clients that log nothing.
//!
//! A load balancer's port check, a scanner, a browser's spare connection: nginx accepts and numbers it, and no line tells
//! of it. Such clients come with time, not with attempts, so numbers that are missing where little was attempted speak
//! for them. New connections may come with time too, where peers close idle ones. So they are never taken out of the
//! estimate; they only widen the interval.

use super::fit::{Fit, fit};
use super::serial::{Account, Stretch, count};

/// Silent clients per second that are possible: a few load balancers with a check a second each. More of them are told
/// by the ticks, as new connections that are never visible.
const MOST: f64 = 5.0;

/// The largest rate that the fit looks for, per second.
const LARGEST: f64 = 100.0;

/// Stretches are joined into about so many rows, each at least [`CELLS`] cells long: what lies on which side of the
/// ends of a short one is uncertain, and would pass for a rate.
const ROWS: f64 = 64.0;
const CELLS: i64 = 8;

/// At most this many of the covered missing numbers may have been drawn by silent clients: as many as the rate allows,
/// or fewer where the fit excludes it.
pub(super) fn most(account: &Account) -> f64 {
    let seconds: f64 = account.stretches.iter().map(Stretch::seconds).sum();
    let shortest = (seconds / ROWS).max(count((CELLS << account.scale).unsigned_abs()) / 1000.0);
    let joined = joined(&account.stretches, shortest);
    let rows: Vec<Vec<f64>> =
        joined.iter().map(|row| vec![count(row.undecided), LARGEST * row.seconds]).collect();
    let hidden: Vec<f64> = joined.iter().map(|row| row.hidden).collect();
    let rate = match fit(&hidden, &rows) {
        Some(Fit { share, error }) => MOST.min(LARGEST * (share[1] + 2.0 * error[1])),
        None => MOST,
    };
    rate * seconds
}

/// Some stretches that follow one another.
#[derive(Default)]
struct Row {
    seconds: f64,
    undecided: u64,
    hidden: f64,
}

fn joined(stretches: &[Stretch], shortest: f64) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = Row::default();
    for stretch in stretches {
        row.seconds += stretch.seconds();
        row.undecided += stretch.started.undecided;
        row.hidden += stretch.hidden();
        if row.seconds >= shortest {
            rows.push(std::mem::take(&mut row));
        }
    }
    rows
}
