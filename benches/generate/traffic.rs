//! The simulation: requests arrive, try peers, end, and are logged.

use super::clients::Clients;
use super::pools::Pools;
use super::rng::{Chance, Rng};
use super::schedule::{Change, Schedule};
use super::truth::{BackendRestart, Truth};
use super::words::Words;
use super::write::{Line, Writer};
use super::{Limit, Options};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;

/// Nanoseconds in a second, and in a millisecond: the tick of nginx's clock.
const SECOND: u64 = 1_000_000_000;
const TICK: u64 = 1_000_000;

/// A time as nginx's clock shows it.
pub(super) fn ticks(ns: u64) -> u64 {
    ns / TICK
}

/// `proxy_connect_timeout`
const CONNECT_TIMEOUT: u64 = SECOND;

/// One in so many requests needs no upstream.
const STATIC: usize = 32;

/// What a peer answers, when it does.
const STATUSES: [u64; 16] =
    [200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 201, 302, 304, 404, 500];

/// How an attempt went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Served on a connection from the pool.
    Reused,
    /// Served on a new connection.
    New,
    /// Nobody listens.
    Refused,
    /// Nobody answers.
    TimedOut,
    /// Sent on a connection from the pool that the peer closed at that moment.
    Stale,
}

/// One slot of the `$upstream_*` lists. Points in time are in nanoseconds since the epoch.
#[derive(Debug, Clone)]
pub(super) struct Try {
    /// Its peer's number.
    pub(super) peer: usize,
    /// How it went.
    pub(super) kind: Kind,
    /// `$upstream_status`
    pub(super) status: u64,
    /// Body bytes of the answer.
    pub(super) body: u64,
    /// Bytes of the request.
    pub(super) sent: u64,
    start: u64,
    connected: Option<u64>,
    header: Option<u64>,
    end: u64,
}

impl Try {
    /// `$upstream_connect_time` in milliseconds.
    pub(super) fn connect_ms(&self) -> Option<u64> {
        Some(ticks(self.connected?) - ticks(self.start))
    }

    /// `$upstream_header_time` in milliseconds.
    pub(super) fn header_ms(&self) -> Option<u64> {
        Some(ticks(self.header?) - ticks(self.start))
    }

    /// `$upstream_response_time` in milliseconds.
    pub(super) fn response_ms(&self) -> u64 {
        ticks(self.end) - ticks(self.start)
    }

    /// `$upstream_bytes_received`: header and body.
    pub(super) fn received(&self) -> u64 {
        if self.header.is_some() { self.body + 231 } else { 0 }
    }
}

/// A request that is being served.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) pid: u64,
    pub(super) target: usize,
    pub(super) referer: usize,
    pub(super) arrival: u64,
    pub(super) tries: Vec<Try>,
    client: usize,
    worker: usize,
    generation: u64,
    /// None: served without one.
    upstream: Option<usize>,
}

/// The whole site.
#[derive(Debug)]
pub(super) struct Traffic {
    rng: Rng,
    words: Words,
    clients: Clients,
    pools: Pools,
    writer: Writer,
    truth: Truth,
    requests: Vec<Request>,
    free: Vec<usize>,
    /// What ends when: the time, a number that keeps equal times in order, and the request.
    events: BinaryHeap<Reverse<(u64, u64, usize)>>,
    order: u64,
    /// The connection counter of the master process, which all connections draw from.
    serial: u64,
    /// For what empties pools, so that the rest is the same with and without.
    changes: Rng,
    /// How long a connection may wait in a pool, in nanoseconds.
    keepalive_timeout: u64,
    retries: Chance,
    client_ends: Chance,
    most_idle: usize,
}

impl Traffic {
    /// A site at rest.
    pub(super) fn new(options: &Options) -> io::Result<Self> {
        let mut rng = Rng::new(options.seed);
        let pools = Pools::new(options);
        Ok(Traffic {
            words: Words::new(&mut rng, options.format.escape),
            clients: Clients::default(),
            writer: Writer::new(&options.format)?,
            truth: Truth::new(&pools),
            pools,
            requests: Vec::new(),
            free: Vec::new(),
            events: BinaryHeap::new(),
            order: 0,
            serial: 0,
            changes: Rng::new(!options.seed),
            keepalive_timeout: match options.keepalive_timeout {
                0 => u64::MAX,
                seconds => seconds * SECOND,
            },
            retries: Chance::new(options.retries),
            client_ends: Chance::new(1.0).times(1, options.requests_per_client.max(1)),
            most_idle: options.clients,
            rng,
        })
    }

