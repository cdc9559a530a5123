//! What is counted of an attempt, however it was read.

#![expect(
    clippy::inline_always,
    reason = "several times a line: a call for each would be felt, and hide what is certain of the usual line"
)]

use super::{Attempt, Outcome};
use crate::log_format::variable::Field;
use crate::tokenizer::Fields;

/// An attempt, as of [`Attempt`], whose values may yet have to be read. Times are whole milliseconds.
pub trait Tried {
    /// See [`Attempt::addr`].
    fn addr(&self) -> &[u8];
    /// See [`Attempt::last_pass`].
    fn last_pass(&self) -> bool;
    /// See [`Attempt::outcome`].
    fn outcome(&self) -> Outcome;
    /// See [`Attempt::stale`].
    fn stale(&self) -> bool;
    /// See [`Attempt::connect_ms`].
    fn connect_ms(&self) -> Option<u32>;
    /// See [`Attempt::header_ms`].
    fn header_ms(&self) -> Option<u32>;
    /// See [`Attempt::response_ms`].
    fn response_ms(&self) -> Option<u32>;
    /// See [`Attempt::bytes_sent`].
    fn bytes_sent(&self) -> Option<u64>;
}

impl Tried for Attempt<'_> {
    #[inline]
    fn addr(&self) -> &[u8] {
        self.addr
    }

    #[inline]
    fn last_pass(&self) -> bool {
        self.last_pass
    }

    #[inline]
    fn outcome(&self) -> Outcome {
        self.outcome
    }

    #[inline]
    fn stale(&self) -> bool {
        self.stale
    }

    #[inline]
    fn connect_ms(&self) -> Option<u32> {
        self.connect_ms
    }

    #[inline]
    fn header_ms(&self) -> Option<u32> {
        self.header_ms
    }

    #[inline]
    fn response_ms(&self) -> Option<u32> {
        self.response_ms
    }

    #[inline]
    fn bytes_sent(&self) -> Option<u64> {
        self.bytes_sent
    }
}

/// The only attempt of a line whose times are numbers and that was not upgraded, at a peer whose address is all of its list.
/// Each value is read where it is counted: all of them at once take more registers than there are. Whether its connect
/// time is above 0 is known to the compiler.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbers<'a, const NEW: bool> {
    /// The values of the line.
    pub(crate) fields: &'a Fields<'a>,
    /// The peer.
    pub(crate) addr: &'a [u8],
    /// `$upstream_response_time` in milliseconds, which counts more than once.
    pub(crate) response_ms: u32,
}

impl<const NEW: bool> Numbers<'_, NEW> {
    #[inline(always)]
    fn time(&self, field: Field) -> Option<u32> {
        self.fields.number(field).map(|ms| u32::try_from(ms).unwrap_or(u32::MAX))
    }
}

impl<const NEW: bool> Tried for Numbers<'_, NEW> {
    #[inline(always)]
    fn addr(&self) -> &[u8] {
        self.addr
    }

    #[inline(always)]
    fn last_pass(&self) -> bool {
        true
    }

    #[inline(always)]
    fn outcome(&self) -> Outcome {
        if NEW { Outcome::New } else { Outcome::Undecided }
    }

    /// A header came.
    #[inline(always)]
    fn stale(&self) -> bool {
        false
    }

    #[inline(always)]
    fn connect_ms(&self) -> Option<u32> {
        if NEW { self.time(Field::ConnectTime) } else { Some(0) }
    }

    #[inline(always)]
    fn header_ms(&self) -> Option<u32> {
        self.time(Field::HeaderTime)
    }

    #[inline(always)]
    fn response_ms(&self) -> Option<u32> {
        Some(self.response_ms)
    }

    #[inline(always)]
    fn bytes_sent(&self) -> Option<u64> {
        self.fields.number(Field::BytesSent)
    }
}
