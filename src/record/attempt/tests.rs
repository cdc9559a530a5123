use super::*;
use crate::tokenizer::Values;

/// A line with these values, one behind the other.
fn fields(values: &[(Field, &str)]) -> Fields<'static> {
    let (mut line, mut read) = (String::new(), Values::EMPTY);
    for (field, value) in values {
        read.set(*field, line.len(), line.len() + value.len());
        line.push_str(value);
    }
    // A few bytes for each test.
    Fields::new(line.leak().as_bytes(), Box::leak(Box::new(read)))
}

fn read<'a>(addr: &'a str, connect: &'a str) -> Result<Vec<Attempt<'a>>, Reject<'a>> {
    let mut found = Vec::new();
    let fields = fields(&[(Field::Addr, addr), (Field::ConnectTime, connect)]);
    let count = attempts(&fields, |attempt| found.push(attempt))?;
    assert_eq!(count, found.len());
    Ok(found)
}

fn outcomes(addr: &str, connect: &str) -> Vec<Outcome> {
    read(addr, connect).unwrap().iter().map(|attempt| attempt.outcome).collect()
}

#[test]
fn each_slot_is_an_attempt() {
    use Outcome::{Failed, New, NoLive, Undecided};
    for (addr, connect, expected) in [
        ("10.0.0.1:80", "0.000", vec![Undecided]),
        ("10.0.0.1:80", "0.001", vec![New]),
        ("10.0.0.1:80", "-", vec![Failed]),
        ("-", "-", vec![]),
        ("", "", vec![]),
        ("a:1, b:2", "-, 0.002", vec![Failed, New]),
        ("a:1 : b:2", "0.000 : 0.000", vec![Undecided, Undecided]),
        ("a:1, b:2 : c:3", "-, 0.000 : 0.003", vec![Failed, Undecided, New]),
        ("a:1 : ", "0.000 : ", vec![Undecided]),
        ("a:1 :", "0.000 :", vec![Undecided]),
        ("app", "-", vec![NoLive]),
        ("app", "0.000", vec![Undecided]),
        ("unix:/run/app.sock", "0.000", vec![Undecided]),
        ("unix:/run/app.sock", "-", vec![Failed]),
        ("[::1]:80, [2001:db8::1]:80", "0.000, -", vec![Undecided, Failed]),
        ("192.168.1.3", "-", vec![Failed]),
    ] {
        assert_eq!(outcomes(addr, connect), expected, "{addr} {connect}");
    }
}

#[test]
fn only_the_last_pass_belongs_to_the_logged_upstream() {
    let last = |addr: &'static str, connect: &'static str| -> Vec<bool> {
        read(addr, connect).unwrap().iter().map(|attempt| attempt.last_pass).collect()
    };
    assert_eq!(last("a:1, b:2 : c:3, d:4", "0.0, 0.0 : 0.0, 0.0"), [false, false, true, true]);
    assert_eq!(last("a:1 : ", "0.0 : "), [false]);
    assert_eq!(last("a:1, b:2", "-, 0.0"), [true, true]);
}

#[test]
fn unequal_lists_and_bad_times_are_rejected_with_their_place() {
    for (addr, connect, at) in [
        ("a:1, b:2", "0.000", "0.000"),
        ("a:1", "0.000, 0.000", "0.000, 0.000"),
        ("a:1, b:2", "0.000 : 0.000", "0.000 : 0.000"),
        ("a:1", "x", "x"),
        ("a:1, b:2", "0.000, x", "x"),
    ] {
        assert_eq!(read(addr, connect).unwrap_err().value, at.as_bytes(), "{addr} {connect}");
    }
}

