//! The share of attempts that reused a connection: what the log proves, how sure that is, and what says so.
//!
//! # The evidence
//!
//! | evidence | says | fails when |
//! | --- | --- | --- |
//! | connect time above 0 | new, for certain | never: a reused connection is logged with one reading of the clock |
//! | connect time `-` | no connection at all; not part of the rate | |
//! | serial numbers | how many were new in all, of those that show 0.000 | numbers are drawn by clients that log nothing; part of the traffic is in another log |
//! | bytes sent | which ones were new, at gRPC and HTTP/2 peers | requests come in too many sizes; no new one is visible |
//! | a given connect latency | how many hidden ones stand behind each visible one | it is another one: TLS takes longer than TCP |
//! | attempts in flight | how many connections a worker that began in the log opened at least | the host's clock was set back |
//! | ticks of the clock | bounds on how many new ones can hide behind 0.000 | the peer is a unix socket; `timer_resolution` is set, which is noticed from 10 ms on |
//!
//! # The model
//!
//! What is estimated is N, the number of new connections; the rate is 1 - N / (attempts that got a connection). So N at
//! most gives the rate's lower end. An interval holds what no evidence contradicts; its margins are those at which
//! recorded and simulated runs hold, not a formula's.
//!
//! - For the whole log N is what the serial numbers leave (`serial`): numbers that no client had, less failed
//!   connects. Workers that share a counter are found by the order of their clients (`families`), which may be late by
//!   30 s, or by an eighth of the log's time (`order`).
//! - Attempts that the account does not cover (behind the last client) are taken to be like those before them, and to be
//!   anything that as many in a row have been.
//! - The interval is wider on the side of fewer new connections, because what disturbs the account draws numbers too,
//!   and so makes N too large: up to five silent clients a second, or fewer where quiet times exclude them, or as many as
//!   a fit of the numbers over time allows where that finds more than one a second (`silent`). Besides, 0.4 % of the
//!   attempts and 3 on that side, and 0.3 % and 3 on the other. At these margins the recorded runs with a real nginx hold.
//! - Lost lines show by connections whose first request is missing: above 2 % the account is not used. As many as may
//!   have been lost without showing, at 95 % confidence, may have been clients and not new connections.
//! - Where the log tells whole seconds only, attempts within a second of where the account begins and ends may be on
//!   either side: nothing is told of a few seconds, and a day's log is nearly as good as one with `$msec`.
//! - Per peer N is split by what is visible (`ticks`): peers at the same distance show the same share of their new
//!   connections, and any may show half or twice as large a share; and by how the missing numbers vary with each peer's
//!   attempts over time (`fit`). The two are weighed by their errors. Where neither can tell peers apart there is no
//!   estimate, only the interval.
//! - What is known of a peer by itself bounds that, or stands in for it: the bytes that were sent (`bytes`) count
//!   its new connections one by one, and the attempts in flight (`pool`) give a least number, also of a unix
//!   socket.
//! - Without serial numbers there are only the ticks' bounds, and no estimate unless nothing can hide, the bytes tell, or
//!   a connect latency is given (`latency`). With them a latency is only compared. The same holds where neither `$pid` nor
//!   `$connection_requests` is logged: then nothing would show a restart.
//! - Attempts of lines without serial numbers may all have been new; above 1 % of them there is no estimate. Nor is there
//!   one where the interval is wider than 40 % of the attempts.
//! - Without `$connection_requests` a sampled log can't be told from a whole one, so the account gives the rate's lower
//!   end only. So it does where nginx.conf has directives that draw numbers and write no line.
//! - Where nginx's clock moves by `timer_resolution` (`ticks`), times above 0 are certain still, and nothing else of times
//!   is used: no ticks, no attempts in flight, no given latency.
//! - Evidence that disagrees is reported and not used ([`Conflict`]). Nor are serial numbers of more than 2,000 workers or
//!   256 counters: that is no `$pid`, or no `$connection`.
//!
//! # When it fails
//!
//! The interval allows for silent clients as above, clients that are late, and lost lines; restarts, mixed hosts and logs
//! that are not given are told apart or reported. In the first two of these cases the truth may lie above the interval,
//! and in the third it is far from the estimate:
//!
//! - Numbers that come with the attempts and not with time can't be told from new connections: `auth_request` and
//!   `mirror` open connections for requests that are not logged, and over HTTP/3 each stream of a client takes a number.
//!   The rate is then too low, and its interval too, unless nginx.conf is given.
//! - What comes with time widens the interval by what the fit allows: port checks, `stream` and `mail` servers of the
//!   same nginx, web sockets that are still open. In a log too short for the fit that is five a second, and more than that
//!   passes for new connections, until the ticks contradict it. Where traffic hardly varies the interval is wide.
//! - A log that is sampled by connections, where each client has one request, can't be told from a whole one: the interval
//!   reaches as high as other evidence lets it, but the estimate is too low.
//! - Behind a balancer with few, long-lived connections the account is coarse, as it needs clients that come and go.
//! - Peers whose attempts always come together, and show none of their new connections, can't be told apart.
//!
//! # Measured
//!
//! Logs recorded from nginx 1.22.1 before backends that counted their connections; rates in percent. A test measures and
//! writes this table.
#![doc = include_str!("measured.md")]

