//! The laws of merging, for everything that merges: identity, associative, commutative, and split anywhere.
//!
//! They are what makes 1 or 64 threads, any chunk size and any order of files give the same bytes.

use crate::lines::{self, Rng};
use keepwarm::fold::{By, Choice, Fold, Recipe};
use keepwarm::log_format::{LogFormat, presets::Preset};
use keepwarm::record::attempt::{Attempt, Outcome};
use keepwarm::record::error_log::{ErrorLogEvent, Kind, LocalSecond};
use keepwarm::summary::events::Events;
use keepwarm::summary::keys::{Key, Keys};
use keepwarm::summary::latency::LatencySummary;
use keepwarm::summary::peer::{PeerSummary, started};
use keepwarm::summary::pool::{Flight, Pools, Worker};
use keepwarm::summary::serials::{Seen, Serials};
use keepwarm::summary::timeline::{Cell, Timeline};
use keepwarm::summary::{LineCounts, Merge, Span, Summary};
use proptest::prelude::*;
use std::sync::Arc;

/// One thing to record: an attempt at a moment, with a peer and its times.
#[derive(Debug, Clone, Copy)]
struct Event {
    ms: Option<i64>,
    peer: u16,
    outcome: Outcome,
    times: [Option<u32>; 3],
    stale: bool,
}

fn any_event() -> impl Strategy<Value = Event> {
    // Moments from close to each other, so that cells fill, to wild ones; more than fit one timeline's cells.
    let ms = prop_oneof![0i64..10_000, 0i64..10_000_000, any::<u32>().prop_map(i64::from)];
    let outcome = prop_oneof![
        Just(Outcome::New),
        Just(Outcome::Undecided),
        Just(Outcome::Failed),
        Just(Outcome::NoLive)
    ];
    let time = || prop::option::of(prop_oneof![0u32..4, 0u32..300, 0u32..100_000, any::<u32>()]);
    (prop::option::of(ms), 0u16..6, outcome, [time(), time(), time()], any::<bool>())
        .prop_map(|(ms, peer, outcome, times, stale)| Event { ms, peer, outcome, times, stale })
}

fn event() -> Event {
    let times = [Some(1), Some(2), Some(30)];
    Event { ms: Some(5000), peer: 1, outcome: Outcome::New, times, stale: false }
}

impl Event {
    fn attempt(&self) -> Attempt<'static> {
        let [connect_ms, header_ms, response_ms] = self.times;
        Attempt {
            addr: b"10.0.0.1:80",
            last_pass: true,
            outcome: self.outcome,
            stale: self.stale,
            connect_ms,
            header_ms,
            response_ms,
            bytes_sent: header_ms.map(u64::from),
        }
    }

    fn pid(&self) -> Option<u64> {
        (self.peer > 0).then_some(u64::from(self.peer))
    }

    fn start(&self) -> i64 {
        self.ms.unwrap_or(5000)
    }

    fn peer(&self) -> Vec<u8> {
        format!("10.0.0.{}:80", self.peer).into_bytes()
    }
}

/// Records events into a summary of some kind, one by one.
trait Record: Merge + Clone + PartialEq + std::fmt::Debug {
    fn record_event(&mut self, event: &Event);

    fn of(events: &[Event]) -> Self {
        let mut all = Self::default();
        for event in events {
            all.record_event(event);
        }
        all
    }
}

fn merged<T: Merge>(mut a: T, b: T) -> T {
    a.merge(b);
    a
}

impl Record for LineCounts {
    fn record_event(&mut self, event: &Event) {
        self.lines += 1;
        self.bytes += u64::from(event.peer);
        match event.outcome {
            Outcome::New => self.matched += 1,
            Outcome::Undecided => self.without_upstream += 1,
            Outcome::Failed if event.stale => self.too_long += 1,
            Outcome::Failed => self.malformed += 1,
            Outcome::NoLive => self.filtered += 1,
        }
    }
}

impl Record for Span {
    fn record_event(&mut self, event: &Event) {
        if let Some(ms) = event.ms {
            self.record(ms);
        }
    }
}

impl Record for LatencySummary {
    fn record_event(&mut self, event: &Event) {
        for time in event.times.into_iter().flatten() {
            self.record(time);
        }
    }
}

