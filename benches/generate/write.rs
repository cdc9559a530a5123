//! Lines in any format: compiled once, then copied together.

use super::clients::Client;
use super::pools::{Pools, Upstream};
use super::traffic::{Request, Try, ticks};
use super::words::Words;
use keepwarm::log_format::{Escape, LogFormat, Piece};
use std::io;

/// Bytes that are gathered before they are written.
const BUFFER: usize = 1 << 20;

/// A request at its end.
#[derive(Debug)]
pub(super) struct Line<'a> {
    /// Nanoseconds since the epoch.
    pub(super) end: u64,
    pub(super) request: &'a Request,
    pub(super) client: &'a Client,
    pub(super) words: &'a Words,
    pub(super) pools: &'a Pools,
    pub(super) upstream: Option<&'a Upstream>,
}

/// A part of the format.
#[derive(Debug)]
enum Part {
    Literal(Vec<u8>),
    Client(ClientValue),
    Time(TimeValue),
    Request(RequestValue),
    UpstreamName,
    List(List),
    /// Never set in this log: `-`, or empty.
    Absent,
    /// Set to nothing: empty.
    Empty,
}

#[derive(Debug, Clone, Copy)]
enum ClientValue {
    Addr,
    Agent,
    Connection,
    Requests,
}

#[derive(Debug, Clone, Copy)]
enum TimeValue {
    Local,
    Iso8601,
    Msec,
    RequestTime,
}

#[derive(Debug, Clone, Copy)]
enum RequestValue {
    Line,
    Method,
    Uri,
    Protocol,
    Length,
    Id,
    Status,
    Body,
    Bytes,
    Referer,
    Host,
    Pid,
}

#[derive(Debug, Clone, Copy)]
enum List {
    Addr,
    Status,
    Connect,
    Header,
    Response,
    Received,
    Sent,
    Length,
}

/// Turns requests into lines.
#[derive(Debug)]
pub(super) struct Writer {
    parts: Vec<Part>,
    absent: &'static [u8],
    buffer: Vec<u8>,
    /// Bytes of all lines so far.
    pub(super) bytes: u64,
    /// The second that the next two are for.
    second: u64,
    local: String,
    iso8601: String,
}

impl Writer {
    /// Compiles a format.
    pub(super) fn new(format: &LogFormat) -> io::Result<Self> {
        let part = |piece: &Piece| match piece {
            Piece::Literal(text) => Ok(Part::Literal(text.clone())),
            Piece::Variable(name) => part_of(name).ok_or_else(|| {
                let message = format!("this generator knows no values for ${name}");
                io::Error::new(io::ErrorKind::InvalidInput, message)
            }),
        };
        Ok(Writer {
            parts: format.pieces.iter().map(part).collect::<io::Result<_>>()?,
            absent: if format.escape == Escape::Default { b"-" } else { b"" },
            buffer: Vec::with_capacity(BUFFER + (64 << 10)),
            bytes: 0,
            second: u64::MAX,
            local: String::new(),
            iso8601: String::new(),
        })
    }

    /// Appends a line.
    pub(super) fn line(&mut self, line: &Line<'_>, out: &mut dyn io::Write) -> io::Result<()> {
        self.set_clock(ticks(line.end) / 1000)?;
        let from = self.buffer.len();
        for part in &self.parts {
            let buffer = &mut self.buffer;
            match part {
                Part::Literal(text) => buffer.extend_from_slice(text),
                Part::Absent => buffer.extend_from_slice(self.absent),
                Part::Empty => {}
                Part::Time(TimeValue::Local) => buffer.extend_from_slice(self.local.as_bytes()),
                Part::Time(TimeValue::Iso8601) => {
                    buffer.extend_from_slice(self.iso8601.as_bytes());
                }
                Part::Time(TimeValue::Msec) => seconds(buffer, ticks(line.end)),
                Part::Time(TimeValue::RequestTime) => {
                    seconds(buffer, ticks(line.end) - ticks(line.request.arrival));
                }
                Part::Client(value) => client(buffer, *value, line),
                Part::Request(value) => request(buffer, *value, line),
                Part::UpstreamName => {
                    let name = line.upstream.map_or(self.absent, |block| block.name.as_bytes());
                    buffer.extend_from_slice(name);
                }
                Part::List(_) if line.request.tries.is_empty() => {
                    buffer.extend_from_slice(self.absent);
                }
                Part::List(list) => slots(buffer, *list, line),
            }
        }
        self.buffer.push(b'\n');
        self.bytes += (self.buffer.len() - from) as u64;
        if self.buffer.len() >= BUFFER { self.flush(out) } else { Ok(()) }
    }

    /// Writes what is gathered.
    pub(super) fn flush(&mut self, out: &mut dyn io::Write) -> io::Result<()> {
        out.write_all(&self.buffer)?;
        self.buffer.clear();
        out.flush()
    }

    fn set_clock(&mut self, second: u64) -> io::Result<()> {
        if self.second != second {
            let bad = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
            let seconds = i64::try_from(second).unwrap_or(i64::MAX);
            let time = jiff::Timestamp::from_second(seconds).map_err(bad)?;
            self.local = time.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string();
            self.iso8601 = time.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string();
            self.second = second;
        }
        Ok(())
    }
}

