//! The command line as typed. Nothing here touches files or fails beyond what clap checks.

use super::watch::args::WatchArgs;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Are your nginx's upstream connections reused, and if not, why?
///
/// nginx logs `$upstream_connect_time` as 0.000 for a reused connection, but also for a new one that is faster than a
/// tick of its clock: nine of ten new ones, if the peer is on the same host. keepwarm reads access logs, says what they
/// prove, and how sure that is.
#[derive(Debug, Parser)]
#[command(
    name = "keepwarm",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    after_help = "Start here:
  keepwarm report /var/log/nginx/access.log
      One log. Its format is detected, and said on stderr.
  keepwarm report /var/log/nginx/
      All access logs of a folder, rotated and compressed ones too.
  keepwarm report -c /etc/nginx/nginx.conf access.log*
      Takes the format and the upstreams' names from nginx.conf.
  ssh web1 cat /var/log/nginx/access.log | keepwarm report
      A pipe.
  keepwarm formats access.log
      How its lines are read, and what to log for better answers.

Exit status:
  0  fine
  1  reuse is under --min-hit-rate
  2  wrong usage, unreadable input, or
     nothing that matched"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show connection reuse per upstream and peer, from access logs
    Report(Box<ReportArgs>),
    /// Follow live logs: reuse now, alerts, and what happened
    Watch(Box<WatchArgs>),
    /// List known log formats, show how a line is read, and advise what to log
    Formats(FormatsArgs),
}

/// How to read lines; the same for every command.
#[derive(Debug, Clone, Default, Args)]
pub struct FormatArgs {
    /// Format of the logs: a preset's name, a format string, or a `log_format ...;` directive
    ///
    /// `keepwarm formats` lists the presets. Put strings and directives in single quotes, or the shell takes the `$`.
    /// Without -f the format comes from --nginx-conf, or else is detected from the first lines; what was taken is said
    /// on stderr.
    #[arg(short = 'f', long = "log-format", value_name = "NAME|STRING", help_heading = "Reading")]
    pub log_format: Option<String>,

    /// Take the format and the upstreams' names from nginx.conf, or from the output of `nginx -T` (- for stdin)
    #[arg(short = 'c', long, value_name = "PATH", help_heading = "Reading")]
    pub nginx_conf: Option<String>,
}

/// Arguments of `keepwarm report`.
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
#[derive(Debug, Clone, Args)]
#[command(after_help = "Reading the table:
  attempts   tries at a peer, retries too
  reused     went over an open connection
  new        opened a connection
  undecided  connect time 0.000: reused,
             or new and fast
  failed     never connected; not part of
             the hit rate
  hit rate   reused / (reused + new): the
             estimate, and from - to for 95
             of 100 cases; only from - to if
             nothing supports an estimate;
             cannot tell if it may be anything
  by         the evidence that decided
  connect    95 % connect within this time
  handshake  what a new connection takes,
             TLS included: median/p95
  response   95 % respond within this time
  new/s      new connections per second

Warm-ups: after a reload, restart or the like
the pools of idle connections are empty. A
second table says when, and for how long:
  warm after  until new connections were as
              usual again; -: too few, or too
              fast to tell
  extra new   new connections beyond the usual
  waiting     what requests waited for these
  peak new/s  in the busiest second
  evidence    $pid and serial numbers that
              change, connect times, or the
              error log (--error-log)
A suspected one is told by connect times
alone. JSON has them as warmups, and in each
of upstreams as warmup and timeline; CSV has
none of this.

Examples:
  keepwarm report access.log --since 2h
  keepwarm report access.log* --by '$host' --top 20
  keepwarm report access.log --by '$uri' --group '^/api/v[0-9]+'
  keepwarm report access.log --error-log error.log
  keepwarm report access.log -o json | jq .total.hit_rate

Exit status:
  0  fine
  1  reuse is under --min-hit-rate
  2  wrong usage, unreadable input, or
     nothing that matched")]
