//! nginx's log variables: what their values look like, and which of them keepwarm uses.

/// What the text of a variable's value may look like. It is used to find where a value ends when no quote or tab
/// tells: `a:80, b:80 0.000, 0.002` is two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// Anything.
    Text,
    /// Anything without a space: an address, a method, an identifier.
    Token,
    /// `[0-9]+`, or `-`, or nothing.
    Integer,
    /// `[0-9]+(\.[0-9]*)?`, or `-`, or nothing.
    Seconds,
    /// `21/Nov/2026:02:03:23 +0000`
    TimeLocal,
    /// `2026-11-21T02:03:23+00:00`, or with `Z` or a fraction, as other writers put it.
    TimeIso8601,
    /// A list of addresses, one per attempt: `10.0.0.1:80, [::1]:80 : unix:/run/app.sock`.
    Addresses,
    /// A list of times, statuses or lengths, one per attempt: `0.000, - : 0.002`.
    Numbers,
}

impl Shape {
    /// Is this one of the `$upstream_*` lists, with one slot per attempt?
    pub fn is_list(self) -> bool {
        matches!(self, Shape::Addresses | Shape::Numbers)
    }
}

/// A value that keepwarm can use, whatever variable or label it was logged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Field {
    /// `$upstream_addr`
    Addr,
    /// `$upstream_status`
    UpstreamStatus,
    /// `$upstream_connect_time`
    ConnectTime,
    /// `$upstream_header_time`
    HeaderTime,
    /// `$upstream_response_time`
    ResponseTime,
    /// `$upstream_bytes_received`
    BytesReceived,
    /// `$upstream_bytes_sent`
    BytesSent,
    /// `$msec`: when the line was written, to the millisecond.
    Msec,
    /// `$time_iso8601`: the same, to the second.
    TimeIso8601,
    /// `$time_local`: the same, to the second.
    TimeLocal,
    /// `$proxy_host` or another variable that holds the upstream's name.
    UpstreamName,
    /// `$pid`: the worker.
    Pid,
    /// `$connection`: the client connection's serial number.
    Connection,
    /// `$connection_requests`: the number of the request on its connection, from 1.
    ConnectionRequests,
    /// `$connection_time`: seconds since the client was accepted.
    ConnectionTime,
    /// `$request_time`: seconds from the first byte of the request to the log line.
    RequestTime,
    /// The variable of `--by '$variable'`.
    Group,
}

impl Field {
    /// How many there are.
    pub const COUNT: usize = 17;

    /// All of them, in the order of their numbers.
    pub const ALL: [Field; Field::COUNT] = [
        Field::Addr,
        Field::UpstreamStatus,
        Field::ConnectTime,
        Field::HeaderTime,
        Field::ResponseTime,
        Field::BytesReceived,
        Field::BytesSent,
        Field::Msec,
        Field::TimeIso8601,
        Field::TimeLocal,
        Field::UpstreamName,
        Field::Pid,
        Field::Connection,
        Field::ConnectionRequests,
        Field::ConnectionTime,
        Field::RequestTime,
        Field::Group,
    ];

    /// Position in arrays of [`Field::COUNT`] elements.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The nginx variable that this field is usually logged by, without its `$`.
    pub fn variable(self) -> &'static str {
        match self {
            Field::Addr => "upstream_addr",
            Field::UpstreamStatus => "upstream_status",
            Field::ConnectTime => "upstream_connect_time",
            Field::HeaderTime => "upstream_header_time",
            Field::ResponseTime => "upstream_response_time",
            Field::BytesReceived => "upstream_bytes_received",
            Field::BytesSent => "upstream_bytes_sent",
            Field::Msec => "msec",
            Field::TimeIso8601 => "time_iso8601",
            Field::TimeLocal => "time_local",
            Field::UpstreamName => "proxy_host",
            Field::Pid => "pid",
            Field::Connection => "connection",
            Field::ConnectionRequests => "connection_requests",
            Field::ConnectionTime => "connection_time",
            Field::RequestTime => "request_time",
            Field::Group => "",
        }
    }

    /// The field that a variable fills, if keepwarm uses it. Names are those of nginx, of ingress-nginx
    /// (`$proxy_upstream_name`) and of the third-party module `ngx_http_upstream_log_module` (`$upstream_last_*`).
    pub fn of_variable(name: &str) -> Option<Field> {
        Some(match name {
            "upstream_addr" | "upstream_last_addr" => Field::Addr,
            "upstream_status" | "upstream_last_status" => Field::UpstreamStatus,
            "upstream_connect_time" | "upstream_last_connect_time" => Field::ConnectTime,
            "upstream_header_time" | "upstream_last_header_time" => Field::HeaderTime,
            "upstream_response_time" | "upstream_last_response_time" => Field::ResponseTime,
            "upstream_bytes_received" | "upstream_last_bytes_received" => Field::BytesReceived,
            "upstream_bytes_sent" | "upstream_last_bytes_sent" => Field::BytesSent,
            "msec" => Field::Msec,
            "time_iso8601" => Field::TimeIso8601,
            "time_local" => Field::TimeLocal,
            "proxy_host" | "proxy_upstream_name" | "upstream_name" => Field::UpstreamName,
            "pid" => Field::Pid,
            "connection" => Field::Connection,
            "connection_requests" => Field::ConnectionRequests,
            "connection_time" => Field::ConnectionTime,
            "request_time" => Field::RequestTime,
            _ => return None,
        })
    }
}

