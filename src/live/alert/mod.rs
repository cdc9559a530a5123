//! Alerts: when a limit is passed long enough, and when that is over. Pure: what is seen and the time go in, events come
//! out.
//!
//! An alert fires when its rule was bad at every tick for so long; it is resolved when its rule was good at every tick for
//! as long, or when there was no traffic to judge by for [`RuleSet::no_traffic`]. Too little traffic neither starts nor
//! ends anything: a wait that began goes on from where it was. What is between the limit and its margin ends the wait to
//! fire, and the wait to be resolved. For each [`Id`] firing and resolved take turns.
//!
//! A hit rate is judged twice at each tick: by the window, and by the last seconds if there was enough in them. It fires
//! when either was bad for so long: the window, which still holds what was before, sees a change late, and the last
//! seconds alone would miss what is bad on the whole but not at every moment. It is resolved when both are good.
//!
//! A warm-up mutes it for a while, in which the wait goes on. What fires when a warm-up should be over and is not, is
//! told as [`Rule::NeverWarmed`]: one alert either way.
//!
//! The clock may jump. A wait is what ticks add up to, and no tick adds more than [`MAX_TICK_MS`]; one that goes back adds
//! nothing. So a jump neither fires nor resolves anything.

mod check;
mod rules;

use check::{Check, Verdict, checks};
pub use check::{Recent, Seen, SeenSource, SeenUpstream};
pub use rules::{RuleSet, Rules};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Most time that one tick adds to a wait, in milliseconds.
pub const MAX_TICK_MS: i64 = 10_000;

/// How long the last seconds hold what was before, in milliseconds.
const ECHO_MS: i64 = 10_000;

/// Most alerts that are waited for or firing: of an attacker's thousands of peers no more are told.
pub const MAX_ALERTS: usize = 1_000;

/// What is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Too few connections are reused.
    HitRate,
    /// The same since a reload: the pools did not fill in the time that a warm-up may take.
    NeverWarmed,
    /// Connects take too long.
    ConnectP95,
    /// New connections come so fast that the ports for them run out.
    PortExhaustion,
    /// Too many attempts never connect.
    FailedConnects,
    /// A source that had lines has none any more.
    SilentSource,
    /// Most lines of a source do not fit.
    NotMatching,
}

impl Rule {
    /// Its stable name.
    pub fn name(self) -> &'static str {
        match self {
            Rule::HitRate => "hit_rate",
            Rule::NeverWarmed => "never_warmed",
            Rule::ConnectP95 => "connect_p95",
            Rule::PortExhaustion => "port_exhaustion",
            Rule::FailedConnects => "failed_connects",
            Rule::SilentSource => "silent_source",
            Rule::NotMatching => "not_matching",
        }
    }
}

/// Which alert it is: the same one after a restart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Id {
    /// What is watched.
    pub rule: Rule,
    /// The upstream or the source.
    pub name: String,
    /// The peer, where the rule is about one.
    pub peer: Option<String>,
}

impl Id {
    fn new(rule: Rule, name: &str, peer: Option<&str>) -> Self {
        Id { rule, name: name.to_owned(), peer: peer.map(str::to_owned) }
    }
}

/// `hit_rate:app`, `port_exhaustion:app:10.0.0.1:80`. Names are those of a log: to be escaped where they are shown.
impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.rule.name(), self.name)?;
        self.peer.as_ref().map_or(Ok(()), |peer| write!(f, ":{peer}"))
    }
}

/// What happened to an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It began.
    Firing,
    /// It is over.
    Resolved,
}

/// What is to be told of an alert.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// Which alert.
    pub id: Id,
    /// What happened.
    pub change: Change,
    /// When it began to fire, in milliseconds since the epoch.
    pub since_ms: i64,
    /// The value lies between this, in the unit of its rule (percent, ms, connections/s, s), ...
    pub low: f64,
    /// ... and this.
    pub high: f64,
    /// What it is held against.
    pub limit: f64,
    /// The same in words, without names.
    pub message: String,
}

/// For how long something was so at every tick that told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Wait {
    passed_ms: i64,
    /// It was so at the last tick, so the time since counts.
    goes_on: bool,
}

