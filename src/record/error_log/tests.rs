use super::*;
use proptest::prelude::*;

/// 2026-11-21T01:47:25 of the local clock.
const AT: i64 = 1_795_225_645;

fn event(line: impl AsRef<[u8]>) -> Option<ErrorLogEvent> {
    ErrorLog::new().unwrap().event(line.as_ref())
}

fn start(version: &str) -> Kind {
    Kind::Start { version: version.into() }
}

#[test]
fn the_texts_of_nginx_are_events() {
    for (level, text, kind, about) in [
        ("notice", "reconfiguring", Kind::Reload, None),
        ("notice", "signal 1 (SIGHUP) received from 17708, reconfiguring", Kind::Reload, None),
        ("notice", "signal 1 (SIGHUP) received, reconfiguring", Kind::Reload, None),
        ("notice", "start worker process 17715", Kind::WorkerStarted, Some(17715)),
        (
            "notice",
            "worker process 17716 exited with code 0",
            Kind::WorkerExited { code: 0 },
            Some(17716),
        ),
        (
            "alert",
            "worker process 17765 exited on signal 9",
            Kind::WorkerKilled { signal: 9 },
            Some(17765),
        ),
        (
            "alert",
            "worker process 7 exited on signal 11 (core dumped)",
            Kind::WorkerKilled { signal: 11 },
            Some(7),
        ),
        ("notice", "signal 10 (SIGUSR1) received from 3, reopening logs", Kind::ReopenLogs, None),
        ("notice", "reopening logs", Kind::ReopenLogs, None),
        ("notice", "signal 12 (SIGUSR2) received from 3, changing binary", Kind::Upgrade, None),
        ("notice", "changing binary", Kind::Upgrade, None),
        ("notice", "start new binary process 14111", Kind::Upgrade, Some(14111)),
        ("notice", "signal 3 (SIGQUIT) received from 17708, shutting down", Kind::Stop, None),
        ("notice", "signal 15 (SIGTERM) received from 1, exiting", Kind::Stop, None),
        ("notice", "signal 2 (SIGINT) received, exiting", Kind::Stop, None),
        ("notice", "nginx/1.22.1", start("nginx/1.22.1"), None),
        ("notice", "nginx/1.31.5", start("nginx/1.31.5"), None),
        ("notice", "nginx/1.25.5 (nginx-plus-r32)", start("nginx/1.25.5 (nginx-plus-r32)"), None),
        ("notice", "openresty/1.21.4.1", start("openresty/1.21.4.1"), None),
        ("notice", "gracefully shutting down", Kind::WorkerLeaving, None),
        ("emerg", "unexpected end of file in /etc/nginx/x.conf:2", Kind::FailedReload, None),
    ] {
        let line = format!("2026/11/21 01:47:25 [{level}] 17714#17714: {text}");
        let expected = ErrorLogEvent { at: LocalSecond(AT), kind, pid: 17714, about };
        assert_eq!(event(&line), Some(expected), "{line}");
        assert_eq!(event(format!(" {line}")), None, "something in front of {line}");
        if level != "emerg" {
            assert_eq!(event(format!("{line} ")), None, "something behind {line}");
            let other = line.replace(level, "error");
            assert_eq!(event(other), None, "another level than that of {line}");
        }
        let of_client = line.replace("17714: ", "17714: *5 ");
        assert_eq!(event(of_client), None, "on behalf of a client: {line}");
    }
}

