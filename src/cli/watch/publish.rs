//! What a live run shows to other programs: over HTTP, and as a file for Prometheus's `node_exporter`.

use super::settings::Settings;
use crate::analysis::report::Report;
use crate::error::Result;
use crate::live::alert::{Event, Rule};
use crate::live::slices::Slices;
use crate::live::totals::{self, Counts, Totals};
use crate::live::warmups::Warmups;
use crate::render::prometheus::{self, Alert, Histogram, Series, Sink, Snapshot, Source};
use crate::serve::{Board, Published, Server, Window, textfile};
use std::path::PathBuf;
use std::sync::Arc;

/// All that is shown of one moment.
#[derive(Debug)]
pub(super) struct Moment<'a> {
    /// By name, the one that alerts are judged by first.
    pub(super) windows: Vec<(&'a str, &'a Arc<Report>)>,
    pub(super) slices: &'a Slices,
    pub(super) totals: &'a Totals,
    pub(super) warmups: &'a Warmups,
    pub(super) sources: Vec<Source<'a>>,
    pub(super) firing: &'a [Event],
    pub(super) sinks: Vec<Sink<'a>>,
    /// What is wrong with keepwarm itself.
    pub(super) trouble: Option<String>,
}

/// Where it is shown.
#[derive(Debug)]
pub(super) struct Publisher {
    board: Arc<Board>,
    server: Option<Server>,
    textfile: Option<PathBuf>,
}

impl Publisher {
    /// Begins to listen, if that is wanted.
    ///
    /// # Errors
    /// The address can't be listened on.
    pub(super) fn start(settings: &Settings) -> Result<Self> {
        let board = Arc::default();
        let start = |address: &String| Server::start(address, Arc::clone(&board));
        let server = settings.listen.as_ref().map(start).transpose()?;
        Ok(Publisher { server, textfile: settings.textfile.clone(), board })
    }

    /// Where it listens, and what should be known about that.
    pub(super) fn listens(&self) -> Option<(String, Option<String>)> {
        let server = self.server.as_ref()?;
        Some((format!("listening on http://{}/metrics", server.address()), server.warning()))
    }

    /// Takes the file away: metrics that nobody renews would be served for ever.
    ///
    /// # Errors
    /// It is there and can't be removed.
    pub(super) fn end(&self) -> Result<()> {
        self.textfile.as_deref().map_or(Ok(()), textfile::remove)
    }

    /// Shows a moment.
    ///
    /// # Errors
    /// The file can't be written.
    pub(super) fn publish(&self, moment: Moment<'_>) -> Result<()> {
        if self.server.is_none() && self.textfile.is_none() {
            return Ok(());
        }
        let windows = moment.windows.iter();
        let windows: Vec<Window> = windows
            .map(|(name, report)| Window::new((*name).to_owned(), Arc::clone(report)))
            .collect();
        let trouble = moment.trouble.clone();
        let mut metrics = Vec::new();
        // Writing to memory does not fail.
        let _ = prometheus::write(&snapshot(moment), &mut metrics);
        let written = match &self.textfile {
            Some(path) => textfile::write(path, &metrics),
            None => Ok(()),
        };
        if self.server.is_some() {
            self.board.publish(Published { metrics, windows, trouble });
        }
        written
    }
}

fn snapshot(moment: Moment<'_>) -> Snapshot<'_> {
    let Moment { windows, slices, totals, warmups, sources, firing, sinks, .. } = moment;
    let named = totals.series().map(|(upstream, peer, counts)| series(upstream, peer, counts));
    let other = totals::OTHER.as_bytes();
    let others = totals.others().map(|counts| series(other, other, counts));
    // Lags are far below 2^53.
    #[expect(clippy::cast_precision_loss, reason = "lags are far below 2^53 ms")]
    let lag_seconds = slices.lag_ms().map(|ms| ms as f64 / 1000.0);
    Snapshot {
        windows: windows.into_iter().map(|(name, report)| (name, &**report)).collect(),
        bucket_ends_ms: &totals::BUCKETS_MS,
        series: named.chain(others).collect(),
        sources,
        late: slices.late(),
        ahead: slices.ahead(),
        lag_seconds,
        alerts: Some(firing.iter().map(alert).collect()),
        warmups: warmups.counts().collect(),
        sinks,
    }
}

fn series<'a>(upstream: &'a [u8], peer: &'a [u8], counts: &'a Counts) -> Series<'a> {
    let histogram = |buckets: &'a totals::Buckets| {
        let totals::Buckets { up_to, count, sum_ms } = buckets;
        Some(Histogram { up_to, count: *count, sum_ms: *sum_ms })
    };
    Series {
        upstream,
        peer,
        attempts: counts.attempts,
        new_certain: counts.new_certain,
        undecided: counts.undecided,
        failed: counts.failed,
        stale: counts.stale,
        handshake: histogram(&counts.handshake),
        response: histogram(&counts.response),
    }
}

fn alert(event: &Event) -> Alert<'_> {
    let name = Some(&*event.id.name);
    let is_source = is_about_source(event.id.rule);
    Alert {
        rule: event.id.rule.name(),
        upstream: name.filter(|_| !is_source),
        peer: event.id.peer.as_deref(),
        source: name.filter(|_| is_source),
    }
}

/// Is a rule about a source of lines, not about an upstream?
pub(super) fn is_about_source(rule: Rule) -> bool {
    matches!(rule, Rule::SilentSource | Rule::NotMatching)
}
