//! Labels that people give to variables: `uct=`, `"UpConnTime":`, `upstream connect time=`.

use crate::log_format::variable::{Field, shape_of};
use crate::record::attempt::is_address;
use crate::tokenizer::longest_value;

/// Labels without their punctuation and case, and the variable that they stand for. A variable's own name is a label
/// too and need not be listed.
const LABELS: &[(&str, &str)] = &[
    ("ua", "upstream_addr"),
    ("ups", "upstream_addr"),
    ("uaddr", "upstream_addr"),
    ("upstream", "upstream_addr"),
    ("upstream_address", "upstream_addr"),
    ("backend", "upstream_addr"),
    ("us", "upstream_status"),
    ("ust", "upstream_status"),
    ("uct", "upstream_connect_time"),
    ("conntime", "upstream_connect_time"),
    ("upconntime", "upstream_connect_time"),
    ("upstream_connect", "upstream_connect_time"),
    ("upstream_conn_time", "upstream_connect_time"),
    ("uht", "upstream_header_time"),
    ("uphdrtime", "upstream_header_time"),
    ("upstream_header", "upstream_header_time"),
    ("urt", "upstream_response_time"),
    ("uprestime", "upstream_response_time"),
    ("apptime", "upstream_response_time"),
    ("upstream_time", "upstream_response_time"),
    ("upstream_rt", "upstream_response_time"),
    ("upstream_response", "upstream_response_time"),
    ("ubr", "upstream_bytes_received"),
    ("ubs", "upstream_bytes_sent"),
    ("rt", "request_time"),
    ("reqtime", "request_time"),
    ("req_time", "request_time"),
    ("nginx_time", "request_time"),
    ("nginx_pid", "pid"),
    ("conn", "connection"),
    ("creq", "connection_requests"),
    ("conn_reqs", "connection_requests"),
    ("up", "proxy_host"),
    ("time", "time_iso8601"),
    ("ts", "time_iso8601"),
    ("timestamp", "time_iso8601"),
    ("date", "time_iso8601"),
    ("datetime", "time_iso8601"),
    ("time_date", "time_iso8601"),
    ("time_ms", "msec"),
];

/// The variable that a label stands for, if the value that it was seen with can be one of that variable's.
pub(super) fn variable_for(label: &[u8], value: &[u8]) -> Option<&'static str> {
    let label = normalise(label);
    let known = Field::ALL
        .into_iter()
        .map(Field::variable)
        .chain([
            "request_time",
            "pid",
            "connection",
            "connection_requests",
            "connection_time",
            "proxy_upstream_name",
        ])
        .find(|name| !name.is_empty() && *name == label);
    let variable = known.or_else(|| {
        LABELS.iter().find(|(name, _)| *name == label).map(|(_, variable)| *variable)
    })?;
    match variable {
        // Whatever the label says of the form, the value tells better.
        "time_iso8601" | "time_local" | "msec" => time_variable(value),
        "upstream_addr" => is_address_list(value, known.is_some()).then_some(variable),
        "proxy_host" | "proxy_upstream_name" => (!value.contains(&b' ')).then_some(variable),
        _ => (longest_value(shape_of(variable), value, 0, None) == Some(value.len()))
            .then_some(variable),
    }
}

/// The time variable whose values look like this, for values with a label or in brackets.
pub(super) fn time_variable(value: &[u8]) -> Option<&'static str> {
    let is =
        |variable: &str| longest_value(shape_of(variable), value, 0, None) == Some(value.len());
    if is("time_local") {
        Some("time_local")
    } else if is("time_iso8601") {
        Some("time_iso8601")
    } else {
        // Seconds since the epoch with milliseconds: 10 digits until the year 2286.
        let dot = value.iter().position(|&byte| byte == b'.');
        (dot == Some(10) && value.len() == 14 && is("msec")).then_some("msec")
    }
}

/// An absent value (`-`, nothing) tells nothing, so it needs a label that can mean nothing else.
fn is_address_list(value: &[u8], is_own_name: bool) -> bool {
    if matches!(value, b"" | b"-") {
        return is_own_name;
    }
    let text = String::from_utf8_lossy(value);
    text.split(", ").flat_map(|tries| tries.split(" : ")).all(|slot| {
        let addr = slot.trim_end_matches(" :").as_bytes();
        is_own_name || (!addr.is_empty() && is_address(addr))
    })
}

/// `UpConnTime`, `@timestamp`, `upstream connect time` -> lower case, words joined by `_`, no leading sign.
fn normalise(label: &[u8]) -> String {
    let text = String::from_utf8_lossy(label).to_lowercase();
    text.trim_start_matches(['$', '@']).replace(['-', '.', ' '], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_mean_what_their_values_allow() {
        for (label, value, variable) in [
            ("uct", "0.000, -", Some("upstream_connect_time")),
            ("upstream_connect_time", "-", Some("upstream_connect_time")),
            ("upstream connect time", "0.001", Some("upstream_connect_time")),
            ("UpConnTime", "", Some("upstream_connect_time")),
            ("uct", "soon", None),
            ("ua", "10.0.0.1:80, unix:/x", Some("upstream_addr")),
            ("ua", "Mozilla/5.0", None),
            ("ua", "-", None),
            ("upstream_addr", "-", Some("upstream_addr")),
            ("time", "21/Nov/2026:02:03:23 +0000", Some("time_local")),
            ("@timestamp", "2026-11-21T02:03:23Z", Some("time_iso8601")),
            ("ts", "1795226603.023", Some("msec")),
            ("msec", "12", None),
            ("request", "GET / HTTP/1.1", None),
        ] {
            assert_eq!(
                variable_for(label.as_bytes(), value.as_bytes()),
                variable,
                "{label}={value}"
            );
        }
    }
}
