//! A server that counts: every connection has a thread, every response says which request of its connection it answers.
//!
//! The ordinal goes back in `X-Conn`, so nginx can log it (`$upstream_http_x_conn`): 1 means that the attempt opened
//! the connection.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Counts;
use super::rng::Rng;

/// How a backend behaves. The default answers at once and keeps every connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spec {
    /// Mean time to a response, exponentially distributed.
    pub(crate) delay: Duration,
    /// Says `Connection: close` on this request of every connection: 5 allows 5 requests each.
    pub(crate) close_after: Option<u64>,
    /// Closes a connection that has been idle for this long. A request that arrives just then is counted nowhere:
    /// nginx sees a stale connection, the backend sees nothing.
    pub(crate) idle_timeout: Option<Duration>,
    /// Closes, instead of answering, on every n-th request that came on a reused connection: what a server does
    /// whose idle timeout ends just as the request arrives.
    pub(crate) race_every: Option<u64>,
    /// Listens on a unix socket with this name, in the laboratory's folder.
    pub(crate) unix: Option<&'static str>,
}

impl Spec {
    /// A well-behaved backend with a mean response time in milliseconds.
    pub(crate) fn delayed(ms: u64) -> Self {
        Spec { delay: Duration::from_millis(ms), ..Spec::default() }
    }
}

/// A running backend. Dropping it ends its threads.
#[derive(Debug)]
pub(crate) struct Backend {
    addr: String,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    spec: Spec,
    new: AtomicU64,
    reused: AtomicU64,
    stale: AtomicU64,
    stopping: AtomicBool,
    /// Open connections, so that stopping can end their reads.
    open: Mutex<BTreeMap<u64, Stream>>,
}

impl Backend {
    /// Starts a backend on a free port of 127.0.0.1, or on a unix socket in `dir`.
    pub(crate) fn start(spec: Spec, dir: &Path) -> Backend {
        let (listener, addr) = if let Some(name) = spec.unix {
            let path = dir.join(name);
            let listener =
                UnixListener::bind(&path).expect("a unix socket in the temporary folder");
            (Listener::Unix(listener), format!("unix:{}", path.display()))
        } else {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let addr = listener.local_addr().expect("a bound socket has an address").to_string();
            (Listener::Tcp(listener), addr)
        };
        let shared = Shared {
            spec,
            new: AtomicU64::new(0),
            reused: AtomicU64::new(0),
            stale: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            open: Mutex::new(BTreeMap::new()),
        };
        let mut backend = Backend { addr, shared: Arc::new(shared), listener: None };
        backend.serve(listener);
        backend
    }

    /// Answers what it is asked, closes all connections and the listening socket, and listens again at the same address
    /// of 127.0.0.1, with something in between. The counts go on.
    pub(crate) fn restart_after(&mut self, meanwhile: impl FnOnce()) {
        self.end();
        meanwhile();
        let listener = TcpListener::bind(&self.addr).expect("a port that was ours just now");
        self.shared.stopping.store(false, SeqCst);
        self.serve(Listener::Tcp(listener));
    }

    fn serve(&mut self, listener: Listener) {
        let shared = Arc::clone(&self.shared);
        self.listener = Some(std::thread::spawn(move || accept_all(listener, &shared)));
    }

    /// The address as nginx.conf takes it and as nginx logs it: `127.0.0.1:40001`, `unix:/path`.
    pub(crate) fn addr(&self) -> &str {
        &self.addr
    }

    /// Reads what clients had sent, ends all threads and returns the counts. Final once nginx has ended.
    pub(crate) fn stop(mut self) -> Counts {
        self.end();
        Counts {
            new: self.shared.new.load(SeqCst),
            reused: self.shared.reused.load(SeqCst),
            stale: self.shared.stale.load(SeqCst),
        }
    }

    fn end(&mut self) {
        let Some(listener) = self.listener.take() else { return };
        self.shared.stopping.store(true, SeqCst);
        // A connection without a request wakes the listener and is counted nowhere.
        drop(match self.addr.strip_prefix("unix:") {
            Some(path) => UnixStream::connect(PathBuf::from(path)).map(Stream::Unix),
            None => TcpStream::connect(&self.addr).map(Stream::Tcp),
        });
        drop(listener.join());
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.end();
    }
}

