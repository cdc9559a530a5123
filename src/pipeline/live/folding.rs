//! A thread that folds lines, whatever source they are of.

use super::{Choose, Counted, Job, MAX_NOTICES, Reading, SourceCounts, lock};
use crate::fold::Reader;
use crate::input::Lines;
use crate::input::follow::Piece;
use crate::live::part::Part;
use crate::record::error_log::ErrorLog;
use crate::summary::LineCounts;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Lines that a format is chosen by.
const SAMPLE_LINES: usize = 100;

/// A fold thread.
pub(super) struct Folding<'a> {
    choose: &'a Choose<'a>,
    error_log: &'a ErrorLog,
    now: &'a (dyn Fn() -> i64 + Sync),
    reader: Reader,
    readings: BTreeMap<Arc<str>, Reading>,
}

impl<'a> Folding<'a> {
    pub(super) fn new(
        choose: &'a Choose<'a>,
        error_log: &'a ErrorLog,
        now: &'a (dyn Fn() -> i64 + Sync),
    ) -> Self {
        let (reader, readings) = (Reader::default(), BTreeMap::new());
        Folding { choose, error_log, now, reader, readings }
    }

    /// Counts the lines of a block.
    pub(super) fn job(&mut self, job: &Job, counted: &Mutex<Counted>) {
        if job.is_announced {
            lock(counted).announced = true;
            return;
        }
        if job.is_over {
            self.readings.remove(&job.source);
            lock(counted).over.push(Arc::clone(&job.source));
            return;
        }
        let now_ms = (self.now)();
        let reading = self.reading(job, counted);
        let mut counted = lock(counted);
        let Counted { part, positions, sources, over, .. } = &mut *counted;
        // It came back.
        over.retain(|name| *name != job.source);
        part.set_now(now_ms);
        let source = sources.entry(Arc::clone(&job.source)).or_default();
        source.is_other = matches!(reading, Some(Reading::Errors | Reading::Nothing));
        let bytes = u64::try_from(job.bytes.len()).unwrap_or(u64::MAX);
        let too_long = job.too_long;
        part.count(LineCounts { bytes, lines: too_long, too_long, ..LineCounts::default() });
        source.lines += too_long;
        source.malformed += too_long;
        source.too_long += too_long;
        let lines =
            || Lines::new(&job.bytes).map(|line| line.bytes).filter(|line| !line.is_empty());
        let before = source.lines;
        if let (Some(Reading::Access(recipe)), false) = (&reading, job.is_mixed) {
            source.lines += self.reader.lines(recipe, lines(), part, |_, line, mismatch| {
                source.malformed += 1;
                source.first_malformed.get_or_insert_with(|| mismatch.reason(line));
            });
        } else {
            for line in lines() {
                source.lines += 1;
                self.line(reading.as_ref(), line, part, source);
            }
        }
        if source.lines > before {
            source.last_line_ms = Some(now_ms);
        }
        if let Some((file, position)) = &job.at {
            positions.note(&Piece {
                log: 0,
                name: &job.source,
                file: *file,
                bytes: &job.bytes,
                too_long,
                position: position.clone(),
            });
        }
    }

    /// Takes in a line that may be one of an error log, or is none of an access log.
    fn line(
        &mut self,
        reading: Option<&Reading>,
        line: &[u8],
        part: &mut Part,
        source: &mut SourceCounts,
    ) {
        match reading {
            Some(Reading::Access(recipe)) => {
                if self.error_log.fits(recipe.own(line)) {
                    self.error_log
                        .event(recipe.own(line))
                        .into_iter()
                        .for_each(|event| part.event(event));
                } else if let Err(mismatch) = self.reader.line(recipe, line, part) {
                    source.malformed += 1;
                    source.first_malformed.get_or_insert_with(|| mismatch.reason(line));
                }
            }
            Some(Reading::Errors) => {
                if let Some(event) = self.error_log.event(line) {
                    part.event(event);
                }
            }
            Some(Reading::Nothing) => {
                let matched = LineCounts { lines: 1, matched: 1, ..LineCounts::default() };
                part.count(LineCounts { without_upstream: 1, ..matched });
            }
            None => {
                source.unread += 1;
                part.count(LineCounts { lines: 1, malformed: 1, ..LineCounts::default() });
            }
        }
    }

    /// How to read a source, chosen by the first block that tells.
    fn reading(&mut self, job: &Job, counted: &Mutex<Counted>) -> Option<Reading> {
        if let Some(reading) = self.readings.get(&job.source) {
            return Some(reading.clone());
        }
        let lines: Vec<&[u8]> =
            Lines::new(&job.bytes).map(|line| line.bytes).take(SAMPLE_LINES).collect();
        if lines.is_empty() {
            return None;
        }
        match (self.choose)(&job.source, &lines) {
            Ok(Some(reading)) => {
                self.readings.insert(Arc::clone(&job.source), reading.clone());
                Some(reading)
            }
            Ok(None) => None,
            Err(error) => {
                let mut counted = lock(counted);
                let is_known =
                    counted.errors.len() >= MAX_NOTICES || counted.errors.contains(&error);
                if !is_known {
                    counted.errors.push(error);
                }
                None
            }
        }
    }
}
