//! Logs that nginx sends by itself: `access_log syslog:server=…`, one datagram a line, over UDP or a unix
//! socket (`ngx_syslog_writer`). The syslog header is left in the lines.
//!
//! UDP loses what nobody takes in time. The kernel counts that for each socket (`/proc/net/udp`), so the
//! loss is known, and the socket's buffer is made as large as the kernel allows. On a unix socket
//! nothing is lost here: nginx itself is told that the buffer is full, and drops the line.

use std::fs;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv, sockopt};

use super::discover::printable;
use super::source::Identity;
use crate::error::{Error, ErrorKind, Result};

/// How large the kernel's buffer is wished to be, in bytes: a second of 20,000 datagrams, which take
/// more room there than their bytes. Without the right to it, `net.core.rmem_max` is the limit.
const WISHED: usize = 32 << 20;
/// The longest datagram that is taken whole, in bytes: more than Linux sends over a unix socket by
/// default (`net.core.wmem_default`). UDP ends at 65,507.
const LONGEST: usize = 256 << 10;
/// How many bytes of lines are handed out at once, at most.
const BLOCK: usize = 1 << 20;

/// What a listener has received so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Datagrams, the empty ones included.
    pub datagrams: u64,
    /// Their bytes, of truncated ones only what was taken.
    pub bytes: u64,
    /// Datagrams longer than 256 KiB: their ends are lost.
    pub truncated: u64,
}

/// A socket that syslog datagrams come to.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    name: String,
    counts: Counts,
    /// Room for a block and one datagram more.
    buffer: Vec<u8>,
}

#[derive(Debug)]
enum Socket {
    Udp(UdpSocket),
    /// With the socket's file, which is removed at the end.
    Unix(UnixDatagram, PathBuf, Identity),
}

impl Socket {
    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Udp(socket) => socket.as_fd(),
            Socket::Unix(socket, ..) => socket.as_fd(),
        }
    }

    fn set_timeout(&self, wait: Duration) -> io::Result<()> {
        // A timeout of zero would mean to wait for ever.
        let wait = Some(wait.max(Duration::from_millis(1)));
        match self {
            Socket::Udp(socket) => socket.set_read_timeout(wait),
            Socket::Unix(socket, ..) => socket.set_read_timeout(wait),
        }
    }
}

impl Listener {
    /// Listens at a UDP address. Port 0 takes any free one.
    ///
    /// # Errors
    /// Kind `Io` if the address can't be had.
    pub fn bind_udp(address: SocketAddr) -> Result<Self> {
        let name = format!("udp:{address}");
        let socket = UdpSocket::bind(address).map_err(|error| Error::io(&name, &error))?;
        Ok(Listener::new(Socket::Udp(socket), name))
    }

    /// Listens at a unix datagram socket, whose file it makes. Everyone may send to it, as to
    /// `/dev/log`: nginx's workers run as a user of their own. A socket file that nobody listens at is
    /// replaced.
    ///
    /// # Errors
    /// Kind `Usage` if there is a file that is no socket, kind `Io` if another process listens there or
    /// the socket can't be made.
    pub fn bind_unix(path: &Path) -> Result<Self> {
        let name = format!("unix:{}", printable(&path.to_string_lossy()));
        remove_dead_socket(path, &name)?;
        let failed = |error: io::Error| Error::io(&name, &error);
        let socket = UnixDatagram::bind(path).map_err(failed)?;
        let identity = Identity::of(&fs::symlink_metadata(path).map_err(failed)?);
        let listener = Listener::new(Socket::Unix(socket, path.to_owned(), identity), name.clone());
        fs::set_permissions(path, fs::Permissions::from_mode(0o666)).map_err(failed)?;
        Ok(listener)
    }

