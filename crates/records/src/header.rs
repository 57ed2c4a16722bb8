//! The 61 fixed bytes of record batch v2 (KIP-98).
//!
//! Contract: `BatchHeader::parse` and `encode` are inverse on every 61 bytes with magic 2. Nothing here judges the
//! fields; `validate` does. The CRC covers everything from `field::ATTRIBUTES` on, so base offset, length and leader
//! epoch can change without it.

use crate::{BatchError, Codec};

/// Bytes of the head: everything before the records.
pub const HEAD_BYTES: usize = 61;
/// Bytes before those that `batch_length` counts: base offset and the length itself.
pub const LENGTH_PREFIX_BYTES: usize = 12;
/// The only message format here.
pub const MAGIC: i8 = 2;

/// Where each field begins, in bytes from the start of the batch.
pub mod field {
    /// i64
    pub const BASE_OFFSET: usize = 0;
    /// i32, bytes after this field
    pub const BATCH_LENGTH: usize = 8;
    /// i32
    pub const PARTITION_LEADER_EPOCH: usize = 12;
    /// i8, at the same place in all formats
    pub const MAGIC: usize = 16;
    /// u32, CRC32C of all bytes from `ATTRIBUTES` on
    pub const CRC: usize = 17;
    /// i16
    pub const ATTRIBUTES: usize = 21;
    /// i32
    pub const LAST_OFFSET_DELTA: usize = 23;
    /// i64, milliseconds
    pub const BASE_TIMESTAMP: usize = 27;
    /// i64, milliseconds
    pub const MAX_TIMESTAMP: usize = 35;
    /// i64
    pub const PRODUCER_ID: usize = 43;
    /// i16
    pub const PRODUCER_EPOCH: usize = 51;
    /// i32
    pub const BASE_SEQUENCE: usize = 53;
    /// i32
    pub const RECORD_COUNT: usize = 57;
}

const _: () = assert!(field::RECORD_COUNT + 4 == HEAD_BYTES);
const _: () = assert!(field::BATCH_LENGTH + 4 == LENGTH_PREFIX_BYTES);

/// Who set the timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimestampType {
    /// The producer: each record has its own.
    CreateTime,
    /// The broker: all records have the batch's `max_timestamp`.
    LogAppendTime,
}

/// The attribute bits. Bits 7-15 are unused and kept as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attributes(pub i16);

impl Attributes {
    const CODEC_MASK: i16 = 0x07;
    const LOG_APPEND_TIME: i16 = 0x08;
    const TRANSACTIONAL: i16 = 0x10;
    const CONTROL: i16 = 0x20;
    const DELETE_HORIZON: i16 = 0x40;

    /// Bits 0-2. Errors: `UnknownCodec` for 5 to 7.
    pub fn codec(self) -> Result<Codec, BatchError> {
        Codec::from_id((self.0 & Self::CODEC_MASK) as u8)
    }