#[test]
fn without_addresses_the_other_lists_tell() {
    let count = |values: &[(Field, &'static str)]| attempts(&fields(values), |_| ());
    let times =
        |connect, response| [(Field::ConnectTime, connect), (Field::ResponseTime, response)];
    assert_eq!(count(&times("-", "-")), Ok(0));
    assert_eq!(count(&times("-", "0.004")), Ok(1));
    assert_eq!(count(&times("0.000, 0.001", "0.001, 0.002")), Ok(2));
    assert_eq!(count(&[]), Ok(0));
}

#[test]
fn a_stale_connection_is_sent_to_and_answers_nothing() {
    let slot = |status, header, received, sent| {
        let mut stale = false;
        let fields = fields(&[
            (Field::Addr, "a:1"),
            (Field::ConnectTime, "0.000"),
            (Field::HeaderTime, header),
            (Field::UpstreamStatus, status),
            (Field::BytesReceived, received),
            (Field::BytesSent, sent),
        ]);
        attempts(&fields, |attempt| stale = attempt.stale).unwrap();
        stale
    };
    assert!(slot("502", "-", "0", "46"));
    assert!(!slot("502", "0.001", "120", "46"));
    assert!(!slot("200", "-", "0", "46"));
    assert!(!slot("502", "-", "0", "0"));
}

#[test]
fn upgraded_connections_have_no_response_time() {
    let mut response = Some(1);
    let values =
        [(Field::Addr, "a:1"), (Field::UpstreamStatus, "101"), (Field::ResponseTime, "7200.000")];
    attempts(&fields(&values), |attempt| response = attempt.response_ms).unwrap();
    assert_eq!(response, None);
}

#[test]
fn the_quick_way_finds_what_the_slow_one_does() {
    use crate::log_format::{Escape, LogFormat};
    use crate::tokenizer::Tokenizer;
    let names = ["addr", "connect_time", "header_time", "response_time", "status"];
    let names = names.into_iter().chain(["bytes_received", "bytes_sent"]);
    let names: Vec<String> = names.map(|name| format!("$upstream_{name}")).collect();
    let mut quick = 0;
    // Of each set of lists that a format may log.
    for set in 1..1 << LISTS.len() {
        let of_set = |all: &[&str]| -> String {
            let chosen = (0..LISTS.len()).filter(|list| set & 1 << list != 0);
            chosen.flat_map(|list| ["\"", all[list], "\" "]).collect()
        };
        let text = of_set(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let text = format!("$remote_addr \"$http_user_agent\" {text}");
        let format = LogFormat::from_string("main", &text, Escape::Default).unwrap();
        let tokenizer = Tokenizer::new(&format, &Wanted::new(&LISTS));
        for lists in [
            ["10.0.0.1:80", "0.000", "0.004", "0.005", "200", "9", "8"],
            ["10.0.0.1:80", "0.001", "0.004", "0.005", "101", "9", "8"],
            ["unix:/run/a.sock", "0.000", "0.000", "0.005", "502", "0", "0"],
            ["app", "0.000", "0.000", "0.000", "502", "0", "0"],
            ["", "0.002", "0.000", "0.005", "0101", "0", "8"],
            ["-", "0.000", "0.000", "0.005", "502", "0", "8"],
            ["a:1, b:2", "0.000", "0.000", "0.005", "502", "0", "8"],
            ["a b", "0.000", "0.000", "0.005", "502", "0", "8"],
        ] {
            let line = format!("192.0.2.1 \"curl\" {}", of_set(&lists));
            let tokens = tokenizer.tokenize(line.as_bytes()).unwrap();
            let Some(attempt) = of_numbers(&tokens.fields()) else { continue };
            let mut found = Vec::new();
            let count = slowly(&tokens.fields(), &mut |attempt| found.push(attempt));
            assert_eq!((count, found), (Ok(1), vec![attempt]), "{line}");
            quick += 1;
        }
    }
    assert!(quick > 400, "{quick}");
}

#[test]
fn a_port_is_a_colon_and_digits_at_the_end() {
    for byte in 0..=255u8 {
        for at in 0..12 {
            for port in 0..8 {
                let mut addr = *b"10.20.30.411";
                addr[11 - port] = b':';
                addr[at] = byte;
                let digits = addr.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
                let is_seen = (1..8).contains(&digits) && addr[11 - digits] == b':';
                assert_eq!(ends_with_port(&addr), is_seen, "{}", addr.escape_ascii());
            }
        }
    }
    assert!(!ends_with_port(b"a:1"), "too short to tell");
}

#[test]
fn attempts_are_told_in_order_however_many_and_not_at_all_if_one_is_wrong() {
    for count in 1..=3 * KEPT {
        let times: Vec<_> = (0..count).map(|ms| format!("0.{ms:03}")).collect();
        let addr = vec!["10.0.0.1:80"; count].join(", ");
        let told = |times: &str| {
            let mut told = Vec::new();
            let values = [(Field::Addr, addr.as_str()), (Field::ConnectTime, times)];
            let result = attempts(&fields(&values), |attempt| told.push(attempt.connect_ms));
            (result.ok(), told)
        };
        let all: Vec<_> = (0..count).map(|ms| u32::try_from(ms).ok()).collect();
        assert_eq!(told(&times.join(", ")), (Some(count), all));
        let wrong = [&times[..count - 1], &["x".to_owned()]].concat();
        assert_eq!(told(&wrong.join(", ")), (None, Vec::new()));
    }
}
