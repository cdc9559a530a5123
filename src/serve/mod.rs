//! What `keepwarm watch` shows over HTTP: `/metrics`, `/healthz` and `/report.json`.
//!
//! A small HTTP/1.1 server on threads of its own. It never touches the pipeline: it reads what was published last, so a slow
//! client delays nobody but itself. It is made for clients that mean no good:
//!
//! - At most [`MAX_CONNECTIONS`] connections, each with a thread. One more closes the one that has been waiting longest
//!   for its next request, or else the oldest: idle connections, however many, keep no scrape out.
//! - A head of a request is 8 KiB at most and has 10 s to arrive; an answer has 30 s to be taken. So neither can be
//!   dripped.
//! - Requests have no body and no effect, and no file is ever read for one.

#![expect(
    clippy::disallowed_methods,
    reason = "a server has threads, deadlines and files of its own"
)]

mod board;
mod connection;
mod request;
pub mod textfile;

pub use board::{Board, Published, Window};

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};

/// Most connections at a time.
pub const MAX_CONNECTIONS: usize = 64;

/// A connection's thread needs little: the text it sends is shared.
const STACK_BYTES: usize = 256 * 1024;

/// Locks, also after a thread that held it panicked: what is inside is only ever replaced as a whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection as others see it.
#[derive(Debug)]
struct Slot {
    stream: TcpStream,
    /// Since when it has been waiting for a request; none while one is being read or answered.
    idle_since: Option<Instant>,
    opened: Instant,
}

/// What the accepting thread and those of connections share.
#[derive(Debug)]
struct Shared {
    board: Arc<Board>,
    stopping: AtomicBool,
    slots: Mutex<BTreeMap<u64, Slot>>,
}

impl Shared {
    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn set_idle(&self, id: u64, since: Option<Instant>) {
        if let Some(slot) = lock(&self.slots).get_mut(&id) {
            slot.idle_since = since;
        }
    }

    /// Takes a place for a connection, and closes another one for it if all are taken.
    fn enter(&self, id: u64, stream: TcpStream) {
        let mut slots = lock(&self.slots);
        if slots.len() >= MAX_CONNECTIONS {
            let waits = slots.iter().min_by_key(|(_, slot)| {
                (slot.idle_since.is_none(), slot.idle_since.unwrap_or(slot.opened))
            });
            if let Some(id) = waits.map(|(id, _)| *id)
                && let Some(slot) = slots.remove(&id)
            {
                // Its thread ends at the next read or write.
                let _ = slot.stream.shutdown(Shutdown::Both);
            }
        }
        let now = Instant::now();
        slots.insert(id, Slot { stream, idle_since: Some(now), opened: now });
    }

    fn leave(&self, id: u64) {
        lock(&self.slots).remove(&id);
    }
}

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on an address (`127.0.0.1:9145`, `[::1]:9145`, `localhost:9145`; port 0: any that is free) and answers
    /// from the board.
    ///
    /// # Errors
    /// `Usage` if that is not an address, `Io` if it can't be listened on.
    pub fn start(address: &str, board: Arc<Board>) -> Result<Server> {
        let is_whole = address
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
        if !is_whole {
            let message = format!("expected ADDRESS:PORT to listen on, found: {address}");
            let hint = "127.0.0.1:9145, or 0.0.0.0:9145 for all addresses of this machine";
            return Err(Error::new(ErrorKind::Usage, message).with_hint(hint));
        }
        let failed = |error| Error::io(format_args!("can't listen on {address}"), &error);
        let listener = TcpListener::bind(address).map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let slots = Mutex::default();
        let shared = Arc::new(Shared { board, stopping: AtomicBool::new(false), slots });
        let accepting = {
            let shared = Arc::clone(&shared);
            let thread = Builder::new().name("http".to_owned()).stack_size(STACK_BYTES);
            thread.spawn(move || accept(&listener, &shared)).map_err(failed)?
        };
        Ok(Server { shared, address: bound, accepting: Some(accepting) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to tell the user about where it listens, if anything: there is no password and no TLS.
    pub fn warning(&self) -> Option<String> {
        let is_open = !self.address.ip().to_canonical().is_loopback();
        is_open.then(|| {
            format!(
                "{} is not a loopback address: whoever reaches it can read the names and numbers of all upstreams",
                self.address
            )
        })
    }
}

impl Drop for Server {
    /// Closes all connections and waits for the accepting thread.
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        // A connection wakes the thread that waits for one.
        let mut wake = self.address;
        match wake.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => wake.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => wake.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        let is_awake = TcpStream::connect_timeout(&wake, Duration::from_secs(1)).is_ok();
        for slot in std::mem::take(&mut *lock(&self.shared.slots)).into_values() {
            let _ = slot.stream.shutdown(Shutdown::Both);
        }
        if let Some(thread) = self.accepting.take()
            && is_awake
        {
            let _ = thread.join();
        }
    }
}

/// Accepts until the server stops.
fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut id = 0;
    loop {
        let accepted = listener.accept();
        if shared.is_stopping() {
            return;
        }
        let Ok((stream, _)) = accepted else {
            // No file descriptor is left, or the client is gone already. Others may close one meanwhile.
            std::thread::sleep(Duration::from_millis(20));
            continue;
        };
        let Ok(other) = stream.try_clone() else { continue };
        id += 1;
        shared.enter(id, other);
        let own = Arc::clone(shared);
        let run = move || {
            connection::serve(&stream, &own, id);
            own.leave(id);
        };
        let thread = Builder::new().name("http client".to_owned()).stack_size(STACK_BYTES);
        if thread.spawn(run).is_err() {
            shared.leave(id);
        }
    }
}

#[cfg(test)]
mod tests;
