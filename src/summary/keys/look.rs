//! Keys at sight.

#![expect(
    clippy::inline_always,
    reason = "once a line, from several places: 7 % of the time of a report together, see benches/README.md"
)]

use super::super::near::Ends;
use super::Key;

/// By what a key is known at sight.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Look {
    /// [`Ends::NONE`] without a group.
    group: Ends,
    pub(super) peer: Ends,
}

impl Look {
    #[inline(always)]
    pub(super) fn of(key: Key<'_>) -> Self {
        // Not by a function that is passed on: it would be called.
        let group = match key.group {
            Some(group) => Ends::of(group),
            None => Ends::NONE,
        };
        Look { group, peer: Ends::of(key.peer) }
    }

    #[inline(always)]
    pub(super) fn is(self, other: Look) -> bool {
        self.peer.is(other.peer) && self.group.is(other.group)
    }

    /// That by which a key is kept. To one that is more than its look, or whose peer holds a blank, none is equal.
    pub(super) fn filter_all(self, key: Key<'_>) -> Self {
        let is_all = self.peer.are_all() && key.group.is_none_or(|_| self.group.are_all());
        let is_word = !key.peer.contains(&b' ');
        if is_all && is_word { self } else { Look { peer: Ends::NONE, ..self } }
    }
}
