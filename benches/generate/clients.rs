//! Client connections: opened when none is free, used for some requests, closed.
//!
//! They speak HTTP/1.1: one request at a time, so `$connection_requests` goes up from line to line.

use super::rng::Rng;
use super::words::Words;

/// A client's connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Client {
    /// `$connection`
    pub(super) serial: u64,
    /// `$connection_requests`: with the request that is being served.
    pub(super) requests: u64,
    /// The worker that accepted it.
    pub(super) worker: usize,
    /// The reload that this worker belongs to.
    pub(super) generation: u64,
    /// `$remote_addr`
    pub(super) addr: Vec<u8>,
    /// Which of the agents.
    pub(super) agent: usize,
}

/// All client connections.
#[derive(Debug, Default)]
pub(super) struct Clients {
    slots: Vec<Client>,
    /// Slots without a connection.
    closed: Vec<usize>,
    /// Slots of connections that wait for a request.
    idle: Vec<usize>,
    /// Connections opened so far.
    pub(super) opened: u64,
}

impl Clients {
    /// The connection in a slot.
    pub(super) fn get(&self, slot: usize) -> &Client {
        &self.slots[slot]
    }

    /// The connection that the next request comes on: one of the idle ones, or a new one that `open` accepts.
    pub(super) fn take(
        &mut self,
        rng: &mut Rng,
        words: &Words,
        open: impl FnOnce(&mut Rng) -> (u64, usize, u64),
    ) -> usize {
        let slot = if self.idle.is_empty() {
            self.opened += 1;
            let (serial, worker, generation) = open(rng);
            let agent = rng.skewed_below(words.agents.len());
            let client = Client { serial, requests: 0, worker, generation, addr: addr(rng), agent };
            if let Some(slot) = self.closed.pop() {
                self.slots[slot] = client;
                slot
            } else {
                self.slots.push(client);
                self.slots.len() - 1
            }
        } else {
            let at = rng.below(self.idle.len());
            self.idle.swap_remove(at)
        };
        self.slots[slot].requests += 1;
        slot
    }

    /// Ends a request. The connection waits for the next one, or it is closed.
    pub(super) fn give_back(&mut self, slot: usize, close: bool) {
        if close {
            self.closed.push(slot);
        } else {
            self.idle.push(slot);
        }
    }

    /// How many wait for a request.
    pub(super) fn idle(&self) -> usize {
        self.idle.len()
    }

    /// Closes what waits, as workers do that are told to go (`ngx_close_idle_connections`).
    pub(super) fn close_idle(&mut self) {
        self.closed.append(&mut self.idle);
    }
}

/// One address in sixteen is IPv6.
fn addr(rng: &mut Rng) -> Vec<u8> {
    let bytes = rng.next().to_be_bytes();
    let text = if bytes[0] < 16 {
        format!("2001:db8:{:x}:{:x}::{:x}", bytes[1], u32::from(bytes[2]) + 256, bytes[3])
    } else {
        format!("{}.{}.{}.{}", bytes[1] % 223 + 1, bytes[2], bytes[3], bytes[4])
    };
    text.into_bytes()
}
