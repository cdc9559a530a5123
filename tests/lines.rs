//! Lines as nginx writes them: any value of any variable, chosen by a seed.
//!
//! This is the other half of the tokenizer, written from nginx's side (`ngx_http_log_module.c`, `ngx_http_upstream.c`)
//! and sharing nothing with it but the parsed format.

use keepwarm::log_format::{Escape, LogFormat, Piece};

/// Small seeded randomness (splitmix64): the same seed gives the same line.
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    /// A generator for a seed; every seed is fine.
    pub(crate) fn new(seed: u64) -> Self {
        Rng(seed)
    }

    /// From 0 up to, not including, `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((bits ^ (bits >> 31)) % n as u64).unwrap()
    }

    /// One of them.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// The slots of the `$upstream_*` lists of a line, which share their separators: `, ` between tries, ` : ` between
/// passes, and behind the last of them perhaps a pass that never got an address.
#[derive(Debug, Clone)]
pub(crate) struct Slots {
    /// The separator in front of each slot but the first.
    joints: Vec<&'static str>,
    trailing: bool,
}

impl Slots {
    /// None: the request went to no upstream. Most lines have one slot.
    pub(crate) fn any(rng: &mut Rng) -> Option<Self> {
        let joints = match rng.below(8) {
            0 => return None,
            1..=3 => 0,
            n => n - 3,
        };
        let joints = (0..joints).map(|_| *rng.pick(&[", ", " : "])).collect();
        Some(Slots { joints, trailing: rng.below(6) == 0 })
    }

    fn list(&self, mut slot: impl FnMut() -> String) -> String {
        let mut list = slot();
        for joint in &self.joints {
            list += joint;
            list += &slot();
        }
        if self.trailing {
            list += " : ";
        }
        list
    }
}

/// A line of this format, without its newline, and the values in it, as they stand there.
pub(crate) fn line(format: &LogFormat, rng: &mut Rng) -> (Vec<u8>, Vec<Vec<u8>>) {
    let slots = Slots::any(rng);
    let mut line = Vec::new();
    let mut values = Vec::new();
    for piece in &format.pieces {
        match piece {
            Piece::Literal(text) => line.extend_from_slice(text),
            Piece::Variable(name) => {
                let text = logged(name, format.escape, slots.as_ref(), rng);
                line.extend_from_slice(&text);
                values.push(text);
            }
        }
    }
    (line, values)
}

/// A value as the log shows it: escaped, or what stands for an absent one.
pub(crate) fn logged(name: &str, escape: Escape, slots: Option<&Slots>, rng: &mut Rng) -> Vec<u8> {
    match value(name, slots, rng) {
        Some(value) => escaped(escape, &value),
        // `ngx_http_log_variable`: a dash with the default escaping only.
        None if escape == Escape::Default => b"-".to_vec(),
        None => Vec::new(),
    }
}

/// `ngx_http_log_escape` and `ngx_escape_json`.
pub(crate) fn escaped(escape: Escape, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for &byte in value {
        match (escape, byte) {
            (Escape::Default, 0..=0x1f | b'"' | b'\\' | 0x7f..) => {
                out.extend_from_slice(format!("\\x{byte:02X}").as_bytes());
            }
            (Escape::Json, b'"' | b'\\') => out.extend_from_slice(&[b'\\', byte]),
            (Escape::Json, 0..=0x1f) => {
                let short = match byte {
                    b'\n' => "\\n".to_owned(),
                    b'\r' => "\\r".to_owned(),
                    b'\t' => "\\t".to_owned(),
                    0x08 => "\\b".to_owned(),
                    0x0c => "\\f".to_owned(),
                    _ => format!("\\u{byte:04X}"),
                };
                out.extend_from_slice(short.as_bytes());
            }
            _ => out.push(byte),
        }
    }
    out
}