    fn new(socket: Socket, name: String) -> Self {
        if sockopt::set_socket_recv_buffer_size_force(socket.fd(), WISHED).is_err() {
            // Then as much as the limit allows; the kernel cuts the wish.
            let _ = sockopt::set_socket_recv_buffer_size(socket.fd(), WISHED);
        }
        Listener { socket, name, counts: Counts::default(), buffer: vec![0; BLOCK + LONGEST + 1] }
    }

    /// `udp:127.0.0.1:5140` or `unix:/run/keepwarm.sock`, as it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The UDP address, with the port that was taken. None for a unix socket.
    pub fn udp_address(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Udp(socket) => socket.local_addr().ok(),
            Socket::Unix(..) => None,
        }
    }

    /// The size of the kernel's buffer in bytes, as it counts: about half of it is overhead.
    pub fn kernel_buffer(&self) -> usize {
        sockopt::socket_recv_buffer_size(self.socket.fd()).unwrap_or_default()
    }

    /// What has been received so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How many datagrams the kernel has dropped because its buffer was full: the `drops` column of
    /// `/proc/net/udp`. None for a unix socket, where the sender drops them, and where there is no such
    /// file. This reads a file: ask once a second, not for each block.
    pub fn dropped(&self) -> Option<u64> {
        let Socket::Udp(socket) = &self.socket else { return None };
        let table = match socket.local_addr().ok()? {
            SocketAddr::V4(_) => "/proc/net/udp",
            SocketAddr::V6(_) => "/proc/net/udp6",
        };
        let inode = rustix::fs::fstat(socket).ok()?.st_ino;
        drops(&fs::read_to_string(table).ok()?, inode)
    }

    /// Waits up to `wait` for a datagram, then takes all that are there and hands them out in blocks
    /// of whole lines of up to about 1 MiB. After a time without datagrams it returns without a block, so
    /// that a thread can see whether to end; under load it returns after each block.
    ///
    /// # Errors
    /// Kind `Io` if receiving fails.
    pub fn receive(&mut self, wait: Duration, sink: &mut dyn FnMut(&[u8])) -> Result<()> {
        let failed = |name: &str, error: io::Error| Error::io(name, &error);
        self.socket.set_timeout(wait).map_err(|error| failed(&self.name, error))?;
        let mut end = 0;
        let mut flags = RecvFlags::TRUNC;
        while end < BLOCK {
            let room = &mut self.buffer[end..end + LONGEST];
            match recv(self.socket.fd(), &mut *room, flags) {
                Ok((_, length)) => end += self.take(end, length),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(failed(&self.name, error.into())),
            }
            flags = RecvFlags::TRUNC | RecvFlags::DONTWAIT;
        }
        if end > 0 {
            sink(&self.buffer[..end]);
        }
        Ok(())
    }

    /// Makes whole lines of the datagram at `at`, which was `length` bytes long, and says how many bytes
    /// they take.
    fn take(&mut self, at: usize, length: usize) -> usize {
        let taken = length.min(LONGEST);
        self.counts.datagrams += 1;
        self.counts.bytes += taken as u64;
        self.counts.truncated += u64::from(taken < length);
        let bytes = &self.buffer[at..at + taken];
        let trailing = bytes.iter().rev().take_while(|byte| matches!(byte, b'\n' | b'\r' | 0));
        let kept = taken - trailing.count();
        if kept == 0 {
            return 0;
        }
        self.buffer[at + kept] = b'\n';
        kept + 1
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Socket::Unix(_, path, identity) = &self.socket
            && fs::symlink_metadata(path).is_ok_and(|found| Identity::of(&found) == *identity)
        {
            let _ = fs::remove_file(path);
        }
    }
}

/// Removes a socket file that nobody listens at, as a killed process leaves it, and nothing else.
fn remove_dead_socket(path: &Path, name: &str) -> Result<()> {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        let message = format!("{name}: expected a free name for a socket, found another file");
        return Err(Error::new(ErrorKind::Usage, message));
    }
    let tried = UnixDatagram::unbound().and_then(|socket| socket.connect(path));
    match tried {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|error| Error::io(name, &error))
        }
        _ => Err(Error::new(ErrorKind::Io, format!("{name}: another process has this socket"))),
    }
}

