//! How often quiet logs give a false alarm, and what is suspected where something happened: over generated logs of ten
//! minutes with pools that grow, clients that send several requests at once, and hosts that halt for a moment.
//!
//! `cargo test --release --lib alarms -- --ignored --nocapture` takes many logs and prints how often what was found.

use super::tests::{BEGIN, report_of};
use super::*;
use crate::analysis::report::Report;
use std::collections::BTreeSet;

const FORMAT: &str = "$msec $request_time $pid up=$proxy_host \"$upstream_addr\" \"$upstream_status\" \
                      \"$upstream_connect_time\" \"$upstream_response_time\"";

const SECONDS: f64 = 600.0;

/// When something happens, in milliseconds of the log.
const AT: f64 = 300_000.0;

/// What happens in the middle of a log.
#[derive(Debug, Clone, Copy, PartialEq)]
enum What {
    Nothing,
    Reload,
    /// The same with pids that begin anew.
    ReloadWithSmallPids,
    /// One of the workers is replaced.
    WorkerExit,
    /// The first peer refuses for so many milliseconds.
    BackendRestart(f64),
}

/// Traffic through two workers. Every connection goes back to its worker's pool for a minute.
#[derive(Debug, Clone, Copy)]
struct Site {
    name: &'static str,
    /// Clients per second.
    rate: f64,
    /// Requests that each sends at once, at most.
    at_once: usize,
    /// Response times: shortest, longest, in milliseconds.
    response: (f64, f64),
    peers: usize,
    /// The host halts so often and so long: seconds between, longest in milliseconds.
    halts: Option<(f64, f64)>,
}

const SITES: [Site; 9] = [
    Site {
        name: "rare pages",
        rate: 0.05,
        at_once: 16,
        response: (5.0, 200.0),
        peers: 2,
        halts: None,
    },
    Site {
        name: "thin pages",
        rate: 0.5,
        at_once: 12,
        response: (5.0, 200.0),
        peers: 4,
        halts: None,
    },
    Site { name: "slow", rate: 55.0, at_once: 1, response: (5.0, 400.0), peers: 1, halts: None },
    Site { name: "quick", rate: 100.0, at_once: 1, response: (2.0, 10.0), peers: 2, halts: None },
    Site { name: "thin", rate: 2.0, at_once: 1, response: (5.0, 400.0), peers: 2, halts: None },
    Site { name: "pages", rate: 8.0, at_once: 8, response: (5.0, 200.0), peers: 1, halts: None },
    Site { name: "pages", rate: 20.0, at_once: 4, response: (5.0, 80.0), peers: 3, halts: None },
    Site {
        name: "halts",
        rate: 55.0,
        at_once: 1,
        response: (5.0, 120.0),
        peers: 2,
        halts: Some((20.0, 400.0)),
    },
    Site {
        name: "rare halts",
        rate: 150.0,
        at_once: 1,
        response: (5.0, 60.0),
        peers: 1,
        halts: Some((200.0, 300.0)),
    },
];

/// A xorshift64* generator.
struct Rng(u64);

impl Rng {
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32;
        f64::from(u32::try_from(bits).unwrap()) / 4_294_967_296.0
    }

    fn between(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * self.unit()
    }

    fn below(&mut self, n: usize) -> usize {
        (0..n).find(|&i| self.unit() * exact(n - i) < 1.0).unwrap_or(0)
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }
}

fn exact(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap())
}

#[expect(clippy::cast_possible_truncation, reason = "some minutes")]
fn whole(ms: f64) -> i64 {
    ms.floor() as i64
}

impl Site {
    /// Beginnings of requests in milliseconds, in order.
    fn begins(&self, rng: &mut Rng) -> Vec<f64> {
        let mut halts = Vec::new();
        if let Some((seconds, longest)) = self.halts {
            let mut at = 0.0;
            while at < SECONDS * 1000.0 {
                at += rng.exponential(seconds * 1000.0);
                halts.push((at, at + rng.between(20.0, longest)));
            }
        }
        let mut begins = Vec::new();
        let mut at = 0.0;
        while at < SECONDS * 1000.0 {
            at += rng.exponential(1000.0 / self.rate);
            for _ in 0..=rng.below(self.at_once) {
                let sent = at + if self.at_once > 1 { rng.between(0.0, 30.0) } else { 0.0 };
                let halt = halts.iter().find(|(from, to)| (*from..*to).contains(&sent));
                begins.push(halt.map_or(sent, |(_, to)| to + rng.between(0.0, 5.0)));
            }
        }
        begins.sort_by(f64::total_cmp);
        begins
    }

