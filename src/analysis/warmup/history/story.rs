//! Events taken in one by one, and what they have told so far.

use super::{Cause, Happened, Zone};
use crate::record::error_log::{ErrorLogEvent, Kind, LocalSecond};
use crate::summary::events::Events;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Seconds within which nginx begins to write what belongs to one event: a reload's new workers have its own stamp,
/// since the master does not read its clock in between (`ngx_start_worker_processes`).
const TOGETHER: i64 = 5;

/// Seconds that reading a configuration may take, with all its certificates and `geo` tables.
const LOADING: i64 = 60;

/// Seconds between a stop and a start that are one restart.
const RESTARTING: i64 = 60;

/// Something that happened, while it is put together. Times are local seconds.
#[derive(Debug)]
pub(super) struct Episode {
    cause: Cause,
    master: u64,
    from: i64,
    to: i64,
    started: BTreeSet<u64>,
    gone: BTreeSet<u64>,
    version: Option<String>,
    /// Of a reload: an old worker told when it was sent away.
    settled: bool,
    dropped: bool,
}

impl Episode {
    pub(super) fn happened(self, zone: &Zone) -> Happened {
        Happened {
            from_ms: zone.utc_ms(LocalSecond(self.from)),
            to_ms: zone.utc_ms(LocalSecond(self.to)) + 1000,
            cause: self.cause,
            pids_gone: self.gone.difference(&self.started).copied().collect(),
            pids_started: self.started.into_iter().collect(),
            version: self.version,
        }
    }
}

/// A master process, as far as the log tells of it. Episodes are numbers in [`Story::episodes`].
#[derive(Debug, Default)]
struct Master {
    /// Workers that take connections.
    workers: BTreeSet<u64>,
    /// What the workers that it starts at once belong to.
    open: Option<usize>,
    /// The last worker exit.
    crash: Option<usize>,
    /// Where its workers go since it was told to stop.
    stopped: Option<usize>,
    /// Workers that ended and were not replaced yet: when, and which.
    ended: Vec<(i64, u64)>,
    /// It logs at level notice.
    notices: bool,
}

/// What is known so far.
#[derive(Debug, Default)]
pub(super) struct Story {
    episodes: Vec<Episode>,
    masters: BTreeMap<u64, Master>,
    /// The master of each worker that takes connections.
    workers: BTreeMap<u64, u64>,
    /// Workers that were sent away, and by what.
    leaving: BTreeMap<u64, usize>,
    latest_reload: Option<usize>,
    /// The latest start: with `daemon on` its pid is not that of the master.
    latest_start: Option<usize>,
    /// Stops since the latest start.
    stops: Vec<usize>,
    /// When a new binary was started, by which master, and its pid.
    upgrade: Option<(i64, u64, Option<u64>)>,
    /// Old and new master of an upgrade, each with the other one, while both run.
    partners: BTreeMap<u64, (u64, usize)>,
    /// Which process refused a configuration when.
    refused: BTreeSet<(u64, i64)>,
    /// Which worker ended when, of the whole log.
    exits: BTreeSet<(u64, i64)>,
}

impl Story {
    /// All events taken in and judged.
    pub(super) fn of(events: &Events) -> Self {
        let mut story = Story { exits: exits(events), ..Story::default() };
        events.iter().for_each(|event| story.take(event));
        story.finish();
        story
    }

    /// What it came to, in no order.
    pub(super) fn episodes(self) -> impl Iterator<Item = Episode> {
        self.episodes.into_iter().filter(|episode| !episode.dropped)
    }

    fn take(&mut self, event: &ErrorLogEvent) {
        let (at, pid) = (event.at.0, event.pid);
        match (&event.kind, event.about) {
            (Kind::Stop, _) => self.stop(at, pid),
            (Kind::FailedReload, _) => {
                self.refused.insert((pid, at));
            }
            (Kind::Reload, _) => self.reload(at, pid),
            (Kind::Upgrade, about) => self.upgrade = Some((at, pid, about)),
            (Kind::WorkerExited { .. }, Some(worker)) => self.ended(at, pid, worker, false),
            (Kind::WorkerKilled { .. }, Some(worker)) => self.ended(at, pid, worker, true),
            (Kind::Start { version }, _) => self.start(at, pid, version),
            (Kind::WorkerStarted, Some(worker)) => self.started(at, pid, worker),
            (Kind::WorkerLeaving, _) => self.leaves(at, pid),
            _ => {}
        }
    }

    fn begin(&mut self, cause: Cause, master: u64, at: i64) -> usize {
        self.episodes.push(Episode {
            cause,
            master,
            from: at,
            to: at,
            started: BTreeSet::new(),
            gone: BTreeSet::new(),
            version: None,
            settled: false,
            dropped: false,
        });
        self.episodes.len() - 1
    }