pub struct ReportArgs {
    /// Logs: files, folders, patterns such as 'access.log*', or - for stdin
    ///
    /// Compressed ones (gzip, zstd, bzip2, xz) are known by their content. The order makes no difference, and a file
    /// named twice is read once. Without any, stdin is read if something is piped in.
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<String>,

    #[command(flatten)]
    #[allow(missing_docs, reason = "the type says it")]
    pub format: FormatArgs,

    /// nginx's error log, which tells of reloads and restarts if it is of level notice (`error_log FILE notice`)
    ///
    /// Without it they are told by `$pid` and `$connection`, or suspected by bursts of new connections. A file, a pattern
    /// such as 'error.log*', or - for stdin; compressed or not. May be given several times.
    #[arg(long, value_name = "PATH", help_heading = "Reading")]
    pub error_log: Vec<String>,

    /// Leave out requests that ended before this time
    ///
    /// For example: 2h, '90 min ago', yesterday, 10:00, 2026-11-21, '2026-11-21 10:00 +01:00',
    /// '21/Nov/2026:10:00:05 +0000', 1795226603.023. Local time, unless a zone is given. Or `reload`, for the last time
    /// that nginx started new workers; the logs are read twice for that.
    #[arg(long, value_name = "TIME", help_heading = "Choosing lines", allow_hyphen_values = true)]
    pub since: Option<String>,

    /// Leave out requests that ended at or after this time
    #[arg(long, value_name = "TIME", help_heading = "Choosing lines", allow_hyphen_values = true)]
    pub until: Option<String>,

    /// Leave out requests that began while pools filled, after a reload or the like: reuse as it usually is
    ///
    /// The logs are read twice for that, so they can't be pipes.
    #[arg(long, help_heading = "Choosing lines")]
    pub exclude_warmup: bool,

    /// What a row stands for: an upstream, a peer, or a value of a variable that the log has, such as '$host'
    #[arg(
        long,
        value_name = "upstream|peer|'$VARIABLE'",
        default_value = "upstream",
        help_heading = "Grouping"
    )]
    pub by: String,

    /// Put names together by the part that this regular expression matches
    ///
    /// With parentheses in it, by what the first pair matches: --by '$request' --group '^GET /([^/ ]*)'.
    #[arg(long, value_name = "REGEX", help_heading = "Grouping")]
    pub group: Option<String>,

    /// How long connecting to a peer takes, as nginx sees it: for logs without `$connection`
    ///
    /// PEER is an address as logged, an upstream's name, or '*' for all others; TIME is a number with us, ms or s. With
    /// it, the connections that show in `$upstream_connect_time` tell how many do not: a connect of 0.4 ms shows in 4 of
    /// 10 cases. Can be given several times.
    #[arg(long, value_name = "PEER=TIME", help_heading = "Evidence")]
    pub connect_latency: Vec<String>,

    /// Measure that: open 5 TCP connections to each peer in the log (20 at most), and close them at once
    ///
    /// Only useful on the host that nginx runs on, and not for peers with TLS, where the handshake adds to it. Peers that
    /// --connect-latency names by their address are not probed.
    #[arg(long, help_heading = "Evidence")]
    pub probe: bool,

    /// Reuse surely under this percentage is a finding, and the exit status 1
    #[arg(long, value_name = "PERCENT", default_value_t = 70.0, help_heading = "Findings")]
    pub min_hit_rate: f64,

    /// Do not judge upstreams with fewer attempts
    #[arg(long, value_name = "N", default_value_t = 100, help_heading = "Findings")]
    pub min_attempts: u64,

    /// Output format
    #[arg(short, long, value_enum, default_value_t = Output::Table, help_heading = "Output")]
    pub output: Output,

    /// Show only this many upstreams and warm-ups [default: all, and 10 warm-ups] (json and csv are always complete)
    #[arg(long, value_name = "N", help_heading = "Output")]
    pub top: Option<usize>,

    /// Order of the rows
    #[arg(long, value_enum, default_value_t = SortBy::Worst, help_heading = "Output")]
    pub sort: SortBy,

    /// When to use colour
    #[arg(long, value_enum, default_value_t = Color::Auto, value_name = "WHEN", help_heading = "Output")]
    pub color: Color,

    /// Write lines that do not fit the format to this file
    #[arg(long, value_name = "FILE", help_heading = "Bad lines")]
    pub invalid_out: Option<PathBuf>,

    /// Exit with 2 if any line does not fit the format
    #[arg(long, help_heading = "Bad lines")]
    pub strict: bool,

    /// Threads to use [default: one per core]
    #[arg(short = 'j', long, value_name = "N", value_parser = threads, help_heading = "Running")]
    pub threads: Option<usize>,

    /// Say nothing on stderr but errors
    #[arg(short, long, help_heading = "Running")]
    pub quiet: bool,

    /// Bytes of a plain file that one thread takes at a time, for tests
    #[arg(long, value_name = "BYTES", hide = true)]
    pub chunk: Option<u64>,
}

