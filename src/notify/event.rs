//! What is told of an alert.

use serde::{Deserialize, Serialize};

use crate::render::printable;

/// Most bytes of a name, and of the message. With these an event's JSON has less than 4096 bytes, also if every one of
/// them must be escaped: that much always fits an empty pipe, so writing it to a command can't block.
const MAX_NAME: usize = 300;
const MAX_MESSAGE: usize = 600;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It began.
    Firing,
    /// It is over.
    Resolved,
}

/// One thing that happened to one alert.
///
/// As JSON it is an object in one line, schema `keepwarm.alert/1`: these fields by their names, and `schema` first. Fields
/// may be added, none renamed or removed. `state` is `"firing"` or `"resolved"`; what an alert is not about is `null`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertEvent {
    /// Firing or resolved.
    pub state: State,
    /// Which alert: the same for firing and resolved, and after a restart.
    pub id: String,
    /// The stable name of its rule: `hit_rate`.
    pub rule: String,
    /// The upstream it is about.
    pub upstream: Option<String>,
    /// The peer it is about.
    pub peer: Option<String>,
    /// The source of lines it is about.
    pub source: Option<String>,
    /// When it began to fire, in milliseconds since 1970-01-01T00:00:00Z.
    pub since_ms: i64,
    /// When this happened, in milliseconds since 1970-01-01T00:00:00Z.
    pub at_ms: i64,
    /// The value is not below this, in the rule's unit (percent, ms, connections per second, s), ...
    pub low: f64,
    /// ... nor above this.
    pub high: f64,
    /// What it is held against.
    pub limit: f64,
    /// The same in words.
    pub message: String,
}

#[derive(Serialize)]
struct Wire<'a> {
    schema: &'static str,
    #[serde(flatten)]
    event: &'a AlertEvent,
}

impl AlertEvent {
    /// One line of JSON without a line end.
    pub fn json(&self) -> String {
        // Texts and numbers always serialise; NaN is null.
        serde_json::to_string(&Wire { schema: "keepwarm.alert/1", event: self }).unwrap_or_default()
    }

    /// One line for people, without a line end.
    pub fn line(&self) -> String {
        let state = match self.state {
            State::Firing => "FIRING",
            State::Resolved => "resolved",
        };
        let time = jiff::Timestamp::from_second(self.at_ms.div_euclid(1000));
        let time = time.map_or_else(|_| String::from("-"), |time| time.to_string());
        let mut line = format!("{time} {state} {}", self.rule);
        for name in [&self.upstream, &self.peer, &self.source].into_iter().flatten() {
            line.push(' ');
            line.push_str(name);
        }
        format!("{line}: {}", self.message)
    }

    /// The same with texts that are safe to show and short enough. Names are those of a log, so anyone's.
    pub(super) fn bounded(&self) -> AlertEvent {
        let name = |text: &String| cut(text, MAX_NAME);
        AlertEvent {
            id: name(&self.id),
            rule: name(&self.rule),
            upstream: self.upstream.as_ref().map(name),
            peer: self.peer.as_ref().map(name),
            source: self.source.as_ref().map(name),
            message: cut(&self.message, MAX_MESSAGE),
            ..*self
        }
    }
}

fn cut(text: &str, most: usize) -> String {
    let text = printable(text);
    if text.len() <= most {
        return text.into_owned();
    }
    let end = (0..=most - 3).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}...", &text[..end])
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A firing of an alert.
    pub(in crate::notify) fn firing(id: &str) -> AlertEvent {
        AlertEvent {
            state: State::Firing,
            id: id.to_owned(),
            rule: "hit_rate".to_owned(),
            upstream: Some("app".to_owned()),
            peer: None,
            source: None,
            since_ms: 1_795_219_200_000,
            at_ms: 1_795_219_200_999,
            low: 12.0,
            high: 30.5,
            limit: 70.0,
            message: "12.0 to 30.5 % reused, limit 70.0 %".to_owned(),
        }
    }

    #[test]
    fn an_event_is_a_line_of_json_or_of_text() {
        let event = firing("hit_rate:app");
        assert_eq!(
            event.json(),
            "{\"schema\":\"keepwarm.alert/1\",\"state\":\"firing\",\"id\":\"hit_rate:app\",\
             \"rule\":\"hit_rate\",\"upstream\":\"app\",\"peer\":null,\"source\":null,\
             \"since_ms\":1795219200000,\"at_ms\":1795219200999,\"low\":12.0,\"high\":30.5,\
             \"limit\":70.0,\"message\":\"12.0 to 30.5 % reused, limit 70.0 %\"}"
        );
        assert_eq!(
            event.line(),
            "2026-11-21T00:00:00Z FIRING hit_rate app: 12.0 to 30.5 % reused, limit 70.0 %"
        );
        let peer = AlertEvent { peer: Some("10.0.0.1:80".to_owned()), at_ms: i64::MAX, ..event };
        let resolved = AlertEvent { state: State::Resolved, message: "ok".to_owned(), ..peer };
        assert_eq!(resolved.line(), "- resolved hit_rate app 10.0.0.1:80: ok");
    }

    proptest! {
        #[test]
        fn any_event_is_one_safe_line_that_fits_a_pipe(
            text in "[\"\\\\\u{0}-\u{ff}\u{202e}東]{0,900}",
            high: f64,
        ) {
            let name = Some(text.clone());
            let event = AlertEvent {
                id: text.clone(),
                upstream: name.clone(),
                peer: name.clone(),
                source: name,
                message: text,
                high,
                ..firing("")
            };
            let event = event.bounded();
            for line in [event.json(), event.line()] {
                prop_assert!(line.len() < 4096 && !line.contains(char::is_control), "{line:?}");
            }
            prop_assert!(serde_json::from_str::<serde_json::Value>(&event.json()).is_ok());
        }
    }
}
