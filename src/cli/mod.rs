//! The command line: what a user may type and what it means. One file per command.

pub mod args;
mod aside;
mod choose;
mod error_logs;
mod formats;
mod latency;
mod log_name;
mod message;
mod progress;
mod report;
mod steady;
mod watch;
pub mod when;

use crate::error::{Error, ErrorKind, Result};
use crate::input::discover;
use crate::render::printable_lines;
use args::{Cli, Command};
use clap::Parser;
use clap::error::ErrorKind as ClapError;
use message::Messages;
use std::borrow::Cow;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    /// Nothing to complain about.
    Fine,
    /// A finding that the caller asked to be told of.
    Finding,
    /// Wrong usage, unreadable input, or nothing that matched.
    Trouble,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Fine => 0,
            Exit::Finding => 1,
            Exit::Trouble => 2,
        })
    }
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; a reader that went away is none either.
            let _ = print(&error);
            let asked = matches!(error.kind(), ClapError::DisplayHelp | ClapError::DisplayVersion);
            return if asked { Exit::Fine } else { Exit::Trouble }.into();
        }
    };
    let result = match &cli.command {
        Command::Report(args) => report::run(args, &mut Messages::new(args.quiet)),
        Command::Watch(args) => watch::run(args, &mut Messages::new(args.quiet)),
        Command::Formats(args) => formats::run(args, &mut Messages::new(false)),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            Messages::new(false).error(&error);
            Exit::Trouble.into()
        }
    }
}

/// Prints what clap has to say. It repeats arguments as they are, which may hold control bytes: then without colour.
fn print(error: &clap::Error) -> io::Result<()> {
    let text = error.render().to_string();
    match printable_lines(&text) {
        Cow::Borrowed(_) => error.print(),
        Cow::Owned(safe) => io::stderr().lock().write_all(safe.as_bytes()),
    }
}

/// Writes a whole output to stdout. A reader that went away (`| head`) is no error.
fn to_stdout(bytes: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::io("stdout", &error)),
        _ => Ok(()),
    }
}

/// Refuses to write over one of the files that are read.
///
/// # Errors
/// It would be.
fn not_over<'a>(
    flag: &str,
    path: Option<&Path>,
    read: impl IntoIterator<Item = &'a String>,
) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    let read: Vec<String> = read.into_iter().cloned().collect();
    if discover(&read).sources.iter().any(|source| source.is_at(path)) {
        let message =
            format!("{flag}: expected a file to write, found one that is read: {}", path.display());
        return Err(Error::new(ErrorKind::Usage, message).with_hint("give another name"));
    }
    Ok(())
}

/// Refuses what is no percentage of reuse, or a share.
///
/// # Errors
/// It is so.
fn percent_of_reuse(name: &str, percent: f64) -> Result<()> {
    let is_share = percent > 0.0 && percent <= 1.0;
    if (0.0..=100.0).contains(&percent) && !is_share {
        return Ok(());
    }
    let error =
        Error::new(ErrorKind::Usage, format!("{name}: expected a percentage, found: {percent}"));
    let meant = (1e4 * percent).round() / 100.0;
    Err(if is_share { error.with_hint(format!("{meant} for {meant} %")) } else { error })
}
