//! Lines into a summary: the one engine behind batch, live and cluster runs. Pure: bytes in, counts out.

mod hosts;
mod place;
mod request;

use crate::detect::Detected;
use crate::log_format::LogFormat;
use crate::log_format::variable::Field;
use crate::record::Reject;
use crate::record::attempt::{Attempt, Outcome, attempts};
use crate::record::time::{Clock, msec};
use crate::summary::keys::Key;
use crate::summary::peer::started;
use crate::summary::pool::Recent;
use crate::summary::{LineCounts, Summary};
use crate::tokenizer::prefix::Prefix;
use crate::tokenizer::{Expected, Fields, Mismatch, Tokenizer, Wanted};
use hosts::Hosts;
pub use place::Place;
use regex_automata::meta::Regex;
use request::{Living, flight, line_alone, over_time, request};
use std::borrow::Cow;
use std::sync::Arc;

/// What attempts are grouped by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum By {
    /// The upstream's name, where the log tells it.
    #[default]
    Upstream,
    /// Nothing but the peer.
    Peer,
    /// The value of a variable, by its name without `$`.
    Variable(String),
}

/// What to do with the lines, besides reading them.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// What attempts are grouped by.
    pub by: By,
    /// Groups are renamed to what this pattern matches in them (its first group, if it has one), or `(other)`.
    pub group: Option<Regex>,
    /// Lines before this moment are left out, in milliseconds since the epoch.
    pub since: Option<i64>,
    /// Lines at or after this moment are left out.
    pub until: Option<i64>,
    /// Requests that began in one of these spans are left out: from the first moment to before the second one, in
    /// milliseconds since the epoch; in order, none of which overlap. Without `$request_time` it is their lines' time that
    /// counts.
    pub excluded: Arc<[(i64, i64)]>,
}

/// How to read the lines of one source. Compiled once, shared by all workers.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says what is kept, and any mix of them is possible"
)]
pub struct Recipe {
    tokenizer: Tokenizer,
    prefix: Option<Prefix>,
    choice: Choice,
    /// The log that the source is a part of: rotated files of one log share their workers.
    log: Arc<str>,
    /// Lines of several hosts are told apart by `$hostname`: each host has its own workers and serial numbers.
    by_host: bool,
    serials: bool,
    pools: bool,
    workers: bool,
}

/// Times of a line, the most exact one first.
const TIMES: [Field; 3] = [Field::Msec, Field::TimeIso8601, Field::TimeLocal];

/// The fields that a report needs. Of the three times the most exact one that the format logs.
fn wanted(format: &LogFormat, by: &By) -> Wanted {
    let mut fields = vec![
        Field::Addr,
        Field::UpstreamStatus,
        Field::ConnectTime,
        Field::HeaderTime,
        Field::ResponseTime,
        Field::BytesReceived,
        Field::BytesSent,
    ];
    let logged =
        |time: &&Field| format.variables().any(|name| Field::of_variable(name) == Some(**time));
    // A JSON line may lack a key of its format.
    fields.extend(TIMES.iter().filter(logged).take(if format.is_json() { TIMES.len() } else { 1 }));
    if logs_serials(format) || logs_flights(format) || format.logs("pid") {
        fields.extend([Field::Pid, Field::RequestTime]);
    }
    if logs_serials(format) || format.logs("pid") {
        fields.extend([Field::Connection, Field::ConnectionRequests]);
    }
    if logs_serials(format) {
        fields.push(Field::ConnectionTime);
    }
    match by {
        By::Upstream => fields.push(Field::UpstreamName),
        By::Peer => {}
        By::Variable(name) => return Wanted::new(&fields).with_group(name),
    }
    Wanted::new(&fields)
}

/// Can the account of serial numbers be kept? It needs to know when requests began.
fn logs_serials(format: &LogFormat) -> bool {
    format.logs("connection") && format.logs("request_time")
}

/// Can attempts in flight be counted? It needs to know when they began and ended, to the millisecond.
fn logs_flights(format: &LogFormat) -> bool {
    ["msec", "request_time", "upstream_response_time"].into_iter().all(|name| format.logs(name))
}

impl Recipe {
    /// Compiles a format for a choice. `log` names the log that the source is a part of.
    pub fn new(format: &LogFormat, prefix: Option<Prefix>, choice: Choice, log: &str) -> Self {
        let tokenizer = Tokenizer::new(format, &wanted(format, &choice.by));
        let serials = logs_serials(format);
        // A connection belongs to an upstream, not to a value of `--by`.
        let pools = logs_flights(format) && !matches!(choice.by, By::Variable(_));
        let workers = format.logs("pid");
        // nginx's own host, and no word of a client's (`ngx_http_variable_hostname`).
        let by_host = matches!(&choice.by, By::Variable(name) if name == "hostname");
        Recipe { tokenizer, prefix, choice, log: log.into(), by_host, serials, pools, workers }
    }

    /// The same for a format that was detected.
    pub fn of_detected(detected: &Detected, choice: Choice, log: &str) -> Self {
        Recipe::new(&detected.format, detected.prefix.clone(), choice, log)
    }

    /// A line without what log shippers put in front.
    pub fn own<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        self.prefix.as_ref().map_or(line, |prefix| prefix.strip(line))
    }

    /// The same for the time from this moment on only, in milliseconds since the epoch.
    #[must_use]
    pub fn since(mut self, ms: i64) -> Self {
        self.choice.since = Some(self.choice.since.map_or(ms, |since| since.max(ms)));
        self
    }

    /// The same without the requests that began in these spans, as of [`Choice::excluded`].
    ///
    /// Attempts in flight and workers have lives over all of the time, so these are not kept. Of serial numbers those of
    /// clients are kept, so that none is taken for an upstream's.
    #[must_use]
    pub fn without(mut self, spans: &Arc<[(i64, i64)]>) -> Self {
        self.choice.excluded = Arc::clone(spans);
        (self.pools, self.workers) = (false, false);
        self
    }

    /// Did the request begin in a span that is left out?
    fn is_excluded(&self, fields: &Fields<'_>, ms: Option<i64>) -> bool {
        let Some(ms) = ms.filter(|_| !self.choice.excluded.is_empty()) else { return false };
        let begun = request(fields, Some(ms)).map_or(ms, |request| request.start);
        let at = self.choice.excluded.partition_point(|(_, to)| *to <= begun);
        self.choice.excluded.get(at).is_some_and(|(from, _)| *from <= begun)
    }

    /// Did the values of a line lie within the wanted span? Lines without a time do only when none was asked for.
    fn is_wanted(&self, ms: Option<i64>) -> bool {
        let Choice { since, until, .. } = self.choice;
        match ms {
            Some(ms) => {
                since.is_none_or(|since| ms >= since) && until.is_none_or(|until| ms < until)
            }
            None => since.is_none() && until.is_none(),
        }
    }
}

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
        let mut fields = Fields::EMPTY;
        let result = match recipe.tokenizer.tokenize_into(own, &mut fields) {
            Ok(()) => self.fields(recipe, own, &fields, place),
            Err(mismatch) => Err(mismatch),
        };
        result.map_err(|mismatch| malformed(mismatch, line.len() - own.len(), place.malformed()))
    }

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
