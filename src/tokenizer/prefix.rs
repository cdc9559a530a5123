//! What log shippers put in front of a line: syslog headers, container stamps, pod names.

use crate::error::{Error, ErrorKind, Result};
use regex_automata::meta::Regex;
use regex_automata::{Anchored, Input};

/// Known prefixes: a name, and the pattern of what stands in front of nginx's own line. nginx's `syslog:` target writes
/// the first one (`ngx_syslog_add_header`).
const KNOWN: &[(&str, &str)] = &[
    (
        "syslog",
        r"(?:<\d{1,3}>)?[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d (?:[^ ]+ )?[^ :\[]+(?:\[\d+\])?: ",
    ),
    (
        "syslog (RFC 5424)",
        r"<\d{1,3}>1 [^ ]+ [^ ]+ [^ ]+ [^ ]+ [^ ]+ (?:-|\[[^\]]*\]) (?:\xEF\xBB\xBF)?",
    ),
    (
        "syslog (ISO time)",
        r"(?:<\d{1,3}>)?\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:?\d\d) [^ ]+ [^ :\[]+(?:\[\d+\])?: ",
    ),
    ("CRI", r"\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:\d\d) std(?:out|err) [FP] "),
    ("container stamp", r"\d{4}-\d\d-\d\dT[0-9:.]+Z "),
    ("pod", r"\[pod/[^\] ]+\] "),
    ("compose", r"[A-Za-z0-9._-]+ +\| "),
    ("pod and container", r"[a-z0-9][a-z0-9.-]*-[a-z0-9]+ [a-z0-9][a-z0-9-]* "),
];

/// A prefix to take off each line. Lines without it are left as they are.
#[derive(Debug, Clone)]
pub struct Prefix {
    name: &'static str,
    pattern: Regex,
}

impl Prefix {
    /// All known prefixes that the line begins with, most specific first.
    ///
    /// # Errors
    /// None that a user can cause: the patterns are constants.
    pub fn candidates(line: &[u8]) -> Result<Vec<Prefix>> {
        let mut found = Vec::new();
        for &(name, pattern) in KNOWN {
            let prefix = Prefix { name, pattern: compile(pattern)? };
            if prefix.strip(line).len() < line.len() {
                found.push(prefix);
            }
        }
        Ok(found)
    }

    /// What it is called.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The line without the prefix.
    pub fn strip<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        let input = Input::new(line).anchored(Anchored::Yes);
        self.pattern.find(input).map_or(line, |found| &line[found.end()..])
    }
}

fn compile(pattern: &str) -> Result<Regex> {
    Regex::builder()
        // Always anchored: there is nothing to look for.
        .configure(Regex::config().utf8_empty(false).auto_prefilter(false))
        .syntax(regex_automata::util::syntax::Config::new().utf8(false).unicode(false))
        .build(pattern)
        .map_err(|error| Error::new(ErrorKind::Syntax, format!("pattern {pattern}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_known_prefix_is_taken_off() {
        for (line, name) in [
            ("<190>Nov 21 02:03:23 web1 nginx: REST", "syslog"),
            ("Nov  1 02:03:23 nginx[12]: REST", "syslog"),
            ("<190>1 2026-11-21T02:03:23Z web1 nginx 12 - - REST", "syslog (RFC 5424)"),
            ("2026-11-21T02:03:23.123+01:00 web1 nginx: REST", "syslog (ISO time)"),
            ("2026-11-21T02:03:23.123456789Z stdout F REST", "CRI"),
            ("2026-11-21T02:03:23.123456789Z REST", "container stamp"),
            ("[pod/web-1/nginx] REST", "pod"),
            ("nginx-1  | REST", "compose"),
            ("web-5d4f-x7z nginx REST", "pod and container"),
        ] {
            let found = Prefix::candidates(line.as_bytes()).unwrap();
            let prefix = found.iter().find(|prefix| prefix.name() == name);
            assert_eq!(
                prefix.map(|prefix| prefix.strip(line.as_bytes())),
                Some(&b"REST"[..]),
                "{line}"
            );
        }
    }

    #[test]
    fn a_line_without_the_prefix_stays_whole() {
        let prefix = &Prefix::candidates(b"[pod/a/b] x").unwrap()[0];
        assert_eq!(prefix.strip(b"\xff\x00x"), b"\xff\x00x");
    }
}