mod bytes;
mod families;
mod fit;
mod latency;
mod order;
mod peer;
mod pool;
mod serial;
mod silent;
mod split;
mod ticks;

use super::report::HitRate;
use crate::analysis::Policy;
use crate::summary::peer::PeerSummary;
use crate::summary::serials::Serials;
use peer::Peer;
use serial::{Account, count};
use silent::{Silent, silent};

/// An estimate whose interval is wider than this share of the attempts is none.
const TOO_WIDE: f64 = 0.4;

/// The share of attempts without serial numbers above which those with them say nothing of all.
const FOREIGN: f64 = 0.01;

/// Evidence that disagrees, so that it was not used.
#[derive(Debug, Clone, PartialEq)]
pub enum Conflict {
    /// Serial numbers leave fewer new connections than connect times prove.
    TooFewNumbers {
        /// What the numbers leave.
        allowed: u64,
        /// What connect times prove.
        proven: u64,
    },
    /// More numbers are missing than there were attempts.
    TooManyNumbers {
        /// Numbers that neither a client nor an attempt of this log can have had.
        others: u64,
    },
    /// Serial numbers ask for more new connections than could hide behind 0.000.
    TooFewVisible {
        /// What the numbers ask for.
        asked: u64,
        /// What could hide and be seen.
        possible: u64,
    },
    /// First requests of connections are missing: the log is sampled, filtered, or a part of the traffic is elsewhere.
    Incomplete {
        /// The share of connections that have no first request, from 0 to 1.
        loss: f64,
    },
    /// Numbers that should be one client's are several clients': two counters are mixed in a log.
    Mixed {
        /// Connections that began more than once.
        twice: u64,
    },
    /// A given connect latency does not fit the peer's connect times, or what serial numbers say of it.
    Latency {
        /// The peer's address.
        peer: String,
        /// The latency in milliseconds.
        latency_ms: f64,
    },
}

/// A peer of the report, with what is known of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    /// The peer's address as logged.
    pub(super) addr: &'a str,
    /// Its counts.
    pub(super) peer: &'a PeerSummary,
    /// How long a connect to it takes, in milliseconds, if that was given.
    pub(super) latency_ms: Option<f64>,
}

/// The number of new connections of a peer, an upstream or the whole log.
#[derive(Debug, Clone, Copy, PartialEq)]
struct New {
    least: f64,
    most: f64,
    best: Option<f64>,
}

impl New {
    /// What both allow; none where they contradict each other.
    fn and(self, other: New) -> Option<New> {
        let (least, most) = (self.least.max(other.least), self.most.min(other.most));
        let best = self.best.or(other.best).map(|best| best.clamp(least, most.max(least)));
        (least <= most).then_some(New { least, most, best })
    }
}

/// The rates of everything, in the order of what was given.
pub(super) struct Rates {
    pub(super) total: HitRate,
    /// Per upstream, and per peer of it.
    pub(super) upstreams: Vec<(HitRate, Vec<HitRate>)>,
    /// Evidence that disagrees: of serial numbers at most one, and one per latency.
    pub(super) conflicts: Vec<Conflict>,
    /// Connection numbers per second that belong to nothing in the log, where that is sure.
    pub(super) silent_per_second: Option<f64>,
}

