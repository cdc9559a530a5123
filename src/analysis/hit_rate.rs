//! The share of attempts that reused a connection, as far as the log proves it.
//!
//! So far there is one kind of evidence, the attempt's own connect time: above 0 is a new connection, for certain; `-` is
//! no connection at all; 0.000 may be either. So the rate is an interval: at most all of the undecided were reused, at
//! least none. The rule "0.000 means reused" would print its upper end.

use super::report::HitRate;
use crate::summary::peer::PeerSummary;

/// The rate of one peer, or of several summed up.
pub fn hit_rate(peer: &PeerSummary) -> HitRate {
    let connected = peer.new_certain + peer.undecided;
    let measured = connected - peer.unmeasured;
    let naive = (measured > 0).then(|| share(peer.undecided - peer.unmeasured, measured));
    if connected == 0 {
        return HitRate { estimate: None, low: 0.0, high: 1.0, naive, basis: Vec::new() };
    }
    HitRate {
        estimate: (peer.undecided == 0).then_some(0.0),
        low: 0.0,
        high: share(peer.undecided, connected),
        naive,
        basis: if measured > 0 { vec!["connect_time"] } else { Vec::new() },
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of lines are far below 2^53")]
pub(super) fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(new_certain: u64, undecided: u64, unmeasured: u64) -> HitRate {
        hit_rate(&PeerSummary { new_certain, undecided, unmeasured, ..PeerSummary::default() })
    }

    #[test]
    fn the_upper_end_is_what_the_zero_rule_says() {
        let rate = rate(10, 90, 0);
        assert_eq!((rate.low, rate.high, rate.naive, rate.estimate), (0.0, 0.9, Some(0.9), None));
    }

    #[test]
    fn all_new_needs_no_guess() {
        assert_eq!(rate(10, 0, 0).estimate, Some(0.0));
        assert!(rate(10, 0, 0).high <= 0.0);
    }

    #[test]
    fn nothing_measured_proves_nothing() {
        let rate = rate(0, 10, 10);
        assert_eq!((rate.naive, rate.basis.len()), (None, 0));
        assert!(rate.high >= 1.0);
    }
}
