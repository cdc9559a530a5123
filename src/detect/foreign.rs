//! Logs of another kind, recognised so that they can be refused in words.

use crate::error::{Error, ErrorKind, Result};
use crate::log_format::LogFormat;
use crate::log_format::variable::is_stream_only;
use regex_automata::meta::Regex;

/// What it is, a pattern that most of its lines match, and what to do instead.
const KINDS: &[(&str, &str, &str)] = &[
    (
        "an nginx error log",
        r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[(?:debug|info|notice|warn|error|crit|alert|emerg)\] \d+#\d+:",
        "give keepwarm the file that nginx.conf's `access_log` names, and this one as --error-log PATH",
    ),
    (
        "an HAProxy log",
        r"haproxy\[\d+\]: |\] [^ ]+ [^ /]+/[^ ]+ -?\d+/-?\d+/-?\d+/-?\d+/\+?\d+ ",
        "HAProxy logs reuse itself; see its `halog` and the `bc_reused` sample",
    ),
    (
        "a log of nginx's stream module",
        r"(?:^|[ |\]])(?:TCP|UDP)[ |,]\d{3}[ |,]\d+[ |,]\d+[ |,]\d+\.\d{3}|protocol:(?:TCP|UDP),",
        "TCP and UDP sessions are never pooled, so there is no reuse to measure",
    ),
];

/// Refuses lines of another kind of log.
///
/// # Errors
/// [`ErrorKind::Input`] naming the kind, when at least half of the lines are of it.
pub(super) fn refuse_lines(source: &str, lines: &[&[u8]]) -> Result<()> {
    for (kind, pattern, hint) in KINDS {
        let regex = Regex::builder()
            .syntax(regex_automata::util::syntax::Config::new().utf8(false).unicode(false))
            .configure(Regex::config().utf8_empty(false))
            .build(pattern)
            .map_err(|error| {
                Error::new(ErrorKind::Syntax, format!("pattern {pattern}: {error}"))
            })?;
        let hits = lines.iter().filter(|line| regex.is_match(**line)).count();
        if hits > 0 && hits * 2 >= lines.len() {
            let message =
                format!("{source}: this is {kind}, not an access log of nginx's http module");
            return Err(Error::new(ErrorKind::Input, message).with_hint(*hint));
        }
    }
    Ok(())
}

/// Refuses a format that only the stream module can write.
///
/// # Errors
/// [`ErrorKind::Input`] naming the variable.
pub(super) fn refuse_format(format: &LogFormat) -> Result<()> {
    match format.variables().find(|name| is_stream_only(name)) {
        Some(name) => Err(Error::new(
            ErrorKind::Input,
            format!("log_format {}: ${name} exists in nginx's stream module only", format.name),
        )
        .with_hint("TCP and UDP sessions are never pooled, so there is no reuse to measure")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_logs_are_refused_by_name() {
        for (line, kind) in [
            ("2026/11/21 02:03:23 [error] 12#12: *1 connect() failed", "error log"),
            (
                "Feb 25 16:19:49 h haproxy[7]: 1.1.1.1:1 [25/Feb/2019:16:19:48.143] in~ be/s 0/0/7/1457/1487 200 1",
                "HAProxy",
            ),
            (
                "10.0.0.1 => 10.0.0.2:80 - [21/Nov/2026:02:03:23 +0000] TCP 200 12 34 1.234",
                "stream",
            ),
        ] {
            let error = refuse_lines("x.log", &[line.as_bytes()]).unwrap_err();
            assert!(error.message().contains(kind), "{error}");
        }
        let access =
            br#"1.1.1.1 - - [21/Nov/2026:02:03:23 +0000] "GET / HTTP/1.1" 200 1 "-" "haproxy""#;
        assert!(refuse_lines("x.log", &[access]).is_ok());
    }
}