/// Judges all peers of all upstreams together: serial numbers tell of the whole log only.
pub(super) fn rates(serials: &Serials, upstreams: &[Vec<Row<'_>>], policy: &Policy) -> Rates {
    let rows: Vec<&Row<'_>> = upstreams.iter().flatten().collect();
    let mut peers: Vec<Peer> = rows.iter().map(|row| Peer::of(row)).collect();
    let alone = peers.clone();
    let mut account = Account::of(serials, &policy.excluded);
    if let Some(account) = &mut account {
        account.is_numbered &= policy.number_takers.is_empty();
    }
    let shared = learn_pools(&mut peers, &rows, account.as_ref().map_or(&[], |all| &all.kin));
    let mut total = sum(&peers);
    total.least = (total.least + shared).min(total.most);
    let mut conflicts = Vec::new();
    let judged = account.map(|account| {
        let silent = silent(&account);
        by_serials(&account, silent, &peers, total).map(|new| (account, silent, new))
    });
    let serial = matches!(judged, Some(Ok(_)));
    let mut silent_per_second = None;
    match judged {
        Some(Ok((account, silent, new))) => {
            total = new;
            silent_per_second = silent.per_second;
            let summaries: Vec<&PeerSummary> = rows.iter().map(|row| row.peer).collect();
            split::split(&mut peers, &summaries, (&account, silent), total);
            let known = peers.iter().zip(&rows);
            conflicts.extend(known.filter_map(|(peer, row)| peer.compare_latency(row).err()));
        }
        Some(Err(conflict)) => {
            // The log may not be whole: attempts that it lacks may have opened the connections of those in flight.
            peers = alone;
            if matches!(conflict, Conflict::TooFewVisible { .. }) {
                peers.iter_mut().for_each(Peer::doubt);
            }
            conflicts.push(conflict);
            conflicts.extend(learn_latencies(&mut peers, &rows));
            total = sum(&peers);
        }
        None => {
            conflicts.extend(learn_latencies(&mut peers, &rows));
            let least = total.least;
            total = sum(&peers);
            total.least = least.clamp(total.least, total.most);
        }
    }
    let mut rates = Vec::new();
    let mut rest = peers.as_slice();
    for upstream in upstreams {
        let (own, others) = rest.split_at(upstream.len());
        let new = upstream_new(own, &peers, total);
        let per_peer =
            own.iter().map(|peer| rate(peer.new, std::slice::from_ref(peer), serial)).collect();
        rates.push((rate(new, own, serial), per_peer));
        rest = others;
    }
    Rates { total: rate(total, &peers, serial), upstreams: rates, conflicts, silent_per_second }
}

/// Takes in the given connect latencies; gives those that do not fit.
fn learn_latencies(peers: &mut [Peer], rows: &[&Row<'_>]) -> Vec<Conflict> {
    peers.iter_mut().zip(rows).filter_map(|(peer, row)| peer.learn_latency(row).err()).collect()
}

/// Raises what is least to what attempts in flight prove. Gives what they prove of peers with several rows together.
fn learn_pools(peers: &mut [Peer], rows: &[&Row<'_>], kin: &[pool::Kin]) -> f64 {
    let opened = pool::opened(rows, kin);
    for ((peer, row), beyond) in peers.iter_mut().zip(rows).zip(&opened.rows) {
        // Whether two attempts overlapped is not known by such a clock.
        if peer.coarse {
            continue;
        }
        let least = count(row.peer.new_certain + beyond).clamp(peer.new.least, peer.new.most);
        let best = peer.new.best.map(|best| best.max(least));
        peer.learn(New { least, best, ..peer.new }, "pool");
    }
    if peers.iter().any(|peer| peer.coarse) { 0.0 } else { count(opened.shared) }
}

fn connected(peers: &[Peer]) -> u64 {
    peers.iter().map(|peer| peer.connected).sum()
}

/// The sum of what is known of each peer alone.
fn sum(peers: &[Peer]) -> New {
    New {
        least: peers.iter().map(|peer| peer.new.least).sum(),
        most: peers.iter().map(|peer| peer.new.most).sum(),
        best: peers.iter().map(|peer| peer.new.best).sum(),
    }
}

/// The whole log's new connections by its serial numbers, or why they can't be used and how many they ask for.
fn by_serials(
    account: &Account,
    silent: Silent,
    peers: &[Peer],
    alone: New,
) -> Result<New, Conflict> {
    if !account.is_complete() {
        return Err(Conflict::Incomplete { loss: account.loss });
    }
    // One may be a line that was written twice.
    if account.twice > 1 || account.mixed {
        return Err(Conflict::Mixed { twice: account.twice });
    }
    let attempts = count(connected(peers));
    let covered = account.covered;
    let hidden = account.hidden();
    let tolerance = 3.0 + 0.02 * count(covered.connected());
    if hidden < -tolerance {
        let proven = covered.new_certain;
        let allowed = to_count(hidden + count(proven));
        return Err(Conflict::TooFewNumbers { allowed, proven });
    }
    if hidden > count(covered.undecided) + tolerance {
        let others = to_count(hidden - count(covered.undecided));
        return Err(Conflict::TooManyNumbers { others });
    }
    let outside = account.uncovered_hidden;
    let visible = count(peers.iter().map(|peer| peer.ticks.visible).sum());
    let best = visible + hidden.clamp(0.0, count(covered.undecided)) + outside.best;
    // Attempts that may lie on the other side of an end may all be new: pools are filled there.
    let doubt = count(account.doubtful.connected() + account.doubtful.failed);
    // Attempts without a number of their own may all have been new.
    let known = account.covered.undecided + account.uncovered.undecided;
    let all: u64 = peers.iter().map(|peer| peer.undecided).sum();
    let foreign = count(all.saturating_sub(known));
    let below = 3.0 + 0.004 * attempts + outside.best - outside.least + doubt + account.unseen;
    let above = 3.0 + 0.003 * attempts + outside.most - outside.best + doubt + foreign;
    let least = (best - below - silent.most).max(alone.least);
    let most = (best + above).min(attempts);
    if most < alone.least {
        let (allowed, proven) = (to_count(most), to_count(alone.least));
        return Err(Conflict::TooFewNumbers { allowed, proven });
    }
    if !account.is_numbered {
        // A sampled log would not show: its lost clients would pass for connections.
        return Ok(New { least: alone.least, most, best: None });
    }
    if least > alone.most {
        let conflict =
            Conflict::TooFewVisible { asked: to_count(best), possible: to_count(alone.most) };
        return Err(conflict);
    }
    let is_known = foreign <= FOREIGN * attempts && most - least <= TOO_WIDE * attempts;
    let best = is_known.then(|| best.clamp(least, most));
    Ok(New { least, most, best })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped, and counts are far below 2^53"
)]
fn to_count(n: f64) -> u64 {
    n.max(0.0).round() as u64
}

/// An upstream's new connections: the sum of its peers', within what the whole log leaves. Where its peers can't be told
/// apart but all others can, or there are no others, it is known all the same.
fn upstream_new(own: &[Peer], all: &[Peer], total: New) -> New {
    if own.len() == all.len() {
        return total;
    }
    let (mine, whole) = (sum(own), sum(all));
    let best = mine.best.or_else(|| {
        let undecided: u64 = own.iter().map(|peer| peer.undecided).sum();
        let elsewhere: u64 = all.iter().map(|peer| peer.undecided).sum::<u64>() - undecided;
        (elsewhere == 0).then(|| total.best.map(|best| best - (whole.least - mine.least))).flatten()
    });
    let least = mine.least.max(total.least - (whole.most - mine.most));
    let most = mine.most.min(total.most - (whole.least - mine.least)).max(least);
    New { least, most, best: best.map(|best| best.clamp(least, most)) }
}

/// The evidence behind the rate of some peers, strongest first. `serial`: the whole log's numbers were used.
fn basis(new: New, peers: &[Peer], serial: bool) -> Vec<&'static str> {
    if peers.iter().all(|peer| peer.undecided == 0) {
        return vec!["connect_time"];
    }
    let measured = peers.iter().any(|peer| peer.connected > peer.unmeasured);
    let counted = peers
        .iter()
        .all(|peer| peer.used("bytes") && peer.new.best.is_some() || peer.undecided == 0);
    let by_ticks = measured && !serial && !counted && new.most < count(connected(peers));
    let used = |word: &&str| match *word {
        "serial" => serial && !counted,
        "connect_time" => measured || serial,
        "ticks" => by_ticks,
        word => peers.iter().any(|peer| peer.used(word)),
    };
    ["serial", "bytes", "latency", "connect_time", "ticks", "pool"]
        .into_iter()
        .filter(used)
        .collect()
}

/// New connections of some peers as a rate.
fn rate(new: New, peers: &[Peer], serial: bool) -> HitRate {
    let attempts = connected(peers);
    let undecided: u64 = peers.iter().map(|peer| peer.undecided).sum();
    let unmeasured: u64 = peers.iter().map(|peer| peer.unmeasured).sum();
    let measured = attempts > unmeasured;
    let naive = measured.then(|| count(undecided - unmeasured) / count(attempts - unmeasured));
    if attempts == 0 {
        return HitRate { estimate: None, low: 0.0, high: 1.0, naive, basis: Vec::new() };
    }
    let share = |new: f64| (1.0 - new / count(attempts)).clamp(0.0, 1.0);
    HitRate {
        estimate: new.best.map(share),
        low: share(new.most),
        high: share(new.least),
        naive,
        basis: basis(new, peers, serial),
    }
}

#[cfg(test)]
mod tests;
