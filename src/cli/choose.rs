//! Which format a log has: from `-f`, from nginx.conf, or detected. What was taken without being asked for is said.

use super::args::FormatArgs;
use super::message::Messages;
use super::report::called;
use crate::detect::{Detected, detect, detect_among, prefix_for, zone_of};
use crate::error::{Error, ErrorKind, Result};
use crate::input::{Source, sample};
use crate::log_format::{
    Escape, LogFormat,
    presets::{ALL, Preset},
};
use crate::nginx_conf::{DiskLoader, Module, NginxConf, directive};
use crate::tokenizer::prefix::Prefix;
use std::collections::BTreeMap;
use std::io::Read;

/// Lines and bytes of a source that are looked at to find its format.
const SAMPLE_LINES: usize = 100;
const SAMPLE_BYTES: usize = 4 << 20;

/// A format, and how it was found.
#[derive(Debug)]
pub(super) struct Chosen {
    /// The format.
    pub(super) format: LogFormat,
    /// What stands in front of each line.
    pub(super) prefix: Option<Prefix>,
    /// A moment, and the zone then; none where the log names none. See [`zone_of`].
    pub(super) zone: Option<(i64, i64)>,
    /// What the user should know of it.
    pub(super) said: Said,
}

/// What there is to say of a choice that nobody asked for, without the log's name: of thirty rotated logs it is said
/// once.
#[derive(Debug, Default, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Said {
    notes: Vec<String>,
    warnings: Vec<String>,
}

impl Said {
    /// Says it about `logs`: a name, or how many there are.
    pub(super) fn say(&self, logs: &str, messages: &Messages) {
        self.notes.iter().for_each(|note| messages.note(&format!("{logs}: {note}")));
        self.warnings.iter().for_each(|warning| messages.warning(&format!("{logs}: {warning}")));
    }
}

/// Where formats come from.
#[derive(Debug)]
pub(super) struct Formats {
    given: Option<LogFormat>,
    conf: Option<NginxConf>,
}

impl Formats {
    /// Reads `-f` and `-c`, for a run over `inputs`.
    ///
    /// # Errors
    /// A format or a configuration that can't be read, or stdin that should be two things.
    pub(super) fn new(args: &FormatArgs, inputs: &[String]) -> Result<Self> {
        if args.nginx_conf.as_deref() == Some("-") && inputs.iter().any(|input| input == "-") {
            let message = "stdin can't be both nginx.conf and a log";
            return Err(Error::new(ErrorKind::Usage, message)
                .with_hint("name the log, or save the configuration: nginx -T > nginx.txt"));
        }
        let given = args.log_format.as_deref().map(given_format).transpose()?;
        let conf = args.nginx_conf.as_deref().map(read_conf).transpose()?;
        Ok(Formats { given, conf })
    }

    /// Upstream names by peer address, from nginx.conf: addresses that are in one upstream only.
    pub(super) fn upstream_names(&self) -> BTreeMap<String, String> {
        let Some(conf) = &self.conf else { return BTreeMap::new() };
        let servers = conf.upstreams.iter().flat_map(|upstream| &upstream.servers);
        servers
            .filter_map(|addr| Some((addr.clone(), conf.upstream_of(addr.as_bytes())?.to_owned())))
            .collect()
    }

    /// What nginx.conf has that takes connection numbers and writes no line.
    pub(super) fn number_takers(&self) -> Vec<&'static str> {
        self.conf.iter().flat_map(|conf| conf.number_takers.iter().copied()).collect()
    }

    /// The format of a source; none if the source is empty.
    ///
    /// # Errors
    /// No format fits, or it is a log that keepwarm can't analyse.
    pub(super) fn choose(&self, source: &Source) -> Result<Option<Chosen>> {
        let sample = sample(source, SAMPLE_LINES, SAMPLE_BYTES)?;
        if sample.bytes.is_empty() && !sample.complete && self.given.is_none() {
            let (name, size) = (source.name(), SAMPLE_BYTES >> 20);
            let message = format!("{name}: expected lines, found none in the first {size} MiB");
            return Err(Error::new(ErrorKind::Input, message));
        }
        let lines: Vec<&[u8]> = sample.lines().map(|line| line.bytes).collect();
        self.choose_for(source.name(), &lines)
    }

    /// Why nothing was chosen for a source, in words: there is no line in it.
    pub(super) fn nothing_in(source: &Source) -> String {
        match sample(source, 1, SAMPLE_BYTES).ok().and_then(|sample| sample.warning) {
            Some(warning) => format!("{}: no whole line: {warning}", called(source.name())),
            None => format!("{} is empty", called(source.name())),
        }
    }

    /// The same for lines at hand.
    pub(super) fn choose_for(&self, name: &str, lines: &[&[u8]]) -> Result<Option<Chosen>> {
        let lines: Vec<&[u8]> = lines.iter().copied().filter(|line| !line.is_empty()).collect();
        let mut found = self.format_of(name, &lines)?;
        if let Some(chosen) = &mut found {
            chosen.zone = zone_of(&chosen.format, chosen.prefix.as_ref(), &lines);
        }
        Ok(found)
    }

    fn format_of(&self, name: &str, lines: &[&[u8]]) -> Result<Option<Chosen>> {
        if let Some(format) = &self.given {
            let prefix = prefix_for(name, format, lines)?;
            return Ok(Some(chosen(format.clone(), prefix, Said::default())));
        }
        if lines.is_empty() {
            return Ok(None);
        }
        if let Some(conf) = &self.conf {
            return from_conf(conf, name, lines).map(Some);
        }
        let found = detect(name, lines)?;
        let how = format!("format detected: {}{}", shown(&found.format), misfits(&found, lines));
        let mut said = Said { notes: vec![how], warnings: Vec::new() };
        if !found.rivals.is_empty() {
            let rivals = found.rivals.join(", ");
            said.warnings.push(format!(
                "these formats fit as well but read other values: {rivals}; choose one with -f NAME"
            ));
        }
        Ok(Some(chosen(found.format, found.prefix, said)))
    }
}

