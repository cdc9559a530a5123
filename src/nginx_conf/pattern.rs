//! Shell patterns as glob(3) reads them, which is what nginx's `include` uses (`ngx_open_glob`).

use glob::{MatchOptions, Pattern};

use crate::error::{Error, ErrorKind, Result};

/// The rules of glob(3): `*` and `?` match neither `/` nor a dot at the start of a name.
pub(super) const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// The pattern with every run of `*` as one: glob(3) knows no `**`, but the glob crate would walk whole trees for it.
pub(super) fn without_double_stars(pattern: &str) -> String {
    let mut single = String::with_capacity(pattern.len());
    for c in pattern.chars() {
        if c != '*' || !single.ends_with('*') {
            single.push(c);
        }
    }
    single
}

/// Whether `name` starts with a dot that the pattern of this name does not spell out. The glob crate lets the first
/// `*` of `*.conf` be empty and so takes `.conf`; glob(3) does not.
pub(super) fn is_hidden_from(pattern: &str, name: &str) -> bool {
    name.starts_with('.') && !pattern.starts_with('.')
}

/// The error of a pattern that cannot be read.
#[cold]
pub(super) fn invalid(pattern: &str, error: &glob::PatternError) -> Error {
    let pattern = super::tree::printable(pattern);
    Error::new(ErrorKind::Syntax, format!("{pattern}: expected a file pattern, found {error}"))
}

/// A pattern for paths that are not on this disk.
#[derive(Debug)]
pub(super) struct PathPattern {
    /// One per folder and name. Apart, so that matching takes no more than the product of two short lengths.
    parts: Vec<Pattern>,
}

impl PathPattern {
    /// Reads `pattern`; an error for a `[` that is never closed.
    pub(super) fn new(pattern: &str) -> Result<Self> {
        let single = without_double_stars(pattern);
        let parts = single.split('/').map(Pattern::new).collect::<std::result::Result<_, _>>();
        Ok(PathPattern { parts: parts.map_err(|error| invalid(pattern, &error))? })
    }

    /// Whether `path` matches, part by part.
    pub(super) fn matches(&self, path: &str) -> bool {
        let mut parts = path.split('/');
        let fit = |pattern: &Pattern| {
            parts.next().is_some_and(|part| {
                pattern.matches_with(part, OPTIONS) && !is_hidden_from(pattern.as_str(), part)
            })
        };
        self.parts.iter().all(fit) && parts.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_matches_as_in_a_shell() {
        for (pattern, path, matches) in [
            ("/etc/nginx/conf.d/*.conf", "/etc/nginx/conf.d/a.conf", true),
            ("/etc/nginx/conf.d/*.conf", "/etc/nginx/conf.d/b/a.conf", false),
            ("/etc/nginx/conf.d/*.conf", "/etc/nginx/conf.d/.a.conf", false),
            ("/etc/nginx/conf.d/*.conf", "/etc/nginx/conf.d/.conf", false),
            ("/etc/nginx/conf.d/.*", "/etc/nginx/conf.d/.conf", true),
            ("/etc/nginx/conf.d/*.conf", "/etc/nginx/conf.d/a.conf.bak", false),
            ("/etc/nginx/*/a.conf", "/etc/nginx/b/a.conf", true),
            ("/etc/nginx/**/a.conf", "/etc/nginx/b/c/a.conf", false),
            ("/etc/**.conf", "/etc/a.conf", true),
            ("a?[0-9].conf", "ab7.conf", true),
            ("a?[0-9].conf", "abc.conf", false),
            ("*", "a/b", false),
        ] {
            let found = PathPattern::new(pattern).unwrap().matches(path);
            assert_eq!(found, matches, "{pattern} {path}");
        }
    }

    #[test]
    fn an_open_bracket_is_an_error_that_names_the_pattern() {
        let error = PathPattern::new("a[b").unwrap_err();
        assert!(error.message().starts_with("a[b: expected a file pattern, found "), "{error}");
    }
}
