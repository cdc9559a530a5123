//! What error logs told of nginx's processes, as a set: a log may be given twice.

use super::Merge;
use crate::record::error_log::{ErrorLogEvent, Kind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Most events that are kept, the newest ones: 4,000 reloads of 8 workers. A log with more is of years, or of a nginx
/// that reloads all the time.
pub const MAX_EVENTS: usize = 100_000;

/// Events in their order, each once.
///
/// Of more than [`MAX_EVENTS`] the greatest are kept. The greatest of a union are among the greatest of its parts, so
/// what is kept depends on the set alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct Events {
    newest: BTreeSet<ErrorLogEvent>,
    is_cut: bool,
    /// What access logs of the same hosts tell of their zone: one moment of each log.
    zones: BTreeSet<(i64, i64)>,
}

/// The form in which they are stored.
#[derive(Deserialize)]
struct Stored {
    newest: Vec<ErrorLogEvent>,
    is_cut: bool,
    zones: BTreeSet<(i64, i64)>,
}

impl From<Stored> for Events {
    fn from(Stored { newest, is_cut, zones }: Stored) -> Self {
        let mut events = Events { newest: BTreeSet::new(), is_cut, zones };
        for event in newest {
            events.record(event);
        }
        events
    }
}

impl Events {
    /// Takes in an event. [`Kind::ReopenLogs`] is left out: it changes no connection, and would push out others.
    pub fn record(&mut self, event: ErrorLogEvent) {
        if event.kind == Kind::ReopenLogs {
            return;
        }
        self.newest.insert(event);
        if self.newest.len() > MAX_EVENTS {
            self.newest.pop_first();
            self.is_cut = true;
        }
    }

    /// Takes in that a zone was `utc_offset_seconds` ahead of UTC at `ms` since the epoch: error logs name none.
    pub fn record_zone(&mut self, ms: i64, utc_offset_seconds: i64) {
        self.zones.insert((ms, utc_offset_seconds));
    }

    /// What is known of zones, by time.
    pub fn zones(&self) -> impl Iterator<Item = (i64, i64)> {
        self.zones.iter().copied()
    }

    /// The events by time, and in the order of their kinds where they share a second.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &ErrorLogEvent> {
        self.newest.iter()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.newest.is_empty()
    }

    /// Were there too many to keep all?
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }
}

impl Merge for Events {
    fn merge(&mut self, other: Self) {
        self.is_cut |= other.is_cut;
        self.zones.extend(other.zones);
        other.newest.into_iter().for_each(|event| self.record(event));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::error_log::LocalSecond;

    fn of(seconds: impl Iterator<Item = i64>) -> Events {
        let mut events = Events::default();
        for second in seconds {
            let at = LocalSecond(second);
            events.record(ErrorLogEvent { at, kind: Kind::Reload, pid: 1, about: None });
        }
        events
    }

    #[test]
    fn too_many_events_keep_the_newest_in_any_order_and_split() {
        let most = i64::try_from(MAX_EVENTS).unwrap();
        let many = most + most / 2;
        let forward = of((0..many).chain(0..many));
        assert_eq!(forward, of((0..many).rev()));
        let mut merged = of(0..many / 2);
        merged.merge(of((many / 4..many).rev()));
        assert_eq!(forward, merged);
        assert!(forward.is_cut());
        assert_eq!(forward.newest.len(), MAX_EVENTS);
        assert_eq!(forward.iter().next().unwrap().at, LocalSecond(many - most));
        let mut all = of(0..most);
        all.merge(of(0..most));
        assert!(!all.is_cut(), "the same ones again are no more");
    }

    #[test]
    fn opening_logs_again_is_not_kept() {
        let mut events = Events::default();
        let at = LocalSecond(1);
        events.record(ErrorLogEvent { at, kind: Kind::ReopenLogs, pid: 1, about: None });
        assert!(events.is_empty());
    }
}