impl Record for Timeline {
    fn record_event(&mut self, event: &Event) {
        if let Some(ms) = event.ms {
            self.record(ms, Cell { attempts: 1, new_certain: u64::from(event.stale), failed: 0 });
        }
    }
}

impl Record for PeerSummary {
    fn record_event(&mut self, event: &Event) {
        self.record(&event.attempt(), event.ms);
        self.record_sent(&event.attempt());
        self.starts.record(event.start(), started(&event.attempt()));
        self.pools.record_event(event);
    }
}

impl Record for Pools {
    fn record_event(&mut self, event: &Event) {
        let worker = Worker::new(&Arc::from("access.log"), event.pid());
        let Some(pool) = self.of(&worker) else { return };
        pool.record(Flight {
            earliest_start: event.start(),
            latest_start: event.start() + i64::from(event.stale),
            lasted: event.times[2],
            new: event.outcome == Outcome::New,
        });
    }
}

impl Record for Serials {
    fn record_event(&mut self, event: &Event) {
        let counter = self.counter(&Arc::from("access.log"), event.pid()).unwrap();
        counter.starts.record(event.start(), started(&event.attempt()));
        counter.record(Seen {
            serial: u64::from(event.times[1].unwrap_or(7)),
            request: event.times[0].map(u64::from),
            accepted_ms: event.ms,
            whole_second: event.stale,
        });
    }
}

impl Record for Keys<PeerSummary> {
    fn record_event(&mut self, event: &Event) {
        let peer = event.peer();
        let group = event.stale.then_some(&b"app"[..]);
        self.entry(Key { group, peer: &peer }).record(&event.attempt(), event.ms);
    }
}

impl Record for Events {
    fn record_event(&mut self, event: &Event) {
        let Some(ms) = event.ms else { return };
        let kind = match event.outcome {
            Outcome::New => Kind::WorkerStarted,
            Outcome::Undecided => Kind::Start { version: "nginx/1.31.5".into() },
            Outcome::Failed if event.stale => Kind::WorkerKilled { signal: 9 },
            Outcome::Failed => Kind::Reload,
            Outcome::NoLive => Kind::ReopenLogs,
        };
        let about = event.stale.then_some(u64::from(event.peer));
        let pid = u64::from(event.peer);
        self.record(ErrorLogEvent { at: LocalSecond(ms / 1000), kind, pid, about });
    }
}

impl Record for Summary {
    fn record_event(&mut self, event: &Event) {
        self.lines.record_event(event);
        self.span.record_event(event);
        self.events.record_event(event);
        let peer = event.peer();
        self.peer(Key { group: None, peer: &peer }).record(&event.attempt(), event.ms);
    }
}

/// The same by way of a copy.
fn merged_copy(mut a: Summary, b: &Summary) -> Summary {
    a.merge_copy(b);
    a
}

macro_rules! merge_laws {
    ($($name:ident: $type:ty),+ $(,)?) => {$(
        proptest! {
            #[test]
            fn $name(
                events in prop::collection::vec(any_event(), 0..120),
                cuts in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
            ) {
                let length = events.len() + 1;
                let (i, j) = (cuts.0.index(length), cuts.1.index(length));
                let (i, j) = (i.min(j), i.max(j));
                let of = <$type as Record>::of;
                let whole = of(&events);
                let (a, b, c) = (of(&events[..i]), of(&events[i..j]), of(&events[j..]));
                prop_assert_eq!(&merged(whole.clone(), <$type>::default()), &whole);
                prop_assert_eq!(&merged(<$type>::default(), whole.clone()), &whole);
                let left = merged(merged(a.clone(), b.clone()), c.clone());
                let right = merged(a.clone(), merged(b.clone(), c.clone()));
                prop_assert_eq!(&left, &right);
                prop_assert_eq!(&left, &whole);
                prop_assert_eq!(&merged(c, merged(b, a)), &whole);
                let mut backwards = events.clone();
                backwards.reverse();
                prop_assert_eq!(&of(&backwards), &whole);
            }
        }
    )+};
}

merge_laws! {
    line_counts_merge: LineCounts,
    spans_merge: Span,
    latencies_merge: LatencySummary,
    timelines_merge: Timeline,
    peers_merge: PeerSummary,
    pools_merge: Pools,
    serials_merge: Serials,
    keys_merge: Keys<PeerSummary>,
    events_merge: Events,
    summaries_merge: Summary,
}

