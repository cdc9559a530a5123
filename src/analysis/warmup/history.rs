//! The lines of an error log put together: which reload, restart or crash they tell of.
//!
//! Lines are of whole seconds and come as a set, so nothing here depends on the order of lines within a second. What
//! belongs together is told by pids: a master writes the starts and ends of its workers under its own pid. Pids come
//! again (in containers the master is always 1), so each is believed for its time only.

mod offset;
mod story;

pub use offset::{OffsetSource, Zone, zone};

use crate::summary::events::Events;
use story::Story;

/// Why pools are empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// HUP: all workers are new.
    Reload,
    /// nginx was stopped and started, or just started.
    Restart,
    /// USR2: a new binary with workers of its own, beside the old one.
    Upgrade,
    /// A worker crashed or was killed, and another took its place.
    WorkerExit,
    /// nginx was stopped and not started again within a minute.
    Stop,
}

/// Something that emptied pools.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Happened {
    /// It happened at or after this, in milliseconds since the epoch.
    pub from_ms: i64,
    /// And before this: at least a second later, as error logs tell whole seconds.
    pub to_ms: i64,
    /// What it was.
    pub cause: Cause,
    /// The new workers, as far as the log tells; ascending.
    pub pids_started: Vec<u64>,
    /// The workers that went, or shall go when they have finished their requests; ascending, none of the new ones.
    pub pids_gone: Vec<u64>,
    /// What was started, such as `nginx/1.22.1`: of a restart and an upgrade.
    pub version: Option<String>,
}

/// What happened, by time. `zone` is that of the error log, see [`zone()`].
///
/// Log rotation (USR1) and reloads that failed (`[emerg]` and no new workers) are nothing. Workers that start without
/// anything that tells why are nothing either: the log begins in the middle of it.
pub fn history(events: &Events, zone: &Zone) -> Vec<Happened> {
    let mut happened: Vec<Happened> =
        Story::of(events).episodes().map(|episode| episode.happened(zone)).collect();
    happened.sort();
    happened
}

#[cfg(test)]
mod tests;