/// Arguments of `keepwarm formats`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  keepwarm formats
      The presets, and the log_format we recommend.
  keepwarm formats access.log
      How its first lines are read, and what they can't answer.
  keepwarm formats -c /etc/nginx/nginx.conf access.log
      The same by the format that nginx.conf names for this log.
  keepwarm formats -f '$remote_addr $upstream_addr' '10.0.0.1 -'
      How one line is read by one format.

Exit status: 0 some line fits the format, 2 none does.")]
pub struct FormatsArgs {
    /// A log file, - for stdin, or a line of a log
    #[arg(value_name = "LINE|FILE")]
    pub input: Option<String>,

    #[command(flatten)]
    #[allow(missing_docs, reason = "the type says it")]
    pub format: FormatArgs,
}

/// Values of `--output`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people; fits the terminal
    Table,
    /// For programs; schema keepwarm.report/1
    Json,
    /// For spreadsheets; one row per upstream and peer, without warm-ups
    Csv,
    /// For tickets and pull requests
    Markdown,
    /// For metrics; text format 0.0.4
    Prometheus,
}

/// Values of `--sort`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SortBy {
    /// Lowest reuse first; those with few attempts last
    Worst,
    /// Most attempts first
    Attempts,
    /// Most certainly new connections first
    New,
    /// By name
    Name,
}

/// Values of `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Into files and pipes too
    Always,
    /// Not at all
    Never,
}

/// More than machines have cores: the system may refuse more, or take minutes to start them.
const MAX_THREADS: usize = 1024;

/// A number of threads.
///
/// # Errors
/// It is none, or far too large.
pub(super) fn threads(text: &str) -> Result<usize, String> {
    let threads = text.parse::<usize>().map_err(|error| error.to_string())?;
    if threads > MAX_THREADS {
        return Err(format!("expected at most {MAX_THREADS}"));
    }
    Ok(threads)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden;
    use clap::CommandFactory;

    #[test]
    fn every_help_text_is_as_expected_on_80_columns() {
        let mut keepwarm = Cli::command().term_width(80);
        golden::check("help/keepwarm.txt", &keepwarm.render_long_help().to_string());
        for name in ["report", "watch", "formats"] {
            let mut keepwarm = Cli::command().term_width(80);
            keepwarm.build();
            let help = keepwarm.find_subcommand_mut(name).unwrap().render_long_help();
            golden::check(&format!("help/{name}.txt"), &help.to_string());
        }
    }

    #[test]
    fn what_a_help_text_lays_out_by_hand_fits_80_columns() {
        for command in Cli::command().get_subcommands().chain([&Cli::command()]) {
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for line in after.lines() {
                assert!(line.chars().count() <= 80, "{line}");
            }
        }
    }
}
