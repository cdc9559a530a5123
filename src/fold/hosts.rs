//! One log name per host, for logs in which several hosts' lines stand.

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
    /// The name under which a log's lines of one host are kept.
    #[inline]
    pub(super) fn log_of(&mut self, log: &Arc<str>, host: &[u8]) -> &Arc<str> {
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
