//! One function per situation: about 1,000 requests in about 3 s each. The format is the caller's.

use std::time::Duration;

use super::EventKind::{Reload, Restart, Rotation, Upgrade, WorkerKilled};
use super::backend::Spec;
use super::load::Load;
use super::nginx::free_port;
use super::site::{CLOSE, Format, KEEP, Site};
use super::{EventKind, Lab, Run};

/// A pool that fits.
pub(super) const POOL: &str = "keepalive 32;";

/// One peer with a pool: nearly all attempts are reused.
pub(crate) fn keepalive_on(format: Format) -> Run {
    one_peer(format, Spec::delayed(4), POOL, KEEP, &Load::default())
}

/// No pool, and the peer is asked to close: every attempt is new.
pub(crate) fn keepalive_off(format: Format) -> Run {
    one_peer(format, Spec::delayed(4), "", CLOSE, &Load::default())
}

/// About nine requests at a time, two places in the pool.
pub(crate) fn pool_too_small(format: Format) -> Run {
    let load = Load { connections: 40, ..Load::default() };
    one_peer(format, Spec::delayed(25), "keepalive 2;", KEEP, &load)
}

/// nginx closes each connection after 10 requests.
pub(crate) fn keepalive_requests_10(format: Format) -> Run {
    let pool = "keepalive 32; keepalive_requests 10;";
    one_peer(format, Spec::delayed(4), pool, KEEP, &Load::default())
}

/// The peer closes idle connections after 30 ms, and nginx sees it while they are idle: only more new ones.
pub(crate) fn peer_idle_timeout(format: Format) -> Run {
    let idle_timeout = Some(Duration::from_millis(30));
    let load = Load { rate: 250.0, requests: 800, ..Load::default() };
    one_peer(format, Spec { idle_timeout, ..Spec::delayed(4) }, POOL, KEEP, &load)
}

/// Two upstreams, half the load each; only `good` keeps connections.
pub(crate) fn two_upstreams(format: Format) -> Run {
    let mut lab = Lab::new();
    let good = lab.backend(Spec::delayed(4));
    let bad = lab.backend(Spec::delayed(4));
    let site = Site::new(format)
        .upstream("good", &[&good], POOL)
        .upstream("bad", &[&bad], "")
        .pass("/good", "http://good", KEEP)
        .pass("/bad", "http://bad", CLOSE);
    lab.run(&site, 1, &on_paths(&["/good", "/bad"]), &[])
}

/// TLS to the peer, with a pool. Needs the openssl command.
pub(crate) fn tls_reuse(format: Format) -> Run {
    tls(format, POOL, KEEP, &Load { rate: 250.0, requests: 800, ..Load::default() })
}

/// TLS to the peer, a new connection each time; TLS sessions are resumed. Needs the openssl command.
pub(crate) fn tls_no_reuse(format: Format) -> Run {
    tls(format, "", CLOSE, &Load { rate: 150.0, requests: 500, ..Load::default() })
}

/// A unix socket with a pool.
pub(crate) fn unix_socket_on(format: Format) -> Run {
    let spec = Spec { unix: Some("on.sock"), ..Spec::delayed(4) };
    one_peer(format, spec, POOL, KEEP, &Load::default())
}

/// A unix socket, a new connection each time: connect times are 0.000 all the same.
pub(crate) fn unix_socket_off(format: Format) -> Run {
    let spec = Spec { unix: Some("off.sock"), ..Spec::delayed(4) };
    one_peer(format, spec, "", CLOSE, &Load::default())
}

/// One of two peers refuses; nginx tries it every time and then goes to the other.
pub(crate) fn dead_peer(format: Format) -> Run {
    let mut lab = Lab::new();
    let app = lab.backend(Spec::delayed(4));
    let dead = format!("127.0.0.1:{} max_fails=0", free_port());
    let site =
        Site::new(format).upstream("app", &[&app, &dead], POOL).pass("/", "http://app", KEEP);
    lab.run(&site, 1, &Load::default(), &[])
}

/// The peer closes a pooled connection just as a request arrives; nginx tries again unseen.
pub(crate) fn stale_race(format: Format) -> Run {
    let spec = Spec { race_every: Some(25), ..Spec::delayed(4) };
    one_peer(format, spec, POOL, KEEP, &Load::default())
}

/// The same with POST, which nginx does not send twice: the client gets 502.
pub(crate) fn stale_race_post(format: Format) -> Run {
    let spec = Spec { race_every: Some(25), ..Spec::delayed(4) };
    one_peer(format, spec, POOL, KEEP, &Load { method: "POST", ..Load::default() })
}

/// A tenth of the clients leave before the response; nginx then closes the upstream connection.
pub(crate) fn client_aborts(format: Format) -> Run {
    let load = Load { connections: 32, aborts: 0.1, ..Load::default() };
    one_peer(format, Spec::delayed(40), POOL, KEEP, &load)
}

/// A pool that is used well, while five port checks a second connect to nginx and close without a request.
pub(crate) fn silent_checks(format: Format) -> Run {
    one_peer(format, Spec::delayed(4), POOL, KEEP, &Load { checks: 5.0, ..Load::default() })
}

/// The same without a pool.
pub(crate) fn silent_checks_off(format: Format) -> Run {
    one_peer(format, Spec::delayed(4), "", CLOSE, &Load { checks: 5.0, ..Load::default() })
}

