//! From arguments to sources: files, folders, patterns and stdin, each log once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::source::{Identity, Source, cannot_read};
use crate::error::{Error, ErrorKind};

/// What the arguments led to. The order of the arguments makes no difference.
#[derive(Debug, Default)]
pub struct Discovered {
    /// The logs that can be read, sorted by name.
    pub sources: Vec<Source>,
    /// What is missing, unreadable or no log. The others are still good.
    pub errors: Vec<Error>,
    /// What the user should know: a log named twice (it is read once), or one that lies there both
    /// plain and compressed (both are read). One sentence each.
    pub warnings: Vec<String>,
}

/// Finds the logs that `args` name. An argument is
///
/// - a file, a FIFO or a device (`/dev/stdin`, `<(…)` of a shell);
/// - a folder: the files in it, not in folders below, whose names look like access logs, that is
///   contain `.log` or `access`, but not `error.log`. Hidden files are left out;
/// - a pattern with `*`, `?`, `[…]` or `**`, if no file has that very name: the files that match;
/// - `-` for stdin.
///
/// Two names of one file (the same device and inode) count once.
pub fn discover(args: &[String]) -> Discovered {
    let mut found = Discovered::default();
    let mut candidates = Vec::new();
    let mut args: Vec<&String> = args.iter().collect();
    args.sort();
    for arg in args {
        expand(arg, &mut candidates, &mut found.errors);
    }
    candidates.sort();
    let mut names_seen = BTreeMap::new();
    for candidate in candidates {
        add(candidate, &mut names_seen, &mut found);
    }
    found.errors.dedup();
    warn_of_twins(&mut found);
    found
}

/// A name that should be a log. Sorted by the shown name.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate {
    pub(super) name: String,
    /// None is stdin.
    pub(super) path: Option<PathBuf>,
}

impl Candidate {
    fn at(path: PathBuf) -> Self {
        Candidate { name: printable(&path.to_string_lossy()), path: Some(path) }
    }
}

/// Escapes control characters: file names are chosen by others and end up on terminals.
pub(super) fn printable(name: &str) -> String {
    let mut shown = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// The names that one argument leads to.
pub(super) fn expand(arg: &str, candidates: &mut Vec<Candidate>, errors: &mut Vec<Error>) {
    if arg == "-" || arg == "/dev/stdin" {
        candidates.push(Candidate { name: arg.to_owned(), path: None });
        return;
    }
    let path = Path::new(arg);
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => match folder(path) {
            Ok(files) => candidates.extend(files),
            Err(error) => errors.push(error),
        },
        Err(_) if arg.contains(['*', '?', '[']) => pattern(arg, candidates, errors),
        // Whatever is wrong with it is said when it is opened.
        _ => candidates.push(Candidate::at(path.to_owned())),
    }
}

/// The paths among `paths`, which are absolute, that an argument would lead to if there were such files.
pub(super) fn named_by(arg: &str, paths: &BTreeSet<PathBuf>) -> Vec<Candidate> {
    let given = Path::new(arg);
    let (Ok(path), Ok(here)) = (std::path::absolute(given), std::path::absolute(".")) else {
        return Vec::new();
    };
    let options = glob::MatchOptions {
        require_literal_leading_dot: true,
        require_literal_separator: true,
        ..glob::MatchOptions::default()
    };
    // Where we are may have a name that looks like a pattern.
    let escaped = path
        .strip_prefix(&here)
        .map(|rest| Path::new(&glob::Pattern::escape(&here.to_string_lossy())).join(rest));
    let pattern = if given.is_relative() { escaped.ok() } else { Some(path.clone()) };
    let pattern = pattern
        .filter(|_| arg.contains(['*', '?', '[']) && !given.exists())
        .and_then(|pattern| glob::Pattern::new(&pattern.to_string_lossy()).ok());
    if let Some(pattern) = pattern {
        let matching = paths.iter().filter(|path| pattern.matches_path_with(path, options));
        let shown = |path: &PathBuf| match path.strip_prefix(&here) {
            Ok(rest) if given.is_relative() => rest.to_owned(),
            _ => path.clone(),
        };
        return matching.map(|path| Candidate::at(shown(path))).collect();
    }
    let inside = paths.range(path.clone()..).take_while(|found| found.starts_with(&path));
    let found = inside.filter_map(|found| {
        if *found == path {
            return Some(given.to_owned());
        }
        let name = found.file_name()?;
        let is_here = found.parent() == Some(path.as_path())
            && looks_like_access_log(&name.to_string_lossy());
        is_here.then(|| given.join(name))
    });
    found.map(Candidate::at).collect()
}

