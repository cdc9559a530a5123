//! Workers that take the place of others, and what that was: a reload, a restart, an upgrade, or one that crashed.
//!
//! nginx forks all workers of a generation at once (`ngx_start_worker_processes`); after HUP it tells the old ones to go
//! 100 ms later (`ngx_master_process_cycle`). Numbers of connections go on over a reload and a crash, and begin at 1
//! with a new master. A worker that is there but idle looks as if it were not there: so one that comes or goes alone
//! is nothing, and what is told here has to be more than chance:
//!
//! - nginx deals connections to one idle worker at a time, and since 1.21.6 to the next one after 16
//!   (`ngx_reorder_accept_events`). So a worker that follows on another counts only if both had more clients than that,
//!   or if their pids lie so far apart that one loop can't have forked both.
//! - Old and new follow closely on each other, by the pace of the log. Otherwise a part of the log is missing.
//! - A worker that goes on is not replaced, whatever comes beside it.
//!
//! # Not covered
//!
//! - A reload of less than 50 lines before and after, or of one worker with few clients.
//! - Some of many workers that crash together, without an error log.
//! - The only worker of a nginx whose place is taken without an overlap: a reload and a crash look the same.
//! - Pids that come again in a log without `$connection`: the two workers are taken for one that lived on.
//! - Without `$request_time` old workers that finish long requests look as if they went on.

mod generation;

use super::lives::Life;
use crate::analysis::report::Cause;
use generation::Generation;

/// How long old workers may take requests after the first one of the new ones, in milliseconds.
const GRACE_MS: i64 = 1000;

/// New workers follow on the old ones within this time in milliseconds, or within [`MOMENT_GAPS`] usual distances.
const MOMENT_MS: i64 = 500;
const MOMENT_GAPS: i64 = 50;

/// No worker that begins later than this belongs to the same event.
const MAX_MOMENT_MS: i64 = 3_600_000;

/// Old workers go within this time after an upgrade, in milliseconds. Longer, it is a second nginx in the same log.
const UPGRADE_MS: i64 = 600_000;

/// Numbers of clients that are accepted at once may come out of order by so many, and by those of this time in
/// milliseconds.
const UNORDERED: u64 = 256;
const UNORDERED_MS: i64 = 200;

/// A new master that is seen from its beginning has clients with smaller numbers than this.
const BEGINNING: u64 = 64;

/// Smaller numbers can't be told from each other.
const MIN_NUMBER: u64 = 32;

/// Workers with fewer lines are no evidence.
const MIN_LINES: u64 = 10;

/// Lines that a generation of several workers has at least.
const GENERATION_LINES: u64 = 50;

/// Clients of a generation of one worker: twice what one worker gets in its turn.
const SINGLE_CLIENTS: u64 = 32;

/// The same of a worker that crashed, and of the one in its place, among workers that go on: those take turns too.
const EXIT_CLIENTS: u64 = 33;

/// Where both write a line in so many milliseconds, turns are short: fewer clients do, but more than a few busy ones.
const BUSY_GAP_MS: i64 = 100;
const BUSY_CLIENTS: u64 = 8;

/// Lines that the old ones would have written since, and the new ones before, had they been there.
const MISSED: f64 = 30.0;

/// nginx has no more workers than this at a time.
const MAX_ALIVE: usize = 1024;

/// Workers that came in place of others.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Birth {
    /// Start of the first request that one of them took, in milliseconds since the epoch.
    pub(super) at_ms: i64,
    /// Why.
    pub(super) cause: Cause,
    /// What told so.
    pub(super) evidence: Vec<&'static str>,
    /// The new ones, by their place in the log's lives.
    pub(super) born: Vec<usize>,
    /// Those that ended, in whose place they came.
    pub(super) ended: Vec<usize>,
}

