//! The whole log's hidden new connections, split between peers.

use super::fit::{Fit, fit};
use super::serial::{Account, count};
use super::{New, Peer};
use crate::summary::peer::PeerSummary;

/// Fewer visible new connections than this tell nothing of how the hidden ones are spread.
const ENOUGH_VISIBLE: u64 = 8;

/// An estimate whose interval is wider than this share of the attempts is none.
const TOO_WIDE: f64 = 0.3;

/// A number of hidden new connections with its standard error.
#[derive(Debug, Clone, Copy)]
struct Guess {
    value: f64,
    error: f64,
}

/// Sets each peer's new connections to what the whole log leaves for it.
pub(super) fn split(peers: &mut [Peer], summaries: &[&PeerSummary], account: &Account, total: New) {
    bound(peers, total);
    let Some(best) = total.best else { return };
    let open: Vec<usize> = (0..peers.len()).filter(|&i| peers[i].new.best.is_none()).collect();
    let hidden = best
        - peers.iter().map(|peer| peer.new.best.unwrap_or(count(peer.ticks.visible))).sum::<f64>();
    if let [only] = open[..] {
        let peer = &mut peers[only];
        let value =
            (count(peer.ticks.visible) + hidden.max(0.0)).clamp(peer.new.least, peer.new.most);
        peer.new.best = Some(value);
        return;
    }
    let visible = by_visible(peers, &open, hidden);
    let varying = by_variation(summaries, &open, account);
    let mut guesses: Vec<Option<Guess>> = (0..open.len())
        .map(|i| combine(visible.as_ref().map(|all| all[i]), varying.as_ref().map(|all| all[i])))
        .collect();
    make_sum(&mut guesses, hidden);
    for (&i, guess) in open.iter().zip(guesses) {
        if let Some(guess) = guess {
            apply(&mut peers[i], guess);
        }
    }
    bound(peers, total);
}

/// What one peer can have is bounded by what all have and the others must have.
fn bound(peers: &mut [Peer], total: New) {
    let least: f64 = peers.iter().map(|peer| peer.new.least).sum();
    let most: f64 = peers.iter().map(|peer| peer.new.most).sum();
    for peer in peers {
        let new = &mut peer.new;
        let (others_least, others_most) = (least - new.least, most - new.most);
        new.most = new.most.min(total.most - others_least).max(new.least);
        new.least = new.least.max(total.least - others_most).min(new.most);
    }
}

/// Peers at the same distance show the same share of their new connections. That they do is an assumption, so a fifth
/// of the difference from an even split is added to the error.
fn by_visible(peers: &[Peer], open: &[usize], hidden: f64) -> Option<Vec<Guess>> {
    let visible: u64 = open.iter().map(|&i| peers[i].ticks.visible).sum();
    if visible < ENOUGH_VISIBLE || open.iter().any(|&i| !peers[i].ticks.tells) {
        return None;
    }
    let all = count(visible) + 0.5 * count(open.len() as u64);
    let guesses = open.iter().map(|&i| {
        let share = (count(peers[i].ticks.visible) + 0.5) / all;
        let scatter = hidden * (share * (1.0 - share) / all).sqrt();
        let error = scatter + 0.2 * hidden * share.min(1.0 - share) + 1.0;
        Guess { value: hidden * share, error }
    });
    Some(guesses.collect())
}

fn by_variation(
    summaries: &[&PeerSummary],
    open: &[usize],
    account: &Account,
) -> Option<Vec<Guess>> {
    if account.parallel {
        return None;
    }
    let scale = open.iter().map(|&i| summaries[i].starts.scale()).max()?;
    if scale > account.scale + 3 {
        return None;
    }
    let mut attempts = vec![vec![0.0; open.len()]; account.stretches.len()];
    for (column, &i) in open.iter().enumerate() {
        for (ms, cell) in summaries[i].starts.at_scale(account.scale) {
            let near = account.stretches.partition_point(|stretch| stretch.from.ms <= ms);
            let found =
                (near.saturating_sub(2)..near).rev().find(|&k| account.stretches[k].holds(ms));
            if let Some(row) = found.and_then(|k| attempts.get_mut(k)) {
                row[column] += count(cell.undecided);
            }
        }
    }
    let Fit { share, error } = fit(&account.stretches, &attempts)?;
    let undecided = open.iter().map(|&i| count(summaries[i].undecided));
    Some(
        undecided
            .zip(share.iter().zip(&error))
            .map(|(n, (share, error))| Guess { value: share * n, error: error * n + 1.0 })
            .collect(),
    )
}

/// Weighs two guesses by their errors; where they contradict each other, the visible connections are believed: the
/// variation over time is misled by peers of which one's attempts cause the other's.
fn combine(visible: Option<Guess>, varying: Option<Guess>) -> Option<Guess> {
    let (a, b) = match (visible, varying) {
        (Some(a), Some(b)) => (a, b),
        (one, other) => return one.or(other),
    };
    if (a.value - b.value).abs() > 3.0 * a.error.hypot(b.error) {
        return Some(a);
    }
    let (wa, wb) = (a.error.powi(-2), b.error.powi(-2));
    Some(Guess {
        value: (a.value * wa + b.value * wb) / (wa + wb),
        error: (wa + wb).sqrt().recip(),
    })
}

/// Shifts the guesses so that they add up, the least certain ones most.
fn make_sum(guesses: &mut [Option<Guess>], hidden: f64) {
    if guesses.iter().any(Option::is_none) {
        return;
    }
    let sum: f64 = guesses.iter().flatten().map(|guess| guess.value).sum();
    let squares: f64 = guesses.iter().flatten().map(|guess| guess.error.powi(2)).sum();
    for guess in guesses.iter_mut().flatten() {
        guess.value += (hidden - sum) * guess.error.powi(2) / squares;
    }
}

/// Narrows a peer's interval to two errors on each side, if that agrees with what is certain.
fn apply(peer: &mut Peer, guess: Guess) {
    let value = count(peer.ticks.visible) + guess.value.clamp(0.0, count(peer.undecided));
    let margin = 2.0 * guess.error + 2.0;
    let (least, most) = (value - margin, value + margin);
    if least > peer.new.most || most < peer.new.least {
        return;
    }
    peer.new.least = peer.new.least.max(least);
    peer.new.most = peer.new.most.min(most);
    if peer.new.most - peer.new.least <= TOO_WIDE * count(peer.connected) {
        peer.new.best = Some(value.clamp(peer.new.least, peer.new.most));
    }
}
