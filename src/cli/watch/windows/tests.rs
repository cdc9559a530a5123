//! Alerts over simulated logs, second by second.

use super::*;
use crate::fold::{Choice, Reader, Recipe};
use crate::live::alert::{Alerts, Change, RuleSet, Rules};
use crate::live::part::Part;
use crate::log_format::{Escape, LogFormat};
use std::collections::BTreeMap;

const BEGIN: i64 = 1_795_219_200_000;

/// An nginx of two workers, each with a pool of four connections. Each client sends five requests, 20 ms apart.
struct Nginx {
    drawn: u64,
    pid: u64,
    keepalive: bool,
    /// Connections in the pools.
    pooled: [u32; 2],
    recipe: Recipe,
    reader: Reader,
    part: Part,
}

impl Nginx {
    fn reload(&mut self, keepalive: bool) {
        self.pid += 10;
        (self.keepalive, self.pooled) = (keepalive, [0; 2]);
    }

    /// The lines of one second.
    fn second(&mut self, second: u64, clients: u64) {
        self.part.set_now(BEGIN + i64::try_from(second * 1000).unwrap());
        let begin_of = |client: u64| client * 800 / clients;
        let requests = (0..clients).flat_map(|client| {
            (1..=5).map(move |request| (begin_of(client) + request * 20, client, request))
        });
        let mut requests: Vec<(u64, u64, u64)> = requests.collect();
        requests.sort_unstable();
        let mut serials = BTreeMap::new();
        for (ms, client, request) in requests {
            let serial = *serials.entry(client).or_insert_with(|| {
                self.drawn += 1;
                self.drawn
            });
            let pooled = &mut self.pooled[usize::from(client % 2 == 1)];
            let is_new = !self.keepalive || *pooled < 4;
            *pooled += u32::from(self.keepalive && is_new);
            self.drawn += u64::from(is_new);
            // nginx's clock moves in one of twenty connects.
            let connect = u8::from(is_new && self.drawn.is_multiple_of(20));
            let (s, pid) = (u64::try_from(BEGIN).unwrap() / 1000 + second, self.pid + client % 2);
            let line = format!(
                "{s}.{ms:03} {pid} {serial} {request} app 10.0.0.1:80 0.00{connect} 0.005 0.005"
            );
            self.reader.line(&self.recipe, line.as_bytes(), &mut self.part).unwrap();
        }
    }
}

/// Runs a timeline of seconds, clients per second and what is reloaded before; gives all events as `SECOND rule+`.
fn told(rules: &RuleSet, timeline: &[(u64, u64, Option<bool>)]) -> Vec<String> {
    let text = "$msec $pid $connection $connection_requests $proxy_host $upstream_addr $upstream_connect_time \
                $upstream_response_time $request_time";
    let format = LogFormat::from_string("main", text, Escape::Default).unwrap();
    let times = [("1m", 60_000), ("5m", 300_000), ("1h", 3_600_000)];
    let times = times.map(|(name, ms)| (name.to_owned(), ms)).to_vec();
    let policy = Policy::default();
    let (mut slices, mut alerts) = (Slices::new(3_600_000), Alerts::default());
    let mut windows = Windows::new(times, &policy).unwrap();
    let mut nginx = Nginx {
        drawn: 1000,
        pid: 100,
        keepalive: true,
        pooled: [0; 2],
        recipe: Recipe::new(&format, None, Choice::default(), "access.log"),
        reader: Reader::default(),
        part: slices.part(BEGIN),
    };
    let (mut second, mut told) = (0, Vec::new());
    for (seconds, clients, reload) in timeline {
        if let Some(keepalive) = reload {
            nginx.reload(*keepalive);
        }
        for _ in 0..*seconds {
            nginx.second(second, *clients);
            second += 1;
            let now = BEGIN + i64::try_from(second).unwrap() * 1000;
            slices.take([nginx.part.hand_over()], now);
            windows.look(&slices, now, &policy, false);
            let seen = windows.seen(rules.longest_grace(), false);
            for event in alerts.tick(rules, &seen, now) {
                let sign = if event.change == Change::Firing { '+' } else { '-' };
                told.push(format!("{second} {}{sign}", event.id.rule.name()));
            }
        }
    }
    told
}

/// The seconds of alerts that fired and were over, in turns. Where all connects show 0.000 a warm-up can't be told from
/// low reuse for another reason.
fn seconds(told: &[String]) -> Vec<u64> {
    let second = |(i, event): (usize, &String)| {
        let (second, what) = event.split_once(' ').unwrap();
        let sign = if i % 2 == 0 { '+' } else { '-' };
        assert!(
            ["hit_rate", "never_warmed"]
                .map(|rule| format!("{rule}{sign}"))
                .contains(&what.to_owned())
        );
        second.parse().unwrap()
    };
    told.iter().enumerate().map(second).collect()
}

#[test]
fn keepalive_that_is_turned_off_is_told_within_the_time_and_five_seconds() {
    for (for_s, warmup_grace) in [(60, 60), (5, 5)] {
        let defaults = Rules { for_s, warmup_grace, ..Rules::default() };
        let rules = RuleSet { defaults, ..RuleSet::default() };
        // Few attempts leave more open, so that takes longer.
        for (clients, more) in [(4, 20), (20, 5), (60, 5)] {
            let told = told(&rules, &[(200, clients, None), (150, clients, Some(false))]);
            let [seconds] = seconds(&told)[..] else { panic!("{for_s} s, {clients}: {told:?}") };
            assert!((200 + for_s..=200 + for_s + more).contains(&seconds), "{clients}: {told:?}");
        }
    }
}

#[test]
fn it_is_over_when_keepalive_is_back_and_a_plain_reload_is_no_alert() {
    let defaults = Rules { for_s: 10, warmup_grace: 10, ..Rules::default() };
    let rules = RuleSet { defaults, ..RuleSet::default() };
    for clients in [4, 20, 60] {
        let on = Some(true);
        let plain = [(150, clients, None), (60, clients, on), (60, clients, on)];
        assert_eq!(told(&rules, &plain), [""; 0]);
        let back = [(150, clients, None), (60, clients, Some(false)), (120, clients, on)];
        let told = told(&rules, &back);
        assert_eq!(seconds(&told).len(), 2, "{told:?}");
    }
}
