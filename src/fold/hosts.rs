//! One log name per host, for logs in which several hosts' lines stand.

use super::Recipe;
use crate::log_format::variable::Field;
use crate::tokenizer::Fields;
use std::sync::Arc;

/// Most hosts that are remembered. Lines of more come as well, only slower.
const MAX_HOSTS: usize = 64;

/// Log, `$hostname`, and the name for both.
type Known = (Arc<str>, Box<[u8]>, Arc<str>);

/// Log names of hosts that wrote lines lately: to make one anew takes an allocation.
#[derive(Debug, Clone, Default)]
pub(super) struct Hosts {
    known: Vec<Known>,
    last: usize,
}

impl Hosts {
    /// The name under which a line is kept: that of its log, or that of its log and host.
    #[inline]
    pub(super) fn log_of<'a>(
        &'a mut self,
        recipe: &'a Recipe,
        fields: &Fields<'_>,
    ) -> &'a Arc<str> {
        if recipe.by_host {
            self.log_of_host(&recipe.log, fields.get(Field::Group).unwrap_or_default())
        } else {
            &recipe.log
        }
    }

    fn log_of_host(&mut self, log: &Arc<str>, host: &[u8]) -> &Arc<str> {
        if !self.known.get(self.last).is_some_and(|known| is(known, log, host)) {
            self.last = self.find(log, host);
        }
        &self.known[self.last].2
    }

    fn find(&mut self, log: &Arc<str>, host: &[u8]) -> usize {
        if let Some(at) = self.known.iter().position(|known| is(known, log, host)) {
            return at;
        }
        if self.known.len() >= MAX_HOSTS {
            self.known.clear();
        }
        // No name of a log file holds a NUL, so no two pairs share a name.
        let name = format!("{log}\0{}", host.escape_ascii());
        self.known.push((Arc::clone(log), host.into(), name.into()));
        self.known.len() - 1
    }
}

fn is((log, host, _): &Known, other: &Arc<str>, name: &[u8]) -> bool {
    **host == *name && (Arc::ptr_eq(log, other) || log == other)
}
