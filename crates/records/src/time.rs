//! Finds records of one batch by time, as ListOffsets does (KIP-79; -3 is KIP-734).
//!
//! Contract: the answer is that of Kafka's `FileRecords.searchForTimestamp`: the first record, in offset order, at or
//! after both the time and the start offset. Batches of append time have one timestamp, so most are not inflated.

use bytes::Bytes;

use crate::{BatchError, BatchHeader, DecompressCap, RecordIter, TimestampType, decompress};

/// A record's place and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampOffset {
    /// In the partition.
    pub offset: i64,
    /// Milliseconds.
    pub timestamp: i64,
}

/// The first record with offset >= `from_offset` and timestamp >= `timestamp_ms`; `payload` as stored.
///
/// Errors: `Record`, and those of [`decompress`].
pub fn first_at_or_after(
    header: &BatchHeader,
    payload: &Bytes,
    from_offset: i64,
    timestamp_ms: i64,
    cap: DecompressCap,
) -> Result<Option<TimestampOffset>, BatchError> {
    let append_time = header.attributes.timestamp_type() == TimestampType::LogAppendTime;
    if header.last_offset() < from_offset || (append_time && header.max_timestamp < timestamp_ms) {
        return Ok(None);
    }
    let payload = decompress(header.attributes.codec()?, payload, cap)?;
    for record in RecordIter::new(&payload, header.record_count) {
        let record = record?;
        let found = TimestampOffset { offset: record.offset(header), timestamp: record.timestamp(header) };
        if found.timestamp >= timestamp_ms && found.offset >= from_offset {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The first record that has the largest timestamp, by the records themselves; `None` without records.
///
/// Errors: `Record`, and those of [`decompress`].
pub fn max_timestamp(
    header: &BatchHeader,
    payload: &Bytes,
    cap: DecompressCap,
) -> Result<Option<TimestampOffset>, BatchError> {
    let payload = decompress(header.attributes.codec()?, payload, cap)?;
    let mut best: Option<TimestampOffset> = None;
    for record in RecordIter::new(&payload, header.record_count) {
        let record = record?;
        let timestamp = record.timestamp(header);
        if best.is_none_or(|best| timestamp > best.timestamp) {
            best = Some(TimestampOffset { offset: record.offset(header), timestamp });
        }
    }
    Ok(best)
}

#[cfg(test)]
mod tests;
