//! The usual line of a log that tells all: one attempt at a peer that is known, and a number wherever one can stand. Nothing
//! of it is uncertain, so that the compiler makes of the same steps a straight way through.

use super::counting::Counting;
use super::request::{Living, request};
use super::{Place, Recipe, Remembered, upstream};
use crate::log_format::variable::Field;
use crate::record::attempt::{are_numbers, at};
use crate::summary::Summary;
use crate::summary::keys::Key;
use crate::tokenizer::{Fields, Wanted};

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

impl Remembered {
    /// Takes in such a line. None for any other, of which nothing is counted.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "else what is certain is not known in it")]
    pub(super) fn usual(
        &mut self,
        recipe: &Recipe,
        fields: &Fields<'_>,
        place: &mut impl Place,
    ) -> Option<()> {
        let fields = &fields.with_numbers(&NUMBERS).filter(are_numbers)?;
        let addr = fields.get(Field::Addr)?;
        let ms = i64::try_from(fields.number(Field::Msec)?).ok().filter(|ms| *ms > 0)?;
        // As for any other line, only one that is wanted has a place if it turns out not to make sense.
        if addr.len() < 2 || !recipe.is_wanted(Some(ms)) {
            return None;
        }
        let summary = place.of(Some(ms));
        if !summary.is_detailed() {
            return None;
        }
        let request = request(fields, Some(ms)).filter(|request| request.pid.is_some())?;
        let seen = request.seen(fields)?;
        let worker = self.known.of(&recipe.log, request.pid);
        let Summary { lines, span, peers, serials, workers, bursts, begun, refusals, .. } = summary;
        let peer = peers.known(Key { group: upstream(fields), peer: addr })?;
        let attempt = at(fields, addr)?;
        let mut counting = Counting {
            ms: Some(ms),
            start: Some(request.start),
            is_detailed: true,
            counter: Some(serials.of(worker)?),
            seen: Some(seen),
            flying: Some((request.gap(fields), worker)),
            living: Some(Living::of(workers, worker, request)?),
            lines,
            span,
            over_time: (bursts, begun, refusals),
        };
        // No peer is new, so there are not more of them to be bounded.
        counting.attempt(peer, &attempt);
        counting.end(fields, 1);
        Some(())
    }
}