    /// Bit 3.
    pub fn timestamp_type(self) -> TimestampType {
        if self.0 & Self::LOG_APPEND_TIME == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// Bit 4: part of a transaction.
    pub fn is_transactional(self) -> bool {
        self.0 & Self::TRANSACTIONAL != 0
    }

    /// Bit 5: transaction markers and the like, not shown to consumers.
    pub fn is_control(self) -> bool {
        self.0 & Self::CONTROL != 0
    }

    /// Bit 6: the base timestamp is the delete horizon (KIP-534).
    pub fn has_delete_horizon(self) -> bool {
        self.0 & Self::DELETE_HORIZON != 0
    }

    /// With another codec.
    pub fn with_codec(self, codec: Codec) -> Attributes {
        Attributes((self.0 & !Self::CODEC_MASK) | i16::from(codec.id()))
    }

    /// With another timestamp type.
    pub fn with_timestamp_type(self, timestamp_type: TimestampType) -> Attributes {
        self.with_bit(Self::LOG_APPEND_TIME, timestamp_type == TimestampType::LogAppendTime)
    }

    /// Transactional or not.
    pub fn with_transactional(self, on: bool) -> Attributes {
        self.with_bit(Self::TRANSACTIONAL, on)
    }

    /// Control or not.
    pub fn with_control(self, on: bool) -> Attributes {
        self.with_bit(Self::CONTROL, on)
    }

    /// With or without the delete horizon.
    pub fn with_delete_horizon(self, on: bool) -> Attributes {
        self.with_bit(Self::DELETE_HORIZON, on)
    }

    fn with_bit(self, bit: i16, on: bool) -> Attributes {
        Attributes(if on { self.0 | bit } else { self.0 & !bit })
    }
}

/// The head of a batch, parsed. Timestamps are in milliseconds since 1970, -1 for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record (of the first before compaction).
    pub base_offset: i64,
    /// Bytes after the length field: the batch's size less 12.
    pub batch_length: i32,
    /// Epoch of the leader that appended; clients send -1 or anything.
    pub partition_leader_epoch: i32,
    /// CRC32C from the attributes on.
    pub crc: u32,
    /// Codec and flags.
    pub attributes: Attributes,
    /// Last offset less base offset; outlives the last record under compaction.
    pub last_offset_delta: i32,
    /// Timestamp of the first record, or the delete horizon; record deltas count from it.
    pub base_timestamp: i64,
    /// Largest timestamp, or the append time.
    pub max_timestamp: i64,
    /// Producer id, -1 for none.
    pub producer_id: i64,
    /// Producer epoch; meaningless without producer id.
    pub producer_epoch: i16,
    /// Sequence of the first record; meaningless without producer id, -1 in control batches.
    pub base_sequence: i32,
    /// Records in the batch.
    pub record_count: i32,
}

impl BatchHeader {
    /// Reads the head. Errors: `Magic` (with `at` 0) for any magic but 2.
    pub fn parse(head: &[u8; HEAD_BYTES]) -> Result<BatchHeader, BatchError> {
        let magic = i8::from_be_bytes(get(head, field::MAGIC));
        if magic != MAGIC {
            return Err(BatchError::Magic { at: 0, magic });
        }
        Ok(BatchHeader {
            base_offset: i64::from_be_bytes(get(head, field::BASE_OFFSET)),
            batch_length: i32::from_be_bytes(get(head, field::BATCH_LENGTH)),
            partition_leader_epoch: i32::from_be_bytes(get(head, field::PARTITION_LEADER_EPOCH)),
            crc: u32::from_be_bytes(get(head, field::CRC)),
            attributes: Attributes(i16::from_be_bytes(get(head, field::ATTRIBUTES))),
            last_offset_delta: i32::from_be_bytes(get(head, field::LAST_OFFSET_DELTA)),
            base_timestamp: i64::from_be_bytes(get(head, field::BASE_TIMESTAMP)),
            max_timestamp: i64::from_be_bytes(get(head, field::MAX_TIMESTAMP)),
            producer_id: i64::from_be_bytes(get(head, field::PRODUCER_ID)),
            producer_epoch: i16::from_be_bytes(get(head, field::PRODUCER_EPOCH)),
            base_sequence: i32::from_be_bytes(get(head, field::BASE_SEQUENCE)),
            record_count: i32::from_be_bytes(get(head, field::RECORD_COUNT)),
        })
    }

