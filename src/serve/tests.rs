use super::*;
use crate::analysis::report::InputStats;
use crate::analysis::{Policy, analyse};
use crate::summary::Summary;
use std::io::{Read, Write};

fn started() -> (Server, Arc<Board>) {
    let board = Arc::new(Board::default());
    let server = Server::start("127.0.0.1:0", Arc::clone(&board)).unwrap();
    (server, board)
}

fn published() -> Published {
    let window = |name: &str, lines| {
        let input = InputStats { lines, ..InputStats::default() };
        let report = analyse(Summary::default(), input, &Policy::default());
        Window::new(name.to_owned(), Arc::new(report))
    };
    let metrics = b"keepwarm_build_info 1\n".to_vec();
    Published { metrics, windows: vec![window("1m", 11), window("5m", 55)], trouble: None }
}

/// How many lines an answered report is of.
fn lines(answer: &str) -> u64 {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let report: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    report["input"]["lines"].as_u64().unwrap_or_else(|| panic!("{answer}"))
}

/// Sends bytes and reads until the server closes.
fn exchange(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn get(server: &Server, method: &str, path: &str) -> String {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    exchange(server, request.as_bytes())
}

#[test]
fn pages_are_served_and_nothing_else() {
    let (server, board) = started();
    assert!(get(&server, "GET", "/healthz").ends_with("\r\n\r\nstarting\n"));
    assert!(get(&server, "GET", "/metrics").starts_with("HTTP/1.1 503 "));
    board.publish(published());
    for (method, path, status, body) in [
        ("GET", "/metrics", 200, "keepwarm_build_info 1\n"),
        ("GET", "/metrics?x=1", 200, "keepwarm_build_info 1\n"),
        ("HEAD", "/metrics", 200, ""),
        ("GET", "/healthz", 200, "ok\n"),
        ("GET", "/report.json?window=1h", 404, "there is no such window; there are: 1m, 5m\n"),
        ("GET", "/etc/passwd", 404, "Not Found\n"),
        ("GET", "/metrics/", 404, "Not Found\n"),
        ("POST", "/metrics", 405, "Method Not Allowed\n"),
        ("HEAD", "/none", 404, ""),
    ] {
        let answer = get(&server, method, path);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{method} {path}: {answer}");
        assert_eq!(answer.split_once("\r\n\r\n").unwrap().1, body, "{method} {path}");
    }
    for (path, expected) in [
        ("/report.json", 11),
        ("/report.json?x=1&window=5m", 55),
        ("/report.json?window=1m", 11),
        ("/report.json?_=5m", 11),
    ] {
        assert_eq!(lines(&get(&server, "GET", path)), expected, "{path}");
    }
    let head = get(&server, "HEAD", "/metrics");
    assert!(head.contains("\r\nContent-Length: 22\r\n"), "{head}");
    assert!(head.contains("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    assert!(get(&server, "PUT", "/metrics").contains("\r\nAllow: GET, HEAD\r\n"));
    board.publish(Published { trouble: Some("disk full".to_owned()), ..published() });
    assert!(get(&server, "GET", "/healthz").ends_with("disk full\n"));
    assert!(get(&server, "GET", "/metrics").starts_with("HTTP/1.1 200 "));
}

#[test]
fn requests_in_one_packet_are_answered_in_turn_and_the_connection_is_kept() {
    let (server, board) = started();
    board.publish(published());
    let one = "GET /healthz HTTP/1.1\r\n\r\n";
    let last =
        "GET /report.json HTTP/1.1\r\nConnection: close\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n";
    let answer = exchange(&server, (one.repeat(200) + last).as_bytes());
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 201);
    assert_eq!(answer.matches("\r\n\r\nok\n").count(), 200);
    let (_, last) = answer.rsplit_once("HTTP/1.1 200 OK").unwrap();
    assert_eq!(lines(last), 11, "what comes after a close is not answered");
}

#[test]
fn a_head_that_never_ends_is_refused() {
    let (server, _) = started();
    let answer =
        exchange(&server, &[b"GET / HTTP/1.1\r\nX: ".to_vec(), vec![b'a'; 100_000]].concat());
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert!(exchange(&server, b"\x16\x03\x01\0\xa5\n\n").starts_with("HTTP/1.1 400 "));
}

#[test]
fn a_thousand_idle_and_half_asked_connections_keep_no_scrape_out() {
    let (server, board) = started();
    board.publish(published());
    let mut idle = Vec::new();
    for n in 0..1_000 {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        if n % 2 == 0 {
            // The server may have closed it by now.
            let _ = stream.write_all(b"GET /metrics HT");
        }
        idle.push(stream);
    }
    for _ in 0..10 {
        assert!(get(&server, "GET", "/metrics").ends_with("keepwarm_build_info 1\n"));
    }
    assert!(lock(&server.shared.slots).len() <= MAX_CONNECTIONS);
}

#[test]
fn clients_that_take_no_answer_hold_up_neither_others_nor_the_publisher() {
    let (server, board) = started();
    board.publish(Published { metrics: vec![b'#'; 32 << 20], ..published() });
    let stuck: Vec<TcpStream> = (0..10)
        .map(|_| {
            let mut stream = TcpStream::connect(server.address()).unwrap();
            stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
            let mut first = [0; 15];
            stream.read_exact(&mut first).unwrap();
            stream
        })
        .collect();
    board.publish(published());
    assert!(get(&server, "GET", "/metrics").ends_with("keepwarm_build_info 1\n"));
    drop((stuck, server));
}

#[test]
fn a_dropped_server_closes_its_connections_and_frees_its_port() {
    let (server, _) = started();
    let address = server.address();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\n\r\n").unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    drop(server);
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    let again = Server::start(&address.to_string(), Arc::default()).unwrap();
    assert_eq!(again.address(), address);
}

#[test]
fn an_address_for_all_is_warned_of_and_a_wrong_one_is_refused() {
    for (address, warns) in [("127.0.0.1:0", false), ("localhost:0", false), ("0.0.0.0:0", true)] {
        let server = Server::start(address, Arc::default()).unwrap();
        assert_eq!(server.warning().is_some(), warns, "{address}");
    }
    for address in ["9145", ":9145", "127.0.0.1", "127.0.0.1:", "127.0.0.1:70000", ""] {
        let wrong = Server::start(address, Arc::default()).unwrap_err();
        assert_eq!(wrong.kind(), ErrorKind::Usage, "{address}");
        assert!(wrong.message().contains("expected ADDRESS:PORT"), "{wrong}");
        assert!(wrong.hint().is_some());
    }
    let (server, _) = started();
    let taken = Server::start(&server.address().to_string(), Arc::default()).unwrap_err();
    assert!(taken.message().contains("in use"), "{taken}");
}
