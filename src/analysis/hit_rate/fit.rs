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

/// Fits; `hidden[k]` are the hidden new connections of stretch `k` and `attempts[k][p]` the undecided attempts of peer
/// `p` in it. None with too few stretches.
pub(super) fn fit(hidden: &[f64], attempts: &[Vec<f64>]) -> Option<Fit> {
    let peers = attempts.first()?.len();
    if peers > MAX_PEERS || hidden.len() < 2 * peers + 10 {
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
    let share = descend(&normal, &right);
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
    let error = inverse_diagonal(&normal)?
        .iter()
        .map(|variance| (scatter * variance.max(0.0)).sqrt())
        .collect();
    Some(Fit { share, error })
}

/// Coordinate descent within 0 and 1.
fn descend(normal: &[Vec<f64>], right: &[f64]) -> Vec<f64> {
    let mut share = vec![0.5; right.len()];
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
    share
}

/// The diagonal of the inverse, by elimination; none where the matrix has none.
fn inverse_diagonal(matrix: &[Vec<f64>]) -> Option<Vec<f64>> {
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
    Some((0..n).map(|i| rows[i][n + i]).collect())
}