    fn master(&mut self, pid: u64) -> &mut Master {
        let master = self.masters.entry(pid).or_default();
        master.notices = true;
        master
    }

    /// A pid is no longer that of a worker that takes connections.
    fn forget(&mut self, worker: u64) {
        if let Some(master) = self.workers.remove(&worker) {
            self.master(master).workers.remove(&worker);
        }
    }

    /// The workers of a master are sent away by an episode.
    fn send_away(&mut self, master: u64, episode: usize) {
        for worker in std::mem::take(&mut self.master(master).workers) {
            self.workers.remove(&worker);
            self.leaving.insert(worker, episode);
            self.episodes[episode].gone.insert(worker);
        }
    }

    /// Did a process refuse a configuration at these times?
    fn refused(&self, pid: u64, times: Range<i64>) -> bool {
        times.start < times.end
            && self.refused.range((pid, times.start)..(pid, times.end)).next().is_some()
    }

    fn reload(&mut self, at: i64, pid: u64) {
        if let Some(open) = self.master(pid).open {
            let open = &self.episodes[open];
            // The signal and `reconfiguring` of one reload may lie in two seconds.
            let waits = open.cause == Cause::Reload && open.started.is_empty();
            if waits && at - open.from <= 1 && !self.refused(pid, open.from..at) {
                return;
            }
        }
        let episode = self.begin(Cause::Reload, pid, at);
        self.master(pid).open = Some(episode);
        self.latest_reload = Some(episode);
    }

    fn start(&mut self, at: i64, pid: u64, version: &str) {
        let of_upgrade = |(t, _, new): &mut (i64, u64, Option<u64>)| {
            at - *t <= TOGETHER && new.is_none_or(|new| new == pid)
        };
        let upgrade = self.upgrade.take_if(of_upgrade);
        let cause = if upgrade.is_some() { Cause::Upgrade } else { Cause::Restart };
        let episode = self.begin(cause, pid, at);
        self.episodes[episode].version = Some(version.to_owned());
        if let Some((_, old, _)) = upgrade {
            self.partners.insert(old, (pid, episode));
            self.partners.insert(pid, (old, episode));
        } else {
            for stop in std::mem::take(&mut self.stops) {
                if at - self.episodes[stop].from <= RESTARTING {
                    self.episodes[stop].dropped = true;
                    let gone = std::mem::take(&mut self.episodes[stop].gone);
                    self.episodes[episode].gone.extend(gone);
                    self.master(self.episodes[stop].master).stopped = Some(episode);
                }
            }
        }
        self.renew(pid, episode);
        self.latest_start = Some(episode);
    }

    /// A pid is that of a new master, whose first workers belong to an episode.
    fn renew(&mut self, pid: u64, episode: usize) {
        self.forget(pid);
        self.send_away(pid, episode);
        self.masters
            .insert(pid, Master { open: Some(episode), notices: true, ..Master::default() });
        self.episodes[episode].master = pid;
    }

    fn started(&mut self, at: i64, pid: u64, worker: u64) {
        let open = self.master(pid).open;
        // They start all at once: one that comes later takes the place of one that ended.
        let open = open.filter(|open| match &self.episodes[*open] {
            Episode { started, from, .. } if started.is_empty() => {
                at - from <= TOGETHER && !self.refused(pid, *from..at)
            }
            Episode { to, .. } => at - to <= 1,
        });
        let episode = open.or_else(|| self.replaces(at, pid)).or_else(|| self.claim_start(at, pid));
        if let Some(episode) = episode {
            let Episode { cause, ref started, .. } = self.episodes[episode];
            if cause == Cause::Reload && started.is_empty() {
                self.send_away(pid, episode);
            }
            let Episode { started, to, .. } = &mut self.episodes[episode];
            started.insert(worker);
            *to = at.max(*to);
        }
        self.forget(worker);
        self.leaving.remove(&worker);
        self.workers.insert(worker, pid);
        self.master(pid).workers.insert(worker);
    }

    /// A worker that takes the place of those that ended just before. Several crashes at once are one.
    fn replaces(&mut self, at: i64, pid: u64) -> Option<usize> {
        let master = self.master(pid);
        let recent = master.ended.partition_point(|(t, _)| *t < at - TOGETHER);
        let ended = master.ended.split_off(recent);
        let crash = master.crash;
        let first = ended.first().map(|(t, _)| *t);
        let crash = crash.filter(|crash| {
            let to = self.episodes[*crash].to;
            at - to <= 1 && first.is_none_or(|first| first <= to)
        });
        let crash = crash.or_else(|| Some(self.begin(Cause::WorkerExit, pid, first?)))?;
        self.episodes[crash].gone.extend(ended.into_iter().map(|(_, worker)| worker));
        self.master(pid).crash = Some(crash);
        Some(crash)
    }

