//! Upstreams, their peers, and each worker's pools of idle connections.
//!
//! As in `ngx_http_upstream_keepalive_module.c`: the balancer chooses the peer, then a connection to it is taken from
//! the worker's pool if one is idle, else a new one is opened. Which connections come back to the pool is chance here;
//! in nginx `keepalive_requests`, the pool's size and `Connection: close` decide.

use super::Options;
use super::rng::{Chance, Rng};

/// An `upstream` block.
#[derive(Debug)]
pub(super) struct Upstream {
    /// Its name.
    pub(super) name: String,
    /// Its peers are this many, from this number on.
    pub(super) first_peer: usize,
    /// How many peers.
    pub(super) peers: usize,
    /// How often a connection does not come back to the pool.
    pub(super) loss: Chance,
    /// Nanoseconds that a connect takes, roughly.
    pub(super) connect_ns: u64,
    /// Nanoseconds that an answer takes, in the mean.
    pub(super) answer_ns: u64,
}

/// A server address.
#[derive(Debug)]
pub(super) struct Peer {
    /// As `$upstream_addr` shows it.
    pub(super) addr: String,
    /// The number of its upstream.
    pub(super) upstream: usize,
}

/// A worker process.
#[derive(Debug)]
pub(super) struct Worker {
    /// `$pid`
    pub(super) pid: u64,
    /// Idle connections by peer: when each came back, in nanoseconds since the epoch, the last one last.
    pub(super) idle: Vec<Vec<u64>>,
    /// The next peer of each upstream: round robin.
    next: Vec<usize>,
}

impl Worker {
    /// The peer of an upstream whose turn it is.
    pub(super) fn next_peer(&mut self, index: usize, upstream: &Upstream) -> usize {
        let turn = &mut self.next[index];
        *turn = (*turn + 1) % upstream.peers;
        upstream.first_peer + *turn
    }

    /// Takes the idle connection to a peer that came back last, if it did so at `oldest` or later: those before are
    /// closed by now.
    pub(super) fn take(&mut self, peer: usize, oldest: u64) -> bool {
        let idle = &mut self.idle[peer];
        let found = idle.pop().is_some_and(|came_back| came_back >= oldest);
        if !found {
            idle.clear();
        }
        found
    }
}

/// All that serves requests.
#[derive(Debug)]
pub(super) struct Pools {
    /// The upstreams.
    pub(super) upstreams: Vec<Upstream>,
    /// The peers of all upstreams.
    pub(super) peers: Vec<Peer>,
    /// The workers of the last reload. Old ones finish what they have begun, and keep nothing.
    pub(super) workers: Vec<Worker>,
    /// How many reloads there were.
    pub(super) generation: u64,
    next_pid: u64,
}

const NAMES: [&str; 8] =
    ["api", "web", "auth", "search", "media", "billing", "reports", "legacy_backend"];

/// Microseconds: same rack, same host, next data centre, another region, same zone.
const CONNECT_US: [u64; 5] = [400, 60, 1400, 12_000, 800];

/// Milliseconds.
const ANSWER_MS: [u64; 5] = [24, 6, 48, 90, 12];

/// Connections that are lost, as a multiple of the option's: each upstream has its own habits.
const LOSS: [(u64, u64); 5] = [(1, 1), (1, 2), (2, 1), (1, 4), (4, 1)];

impl Pools {
    /// Upstreams with peers, and the first workers.
    pub(super) fn new(options: &Options) -> Self {
        let peers = options.peers.max(1);
        let loss = Chance::new(1.0 - options.reuse);
        let mut pools = Pools {
            upstreams: Vec::new(),
            peers: Vec::new(),
            workers: Vec::new(),
            generation: 0,
            next_pid: 1180,
        };
        for index in 0..options.upstreams.max(1) {
            let round = index / NAMES.len();
            let name = NAMES[index % NAMES.len()];
            let connect_us = options.connect_us.unwrap_or(CONNECT_US[index % CONNECT_US.len()]);
            let (times, of) = LOSS[index % LOSS.len()];
            pools.upstreams.push(Upstream {
                name: if round == 0 { name.to_owned() } else { format!("{name}-{round}") },
                first_peer: pools.peers.len(),
                peers,
                loss: loss.times(times, of),
                connect_ns: connect_us * 1000,
                answer_ns: ANSWER_MS[index % ANSWER_MS.len()] * 1_000_000,
            });
            pools.peers.extend((0..peers).map(|peer| Peer {
                addr: format!("10.{}.{}.{}:8080", index / 250, index % 250, peer + 10),
                upstream: index,
            }));
        }
        pools.start_workers(options.workers.max(1));
        pools
    }

    /// A reload: new workers with new pids and empty pools.
    pub(super) fn reload(&mut self) {
        self.generation += 1;
        // Other processes start in between.
        self.next_pid += 13;
        self.start_workers(self.workers.len());
    }

    /// A peer closes all its connections.
    pub(super) fn restart_peer(&mut self, peer: usize) {
        for worker in &mut self.workers {
            worker.idle[peer].clear();
        }
    }

    fn start_workers(&mut self, count: usize) {
        let first = self.next_pid;
        self.next_pid += count as u64;
        let worker = |pid| Worker {
            pid,
            idle: vec![Vec::new(); self.peers.len()],
            next: vec![0; self.upstreams.len()],
        };
        self.workers = (first..self.next_pid).map(worker).collect();
    }

    /// The upstream that a request goes to: the first ones get more.
    pub(super) fn choose_upstream(&self, rng: &mut Rng) -> usize {
        rng.skewed_below(self.upstreams.len())
    }
}
