//! The live table of `keepwarm watch` on a terminal.

use crate::util::Dir;
use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::Child;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What programs on a terminal write to and read from.
fn other_end(terminal: &File) -> File {
    let name = ptsname(terminal, Vec::new()).unwrap();
    let no_tty = i32::try_from(OFlags::NOCTTY.bits()).unwrap();
    let mut options = File::options();
    options.read(true).write(true).custom_flags(no_tty);
    options.open(name.to_str().unwrap()).unwrap()
}

/// A terminal whose other end is read by a thread.
struct Terminal {
    file: File,
    bytes: Receiver<Vec<u8>>,
    shown: String,
    /// Without anybody at its other end there is nothing to read.
    _kept: File,
}

impl Terminal {
    fn new(columns: u16, rows: u16) -> Self {
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let file = File::from(master);
        let kept = other_end(&file);
        let mut reader = file.try_clone().unwrap();
        let (send, bytes) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                let _ = send.send(buffer[..count].to_vec());
            }
        });
        let terminal = Terminal { file, bytes, shown: String::new(), _kept: kept };
        terminal.resize(columns, rows);
        terminal
    }

    fn resize(&self, columns: u16, rows: u16) {
        let size = Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.file, size).unwrap();
    }

    /// Whether it shows keys, and whole lines only.
    fn modes(&self) -> LocalModes {
        tcgetattr(&self.file).unwrap().local_modes
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

/// A log of the last seconds.
fn log() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let line = |n: u64| format!("{}.000 10.0.0.1:80 0.000", now - n % 20);
    (0..500).map(line).collect::<Vec<_>>().join("\n") + "\n"
}

/// The program on a terminal, with its log on it or elsewhere.
fn watch(dir: &Dir, terminal: &Terminal, term: &str) -> Child {
    dir.write("access.log", log());
    let format = "$msec $upstream_addr $upstream_connect_time";
    let args = ["watch", "-f", format, "--from-start", "--every", "1s", "access.log"];
    let mut command = dir.command(&args);
    command.env("TERM", term).stdin(other_end(&terminal.file));
    command.stdout(other_end(&terminal.file)).stderr(other_end(&terminal.file)).spawn().unwrap()
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn is_stopped(child: &Child) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
}

const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

#[test]
fn the_screen_follows_the_terminal_and_q_leaves_it_as_it_was() {
    let dir = Dir::new();
    let mut terminal = Terminal::new(100, 30);
    let before = terminal.modes();
    let mut watch = watch(&dir, &terminal, "xterm");
    let begin = terminal.await_text("10.0.0.1:80");
    assert!(begin.contains(ENTER), "{begin:?}");
    assert_ne!(terminal.modes(), before, "keys are not shown");
    send(&watch, Signal::HUP);
    let said = terminal.await_text("no --config to read again");
    assert!(!said.contains(LEAVE), "messages are on the screen: {said:?}");
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
    terminal.file.write_all(b"xq").unwrap();
    assert!(watch.wait().unwrap().success());
    let end = terminal.await_text(" counted since the start");
    let (screen, after) = end.split_once(LEAVE).unwrap();
    assert!(!screen.contains("xq"), "keys are not shown: {screen:?}");
    assert!(after.contains("no --config to read again"), "messages are there after it: {after:?}");
    assert_eq!(terminal.modes(), before);
}

#[test]
fn a_screen_that_is_stopped_gives_the_terminal_back_and_takes_it_again() {
    let dir = Dir::new();
    let mut terminal = Terminal::new(100, 30);
    let before = terminal.modes();
    let mut watch = watch(&dir, &terminal, "xterm");
    for signal in [Signal::INT, Signal::QUIT] {
        terminal.await_text(ENTER);
        terminal.await_text("10.0.0.1:80");
        send(&watch, Signal::TSTP);
        terminal.await_text(LEAVE);
        while !is_stopped(&watch) {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(terminal.modes(), before);
        send(&watch, Signal::CONT);
        terminal.await_text(ENTER);
        terminal.await_text("10.0.0.1:80");
        assert_ne!(terminal.modes(), before);
        send(&watch, signal);
        assert!(watch.wait().unwrap().success());
        terminal.await_text(LEAVE);
        assert_eq!(terminal.modes(), before);
        watch = self::watch(&dir, &terminal, "xterm");
    }
    watch.kill().unwrap();
    watch.wait().unwrap();
}

#[test]
fn a_terminal_that_has_no_screen_gets_lines() {
    let dir = Dir::new();
    let mut terminal = Terminal::new(100, 30);
    let mut watch = watch(&dir, &terminal, "dumb");
    let shown = terminal.await_text("Z 10.0.0.1:80: reuse ");
    assert!(!shown.contains('\x1b'), "{shown:?}");
    send(&watch, Signal::TERM);
    assert!(watch.wait().unwrap().success());
}