/// The shape of a variable's values. Unknown ones (set by `map`, `set`, Lua, other modules) may hold anything.
pub fn shape_of(name: &str) -> Shape {
    match name {
        "time_local" => Shape::TimeLocal,
        "time_iso8601" => Shape::TimeIso8601,
        "msec" | "request_time" | "connection_time" | "session_time" | "gzip_ratio" => {
            Shape::Seconds
        }
        "status"
        | "body_bytes_sent"
        | "bytes_sent"
        | "bytes_received"
        | "request_length"
        | "connection"
        | "connection_requests"
        | "connections_active"
        | "connections_reading"
        | "connections_waiting"
        | "connections_writing"
        | "pid"
        | "remote_port"
        | "server_port"
        | "proxy_port"
        | "content_length" => Shape::Integer,
        "upstream_addr" | "upstream_last_addr" => Shape::Addresses,
        "upstream_status"
        | "upstream_connect_time"
        | "upstream_header_time"
        | "upstream_response_time"
        | "upstream_response_length"
        | "upstream_bytes_received"
        | "upstream_bytes_sent"
        | "upstream_first_byte_time"
        | "upstream_session_time"
        | "upstream_last_status"
        | "upstream_last_connect_time"
        | "upstream_last_header_time"
        | "upstream_last_response_time"
        | "upstream_last_response_length"
        | "upstream_last_bytes_received"
        | "upstream_last_bytes_sent" => Shape::Numbers,
        // Never a space in them: nginx makes them itself or refuses requests where they would hold one.
        "remote_addr"
        | "realip_remote_addr"
        | "realip_remote_port"
        | "server_addr"
        | "host"
        | "hostname"
        | "server_name"
        | "proxy_host"
        | "proxy_upstream_name"
        | "request_id"
        | "req_id"
        | "request_method"
        | "scheme"
        | "server_protocol"
        | "upstream_cache_status"
        | "ssl_protocol"
        | "ssl_cipher"
        | "ssl_session_reused"
        | "pipe"
        | "nginx_version"
        | "request_completion"
        | "limit_req_status"
        | "limit_conn_status"
        | "proxy_protocol_addr"
        | "https"
        | "binary_remote_addr"
        | "is_args"
        | "protocol" => Shape::Token,
        _ => Shape::Text,
    }
}

/// Does a variable exist in nginx's `stream` module only? A format with one of them belongs to TCP/UDP proxying, where
/// a session is never pooled (`ngx_stream_variables.c`, `ngx_stream_upstream.c`).
pub fn is_stream_only(name: &str) -> bool {
    matches!(
        name,
        "session_time"
            | "upstream_session_time"
            | "upstream_first_byte_time"
            | "bytes_received"
            | "protocol"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_numbered_as_listed() {
        for (i, field) in Field::ALL.into_iter().enumerate() {
            assert_eq!(field.index(), i);
            if field != Field::Group {
                assert_eq!(Field::of_variable(field.variable()), Some(field));
            }
        }
    }

    #[test]
    fn every_upstream_list_is_a_list() {
        for name in
            ["upstream_addr", "upstream_status", "upstream_connect_time", "upstream_bytes_sent"]
        {
            assert!(shape_of(name).is_list(), "{name}");
        }
        assert_eq!(shape_of("http_user_agent"), Shape::Text);
    }
}
