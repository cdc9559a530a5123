//! The output of `nginx -T`: all files of a configuration in one text.
//!
//! nginx writes `# configuration file PATH:` before each file (`main` in `src/core/nginx.c`), the main one first, and
//! each file once. Messages of the test (`nginx: the configuration file … syntax is ok`) may stand before. Includes
//! resolve inside the dump only: the host that reads it is rarely the host that wrote it.

use std::collections::BTreeMap;

use memchr::memchr_iter;

use super::pattern::PathPattern;
use super::tree::{Loader, MAX_FILES, limit, printable};
use crate::error::{Error, ErrorKind, Result};

/// Longer paths do not exist on Linux (`PATH_MAX`).
const MAX_PATH: usize = 4096;

/// The files of a dump.
#[derive(Debug)]
pub(super) struct Dump<'a> {
    /// The path of the main file.
    pub(super) main: &'a str,
    files: BTreeMap<&'a str, &'a [u8]>,
}

impl<'a> Dump<'a> {
    /// Splits `text` if it is a dump. It is none where configuration stands before the first marker: then the marker
    /// is just a comment. Too many files are an error.
    pub(super) fn detect(text: &'a [u8]) -> Result<Option<Self>> {
        let mut main = None;
        let mut files = BTreeMap::new();
        let mut current: Option<(&str, usize)> = None;
        let mut start = 0;
        for end in memchr_iter(b'\n', text).chain([text.len()]) {
            let line = &text[start..end];
            let next = text.len().min(end + 1);
            if let Some(path) = marker(line) {
                main = main.or(Some(path));
                if let Some((earlier, from)) = current.replace((path, next)) {
                    files.entry(earlier).or_insert(&text[from..start]);
                }
                if files.len() > MAX_FILES {
                    return Err(limit(&format!("{MAX_FILES} included files")));
                }
            } else if main.is_none() && is_configuration(line) {
                return Ok(None);
            }
            start = next;
        }
        if let Some((last, from)) = current {
            files.entry(last).or_insert(&text[from..]);
        }
        Ok(main.map(|main| Dump { main, files }))
    }

    /// The content of the main file.
    pub(super) fn main_text(&self) -> &'a [u8] {
        self.files.get(self.main).copied().unwrap_or_default()
    }
}

impl Loader for Dump<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>> {
        self.files.get(path).map(|text| text.to_vec()).ok_or_else(|| {
            let message = format!("{}: no such file in this dump", printable(path));
            Error::new(ErrorKind::Io, message)
                .with_hint("the dump is not complete: give the whole output of `nginx -T`")
        })
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>> {
        let pattern = PathPattern::new(pattern)?;
        let paths = self.files.keys().filter(|path| pattern.matches(path));
        Ok(paths.map(|&path| path.to_owned()).collect())
    }
}

/// The path of a line `# configuration file PATH:`. nginx always writes full paths, so one without a `/` is a comment
/// that somebody wrote.
fn marker(line: &[u8]) -> Option<&str> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let path = line.strip_prefix(b"# configuration file ")?.strip_suffix(b":")?;
    let path = std::str::from_utf8(path).ok()?;
    (path.contains('/') && path.len() <= MAX_PATH).then_some(path)
}

/// Whether a line before the first marker looks like nginx.conf and not like a message on standard error.
fn is_configuration(line: &[u8]) -> bool {
    matches!(line.trim_ascii_end().last(), Some(b';' | b'{' | b'}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_is_split_at_its_markers_and_messages_before_them_are_dropped() {
        let text = b"nginx: the configuration file /e/nginx.conf syntax is ok\n\
            # configuration file /e/nginx.conf:\na;\n\n# configuration file /e/b/c:\nb;\n# configuration file of b:\n\n\
            # configuration file /e/b/c:\nlater;\n\n# configuration file /e/empty:\n";
        let dump = Dump::detect(text).unwrap().unwrap();
        assert_eq!(dump.main, "/e/nginx.conf");
        assert_eq!(dump.main_text(), b"a;\n\n");
        assert_eq!(dump.read("/e/b/c").unwrap(), b"b;\n# configuration file of b:\n\n");
        assert_eq!(dump.read("/e/empty").unwrap(), b"");
        assert_eq!(dump.glob("/e/*").unwrap(), ["/e/empty", "/e/nginx.conf"]);
        assert_eq!(dump.glob("/f/*").unwrap(), [""; 0]);
        let error = dump.read("/etc/passwd").unwrap_err();
        assert_eq!(error.message(), "/etc/passwd: no such file in this dump");
    }

    #[test]
    fn a_dump_with_windows_line_ends_is_split() {
        let dump = Dump::detect(b"# configuration file /e/n.conf:\r\na;\r\n").unwrap().unwrap();
        assert_eq!((dump.main, dump.main_text()), ("/e/n.conf", b"a;\r\n".as_slice()));
    }

    #[test]
    fn an_ordinary_file_with_such_a_comment_is_no_dump() {
        for text in [
            "",
            "a;\n",
            "# configuration file for us:\na;\n",
            "a;\n# configuration file /e/nginx.conf:\nb;\n",
            "http {\n# configuration file /e/nginx.conf:\n}\n",
            " # configuration file /e/nginx.conf:\nb;\n",
            "# configuration file /e/nginx.conf\n",
        ] {
            assert!(Dump::detect(text.as_bytes()).unwrap().is_none(), "{text:?}");
        }
    }

    #[test]
    fn too_many_files_are_an_error() {
        let lines: Vec<String> =
            (0..2000).map(|n| format!("# configuration file /e/{n}:")).collect();
        let text = lines.join("\n");
        let error = Dump::detect(text.as_bytes()).unwrap_err();
        assert!(error.message().contains("more than 1000 included files"), "{error}");
    }
}
