//! `keepwarm report`: batch over files.

use super::args::{Color, Output, ReportArgs, SortBy};
use super::choose::{Chosen, Formats, Said};
use super::error_logs::Clock;
use super::latency;
use super::log_name::log_of;
use super::message::Messages;
use super::progress::Progress;
use super::{Exit, error_logs, not_over, percent_of_reuse, steady, to_stdout, when};
use crate::analysis::report::{InputStats, Report, Severity};
use crate::analysis::{Policy, Sort, analyse_with_cold};
use crate::error::{Error, ErrorKind, Result};
use crate::fold::{By, Choice, Recipe};
use crate::input::{CHUNK, Source, discover, plan};
use crate::log_format::LogFormat;
use crate::log_format::variable::Field;
use crate::pipeline::{Batch, batch_watched};
use crate::render::{self, Format, Options};
use regex_automata::meta::Regex;
use std::cell::LazyCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write, stdin, stdout};
use std::sync::Arc;

/// No input has a line.
const NOTHING: &str = "nothing to read: every input is empty";

/// Runs the command.
///
/// # Errors
/// What ends the run; sources that fail are said and the others go on.
pub(super) fn run(args: &ReportArgs, messages: &mut Messages) -> Result<Exit> {
    let inputs = inputs(args)?;
    error_logs::check(args, &inputs)?;
    let read_too = args.error_log.iter().chain(&args.format.nginx_conf);
    not_over("--invalid-out", args.invalid_out.as_deref(), inputs.iter().chain(read_too))?;
    let formats = Formats::new(&args.format, &inputs)?;
    let choice = choice(args)?;
    let found = discover(&inputs);
    let mut latencies = latency::parse(&args.connect_latency)?;
    found.warnings.iter().for_each(|warning| messages.warning(warning));
    found.errors.iter().for_each(|error| messages.error(error));
    steady::check(args, &found.sources)?;
    let Prepared { sources, recipes, clock } =
        prepare(found.sources, &formats, &choice, args, messages)?;
    let events = error_logs::read(args, &clock, messages)?;
    let mut batch = read(args, &sources, &recipes, messages)?;
    batch.summary.events = events.clone();
    let input = input_stats(&sources, &batch);
    if input.matched == 0 {
        return if messages.had_errors() && input.lines == 0 {
            Ok(Exit::Trouble)
        } else {
            Err(nothing(&input))
        };
    }
    let bad = input.malformed + input.too_long;
    let names = formats.upstream_names();
    latency::warn_of_unknown(&latencies, &batch.summary, &names, messages);
    if args.probe {
        latency::probe(&mut latencies, &batch.summary, messages);
    }
    let policy = Policy {
        min_hit_rate: args.min_hit_rate / 100.0,
        min_attempts: args.min_attempts,
        names,
        by_peer: choice.by == By::Peer,
        sort: match args.sort {
            SortBy::Worst => Sort::Worst,
            SortBy::Attempts => Sort::Attempts,
            SortBy::New => Sort::New,
            SortBy::Name => Sort::Name,
        },
        connect_latency: latencies,
        number_takers: formats.number_takers(),
        utc_offset_seconds: utc_offset_seconds(args),
        excluded: Arc::default(),
        own_limits: BTreeMap::new(),
    };
    let (mut report, cold) = analyse_with_cold(batch.summary, input, &policy);
    if steady::is_wanted(args) {
        let logs = steady::Logs { sources: &sources, recipes, events };
        report = steady::part(args, logs, (report, &cold), &policy, messages)?;
    }
    show(args, &report)?;
    let alert = report.findings.iter().any(|finding| finding.severity == Severity::Alert);
    Ok(match alert {
        _ if messages.had_errors() || (args.strict && bad > 0) => Exit::Trouble,
        true => Exit::Finding,
        false => Exit::Fine,
    })
}

/// The inputs, or stdin where something is piped in.
fn inputs(args: &ReportArgs) -> Result<Vec<String>> {
    if !args.inputs.is_empty() {
        return Ok(args.inputs.clone());
    }
    if stdin().is_terminal() {
        return Err(Error::new(ErrorKind::Usage, "no log given").with_hint(
            "keepwarm report /var/log/nginx/access.log, or pipe one in; see keepwarm report --help",
        ));
    }
    Ok(vec!["-".to_owned()])
}