fn part_of(variable: &str) -> Option<Part> {
    Some(match variable {
        "remote_addr" => Part::Client(ClientValue::Addr),
        "http_user_agent" => Part::Client(ClientValue::Agent),
        "connection" => Part::Client(ClientValue::Connection),
        "connection_requests" => Part::Client(ClientValue::Requests),
        "time_local" => Part::Time(TimeValue::Local),
        "time_iso8601" => Part::Time(TimeValue::Iso8601),
        "msec" => Part::Time(TimeValue::Msec),
        "request_time" => Part::Time(TimeValue::RequestTime),
        "request" => Part::Request(RequestValue::Line),
        "request_method" => Part::Request(RequestValue::Method),
        "request_uri" => Part::Request(RequestValue::Uri),
        "server_protocol" => Part::Request(RequestValue::Protocol),
        "request_length" => Part::Request(RequestValue::Length),
        "request_id" | "req_id" => Part::Request(RequestValue::Id),
        "status" => Part::Request(RequestValue::Status),
        "body_bytes_sent" => Part::Request(RequestValue::Body),
        "bytes_sent" => Part::Request(RequestValue::Bytes),
        "http_referer" => Part::Request(RequestValue::Referer),
        "host" | "server_name" => Part::Request(RequestValue::Host),
        "pid" => Part::Request(RequestValue::Pid),
        "proxy_host" | "proxy_upstream_name" => Part::UpstreamName,
        "upstream_addr" => Part::List(List::Addr),
        "upstream_status" => Part::List(List::Status),
        "upstream_connect_time" => Part::List(List::Connect),
        "upstream_header_time" => Part::List(List::Header),
        "upstream_response_time" => Part::List(List::Response),
        "upstream_bytes_received" => Part::List(List::Received),
        "upstream_bytes_sent" => Part::List(List::Sent),
        "upstream_response_length" => Part::List(List::Length),
        "remote_user" | "http_x_forwarded_for" | "gzip_ratio" | "upstream_cache_status" => {
            Part::Absent
        }
        "proxy_alternative_upstream_name" => Part::Empty,
        _ => return None,
    })
}

fn client(out: &mut Vec<u8>, value: ClientValue, line: &Line<'_>) {
    match value {
        ClientValue::Addr => out.extend_from_slice(&line.client.addr),
        ClientValue::Agent => out.extend_from_slice(&line.words.agents[line.client.agent]),
        ClientValue::Connection => number(out, line.client.serial),
        ClientValue::Requests => number(out, line.client.requests),
    }
}

fn request(out: &mut Vec<u8>, value: RequestValue, line: &Line<'_>) {
    let target = &line.words.targets[line.request.target];
    let last = line.request.tries.last();
    // An error page of nginx's own, or a small file.
    let body = match last {
        Some(last) if last.received() == 0 => 157,
        Some(last) => last.body,
        None => 612,
    };
    match value {
        RequestValue::Line => {
            out.extend_from_slice(target.method.as_bytes());
            out.push(b' ');
            out.extend_from_slice(&target.uri);
            out.extend_from_slice(b" HTTP/1.1");
        }
        RequestValue::Method => out.extend_from_slice(target.method.as_bytes()),
        RequestValue::Uri => out.extend_from_slice(&target.uri),
        RequestValue::Protocol => out.extend_from_slice(b"HTTP/1.1"),
        RequestValue::Length => number(out, 389 + target.uri.len() as u64),
        RequestValue::Id => {
            // Spread over all bits; any 32 digits would do.
            let id = (line.client.serial << 20 | line.client.requests)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15);
            hex(out, id);
            hex(out, !id.rotate_left(17));
        }
        RequestValue::Status => number(out, last.map_or(200, |last| last.status)),
        RequestValue::Body => number(out, body),
        RequestValue::Bytes => number(out, body + 245),
        RequestValue::Referer => out.extend_from_slice(&line.words.referers[line.request.referer]),
        RequestValue::Host => out.extend_from_slice(b"www.example.com"),
        RequestValue::Pid => number(out, line.request.pid),
    }
}

fn slots(out: &mut Vec<u8>, list: List, line: &Line<'_>) {
    for (i, one) in line.request.tries.iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(b", ");
        }
        slot(out, list, one, line.pools);
    }
}

fn slot(out: &mut Vec<u8>, list: List, one: &Try, pools: &Pools) {
    let time = |out: &mut Vec<u8>, ms| match ms {
        Some(ms) => seconds(out, ms),
        None => out.push(b'-'),
    };
    match list {
        List::Addr => out.extend_from_slice(pools.peers[one.peer].addr.as_bytes()),
        List::Status => number(out, one.status),
        List::Connect => time(out, one.connect_ms()),
        List::Header => time(out, one.header_ms()),
        List::Response => time(out, Some(one.response_ms())),
        List::Received => number(out, one.received()),
        List::Sent => number(out, one.sent),
        List::Length => number(out, one.body),
    }
}

fn number(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] += u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Milliseconds as `%T.%03M`.
fn seconds(out: &mut Vec<u8>, ms: u64) {
    number(out, ms / 1000);
    let digit = |value: u64| b'0' + u8::try_from(value % 10).unwrap_or(0);
    out.extend_from_slice(&[b'.', digit(ms / 100), digit(ms / 10), digit(ms)]);
}

fn hex(out: &mut Vec<u8>, value: u64) {
    for byte in value.to_be_bytes() {
        for digit in [byte >> 4, byte & 15] {
            out.push(b"0123456789abcdef"[usize::from(digit)]);
        }
    }
}
