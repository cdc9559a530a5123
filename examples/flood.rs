//! Writes log lines at a steady rate, to measure `keepwarm watch` with:
//!
//! ```text
//! flood RATE SECONDS FILE                append to a file
//! flood RATE SECONDS - | keepwarm watch
//! flood RATE SECONDS udp:127.0.0.1:5140  a datagram per line, as nginx's syslog
//! ```
//!
//! At the end it says on stderr how many lines it has written, and how long that took. The format is
//! `$msec $request_time $pid $connection $connection_requests $proxy_host $upstream_addr $upstream_connect_time
//! $upstream_response_time`, and there are 200 peers.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a tool for measuring"
)]

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write;
use std::net::UdpSocket;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What nginx puts before a line; the time in it is not read.
const SYSLOG: &str = "<190>Nov 21 10:00:00 web1 nginx: ";

/// Lines are written this often.
const STEP: Duration = Duration::from_millis(10);

fn line(to: &mut String, ms: u128, n: u64) {
    let (seconds, ms) = (ms / 1000, ms % 1000);
    let (pid, client, request, peer) = (100 + n % 8, n / 20, n % 20 + 1, n % 200);
    let connect = if n.is_multiple_of(10) { "0.001" } else { "0.000" };
    writeln!(
        to,
        "{seconds}.{ms:03} 0.020 {pid} {client} {request} app 10.0.0.{peer}:80 {connect} 0.02{}",
        n % 10
    )
    .unwrap();
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [rate, seconds, target] = &args[..] else { panic!("flood RATE SECONDS FILE|-|udp:ADDR") };
    let (rate, seconds): (u64, u64) = (rate.parse().unwrap(), seconds.parse().unwrap());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let udp = target.strip_prefix("udp:");
    let mut file: Box<dyn Write> = match &**target {
        "-" => Box::new(std::io::stdout().lock()),
        _ if udp.is_some() => Box::new(std::io::sink()),
        path => Box::new(File::options().append(true).create(true).open(path).unwrap()),
    };
    let begin = Instant::now();
    let mut text = String::new();
    let mut written = 0;
    while written < rate * seconds {
        let due = begin.elapsed().as_micros() * u128::from(rate) / 1_000_000;
        let due = u64::try_from(due).unwrap().min(rate * seconds);
        let ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        text.clear();
        (written..due).for_each(|n| line(&mut text, ms, n));
        written = written.max(due);
        match udp {
            Some(to) => text.lines().for_each(|line| {
                let _ = socket.send_to(format!("{SYSLOG}{line}").as_bytes(), to);
            }),
            None => file.write_all(text.as_bytes()).unwrap(),
        }
        std::thread::sleep(STEP);
    }
    eprintln!("flood: {written} lines in {:.1} s", begin.elapsed().as_secs_f64());
}