/// All births of one log, whose lives come in the order of their first requests.
pub(super) fn births(lives: &[Life<'_>]) -> Vec<Birth> {
    let mut found: Vec<Birth> = Vec::new();
    let mut alive: Vec<usize> = Vec::new();
    let mut gone: Option<usize> = None;
    let log = Log::of(lives);
    let mut known = vec![false; lives.len()];
    for (at, life) in lives.iter().enumerate() {
        let t = life.first;
        alive.retain(|&old| {
            let stays = lives[old].last >= t - moment(lives[old].usual_gap());
            if !stays && gone.is_none_or(|gone| lives[gone].last < lives[old].last) {
                gone = Some(old);
            }
            stays
        });
        if alive.len() > MAX_ALIVE {
            return Vec::new();
        }
        if !known[at] {
            let (ended, going): (Vec<usize>, Vec<usize>) =
                alive.iter().partition(|&&old| lives[old].last <= t + GRACE_MS);
            let going = going.into_iter().filter(|&old| !log.is_foreign(&lives[old], life));
            let going = going.collect();
            let change = Change { log: &log, at, ended, going, gone };
            if let Some(birth) = change.new_master().or_else(|| change.same_master()) {
                birth.born.iter().for_each(|&born| known[born] = true);
                found.push(birth);
            }
        }
        alive.push(at);
    }
    found
}

/// What counts as at once, for lines that come at this distance.
fn moment(usual_gap: i64) -> i64 {
    MOMENT_MS.max(usual_gap.saturating_mul(MOMENT_GAPS))
}

/// How many numbers a client of the workers at `t` may be behind the newest one of those before, which may still accept
/// some.
fn unordered(old: &[&Life<'_>], t: i64) -> u64 {
    let newest = old.iter().map(|life| life.newest_serial).max().unwrap_or(0);
    let oldest = old.iter().filter_map(|life| life.oldest_serial).min().unwrap_or(newest);
    let first = old.iter().map(|life| life.first).min().unwrap_or(t);
    let last = old.iter().map(|life| life.last).max().unwrap_or(t);
    let overlap = u64::try_from((last - t).max(0) + UNORDERED_MS).unwrap_or(0);
    let lasted = u64::try_from((last - first).max(1)).unwrap_or(1);
    UNORDERED.max((newest - oldest.min(newest)).saturating_mul(overlap) / lasted)
}

/// Do these draw numbers from two counters? Of one counter, whoever accepts a client later gives it a larger number.
fn are_apart(a: &Life<'_>, b: &Life<'_>) -> bool {
    let middle = i64::midpoint(a.first.max(b.first), a.last.min(b.last));
    let (Some(of_a), Some(of_b)) = (a.newest_before(middle), b.newest_before(middle)) else {
        return false;
    };
    let behind = |life: &Life<'_>, before: u64, other: u64| {
        life.newest_serial > before && life.newest_serial.saturating_add(UNORDERED) < other
    };
    behind(a, of_a, of_b) || behind(b, of_b, of_a)
}

/// A log's lives, and its pace.
struct Log<'a> {
    lives: &'a [Life<'a>],
    first: i64,
    last: i64,
    /// Milliseconds between lines.
    usual_gap: i64,
}

impl<'a> Log<'a> {
    fn of(lives: &'a [Life<'a>]) -> Self {
        let first = lives.iter().map(|life| life.first).min().unwrap_or(0);
        let last = lives.iter().map(|life| life.last).max().unwrap_or(0);
        let lines: u64 = lives.iter().map(|life| life.lines).sum();
        let usual_gap = (last - first) / i64::try_from(lines).unwrap_or(i64::MAX).max(1);
        Log { lives, first, last, usual_gap }
    }

    /// Would this worker have written more lines, had it lived on? At the end of a log nobody does.
    fn has_gone(&self, old: &Life<'_>) -> bool {
        old.would_write(self.last - old.last) >= MISSED
    }

    /// Is a worker that goes on another nginx's, of which lines are in the same log? Its numbers are others', and it does
    /// not go as the old workers of an upgrade do.
    fn is_foreign(&self, going: &Life<'_>, new: &Life<'_>) -> bool {
        let goes = self.has_gone(going) && going.last - new.first <= UPGRADE_MS;
        !goes && are_apart(going, new)
    }
}

/// The moment at which a worker is first seen.
struct Change<'a> {
    log: &'a Log<'a>,
    /// The worker.
    at: usize,
    /// Workers before it that take no more requests.
    ended: Vec<usize>,
    /// Workers before it that go on.
    going: Vec<usize>,
    /// The last one of those that ended longer ago.
    gone: Option<usize>,
}

