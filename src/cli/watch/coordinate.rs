//! The tick of a live run: takes what the threads counted, looks at the windows, tells of alerts, shows and stores.
#![expect(clippy::disallowed_methods, reason = "the clock of a live run")]

use super::args::WatchArgs;
use super::output::{Output, View};
use super::publish::{Moment, Publisher};
use super::said::Said;
use super::service;
use super::settings::{Settings, milliseconds};
use super::signals::{self, Signals};
use super::sources::now_ms;
use super::state::{self, State};
use super::tell::Tell;
use super::watched::Watched;
use super::windows::Windows;
use crate::analysis::Policy;
use crate::cli::Exit;
use crate::cli::message::Messages;
use crate::error::{Error, ErrorKind, Result};
use crate::live::alert::{Alerts, Event, RuleSet, Rules};
use crate::live::totals::Totals;
use crate::pipeline::live::{Handed, Threads, Transport};
use crate::render::live;
use crate::summary::Merge;
use crate::units;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The time from one look at the windows to the next.
const TICK: Duration = Duration::from_secs(1);

/// How soon a signal is heard.
const STEP: Duration = Duration::from_millis(50);

/// A state is stored so often, or less often where that takes long.
const SAVE: Duration = Duration::from_secs(5);
const SAVE_TIMES: u32 = 20;

/// Everything that one tick needs of the one before.
pub(super) struct Coordinator {
    settings: Settings,
    config: Option<WatchArgs>,
    rules: RuleSet,
    policy: Policy,
    state: State,
    totals: Totals,
    windows: Windows,
    watched: Watched,
    transports: BTreeMap<Arc<str>, Transport>,
    output: Output,
    publisher: Publisher,
    tell: Tell,
    said: Said,
    every: Duration,
    once: Option<Duration>,
    show_next: Instant,
    saved: Option<Instant>,
    save_every: Duration,
    least_save: Duration,
    trouble: Option<String>,
    ahead: u64,
    signals: Signals,
}

impl Coordinator {
    /// # Errors
    /// A setting makes no sense, or where alerts and metrics go can't be opened.
    pub(super) fn new(
        args: &WatchArgs,
        settings: Settings,
        policy: Policy,
        mut state: State,
    ) -> Result<Self> {
        let watched = Watched::resume(&state.last_lines_ms, now_ms());
        let rules = settings.rules()?;
        let mut times = settings.window_times()?;
        let once = args.once()?;
        if let Some(once) = &once {
            // All of the time is judged, when it is over, whatever another run found.
            times = vec![once.clone()];
            state.alerts = Alerts::default();
        }
        let once = once.and_then(|(_, ms)| u64::try_from(ms).ok()).map(Duration::from_millis);
        let first_ms = times.first().and_then(|(_, ms)| u64::try_from(*ms).ok()).unwrap_or(60_000);
        let every =
            settings.every.map_or_else(|| Duration::from_millis(first_ms), Duration::from_secs);
        let none = || Error::new(ErrorKind::Usage, "windows: expected at least one");
        let windows = Windows::new(times, &policy).ok_or_else(none)?;
        let least_save = args.save_every.as_deref().map_or(Ok(SAVE), |text| {
            milliseconds("--save-every", text).map(Duration::from_millis)
        })?;
        let alerts_to_stdout = settings.alerts.as_deref() == Some(Path::new("-"));
        Ok(Coordinator {
            publisher: Publisher::start(&settings)?,
            tell: Tell::start(&settings, std::mem::take(&mut state.untold))?,
            signals: Signals::new()?,
            settings,
            config: args.config.is_some().then(|| args.clone()),
            rules,
            policy,
            totals: Totals::default(),
            state,
            windows,
            watched,
            transports: BTreeMap::new(),
            // Last, as it takes the screen.
            output: Output::new(args.no_tui || once.is_some(), alerts_to_stdout)?,
            said: Said::default(),
            every,
            once,
            show_next: Instant::now() + every,
            saved: None,
            save_every: least_save,
            least_save,
            trouble: None,
            ahead: 0,
        })
    }

    /// Ticks until the run ends.
    ///
    /// # Errors
    /// Nothing can be shown any more.
    pub(super) fn run(&mut self, threads: &Threads, messages: &mut Messages) -> Result<Exit> {
        if let Some((listens, warning)) = self.publisher.listens() {
            messages.note(&listens);
            if let Some(warning) = warning {
                messages.warning(&warning);
            }
        }
        let begin = Instant::now();
        let tick = TICK.min(self.least_save);
        // The first state is stored at once: until then a restart knows of nothing.
        let mut next = begin + STEP;
        service::tell(service::READY);
        loop {
            let ends = self.wait(begin, next, threads);
            next = (next + tick).max(Instant::now());
            if ends {
                service::tell(service::STOPPING);
                threads.finish();
            }
            if self.signals.read_again() {
                self.read_again(messages);
            }
            let goes_on = self.tick(threads, messages, ends);
            if ends || goes_on != Ok(true) {
                self.output.leave();
                // What was shown last is written only now.
                let goes_on = goes_on.and_then(|_| self.output.goes_on());
                self.end_of_telling(threads, messages);
                let exit = self.end(threads, messages)?;
                return goes_on.map(|_| exit);
            }
        }
    }

