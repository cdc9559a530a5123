//! Warm-ups since the start of the process, by cause: for Prometheus, so nothing here ever goes down.

use crate::analysis::report::{Cause, Cold};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A warm-up is counted when its beginning is this far back, in milliseconds: what comes in the first moments may still
/// tell more of its cause.
const SETTLED_MS: i64 = 30_000;

/// Two beginnings are of one warm-up if they are nearer to each other, in milliseconds: the beginning moves a little
/// while more is known of it.
const SAME_MS: i64 = 10_000;

/// How many there were. To be stored as it is; after a restart the numbers begin anew, as those of a state may be older
/// than what was exposed last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warmups {
    #[serde(skip)]
    by_cause: BTreeMap<Cause, u64>,
    /// When the last one that was counted began, in milliseconds since the epoch.
    last_ms: Option<i64>,
}

impl Warmups {
    /// Takes in what a window shows that ends at this moment, in milliseconds since the epoch: its warm-ups in the order of
    /// time. Those that statistics alone suspect are not counted: they may be taken back.
    pub fn take(&mut self, cold: &[Cold], end_ms: i64) {
        for of in cold.iter().filter(|of| !of.suspected) {
            let is_new = self.last_ms.is_none_or(|last| of.from_ms.saturating_sub(last) > SAME_MS);
            if is_new && end_ms.saturating_sub(of.from_ms) >= SETTLED_MS {
                *self.by_cause.entry(of.cause).or_default() += 1;
                self.last_ms = Some(of.from_ms);
            }
        }
    }

    /// Their numbers.
    pub fn counts(&self) -> impl Iterator<Item = (Cause, u64)> {
        self.by_cause.iter().map(|(cause, count)| (*cause, *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_219_200_000;

    fn cold(cause: Cause, from_s: i64) -> Cold {
        let from_ms = NOW + from_s * 1000;
        Cold { cause, suspected: false, from_ms, to_ms: from_ms + 1000 }
    }

    #[test]
    fn each_is_counted_once_however_often_it_is_seen() {
        let mut warmups = Warmups::default();
        let first = cold(Cause::Unknown, 0);
        warmups.take(&[first], NOW + 20_000);
        assert_eq!(warmups.counts().count(), 0, "it may still turn out to be something else");
        let moved = Cold { from_ms: first.from_ms - 700, cause: Cause::Reload, ..first };
        let second = cold(Cause::BackendRestart, 60);
        let suspected = Cold { suspected: true, ..cold(Cause::BackendRestart, 30) };
        for now_s in [31, 40, 92, 200] {
            warmups.take(&[moved, suspected, second], NOW + now_s * 1000);
            warmups.take(&[first, second], NOW + now_s * 1000);
        }
        // The window has moved on.
        warmups.take(&[second, cold(Cause::Reload, 300)], NOW + 400_000);
        let counts: Vec<_> = warmups.counts().collect();
        assert_eq!(counts, [(Cause::Reload, 2), (Cause::BackendRestart, 1)]);
        let stored = crate::summary::codec::encode(&warmups).unwrap();
        let mut later: Warmups = crate::summary::codec::decode(&stored).unwrap();
        later.take(&[second, cold(Cause::Reload, 300)], NOW + 400_000);
        assert_eq!(
            later.counts().count(),
            0,
            "what was counted before a restart is not counted again"
        );
    }
}
