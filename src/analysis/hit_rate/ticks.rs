//! What the ticks of nginx's clock tell of connects that it shows as 0.000.
//!
//! Connect times are differences of a clock of whole milliseconds that moves once per turn of the event loop, so a
//! connect of d < 1 ms is logged as 0.001 with a chance of about d, and as 0.000 else; one of more than a millisecond is
//! never logged as 0.000. So the visible ones bound the hidden ones.
//!
//! With `timer_resolution` nginx moves its clock by a timer instead (`ngx_timer_signal_handler`): then no such chance is
//! known, and times may be off by as much as its interval.

use crate::summary::latency::LatencySummary;

/// The least chance that a new TCP connection shows a time above 0: that of a connect of 10 us. Measured on loopback, where
/// it is least, with nginx 1.22.1 and 1.31.5: 0.019 to 0.021 with one request at a time, 0.03 to 0.1 under load.
const LEAST: f64 = 0.01;

/// Fewer visible ones than this tell nothing of how long connecting takes.
const ENOUGH: u64 = 10;

/// The least chance for a peer at which connecting takes more than a millisecond.
const SLOW: f64 = 0.9;

/// Fewer times than this tell nothing of the clock, nor do fewer above 0 of its interval.
const MANY_TIMES: u64 = 100;
const MANY_ABOVE_ZERO: u64 = 50;

/// Waiting for the header takes longer than connecting, so of a clock that moves each turn at least this share of header
/// times is above 0. Measured with nginx 1.22.1 on loopback, before a peer that answers at once: 0.05 to 0.11; with
/// `timer_resolution 100ms` 0.01.
const LEAST_ABOVE_ZERO: f64 = 0.02;

/// Of a coarse clock more than this share of the times above 0 are whole multiples of 10 ms, besides more zeros than
/// [`MANY_ZEROS`]. Measured with `timer_resolution` of 10 and 100 ms: 0.77 and 0.34 with 0.11 and 0.58 of zeros; all
/// recorded runs without: at most 0.12, or no zeros.
const MULTIPLES: f64 = 0.25;
const MANY_ZEROS: f64 = 0.05;

/// Do the times of a peer's responses show that nginx's clock moves in steps of `timer_resolution`? Intervals under 10 ms
/// do not show.
pub(super) fn is_coarse(times: &LatencySummary) -> bool {
    if times.count() < MANY_TIMES {
        return false;
    }
    let (all, zeros) = (count(times.count()), count(times.count_at(0)));
    // Exact values only: above this they are in cells.
    let exact = |step| (step..=255).step_by(step as usize).map(|ms| times.count_at(ms)).sum();
    let (above, multiples): (u64, u64) = (exact(1), exact(10));
    let stepped = above >= MANY_ABOVE_ZERO
        && zeros >= MANY_ZEROS * all
        && count(multiples) >= MULTIPLES * count(above);
    stepped || all - zeros < LEAST_ABOVE_ZERO * all
}

/// How visible new connections of a peer are, from the times that are visible.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ticks {
    /// Certainly new: time above 0.
    pub(super) visible: u64,
    /// Of those: one tick.
    pub(super) one: u64,
    /// Of those: two ticks.
    pub(super) two: u64,
    /// Times are logged by a clock that moves each turn, and the peer is no unix socket, where connecting takes no time at
    /// all.
    pub(super) tells: bool,
}

impl Ticks {
    /// The least chance that a new connection is visible.
    fn least_chance(self) -> f64 {
        if self.visible >= ENOUGH && (self.is_far() || self.is_near()) { SLOW } else { LEAST }
    }

    /// Connecting takes two milliseconds and more: one tick is rare.
    fn is_far(self) -> bool {
        self.one * 20 <= self.visible
    }

    /// Connecting takes between one and two milliseconds: two ticks are about as common as one, and there are no more.
    /// Times that are scattered more widely tell of a busy machine, or of TLS sessions of which some are resumed: there
    /// most connects may still be too fast to see.
    fn is_near(self) -> bool {
        self.one <= 2 * self.two && (self.one + self.two) * 50 >= self.visible * 49
    }

