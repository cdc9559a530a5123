//! How long a TCP connect to a peer takes, by trying.

#![expect(clippy::disallowed_methods, reason = "measuring time is what this module is for")]

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Connects per peer.
pub const CONNECTS: usize = 5;

/// A connect that takes longer is given up, and the peer with it.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Connects to `addr` [`CONNECTS`] times, one after the other, closes each connection at once without sending anything,
/// and gives the median time in milliseconds.
///
/// # Errors
/// The first connect that fails, or takes over a second.
pub fn connect_ms(addr: SocketAddr) -> io::Result<f64> {
    let mut times = [Duration::ZERO; CONNECTS];
    for time in &mut times {
        let start = Instant::now();
        let stream = TcpStream::connect_timeout(&addr, TIMEOUT)?;
        *time = start.elapsed();
        drop(stream);
    }
    times.sort_unstable();
    Ok(times[CONNECTS / 2].as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn each_probe_is_five_connects() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ms = connect_ms(listener.local_addr().unwrap()).unwrap();
        assert!((0.0..1000.0).contains(&ms));
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.incoming().take_while(Result::is_ok).count(), CONNECTS);
    }

    #[test]
    fn a_refused_connect_is_an_error() {
        let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(connect_ms(gone).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }
}
