//! The queue and the thread of one sink.

use std::collections::{BTreeSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::mem::take;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

use super::AlertEvent;
use crate::error::{Error, Result};
use crate::render::prometheus::Sink;

/// Most events that wait.
pub(super) const MAX_QUEUED: usize = 1_000;

/// Most messages that wait to be said.
const MAX_MESSAGES: usize = 100;

/// What became of one try.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Delivered,
    /// It will never be.
    Lost(String),
    /// It may be later.
    Failed(String),
}

/// How often and how long to try again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) first: Duration,
    pub(super) most: Duration,
    pub(super) all: Duration,
}

impl Patience {
    /// The wait after so many tries: twice as long each time, and by chance up to half less, so that many instances do
    /// not come back all at once.
    fn wait(self, tries: u32) -> Duration {
        let whole = self.first.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(self.most);
        let chance = u32::try_from(RandomState::new().hash_one(tries) % 512).unwrap_or(0);
        whole.saturating_sub(whole * chance / 1024)
    }
}

/// One way to deliver.
pub(super) trait Deliver: Send + 'static {
    /// Tries once. May take as long as it must, but should end at the deadline once there is one.
    fn deliver(&mut self, event: &AlertEvent, stopping: &Stopping<'_>) -> Outcome;

    /// For sinks that give [`Outcome::Failed`].
    fn patience(&self) -> Patience {
        let (minute, all) = (Duration::from_secs(60), Duration::from_secs(600));
        Patience { first: Duration::from_secs(1), most: minute, all }
    }
}

/// Tells a delivery whether it has to hurry.
pub(super) struct Stopping<'a>(&'a Shared);

impl Stopping<'_> {
    /// When all must be over; none as long as there is no hurry.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.0.lock().stop_at
    }
}

struct Pending {
    event: Arc<AlertEvent>,
    due: Instant,
    since: Instant,
    tries: u32,
    /// Has had its last try, as the sink stops.
    is_over: bool,
}

impl Pending {
    fn new(event: Arc<AlertEvent>) -> Self {
        let now = Instant::now();
        Pending { event, due: now, since: now, tries: 0, is_over: false }
    }
}

#[derive(Default)]
struct Queue {
    pending: VecDeque<Pending>,
    delivered: u64,
    lost: u64,
    messages: Vec<String>,
    is_failing: bool,
    stop_at: Option<Instant>,
    has_ended: bool,
}

impl Queue {
    /// The one that is due first, of those with no older event of the same alert before them.
    fn next(&self) -> Option<usize> {
        let mut alerts = BTreeSet::new();
        let heads = self.pending.iter().enumerate().filter(|(_, pending)| {
            let is_first = alerts.insert(&pending.event.id);
            is_first && !pending.is_over
        });
        heads.min_by_key(|(at, pending)| (pending.due, *at)).map(|(at, _)| at)
    }

    fn say(&mut self, message: String) {
        if self.messages.len() < MAX_MESSAGES {
            self.messages.push(message);
        }
    }
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    /// `webhook https://example.com`, or `webhook 2 https://example.com` of the second.
    name: String,
}

impl Shared {
    /// Also after a panic of a thread that held it: no change here is left half done.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(
        &self,
        queue: MutexGuard<'a, Queue>,
        until: Option<Instant>,
    ) -> MutexGuard<'a, Queue> {
        match until {
            None => self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
            Some(until) => {
                let left = until.saturating_duration_since(Instant::now());
                let waited = self.changed.wait_timeout(queue, left);
                waited.map_or_else(|error| error.into_inner().0, |(queue, _)| queue)
            }
        }
    }
}

/// Says that the thread has ended, also when it panics.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.lock().has_ended = true;
        self.0.changed.notify_all();
    }
}

/// A sink at work.
pub(super) struct Worker {
    /// `webhook`, `webhook 2`: for metrics.
    series: String,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Worker").field(&self.shared.name).finish()
    }
}

