//! What can be wrong with a batch, where, and which kind of answer it deserves.
//!
//! Contract: damage of the frame (truncation, CRC) is `Corrupt`, which Kafka's clients retry; a batch that is intact
//! but breaks a rule is `Invalid`, which they do not. The caller maps [`ErrorClass`] to a wire code, once.

use crate::{Codec, header::TimestampType};

/// The answer an error deserves. The comments name Kafka's error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// Damaged bytes: CORRUPT_MESSAGE (2), retriable.
    Corrupt,
    /// Intact, but against the rules: INVALID_RECORD (87).
    Invalid,
    /// INVALID_TIMESTAMP (32).
    InvalidTimestamp,
    /// MESSAGE_TOO_LARGE (10).
    TooLarge,
    /// UNSUPPORTED_FOR_MESSAGE_FORMAT (43). Kafka itself answers INVALID_RECORD to old magic in a produce request.
    UnsupportedFormat,
    /// UNSUPPORTED_COMPRESSION_TYPE (76).
    UnsupportedCodec,
}

/// What is wrong with one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordFault {
    /// The payload ends within the record.
    Truncated,
    /// A varint is longer than its type, or carries bits beyond it.
    Varint,
    /// The length of the record is negative, or differs from that of its fields.
    Length,
    /// The length of the key is below -1 or beyond the record.
    Key,
    /// The length of the value is below -1 or beyond the record.
    Value,
    /// A header count, key or value is negative or beyond the record.
    Headers,
    /// Offset deltas do not increase, or leave `0..=last_offset_delta`.
    OffsetDelta,
    /// Bytes follow the last record.
    Trailing,
}

/// A batch, or a records field, that is not accepted. `at` counts bytes from the start of the records field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// Fewer bytes than the batch needs.
    #[error("batch at byte {at} needs {need_bytes} bytes, {have_bytes} are there")]
    Truncated {
        /// Start of the batch.
        at: usize,
        /// Bytes the batch needs, as far as its head tells.
        need_bytes: usize,
        /// Bytes there are.
        have_bytes: usize,
    },
    /// The length field is negative or leaves no room for the head.
    #[error("batch at byte {at} has length {batch_length}, below the head's 49")]
    Length {
        /// Start of the batch.
        at: usize,
        /// The length field.
        batch_length: i32,
    },
    /// Any message format but 2.
    #[error("batch at byte {at} has magic {magic}; only 2 is supported")]
    Magic {
        /// Start of the batch.
        at: usize,
        /// The magic byte.
        magic: i8,
    },
    /// The stored CRC is not that of the bytes.
    #[error("batch says CRC32C {stored:#010x}, its bytes have {computed:#010x}")]
    Crc {
        /// In the head.
        stored: u32,
        /// Of the bytes.
        computed: u32,
    },
    /// A records field without a batch, where one is needed.
    #[error("no record batch where exactly one is needed")]
    NoBatch,
    /// A records field with more than one batch, where one is allowed.
    #[error("more than one record batch; a second begins at byte {at}")]
    SecondBatch {
        /// Where the second begins.
        at: usize,
    },
    /// The batch is above `max.message.bytes`.
    #[error("batch of {bytes} bytes is above the {bytes_max} allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// Decompression went beyond its cap and was stopped.
    #[error("{codec} payload of {bytes} bytes inflates beyond {bytes_max} bytes")]
    Inflated {
        /// How it is compressed.
        codec: Codec,
        /// Compressed size.
        bytes: usize,
        /// Where decompression stopped.
        bytes_max: usize,
    },
    /// A codec id that no version of Kafka has, or one left out of this build.
    #[error("compression codec {id} is not supported")]
    UnknownCodec {
        /// Bits 0-2 of the attributes.
        id: u8,
    },
    /// The compressed payload is not what its codec writes.
    #[error("{codec} payload: {what}")]
    Payload {
        /// How it is said to be compressed.
        codec: Codec,
        /// What is wrong.
        what: &'static str,
    },
    /// Record count and last offset delta contradict each other or the origin's rules.
    #[error("batch counts {record_count} records, its last offset delta is {last_offset_delta}")]
    Count {
        /// The count field.
        record_count: i32,
        /// The delta field.
        last_offset_delta: i32,
    },
    /// A client must send base offset 0; no batch may have a negative one or one whose last offset overflows.
    #[error("base offset {base_offset} is not allowed here")]
    BaseOffset {
        /// The field.
        base_offset: i64,
    },
    /// Clients may not write control batches.
    #[error("control batch from a client")]
    Control,
    /// Clients may not set the delete horizon, which only compaction writes.
    #[error("delete horizon set by a client")]
    DeleteHorizon,
    /// Producer id, epoch and sequence contradict each other.
    #[error(
        "producer id {producer_id}, epoch {producer_epoch}, base sequence {base_sequence} do not go together"
    )]
    Producer {
        /// The id.
        producer_id: i64,
        /// The epoch.
        producer_epoch: i16,
        /// The first sequence.
        base_sequence: i32,
    },
    /// A transactional batch needs a producer id.
    #[error("transactional batch without a producer id")]
    Transactional,
    /// A timestamp below -1, or a timestamp type that a client may not set.
    #[error(
        "timestamps {base_timestamp_ms}..{max_timestamp_ms} ms of type {timestamp_type:?} are not allowed"
    )]
    Timestamp {
        /// Of the first record, as the head says.
        base_timestamp_ms: i64,
        /// The largest, as the head says.
        max_timestamp_ms: i64,
        /// Who set them.
        timestamp_type: TimestampType,
    },
    /// One record is malformed.
    #[error("record {index} of the batch: {fault:?}")]
    Record {
        /// Which, from 0.
        index: u32,
        /// What is wrong.
        fault: RecordFault,
    },
    /// A compression level outside the codec's range.
    #[error("{codec} has no compression level {level}")]
    Level {
        /// The codec.
        codec: Codec,
        /// The level asked for.
        level: i32,
    },
}

impl BatchError {
    /// Which kind of answer this deserves.
    pub fn class(&self) -> ErrorClass {
        use BatchError::*;
        match self {
            Truncated { .. } | Length { .. } | Crc { .. } => ErrorClass::Corrupt,
            Magic { magic: 0 | 1, .. } => ErrorClass::UnsupportedFormat,
            Magic { .. } => ErrorClass::Corrupt,
            TooLarge { .. } | Inflated { .. } => ErrorClass::TooLarge,
            UnknownCodec { .. } => ErrorClass::UnsupportedCodec,
            Timestamp { .. } => ErrorClass::InvalidTimestamp,
            NoBatch | SecondBatch { .. } | Payload { .. } | Count { .. } | BaseOffset { .. } | Control => {
                ErrorClass::Invalid
            }
            DeleteHorizon | Producer { .. } | Transactional | Record { .. } | Level { .. } => {
                ErrorClass::Invalid
            }
        }
    }
}
