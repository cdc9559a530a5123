//! What a known connect latency tells of connects that the clock shows as 0.000.
//!
//! A connect of d < 1 ms is logged as 0.001 with a chance of d and as 0.000 else, because nginx's clock moves once per
//! turn of its event loop. So with d known, the visible ones stand for d times as many.

use super::New;
use super::serial::count;
use super::ticks::poisson_upper;
use crate::summary::peer::PeerSummary;

/// A stated or measured latency is right to this share.
const TOLERANCE: f64 = 0.1;

/// nginx reads the clock when the turn is over in which the connect was done, so it sees connects as longer than they
/// are: usually by this much in milliseconds, and seldom by twice that. Measured with nginx 1.22.1 over a delay line.
const TURN_MS: f64 = 0.05;

/// Where connecting takes less, it is the turns that show: on one host from 2 % of the connects, with one request at a
/// time, to 55 %, when each request finds an idle machine.
const TURNS_SHOW: f64 = 0.6;

/// An estimate whose interval is wider than this share of the attempts is none.
const MAX_WIDTH: f64 = 0.2;

/// Why a latency was not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unfit;

/// The new connections of a peer whose connects take `latency_ms`. None where connect times are not logged for all
/// attempts, or with a unix socket, where they are always 0.
///
/// # Errors
/// Connect times are longer than the latency allows: it is another one, or that of TCP without the TLS handshake.
pub(super) fn new(addr: &str, peer: &PeerSummary, latency_ms: f64) -> Result<Option<New>, Unfit> {
    if peer.unmeasured > 0 || addr.starts_with("unix:") {
        return Ok(None);
    }
    let connected = count(peer.new_certain + peer.undecided);
    let visible = count(peer.new_certain);
    let fast = latency_ms * (1.0 - TOLERANCE);
    let slow = latency_ms * (1.0 + TOLERANCE) + 2.0 * TURN_MS;
    if fast >= 1.0 {
        let most = (poisson_upper(peer.new_certain) / 0.9).min(connected);
        return Ok(Some(New { least: visible, most, best: Some(visible) }));
    }
    // Those of two ticks and more are certain, and come with `slow` above 1 or by accident.
    let one = count(peer.connect.count_at(1));
    let longer = visible - one;
    let (usual, slow) = ((latency_ms + TURN_MS).min(1.0), slow.max(TURNS_SHOW));
    let too_long = longer > 1.0 + visible * (0.15 + (slow - 1.0).max(0.0));
    // More than there would be if all attempts were new.
    let too_many = behind((one - 0.5).max(0.0), slow.min(1.0), -1.0) > connected;
    if too_long || too_many {
        return Err(Unfit);
    }
    let most = (longer + behind(one + 0.5, fast, 1.0)).min(connected);
    let least = (longer + behind((one - 0.5).max(0.0), slow.min(1.0), -1.0)).clamp(visible, most);
    let best = (longer + one / usual).clamp(least, most);
    let best = (most - least <= MAX_WIDTH * connected).then_some(best);
    Ok(Some(New { least, most, best }))
}

/// How many connections stand behind `seen` ones, of which each is seen with `chance`, two errors above or below: solves
/// `seen = N chance -+ 2 sqrt(N chance (1 - chance))` for N.
fn behind(seen: f64, chance: f64, side: f64) -> f64 {
    let variance = chance * (1.0 - chance);
    ((side * variance.sqrt() + (variance + chance * seen).sqrt()) / chance).powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(zero: u64, times: &[(u32, u64)]) -> PeerSummary {
        let mut peer = PeerSummary { undecided: zero, ..PeerSummary::default() };
        for &(ms, n) in times.iter().chain([&(0, zero)]) {
            (0..n).for_each(|_| peer.connect.record(ms));
            peer.new_certain += if ms > 0 { n } else { 0 };
        }
        peer
    }

    fn judge(peer: &PeerSummary, latency_ms: f64) -> New {
        new("10.0.0.1:80", peer, latency_ms).unwrap().unwrap()
    }

    #[test]
    fn visible_ones_stand_for_the_hidden_ones() {
        // A real nginx with a measured round trip of 0.55 ms: 1001 new, and 106 of 1036.
        let off = judge(&peer(380, &[(1, 620), (2, 1)]), 0.55);
        assert!(off.most >= 1001.0 && off.least >= 800.0 && off.best.is_some(), "{off:?}");
        let few = judge(&peer(969, &[(1, 67)]), 0.55);
        assert!(few.least <= 106.0 && 106.0 <= few.most && few.most < 180.0, "{few:?}");
        assert!(few.best.is_some_and(|best| (best - 106.0).abs() < 12.0), "{few:?}");
    }

    #[test]
    fn few_visible_ones_of_a_near_peer_leave_much_open() {
        let none = judge(&peer(1000, &[]), 0.05);
        assert!(none.least < 1.0 && none.most > 70.0, "{none:?}");
        assert_eq!(judge(&peer(100, &[]), 0.001).best, None);
    }

    #[test]
    fn above_a_millisecond_nothing_hides() {
        let far = judge(&peer(900, &[(1, 60), (2, 40)]), 1.4);
        assert_eq!((far.least, far.best), (100.0, Some(100.0)));
    }

    #[test]
    fn a_latency_that_connect_times_exceed_is_not_used() {
        let tls = peer(200, &[(1, 50), (3, 40), (12, 10)]);
        assert_eq!(new("10.0.0.1:443", &tls, 0.3), Err(Unfit));
        // Seven connects with TLS.
        let few = peer(850, &[(1, 4), (2, 1), (5, 1), (6, 1)]);
        assert_eq!(new("10.0.0.1:443", &few, 0.05), Err(Unfit));
        // If all of 600 were new, fewer would show.
        assert_eq!(new("10.0.0.1:443", &peer(150, &[(1, 450)]), 0.05), Err(Unfit));
        assert_eq!(new("unix:/run/app.sock", &peer(100, &[]), 0.3), Ok(None));
    }
}
