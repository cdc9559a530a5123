use super::*;
use proptest::prelude::*;

const NOW: i64 = 1_795_219_200_000;

fn rules() -> RuleSet {
    let defaults = Rules { for_s: 10, warmup_grace: 20, ..Rules::default() };
    RuleSet { defaults, no_traffic: 100, ..RuleSet::default() }
}

/// What a word of a timeline shows: an upper end in percent, `-` for no traffic, `few:50` for few attempts at 50 percent,
/// `warm7:50` for pools that have been filling for 7 seconds, `last30:90` for 90 percent of which the last seconds show 30, and
/// `none:90` if they show nothing.
fn shown(word: &str, now_ms: i64) -> Seen {
    let Some((how, high_of)) = word.split_once(':').or((word != "-").then_some(("", word))) else {
        return Seen::default();
    };
    let high = |percent: &str| percent.parse::<f64>().unwrap() / 100.0;
    let mut upstream = SeenUpstream {
        name: "app".to_owned(),
        attempts: 1000,
        high: high(high_of),
        ..Default::default()
    };
    if how == "few" {
        upstream.attempts = 99;
    } else if let Some(seconds) = how.strip_prefix("warm") {
        upstream.warmup_since_ms = Some(now_ms - seconds.parse::<i64>().unwrap() * 1000);
    } else if how == "none" {
        upstream.recent = Some(Recent::default());
    } else if let Some(last) = how.strip_prefix("last") {
        upstream.recent = Some(Recent { attempts: 100, low: 0.0, high: high(last) });
    }
    Seen { upstreams: vec![upstream], sources: Vec::new() }
}

/// Words of a timeline, each with `*N` for so many seconds, to events as `SECOND rule+` and `SECOND rule-`.
fn told(timeline: &str) -> String {
    let (rules, mut alerts, mut told) = (rules(), Alerts::default(), Vec::new());
    let mut second = 0;
    for word in timeline.split(' ') {
        let (what, times) = word.split_once('*').unwrap_or((word, "1"));
        for _ in 0..times.parse::<u32>().unwrap() {
            let now_ms = NOW + second * 1000;
            for event in alerts.tick(&rules, &shown(what, now_ms), now_ms) {
                let sign = if event.change == Change::Firing { '+' } else { '-' };
                told.push(format!("{second} {}{sign}", event.id.rule.name()));
            }
            second += 1;
        }
    }
    told.join(", ")
}

#[test]
fn timelines_lead_to_these_events() {
    for (timeline, expected, why) in [
        ("75*60", "", "all is well"),
        ("75*5 69*30", "15 hit_rate+", "long enough"),
        ("69*10 75*30", "", "not long enough"),
        ("69*9 71 69*9 71 69*9", "", "over and over, but never long enough"),
        ("69*15 90*20", "10 hit_rate+, 25 hit_rate-", "and back"),
        ("69*15 71*60", "10 hit_rate+", "within the margin it is not over"),
        ("69*15 90*5 71 90*20", "10 hit_rate+, 31 hit_rate-", "nor does the wait go on"),
        ("few:0*60", "", "too few attempts start nothing"),
        ("-*60", "", "no more does no traffic"),
        ("69*8 few:0*30 69*8", "41 hit_rate+", "a wait stands still meanwhile"),
        ("69*8 -*30 90 69*8", "", "and can be ended"),
        ("69*15 few:99*50 69*9", "10 hit_rate+", "few attempts end nothing"),
        (
            "69*15 -*200 69*20",
            "10 hit_rate+, 114 hit_rate-, 225 hit_rate+",
            "no traffic does, at last",
        ),
        ("last69:90*15 90*20", "10 hit_rate+, 25 hit_rate-", "the last seconds see it first"),
        ("last69:90*8 last69:60*3", "10 hit_rate+", "whatever the window says meanwhile"),
        ("last69:90*8 last90:60*9 last90:90*9", "", "each of the two must be bad for as long"),
        (
            "last90:60*15 last90:75*20",
            "10 hit_rate+, 25 hit_rate-",
            "so is what is bad on the whole",
        ),
        ("last0:69*10 none:69*60 last69:69*9", "71 hit_rate+", "a burst stays in the window"),
        ("69*15 last69:75*30", "10 hit_rate+", "both must be good"),
        ("69*15 last71:75*30", "10 hit_rate+", "by the margin"),
    ] {
        assert_eq!(told(timeline), expected, "{why}: {timeline}");
    }
}

#[test]
fn a_warm_up_mutes_the_hit_rate_until_its_grace_is_over() {
    let warming = |from: u32, to: u32, high: u32| {
        let words: Vec<String> = (from..to).map(|second| format!("warm{second}:{high}")).collect();
        words.join(" ")
    };
    let short = format!("90*5 {} 90*20", warming(0, 19, 40));
    assert_eq!(told(&short), "");
    let long = format!("90*5 {} 40*5 90*20", warming(0, 50, 40));
    assert_eq!(
        told(&long),
        "25 never_warmed+, 70 never_warmed-",
        "one alert, when the grace is over"
    );
    let slow = format!("90*5 {} 90*20", warming(0, 50, 80));
    assert_eq!(told(&slow), "", "a quiet pool takes long to fill, and serves well meanwhile");
    let echo = format!("90*5 {} 40*9 90*20", warming(0, 19, 40));
    assert_eq!(told(&echo), "", "a window still holds the warm-up when that is over");
    let off = format!("90*5 {} 40*30", warming(0, 5, 40));
    assert_eq!(told(&off), "20 hit_rate+", "low for another reason");
    let again = vec![warming(0, 12, 40); 5].join(" ");
    // Bad since second 5 and muted ever since, as a new warm-up follows each before its grace is over: for the grace and an
    // echo at most. The wait of `for` has gone on meanwhile and is over.
    let Rules { for_s, warmup_grace, .. } = rules().defaults;
    let fires = 5 + for_s.max(warmup_grace + u64::try_from(ECHO_MS / 1000).unwrap());
    let expected = format!("{fires} never_warmed+");
    assert_eq!(told(&format!("90*5 {again}")), expected, "one reload after the other");
    let second = format!("40*15 {} 90*20", warming(0, 5, 40));
    assert_eq!(told(&second), "10 hit_rate+, 30 hit_rate-", "a reload ends no alert");
}

