//! One peer, by what its own attempts tell.

use super::serial::count;
use super::ticks::{Ticks, is_coarse};
use super::{Conflict, New, Row, bytes, latency};
use crate::summary::peer::PeerSummary;

/// What is known of a peer before the serial numbers are asked.
#[derive(Clone)]
pub(super) struct Peer {
    pub(super) connected: u64,
    pub(super) undecided: u64,
    /// Attempts whose connect time is not logged.
    pub(super) unmeasured: u64,
    /// nginx's clock is coarse, so times tell nothing but that they are above 0.
    pub(super) coarse: bool,
    pub(super) ticks: Ticks,
    pub(super) new: New,
    /// Evidence besides connect times, their ticks and serial numbers that was used.
    words: Vec<&'static str>,
}

impl Peer {
    pub(super) fn of(row: &Row<'_>) -> Peer {
        let peer = row.peer;
        let connected = peer.new_certain + peer.undecided;
        let (one, two) = (peer.connect.count_at(1), peer.connect.count_at(2));
        let coarse = has_coarse_times(peer);
        let tells = peer.unmeasured == 0 && !row.addr.starts_with("unix:") && !coarse;
        let ticks = Ticks { visible: peer.new_certain, one, two, tells };
        let best = (peer.undecided == 0 || ticks.shows_all()).then(|| count(peer.new_certain));
        let new = New { least: count(peer.new_certain), most: ticks.most(connected), best };
        let mut judged = Peer {
            connected,
            undecided: peer.undecided,
            unmeasured: peer.unmeasured,
            coarse,
            ticks,
            new,
            words: Vec::new(),
        };
        let by_bytes = bytes::new(&peer.sent.get(), connected, peer.new_certain);
        if let Some(new) = by_bytes.and_then(|bytes| judged.new.and(bytes)) {
            judged.learn(new, "bytes");
        }
        judged
    }

    pub(super) fn used(&self, word: &str) -> bool {
        self.words.contains(&word)
    }

    pub(super) fn learn(&mut self, new: New, word: &'static str) {
        if new != self.new {
            self.new = new;
            self.words.push(word);
        }
    }

    /// What the ticks allow is refuted, for whichever peer: this one may hide more.
    pub(super) fn doubt(&mut self) {
        if self.undecided > 0 && !self.used("bytes") {
            self.new.most = count(self.connected);
            self.new.best = None;
        }
    }

    /// Takes in a given connect latency, where nothing better gives an estimate.
    pub(super) fn learn_latency(&mut self, row: &Row<'_>) -> Result<(), Conflict> {
        if let Some(new) = by_latency(row)? {
            let new = self.new.and(new).ok_or_else(|| unfit(row))?;
            self.learn(new, "latency");
        }
        Ok(())
    }

    /// Compares a given connect latency with what is known without it.
    pub(super) fn compare_latency(&self, row: &Row<'_>) -> Result<(), Conflict> {
        match by_latency(row)? {
            Some(new) if self.new.and(new).is_none() => Err(unfit(row)),
            _ => Ok(()),
        }
    }
}

/// By the times to the header, which are those to the response where only these are logged.
fn has_coarse_times(peer: &PeerSummary) -> bool {
    is_coarse(if peer.header.count() > 0 { &peer.header } else { &peer.response })
}

fn by_latency(row: &Row<'_>) -> Result<Option<New>, Conflict> {
    let Some(latency_ms) = row.latency_ms.filter(|_| !has_coarse_times(row.peer)) else {
        return Ok(None);
    };
    latency::new(row.addr, row.peer, latency_ms).map_err(|latency::Unfit| unfit(row))
}

fn unfit(row: &Row<'_>) -> Conflict {
    Conflict::Latency { peer: row.addr.to_owned(), latency_ms: row.latency_ms.unwrap_or_default() }
}
