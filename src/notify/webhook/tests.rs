use super::*;
use crate::notify::State;
use crate::notify::event::tests::firing;
use crate::notify::queue::{MAX_QUEUED, Patience, Worker};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

const QUICK: Patience = Patience {
    first: Duration::from_millis(1),
    most: Duration::from_millis(4),
    all: Duration::from_secs(60),
};

/// A server that gives these answers, one connection each, and hands on the bodies it got.
fn receiver(answers: Vec<String>) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/secret-path", listener.local_addr().unwrap());
    let (bodies, received) = channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut text = String::new();
            let mut buffer = [0; 4096];
            loop {
                let read = stream.read(&mut buffer).unwrap();
                text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
                if let Some((head, body)) = text.split_once("\r\n\r\n") {
                    assert!(head.starts_with("POST /secret-path HTTP/1.1\r\n"), "{head}");
                    let head = head.to_ascii_lowercase();
                    let length = head.split("content-length: ").nth(1).unwrap();
                    if body.len() == length.split("\r\n").next().unwrap().parse::<usize>().unwrap()
                    {
                        break;
                    }
                }
                assert!(read > 0, "{text}");
            }
            bodies.send(text.split_once("\r\n\r\n").unwrap().1.to_owned()).unwrap();
            let head = "Content-Length: 0\r\nLocation: /\r\nConnection: close\r\n\r\n";
            stream.write_all(format!("HTTP/1.1 {answer}\r\n{head}").as_bytes()).unwrap();
        }
    });
    (url, received)
}

fn worker(url: &str, patience: Patience) -> Worker {
    let webhook = Webhook { patience: Some(patience), ..Webhook::new(url).unwrap() };
    let origin = webhook.origin().to_owned();
    Worker::start("webhook".to_owned(), &origin, webhook, Vec::new()).unwrap()
}

fn stop(worker: &Worker, within: Duration) -> Vec<String> {
    let deadline = Instant::now() + within;
    worker.begin_to_stop(deadline);
    worker.stop(deadline)
}

fn next(received: &Receiver<String>) -> serde_json::Value {
    let body = received.recv_timeout(Duration::from_secs(30)).unwrap();
    serde_json::from_str(&body).unwrap()
}

#[test]
fn each_event_arrives_once_when_the_receiver_takes_it() {
    let (url, received) = receiver(vec!["200 OK".to_owned(), "204 No Content".to_owned()]);
    let worker = worker(&url, QUICK);
    worker.send(&Arc::new(firing("a")));
    worker.send(&Arc::new(crate::notify::AlertEvent { state: State::Resolved, ..firing("a") }));
    assert_eq!(next(&received)["state"], "firing");
    assert_eq!(next(&received)["state"], "resolved");
    assert_eq!(stop(&worker, Duration::from_secs(30)), Vec::<String>::new());
    let counts = worker.counts();
    assert_eq!((counts.delivered, counts.lost, counts.queued), (2, 0, 0));
    assert!(received.try_recv().is_err(), "nothing comes twice");
}

#[test]
fn a_receiver_that_fails_is_tried_again_in_order_and_said_once() {
    let answers = ["500 No", "429 Slow", "302 Else", "404 No", "200 OK", "200 OK"];
    let (url, received) = receiver(answers.map(str::to_owned).to_vec());
    let worker = worker(&url, QUICK);
    worker.send(&Arc::new(firing("a")));
    let resolved = crate::notify::AlertEvent { state: State::Resolved, ..firing("a") };
    worker.send(&Arc::new(resolved));
    for state in ["firing", "firing", "firing", "firing", "firing", "resolved"] {
        assert_eq!(next(&received)["state"], state);
    }
    let messages = stop(&worker, Duration::from_secs(30)).join("\n");
    assert!(messages.contains("answered 500 Internal Server Error; trying again"), "{messages}");
    assert!(messages.ends_with("works again") && messages.lines().count() == 2, "{messages}");
    assert!(!messages.contains("secret-path"), "{messages}");
    assert_eq!(worker.counts().delivered, 2);
}

#[test]
fn what_nobody_takes_in_time_is_lost_and_said() {
    let impatient = Patience { all: Duration::ZERO, ..QUICK };
    // Nobody listens there: it was bound and is free again.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for scheme in ["http", "https"] {
        let worker = worker(&format!("{scheme}://{free}/secret-path"), impatient);
        worker.send(&Arc::new(firing("a")));
        let messages = stop(&worker, Duration::from_secs(30)).join("\n");
        assert!(messages.starts_with(&format!("webhook {scheme}://{free}: ")), "{messages}");
        assert!(messages.contains("; lost: 2026-11-21T00:00:00Z FIRING hit_rate app: "));
        assert!(!messages.contains("secret-path"), "{messages}");
        assert_eq!(worker.counts().lost, 1);
    }
}

#[test]
fn a_receiver_without_tls_is_no_https_receiver() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let worker = worker(&format!("https://{address}/"), Patience { all: Duration::ZERO, ..QUICK });
    worker.send(&Arc::new(firing("a")));
    stop(&worker, Duration::from_secs(30));
    assert_eq!(worker.counts().lost, 1);
}

#[test]
fn a_receiver_that_hangs_is_left_behind_and_what_it_has_not_taken_is_said() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let worker = worker(&format!("http://{}/", listener.local_addr().unwrap()), QUICK);
    for n in 0..=MAX_QUEUED {
        worker.send(&Arc::new(firing(&n.to_string())));
    }
    assert_eq!(worker.counts().lost, 1, "the queue is bounded");
    let messages = stop(&worker, Duration::from_millis(300));
    assert!(messages[0].contains("no place for one more event, lost: "), "{}", messages[0]);
    let undelivered = messages.iter().filter(|message| message.contains(": not delivered: "));
    assert_eq!(undelivered.count(), MAX_QUEUED);
}

#[test]
fn what_is_no_url_is_refused_without_showing_it() {
    for url in ["", "example.com/hook", "ftp://example.com/", "http://", "http:///x", "https://a b"]
    {
        let error = Webhook::new(url).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{url}");
    }
    let webhook = Webhook::new("https://user:word@example.com:8443/secret?key=1").unwrap();
    assert_eq!(webhook.origin(), "https://example.com:8443");
}

#[test]
fn user_and_password_of_a_url_are_sent_as_a_header() {
    for (user, expected) in [
        ("Aladdin:open%20sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ("user", "Basic dXNlcjo="),
        ("a%3ab:50%25%2", "Basic YTpiOjUwJSUy"),
    ] {
        assert_eq!(basic(user), expected, "{user}");
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://me:word@{}/hook", listener.local_addr().unwrap());
    let worker = worker(&url, Patience { all: Duration::ZERO, ..QUICK });
    worker.send(&Arc::new(firing("a")));
    let (mut stream, _) = listener.accept().unwrap();
    let mut head = String::new();
    while !head.contains("\r\n\r\n") {
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "{head}");
        head.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with("post /hook "), "{head}");
    assert!(head.contains("\r\nauthorization: basic bwu6d29yza==\r\n"), "{head}");
    drop(stream);
    let messages = stop(&worker, Duration::from_secs(30)).join("\n");
    assert!(!messages.is_empty() && !messages.contains("word"), "{messages}");
}
