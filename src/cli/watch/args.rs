//! Arguments of `keepwarm watch` as typed.

use super::settings::milliseconds;
use crate::cli::args::{FormatArgs, threads};
use crate::error::{Error, ErrorKind, Result};
use crate::live::slices::MAX_WINDOW_MS;
use clap::Args;
use std::path::PathBuf;

/// Arguments of `keepwarm watch`.
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Rates are those of the last minute, 5 minutes and hour (--window). Alerts are
judged by the first of these and by the last 5 to 10 seconds: the one that shows
it first for as long as --for. A rate that cannot be known alerts nobody: the
upper end of its interval must be under the limit. No traffic is no alert, and a
low rate within --warmup-grace of a reload is none either.

Alerts, besides reuse under --min-hit-rate:
  never_warmed     reuse is still low when
                   --warmup-grace after a reload
                   is over; told instead
  connect_p95      slow connects
  port_exhaustion  so many new connections
                   to a peer that ports run out
  failed_connects  connects fail
  silent_source    a log that had lines has none
  not_matching     most lines do not fit

Examples:
  keepwarm watch /var/log/nginx/access.log
  keepwarm watch /var/log/nginx --state /var/lib/keepwarm/state
  keepwarm watch --syslog udp:127.0.0.1:5140
  keepwarm watch access.log --once 5m

On the screen q ends it. A second SIGINT or
SIGTERM ends it at once.

Exit status:
  0  ended by q, SIGINT or SIGTERM, or at the
     end of a pipe; with --once: no alert
  1  with --once or a pipe: an alert
  2  wrong usage, or nothing can be read"
)]
pub struct WatchArgs {
    /// Logs to follow: files (they need not exist yet), folders, patterns such as '/var/log/nginx/*.log', or - for stdin
    ///
    /// They are followed through rotation, and read from their end; files that appear later from their beginning.
    /// Without any, stdin is read if something is piped in.
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<String>,

    #[command(flatten)]
    #[allow(missing_docs, reason = "the type says it")]
    pub format: FormatArgs,

    /// Listen for syslog: udp:ADDRESS:PORT or unix:PATH, as nginx's `access_log syslog:server=...` sends it
    ///
    /// May be given several times. Lines of nginx's error log may come there too.
    #[arg(long, value_name = "udp:ADDR|unix:PATH", help_heading = "Reading")]
    pub syslog: Vec<String>,

    /// nginx's error log, followed too: it tells of reloads if it is of level notice
    #[arg(long, value_name = "PATH", help_heading = "Reading")]
    pub error_log: Vec<String>,

    /// Read what is in the files already, too
    #[arg(long, help_heading = "Reading")]
    pub from_start: bool,

    /// Go on from this file after a restart, and write it every few seconds: no line is lost or counted twice
    ///
    /// It holds how far each file was read, and all counts of that moment. What came by syslog or a pipe meanwhile is
    /// lost.
    #[arg(long, value_name = "FILE", help_heading = "Reading")]
    pub state: Option<PathBuf>,

    /// Windows of time to show; alerts are judged by the first one, and by the last seconds
    ///
    /// They begin at whole steps of time: one of a minute may hold up to 5 s more, of 5 minutes up to 15 s, of more than 6
    /// minutes up to a minute.
    #[arg(long, value_name = "TIME,...", value_delimiter = ',', help_heading = "Windows")]
    pub window: Vec<String>,

    /// Alert if reuse is surely under this percentage [default: 70]
    #[arg(long, value_name = "PERCENT", help_heading = "Alerts")]
    pub min_hit_rate: Option<f64>,

    /// Do not judge upstreams with fewer attempts in the window [default: 100]
    #[arg(long, value_name = "N", help_heading = "Alerts")]
    pub min_attempts: Option<u64>,

    /// A limit must be passed for so long before an alert: whole seconds, 0s for at once [default: 60s]
    #[arg(long = "for", value_name = "TIME", help_heading = "Alerts")]
    pub for_time: Option<String>,

