//! Lines into a summary: the one engine behind batch, live and cluster runs. Pure: bytes in, counts out.

mod hosts;
mod place;
mod recipe;
mod request;

use crate::log_format::variable::Field;
use crate::record::Reject;
use crate::record::attempt::{Attempt, Outcome, attempts};
use crate::record::time::{Clock, msec};
use crate::summary::keys::Key;
use crate::summary::peer::started;
use crate::summary::pool::Recent;
use crate::summary::{LineCounts, Summary};
use crate::tokenizer::{Expected, Fields, Mismatch, Values};
use hosts::Hosts;
pub use place::Place;
use recipe::TIMES;
pub use recipe::{By, Choice, Recipe};
use request::{Living, flight, line_alone, over_time, request};
use std::borrow::Cow;

/// Folds lines into one summary.
#[derive(Debug, Clone, Default)]
pub struct Fold {
    /// What was found so far.
    pub summary: Summary,
    reader: Reader,
}

impl Fold {
    /// Takes in a line without its newline. Empty lines are passed over.
    ///
    /// # Errors
    /// The line does not fit; it is counted as malformed. The column is that of the whole line.
    #[inline]
    pub fn line(&mut self, recipe: &Recipe, line: &[u8]) -> Result<(), Mismatch> {
        self.reader.line(recipe, line, &mut self.summary)
    }
}

/// Reads lines, and counts each in its place. What it remembers only makes it quick.
#[derive(Debug, Clone, Default)]
pub struct Reader {
    /// Those of the last line.
    values: Values,
    counter: Counter,
}

/// Counts what was read.
#[derive(Debug, Clone, Default)]
struct Counter {
    clock: Clock,
    /// The workers that wrote the last lines, and often the next ones too.
    known: Recent,
    /// The hosts that wrote them, with `--by '$hostname'`.
    hosts: Hosts,
}

impl Reader {
    /// Takes in a line without its newline. Empty lines are passed over.
    ///
    /// # Errors
    /// The line does not fit; it is counted as malformed. The column is that of the whole line.
    #[inline]
    pub fn line(
        &mut self,
        recipe: &Recipe,
        line: &[u8],
        place: &mut impl Place,
    ) -> Result<(), Mismatch> {
        if line.is_empty() {
            return Ok(());
        }
        let own = recipe.own(line);
        let result = match recipe.tokenizer.tokenize_into(own, &mut self.values) {
            Ok(()) => self.counter.fields(recipe, own, &Fields::new(own, &self.values), place),
            Err(mismatch) => Err(mismatch),
        };
        result.map_err(|mismatch| malformed(mismatch, line.len() - own.len(), place.malformed()))
    }
}

impl Counter {
    #[inline]
    fn fields(
        &mut self,
        recipe: &Recipe,
        line_text: &[u8],
        fields: &Fields<'_>,
        place: &mut impl Place,
    ) -> Result<(), Mismatch> {
        let ms = self.time(fields).map_err(|reject| mismatch(reject, line_text))?;
        let is_wanted = recipe.is_wanted(ms);
        if !is_wanted || recipe.is_excluded(fields, ms) {
            // Still a line that must make sense.
            attempts(fields, |_| ()).map_err(|reject| mismatch(reject, line_text))?;
            let summary = place.of(ms);
            summary.lines.lines += 1;
            if is_wanted {
                self.excluded(recipe, fields, ms, summary);
            } else {
                summary.lines.filtered += 1;
            }
            return Ok(());
        }
        let name = group_name(&recipe.choice, fields);
        let request = if recipe.serials || recipe.pools || recipe.workers {
            request(fields, ms)
        } else {
            None
        };
        let seen = request.filter(|_| recipe.serials).and_then(|request| request.seen(fields));
        let gap = request.filter(|_| recipe.pools).map(|request| request.gap(fields));
        let line = recipe.workers.then(|| request.or_else(|| line_alone(fields, ms))).flatten();
        let worker = request.filter(|_| recipe.pools).or(line);
        let log = self.hosts.log_of(recipe, fields);
        let worker = worker.map(|request| self.known.of(log, request.pid));
        let summary = place.of(ms);
        let is_detailed = summary.is_detailed();
        let Summary { peers, serials, workers, bursts, begun, refusals, .. } = summary;
        let mut counter = match (&request, &seen) {
            (Some(request), Some(_)) => serials.counter(log, request.pid),
            _ => None,
        };
        let mut living =
            line.zip(worker).and_then(|(line, worker)| Living::of(workers, worker, line));
        let mut start = request.map_or(0, |request| request.start);
        let count = attempts(fields, |attempt| {
            let peer = peers.entry(key(&recipe.choice.by, name.as_deref(), &attempt));
            peer.record(&attempt, ms);
            if let Some(counter) = &mut counter {
                let started = started(&attempt);
                if is_detailed {
                    peer.starts.record(start, started);
                }
                counter.starts.record(start, started);
            }
            if is_detailed {
                peer.record_sent(&attempt);
            }
            if let Some(gap) = gap
                && is_detailed
                && let Some(flight) = flight(&attempt, start, gap)
                && let Some(pool) = worker.and_then(|worker| peer.pools.of(worker))
            {
                pool.record(flight);
            }
            if let Some(living) = &mut living {
                living.attempt(&attempt);
            }
            if let Some(ms) = ms {
                let lasted = i64::from(attempt.response_ms.unwrap_or(0));
                let at = request.map_or(ms - lasted, |_| start);
                over_time(&attempt, at, (bursts, begun, refusals));
            }
            // The next try begins where this one ended.
            start += i64::from(attempt.response_ms.unwrap_or(0));
        })
        .map_err(|reject| mismatch(reject, line_text))?;
        if let (Some(counter), Some(seen)) = (counter, seen) {
            counter.record(seen);
        }
        if let Some(living) = living {
            living.line(fields, seen);
        }
        summary.bound_detail();
        summary.lines.lines += 1;
        summary.lines.matched += 1;
        summary.lines.without_upstream += u64::from(count == 0);
        if let Some(ms) = ms {
            summary.span.record(ms);
        }
        Ok(())
    }

