use super::*;
use crate::analysis::report::{HitRate, UpstreamWarmup};

const START: i64 = 1_795_225_500_000;

fn stats(connected: u64, new_certain: u64, estimate: Option<f64>) -> Stats {
    Stats {
        attempts: connected,
        failed: 0,
        no_live: 0,
        stale: 0,
        new_certain,
        undecided: connected - new_certain,
        hit_rate: HitRate { estimate, low: 0.9, high: 1.0, naive: None, basis: Vec::new() },
        connect: None,
        handshake: None,
        header: None,
        response: None,
        new_per_second: None,
        steadily_new: false,
    }
}

fn window(cause: Cause, start_s: i64, end_s: Option<i64>) -> Warmup {
    Warmup {
        cause,
        suspected: false,
        evidence: vec!["pid"],
        start_ms: START + start_s * 1000,
        end_ms: end_s.map(|end_s| START + end_s * 1000),
        new_connections: 50,
        excess_new: 50,
        handshake_ms: 100,
        peak_new_per_second: 1.0,
        upstreams: vec!["shop".to_owned()],
        share_of_new: 0.1,
        count: 1,
        period_ms: None,
    }
}

fn evidence(warmups: &[Warmup]) -> Evidence<'_> {
    Evidence {
        conflicts: &[],
        silent_per_second: None,
        logs_serials: true,
        warmups,
        period: Some(Period { from_ms: START, to_ms: START + 599_999 }),
    }
}

/// 10 minutes in steps of 10 s; each has 20 attempts, of which so many are new.
fn upstream(new: impl Fn(i64) -> u64) -> UpstreamReport {
    let point = |second: i64| Point {
        from_ms: START + second * 1000,
        connected: 20,
        new_certain: new(second),
    };
    UpstreamReport {
        name: Some("shop".to_owned()),
        stats: stats(1200, 0, None),
        peers: Vec::new(),
        warmup: Some(UpstreamWarmup {
            events: 1,
            warm_ms: None,
            excess_new: 50,
            handshake_ms: 100,
        }),
        timeline: (0..60).map(|step| point(step * 10)).collect(),
    }
}

fn said(upstream: &UpstreamReport, warmups: &[Warmup]) -> Option<String> {
    let finding = never_warm(upstream, evidence(warmups), Policy::default().limits_of(""))?;
    assert_eq!((finding.rule, finding.severity), ("never_warm", Severity::Warning));
    assert_eq!(finding.upstream.as_deref(), Some("shop"));
    Some(finding.message)
}

#[test]
fn pools_that_stay_cold_from_an_event_on_are_a_finding() {
    let broken = upstream(|second| if second < 300 { 1 } else { 12 });
    let reload = window(Cause::Reload, 300, Some(300));
    let message = "never got warm after the reload at 2026-11-21 01:50:00 UTC: 180 of 300 attempts in the last 2.5 min \
                   certainly opened a connection";
    assert_eq!(said(&broken, std::slice::from_ref(&reload)).as_deref(), Some(message));
    // Neither the reload before nor the one behind is to blame.
    let all =
        [window(Cause::Reload, 120, Some(121)), reload, window(Cause::Restart, 450, Some(450))];
    assert_eq!(said(&broken, &all).as_deref(), Some(message));
    let suspected = Warmup { suspected: true, ..window(Cause::BackendRestart, 300, Some(301)) };
    let message = said(&broken, &[suspected]).unwrap();
    assert!(message.starts_with("never got warm after the suspected restart of a backend at"));
}

#[test]
fn a_log_that_begins_cold_counts_only_if_the_window_never_ended() {
    let cold = upstream(|_| 12);
    assert_eq!(said(&cold, &[window(Cause::Reload, 5, Some(5))]), None, "it is always cold");
    assert!(said(&cold, &[window(Cause::Reload, 5, None)]).is_some());
}

#[test]
fn what_gets_warm_or_has_no_time_to_or_is_another_upstreams_is_no_finding() {
    let warms = upstream(|second| if (300..330).contains(&second) { 12 } else { 1 });
    assert_eq!(said(&warms, &[window(Cause::Reload, 300, Some(330))]), None);
    assert_eq!(said(&warms, &[window(Cause::Reload, 300, None)]), None);
    let late = upstream(|second| if second < 560 { 1 } else { 20 });
    assert_eq!(said(&late, &[window(Cause::Reload, 560, None)]), None);
    let broken = upstream(|second| if second < 300 { 1 } else { 12 });
    let other = Warmup { upstreams: vec!["cart".to_owned()], ..window(Cause::Reload, 300, None) };
    assert_eq!(said(&broken, &[other]), None);
    let series = Warmup { count: 20, period_ms: Some(10_000), ..window(Cause::Reload, 300, None) };
    assert_eq!(said(&broken, &[series]), None);
    let few = Policy { min_attempts: 1000, ..Policy::default() };
    let window = [window(Cause::Reload, 300, None)];
    assert_eq!(never_warm(&broken, evidence(&window), few.limits_of("")), None);
}

#[test]
fn reloads_are_a_note_where_they_are_many_and_cost_much() {
    let series = Warmup {
        count: 12,
        period_ms: Some(300_200),
        excess_new: 1_234,
        ..window(Cause::Reload, 5, Some(6))
    };
    let alone = |warmup: &Warmup, total: &Stats| {
        reload_cost(total, evidence(std::slice::from_ref(warmup)), &Policy::default())
    };
    let total = stats(36_290, 3_000, Some(0.9));
    let found = alone(&series, &total).unwrap();
    assert_eq!((found.rule, found.severity), ("reload_cost", Severity::Note));
    let message = "12 reloads, one every 5 min, cost 1,234 handshakes: 34 % of all new connections";
    assert_eq!(found.message, message);
    let open =
        Stats { hit_rate: HitRate { estimate: None, ..total.hit_rate.clone() }, ..total.clone() };
    assert!(alone(&series, &open).unwrap().message.contains("at least 34 %"));
    for quiet in [
        Warmup { suspected: true, ..series.clone() },
        Warmup { cause: Cause::Restart, ..series.clone() },
        Warmup { count: 4, ..series.clone() },
        Warmup { excess_new: 725, ..series.clone() },
    ] {
        assert_eq!(alone(&quiet, &total), None, "{quiet:?}");
    }
    assert_eq!(alone(&Warmup { excess_new: 99, ..series }, &stats(500, 100, Some(0.8))), None);
}

#[test]
fn reloads_at_odd_times_have_no_distance() {
    let reloads: Vec<Warmup> =
        [5, 80, 90, 300, 410].map(|start| window(Cause::Reload, start, Some(start + 1))).to_vec();
    let found = reload_cost(&stats(5_000, 500, Some(0.9)), evidence(&reloads), &Policy::default());
    let message = "5 reloads cost 250 handshakes: 50 % of all new connections";
    assert_eq!(found.unwrap().message, message);
    let none = stats(0, 0, None);
    assert_eq!(reload_cost(&none, evidence(&reloads), &Policy::default()), None);
}
