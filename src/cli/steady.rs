//! `--since reload` and `--exclude-warmup`: reuse apart from warm-ups.
//!
//! When pools were cold is only known when all logs have been read. So they are read twice: once to find that, and once
//! more for the time that is left.

use super::args::ReportArgs;
use super::message::Messages;
use super::report::{called, input_stats};
use crate::analysis::report::{Cause, Cold, Report};
use crate::analysis::{Policy, analyse, with_warmups_of};
use crate::error::{Error, ErrorKind, Result};
use crate::fold::Recipe;
use crate::input::{CHUNK, Source, plan};
use crate::pipeline::batch_watched;
use crate::summary::events::Events;
use jiff::Timestamp;
use std::sync::Arc;

/// The value of `--since` that stands for the last time that all pools were emptied.
const RELOAD: &str = "reload";

/// Is a part of the time asked for that only the logs tell?
pub(super) fn is_wanted(args: &ReportArgs) -> bool {
    args.exclude_warmup || is_since_reload(args)
}

pub(super) fn is_since_reload(args: &ReportArgs) -> bool {
    args.since.as_deref() == Some(RELOAD)
}

/// Can all logs be read twice?
///
/// # Errors
/// One of them is stdin or another pipe.
pub(super) fn check(args: &ReportArgs, sources: &[Source]) -> Result<()> {
    let once = sources.iter().find(|source| !source.can_be_read_again());
    match once.filter(|_| is_wanted(args)) {
        Some(source) => {
            let flag = if args.exclude_warmup { "--exclude-warmup" } else { "--since reload" };
            let message = format!(
                "{flag}: logs are read twice, and {} can be read only once",
                called(source.name())
            );
            Err(Error::new(ErrorKind::Usage, message)
                .with_hint("write it to a file first, and give that"))
        }
        None => Ok(()),
    }
}

/// What is read a second time.
#[derive(Debug)]
pub(super) struct Logs<'a> {
    pub(super) sources: &'a [Source],
    pub(super) recipes: Vec<Recipe>,
    /// What the error logs told.
    pub(super) events: Events,
}

/// The report of the wanted part of the time; `whole` is that of all of it, with the times in which pools were cold.
///
/// # Errors
/// There was no reload, or nothing is left; no threads can be started.
pub(super) fn part(
    args: &ReportArgs,
    logs: Logs<'_>,
    (whole, cold): (Report, &[Cold]),
    policy: &Policy,
    messages: &mut Messages,
) -> Result<Report> {
    let since = if is_since_reload(args) { Some(last_reload(cold, messages)?) } else { None };
    let spans = spans(cold);
    let chosen = logs.recipes.into_iter().map(|recipe| {
        let recipe = match since {
            Some(ms) => recipe.since(ms),
            None => recipe,
        };
        if args.exclude_warmup { recipe.without(&spans) } else { recipe }
    });
    let recipes: Vec<Recipe> = chosen.collect();
    let excluded = if args.exclude_warmup { Arc::clone(&spans) } else { Arc::default() };
    let policy = &Policy { excluded, ..policy.clone() };
    let tasks = plan(logs.sources, args.chunk.unwrap_or(CHUNK));
    // What was odd about the logs has been said, and malformed lines were kept.
    let mut batch = batch_watched(&tasks, &recipes, args.threads, None, &|_| ())?;
    batch.errors.iter().for_each(|error| messages.error(error));
    batch.summary.events = logs.events;
    let input = input_stats(logs.sources, &batch);
    if input.matched == 0 {
        return Err(Error::new(
            ErrorKind::Input,
            format!("none of {} lines is left: pools were cold all the time", input.lines),
        ));
    }
    Ok(with_warmups_of(whole, analyse(batch.summary, input, policy), since))
}

/// When all pools were emptied last: what is certain goes before what is only suspected.
fn last_reload(cold: &[Cold], messages: &Messages) -> Result<i64> {
    let all = |cold: &&Cold| match cold.cause {
        Cause::Reload | Cause::Restart | Cause::Upgrade => true,
        Cause::Unknown => !cold.suspected,
        Cause::WorkerExit | Cause::BackendRestart => false,
    };
    let last =
        |suspected: bool| cold.iter().rev().filter(all).find(|cold| cold.suspected == suspected);
    let Some(cold) = last(false).or_else(|| last(true)) else {
        return Err(Error::new(ErrorKind::Input, "--since reload: no reload in these logs")
            .with_hint("$pid in the log_format shows reloads, and so does nginx's error log: --error-log PATH"));
    };
    let at = Timestamp::from_millisecond(cold.from_ms).unwrap_or_default();
    let suspected = if cold.suspected { "suspected " } else { "" };
    let what = match cold.cause {
        Cause::Restart => "restart",
        Cause::Upgrade => "upgrade",
        _ => "reload",
    };
    messages.note(&format!("since the {suspected}{what} at {at}"));
    Ok(cold.from_ms)
}

/// Times in which pools were cold, in order and without overlap.
fn spans(cold: &[Cold]) -> Arc<[(i64, i64)]> {
    let mut spans: Vec<(i64, i64)> = Vec::new();
    for Cold { from_ms, to_ms, .. } in cold {
        match spans.last_mut() {
            Some((_, end)) if *from_ms <= *end => *end = (*end).max(*to_ms),
            _ => spans.push((*from_ms, *to_ms)),
        }
    }
    spans.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_overlap_are_one() {
        let cold = |from_ms, to_ms| Cold { cause: Cause::Reload, suspected: false, from_ms, to_ms };
        let spans = spans(&[cold(1, 5), cold(3, 4), cold(5, 6), cold(8, 9)]);
        assert_eq!(*spans, [(1, 6), (8, 9)]);
    }

    #[test]
    fn the_last_certain_reload_goes_before_a_later_suspected_one() {
        let cold = |cause, from_ms, suspected| Cold { cause, suspected, from_ms, to_ms: from_ms };
        let messages = Messages::new(true);
        for (cold, expected) in [
            (vec![cold(Cause::Reload, 1, false), cold(Cause::Reload, 2, true)], Some(1)),
            (vec![cold(Cause::Restart, 1, false), cold(Cause::Unknown, 2, false)], Some(2)),
            (vec![cold(Cause::Reload, 1, true), cold(Cause::Unknown, 2, true)], Some(1)),
            (vec![cold(Cause::WorkerExit, 1, false)], None),
            (vec![], None),
        ] {
            assert_eq!(last_reload(&cold, &messages).ok(), expected, "{cold:?}");
        }
    }
}
