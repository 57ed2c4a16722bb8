//! The head of a stored batch, beside the rest that is never copied.
//!
//! Contract: `head ++ rest` is a batch with a right CRC whenever the batch it came from was. Offset and leader epoch lie
//! outside the CRC; for the fields inside it the CRC is shifted, not recomputed: no patch reads the rest.

use bytes::Bytes;

use crate::{
    BatchHeader, HEAD_BYTES, LENGTH_PREFIX_BYTES, TimestampType, ValidBatch,
    crc::crc32c_of_changed_prefix,
    header::{Attributes, field, get, put},
};

/// The 61 bytes of a head, to be stored and sent before the batch's untouched rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatchedHead([u8; HEAD_BYTES]);

impl PatchedHead {
    /// Splits a batch into its head, as it is, and its rest. Nothing is copied but the head.
    pub fn split(batch: &ValidBatch) -> (PatchedHead, Bytes) {
        let mut head = [0; HEAD_BYTES];
        head.copy_from_slice(&batch.bytes()[..HEAD_BYTES]);
        (PatchedHead(head), batch.payload())
    }

    /// Splits a batch and gives it its place in the log.
    pub fn place(batch: &ValidBatch, base_offset: i64, partition_leader_epoch: i32) -> (PatchedHead, Bytes) {
        let (head, rest) = PatchedHead::split(batch);
        (head.with_place(base_offset, partition_leader_epoch), rest)
    }

    /// A head read back from where it was stored. `None` unless its magic is 2 and its length leaves room for it.
    pub fn from_stored(head: [u8; HEAD_BYTES]) -> Option<PatchedHead> {
        let header = BatchHeader::parse(&head).ok()?;
        (header.batch_bytes() >= HEAD_BYTES).then_some(PatchedHead(head))
    }

    /// With another place in the log.
    pub fn with_place(mut self, base_offset: i64, partition_leader_epoch: i32) -> PatchedHead {
        put(&mut self.0, field::BASE_OFFSET, base_offset.to_be_bytes());
        put(&mut self.0, field::PARTITION_LEADER_EPOCH, partition_leader_epoch.to_be_bytes());
        self
    }

    /// With the broker's time for all records (`message.timestamp.type=LogAppendTime`), in milliseconds.
    pub fn with_append_time(self, now_ms: i64) -> PatchedHead {
        self.with_times(TimestampType::LogAppendTime, now_ms)
    }

    /// With the true largest timestamp in milliseconds, where the producer's was wrong.
    pub fn with_max_timestamp(self, max_timestamp_ms: i64) -> PatchedHead {
        self.with_times(TimestampType::CreateTime, max_timestamp_ms)
    }

    fn with_times(mut self, timestamp_type: TimestampType, max_timestamp_ms: i64) -> PatchedHead {
        let old = self.0;
        let attributes = Attributes(i16::from_be_bytes(get(&old, field::ATTRIBUTES)));
        put(&mut self.0, field::ATTRIBUTES, attributes.with_timestamp_type(timestamp_type).0.to_be_bytes());
        put(&mut self.0, field::MAX_TIMESTAMP, max_timestamp_ms.to_be_bytes());
        let crc = u32::from_be_bytes(get(&old, field::CRC));
        let batch_length = i32::from_be_bytes(get(&old, field::BATCH_LENGTH)) as usize;
        let rest_bytes = (LENGTH_PREFIX_BYTES + batch_length - HEAD_BYTES) as u32;
        let covered = field::ATTRIBUTES..HEAD_BYTES;
        let crc = crc32c_of_changed_prefix(crc, &old[covered.clone()], &self.0[covered], rest_bytes);
        put(&mut self.0, field::CRC, crc.to_be_bytes());
        self
    }

    /// The fields.
    pub fn header(&self) -> BatchHeader {
        BatchHeader::parse(&self.0).expect("a PatchedHead has magic 2")
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; HEAD_BYTES] {
        &self.0
    }

    /// Head and rest in one buffer: a copy, for those who need it.
    pub fn join(&self, rest: &[u8]) -> Bytes {
        Bytes::from([&self.0[..], rest].concat())
    }
}

impl AsRef<[u8]> for PatchedHead {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BatchBuilder, Codec, Compression, Limits, single, validate};

    fn batch() -> ValidBatch {
        let mut builder = BatchBuilder::new(Compression::of(Codec::Lz4)).producer(7, 1, 0);
        for i in 0..100 {
            builder.push(1000 + i, Some(b"key"), Some(b"value"), &[]);
        }
        validate(single(&builder.build().unwrap()).unwrap(), &Limits::client(1 << 20)).unwrap()
    }

    fn check(head: PatchedHead, rest: &Bytes) -> BatchHeader {
        let whole = head.join(rest);
        let valid = validate(single(&whole).unwrap(), &Limits::broker()).unwrap();
        assert_eq!(*valid.header(), head.header());
        *valid.header()
    }

    #[test]
    fn place_leaves_crc_and_memory_alone() {
        let batch = batch();
        let (head, rest) = PatchedHead::place(&batch, 1 << 40, 9);
        assert_eq!(rest.as_ptr(), batch.bytes()[HEAD_BYTES..].as_ptr());
        let header = check(head, &rest);
        assert_eq!((header.base_offset, header.partition_leader_epoch), (1 << 40, 9));
        assert_eq!(header.crc, batch.header().crc);
        assert_eq!(PatchedHead::from_stored(*head.as_bytes()), Some(head));
    }

    #[test]
    fn append_time_keeps_the_crc_right() {
        let (head, rest) = PatchedHead::place(&batch(), 5, 1);
        let header = check(head.with_append_time(1_700_000_000_000), &rest);
        assert_eq!(header.max_timestamp, 1_700_000_000_000);
        assert_eq!(header.attributes.timestamp_type(), TimestampType::LogAppendTime);
        assert_eq!(header.base_timestamp, 1000);
        let header = check(head.with_max_timestamp(1234), &rest);
        assert_eq!(
            (header.max_timestamp, header.attributes.timestamp_type()),
            (1234, TimestampType::CreateTime)
        );
    }

    #[test]
    fn stored_heads_are_checked() {
        assert_eq!(PatchedHead::from_stored([0; HEAD_BYTES]), None);
        let mut short = *PatchedHead::split(&batch()).0.as_bytes();
        short[8..12].copy_from_slice(&48i32.to_be_bytes());
        assert_eq!(PatchedHead::from_stored(short), None);
    }
}