    /// The workers of a start whose master has another pid: the one that wrote the version left it to its child
    /// (`ngx_daemon`).
    fn claim_start(&mut self, at: i64, pid: u64) -> Option<usize> {
        let start = self.latest_start?;
        let Episode { from, ref started, .. } = self.episodes[start];
        if at - from > TOGETHER || !started.is_empty() {
            return None;
        }
        self.renew(pid, start);
        Some(start)
    }

    fn ended(&mut self, at: i64, pid: u64, worker: u64, killed: bool) {
        if self.leaving.remove(&worker).is_some() {
            return;
        }
        self.forget(worker);
        let open = self.masters.get(&pid).and_then(|master| master.open);
        let reload = open.filter(|open| {
            let open = &self.episodes[*open];
            open.cause == Cause::Reload
                && at - open.from <= TOGETHER
                && !open.started.contains(&worker)
                && !self.refused(pid, open.from..at)
        });
        let master = self.masters.entry(pid).or_default();
        master.notices |= !killed;
        match master.stopped.or(reload) {
            Some(episode) => {
                self.episodes[episode].gone.insert(worker);
            }
            None => master.ended.push((at, worker)),
        }
    }

    fn leaves(&mut self, at: i64, worker: u64) {
        let mut episode = self.leaving.get(&worker).copied();
        if episode.is_none() && !self.workers.contains_key(&worker) {
            // Its start is not in the log.
            episode = self.latest_reload;
        }
        let Some(index) = episode else { return };
        let episode = &mut self.episodes[index];
        if episode.cause != Cause::Reload || at - episode.to > LOADING || episode.started.is_empty()
        {
            return;
        }
        episode.gone.insert(worker);
        self.leaving.insert(worker, index);
        if !episode.settled {
            // The stamps of the new workers are older than they are, if the configuration took long to read.
            episode.settled = true;
            episode.from = episode.from.max(at - 1);
            episode.to = episode.to.max(at);
        }
    }

    fn stop(&mut self, at: i64, pid: u64) {
        let soon = (pid, at)..=(pid, at + 1);
        if self.workers.contains_key(&pid) || self.exits.range(soon).next().is_some() {
            // A signal to one worker: what comes of it is told by its master.
            return;
        }
        self.latest_reload = None;
        if self.master(pid).stopped.is_some() {
            return;
        }
        let episode = if let Some((partner, upgrade)) = self.partners.remove(&pid) {
            self.partners.remove(&partner);
            upgrade
        } else {
            let stop = self.begin(Cause::Stop, pid, at);
            self.stops.push(stop);
            stop
        };
        self.send_away(pid, episode);
        let master = self.master(pid);
        master.open = None;
        master.stopped = Some(episode);
    }

    /// Judges what only the whole log tells.
    fn finish(&mut self) {
        let filled = self
            .episodes
            .iter()
            .filter(|episode| episode.cause != Cause::WorkerExit && !episode.started.is_empty());
        let filled: BTreeSet<(u64, i64)> = filled
            .flat_map(|episode| [(episode.master, episode.from), (episode.master, episode.to)])
            .collect();
        for episode in &mut self.episodes {
            if episode.cause != Cause::Reload || !episode.started.is_empty() {
                continue;
            }
            let (master, from) = (episode.master, episode.from);
            // The master may be reading its configuration when the next HUP comes: that one's workers start later.
            let refused = self.refused.range((master, from)..=(master, from + TOGETHER));
            let near = filled.range((master, from - 1)..=(master, from + LOADING));
            episode.dropped = refused.chain(near).next().is_some();
        }
        // At the default level of error logs only the crash is told, not the worker that takes the place.
        let masters = std::mem::take(&mut self.masters);
        for (pid, master) in masters.into_iter().filter(|(_, master)| !master.notices) {
            let mut last: Option<usize> = None;
            for (at, worker) in master.ended {
                let near = last.filter(|last| at - self.episodes[*last].to <= 1);
                let episode = near.unwrap_or_else(|| self.begin(Cause::WorkerExit, pid, at));
                self.episodes[episode].gone.insert(worker);
                self.episodes[episode].to = at;
                last = Some(episode);
            }
        }
    }
}

/// Which workers ended when.
fn exits(events: &Events) -> BTreeSet<(u64, i64)> {
    let ended = |event: &&ErrorLogEvent| {
        matches!(event.kind, Kind::WorkerExited { .. } | Kind::WorkerKilled { .. })
    };
    events.iter().filter(ended).filter_map(|event| Some((event.about?, event.at.0))).collect()
}
