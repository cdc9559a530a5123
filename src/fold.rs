//! Lines into a summary: the one engine behind batch, live and cluster runs. Pure: bytes in, counts out.

mod counting;
mod hosts;
mod place;
mod recipe;
mod request;
mod usual;

use crate::log_format::variable::Field;
use crate::record::Reject;
use crate::record::attempt::{Attempt, attempts, of_numbers, slowly};
use crate::record::number::is_integer;
use crate::record::time::{Clock, msec};
use crate::summary::pool::Recent;
use crate::summary::{LineCounts, Summary};
use crate::tokenizer::{BATCH, Expected, Fields, Mismatch, Tokens};
use counting::{Counting, Peers};
use hosts::Hosts;
pub use place::Place;
use recipe::TIMES;
pub use recipe::{By, Choice, Recipe};
use request::{Living, line_alone, request};

/// Folds lines into one summary.
#[derive(Debug, Clone, Default)]
pub struct Fold {
    /// What was found so far.
    pub summary: Summary,
    reader: Reader,
}

impl Fold {
    /// Takes in a line without its newline. Empty lines are passed over.
    ///
    /// # Errors
    /// The line does not fit; it is counted as malformed. The column is that of the whole line.
    #[inline]
    pub fn line(&mut self, recipe: &Recipe, line: &[u8]) -> Result<(), Mismatch> {
        self.reader.line(recipe, line, &mut self.summary)
    }

    /// Takes in lines, see [`Reader::lines`].
    #[inline]
    pub fn lines<'a>(
        &mut self,
        recipe: &Recipe,
        lines: impl Iterator<Item = &'a [u8]>,
        odd: impl FnMut(u64, &[u8], Mismatch),
    ) -> u64 {
        self.reader.lines(recipe, lines, &mut self.summary, odd)
    }
}

/// Reads lines, and counts each in its place. What it remembers only makes it quick.
#[derive(Debug, Clone, Default)]
pub struct Reader {
    remembered: Remembered,
}

/// What is remembered from line to line, besides.
#[derive(Debug, Clone, Default)]
struct Remembered {
    clock: Clock,
    /// The workers that wrote the last lines, and often the next ones too.
    known: Recent,
    /// The hosts that wrote them, with `--by '$hostname'`.
    hosts: Hosts,
}

impl Reader {
    /// Takes in a line without its newline. Empty lines are passed over.
    ///
    /// # Errors
    /// The line does not fit; it is counted as malformed. The column is that of the whole line.
    pub fn line(
        &mut self,
        recipe: &Recipe,
        line: &[u8],
        place: &mut impl Place,
    ) -> Result<(), Mismatch> {
        let mut result = Ok(());
        let mut tokens = Tokens::new(recipe.own(line));
        self.some(recipe, &[line], std::slice::from_mut(&mut tokens), place, &mut |_, mismatch| {
            result = Err(mismatch);
        });
        result
    }

    /// Takes in lines without their newlines, and gives how many they are. `odd` is told of those that do not fit, in their
    /// order, each with its number from 1 on; they are counted as malformed. The column is that of the whole line. Empty lines
    /// are passed over.
    #[inline]
    pub fn lines<'a>(
        &mut self,
        recipe: &Recipe,
        mut lines: impl Iterator<Item = &'a [u8]>,
        place: &mut impl Place,
        mut odd: impl FnMut(u64, &[u8], Mismatch),
    ) -> u64 {
        let mut before = 0;
        let mut some: [&[u8]; BATCH] = [b""; BATCH];
        let mut tokens = [const { Tokens::new(b"") }; BATCH];
        loop {
            let mut count = 0;
            for ((slot, tokens), line) in some.iter_mut().zip(&mut tokens).zip(&mut lines) {
                *slot = line;
                tokens.restart(recipe.own(line));
                count += 1;
            }
            let some = &some[..count];
            self.some(recipe, some, &mut tokens[..count], place, &mut |at, mismatch| {
                odd(before + at as u64 + 1, some[at], mismatch);
            });
            before += count as u64;
            if count < BATCH {
                return before;
            }
        }
    }

    /// Takes in lines, at most [`BATCH`], whose own parts stand in `tokens`.
    #[inline]
    fn some(
        &mut self,
        recipe: &Recipe,
        lines: &[&[u8]],
        tokens: &mut [Tokens<'_>],
        place: &mut impl Place,
        odd: &mut dyn FnMut(usize, Mismatch),
    ) {
        let read = recipe.tokenizer.tokenize_some(tokens);
        for (at, (line, tokens)) in lines.iter().zip(tokens).enumerate() {
            let is_read = read & 1 << at != 0;
            if is_read && recipe.is_usual && usual::count(recipe, tokens, place).is_some()
                || line.is_empty()
            {
                continue;
            }
            let own = tokens.line();
            let fits = if is_read {
                Ok(())
            } else {
                recipe.tokenizer.tokenize_strictly(own).map(|read| *tokens = read)
            };
            let result =
                fits.and_then(|()| self.remembered.fields(recipe, own, &tokens.fields(), place));
            if let Err(mismatch) = result {
                odd(at, malformed(mismatch, line.len() - own.len(), place.malformed()));
            }
        }
    }
}

