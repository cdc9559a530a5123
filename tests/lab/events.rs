//! Steady load for some seconds, and something that empties the pools in the middle of it.
//!
//! Connects to the plain peers take less than a tick of nginx's clock, so most of them show 0.000. Handshakes with the
//! TLS peer take more, as if it were at a distance: they are visible in `$upstream_connect_time`.

use std::time::Duration;

use super::EventKind::{self, BackendRestart, Reload, Restart, Rotation, Upgrade, WorkerKilled};
use super::backend::Spec;
use super::load::Load;
use super::scenarios::POOL;
use super::site::{Format, KEEP, Site};
use super::{Lab, Run, tls};

/// Clients of a load that keeps most of them busy, so that after a second or two the pools have as many connections as
/// there can be requests at a time, and chance alone opens few more.
const CLIENTS: usize = 16;

/// Mean response time: six of each worker's connections are busy in the mean.
const DELAY: Duration = Duration::from_millis(60);

/// A resumed session would need no signature: then a handshake takes less than a tick.
const FULL_HANDSHAKES: &str = "proxy_ssl_session_reuse off;";

/// HUP.
pub(crate) fn reload(format: Format) -> Run {
    seven_seconds(format, POOL, &[(600, Reload)])
}

/// QUIT, and a new start.
pub(crate) fn restart(format: Format) -> Run {
    seven_seconds(format, POOL, &[(600, Restart)])
}

/// USR2, and QUIT to the old master.
pub(crate) fn upgrade(format: Format) -> Run {
    seven_seconds(format, POOL, &[(600, Upgrade)])
}

/// KILL to one of two workers.
pub(crate) fn worker_killed(format: Format) -> Run {
    seven_seconds(format, POOL, &[(600, WorkerKilled)])
}

/// The log renamed and USR1, twice: no pool notices.
pub(crate) fn rotation(format: Format) -> Run {
    seven_seconds(format, POOL, &[(500, Rotation), (900, Rotation)])
}

/// A backend closes everything, is away for a moment and listens again; nginx does nothing.
pub(crate) fn backend_restart(format: Format) -> Run {
    seven_seconds(format, POOL, &[(600, BackendRestart)])
}

/// Nothing happens.
pub(crate) fn quiet(format: Format) -> Run {
    seven_seconds(format, POOL, &[])
}

/// Nothing happens, but pools of two keep losing connections: new ones are opened all the time.
pub(crate) fn quiet_and_never_warm(format: Format) -> Run {
    seven_seconds(format, "keepalive 2;", &[])
}

/// Three reloads, 20 s apart, in 70 s of less traffic with slower responses.
pub(crate) fn three_reloads(format: Format) -> Run {
    let load = Load { rate: 40.0, requests: 2800, connections: CLIENTS / 2, ..Load::default() };
    let events = [(400, Reload), (1200, Reload), (2000, Reload)];
    steady(format, POOL, load, Duration::from_millis(150), &events)
}

fn seven_seconds(format: Format, pool: &str, events: &[(usize, EventKind)]) -> Run {
    let load = Load { rate: 200.0, requests: 1400, connections: CLIENTS, ..Load::default() };
    steady(format, pool, load, DELAY, events)
}

/// Two workers before an upstream of two plain peers and, where certificates can be made, one with a TLS peer, half the
/// load each.
fn steady(
    format: Format,
    pool: &str,
    mut load: Load,
    delay: Duration,
    events: &[(usize, EventKind)],
) -> Run {
    let mut lab = Lab::new();
    let peers = [0; 2].map(|_| lab.backend(Spec { delay, ..Spec::default() }));
    let servers = peers.each_ref().map(String::as_str);
    let mut site = Site::new(format).upstream("app", &servers, pool).pass("/", "http://app", KEEP);
    if tls::has_openssl() {
        let secure = lab.tls_backend(delay);
        site = site.upstream("secure", &[&secure], pool).pass(
            "/secure",
            "https://secure",
            &format!("{KEEP} {FULL_HANDSHAKES}"),
        );
        load.paths.push("/secure".to_owned());
    }
    lab.run(&site, 2, &load, events)
}
