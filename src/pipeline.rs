//! The threads of a batch run: workers take tasks, fold their lines into summaries of their own, and the summaries are
//! merged once at the end.
//!
//! Which worker takes which task is chance; the result is not, because summaries merge in any order to the same
//! (see [`crate::summary`]). What does depend on places, line numbers and the order of `--invalid-out`, is keyed by
//! task and put in order here.

pub mod live;
mod notes;
mod share;

use crate::analysis::report::MalformedLine;
use crate::error::{Error, ErrorKind, Result};
use crate::fold::{Fold, Recipe};
use crate::input::{Buffer, Lines, Task};
use crate::summary::{LineCounts, Merge, Summary};
use notes::{Malformed, Part, TaskNote, collect};
use share::{Giver, Portion, Share};
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

/// What a batch run found.
#[derive(Debug, Default)]
pub struct Batch {
    /// All lines of all tasks.
    pub summary: Summary,
    /// The first line that does not fit, in the order of the tasks.
    pub first_malformed: Option<MalformedLine>,
    /// Sources that could not be read to their end, in the order of the tasks.
    pub errors: Vec<Error>,
    /// What was odd about sources, in the order of the tasks.
    pub warnings: Vec<String>,
}

/// Reads all tasks on `threads` threads (none: one per core). `recipes` has one entry per source. Malformed lines
/// are written to `invalid` as they are.
///
/// # Errors
/// Kind `Io` if no threads can be started or `invalid` can't be written to. What happens to a single source is in the
/// result.
pub fn batch(
    tasks: &[Task<'_>],
    recipes: &[Recipe],
    threads: Option<usize>,
    invalid: Option<&mut (dyn Write + Send)>,
) -> Result<Batch> {
    batch_watched(tasks, recipes, threads, invalid, &|_| {})
}

/// The same, and `read` is told of the bytes of each block as soon as it is folded, by any thread.
///
/// # Errors
/// As [`batch`].
pub fn batch_watched(
    tasks: &[Task<'_>],
    recipes: &[Recipe],
    threads: Option<usize>,
    invalid: Option<&mut (dyn Write + Send)>,
    read: &(dyn Fn(u64) + Sync),
) -> Result<Batch> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads.unwrap_or(0))
        .build()
        .map_err(|error| Error::new(ErrorKind::Io, format!("threads: {error}")))?;
    let next = AtomicUsize::new(0);
    let invalid = invalid.map(InvalidLines::new);
    let share = Share::new(pool.current_num_threads());
    let locals = pool.broadcast(|_| {
        let invalid = invalid.as_ref();
        let mut worker = Worker { fold: Fold::default(), notes: Vec::new(), invalid, read };
        let giver = share.begin();
        let mut buffer = Buffer::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(task) = tasks.get(index) else { break };
            worker.task(index, task, recipes, &mut buffer, &giver);
        }
        drop(buffer);
        giver.take(|portion| {
            if let Some(recipe) = recipes.get(tasks[portion.part.task].source_index()) {
                worker.lines(recipe, portion.block.bytes(), &portion.part);
            }
        });
        (worker.fold.summary, worker.notes)
    });
    if let Some(invalid) = invalid {
        invalid.result()?;
    }
    let mut locals = locals.into_iter();
    let (mut summary, mut notes) = locals.next().unwrap_or_default();
    for (part, part_notes) in locals {
        summary.merge(part);
        notes.extend(part_notes);
    }
    Ok(collect(summary, tasks, notes))
}

struct Worker<'a, 'o> {
    fold: Fold,
    notes: Vec<TaskNote>,
    invalid: Option<&'a InvalidLines<'o>>,
    read: &'a (dyn Fn(u64) + Sync),
}

impl Worker<'_, '_> {
    fn task(
        &mut self,
        index: usize,
        task: &Task<'_>,
        recipes: &[Recipe],
        buffer: &mut Buffer,
        giver: &Giver<'_>,
    ) {
        let part = Part::first(index);
        let mut note = TaskNote::new(part.clone());
        if let Some(recipe) = recipes.get(task.source_index())
            && let Err(error) = self.read(task, recipe, buffer, giver, part, &mut note)
        {
            note.error = Some(error);
        }
        if let Some(invalid) = self.invalid {
            invalid.finish(index);
        }
        self.notes.push(note);
    }