impl Remembered {
    /// A line of a format or of a kind that is not the usual one. Not in place: there its values would take the registers of
    /// those of the usual one.
    #[inline(never)]
    fn fields(
        &mut self,
        recipe: &Recipe,
        line_text: &[u8],
        fields: &Fields<'_>,
        place: &mut impl Place,
    ) -> Result<(), Mismatch> {
        let ms = self.time(fields).map_err(|reject| mismatch(reject, line_text))?;
        let is_wanted = recipe.is_wanted(ms);
        if !is_wanted || recipe.is_excluded(fields, ms) {
            // Still a line that must make sense.
            attempts(fields, |_| ()).map_err(|reject| mismatch(reject, line_text))?;
            let summary = place.of(ms);
            summary.lines.lines += 1;
            if is_wanted {
                self.excluded(recipe, fields, ms, summary);
            } else {
                summary.lines.filtered += 1;
            }
            return Ok(());
        }
        let summary = place.of(ms);
        let Some(attempt) = of_numbers(fields) else {
            let result = self.any(recipe, fields, ms, summary);
            return result.map_err(|reject| mismatch(reject, line_text));
        };
        // Two ways: where nothing is told of requests, nothing that is made of them need be asked for.
        if recipe.is_asked() {
            one(self.counting(recipe, fields, ms, summary), fields, &attempt);
        } else {
            one(unrelated(recipe, fields, ms, summary), fields, &attempt);
        }
        summary.bound_detail();
        Ok(())
    }

    /// A line of any kind. Those with one attempt, as nearly all are, have their own way above: what is known of these is
    /// not asked again.
    #[cold]
    #[inline(never)]
    fn any<'a>(
        &mut self,
        recipe: &Recipe,
        fields: &Fields<'a>,
        ms: Option<i64>,
        summary: &mut Summary,
    ) -> Result<(), Reject<'a>> {
        let (mut counting, mut peers) = self.counting(recipe, fields, ms, summary);
        let count = slowly(fields, &mut |attempt| {
            counting.attempt(peers.entry(&attempt), &attempt);
        })?;
        counting.end(fields, count);
        summary.bound_detail();
        Ok(())
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "in both ways, or all of it goes through memory")]
    fn counting<'a>(
        &'a mut self,
        recipe: &'a Recipe,
        fields: &Fields<'a>,
        ms: Option<i64>,
        summary: &'a mut Summary,
    ) -> (Counting<'a>, Peers<'a>) {
        let request = if recipe.is_asked() { request(fields, ms) } else { None };
        let line = recipe.workers.then(|| request.or_else(|| line_alone(fields, ms))).flatten();
        let log = self.hosts.log_of(recipe, fields);
        let worker = request.or(line).map(|request| self.known.of(log, request.pid));
        let is_detailed = summary.is_detailed();
        let Summary { lines, span, peers, serials, workers, bursts, begun, refusals, .. } = summary;
        let seen = request.filter(|_| recipe.serials && is_integer(fields, Field::Connection));
        let gap = request.filter(|_| recipe.pools).map(|request| request.gap(fields));
        let peers =
            Peers { by: &recipe.choice.by, name: group_name(&recipe.choice, fields), all: peers };
        let counting = Counting {
            ms,
            start: request.map(|request| request.start),
            is_detailed,
            counter: seen.zip(worker).and_then(|(_, worker)| serials.of(worker)),
            seen,
            flying: gap.zip(worker).filter(|_| is_detailed),
            living: line.zip(worker).and_then(|(line, worker)| Living::of(workers, worker, line)),
            lines,
            span,
            over_time: (bursts, begun, refusals),
        };
        (counting, peers)
    }

    /// A line whose request began in a span that is left out: only its client's number is kept.
    #[cold]
    fn excluded(
        &mut self,
        recipe: &Recipe,
        fields: &Fields<'_>,
        ms: Option<i64>,
        summary: &mut Summary,
    ) {
        summary.lines.excluded += 1;
        if recipe.serials
            && let Some(request) = request(fields, ms)
            && let Some(seen) = request.seen(fields)
            && let log = self.hosts.log_of(recipe, fields)
            && let Some(counter) = summary.serials.of(self.known.of(log, request.pid))
        {
            counter.record(seen);
        }
    }

    /// When the line was written; none where the format does not tell. A JSON line may hold the most exact time empty.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "once a line, as in `counting`")]
    fn time<'a>(&mut self, fields: &Fields<'a>) -> Result<Option<i64>, Reject<'a>> {
        if let Some(ms) = fields.number(Field::Msec).filter(|ms| *ms > 0) {
            return Ok(i64::try_from(ms).ok());
        }
        let told = |field| fields.get(field).filter(|text| !matches!(*text, b"" | b"-"));
        let (text, ms) = if let Some(text) = told(Field::Msec) {
            (text, msec(text))
        } else if let Some(text) = told(Field::TimeIso8601) {
            (text, self.clock.time_iso8601(text))
        } else if let Some(text) = told(Field::TimeLocal) {
            (text, self.clock.time_local(text))
        } else if let Some(empty) = TIMES.iter().find_map(|field| fields.get(*field)) {
            (empty, None)
        } else {
            return Ok(None);
        };
        match ms {
            Some(ms) => Ok(Some(ms)),
            None => Err(Reject { value: text, expected: "a time" }),
        }
    }
}

