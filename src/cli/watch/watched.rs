//! The sources of a live run: what is known of each, and what alerts see of it.

use crate::live::alert::SeenSource;
use crate::pipeline::live::{SourceCounts, Transport};
use crate::render::prometheus;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A source, and its lines when its last ones were judged.
#[derive(Debug, Default)]
struct Source {
    now: SourceCounts,
    /// Lines and malformed ones when the last full count began.
    base: (u64, u64),
    /// The same of the last full count.
    judged: (u64, u64),
}

/// All sources, by name.
#[derive(Debug, Default)]
pub(super) struct Watched(BTreeMap<Arc<str>, Source>);

impl Watched {
    /// Takes in what is known of a source now. Returns why a line does not fit, when that happens for the first time.
    pub(super) fn take(&mut self, name: Arc<str>, counts: SourceCounts) -> Option<String> {
        let source = self.0.entry(name).or_default();
        let is_new = source.now.first_malformed.is_none();
        source.now = counts;
        source.now.first_malformed.clone().filter(|_| is_new)
    }

    /// Names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|name| &**name)
    }

    /// Lines of all sources since the start, and those for which no format was found.
    pub(super) fn lines(&self) -> (u64, u64) {
        self.0.values().fold((0, 0), |(lines, unread), source| {
            (lines + source.now.lines, unread + source.now.unread)
        })
    }

    /// What alerts see, judging each source by its last `least` lines.
    pub(super) fn seen(&mut self, least: u64) -> Vec<SeenSource> {
        let seen = |(name, source): (&Arc<str>, &mut Source)| {
            let (lines, malformed) = (source.now.lines, source.now.malformed + source.now.unread);
            if lines - source.base.0 >= least {
                source.judged = (lines - source.base.0, malformed - source.base.1);
                source.base = (lines, malformed);
            }
            SeenSource {
                name: name.to_string(),
                last_line_ms: source.now.last_line_ms,
                lines: source.judged.0,
                malformed: source.judged.1,
            }
        };
        self.0.iter_mut().map(seen).collect()
    }

    /// For Prometheus. How many lines came too late is known of all sources together only, so it is given as that of the
    /// only one, or of a source of its own.
    pub(super) fn exposed<'a>(
        &'a self,
        transports: &BTreeMap<Arc<str>, Transport>,
        late: u64,
    ) -> Vec<prometheus::Source<'a>> {
        let one = |(name, source): (&'a Arc<str>, &Source)| {
            let SourceCounts { lines, malformed, unread, too_long, .. } = source.now;
            let transport = transports.get(name).copied().unwrap_or_default();
            prometheus::Source {
                name,
                matched: lines - malformed - unread,
                malformed: malformed - too_long + unread,
                too_long,
                dropped: transport.dropped,
                late: if self.0.len() == 1 { late } else { 0 },
                lag_bytes: transport.lag,
            }
        };
        let mut all: Vec<_> = self.0.iter().map(one).collect();
        if late > 0 && all.len() != 1 {
            let name = prometheus::OTHER;
            all.push(prometheus::Source { name, late, ..prometheus::Source::default() });
        }
        all
    }
}
