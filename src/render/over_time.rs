//! How reuse went over time: a line of bars for each upstream where it changed.
//!
//! A bar is the share of attempts that may have reused a connection: all but those whose connect time is above 0.000. So
//! it is an upper bound of the hit rate. Where connects are too fast to show, the bound is far off and would mislead, so
//! these upstreams have no line. Nor has one whose rate hardly changed.

use unicode_width::UnicodeWidthStr;

use super::cells;
use super::words::{self, Signs};
use super::{Options, escape, fit};
use crate::analysis::report::{Point, Report, UpstreamReport};
use crate::units::distance;

/// Narrower terminals get no bars.
const MIN_WIDTH: usize = 80;

/// Fewer bars tell nothing. More would not fit beside a name.
const MIN_BARS: usize = 8;
const MAX_BARS: usize = 30;

/// How many upstreams are shown if `--top` does not say.
const TOP: usize = 10;

/// The widest name.
const NAME_MAX: usize = 24;

/// Bars of fewer attempts count neither as highest nor as lowest.
const MIN_ATTEMPTS: u64 = 20;

/// Share by which the highest and the lowest bar have to differ.
const MIN_CHANGE: f64 = 0.05;

/// Share of the attempts that may open a connection without being seen.
const MAX_UNSEEN: f64 = 0.05;

/// Appends the bars. Nothing in a pipe, on a narrow terminal, or where nothing changed.
pub(super) fn push(report: &Report, options: &Options, width: Option<usize>, out: &mut String) {
    let Some(clock) = Clock::of(report).filter(|_| width.is_some_and(|width| width >= MIN_WIDTH))
    else {
        return;
    };
    let signs = Signs::new(options.ascii);
    let lines: Vec<(String, String, String)> = report
        .upstreams
        .iter()
        .filter_map(|upstream| {
            let (bars, range) = bars(upstream, &clock, signs)?;
            let name = escape::shown(cells::name_of(upstream), options.ascii);
            Some((fit::shorten(&name, NAME_MAX, signs.ellipsis), bars, range))
        })
        .take(options.top.unwrap_or(TOP))
        .collect();
    let Some(widest) = lines.iter().map(|(name, ..)| name.width()).max() else { return };
    out.push('\n');
    let bar = distance(clock.length.unsigned_abs() / clock.bars as u64);
    let caption =
        format!("reuse over time, at most (new are only connect times above 0); a bar is {bar}:");
    fit::wrap(&escape::shown(&caption, options.ascii), (0, 2), width, out);
    for (name, bars, range) in lines {
        let gap = " ".repeat(widest - name.width() + 2);
        for part in ["  ", &name, &gap, &bars, "  ", &range, "\n"] {
            out.push_str(part);
        }
    }
}

/// How a report's period is cut into bars.
struct Clock {
    from: i64,
    /// In milliseconds, at least 1.
    length: i64,
    bars: usize,
}

impl Clock {
    /// None if the steps of the timelines are too wide for bars.
    fn of(report: &Report) -> Option<Clock> {
        let period = report.period?;
        let length = period.to_ms.checked_sub(period.from_ms)?.checked_add(1)?;
        let steps = report.upstreams.iter().filter_map(|upstream| step(&upstream.timeline));
        let bars = usize::try_from(length / steps.max()?).ok()?.min(MAX_BARS);
        (bars >= MIN_BARS).then_some(Clock { from: period.from_ms, length, bars })
    }

    /// The place of a moment's bar. A first step may begin before the period, and a last one end behind it.
    fn place(&self, ms: i64) -> usize {
        let since = i128::from(ms) - i128::from(self.from);
        let place = since.max(0) * self.bars as i128 / i128::from(self.length.max(1));
        usize::try_from(place).unwrap_or(usize::MAX).min(self.bars - 1)
    }
}

/// The step of a timeline in milliseconds.
fn step(timeline: &[Point]) -> Option<i64> {
    let steps = timeline.windows(2).map(|pair| pair[1].from_ms.saturating_sub(pair[0].from_ms));
    steps.filter(|&step| step > 0).min()
}

/// Bars from the lowest share to the highest, and these two in words.
fn bars(upstream: &UpstreamReport, clock: &Clock, signs: Signs) -> Option<(String, String)> {
    let mut sums = vec![(0_u64, 0_u64); clock.bars];
    let mut all = (0_u64, 0_u64);
    let half = step(&upstream.timeline)? / 2;
    for point in &upstream.timeline {
        for sum in [&mut sums[clock.place(point.from_ms.saturating_add(half))], &mut all] {
            sum.0 = sum.0.saturating_add(point.connected);
            sum.1 = sum.1.saturating_add(point.new_certain);
        }
    }
    let rate = &upstream.stats.hit_rate;
    if at_most(all) - rate.estimate.unwrap_or(rate.low) > MAX_UNSEEN {
        return None;
    }
    let enough = || sums.iter().filter(|sum| sum.0 >= MIN_ATTEMPTS).map(|&sum| at_most(sum));
    let low = enough().fold(1.0, f64::min);
    let high = enough().fold(0.0, f64::max);
    if high - low < MIN_CHANGE {
        return None;
    }
    let bar = |&sum: &(u64, u64)| {
        if sum.0 == 0 {
            return ' ';
        }
        let height = ((at_most(sum) - low) / (high - low)).clamp(0.0, 1.0);
        // Of eight.
        let level = usize::try_from(words::whole(height * 7.0)).unwrap_or(0);
        signs.bars.get(level).copied().unwrap_or(' ')
    };
    let range = format!("{} to {} %", words::percent(low), words::percent(high));
    Some((sums.iter().map(bar).collect(), range))
}

/// The share of attempts that may have reused a connection.
#[expect(clippy::cast_precision_loss, reason = "counts over 2^53 do not occur; shown rounded")]
fn at_most((connected, new): (u64, u64)) -> f64 {
    1.0 - (new as f64 / connected.max(1) as f64).min(1.0)
}