/// The last column of the line of `/proc/net/udp` whose tenth is the socket's inode number.
fn drops(table: &str, inode: u64) -> Option<u64> {
    let inode = inode.to_string();
    let line = table.lines().find(|line| line.split_whitespace().nth(9) == Some(&inode))?;
    line.split_whitespace().nth(12)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_WAIT: Duration = Duration::from_millis(1);

    fn received(listener: &mut Listener) -> Vec<String> {
        let mut got = Vec::new();
        loop {
            let before = got.len();
            listener
                .receive(NO_WAIT, &mut |block| {
                    assert!(block.ends_with(b"\n"));
                    got.extend(String::from_utf8_lossy(block).lines().map(str::to_owned));
                })
                .unwrap();
            if got.len() == before {
                return got;
            }
        }
    }

    #[test]
    fn every_datagram_is_a_line_or_more() {
        let mut listener = Listener::bind_udp("127.0.0.1:0".parse().unwrap()).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = listener.udp_address().unwrap();
        for datagram in ["<190>one", "two\n", "three\nfour\n\0", "", "\n", "five"] {
            sender.send_to(datagram.as_bytes(), to).unwrap();
        }
        assert_eq!(received(&mut listener), ["<190>one", "two", "three", "four", "five"]);
        let counts = Counts { datagrams: 6, bytes: 29, truncated: 0 };
        assert_eq!(listener.counts(), counts);
        assert_eq!(received(&mut listener), Vec::<String>::new());
    }

    #[test]
    fn what_was_sent_is_what_was_received_and_dropped() {
        let mut listener = Listener::bind_udp("127.0.0.1:0".parse().unwrap()).unwrap();
        sockopt::set_socket_recv_buffer_size(listener.socket.fd(), 8 << 10).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..500 {
            sender.send_to(&[b'x'; 200], listener.udp_address().unwrap()).unwrap();
        }
        let lines = received(&mut listener).len() as u64;
        let dropped = listener.dropped().unwrap();
        assert!(dropped > 0);
        assert_eq!(lines + dropped, 500);
    }

    #[test]
    fn a_unix_socket_replaces_only_a_dead_one_and_removes_its_file() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("log.sock");
        drop(UnixDatagram::bind(&path).unwrap());
        let mut listener = Listener::bind_unix(&path).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        sender.send_to(b"line", &path).unwrap();
        assert_eq!(received(&mut listener), ["line"]);
        let second = Listener::bind_unix(&path).unwrap_err();
        assert!(second.message().ends_with("another process has this socket"), "{second}");
        assert_eq!(listener.dropped(), None);
        drop(listener);
        assert!(!path.exists());
        fs::write(&path, "precious").unwrap();
        assert_eq!(Listener::bind_unix(&path).unwrap_err().kind(), ErrorKind::Usage);
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }

    #[test]
    fn a_datagram_that_is_too_long_is_cut_and_counted() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("log.sock");
        let mut listener = Listener::bind_unix(&path).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        let _ = sockopt::set_socket_send_buffer_size_force(&sender, 4 << 20);
        if sender.send_to(&vec![b'x'; LONGEST + 1], &path).is_ok() {
            assert_eq!(received(&mut listener)[0].len(), LONGEST);
            assert_eq!(listener.counts().truncated, 1);
        }
    }

    #[test]
    fn drops_are_found_by_the_number_of_the_socket() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  \
             timeout inode ref pointer drops\n 1: 0100007F:1 00000000:0000 07 00000000:00000000 00:00000000 \
             00000000 0 0 4321 2 0000000000000000 17\n";
        for (inode, expected) in [(4321, Some(17)), (432, None)] {
            assert_eq!(drops(table, inode), expected);
        }
    }
}
