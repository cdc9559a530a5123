//! Attempts: the slots of the `$upstream_*` lists, read in lock-step.
//!
//! nginx prints all these lists from one array (`r->upstream_states` in `ngx_http_upstream.c`), so they have the same
//! number of slots and the same separators: `, ` between the tries of one pass, ` : ` between passes (X-Accel-Redirect,
//! `error_page` to a proxied location). A pass that ends before it has an address leaves an empty slot.

#![expect(
    clippy::inline_always,
    reason = "several times a line: a call for each would be felt, and hide what is certain of the usual line"
)]

mod tried;

use super::Reject;
use super::number::{integer, millis};
use crate::log_format::variable::Field;
use crate::tokenizer::{Fields, Wanted, holds, is_word};
pub(crate) use tried::Numbers;
pub use tried::Tried;

/// What an attempt's own slots prove about its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Connect time above 0: a new connection. For a reused one nginx reads the clock once for both ends
    /// (`ngx_http_upstream_connect`, `ngx_http_upstream_send_request`), so it logs exactly 0.000.
    New,
    /// Connect time 0.000, or not logged: reused, or new and faster than the clock's tick.
    Undecided,
    /// Never connected: refused, timed out, or the client left while connecting.
    Failed,
    /// No live upstream: no connect was tried, and the address is the upstream's name.
    NoLive,
}

/// One try at a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt<'a> {
    /// The peer as logged; empty where `$upstream_addr` is not logged.
    pub addr: &'a [u8],
    /// It belongs to the last pass, the one that `$proxy_host` names.
    pub last_pass: bool,
    /// What its slots prove.
    pub outcome: Outcome,
    /// A pooled connection that the peer had already closed: 502 at once, sent but nothing received. A peer that
    /// accepts and closes at once looks the same.
    pub stale: bool,
    /// `$upstream_connect_time` in milliseconds.
    pub connect_ms: Option<u32>,
    /// `$upstream_header_time` in milliseconds.
    pub header_ms: Option<u32>,
    /// `$upstream_response_time` in milliseconds; none for upgraded connections (101), which last as long as they please.
    pub response_ms: Option<u32>,
    /// `$upstream_bytes_sent`, also what a new connection sends before the request (HTTP/2, gRPC).
    pub bytes_sent: Option<u64>,
}

/// The lists that are read, by their position in [`Slots`].
const LISTS: [Field; 7] = [
    Field::Addr,
    Field::ConnectTime,
    Field::HeaderTime,
    Field::ResponseTime,
    Field::UpstreamStatus,
    Field::BytesReceived,
    Field::BytesSent,
];

/// The slots of one attempt, in the order of [`LISTS`]; none where the list is not logged.
type Slots<'a> = [Option<&'a [u8]>; LISTS.len()];

/// Calls `each` for every attempt of a line, in order, and gives their number: 0 if the request went to no upstream.
///
/// # Errors
/// Lists of unequal lengths, or a slot that is no number. `each` is not called for such a line.
#[inline]
pub fn attempts<'a>(
    fields: &Fields<'a>,
    mut each: impl FnMut(Attempt<'a>),
) -> Result<usize, Reject<'a>> {
    if let Some(attempt) = of_numbers(fields) {
        each(attempt);
        return Ok(1);
    }
    slowly(fields, &mut each)
}

/// The same for lines of any kind.
///
/// # Errors
/// As those of [`attempts`].
#[cold]
pub fn slowly<'a>(
    fields: &Fields<'a>,
    each: &mut dyn FnMut(Attempt<'a>),
) -> Result<usize, Reject<'a>> {
    let lists: Slots<'a> = LISTS.map(|field| fields.get(field));
    let Some(main) = lists.iter().copied().flatten().next() else { return Ok(0) };
    if is_absent(lists) {
        return Ok(0);
    }
    if !main.contains(&b' ') {
        // One slot, as nearly always; the others must not have more.
        let attempt = single(&lists)?;
        each(attempt);
        return Ok(1);
    }
    // All of it must be good before any of it is counted.
    let mut kept = [None; KEPT];
    let mut room = kept.iter_mut();
    let count = several(lists, |attempt| {
        if let Some(slot) = room.next() {
            *slot = Some(attempt);
        }
    })?;
    if count > KEPT {
        return several(lists, each);
    }
    kept.into_iter().flatten().for_each(each);
    Ok(count)
}

/// So many attempts of a line are kept until all are read; those of lines with more are read twice.
const KEPT: usize = 4;

