//! Logs of a simulated nginx, for what a real one can't be made to do in seconds: hosts and restarts that share a `$pid`,
//! clients that are late by the thousand, logs that are sampled, doubled and spread.
//!
//! The simulation knows what the numbers of `ngx_event_accept` and `ngx_event_connect_peer` are drawn by, and which
//! attempt found its worker's pool empty. It knows nothing of how keepwarm judges.

mod scenarios;

use super::variations::Random;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

/// A peer and how connections to it are kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    addr: &'static str,
    /// `keepalive`: idle connections per worker.
    pool: usize,
    /// `keepalive_requests`
    requests: u32,
    /// The share of new connections whose connect time is above 0.
    visible: f64,
}

/// An nginx under load.
#[derive(Debug, Clone)]
pub(super) struct Nginx {
    seed: u64,
    seconds: u64,
    /// New clients per second, in the mean.
    clients: f64,
    /// Requests per client, from and to.
    requests: [u32; 2],
    /// How late the first request comes behind the accept, from and to, in milliseconds.
    late_ms: [f64; 2],
    /// Clients per second that are accepted and log nothing.
    silent: f64,
    /// For so many seconds.
    silent_seconds: u64,
    /// Seconds of load and seconds of a tenth of it, in turn; none: always the same.
    phases: Option<u64>,
    pids: Vec<u64>,
    peers: Vec<Peer>,
    /// Connections that were numbered before.
    drawn: u64,
    /// When it begins, in milliseconds since the epoch.
    begin_ms: i64,
}

impl Default for Nginx {
    fn default() -> Self {
        Nginx {
            seed: 1,
            seconds: 120,
            clients: 20.0,
            requests: [1, 10],
            late_ms: [0.2, 0.2],
            silent: 0.0,
            silent_seconds: u64::MAX,
            phases: None,
            pids: vec![101, 102],
            peers: vec![scenarios::MIDDLING],
            drawn: 0,
            begin_ms: 1_795_226_603_000,
        }
    }
}

/// A line of the log, and whether its attempt opened a connection.
#[derive(Debug, Clone)]
pub(super) struct Line {
    end_ms: i64,
    took_ms: i64,
    pid: u64,
    /// `$connection` and `$connection_requests`, if they are logged.
    serial: Option<(u64, u32)>,
    addr: &'static str,
    visible: bool,
    new: bool,
}

impl Line {
    /// As nginx writes it in the recommended format.
    fn text(&self) -> String {
        let seconds = |ms: i64| format!("{}.{:03}", ms / 1000, ms % 1000);
        let serial =
            self.serial.map_or(String::new(), |(conn, creq)| format!("conn={conn} creq={creq} "));
        let (took, end, pid, addr) =
            (seconds(self.took_ms), seconds(self.end_ms), self.pid, self.addr);
        let connect = seconds(i64::from(self.visible));
        format!(
            "1.1.1.1 - - [21/Nov/2026:02:03:23 +0000] \"GET / HTTP/1.1\" 200 12 \"-\" \"x\" rt={took} msec={end} pid={pid} \
             {serial}up=app ua=\"{addr}\" us=\"200\" uct=\"{connect}\" uht=\"{took}\" urt=\"{took}\" ubs=\"100\" ubr=\"200\""
        )
    }
}

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Accept,
    Silent,
    Request { client: u64, worker: usize, number: u32, last: u32 },
    Done { worker: usize, peer: usize, used: u32 },
}

/// The state of a run.
struct Run<'a> {
    nginx: &'a Nginx,
    random: Random,
    queue: BinaryHeap<Reverse<(Duration, usize, Event)>>,
    scheduled: usize,
    /// The last number drawn.
    drawn: u64,
    /// Idle connections by worker and peer: how many requests each has served.
    idle: BTreeMap<(usize, usize), Vec<u32>>,
    lines: Vec<Line>,
}

impl Nginx {
    /// Its log, in the order of the lines' ends.
    pub(super) fn log(&self) -> Vec<Line> {
        self.run().0
    }

