//! `keepwarm watch`: live logs, what they tell now, and alerts.

pub(super) mod args;
mod coordinate;
mod output;
mod print;
mod publish;
mod said;
mod service;
mod settings;
mod signals;
mod sources;
mod state;
mod tell;
mod terminal;
mod watched;
mod windows;
mod writer;

use super::choose::Formats;
use super::message::Messages;
use super::{Exit, not_over};
use crate::analysis::Policy;
use crate::error::Result;
use crate::pipeline::live;
use crate::record::error_log::ErrorLog;
use args::WatchArgs;
use coordinate::Coordinator;
use settings::Settings;
use state::State;
use std::sync::Arc;

/// Threads that fold lines, if nothing is said: one is enough for most hosts.
const MAX_THREADS: usize = 4;

/// Runs the command.
///
/// # Errors
/// What ends the run.
pub(super) fn run(args: &WatchArgs, messages: &mut Messages) -> Result<Exit> {
    let mut live = messages.live()?;
    let result = watch(args, &mut live);
    live.end();
    result
}

fn watch(args: &WatchArgs, messages: &mut Messages) -> Result<Exit> {
    let settings = Settings::of(args)?;
    if args.print_config {
        super::to_stdout(print::config(&settings)?.as_bytes())?;
        return Ok(Exit::Fine);
    }
    let inputs = sources::names(&settings)?;
    let read_too = settings.error_log.iter().chain(&settings.nginx_conf);
    not_over("--textfile", settings.textfile.as_deref(), inputs.iter().chain(read_too))?;
    let format = super::args::FormatArgs {
        log_format: settings.log_format.clone(),
        nginx_conf: settings.nginx_conf.clone(),
    };
    let formats = Formats::new(&format, &inputs)?;
    let times = [settings.window_times()?, args.once()?.into_iter().collect()].concat();
    let longest = times.iter().map(|(_, ms)| *ms).max().unwrap_or_default();
    let _lock = settings.state.as_deref().map(state::lock).transpose()?;
    let saved = settings.state.as_deref().map(state::load).transpose()?.flatten();
    let mut state = saved.unwrap_or_else(|| State::new(longest));
    state.slices.keep(longest);
    let sources = sources::open(&settings, &inputs, &state.positions)?;
    let count = args.threads.unwrap_or_else(|| {
        std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS)
    });
    let parts = (0..count.max(1)).map(|_| state.slices.part(sources::now_ms())).collect();
    let mut policy = Policy {
        names: formats.upstream_names(),
        number_takers: formats.number_takers(),
        utc_offset_seconds: i64::from(jiff::Zoned::now().offset().seconds()),
        excluded: Arc::default(),
        ..Policy::default()
    };
    settings.rules()?.limit(&mut policy);
    let error_log = ErrorLog::new()?;
    let choose = sources::chooser(&formats, &settings, &error_log, messages.clone());
    let mut coordinator = Coordinator::new(args, settings.clone(), policy, state)?;
    live::run(sources, parts, &choose, &sources::now_ms, |threads| {
        coordinator.run(threads, messages)
    })?
}
