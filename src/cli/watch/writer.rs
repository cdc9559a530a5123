//! Writes to stdout from a thread of its own: a reader that stalls must hold up neither reading nor alerts, nor the end.
//!
//! Only the latest view is of interest, so there is room for one: what was not taken before the next comes is let go.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::Duration;

/// What waits to be written.
#[derive(Debug, Default)]
struct Waiting {
    /// Must be written, before the view: what takes a terminal, and gives it back.
    control: Vec<u8>,
    view: Option<Vec<u8>>,
    is_writing: bool,
    has_ended: bool,
    error: Option<io::Error>,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.control.is_empty() && self.view.is_none()
    }
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

impl Shared {
    /// Also after a panic of a thread that held it: no change here is left half done.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread's other end. The thread ends when this is dropped, or with the process if it is stuck.
#[derive(Debug)]
pub(super) struct Writer(Arc<Shared>);

impl Writer {
    /// # Errors
    /// There can be no thread.
    pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let own = Arc::clone(&shared);
        Builder::new().name("stdout".to_owned()).spawn(move || write(&own, out))?;
        Ok(Writer(shared))
    }

    /// Shows this in the place of what is not shown yet.
    pub(super) fn show(&self, view: Vec<u8>) {
        self.0.lock().view = Some(view);
        self.0.changed.notify_all();
    }

    /// Writes this, and no view that was not taken before.
    pub(super) fn control(&self, bytes: &[u8]) {
        let mut waiting = self.0.lock();
        waiting.view = None;
        waiting.control.extend_from_slice(bytes);
        self.0.changed.notify_all();
    }

    /// What went wrong with writing, once.
    ///
    /// # Errors
    /// That.
    pub(super) fn check(&self) -> io::Result<()> {
        self.0.lock().error.take().map_or(Ok(()), Err)
    }

    /// Waits until all is written, but no longer than this.
    pub(super) fn flush(&self, most: Duration) {
        let waits = |waiting: &mut Waiting| !waiting.is_empty() || waiting.is_writing;
        // Whether it was in time changes nothing.
        drop(self.0.changed.wait_timeout_while(self.0.lock(), most, waits));
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.lock().has_ended = true;
        self.0.changed.notify_all();
    }
}

/// Writes what comes until there is nobody to give it.
fn write(shared: &Shared, mut out: impl Write) {
    let mut waiting = shared.lock();
    loop {
        if !waiting.is_empty() {
            let mut bytes = std::mem::take(&mut waiting.control);
            bytes.extend(waiting.view.take().unwrap_or_default());
            waiting.is_writing = true;
            drop(waiting);
            let written = out.write_all(&bytes).and_then(|()| out.flush());
            waiting = shared.lock();
            waiting.is_writing = false;
            waiting.error = written.err().or(waiting.error.take());
            shared.changed.notify_all();
        } else if waiting.has_ended {
            return;
        } else {
            waiting = shared.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    const LONG: Duration = Duration::from_secs(60);

    /// Takes a write when it is let.
    struct Slow {
        may: Receiver<()>,
        took: SyncSender<Vec<u8>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.took.send(bytes.to_vec()).unwrap();
            self.may.recv().map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stalls_holds_nobody_up_and_sees_the_latest_view() {
        let (let_it, may) = sync_channel(10);
        let (took, taken) = sync_channel(10);
        let writer = Writer::start(Slow { may, took }).unwrap();
        writer.show(b"1".to_vec());
        assert_eq!(taken.recv().unwrap(), b"1");
        for n in 2..1000 {
            writer.show(n.to_string().into_bytes());
        }
        writer.flush(Duration::from_millis(1));
        let_it.send(()).unwrap();
        assert_eq!(taken.recv().unwrap(), b"999");
        writer.control(b"<");
        writer.show(b"not seen".to_vec());
        writer.control(b">");
        let_it.send(()).unwrap();
        assert_eq!(taken.recv().unwrap(), b"<>");
        let_it.send(()).unwrap();
        writer.flush(LONG);
        assert!(writer.check().is_ok());
    }

    #[test]
    fn what_went_wrong_is_told_once() {
        let (let_it, may) = sync_channel(1);
        let (took, _taken) = sync_channel(10);
        drop(let_it);
        let writer = Writer::start(Slow { may, took }).unwrap();
        writer.show(b"1".to_vec());
        writer.flush(LONG);
        assert_eq!(writer.check().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert!(writer.check().is_ok());
    }
}