    /// Lets requests come until the log has its size.
    pub(super) fn run(mut self, options: &Options, out: &mut dyn io::Write) -> io::Result<Truth> {
        let (limit, in_lines) = match options.limit {
            Limit::Lines(lines) => (lines, true),
            Limit::Bytes(bytes) => (bytes, false),
        };
        let mut schedule = Schedule::new(options, limit, &mut self.changes);
        let mut arrival = options.start * SECOND;
        let mut written = 0;
        while written < limit {
            match self.events.peek() {
                Some(&Reverse((now, _, index))) if now < arrival => {
                    self.events.pop();
                    self.proceed(index, now, out)?;
                    written = if in_lines { self.truth.lines } else { self.writer.bytes };
                    match schedule.next(written) {
                        Some(Change::Reload) => self.reload(now),
                        Some(Change::BackendRestart) => self.restart_backend(now),
                        None => {}
                    }
                }
                _ => {
                    self.arrive(arrival);
                    arrival += self.rng.exponential(gap(options, arrival / SECOND));
                }
            }
        }
        self.writer.flush(out)?;
        self.truth.bytes = self.writer.bytes;
        self.truth.client_connections = self.clients.opened;
        self.truth.upstream_connects = self.serial - self.clients.opened;
        Ok(self.truth)
    }

    fn reload(&mut self, now: u64) {
        self.truth.reloads_ms.push(ticks(now));
        self.pools.reload();
        self.clients.close_idle();
    }

    /// One of the peers closes its connections; the busier its upstream, the likelier.
    fn restart_backend(&mut self, now: u64) {
        let upstream = &self.pools.upstreams[self.pools.choose_upstream(&mut self.changes)];
        let peer = upstream.first_peer + self.changes.below(upstream.peers);
        self.truth.backend_restarts.push(BackendRestart {
            at_ms: ticks(now),
            upstream: upstream.name.clone(),
            addr: self.pools.peers[peer].addr.clone(),
        });
        self.pools.restart_peer(peer);
    }

    /// A request comes in, on a client's connection.
    fn arrive(&mut self, now: u64) {
        let (serial, pools) = (&mut self.serial, &self.pools);
        let client = self.clients.take(&mut self.rng, &self.words, |rng| {
            *serial += 1;
            (*serial, rng.below(pools.workers.len()), pools.generation)
        });
        let index = self.free.pop().unwrap_or_else(|| {
            self.requests.push(Request::default());
            self.requests.len() - 1
        });
        let is_static = self.rng.below(STATIC) == 0;
        let request = &mut self.requests[index];
        let connection = self.clients.get(client);
        request.client = client;
        request.worker = connection.worker;
        request.generation = connection.generation;
        request.pid = pools.workers[connection.worker].pid;
        request.target = self.rng.skewed_below(self.words.targets.len());
        request.referer = self.rng.below(self.words.referers.len());
        request.arrival = now;
        request.upstream = (!is_static).then(|| self.pools.choose_upstream(&mut self.rng));
        request.tries.clear();
        match request.upstream {
            Some(upstream) => self.try_peer(index, upstream, now),
            None => self.wait(now + TICK / 8, index),
        }
    }

    /// Looks at a request again when something ends.
    fn wait(&mut self, until: u64, index: usize) {
        self.order += 1;
        self.events.push(Reverse((until, self.order, index)));
    }

