//! Telling the world of alerts: lines on stderr, JSON lines, a command, a webhook.
//!
//! Each sink has a queue and a thread of its own, so none keeps the reading of logs or another sink waiting. An event goes
//! to each sink exactly once, as long as the receiver says that it has it: after a timeout nobody knows, and it is sent
//! again. Events of one alert are delivered in their order. What a queue has no place for, or nobody took in time, is
//! counted as lost and said.

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

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::render::prometheus::Sink;
use queue::Worker;

/// Where to tell of alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A line for people on stderr.
    Stderr,
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

/// All sinks.
#[derive(Debug, Default)]
pub struct Notifier {
    workers: Vec<Worker>,
}

impl Notifier {
    /// Starts a sink for each target.
    ///
    /// # Errors
    /// `Usage` for a command or a URL that is none, `Io` if no thread can be started.
    pub fn start(targets: &[Target]) -> Result<Notifier> {
        let mut workers = Vec::new();
        for target in targets {
            workers.push(match target {
                Target::Stderr => Worker::start("stderr", "stderr", lines::Stderr)?,
                Target::JsonStdout => Worker::start("json", "stdout", lines::Stdout)?,
                Target::JsonFile(path) => {
                    let name = path.display().to_string();
                    Worker::start("json", &name, lines::File(path.clone()))?
                }
                Target::Exec(line) => {
                    let command = command::Command::new(line)?;
                    let name = command.program().to_owned();
                    Worker::start("exec", &name, command)?
                }
                Target::Webhook(url) => {
                    let webhook = webhook::Webhook::new(url)?;
                    let name = webhook.origin().to_owned();
                    Worker::start("webhook", &name, webhook)?
                }
            });
        }
        Ok(Notifier { workers })
    }

    /// Hands an event to all sinks. Never blocks.
    pub fn send(&self, event: &AlertEvent) {
        let event = Arc::new(event.bounded());
        for worker in &self.workers {
            worker.send(&event);
        }
    }

    /// What went wrong, or right again, since this was asked last: warnings for the user, in one line each.
    pub fn messages(&self) -> Vec<String> {
        self.workers.iter().flat_map(Worker::messages).collect()
    }

    /// What became of the events, by kind of sink; for [`crate::render::prometheus::Snapshot::sinks`].
    pub fn counts(&self) -> Vec<Sink<'static>> {
        let mut all: Vec<Sink<'static>> = Vec::new();
        for worker in &self.workers {
            let counts = worker.counts();
            match all.iter_mut().find(|sink| sink.name == counts.name) {
                Some(sink) => {
                    sink.delivered += counts.delivered;
                    sink.lost += counts.lost;
                    sink.queued += counts.queued;
                }
                None => all.push(counts),
            }
        }
        all
    }

    /// Tries what is still queued once more, then ends all sinks, within this time. Returns the last messages, with what
    /// was not delivered. A receiver that hangs is left behind: its thread ends with the process.
    pub fn stop(self, within: Duration) -> Vec<String> {
        let deadline = Instant::now() + within;
        self.workers.iter().for_each(|worker| worker.begin_to_stop(deadline));
        self.workers.iter().flat_map(|worker| worker.stop(deadline)).collect()
    }
}

#[cfg(test)]
mod tests;
