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
}

/// What is not delivered yet, by the name of the sink, in the order in which it happened.
pub type Untold = BTreeMap<String, Vec<Arc<AlertEvent>>>;

/// All sinks.
#[derive(Debug, Default)]
pub struct Notifier {
    workers: Vec<Worker>,
    held: Vec<Arc<AlertEvent>>,
}

impl Notifier {
    /// Starts a sink for each target. It begins with what was not delivered before a restart, as [`Notifier::untold`] gave
    /// it; what is for a sink that there is no more is let go.
    ///
    /// # Errors
    /// `Usage` for a command or a URL that is none, `Io` for a file that can't be written or if no thread can be started.
    pub fn start(targets: &[Target], mut untold: Untold) -> Result<Notifier> {
        let mut workers = Vec::new();
        let mut of_kind = BTreeMap::new();
        for target in targets {
            let kind = target.kind();
            let number = of_kind.entry(kind).and_modify(|number| *number += 1).or_insert(1);
            let series = if *number == 1 { kind.to_owned() } else { format!("{kind} {number}") };
            workers.push(match target {
                Target::JsonStdout => Worker::start(series, "stdout", lines::Stdout, &mut untold)?,
                Target::JsonFile(path) => {
                    let (name, file) = (path.display().to_string(), lines::File::new(path)?);
                    Worker::start(series, &name, file, &mut untold)?
                }
                Target::Exec(line) => {
                    let command = command::Command::new(line)?;
                    let name = command.program().to_owned();
                    Worker::start(series, &name, command, &mut untold)?
                }
                Target::Webhook(url) => {
                    let webhook = webhook::Webhook::new(url)?;
                    let name = webhook.origin().to_owned();
                    Worker::start(series, &name, webhook, &mut untold)?
                }
            });
        }
        Ok(Notifier { workers, held: Vec::new() })
    }

    /// Takes an event for all sinks, which get it when it is released.
    pub fn hold(&mut self, event: &AlertEvent) {
        self.held.push(Arc::new(event.bounded()));
    }

    /// Hands what is held to all sinks. Never blocks.
    pub fn release(&mut self) {
        for event in self.held.drain(..) {
            self.workers.iter().for_each(|worker| worker.send(&event));
        }
    }

    /// What is not delivered, held or not; for [`Notifier::start`].
    pub fn untold(&self) -> Untold {
        let of = |worker: &Worker| {
            let all: Vec<_> = worker.pending().into_iter().chain(self.held.clone()).collect();
            (!all.is_empty()).then(|| (worker.name().to_owned(), all))
        };
        self.workers.iter().filter_map(of).collect()
    }

    /// What went wrong, or right again, since this was asked last: warnings for the user, in one line each.
    pub fn messages(&self) -> Vec<String> {
        self.workers.iter().flat_map(Worker::messages).collect()
    }

    /// What became of the events; for [`crate::render::prometheus::Snapshot::sinks`].
    pub fn counts(&self) -> Vec<Sink<'_>> {
        self.workers.iter().map(Worker::counts).collect()
    }

    /// Tries what is still queued once more, then ends all sinks, within this time. Returns the last messages, with what
    /// was not delivered. A receiver that hangs is left behind: its thread ends with the process.
    pub fn stop(&self, within: Duration) -> Vec<String> {
        let deadline = Instant::now() + within;
        self.workers.iter().for_each(|worker| worker.begin_to_stop(deadline));
        self.workers.iter().flat_map(|worker| worker.stop(deadline)).collect()
    }
}

#[cfg(test)]
mod tests;
