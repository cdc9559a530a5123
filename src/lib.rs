//! keepwarm reads nginx access logs and answers one question: are upstream connections reused, and if not, why?
//!
//! Data flows one way, and a module may use only what stands to its left:
//!
//! ```text
//! input -> log_format -> tokenizer -> record -> summary -> analysis -> render
//! ```
//!
//! The core does no I/O: only `input`, `pipeline`, `host` and `cli` touch files, threads, sockets, the clock or the
//! environment.

pub mod analysis;
pub mod cli;
pub mod detect;
pub mod error;
pub mod fold;
#[cfg(test)]
mod golden;
pub mod host;
pub mod input;
pub mod live;
pub mod log_format;
pub mod nginx_conf;
pub mod notify;
pub mod pipeline;
pub mod record;
pub mod render;
pub mod serve;
mod span;
pub mod summary;
pub mod tokenizer;
mod units;
mod wide;
