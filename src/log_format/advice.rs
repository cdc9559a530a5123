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

/// The questions, and what each needs. Where several variables would do, they stand in one list.
const QUESTIONS: &[(&str, &[&[&str]])] = &[
    (
        "which attempts certainly opened a connection",
        &[&["upstream_connect_time", "upstream_last_connect_time"]],
    ),
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
    (
        "the true hit rate where connecting takes under 1 ms",
        &[&["connection"], &["msec"], &["request_time"]],
    ),
    ("which worker it was: reloads, restarts, first attempts", &[&["pid"], &["msec"]]),
    ("new gRPC and HTTP/2 connections, by their preface", &[&["upstream_bytes_sent"]]),
];

/// What a format can answer.
pub fn answers(format: &LogFormat) -> Vec<Answer> {
    QUESTIONS
        .iter()
        .map(|&(question, needs)| {
            let lacks = |any: &&[&str]| !any.iter().any(|name| format.logs(name));
            let missing = needs
                .iter()
                .copied()
                .filter(lacks)
                .filter_map(|any| any.first().copied())
                .collect();
            Answer { question, missing }
        })
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
    for always in ["connection_requests", "upstream_response_time"] {
        if !format.logs(always) {
            missing.push(always);
        }
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
            '\\' if chars.peek().is_none_or(|next| "\\\"'tnr\t\n\r".contains(*next)) => {
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
        for text in [r#"it's ${a}b\x1f$c\"\\ $d"#, "$a\\\t$b\\\n\\\\\r$c"] {
            let odd = LogFormat::from_string("odd", text, Escape::None).unwrap();
            assert_eq!(read_back(&directive(&odd)), odd, "{}", directive(&odd));
        }
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
        }
    }
}
