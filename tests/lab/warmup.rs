//! keepwarm's warm-ups of a run, beside what was done in it.

use super::{Event, Run};
use rules::{Case, Evidence, Happened};

#[path = "../warmup/rules.rs"]
pub(crate) mod rules;

/// Asks keepwarm with the error log, without it, and with neither `$pid` nor `$connection`, and asserts that what it
/// says is what was done.
pub(crate) fn judge_warmups(run: &Run) {
    if !rules::has_warmups() {
        return;
    }
    let happened = |event: &Event| Happened {
        kind: event.kind.name().to_owned(),
        at_ms: event.at_ms,
        done_ms: event.done_ms,
    };
    let case = Case {
        access_logs: run.access_logs.clone(),
        error_log: Some(run.error_log.clone()),
        events: run.truth.events.iter().map(happened).collect(),
    };
    let wrong: Vec<String> = [Evidence::ErrorLog, Evidence::Pid, Evidence::Statistics]
        .into_iter()
        .flat_map(|evidence| rules::wrong(&case, evidence))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
