//! Bounded load: Poisson arrivals over a fixed number of client connections, one thread each.
//!
//! All chance is decided in advance from a seed. The load is open: an arrival does not wait for the response to the one
//! before, unless every connection is busy.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::rng::Rng;

/// How long a client tries again while nginx is away, and how long it waits for a response.
const PATIENCE: Duration = Duration::from_secs(8);
/// A client that aborts does so at a random moment of this span after sending.
const ABORT_WITHIN: Duration = Duration::from_millis(50);

/// What to send.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// Mean arrivals per second.
    pub(crate) rate: f64,
    /// How many requests in all.
    pub(crate) requests: usize,
    /// How many client connections at a time; one thread each, so at most about 40.
    pub(crate) connections: usize,
    /// Each request takes one of these.
    pub(crate) paths: Vec<String>,
    /// Mean requests per client connection.
    pub(crate) turnover: f64,
    /// `GET`, or `POST` with a small body.
    pub(crate) method: &'static str,
    /// The share of requests, from 0 to 1, whose client leaves without waiting for the response.
    pub(crate) aborts: f64,
    /// Connections per second that are closed without a request, as by a load balancer's port check. nginx numbers
    /// them and logs nothing.
    pub(crate) checks: f64,
    /// A client sends its first request at a random moment of this span after it has connected, as over a slow network
    /// or after a TLS handshake.
    pub(crate) late: Option<(Duration, Duration)>,
    /// The same seed gives the same arrivals.
    pub(crate) seed: u64,
}

impl Default for Load {
    /// 1,000 requests in about 2.9 s.
    fn default() -> Self {
        Load {
            rate: 350.0,
            requests: 1000,
            connections: 16,
            paths: vec!["/".to_owned()],
            turnover: 20.0,
            method: "GET",
            aborts: 0.0,
            checks: 0.0,
            late: None,
            seed: 1,
        }
    }
}

/// What the clients saw. nginx logs `answered + aborted` lines, as long as no worker is killed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sent {
    /// Responses by status.
    pub(crate) answered: BTreeMap<u16, u64>,
    /// Requests whose client left.
    pub(crate) aborted: u64,
    /// Requests sent again, as nginx had closed the connection without a response.
    pub(crate) resent: u64,
    /// Requests given up.
    pub(crate) failed: u64,
    /// Connections without a request.
    pub(crate) checks: u64,
}

impl Sent {
    /// How many requests nginx has logged.
    pub(crate) fn logged(&self) -> u64 {
        self.answered.values().sum::<u64>() + self.aborted
    }

    fn add(&mut self, other: &Sent) {
        for (status, n) in &other.answered {
            *self.answered.entry(*status).or_default() += n;
        }
        self.aborted += other.aborted;
        self.resent += other.resent;
        self.failed += other.failed;
    }
}

/// One request of the plan.
#[derive(Debug)]
struct Arrival {
    due: Duration,
    text: String,
    abort_after: Option<Duration>,
    close: bool,
    /// How long to wait behind the connect, if it takes one.
    late: Duration,
}

/// A load on its way.
#[derive(Debug)]
pub(crate) struct Running {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<Sent>>,
    checks: Option<JoinHandle<u64>>,
}

#[derive(Debug)]
struct Shared {
    addr: String,
    start: Instant,
    plan: Vec<Arrival>,
    next: AtomicUsize,
}

impl Load {
    /// Starts to send to `addr`.
    pub(crate) fn start(&self, addr: &str) -> Running {
        let shared = Arc::new(Shared {
            addr: addr.to_owned(),
            start: Instant::now(),
            plan: self.plan(),
            next: AtomicUsize::new(0),
        });
        let client = |_| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || client(&shared))
        };
        let clients = (0..self.connections).map(client).collect();
        let every = (self.checks > 0.0).then(|| Duration::from_secs_f64(1.0 / self.checks));
        let for_checks = Arc::clone(&shared);
        let checks = every.map(|every| std::thread::spawn(move || check(&for_checks, every)));
        Running { shared, clients, checks }
    }

    fn plan(&self) -> Vec<Arrival> {
        let mut rng = Rng::new(self.seed);
        let mut due = Duration::ZERO;
        // nginx may stop listening before it takes a connection that was aborted as the very last.
        let abortable = self.requests.saturating_sub(self.connections);
        let mut arrival = |n| {
            due += rng.exponential(Duration::from_secs_f64(1.0 / self.rate));
            let path = rng.pick(&self.paths);
            let body = if self.method == "POST" { "Content-Length: 4\r\n\r\nbody" } else { "\r\n" };
            let text = format!("{} {path} HTTP/1.1\r\nHost: lab\r\n{body}", self.method);
            let aborts = rng.chance(self.aborts) && n < abortable;
            let abort_after = aborts.then(|| ABORT_WITHIN.mul_f64(rng.unit()));
            let close = rng.chance(1.0 / self.turnover);
            let late = self.late.map_or(Duration::ZERO, |(least, most)| {
                least + most.saturating_sub(least).mul_f64(rng.unit())
            });
            Arrival { due, text, abort_after, close, late }
        };
        (0..self.requests).map(&mut arrival).collect()
    }
}

