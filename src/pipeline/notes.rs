//! What workers have to say of tasks besides their counts, and the numbers of lines.
//!
//! Workers fold the blocks of a task in any order, and none of them knows how many lines the blocks of others have. So each
//! keeps how many lines it found where, and a line gets its number once all have ended.

use super::Batch;
use crate::analysis::report::MalformedLine;
use crate::error::Error;
use crate::input::Task;
use crate::summary::Summary;

/// What a worker has to say of one task besides its counts.
#[derive(Debug)]
pub(super) struct TaskNote {
    pub(super) task: usize,
    /// Lines of any kind, for numbering those of the tasks behind this one.
    lines: u64,
    /// The blocks before that of `malformed`, which no other worker folded.
    runs: Vec<Run>,
    malformed: Option<Malformed>,
    pub(super) warning: Option<String>,
    pub(super) error: Option<Error>,
}

/// Blocks of a task one behind the other, counted from 0.
#[derive(Debug)]
struct Run {
    start: u64,
    end: u64,
    /// Lines of any kind but those that are too long.
    lines: u64,
}

/// The first line of a block that does not fit.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Malformed {
    block: u64,
    /// The number in the block from 1, and all lines of the task before it that are too long.
    line: u64,
    /// From 1.
    column: u64,
    reason: String,
}

impl TaskNote {
    pub(super) fn new(task: usize) -> Self {
        TaskNote { task, lines: 0, runs: Vec::new(), malformed: None, warning: None, error: None }
    }

    /// A block with so many lines was folded. A worker folds those of a task in their order.
    pub(super) fn folded(&mut self, block: u64, lines: u64) {
        self.lines += lines;
        if self.malformed.is_some() {
            return;
        }
        match self.runs.last_mut().filter(|run| run.end == block) {
            Some(run) => {
                run.end += 1;
                run.lines += lines;
            }
            None => self.runs.push(Run { start: block, end: block + 1, lines }),
        }
    }

    /// Lines of the task were skipped.
    pub(super) fn skipped(&mut self, lines: u64) {
        self.lines += lines;
    }

    /// A line of `block`, before it is [folded](Self::folded), does not fit. `line` counts from 1 in the block and
    /// includes all lines of the task before it that are too long; `column`, from 1, and `reason` are asked for only if no
    /// line before it was malformed.
    pub(super) fn malformed(
        &mut self,
        block: u64,
        line: u64,
        found: impl FnOnce() -> (u64, String),
    ) {
        self.malformed.get_or_insert_with(|| {
            let (column, reason) = found();
            Malformed { block, line, column, reason }
        });
    }

    /// Takes in what another worker has to say of the same task.
    fn merge(&mut self, other: &mut TaskNote) {
        self.lines += other.lines;
        self.runs.append(&mut other.runs);
        let malformed = [self.malformed.take(), other.malformed.take()];
        self.malformed = malformed.into_iter().flatten().min();
        self.warning = self.warning.take().or(other.warning.take());
        self.error = self.error.take().or(other.error.take());
    }

    /// How many lines of the task come before `block`, without those that are too long. A run without such a line ends
    /// before the block of any that was found, or begins behind it.
    fn lines_before(&self, block: u64) -> u64 {
        self.runs.iter().filter(|run| run.start < block).map(|run| run.lines).sum()
    }
}

/// The note of a task, which is most likely the last one.
pub(super) fn of_task(notes: &mut Vec<TaskNote>, task: usize) -> &mut TaskNote {
    let at = notes.iter().rposition(|note| note.task == task).unwrap_or_else(|| {
        notes.push(TaskNote::new(task));
        notes.len() - 1
    });
    &mut notes[at]
}

/// Turns notes of all tasks into places that a person can look up.
pub(super) fn collect(summary: Summary, tasks: &[Task<'_>], notes: Vec<TaskNote>) -> Batch {
    let mut batch = Batch { summary, ..Batch::default() };
    let mut source = usize::MAX;
    let mut lines_before = 0;
    for mut note in by_task(notes) {
        let task = &tasks[note.task];
        if task.source_index() != source {
            source = task.source_index();
            lines_before = 0;
        }
        if batch.first_malformed.is_none()
            && let Some(found) = note.malformed.take()
        {
            let line = lines_before + note.lines_before(found.block) + found.line;
            let Malformed { column, reason, .. } = found;
            let source = task.source().name().to_owned();
            batch.first_malformed = Some(MalformedLine { source, line, column, reason });
        }
        lines_before += note.lines;
        batch.warnings.extend(note.warning);
        batch.errors.extend(note.error);
    }
    // One range of a file that is gone fails as all others do.
    batch.errors.dedup();
    batch
}

/// One note for each task, in their order.
fn by_task(mut notes: Vec<TaskNote>) -> Vec<TaskNote> {
    notes.sort_by_key(|note| note.task);
    notes.dedup_by(|next, note| {
        let is_same = next.task == note.task;
        if is_same {
            note.merge(next);
        }
        is_same
    });
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_line_has_its_number_whoever_folds_what(
            blocks in prop::collection::vec((0usize..4, 1u64..50, prop::option::weighted(0.1, 0u64..50)), 1..60),
        ) {
            let mut notes: Vec<_> = (0..4).map(|_| TaskNote::new(7)).collect();
            let (mut before, mut expected) = (0, None);
            for ((worker, lines, malformed), block) in blocks.into_iter().zip(0..) {
                if let Some(at) = malformed {
                    let line = at % lines + 1;
                    notes[worker].malformed(block, line, || (1, String::new()));
                    expected = expected.or(Some(before + line));
                }
                notes[worker].folded(block, lines);
                before += lines;
            }
            let notes = by_task(notes);
            prop_assert_eq!(notes.len(), 1);
            prop_assert_eq!(notes[0].lines, before);
            let found = notes[0].malformed.as_ref();
            prop_assert_eq!(found.map(|found| notes[0].lines_before(found.block) + found.line), expected);
        }
    }
}
