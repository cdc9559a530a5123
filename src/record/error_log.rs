//! What nginx's error log tells of its processes: reloads, restarts, workers that come and go.
//!
//! nginx writes these lines at level notice, a crash at alert and a broken configuration at emerg; the default level is
//! error, so most error logs hold crashes only. Other lines repeat what clients sent, so a line counts only if all of it
//! is one of nginx's own fixed texts, right behind `YYYY/MM/DD HH:MM:SS [level] PID#TID: ` and without the `*N` of a
//! client connection. That is no proof: nginx writes decoded file names as they are (`open() "..." failed`), so a client
//! may write whole lines with `%0A`. Events are evidence to be held against the access log, not the truth.

use super::number::integer;
use super::time;
use crate::error::{Error, ErrorKind, Result};
use regex_automata::meta::Regex;
use regex_automata::util::captures::Captures;
use regex_automata::{Anchored, Input, PatternID};
use serde::{Deserialize, Serialize};

/// A second of the local clock that wrote a log, counted from 1970-01-01T00:00:00 of that clock; up to the year 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LocalSecond(pub i64);

impl LocalSecond {
    /// Its beginning in milliseconds since the epoch, for a clock so many seconds ahead of UTC.
    pub fn utc_ms(self, offset_seconds: i64) -> i64 {
        self.0.saturating_sub(offset_seconds).saturating_mul(1000)
    }
}

/// What happened. The log tells whole seconds only; kinds stand in the order in which they follow one another where
/// they share a second.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// A process was told to stop: by QUIT, TERM or INT. Workers log it too, if the signal was sent to them.
    Stop,
    /// An `[emerg]` line. Behind a reload of the same process: the new configuration can't be used and the old one
    /// stays (`ngx_init_cycle`).
    FailedReload,
    /// HUP: the master reads its configuration again.
    Reload,
    /// USR2: the master starts a new binary, whose pid is told by `start new binary process`.
    Upgrade,
    /// USR1: log files are opened again, by the master and by each worker.
    ReopenLogs,
    /// A worker ended by itself.
    WorkerExited {
        /// Its exit status.
        code: u8,
    },
    /// A worker was ended by a signal: it crashed, or somebody killed it.
    WorkerKilled {
        /// The signal's number.
        signal: u8,
    },
    /// nginx started. Its pid is that of the master only if it stays in the foreground (`daemon off`, or a new binary).
    Start {
        /// Such as `nginx/1.22.1`, with the build's name in parentheses if it has one.
        version: Box<str>,
    },
    /// The master started a worker.
    WorkerStarted,
    /// A worker takes no more connections, finishes its requests and exits (`gracefully shutting down`). After a reload
    /// this is 100 ms after the new workers began (`ngx_master_process_cycle`).
    WorkerLeaving,
}

/// One event, as one line tells it. `signal 1 (SIGHUP) received from N, reconfiguring` and `reconfiguring` are equal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ErrorLogEvent {
    /// When the line was written, by the clock that its process read last (`ngx_cached_err_log_time`). A master that
    /// takes long to read its configuration stamps the start of workers with the time when it began.
    pub at: LocalSecond,
    /// What happened.
    pub kind: Kind,
    /// The process that wrote the line.
    pub pid: u64,
    /// The process that the line tells of: a worker, or a new binary.
    pub about: Option<u64>,
}

/// How a line begins, up to its level.
const STAMP: &str = r"(\d{4})/(\d\d)/(\d\d) (\d\d:\d\d:\d\d) ";

/// nginx's texts (`ngx_signal_handler`, `ngx_process_get_status`, `ngx_spawn_process`, `ngx_os_status`,
/// `ngx_master_process_cycle`, `ngx_worker_process_cycle`), in the order of [`event_of`].
const TEXTS: &[(&str, &str)] = &[
    ("notice", r"(?:signal \d{1,3} \(SIGHUP\) received(?: from \d{1,10})?, )?reconfiguring\z"),
    ("notice", r"start worker process (\d{1,10})\z"),
    ("notice", r"worker process (\d{1,10}) exited with code (\d{1,3})\z"),
    ("alert", r"worker process (\d{1,10}) exited on signal (\d{1,3})(?: \(core dumped\))?\z"),
    ("notice", r"(?:signal \d{1,3} \(SIGUSR1\) received(?: from \d{1,10})?, )?reopening logs\z"),
    ("notice", r"(?:signal \d{1,3} \(SIGUSR2\) received(?: from \d{1,10})?, )?changing binary\z"),
    ("notice", r"start new binary process (\d{1,10})\z"),
    (
        "notice",
        r"signal \d{1,3} \(SIG(?:QUIT|TERM|INT)\) received(?: from \d{1,10})?, (?:shutting down|exiting)\z",
    ),
    (
        "notice",
        r"((?:nginx|freenginx|openresty|Angie|Tengine)/\d[0-9A-Za-z.+_-]{0,31}(?: \([!-~]{1,64}\))?)\z",
    ),
    ("notice", r"gracefully shutting down\z"),
    ("emerg", r"[^*\x00-\x1F]"),
    ("(?:stderr|emerg|alert|crit|error|warn|notice|info|debug)", ""),
];