/// The raw value of a variable; none where nginx has none.
fn value(name: &str, slots: Option<&Slots>, rng: &mut Rng) -> Option<Vec<u8>> {
    // A module logs one line per attempt, with these names for its slot.
    if let Some(last) = name.strip_prefix("upstream_last_") {
        let one = Slots { joints: Vec::new(), trailing: false };
        return value(&format!("upstream_{last}"), slots.map(|_| &one), rng);
    }
    let text = match name {
        "time_local" => format!("{:02}/Nov/2026:02:03:23 +0{}00", 1 + rng.below(28), rng.below(10)),
        "time_iso8601" => format!("2026-11-{:02}T02:03:23+00:00", 1 + rng.below(28)),
        "msec" => format!("17952266{:02}.{:03}", rng.below(100), rng.below(1000)),
        "request_time" | "connection_time" | "session_time" => seconds(rng),
        // `ngx_http_gzip_ratio_variable`: absent unless gzip was used.
        "gzip_ratio" => (rng.below(2) == 0).then(|| seconds(rng))?,
        "status" => (*rng.pick(&["200", "304", "499", "502", "000", "009"])).to_owned(),
        "bytes_sent"
        | "body_bytes_sent"
        | "request_length"
        | "connection"
        | "connection_requests"
        | "pid"
        | "remote_port"
        | "server_port"
        | "bytes_received"
        | "proxy_port" => number(rng),
        "content_length" => (rng.below(2) == 0).then(|| number(rng))?,
        "upstream_addr" => slots?.list(|| address(rng)),
        "upstream_status" => slots?.list(|| (*rng.pick(&["200", "502", "-", "101"])).to_owned()),
        "upstream_response_length" | "upstream_bytes_received" | "upstream_bytes_sent" => {
            slots?.list(|| number(rng))
        }
        // All three start with the attempt, so they are in this order.
        "upstream_connect_time" => slots?.list(|| slot_time(rng, &["0.000", "0.000", "0.001"])),
        "upstream_header_time" | "upstream_first_byte_time" => {
            slots?.list(|| slot_time(rng, &["0.001", "0.004", "0.250"]))
        }
        "upstream_response_time" | "upstream_session_time" => {
            slots?.list(|| slot_time(rng, &["0.250", "0.999", "12.345", "7200.000"]))
        }
        "upstream_cache_status" => (rng.below(2) == 0).then(|| "MISS".to_owned())?,
        "remote_addr" | "realip_remote_addr" | "server_addr" => {
            (*rng.pick(&["10.1.2.3", "2001:db8::1", "unix:"])).to_owned()
        }
        "request_method" => (*rng.pick(&["GET", "POST", "PROPFIND"])).to_owned(),
        "scheme" => (*rng.pick(&["http", "https"])).to_owned(),
        "server_protocol" => (*rng.pick(&["HTTP/1.1", "HTTP/2.0"])).to_owned(),
        "pipe" => (*rng.pick(&["p", "."])).to_owned(),
        "request_id" | "req_id" => "c2c58cd42cb68822aae7d640ddf6583a".to_owned(),
        "hostname" | "server_name" => "web-1.example".to_owned(),
        "proxy_host" | "proxy_upstream_name" | "upstream_name" => {
            slots?;
            (*rng.pick(&["app", "10.0.0.1:8080", "default-web2-8080"])).to_owned()
        }
        "ssl_protocol" | "ssl_cipher" => (rng.below(2) == 0).then(|| "TLSv1.3".to_owned())?,
        "nginx_version" => "1.31.5".to_owned(),
        "ssl_session_reused" => (rng.below(2) == 0).then(|| "r".to_owned())?,
        "proxy_protocol_addr" => (rng.below(2) == 0).then(|| "10.9.8.7".to_owned())?,
        "limit_req_status" | "limit_conn_status" => "PASSED".to_owned(),
        "request_completion" => (*rng.pick(&["OK", ""])).to_owned(),
        // A path or a whole URL, as sent.
        "request_uri" | "uri" => {
            let rest = text(rng).unwrap_or_default();
            return Some([b"/", rest.as_slice()].concat());
        }
        // `ngx_http_validate_host` refuses spaces and control bytes.
        "host" => (*rng.pick(&["example.com", "[::1]", "a\"b", "x,y|z;w", "h=1"])).to_owned(),
        _ => return text(rng),
    };
    Some(text.into_bytes())
}

fn number(rng: &mut Rng) -> String {
    match rng.below(3) {
        0 => rng.below(10),
        1 => rng.below(1000),
        _ => rng.below(10_000_000),
    }
    .to_string()
}

/// `%T.%03M`
fn seconds(rng: &mut Rng) -> String {
    let whole = *rng.pick(&[0, 0, 0, 1, 12, 7200]);
    format!("{whole}.{:03}", *rng.pick(&[0, 0, 1, 4, 250, 999]))
}

/// A time of an attempt, or none.
fn slot_time(rng: &mut Rng, times: &[&str]) -> String {
    if rng.below(4) == 0 { "-".to_owned() } else { (*rng.pick(times)).to_owned() }
}

/// A peer, or with no live upstream its name.
fn address(rng: &mut Rng) -> String {
    let addrs = [
        "10.0.0.1:80",
        "10.0.0.2:8080",
        "[::1]:80",
        "[2001:db8::1]:443",
        "unix:/run/app.sock",
        "app",
    ];
    (*rng.pick(&addrs)).to_owned()
}

/// What clients can send: bytes that could be taken for the format's own.
fn text(rng: &mut Rng) -> Option<Vec<u8>> {
    const PARTS: &[&[u8]] = &[
        b"GET / HTTP/1.1",
        b"Mozilla/5.0 (X11; Linux) rv:1",
        b" ",
        b"  ",
        b"-",
        b"\"",
        b"\\",
        b"\\\"",
        b"\t",
        b"\n",
        b"\x1b[2J",
        b"\0",
        b"\x7f",
        b"\xff\xfe",
        "größe".as_bytes(),
        b" - ",
        b" [",
        b"] ",
        b"[21/Nov/2026:02:03:23 +0000]",
        b"\" 200 5 \"-\" \"",
        b" uct=\"0.000\" ",
        b" rt=0.1",
        b", ",
        b" : ",
        b":",
        b"|",
        b"a:80, b:80",
        b"0.000",
        b"{\"x\":1}",
        b"\",\"upstream_addr\":\"9.9.9.9:9\"",
        b"x",
    ];
    match rng.below(6) {
        0 => None,
        1 => Some(Vec::new()),
        2 => Some(b"curl/8.5.0".to_vec()),
        _ => Some((0..=rng.below(5)).flat_map(|_| rng.pick(PARTS).to_vec()).collect()),
    }
}

#[test]
fn values_are_escaped_as_nginx_escapes_them() {
    let raw = b"a\"b\\c\n\x1f\xc3\xa9\x7f";
    assert_eq!(escaped(Escape::Default, raw), b"a\\x22b\\x5Cc\\x0A\\x1F\\xC3\\xA9\\x7F");
    assert_eq!(escaped(Escape::Json, raw), b"a\\\"b\\\\c\\n\\u001F\xc3\xa9\x7f");
    assert_eq!(escaped(Escape::None, raw), raw);
}
