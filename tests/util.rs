//! Runs the built program in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A folder that removes itself; programs run in it, so that names in outputs are the same everywhere.
pub(crate) struct Dir(TempDir);

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Run {
    /// The exit status.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) stdout: Vec<u8>,
    /// Standard error.
    pub(crate) stderr: String,
}

impl Dir {
    /// A new empty folder.
    pub(crate) fn new() -> Self {
        Dir(tempfile::tempdir().unwrap())
    }

    /// The folder with one file, `access.log`.
    pub(crate) fn with_log(bytes: impl AsRef<[u8]>) -> Self {
        let dir = Dir::new();
        dir.write("access.log", bytes);
        dir
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    /// Reads a file.
    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// The path of a file.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The program, ready to run here.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        keepwarm(self.0.path(), args)
    }

    /// Runs the program with empty standard input.
    pub(crate) fn run(&self, args: &[&str]) -> Run {
        run_in(self.0.path(), args)
    }
}

/// The program, ready to run in a folder, with nothing on standard input.
fn keepwarm(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keepwarm"));
    command.current_dir(folder).args(args).stdin(Stdio::null());
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "RUST_BACKTRACE"] {
        command.env_remove(name);
    }
    command
}

/// Runs the program in a folder.
pub(crate) fn run_in(folder: &Path, args: &[&str]) -> Run {
    finish(keepwarm(folder, args).output().unwrap())
}

/// Checks what must hold of every run: it ends by itself with 0, 1 or 2, does not panic, and writes no control byte but
/// line ends and no broken text.
pub(crate) fn finish(output: Output) -> Run {
    let code = output.status.code().expect("ended by a signal");
    let stderr = String::from_utf8(output.stderr).expect("stderr is text");
    assert!((0..=2).contains(&code), "exit status {code}: {stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    let stdout = str::from_utf8(&output.stdout).expect("stdout is text");
    for text in [stdout, &stderr] {
        let control = text.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(control, None, "a control character in:\n{text}");
    }
    Run { code, stdout: output.stdout, stderr }
}

impl Run {
    /// Standard output as text.
    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.stdout).unwrap()
    }

    /// Standard output as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The same run, which must have ended with this status.
    pub(crate) fn code(self, expected: i32) -> Self {
        assert_eq!(self.code, expected, "{}\n{}", self.stderr, self.text());
        self
    }

    /// The same run, which must have said this on standard error.
    pub(crate) fn says(self, expected: &str) -> Self {
        assert!(self.stderr.contains(expected), "expected {expected:?} in:\n{}", self.stderr);
        self
    }
}

/// `combined` and the four upstream fields of the preset `keepwarm`'s short form: a line as nginx writes it.
pub(crate) fn line(second: u32, addr: &str, connect: &str) -> String {
    let (minute, second) = (second / 60 % 60, second % 60);
    format!(
        "1.1.1.1 - - [21/Nov/2026:02:{minute:02}:{second:02} +0000] \"GET / HTTP/1.1\" 200 100 \"-\" \"curl/8\" \
         ua=\"{addr}\" uct=\"{connect}\"\n"
    )
}

/// The format of [`line()`].
pub(crate) const FORMAT: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \
    \"$http_referer\" \"$http_user_agent\" ua=\"$upstream_addr\" uct=\"$upstream_connect_time\"";
