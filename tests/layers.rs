//! Data flows one way: a module uses only what stands to its left. And no file grows too long.

use std::path::{Path, PathBuf};

/// The modules of `src/` from left to right.
const ORDER: [&str; 20] = [
    "wide",
    "error",
    "units",
    "span",
    "input",
    "host",
    "log_format",
    "nginx_conf",
    "tokenizer",
    "record",
    "detect",
    "summary",
    "fold",
    "analysis",
    "live",
    "render",
    "serve",
    "notify",
    "pipeline",
    "cli",
];

/// Modules that may use even less: these and nothing else.
const ONLY: [(&str, &[&str]); 8] = [
    ("wide", &[]),
    ("units", &[]),
    ("span", &[]),
    ("input", &["error", "wide"]),
    ("host", &["error"]),
    ("log_format", &["error"]),
    ("nginx_conf", &["error"]),
    ("render", &["error", "units", "analysis"]),
];

/// The most lines of a file of code.
const MAX_LINES: usize = 400;

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// Path below `src/` and text of each file of code, tests left out.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    rust_files(&root, &mut paths);
    let name = |path: &Path| path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
    paths
        .iter()
        .map(|path| (name(path), std::fs::read_to_string(path).unwrap()))
        .filter(|(name, _)| !name.ends_with("/tests.rs") && !name.contains("/tests/"))
        .collect()
}

/// The code of a file: comments and what is behind `#[cfg(test)] mod tests {` left out.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines.windows(2).position(|pair| {
        pair[0].trim() == "#[cfg(test)]" && pair[1].contains("mod ") && pair[1].ends_with('{')
    });
    let end = tests.unwrap_or(lines.len());
    lines
        .into_iter()
        .take(end)
        .enumerate()
        .map(|(at, line)| (at + 1, line.split("//").next().unwrap_or_default()))
}

/// The modules that a line of code names behind `crate::`, also those in braces.
fn used(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        let rest = &line[at + "crate::".len()..];
        let names = rest.strip_prefix('{').map_or(rest, |inside| inside.split('}').next().unwrap());
        let words = if rest.starts_with('{') { names.split(',').collect() } else { vec![names] };
        for word in words {
            let word = word.trim();
            let end = word.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(word.len());
            found.push(word[..end].to_owned());
        }
    }
    found
}

/// The modules that only the tests have: behind `#[cfg(test)]` in lib.rs.
fn test_modules() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs");
    let text = std::fs::read_to_string(root).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let behind = lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]");
    behind.map(|pair| pair[1].replace("mod ", "").replace(';', "")).collect()
}

#[test]
fn a_module_uses_only_what_stands_to_its_left() {
    let place = |module: &str| ORDER.iter().position(|name| *name == module);
    let skipped = [test_modules(), vec!["lib".to_owned(), "main".to_owned()]].concat();
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        let module = name.split(['/', '.']).next().unwrap();
        if skipped.iter().any(|name| name == module) {
            continue;
        }
        let own = place(module).unwrap_or_else(|| panic!("src/{name}: {module} is not in ORDER"));
        let only = ONLY.iter().find(|(name, _)| *name == module).map(|(_, allowed)| *allowed);
        for (number, line) in code(&text) {
            for other in used(line).into_iter().filter(|other| *other != module) {
                let allowed = place(&other).is_some_and(|at| at < own)
                    && only.is_none_or(|only| only.contains(&other.as_str()));
                if !allowed {
                    wrong.push(format!("src/{name}:{number}: {module} uses {other}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_listed_module_exists() {
    let modules: Vec<String> = sources().into_iter().map(|(name, _)| name).collect();
    for module in ORDER {
        let (file, folder) = (format!("{module}.rs"), format!("{module}/mod.rs"));
        assert!(modules.iter().any(|name| *name == file || *name == folder), "{module}");
    }
}

#[test]
fn no_file_is_long() {
    let long: Vec<String> = sources()
        .into_iter()
        .map(|(name, text)| (name, text.lines().count()))
        .filter(|(_, lines)| *lines > MAX_LINES)
        .map(|(name, lines)| format!("src/{name}: {lines} lines"))
        .collect();
    assert!(long.is_empty(), "over {MAX_LINES} lines:\n{}", long.join("\n"));
}

#[test]
fn uses_are_found_in_every_form() {
    for (line, expected) in [
        ("use crate::error::Error;", vec!["error"]),
        ("use crate::{error, units::thousands};", vec!["error", "units"]),
        ("let x: crate::fold::Fold = crate::fold::new();", vec!["fold", "fold"]),
        ("pub(crate) fn crate_it() {}", vec![]),
    ] {
        assert_eq!(used(line), expected, "{line}");
    }
    assert_eq!(
        code("/// [`crate::cli`]\nuse x; // crate::cli\n").flat_map(|(_, l)| used(l)).count(),
        0
    );
}
