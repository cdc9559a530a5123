//! One slice of time, in the form that fits how often it is asked.

use crate::error::{Error, Result};
use crate::summary::{Merge, Summary, codec};
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};

/// What was written in a slice of time.
///
/// Packed it takes a small part of the memory: a hundredth where traffic is dense and regular. New lines rarely come to
/// old slices, and only long windows ask for them, so these are packed: encoded and compressed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Slice {
    /// With the moment of the last addition, in milliseconds since the epoch.
    Open(Box<Summary>, i64),
    Packed(Vec<u8>),
}

impl Default for Slice {
    fn default() -> Self {
        Slice::Open(Box::default(), i64::MIN)
    }
}

impl Slice {
    /// A packed copy of a summary. One of more than [`codec::MAX_BYTES`] is a copy only.
    pub(super) fn packed(summary: &Summary) -> Self {
        let open = |_| Slice::Open(Box::new(summary.clone()), i64::MIN);
        packed(summary).map_or_else(open, Slice::Packed)
    }

    /// Takes in more, at this moment in milliseconds since the epoch.
    pub(super) fn add(&mut self, more: Summary, now_ms: i64) {
        let mut summary = std::mem::take(self).into_summary();
        summary.merge(more);
        *self = Slice::Open(summary, now_ms);
    }

    /// Adds itself to a sum.
    pub(super) fn add_to(&self, sum: &mut Summary) {
        match self {
            Slice::Open(summary, _) => sum.merge_copy(summary),
            Slice::Packed(bytes) => sum.merge(unpacked(bytes)),
        }
    }

    /// A copy of the summary.
    pub(super) fn to_summary(&self) -> Summary {
        match self {
            Slice::Open(summary, _) => (**summary).clone(),
            Slice::Packed(bytes) => unpacked(bytes),
        }
    }

    /// The summary itself.
    pub(super) fn into_summary(self) -> Box<Summary> {
        match self {
            Slice::Open(summary, _) => summary,
            Slice::Packed(bytes) => Box::new(unpacked(&bytes)),
        }
    }

    /// Makes it small if nothing was added since then, in milliseconds since the epoch. One of more than
    /// [`codec::MAX_BYTES`] stays as it is.
    pub(super) fn pack(&mut self, unless_since_ms: i64) {
        if let Slice::Open(summary, added_ms) = self
            && *added_ms < unless_since_ms
            && let Ok(bytes) = packed(summary)
        {
            *self = Slice::Packed(bytes);
        }
    }
}

fn packed(summary: &Summary) -> Result<Vec<u8>> {
    let mut deflate = DeflateEncoder::new(Vec::new(), Compression::fast());
    let written = deflate.write_all(&codec::encode(summary)?).and_then(|()| deflate.finish());
    let mut bytes = written.map_err(|error| Error::io("a packed slice", &error))?;
    bytes.shrink_to_fit();
    Ok(bytes)
}

/// What was packed here can be read. What a state file that somebody changed holds may not, and is empty.
fn unpacked(bytes: &[u8]) -> Summary {
    let mut encoded = Vec::new();
    let most = u64::try_from(codec::MAX_BYTES).unwrap_or(u64::MAX);
    let read = DeflateDecoder::new(bytes).take(most).read_to_end(&mut encoded);
    read.ok().and_then(|_| codec::decode(&encoded).ok()).unwrap_or_default()
}
