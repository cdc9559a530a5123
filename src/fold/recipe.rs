//! How the lines of a source are read, and what is asked of them.

use super::request::request;
use crate::detect::Detected;
use crate::log_format::LogFormat;
use crate::log_format::variable::Field;
use crate::tokenizer::prefix::Prefix;
use crate::tokenizer::{Fields, Tokenizer, Wanted};
use regex_automata::meta::Regex;
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
    pub(super) tokenizer: Tokenizer,
    pub(super) prefix: Option<Prefix>,
    pub(super) choice: Choice,
    /// The log that the source is a part of: rotated files of one log share their workers.
    pub(super) log: Arc<str>,
    /// Lines of several hosts are told apart by `$hostname`: each host has its own workers and serial numbers.
    pub(super) by_host: bool,
    pub(super) serials: bool,
    pub(super) pools: bool,
    pub(super) workers: bool,
    /// All of that is kept, and groups are called what the log calls them.
    pub(super) is_usual: bool,
    /// The wanted span of time as of `choice`, for such lines.
    wanted: Within,
}

/// A span of time, in milliseconds since the epoch: from which moment on, and how long. One comparison tells what is in it.
#[derive(Debug, Clone, Copy)]
struct Within {
    from: u64,
    length: u64,
}

impl Within {
    /// That of a choice. Times up to the epoch and `i64::MAX` are left to `is_wanted`, even if they are wanted.
    fn of(choice: &Choice) -> Self {
        let from = choice.since.unwrap_or(1).max(1).cast_unsigned();
        let until = choice.until.unwrap_or(i64::MAX).max(0).cast_unsigned();
        Within { from, length: until.saturating_sub(from) }
    }
}

/// Times of a line, the most exact one first.
pub(super) const TIMES: [Field; 3] = [Field::Msec, Field::TimeIso8601, Field::TimeLocal];

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
        let is_usual = serials
            && pools
            && workers
            && choice.group.is_none()
            && choice.excluded.is_empty()
            && !matches!(choice.by, By::Variable(_));
        let (log, wanted) = (log.into(), Within::of(&choice));
        Recipe {
            tokenizer,
            prefix,
            choice,
            log,
            by_host,
            serials,
            pools,
            workers,
            is_usual,
            wanted,
        }
    }

    /// The same for a format that was detected.
    pub fn of_detected(detected: &Detected, choice: Choice, log: &str) -> Self {
        Recipe::new(&detected.format, detected.prefix.clone(), choice, log)
    }

    /// A line without what log shippers put in front.
    #[inline]
    pub fn own<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        self.prefix.as_ref().map_or(line, |prefix| prefix.strip(line))
    }

    /// The same for the time from this moment on only, in milliseconds since the epoch.
    #[must_use]
    pub fn since(mut self, ms: i64) -> Self {
        self.choice.since = Some(self.choice.since.map_or(ms, |since| since.max(ms)));
        self.wanted = Within::of(&self.choice);
        self
    }

    /// The same without the requests that began in these spans, as of [`Choice::excluded`].
    ///
    /// Attempts in flight and workers have lives over all of the time, so these are not kept. Of serial numbers those of
    /// clients are kept, so that none is taken for an upstream's.
    #[must_use]
    pub fn without(mut self, spans: &Arc<[(i64, i64)]>) -> Self {
        self.choice.excluded = Arc::clone(spans);
        (self.pools, self.workers, self.is_usual) = (false, false, false);
        self
    }

    /// Is anything asked of requests?
    #[inline]
    pub(super) fn is_asked(&self) -> bool {
        self.serials || self.pools || self.workers
    }

    /// Did the request begin in a span that is left out?
    #[inline]
    pub(super) fn is_excluded(&self, fields: &Fields<'_>, ms: Option<i64>) -> bool {
        !self.choice.excluded.is_empty() && ms.is_some_and(|ms| self.excludes(fields, ms))
    }

    #[cold]
    fn excludes(&self, fields: &Fields<'_>, ms: i64) -> bool {
        let begun = request(fields, Some(ms)).map_or(ms, |request| request.start);
        let at = self.choice.excluded.partition_point(|(_, to)| *to <= begun);
        self.choice.excluded.get(at).is_some_and(|(from, _)| *from <= begun)
    }

    /// Is this moment after the epoch, and one that is wanted? None where it is not, or where [`Recipe::is_wanted`] has to
    /// tell.
    #[inline]
    pub(super) fn surely_wanted(&self, ms: u64) -> Option<i64> {
        let is_wanted = ms.wrapping_sub(self.wanted.from) < self.wanted.length;
        if is_wanted { i64::try_from(ms).ok() } else { None }
    }

    /// Did the values of a line lie within the wanted span? Lines without a time do only when none was asked for.
    #[inline]
    pub(super) fn is_wanted(&self, ms: Option<i64>) -> bool {
        let Choice { since, until, .. } = self.choice;
        match ms {
            Some(ms) => {
                since.is_none_or(|since| ms >= since) && until.is_none_or(|until| ms < until)
            }
            None => since.is_none() && until.is_none(),
        }
    }
}
