//! What signals ask a live run for.

use crate::error::{Error, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Flags that signals set.
#[derive(Debug)]
pub(super) struct Signals {
    end: Arc<AtomicBool>,
    read_again: Arc<AtomicBool>,
}

impl Signals {
    /// Begins to listen for them.
    ///
    /// # Errors
    /// The system refuses.
    pub(super) fn new() -> Result<Self> {
        let (end, read_again) = (Arc::default(), Arc::default());
        for (signal, flag) in [(SIGTERM, &end), (SIGINT, &end), (SIGHUP, &read_again)] {
            signal_hook::flag::register(signal, Arc::clone(flag))
                .map_err(|error| Error::io("signals", &error))?;
        }
        Ok(Signals { end, read_again })
    }

    /// Is the run to end?
    pub(super) fn end(&self) -> bool {
        self.end.load(Ordering::Acquire)
    }

    /// Is the configuration to be read again? Asked once per signal.
    pub(super) fn read_again(&self) -> bool {
        self.read_again.swap(false, Ordering::AcqRel)
    }
}
