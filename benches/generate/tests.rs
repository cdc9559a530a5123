use super::*;
use keepwarm::log_format::presets::{ALL, Preset};
use std::collections::BTreeMap;

fn log(options: &Options) -> (String, Truth) {
    let mut out = Vec::new();
    let truth = generate(options, &mut out).unwrap();
    (String::from_utf8(out).unwrap(), truth)
}

fn preset(name: &str, lines: u64) -> Options {
    Options::new(Preset::named(name).unwrap().format().unwrap(), Limit::Lines(lines))
}

/// The values of a format whose variables stand between blanks.
fn rows(options: &Options, variables: &str) -> (Vec<Vec<String>>, Truth) {
    let format = LogFormat::from_string("t", &variables.replace(' ', "|"), options.format.escape);
    let (text, truth) = log(&Options { format: format.unwrap(), ..options.clone() });
    let split = |line: &str| line.split('|').map(str::to_owned).collect();
    (text.lines().map(split).collect(), truth)
}

fn ms(text: &str) -> u64 {
    text.replace('.', "").parse().unwrap()
}

#[test]
fn the_same_seed_gives_the_same_bytes_as_on_any_other_machine() {
    let options = preset("keepwarm", 2000);
    let (text, truth) = log(&options);
    assert_eq!((text.clone(), truth), log(&options));
    assert_ne!(text, log(&Options { seed: 2, ..options }).0);
    let fnv = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    assert_eq!(fnv, 0x76c0_9c42_6c29_192a, "{fnv:#x}");
}

#[test]
fn it_ends_at_its_size_in_every_preset() {
    for preset in ALL {
        let format = preset.format().unwrap();
        let (text, truth) = log(&Options::new(format.clone(), Limit::Lines(300)));
        assert_eq!(
            (text.lines().count(), text.len() as u64),
            (300, truth.bytes),
            "{}",
            preset.name
        );
        let (text, truth) = log(&Options::new(format, Limit::Bytes(50_000)));
        assert_eq!(text.len() as u64, truth.bytes);
        assert!((50_000..52_000).contains(&text.len()), "{}", preset.name);
    }
}

#[test]
fn serials_are_drawn_by_clients_and_connects_alike() {
    let options = Options { reloads: 2, ..preset("keepwarm", 20_000) };
    let (rows, truth) = rows(&options, "$connection $connection_requests $pid");
    let mut seen: BTreeMap<u64, (u64, String)> = BTreeMap::new();
    for row in &rows {
        let requests: u64 = row[1].parse().unwrap();
        let last = seen.entry(row[0].parse().unwrap()).or_insert((0, row[2].clone()));
        assert_eq!((last.0 + 1, &last.1), (requests, &row[2]), "{row:?}");
        last.0 = requests;
    }
    let highest = *seen.last_key_value().unwrap().0;
    let all = truth.client_connections + truth.upstream_connects;
    assert!(highest <= all && all - highest < 100, "{highest} of {all}");
    // Those that were accepted for a request that had not ended are not in the log.
    let clients = seen.len() as u64;
    assert!(clients <= truth.client_connections && truth.client_connections - clients < 100);
    let connects = truth.total.new + truth.total.failed;
    assert!(connects <= truth.upstream_connects && truth.upstream_connects - connects < 100);
}

#[test]
fn a_reload_changes_every_pid_and_closes_every_pool() {
    let options =
        Options { reloads: 1, workers: 3, retries: 0.0, reuse: 1.0, ..preset("keepwarm", 20_000) };
    let (rows, truth) = rows(&options, "$msec $pid $request_time");
    let reload = truth.reloads_ms[0];
    let pids = |after: bool| -> Vec<&str> {
        let arrived_after = |row: &&Vec<String>| ms(&row[0]) - ms(&row[2]) > reload;
        let mut pids: Vec<&str> =
            rows.iter().filter(|row| arrived_after(row) == after).map(|row| &*row[1]).collect();
        pids.sort_unstable();
        pids.dedup();
        pids
    };
    let (before, after) = (pids(false), pids(true));
    assert_eq!((before.len(), after.len()), (3, 3));
    assert!(before.iter().all(|pid| !after.contains(pid)));
    let unbroken = log(&Options { reloads: 0, ..options }).1;
    assert!(truth.total.new > unbroken.total.new, "{} {}", truth.total.new, unbroken.total.new);
}

#[test]
fn times_come_in_order_and_lie_within_each_other() {
    let variables = "$msec $request_time $upstream_addr $upstream_status $upstream_connect_time \
                     $upstream_header_time $upstream_response_time $upstream_bytes_received";
    let (rows, truth) = rows(&Options { retries: 0.2, ..preset("keepwarm", 20_000) }, variables);
    let mut last = 0;
    let mut failed = 0;
    for row in &rows {
        let end = ms(&row[0]);
        assert!(end >= last, "lines come in the order of their ends");
        last = end;
        let lists: Vec<Vec<&str>> =
            row[2..].iter().map(|list| list.split(", ").collect()).collect();
        assert!(lists.iter().all(|list| list.len() == lists[0].len()), "{row:?}");
        let mut sum = 0;
        for (slot, addr) in lists[0].iter().enumerate() {
            let times: Vec<&str> = lists[2..5].iter().map(|list| list[slot]).collect();
            failed += u64::from(times[0] == "-" && *addr != "-");
            let times: Vec<u64> = times.into_iter().filter(|time| *time != "-").map(ms).collect();
            assert!(times.is_sorted(), "{row:?}");
            sum += times.last().unwrap_or(&0);
        }
        // A request without an upstream takes an eighth of a tick, others as long as their tries together.
        assert!((sum..=sum + 1).contains(&ms(&row[1])), "{row:?}");
    }
    assert_eq!((truth.total.failed, truth.span_ms.1), (failed, last));
}

