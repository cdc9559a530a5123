//! Which moment the windows end at.
//!
//! Lines have times of their own and come late, out of order, from clocks that differ, or from a log of last year that
//! is piped in. So the end of the windows is not just the clock of this machine:
//!
//! - The newest line came within [`LIVE_MS`] of its own time: the log is live, and windows end now. In silence they run
//!   empty.
//! - It came later than that: the log is being replayed, or another machine's clock is behind. Windows end at the newest
//!   line, and go on from there at the pace of the clock as long as none comes.
//! - Lines more than [`AHEAD_MS`] ahead of this machine's clock move nothing: one wild date must not empty the windows.
//!   They are in no window and in the totals only.
//! - The clock is set back: the newest line is from the future now. Windows end now, and what they held of the future is
//!   let go.

use serde::{Deserialize, Serialize};

/// Lines this far ahead of the clock are taken as they are, in milliseconds: clocks of machines differ a little.
pub const AHEAD_MS: i64 = 60_000;

/// A log whose newest line is not further behind the clock is live, in milliseconds.
pub const LIVE_MS: i64 = 10_000;

/// The newest line, and when it came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Newest(Option<(i64, i64)>);

impl Newest {
    /// A line that was written at `line_ms` came at `now_ms`, both in milliseconds since the epoch.
    pub fn record(&mut self, line_ms: i64, now_ms: i64) {
        let is_plausible = line_ms <= now_ms.saturating_add(AHEAD_MS);
        if is_plausible && self.0.is_none_or(|(newest, _)| line_ms > newest) {
            self.0 = Some((line_ms, now_ms));
        }
    }

    /// Forgets it if it is from the future by now, because the clock was set back.
    pub fn check(&mut self, now_ms: i64) {
        self.0 = self.0.filter(|(newest, _)| *newest <= now_ms.saturating_add(AHEAD_MS));
    }

    /// The moment that windows end at.
    pub fn end(self, now_ms: i64) -> i64 {
        match self.0 {
            Some((newest, seen)) if seen.saturating_sub(newest) > LIVE_MS => {
                newest.saturating_add(now_ms.saturating_sub(seen).max(0))
            }
            _ => now_ms,
        }
    }

    /// How far the newest line was behind the clock when it came, in milliseconds; none before the first line.
    pub fn lag_ms(self) -> Option<i64> {
        self.0.map(|(newest, seen)| seen.saturating_sub(newest).max(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_end_at_the_clock_or_at_the_newest_line_of_a_replay() {
        // Lines as (their time, when they came), the clock, and the expected end; in seconds.
        for (lines, now, end, why) in [
            (&[][..], 1000, 1000, "no line yet"),
            (&[(999, 1000)], 1001, 1001, "a live log"),
            (&[(999, 1000)], 4600, 4600, "an hour of silence"),
            (&[(1050, 1000)], 1001, 1001, "a clock that is ahead a little"),
            (&[(999, 1000), (9000, 1000)], 1001, 1001, "a line from the future"),
            (&[(100, 1000)], 1000, 100, "an old log"),
            (&[(100, 1000)], 1030, 130, "which pauses"),
            (&[(100, 1000), (400, 1001)], 1001, 400, "and goes on faster than time"),
            (&[(100, 1000), (1001, 1002)], 1002, 1002, "until it is live"),
            (&[(999, 1000), (100, 1001)], 1001, 1001, "an old log beside a live one"),
            (&[(100, 1000)], 900, 100, "the clock goes back in a replay"),
            (&[(999, 1000)], 500, 500, "the clock goes back in a live log"),
            (&[(999, 1000)], 990, 990, "a little"),
        ] {
            let mut newest = Newest::default();
            for (line, seen) in lines {
                newest.record(line * 1000, seen * 1000);
            }
            newest.check(now * 1000);
            assert_eq!(newest.end(now * 1000), end * 1000, "{why}");
        }
    }

    #[test]
    fn the_ends_of_time_do_not_panic() {
        for (line, now) in [(i64::MIN, i64::MAX), (i64::MAX, i64::MIN), (i64::MAX, i64::MAX)] {
            let mut newest = Newest::default();
            newest.record(line, now);
            newest.check(now);
            let _ = (newest.end(i64::MIN), newest.end(i64::MAX), newest.lag_ms());
        }
    }
}
