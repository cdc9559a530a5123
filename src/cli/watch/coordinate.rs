//! The tick of a live run: takes what the threads counted, looks at the windows, tells of alerts, shows and stores.
#![expect(clippy::disallowed_methods, reason = "the clock of a live run")]

use super::args::WatchArgs;
use super::output::{Output, View};
use super::settings::{Settings, milliseconds};
use super::sources::now_ms;
use super::state::{self, State};
use crate::analysis::report::{InputStats, Report};
use crate::analysis::{Policy, analyse};
use crate::cli::Exit;
use crate::cli::message::Messages;
use crate::error::{Error, ErrorKind, Result};
use crate::live::alert::{Change, Event, RuleSet, Seen, SeenSource};
use crate::pipeline::live::{Handed, SourceCounts, Threads};
use crate::summary::Summary;
use crate::units;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The time from one look at the windows to the next.
const TICK: Duration = Duration::from_secs(1);

/// How soon a signal is heard.
const STEP: Duration = Duration::from_millis(50);

/// A state is stored so often, or less often where that takes long.
const SAVE: Duration = Duration::from_secs(5);
const SAVE_TIMES: u32 = 20;

/// A window is looked at this many times while it passes, but each second at most.
const LOOKS: i64 = 60;

/// What keeps failing is said again after this time.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// One window.
struct Window {
    name: String,
    span_ms: i64,
    looked_ms: i64,
    to_ms: i64,
    report: Report,
}

/// Everything that one tick needs of the one before.
pub(super) struct Coordinator {
    settings: Settings,
    config: Option<WatchArgs>,
    rules: RuleSet,
    policy: Policy,
    state: State,
    windows: Vec<Window>,
    sources: BTreeMap<Arc<str>, Source>,
    output: Output,
    every: Duration,
    once: Option<Duration>,
    shown: Instant,
    saved: Option<Instant>,
    save_every: Duration,
    least_save: Duration,
    save_failed: Option<Instant>,
    signals: Signals,
}

/// A source, and its lines when its last ones were judged.
#[derive(Default)]
struct Source {
    now: SourceCounts,
    /// Lines and malformed ones when the last full count began.
    base: (u64, u64),
    /// The same of the last full count.
    judged: (u64, u64),
}

/// What signals ask for.
struct Signals {
    end: Arc<AtomicBool>,
    read_again: Arc<AtomicBool>,
}

impl Signals {
    fn new() -> Result<Self> {
        let (end, read_again) = (Arc::default(), Arc::default());
        for (signal, flag) in [(SIGTERM, &end), (SIGINT, &end), (SIGHUP, &read_again)] {
            signal_hook::flag::register(signal, Arc::clone(flag))
                .map_err(|error| Error::io("signals", &error))?;
        }
        Ok(Signals { end, read_again })
    }
}

impl Coordinator {
    /// # Errors
    /// A setting makes no sense.
    pub(super) fn new(
        args: &WatchArgs,
        settings: Settings,
        policy: Policy,
        state: State,
    ) -> Result<Self> {
        let mut rules = settings.rules()?;
        let mut times = settings.window_times()?;
        let once = args.once.as_deref().map(|text| milliseconds("--once", text)).transpose()?;
        if let Some(once) = once {
            // All of the time is judged, when it is over.
            let span_ms = i64::try_from(once).unwrap_or(i64::MAX);
            times = vec![(args.once.clone().unwrap_or_default(), span_ms)];
            let limits = rules.upstreams.values_mut().chain([&mut rules.defaults]);
            limits.for_each(|limits| limits.for_s = 0);
        }
        let every = settings
            .every
            .map(Duration::from_secs)
            .unwrap_or_else(|| Duration::from_millis(u64::try_from(times[0].1).unwrap_or(60_000)));
        let nothing = analyse(Summary::default(), InputStats::default(), &policy);
        let window = |(name, span_ms)| Window {
            name,
            span_ms,
            looked_ms: i64::MIN,
            to_ms: 0,
            report: nothing.clone(),
        };
        let least_save = args.save_every.as_deref().map_or(Ok(SAVE), |text| {
            milliseconds("--save-every", text).map(Duration::from_millis)
        })?;
        let now = Instant::now();
        Ok(Coordinator {
            settings,
            config: args.config.is_some().then(|| args.clone()),
            rules,
            policy,
            state,
            windows: times.into_iter().map(window).collect(),
            sources: BTreeMap::new(),
            output: Output::new(args.no_tui || once.is_some()),
            every,
            once: once.map(Duration::from_millis),
            shown: now,
            saved: None,
            save_every: least_save,
            least_save,
            save_failed: None,
            signals: Signals::new()?,
        })
    }

