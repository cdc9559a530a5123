//! The laboratory: a real nginx in front of backends that count, under a bounded load, so that the truth is known.
//!
//! ```text
//! Load --> Nginx (access.log, truth.tsv) --> Backend, TlsBackend (new and reused, counted)
//! ```
//!
//! [`scenarios`] holds one function per situation; each gives a [`Run`]: the logs, the configuration and the [`Truth`].
//! Everything lies in a temporary folder and listens on 127.0.0.1 or unix sockets; every process is ended by its id.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    reason = "the laboratory is all I/O, and what fails in it fails the test"
)]

pub(crate) mod backend;
pub(crate) mod events;
pub(crate) mod judge;
pub(crate) mod load;
pub(crate) mod nginx;
pub(crate) mod record;
pub(crate) mod rng;
pub(crate) mod scenarios;
pub(crate) mod site;
pub(crate) mod tls;
pub(crate) mod warmup;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::AddAssign;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use backend::{Backend, Spec};
use load::{Load, Running, Sent};
use nginx::Nginx;
use site::Site;
use tempfile::TempDir;
use tls::TlsBackend;

/// A backend that is restarted is away while so many requests begin, as a real one is while it loads its program.
const WHILE_AWAY: usize = 60;

/// What a scenario leaves. The folder goes when this is dropped.
#[derive(Debug)]
pub(crate) struct Run {
    /// The logs under test, oldest first: `access.log.1`, `access.log`.
    pub(crate) access_logs: Vec<PathBuf>,
    /// The front nginx's configuration.
    pub(crate) conf: PathBuf,
    /// The front nginx's error log, from level notice.
    pub(crate) error_log: PathBuf,
    /// What happened, as the backends and the laboratory saw it.
    pub(crate) truth: Truth,
    /// What the clients saw.
    pub(crate) sent: Sent,
    /// The last attempt of each logged request, in log order. On a cache HIT it is the stored response's: see `addr`.
    pub(crate) last_attempts: Vec<LastAttempt>,
    /// Every process that was started. None runs any more.
    pub(crate) pids: BTreeSet<u32>,
    /// Where all of it lies.
    _dir: TempDir,
}

/// What really happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Truth {
    /// All peers together.
    pub(crate) total: Counts,
    /// By the address that nginx logs.
    pub(crate) peers: BTreeMap<String, Counts>,
    /// What was done to nginx or to a backend, in order.
    pub(crate) events: Vec<Event>,
}

/// Attempts that reached a backend. hit rate = reused / (reused + new).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Connections on which at least one request came: attempts that opened a connection.
    pub(crate) new: u64,
    /// Requests after the first of a connection.
    pub(crate) reused: u64,
    /// Of `reused`: not answered, as the backend closed just then.
    pub(crate) stale: u64,
}

impl Counts {
    /// The hit rate, from 0 to 1; NaN without attempts.
    pub(crate) fn hit_rate(self) -> f64 {
        let exact = |n: u64| f64::from(u32::try_from(n).expect("a laboratory's numbers are small"));
        exact(self.reused) / exact(self.reused + self.new)
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.new += other.new;
        self.reused += other.reused;
        self.stale += other.stale;
    }
}

/// Something that was done to nginx or to a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Event {
    /// What.
    pub(crate) kind: EventKind,
    /// When the signal was sent, in milliseconds since 1970.
    pub(crate) at_ms: i64,
    /// When its effect was complete: new workers run and the old at most finish what they have begun, the new log is in
    /// use, the backend listens.
    pub(crate) done_ms: i64,
}

/// What can be done to nginx and the backends under load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// HUP.
    Reload,
    /// QUIT, then a new start.
    Restart,
    /// KILL to one worker. Requests it was serving reach a backend and no log.
    WorkerKilled,
    /// The log renamed, then USR1.
    Rotation,
    /// USR2, then QUIT to the old master.
    Upgrade,
    /// The TLS backend, or else the first one, closes all connections and its listening socket, refuses connects for a
    /// moment, and listens again at the same address.
    BackendRestart,
}

impl EventKind {
    /// As recorded cases and reports call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            EventKind::Reload => "reload",
            EventKind::Restart => "restart",
            EventKind::WorkerKilled => "worker_exit",
            EventKind::Rotation => "rotation",
            EventKind::Upgrade => "upgrade",
            EventKind::BackendRestart => "backend_restart",
        }
    }
}

/// One row of truth.tsv.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LastAttempt {
    /// `$pid`
    pub(crate) pid: u32,
    /// `$connection`, the client connection's serial.
    pub(crate) connection: u64,
    /// The ordinal of the request on its upstream connection, 1 for a new one; none without a response.
    pub(crate) ordinal: Option<u64>,
    /// `$upstream_addr`, all attempts; `-` if there was none (then `ordinal` says nothing).
    pub(crate) addr: String,
}