#[test]
fn other_lines_are_no_events() {
    for line in [
        "2026/11/21 01:47:25 [notice] 1#1: signal 1 (SIGHUP) received from 2, ignoring",
        "2026/11/21 01:47:25 [notice] 1#1: signal 12 (SIGUSR2) received from 2, ignoring",
        "2026/11/21 01:47:25 [notice] 1#1: signal 17 (SIGCHLD) received from 17716",
        "2026/11/21 01:47:25 [notice] 1#1: start worker processes",
        "2026/11/21 01:47:25 [notice] 1#1: start cache manager process 5",
        "2026/11/21 01:47:25 [notice] 1#1: cache loader process 5 exited with code 0",
        "2026/11/21 01:47:25 [notice] 1#1: new binary process 5 exited with code 1",
        "2026/11/21 01:47:25 [notice] 1#1: start worker process ",
        "2026/11/21 01:47:25 [notice] 1#1: start worker process 99999999999",
        "2026/11/21 01:47:25 [notice] 1#1: worker process 5 exited with code 256",
        "2026/11/21 01:47:25 [notice] 1#1: worker process 5 exited on signal 9",
        "2026/13/21 01:47:25 [notice] 1#1: reconfiguring",
        "2026/11/31 01:47:25 [notice] 1#1: reconfiguring",
        "2026/11/21 24:47:25 [notice] 1#1: reconfiguring",
        "1969/11/21 01:47:25 [notice] 1#1: reconfiguring",
        "2026-11-21 01:47:25 [notice] 1#1: reconfiguring",
        "2026/11/21 01:47:25 [error] 1#1: *1 open() \"/html/reconfiguring\" failed",
        "2026/11/21 01:47:25 [notice] 1#1: *1 \"GET /signal 1 (SIGHUP) received from 1, reconfiguring\"",
        "2026/11/21 01:47:25 [emerg] 1#1: *1 \"x\"",
        "reconfiguring",
        "",
    ] {
        assert_eq!(event(line), None, "{line}");
    }
}

#[test]
fn any_line_of_an_error_log_fits_and_others_do_not() {
    let log = ErrorLog::new().unwrap();
    for (line, expected) in [
        ("2026/11/21 01:47:25 [error] 12#12: *1 connect() failed (111: Connection refused)", true),
        ("2026/11/21 01:47:25 [debug] 12#140123456789012: ", true),
        ("2026/11/21 01:47:25 [notice] 12#12: reconfiguring", true),
        ("2026/11/21 01:47:25 [notice] 12: reconfiguring", false),
        ("2026/11/21 01:47:25 [info] client", false),
        ("1.1.1.1 - - [21/Nov/2026:02:03:23 +0000] \"GET / HTTP/1.1\" 200 1", false),
    ] {
        assert_eq!(log.fits(line.as_bytes()), expected, "{line}");
    }
}

#[test]
fn long_and_binary_lines_are_no_events() {
    let head = b"2026/11/21 01:47:25 [notice] 1#1: ";
    for tail in [&b"reconfiguring\0"[..], b"\xff\xfe", b"start worker process 1\xff"] {
        assert_eq!(event([head, tail].concat()), None);
    }
    assert_eq!(event([&head[..], &vec![b'9'; 1 << 20]].concat()), None);
    assert_eq!(event(vec![b'2'; 1 << 20]), None);
}

#[test]
fn a_local_second_becomes_a_moment_by_the_offset_of_its_clock() {
    assert_eq!(LocalSecond(AT).utc_ms(0), AT * 1000);
    assert_eq!(LocalSecond(AT).utc_ms(-16_200), (AT + 16_200) * 1000);
    assert_eq!(LocalSecond(i64::MIN).utc_ms(i64::MAX), i64::MIN);
}

proptest! {
    #[test]
    fn no_bytes_behind_a_stamp_make_it_panic(
        level in prop::sample::select(&["notice", "alert", "emerg", "error"][..]),
        text in prop_oneof![
            "[ -~]{0,40}",
            "(signal [0-9]{1,4} \\(SIG[A-Z]{3,4}\\) received( from [0-9]{1,12})?, )?(exiting|reconfiguring)",
            "(start )?worker process [0-9]{0,25}( exited (with code|on signal) [0-9]{0,5})?",
        ],
        date in "[0-9]{4}/[0-9]{2}/[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}",
        pid in "[0-9]{1,12}",
        cut in any::<prop::sample::Index>(),
    ) {
        let line = format!("{date} [{level}] {pid}#{pid}: {text}");
        let log = ErrorLog::new().unwrap();
        if let Some(event) = log.event(line.as_bytes()) {
            prop_assert!(log.fits(line.as_bytes()));
            prop_assert_eq!(event.pid, pid.parse::<u64>().unwrap());
        }
        let _ = log.event(&line.as_bytes()[..cut.index(line.len())]);
    }
}