/// Accepts until told to stop, then takes what is still queued, and waits for all connections to end.
fn accept_all(listener: Listener, shared: &Arc<Shared>) {
    let mut threads = Vec::new();
    let mut id = 0;
    while let Ok(stream) = listener.accept() {
        id += 1;
        let shared_too = Arc::clone(shared);
        if let Ok(copy) = stream.try_clone() {
            shared.open.lock().expect("no thread panics with it").insert(id, copy);
        }
        threads.push(std::thread::spawn(move || {
            drop(converse(&stream, id, &shared_too));
            stream.shutdown(Shutdown::Both);
            shared_too.open.lock().expect("no thread panics with it").remove(&id);
        }));
        if shared.stopping.load(SeqCst) {
            listener.set_nonblocking();
        }
    }
    // Linux has handed out what arrived before; from now on it refuses, and the reads end.
    drop(listener);
    for stream in shared.open.lock().expect("no thread panics with it").values() {
        stream.shutdown(Shutdown::Read);
    }
    for thread in threads {
        drop(thread.join());
    }
}

/// Answers the requests of one connection.
fn converse(stream: &Stream, id: u64, shared: &Shared) -> io::Result<()> {
    let spec = &shared.spec;
    let mut rng = Rng::new(id);
    let mut reader = BufReader::new(stream.try_clone()?);
    for ordinal in 1.. {
        let Some(request) = read_request(&mut reader)? else { break };
        if ordinal == 1 {
            shared.new.fetch_add(1, SeqCst);
            stream.set_read_timeout(spec.idle_timeout)?;
        } else {
            let reused = shared.reused.fetch_add(1, SeqCst) + 1;
            if spec.race_every.is_some_and(|n| reused.is_multiple_of(n)) {
                shared.stale.fetch_add(1, SeqCst);
                break;
            }
        }
        std::thread::sleep(rng.exponential(spec.delay));
        let close = request.close || spec.close_after.is_some_and(|n| ordinal >= n);
        let response = response(&request.path, ordinal, close);
        (&mut &*stream).write_all(response.as_bytes())?;
        if close {
            break;
        }
    }
    Ok(())
}

/// `/xa…` redirects to nginx's `/internal/`, `/cache…` may be cached, all else is plain.
fn response(path: &str, ordinal: u64, close: bool) -> String {
    let extra = if path.starts_with("/xa") {
        "X-Accel-Redirect: /internal/file\r\n"
    } else if path.starts_with("/cache") {
        "Cache-Control: max-age=60\r\n"
    } else {
        ""
    };
    let connection = if close { "close" } else { "keep-alive" };
    let body = "x".repeat(100);
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n{extra}X-Conn: {ordinal}\r\n\
         Connection: {connection}\r\n\r\n{body}",
        body.len()
    )
}

struct Request {
    path: String,
    close: bool,
}

/// Reads one request with its body; none when the client has closed or fallen silent.
fn read_request(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).unwrap_or("/").to_owned();
    let mut close = line.trim_end().ends_with("HTTP/1.0");
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
    io::copy(&mut reader.take(length), &mut io::sink())?;
    Ok(Some(Request { path, close }))
}

#[derive(Debug)]
enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    fn accept(&self) -> io::Result<Stream> {
        let stream = match self {
            Listener::Tcp(listener) => {
                let stream = listener.accept()?.0;
                stream.set_nodelay(true)?;
                Stream::Tcp(stream)
            }
            Listener::Unix(listener) => Stream::Unix(listener.accept()?.0),
        };
        Ok(stream)
    }

    fn set_nonblocking(&self) {
        match self {
            Listener::Tcp(listener) => listener.set_nonblocking(true),
            Listener::Unix(listener) => listener.set_nonblocking(true),
        }
        .expect("a listening socket can be made non-blocking");
    }
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    fn try_clone(&self) -> io::Result<Stream> {
        match self {
            Stream::Tcp(stream) => stream.try_clone().map(Stream::Tcp),
            Stream::Unix(stream) => stream.try_clone().map(Stream::Unix),
        }
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.set_read_timeout(timeout),
            Stream::Unix(stream) => stream.set_read_timeout(timeout),
        }
    }

    /// The other side may be gone already: then there is nothing to shut down.
    fn shutdown(&self, how: Shutdown) {
        drop(match self {
            Stream::Tcp(stream) => stream.shutdown(how),
            Stream::Unix(stream) => stream.shutdown(how),
        });
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(buffer),
            Stream::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for &Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => (&mut &*stream).write(bytes),
            Stream::Unix(stream) => (&mut &*stream).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
