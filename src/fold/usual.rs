//! The usual line of a log that tells all: one attempt at a peer that is known, and a number wherever one can stand. Nothing
//! of it is uncertain, so that the compiler makes of the same steps a straight way through.

use super::counting::Counting;
use super::request::{Living, request};
use super::{Place, Recipe, upstream};
use crate::log_format::variable::Field;
use crate::record::attempt::{Numbers, are_numbers};
use crate::record::number::millis_of;
use crate::summary::Summary;
use crate::summary::keys::Key;
use crate::tokenizer::{Tokens, Wanted};

/// What such a line tells.
const NUMBERS: Wanted = Wanted::new(&[
    Field::ConnectTime,
    Field::HeaderTime,
    Field::ResponseTime,
    Field::Msec,
    Field::RequestTime,
    Field::Pid,
    Field::Connection,
    Field::ConnectionRequests,
]);

/// Takes in such a line. None for any other, of which nothing is counted. Not in place: there the lines that are read together
/// would take the registers of this one's values.
#[inline(never)]
pub(super) fn count(recipe: &Recipe, tokens: &Tokens<'_>, place: &mut impl Place) -> Option<()> {
    let fields = &tokens.fields().with_numbers(&NUMBERS).filter(are_numbers)?;
    let addr = fields.get(Field::Addr)?;
    if addr.len() < 2 {
        return None;
    }
    // As for any other line, only one that is wanted has a place if it turns out not to make sense.
    let ms = recipe.surely_wanted(fields.number(Field::Msec)?)?;
    if fields.number(Field::UpstreamStatus) == Some(101) {
        return None;
    }
    let is_new = fields.number(Field::ConnectTime)? > 0;
    let response_ms = millis_of(fields, Field::ResponseTime)?;
    let summary = place.of(Some(ms));
    if !summary.is_detailed() {
        return None;
    }
    // After the epoch, so that nothing has to ask for a sign.
    let request = request(fields, Some(ms)).filter(|request| request.start >= 0)?;
    let Summary { lines, span, peers, serials, workers, bursts, begun, refusals, .. } = summary;
    let (worker, life) = workers.known(&recipe.log, request.pid?)?;
    let peer = peers.known(Key { group: upstream(fields), peer: addr })?;
    let mut counting = Counting {
        ms: Some(ms),
        start: Some(request.start),
        is_detailed: true,
        counter: Some(serials.of(worker)?),
        seen: Some(request),
        flying: Some((request.gap(fields), worker)),
        living: Some(Living { life, line: request }),
        lines,
        span,
        over_time: (bursts, begun, refusals),
    };
    // No peer is new, so there are not more of them to be bounded.
    if is_new {
        counting.attempt(peer, &Numbers::<true> { fields, addr, response_ms });
    } else {
        counting.attempt(peer, &Numbers::<false> { fields, addr, response_ms });
    }
    counting.end(fields, 1);
    Some(())
}