/// Recognises the lines of an error log.
#[derive(Debug, Clone)]
pub struct ErrorLog {
    texts: Regex,
}

impl ErrorLog {
    /// Compiles the texts; once for all lines.
    ///
    /// # Errors
    /// None that a user can cause: the patterns are constants.
    pub fn new() -> Result<Self> {
        let patterns: Vec<String> = TEXTS
            .iter()
            .map(|(level, text)| format!(r"{STAMP}\[{level}\] (\d{{1,10}})#\d{{1,20}}: {text}"))
            .collect();
        let texts = Regex::builder()
            .configure(Regex::config().utf8_empty(false))
            .syntax(regex_automata::util::syntax::Config::new().utf8(false).unicode(false))
            .build_many(&patterns)
            .map_err(|error| Error::new(ErrorKind::Syntax, format!("error log: {error}")))?;
        Ok(ErrorLog { texts })
    }

    /// Is this a line of an error log, whatever it tells?
    pub fn fits(&self, line: &[u8]) -> bool {
        self.pattern(line).is_some()
    }

    /// The event that a line tells of, if any. The line comes without its end, and without what log shippers put in
    /// front.
    pub fn event(&self, line: &[u8]) -> Option<ErrorLogEvent> {
        let pattern = self.pattern(line)?;
        if pattern.as_usize() + 1 == TEXTS.len() {
            return None;
        }
        let mut found = self.texts.create_captures();
        self.texts.captures(input(line), &mut found);
        event_of(pattern, &Groups { line, found: &found })
    }

    fn pattern(&self, line: &[u8]) -> Option<PatternID> {
        self.texts.search_half(&input(line)).map(|found| found.pattern())
    }
}

fn input(line: &[u8]) -> Input<'_> {
    Input::new(line).anchored(Anchored::Yes)
}

/// The groups of a match: year, month, day, time, pid, and those of the text.
struct Groups<'a> {
    line: &'a [u8],
    found: &'a Captures,
}

impl<'a> Groups<'a> {
    fn text(&self, group: usize) -> Option<&'a [u8]> {
        self.line.get(self.found.get_group(group)?.range())
    }

    fn number(&self, group: usize) -> Option<u64> {
        integer(self.text(group)?)
    }

    fn small(&self, group: usize) -> Option<u8> {
        self.number(group)?.try_into().ok()
    }

    fn at(&self) -> Option<LocalSecond> {
        let date = |group| i64::try_from(self.number(group)?).ok();
        let ms = time::at(date(1)?, date(2)?, date(3)?, self.text(4)?, b"")?;
        Some(LocalSecond(ms / 1000))
    }
}

fn event_of(pattern: PatternID, groups: &Groups<'_>) -> Option<ErrorLogEvent> {
    let version = || Some(str::from_utf8(groups.text(6)?).ok()?.into());
    let (kind, about) = match pattern.as_usize() {
        0 => (Kind::Reload, None),
        1 => (Kind::WorkerStarted, Some(groups.number(6)?)),
        2 => (Kind::WorkerExited { code: groups.small(7)? }, Some(groups.number(6)?)),
        3 => (Kind::WorkerKilled { signal: groups.small(7)? }, Some(groups.number(6)?)),
        4 => (Kind::ReopenLogs, None),
        5 => (Kind::Upgrade, None),
        6 => (Kind::Upgrade, Some(groups.number(6)?)),
        7 => (Kind::Stop, None),
        8 => (Kind::Start { version: version()? }, None),
        9 => (Kind::WorkerLeaving, None),
        _ => (Kind::FailedReload, None),
    };
    Some(ErrorLogEvent { at: groups.at()?, kind, pid: groups.number(5)?, about })
}

#[cfg(test)]
mod tests;