    /// Its log, and the last number drawn.
    fn run(&self) -> (Vec<Line>, u64) {
        let mut run = Run {
            nginx: self,
            random: Random(self.seed),
            queue: BinaryHeap::new(),
            scheduled: 0,
            drawn: self.drawn,
            idle: BTreeMap::new(),
            lines: Vec::new(),
        };
        run.after(Duration::ZERO, self.clients, Event::Accept);
        run.after(Duration::ZERO, self.silent, Event::Silent);
        while let Some(Reverse((now, _, event))) = run.queue.pop() {
            run.happen(now, event);
        }
        run.lines.sort_by_key(|line| line.end_ms);
        (run.lines, run.drawn)
    }
}

impl Run<'_> {
    fn at(&mut self, when: Duration, event: Event) {
        self.scheduled += 1;
        self.queue.push(Reverse((when, self.scheduled, event)));
    }

    /// Schedules the next event of a kind that comes `rate` times a second until the end.
    fn after(&mut self, now: Duration, rate: f64, event: Event) {
        if rate > 0.0 && now.as_secs() < self.nginx.seconds {
            let wait = self.exponential(1.0 / rate);
            self.at(now + wait, event);
        }
    }

    fn exponential(&mut self, mean: f64) -> Duration {
        Duration::from_secs_f64(-mean * (1.0 - self.random.unit()).ln())
    }

    fn between(&mut self, [from, to]: [f64; 2]) -> Duration {
        Duration::from_secs_f64((from + (to - from) * self.random.unit()) / 1000.0)
    }

    fn happen(&mut self, now: Duration, event: Event) {
        match event {
            Event::Silent => {
                self.drawn += 1;
                if now.as_secs() < self.nginx.silent_seconds {
                    self.after(now, self.nginx.silent, event);
                }
            }
            Event::Accept => {
                self.after(now, self.nginx.clients, event);
                let quiet = self.nginx.phases.is_some_and(|phase| now.as_secs() / phase % 2 == 1);
                if !quiet || self.random.below(10) == 0 {
                    self.accept(now);
                }
            }
            Event::Request { client, worker, number, last } => {
                let end = self.attempt(now, client, worker, number);
                if number < last {
                    let next = Event::Request { client, worker, number: number + 1, last };
                    let pause = self.exponential(0.05);
                    self.at(end + pause, next);
                }
            }
            Event::Done { worker, peer, used } => {
                let Peer { pool, requests, .. } = self.nginx.peers[peer];
                let idle = self.idle.entry((worker, peer)).or_default();
                if idle.len() < pool && used < requests {
                    idle.push(used);
                }
            }
        }
    }

    fn accept(&mut self, now: Duration) {
        self.drawn += 1;
        let worker = self.random.below(self.nginx.pids.len());
        let [from, to] = self.nginx.requests;
        let more = self.random.below(usize::try_from(to - from + 1).unwrap());
        let last = from + u32::try_from(more).unwrap();
        let late = self.between(self.nginx.late_ms);
        self.at(now + late, Event::Request { client: self.drawn, worker, number: 1, last });
    }

    /// One request with one attempt; when it is over.
    fn attempt(&mut self, now: Duration, client: u64, worker: usize, number: u32) -> Duration {
        let index = self.random.below(self.nginx.peers.len());
        let peer = self.nginx.peers[index];
        let pooled = self.idle.entry((worker, index)).or_default().pop();
        self.drawn += u64::from(pooled.is_none());
        let end = now + self.between([3.0, 20.0]);
        let ms = |time: Duration| self.nginx.begin_ms + i64::try_from(time.as_millis()).unwrap();
        self.lines.push(Line {
            end_ms: ms(end),
            took_ms: ms(end) - ms(now),
            pid: self.nginx.pids[worker],
            serial: Some((client, number)),
            addr: peer.addr,
            visible: pooled.is_none() && self.random.unit() < peer.visible,
            new: pooled.is_none(),
        });
        self.at(end, Event::Done { worker, peer: index, used: pooled.unwrap_or(0) + 1 });
        end
    }
}
