//! `--error-log`: what nginx's error logs tell of reloads and restarts.

use super::args::ReportArgs;
use super::message::Messages;
use super::report::{called, logs};
use crate::detect::zone_of;
use crate::error::{Error, ErrorKind, Result};

use crate::input::{Buffer, Lines, Source, discover, plan, sample};
use crate::log_format::LogFormat;
use crate::record::error_log::{ErrorLog, Kind};
use crate::summary::events::{Events, MAX_EVENTS};
use crate::tokenizer::prefix::Prefix;
use std::path::Path;

/// Bytes at the end of an access log that are looked through for the zone then.
const LAST_BYTES: u64 = 64 << 10;

/// Bytes of a log that are looked at to see whether it is an error log.
const SAMPLE_BYTES: usize = 64 << 10;

/// Lines of these that known prefixes are looked for in.
const PREFIX_LINES: usize = 8;

/// What access logs tell of the clock that error logs were stamped by.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// Moments in milliseconds since the epoch, and how many seconds the zone was ahead of UTC then.
    pub(super) zones: Vec<(i64, i64)>,
    /// One of them logs `$pid`, so that workers show when they began.
    pub(super) has_pids: bool,
}

/// The zone of the last lines of a plain file: a log may go on over the change to summer time.
pub(super) fn last_zone(
    source: &Source,
    format: &LogFormat,
    prefix: Option<&Prefix>,
) -> Option<(i64, i64)> {
    source.plain_size()?;
    let tasks = plan(std::slice::from_ref(source), LAST_BYTES);
    let mut buffer = Buffer::new();
    let mut last = Vec::new();
    // The very last piece may be the rest of one line.
    for task in tasks.iter().rev().take(2).rev() {
        let mut reader = task.open(&mut buffer).ok()?;
        while let Ok(Some(block)) = reader.next_block() {
            last.extend_from_slice(block.bytes);
        }
    }
    let mut lines: Vec<&[u8]> = Lines::new(&last).map(|line| line.bytes).collect();
    lines.reverse();
    zone_of(format, prefix, &lines)
}

/// Reads all error logs. One that can't be read is said and the others go on.
/// # Errors
/// None that a user can cause.
pub(super) fn read(args: &ReportArgs, clock: &Clock, messages: &mut Messages) -> Result<Events> {
    let mut events = Events::default();
    if args.error_log.is_empty() {
        return Ok(events);
    }
    for &(ms, offset) in &clock.zones {
        events.record_zone(ms, offset);
    }
    let found = discover(&args.error_log);
    found.warnings.iter().for_each(|warning| messages.warning(warning));
    found.errors.iter().for_each(|error| messages.error(error));
    let error_log = ErrorLog::new()?;
    let mut buffer = Buffer::new();
    let mut names = Vec::new();
    for source in found.sources {
        match read_one(source, &error_log, &mut buffer, &mut events, messages) {
            Ok(name) => names.push(name),
            Err(error) => messages.error(&error),
        }
    }
    if events.is_cut() {
        messages.warning(&format!(
            "more than {MAX_EVENTS} reloads, restarts and workers in the error logs: only the newest are used"
        ));
    }
    if clock.zones.is_empty() && !clock.has_pids && !events.is_empty() {
        messages.note(
            "error logs name no zone, nor do these access logs ($time_local, $time_iso8601): this machine's is taken",
        );
    }
    let told_at_error =
        |kind: &Kind| matches!(kind, Kind::WorkerKilled { .. } | Kind::FailedReload);
    if !names.is_empty() && events.iter().all(|event| told_at_error(&event.kind)) {
        messages.note(&format!(
            "no reload or restart in {}: nginx logs them at level notice (error_log FILE notice;)",
            logs(&names, names.len())
        ));
    }
    Ok(events)
}

/// Can these be error logs, in a run over `inputs`? To be asked before anything is read.
///
/// # Errors
/// A folder, or stdin that is something else already.
pub(super) fn check(args: &ReportArgs, inputs: &[String]) -> Result<()> {
    let is_stdin = |name: &str| matches!(name, "-" | "/dev/stdin");
    let others = inputs.iter().chain(&args.format.nginx_conf);
    if args.error_log.iter().any(|log| is_stdin(log))
        && others.into_iter().any(|name| is_stdin(name))
    {
        let message = "stdin can't be both an error log and something else";
        return Err(Error::new(ErrorKind::Usage, message).with_hint("name the file instead of -"));
    }
    match args.error_log.iter().find(|log| Path::new(log).is_dir()) {
        Some(folder) => {
            let message =
                format!("--error-log: expected a file or a pattern, found a folder: {folder}");
            let hint = format!("--error-log '{}/error.log*'", folder.trim_end_matches('/'));
            Err(Error::new(ErrorKind::Usage, message).with_hint(hint))
        }
        None => Ok(()),
    }
}

/// Adds the events of one log, and gives its name.
fn read_one(
    source: Source,
    error_log: &ErrorLog,
    buffer: &mut Buffer,
    events: &mut Events,
    messages: &Messages,
) -> Result<String> {
    let name = source.name().to_owned();
    let sample = sample(&source, usize::MAX, SAMPLE_BYTES)?;
    let lines: Vec<&[u8]> = sample.lines().map(|line| line.bytes).collect();
    let prefix = prefix(error_log, &lines)?;
    let prefix = prefix.as_ref();
    let is_empty = sample.bytes.is_empty() && sample.complete;
    if !is_empty && !lines.iter().any(|line| error_log.fits(own(prefix, line))) {
        let (name, size) = (called(&name), SAMPLE_BYTES >> 10);
        let message = format!(
            "{name}: expected an nginx error log, found no line of one in the first {size} kB"
        );
        return Err(Error::new(ErrorKind::Input, message).with_hint(
            "--error-log takes the file that nginx.conf's `error_log` names; access logs go without it",
        ));
    }
    for task in plan(&[source], u64::MAX) {
        let mut reader = task.open(buffer)?;
        while let Some(block) = reader.next_block()? {
            // nginx writes whole lines: one without its end is cut, and so may be the pid at its end.
            let whole = memchr::memrchr(b'\n', block.bytes).map_or(0, |newline| newline + 1);
            for line in Lines::new(&block.bytes[..whole]) {
                if let Some(event) = error_log.event(own(prefix, line.bytes)) {
                    events.record(event);
                }
            }
        }
        if let Some(warning) = reader.summary().warning {
            messages.warning(&warning);
        }
    }
    Ok(name)
}

/// A line without what stands in front of it.
fn own<'a>(prefix: Option<&Prefix>, line: &'a [u8]) -> &'a [u8] {
    prefix.map_or(line, |prefix| prefix.strip(line))
}

/// What log shippers put in front of each line: the prefix without which most lines fit.
fn prefix(error_log: &ErrorLog, lines: &[&[u8]]) -> Result<Option<Prefix>> {
    let fits = |prefix: Option<&Prefix>| {
        lines.iter().filter(|line| error_log.fits(own(prefix, line))).count()
    };
    let mut best = (fits(None), None);
    for line in lines.iter().take(PREFIX_LINES) {
        if best.0 == lines.len() {
            break;
        }
        for prefix in Prefix::candidates(line)? {
            let count = fits(Some(&prefix));
            if count > best.0 {
                best = (count, Some(prefix));
            }
        }
    }
    Ok(best.1)
}
