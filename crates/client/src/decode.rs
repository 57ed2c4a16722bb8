//! Record batches of an answer to records. Pure.
//!
//! Under read_committed the records of aborted transactions are passed over, as Java's consumer does: an aborted
//! producer's batches from its first offset up to its abort marker.

use std::collections::BTreeSet;

use bytes::Bytes;
use klamm_protocol::fetch::AbortedTransaction;
use klamm_records::{
    BatchError, ControlType, DecompressCap, Limits, RecordIter, batches_lenient, decompress, validate,
};

use crate::Record;

/// Records, and where to go on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Decoded {
    pub(crate) records: Vec<Record>,
    /// The offset after the last batch; the position if there was none.
    pub(crate) next: i64,
}

/// Reads the records at and after `position`.
pub(crate) fn records(
    bytes: &Bytes,
    position: i64,
    aborted: Option<&[AbortedTransaction]>,
) -> Result<Decoded, BatchError> {
    let mut decoded = Decoded { records: Vec::new(), next: position };
    let mut aborted: Vec<_> =
        aborted.unwrap_or_default().iter().map(|one| (one.first_offset, one.producer_id)).collect();
    aborted.sort_unstable_by(|a, b| b.cmp(a));
    let mut aborting = BTreeSet::new();
    for raw in batches_lenient(bytes) {
        let batch = validate(raw?, &Limits::broker())?;
        let header = *batch.header();
        let last = header.base_offset + i64::from(header.last_offset_delta);
        while aborted.last().is_some_and(|(first, _)| *first <= last) {
            aborting.extend(aborted.pop().map(|(_, producer)| producer));
        }
        let attributes = header.attributes;
        let payload = if attributes.is_control() {
            let payload = batch.payload();
            let first = RecordIter::new(&payload, header.record_count).next();
            if let Some(Ok(record)) = first
                && record.key.is_some_and(is_abort)
            {
                aborting.remove(&header.producer_id);
            }
            None
        } else if attributes.is_transactional() && aborting.contains(&header.producer_id) {
            None
        } else {
            Some(decompress(
                attributes.codec()?,
                &batch.payload(),
                DecompressCap::of_bytes(i32::MAX as usize),
            )?)
        };
        for record in payload.iter().flat_map(|payload| RecordIter::new(payload, header.record_count)) {
            let record = record?;
            if record.offset(&header) < position {
                continue;
            }
            let payload = payload.as_ref().expect("there is a record of it");
            let share = |bytes: &[u8]| payload.slice_ref(bytes);
            decoded.records.push(Record {
                offset: record.offset(&header),
                timestamp_ms: record.timestamp(&header),
                key: record.key.map(share),
                value: record.value.map(share),
                headers: record
                    .headers
                    .map(|(key, value)| (String::from_utf8_lossy(key).into_owned(), value.map(share)))
                    .collect(),
            });
        }
        decoded.next = decoded.next.max(last + 1);
    }
    Ok(decoded)
}

fn is_abort(key: &[u8]) -> bool {
    ControlType::read(key) == Some(ControlType::Abort)
}

#[cfg(test)]
mod tests {
    use klamm_records::{BatchBuilder, Compression, EndTxnMarker};

    use super::*;

    fn batch(base: i64, producer: Option<i64>, values: &[&str]) -> Bytes {
        let mut builder = BatchBuilder::new(Compression::default()).base_offset(base);
        if let Some(producer) = producer {
            builder = builder.producer(producer, 0, 0).transactional();
        }
        values
            .iter()
            .for_each(|value| builder.push(5, None, Some(value.as_bytes()), &[("h".as_bytes(), None)]));
        builder.build().unwrap()
    }

    fn marker(base: i64, producer: i64, commit: bool) -> Vec<u8> {
        let marker = EndTxnMarker { commit, coordinator_epoch: 0 }.batch(producer, 0, 1).unwrap();
        let mut bytes = marker.bytes().to_vec();
        bytes[..8].copy_from_slice(&base.to_be_bytes());
        bytes
    }

    fn check(bytes: &[u8], position: i64, aborted: &[(i64, i64)], expected: &str, next: i64) {
        let aborted: Vec<_> = aborted
            .iter()
            .map(|&(producer_id, first_offset)| AbortedTransaction { producer_id, first_offset })
            .collect();
        let decoded = records(&Bytes::copy_from_slice(bytes), position, Some(&aborted)).unwrap();
        let show =
            |r: &Record| format!("{}={}", r.offset, String::from_utf8_lossy(r.value.as_deref().unwrap()));
        let got: Vec<_> = decoded.records.iter().map(show).collect();
        assert_eq!((got.join(" ").as_str(), decoded.next), (expected, next));
    }

    #[test]
    fn positions_and_aborted_transactions() {
        let plain = batch(10, None, &["a", "b", "c"]);
        check(&plain, 11, &[], "11=b 12=c", 13);
        check(&plain[..plain.len() - 1], 10, &[], "", 10);
        let all = [
            &batch(0, Some(7), &["x"])[..],
            &batch(1, Some(8), &["y"]),
            &marker(2, 7, false),
            &batch(3, Some(7), &["z"]),
            &marker(4, 7, true),
        ]
        .concat();
        check(&all, 0, &[(7, 0)], "1=y 3=z", 5);
        check(&all, 0, &[], "0=x 1=y 3=z", 5);
        check(&all, 0, &[(8, 1), (7, 0)], "3=z", 5);
    }

    #[test]
    fn damage_is_told() {
        let mut bytes = batch(0, None, &["a"]).to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        assert!(matches!(records(&bytes.into(), 0, None), Err(BatchError::Crc { .. })));
    }
}