    fn read(
        &mut self,
        task: &Task<'_>,
        recipe: &Recipe,
        buffer: &mut Buffer,
        giver: &Giver<'_>,
        mut part: Part,
        note: &mut TaskNote,
    ) -> Result<()> {
        // Malformed lines are written in their order by those who read them.
        let gives = task.is_stream() && self.invalid.is_none();
        let mut reader = task.open(buffer)?;
        let result = loop {
            let block = match reader.next_block() {
                Ok(Some(block)) => block,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            };
            part.too_long_before = block.too_long_before;
            match gives.then(|| giver.spare()).flatten() {
                Some(spare) => {
                    let block = reader.take_block(spare);
                    giver.give(Portion { part: part.clone(), block });
                }
                None => self.lines(recipe, block.bytes, &part),
            }
            part.block += 1;
        };
        let read = reader.summary();
        note.too_long = read.too_long;
        note.warning = read.warning;
        self.fold.summary.lines.merge(LineCounts {
            bytes: read.bytes,
            lines: read.too_long,
            too_long: read.too_long,
            ..LineCounts::default()
        });
        result
    }

    /// Folds the lines of a block.
    fn lines(&mut self, recipe: &Recipe, bytes: &[u8], part: &Part) {
        let mut malformed = None;
        let lines = Lines::new(bytes).map(|line| line.bytes);
        let lines = self.fold.lines(recipe, lines, |at, line, mismatch| {
            malformed.get_or_insert_with(|| {
                let column = u64::try_from(mismatch.column).unwrap_or(u64::MAX).saturating_add(1);
                Malformed { line: at, column, reason: mismatch.reason(line) }
            });
            if let Some(invalid) = self.invalid {
                invalid.write(part.task, line);
            }
        });
        part.folded(lines, malformed);
        (self.read)(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    }
}

/// Bytes that all tasks together may hold back while an earlier one is still being read.
const HELD_BACK: usize = 16 << 20;

/// Writes malformed lines in the order of the tasks, though several tasks find them at once.
struct InvalidLines<'a> {
    state: Mutex<InvalidState<'a>>,
    turn: Condvar,
}

struct InvalidState<'a> {
    out: &'a mut (dyn Write + Send),
    /// The task whose lines go straight out.
    current: usize,
    /// Lines of later tasks, and whether they are finished.
    later: std::collections::BTreeMap<usize, (Vec<u8>, bool)>,
    /// Bytes in `later`.
    held: usize,
    failure: Option<std::io::Error>,
}

impl InvalidState<'_> {
    fn put(&mut self, bytes: &[u8]) {
        if self.failure.is_none() {
            self.failure = self.out.write_all(bytes).err();
        }
    }

    /// Goes on to the next task, and over those that are finished already.
    fn advance(&mut self) {
        self.current += 1;
        while let Some((bytes, finished)) = self.later.remove(&self.current) {
            self.held -= bytes.len();
            self.put(&bytes);
            if !finished {
                return;
            }
            self.current += 1;
        }
    }
}

impl<'a> InvalidLines<'a> {
    fn new(out: &'a mut (dyn Write + Send)) -> Self {
        let state = InvalidState {
            out,
            current: 0,
            later: std::collections::BTreeMap::new(),
            held: 0,
            failure: None,
        };
        InvalidLines { state: Mutex::new(state), turn: Condvar::new() }
    }

    fn write(&self, task: usize, line: &[u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // The current task is being read by somebody, so waiting for it ends.
        while state.current != task && state.held > HELD_BACK && state.failure.is_none() {
            state = self.turn.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.current == task {
            state.put(line);
            state.put(b"\n");
        } else if state.failure.is_none() {
            state.held += line.len() + 1;
            let (held, _) = state.later.entry(task).or_default();
            held.extend_from_slice(line);
            held.push(b'\n');
        }
    }

    fn finish(&self, task: usize) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.current == task {
            state.advance();
        } else {
            state.later.entry(task).or_default().1 = true;
        }
        self.turn.notify_all();
    }

    fn result(self) -> Result<()> {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let flushed = state.out.flush();
        match state.failure.or(flushed.err()) {
            Some(error) => Err(Error::io("--invalid-out", &error)),
            None => Ok(()),
        }
    }
}
