//! Blocks of a stream that one worker reads and others fold.
//!
//! Compressed files and pipes can only be read from front to back. While there are other tasks each worker folds what it
//! reads. One that has none left takes blocks from those that are still reading, so a single `.gz` keeps all threads busy; but not where malformed
//! lines are written down in their order.

use super::notes::Part;
use crate::input::{Buffer, OwnedBlock};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Blocks for each worker that are given and not folded yet: enough that none waits while another one folds a block
/// itself.
const GIVEN: usize = 2;

/// Most blocks that are given and not folded yet, each with a [`Buffer`] of its own.
const MOST: usize = 16;

/// Some lines of a task.
#[derive(Debug)]
pub(super) struct Portion {
    pub(super) part: Part,
    pub(super) block: OwnedBlock,
}

/// What workers share.
#[derive(Debug)]
pub(super) struct Share {
    portions: Receiver<Portion>,
    /// One for each worker that has not begun.
    givers: Mutex<Vec<Sender<Portion>>>,
    /// Workers that have no task of their own.
    takers: AtomicUsize,
    /// Memory for portions, as many as may be under way. It is made when it is needed first, and what was used last is
    /// used next: that is in a cache.
    spare: Mutex<Vec<Option<Buffer>>>,
}

impl Share {
    /// For so many workers.
    pub(super) fn new(workers: usize) -> Self {
        let given = MOST.min(GIVEN * workers);
        let (giver, portions) = bounded(given);
        Share {
            portions,
            givers: Mutex::new(vec![giver; workers]),
            takers: AtomicUsize::new(0),
            spare: Mutex::new((0..given).map(|_| None).collect()),
        }
    }

    /// A worker begins.
    pub(super) fn begin(&self) -> Giver<'_> {
        let mut givers = self.givers.lock().unwrap_or_else(PoisonError::into_inner);
        Giver { share: self, portions: givers.pop() }
    }

    fn spare(&self) -> MutexGuard<'_, Vec<Option<Buffer>>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one worker gives to others.
#[derive(Debug)]
pub(super) struct Giver<'s> {
    share: &'s Share,
    portions: Option<Sender<Portion>>,
}

impl Giver<'_> {
    /// Memory to read on in once a block is given away. None: no worker has nothing to do, or they have enough.
    pub(super) fn spare(&self) -> Option<Buffer> {
        if self.portions.is_none() || self.share.takers.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.share.spare().pop().map(Option::unwrap_or_default)
    }

    /// Gives a block, for which [`Giver::spare`] gave memory, to a worker that has nothing to do. There is room for it:
    /// for as many as there is memory.
    pub(super) fn give(&self, portion: Portion) {
        if let Some(portions) = &self.portions {
            let _ = portions.send(portion);
        }
    }

    /// Takes what others give, until all of them have read all they have.
    pub(super) fn take(self, mut fold: impl FnMut(&Portion)) {
        drop(self.portions);
        self.share.takers.fetch_add(1, Ordering::Relaxed);
        for portion in &self.share.portions {
            fold(&portion);
            self.share.spare().push(Some(portion.block.into_buffer()));
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
        assert!(givers[0].spare().is_none(), "nobody has time");
        let mut taken = std::thread::scope(|scope| {
            let threads = givers.into_iter().enumerate().map(|(number, giver)| {
                scope.spawn(move || {
                    let mut own = Vec::new();
                    for line in 0..if number == 0 { 0 } else { 1000 } {
                        if giver.spare().is_some() {
                            let mut part = Part::first(number);
                            part.block = line;
                            giver.give(Portion { part, block: OwnedBlock::default() });
                        } else {
                            own.push((number, line));
                        }
                    }
                    giver.take(|portion| {
                        own.push((portion.part.task, portion.part.block));
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