    /// Ticks until the run ends.
    ///
    /// # Errors
    /// Nothing can be shown any more.
    pub(super) fn run(&mut self, threads: &Threads, messages: &mut Messages) -> Result<Exit> {
        let begin = Instant::now();
        let tick = TICK.min(self.least_save);
        // The first state is stored at once: until then a restart knows of nothing.
        let mut next = begin + STEP;
        loop {
            let ends = self.wait(begin, next, threads);
            next = (next + tick).max(Instant::now());
            if ends {
                threads.finish();
            }
            if self.signals.read_again.swap(false, Ordering::AcqRel) {
                self.read_again(messages);
            }
            let goes_on = self.tick(threads, messages, ends)?;
            if ends || !goes_on {
                return self.end(threads, messages);
            }
        }
    }

    /// Waits for the next tick. True: it is the last one.
    fn wait(&self, begin: Instant, next: Instant, threads: &Threads) -> bool {
        loop {
            let is_over = self.signals.end.load(Ordering::Acquire)
                || threads.is_over()
                || self.once.is_some_and(|once| begin.elapsed() >= once);
            let now = Instant::now();
            if is_over || now >= next {
                return is_over;
            }
            std::thread::sleep(STEP.min(next - now));
        }
    }

    /// How the run ends: a pipe that is over and a run of limited time judge.
    fn end(&mut self, threads: &Threads, messages: &Messages) -> Result<Exit> {
        let lines = units::lines(self.state.totals.lines.lines);
        messages.note(&format!("{lines} counted since the start"));
        let judges = self.once.is_some() || threads.is_over();
        if !self.sources.is_empty()
            && self.sources.values().all(|source| source.now.lines == source.now.unread)
            && judges
        {
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
        let handed = threads.hand_over();
        let announced = handed.iter().all(|handed| handed.announced);
        self.take(handed, now, messages, announced);
        let is_shown = is_last || self.output.is_screen() || self.shown.elapsed() >= self.every;
        self.look(now, is_last);
        if self.once.is_none() || is_last {
            self.alert(now, messages);
        }
        let is_due = self.saved.is_none_or(|saved| saved.elapsed() >= self.save_every);
        if announced && (is_last || is_due) {
            self.save(messages);
        }
        if !is_shown {
            return Ok(true);
        }
        self.shown = Instant::now();
        self.show(threads)
    }

    fn take(&mut self, handed: Vec<Handed>, now: i64, messages: &mut Messages, announced: bool) {
        let mut parts = Vec::new();
        let mut positions = Vec::new();
        for Handed { part, positions: own, sources, errors, .. } in handed {
            self.state.totals.add(&part);
            parts.push(part);
            positions.extend(own);
            errors.iter().for_each(|error| messages.error(error));
            for (name, counts) in sources {
                let source = self.sources.entry(name).or_default();
                if let (Some(why), None) = (&counts.first_malformed, &source.now.first_malformed) {
                    messages.warning(&format!("a line does not fit the format: {why}"));
                }
                source.now = counts;
            }
        }
        if announced {
            self.state.positions = positions;
        }
        self.state.slices.take(parts, now);
    }

    /// Makes reports of the windows that are due.
    fn look(&mut self, now: i64, is_last: bool) {
        let first = self.windows.first().map(|window| window.span_ms);
        for window in &mut self.windows {
            let due = window.looked_ms.saturating_add(window.span_ms / LOOKS);
            if !is_last && Some(window.span_ms) != first && now < due && now >= window.looked_ms {
                continue;
            }
            window.looked_ms = now;
            let found = self.state.slices.window(window.span_ms, now);
            window.to_ms = found.to_ms;
            let lines = found.summary.lines;
            let input = InputStats {
                bytes: lines.bytes,
                lines: lines.lines,
                matched: lines.matched,
                without_upstream: lines.without_upstream,
                ..InputStats::default()
            };
            window.report = analyse(found.summary, input, &self.policy);
        }
    }

    fn alert(&mut self, now: i64, messages: &Messages) {
        let (Some(window), Some(longest)) =
            (self.windows.first(), self.windows.iter().max_by_key(|window| window.span_ms))
        else {
            return;
        };
        let mut seen = Seen::of_reports(&window.report, &longest.report);
        let least = self.rules.lines.max(1);
        for (name, source) in &mut self.sources {
            let (lines, malformed) = (source.now.lines, source.now.malformed + source.now.unread);
            if lines - source.base.0 >= least {
                source.judged = (lines - source.base.0, malformed - source.base.1);
                source.base = (lines, malformed);
            }
            seen.sources.push(SeenSource {
                name: name.to_string(),
                last_line_ms: source.now.last_line_ms,
                lines: source.judged.0,
                malformed: source.judged.1,
            });
        }
        for event in self.state.alerts.tick(&self.rules, &seen, now) {
            let text = said(&event);
            match event.change {
                Change::Firing => messages.alert(&text),
                Change::Resolved => messages.resolved(&text),
            }
        }
    }

    fn show(&mut self, threads: &Threads) -> Result<bool> {
        let Some(window) = self.windows.first() else { return Ok(true) };
        let others = self.windows.iter().skip(1).map(|other| {
            let rate = &other.report.total.hit_rate;
            format!("{} {:.1} - {:.1} %", other.name, 100.0 * rate.low, 100.0 * rate.high)
        });
        let mut head = format!(
            "keepwarm watch: last {}, {}",
            window.name,
            units::lines(window.report.input.lines)
        );
        for part in others {
            head.push_str(&format!("; {part}"));
        }
        if threads.lag() > 0 {
            head.push_str(&format!("; {} bytes behind", units::thousands(threads.lag())));
        }
        let (_, dropped) = threads.datagrams();
        if dropped > 0 {
            head.push_str(&format!("; {} datagrams lost", units::thousands(dropped)));
        }
        let alerts: Vec<String> = self.state.alerts.firing().map(|event| said(&event)).collect();
        let view =
            View { head: &head, alerts: &alerts, report: &window.report, to_ms: window.to_ms };
        match self.output {
            Output::Screen => self.output.draw(&view).map(|()| true),
            Output::Lines => Output::lines(&view),
        }
    }

    fn save(&mut self, messages: &Messages) {
        let Some(path) = &self.settings.state else { return };
        let begin = Instant::now();
        match state::save(path, &self.state) {
            Ok(()) => self.save_failed = None,
            Err(error) => {
                if self.save_failed.is_none_or(|said| said.elapsed() >= SAY_AGAIN) {
                    messages.warning(&format!("{}; going on without", error.message()));
                    self.save_failed = Some(begin);
                }
            }
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
                let limits = |settings: &Settings| Settings {
                    limits: Default::default(),
                    upstreams: BTreeMap::new(),
                    silence: 0,
                    ..settings.clone()
                };
                if limits(&settings) != limits(&self.settings) {
                    messages
                        .warning("SIGHUP: limits are read again; other settings need a restart");
                }
                self.rules = rules;
                messages.note("SIGHUP: limits read again");
            }
            Err(error) => messages.error(&error),
        }
    }
}

/// An alert in words.
fn said(event: &Event) -> String {
    format!("{}: {}", event.id, event.message)
}
