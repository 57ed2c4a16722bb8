//! Walks the records of a batch and checks what head and CRC cannot tell.
//!
//! Contract: after `Ok`, the payload is exactly `record_count` well-formed records whose offset deltas increase within
//! `0..=last_offset_delta`; for a batch from a client, where the count fills that range, they are 0, 1, 2, … Kafka
//! checks this for every produced batch; here the caller decides whether to pay for inflating compressed ones.

use bytes::Bytes;

use crate::{BatchError, BatchHeader, Codec, DecompressCap, RecordFault, RecordIter, ValidBatch, decompress};

/// What a walk learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordsInfo {
    /// Largest timestamp of a record in milliseconds; -1 if there is none. May differ from the head's.
    pub max_timestamp: i64,
    /// Offset delta of the first record that has it.
    pub max_timestamp_offset_delta: i32,
    /// Smallest timestamp of a record in milliseconds; -1 if there is no record.
    pub min_timestamp: i64,
    /// Whether some record has no key: compacted topics refuse that.
    pub has_keyless: bool,
    /// Size of the records, uncompressed.
    pub bytes: usize,
}

/// Walks the records of a valid batch; compressed ones only if `inflate`, else the answer is `None`.
///
/// Errors: `Record`, and those of [`decompress`].
pub fn validate_records(
    batch: &ValidBatch,
    inflate: bool,
    cap: DecompressCap,
) -> Result<Option<RecordsInfo>, BatchError> {
    if batch.codec() != Codec::None && !inflate {
        return Ok(None);
    }
    let payload = decompress(batch.codec(), &batch.payload(), cap)?;
    walk(batch.header(), &payload).map(Some)
}

/// Walks the records of an uncompressed payload.
///
/// Errors: `Record`.
pub fn walk(header: &BatchHeader, payload: &Bytes) -> Result<RecordsInfo, BatchError> {
    let mut info = RecordsInfo {
        max_timestamp: -1,
        max_timestamp_offset_delta: 0,
        min_timestamp: -1,
        has_keyless: false,
        bytes: payload.len(),
    };
    let mut last_delta = -1;
    for (index, record) in (0u32..).zip(RecordIter::new(payload, header.record_count)) {
        let record = record?;
        if record.offset_delta <= last_delta || record.offset_delta > header.last_offset_delta {
            return Err(BatchError::Record { index, fault: RecordFault::OffsetDelta });
        }
        last_delta = record.offset_delta;
        let timestamp = record.timestamp(header);
        if index == 0 || timestamp > info.max_timestamp {
            (info.max_timestamp, info.max_timestamp_offset_delta) = (timestamp, record.offset_delta);
        }
        info.min_timestamp = if index == 0 { timestamp } else { info.min_timestamp.min(timestamp) };
        info.has_keyless |= record.key.is_none();
    }
    Ok(info)
}

#[cfg(test)]
mod tests;
