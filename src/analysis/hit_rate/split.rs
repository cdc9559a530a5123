//! The whole log's hidden new connections, split between peers.

use super::fit::{Fit, can_fit, fit};
use super::serial::{Account, Stretch, count};
use super::silent::Silent;
use super::{New, Peer, TOO_WIDE};
use crate::summary::peer::PeerSummary;

/// Fewer visible new connections than this tell nothing of how the hidden ones are spread.
const ENOUGH_VISIBLE: u64 = 8;

/// With more than one redirected attempt in so many, variation tells nothing: one peer's attempts cause the other's, and
/// the connection of a redirected one is not kept, so that its loss seems to be the other's.
const CAUSED: u64 = 50;

/// A number of hidden new connections with its standard error.
#[derive(Debug, Clone, Copy)]
struct Part {
    value: f64,
    error: f64,
}

/// Sets each peer's new connections to what the whole log leaves for it.
pub(super) fn split(
    peers: &mut [Peer],
    summaries: &[&PeerSummary],
    (account, silent): (&Account, Silent),
    total: New,
) {
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
    let mut guesses: Vec<Option<Part>> = (0..open.len())
        .map(|i| combine(visible.as_ref().map(|all| all[i]), varying.as_ref().map(|all| all[i])))
        .collect();
    make_sum(&mut guesses, hidden);
    // Silent clients may have passed for new connections of any peer.
    let undecided: u64 = open.iter().map(|&i| peers[i].undecided).sum();
    let silent = silent.most / count(undecided.max(1));
    for (&i, guess) in open.iter().zip(guesses) {
        if let Some(guess) = guess {
            let silent = silent * count(peers[i].undecided);
            apply(&mut peers[i], guess, silent);
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

/// Peers at the same distance show the same share of their new connections. Nothing tells that they are, so what one of
/// them would have if it showed half or twice as large a share as the others is within the error.
fn by_visible(peers: &[Peer], open: &[usize], hidden: f64) -> Option<Vec<Part>> {
    let visible: u64 = open.iter().map(|&i| peers[i].ticks.visible).sum();
    if visible < ENOUGH_VISIBLE || open.iter().any(|&i| !peers[i].ticks.tells) {
        return None;
    }
    let all = count(visible) + 0.5 * count(open.len() as u64);
    let guesses = open.iter().map(|&i| {
        let share = (count(peers[i].ticks.visible) + 0.5) / all;
        let scatter = hidden * (share * (1.0 - share) / all).sqrt();
        let odds = share / (1.0 - share).max(1e-9);
        let shifted = |by: f64| (by * odds / (1.0 + by * odds) - share).abs();
        let error = scatter + hidden * shifted(2.0).max(shifted(0.5)) / 2.0 + 1.0;
        Part { value: hidden * share, error }
    });
    Some(guesses.collect())
}

fn by_variation(
    summaries: &[&PeerSummary],
    open: &[usize],
    account: &Account,
) -> Option<Vec<Part>> {
    let redirected: u64 = summaries.iter().map(|peer| peer.redirected).sum();
    let attempts: u64 = summaries.iter().map(|peer| peer.attempts).sum();
    if account.parallel || redirected * CAUSED > attempts {
        return None;
    }
    let scale = open.iter().map(|&i| summaries[i].starts.scale()).max()?;
    if scale > account.scale + 3 || !can_fit(open.len(), account.stretches.len()) {
        return None;
    }
    let mut attempts = vec![vec![0.0; open.len()]; account.stretches.len()];
    for (column, &i) in open.iter().enumerate() {
        let mut near = 0;
        for (ms, cell) in summaries[i].starts.at_scale(account.scale) {
            let behind = &account.stretches[near..];
            near += behind.iter().take_while(|stretch| stretch.from.ms <= ms).count();
            let found =
                (near.saturating_sub(2)..near).rev().find(|&k| account.stretches[k].holds(ms));
            if let Some(row) = found.and_then(|k| attempts.get_mut(k)) {
                row[column] += count(cell.undecided);
            }
        }
    }
    let hidden: Vec<f64> = account.stretches.iter().map(Stretch::hidden).collect();
    let Fit { share, error } = fit(&hidden, &attempts)?;
    let undecided = open.iter().map(|&i| count(summaries[i].undecided));
    Some(
        undecided
            .zip(share.iter().zip(&error))
            .map(|(n, (share, error))| Part { value: share * n, error: error * n + 1.0 })
            .collect(),
    )
}

/// Weighs two guesses by their errors. Where they contradict each other either may be wrong: peers at different distances
/// mislead the one, peers whose attempts come together the other. What they differ by is doubt, too.
fn combine(visible: Option<Part>, varying: Option<Part>) -> Option<Part> {
    let (a, b) = match (visible, varying) {
        (Some(a), Some(b)) => (a, b),
        (one, other) => return one.or(other),
    };
    let apart = (a.value - b.value).abs();
    if apart > 2.0 * a.error.hypot(b.error) {
        let error = a.error.max(b.error) + apart / 2.0;
        return Some(Part { value: f64::midpoint(a.value, b.value), error });
    }
    let (wa, wb) = (a.error.powi(-2), b.error.powi(-2));
    let value = (a.value * wa + b.value * wb) / (wa + wb);
    Some(Part { value, error: (wa + wb).sqrt().recip().hypot(apart / 2.0) })
}

/// Shifts the guesses so that they add up, the least certain ones most.
fn make_sum(guesses: &mut [Option<Part>], hidden: f64) {
    if guesses.iter().any(Option::is_none) {
        return;
    }
    let sum: f64 = guesses.iter().flatten().map(|guess| guess.value).sum();
    let squares: f64 = guesses.iter().flatten().map(|guess| guess.error.powi(2)).sum();
    for guess in guesses.iter_mut().flatten() {
        guess.value += (hidden - sum) * guess.error.powi(2) / squares;
    }
}

/// Narrows a peer's interval to three errors on each side, if that agrees with what is certain: errors of the machine
/// are no errors of chance. So many numbers may have been `silent` clients'.
fn apply(peer: &mut Peer, guess: Part, silent: f64) {
    let value = count(peer.ticks.visible) + guess.value.clamp(0.0, count(peer.undecided));
    let margin = 3.0 * guess.error + 2.0;
    let (least, most) = (value - margin - silent, value + margin);
    if least > peer.new.most || most < peer.new.least {
        return;
    }
    peer.new.least = peer.new.least.max(least);
    peer.new.most = peer.new.most.min(most);
    let likely = (4.0 * guess.error + 4.0).min(peer.new.most - peer.new.least - silent);
    if likely <= TOO_WIDE * count(peer.connected) {
        peer.new.best = Some(value.clamp(peer.new.least, peer.new.most));
    }
}
