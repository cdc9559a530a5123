//! A command that runs for each event, without a shell.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::AlertEvent;
use super::queue::{Deliver, Outcome, Stopping};
use crate::error::{Error, ErrorKind, Result, caret};

/// How long a command may run.
const MOST: Duration = Duration::from_secs(30);

/// A command with its arguments.
#[derive(Debug)]
pub(super) struct Command {
    words: Vec<String>,
    most: Duration,
}

impl Command {
    /// # Errors
    /// `Usage` if there is no command in the line, a quote is not closed, or a path names no file.
    pub(super) fn new(line: &str) -> Result<Command> {
        let words = split(line)?;
        let program = words.first().filter(|program| !program.is_empty());
        let Some(program) = program else {
            return Err(Error::new(ErrorKind::Usage, "--exec: expected a command, found: nothing"));
        };
        if !is_found(program) {
            let message = format!("--exec: there is no command {program}");
            return Err(Error::new(ErrorKind::Usage, message));
        }
        Ok(Command { words, most: MOST })
    }

    pub(super) fn program(&self) -> &str {
        self.words.first().map_or("", |program| program)
    }
}

impl Deliver for Command {
    fn deliver(&mut self, event: &AlertEvent, stopping: &Stopping<'_>) -> Outcome {
        let started = std::process::Command::new(self.program())
            .args(&self.words[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C ends keepwarm, not what it has to tell.
            .process_group(0)
            .spawn();
        let mut child = match started {
            Ok(child) => child,
            Err(error) => return Outcome::Lost(error.to_string()),
        };
        if let Some(mut stdin) = child.stdin.take() {
            // A command need not read it.
            let _ = stdin.write_all(format!("{}\n", event.json()).as_bytes());
        }
        wait(&mut child, Instant::now() + self.most, stopping)
    }
}

/// Would `execvp` find this? A name with a slash is a path, any other is looked for in `PATH`.
fn is_found(program: &str) -> bool {
    let is_command = |path: &Path| {
        path.metadata()
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    if program.contains('/') {
        return is_command(Path::new(program));
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into());
    std::env::split_paths(&path).any(|folder| is_command(&folder.join(program)))
}

/// Waits for its end. The standard library has no wait with a timeout, so this looks again and again.
fn wait(child: &mut Child, deadline: Instant, stopping: &Stopping<'_>) -> Outcome {
    let mut pause = Duration::from_millis(1);
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Outcome::Delivered,
            Ok(Some(status)) => return Outcome::Lost(status.to_string()),
            Err(error) => return Outcome::Lost(error.to_string()),
            Ok(None) => {}
        }
        // Before the very end, so that what became of it can still be said.
        let early = |stop: Instant| stop.checked_sub(Duration::from_millis(200)).unwrap_or(stop);
        let stop = stopping.deadline().map_or(deadline, |stop| early(stop).min(deadline));
        if Instant::now() >= stop {
            let _ = child.kill();
            let _ = child.wait();
            // What did not end may be done again after a restart.
            return if stop < deadline {
                Outcome::Failed("killed, as keepwarm stops".to_owned())
            } else {
                Outcome::Lost("killed, as it took too long".to_owned())
            };
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Splits a line as `sh` does: by blanks, but for those in quotes or behind a backslash. Nothing else means anything.
fn split(line: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars().enumerate();
    while let Some((at, c)) = chars.next() {
        match c {
            ' ' | '\t' | '\n' => words.extend(word.take()),
            '\'' | '"' => quoted(&mut chars, c, word.get_or_insert_default())
                .ok_or_else(|| unfinished(line, at, &format!("a closing {c}")))?,
            '\\' => {
                let (_, next) =
                    chars.next().ok_or_else(|| unfinished(line, at, "a character behind \\"))?;
                word.get_or_insert_default().push(next);
            }
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// What stands up to the closing quote; none if there is none. In double quotes a backslash escapes `"`, `\`, `$` and a
/// backtick (POSIX shell, 2.2.3).
fn quoted(
    chars: &mut impl Iterator<Item = (usize, char)>,
    quote: char,
    word: &mut String,
) -> Option<()> {
    loop {
        let (_, c) = chars.next()?;
        if c == quote {
            return Some(());
        }
        if c != '\\' || quote == '\'' {
            word.push(c);
            continue;
        }
        let (_, next) = chars.next()?;
        if !matches!(next, '"' | '\\' | '$' | '`') {
            word.push('\\');
        }
        word.push(next);
    }
}

#[cold]
fn unfinished(line: &str, at: usize, expected: &str) -> Error {
    let shown = caret(line, at, 40);
    Error::new(ErrorKind::Usage, format!("--exec: expected {expected}, found the end\n{shown}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::event::tests::firing;
    use crate::notify::queue::Worker;
    use std::sync::Arc;

    #[test]
    fn lines_are_split_as_a_shell_does() {
        for (line, expected) in [
            ("a b  c", "a|b|c"),
            (" a\tb ", "a|b"),
            ("'a b' \"c d\"", "a b|c d"),
            ("a'b'\"c\"d", "abcd"),
            (r"a\ b \'c", "a b|'c"),
            (r#""a\"b\\c\d$e""#, r#"a"b\c\d$e"#),
            (r"'a\b'", r"a\b"),
            ("a '' b", "a||b"),
            ("a | b > $HOME # c", "a|||b|>|$HOME|#|c"),
            ("", ""),
        ] {
            assert_eq!(split(line).unwrap().join("|"), expected, "{line}");
        }
        for (line, expected) in [
            ("a 'b", "expected a closing ', found the end\n    a 'b\n      ^"),
            ("a \"b\\\"", "expected a closing \", found the end\n    a \"b\\\"\n      ^"),
            ("a \\", "expected a character behind \\, found the end\n    a \\\n      ^"),
        ] {
            assert_eq!(split(line).unwrap_err().message(), format!("--exec: {expected}"));
        }
        for line in ["", "  ", "''"] {
            assert!(Command::new(line).unwrap_err().message().contains("found: nothing"));
        }
        for program in ["/nowhere/hook", "/", "/etc/passwd", "keepwarm-no-such-command"] {
            let missing = Command::new(program).unwrap_err();
            assert_eq!(missing.message(), format!("--exec: there is no command {program}"));
        }
    }

    /// Runs a command for one event; what it said, and what became of it.
    fn run(line: &str, most: Duration) -> (Vec<String>, u64) {
        let command = Command { most, ..Command::new(line).unwrap() };
        let worker = Worker::start("exec".to_owned(), "x", command, Vec::new()).unwrap();
        worker.send(&Arc::new(firing("a")));
        let deadline = Instant::now() + Duration::from_secs(60);
        worker.begin_to_stop(deadline);
        (worker.stop(deadline), worker.counts().delivered)
    }

    #[test]
    fn a_command_gets_the_json_and_its_arguments() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a b");
        let line =
            format!("sh -c 'cat > \"$1\"; echo noise; echo noise >&2' x '{}'", path.display());
        assert_eq!(run(&line, MOST), (vec![], 1));
        assert_eq!(std::fs::read_to_string(path).unwrap(), firing("a").json() + "\n");
    }

    #[test]
    fn a_command_that_fails_or_hangs_loses_its_event_and_that_is_said() {
        for (line, most, why) in [
            ("sh -c 'exit 3'", MOST, "exit status: 3"),
            ("sleep 1000", Duration::ZERO, "killed, as it took too long"),
        ] {
            let (messages, delivered) = run(line, most);
            assert!(messages.len() == 1 && messages[0].contains(why), "{line}: {messages:?}");
            assert!(messages[0].contains("lost: 2026-11-21T00:00:00Z FIRING hit_rate app"));
            assert_eq!(delivered, 0);
        }
        assert_eq!(run("true", MOST), (vec![], 1), "it need not read its stdin");
    }
}
