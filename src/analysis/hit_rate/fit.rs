//! Hidden new connections per peer, from how the missing numbers of stretches vary with the peers' attempts.
//!
//! A bounded least-squares fit: in each stretch, missing numbers = sum over peers of (share of hidden new ones) x
//! (undecided attempts). Peers whose attempts always come together can't be told apart; that shows as a large error.

use super::serial::count;

/// Peers beyond this are not told apart: the fit would cost more than it tells.
const MAX_PEERS: usize = 40;

/// The share of undecided attempts that were new, and its standard error, per peer.
pub(super) struct Fit {
    pub(super) share: Vec<f64>,
    pub(super) error: Vec<f64>,
}

/// Are there few enough peers, and stretches enough to tell them apart?
pub(super) fn can_fit(peers: usize, stretches: usize) -> bool {
    peers <= MAX_PEERS && stretches >= 2 * peers + 10
}

/// Fits; `hidden[k]` are the hidden new connections of stretch `k` and `attempts[k][p]` the undecided attempts of peer
/// `p` in it. None with too few stretches.
pub(super) fn fit(hidden: &[f64], attempts: &[Vec<f64>]) -> Option<Fit> {
    let peers = attempts.first()?.len();
    if !can_fit(peers, hidden.len()) {
        return None;
    }
    // A stretch's count scatters with its attempts, and by a number or so at its ends.
    let weights: Vec<f64> =
        attempts.iter().map(|row| 1.0 / (0.5 + 0.25 * row.iter().sum::<f64>())).collect();
    let mut normal = vec![vec![0.0; peers]; peers];
    let mut right = vec![0.0; peers];
    for ((row, weight), hidden) in attempts.iter().zip(&weights).zip(hidden) {
        for i in 0..peers {
            right[i] += weight * row[i] * hidden;
            for j in 0..peers {
                normal[i][j] += weight * row[i] * row[j];
            }
        }
    }
    let inverse = inverse(&normal)?;
    let share = descend(&normal, &right)?;
    let squares: f64 = attempts
        .iter()
        .zip(&weights)
        .zip(hidden)
        .map(|((row, weight), hidden)| {
            let fitted: f64 =
                row.iter().zip(&share).map(|(attempts, share)| attempts * share).sum();
            weight * (hidden - fitted).powi(2)
        })
        .sum();
    // A perfect fit of few stretches is no proof of precision.
    let scatter = (squares / count((hidden.len() - peers) as u64)).max(0.02);
    let error = (0..peers).map(|i| (scatter * inverse[i][i].max(0.0)).sqrt()).collect();
    Some(Fit { share, error })
}

/// The solution within 0 and 1, or near it: solves without the bounds, sets the value that is farthest outside to its
/// bound, and again without that one.
fn bounded(normal: &[Vec<f64>], right: &[f64]) -> Option<Vec<f64>> {
    let mut share = vec![0.0; right.len()];
    let mut free: Vec<usize> = (0..right.len()).collect();
    loop {
        let rows = |&i: &usize| free.iter().map(|&j| normal[i][j]).collect::<Vec<f64>>();
        let inverse = inverse(&free.iter().map(rows).collect::<Vec<_>>())?;
        let rest = |&i: &usize| {
            let set = (0..share.len()).filter(|j| !free.contains(j));
            right[i] - set.map(|j| normal[i][j] * share[j]).sum::<f64>()
        };
        let rest: Vec<f64> = free.iter().map(rest).collect();
        let product = |row: &Vec<f64>| row.iter().zip(&rest).map(|(a, b)| a * b).sum::<f64>();
        let found: Vec<f64> = inverse.iter().map(product).collect();
        for (&i, value) in free.iter().zip(&found) {
            share[i] = value.clamp(0.0, 1.0);
        }
        let outside = |at: &usize| (found[*at] - found[*at].clamp(0.0, 1.0)).abs();
        let worst = (0..free.len()).max_by(|a, b| outside(a).total_cmp(&outside(b)));
        match worst.filter(|worst| outside(worst) > 1e-9) {
            Some(worst) => free.remove(worst),
            None => return Some(share),
        };
    }
}

/// Coordinate descent within 0 and 1. It begins near the end, as it is slow where columns are nearly alike.
fn descend(normal: &[Vec<f64>], right: &[f64]) -> Option<Vec<f64>> {
    let mut share = bounded(normal, right)?;
    for _ in 0..1000 {
        let mut moved: f64 = 0.0;
        for i in 0..share.len() {
            if normal[i][i] <= 0.0 {
                share[i] = 0.0;
                continue;
            }
            let others: f64 =
                (0..share.len()).filter(|&j| j != i).map(|j| normal[i][j] * share[j]).sum();
            let next = ((right[i] - others) / normal[i][i]).clamp(0.0, 1.0);
            moved = moved.max((next - share[i]).abs());
            share[i] = next;
        }
        if moved < 1e-9 {
            break;
        }
    }
    Some(share)
}

/// The inverse, by elimination; none where the matrix has none.
fn inverse(matrix: &[Vec<f64>]) -> Option<Vec<Vec<f64>>> {
    let n = matrix.len();
    let mut rows: Vec<Vec<f64>> = matrix
        .iter()
        .enumerate()
        .map(|(i, row)| {
            let mut row = row.clone();
            row.extend((0..n).map(|j| f64::from(u8::from(i == j))));
            row
        })
        .collect();
    for i in 0..n {
        let pivot = (i..n).max_by(|&a, &b| rows[a][i].abs().total_cmp(&rows[b][i].abs()))?;
        rows.swap(i, pivot);
        let scale = rows[i][i];
        if scale.abs() < 1e-9 {
            return None;
        }
        rows[i].iter_mut().for_each(|value| *value /= scale);
        let own = rows[i].clone();
        for (j, row) in rows.iter_mut().enumerate() {
            let factor = row[i];
            if j != i && factor != 0.0 {
                row.iter_mut().zip(&own).for_each(|(value, own)| *value -= factor * own);
            }
        }
    }
    Some(rows.into_iter().map(|mut row| row.split_off(n)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_that_are_nearly_alike_are_still_told_apart_by_an_exact_fit() {
        // Attempts that hardly vary over time, all of them new: nothing comes with time.
        let attempts = (0..60u32).map(|i| 1000.0 + f64::from(i * 7919 % 61));
        let rows: Vec<Vec<f64>> =
            attempts.clone().map(|n| vec![1000.0, n, n * n / 1030.0]).collect();
        let hidden: Vec<f64> =
            attempts.enumerate().map(|(i, n)| n + [0.0, 1.0, -1.0][i % 3]).collect();
        let Fit { share, .. } = fit(&hidden, &rows).unwrap();
        assert!(share[0] < 0.01 && share[1] + share[2] > 0.98, "{share:?}");
    }

    #[test]
    fn shares_stay_within_none_and_all() {
        let rows: Vec<Vec<f64>> =
            (0..40u32).map(|i| vec![f64::from(i % 7), f64::from(i % 5 + 1)]).collect();
        for (first, second) in [(2.0, -1.0), (0.3, 0.6), (-1.0, 3.0)] {
            let hidden: Vec<f64> =
                rows.iter().map(|row| first * row[0] + second * row[1]).collect();
            let Fit { share, .. } = fit(&hidden, &rows).unwrap();
            assert!(share.iter().all(|share| (0.0..=1.0).contains(share)), "{share:?}");
        }
    }
}
