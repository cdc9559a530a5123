//! Heads of HTTP/1 requests, as far as a server of three pages must understand them (RFC 9112).

/// Most bytes of a head.
pub(super) const MAX_HEAD: usize = 8 * 1024;

/// What one head asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    /// Without the query.
    pub(super) path: &'a str,
    /// Behind the question mark; empty if there is none.
    pub(super) query: &'a str,
    /// The connection may be used again.
    pub(super) keeps_alive: bool,
}

/// Why a head is no request that can be answered: status and reason.
pub(super) type Refusal = (u16, &'static str);

/// What the bytes that have come so far begin with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed<'a> {
    /// A request, and how many bytes it took.
    Request(Request<'a>, usize),
    /// The beginning of one.
    Partial,
    /// Something that is to be refused; the connection is of no further use.
    Refused(Refusal),
}

/// Looks for a request at the start of the bytes.
pub(super) fn parse(bytes: &[u8]) -> Parsed<'_> {
    // RFC 9112 section 2.2: empty lines before a request are to be ignored.
    let skipped = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let rest = &bytes[skipped..];
    let Some(end) = end_of_head(rest) else {
        return if bytes.len() > MAX_HEAD { TOO_LARGE } else { Parsed::Partial };
    };
    if skipped + end > MAX_HEAD {
        return TOO_LARGE;
    }
    match std::str::from_utf8(&rest[..end]).map_or(Err(BAD), head) {
        Ok(request) => Parsed::Request(request, skipped + end),
        Err(refusal) => Parsed::Refused(refusal),
    }
}

const BAD: Refusal = (400, "Bad Request");
const TOO_LARGE: Parsed<'static> = Parsed::Refused((431, "Request Header Fields Too Large"));

/// Behind the first empty line. Lines may end with a bare line feed.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let after = |(at, _): (usize, &u8)| {
        let rest = &bytes[at + 1..];
        let empty = [&b"\n"[..], b"\r\n"].into_iter().find(|empty| rest.starts_with(empty))?;
        Some(at + 1 + empty.len())
    };
    bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').find_map(after)
}

fn head(text: &str) -> Result<Request<'_>, Refusal> {
    let mut lines = text.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(BAD);
    };
    let is_token = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_alphabetic());
    if !is_token || target.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err(BAD);
    }
    let mut keeps_alive = match version {
        "HTTP/1.1" => true,
        "HTTP/1.0" => false,
        _ if version.starts_with("HTTP/") => return Err((505, "HTTP Version Not Supported")),
        _ => return Err(BAD),
    };
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or(BAD)?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("transfer-encoding")
            || (name.eq_ignore_ascii_case("content-length") && value != "0")
        {
            return Err((413, "Content Too Large"));
        }
        if name.eq_ignore_ascii_case("connection") {
            let has = |word: &str| value.split(',').any(|w| w.trim().eq_ignore_ascii_case(word));
            keeps_alive = (keeps_alive || has("keep-alive")) && !has("close");
        }
    }
    let (path, query) = path(target).ok_or(BAD)?;
    Ok(Request { method, path, query, keeps_alive })
}

/// The path and the query of `/path?query` or `http://host/path?query`.
fn path(target: &str) -> Option<(&str, &str)> {
    let path = match target.strip_prefix("http://") {
        Some(rest) => &rest[rest.find('/')?..],
        None => target,
    };
    path.starts_with('/').then(|| path.split_once('?').unwrap_or((path, "")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn requests_are_read_or_refused() {
        for (text, expected) in [
            ("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", "GET /metrics true"),
            ("GET /metrics?a=b HTTP/1.1\nHost: a\n\n", "GET /metrics a=btrue"),
            ("\r\nHEAD http://a:1/healthz HTTP/1.1\r\n\r\n", "HEAD /healthz true"),
            ("GET / HTTP/1.0\r\n\r\n", "GET / false"),
            ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET / true"),
            ("GET / HTTP/1.1\r\nconnection: foo, CLOSE\r\n\r\n", "GET / false"),
            ("POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "POST /metrics true"),
            ("POST /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcde", "413"),
            ("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "413"),
            ("GET / HTTP/2.0\r\n\r\n", "505"),
            ("GET /\r\n\r\n", "400"),
            ("GET / HTTP/1.1 x\r\n\r\n", "400"),
            ("GET metrics HTTP/1.1\r\n\r\n", "400"),
            ("GET http://a HTTP/1.1\r\n\r\n", "400"),
            ("G\x01T / HTTP/1.1\r\n\r\n", "400"),
            ("GET / HTTP/1.1\r\nno colon\r\n\r\n", "400"),
            ("\x16\x03\x01\x02\n\n", "400"),
            ("GET /metrics HTTP/1.1\r\nHost: a\r\n", "partial"),
            ("", "partial"),
        ] {
            let found = match parse(text.as_bytes()) {
                Parsed::Request(Request { method, path, query, keeps_alive }, _) => {
                    format!("{method} {path} {query}{keeps_alive}")
                }
                Parsed::Partial => "partial".to_owned(),
                Parsed::Refused((status, _)) => status.to_string(),
            };
            assert_eq!(found, expected, "{text:?}");
        }
        assert_eq!(parse(&[b'a'; MAX_HEAD + 1]), TOO_LARGE);
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_what_is_taken_was_there(bytes: Vec<u8>) {
            if let Parsed::Request(_, taken) = parse(&bytes) {
                prop_assert!(taken <= bytes.len());
            }
        }

        #[test]
        fn a_request_is_the_same_whatever_comes_behind_it(rest: Vec<u8>) {
            let head = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
            let bytes = [&head[..], &rest].concat();
            let expected = Request { method: "GET", path: "/metrics", query: "", keeps_alive: true };
            prop_assert_eq!(parse(&bytes), Parsed::Request(expected, head.len()));
        }
    }
}
