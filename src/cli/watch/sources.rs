//! Where a live run reads, and how.

use super::settings::Settings;
use crate::cli::choose::{Chosen, Formats};
use crate::cli::log_name::log_of;
use crate::cli::message::Messages;
use crate::cli::report::check;
use crate::error::{Error, ErrorKind, Result};
use crate::fold::{Choice, Recipe};
use crate::input::follow::{Follower, Options, Position};
use crate::input::{Listener, Stream, discover};
use crate::pipeline::live::{Inputs, Reading};
use crate::record::error_log::ErrorLog;
use crate::tokenizer::prefix::Prefix;
use std::io::IsTerminal;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::Arc;

/// The most files that are followed at a time: each is looked at five times a second.
const MAX_FILES: usize = 4_096;

/// Descriptors for all else: the state, the metrics, sockets, webhooks.
const SPARE: usize = 64;

/// This moment, in milliseconds since the epoch.
#[expect(clippy::disallowed_methods, reason = "the clock of a live run")]
pub(super) fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.ok().and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or(0)
}

/// The inputs, or stdin where something is piped in and nothing else is named.
///
/// # Errors
/// There is nothing to read.
pub(super) fn names(settings: &Settings) -> Result<Vec<String>> {
    if !settings.inputs.is_empty() || !settings.syslog.is_empty() {
        return Ok(settings.inputs.clone());
    }
    if std::io::stdin().is_terminal() {
        return Err(Error::new(ErrorKind::Usage, "nothing to watch").with_hint(
            "keepwarm watch /var/log/nginx/access.log, or --syslog; see keepwarm watch --help",
        ));
    }
    Ok(vec!["-".to_owned()])
}

/// Opens everything; files are read on from `positions`.
///
/// # Errors
/// Something can't be opened, but for files: these are waited for.
pub(super) fn open(
    settings: &Settings,
    inputs: &[String],
    positions: &[Position],
) -> Result<Inputs> {
    let mut opened = Inputs::default();
    let mut files: Vec<String> = Vec::new();
    for input in inputs.iter().chain(&settings.error_log) {
        let is_pipe = Path::new(input).metadata().is_ok_and(|found| found.file_type().is_fifo());
        if input == "-" {
            opened.streams.push(Stream::stdin()?);
        } else if is_pipe {
            opened.streams.push(Stream::named(Path::new(input))?);
        } else {
            files.push(input.clone());
        }
    }
    if !files.is_empty() {
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let from_beginning = settings.from_start;
        let options = Options { from_beginning, max_open: max_open(&limits), ..Options::default() };
        opened.files = Some(Follower::resume(&files, options, positions, 0)?);
    }
    for address in &settings.syslog {
        opened.listeners.push(listener(address)?);
    }
    Ok(opened)
}

/// How many files may be followed at a time, by `/proc/self/limits`.
fn max_open(limits: &str) -> usize {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next());
    let soft = soft.and_then(|soft| soft.parse::<usize>().ok()).unwrap_or(usize::MAX);
    soft.saturating_sub(SPARE).clamp(1, MAX_FILES)
}

/// `udp:127.0.0.1:5140` or `unix:/run/keepwarm.sock`.
fn listener(address: &str) -> Result<Listener> {
    let wrong = || {
        Error::new(ErrorKind::Usage, format!("--syslog: expected udp:ADDRESS:PORT or unix:PATH, found: {address}"))
            .with_hint("--syslog udp:127.0.0.1:5140, and in nginx.conf: access_log syslog:server=127.0.0.1:5140")
    };
    if let Some(path) = address.strip_prefix("unix:") {
        return Listener::bind_unix(Path::new(path));
    }
    let udp = address.strip_prefix("udp:").ok_or_else(wrong)?;
    Listener::bind_udp(udp.parse().map_err(|_| wrong())?)
}

/// How to read a source, by its name and first lines.
///
/// A file may be followed from its end, where there is a line or two so far: then its beginning tells more.
pub(super) fn chooser(
    formats: &Formats,
    settings: &Settings,
    error_log: &ErrorLog,
    messages: Messages,
) -> impl Fn(&str, &[&[u8]]) -> Result<Option<Reading>> + Sync {
    let choice = Choice::default();
    move |name: &str, lines: &[&[u8]]| {
        let file = Path::new(name).is_file();
        // One file holds one kind of log; what comes by syslog may be of both.
        let is_error = |line: &&&[u8]| error_log.fits(line);
        let has_errors = || 2 * lines.iter().filter(is_error).count() > lines.len();
        if settings.error_log.iter().any(|log| log == name) || (file && has_errors()) {
            return Ok(Some(Reading::Errors));
        }
        let source =
            file.then(|| discover(&[name.to_owned()]).sources).into_iter().flatten().next();
        let chosen = match &source {
            Some(source) => formats.choose(source)?,
            None => formats.choose_for(name, lines)?,
        };
        let Some(Chosen { format, prefix, said, .. }) = chosen else { return Ok(None) };
        if let Err(error) = check(name, &format, &choice) {
            messages.warning(error.message());
            return Ok(Some(Reading::Nothing));
        }
        said.say(name, &messages);
        let recipe = |prefix: Option<Prefix>| {
            Arc::new(Recipe::new(&format, prefix, choice.clone(), &log_of(name)))
        };
        Ok(Some(Reading::Access(recipe(prefix))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_leave_descriptors_for_all_else() {
        let limits =
            |soft: &str| format!("Limit\nMax open files   {soft}   524288   files\nMax x 1\n");
        for (soft, expected) in [("1024", 960), ("65536", 4_096), ("unlimited", 4_096), ("10", 1)] {
            assert_eq!(max_open(&limits(soft)), expected, "{soft}");
        }
        assert_eq!(max_open(""), 4_096);
    }
}
