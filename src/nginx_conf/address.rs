//! Server addresses as nginx logs them.
//!
//! `$upstream_addr` prints the socket address, not the text of the `server` directive (`ngx_sock_ntop` in
//! `src/core/ngx_inet.c`): `10.0.0.1` becomes `10.0.0.1:80` and `[0:0::1]` becomes `[::1]:80`.

use std::net::Ipv6Addr;

/// The address of `server ADDRESS …` as it will be logged. A host name stays as written, with its port: which
/// addresses it has, only the resolver knows. The same goes for anything that nginx would not accept.
/// `default_port` is 80 in `http` (`ngx_http_upstream_server`) and none in `stream`, where a port is required.
pub(super) fn as_logged(server: &str, default_port: Option<u16>) -> String {
    if server.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("unix:")) {
        return server.to_owned();
    }
    let (host, port) = match server.rfind(':') {
        Some(colon) if !server.ends_with(']') => (&server[..colon], &server[colon..]),
        _ => (server, ""),
    };
    let port = match (port.get(1..).map(str::parse::<u16>), default_port) {
        (Some(Ok(port)), _) => format!(":{port}"),
        (None, Some(port)) if !host.is_empty() => format!(":{port}"),
        _ => port.to_owned(),
    };
    let v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if let Some(address) = v6.and_then(|host| host.parse().ok()) {
        return format!("[{}]{port}", v6_as_logged(address));
    }
    match v4_as_logged(host) {
        Some(address) => format!("{address}{port}"),
        None => format!("{host}{port}"),
    }
}

/// An IPv4 address after `ngx_inet_addr`, which unlike most parsers takes `010.0.0.1` for `10.0.0.1`.
fn v4_as_logged(host: &str) -> Option<String> {
    let mut octets = [0_u8; 4];
    let mut parts = host.split('.');
    for octet in &mut octets {
        let part = parts.next()?;
        if !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let digits = part.trim_start_matches('0');
        *octet = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    }
    let [a, b, c, d] = octets;
    parts.next().is_none().then(|| format!("{a}.{b}.{c}.{d}"))
}

/// An IPv6 address after `ngx_inet6_ntop`: as RFC 5952 has it, but with the last four bytes of an address like
/// `::a00:1` in dotted form.
fn v6_as_logged(address: Ipv6Addr) -> String {
    let bytes = address.octets();
    let [.., a, b, c, d] = bytes;
    let dotted = (a, b) != (0, 0) || (c != 0 && d != 1);
    if bytes[..12].iter().all(|&byte| byte == 0) && dotted {
        format!("::{a}.{b}.{c}.{d}")
    } else {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_written_as_nginx_logs_it() {
        for (server, logged) in [
            ("10.0.0.1", "10.0.0.1:80"),
            ("10.0.0.1:8080", "10.0.0.1:8080"),
            ("10.0.0.1:08080", "10.0.0.1:8080"),
            ("010.0.0.01:80", "10.0.0.1:80"),
            ("10.0.0.256", "10.0.0.256:80"),
            ("10.0.0", "10.0.0:80"),
            ("10.0.0.1.2", "10.0.0.1.2:80"),
            ("[::1]", "[::1]:80"),
            ("[::1]:8080", "[::1]:8080"),
            ("[0:0:0:0:0:0:0:1]:8080", "[::1]:8080"),
            ("[2001:DB8:0:0:1:0:0:1]", "[2001:db8::1:0:0:1]:80"),
            ("[::ffff:10.0.0.1]", "[::ffff:10.0.0.1]:80"),
            ("[::a00:1]", "[::10.0.0.1]:80"),
            ("[::203]", "[::0.0.2.3]:80"),
            ("[::201]", "[::201]:80"),
            ("[::]", "[::]:80"),
            ("[::x]", "[::x]:80"),
            ("unix:/run/app.sock", "unix:/run/app.sock"),
            ("UNIX:/run/a:1", "UNIX:/run/a:1"),
            ("backend", "backend:80"),
            ("Backend.Example:8080", "Backend.Example:8080"),
            ("backend:http", "backend:http"),
            ("backend:99999", "backend:99999"),
            ("é", "é:80"),
            ("", ""),
            (":", ":"),
        ] {
            assert_eq!(as_logged(server, Some(80)), logged, "{server}");
        }
    }

    #[test]
    fn a_stream_server_has_no_default_port() {
        assert_eq!(as_logged("10.0.0.1", None), "10.0.0.1");
        assert_eq!(as_logged("[0::1]:53", None), "[::1]:53");
    }
}