/// `--by`, `--group`, `--since` and `--until`.
fn choice(args: &ReportArgs) -> Result<Choice> {
    let by = match args.by.as_str() {
        "upstream" => By::Upstream,
        "peer" => By::Peer,
        other => match other.strip_prefix('$') {
            Some(name) if !name.is_empty() => {
                By::Variable(name.trim_matches(['{', '}']).to_owned())
            }
            _ => {
                let message =
                    format!("--by: expected upstream, peer or a variable, found: {other}");
                return Err(Error::new(ErrorKind::Usage, message).with_hint(
                    "variables need single quotes, or the shell replaces them: --by '$host'",
                ));
            }
        },
    };
    let group = args.group.as_deref().map(pattern).transpose()?;
    // To know the zone takes a walk through all of them: not where nobody asks.
    let now = LazyCell::new(jiff::Zoned::now);
    let time = |flag: &str, text: &Option<String>| {
        let Some(text) = text else { return Ok(None) };
        when::parse(text, &now).map(Some).map_err(|error| {
            let hint = error.hint().unwrap_or_default().to_owned();
            Error::new(ErrorKind::Usage, format!("{flag}: {}", error.message())).with_hint(hint)
        })
    };
    let since = args.since.clone().filter(|_| !steady::is_since_reload(args));
    let (since, until) = (time("--since", &since)?, time("--until", &args.until)?);
    if let (Some(since), Some(until)) = (since, until)
        && since >= until
    {
        return Err(Error::new(
            ErrorKind::Usage,
            "--since is not before --until: no line can match",
        ));
    }
    percent_of_reuse("--min-hit-rate", args.min_hit_rate)?;
    Ok(Choice { by, group, since, until, ..Choice::default() })
}

/// How far this machine's clock is ahead of UTC: 0 where there is no error log to read by it.
fn utc_offset_seconds(args: &ReportArgs) -> i64 {
    if args.error_log.is_empty() { 0 } else { jiff::Zoned::now().offset().seconds().into() }
}

fn pattern(text: &str) -> Result<Regex> {
    Regex::builder()
        .syntax(regex_automata::util::syntax::Config::new().utf8(false))
        .configure(Regex::config().utf8_empty(false))
        .build(text)
        .map_err(|error| {
            let why = std::error::Error::source(&error)
                .map_or_else(|| error.to_string(), ToString::to_string);
            Error::new(ErrorKind::Usage, format!("--group: {why}"))
        })
}

/// What is going to be read, and how.
struct Prepared {
    sources: Vec<Source>,
    /// One per source.
    recipes: Vec<Recipe>,
    clock: Clock,
}

/// Finds the format of each source. A source without one, or an empty one, is said and left out.
fn prepare(
    sources: Vec<Source>,
    formats: &Formats,
    choice: &Choice,
    args: &ReportArgs,
    messages: &mut Messages,
) -> Result<Prepared> {
    let mut kept = Vec::new();
    let mut clock = Clock::default();
    let mut recipes = Vec::new();
    let mut said: BTreeMap<Said, Vec<String>> = BTreeMap::new();
    for source in sources {
        let name = source.name();
        let chosen = formats.choose(&source).and_then(|chosen| match chosen {
            Some(chosen) => check(name, &chosen.format, choice).map(|()| Some(chosen)),
            None => Ok(None),
        });
        match chosen {
            Ok(Some(Chosen { format, prefix, zone, said: how })) => {
                clock.zones.extend(zone);
                if zone.is_some() && !args.error_log.is_empty() {
                    clock.zones.extend(error_logs::last_zone(&source, &format, prefix.as_ref()));
                }
                clock.has_pids |= format.logs("pid");
                said.entry(how).or_default().push(name.to_owned());
                recipes.push(Recipe::new(&format, prefix, choice.clone(), &log_of(name)));
                kept.push(source);
            }
            Ok(None) => messages.note(&Formats::nothing_in(&source)),
            Err(error) => messages.error(&error),
        }
    }
    for (how, names) in &said {
        how.say(&logs(names, kept.len()), messages);
    }
    if kept.is_empty() && !messages.had_errors() {
        return Err(Error::new(ErrorKind::Input, NOTHING));
    }
    Ok(Prepared { sources: kept, recipes, clock })
}

/// What some of `all` logs are called in a message.
pub(super) fn logs(names: &[String], all: usize) -> String {
    match names {
        [name] => called(name).to_owned(),
        _ if names.len() == all => format!("{all} logs"),
        [first, others @ ..] => format!("{first} and {} more", others.len()),
        [] => String::new(),
    }
}

/// What a log is called in a message.
pub(super) fn called(name: &str) -> &str {
    if name == "-" { "stdin" } else { name }
}

