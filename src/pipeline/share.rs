//! Blocks of a stream that one worker reads and others fold.
//!
//! Compressed files and pipes can only be read from front to back. While there are other tasks each worker folds what it
//! reads. One that has none left takes blocks from those that are still reading, so a single `.gz` keeps all threads busy.

use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Blocks that wait for each worker: enough that none waits while another one folds a block itself.
const WAITING: usize = 2;

/// Most blocks that wait, of up to 2 MiB each, and as many more that are being folded.
const MOST: usize = 16;

/// Some lines of a task.
#[derive(Debug)]
pub(super) struct Portion {
    pub(super) task: usize,
    /// Lines of the task before these.
    pub(super) lines_before: u64,
    /// Whole lines.
    pub(super) bytes: Vec<u8>,
}

/// What workers share.
#[derive(Debug)]
pub(super) struct Share {
    portions: Receiver<Portion>,
    /// One for each worker that has not begun.
    givers: Mutex<Vec<Sender<Portion>>>,
    /// Workers that have no task of their own.
    takers: AtomicUsize,
    /// Memory of portions that are done.
    spare: (Sender<Vec<u8>>, Receiver<Vec<u8>>),
}

impl Share {
    /// For so many workers.
    pub(super) fn new(workers: usize) -> Self {
        let waiting = MOST.min(WAITING * workers);
        let (giver, portions) = bounded(waiting);
        Share {
            portions,
            givers: Mutex::new(vec![giver; workers]),
            takers: AtomicUsize::new(0),
            spare: bounded(waiting),
        }
    }

    /// A worker begins.
    pub(super) fn begin(&self) -> Giver<'_> {
        let mut givers = self.givers.lock().unwrap_or_else(PoisonError::into_inner);
        Giver { share: self, portions: givers.pop() }
    }
}

/// What one worker gives to others.
#[derive(Debug)]
pub(super) struct Giver<'s> {
    share: &'s Share,
    portions: Option<Sender<Portion>>,
}

impl Giver<'_> {
    /// Gives lines of a task to a worker that has nothing to do. False: there is none, or it has enough.
    pub(super) fn give(&self, task: usize, lines_before: u64, lines: &[u8]) -> bool {
        let Some(portions) = &self.portions else { return false };
        if self.share.takers.load(Ordering::Relaxed) == 0 || portions.is_full() {
            return false;
        }
        let mut bytes = self.share.spare.1.try_recv().unwrap_or_default();
        bytes.clear();
        bytes.extend_from_slice(lines);
        portions.try_send(Portion { task, lines_before, bytes }).is_ok()
    }

    /// Takes what others give, until all of them have read all they have.
    pub(super) fn take(self, mut fold: impl FnMut(&Portion)) {
        drop(self.portions);
        self.share.takers.fetch_add(1, Ordering::Relaxed);
        for portion in &self.share.portions {
            fold(&portion);
            // If it does not fit there is enough.
            let _ = self.share.spare.0.try_send(portion.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_is_taken_once_and_all_end() {
        let share = Share::new(3);
        let givers: Vec<Giver<'_>> = (0..3).map(|_| share.begin()).collect();
        assert!(!givers[0].give(0, 0, b"nobody has time\n"));
        let mut taken = std::thread::scope(|scope| {
            let threads = givers.into_iter().enumerate().map(|(number, giver)| {
                scope.spawn(move || {
                    let mut own = Vec::new();
                    for line in 0..if number == 0 { 0 } else { 1000 } {
                        if !giver.give(number, line, b"line\n") {
                            own.push((number, line));
                        }
                    }
                    giver.take(|portion| {
                        assert_eq!(portion.bytes, b"line\n");
                        own.push((portion.task, portion.lines_before));
                    });
                    own
                })
            });
            let threads: Vec<_> = threads.collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        taken.sort_unstable();
        let all = (1..3).flat_map(|number| (0..1000).map(move |line| (number, line)));
        assert_eq!(taken, all.collect::<Vec<_>>());
    }
}
