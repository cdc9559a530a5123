//! What the pipeline publishes and the server reads.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use super::lock;
use crate::analysis::report::Report;
use crate::render::{Format, Options, render};

/// The pipeline publishes each second. If it has not for so long, it hangs, and `/healthz` says so.
const STALE: Duration = Duration::from_secs(30);

/// One state of things, ready to be sent.
#[derive(Debug, Clone, Default)]
pub struct Published {
    /// What [`crate::render::prometheus::write`] gave.
    pub metrics: Vec<u8>,
    /// The windows; without a name the first one is asked for.
    pub windows: Vec<Window>,
    /// What is wrong, in one line: `/healthz` answers 503 with it. None: all is well. An alert is nothing wrong: it
    /// is what keepwarm is for.
    pub trouble: Option<String>,
}

/// A window of time that can be asked for.
#[derive(Debug, Clone)]
pub struct Window {
    /// As the user wrote it: `5m`.
    pub name: String,
    report: Arc<Report>,
    json: OnceLock<Vec<u8>>,
}

impl Window {
    /// A window and what it shows.
    pub fn new(name: String, report: Arc<Report>) -> Self {
        Window { name, report, json: OnceLock::new() }
    }

    /// Its report as JSON, schema `keepwarm.report/1`: made by the first who asks, so that nobody waits for what nobody
    /// reads.
    pub(super) fn json(&self) -> &[u8] {
        self.json.get_or_init(|| {
            let mut json = Vec::new();
            // Writing to memory does not fail.
            let _ = render(&self.report, Format::Json, &Options::default(), &mut json);
            json
        })
    }
}

/// Holds what was published last. Nobody who reads it keeps the one who publishes waiting, nor the other way round.
#[derive(Debug, Default)]
pub struct Board {
    last: Mutex<Option<(Instant, Arc<Published>)>>,
}

impl Board {
    /// Puts this in the place of what was there.
    pub fn publish(&self, published: Published) {
        let new = Some((Instant::now(), Arc::new(published)));
        let old = std::mem::replace(&mut *lock(&self.last), new);
        // Outside of the lock: freeing megabytes takes a moment.
        drop(old);
    }

    /// What was published last; none before the first time.
    pub fn current(&self) -> Option<Arc<Published>> {
        lock(&self.last).as_ref().map(|(_, published)| Arc::clone(published))
    }

    /// What is wrong at this moment.
    pub(super) fn trouble(&self, now: Instant) -> Option<String> {
        match &*lock(&self.last) {
            None => Some("starting".to_owned()),
            Some((at, _)) if now.duration_since(*at) > STALE => {
                Some(format!("nothing new for {} s", now.duration_since(*at).as_secs()))
            }
            Some((_, published)) => published.trouble.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_is_what_was_published_as_long_as_that_is_fresh() {
        let board = Board::default();
        let now = Instant::now();
        assert_eq!(board.trouble(now).as_deref(), Some("starting"));
        board.publish(Published::default());
        let published = Instant::now();
        assert_eq!(board.trouble(now), None);
        assert_eq!(board.trouble(now + STALE), None);
        let late = board.trouble(published + STALE + Duration::from_secs(1));
        assert!(late.is_some_and(|text| text.starts_with("nothing new for 3")));
        let trouble = Some("disk full".to_owned());
        board.publish(Published { trouble: trouble.clone(), ..Published::default() });
        assert_eq!(board.trouble(published), trouble);
    }
}
