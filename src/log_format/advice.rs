//! Which questions a format can answer, and the format that answers all.

use super::presets::Preset;
use super::{Escape, LogFormat, Piece};
use std::fmt::Write;

/// A question, and the variables without which it can't be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The question, as an operator would ask it.
    pub question: &'static str,
    /// Variables that the format lacks; empty if it can answer.
    pub missing: Vec<&'static str>,
}

/// The questions, and what each needs.
const QUESTIONS: &[(&str, Needs)] = &[
    ("which attempts certainly opened a connection", CONNECT_TIME),
    ("which peer it was", &[&["upstream_addr", "upstream_last_addr"]]),
    (
        "which upstream it was (or give -c nginx.conf)",
        &[&["proxy_host", "proxy_upstream_name", "upstream_name"]],
    ),
    ("how long peers take to answer", &[&["upstream_header_time"], &["upstream_response_time"]]),
    (
        "which reuses hit a connection that the peer had closed",
        &[&["upstream_status"], &["upstream_header_time"], &["upstream_bytes_received"]],
    ),
    ("how many new connections 0.000 hides, by the numbers of connections", SERIALS),
    ("the same for short times and single peers, by milliseconds", &[&["msec"]]),
    (
        "when clients came, so that numbers can be counted over time",
        &[&["connection_requests", "connection_time"]],
    ),
    ("whether requests are missing from the log", &[&["connection_requests"]]),
    ("which worker it was: restarts, several hosts, first attempts", &[&["pid"]]),
    ("new gRPC and HTTP/2 connections, by their preface", &[&["upstream_bytes_sent"]]),
];

/// Variables that tell when a line was written, the most exact first.
const TIMES: &[&str] = &["msec", "time_iso8601", "time_local"];

/// Variables that are needed; where several would do, they stand in one list.
type Needs = &'static [&'static [&'static str]];

/// A step to a sharper hit rate.
struct Step {
    /// What it is good for.
    why: &'static str,
    /// It is due where the format lacks one of these.
    due: Needs,
    /// What to log then.
    add: Needs,
}

const CONNECT_TIME: Needs = &[&["upstream_connect_time", "upstream_last_connect_time"]];
const SERIALS: Needs = &[&["connection"], &["request_time"], TIMES];

/// Those that sharpen it most come first.
const STEPS: &[Step] = &[
    Step {
        why: "to see which attempts certainly opened a connection",
        due: CONNECT_TIME,
        add: CONNECT_TIME,
    },
    Step {
        why: "to count the new connections that 0.000 hides",
        due: SERIALS,
        add: &[&["connection"], &["connection_requests"], &["msec"], &["pid"], &["request_time"]],
    },
    Step {
        why: "to count new connections right across restarts, gaps in the log and short times",
        due: &[&["connection_requests"], &["msec"], &["pid"]],
        add: &[&["connection_requests"], &["msec"], &["pid"]],
    },
    Step {
        why: "to see new gRPC and HTTP/2 connections",
        due: &[&["upstream_bytes_sent"]],
        add: &[&["upstream_bytes_sent"]],
    },
];

/// What a format can answer.
pub fn answers(format: &LogFormat) -> Vec<Answer> {
    QUESTIONS
        .iter()
        .map(|&(question, needs)| Answer { question, missing: missing(format, needs) })
        .collect()
}

/// The one change to a `log_format` that sharpens the hit rate most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What it is good for: `to see …`.
    pub why: &'static str,
    /// The variables to add, without `$`; at least one.
    pub add: Vec<&'static str>,
}

/// The change that sharpens the hit rate most; none where the format has all that is used.
pub fn sharpest(format: &LogFormat) -> Option<Change> {
    let step = STEPS.iter().find(|step| !missing(format, step.due).is_empty())?;
    Some(Change { why: step.why, add: missing(format, step.add) })
}

/// Of each list the first variable, where the format logs none of the list.
fn missing(format: &LogFormat, needs: Needs) -> Vec<&'static str> {
    needs
        .iter()
        .filter(|any| !any.iter().any(|name| format.logs(name)))
        .filter_map(|any| any.first().copied())
        .collect()
}

