use super::*;
use crate::log_format::{Escape, LogFormat};

/// Connections that one worker opened at least to 10.0.0.1:80, after lines of end, request time and the lists.
fn opened(lines: &[&str]) -> u64 {
    let text = "$msec $request_time $pid \"$upstream_addr\" \"$upstream_connect_time\" \"$upstream_response_time\"";
    let format = LogFormat::from_string("main", text, Escape::Default).unwrap();
    let recipe = Recipe::new(&format, None, Choice::default(), "access.log");
    let mut fold = Fold::default();
    for line in lines {
        fold.line(&recipe, line.as_bytes()).unwrap();
    }
    let (peers, _) = fold.summary.peers.sorted();
    let (_, _, peer) = peers.into_iter().find(|(_, addr, _)| **addr == *b"10.0.0.1:80").unwrap();
    peer.pools.iter().map(|(_, pool)| pool.opened()).sum()
}

#[test]
fn attempts_in_flight_are_those_that_certainly_are() {
    let long = "1000.100 0.100 7 \"10.0.0.1:80\" \"0.000\" \"0.100\"";
    for (other, expected, why) in [
        ("1000.150 0.100 7 \"10.0.0.1:80\" \"0.000\" \"0.100\"", 2, "they overlap"),
        ("1000.201 0.100 7 \"10.0.0.1:80\" \"0.000\" \"0.100\"", 1, "one after the other"),
        ("1000.150 0.100 8 \"10.0.0.1:80\" \"0.000\" \"0.100\"", 2, "workers share no connections"),
        ("1000.150 0.100 7 \"10.0.0.2:80\" \"0.000\" \"0.100\"", 1, "nor do peers"),
        (
            "1000.150 9.000 7 \"10.0.0.1:80\" \"0.000\" \"0.100\"",
            1,
            "a slow client: no telling when",
        ),
        ("1000.150 0.100 7 \"10.0.0.1:80\" \"-\" \"0.100\"", 1, "a failed one holds none"),
        (
            "1000.150 0.150 7 \"10.0.0.2:80, 10.0.0.1:80\" \"-, 0.000\" \"0.120, 0.030\"",
            1,
            "the second try began when the other was over",
        ),
        (
            "1000.150 0.150 7 \"10.0.0.2:80, 10.0.0.1:80\" \"-, 0.000\" \"0.020, 0.130\"",
            2,
            "the second try began in time",
        ),
        ("1000.150 0.050 7 \"10.0.0.1:80\" \"0.000\" \"0.100\"", 1, "longer than its request"),
    ] {
        assert_eq!(opened(&[long, other]), expected, "{why}");
        assert_eq!(opened(&[other, long]), expected, "{why}");
    }
}

/// Folds lines of one log.
fn folded(format: &LogFormat, choice: Choice, lines: &[&str]) -> Summary {
    let recipe = Recipe::new(format, None, choice, "access.log");
    let mut fold = Fold::default();
    for line in lines {
        fold.line(&recipe, line.as_bytes()).unwrap();
    }
    fold.summary
}

#[test]
fn a_time_that_is_absent_leaves_the_word_to_the_next() {
    let text = r#"{"msec":"$msec","time":"$time_iso8601","ua":"$upstream_addr","uct":"$upstream_connect_time"}"#;
    let format = LogFormat::from_string("main", text, Escape::Json).unwrap();
    for msec in ["", "-", "1795226603.000"] {
        let line = format!(
            r#"{{"msec":"{msec}","time":"2026-11-21T02:03:23+00:00","ua":"10.0.0.1:80","uct":"0.000"}}"#
        );
        let span = folded(&format, Choice::default(), &[&line]).span.get();
        assert_eq!(span, Some((1_795_226_603_000, 1_795_226_603_000)), "{msec:?}");
    }
    let recipe = Recipe::new(&format, None, Choice::default(), "access.log");
    let line = br#"{"msec":"-","time":"-","ua":"10.0.0.1:80","uct":"0.000"}"#;
    assert!(Fold::default().line(&recipe, line).is_err(), "no time at all");
}

