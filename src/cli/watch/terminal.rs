//! The terminal that stdout is: its own screen, its keys, and how it was before.
//!
//! It is only touched while the process is in its foreground, as else it is somebody else's: a shell's, after Ctrl-Z or `&`.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::getpgrp;
use rustix::stdio::stdout;
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp,
    tcsetattr,
};
use std::io::IsTerminal;

/// Another screen than that of the shell, without a cursor; and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// Whether it is taken, and how it was before.
#[derive(Debug, Default)]
pub(super) struct Terminal {
    is_taken: bool,
    before: Option<Termios>,
}

/// Is stdout a terminal on which a screen can be drawn?
pub(super) fn is_capable() -> bool {
    let term = std::env::var_os("TERM").unwrap_or_default();
    std::io::stdout().is_terminal() && !term.is_empty() && term != "dumb"
}

/// Columns and rows.
pub(super) fn size() -> (usize, usize) {
    let size = terminal_size::terminal_size_of(stdout());
    size.map_or((80, 24), |(width, height)| (usize::from(width.0), usize::from(height.0)))
}

/// Is the process in the foreground? Of a terminal that is not the one that controls it nobody else is.
fn is_foreground() -> bool {
    tcgetpgrp(stdout()).map_or(true, |group| group == getpgrp())
}

impl Terminal {
    /// Takes it, if it is not taken and can be now. Returns what is to be written for that; none: it is not ours.
    pub(super) fn enter(&mut self) -> Option<&'static str> {
        if !is_foreground() {
            self.is_taken = false;
            return None;
        }
        if self.is_taken {
            return Some("");
        }
        self.is_taken = true;
        if let Ok(now) = tcgetattr(stdout()) {
            let mut quiet = now.clone();
            // Keys are read one by one and not shown; those that send signals still do. Ctrl-S stops nothing: it would keep
            // the terminal from being given back.
            quiet.input_modes.remove(InputModes::IXON);
            quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON);
            quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
            quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
            self.before.get_or_insert(now);
            // Where it fails, keys are shown: no reason to show nothing else.
            let _ = tcsetattr(stdout(), OptionalActions::Now, &quiet);
        }
        Some(ENTER)
    }

    /// Gives it back as it was, if it is taken. Returns what is to be written for that.
    pub(super) fn leave(&mut self) -> Option<&'static str> {
        let (was_taken, before) = (std::mem::take(&mut self.is_taken), self.before.take());
        if !(was_taken || before.is_some()) || !is_foreground() {
            return None;
        }
        if let Some(before) = before {
            let _ = tcsetattr(stdout(), OptionalActions::Now, &before);
        }
        Some(LEAVE)
    }

    /// It was somebody else's for a while.
    pub(super) fn lose(&mut self) {
        self.is_taken = false;
    }

    /// Was `q` typed? The keys are read from where the screen is, as stdin may be a log.
    pub(super) fn is_quit(&self) -> bool {
        let mut keys = [0; 64];
        self.is_taken && is_foreground() && has_keys() && {
            // Nobody else reads it in the foreground, or there is nothing to be had: then this does not wait long.
            let count = rustix::io::read(stdout(), &mut keys).unwrap_or(0);
            keys[..count].iter().any(|key| matches!(key, b'q' | b'Q'))
        }
    }
}

fn has_keys() -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let out = stdout();
    let mut polled = [PollFd::new(&out, PollFlags::IN)];
    poll(&mut polled, Some(&now)).is_ok_and(|count| count > 0)
        && polled[0].revents().contains(PollFlags::IN)
}