    /// Writes the head, with magic 2.
    pub fn encode(&self) -> [u8; HEAD_BYTES] {
        let mut head = [0; HEAD_BYTES];
        put(&mut head, field::BASE_OFFSET, self.base_offset.to_be_bytes());
        put(&mut head, field::BATCH_LENGTH, self.batch_length.to_be_bytes());
        put(&mut head, field::PARTITION_LEADER_EPOCH, self.partition_leader_epoch.to_be_bytes());
        put(&mut head, field::MAGIC, MAGIC.to_be_bytes());
        put(&mut head, field::CRC, self.crc.to_be_bytes());
        put(&mut head, field::ATTRIBUTES, self.attributes.0.to_be_bytes());
        put(&mut head, field::LAST_OFFSET_DELTA, self.last_offset_delta.to_be_bytes());
        put(&mut head, field::BASE_TIMESTAMP, self.base_timestamp.to_be_bytes());
        put(&mut head, field::MAX_TIMESTAMP, self.max_timestamp.to_be_bytes());
        put(&mut head, field::PRODUCER_ID, self.producer_id.to_be_bytes());
        put(&mut head, field::PRODUCER_EPOCH, self.producer_epoch.to_be_bytes());
        put(&mut head, field::BASE_SEQUENCE, self.base_sequence.to_be_bytes());
        put(&mut head, field::RECORD_COUNT, self.record_count.to_be_bytes());
        head
    }

    /// Size of the whole batch in bytes; meaningless before the length was checked.
    pub fn batch_bytes(&self) -> usize {
        LENGTH_PREFIX_BYTES + usize::try_from(self.batch_length).unwrap_or(0)
    }

    /// Offset of the last record.
    pub fn last_offset(&self) -> i64 {
        self.base_offset.wrapping_add(i64::from(self.last_offset_delta))
    }

    /// The offset after the batch.
    pub fn next_offset(&self) -> i64 {
        self.last_offset().wrapping_add(1)
    }

    /// Whether an idempotent or transactional producer wrote it.
    pub fn has_producer_id(&self) -> bool {
        self.producer_id >= 0
    }

    /// Sequence of the last record; -1 without sequences. Sequences wrap from `i32::MAX` to 0.
    pub fn last_sequence(&self) -> i32 {
        let has_none = self.base_sequence < 0 || self.last_offset_delta < 0;
        if has_none { -1 } else { next_sequence(self.base_sequence, self.last_offset_delta) }
    }

    /// The delete horizon in milliseconds, if set (KIP-534).
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        self.attributes.has_delete_horizon().then_some(self.base_timestamp)
    }
}

/// `sequence + by`, where sequences wrap from `i32::MAX` to 0. Both must not be negative.
pub fn next_sequence(sequence: i32, by: i32) -> i32 {
    debug_assert!(sequence >= 0 && by >= 0);
    sequence.wrapping_add(by) & i32::MAX
}

pub(crate) fn get<const N: usize>(head: &[u8; HEAD_BYTES], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&head[at..at + N]);
    out
}

pub(crate) fn put<const N: usize>(head: &mut [u8; HEAD_BYTES], at: usize, bytes: [u8; N]) {
    head[at..at + N].copy_from_slice(&bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_wrap_like_kafka() {
        assert_eq!(next_sequence(5, 3), 8);
        assert_eq!(next_sequence(i32::MAX, 1), 0);
        assert_eq!(next_sequence(i32::MAX - 1, 3), 1);
    }

    #[test]
    fn any_head_survives() {
        let mut head = [0u8; HEAD_BYTES];
        for (i, byte) in head.iter_mut().enumerate() {
            *byte = (i * 37 + 11) as u8;
        }
        head[field::MAGIC] = 2;
        assert_eq!(BatchHeader::parse(&head).unwrap().encode(), head);
        head[field::MAGIC] = 1;
        assert_eq!(BatchHeader::parse(&head), Err(BatchError::Magic { at: 0, magic: 1 }));
    }

    #[test]
    fn attributes_are_bits() {
        let all = Attributes(0)
            .with_codec(Codec::Zstd)
            .with_timestamp_type(TimestampType::LogAppendTime)
            .with_transactional(true)
            .with_control(true)
            .with_delete_horizon(true);
        assert_eq!(all.0, 0x7c);
        assert_eq!(all.codec(), Ok(Codec::Zstd));
        assert_eq!(Attributes(6).codec(), Err(BatchError::UnknownCodec { id: 6 }));
        assert_eq!(all.with_control(false).with_codec(Codec::None).0, 0x58);
    }
}