impl Wait {
    /// It is so, or not, or nothing tells: then the wait stands still. Returns for how long it was so if it is so now.
    fn step(&mut self, is_so: Option<bool>, passed_ms: i64) -> Option<i64> {
        match is_so {
            Some(true) if self.goes_on => {
                self.passed_ms = self.passed_ms.saturating_add(passed_ms);
            }
            Some(true) | None => {}
            Some(false) => self.passed_ms = 0,
        }
        self.goes_on = is_so == Some(true);
        self.goes_on.then_some(self.passed_ms)
    }
}

/// What is kept of an alert that is waited for or fires.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Waiting {
    /// When it fired, if it did.
    since_ms: Option<i64>,
    /// As what it was told, if that is not the rule of its id.
    told_as: Option<Rule>,
    /// For how long its window has said the opposite of what it is, ...
    window: Wait,
    /// ... and the last seconds.
    recent: Wait,
    /// A warm-up was under way at the last tick.
    is_warming: bool,
    /// The last seconds still hold a warm-up that is over, for so many milliseconds.
    echo_ms: i64,
    /// For how long it was muted since it began to wait, in milliseconds.
    muted_ms: i64,
    /// For how long nothing could be told, in milliseconds.
    unknown_ms: i64,
    low: f64,
    high: f64,
    limit: f64,
    /// How long a warm-up had taken when it was judged, in seconds.
    warming_s: Option<u64>,
}

/// All alerts. To be stored as it is: one that fires does not fire again after a restart.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Alerts {
    last_tick_ms: Option<i64>,
    waiting: BTreeMap<Id, Waiting>,
}

impl Alerts {
    /// Takes in what is seen at this moment, in milliseconds since the epoch, and tells what changed. What is missing in
    /// `seen` counts as without traffic.
    pub fn tick(&mut self, rules: &RuleSet, seen: &Seen, now_ms: i64) -> Vec<Event> {
        let passed = self.last_tick_ms.map_or(0, |last| now_ms.saturating_sub(last));
        let passed_ms = passed.clamp(0, MAX_TICK_MS);
        self.last_tick_ms = Some(now_ms);
        let mut checks: BTreeMap<Id, Check> = checks(rules, seen, now_ms)
            .into_iter()
            .map(|check| (check.id.clone(), check))
            .collect();
        let mut events = Vec::new();
        let no_traffic_ms = ms(rules.no_traffic);
        self.waiting.retain(|id, own| {
            let change = match checks.remove(id) {
                Some(check) => own.step(&check, passed_ms, no_traffic_ms),
                None => own.unknown(passed_ms, no_traffic_ms),
            };
            own.tell(id, change, now_ms, &mut events);
            own.since_ms.is_some() || [own.window, own.recent] != [Wait::default(); 2]
        });
        for (id, check) in checks {
            let is_bad = [Some(check.verdict), check.recent].contains(&Some(Verdict::Bad));
            if is_bad && self.waiting.len() < MAX_ALERTS {
                let mut own = Waiting::default();
                let change = own.step(&check, 0, no_traffic_ms);
                own.tell(&id, change, now_ms, &mut events);
                self.waiting.insert(id, own);
            }
        }
        events
    }

    /// Those that fire, as they were told with what was seen last.
    pub fn firing(&self) -> impl Iterator<Item = Event> {
        let firing = |(id, own): (&Id, &Waiting)| {
            own.since_ms.map(|since_ms| own.event(id, Change::Firing, since_ms))
        };
        self.waiting.iter().filter_map(firing)
    }
}

fn ms(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000)
}