#[test]
fn null_is_a_value_that_is_empty() {
    let text = r#"{"msec":"$msec","time":"$time_iso8601","ua":"$upstream_addr","uct":"$upstream_connect_time"}"#;
    let format = LogFormat::from_string("main", text, Escape::Json).unwrap();
    let line = r#"{"msec":null,"time":"2026-11-21T02:03:23+00:00","ua":"10.0.0.1:80","uct":null}"#;
    let summary = folded(&format, Choice::default(), &[line]);
    assert_eq!(summary.span.get(), Some((1_795_226_603_000, 1_795_226_603_000)));
    let (peers, _) = summary.peers.sorted();
    assert_eq!((peers[0].2.failed, peers[0].2.undecided), (1, 0), "connecting was tried");
    let recipe = Recipe::new(&format, None, Choice::default(), "access.log");
    let line = br#"{"msec":null,"time":null,"ua":"10.0.0.1:80","uct":"0.000"}"#;
    assert!(Fold::default().line(&recipe, line).is_err(), "no time at all");
}

#[test]
fn workers_of_hosts_are_told_apart_by_hostname() {
    let text = "$hostname $msec $request_time $pid $connection $connection_requests \"$upstream_addr\" \
                \"$upstream_connect_time\"";
    let format = LogFormat::from_string("main", text, Escape::Default).unwrap();
    let line =
        |host: usize| format!("web{host} 1000.100 0.100 7 1{host} 1 \"10.0.0.1:80\" \"0.000\"");
    let lines: Vec<String> = (0..200).map(|i| line(i % 100)).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    for (by, workers) in [("hostname", 100), ("pid", 1)] {
        let choice = Choice { by: By::Variable(by.to_owned()), ..Choice::default() };
        assert_eq!(folded(&format, choice, &lines).serials.sorted().len(), workers, "{by}");
    }
}

const TELLS_ALL: &str = "$remote_addr $msec $request_time $pid $connection $connection_requests \"$proxy_host\" \
     \"$upstream_addr\" \"$upstream_connect_time\" \"$upstream_header_time\" \"$upstream_response_time\" \
     \"$upstream_status\" \"$upstream_bytes_sent\"";

