//! Telling the world of alerts: JSON lines, a command, a webhook.
//!
//! Each sink has a queue and a thread of its own, so none keeps the reading of logs or another sink waiting. An event goes
//! to each sink exactly once, as long as the receiver says that it has it: after a timeout nobody knows, and it is sent
//! again. Events of one alert are delivered in their order. What a queue has no place for, or nobody took in time, is
//! counted as lost and said.
//!
//! What is not delivered can be stored and goes on after a restart. So that nothing is told that a restart would tell
//! again as something new, an event is first held, then stored, and then released.

#![expect(
    clippy::disallowed_methods,
    reason = "sinks have threads, deadlines and files of their own"
)]

mod command;
mod event;
mod lines;
mod queue;
mod webhook;

pub use event::{AlertEvent, State};

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::render::prometheus::Sink;
use queue::Worker;

/// Where to tell of alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A line of JSON per event on stdout.
    JsonStdout,
    /// The same, at the end of a file. It is opened for each event, so logrotate may move it away at any time.
    JsonFile(PathBuf),
    /// A command with its arguments, as a shell would split them; no shell runs. It gets the JSON on stdin and 30 s. Its
    /// output is thrown away.
    Exec(String),
    /// A URL that gets a POST with the JSON. Anything but a 2xx is tried again for 10 minutes.
    Webhook(String),
}

impl Target {
    fn kind(&self) -> &'static str {
        match self {
            Target::JsonStdout | Target::JsonFile(_) => "json",
            Target::Exec(_) => "exec",
            Target::Webhook(_) => "webhook",
        }
    }

    /// What it is stored as: the same whatever sinks stand before it. A URL may hold a secret, so it is not told itself.
    fn key(&self) -> String {
        let to = match self {
            Target::JsonStdout => "-".to_owned(),
            Target::JsonFile(path) => path.display().to_string(),
            Target::Exec(to) | Target::Webhook(to) => to.clone(),
        };
        format!("{} {:08x}", self.kind(), crc32fast::hash(to.as_bytes()))
    }
}

/// What is not delivered yet, by what the sink is stored as, in the order in which it happened.
pub type Untold = BTreeMap<String, Vec<Arc<AlertEvent>>>;

/// All sinks.
#[derive(Debug, Default)]
pub struct Notifier {
    /// By what they are stored as.
    workers: Vec<(String, Worker)>,
    held: Vec<Arc<AlertEvent>>,
    /// Events of sinks that there are no more, to be said.
    gone: usize,
}

impl Notifier {
    /// Starts a sink for each target. It begins with what was not delivered before a restart, as [`Notifier::untold`] gave
    /// it; what is for a sink that there is no more is let go, and said. A target that was named before is left out.
    ///
    /// # Errors
    /// `Usage` for a command or a URL that is none, `Io` for a file that can't be written or if no thread can be started.
    pub fn start(targets: &[Target], mut untold: Untold) -> Result<Notifier> {
        let mut workers: Vec<(String, Worker)> = Vec::new();
        let mut of_kind = BTreeMap::new();
        for target in targets {
            let key = target.key();
            if workers.iter().any(|(other, _)| *other == key) {
                continue;
            }
            let before = untold.remove(&key).unwrap_or_default();
            let kind = target.kind();
            let number = of_kind.entry(kind).and_modify(|number| *number += 1).or_insert(1);
            let series = if *number == 1 { kind.to_owned() } else { format!("{kind} {number}") };
            let worker = match target {
                Target::JsonStdout => Worker::start(series, "stdout", lines::Stdout, before)?,
                Target::JsonFile(path) => {
                    let (name, file) = (path.display().to_string(), lines::File::new(path)?);
                    Worker::start(series, &name, file, before)?
                }
                Target::Exec(line) => {
                    let command = command::Command::new(line)?;
                    let name = command.program().to_owned();
                    Worker::start(series, &name, command, before)?
                }
                Target::Webhook(url) => {
                    let webhook = webhook::Webhook::new(url)?;
                    let name = webhook.origin().to_owned();
                    Worker::start(series, &name, webhook, before)?
                }
            };
            workers.push((key, worker));
        }
        let gone = untold.values().map(Vec::len).sum();
        Ok(Notifier { workers, held: Vec::new(), gone })
    }

    /// Is there something to be stored before it is released?
    pub fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }

    /// Takes an event for all sinks, which get it when it is released.
    pub fn hold(&mut self, event: &AlertEvent) {
        self.held.push(Arc::new(event.bounded()));
    }

    /// Hands what is held to all sinks. Never blocks.
    pub fn release(&mut self) {
        for event in self.held.drain(..) {
            self.workers.iter().for_each(|(_, worker)| worker.send(&event));
        }
    }

    /// What is not delivered, held or not; for [`Notifier::start`].
    pub fn untold(&self) -> Untold {
        let of = |(key, worker): &(String, Worker)| {
            let all: Vec<_> = worker.pending().into_iter().chain(self.held.clone()).collect();
            (!all.is_empty()).then(|| (key.clone(), all))
        };
        self.workers.iter().filter_map(of).collect()
    }

    /// What went wrong, or right again, since this was asked last: warnings for the user, in one line each.
    pub fn messages(&mut self) -> Vec<String> {
        let gone = std::mem::take(&mut self.gone);
        let gone = (gone > 0).then(|| {
            format!(
                "{gone} events of an earlier run are let go: who was to be told is not configured any more"
            )
        });
        self.workers.iter().flat_map(|(_, worker)| worker.messages()).chain(gone).collect()
    }

    /// What became of the events; for [`crate::render::prometheus::Snapshot::sinks`].
    pub fn counts(&self) -> Vec<Sink<'_>> {
        self.workers.iter().map(|(_, worker)| worker.counts()).collect()
    }

    /// Tries what is still queued once more, then ends all sinks, within this time. Returns the last messages, with what
    /// was not delivered. A receiver that hangs is left behind: its thread ends with the process.
    pub fn stop(&self, within: Duration) -> Vec<String> {
        let deadline = Instant::now() + within;
        self.workers.iter().for_each(|(_, worker)| worker.begin_to_stop(deadline));
        self.workers.iter().flat_map(|(_, worker)| worker.stop(deadline)).collect()
    }
}

#[cfg(test)]
mod tests;
