//! What there is to say of tasks besides their counts, and the numbers of their lines.
//!
//! Workers fold the blocks of a task in any order, and none of them knows how many lines the blocks of others have. So all
//! tell the same list, and a malformed line gets its number once all blocks in front of its own are folded.

use super::Batch;
use crate::analysis::report::MalformedLine;
use crate::error::Error;
use crate::input::Task;
use crate::summary::Summary;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A block of a task.
#[derive(Debug, Clone, Default)]
pub(super) struct Part {
    pub(super) task: usize,
    /// Blocks of the task in front of it.
    pub(super) block: u64,
    /// Lines of the task in front of it that are too long.
    pub(super) too_long_before: u64,
    folded: Arc<Mutex<Folded>>,
}

/// The blocks of a task that are folded.
#[derive(Debug, Default)]
struct Folded {
    /// All in front of this one are; it is never behind the block of a malformed line.
    next: u64,
    /// Lines of all in front of it.
    before: u64,
    /// Lines of blocks behind it that were folded sooner, by their numbers: few, as blocks are taken in their order.
    later: BTreeMap<u64, u64>,
    malformed: Option<(u64, Malformed)>,
    /// Lines of any block.
    lines: u64,
}

/// The first line of a block that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Malformed {
    /// Number in the block, from 1.
    pub(super) line: u64,
    /// From 1.
    pub(super) column: u64,
    pub(super) reason: String,
}

impl Part {
    /// The first block of a task.
    pub(super) fn first(task: usize) -> Self {
        Part { task, ..Part::default() }
    }

    /// It is folded, and has so many lines.
    pub(super) fn folded(&self, lines: u64, malformed: Option<Malformed>) {
        let mut folded = self.folded.lock().unwrap_or_else(PoisonError::into_inner);
        let Folded { next, before, later, malformed: first, lines: all } = &mut *folded;
        *all += lines;
        if first.as_ref().is_some_and(|(block, _)| *block < self.block) {
            return;
        }
        if let Some(mut found) = malformed {
            found.line += self.too_long_before;
            *first = Some((self.block, found));
            later.retain(|block, _| *block < self.block);
            return;
        }
        later.insert(self.block, lines);
        while let Some(lines) = later.remove(next) {
            *before += lines;
            *next += 1;
        }
    }
}

/// What there is to say of one task besides its counts.
#[derive(Debug)]
pub(super) struct TaskNote {
    part: Part,
    /// Lines that were skipped because they are too long.
    pub(super) too_long: u64,
    pub(super) warning: Option<String>,
    pub(super) error: Option<Error>,
}

impl TaskNote {
    /// Of the task of this block.
    pub(super) fn new(part: Part) -> Self {
        TaskNote { part, too_long: 0, warning: None, error: None }
    }
}

/// Turns notes of all tasks, whose blocks are all folded, into places that a person can look up.
pub(super) fn collect(summary: Summary, tasks: &[Task<'_>], mut notes: Vec<TaskNote>) -> Batch {
    notes.sort_by_key(|note| note.part.task);
    let mut batch = Batch { summary, ..Batch::default() };
    let mut source = usize::MAX;
    let mut lines_before = 0;
    for note in notes {
        let task = &tasks[note.part.task];
        if task.source_index() != source {
            source = task.source_index();
            lines_before = 0;
        }
        let mut folded = note.part.folded.lock().unwrap_or_else(PoisonError::into_inner);
        if batch.first_malformed.is_none()
            && let Some((_, found)) = folded.malformed.take()
        {
            let Malformed { line, column, reason } = found;
            let line = lines_before + folded.before + line;
            let source = task.source().name().to_owned();
            batch.first_malformed = Some(MalformedLine { source, line, column, reason });
        }
        lines_before += folded.lines + note.too_long;
        batch.warnings.extend(note.warning);
        batch.errors.extend(note.error);
    }
    // One range of a file that is gone fails as all others do.
    batch.errors.dedup();
    batch
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_line_has_its_number_in_whatever_order_blocks_are_folded(
            blocks in prop::collection::vec((1u64..50, prop::option::weighted(0.1, 0u64..50), 0u64..3), 1..60),
            order in prop::collection::vec(any::<u64>(), 60),
        ) {
            let mut part = Part::first(7);
            let (mut before, mut expected, mut parts) = (0, None, Vec::new());
            for ((lines, malformed, too_long), rank) in blocks.into_iter().zip(order) {
                part.too_long_before += too_long;
                let malformed = malformed.map(|at| at % lines + 1);
                if let Some(line) = malformed {
                    expected = expected.or(Some(before + part.too_long_before + line));
                }
                parts.push((rank, part.clone(), lines, malformed));
                before += lines;
                part.block += 1;
            }
            parts.sort_by_key(|(rank, ..)| *rank);
            for (_, part, lines, malformed) in parts {
                let found = |line| Malformed { line, column: 1, reason: String::new() };
                part.folded(lines, malformed.map(found));
            }
            let folded = part.folded.lock().unwrap();
            prop_assert_eq!(folded.lines, before);
            prop_assert!(folded.later.is_empty());
            let found = folded.malformed.as_ref();
            prop_assert_eq!(found.map(|(_, found)| folded.before + found.line), expected);
        }
    }
}
