//! Settings of a live run: the configuration file, and over it what the command line gives.

use super::args::WatchArgs;
use crate::cli::percent_of_reuse;
use crate::error::{Error, ErrorKind, Result};
use crate::live::alert::{RuleSet, Rules};
use crate::live::part::FINE_MS;
use crate::live::slices::MAX_WINDOW_MS;
use crate::span;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A configuration file. What is not in it has its default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Settings {
    pub(super) inputs: Vec<String>,
    pub(super) syslog: Vec<String>,
    pub(super) error_log: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) log_format: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) nginx_conf: Option<String>,
    pub(super) from_start: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) state: Option<PathBuf>,
    /// Times such as `5m`.
    pub(super) windows: Vec<String>,
    /// Seconds; none: as long as the first window.
    #[serde(skip_serializing_if = "Option::is_none", with = "span::in_some_seconds")]
    pub(super) every: Option<u64>,
    /// Seconds without lines after which a source is silent; 0: never.
    #[serde(with = "span::in_seconds")]
    pub(super) silence: u64,
    /// Where metrics can be had over HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) listen: Option<String>,
    /// Metrics as a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) textfile: Option<PathBuf>,
    /// Alerts as JSON lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) alerts: Option<PathBuf>,
    /// Commands that are run for each alert.
    pub(super) exec: Vec<String>,
    /// URLs that each alert is sent to.
    pub(super) webhook: Vec<String>,
    /// Limits of all upstreams.
    pub(super) limits: Rules,
    /// Limits of single ones, by name: only what differs.
    pub(super) upstreams: BTreeMap<String, toml::Table>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            inputs: Vec::new(),
            syslog: Vec::new(),
            error_log: Vec::new(),
            log_format: None,
            nginx_conf: None,
            from_start: false,
            state: None,
            windows: ["1m", "5m", "1h"].map(str::to_owned).to_vec(),
            every: None,
            silence: 300,
            listen: None,
            textfile: None,
            alerts: None,
            exec: Vec::new(),
            webhook: Vec::new(),
            limits: Rules::default(),
            upstreams: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// The configuration file, if any, and the command line.
    ///
    /// # Errors
    /// The file can't be read, or a value makes no sense.
    pub(super) fn of(args: &WatchArgs) -> Result<Self> {
        let mut settings = match &args.config {
            Some(path) => read(path)?,
            None => Settings::default(),
        };
        replace(&mut settings.inputs, &args.inputs);
        replace(&mut settings.syslog, &args.syslog);
        replace(&mut settings.error_log, &args.error_log);
        replace(&mut settings.windows, &args.window);
        replace(&mut settings.exec, &args.exec);
        replace(&mut settings.webhook, &args.webhook);
        let given = |mine: &mut Option<String>, theirs: &Option<String>| {
            if theirs.is_some() {
                mine.clone_from(theirs);
            }
        };
        given(&mut settings.log_format, &args.format.log_format);
        given(&mut settings.nginx_conf, &args.format.nginx_conf);
        given(&mut settings.listen, &args.listen);
        settings.from_start |= args.from_start;
        settings.state = args.state.clone().or(settings.state);
        settings.textfile = args.textfile.clone().or(settings.textfile);
        settings.alerts = args.alerts.clone().or(settings.alerts);
        let seconds = |flag: &str, text: &Option<String>| {
            text.as_deref().map(|text| seconds(flag, text)).transpose()
        };
        settings.every = seconds("--every", &args.every)?.or(settings.every);
        if settings.every == Some(0) {
            return Err(Error::new(ErrorKind::Usage, "--every: expected a time above 0"));
        }
        settings.silence = seconds("--silence", &args.silence)?.unwrap_or(settings.silence);
        let limits = &mut settings.limits;
        limits.min_hit_rate = args.min_hit_rate.unwrap_or(limits.min_hit_rate);
        limits.min_attempts = args.min_attempts.unwrap_or(limits.min_attempts);
        limits.for_s = seconds("--for", &args.for_time)?.unwrap_or(limits.for_s);
        limits.warmup_grace =
            seconds("--warmup-grace", &args.warmup_grace)?.unwrap_or(limits.warmup_grace);
        let p95 = args.max_connect_p95.as_deref();
        let p95 = p95.map(|text| milliseconds("--max-connect-p95", text)).transpose()?;
        limits.max_connect_p95 = p95.or(limits.max_connect_p95);
        limits.max_failed = args.max_failed.or(limits.max_failed);
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<()> {
        let rules = self.rules()?;
        for limits in rules.upstreams.values().chain([&rules.defaults]) {
            percent_of_reuse("min_hit_rate", limits.min_hit_rate)?;
            for (name, percent) in
                [("max_failed", limits.max_failed), ("max_ports", Some(limits.max_ports))]
            {
                if percent.is_some_and(|percent| !(0.0..=100.0).contains(&percent)) {
                    let found = percent.unwrap_or_default();
                    let message = format!("{name}: expected a percentage, found {found}");
                    return Err(Error::new(ErrorKind::Usage, message));
                }
            }
        }
        self.window_times().map(drop)
    }

    /// Names and lengths of the windows, in milliseconds.
    ///
    /// # Errors
    /// One is no time, or too short or too long.
    pub(super) fn window_times(&self) -> Result<Vec<(String, i64)>> {
        let time = |text: &String| {
            let ms = i64::try_from(milliseconds("--window", text)?).unwrap_or(i64::MAX);
            if !(FINE_MS..=MAX_WINDOW_MS).contains(&ms) {
                let message = format!("--window: expected 5 s to 6 h, found: {text}");
                return Err(Error::new(ErrorKind::Usage, message));
            }
            Ok((text.clone(), ms))
        };
        if self.windows.is_empty() {
            return Err(Error::new(ErrorKind::Usage, "windows: expected at least one"));
        }
        let times: Vec<(String, i64)> = self.windows.iter().map(time).collect::<Result<_>>()?;
        for (at, (name, ms)) in times.iter().enumerate() {
            if let Some((other, _)) = times[..at].iter().find(|(_, other)| other == ms) {
                let message = format!("--window: expected different times, found: {other}, {name}");
                return Err(Error::new(ErrorKind::Usage, message));
            }
        }
        Ok(times)
    }

    /// What alerts are held against.
    ///
    /// # Errors
    /// An upstream has a limit that there is not.
    pub(super) fn rules(&self) -> Result<RuleSet> {
        let wrong = |name: &str, error: &dyn std::fmt::Display| {
            Error::new(ErrorKind::Usage, format!("upstreams.{name}: {error}"))
        };
        let mut rules = RuleSet { defaults: self.limits.clone(), ..RuleSet::default() };
        rules.silence = Some(self.silence).filter(|silence| *silence > 0);
        for (name, own) in &self.upstreams {
            let all = toml::Table::try_from(&self.limits);
            let mut all = all.map_err(|error| wrong(name, &error))?;
            all.extend(own.clone());
            let limits = Rules::deserialize(all).map_err(|error| wrong(name, &error))?;
            rules.upstreams.insert(name.clone(), limits);
        }
        Ok(rules)
    }
}

