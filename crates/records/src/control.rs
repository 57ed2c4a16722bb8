//! Control records: transaction markers, and how to tell the other kinds (KIP-98, KIP-595).
//!
//! Contract: `EndTxnMarker::batch` is what Kafka's broker writes for WriteTxnMarkers; `read` takes a marker of any
//! version, since later ones only add fields.

use bytes::Bytes;

use crate::{BatchBuilder, BatchError, Codec, Compression, Limits, Record, ValidBatch, single, validate};

/// The kinds of control record, from their key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlType {
    /// 0: a transaction ends without effect.
    Abort,
    /// 1: a transaction takes effect.
    Commit,
    /// Any other: leader change, snapshot marks, versions of KRaft.
    Other(i16),
}

impl ControlType {
    /// From a control record's key (version, type). `None` if it is too short.
    pub fn read(key: &[u8]) -> Option<ControlType> {
        let [_, _, high, low] = *key.first_chunk::<4>()?;
        Some(match i16::from_be_bytes([high, low]) {
            0 => ControlType::Abort,
            1 => ControlType::Commit,
            other => ControlType::Other(other),
        })
    }
}

/// The end of a transaction in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndTxnMarker {
    /// Commit or abort.
    pub commit: bool,
    /// Epoch of the transaction coordinator.
    pub coordinator_epoch: i32,
}

impl EndTxnMarker {
    /// The marker in a record of a control batch. `None` for other kinds, and for malformed ones.
    pub fn read(record: &Record<'_>) -> Option<EndTxnMarker> {
        let commit = match ControlType::read(record.key?)? {
            ControlType::Commit => true,
            ControlType::Abort => false,
            ControlType::Other(_) => return None,
        };
        let [_, _, epoch @ ..] = *record.value?.first_chunk::<6>()?;
        Some(EndTxnMarker { commit, coordinator_epoch: i32::from_be_bytes(epoch) })
    }

    /// A control batch with this marker, at offset 0. `now_ms` in milliseconds.
    ///
    /// Errors: `Producer`, `Transactional` or `Timestamp` if the arguments are negative.
    pub fn batch(self, producer_id: i64, producer_epoch: i16, now_ms: i64) -> Result<ValidBatch, BatchError> {
        let key = [0, 0, 0, u8::from(self.commit)];
        let mut value = [0; 6];
        value[2..].copy_from_slice(&self.coordinator_epoch.to_be_bytes());
        let mut builder = BatchBuilder::new(Compression::of(Codec::None))
            .producer(producer_id, producer_epoch, -1)
            .transactional()
            .control();
        builder.push(now_ms, Some(&key), Some(&value), &[]);
        let bytes: Bytes = builder.build()?;
        validate(single(&bytes)?, &Limits::broker())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RecordIter;

    #[test]
    fn markers_round_trip() {
        for commit in [true, false] {
            let marker = EndTxnMarker { commit, coordinator_epoch: 77 };
            let batch = marker.batch(5, 2, 1000).unwrap();
            assert!(batch.header().attributes.is_control() && batch.header().attributes.is_transactional());
            let payload = batch.payload();
            let record = RecordIter::new(&payload, 1).next().unwrap().unwrap();
            assert_eq!(EndTxnMarker::read(&record), Some(marker));
        }
        assert!(EndTxnMarker { commit: true, coordinator_epoch: 0 }.batch(-1, 0, 0).is_err());
        assert_eq!(ControlType::read(&[0, 0, 0, 2]), Some(ControlType::Other(2)));
        assert_eq!(ControlType::read(&[0, 0]), None);
    }
}