    /// Waits for the next tick. True: it is the last one.
    fn wait(&mut self, begin: Instant, next: Instant, threads: &Threads) -> bool {
        loop {
            if self.signals.pause() {
                self.output.leave();
                signals::pause();
            }
            if self.signals.goes_on() {
                self.output.lose();
            }
            let is_over = self.signals.end()
                || self.output.is_quit()
                || threads.is_over()
                || self.once.is_some_and(|once| begin.elapsed() >= once);
            let now = Instant::now();
            if is_over || now >= next {
                return is_over;
            }
            std::thread::sleep(STEP.min(next - now));
        }
    }

    /// A pipe that is over and a run of limited time judge.
    fn judges(&self, threads: &Threads) -> bool {
        self.once.is_some() || threads.is_over()
    }

    /// A run that judges is over when all is told. What could not be told is for the next run.
    fn end_of_telling(&mut self, threads: &Threads, messages: &Messages) {
        if self.judges(threads) {
            self.tell.wait(|| self.signals.end());
        }
        self.tell.stop().iter().for_each(|text| messages.warning(text));
        if self.saved.is_some() && self.tell.untold() != self.state.untold {
            self.save(messages);
        }
    }

    /// How the run ends.
    fn end(&mut self, threads: &Threads, messages: &Messages) -> Result<Exit> {
        let lines = units::lines(self.state.lines.lines);
        messages.note(&format!("{lines} counted since the start"));
        // With `--once` the file is what the run was for.
        if self.once.is_none()
            && let Err(error) = self.publisher.end()
        {
            messages.warning(&format!("--textfile {}", error.message()));
        }
        let judges = self.judges(threads);
        let (lines, unread) = self.watched.lines();
        // A log may be quiet, but not be missing.
        let is_missing = self.settings.syslog.is_empty()
            && !self.watched.names().any(|name| Path::new(name).exists());
        if judges && lines == unread && (lines > 0 || is_missing) {
            return Err(Error::new(ErrorKind::Input, "no line could be read"));
        }
        let fires = self.state.alerts.firing().next().is_some();
        Ok(if judges && fires { Exit::Finding } else { Exit::Fine })
    }

    /// One tick; false: nobody reads what is shown.
    fn tick(&mut self, threads: &Threads, messages: &mut Messages, is_last: bool) -> Result<bool> {
        let now = now_ms();
        for notice in threads.notices() {
            messages.note(&notice.to_string());
        }
        self.transports = threads.transports();
        let handed = threads.hand_over();
        let announced = handed.iter().all(|handed| handed.announced);
        self.take(handed, now, messages, announced);
        let is_shown = is_last || self.output.is_screen() || Instant::now() >= self.show_next;
        self.windows.look(&self.state.slices, now, &self.policy, is_last);
        let longest = self.windows.longest();
        self.state.warmups.take(&longest.cold, longest.to_ms);
        if is_last && self.judges(threads) {
            judge_at_once(&mut self.rules);
        }
        if self.once.is_none() || is_last {
            self.alert(now, messages, is_last);
        }
        let is_due = self.saved.is_none_or(|saved| saved.elapsed() >= self.save_every);
        // What is to be told is stored first, and soon that it was.
        let is_told = self.saved.is_some() && self.tell.untold() != self.state.untold;
        if announced && (self.tell.is_holding() || is_told || is_last || is_due) {
            self.save(messages);
        }
        self.tell.release();
        self.publish(messages);
        if is_shown {
            self.show_next = (self.show_next + self.every).max(Instant::now());
            self.show(messages);
        }
        self.output.goes_on()
    }

    fn take(&mut self, handed: Vec<Handed>, now: i64, messages: &mut Messages, announced: bool) {
        let mut parts = Vec::new();
        let mut positions = Vec::new();
        let mut names = BTreeSet::new();
        for Handed { part, positions: own, sources, errors, .. } in handed {
            self.state.lines.merge(part.line_counts());
            self.totals.add(&part);
            parts.push(part);
            positions.extend(own);
            for error in errors {
                // What follows its first line is an example, always another one.
                if self.said.is_news(error.message().lines().next().unwrap_or_default()) {
                    messages.error(&error);
                }
            }
            for (name, counts) in sources {
                names.insert(Arc::clone(&name));
                if let Some(why) = self.watched.take(name, counts) {
                    messages.warning(&format!("a line does not fit the format: {why}"));
                }
            }
        }
        if announced {
            self.watched.retain(&names, &self.transports);
            self.state.positions = positions;
        }
        self.state.slices.take(parts, now);
        let ahead = "lines are more than a minute ahead of this machine's clock, and in no window: is the clock right?";
        if self.state.slices.ahead() > self.ahead && self.said.is_news(ahead) {
            messages.warning(ahead);
        }
        self.ahead = self.state.slices.ahead();
    }