impl Waiting {
    fn step(&mut self, check: &Check, passed_ms: i64, no_traffic_ms: i64) -> Option<Change> {
        let verdicts = [Some(check.verdict), check.recent];
        let mut known = verdicts.into_iter().flatten().filter(|of| *of != Verdict::Unknown);
        let Some(first) = known.next() else { return self.unknown(passed_ms, no_traffic_ms) };
        let is_good = first == Verdict::Good && known.all(|of| of == Verdict::Good);
        (self.low, self.high, self.limit) = (check.low, check.high, check.limit);
        (self.unknown_ms, self.warming_s) = (0, check.warming_s);
        self.echo_ms = self.echo_ms.saturating_sub(passed_ms).max(0);
        if std::mem::replace(&mut self.is_warming, check.warming_s.is_some()) && !self.is_warming {
            // What was bad because of the warm-up says nothing of the time after it.
            self.echo_ms = ECHO_MS;
            if check.recent.is_some() {
                self.window = Wait::default();
            }
        }
        let is_muted = check.is_muted || self.echo_ms > 0;
        self.muted_ms = self.muted_ms.saturating_add(if is_muted { passed_ms } else { 0 });
        // One reload after the other must not mute it for ever.
        let is_muted = is_muted && self.muted_ms < ms(check.grace_s).saturating_add(ECHO_MS);
        let for_ms = ms(check.for_s);
        if self.since_ms.is_some() {
            let good = self.window.step(Some(is_good), passed_ms);
            return good.filter(|good| *good >= for_ms).map(|_| Change::Resolved);
        }
        let is_bad = |of: Option<Verdict>| match of {
            None | Some(Verdict::Unknown) => None,
            Some(of) => Some(of == Verdict::Bad),
        };
        let [window, recent] = verdicts.map(is_bad);
        let bad = self.window.step(window, passed_ms).max(self.recent.step(recent, passed_ms));
        bad.filter(|bad| *bad >= for_ms && !is_muted).map(|_| Change::Firing)
    }

    /// Nothing to tell by: a wait stands still, until that has lasted too long.
    fn unknown(&mut self, passed_ms: i64, no_traffic_ms: i64) -> Option<Change> {
        (self.window.goes_on, self.recent.goes_on) = (false, false);
        self.unknown_ms = self.unknown_ms.saturating_add(passed_ms);
        if self.unknown_ms < no_traffic_ms {
            return None;
        }
        (self.window, self.recent) = (Wait::default(), Wait::default());
        self.since_ms.map(|_| Change::Resolved)
    }

    fn tell(&mut self, id: &Id, change: Option<Change>, now_ms: i64, events: &mut Vec<Event>) {
        let Some(change) = change else { return };
        let since_ms = self.since_ms.unwrap_or(now_ms);
        if change == Change::Firing {
            self.told_as = self.warming_s.map(|_| Rule::NeverWarmed);
        }
        events.push(self.event(id, change, since_ms));
        self.since_ms = (change == Change::Firing).then_some(since_ms);
        (self.window, self.recent) = (Wait::default(), Wait::default());
        self.unknown_ms = 0;
    }

    fn event(&self, id: &Id, change: Change, since_ms: i64) -> Event {
        let Waiting { low, high, limit, .. } = *self;
        let id = Id { rule: self.told_as.unwrap_or(id.rule), ..id.clone() };
        let value = match id.rule {
            Rule::HitRate => format!("{low:.1} to {high:.1} % reused, limit {limit:.1} %"),
            Rule::NeverWarmed => {
                let reload =
                    self.warming_s.map_or(String::new(), |s| format!(" {s} s after a reload"));
                format!("{low:.1} to {high:.1} % reused{reload}, limit {limit:.1} %")
            }
            Rule::ConnectP95 => {
                format!("95 % of connects within {high:.0} ms, limit {limit:.0} ms")
            }
            Rule::PortExhaustion => {
                format!("{high:.0} new connections/s to one peer, ports run out near {limit:.0}/s")
            }
            Rule::FailedConnects => format!("{high:.1} % never connected, limit {limit:.1} %"),
            Rule::SilentSource => format!("no line for {high:.0} s, limit {limit:.0} s"),
            Rule::NotMatching => format!("{high:.0} % of its last lines do not fit its format"),
        };
        let message = match change {
            Change::Resolved if self.unknown_ms > 0 => {
                format!("no traffic any more; last: {value}")
            }
            _ => value,
        };
        Event { id, change, since_ms, low, high, limit, message }
    }
}

#[cfg(test)]
mod tests;