/// A line of [`TELLS_ALL`]; of every few one that is not usual, or none at all.
fn any_line(nth: usize, peers: &[String]) -> String {
    let peer = &peers[nth % peers.len()];
    let lists = |value: &str| {
        let two = format!("{value}, {value}");
        if peer.contains(", ") { two } else { value.to_owned() }
    };
    let at = |all: &[&'static str], step: usize| all[nth / step % all.len()];
    let connect = lists(at(&["0.000", "0.000", "0.003", "-"], 5));
    let time = lists(at(&["0.020", "0.300", "-"], 7));
    let status = lists(at(&["200", "101", "502"], 11));
    if nth.is_multiple_of(97) {
        return at(&["", "what?"], 97).to_owned();
    }
    format!(
        "192.0.2.1 {}.{:03} 0.{:03} {} {} {} \"{}\" \"{peer}\" \"{connect}\" \"{time}\" \"{time}\" \"{status}\" \"{}\"",
        1_795_226_603 + nth / 40,
        nth * 25 % 1000,
        nth % 350,
        at(&["7", "8", "-", "18446744073709551615"], 3),
        nth * 7 % 500,
        nth % 4,
        at(&["shop", "a_name_of_many_letters", "-", ""], 13),
        lists(at(&["300", "4096"], 2)),
    )
}

#[test]
fn the_usual_way_counts_what_the_long_one_does() {
    let format = LogFormat::from_string("main", TELLS_ALL, Escape::Default).unwrap();
    let few = ["10.0.0.1:80", "unix:/run/application.sock", "app", "a b", "-", "a:1, b:2"];
    let few: Vec<String> = few.map(str::to_owned).into();
    let many: Vec<String> = (0..300).map(|port| format!("10.0.0.1:{port}")).collect();
    let begin = 1_795_226_603_000;
    let some =
        Choice { since: Some(begin + 9000), until: Some(begin + 99_000), ..Choice::default() };
    let by_peer = Choice { by: By::Peer, ..Choice::default() };
    for (choice, peers) in
        [(Choice::default(), &few), (Choice::default(), &many), (some, &few), (by_peer, &few)]
    {
        let usual = Recipe::new(&format, None, choice, "access.log");
        assert!(usual.is_usual);
        let mut long = usual.clone();
        long.is_usual = false;
        let lines: Vec<String> = (0..20_000).map(|nth| any_line(nth, peers)).collect();
        let folded = |how: &Recipe| {
            let mut fold = Fold::default();
            let mut odd = Vec::new();
            let lines = lines.iter().map(String::as_bytes);
            let count = fold.lines(how, lines, |number, _, mismatch| odd.push((number, mismatch)));
            (fold.summary, odd, count)
        };
        assert!(folded(&usual) == folded(&long));
        let (mut fold, mut odd) = (Fold::default(), 0);
        for line in &lines {
            odd += usize::from(fold.line(&usual, line.as_bytes()).is_err());
        }
        let (summary, expected, _) = folded(&usual);
        assert!(fold.summary == summary, "one by one");
        assert!(odd == expected.len() && odd > 0);
        let is_usual = |line: &&String| {
            let tokens = usual.tokenizer.tokenize(line.as_bytes());
            tokens.is_ok_and(|tokens| {
                super::usual::count(&usual, &tokens, &mut fold.summary).is_some()
            })
        };
        let count = lines.iter().filter(is_usual).count();
        // Of too many peers no details are kept.
        assert!(if peers.len() > 200 { count == 0 } else { count > 300 }, "{count} are usual");
    }
}

#[test]
fn lines_at_the_edge_of_what_is_usual_count_the_same() {
    let format = LogFormat::from_string("main", TELLS_ALL, Escape::Default).unwrap();
    let of = |msec: &str, request: &str, times: [&str; 3], status: &str| {
        let [connect, header, response] = times;
        format!(
            "192.0.2.1 {msec} {request} 7 11 2 \"shop\" \"10.0.0.1:80\" \"{connect}\" \"{header}\" \"{response}\" \
             \"{status}\" \"300\""
        )
    };
    let (now, none, long) = ("1795226603.123", ["0.000"; 3], "9999999.999");
    let lines = [
        (of(now, "0.100", none, "200"), true),
        (of(now, "0.100", ["0.001", "0.002", "0.003"], "200"), true),
        (of(now, "0.100", none, "101"), false),
        (of(now, "0.100", none, "0101"), false),
        (of(now, long, none, "200"), true),
        (of(now, "0.100", [long, "0.000", "0.000"], "200"), true),
        (of(now, "0.100", ["0.000", long, "0.000"], "200"), true),
        (of(now, "0.100", ["0.000", "0.000", long], "200"), true),
        (of("0.100", "0.100", none, "200"), true),
        (of("0.099", "0.100", none, "200"), false),
        (of("999999999999999.999", "0.100", none, "200"), false),
    ];
    let edge = 1_795_226_603_123;
    for (since, until, is_wanted) in [
        (None, None, true),
        (Some(i64::MIN), Some(i64::MAX), true),
        (Some(edge), Some(edge + 1), true),
        (Some(edge + 1), None, false),
        (None, Some(edge), false),
        (Some(edge), Some(edge - 1), false),
        (Some(0), Some(-1), false),
    ] {
        let choice = Choice { since, until, ..Choice::default() };
        let usual = Recipe::new(&format, None, choice, "access.log");
        let mut long = usual.clone();
        long.is_usual = false;
        for (line, is_usual) in &lines {
            let known = &lines[0].0;
            let folded = |how: &Recipe| {
                let mut fold = Fold::default();
                for line in [known, line, known, line] {
                    fold.line(how, line.as_bytes()).unwrap();
                }
                fold.summary
            };
            let mut summary = folded(&long);
            assert!(folded(&usual) == summary, "{line}, {since:?}, {until:?}");
            let tokens = usual.tokenizer.tokenize(line.as_bytes()).unwrap();
            let is_counted = super::usual::count(&usual, &tokens, &mut summary).is_some();
            if line.contains(now) {
                assert_eq!(is_counted, *is_usual && is_wanted, "{line}, {since:?}, {until:?}");
            } else if since.is_none() && until.is_none() {
                assert_eq!(is_counted, *is_usual, "{line}");
            }
        }
        let later = usual.clone().since(edge + 1);
        assert!(later.surely_wanted(edge.cast_unsigned()).is_none());
    }
}