    /// At most this many new connections, at 95 % confidence, out of `connected` attempts.
    pub(super) fn most(self, connected: u64) -> f64 {
        if self.tells {
            (poisson_upper(self.visible) / self.least_chance()).min(count(connected))
        } else {
            count(connected)
        }
    }

    /// New connections can't hide: those seen are all.
    pub(super) fn shows_all(self) -> bool {
        self.tells && self.least_chance() >= SLOW
    }
}

/// The mean of a Poisson distribution of which `n` or fewer would be seen in one of 40 cases (Wilson and Hilferty's
/// approximation, within 1 % of the exact bound).
pub(super) fn poisson_upper(n: u64) -> f64 {
    let n = count(n) + 1.0;
    n * (1.0 - 1.0 / (9.0 * n) + 1.96 / (3.0 * n.sqrt())).powi(3)
}

use super::serial::count;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_that_of_the_tables() {
        // Exact upper limits at 97.5 %: 3.69, 5.57, 18.39, 120.8 for 0, 1, 10, 100.
        for (n, exact) in [(0, 3.69), (1, 5.57), (10, 18.39), (100, 121.63)] {
            assert!((poisson_upper(n) / exact - 1.0).abs() < 0.02, "{n}: {}", poisson_upper(n));
        }
    }

    #[test]
    fn a_clock_that_moves_by_a_timer_is_coarse() {
        let of = |times: &[(u32, u64)]| {
            let mut summary = LatencySummary::default();
            for &(ms, n) in times {
                (0..n).for_each(|_| summary.record(ms));
            }
            is_coarse(&summary)
        };
        let each = |n: u64, times: std::ops::RangeInclusive<u32>| {
            times.map(|ms| (ms, n)).collect::<Vec<(u32, u64)>>()
        };
        // Header times as a real nginx logged them before peers of 30 ms in the mean, and before one that answers at once.
        let ten =
            [(10, 203), (20, 154), (0, 108), (30, 98), (40, 78), (50, 46), (16, 90), (22, 80)];
        let hundred = [&[(0, 588), (100, 124), (200, 5)][..], &each(8, 7..=41)].concat();
        for (what, times, coarse) in [
            ("timer_resolution 10ms", &ten[..], true),
            ("timer_resolution 100ms", &hundred, true),
            ("the same before a fast peer", &[(0, 970), (1, 5), (3, 2), (100, 3)], true),
            ("a clock of each turn", &each(20, 2..=40), false),
            ("the same before a fast peer", &[(0, 4341), (1, 449), (2, 47)], false),
            ("a peer that takes 20 ms each time", &[(20, 500), (21, 400), (22, 50)], false),
            ("few", &[(0, 40), (10, 40)], false),
        ] {
            assert_eq!(of(times), coarse, "{what}");
        }
    }

    #[test]
    fn nothing_visible_in_many_attempts_means_nearly_all_reused() {
        let ticks = Ticks { visible: 0, one: 0, two: 0, tells: true };
        assert!(ticks.most(1_000_000) < 400.0);
        assert!(Ticks { tells: false, ..ticks }.most(1000) >= 1000.0);
    }

    #[test]
    fn only_slow_peers_show_all_their_new_connections() {
        // Times above 0 of one tick, of two, and more, as recorded.
        for (what, one, two, more, all) in [
            ("a peer 1.36 ms away", 60, 40, 2, true),
            ("a peer 2 ms away", 0, 15, 4, true),
            ("a peer 20 ms away", 0, 0, 165, true),
            ("loopback", 90, 3, 0, false),
            ("TLS on loopback", 178, 30, 12, false),
            ("TLS on a busy machine, half of it hidden", 81, 23, 111, false),
            ("a busy machine, nine of ten hidden", 79, 4, 30, false),
            ("too few", 0, 5, 0, false),
        ] {
            let ticks = Ticks { visible: one + two + more, one, two, tells: true };
            assert_eq!(ticks.shows_all(), all, "{what}");
        }
    }
}
