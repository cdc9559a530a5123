//! Summaries, and what is made of them, to bytes and back.
//!
//! A container around postcard's format: magic, version, length and checksum, so that a file that was cut, damaged or
//! written by another version is told apart from one that is good. All numbers are little-endian:
//!
//! ```text
//! "kwsm"  version: u16  length of the body: u64  crc32 of the body: u32  body
//! ```
//!
//! What is read back is not trusted: every part with an order, a bound or an index checks it anew (`#[serde(try_from)]`),
//! and lengths allocate no more than a multiple of the input's size.

use crate::error::{Error, ErrorKind, Result};
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};

/// What such bytes begin with.
const MAGIC: &[u8; 4] = b"kwsm";

/// To be raised when anything that is stored changes its form.
const VERSION: u16 = 3;

/// Bytes before the body.
const HEAD: usize = 4 + 2 + 8 + 4;

/// The longest body that is read.
pub const MAX_BYTES: usize = 1 << 30;

/// What to do about bytes that can't be used.
const HINT: &str = "delete it to begin anew, or use the version of keepwarm that wrote it";

/// A value in its container.
///
/// # Errors
/// Kind `Input` if it is longer than [`MAX_BYTES`], or of a kind that can't be stored.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    let mut bytes = postcard::to_extend(value, vec![0; HEAD])
        .map_err(|error| Error::new(ErrorKind::Input, format!("can't be stored: {error}")))?;
    let body = &bytes[HEAD..];
    if body.len() > MAX_BYTES {
        return Err(Error::new(ErrorKind::Input, "more than 1 GiB can't be stored"));
    }
    let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
    let sum = crc32fast::hash(body);
    bytes[..4].copy_from_slice(MAGIC);
    bytes[4..6].copy_from_slice(&VERSION.to_le_bytes());
    bytes[6..14].copy_from_slice(&length.to_le_bytes());
    bytes[14..HEAD].copy_from_slice(&sum.to_le_bytes());
    Ok(bytes)
}

/// A value out of its container.
///
/// # Errors
/// Kind `Input`, with a hint: no such container, another version, cut, damaged, or of impossible contents.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let wrong = |message: String| Error::new(ErrorKind::Input, message).with_hint(HINT);
    let (head, body) = bytes
        .split_first_chunk::<HEAD>()
        .filter(|(head, _)| head.starts_with(MAGIC))
        .ok_or_else(|| wrong("expected what keepwarm stored, found something else".to_owned()))?;
    let number = |from: usize, to: usize| {
        head[from..to].iter().rev().fold(0u64, |number, byte| number << 8 | u64::from(*byte))
    };
    let version = number(4, 6);
    if version != u64::from(VERSION) {
        return Err(wrong(format!(
            "expected version {VERSION} of what is stored, found {version}"
        )));
    }
    let length = number(6, 14);
    if u64::try_from(body.len()) != Ok(length) || body.len() > MAX_BYTES {
        return Err(wrong(format!("cut: expected {length} bytes, found {}", body.len())));
    }
    if number(14, HEAD) != u64::from(crc32fast::hash(body)) {
        return Err(wrong("damaged: the checksum does not fit".to_owned()));
    }
    match postcard::take_from_bytes(body) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(wrong(format!("damaged: {} bytes too many", rest.len()))),
        Err(error) => Err(wrong(format!("damaged: {error}"))),
    }
}

/// Stores values in the order of their indices, each with the distance to the one before: times since the epoch are long
/// and differ by little.
pub(super) fn by_distance<'a, S: Serializer, V: Serialize + 'a>(
    all: impl ExactSizeIterator<Item = (&'a i64, &'a V)>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    let mut before = 0;
    serializer.collect_seq(all.map(|(index, value)| {
        let distance = index.wrapping_sub(before);
        before = *index;
        (distance, value)
    }))
}

/// Indices again out of distances, in place.
pub(super) fn to_indices<V>(stored: &mut [(i64, V)]) {
    let mut before = 0i64;
    for (index, _) in stored {
        before = before.wrapping_add(*index);
        *index = before;
    }
}

/// Do values ascend, each more than the one before?
pub(super) fn ascends<T: PartialOrd>(values: impl Iterator<Item = T> + Clone) -> bool {
    values.clone().zip(values.skip(1)).all(|(a, b)| a < b)
}

/// Can this be a time of a line, in milliseconds since the epoch? Far enough from the ends of 64 bits to reckon with.
pub(super) fn is_time(ms: i64) -> bool {
    const FAR: i64 = 1 << 53;
    (-FAR..=FAR).contains(&ms)
}

#[cfg(test)]
mod tests;