    /// How long pools may take to fill after a reload, before low reuse is an alert [default: 60s]
    #[arg(long, value_name = "TIME", help_heading = "Alerts")]
    pub warmup_grace: Option<String>,

    /// Alert if 5 % of connects take longer [default: not watched]
    #[arg(long, value_name = "TIME", help_heading = "Alerts")]
    pub max_connect_p95: Option<String>,

    /// Alert if more of the attempts fail to connect [default: not watched]
    #[arg(long, value_name = "PERCENT", help_heading = "Alerts")]
    pub max_failed: Option<f64>,

    /// Alert if a source that had lines has none for so long; 0s: never [default: 5m]
    #[arg(long, value_name = "TIME", help_heading = "Alerts")]
    pub silence: Option<String>,

    /// Run this for each alert, and when it is over: the alert as JSON on stdin, 30 s at most
    ///
    /// The arguments are split as a shell does it, but no shell runs. May be given several times.
    #[arg(long, value_name = "CMD", help_heading = "Alerts")]
    pub exec: Vec<String>,

    /// POST each alert as JSON to this URL, and again for 10 minutes if it is not taken
    ///
    /// May be given several times.
    #[arg(long, value_name = "URL", help_heading = "Alerts")]
    pub webhook: Vec<String>,

    /// Append each alert as a line of JSON to this file; - for stdout, where there is nothing else then
    #[arg(long, value_name = "FILE", help_heading = "Alerts")]
    pub alerts: Option<PathBuf>,

    /// Watch for so long, say what is wrong with all of it, and end: for cron and monitoring
    ///
    /// Nothing is remembered of alerts: each run says all that it finds. It waits up to 30 s until all are told.
    #[arg(long, value_name = "TIME", help_heading = "Running")]
    pub once: Option<String>,

    /// Where there is no screen: write a line per upstream so often, for 20 at most [default: the first window]
    #[arg(long, value_name = "TIME", help_heading = "Output")]
    pub every: Option<String>,

    /// No live table, though stdout be a terminal: a line per upstream instead
    #[arg(long, help_heading = "Output")]
    pub no_tui: bool,

    /// Serve /metrics for Prometheus, /healthz and /report.json[?window=5m] at this address, such as 127.0.0.1:9145
    #[arg(long, value_name = "ADDR", help_heading = "Output")]
    pub listen: Option<String>,

    /// Write the metrics to this file each second, for `node_exporter`'s textfile collector
    ///
    /// It is removed at the end, but for --once: metrics that nobody renews would be served for ever.
    #[arg(long, value_name = "FILE.prom", help_heading = "Output")]
    pub textfile: Option<PathBuf>,

    /// Settings as TOML, in which limits can be given for single upstreams; options of the command line go before it
    ///
    /// SIGHUP reads its limits again.
    #[arg(long, value_name = "FILE", help_heading = "Running")]
    pub config: Option<PathBuf>,

    /// Print the settings as a configuration file, and end
    #[arg(long, help_heading = "Running")]
    pub print_config: bool,

    /// Threads that fold lines [default: one per core, 4 at most]
    #[arg(short = 'j', long, value_name = "N", value_parser = threads, help_heading = "Running")]
    pub threads: Option<usize>,

    /// How often the state is written, for tests
    #[arg(long, value_name = "TIME", hide = true)]
    pub save_every: Option<String>,

    /// Say nothing on stderr but errors and alerts
    #[arg(short, long, help_heading = "Running")]
    pub quiet: bool,
}

impl WatchArgs {
    /// The time of a run that ends by itself: as typed, and in milliseconds.
    ///
    /// # Errors
    /// It is none, or longer than a window may be.
    pub(super) fn once(&self) -> Result<Option<(String, i64)>> {
        let Some(text) = &self.once else { return Ok(None) };
        let ms = i64::try_from(milliseconds("--once", text)?).unwrap_or(i64::MAX);
        if ms > MAX_WINDOW_MS {
            let message = format!("--once: expected up to 6 h, found: {text}");
            return Err(Error::new(ErrorKind::Usage, message));
        }
        Ok(Some((text.clone(), ms)))
    }
}
