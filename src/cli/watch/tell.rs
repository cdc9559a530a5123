//! Tells of alerts: on stderr, and wherever else the user wants.

use super::publish::is_about_source;
use super::settings::Settings;
use crate::cli::message::Messages;
use crate::error::Result;
use crate::live::alert::{Change, Event};
use crate::notify::{AlertEvent, Notifier, State, Target};
use crate::render::prometheus::Sink;
use std::path::Path;
use std::time::Duration;

/// How long the end of a run waits for what is not delivered yet.
const LAST_TRY: Duration = Duration::from_millis(1500);

/// Everybody who is told.
#[derive(Debug)]
pub(super) struct Tell(Option<Notifier>);

impl Tell {
    /// # Errors
    /// A command or URL is none.
    pub(super) fn start(settings: &Settings) -> Result<Self> {
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
        Ok(Tell(Some(Notifier::start(&targets)?)))
    }

    /// Something happened at this moment, in milliseconds since the epoch.
    pub(super) fn event(&self, event: &Event, now_ms: i64, messages: &Messages) {
        let text = said(event);
        match event.change {
            Change::Firing => messages.alert(&text),
            Change::Resolved => messages.resolved(&text),
        }
        if let Some(notifier) = &self.0 {
            notifier.send(&told(event, now_ms));
        }
    }

    /// What went wrong with telling, since this was asked last.
    pub(super) fn messages(&self) -> Vec<String> {
        self.0.as_ref().map(Notifier::messages).unwrap_or_default()
    }

    /// What became of the events.
    pub(super) fn counts(&self) -> Vec<Sink<'static>> {
        self.0.as_ref().map(Notifier::counts).unwrap_or_default()
    }

    /// Tries once more what is not delivered, and ends. Returns what could not be.
    pub(super) fn stop(&mut self) -> Vec<String> {
        self.0.take().map(|notifier| notifier.stop(LAST_TRY)).unwrap_or_default()
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
