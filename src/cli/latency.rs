//! `--connect-latency` and `--probe`: how long connecting to a peer takes.

use super::message::Messages;
use crate::error::{Error, ErrorKind, Result};
use crate::host::probe::{CONNECTS, connect_ms};
use crate::summary::Summary;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Most peers that are probed.
const MAX_PROBED: usize = 20;

/// Latencies in milliseconds, by peer address, upstream name, or `*`.
pub(super) type Latencies = BTreeMap<String, f64>;

/// Reads the values of `--connect-latency`; of two for the same peer the last one counts.
///
/// # Errors
/// A value that is not `PEER=TIME`.
pub(super) fn parse(values: &[String]) -> Result<Latencies> {
    values.iter().map(|value| parse_one(value)).collect()
}

fn parse_one(value: &str) -> Result<(String, f64)> {
    // From the right: the path of a unix socket may hold a `=`.
    let parts = value.rsplit_once('=').filter(|(peer, _)| !peer.is_empty());
    let read = parts.and_then(|(peer, time)| Some((peer.to_owned(), milliseconds(time)?)));
    read.ok_or_else(|| {
        let message = format!("--connect-latency: expected PEER=TIME, found: {value}");
        Error::new(ErrorKind::Usage, message).with_hint(
            "PEER is an address as logged, an upstream's name, or '*' for all others; TIME is a number with us, ms or s, \
             from 1us to 60s: --connect-latency 10.0.0.1:80=0.4ms",
        )
    })
}

/// `0.4ms` -> 0.4
fn milliseconds(time: &str) -> Option<f64> {
    let digits = time.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &time[digits.len()..] {
        "us" => 0.001,
        "ms" => 1.0,
        "s" => 1000.0,
        _ => return None,
    };
    // What f64 reads besides: signs, exponents.
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let ms = digits.parse::<f64>().ok().filter(|_| is_plain)? * factor;
    (0.001..=60_000.0).contains(&ms).then_some(ms)
}

/// Says which of the given names are in no line of the log, nor in nginx.conf, whose names by address are `names`.
pub(super) fn warn_of_unknown(
    latencies: &Latencies,
    summary: &Summary,
    names: &BTreeMap<String, String>,
    messages: &Messages,
) {
    for given in latencies.keys().filter(|given| *given != "*") {
        let bytes = given.as_bytes();
        let logged =
            summary.peers.iter().any(|(key, _)| key.peer == bytes || key.group == Some(bytes));
        if !logged && !names.values().any(|name| name == given) {
            messages.warning(&format!(
                "--connect-latency: no peer and no upstream of this log is called {given}"
            ));
        }
    }
}

/// Connects to the peers of a log and adds how long it took. Only peers that the log names by IP address and port, that
/// have attempts to be decided, and that `latencies` does not name by their address; the busiest ones, if there are many.
pub(super) fn probe(latencies: &mut Latencies, summary: &Summary, messages: &Messages) {
    let mut undecided: BTreeMap<SocketAddr, u64> = BTreeMap::new();
    for (key, peer) in summary.peers.iter().filter(|(_, peer)| peer.undecided > 0) {
        let addr = std::str::from_utf8(key.peer).ok();
        if let Some(addr) = addr.filter(|addr| !latencies.contains_key(*addr)).and_then(socket) {
            *undecided.entry(addr).or_default() += peer.undecided;
        }
    }
    let mut addrs: Vec<(SocketAddr, u64)> = undecided.into_iter().collect();
    addrs.sort_by_key(|&(addr, undecided)| (Reverse(undecided), addr));
    let left_out = addrs.len().saturating_sub(MAX_PROBED);
    addrs.truncate(MAX_PROBED);
    if addrs.is_empty() {
        return messages.warning("--probe: the log names no peer with an IP address to connect to");
    }
    let names: Vec<String> = addrs.iter().map(|(addr, _)| addr.to_string()).collect();
    let rest =
        if left_out > 0 { format!(" ({left_out} more are left out)") } else { String::new() };
    messages.note(&format!(
        "--probe: opens {CONNECTS} TCP connections, one after the other, to each of {}{rest}",
        names.join(", ")
    ));
    for (addr, _) in addrs {
        match connect_ms(addr) {
            Ok(ms) => {
                messages.note(&format!("--probe: {addr} connects in {ms:.3} ms"));
                latencies.insert(addr.to_string(), ms);
            }
            Err(error) => messages.warning(&format!("--probe: {}", Error::io(addr, &error))),
        }
    }
}

/// An address that is written as nginx writes it, so that it names the same peer again.
fn socket(addr: &str) -> Option<SocketAddr> {
    addr.parse().ok().filter(|socket: &SocketAddr| socket.to_string() == addr)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_is_a_peer_and_a_time() {
        for (value, peer, ms) in [
            ("10.0.0.1:80=0.4ms", "10.0.0.1:80", 0.4),
            ("app=400us", "app", 0.4),
            ("*=1.5s", "*", 1500.0),
            ("[::1]:80=2ms", "[::1]:80", 2.0),
            ("unix:/a=b.sock=.5ms", "unix:/a=b.sock", 0.5),
        ] {
            let read = parse_one(value).unwrap();
            assert_eq!(read.0, peer);
            assert!((read.1 - ms).abs() < 1e-9, "{value}: {}", read.1);
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_form() {
        for value in [
            "",
            "app",
            "=1ms",
            "app=",
            "app=1",
            "app=ms",
            "app=-1ms",
            "app=1e3ms",
            "app=0ms",
            "app=1m",
            "app=infs",
            "app=nanms",
            "app=61s",
            "app=1.2.3ms",
            "app=1 ms",
        ] {
            let error = parse_one(value).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.message().ends_with(&format!("expected PEER=TIME, found: {value}")));
        }
    }

    #[test]
    fn only_ip_addresses_with_a_port_are_probed() {
        assert!(socket("127.0.0.1:80").is_some() && socket("[::1]:80").is_some());
        for addr in ["unix:/run/app.sock", "app", "10.0.0.1", "localhost:80", "[0::1]:80", ""] {
            assert_eq!(socket(addr), None, "{addr}");
        }
    }
}
