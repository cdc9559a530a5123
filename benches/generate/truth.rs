//! What a log can't show but its maker knows.

use super::pools::Pools;
use super::traffic::{Kind, Try};
use serde::Serialize;

/// The truth about the attempts at one peer, in the lines that were written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct PeerTruth {
    /// The upstream's name; empty for a sum.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) upstream: String,
    /// The address as logged; empty for a sum.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) addr: String,
    /// All slots.
    pub(crate) attempts: u64,
    /// On a connection from the pool, the stale ones too.
    pub(crate) reused: u64,
    /// On a new connection.
    pub(crate) new: u64,
    /// Of those: with a connect time above 0.
    pub(crate) new_visible: u64,
    /// Never connected.
    pub(crate) failed: u64,
    /// Reuses of a connection that the peer had closed.
    pub(crate) stale: u64,
}

/// The truth about a log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Truth {
    /// Lines written.
    pub(crate) lines: u64,
    /// Bytes written, newlines included.
    pub(crate) bytes: u64,
    /// Requests that were answered without an upstream.
    pub(crate) without_upstream: u64,
    /// Sums over all peers.
    pub(crate) total: PeerTruth,
    /// By peer, in the order of their upstreams.
    pub(crate) peers: Vec<PeerTruth>,
    /// Client connections accepted. Connects are counted by the same serial, so the last serial is the sum of both.
    pub(crate) client_connections: u64,
    /// Connects tried, those of requests still running at the end too.
    pub(crate) upstream_connects: u64,
    /// `$msec` of the first and last line, in milliseconds since the epoch.
    pub(crate) span_ms: (u64, u64),
    /// When the reloads were, in milliseconds since the epoch.
    pub(crate) reloads_ms: Vec<u64>,
    /// When peers closed all their connections.
    pub(crate) backend_restarts: Vec<BackendRestart>,
}

/// A peer closed its connections.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct BackendRestart {
    /// When, in milliseconds since the epoch.
    pub(crate) at_ms: u64,
    /// The upstream's name.
    pub(crate) upstream: String,
    /// The peer's address as logged.
    pub(crate) addr: String,
}

impl Truth {
    /// Zeros for every peer.
    pub(super) fn new(pools: &Pools) -> Self {
        let peers = pools.peers.iter().map(|peer| PeerTruth {
            upstream: pools.upstreams[peer.upstream].name.clone(),
            addr: peer.addr.clone(),
            ..PeerTruth::default()
        });
        Truth { peers: peers.collect(), ..Truth::default() }
    }

    /// Takes in the attempts of a line that ended at `end_ms`.
    pub(super) fn line(&mut self, tries: &[Try], end_ms: u64) {
        if self.lines == 0 {
            self.span_ms.0 = end_ms;
        }
        self.span_ms.1 = end_ms;
        self.lines += 1;
        self.without_upstream += u64::from(tries.is_empty());
        for one in tries {
            let visible = one.connect_ms().is_some_and(|ms| ms > 0);
            for counts in [&mut self.peers[one.peer], &mut self.total] {
                counts.attempts += 1;
                counts.reused += u64::from(matches!(one.kind, Kind::Reused | Kind::Stale));
                counts.new += u64::from(one.kind == Kind::New);
                counts.new_visible += u64::from(visible);
                counts.failed += u64::from(matches!(one.kind, Kind::Refused | Kind::TimedOut));
                counts.stale += u64::from(one.kind == Kind::Stale);
            }
        }
    }
}