/// A laboratory being set up: backends first, then [`Lab::run`].
#[derive(Debug)]
pub(crate) struct Lab {
    backends: Vec<Backend>,
    tls: Option<TlsBackend>,
    dir: TempDir,
    _permit: Permit,
}

impl Lab {
    /// An empty laboratory. Waits while two others run, so a test must not hold two.
    pub(crate) fn new() -> Lab {
        let permit = Permit::take();
        let dir = tempfile::tempdir().expect("a temporary folder");
        Lab { backends: Vec::new(), tls: None, dir, _permit: permit }
    }

    /// Starts a backend; its address as nginx takes and logs it.
    pub(crate) fn backend(&mut self, spec: Spec) -> String {
        let backend = Backend::start(spec, self.dir.path());
        let addr = backend.addr().to_owned();
        self.backends.push(backend);
        addr
    }

    /// Starts the TLS backend, which takes `delay` to answer in the mean; its address.
    pub(crate) fn tls_backend(&mut self, delay: Duration) -> String {
        let backend = TlsBackend::start(self.dir.path(), delay);
        let addr = backend.addr();
        self.tls = Some(backend);
        addr
    }

    /// Runs `site` on `workers` processes under `load`. Each event happens once that many requests have begun.
    pub(crate) fn run(
        mut self,
        site: &Site,
        workers: usize,
        load: &Load,
        events: &[(usize, EventKind)],
    ) -> Run {
        let front = self.dir.path().join("front");
        let daemon = events.iter().any(|(_, kind)| *kind == EventKind::Upgrade);
        let mut nginx = Nginx::start(&front, &site.text(), workers, daemon);
        let running = load.start(&nginx.addr());
        let mut truth = Truth::default();
        for &(after, kind) in events {
            running.wait(after);
            truth.events.push(self.perform(&mut nginx, &running, kind));
        }
        let sent = running.finish();
        nginx.stop();
        let mut pids = nginx.seen().clone();
        for backend in self.backends {
            truth.peers.insert(backend.addr().to_owned(), backend.stop());
        }
        if let Some(tls) = self.tls {
            let addr = tls.addr();
            let (counts, more) = tls.stop();
            truth.peers.insert(addr, counts);
            pids.extend(more);
        }
        for counts in truth.peers.values() {
            truth.total += *counts;
        }
        Run {
            access_logs: access_logs(&front),
            conf: front.join("nginx.conf"),
            error_log: front.join("error.log"),
            truth,
            sent,
            last_attempts: last_attempts(&front),
            pids,
            _dir: self.dir,
        }
    }

    fn perform(&mut self, nginx: &mut Nginx, running: &Running, kind: EventKind) -> Event {
        let at_ms = now_ms();
        let away = || running.wait(running.begun() + WHILE_AWAY);
        match kind {
            EventKind::Reload => nginx.reload(),
            EventKind::Restart => nginx.restart(),
            EventKind::WorkerKilled => nginx.kill_worker(),
            EventKind::Rotation => nginx.rotate(),
            EventKind::Upgrade => nginx.upgrade(),
            EventKind::BackendRestart => {
                if let Some(tls) = &mut self.tls {
                    tls.restart_after(away);
                } else {
                    let first = self.backends.first_mut().expect("a laboratory has a backend");
                    first.restart_after(away);
                }
            }
        }
        Event { kind, at_ms, done_ms: now_ms() }
    }
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(now.as_millis()).expect("a date before the year 292,000,000")
}

fn access_logs(dir: &Path) -> Vec<PathBuf> {
    let rotated = (1..10).rev().map(|n| dir.join(format!("access.log.{n}")));
    rotated.chain([dir.join("access.log")]).filter(|path| path.exists()).collect()
}

fn last_attempts(dir: &Path) -> Vec<LastAttempt> {
    let text = fs::read_to_string(dir.join("truth.tsv")).expect("nginx made its log");
    let row = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [pid, connection, _, ordinal, addr] = fields[..] else { panic!("odd row: {line}") };
        LastAttempt {
            pid: pid.parse().expect("$pid is a number"),
            connection: connection.parse().expect("$connection is a number"),
            ordinal: ordinal.parse().ok(),
            addr: addr.to_owned(),
        }
    };
    text.lines().map(row).collect()
}

/// One of the two places for a running laboratory: more would only measure each other.
#[derive(Debug)]
struct Permit;

static FREE_PLACES: Mutex<u32> = Mutex::new(2);
static PLACE_FREED: Condvar = Condvar::new();

impl Permit {
    fn take() -> Permit {
        let free = FREE_PLACES.lock().expect("nobody panics with it");
        let mut free = PLACE_FREED.wait_while(free, |n| *n == 0).expect("nobody panics with it");
        *free -= 1;
        Permit
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        *FREE_PLACES.lock().expect("nobody panics with it") += 1;
        PLACE_FREED.notify_one();
    }
}