    fn lines(&self, seed: u64, what: What) -> Vec<String> {
        let mut rng = Rng(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        rng.unit();
        let begins = self.begins(&mut rng);
        let mut idle: Vec<Vec<f64>> = vec![Vec::new(); 2 * self.peers];
        let mut pids = [101, 102];
        let mut is_over = false;
        let mut lines = Vec::new();
        for start in begins {
            if start >= AT && !is_over {
                is_over = true;
                match what {
                    What::Nothing => {}
                    What::Reload | What::ReloadWithSmallPids => {
                        pids = if what == What::Reload { [103, 104] } else { [51, 52] };
                        idle.iter_mut().for_each(Vec::clear);
                    }
                    What::WorkerExit => {
                        pids[1] = 103;
                        idle[self.peers..].iter_mut().for_each(Vec::clear);
                    }
                    What::BackendRestart(_) => {
                        (0..2).for_each(|worker| idle[worker * self.peers].clear());
                    }
                }
            }
            let (worker, peer) = (rng.below(2), rng.below(self.peers));
            if let What::BackendRestart(ms) = what
                && peer == 0
                && (AT..AT + ms).contains(&start)
            {
                lines.push(line(start, 1.0, pids[worker], peer, "502", "-"));
                continue;
            }
            let pool = &mut idle[worker * self.peers + peer];
            pool.retain(|back| start - back < 60_000.0);
            let (mut took, mut connect) = (rng.between(self.response.0, self.response.1), "0.000");
            if let Some(at) = pool.iter().position(|back| *back <= start) {
                pool.swap_remove(at);
            } else {
                (took, connect) = (took + 3.0, "0.003");
            }
            pool.push(start + took);
            lines.push(line(start, took, pids[worker], peer, "200", connect));
        }
        lines
    }

    fn report(&self, seed: u64, what: What, has_pid: bool) -> Report {
        let hidden: &[&str] = if has_pid { &[] } else { &["pid"] };
        let lines = self.lines(seed, what);
        report_of(FORMAT, lines.iter().map(String::as_str), hidden)
    }
}

fn line(start: f64, took: f64, pid: u32, peer: usize, status: &str, connect: &str) -> String {
    let (begin, end) = (BEGIN + whole(start), BEGIN + whole(start + took));
    let seconds = |ms: i64| format!("{}.{:03}", ms / 1000, ms % 1000);
    let took = seconds(end - begin);
    format!(
        "{} {took} {pid} up=app \"10.0.0.{peer}:80\" \"{status}\" \"{connect}\" \"{took}\"",
        seconds(end)
    )
}

/// What may be said of what happened.
fn may_be(what: What, has_pid: bool) -> &'static [Cause] {
    match (what, has_pid) {
        (What::Nothing, _) => &[],
        (What::Reload | What::ReloadWithSmallPids, _) => &[Cause::Reload, Cause::Unknown],
        (What::WorkerExit, _) => &[Cause::WorkerExit, Cause::Unknown],
        (What::BackendRestart(_), true) => &[Cause::BackendRestart],
        (What::BackendRestart(_), false) => &[Cause::BackendRestart, Cause::Unknown],
    }
}

/// Logs of a site, and of these: with the event, and with anything false.
#[derive(Debug, Default)]
struct Tally {
    logs: u32,
    found: u32,
    wrong: u32,
    /// Causes of what is false, with its start.
    what: BTreeSet<(Cause, i64)>,
}

fn tally(site: &Site, seeds: std::ops::Range<u64>, what: What, has_pid: bool) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds {
        let report = site.report(seed, what, has_pid);
        let is_right = |warmup: &&Warmup| {
            let late = warmup.start_ms - BEGIN - whole(AT);
            (-2000..=5000).contains(&late) && may_be(what, has_pid).contains(&warmup.cause)
        };
        tally.logs += 1;
        tally.found += u32::from(report.warmups.iter().any(|warmup| is_right(&warmup)));
        tally.wrong += u32::from(report.warmups.iter().any(|warmup| !is_right(&warmup)));
        let wrong = report.warmups.iter().filter(|warmup| !is_right(warmup));
        tally.what.extend(wrong.map(|warmup| (warmup.cause, warmup.start_ms - BEGIN)));
    }
    tally
}

#[test]
fn a_few_logs_give_no_alarm_and_no_wrong_cause() {
    for site in SITES {
        for what in [What::Nothing, What::ReloadWithSmallPids] {
            for has_pid in [true, false] {
                let tally = tally(&site, 0..1, what, has_pid);
                assert_eq!(tally.wrong, 0, "{site:?}, {what:?}, pid {has_pid}: {tally:?}");
            }
        }
    }
}

#[test]
fn a_backend_that_was_away_is_found() {
    for has_pid in [true, false] {
        let tally = tally(&SITES[2], 0..3, What::BackendRestart(500.0), has_pid);
        assert_eq!((tally.found, tally.wrong), (3, 0), "pid {has_pid}: {tally:?}");
    }
}

#[test]
#[ignore = "takes minutes: see the module's words"]
fn many_logs_give_hardly_any_alarm() {
    let mut wrong = 0;
    let mut logs = 0;
    for what in [
        What::Nothing,
        What::Reload,
        What::ReloadWithSmallPids,
        What::WorkerExit,
        What::BackendRestart(0.0),
        What::BackendRestart(500.0),
    ] {
        for has_pid in [true, false] {
            for site in SITES {
                let seeds = if what == What::Nothing { 1..101 } else { 1..21 };
                let tally = tally(&site, seeds, what, has_pid);
                println!("{what:?}, {} {}, pid {has_pid}: {tally:?}", site.name, site.peers);
                if what == What::Nothing {
                    logs += tally.logs;
                    wrong += tally.wrong;
                }
            }
        }
    }
    println!("{wrong} of {logs} quiet logs");
    assert!(wrong * 100 <= logs, "{wrong} of {logs}");
}
