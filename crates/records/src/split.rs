//! Cuts a records field into batches, without copying.
//!
//! Contract: every `RawBatch` holds exactly the bytes its length field names, with magic 2 and a whole head; nothing
//! else is checked. After an error the iterator ends. Requests use [`single`] or [`batches`]; readers of fetch
//! responses use [`batches_lenient`], since a broker may cut the last batch short.

use bytes::Bytes;

use crate::{BatchError, BatchHeader, HEAD_BYTES, LENGTH_PREFIX_BYTES, MAGIC, header::field};

/// One batch as it came: framed, not validated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawBatch {
    pub(crate) header: BatchHeader,
    pub(crate) bytes: Bytes,
}

impl RawBatch {
    /// The head.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The whole batch.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The records as they are, compressed or not.
    pub fn payload(&self) -> Bytes {
        self.bytes.slice(HEAD_BYTES..)
    }
}

/// The batches of a records field; the iterator of [`batches`] and [`batches_lenient`].
#[derive(Clone, Debug)]
pub struct Batches {
    rest: Bytes,
    at: usize,
    partial_tail_ends: bool,
}

/// The batches of `bytes`; a partial last batch is an error.
pub fn batches(bytes: &Bytes) -> Batches {
    Batches { rest: bytes.clone(), at: 0, partial_tail_ends: false }
}

/// The batches of `bytes`; a partial last batch ends the iterator quietly.
pub fn batches_lenient(bytes: &Bytes) -> Batches {
    Batches { rest: bytes.clone(), at: 0, partial_tail_ends: true }
}

/// The only batch of `bytes`, as Produce v3 and later demand.
///
/// Errors: `NoBatch`, `SecondBatch`, and those of [`batches`].
pub fn single(bytes: &Bytes) -> Result<RawBatch, BatchError> {
    let mut all = batches(bytes);
    let batch = all.next().ok_or(BatchError::NoBatch)??;
    if all.rest.is_empty() { Ok(batch) } else { Err(BatchError::SecondBatch { at: all.at }) }
}

impl Iterator for Batches {
    type Item = Result<RawBatch, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let header = match frame(&self.rest, self.at) {
            Ok(header) => header,
            Err(error) => {
                self.rest = Bytes::new();
                let quiet = self.partial_tail_ends && matches!(error, BatchError::Truncated { .. });
                return if quiet { None } else { Some(Err(error)) };
            }
        };
        let bytes = self.rest.split_to(header.batch_bytes());
        self.at += bytes.len();
        Some(Ok(RawBatch { header, bytes }))
    }
}

impl std::iter::FusedIterator for Batches {}

/// The head of the batch that begins `bytes`, once it is sure that the whole batch is there.
fn frame(bytes: &[u8], at: usize) -> Result<BatchHeader, BatchError> {
    let truncated = |need_bytes| BatchError::Truncated { at, need_bytes, have_bytes: bytes.len() };
    // Magic is at the same place in all formats, and old formats may be shorter than our head.
    let Some(magic) = bytes.get(field::MAGIC) else {
        return Err(truncated(HEAD_BYTES));
    };
    let magic = *magic as i8;
    if magic != MAGIC {
        return Err(BatchError::Magic { at, magic });
    }
    let mut length = [0; 4];
    length.copy_from_slice(&bytes[field::BATCH_LENGTH..LENGTH_PREFIX_BYTES]);
    let batch_length = i32::from_be_bytes(length);
    let need_bytes = match usize::try_from(batch_length) {
        Ok(length) if length >= HEAD_BYTES - LENGTH_PREFIX_BYTES => LENGTH_PREFIX_BYTES + length,
        _ => return Err(BatchError::Length { at, batch_length }),
    };
    match bytes.first_chunk::<HEAD_BYTES>() {
        Some(head) if bytes.len() >= need_bytes => BatchHeader::parse(head),
        _ => Err(truncated(need_bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BatchBuilder, Codec, Compression, ErrorClass};

    fn batch(value: &[u8]) -> Bytes {
        let mut builder = BatchBuilder::new(Compression::of(Codec::None));
        builder.push(1, None, Some(value), &[]);
        builder.build().unwrap()
    }

    fn two() -> (Bytes, usize) {
        let (a, b) = (batch(b"a"), batch(b"bb"));
        (Bytes::from([&a[..], &b[..]].concat()), a.len())
    }

    #[test]
    fn slices_are_the_same_memory() {
        let (both, first_bytes) = two();
        let parts: Vec<_> = batches(&both).map(Result::unwrap).collect();
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[0].bytes().as_ptr(), both.as_ptr());
        assert_eq!(parts[1].bytes().as_ptr(), both[first_bytes..].as_ptr());
        assert_eq!(single(&both), Err(BatchError::SecondBatch { at: first_bytes }));
        assert_eq!(single(&Bytes::new()), Err(BatchError::NoBatch));
    }

    #[test]
    fn a_partial_tail_is_an_error_or_the_end() {
        let (both, first_bytes) = two();
        for cut in first_bytes + 1..both.len() {
            let bytes = both.slice(..cut);
            let strict: Vec<_> = batches(&bytes).collect();
            assert!(
                matches!(strict[1], Err(BatchError::Truncated { at, .. }) if at == first_bytes),
                "cut {cut}"
            );
            assert_eq!(batches_lenient(&bytes).map(Result::unwrap).count(), 1, "cut {cut}");
        }
    }

    #[test]
    fn old_formats_and_bad_lengths() {
        for magic in [0u8, 1, 3, 0xff] {
            let mut bytes = batch(b"x").to_vec();
            bytes[field::MAGIC] = magic;
            let error = single(&bytes.into()).unwrap_err();
            let class = if magic < 2 { ErrorClass::UnsupportedFormat } else { ErrorClass::Corrupt };
            assert_eq!(error.class(), class, "magic {magic}");
        }
        for length in [i32::MIN, -1, 0, 48] {
            let mut bytes = batch(b"x").to_vec();
            bytes[8..12].copy_from_slice(&length.to_be_bytes());
            assert_eq!(single(&bytes.into()), Err(BatchError::Length { at: 0, batch_length: length }));
        }
    }
}