/// What is known of a line of a format that tells nothing of requests.
#[inline(always)]
#[expect(clippy::inline_always, reason = "as `counting`")]
fn unrelated<'a>(
    recipe: &'a Recipe,
    fields: &Fields<'a>,
    ms: Option<i64>,
    summary: &'a mut Summary,
) -> (Counting<'a>, Peers<'a>) {
    let is_detailed = summary.is_detailed();
    let Summary { lines, span, peers, bursts, begun, refusals, .. } = summary;
    let name = group_name(&recipe.choice, fields);
    let counting = Counting {
        ms,
        start: None,
        is_detailed,
        counter: None,
        seen: None,
        flying: None,
        living: None,
        lines,
        span,
        over_time: (bursts, begun, refusals),
    };
    (counting, Peers { by: &recipe.choice.by, name, all: peers })
}

/// Takes in a line with one attempt.
#[inline(always)]
#[expect(clippy::inline_always, reason = "as `counting`")]
fn one<'a>(
    (mut counting, mut peers): (Counting<'a>, Peers<'a>),
    fields: &Fields<'a>,
    attempt: &Attempt<'a>,
) {
    counting.attempt(peers.entry(attempt), attempt);
    counting.end(fields, 1);
}

#[cold]
fn malformed(mut mismatch: Mismatch, prefix: usize, lines: &mut LineCounts) -> Mismatch {
    lines.lines += 1;
    lines.malformed += 1;
    mismatch.column += prefix;
    mismatch
}

#[cold]
fn mismatch(reject: Reject<'_>, line: &[u8]) -> Mismatch {
    Mismatch { column: reject.column(line), expected: Expected::Text(reject.expected) }
}

/// The name of the group that a line's attempts belong to, if it tells one.
#[inline(always)]
#[expect(clippy::inline_always, reason = "once a line, as in `counting`")]
fn group_name<'a>(choice: &Choice, fields: &Fields<'a>) -> Option<&'a [u8]> {
    let value = match choice.by {
        By::Upstream => upstream(fields),
        By::Peer => None,
        By::Variable(_) => Some(fields.get(Field::Group).unwrap_or(b"-")),
    }?;
    let Some(pattern) = &choice.group else { return Some(value) };
    let mut found = pattern.create_captures();
    pattern.captures(value, &mut found);
    let span = found.get_group(1).or_else(|| found.get_group(0));
    Some(span.map_or(&b"(other)"[..], |span| &value[span.range()]))
}

/// The name of the upstream, if it is wanted and known.
#[inline(always)]
#[expect(clippy::inline_always, reason = "once a line, as in `counting`")]
fn upstream<'a>(fields: &Fields<'a>) -> Option<&'a [u8]> {
    // Names are longer, so that it takes one comparison.
    fields.get(Field::UpstreamName).filter(|name| name.len() > 1 || !matches!(*name, b"" | b"-"))
}

#[cfg(test)]
mod tests;
