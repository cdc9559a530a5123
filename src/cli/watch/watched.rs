//! The sources of a live run: what is known of each, and what alerts see of it.

use crate::live::alert::SeenSource;
use crate::pipeline::live::{SourceCounts, Transport};
use crate::render::prometheus;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A source, and its lines when its last ones were judged.
#[derive(Debug, Default)]
struct Source {
    now: SourceCounts,
    /// Lines and malformed ones when the last full count began.
    base: (u64, u64),
    /// The same of the last full count.
    judged: (u64, u64),
    /// It is read, and not only known from before a restart.
    is_read: bool,
}

/// A source that had no line for so long before a restart is forgotten, in milliseconds.
const FORGOTTEN_MS: i64 = 7 * 86_400_000;

/// All sources, by name.
#[derive(Debug, Default)]
pub(super) struct Watched(BTreeMap<Arc<str>, Source>);

/// A name without its date, so that the logs of different days have the same one: `access-2026-11-21.log`. A date has at
/// least six digits.
fn undated(name: &str) -> String {
    let is_part = |c: char| c.is_ascii_digit() || c == '-' || c == '_';
    let mut rest = name;
    let mut undated = String::new();
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(at);
        let (run, after) = from.split_at(from.find(|c| !is_part(c)).unwrap_or(from.len()));
        let digits = run.chars().filter(char::is_ascii_digit).count();
        undated.push_str(before);
        undated.push_str(if digits < 6 { run } else { "*" });
        rest = after;
    }
    undated + rest
}

impl Watched {
    /// When the last line of each source came, by what was known before a restart. What was silent for a week by now, in
    /// milliseconds since the epoch, is not waited for.
    pub(super) fn resume(last_lines_ms: &BTreeMap<String, i64>, now_ms: i64) -> Self {
        let is_late = |(_, last): &(&String, &i64)| now_ms.saturating_sub(**last) < FORGOTTEN_MS;
        let source = |(name, last): (&String, &i64)| {
            let now = SourceCounts { last_line_ms: Some(*last), ..SourceCounts::default() };
            (Arc::from(name.as_str()), Source { now, ..Source::default() })
        };
        Watched(last_lines_ms.iter().filter(is_late).map(source).collect())
    }

    /// Forgets the sources that were read and are not among these any more: they are gone. And those from before a restart
    /// that nobody follows any more.
    pub(super) fn retain(
        &mut self,
        names: &BTreeSet<Arc<str>>,
        transports: &BTreeMap<Arc<str>, Transport>,
    ) {
        self.0.retain(|name, source| {
            if source.is_read { names.contains(name) } else { transports.contains_key(name) }
        });
    }

    /// When the last line of each followed log came, in milliseconds since the epoch. What comes by syslog or a pipe while
    /// nobody listens is lost, so that is no silence.
    pub(super) fn last_lines_ms(
        &self,
        transports: &BTreeMap<Arc<str>, Transport>,
    ) -> BTreeMap<String, i64> {
        let last = |(name, source): (&Arc<str>, &Source)| {
            let is_followed = transports.get(name).is_some_and(|transport| transport.lag.is_some());
            let last = source.now.last_line_ms.filter(|_| is_followed && !source.now.is_other)?;
            Some((name.to_string(), last))
        };
        self.0.iter().filter_map(last).collect()
    }

    /// Takes in what is known of a source now. Returns why a line does not fit, when that happens for the first time.
    pub(super) fn take(&mut self, name: Arc<str>, counts: SourceCounts) -> Option<String> {
        let source = self.0.entry(name).or_default();
        let is_new = source.now.first_malformed.is_none();
        let last_line_ms = counts.last_line_ms.max(source.now.last_line_ms);
        source.now = SourceCounts { last_line_ms, ..counts };
        source.is_read = true;
        if source.now.lines < source.base.0 {
            // It was gone meanwhile.
            (source.base, source.judged) = ((0, 0), (0, 0));
        }
        source.now.first_malformed.clone().filter(|_| is_new)
    }