    /// A line whose request began in a span that is left out: only its client's number is kept.
    #[cold]
    fn excluded(
        &mut self,
        recipe: &Recipe,
        fields: &Fields<'_>,
        ms: Option<i64>,
        summary: &mut Summary,
    ) {
        summary.lines.excluded += 1;
        if recipe.serials
            && let Some(request) = request(fields, ms)
            && let Some(seen) = request.seen(fields)
            && let log = self.hosts.log_of(recipe, fields)
            && let Some(counter) = summary.serials.counter(log, request.pid)
        {
            counter.record(seen);
        }
    }

    /// When the line was written; none where the format does not tell. A JSON line may hold the most exact time empty.
    #[inline]
    fn time<'a>(&mut self, fields: &Fields<'a>) -> Result<Option<i64>, Reject<'a>> {
        if let Some(ms) = fields.number(Field::Msec).filter(|ms| *ms > 0) {
            return Ok(i64::try_from(ms).ok());
        }
        let told = |field| fields.get(field).filter(|text| !matches!(*text, b"" | b"-"));
        let (text, ms) = if let Some(text) = told(Field::Msec) {
            (text, msec(text))
        } else if let Some(text) = told(Field::TimeIso8601) {
            (text, self.clock.time_iso8601(text))
        } else if let Some(text) = told(Field::TimeLocal) {
            (text, self.clock.time_local(text))
        } else if let Some(empty) = TIMES.iter().find_map(|field| fields.get(*field)) {
            (empty, None)
        } else {
            return Ok(None);
        };
        match ms {
            Some(ms) => Ok(Some(ms)),
            None => Err(Reject { value: text, expected: "a time" }),
        }
    }
}

#[cold]
fn malformed(mut mismatch: Mismatch, prefix: usize, lines: &mut LineCounts) -> Mismatch {
    lines.lines += 1;
    lines.malformed += 1;
    mismatch.column += prefix;
    mismatch
}

#[cold]
fn mismatch(reject: Reject<'_>, line: &[u8]) -> Mismatch {
    Mismatch { column: reject.column(line), expected: Expected::Text(reject.expected) }
}

/// The name of the group that a line's attempts belong to, if it tells one.
#[inline]
fn group_name<'a>(choice: &Choice, fields: &Fields<'a>) -> Option<Cow<'a, [u8]>> {
    let value = match choice.by {
        By::Upstream => fields.get(Field::UpstreamName).filter(|name| !matches!(*name, b"" | b"-")),
        By::Peer => None,
        By::Variable(_) => Some(fields.get(Field::Group).unwrap_or(b"-")),
    }?;
    let Some(pattern) = &choice.group else { return Some(Cow::Borrowed(value)) };
    let mut found = pattern.create_captures();
    pattern.captures(value, &mut found);
    let span = found.get_group(1).or_else(|| found.get_group(0));
    Some(Cow::Borrowed(span.map_or(&b"(other)"[..], |span| &value[span.range()])))
}

/// Where an attempt is counted. `$proxy_host` names the upstream of the last pass only; with no live upstream the
/// address itself is the upstream's name.
#[inline]
fn key<'a>(by: &By, name: Option<&'a [u8]>, attempt: &Attempt<'a>) -> Key<'a> {
    let group = match by {
        By::Upstream if attempt.last_pass && name.is_some() => name,
        By::Upstream if attempt.outcome == Outcome::NoLive => Some(attempt.addr),
        By::Upstream => None,
        By::Peer | By::Variable(_) => name,
    };
    Key { group, peer: attempt.addr }
}

#[cfg(test)]
mod tests;
