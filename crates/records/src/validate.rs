//! Judges a batch by its head and CRC, without decompressing it.
//!
//! Contract: a `ValidBatch` has the length and CRC its head says, a known codec, a count and offset range that agree,
//! and producer fields that agree; it is what a log appends. Cost: one CRC over the bytes. The records are walked by
//! [`crate::validate_records`], a step of its own, because it costs more and for compressed batches needs inflating.
//!
//! Rules follow Kafka's `LogValidator` and `UnifiedLog`. Laxer where clients in the field differ: without producer id,
//! epoch and sequence may be anything (kafkajs and sarama send 0), and a `max_timestamp` below `base_timestamp`
//! passes (old sarama sends -1) but is not to be trusted: see [`ValidBatch::max_timestamp_is_plausible`].
//! Stricter: timestamps below -1 and a delete horizon from a client are refused.

use bytes::Bytes;

use crate::{BatchError, BatchHeader, Codec, HEAD_BYTES, RawBatch, TimestampType, crc32c, header::field};

/// Who wrote the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A produce request: base offset 0, one offset for each record, no control batch.
    Client,
    /// A broker of this cluster: any base offset, gaps and emptiness left by compaction, control batches.
    Broker,
}

/// What is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `max.message.bytes`: largest batch, with its head.
    pub batch_bytes_max: usize,
    /// Whose rules apply.
    pub origin: Origin,
}

impl Limits {
    /// For produce requests.
    pub const fn client(batch_bytes_max: usize) -> Limits {
        Limits { batch_bytes_max, origin: Origin::Client }
    }

    /// For batches that a broker built or stored; their size is not limited.
    pub const fn broker() -> Limits {
        Limits { batch_bytes_max: usize::MAX, origin: Origin::Broker }
    }
}

/// A batch that may be appended. Only [`validate`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidBatch {
    header: BatchHeader,
    codec: Codec,
    bytes: Bytes,
}

impl ValidBatch {
    /// The head.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// How the payload is compressed.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// The whole batch.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The records as they are, compressed or not; the part that never changes.
    pub fn payload(&self) -> Bytes {
        self.bytes.slice(HEAD_BYTES..)
    }

    /// False when the head's largest timestamp is below its first: then walk the records and put the true one into the
    /// head with [`crate::PatchedHead::with_max_timestamp`].
    pub fn max_timestamp_is_plausible(&self) -> bool {
        self.header.max_timestamp >= self.header.base_timestamp
    }
}

/// Checks everything that head and CRC can tell.
///
/// Errors, in this order: `TooLarge`, `Crc`, `UnknownCodec`, `Count`, `BaseOffset`, `Control`, `DeleteHorizon`,
/// `Producer`, `Transactional`, `Timestamp`.
pub fn validate(batch: RawBatch, limits: &Limits) -> Result<ValidBatch, BatchError> {
    let RawBatch { header, bytes } = batch;
    assert_eq!(bytes.len(), header.batch_bytes(), "a RawBatch is framed");
    if bytes.len() > limits.batch_bytes_max {
        return Err(BatchError::TooLarge { bytes: bytes.len(), bytes_max: limits.batch_bytes_max });
    }
    let computed = crc32c(&bytes[field::ATTRIBUTES..]);
    if computed != header.crc {
        return Err(BatchError::Crc { stored: header.crc, computed });
    }
    let codec = header.attributes.codec()?;
    if cfg!(not(feature = "zstd")) && codec == Codec::Zstd {
        return Err(BatchError::UnknownCodec { id: codec.id() });
    }
    offsets(&header, limits.origin)?;
    flags(&header, limits.origin)?;
    producer(&header)?;
    timestamps(&header, limits.origin)?;
    Ok(ValidBatch { header, codec, bytes })
}

fn offsets(header: &BatchHeader, origin: Origin) -> Result<(), BatchError> {
    let BatchHeader { base_offset, last_offset_delta, record_count, .. } = *header;
    let offset_count = i64::from(last_offset_delta) + 1;
    let count_fits = match origin {
        Origin::Client => record_count > 0 && i64::from(record_count) == offset_count,
        Origin::Broker => record_count >= 0 && i64::from(record_count) <= offset_count,
    };
    if last_offset_delta < 0 || !count_fits {
        return Err(BatchError::Count { record_count, last_offset_delta });
    }
    let base_fits = match origin {
        Origin::Client => base_offset == 0,
        Origin::Broker => base_offset >= 0 && base_offset.checked_add(offset_count).is_some(),
    };
    if base_fits { Ok(()) } else { Err(BatchError::BaseOffset { base_offset }) }
}

fn flags(header: &BatchHeader, origin: Origin) -> Result<(), BatchError> {
    match origin {
        Origin::Client if header.attributes.is_control() => Err(BatchError::Control),
        Origin::Client if header.attributes.has_delete_horizon() => Err(BatchError::DeleteHorizon),
        _ => Ok(()),
    }
}

fn producer(header: &BatchHeader) -> Result<(), BatchError> {
    let BatchHeader { producer_id, producer_epoch, base_sequence, attributes, .. } = *header;
    // Transaction markers carry the producer but no sequence.
    let sequence_fits = base_sequence >= 0 || attributes.is_control();
    if producer_id < -1 || (producer_id >= 0 && (producer_epoch < 0 || !sequence_fits)) {
        return Err(BatchError::Producer { producer_id, producer_epoch, base_sequence });
    }
    if attributes.is_transactional() && producer_id < 0 {
        return Err(BatchError::Transactional);
    }
    Ok(())
}

fn timestamps(header: &BatchHeader, origin: Origin) -> Result<(), BatchError> {
    let BatchHeader { base_timestamp, max_timestamp, .. } = *header;
    let timestamp_type = header.attributes.timestamp_type();
    let type_fits = origin == Origin::Broker || timestamp_type == TimestampType::CreateTime;
    if type_fits && base_timestamp >= -1 && max_timestamp >= -1 {
        return Ok(());
    }
    Err(BatchError::Timestamp {
        base_timestamp_ms: base_timestamp,
        max_timestamp_ms: max_timestamp,
        timestamp_type,
    })
}

#[cfg(test)]
mod tests;
