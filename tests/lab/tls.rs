//! A TLS backend without a TLS library: another nginx whose own log is the truth about its clients' connections.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::Counts;
use super::backend::{Backend, Spec};
use super::nginx::Nginx;
use super::site::KEEP;

/// A key that signs in less than 0.1 ms.
const FAST: [&str; 4] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
/// A key that takes milliseconds to sign.
const SLOW: [&str; 2] = ["-newkey", "rsa:3072"];

/// True if there is an `openssl` command to make a certificate with.
pub(crate) fn has_openssl() -> bool {
    let version = Command::new("openssl").arg("version").stdout(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

/// A running TLS backend. Keeps connections unless asked to close.
#[derive(Debug)]
pub(crate) struct TlsBackend {
    nginx: Nginx,
    dir: PathBuf,
    /// Who takes the time that an answer takes.
    _slow: Option<Backend>,
}

impl TlsBackend {
    /// Makes a certificate and starts the backend in a folder of its own below `dir`. It answers at once and
    /// shakes hands fast; or after `delay` in the mean, and shakes hands for some milliseconds, as if it were far away.
    pub(crate) fn start(dir: &Path, delay: Duration) -> TlsBackend {
        let dir = dir.join("tls");
        fs::create_dir_all(&dir).expect("a folder in the temporary folder");
        let openssl = Command::new("openssl")
            .args(["req", "-x509"])
            .args(if delay.is_zero() { &FAST[..] } else { &SLOW })
            .args(["-nodes", "-days", "2", "-subj", "/CN=lab", "-keyout", "key.pem", "-out"])
            .arg("cert.pem")
            .current_dir(&dir)
            .output()
            .expect("the openssl command");
        assert!(openssl.status.success(), "{}", String::from_utf8_lossy(&openssl.stderr));
        let unix = Some("slow.sock");
        let slow = (!delay.is_zero())
            .then(|| Backend::start(Spec { delay, unix, ..Spec::default() }, &dir));
        let (upstream, answer) = match &slow {
            None => (String::new(), format!("return 200 {}", "x".repeat(100))),
            Some(slow) => (
                format!("    upstream slow {{ server {}; keepalive 64; }}\n", slow.addr()),
                format!("proxy_pass http://slow; {KEEP} proxy_hide_header X-Conn"),
            ),
        };
        let http = format!(
            "{upstream}    log_format served '$connection $connection_requests';\n    \
             access_log @DIR@/served.log served;\n    \
             keepalive_timeout 75s;\n    keepalive_requests 100000;\n    \
             server {{\n        listen 127.0.0.1:@PORT@ ssl;\n        \
             ssl_certificate @DIR@/cert.pem;\n        ssl_certificate_key @DIR@/key.pem;\n        \
             location / {{ add_header X-Conn $connection_requests; {answer}; }}\n    }}\n"
        );
        TlsBackend { nginx: Nginx::start(&dir, &http, 1, false), dir, _slow: slow }
    }

    /// The address as nginx logs it.
    pub(crate) fn addr(&self) -> String {
        self.nginx.addr()
    }

    /// Stops it (QUIT) and starts it again at the same address, with something in between. The counts go on.
    pub(crate) fn restart_after(&mut self, meanwhile: impl FnOnce()) {
        self.nginx.restart_after(meanwhile);
    }

    /// Ends it; the counts and all process ids it had.
    pub(crate) fn stop(mut self) -> (Counts, BTreeSet<u32>) {
        self.nginx.stop();
        let log = fs::read_to_string(self.dir.join("served.log")).expect("nginx made its log");
        let new = log.lines().filter(|line| line.ends_with(" 1")).count() as u64;
        let counts = Counts { new, reused: log.lines().count() as u64 - new, stale: 0 };
        (counts, self.nginx.seen().clone())
    }
}
