//! The Prometheus form: text exposition format 0.0.4, from plain data.
//!
//! Counters are what was counted since the start; gauges are what windows show. Base units only: seconds, and shares from
//! 0 to 1. What is not known has no sample: no traffic is not a hit rate of 100 %.
//!
//! Names come from logs, so attackers choose them. They are cut, what could act on a terminal is shown as text, and so many
//! series at most are written; whatever is more is summed as `(other)`, or counted as left out where a sum would say
//! nothing. Names that look alike afterwards become one series: the same labels twice would make the whole text invalid.

mod gather;
#[cfg(test)]
mod tests;
mod text;

use std::io::{self, Write};

use super::wire;
use crate::analysis::report::{Cause, Report, Stats};
use gather::{Totals, upstream_name};
use text::{Kind, Text, seconds};

/// What is sent as `Content-Type` with this text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Most upstreams and peers whose attempts are counted apart, and most peers of a window.
pub const MAX_SERIES: usize = 1_000;

/// Most upstreams of a window, and most upstreams with histograms.
pub const MAX_UPSTREAMS: usize = 200;

/// The name of all others.
pub const OTHER: &str = "(other)";

/// All there is to expose. The default is nothing but `keepwarm_build_info`.
#[derive(Debug, Clone, Default)]
pub struct Snapshot<'a> {
    /// Windows by their names (`1m`, `5m`, `1h`), each with what its lines tell.
    pub windows: Vec<(&'a str, &'a Report)>,
    /// Upper ends of the buckets of all histograms in milliseconds, ascending, without `+Inf`.
    pub bucket_ends_ms: &'a [u32],
    /// Attempts since the start. A series keeps its place as long as there are no more than [`MAX_SERIES`] of them; to
    /// be safe, give no more, and all others as one named [`OTHER`].
    pub series: Vec<Series<'a>>,
    /// Where lines come from.
    pub sources: Vec<Source<'a>>,
    /// Lines that matched, but so late that no window holds them.
    pub late: u64,
    /// Lines that matched, but so far ahead of the clock that no window holds them.
    pub ahead: u64,
    /// How far the newest line was behind the clock when it came, in seconds; none before the first line.
    pub lag_seconds: Option<f64>,
    /// Alerts that fire; none where nothing watches, as in a report.
    pub alerts: Option<Vec<Alert<'a>>>,
    /// Warm-ups since the start, by cause.
    pub warmups: Vec<(Cause, u64)>,
    /// Where alerts are sent to.
    pub sinks: Vec<Sink<'a>>,
}

/// Attempts at one peer of one upstream since the start.
#[derive(Debug, Clone, Copy, Default)]
pub struct Series<'a> {
    /// The upstream as logged. Empty where the log does not tell it: then the peer's address stands for it.
    pub upstream: &'a [u8],
    /// The peer as logged.
    pub peer: &'a [u8],
    /// All attempts.
    pub attempts: u64,
    /// Of these: certainly new connections.
    pub new_certain: u64,
    /// Of these: reused or new.
    pub undecided: u64,
    /// Of these: never connected.
    pub failed: u64,
    /// Attempts on a pooled connection that the peer had already closed.
    pub stale: u64,
    /// `$upstream_connect_time` where it is above 0.
    pub handshake: Option<Histogram<'a>>,
    /// `$upstream_response_time`.
    pub response: Option<Histogram<'a>>,
}

/// How long something took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Histogram<'a> {
    /// How many took as long as each of [`Snapshot::bucket_ends_ms`] or less.
    pub up_to: &'a [u64],
    /// How many there were.
    pub count: u64,
    /// How long all took together, in milliseconds.
    pub sum_ms: u64,
}

/// Lines of one source since the start.
#[derive(Debug, Clone, Copy, Default)]
pub struct Source<'a> {
    /// As the user named it.
    pub name: &'a str,
    /// Lines that fit the format.
    pub matched: u64,
    /// Lines that do not.
    pub malformed: u64,
    /// Lines over the limit of length, skipped.
    pub too_long: u64,
    /// Lines that were lost before they were read: datagrams that did not fit the queue.
    pub dropped: u64,
    /// Bytes of a followed file that are not read yet; none for a stream.
    pub lag_bytes: Option<u64>,
}

/// An alert that fires.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alert<'a> {
    /// The rule's stable name: `hit_rate`.
    pub rule: &'a str,
    /// The upstream it is about.
    pub upstream: Option<&'a str>,
    /// The peer it is about.
    pub peer: Option<&'a str>,
    /// The source it is about.
    pub source: Option<&'a str>,
}