    /// Chooses a peer and a connection to it, and knows at once how it will end.
    fn try_peer(&mut self, index: usize, upstream: usize, now: u64) {
        let request = &mut self.requests[index];
        let block = &self.pools.upstreams[upstream];
        // An old worker has no pool any more. Its turns are taken from its successor, which does no harm.
        let is_old = request.generation != self.pools.generation;
        let worker = &mut self.pools.workers[request.worker];
        let mut peer = worker.next_peer(upstream, block);
        for _ in 1..block.peers {
            if request.tries.iter().any(|earlier| earlier.peer == peer) {
                peer = worker.next_peer(upstream, block);
            }
        }
        let fails = self.rng.happens(self.retries);
        let how = if fails { self.rng.below(8) } else { 8 };
        if how < 5 {
            // A peer that is gone has closed its idle connections.
            worker.idle[peer].clear();
        }
        let oldest = now.saturating_sub(self.keepalive_timeout);
        let reuses = how >= 5 && !is_old && worker.take(peer, oldest);
        self.serial += u64::from(!reuses);
        let kind = match how {
            0 => Kind::TimedOut,
            1..5 => Kind::Refused,
            5..8 if reuses => Kind::Stale,
            _ if reuses => Kind::Reused,
            _ => Kind::New,
        };
        let connect = if reuses { 0 } else { self.rng.around(block.connect_ns) };
        let answer = TICK / 4 + self.rng.exponential(block.answer_ns);
        let body = self.rng.exponential(answer / 8);
        let rest = [connect, connect + answer, connect + answer + body].map(|time| now + time);
        let served = STATUSES[self.rng.below(STATUSES.len())];
        let (status, connected, header, end) = match kind {
            Kind::Reused | Kind::New => (served, Some(rest[0]), Some(rest[1]), rest[2]),
            Kind::Refused => (502, None, None, rest[0]),
            Kind::TimedOut => (504, None, None, now + CONNECT_TIMEOUT + TICK / 16),
            Kind::Stale => (502, Some(now), None, now + TICK / 8),
        };
        let empty = header.is_none() || matches!(status, 302 | 304);
        request.tries.push(Try {
            peer,
            kind,
            status,
            body: if empty { 0 } else { self.rng.exponential(6000) },
            sent: if connected.is_some() {
                214 + self.words.targets[request.target].uri.len() as u64
            } else {
                0
            },
            start: now,
            connected,
            header,
            end,
        });
        self.wait(end, index);
    }

    /// What a request was waiting for has ended: it goes to the next peer, or into the log.
    fn proceed(&mut self, index: usize, now: u64, out: &mut dyn io::Write) -> io::Result<()> {
        let request = &mut self.requests[index];
        let is_old = request.generation != self.pools.generation;
        if let (Some(upstream), Some(last)) = (request.upstream, request.tries.last()) {
            let block = &self.pools.upstreams[upstream];
            let next = match last.kind {
                Kind::Reused | Kind::New => {
                    if !self.rng.happens(block.loss) && !is_old {
                        self.pools.workers[request.worker].idle[last.peer].push(now);
                    }
                    false
                }
                // Tried again for free, unless the request may have had an effect.
                Kind::Stale => self.words.targets[request.target].is_idempotent(),
                Kind::Refused | Kind::TimedOut => {
                    let paid = request.tries.iter().filter(|one| one.kind != Kind::Stale);
                    paid.count() < block.peers
                }
            };
            if next {
                self.try_peer(index, upstream, now);
                return Ok(());
            }
        }
        let line = Line {
            end: now,
            request,
            client: self.clients.get(request.client),
            words: &self.words,
            pools: &self.pools,
            upstream: request.upstream.map(|upstream| &self.pools.upstreams[upstream]),
        };
        self.writer.line(&line, out)?;
        self.truth.line(&request.tries, ticks(now));
        let close =
            self.rng.happens(self.client_ends) || self.clients.idle() >= self.most_idle || is_old;
        self.clients.give_back(request.client, close);
        self.free.push(index);
        Ok(())
    }
}

/// Nanoseconds between two requests, in the mean, at a second since the epoch: most come at 16:00, fewest at 04:00 UTC.
fn gap(options: &Options, second: u64) -> u64 {
    let away = (second % 86_400).abs_diff(57_600);
    let away = away.min(86_400 - away);
    // 200 at the top, 0 at the bottom, in hundredths of the mean rate.
    let height = 200 - away * 200 / 43_200;
    let wave = options.wave.min(99);
    let percent = 100 - wave + wave * height / 100;
    (SECOND * 100 / (options.rate.max(1) * percent)).max(1)
}