    fn alert(&mut self, now: i64, messages: &Messages, is_last: bool) {
        let mut seen = self.windows.seen(self.rules.longest_grace(), is_last);
        seen.sources = self.watched.seen(self.rules.lines.max(1), &self.transports);
        for event in self.state.alerts.tick(&self.rules, &seen, now) {
            self.tell.event(&event, now, messages);
        }
        for text in self.tell.messages() {
            if self.said.is_news(&text) {
                messages.warning(&text);
            }
        }
    }

    fn publish(&mut self, messages: &Messages) {
        let firing: Vec<Event> = self.state.alerts.firing().collect();
        let slices = &self.state.slices;
        let moment = Moment {
            windows: self.windows.iter().map(|window| (&*window.name, &window.report)).collect(),
            slices,
            totals: &self.totals,
            warmups: &self.state.warmups,
            sources: self.watched.exposed(&self.transports),
            firing: &firing,
            sinks: self.tell.counts(),
            trouble: self.trouble.clone(),
        };
        if let Err(error) = self.publisher.publish(moment)
            && self.said.is_news(error.message())
        {
            messages.warning(&format!("--textfile {}; going on without", error.message()));
        }
    }

    fn show(&mut self, messages: &Messages) {
        let window = &self.windows.first;
        let lines = units::lines(window.report.input.lines);
        let mut head = format!("keepwarm watch: last {}, {lines}", window.name);
        for other in &self.windows.others {
            let _ = write!(head, "; {} {}", other.name, live::rate(&other.report.total));
        }
        let lag: u64 = self.transports.values().filter_map(|transport| transport.lag).sum();
        if lag > 0 {
            let _ = write!(head, "; {} bytes behind", units::thousands(lag));
        }
        let dropped: u64 = self.transports.values().map(|transport| transport.dropped).sum();
        if dropped > 0 {
            let _ = write!(head, "; {} datagrams lost", units::thousands(dropped));
        }
        let firing: Vec<Event> = self.state.alerts.firing().collect();
        let alerts: Vec<String> = firing.iter().map(super::tell::said).collect();
        let view = View {
            head: &head,
            alerts: &alerts,
            firing: &firing.into_iter().map(|event| event.id.name).collect::<BTreeSet<String>>(),
            report: &window.report,
            longer: self.windows.report_for_warmups(self.rules.longest_grace()),
            to_ms: window.to_ms,
        };
        self.output.show(&view, messages);
    }

    fn save(&mut self, messages: &Messages) {
        let Some(path) = &self.settings.state else { return };
        self.state.untold = self.tell.untold();
        self.state.last_lines_ms = self.watched.last_lines_ms(&self.transports);
        let begin = Instant::now();
        let saved = state::save(path, &self.state);
        self.trouble = saved.err().map(|error| error.message().to_owned());
        if let Some(trouble) = &self.trouble
            && self.said.is_news(trouble)
        {
            messages.warning(&format!("{trouble}; going on without"));
        }
        self.saved = Some(Instant::now());
        self.save_every = self.least_save.max(begin.elapsed() * SAVE_TIMES);
    }

    /// SIGHUP: the limits of the configuration file.
    fn read_again(&mut self, messages: &mut Messages) {
        let Some(args) = &self.config else {
            messages.note("SIGHUP: there is no --config to read again");
            return;
        };
        match Settings::of(args).and_then(|settings| Ok((settings.rules()?, settings))) {
            Ok((rules, settings)) => {
                let without_limits = |settings: &Settings| Settings {
                    limits: Rules::default(),
                    upstreams: BTreeMap::new(),
                    silence: 0,
                    ..settings.clone()
                };
                if without_limits(&settings) != without_limits(&self.settings) {
                    messages
                        .warning("SIGHUP: limits are read again; other settings need a restart");
                }
                rules.limit(&mut self.policy);
                self.rules = rules;
                messages.note("SIGHUP: limits read again");
            }
            Err(error) => messages.error(&error),
        }
    }
}

/// At the end there is nothing to wait for.
fn judge_at_once(rules: &mut RuleSet) {
    let limits = rules.upstreams.values_mut().chain([&mut rules.defaults]);
    limits.for_each(|limits| limits.for_s = 0);
}