/// The attempt of a line that has one, and all that is known of it, as nearly always: each list is a single number. None
/// for other lines, which [`slowly`] reads. Always inlined: else what it gives goes through memory.
#[inline(always)]
pub fn of_numbers<'a>(fields: &Fields<'a>) -> Option<Attempt<'a>> {
    // First of all, as it tells most of the other lines apart, and all of some formats.
    if !are_numbers(fields) {
        return None;
    }
    let addr = match fields.get(Field::Addr) {
        Some(addr) if addr.len() > 1 && !holds(addr, b' ') => addr,
        // Not logged: then a connect time tells that there was one.
        None if fields.number(Field::ConnectTime).is_some() => b"",
        _ => return None,
    };
    at(fields, addr)
}

/// Is each list a single number, as far as it is logged, but for the first one?
#[inline]
pub fn are_numbers(fields: &Fields<'_>) -> bool {
    const NUMBERS: Wanted = {
        let [_, numbers @ ..] = &LISTS;
        Wanted::new(numbers)
    };
    fields.are_numbers(&NUMBERS)
}

/// The attempt at this peer, whose address is all of its list, where those of the others are numbers; none where that
/// does not tell what became of it.
#[inline(always)]
fn at<'a>(fields: &Fields<'a>, addr: &'a [u8]) -> Option<Attempt<'a>> {
    let time = |field| fields.number(field).map(|ms| u32::try_from(ms).unwrap_or(u32::MAX));
    let connect = time(Field::ConnectTime);
    let bytes_sent = fields.number(Field::BytesSent);
    // Without connect times other values tell whether there was a connection.
    let is_told = connect.is_some() || is_address(addr) && bytes_sent != Some(0);
    if !is_told {
        return None;
    }
    let status = fields.number(Field::UpstreamStatus);
    let is_upgraded = status == Some(101) && fields.get(Field::UpstreamStatus) == Some(b"101");
    Some(Attempt {
        addr,
        last_pass: true,
        outcome: if connect.unwrap_or(0) == 0 { Outcome::Undecided } else { Outcome::New },
        // A header came, or the log does not tell.
        stale: false,
        connect_ms: connect,
        header_ms: time(Field::HeaderTime),
        response_ms: time(Field::ResponseTime).filter(|_| !is_upgraded),
        bytes_sent,
    })
}

/// Did the request go to no upstream? Then all lists are a lone `-`, or empty. The address decides where it is logged,
/// because a lone `-` may also be a connect that failed.
#[inline]
fn is_absent(lists: Slots<'_>) -> bool {
    let absent = |list: &[u8]| matches!(list, b"" | b"-");
    match lists[0] {
        Some(addr) => absent(addr),
        None => lists.iter().flatten().all(|list| absent(list)),
    }
}

/// The attempt of lists with one slot each.
#[inline]
fn single<'a>(lists: &Slots<'a>) -> Result<Attempt<'a>, Reject<'a>> {
    let [_, _, _, _, status, received, sent] = lists;
    // What reads as a time holds no separator, which leaves the short lists that nobody has read; each holds a blank.
    let holds_blank = |list: &&[u8]| list.contains(&b' ');
    match attempt(lists, true) {
        Ok(attempt) if ![status, received, sent].into_iter().flatten().any(holds_blank) => {
            Ok(attempt)
        }
        result => match lists.iter().flatten().find(|list| split(list).1.is_some()) {
            Some(list) => Err(unequal(list)),
            None => result,
        },
    }
}

#[cold]
fn several<'a>(
    mut rest: Slots<'a>,
    mut each: impl FnMut(Attempt<'a>),
) -> Result<usize, Reject<'a>> {
    // The first pass that is the last one starts behind the last ` : `.
    let main = rest.iter().copied().flatten().next().unwrap_or_default();
    let passes =
        memchr::memmem::find_iter(main, b" : ").count() + usize::from(main.ends_with(b" :"));
    let mut pass = 0;
    let mut count = 0;
    loop {
        let mut slots: Slots<'a> = [None; LISTS.len()];
        let mut joint: Option<Option<Joint>> = None;
        for (slot, list) in slots.iter_mut().zip(&mut rest) {
            let Some(text) = *list else { continue };
            let (head, tail) = split(text);
            *slot = Some(head);
            let this = tail.map(|(joint, _)| joint);
            if *joint.get_or_insert(this) != this {
                return Err(unequal(text));
            }
            *list = Some(tail.map_or(&b""[..], |(_, tail)| tail));
        }
        // An empty slot is a pass that ended before it tried a peer.
        if !slots.iter().flatten().all(|slot| slot.is_empty()) {
            each(attempt(&slots, pass == passes)?);
            count += 1;
        }
        match joint.flatten() {
            None => return Ok(count),
            Some(Joint::Pass) => pass += 1,
            Some(Joint::Try) => {}
        }
    }
}