proptest! {
    #[test]
    fn summaries_merge_copies_as_themselves(
        events in prop::collection::vec(any_event(), 0..120),
        cut in any::<prop::sample::Index>(),
    ) {
        let cut = cut.index(events.len() + 1);
        let (a, b) = (Summary::of(&events[..cut]), Summary::of(&events[cut..]));
        prop_assert_eq!(&merged_copy(a.clone(), &b), &merged(a.clone(), b.clone()));
        prop_assert_eq!(&merged_copy(Summary::default(), &a), &a);
        prop_assert_eq!(&merged_copy(a.clone(), &Summary::default()), &a);
    }
}

#[test]
fn too_many_peers_for_details_are_too_many_in_any_order() {
    let part = |peers: std::ops::Range<u16>| {
        let mut summary = Summary::default();
        for peer in peers {
            let peer = Event { peer, ..event() };
            let key = peer.peer();
            let is_detailed = summary.is_detailed();
            let own = summary.peer(Key { group: None, peer: &key });
            if is_detailed {
                own.record_event(&peer);
            } else {
                own.record(&peer.attempt(), peer.ms);
            }
            summary.bound_detail();
        }
        summary
    };
    let whole = part(0..300);
    assert!(!whole.is_detailed());
    assert!(merged(part(0..150), part(150..300)) == whole);
    assert!(merged(part(0..290), part(290..300)) == whole);
    assert!(merged(part(290..300), part(0..290)) == whole);
    assert!(merged_copy(part(0..150), &part(150..300)) == whole);
    assert!(merged_copy(part(0..10), &whole) == merged(part(0..10), whole.clone()));
    assert!(merged_copy(whole.clone(), &part(0..10)) == merged(whole.clone(), part(0..10)));
    assert!(part(0..150).is_detailed());
}

/// Lines of a preset, some of them broken.
fn any_lines(preset: &'static str) -> impl Strategy<Value = (LogFormat, Vec<Vec<u8>>)> {
    let format = Preset::named(preset).unwrap().format().unwrap();
    prop::collection::vec((any::<u64>(), any::<prop::sample::Index>(), 0u8..6), 0..60).prop_map(
        move |seeds| {
            let broken = |(seed, at, kind): (u64, prop::sample::Index, u8)| {
                let (mut line, _) = lines::line(&format, &mut Rng::new(seed));
                match kind {
                    0 => line.truncate(at.index(line.len() + 1)),
                    1 => line.insert(at.index(line.len() + 1), b'"'),
                    _ => {}
                }
                line
            };
            (format.clone(), seeds.into_iter().map(broken).collect())
        },
    )
}

/// All that can be seen of a fold.
fn fold(recipe: &Recipe, lines: &[Vec<u8>]) -> Summary {
    let mut fold = Fold::default();
    for line in lines {
        let _ = fold.line(recipe, line);
    }
    fold.summary
}

proptest! {
    #[test]
    fn whole_folds_split_anywhere(
        (format, lines) in prop_oneof![
            any_lines("keepwarm"),
            any_lines("keepwarm_json"),
            any_lines("combined_upstream"),
            any_lines("ltsv"),
        ],
        by in prop_oneof![Just(By::Upstream), Just(By::Peer), Just(By::Variable("request".into()))],
        cut in any::<prop::sample::Index>(),
    ) {
        let recipe = Recipe::new(&format, None, Choice { by, ..Choice::default() }, "access.log");
        let whole = fold(&recipe, &lines);
        let counts = whole.lines;
        let filled = lines.iter().filter(|line| !line.is_empty()).count() as u64;
        prop_assert_eq!(counts.lines, filled);
        prop_assert_eq!(counts.lines, counts.matched + counts.malformed);
        let cut = cut.index(lines.len() + 1);
        let (a, b) = (fold(&recipe, &lines[..cut]), fold(&recipe, &lines[cut..]));
        prop_assert_eq!(&merged(a.clone(), b.clone()), &whole);
        prop_assert_eq!(&merged_copy(a.clone(), &b), &whole);
        prop_assert_eq!(&merged(b, a), &whole);
        let mut backwards = lines.clone();
        backwards.reverse();
        prop_assert_eq!(&fold(&recipe, &backwards), &whole);
    }
}
