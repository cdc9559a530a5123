//! Lines into a summary: the one engine behind batch, live and cluster runs. Pure: bytes in, counts out.

mod hosts;

use crate::detect::Detected;
use crate::log_format::LogFormat;
use crate::log_format::variable::Field;
use crate::record::Reject;
use crate::record::attempt::{Attempt, Outcome, attempts};
use crate::record::number::{integer, millis};
use crate::record::time::{Clock, msec};
use crate::summary::Summary;
use crate::summary::keys::Key;
use crate::summary::peer::started;
use crate::summary::pool::{Flight, Recent, SLACK_MS};
use crate::summary::serials::Seen;
use crate::tokenizer::prefix::Prefix;
use crate::tokenizer::{Expected, Fields, Mismatch, Tokenizer, Wanted};
use hosts::Hosts;
use regex_automata::meta::Regex;
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
}

/// How to read the lines of one source. Compiled once, shared by all workers.
#[derive(Debug, Clone)]
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
    if logs_serials(format) || logs_flights(format) {
        fields.extend([Field::Pid, Field::RequestTime]);
    }
    if logs_serials(format) {
        fields.extend([Field::Connection, Field::ConnectionRequests, Field::ConnectionTime]);
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
        // nginx's own host, and no word of a client's (`ngx_http_variable_hostname`).
        let by_host = matches!(&choice.by, By::Variable(name) if name == "hostname");
        Recipe { tokenizer, prefix, choice, log: log.into(), by_host, serials, pools }
    }

    /// The same for a format that was detected.
    pub fn of_detected(detected: &Detected, choice: Choice, log: &str) -> Self {
        Recipe::new(&detected.format, detected.prefix.clone(), choice, log)
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

/// Folds lines into a summary.
#[derive(Debug, Clone, Default)]
pub struct Fold {
    /// What was found so far.
    pub summary: Summary,
    clock: Clock,
    /// The workers that wrote the last lines, and often the next ones too.
    workers: Recent,
    /// The hosts that wrote them, with `--by '$hostname'`.
    hosts: Hosts,
}

impl Fold {
    /// Takes in a line without its newline. Empty lines are passed over.
    ///
    /// # Errors
    /// The line does not fit; it is counted as malformed. The column is that of the whole line.
    #[inline]
    pub fn line(&mut self, recipe: &Recipe, line: &[u8]) -> Result<(), Mismatch> {
        if line.is_empty() {
            return Ok(());
        }
        self.summary.lines.lines += 1;
        let own = recipe.prefix.as_ref().map_or(line, |prefix| prefix.strip(line));
        let result = match recipe.tokenizer.tokenize(own) {
            Ok(fields) => self.fields(recipe, own, &fields),
            Err(mismatch) => Err(mismatch),
        };
        result.map_err(|mismatch| self.malformed(mismatch, line.len() - own.len()))
    }

    #[cold]
    fn malformed(&mut self, mut mismatch: Mismatch, prefix: usize) -> Mismatch {
        self.summary.lines.malformed += 1;
        mismatch.column += prefix;
        mismatch
    }

    #[inline]
    fn fields(
        &mut self,
        recipe: &Recipe,
        line: &[u8],
        fields: &Fields<'_>,
    ) -> Result<(), Mismatch> {
        let ms = self.time(fields).map_err(|reject| mismatch(reject, line))?;
        let summary = &mut self.summary;
        if !recipe.is_wanted(ms) {
            // Still a line that must make sense.
            attempts(fields, |_| ()).map_err(|reject| mismatch(reject, line))?;
            summary.lines.filtered += 1;
            return Ok(());
        }
        let name = group_name(&recipe.choice, fields);
        let request = if recipe.serials || recipe.pools { request(fields, ms) } else { None };
        let seen = request.filter(|_| recipe.serials).and_then(|request| request.seen(fields));
        let in_flight = request
            .filter(|_| recipe.pools)
            .map(|request| (self.workers.of(&recipe.log, request.pid), request.gap(fields)));
        let is_detailed = summary.is_detailed();
        let Summary { peers, serials, .. } = summary;
        let mut counter = match (&request, &seen) {
            (Some(request), Some(_)) if recipe.by_host => {
                let host = fields.get(Field::Group).unwrap_or_default();
                serials.counter(self.hosts.log_of(&recipe.log, host), request.pid)
            }
            (Some(request), Some(_)) => serials.counter(&recipe.log, request.pid),
            _ => None,
        };
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
            if let Some((worker, gap)) = in_flight
                && is_detailed
                && let Some(flight) = flight(&attempt, start, gap)
                && let Some(pool) = peer.pools.of(worker)
            {
                pool.record(flight);
            }
            // The next try begins where this one ended.
            start += i64::from(attempt.response_ms.unwrap_or(0));
        })
        .map_err(|reject| mismatch(reject, line))?;
        if let (Some(counter), Some(seen)) = (counter, seen) {
            counter.record(seen);
        }
        summary.bound_detail();
        summary.lines.matched += 1;
        summary.lines.without_upstream += u64::from(count == 0);
        if let Some(ms) = ms {
            summary.span.record(ms);
        }
        Ok(())
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

/// The request that a line tells of.
#[derive(Debug, Clone, Copy)]
struct Request {
    pid: Option<u64>,
    /// When it began, in milliseconds since the epoch: its first attempt can't have begun before.
    start: i64,
    /// When the line was written.
    end: i64,
}

/// None where the line lacks a time.
#[inline]
fn request(fields: &Fields<'_>, ms: Option<i64>) -> Option<Request> {
    let end = ms?;
    let start = end - i64::from(millis(fields.get(Field::RequestTime)?)?);
    Some(Request { pid: fields.get(Field::Pid).and_then(integer), start, end })
}

impl Request {
    /// Its part in the account of serial numbers; none where the line lacks the number.
    #[inline]
    fn seen(self, fields: &Fields<'_>) -> Option<Seen> {
        let serial = integer(fields.get(Field::Connection)?)?;
        let request = fields.get(Field::ConnectionRequests).and_then(integer);
        let age = fields.get(Field::ConnectionTime).and_then(millis);
        let accepted_ms = match (age, request) {
            (Some(age), _) => Some(self.end - i64::from(age)),
            (None, Some(1) | None) => Some(self.start),
            (None, Some(_)) => None,
        };
        let whole_second = self.end % 1000 == 0;
        Some(Seen { serial, request, accepted_ms, whole_second })
    }

    /// Milliseconds of the request that its attempts do not explain: reading its body, sending the response. So much
    /// later than the sum of those before it may an attempt have begun. Below 0 the clocks disagree.
    #[inline]
    fn gap(self, fields: &Fields<'_>) -> i64 {
        let list = fields.get(Field::ResponseTime).unwrap_or_default();
        let attempts_ms = match millis(list) {
            Some(ms) => i64::from(ms),
            None => {
                list.split(|byte| b", :".contains(byte)).filter_map(millis).map(i64::from).sum()
            }
        };
        self.end - self.start - attempts_ms
    }
}

/// The time that an attempt spent on a connection, if it got one; `gap` is its request's.
#[inline]
fn flight(attempt: &Attempt<'_>, earliest_start: i64, gap: i64) -> Option<Flight> {
    let new = match attempt.outcome {
        Outcome::New => true,
        Outcome::Undecided => false,
        Outcome::Failed | Outcome::NoLive => return None,
    };
    let latest_start = earliest_start + gap.max(0);
    // Attempts take no longer than their request, but for the clocks' slack.
    let lasted = attempt.response_ms.filter(|_| gap >= -SLACK_MS);
    Some(Flight { earliest_start, latest_start, lasted, new })
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
