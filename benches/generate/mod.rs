//! A log as nginx would write it, for benchmarks and tests: any size, any format, and the truth beside it.
//!
//! It is a small simulation, because what keepwarm looks for lies in how lines hang together: `$connection` numbers
//! come from one counter that client and upstream connections share (`ngx_connection_counter`), pools belong to
//! workers, a reload empties them and changes every `$pid`, the `$upstream_*` lists have one slot per try, all times
//! are differences of a clock of whole milliseconds (so a new connection that takes 0.3 ms is logged as 0.001 three
//! times in ten, else as 0.000), and lines come in the order of the requests' ends. Times are whole nanoseconds inside;
//! no floating point gets into a line, so a seed gives the same bytes everywhere.

mod clients;
mod pools;
mod rng;
mod schedule;
mod traffic;
mod truth;
mod words;
mod write;

use keepwarm::log_format::LogFormat;
use std::io;
pub(crate) use truth::Truth;

/// When to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// After so many lines.
    Lines(u64),
    /// After the line that reaches so many bytes.
    Bytes(u64),
}

/// What the log looks like.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Its format.
    pub(crate) format: LogFormat,
    /// Its size.
    pub(crate) limit: Limit,
    /// Upstreams, at least 1.
    pub(crate) upstreams: usize,
    /// Peers of each, at least 1.
    pub(crate) peers: usize,
    /// Worker processes, at least 1.
    pub(crate) workers: usize,
    /// Requests per second of log time, from 1.
    pub(crate) rate: u64,
    /// How much the rate rises in the afternoon and falls before dawn, in percent up to 99.
    pub(crate) wave: u64,
    /// When it starts, in seconds since the epoch.
    pub(crate) start: u64,
    /// How often a connection goes back to the pool, 0 to 1. The first upstream has this, others lose a quarter to four
    /// times as many.
    pub(crate) reuse: f64,
    /// How often an attempt fails, 0 to 1; nginx then tries the next peer, if there is one.
    pub(crate) retries: f64,
    /// How long a connection may wait in a pool, in seconds; 0 for as long as it likes (`keepalive_timeout` of an
    /// `upstream` block).
    pub(crate) keepalive_timeout: u64,
    /// Microseconds that a connect takes, roughly, to every peer. None: each upstream is at a distance of its own.
    pub(crate) connect_us: Option<u64>,
    /// Reloads, at random times.
    pub(crate) reloads: u64,
    /// Times at which a peer closes all its connections, at random among the others.
    pub(crate) backend_restarts: u64,
    /// Most idle client connections.
    pub(crate) clients: usize,
    /// Requests per client connection, in the mean.
    pub(crate) requests_per_client: u64,
    /// The same options and the same seed give the same bytes.
    pub(crate) seed: u64,
}

impl Options {
    /// A busy site of four upstreams with three peers each.
    pub(crate) fn new(format: LogFormat, limit: Limit) -> Self {
        Options {
            format,
            limit,
            upstreams: 4,
            peers: 3,
            workers: 4,
            rate: 1000,
            wave: 0,
            start: 1_795_219_200,
            reuse: 0.95,
            retries: 0.01,
            keepalive_timeout: 60,
            connect_us: None,
            reloads: 0,
            backend_restarts: 0,
            clients: 200,
            requests_per_client: 20,
            seed: 1,
        }
    }
}

/// Writes a log and tells the truth about it.
///
/// # Errors
/// Kind `InvalidInput` if the format logs a variable that is not known here; else what `out` says.
pub(crate) fn generate(options: &Options, out: &mut dyn io::Write) -> io::Result<Truth> {
    traffic::Traffic::new(options)?.run(options, out)
}

#[cfg(test)]
mod tests;
