//! The command line as typed. Nothing here touches files or fails beyond what clap checks.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Is your nginx reusing its upstream connections, and if not, why?
///
/// nginx logs `$upstream_connect_time` as 0.000 for a reused connection, but also for a new one that is faster than its
/// clock's tick: on one host that is nine of ten. keepwarm reads the access log, tells what the log proves, and says
/// how sure that is.
#[derive(Debug, Parser)]
#[command(
    name = "keepwarm",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    after_help = "Start here:
  keepwarm report /var/log/nginx/access.log       one log; its format is detected, and said
  keepwarm report /var/log/nginx/                 all access logs of a folder, rotated and compressed ones too
  keepwarm report -c /etc/nginx/nginx.conf access.log*
                                                  the format and the upstreams' names from nginx.conf
  zcat access.log.*.gz | keepwarm report -        a pipe
  keepwarm formats access.log                     how a line is read, and what to log for better answers

Exit status: 0 fine, 1 a finding (reuse under --min-hit-rate), 2 wrong usage, unreadable input, or nothing that matched."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Connection reuse per upstream and peer, from access logs
    Report(Box<ReportArgs>),
    /// List the known log formats, show how a line is read, and advise what to log
    Formats(FormatsArgs),
}

/// How to read lines; the same for every command.
#[derive(Debug, Clone, Default, Args)]
pub struct FormatArgs {
    /// The log's format: a preset's name (see `keepwarm formats`), a format string in single quotes, or a whole
    /// `log_format ...;` directive
    ///
    /// Default: from --nginx-conf if given, else detected from the first lines. What was taken is said on stderr.
    #[arg(short = 'f', long = "log-format", value_name = "NAME|STRING", help_heading = "Reading")]
    pub log_format: Option<String>,

    /// nginx.conf, or the output of `nginx -T` (- for stdin): for the format and the upstreams' names
    #[arg(short = 'c', long, value_name = "PATH", help_heading = "Reading")]
    pub nginx_conf: Option<String>,
}

/// Arguments of `keepwarm report`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  keepwarm report access.log --since 2h
  keepwarm report access.log* --by '$host' --top 20
  keepwarm report access.log --by '$uri' --group '^/api/v[0-9]+'
  keepwarm report access.log -o json | jq '.total.hit_rate'")]
pub struct ReportArgs {
    /// Logs: files, folders, patterns, - for stdin; plain, .gz, .zst, .bz2 or .xz, told by content
    ///
    /// Default: stdin, if it is not a terminal.
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<String>,

    #[command(flatten)]
    #[allow(missing_docs, reason = "the type says it")]
    pub format: FormatArgs,

    /// Leave out lines before this time: `2h ago`, `yesterday`, `10:00`, `2026-11-21 10:00 +01:00`, nginx's own form
    #[arg(long, value_name = "TIME", help_heading = "Choosing lines", allow_hyphen_values = true)]
    pub since: Option<String>,

    /// Leave out lines at or after this time
    #[arg(long, value_name = "TIME", help_heading = "Choosing lines", allow_hyphen_values = true)]
    pub until: Option<String>,

    /// One row per: upstream, peer, or the value of a variable such as '$host'
    #[arg(
        long,
        value_name = "upstream|peer|'$VARIABLE'",
        default_value = "upstream",
        help_heading = "Grouping"
    )]
    pub by: String,

    /// Group by the part of the name that this regular expression matches (its first group, if it has one)
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

    /// Reuse under this percentage is a finding, judged by the upper end of the interval
    #[arg(long, value_name = "PERCENT", default_value_t = 70.0, help_heading = "Findings")]
    pub min_hit_rate: f64,

    /// Upstreams with fewer attempts are not judged
    #[arg(long, value_name = "N", default_value_t = 100, help_heading = "Findings")]
    pub min_attempts: u64,

    /// Output format
    #[arg(short, long, value_enum, default_value_t = Output::Table, help_heading = "Output")]
    pub output: Output,

    /// Show this many upstreams (table and markdown; json and csv are always complete)
    #[arg(long, value_name = "N", help_heading = "Output")]
    pub top: Option<usize>,

    /// Order of the rows
    #[arg(long, value_enum, default_value_t = SortBy::Worst, help_heading = "Output")]
    pub sort: SortBy,

    /// When to use colour
    #[arg(long, value_enum, default_value_t = Color::Auto, value_name = "WHEN", help_heading = "Output")]
    pub color: Color,

    /// Write the lines that do not fit the format to this file
    #[arg(long, value_name = "FILE", help_heading = "Bad lines")]
    pub invalid_out: Option<PathBuf>,

    /// Exit with 2 if any line does not fit the format
    #[arg(long, help_heading = "Bad lines")]
    pub strict: bool,

    /// Threads to use [default: one per core]
    #[arg(short = 'j', long, value_name = "N", help_heading = "Running")]
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
  keepwarm formats                                the presets and the format we recommend
  keepwarm formats access.log                     how its first lines are read, and what they can't answer
  keepwarm formats -f '$remote_addr [$time_local] $upstream_addr' '1.2.3.4 [21/Nov/2026:02:03:23 +0000] -'")]
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
    /// For people
    Table,
    /// For programs: schema keepwarm.report/1
    Json,
    /// For spreadsheets
    Csv,
    /// For tickets
    Markdown,
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
    /// Always
    Always,
    /// Never
    Never,
}
