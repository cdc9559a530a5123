//! Bytes in: finds logs, opens them however compressed, and hands out blocks of whole lines.
//!
//! This layer knows bytes and places only, nothing of log formats. A run goes through it like this:
//!
//! 1. [`discover()`] turns arguments (files, folders, patterns, `-`) into [`Source`]s, each once.
//! 2. [`sample()`] shows the first lines of a source, so that a format can be detected. What was
//!    read from a pipe for that is not lost.
//! 3. [`plan()`] cuts the sources into [`Task`]s: a large plain file becomes several ranges, all
//!    else is one task.
//! 4. A worker opens a task with its own [`Buffer`] and takes [`Block`]s from the [`BlockReader`];
//!    [`Lines`] walks the lines of a block.
//!
//! A run that goes on follows growing logs instead ([`follow::Follower`]), listens for syslog
//! ([`listen::Listener`]), or takes the blocks of a pipe as they come: a [`BlockReader`] hands out
//! the whole lines of each read and does not wait for more.
//!
//! Plain files are read by `pread` into a small buffer, not mapped: a log may be truncated while it
//! is read (logrotate's `copytruncate`), and a mapped file would then kill the process.

pub mod blocks;
pub mod buffer;
pub mod compression;
pub mod discover;
pub mod follow;
pub mod lines;
pub mod listen;
pub mod plan;
pub mod source;
pub mod stream;

mod ahead;
mod newlines;

pub use blocks::{BlockReader, ReadSummary};
pub use buffer::{Block, Buffer, MAX_LINE, OwnedBlock, READ};
pub use discover::{Discovered, discover};
pub use follow::Follower;
pub use lines::{Line, Lines};
pub use listen::Listener;
pub use plan::{CHUNK, Task, plan};
pub use source::{Sample, Source, sample};
pub use stream::Stream;
