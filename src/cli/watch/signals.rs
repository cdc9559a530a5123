//! What signals ask a live run for.

use crate::error::{Error, Result};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGSTOP, SIGTERM, SIGTSTP};
use signal_hook::{flag, low_level};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Flags that signals set.
#[derive(Debug)]
pub(super) struct Signals {
    end: Arc<AtomicBool>,
    read_again: Arc<AtomicBool>,
    pause: Arc<AtomicBool>,
    goes_on: Arc<AtomicBool>,
}

/// Signals that end a run, and the status with which a second one ends it at once: as if it was not handled.
const ENDING: [(i32, i32); 3] =
    [(SIGTERM, 128 + SIGTERM), (SIGINT, 128 + SIGINT), (SIGQUIT, 128 + SIGQUIT)];

impl Signals {
    /// Begins to listen for them.
    ///
    /// # Errors
    /// The system refuses.
    pub(super) fn new() -> Result<Self> {
        let signals = Signals {
            end: Arc::default(),
            read_again: Arc::default(),
            pause: Arc::default(),
            goes_on: Arc::default(),
        };
        let refused = |error| Error::io("signals", &error);
        for (signal, status) in ENDING {
            // Before the flag is set, or the first would end it at once.
            flag::register_conditional_shutdown(signal, status, Arc::clone(&signals.end))
                .map_err(refused)?;
        }
        let flags = [
            (SIGTERM, &signals.end),
            (SIGINT, &signals.end),
            (SIGQUIT, &signals.end),
            (SIGHUP, &signals.read_again),
            (SIGTSTP, &signals.pause),
            (SIGCONT, &signals.goes_on),
        ];
        for (signal, flag) in flags {
            flag::register(signal, Arc::clone(flag)).map_err(refused)?;
        }
        Ok(signals)
    }

    /// Is the run to end?
    pub(super) fn end(&self) -> bool {
        self.end.load(Ordering::Acquire)
    }

    /// Is the configuration to be read again? Asked once per signal.
    pub(super) fn read_again(&self) -> bool {
        self.read_again.swap(false, Ordering::AcqRel)
    }

    /// Ctrl-Z: is the process to pause, once it has given the terminal back? Asked once per signal.
    pub(super) fn pause(&self) -> bool {
        self.pause.swap(false, Ordering::AcqRel)
    }

    /// Did it pause, and does it go on now? Asked once per signal.
    pub(super) fn goes_on(&self) -> bool {
        self.goes_on.swap(false, Ordering::AcqRel)
    }
}

/// Stops the process, as a signal that is not handled does, until `SIGCONT`.
pub(super) fn pause() {
    // It can't fail for a signal that there is.
    let _ = low_level::raise(SIGSTOP);
}