fn replace(mine: &mut Vec<String>, theirs: &[String]) {
    if !theirs.is_empty() {
        *mine = theirs.to_vec();
    }
}

fn read(path: &Path) -> Result<Settings> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| Error::io(&name, &error))?;
    let wrong = |before: &[u8], what: &str| {
        let text = String::from_utf8_lossy(before);
        let line = text.matches('\n').count() + 1;
        let column = text.chars().rev().take_while(|c| *c != '\n').count() + 1;
        Error::new(ErrorKind::Usage, format!("{name}:{line}:{column}: {what}"))
            .with_hint("keepwarm watch --print-config shows all settings")
    };
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let (before, from) = bytes.split_at(error.valid_up_to());
        let found = from.first().copied().unwrap_or_default();
        wrong(before, &format!("expected text as UTF-8, found the byte 0x{found:02X}"))
    })?;
    toml::from_str(text).map_err(|error| {
        let from = error.span().map_or(0, |span| span.start.min(bytes.len()));
        wrong(&bytes[..from], error.message())
    })
}

/// A time such as `60s`, `5m`, `1h30m` or `250ms`, in milliseconds.
///
/// # Errors
/// It is none, or no time at all.
pub(super) fn milliseconds(flag: &str, text: &str) -> Result<u64> {
    span::milliseconds(text).filter(|ms| *ms > 0).ok_or_else(|| {
        Error::new(ErrorKind::Usage, format!("{flag}: expected a time above 0, found: {text}"))
            .with_hint("for example 30s, 5m, 1h or 250ms")
    })
}