/// The format with all that is missing added at its end, labelled; or the recommended one, where the format was only
/// derived from lines and does not know all its variables.
pub fn improved(format: &LogFormat) -> Option<LogFormat> {
    if format.logs("unknown") {
        return Preset::named(if format.is_json() { "keepwarm_json" } else { "keepwarm" })?
            .format()
            .ok();
    }
    let mut missing: Vec<&str> = Vec::new();
    for answer in answers(format) {
        missing.extend(answer.missing);
    }
    let mut unique: Vec<&str> = Vec::new();
    for name in missing {
        if !unique.contains(&name) {
            unique.push(name);
        }
    }
    let mut better = LogFormat { name: "keepwarm".to_owned(), ..format.clone() };
    if format.is_json() {
        add_keys(&mut better, &unique);
    } else {
        add_labels(&mut better, &unique);
    }
    Some(better)
}

/// ` uct="$upstream_connect_time"`: lists in quotes, because they hold spaces.
fn add_labels(format: &mut LogFormat, variables: &[&str]) {
    let mut open = String::new();
    if let Some(Piece::Literal(last)) = format.pieces.last() {
        open = String::from_utf8_lossy(last).into_owned();
        format.pieces.pop();
    }
    if !open.ends_with([' ', '\t']) {
        open.push(' ');
    }
    for &variable in variables {
        let quote = if super::variable::shape_of(variable).is_list() { "\"" } else { "" };
        let _ = write!(open, "{}={quote}", label(variable));
        format.pieces.push(Piece::Literal(std::mem::take(&mut open).into_bytes()));
        format.pieces.push(Piece::Variable(variable.to_owned()));
        let _ = write!(open, "{quote} ");
    }
    let end = open.trim_end();
    if !end.is_empty() {
        format.pieces.push(Piece::Literal(end.as_bytes().to_vec()));
    }
}

/// `,"upstream_connect_time":"$upstream_connect_time"` before the closing bracket.
fn add_keys(format: &mut LogFormat, variables: &[&str]) {
    let last = match format.pieces.pop() {
        Some(Piece::Literal(last)) => String::from_utf8_lossy(&last).into_owned(),
        other => {
            format.pieces.extend(other);
            return;
        }
    };
    let body = last.trim_end();
    let mut open = body.strip_suffix('}').unwrap_or(body).trim_end().to_owned();
    for &variable in variables {
        let _ = write!(open, ",\"{variable}\":\"");
        format.pieces.push(Piece::Literal(std::mem::take(&mut open).into_bytes()));
        format.pieces.push(Piece::Variable(variable.to_owned()));
        open.push('"');
    }
    open.push('}');
    format.pieces.push(Piece::Literal(open.into_bytes()));
}

/// Short labels that keepwarm, and many people, know.
fn label(variable: &str) -> &str {
    match variable {
        "request_time" => "rt",
        "connection" => "conn",
        "connection_requests" => "creq",
        "proxy_host" => "up",
        "upstream_addr" => "ua",
        "upstream_status" => "us",
        "upstream_connect_time" => "uct",
        "upstream_header_time" => "uht",
        "upstream_response_time" => "urt",
        "upstream_bytes_sent" => "ubs",
        "upstream_bytes_received" => "ubr",
        other => other,
    }
}

/// Bytes of format in one line of the directive.
const WIDTH: usize = 88;

/// The directive as it goes into nginx.conf, in several strings, none of them long.
pub fn directive(format: &LogFormat) -> String {
    let escape = match format.escape {
        Escape::Default => "",
        Escape::Json => " escape=json",
        Escape::None => " escape=none",
    };
    let mut lines = vec![String::new()];
    for piece in &format.pieces {
        let text = match piece {
            Piece::Variable(name) => format!("${name}"),
            Piece::Literal(text) => quoted(&String::from_utf8_lossy(text)),
        };
        // A variable's name ends at the next byte that can't be part of it; a new string is no such byte.
        let joins = text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_');
        let full =
            lines.last().is_some_and(|line| line.len() + text.len() > WIDTH && !line.is_empty());
        if joins && let Some(line) = lines.last_mut() {
            brace_last(line);
        }
        // Break behind a space, so that what belongs together stays together.
        let breaks = lines.last().is_some_and(|line| line.ends_with([' ', ',', '"']));
        if full && breaks {
            lines.push(String::new());
        }
        match (text.rfind(' '), lines.last_mut()) {
            (Some(space), Some(line))
                if line.len() + space + 1 > WIDTH / 2 && matches!(piece, Piece::Literal(_)) =>
            {
                line.push_str(&text[..=space]);
                if line.len() > WIDTH - 20 {
                    lines.push(text[space + 1..].to_owned());
                } else {
                    line.push_str(&text[space + 1..]);
                }
            }
            (_, Some(line)) => line.push_str(&text),
            (_, None) => {}
        }
    }
    let strings: Vec<String> = lines
        .iter()
        .filter(|line| !line.is_empty())
        .map(|line| format!("        '{line}'"))
        .collect();
    format!("    log_format {}{escape}\n{};", format.name, strings.join("\n"))
}

