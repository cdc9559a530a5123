//! What is wrong for a while is said once, and again now and then.
#![expect(clippy::disallowed_methods, reason = "the clock of a live run")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What keeps being wrong is said again after this time.
const AGAIN: Duration = Duration::from_secs(60);

/// Messages that are remembered; more are not said.
const MOST: usize = 256;

/// What was said lately, and when.
#[derive(Debug, Default)]
pub(super) struct Said(BTreeMap<String, Instant>);

impl Said {
    /// Is this to be said now?
    pub(super) fn is_news(&mut self, text: &str) -> bool {
        if self.0.get(text).is_some_and(|said| said.elapsed() < AGAIN) {
            return false;
        }
        if self.0.len() >= MOST {
            self.0.retain(|_, said| said.elapsed() < AGAIN);
        }
        let has_room = self.0.len() < MOST;
        if has_room {
            self.0.insert(text.to_owned(), Instant::now());
        }
        has_room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_said_once_and_not_everything_at_all() {
        let mut said = Said::default();
        assert!(said.is_news("a") && !said.is_news("a") && said.is_news("b"));
        let news = (0..10_000).filter(|n| said.is_news(&n.to_string())).count();
        assert_eq!(news, MOST - 2);
    }
}