impl Running {
    /// How many arrivals have been taken up.
    pub(crate) fn begun(&self) -> usize {
        self.shared.next.load(SeqCst).min(self.shared.plan.len())
    }

    /// Waits until so many arrivals have been taken up, or until the clients have ended.
    pub(crate) fn wait(&self, arrivals: usize) {
        while self.begun() < arrivals && !self.clients.iter().all(JoinHandle::is_finished) {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits for the end.
    pub(crate) fn finish(mut self) -> Sent {
        let mut sent = Sent::default();
        for client in std::mem::take(&mut self.clients) {
            sent.add(&client.join().expect("a client does not panic"));
        }
        if let Some(checks) = self.checks.take() {
            sent.checks = checks.join().expect("a check does not panic");
        }
        sent
    }
}

impl Drop for Running {
    /// Ends the load early if the test has failed: the clients find nothing more to send.
    fn drop(&mut self) {
        self.shared.next.store(self.shared.plan.len(), SeqCst);
    }
}

/// Takes the next arrival of the plan whenever it is free.
fn client(shared: &Shared) -> Sent {
    let mut sent = Sent::default();
    let mut connection = None;
    while let Some(arrival) = shared.plan.get(shared.next.fetch_add(1, SeqCst)) {
        std::thread::sleep(arrival.due.saturating_sub(shared.start.elapsed()));
        send(shared, arrival, &mut connection, &mut sent);
    }
    sent
}

/// Connects and closes at a steady pace for as long as there is something to send; how often.
fn check(shared: &Shared, every: Duration) -> u64 {
    let mut checks = 0;
    let mut due = every / 2;
    while shared.next.load(SeqCst) < shared.plan.len() {
        std::thread::sleep(due.saturating_sub(shared.start.elapsed()));
        checks += u64::from(TcpStream::connect(&shared.addr).is_ok());
        due += every;
    }
    checks
}

/// Sends until there is a response: nginx may close an idle connection just as a request arrives, or be restarting.
fn send(
    shared: &Shared,
    arrival: &Arrival,
    connection: &mut Option<BufReader<TcpStream>>,
    sent: &mut Sent,
) {
    let begin = Instant::now();
    loop {
        match exchange(&shared.addr, arrival, connection) {
            Ok(Some(status)) => *sent.answered.entry(status).or_default() += 1,
            Ok(None) => sent.aborted += 1,
            Err(_) if begin.elapsed() < PATIENCE => {
                *connection = None;
                sent.resent += 1;
                std::thread::sleep(Duration::from_millis(10));
                continue;
            }
            Err(_) => sent.failed += 1,
        }
        return;
    }
}

/// One request and its status, or none if the client left.
fn exchange(
    addr: &str,
    arrival: &Arrival,
    connection: &mut Option<BufReader<TcpStream>>,
) -> io::Result<Option<u16>> {
    let mut reader = if let Some(reader) = connection.take() {
        reader
    } else {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        std::thread::sleep(arrival.late);
        BufReader::new(stream)
    };
    reader.get_mut().write_all(arrival.text.as_bytes())?;
    if let Some(after) = arrival.abort_after {
        std::thread::sleep(after);
        drop(reader.get_ref().shutdown(Shutdown::Both));
        return Ok(None);
    }
    let (status, close) = read_response(&mut reader)?;
    if !close && !arrival.close {
        *connection = Some(reader);
    }
    Ok(Some(status))
}

/// Reads one response with its body; the status, and whether nginx closes the connection.
fn read_response(reader: &mut impl BufRead) -> io::Result<(u16, bool)> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or(io::ErrorKind::UnexpectedEof)?;
    let mut close = false;
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let header = line.trim_end().to_ascii_lowercase();
        match header.split_once(": ") {
            Some(("content-length", value)) => length = value.parse().unwrap_or(0),
            Some(("connection", value)) => close |= value == "close",
            Some(_) => {}
            None => break,
        }
    }
    if io::copy(&mut reader.take(length), &mut io::sink())? < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((status, close))
}