/// The same with a pool that is too small.
pub(crate) fn silent_checks_small_pool(format: Format) -> Run {
    let load = Load { connections: 40, checks: 5.0, ..Load::default() };
    one_peer(format, Spec::delayed(25), "keepalive 2;", KEEP, &load)
}

/// Clients whose first request comes 20 to 300 ms behind their connect: 20 new ones a second, at four workers. nginx
/// closes each connection to the peer after 10 requests.
pub(crate) fn late_clients(format: Format) -> Run {
    let mut lab = Lab::new();
    let app = lab.backend(Spec::delayed(4));
    let site = Site::new(format)
        .upstream("app", &[&app], "keepalive 32; keepalive_requests 10;")
        .pass("/", "http://app", KEEP);
    let late = Some((Duration::from_millis(20), Duration::from_millis(300)));
    let load = Load { rate: 80.0, requests: 1200, turnover: 4.0, late, ..Load::default() };
    lab.run(&site, 4, &load, &[])
}

/// A third of the requests is redirected (X-Accel-Redirect) from `app` to `files`.
pub(crate) fn x_accel(format: Format) -> Run {
    let mut lab = Lab::new();
    let app = lab.backend(Spec::delayed(3));
    let files = lab.backend(Spec::delayed(3));
    let site = Site::new(format)
        .upstream("app", &[&app], POOL)
        .upstream("files", &[&files], POOL)
        .pass("/", "http://app", KEEP)
        .pass("/internal/", "http://files/", &format!("internal; {KEEP}"));
    lab.run(&site, 1, &on_paths(&["/xa", "/a", "/b"]), &[])
}

/// Cached, uncached and static requests: hits and static ones have no upstream.
pub(crate) fn cache_hits(format: Format) -> Run {
    let mut lab = Lab::new();
    let app = lab.backend(Spec::delayed(4));
    let site = Site::new(format)
        .http("proxy_cache_path @DIR@/cache keys_zone=c:1m;")
        .upstream("app", &[&app], POOL)
        .pass("/cache", "http://app", &format!("proxy_cache c; {KEEP}"))
        .location("/static", "return 204;")
        .pass("/", "http://app", KEEP);
    let cached = (0..30).map(|n| format!("/cache/{n}"));
    let others = ["/dyn", "/dyn", "/static"].map(str::to_owned);
    let paths = cached.chain(others.into_iter().cycle().take(30)).collect();
    let load = Load { paths, ..Load::default() };
    lab.run(&site, 1, &load, &[])
}

/// Two reloads under load; two workers, two peers.
pub(crate) fn reload(format: Format) -> Run {
    with_events(format, &[(400, Reload), (800, Reload)])
}

/// nginx is stopped and started again under load.
pub(crate) fn restart(format: Format) -> Run {
    with_events(format, &[(500, Restart)])
}

/// A new binary takes over under load.
pub(crate) fn upgrade(format: Format) -> Run {
    with_events(format, &[(500, Upgrade)])
}

/// One of two workers is killed. Its running requests reach a backend and no log.
pub(crate) fn worker_killed(format: Format) -> Run {
    with_events(format, &[(500, WorkerKilled)])
}

/// Rotated twice under load: `access.log.2`, `access.log.1`, `access.log`.
pub(crate) fn rotation(format: Format) -> Run {
    with_events(format, &[(400, Rotation), (800, Rotation)])
}

/// Three peers of one upstream: one keeps connections, one closes after 5 requests, one after each.
pub(crate) fn three_peers_mixed(format: Format) -> Run {
    let mut lab = Lab::new();
    let peers = [None, Some(5), Some(1)]
        .map(|close_after| lab.backend(Spec { close_after, ..Spec::delayed(4) }));
    let servers = peers.each_ref().map(String::as_str);
    let site = Site::new(format).upstream("app", &servers, POOL).pass("/", "http://app", KEEP);
    lab.run(&site, 2, &Load { requests: 1200, ..Load::default() }, &[])
}

fn one_peer(format: Format, spec: Spec, pool: &str, directives: &str, load: &Load) -> Run {
    let mut lab = Lab::new();
    let app = lab.backend(spec);
    let site = Site::new(format).upstream("app", &[&app], pool).pass("/", "http://app", directives);
    lab.run(&site, 1, load, &[])
}

fn tls(format: Format, pool: &str, directives: &str, load: &Load) -> Run {
    let mut lab = Lab::new();
    let app = lab.tls_backend(Duration::ZERO);
    let site =
        Site::new(format).upstream("app", &[&app], pool).pass("/", "https://app", directives);
    lab.run(&site, 1, load, &[])
}

fn with_events(format: Format, events: &[(usize, EventKind)]) -> Run {
    let mut lab = Lab::new();
    let peers = [0; 2].map(|_| lab.backend(Spec::delayed(6)));
    let servers = peers.each_ref().map(String::as_str);
    let site = Site::new(format).upstream("app", &servers, POOL).pass("/", "http://app", KEEP);
    lab.run(&site, 2, &Load { requests: 1200, ..Load::default() }, events)
}

fn on_paths(paths: &[&str]) -> Load {
    Load { paths: paths.iter().map(ToString::to_string).collect(), ..Load::default() }
}
