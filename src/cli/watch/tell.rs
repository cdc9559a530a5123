//! Tells of alerts: on stderr, and wherever else the user wants.
#![expect(clippy::disallowed_methods, reason = "the clock of a live run")]

use super::publish::is_about_source;
use super::settings::Settings;
use crate::cli::message::Messages;
use crate::error::Result;
use crate::live::alert::{Change, Event};
use crate::notify::{AlertEvent, Notifier, State, Target, Untold};
use crate::render::prometheus::Sink;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a run that a signal ends waits for what is not delivered yet.
const LAST_TRY: Duration = Duration::from_millis(1500);

/// How long a run that ends by itself does: as long as a command may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How soon the end of waiting is seen.
const STEP: Duration = Duration::from_millis(20);

/// Everybody who is told.
#[derive(Debug)]
pub(super) struct Tell(Notifier);

impl Tell {
    /// Begins with what an earlier run could not deliver.
    ///
    /// # Errors
    /// A command or URL is none, or a file can't be written.
    pub(super) fn start(settings: &Settings, untold: Untold) -> Result<Self> {
        let mut targets = Vec::new();
        if let Some(path) = &settings.alerts {
            let is_stdout = path == Path::new("-");
            targets.push(if is_stdout {
                Target::JsonStdout
            } else {
                Target::JsonFile(path.clone())
            });
        }
        targets.extend(settings.exec.iter().cloned().map(Target::Exec));
        targets.extend(settings.webhook.iter().cloned().map(Target::Webhook));
        Ok(Tell(Notifier::start(&targets, untold)?))
    }

    /// Something happened at this moment, in milliseconds since the epoch. Others than the user are told with
    /// [`Tell::release`].
    pub(super) fn event(&mut self, event: &Event, now_ms: i64, messages: &Messages) {
        let text = said(event);
        match event.change {
            Change::Firing => messages.alert(&text),
            Change::Resolved => messages.resolved(&text),
        }
        self.0.hold(&told(event, now_ms));
    }

    /// Did something happen that is to be stored before it is let out?
    pub(super) fn is_holding(&self) -> bool {
        self.0.is_holding()
    }

    /// Lets out what happened. What was stored before goes on as the same after a crash.
    pub(super) fn release(&mut self) {
        self.0.release();
    }

    /// What is not delivered yet.
    pub(super) fn untold(&self) -> Untold {
        self.0.untold()
    }

    /// What went wrong with telling, since this was asked last.
    pub(super) fn messages(&mut self) -> Vec<String> {
        self.0.messages()
    }

    /// What became of the events.
    pub(super) fn counts(&self) -> Vec<Sink<'_>> {
        self.0.counts()
    }

    /// Waits until all is delivered, but not for ever, and not if `is_hurried` by a signal.
    pub(super) fn wait(&self, is_hurried: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !self.untold().is_empty() && !is_hurried() && Instant::now() < deadline {
            std::thread::sleep(STEP);
        }
    }

    /// Tries once more what is not delivered, and ends. Returns what could not be.
    pub(super) fn stop(&self) -> Vec<String> {
        self.0.stop(LAST_TRY)
    }
}

/// An alert in words.
pub(super) fn said(event: &Event) -> String {
    format!("{}: {}", event.id, event.message)
}

fn told(event: &Event, now_ms: i64) -> AlertEvent {
    let is_source = is_about_source(event.id.rule);
    let name = |wanted: bool| wanted.then(|| event.id.name.clone());
    AlertEvent {
        state: match event.change {
            Change::Firing => State::Firing,
            Change::Resolved => State::Resolved,
        },
        id: event.id.to_string(),
        rule: event.id.rule.name().to_owned(),
        upstream: name(!is_source),
        peer: event.id.peer.clone(),
        source: name(is_source),
        since_ms: event.since_ms,
        at_ms: now_ms,
        low: event.low,
        high: event.high,
        limit: event.limit,
        message: event.message.clone(),
    }
}
