//! Runs a piece of work once to check its answer and, under `cargo bench`, often enough to time it.
#![expect(clippy::disallowed_methods, reason = "timing is what this module is for")]

use std::error::Error;
use std::fmt::Debug;
use std::io::{Write, stdout};
use std::time::{Duration, Instant};

/// Timed runs of each piece; the median counts.
const RUNS: usize = 9;

/// Which benchmarks to run, and how.
#[derive(Debug)]
pub(crate) struct Bench {
    /// Whether to time them. `cargo bench` says so, `cargo test` does not and only wants the answers checked.
    pub(crate) measuring: bool,
    /// Parts of names; none means all.
    filters: Vec<String>,
}

impl Bench {
    /// As the command line says.
    pub(crate) fn from_args() -> Self {
        let args: Vec<String> = std::env::args().skip(1).collect();
        Bench {
            measuring: args.iter().any(|arg| arg == "--bench"),
            filters: args.into_iter().filter(|arg| !arg.starts_with("--")).collect(),
        }
    }

    /// Was this benchmark asked for?
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| name.contains(filter.as_str()))
    }

    /// Runs `work` over `lines` lines of `bytes` bytes together; its answer must be `expected`.
    pub(crate) fn run<T: PartialEq + Debug>(
        &self,
        name: &str,
        (lines, bytes): (u64, u64),
        expected: &T,
        mut work: impl FnMut() -> Result<T, Box<dyn Error>>,
    ) -> Result<(), Box<dyn Error>> {
        if !self.wants(name) {
            return Ok(());
        }
        assert_eq!(work()?, *expected, "{name}");
        if !self.measuring {
            return Ok(());
        }
        let mut times = Vec::new();
        for _ in 0..RUNS {
            let begin = Instant::now();
            let answer = work()?;
            times.push(begin.elapsed());
            assert_eq!(answer, *expected, "{name}");
        }
        times.sort_unstable();
        let median = times[RUNS / 2];
        let per_second = rate(bytes, median);
        let nanos = median.as_nanos() / u128::from(lines.max(1));
        writeln!(
            stdout(),
            "{name:<32} {:>9.2} ms {:>5}.{:02} GB/s {nanos:>6} ns/line",
            median.as_secs_f64() * 1000.0,
            per_second / 100,
            per_second % 100,
        )?;
        Ok(())
    }
}

/// Hundredths of a gigabyte (10^9 bytes) per second.
fn rate(bytes: u64, time: Duration) -> u128 {
    u128::from(bytes) * 100 / time.as_nanos().max(1)
}
