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