/// The files in a folder that look like access logs.
fn folder(path: &Path) -> Result<Vec<Candidate>, Error> {
    let shown = printable(&path.to_string_lossy());
    let entries = fs::read_dir(path).map_err(|error| cannot_read(&shown, &error))?;
    let (mut logs, mut others) = (Vec::new(), 0);
    for entry in entries {
        let file = entry.map_err(|error| cannot_read(&shown, &error))?.path();
        let metadata = fs::metadata(&file);
        if metadata.as_ref().is_ok_and(fs::Metadata::is_dir) {
            continue;
        }
        // A link that leads nowhere is kept: it shall be said.
        let regular = metadata.map_or(true, |metadata| metadata.is_file());
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if regular && looks_like_access_log(&name) {
            logs.push(Candidate::at(file));
        } else {
            others += 1;
        }
    }
    if logs.is_empty() {
        let message = format!(
            "{shown}: expected files with `.log` or `access` in their names (but not `error.log`), \
             found {others} other files"
        );
        return Err(Error::new(ErrorKind::Input, message).with_hint("name the files themselves"));
    }
    Ok(logs)
}

fn looks_like_access_log(name: &str) -> bool {
    let hidden = name.starts_with('.');
    !hidden && (name.contains(".log") || name.contains("access")) && !name.contains("error.log")
}

/// The files that match a pattern. Hidden ones only if the pattern says so, as in a shell.
fn pattern(arg: &str, candidates: &mut Vec<Candidate>, errors: &mut Vec<Error>) {
    let shown = printable(arg);
    let options =
        glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::default() };
    let paths = match glob::glob_with(arg, options) {
        Ok(paths) => paths,
        Err(error) => {
            let column = arg.get(..error.pos).map_or(error.pos, |head| head.chars().count()) + 1;
            errors.push(
                Error::new(ErrorKind::Syntax, format!("{shown}: column {column}: {}", error.msg))
                    .with_hint(
                        "`[` begins a set of characters: write `[[]` for the character itself",
                    ),
            );
            return;
        }
    };
    let before = (candidates.len(), errors.len());
    for path in paths {
        match path {
            Ok(path) if path.is_dir() => {}
            Ok(path) => candidates.push(Candidate::at(path)),
            Err(error) => {
                let folder = printable(&error.path().to_string_lossy());
                errors.push(cannot_read(&folder, error.error()));
            }
        }
    }
    if (candidates.len(), errors.len()) == before {
        errors.push(Error::new(ErrorKind::Io, format!("{shown}: no file matches this pattern")));
    }
}

/// Opens a candidate, unless it is a file that another name led to already.
fn add(candidate: Candidate, names: &mut BTreeMap<Identity, String>, found: &mut Discovered) {
    let source = match candidate.path {
        None => Source::stdin(candidate.name),
        Some(path) => Source::at(&path, candidate.name),
    };
    match source {
        Err(error) => found.errors.push(error),
        Ok((source, identity)) => match names.get(&identity) {
            Some(name) if name == source.name() => {
                found.warnings.push(format!("{name}: named more than once, read once"));
            }
            Some(name) => {
                let again = source.name();
                found.warnings.push(format!("{again}: the same file as {name}, read once"));
            }
            None => {
                names.insert(identity, source.name().to_owned());
                found.sources.push(source);
            }
        },
    }
}

/// `access.log.2` beside `access.log.2.gz` is what an interrupted gzip leaves: the same lines
/// twice. They may also be two logs, so both are read.
fn warn_of_twins(found: &mut Discovered) {
    let mut by_stem: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for source in &found.sources {
        let name = source.name();
        let stem = [".gz", ".zst", ".bz2", ".xz"].iter().find_map(|end| name.strip_suffix(end));
        by_stem.entry(stem.unwrap_or(name)).or_default().push(name);
    }
    let twins = by_stem.values().filter(|names| names.len() > 1);
    found.warnings.extend(twins.map(|names| {
        let names = names.join(" and ");
        format!("{names} may be one log stored twice: its lines may count twice")
    }));
}

#[cfg(test)]
mod tests;