/// Can this format answer what was asked?
pub(super) fn check(name: &str, format: &LogFormat, choice: &Choice) -> Result<()> {
    let logs = |fields: &[Field]| {
        format.variables().filter_map(Field::of_variable).any(|field| fields.contains(&field))
    };
    let upstream = [
        Field::Addr,
        Field::ConnectTime,
        Field::HeaderTime,
        Field::ResponseTime,
        Field::UpstreamStatus,
    ];
    if !logs(&upstream) {
        let message = format!(
            "{name}: its format ({}) logs nothing of upstreams, so there is nothing to report",
            format.name
        );
        return Err(Error::new(ErrorKind::Input, message)
            .with_hint("`keepwarm formats` shows the log_format to use"));
    }
    if (choice.since.is_some() || choice.until.is_some())
        && !logs(&[Field::Msec, Field::TimeIso8601, Field::TimeLocal])
    {
        let message = format!(
            "{name}: its format ({}) logs no time, so --since and --until can't work",
            format.name
        );
        return Err(Error::new(ErrorKind::Usage, message));
    }
    match &choice.by {
        By::Variable(variable) if !format.logs(variable) => {
            let mut names: Vec<&str> =
                format.variables().filter(|name| *name != "unknown").collect();
            names.dedup();
            Err(Error::new(
                ErrorKind::Usage,
                format!("{name}: its format ({}) does not log ${variable}", format.name),
            )
            .with_hint(format!("it logs: ${}", names.join(" $"))))
        }
        _ => Ok(()),
    }
}

fn read(
    args: &ReportArgs,
    sources: &[Source],
    recipes: &[Recipe],
    messages: &mut Messages,
) -> Result<Batch> {
    let tasks = plan(sources, args.chunk.unwrap_or(CHUNK));
    let mut invalid = match &args.invalid_out {
        Some(path) => {
            let file = File::create(path).map_err(|error| Error::io(path.display(), &error))?;
            Some(BufWriter::new(file))
        }
        None => None,
    };
    let out = invalid.as_mut().map(|file| file as &mut (dyn Write + Send));
    // Of compressed logs and pipes nobody knows how long they will be.
    let total = sources.iter().map(Source::plain_size).sum();
    let progress = Progress::new(total, args.quiet);
    let found = batch_watched(&tasks, recipes, args.threads, out, &|bytes| progress.add(bytes))?;
    drop(progress);
    found.warnings.iter().for_each(|warning| messages.warning(warning));
    found.errors.iter().for_each(|error| messages.error(error));
    Ok(found)
}

pub(super) fn input_stats(sources: &[Source], batch: &Batch) -> InputStats {
    let lines = batch.summary.lines;
    InputStats {
        sources: sources.iter().map(|source| source.name().to_owned()).collect(),
        bytes: lines.bytes,
        lines: lines.lines,
        matched: lines.matched,
        without_upstream: lines.without_upstream,
        malformed: lines.malformed,
        too_long: lines.too_long,
        filtered: lines.filtered,
        excluded: lines.excluded,
        first_malformed: batch.first_malformed.clone(),
    }
}

/// No line counted: says why, and what to try.
fn nothing(input: &InputStats) -> Error {
    if input.lines == 0 {
        return Error::new(ErrorKind::Input, NOTHING);
    }
    if input.filtered > 0 {
        return Error::new(
            ErrorKind::Input,
            format!(
                "none of {} lines is from the time that --since and --until choose",
                input.lines
            ),
        )
        .with_hint("a time without a zone is local: add Z or +00:00 for UTC");
    }
    let first = input.first_malformed.as_ref().map_or_else(String::new, |line| {
        format!("; the first: {}:{}:{}: {}", line.source, line.line, line.column, line.reason)
    });
    Error::new(ErrorKind::Input, format!("none of {} lines fits the format{first}", input.lines))
        .with_hint(
            "leave out -f to have the format detected, or try: keepwarm formats -f FORMAT FILE",
        )
}

fn show(args: &ReportArgs, report: &Report) -> Result<()> {
    let terminal = stdout().is_terminal();
    let auto = anstream::AutoStream::choice(&stdout()) != anstream::ColorChoice::Never;
    let options = Options {
        width: terminal
            .then(|| terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0))),
        color: match args.color {
            Color::Auto => terminal && auto,
            Color::Always => true,
            Color::Never => false,
        },
        ascii: false,
        top: args.top,
    };
    let format = match args.output {
        Output::Table => Format::Table,
        Output::Json => Format::Json,
        Output::Csv => Format::Csv,
        Output::Markdown => Format::Markdown,
        Output::Prometheus => Format::Prometheus,
    };
    let mut bytes = Vec::new();
    render::render(report, format, &options, &mut bytes)
        .map_err(|error| Error::io("report", &error))?;
    to_stdout(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_about_many_logs_names_them_in_few_words() {
        let names = ["a.log".to_owned(), "b.log".to_owned(), "c.log".to_owned()];
        for (some, all, expected) in
            [(1, 3, "a.log"), (3, 3, "3 logs"), (3, 4, "a.log and 2 more"), (1, 1, "a.log")]
        {
            assert_eq!(logs(&names[..some], all), expected);
        }
    }
}