/// The same in whole seconds; 0 is one, too.
fn seconds(flag: &str, text: &str) -> Result<u64> {
    span::seconds(text).ok_or_else(|| {
        let message = format!("{flag}: expected a time in whole seconds, found: {text}");
        Error::new(ErrorKind::Usage, message).with_hint("for example 30s, 5m or 1h")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::{Cli, Command};
    use crate::cli::watch::print;
    use clap::Parser;

    fn settings(args: &[&str]) -> Result<Settings> {
        let all = ["keepwarm", "watch"].iter().chain(args);
        match Cli::try_parse_from(all).unwrap().command {
            Command::Watch(args) => Settings::of(&args),
            _ => unreachable!(),
        }
    }

    #[test]
    fn what_is_printed_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keepwarm.toml");
        let printed = settings(&["a.log", "--for", "30s", "--max-connect-p95", "20ms"]).unwrap();
        std::fs::write(&path, print::config(&printed).unwrap()).unwrap();
        let read = settings(&["--config", path.to_str().unwrap()]).unwrap();
        assert_eq!(read, printed);
        assert_eq!((read.limits.for_s, read.limits.max_connect_p95), (30, Some(20)));
    }

    #[test]
    fn an_upstream_has_all_limits_that_it_does_not_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keepwarm.toml");
        let text =
            "[limits]\nmin_hit_rate = 80.0\nfor = 10\n[upstreams.app]\nmin_hit_rate = 50.0\n";
        std::fs::write(&path, text).unwrap();
        let rules = settings(&["--config", path.to_str().unwrap()]).unwrap().rules().unwrap();
        assert!((rules.of("app").min_hit_rate - 50.0).abs() < 1e-9);
        assert_eq!(rules.of("app").for_s, 10);
        assert!((rules.of("other").min_hit_rate - 80.0).abs() < 1e-9);
    }

    #[test]
    fn wrong_settings_are_told_with_their_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keepwarm.toml");
        for (text, expected) in [
            ("windos = [\"1m\"]", ":1:1: unknown field"),
            ("\n[limits]\nmin_hit_rate = 170.0", "min_hit_rate: expected a percentage, found: 170"),
            ("[limits]\nmin_hit_rate = 0.7", "min_hit_rate: expected a percentage, found: 0.7"),
            ("[upstreams.app]\nmin_hit_rate = 1", "min_hit_rate: expected a percentage, found: 1"),
            (
                "silence = 1.5",
                ":1:11: invalid type: floating point `1.5`, expected a time in whole seconds",
            ),
            (
                "every = \"500ms\"",
                ":1:9: invalid value: string \"500ms\", expected a time in whole",
            ),
            ("every = 0", "expected a time above 0"),
            (
                "[limits]\nmax_connect_p95 = 20",
                ":2:19: invalid type: integer `20`, expected a time with its unit",
            ),
            (
                "windows = [\"1m\", \"5m\", \"60s\"]",
                "--window: expected different times, found: 1m, 60s",
            ),
            ("[upstreams.app]\nfoo = 1", "upstreams.app: unknown field"),
            ("windows = [\"2s\"]", "--window: expected 5 s to 6 h, found: 2s"),
            ("windows = []", "windows: expected at least one"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = settings(&["--config", path.to_str().unwrap()]).unwrap_err();
            assert!(error.message().contains(expected), "{text}: {}", error.message());
        }
        let once = |time| match Cli::try_parse_from(["keepwarm", "watch", "--once", time]) {
            Ok(Cli { command: Command::Watch(args), .. }) => args.once(),
            _ => unreachable!(),
        };
        assert_eq!(once("6h"), Ok(Some(("6h".to_owned(), MAX_WINDOW_MS))));
        assert_eq!(once("7h").unwrap_err().message(), "--once: expected up to 6 h, found: 7h");
        for args in [
            ["--for", "soon"],
            ["--for", "500ms"],
            ["--silence", "500ms"],
            ["--every", "0s"],
            ["--window", "1m,1m"],
        ] {
            let error = settings(&args).unwrap_err();
            assert!(error.message().contains(args[0]), "{args:?}: {error}");
        }
        let error = settings(&["--min-hit-rate", "0.7"]).unwrap_err();
        assert_eq!(error.hint(), Some("70 for 70 %"));
    }

    #[test]
    fn times_of_a_file_are_texts_or_seconds_and_0_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keepwarm.toml");
        let text = "every = \"10s\"\nsilence = \"0\"\n[limits]\nfor = 30\nwarmup_grace = \"2m\"\n\
                    max_connect_p95 = \"20ms\"\n[upstreams.app]\nfor = \"1h\"\n";
        std::fs::write(&path, text).unwrap();
        let read = settings(&["--config", path.to_str().unwrap()]).unwrap();
        let rules = read.rules().unwrap();
        assert_eq!((read.every, rules.silence), (Some(10), None));
        let limits = &rules.defaults;
        assert_eq!(
            (limits.for_s, limits.warmup_grace, limits.max_connect_p95),
            (30, 120, Some(20))
        );
        assert_eq!(rules.of("app").for_s, 3600);
        let at_once = settings(&["--for", "0s", "--silence", "0s"]).unwrap();
        assert_eq!((at_once.limits.for_s, at_once.rules().unwrap().silence), (0, None));
    }
}