/// Adds what there is to say of the prefix, which is detected even for a format that was given.
fn chosen(format: LogFormat, prefix: Option<Prefix>, mut said: Said) -> Chosen {
    if let Some(prefix) = &prefix {
        said.notes.push(format!("each line is read behind a {} prefix", prefix.name()));
    }
    Chosen { format, prefix, zone: None, said }
}

/// What matters most of a derived format: without these a report says little.
const TELLING: [&str; 3] = ["upstream_addr", "upstream_connect_time", "upstream_response_time"];

/// A preset by its name; a format derived from the lines by the variables that matter most.
fn shown(format: &LogFormat) -> String {
    if let Some(preset) = Preset::named(&format.name)
        && preset.format().as_ref() == Ok(format)
    {
        return format!("preset `{}`", preset.name);
    }
    let known = format.variables().filter(|name| *name != "unknown").count();
    let telling: Vec<&str> = TELLING.into_iter().filter(|name| format.logs(name)).collect();
    let others = match (telling.len(), known - telling.len()) {
        (_, 0) => String::new(),
        (0, n) => format!("{n} variables"),
        (_, n) => format!(" and {n} more"),
    };
    let telling: Vec<String> = telling.iter().map(|name| format!("${name}")).collect();
    format!(
        "{} ({}{others}); `keepwarm formats FILE` shows how it is read",
        format.name,
        telling.join(" ")
    )
}

/// Says how many lines of the sample do not fit, if any.
fn misfits(found: &Detected, lines: &[&[u8]]) -> String {
    match lines.len() - found.fits {
        0 => String::new(),
        bad => format!("; {bad} of the first {} lines do not fit it", lines.len()),
    }
}

/// `-f`: a preset's name, a directive, strings as in a directive, or the format itself.
fn given_format(text: &str) -> Result<LogFormat> {
    let trimmed = text.trim();
    let quoted = trimmed.starts_with('\'') || trimmed.starts_with("escape=");
    if trimmed.split_ascii_whitespace().next() == Some("log_format") || quoted {
        let whole = if quoted { format!("log_format given {trimmed}") } else { trimmed.to_owned() };
        let parsed = directive(&whole)?;
        let [name, strings @ ..] = parsed.args.as_slice() else {
            return Err(Error::new(
                ErrorKind::Syntax,
                "log_format: expected a name and strings, found neither",
            ));
        };
        return LogFormat::from_arguments(&String::from_utf8_lossy(name), strings);
    }
    if text.contains('$') {
        return LogFormat::from_string("given", text, Escape::Default);
    }
    if let Some(preset) = Preset::named(trimmed) {
        return preset.format();
    }
    let names: Vec<&str> = ALL.iter().map(|preset| preset.name).collect();
    let message = format!("--log-format: no preset of this name: {trimmed}");
    Err(Error::new(ErrorKind::Usage, message).with_hint(format!(
        "presets: {}; or give the format itself, in single quotes",
        names.join(", ")
    )))
}

/// `-c`: a file, or stdin.
fn read_conf(path: &str) -> Result<NginxConf> {
    if path != "-" {
        return NginxConf::load(path, &DiskLoader);
    }
    let mut text = Vec::new();
    // As much as a configuration may have, and one byte more to see that it has not.
    std::io::stdin()
        .lock()
        .take((64 << 20) + 1)
        .read_to_end(&mut text)
        .map_err(|error| Error::io("stdin", &error))?;
    NginxConf::from_text("stdin", &text, &DiskLoader)
}