/// `$name` at the end of a line -> `${name}`.
fn brace_last(line: &mut String) {
    if let Some(dollar) = line.rfind('$')
        && line[dollar + 1..].chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    {
        line.insert(dollar + 1, '{');
        line.push('}');
    }
}

/// What a single-quoted string of nginx.conf needs escaped: quotes, and control characters that it has escapes for. A
/// backslash stays unless it would escape something.
fn quoted(literal: &str) -> String {
    let mut out = String::new();
    let mut chars = literal.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' => out.push_str("\\'"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\\' if chars.peek().is_none_or(|next| "\\\"'tnr".contains(*next)) => {
                out.push_str("\\\\");
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_format::presets;
    use crate::nginx_conf;

    /// Reads a directive back as nginx would.
    fn read_back(text: &str) -> LogFormat {
        let directive = nginx_conf::directive(text.trim()).unwrap();
        let name = String::from_utf8_lossy(&directive.args[0]).into_owned();
        LogFormat::from_arguments(&name, &directive.args[1..]).unwrap()
    }

    #[test]
    fn a_directive_reads_back_as_the_same_format() {
        for preset in presets::ALL {
            let format = preset.format().unwrap();
            assert_eq!(read_back(&directive(&format)), format, "{}", directive(&format));
        }
        let odd =
            LogFormat::from_string("odd", r#"it's ${a}b\x1f$c\"\\ $d"#, Escape::None).unwrap();
        assert_eq!(read_back(&directive(&odd)), odd, "{}", directive(&odd));
    }

    #[test]
    fn what_is_missing_is_added() {
        for name in ["combined", "json", "ltsv", "ingress-nginx"] {
            let better = improved(&Preset::named(name).unwrap().format().unwrap()).unwrap();
            assert!(
                answers(&better).iter().all(|answer| answer.missing.is_empty()),
                "{name}: {better}"
            );
            assert_eq!(read_back(&directive(&better)).pieces, better.pieces, "{name}");
        }
    }

    #[test]
    fn the_recommended_formats_answer_everything() {
        for name in ["keepwarm", "keepwarm_json"] {
            let format = Preset::named(name).unwrap().format().unwrap();
            assert!(answers(&format).iter().all(|answer| answer.missing.is_empty()), "{name}");
            assert_eq!(sharpest(&format), None, "{name}");
        }
    }

    #[test]
    fn the_first_change_is_the_one_that_sharpens_the_hit_rate_most() {
        let serials = &["connection", "connection_requests", "msec", "pid", "request_time"];
        for (name, add) in [
            ("combined", &["upstream_connect_time"][..]),
            ("ingress-nginx", &["upstream_connect_time"]),
            ("combined_upstream", serials),
            ("upstream_time", &["connection", "connection_requests", "msec", "pid"]),
            ("apm", &["connection", "connection_requests", "msec", "pid"]),
            ("json", &["upstream_bytes_sent"]),
        ] {
            let change = sharpest(&Preset::named(name).unwrap().format().unwrap()).unwrap();
            assert_eq!(change.add, add, "{name}");
        }
    }

    #[test]
    fn whatever_is_advised_first_is_also_in_the_format_that_answers_all() {
        for preset in presets::ALL {
            let format = preset.format().unwrap();
            let better = improved(&format).unwrap();
            assert_eq!(sharpest(&better), None, "{}", preset.name);
            let asked: Vec<&str> =
                answers(&format).into_iter().flat_map(|answer| answer.missing).collect();
            let add = sharpest(&format).map(|change| change.add).unwrap_or_default();
            assert!(add.iter().all(|name| asked.contains(name)), "{}: {add:?}", preset.name);
        }
    }

    #[test]
    fn any_time_will_do_to_count_by_but_milliseconds_are_asked_for() {
        let text = "$time_local $connection $request_time $upstream_connect_time";
        let format = LogFormat::from_string("", text, Escape::Default).unwrap();
        let lacks = |question: &str| {
            let all = answers(&format);
            all.into_iter().find(|answer| answer.question.contains(question)).unwrap().missing
        };
        assert_eq!(lacks("0.000 hides"), [""; 0]);
        assert_eq!(lacks("millisecond"), ["msec"]);
        assert_eq!(sharpest(&format).unwrap().add, ["connection_requests", "msec", "pid"]);
    }
}