impl Change<'_> {
    fn life(&self) -> &Life<'_> {
        &self.log.lives[self.at]
    }

    fn lives(&self, of: &[usize]) -> Vec<&Life<'_>> {
        of.iter().map(|&at| &self.log.lives[at]).collect()
    }

    /// The worker and those that begin with it: before the first of them ends.
    fn born(&self) -> Vec<usize> {
        let t = self.life().first;
        let mut until = i64::MAX;
        let mut born = Vec::new();
        let later = self.log.lives.iter().enumerate().skip(self.at).take(MAX_ALIVE);
        for (at, life) in later.take_while(|(_, life)| life.first - t <= MAX_MOMENT_MS) {
            if life.first > until {
                break;
            }
            if life.first - t <= moment(life.usual_gap()) {
                born.push(at);
                if life.lines >= MIN_LINES {
                    until = until.min(life.last);
                }
            }
        }
        born
    }

    /// How far times of these workers may be off.
    fn slack(&self, old: &[&Life<'_>]) -> i64 {
        old.iter().map(|life| life.slack).fold(self.life().slack, i64::max)
    }

    /// Numbers that begin anew: a restart or an upgrade.
    fn new_master(&self) -> Option<Birth> {
        let life = self.life();
        let t = life.first;
        let alone = self.going.is_empty();
        let number = life.first_serial.or(life.oldest_serial.filter(|_| alone))?;
        let mut old = self.lives(&self.ended);
        old.extend(self.lives(&self.going));
        if old.is_empty() {
            old.extend(self.gone.map(|gone| &self.log.lives[gone]));
        }
        // One that goes on and had smaller numbers before draws from the same counter: the client came late.
        let same = |old: &&Life<'_>| old.first_serial.is_some_and(|first| first <= number);
        let born = self.born();
        let few = self.lives(&born).iter().map(|life| life.lines).sum::<u64>() < MIN_LINES;
        if few || self.lives(&self.going).iter().any(same) || !self.is_missed(&old) {
            return None;
        }
        let slack = self.slack(&old);
        // Of one that goes on the time is needed; of whole seconds, before the second.
        let before = if slack < MOMENT_MS { t } else { t - slack };
        let newest: Option<Vec<u64>> = old.iter().map(|old| old.newest_before(before)).collect();
        let newest = newest?;
        let falls = newest.iter().all(|&newest| number < newest / 2);
        if !falls || newest.iter().max().is_none_or(|&newest| newest < MIN_NUMBER) {
            return None;
        }
        let until = old.iter().map(|old| old.last).max()?;
        if number > BEGINNING && t - until > moment(self.log.usual_gap) {
            // It began where the log has a hole.
            return None;
        }
        let cause = match until - t {
            overlap if overlap <= slack => Cause::Restart,
            overlap if overlap <= UPGRADE_MS && old.iter().all(|old| self.log.has_gone(old)) => {
                Cause::Upgrade
            }
            _ => return None,
        };
        let by_pid = old.iter().all(|old| old.pid != life.pid);
        let evidence = if by_pid { vec!["pid", "serial"] } else { vec!["serial"] };
        let mut ended = [&self.ended[..], &self.going].concat();
        if ended.is_empty() {
            ended.extend(self.gone);
        }
        Some(Birth { at_ms: t, cause, evidence, born, ended })
    }

    /// Would these have written more lines, had they lived on? At the end of a log nobody does.
    fn is_missed(&self, old: &[&Life<'_>]) -> bool {
        let until = |life: &Life<'_>| self.log.last - life.last.max(self.life().first);
        old.iter().map(|life| life.would_write(until(life))).sum::<f64>() >= MISSED
    }

    /// Would these have written lines before, had they been there?
    fn is_lacking(&self, new: &[&Life<'_>]) -> bool {
        let before = |life: &Life<'_>| life.first - self.log.first;
        new.iter().map(|life| life.would_write(before(life))).sum::<f64>() >= MISSED
    }

    /// Workers that replace all others, or one of them.
    fn same_master(&self) -> Option<Birth> {
        self.life().pid?;
        if self.ended.is_empty() {
            None
        } else if self.going.is_empty() {
            self.all_replaced()
        } else {
            self.one_replaced()
        }
    }

    fn all_replaced(&self) -> Option<Birth> {
        let t = self.life().first;
        let born = self.born();
        let counts = |lives: Vec<&Life<'_>>| -> Generation {
            Generation::of(lives.into_iter().filter(|life| life.lines >= MIN_LINES))
        };
        let (old, new) = (counts(self.lives(&self.ended)), counts(self.lives(&born)));
        let last = self.lives(&self.ended).iter().map(|old| old.last).max()?;
        let several = old.pids.len() >= 2 && new.pids.len() >= 2;
        let enough = |lines: u64| old.lines >= lines && new.lines >= lines;
        let certain = several && enough(GENERATION_LINES)
            || old.is_far_from(&new) && enough(2 * MIN_LINES)
            || old.clients.min(new.clients) >= SINGLE_CLIENTS;
        let chance =
            !self.is_missed(&self.lives(&self.ended)) || !self.is_lacking(&self.lives(&born));
        let in_order = several || new.follows(&old);
        if !certain || chance || !in_order || t - last > moment(self.log.usual_gap) {
            return None;
        }
        let ended = self.lives(&self.ended);
        let slack = self.slack(&ended);
        let old_numbers = ended.iter().map(|old| old.newest_serial).max();
        let new_number = self.lives(&born).iter().filter_map(|new| new.oldest_serial).min();
        // The only worker may have crashed: but one that accepts clients beside the new one has not.
        let overlaps = ended.iter().any(|old| old.last > t + slack);
        let is_told = several || overlaps;
        let (cause, evidence) = match (old_numbers.filter(|&newest| newest > 0), new_number) {
            (Some(old), Some(new)) if new + unordered(&ended, t) >= old && new > old / 2 => {
                (if is_told { Cause::Reload } else { Cause::Unknown }, vec!["pid", "serial"])
            }
            (Some(_), Some(_)) => (Cause::Unknown, vec!["pid"]),
            // The workers of a new master come when the old ones take no requests any more.
            _ if overlaps => (Cause::Reload, vec!["pid"]),
            _ => (Cause::Unknown, vec!["pid"]),
        };
        Some(Birth { at_ms: t, cause, evidence, born, ended: self.ended.clone() })
    }

    fn one_replaced(&self) -> Option<Birth> {
        let [old] = self.ended[..] else { return None };
        let (old, new) = (&self.log.lives[old], self.life());
        let t = new.first;
        let others = self.log.lives.iter().enumerate().skip(self.at + 1);
        let alone = others.take_while(|(_, life)| life.first - t <= GRACE_MS).count() == 0
            && self.lives(&self.going).iter().all(|going| t - going.first > GRACE_MS);
        // It can't be in its place before it is gone.
        let close =
            t + self.slack(&[old]) >= old.last && t - old.last <= moment(self.log.usual_gap);
        let (was, is) = (Generation::of([old].into_iter()), Generation::of([new].into_iter()));
        let clients = old.clients.min(new.clients);
        let is_busy = old.usual_gap().max(new.usual_gap()) <= BUSY_GAP_MS;
        let enough = old.lines.min(new.lines) >= GENERATION_LINES
            && self.is_missed(&[old])
            && self.is_lacking(&[new])
            && (was.is_far_from(&is)
                || clients >= EXIT_CLIENTS
                || is_busy && clients >= BUSY_CLIENTS);
        let rises = match (old.newest_serial, new.first_serial.or(new.oldest_serial)) {
            (0, _) | (_, None) => true,
            (newest, Some(number)) => {
                number.saturating_add(unordered(&[old], t)) >= newest && number > newest / 2
            }
        };
        (alone && close && enough && rises && is.follows(&was)).then(|| {
            let serial = (old.newest_serial > 0).then_some("serial");
            let evidence = ["pid"].into_iter().chain(serial).collect();
            let (born, ended) = (vec![self.at], self.ended.clone());
            Birth { at_ms: t, cause: Cause::WorkerExit, evidence, born, ended }
        })
    }
}