fn unequal(list: &[u8]) -> Reject<'_> {
    Reject { value: list, expected: "as many slots in this list as in the other upstream lists" }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Joint {
    Try,
    Pass,
}

/// The first slot of a list, and what follows it behind which separator.
#[inline]
fn split(list: &[u8]) -> (&[u8], Option<(Joint, &[u8])>) {
    let mut from = 0;
    while let Some(found) = memchr::memchr2(b',', b' ', &list[from..]) {
        let at = from + found;
        match &list[at..] {
            [b',', b' ', tail @ ..] => return (&list[..at], Some((Joint::Try, tail))),
            [b' ', b':', b' ', tail @ ..] => return (&list[..at], Some((Joint::Pass, tail))),
            [b' ', b':'] => return (&list[..at], Some((Joint::Pass, b""))),
            _ => from = at + 1,
        }
    }
    (list, None)
}

/// A slot with a time: none for `-` or empty.
#[inline]
fn time(slot: Option<&[u8]>) -> Result<Option<u32>, Reject<'_>> {
    match slot {
        None | Some(b"" | b"-") => Ok(None),
        Some(text) => match millis(text) {
            Some(ms) => Ok(Some(ms)),
            None => Err(Reject { value: text, expected: "a time in seconds, or -" }),
        },
    }
}

#[inline]
fn attempt<'a>(slots: &Slots<'a>, last_pass: bool) -> Result<Attempt<'a>, Reject<'a>> {
    let [addr, connect, header, response, status, received, sent] = *slots;
    let connect_ms = time(connect)?;
    let header_ms = time(header)?;
    let response_ms = time(response)?;
    let outcome = match (connect, connect_ms) {
        (Some(_), Some(0)) | (None, _) => Outcome::Undecided,
        (Some(_), Some(_)) => Outcome::New,
        (Some(_), None) => Outcome::Failed,
    };
    let addr = addr.unwrap_or_default();
    let outcome = match outcome {
        Outcome::New => Outcome::New,
        // Without connect times: nothing was sent, so there was no connection.
        Outcome::Undecided if connect.is_none() && header_ms.is_none() && sent == Some(b"0") => {
            Outcome::Failed
        }
        Outcome::Undecided if connect.is_some() || is_address(addr) => Outcome::Undecided,
        _ if is_address(addr) => Outcome::Failed,
        _ => Outcome::NoLive,
    };
    let is = |slot: Option<&[u8]>, text: &[u8]| slot == Some(text);
    let stale = connect_ms == Some(0)
        && header.is_some()
        && header_ms.is_none()
        && is(status, b"502")
        && received.is_none_or(|bytes| bytes == b"0")
        && sent.is_none_or(|bytes| integer(bytes) != Some(0));
    let response_ms = if is(status, b"101") { None } else { response_ms };
    let bytes_sent = sent.and_then(integer);
    Ok(Attempt { addr, last_pass, outcome, stale, connect_ms, header_ms, response_ms, bytes_sent })
}

/// Is it a peer's address, and not an upstream's name? nginx logs `ip:port`, `[ip6]:port` or `unix:path`
/// (`ngx_sock_ntop`); with no live upstream it logs the upstream's name. An empty one was not logged.
pub fn is_address(addr: &[u8]) -> bool {
    if ends_with_port(addr) && is_word(addr) {
        return true;
    }
    let is_word = addr.iter().all(|byte| *byte > b' ' && *byte != b'"');
    addr.is_empty()
        || addr.starts_with(b"unix:")
        || addr.starts_with(b"[")
        || addr.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
        || is_word
            && addr.iter().rposition(|&byte| byte == b':').is_some_and(|colon| {
                colon + 1 < addr.len() && addr[colon + 1..].iter().all(u8::is_ascii_digit)
            })
}

/// Are the last bytes a colon and digits? Asked of each line where no connect times are logged, so at once of eight bytes;
/// false also where these do not tell.
#[inline]
fn ends_with_port(addr: &[u8]) -> bool {
    const ONES: u64 = u64::MAX / 0xff;
    let Some(last) = addr.last_chunk::<8>() else { return false };
    let last = u64::from_be_bytes(*last);
    // The highest bit of each byte that is no digit, and perhaps of some in front of the last of these.
    let others = (last.wrapping_sub(ONES * 0x30) | last.wrapping_add(ONES * 0x46)) & ONES << 7;
    let digits = others.trailing_zeros() & !7;
    (8..64).contains(&digits) && last >> digits & 0xff == u64::from(b':')
}

#[cfg(test)]
mod tests;