impl Worker {
    /// Begins with what was not delivered before. `to` is where it tells.
    pub(super) fn start(
        series: String,
        to: &str,
        sink: impl Deliver,
        before: Vec<Arc<AlertEvent>>,
    ) -> Result<Worker> {
        let name = format!("{series} {}", crate::render::printable(to));
        // What was stored is as little trusted as what is sent.
        let bounded = before.into_iter().map(|event| Arc::new(event.bounded()));
        let pending = bounded.take(MAX_QUEUED).map(Pending::new).collect();
        let queue = Mutex::new(Queue { pending, ..Queue::default() });
        let shared = Arc::new(Shared { queue, name, ..Shared::default() });
        let ending = Ending(Arc::clone(&shared));
        let run = move || run(&ending.0, sink);
        let thread = Builder::new().name(series.clone()).spawn(run);
        thread.map_err(|error| Error::io(&series, &error))?;
        Ok(Worker { series, shared })
    }

    /// What is not delivered yet.
    pub(super) fn pending(&self) -> Vec<Arc<AlertEvent>> {
        let queue = self.shared.lock();
        queue.pending.iter().map(|pending| Arc::clone(&pending.event)).collect()
    }

    pub(super) fn send(&self, event: &Arc<AlertEvent>) {
        let mut queue = self.shared.lock();
        if queue.pending.len() >= MAX_QUEUED || queue.has_ended {
            queue.lost += 1;
            queue.say(format!(
                "{}: no place for one more event, lost: {}",
                self.shared.name,
                event.line()
            ));
            return;
        }
        queue.pending.push_back(Pending::new(Arc::clone(event)));
        self.shared.changed.notify_all();
    }

    pub(super) fn messages(&self) -> Vec<String> {
        take(&mut self.shared.lock().messages)
    }

    pub(super) fn counts(&self) -> Sink<'_> {
        let queue = self.shared.lock();
        let queued = queue.pending.len() as u64;
        Sink { name: &self.series, delivered: queue.delivered, lost: queue.lost, queued }
    }

    pub(super) fn begin_to_stop(&self, deadline: Instant) {
        self.shared.lock().stop_at = Some(deadline);
        self.shared.changed.notify_all();
    }

    pub(super) fn stop(&self, deadline: Instant) -> Vec<String> {
        let mut queue = self.shared.lock();
        while !queue.has_ended && Instant::now() < deadline {
            queue = self.shared.wait(queue, Some(deadline));
        }
        let mut messages = take(&mut queue.messages);
        for pending in &queue.pending {
            messages.push(format!("{}: not delivered: {}", self.shared.name, pending.event.line()));
        }
        messages
    }
}

fn run(shared: &Shared, mut sink: impl Deliver) {
    let patience = sink.patience();
    let mut queue = shared.lock();
    loop {
        let now = Instant::now();
        let is_stopping = queue.stop_at.is_some();
        let Some(at) = queue.next() else {
            if is_stopping {
                return;
            }
            queue = shared.wait(queue, None);
            continue;
        };
        if queue.stop_at.is_some_and(|deadline| now >= deadline) {
            return;
        }
        let pending = &mut queue.pending[at];
        if pending.due > now && !is_stopping {
            let due = pending.due;
            queue = shared.wait(queue, Some(due));
            continue;
        }
        pending.is_over = is_stopping;
        let event = Arc::clone(&pending.event);
        drop(queue);
        let outcome = sink.deliver(&event, &Stopping(shared));
        queue = shared.lock();
        // Others only ever add at the end, so it is still at its place.
        settle(&mut queue, at, outcome, patience, &shared.name);
    }
}

fn settle(queue: &mut Queue, at: usize, outcome: Outcome, patience: Patience, name: &str) {
    let now = Instant::now();
    let pending = &mut queue.pending[at];
    pending.tries += 1;
    let is_out_of_time = now.duration_since(pending.since) >= patience.all;
    let line = pending.event.line();
    match outcome {
        Outcome::Delivered => {
            queue.pending.remove(at);
            queue.delivered += 1;
            if take(&mut queue.is_failing) {
                queue.say(format!("{name}: works again"));
            }
        }
        Outcome::Failed(why) if !is_out_of_time => {
            pending.due = now + patience.wait(pending.tries);
            if !std::mem::replace(&mut queue.is_failing, true) {
                let next = if queue.stop_at.is_none() { "; trying again" } else { "" };
                queue.say(format!("{name}: {why}{next}"));
            }
        }
        Outcome::Lost(why) | Outcome::Failed(why) => {
            queue.pending.remove(at);
            queue.lost += 1;
            queue.say(format!("{name}: {why}; lost: {line}"));
        }
    }
}
