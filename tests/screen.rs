//! The live table of `keepwarm watch` on a terminal.

use crate::util::{Dir, FORMAT, line};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::File;
use std::io::Read;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A terminal whose other end is read by a thread.
struct Terminal {
    file: File,
    bytes: Receiver<Vec<u8>>,
    shown: String,
}

impl Terminal {
    fn new(columns: u16, rows: u16) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let file = File::from(master);
        let mut reader = file.try_clone().unwrap();
        let (send, bytes) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                let _ = send.send(buffer[..count].to_vec());
            }
        });
        let terminal = Terminal { file, bytes, shown: String::new() };
        terminal.resize(columns, rows);
        terminal
    }

    fn resize(&self, columns: u16, rows: u16) {
        let size = Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.file, size).unwrap();
    }

    fn other_end(&self) -> File {
        let name = ptsname(&self.file, Vec::new()).unwrap();
        File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap()
    }

    /// Waits until what is shown from here on has this in it, and returns it.
    fn await_text(&mut self, text: &str) -> String {
        while !self.shown.contains(text) {
            let bytes = self.bytes.recv_timeout(Duration::from_secs(60));
            let bytes = bytes.unwrap_or_else(|_| panic!("no {text:?} in {:?}", self.shown));
            self.shown.push_str(&String::from_utf8_lossy(&bytes));
            // What the terminal makes of the end of a row.
            self.shown = self.shown.replace("\r\r\n", "\r\n");
        }
        std::mem::take(&mut self.shown)
    }
}

/// Rows of whole pictures: what stands between the sequences that go to the first place and erase the rest.
fn pictures(shown: &str) -> Vec<Vec<&str>> {
    let (whole, _) = shown.rsplit_once("\x1b[J").unwrap_or_default();
    let pictures = whole.split("\x1b[H").skip(1);
    pictures
        .map(|picture| picture.trim_end_matches("\x1b[J").split("\x1b[K\r\n").collect())
        .collect()
}

#[test]
fn the_screen_follows_the_terminal_and_leaves_it_as_it_was() {
    let dir = Dir::new();
    dir.write(
        "access.log",
        (0..500).map(|n| line(n / 10, "10.0.0.1:80", "0.000")).collect::<String>(),
    );
    let mut terminal = Terminal::new(100, 30);
    let args = ["watch", "-q", "-f", FORMAT, "--from-start", "access.log"];
    let mut watch = dir.command(&args).stdout(terminal.other_end()).spawn().unwrap();
    let begin = terminal.await_text("10.0.0.1:80");
    assert!(begin.starts_with("\x1b[?1049h\x1b[?25l"), "{begin:?}");
    terminal.resize(40, 10);
    let is_narrow = |picture: &Vec<&str>| {
        picture.len() <= 10 && picture.iter().all(|row| row.chars().count() <= 40)
    };
    loop {
        let shown = terminal.await_text("\x1b[J");
        if pictures(&shown).last().is_some_and(is_narrow) {
            break;
        }
    }
    let pid = watch.id().to_string();
    assert!(
        Command::new("sh").args(["-c", &format!("kill -INT {pid}")]).status().unwrap().success()
    );
    assert!(watch.wait().unwrap().success());
    let end = terminal.await_text("\x1b[?25h\x1b[?1049l");
    assert!(end.ends_with("\x1b[?25h\x1b[?1049l"), "{end:?}");
}
