//! Messages of a live run, written to stderr by a thread of its own: a reader of stderr that stalls must not stop it.

use crossbeam_channel::{Receiver, Sender, bounded};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::Duration;

/// Most messages that wait to be written; more are counted.
const MOST: usize = 1_000;

/// Messages that are kept to be shown on a screen.
const RECENT: usize = 3;

/// How long the end waits for a reader.
const LAST: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct Inner {
    queue: Option<Sender<String>>,
    left_out: usize,
    /// There is a screen where stderr is: messages wait here until it is gone.
    held: Option<VecDeque<String>>,
    recent: VecDeque<String>,
}

/// The thread's other end.
#[derive(Debug)]
pub(super) struct Aside {
    inner: Mutex<Inner>,
    ended: Receiver<()>,
}

impl Aside {
    /// # Errors
    /// There can be no thread.
    pub(super) fn start(mut out: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, lines) = bounded::<String>(MOST);
        let (end, ended) = bounded(0);
        Builder::new().name("stderr".to_owned()).spawn(move || {
            for line in lines {
                // If stderr is closed there is nobody to tell.
                let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
            }
            drop(end);
        })?;
        let inner = Inner { queue: Some(queue), ..Inner::default() };
        Ok(Aside { inner: Mutex::new(inner), ended })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one line with its end. What the screen shows anyway is not kept for it.
    pub(super) fn say(&self, line: String, is_shown: bool) {
        let mut inner = self.lock();
        if !is_shown {
            keep(&mut inner.recent, RECENT, line.trim_end().to_owned());
        }
        match &mut inner.held {
            Some(held) => {
                let lost = keep(held, MOST, line);
                inner.left_out += usize::from(lost);
            }
            None => inner.send(line),
        }
    }

    /// The last messages, oldest first, without their ends.
    pub(super) fn recent(&self) -> Vec<String> {
        self.lock().recent.iter().cloned().collect()
    }

    /// From here on messages wait, or no longer.
    pub(super) fn hold(&self, holds: bool) {
        let mut inner = self.lock();
        if holds {
            inner.held.get_or_insert_default();
        } else {
            let held = inner.held.take();
            held.into_iter().flatten().for_each(|line| inner.send(line));
        }
    }

    /// Waits a moment for what is not written yet. What is said after it is lost.
    pub(super) fn end(&self) {
        self.hold(false);
        self.lock().queue = None;
        // It disconnects when all is written.
        let _ = self.ended.recv_timeout(LAST);
    }
}

impl Inner {
    fn send(&mut self, mut line: String) {
        let Some(queue) = &self.queue else { return };
        if self.left_out > 0 {
            let n = self.left_out + 1;
            line = format!("keepwarm: warning: {n} messages left out: stderr is read too slowly\n");
        }
        match queue.try_send(line) {
            Ok(()) => self.left_out = 0,
            Err(_) => self.left_out += 1,
        }
    }
}

/// Appends, and lets go of the first if there are more than so many. Returns whether it did.
fn keep(lines: &mut VecDeque<String>, most: usize, line: String) -> bool {
    lines.push_back(line);
    let is_over = lines.len() > most;
    if is_over {
        lines.pop_front();
    }
    is_over
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "somebody has to read meanwhile")]
    fn a_stderr_that_nobody_reads_holds_nobody_up_and_says_what_is_left_out() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let aside = Aside::start(std::fs::File::from(writer)).unwrap();
        let long = "x".repeat(4096) + "\n";
        // The pipe holds 16 of these, the thread one.
        (0..MOST + 100).for_each(|_| aside.say(long.clone(), false));
        let reading =
            std::thread::spawn(move || io::read_to_string(std::fs::File::from(reader)).unwrap());
        // Sooner or later there is room again.
        while aside.lock().left_out > 0 {
            aside.say("later\n".to_owned(), false);
        }
        aside.end();
        drop(aside);
        let read = reading.join().unwrap();
        assert!(read.contains(" messages left out: stderr is read too slowly\n"), "{}", read.len());
    }

    #[test]
    fn messages_wait_while_there_is_a_screen() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let aside = Aside::start(std::fs::File::from(writer)).unwrap();
        aside.say("before\n".to_owned(), false);
        aside.hold(true);
        (0..5).for_each(|n| aside.say(format!("{n}\n"), false));
        aside.say("5\n".to_owned(), true);
        assert_eq!(aside.recent(), ["2", "3", "4"]);
        aside.end();
        let read = io::read_to_string(std::fs::File::from(reader)).unwrap();
        assert_eq!(read, "before\n0\n1\n2\n3\n4\n5\n");
    }
}