    /// Names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|name| &**name)
    }

    /// Lines of all sources since the start, and those that tell nothing of upstreams.
    pub(super) fn lines(&self) -> (u64, u64) {
        self.0.values().fold((0, 0), |(lines, unread), source| {
            let of = &source.now;
            (lines + of.lines, unread + if of.is_other { of.lines } else { of.unread })
        })
    }

    /// What alerts see, judging each source by its last `least` lines. Error logs, and logs that tell nothing of upstreams,
    /// are often silent. So is the log of a day that is over: of logs that differ in a date only the newest one is seen.
    ///
    /// Where bytes wait to be read there is no silence.
    pub(super) fn seen(
        &mut self,
        least: u64,
        transports: &BTreeMap<Arc<str>, Transport>,
    ) -> Vec<SeenSource> {
        let waits = |name: &str| {
            transports.get(name).and_then(|transport| transport.lag).is_some_and(|lag| lag > 0)
        };
        let mut newest: BTreeMap<String, (i64, Arc<str>)> = BTreeMap::new();
        for (name, source) in self.0.iter().filter(|(_, source)| !source.now.is_other) {
            let last = (source.now.last_line_ms.unwrap_or(i64::MIN), Arc::clone(name));
            let own = newest.entry(undated(name)).or_insert_with(|| last.clone());
            *own = last.max(own.clone());
        }
        let newest: BTreeSet<Arc<str>> = newest.into_values().map(|(_, name)| name).collect();
        let seen = |(name, source): (&Arc<str>, &mut Source)| {
            let (lines, malformed) = (source.now.lines, source.now.malformed + source.now.unread);
            if lines - source.base.0 >= least {
                source.judged = (lines - source.base.0, malformed - source.base.1);
                source.base = (lines, malformed);
            }
            SeenSource {
                name: name.to_string(),
                last_line_ms: source.now.last_line_ms.filter(|_| !waits(name)),
                lines: source.judged.0,
                malformed: source.judged.1,
            }
        };
        self.0.iter_mut().filter(|(name, _)| newest.contains(*name)).map(seen).collect()
    }

    /// For Prometheus.
    pub(super) fn exposed<'a>(
        &'a self,
        transports: &BTreeMap<Arc<str>, Transport>,
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
                lag_bytes: transport.lag,
            }
        };
        self.0.iter().map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_219_200_000;

    fn counts(ago_s: i64, is_other: bool) -> SourceCounts {
        let last_line_ms = Some(NOW - ago_s * 1000);
        SourceCounts { lines: 1, last_line_ms, is_other, ..SourceCounts::default() }
    }

    #[test]
    fn only_what_should_have_lines_is_seen() {
        let mut watched = Watched::default();
        for (name, ago_s, is_other) in [
            ("/logs/access-2026-11-20.log", 90_000, false),
            ("/logs/access-2026-11-21.log", 1, false),
            ("/logs/20261120/access.log", 90_000, false),
            ("/logs/20261121/access.log", 1, false),
            ("/logs/site1.log", 90_000, false),
            ("/logs/site2.log", 1, false),
            ("/logs/error.log", 90_000, true),
        ] {
            watched.take(Arc::from(name), counts(ago_s, is_other));
        }
        let names = |seen: &[SeenSource]| -> Vec<String> {
            seen.iter().map(|source| source.name.clone()).collect()
        };
        let followed: BTreeMap<Arc<str>, Transport> = watched
            .0
            .keys()
            .map(|name| {
                let lag = Some(u64::from(&**name == "/logs/site2.log"));
                (Arc::clone(name), Transport { lag, ..Transport::default() })
            })
            .collect();
        let seen = watched.seen(100, &followed);
        let expected = ["20261121/access.log", "access-2026-11-21.log", "site1.log", "site2.log"];
        assert_eq!(names(&seen), expected.map(|name| format!("/logs/{name}")));
        assert_eq!(seen[3].last_line_ms, None, "it is not read to its end");
        let stored = watched.last_lines_ms(&followed);
        assert!(!stored.contains_key("/logs/error.log"));
        assert!(watched.last_lines_ms(&BTreeMap::new()).is_empty(), "pipes are not waited for");
        let mut again = Watched::resume(&stored, NOW);
        let last: Vec<_> = again.seen(100, &followed).iter().map(|of| of.last_line_ms).collect();
        assert!(last.contains(&Some(NOW - 90_000_000)), "site1: {last:?}");
        again.take(Arc::from("/logs/site1.log"), counts(0, false));
        again.retain(&BTreeSet::new(), &followed);
        let left = names(&again.seen(100, &followed));
        assert!(!left.contains(&"/logs/site1.log".to_owned()), "it is gone");
        assert!(left.contains(&"/logs/site2.log".to_owned()), "it is not read yet");
        again.retain(&BTreeSet::new(), &BTreeMap::new());
        assert!(again.0.is_empty(), "nobody follows it any more");
        assert!(Watched::resume(&stored, NOW + FORGOTTEN_MS - 1000).0.is_empty(), "a week later");
    }
}