/// The format that the configuration's `access_log` names for this file; if none does, the one of its formats that
/// fits the lines.
fn from_conf(conf: &NginxConf, name: &str, lines: &[&[u8]]) -> Result<Chosen> {
    let mut named: Vec<&str> = conf
        .access_logs
        .iter()
        .filter(|log| log.module == Module::Http && is_same_log(&log.path, name))
        .map(|log| log.format.as_deref().unwrap_or("combined"))
        .collect();
    named.sort_unstable();
    named.dedup();
    let known: Vec<&str> = conf
        .log_formats
        .iter()
        .filter(|format| format.module == Module::Http)
        .map(|format| format.name.as_str())
        .chain(["combined"])
        .collect();
    let candidates = if named.is_empty() { &known } else { &named };
    let formats =
        candidates.iter().map(|format| conf_format(conf, format)).collect::<Result<Vec<_>>>()?;
    if let [format] = formats.as_slice()
        && !named.is_empty()
    {
        let prefix = prefix_for(name, format, lines)?;
        let how = format!("took log_format {} from nginx.conf", format.name);
        return Ok(chosen(format.clone(), prefix, Said { notes: vec![how], warnings: Vec::new() }));
    }
    let found = detect_among(name, &formats, lines)?;
    let why = if named.is_empty() {
        "no access_log names this file"
    } else {
        "several access_logs name this file"
    };
    let how = format!(
        "{why} in nginx.conf; took its log_format {}{}",
        found.format.name,
        match misfits(&found, lines) {
            fine if fine.is_empty() => ", which fits the lines".to_owned(),
            misfits => misfits,
        }
    );
    let mut said = Said { notes: vec![how], warnings: Vec::new() };
    if !found.rivals.is_empty() {
        let rivals = found.rivals.join(", ");
        said.warnings.push(format!("these fit as well but read other values: {rivals}"));
    }
    Ok(chosen(found.format, found.prefix, said))
}

fn conf_format(conf: &NginxConf, name: &str) -> Result<LogFormat> {
    match (conf.log_format(Module::Http, name), Preset::named("combined")) {
        (Some(directive), _) => LogFormat::from_arguments(&directive.name, &directive.args)
            .map_err(|error| {
                Error::new(error.kind(), format!("{}: {}", directive.place, error.message()))
            }),
        (None, Some(combined)) if name == "combined" => combined.format(),
        (None, _) => {
            Err(Error::new(ErrorKind::Syntax, format!("nginx.conf: unknown log format: {name}")))
        }
    }
}

/// Is a source the log that an `access_log` writes, or a rotated or compressed one of it? Paths are compared by their
/// last part, because logs are looked at on other machines than those that wrote them.
fn is_same_log(access_log: &str, source: &str) -> bool {
    let file = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let (log, source) = (file(access_log), file(source));
    !log.is_empty()
        && source
            .strip_prefix(log.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_may_be_given_in_four_ways() {
        for (text, shown) in [
            ("combined", "${remote_addr} - ${remote_user} [${time_local}]"),
            ("$msec $upstream_addr", "${msec} ${upstream_addr}"),
            ("log_format x escape=json '$msec' ' $pid';", "${msec} ${pid}"),
            ("'$msec' ' $pid'", "${msec} ${pid}"),
        ] {
            assert!(given_format(text).unwrap().to_string().starts_with(shown), "{text}");
        }
        let error = given_format("combind").unwrap_err();
        assert!(error.hint().is_some_and(|hint| hint.contains("combined")));
    }

    #[test]
    fn stdin_is_the_configuration_or_a_log_but_not_both() {
        let args = FormatArgs { log_format: None, nginx_conf: Some("-".to_owned()) };
        let error = Formats::new(&args, &["a.log".to_owned(), "-".to_owned()]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
    }

    fn said(lines: &[&str]) -> Said {
        let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
        let formats = Formats { given: None, conf: None };
        formats.choose_for("x.log", &lines).unwrap().unwrap().said
    }

    #[test]
    fn what_was_detected_is_said_in_a_short_line() {
        let combined =
            r#"1.1.1.1 - - [21/Nov/2026:02:03:23 +0000] "GET / HTTP/1.1" 200 12 "-" "x""#;
        let labelled = r#"ups="10.0.0.1:80" uct="0.000" rt=0.1 msec=1795226603.023"#;
        for (lines, expected) in [
            (&[combined][..], "format detected: preset `combined`"),
            (
                &[combined, "what?"],
                "format detected: preset `combined`; 1 of the first 2 lines do not fit it",
            ),
            (
                &[labelled],
                "format detected: labelled fields ($upstream_addr $upstream_connect_time and 2 more); \
                 `keepwarm formats FILE` shows how it is read",
            ),
        ] {
            assert_eq!(said(lines), Said { notes: vec![expected.to_owned()], warnings: vec![] });
        }
    }

    #[test]
    fn rotated_logs_are_written_by_the_same_access_log() {
        for source in
            ["access.log", "/tmp/access.log.1", "x/access.log-20261121.gz", "access.log.2.zst"]
        {
            assert!(is_same_log("/var/log/nginx/access.log", source), "{source}");
        }
        assert!(!is_same_log("/var/log/nginx/access.log", "other.log"));
        assert!(!is_same_log("/var/log/nginx/access.log", "access.logs"));
    }
}