/// What became of the events that one sink was given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sink<'a> {
    /// Its kind: `webhook`.
    pub name: &'a str,
    /// Events that arrived.
    pub delivered: u64,
    /// Events that never will.
    pub lost: u64,
    /// Events still to be delivered.
    pub queued: u64,
}

/// Writes the exposition.
///
/// # Errors
///
/// Only what `out` returns.
pub fn write(snapshot: &Snapshot<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut text = Text::default();
    text.family("keepwarm_build_info", Kind::Gauge, "Always 1; the version is its label.");
    text.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    counters(&mut text, &Totals::new(snapshot), snapshot.bucket_ends_ms);
    windows(&mut text, snapshot);
    watching(&mut text, snapshot);
    out.write_all(text.finish().as_bytes())
}

/// Writes a report: one window named `all`, and its attempts as counters.
pub(super) fn write_report(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut series = Vec::new();
    for upstream in &report.upstreams {
        let name = upstream.name.as_deref().unwrap_or_default().as_bytes();
        let of = |peer, stats: &Stats| Series {
            upstream: name,
            peer,
            attempts: stats.attempts,
            new_certain: stats.new_certain,
            undecided: stats.undecided,
            failed: stats.failed,
            stale: stats.stale,
            ..Series::default()
        };
        if upstream.peers.is_empty() {
            series.push(of(b"", &upstream.stats));
        }
        series.extend(upstream.peers.iter().map(|peer| of(peer.addr.as_bytes(), &peer.stats)));
    }
    let warmups = report.warmups.iter().map(|warmup| (warmup.cause, warmup.count)).collect();
    write(&Snapshot { windows: vec![("all", report)], series, warmups, ..Snapshot::default() }, out)
}

fn counters(text: &mut Text, totals: &Totals, ends_ms: &[u32]) {
    let help = "Attempts to use a connection to a peer, by what the attempt alone proves: `undecided` \
                ones are reused or new.";
    text.family("keepwarm_attempts_total", Kind::Counter, help);
    for ((upstream, peer), counts) in &totals.series {
        for (outcome, count) in counts.outcomes() {
            let labels = [("upstream", &**upstream), ("peer", peer), ("outcome", outcome)];
            text.sample(&labels, count);
        }
    }
    let help = "Attempts on a pooled connection that the peer had already closed.";
    text.family("keepwarm_stale_attempts_total", Kind::Counter, help);
    for ((upstream, peer), counts) in &totals.series {
        text.sample(&[("upstream", upstream), ("peer", peer)], counts.stale);
    }
    let help = "What certainly new connections cost: $upstream_connect_time where it is above 0.";
    text.family("keepwarm_handshake_seconds", Kind::Histogram, help);
    for (upstream, times) in &totals.handshake {
        text.histogram(upstream, ends_ms, times);
    }
    text.family("keepwarm_response_seconds", Kind::Histogram, "$upstream_response_time.");
    for (upstream, times) in &totals.response {
        text.histogram(upstream, ends_ms, times);
    }
    text.family(
        "keepwarm_warmups_total",
        Kind::Counter,
        "Times that pools were emptied, by cause.",
    );
    for (cause, count) in &totals.warmups {
        text.sample(&[("cause", cause)], count);
    }
}

/// A gauge of an upstream in a window: its name, its help, and its value where there is one.
type Gauge = (&'static str, &'static str, fn(&Stats) -> Option<f64>);

/// Attempts that got a connection: what a hit rate is of.
fn connected(stats: &Stats) -> bool {
    stats.attempts > stats.failed
}

#[expect(clippy::cast_precision_loss, reason = "counts of a window are far below 2^53")]
fn count(n: u64) -> f64 {
    n as f64
}

const GAUGES: [Gauge; 8] = [
    (
        "keepwarm_hit_rate_low",
        "Share of connected attempts that reused a connection, 0 to 1: no evidence allows less.",
        |stats| connected(stats).then_some(stats.hit_rate.low),
    ),
    (
        "keepwarm_hit_rate_high",
        "Share of connected attempts that reused a connection, 0 to 1: no evidence allows more. Limits are for this one.",
        |stats| connected(stats).then_some(stats.hit_rate.high),
    ),
    (
        "keepwarm_hit_rate_estimate",
        "Share of connected attempts that reused a connection, 0 to 1: the best supported value, if any.",
        |stats| stats.hit_rate.estimate.filter(|_| connected(stats)),
    ),
    ("keepwarm_window_attempts", "Attempts in the window.", |stats| Some(count(stats.attempts))),
    ("keepwarm_window_failed_attempts", "Attempts in the window that never connected.", |stats| {
        Some(count(stats.failed))
    }),
    ("keepwarm_connect_p95_seconds", "95 % of connects took no longer; 0 is a reuse.", |stats| {
        stats.connect.map(|times| seconds(times.p95))
    }),
    (
        "keepwarm_handshake_p95_seconds",
        "95 % of certainly new connections took no longer to connect.",
        |stats| stats.handshake.map(|times| seconds(times.p95)),
    ),
    ("keepwarm_response_p95_seconds", "95 % of responses took no longer.", |stats| {
        stats.response.map(|times| seconds(times.p95))
    }),
];