#[test]
fn each_rule_has_its_limit() {
    let strict =
        Rules { for_s: 0, max_connect_p95: Some(50), max_failed: Some(5.0), ..Rules::default() };
    let set =
        RuleSet { upstreams: BTreeMap::from([("app".to_owned(), strict)]), ..RuleSet::default() };
    let upstream = || SeenUpstream {
        name: "app".to_owned(),
        attempts: 100,
        high: 1.0,
        ..SeenUpstream::default()
    };
    let peers = |new: f64| vec![("10.0.0.1:80".to_owned(), new)];
    let source = |ago: i64, malformed| SeenSource {
        name: "a.log".to_owned(),
        last_line_ms: Some(NOW - ago * 1000),
        lines: 100,
        malformed,
    };
    let ups = |upstream| Seen { upstreams: vec![upstream], sources: Vec::new() };
    let srcs = |source| Seen { upstreams: Vec::new(), sources: vec![source] };
    for (seen, expected) in [
        (ups(SeenUpstream { high: 0.70, ..upstream() }), ""),
        (ups(SeenUpstream { high: 0.69, ..upstream() }), "hit_rate:app"),
        (ups(SeenUpstream { high: 0.69, attempts: 99, ..upstream() }), ""),
        (ups(SeenUpstream { high: 0.69, name: "b".to_owned(), ..upstream() }), ""),
        (ups(SeenUpstream { connect_p95: Some(50), ..upstream() }), ""),
        (ups(SeenUpstream { connect_p95: Some(51), ..upstream() }), "connect_p95:app"),
        (ups(SeenUpstream { failed: 5, ..upstream() }), ""),
        (ups(SeenUpstream { failed: 6, ..upstream() }), "failed_connects:app"),
        (ups(SeenUpstream { peers: peers(376.0), ..upstream() }), ""),
        (
            ups(SeenUpstream { peers: peers(377.0), ..upstream() }),
            "port_exhaustion:app:10.0.0.1:80",
        ),
        (ups(SeenUpstream { peers: vec![("unix:/run/a".to_owned(), 9e3)], ..upstream() }), ""),
        (srcs(source(300, 50)), ""),
        (srcs(source(301, 50)), "silent_source:a.log"),
        (srcs(source(0, 51)), "not_matching:a.log"),
        (srcs(SeenSource { last_line_ms: None, ..source(0, 0) }), ""),
    ] {
        let events = Alerts::default().tick(&set, &seen, NOW);
        let ids: Vec<String> = events.iter().map(|event| event.id.to_string()).collect();
        assert_eq!(ids.join(" "), expected, "{seen:?}");
    }
}

#[test]
fn a_restart_fires_nothing_again_and_goes_on_waiting() {
    let (rules, mut alerts) = (rules(), Alerts::default());
    let mut events = 0;
    for second in 0..40 {
        let now_ms = NOW + second * 1000;
        events += alerts.tick(&rules, &shown("50", now_ms), now_ms).len();
        let stored = crate::summary::codec::encode(&alerts).unwrap();
        alerts = crate::summary::codec::decode(&stored).unwrap();
    }
    assert_eq!(events, 1);
    assert_eq!(alerts.firing().count(), 1);
}

#[test]
fn a_jump_of_the_clock_is_no_time_that_passed() {
    for jump in [-86_400_000, 86_400_000, i64::MAX - NOW - 1, i64::MIN + 1] {
        let (rules, mut alerts) = (RuleSet::default(), Alerts::default());
        for now_ms in [NOW, NOW + 1000, NOW.saturating_add(jump), NOW + 2000] {
            assert_eq!(alerts.tick(&rules, &shown("50", NOW), now_ms), []);
        }
    }
}

#[test]
fn many_peers_take_bounded_memory() {
    let peers = (0..5000).map(|peer| (format!("10.0.0.1:{peer}"), 1e6)).collect();
    let upstream = SeenUpstream { name: "app".to_owned(), peers, ..SeenUpstream::default() };
    let seen = Seen { upstreams: vec![upstream], sources: Vec::new() };
    let mut alerts = Alerts::default();
    alerts.tick(&rules(), &seen, NOW);
    assert!(alerts.waiting.len() <= MAX_ALERTS);
}

proptest! {
    #[test]
    fn firing_and_resolved_take_turns(
        ticks in prop::collection::vec((0..5u8, -5_000..60_000i64, 1..20usize), 1..60),
    ) {
        let (rules, mut alerts) = (rules(), Alerts::default());
        let (mut now_ms, mut fires, mut events) = (NOW, false, 0);
        for (what, step, times) in &ticks {
            let word = ["50", "71", "90", "-", "few:50"][usize::from(*what)];
            for _ in 0..*times {
                now_ms += step;
                for event in alerts.tick(&rules, &shown(word, now_ms), now_ms) {
                    prop_assert_eq!(event.change == Change::Firing, !fires);
                    fires = !fires;
                    events += 1;
                }
            }
        }
        prop_assert!(events <= ticks.len(), "no more events than changes");
        prop_assert_eq!(alerts.firing().count(), usize::from(fires));
    }
}
