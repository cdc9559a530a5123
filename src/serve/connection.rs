//! One client: requests in, answers out, one after the other.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::request::{self, MAX_HEAD, Parsed, Request};
use super::{Published, Shared};
use crate::render::prometheus;

/// How long a connection may wait for its next request: as long as nginx's `keepalive_timeout`, and longer than most
/// intervals of scraping.
const IDLE: Duration = Duration::from_secs(75);

/// How long a head may take from its first byte.
const HEAD: Duration = Duration::from_secs(10);

/// How long a client may take to accept an answer.
const ANSWER: Duration = Duration::from_secs(30);

/// What a client still sends after its connection is closed is read for so long, and up to so many bytes. Else the
/// kernel would answer with a reset, which makes some clients forget the answer they already have.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 * 1024;

/// Answers until the client, the server or a limit ends it. Whatever fails ends it, too: nobody is left to be told.
pub(super) fn serve(stream: &TcpStream, shared: &Shared, id: u64) {
    let mut pending = Vec::new();
    let _ = stream.set_nodelay(true);
    while !shared.is_stopping() {
        match next(stream, shared, id, &mut pending) {
            Ok(true) => {}
            Ok(false) => return linger(stream),
            Err(_) => return,
        }
    }
}

/// Reads and answers one request. False if it was the last one.
fn next(stream: &TcpStream, shared: &Shared, id: u64, pending: &mut Vec<u8>) -> io::Result<bool> {
    let mut deadline = Instant::now() + if pending.is_empty() { IDLE } else { HEAD };
    loop {
        match request::parse(pending) {
            Parsed::Request(request, taken) => {
                let answer = answer(shared, request);
                let keeps_alive = request.keeps_alive && answer.status < 500;
                let with_body = request.method != "HEAD";
                pending.drain(..taken);
                send(stream, &answer, keeps_alive, with_body)?;
                if keeps_alive && pending.is_empty() {
                    shared.set_idle(id, Some(Instant::now()));
                }
                return Ok(keeps_alive);
            }
            Parsed::Refused((status, reason)) => {
                send(stream, &Answer::text(status, reason, reason), false, true)?;
                return Ok(false);
            }
            Parsed::Partial => {}
        }
        let mut buffer = [0; 4096];
        let read = receive(stream, &mut buffer, deadline)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if pending.is_empty() {
            shared.set_idle(id, None);
            deadline = Instant::now() + HEAD;
        }
        pending.extend_from_slice(&buffer[..read]);
        debug_assert!(pending.len() <= MAX_HEAD + buffer.len());
    }
}

/// Time that is left; an error if there is none, as a timeout of zero would be none at all.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

fn receive(mut stream: &TcpStream, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
    loop {
        stream.set_read_timeout(Some(left(deadline)?))?;
        match stream.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// An answer without its body's length and connection.
struct Answer {
    status: u16,
    reason: &'static str,
    content_type: &'static str,
    allows: bool,
    body: Body,
}

enum Body {
    Text(String),
    Metrics(Arc<Published>),
    /// Which of the windows.
    Report(Arc<Published>, usize),
    Fixed(&'static str),
}

impl Body {
    fn bytes(&self) -> &[u8] {
        match self {
            Body::Text(text) => text.as_bytes(),
            Body::Metrics(published) => &published.metrics,
            Body::Report(published, at) => published.windows[*at].json(),
            Body::Fixed(text) => text.as_bytes(),
        }
    }
}

const PLAIN: &str = "text/plain; charset=utf-8";
const INDEX: &str = "keepwarm\n\n/metrics\n/healthz\n/report.json\n/report.json?window=NAME\n";

impl Answer {
    fn new(content_type: &'static str, body: Body) -> Answer {
        Answer { status: 200, reason: "OK", content_type, allows: false, body }
    }

    fn text(status: u16, reason: &'static str, text: &str) -> Self {
        let body = Body::Text(format!("{text}\n"));
        Answer { status, reason, content_type: PLAIN, allows: false, body }
    }
}

fn answer(shared: &Shared, request: Request<'_>) -> Answer {
    let is_page = matches!(request.path, "/" | "/metrics" | "/healthz" | "/report.json");
    if !is_page {
        return Answer::text(404, "Not Found", "Not Found");
    }
    if !matches!(request.method, "GET" | "HEAD") {
        let answer = Answer::text(405, "Method Not Allowed", "Method Not Allowed");
        return Answer { allows: true, ..answer };
    }
    let unavailable = |why: &str| Answer::text(503, "Service Unavailable", why);
    match (request.path, shared.board.current()) {
        ("/", _) => Answer::new(PLAIN, Body::Fixed(INDEX)),
        ("/healthz", _) => match shared.board.trouble(Instant::now()) {
            Some(trouble) => unavailable(&trouble),
            None => Answer::new(PLAIN, Body::Fixed("ok\n")),
        },
        (_, None) => unavailable("starting"),
        ("/metrics", Some(now)) => Answer::new(prometheus::CONTENT_TYPE, Body::Metrics(now)),
        (_, Some(now)) => report(now, request.query),
    }
}

/// The window that `window=NAME` asks for, or the first one. Other parameters say nothing.
fn report(now: Arc<Published>, query: &str) -> Answer {
    let mut parameters = query.split('&').filter_map(|parameter| parameter.split_once('='));
    let at = match parameters.find(|(key, _)| *key == "window") {
        Some((_, wanted)) => now.windows.iter().position(|window| window.name == wanted),
        None => (!now.windows.is_empty()).then_some(0),
    };
    let Some(at) = at else {
        let names: Vec<&str> = now.windows.iter().map(|window| &*window.name).collect();
        let text = format!("there is no such window; there are: {}", names.join(", "));
        return Answer::text(404, "Not Found", &text);
    };
    Answer::new("application/json", Body::Report(now, at))
}

fn send(
    mut stream: &TcpStream,
    answer: &Answer,
    keeps_alive: bool,
    with_body: bool,
) -> io::Result<()> {
    let deadline = Instant::now() + ANSWER;
    let body = answer.body.bytes();
    let head = format!(
        "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\n{}Connection: {}\r\n\r\n",
        answer.status,
        answer.reason,
        answer.content_type,
        body.len(),
        if answer.allows { "Allow: GET, HEAD\r\n" } else { "" },
        if keeps_alive { "keep-alive" } else { "close" },
    );
    for mut part in [head.as_bytes(), if with_body { body } else { b"" }] {
        while !part.is_empty() {
            stream.set_write_timeout(Some(left(deadline)?))?;
            match stream.write(part) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => part = &part[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

fn linger(stream: &TcpStream) {
    let deadline = Instant::now() + LINGER;
    let mut left = LINGER_BYTES;
    let mut buffer = [0; 4096];
    if stream.shutdown(Shutdown::Write).is_err() {
        return;
    }
    while let Ok(read @ 1..) = receive(stream, &mut buffer, deadline) {
        left = left.saturating_sub(read);
        if left == 0 {
            return;
        }
    }
}