fn windows(text: &mut Text, snapshot: &Snapshot<'_>) {
    let windows: Vec<_> = snapshot.windows.iter().map(gather::window).collect();
    for (name, help, value) in GAUGES {
        text.family(name, Kind::Gauge, help);
        for window in &windows {
            for (upstream, report) in &window.upstreams {
                if let Some(value) = value(&report.stats) {
                    let labels = [("upstream", &**upstream), ("window", window.name)];
                    text.sample(&labels, wire::round(value));
                }
            }
        }
    }
    let help = "1 while the pools of the upstream are filling after they were emptied.";
    text.family("keepwarm_warming_up", Kind::Gauge, help);
    for window in &windows {
        for (upstream, report) in &window.upstreams {
            let labels = [("upstream", &**upstream), ("window", window.name)];
            text.sample(
                &labels,
                u8::from(gather::is_warming(window.report, &upstream_name(report))),
            );
        }
    }
    let help = "Certainly new connections per second, mean over the window.";
    text.family("keepwarm_new_connections_per_second", Kind::Gauge, help);
    for window in &windows {
        for ((upstream, peer), rate) in &window.new_per_second {
            let labels = [("upstream", &**upstream), ("peer", peer), ("window", window.name)];
            text.sample(&labels, wire::round(*rate));
        }
    }
    let help = "Upstreams and peers of the window that have no series of their own.";
    text.family("keepwarm_window_series_left_out", Kind::Gauge, help);
    for window in &windows {
        text.sample(&[("window", window.name)], window.left_out);
    }
}

/// What is known of the watching itself.
fn watching(text: &mut Text, snapshot: &Snapshot<'_>) {
    let sources = gather::sources(&snapshot.sources);
    let help = "Lines by source and what became of them; `dropped` ones were never read.";
    text.family("keepwarm_lines_total", Kind::Counter, help);
    for (name, source) in &sources {
        for (outcome, count) in [
            ("matched", source.matched),
            ("malformed", source.malformed),
            ("too_long", source.too_long),
            ("dropped", source.dropped),
        ] {
            text.sample(&[("source", name), ("outcome", outcome)], count);
        }
    }
    let help = "Lines that matched, but so late that no window holds them.";
    text.family("keepwarm_late_lines_total", Kind::Counter, help);
    text.sample(&[], snapshot.late);
    let help =
        "Lines that matched, but are more than a minute ahead of the clock: no window holds them.";
    text.family("keepwarm_ahead_lines_total", Kind::Counter, help);
    text.sample(&[], snapshot.ahead);
    text.family("keepwarm_source_lag_bytes", Kind::Gauge, "Bytes of a file that are not read yet.");
    for (name, source) in &sources {
        if let Some(bytes) = source.lag_bytes {
            text.sample(&[("source", name)], bytes);
        }
    }
    let help = "How far the newest line was behind the clock when it came.";
    text.family("keepwarm_lag_seconds", Kind::Gauge, help);
    if let Some(lag) = snapshot.lag_seconds {
        text.sample(&[], wire::round(lag));
    }
    if let Some(alerts) = &snapshot.alerts {
        text.family("keepwarm_alerts_firing", Kind::Gauge, "How many alerts fire.");
        text.sample(&[], alerts.len());
        text.family("keepwarm_alert_firing", Kind::Gauge, "1 for each alert that fires.");
        for [rule, upstream, peer, source] in gather::alerts(alerts) {
            let labels =
                [("rule", &*rule), ("upstream", &upstream), ("peer", &peer), ("source", &source)];
            text.sample(&labels, 1);
        }
    }
    let help =
        "Firing and resolved alerts that were sent, by how they were and what became of them.";
    text.family("keepwarm_notifications_total", Kind::Counter, help);
    for sink in &snapshot.sinks {
        text.sample(&[("sink", sink.name), ("outcome", "delivered")], sink.delivered);
        text.sample(&[("sink", sink.name), ("outcome", "lost")], sink.lost);
    }
    let help = "Notifications still to be delivered.";
    text.family("keepwarm_notifications_queued", Kind::Gauge, help);
    for sink in &snapshot.sinks {
        text.sample(&[("sink", sink.name)], sink.queued);
    }
}
