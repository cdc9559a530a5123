//! What clients ask for and say of themselves: made once, escaped as the format asks, drawn from for every line.

use super::rng::Rng;
use keepwarm::log_format::Escape;

/// A request's method and path.
#[derive(Debug)]
pub(super) struct Target {
    /// `GET`, `POST`, ...
    pub(super) method: &'static str,
    /// `$request_uri`, escaped.
    pub(super) uri: Vec<u8>,
}

impl Target {
    /// nginx sends these only once: they may have had an effect (`ngx_http_upstream_next`).
    pub(super) fn is_idempotent(&self) -> bool {
        self.method != "POST"
    }
}

/// All texts that lines draw from.
#[derive(Debug)]
pub(super) struct Words {
    /// Requests.
    pub(super) targets: Vec<Target>,
    /// `$http_referer`.
    pub(super) referers: Vec<Vec<u8>>,
    /// `$http_user_agent`.
    pub(super) agents: Vec<Vec<u8>>,
}

const TARGETS: usize = 4096;

const METHODS: [&str; 8] = ["GET", "GET", "GET", "GET", "GET", "POST", "HEAD", "PUT"];

const PATHS: [&str; 12] = [
    "/",
    "/api/v1/orders/",
    "/api/v2/users/",
    "/static/css/app.",
    "/images/products/",
    "/search?q=",
    "/cart/items/",
    "/login?next=%2Faccount%2F",
    "/api/v1/inventory/warehouse-7/items/",
    "/blog/2026/11/how-we-tuned-",
    "/graphql?operationName=",
    "/.well-known/",
];

const REFERERS: [&str; 6] = [
    "-",
    "-",
    "https://www.example.com/",
    "https://www.example.com/search?q=keepalive+pool&page=2",
    "https://shop.example.org/cart",
    "https://news.example.net/2026/11/21/a-long-read-about-proxies",
];

/// The last three hold what has to be escaped: a quote, a backslash, UTF-8.
const AGENTS: [&str; 12] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
    "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "kube-probe/1.31",
    "curl/8.10.1",
    "okhttp/4.12.0",
    "Mozilla/5.0 (X11; Linux) \"quoted\" browser/1.0",
    "app\\mobile 7.2 (build 1183)",
    "caf\u{e9}-bot/2.0",
];

impl Words {
    /// Words for one log.
    pub(super) fn new(rng: &mut Rng, escape: Escape) -> Self {
        let targets = (0..TARGETS).map(|_| target(rng, escape)).collect();
        let all = |texts: &[&str]| texts.iter().map(|text| escaped(text, escape)).collect();
        Words { targets, referers: all(&REFERERS), agents: all(&AGENTS) }
    }
}

fn target(rng: &mut Rng, escape: Escape) -> Target {
    let path = PATHS[rng.below(PATHS.len())];
    let tail = match path {
        "/" => String::new(),
        _ => format!("{:x}", rng.next() >> rng.below(60)),
    };
    Target {
        method: METHODS[rng.below(METHODS.len())],
        uri: escaped(&format!("{path}{tail}"), escape),
    }
}

/// As nginx writes a value: `ngx_http_log_escape` and `ngx_escape_json`.
fn escaped(text: &str, escape: Escape) -> Vec<u8> {
    let mut out = Vec::new();
    for &byte in text.as_bytes() {
        match (escape, byte) {
            (Escape::Default, b'"' | b'\\' | 0..0x20 | 0x7f..) => {
                out.extend_from_slice(format!("\\x{byte:02X}").as_bytes());
            }
            (Escape::Json, b'"' | b'\\') => out.extend_from_slice(&[b'\\', byte]),
            _ => out.push(byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped_as_nginx_does() {
        let text = "a\"b\\c\u{e9}";
        assert_eq!(escaped(text, Escape::Default), br"a\x22b\x5Cc\xC3\xA9");
        assert_eq!(escaped(text, Escape::Json), "a\\\"b\\\\c\u{e9}".as_bytes());
        assert_eq!(escaped(text, Escape::None), text.as_bytes());
    }
}