#[test]
fn fast_connects_are_seen_as_often_as_their_latency_says() {
    let options = Options { reuse: 0.0, retries: 0.0, upstreams: 3, ..preset("keepwarm", 50_000) };
    let truth = log(&options).1;
    for (upstream, range) in [("api", 35..=45), ("web", 4..=8), ("auth", 100..=100)] {
        let of = truth.peers.iter().filter(|peer| peer.upstream == upstream);
        let (new, visible) =
            of.fold((0, 0), |sum, peer| (sum.0 + peer.new, sum.1 + peer.new_visible));
        assert!(range.contains(&(visible * 100 / new)), "{upstream}: {visible} of {new}");
    }
}

#[test]
fn reuse_is_about_what_was_asked_for() {
    let truth = log(&Options { retries: 0.0, ..preset("keepwarm", 50_000) }).1;
    let rate = |upstream: &str| {
        let of: Vec<_> = truth.peers.iter().filter(|peer| peer.upstream == upstream).collect();
        let sum =
            |count: fn(&truth::PeerTruth) -> u64| of.iter().map(|peer| count(peer)).sum::<u64>();
        sum(|peer| peer.reused) * 1000 / sum(|peer| peer.attempts)
    };
    assert!((930..=960).contains(&rate("api")), "{}", rate("api"));
    assert!((955..=980).contains(&rate("web")), "{}", rate("web"));
    assert!((870..=910).contains(&rate("auth")), "{}", rate("auth"));
}

#[test]
fn the_daily_wave_keeps_the_mean_and_moves_the_hours() {
    // Two days at ten requests a second.
    let options = Options { rate: 10, wave: 80, ..preset("combined", 2 * 864_000) };
    let (rows, truth) = rows(&options, "$msec");
    let hours = (truth.span_ms.1 - truth.span_ms.0) / 3_600_000;
    assert!((46..=49).contains(&hours), "{hours}");
    let at = |hour: u64| rows.iter().filter(|row| ms(&row[0]) / 3_600_000 % 24 == hour).count();
    assert!(at(15) > 6 * at(3), "{} {}", at(15), at(3));
}

#[test]
fn a_variable_without_values_is_refused_by_name() {
    let format = LogFormat::from_string("t", "$msec $geoip_city", preset("json", 1).format.escape);
    let error = generate(&Options::new(format.unwrap(), Limit::Lines(1)), &mut Vec::new());
    assert!(error.unwrap_err().to_string().contains("$geoip_city"));
}

#[test]
fn reloads_and_backend_restarts_come_at_random_but_not_close_together() {
    let options = Options { reloads: 12, backend_restarts: 7, ..preset("keepwarm", 20_000) };
    let events = |seed| {
        let truth = log(&Options { seed, ..options.clone() }).1;
        let restarts = truth.backend_restarts.iter().map(|restart| restart.at_ms);
        let mut events: Vec<u64> = truth.reloads_ms.iter().copied().chain(restarts).collect();
        assert_eq!((truth.reloads_ms.len(), truth.backend_restarts.len()), (12, 7));
        events.sort_unstable();
        // 20 s in 20 parts, less what chance does to arrivals.
        assert!(events.windows(2).all(|two| two[1] - two[0] > 150), "{events:?}");
        events
    };
    assert_ne!(events(1), events(2));
}

#[test]
fn a_backend_restart_costs_its_peer_connections() {
    let options = Options { reuse: 1.0, retries: 0.0, peers: 1, ..preset("keepwarm", 20_000) };
    let without = log(&options).1;
    let with = log(&Options { backend_restarts: 1, ..options }).1;
    let restarted = &with.backend_restarts[0];
    let (before, after) = without
        .peers
        .iter()
        .zip(&with.peers)
        .find(|(_, peer)| peer.addr == restarted.addr)
        .unwrap();
    assert!(after.new > before.new + 3, "{before:?} {after:?}");
    let rest = |truth: &Truth, new| truth.total.new - new;
    let (before, after) = (rest(&without, before.new), rest(&with, after.new));
    assert!(before.abs_diff(after) < before / 4, "{before} {after}");
}

#[test]
fn connections_that_wait_too_long_are_closed() {
    let options = Options { rate: 1, retries: 0.0, reuse: 1.0, ..preset("keepwarm", 3000) };
    let new =
        |keepalive_timeout| log(&Options { keepalive_timeout, ..options.clone() }).1.total.new;
    let (never, minute, second) = (new(0), new(60), new(1));
    assert!(never < 100 && minute > 2 * never && second > 2000, "{never} {minute} {second}");
}

#[test]
fn a_connect_takes_as_long_as_was_asked_for() {
    let options = Options { connect_us: Some(3000), ..preset("keepwarm", 5000) };
    let truth = log(&options).1;
    assert_eq!(truth.total.new, truth.total.new_visible);
}
