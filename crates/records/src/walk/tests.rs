//! Records that must pass, and one fault at a time.

use super::*;
use crate::{BatchBuilder, Compression, ErrorClass, HEAD_BYTES, Limits, builder::close, single, validate};

fn builder() -> BatchBuilder {
    BatchBuilder::new(Compression::default())
}

fn info(bytes: Bytes) -> Result<RecordsInfo, BatchError> {
    let batch = validate(single(&bytes)?, &Limits::broker())?;
    validate_records(&batch, true, DecompressCap::default()).map(Option::unwrap)
}

/// One record, its body bytes given, in a batch that counts `record_count` records.
fn raw(payload: &[u8], record_count: i32) -> Result<RecordsInfo, BatchError> {
    let mut builder = builder();
    builder.push(0, None, None, &[]);
    let bytes = builder.build().unwrap();
    let mut header = BatchHeader::parse(bytes.first_chunk().unwrap()).unwrap();
    (header.record_count, header.last_offset_delta) = (record_count, record_count - 1);
    info(close(header, payload).unwrap())
}

#[track_caller]
fn fault(payload: &[u8], expected: RecordFault) {
    let error = raw(payload, 1).unwrap_err();
    assert_eq!(error, BatchError::Record { index: 0, fault: expected });
    assert_eq!(error.class(), ErrorClass::Invalid);
}

#[test]
fn what_it_learns() {
    let mut builder = builder();
    builder.push(500, Some(b"a"), None, &[]);
    builder.push(900, Some(b"b"), None, &[]);
    builder.push(100, Some(b"c"), None, &[]);
    builder.push(900, None, None, &[]);
    let bytes = builder.build().unwrap();
    let expected = RecordsInfo {
        max_timestamp: 900,
        max_timestamp_offset_delta: 1,
        min_timestamp: 100,
        has_keyless: true,
        bytes: bytes.len() - HEAD_BYTES,
    };
    assert_eq!(info(bytes), Ok(expected));
}

#[test]
fn compressed_batches_are_walked_on_demand() {
    let mut builder = BatchBuilder::new(Compression::of(Codec::Gzip));
    builder.push(1, None, Some(b"v"), &[]);
    let batch = validate(single(&builder.build().unwrap()).unwrap(), &Limits::broker()).unwrap();
    assert_eq!(validate_records(&batch, false, DecompressCap::default()), Ok(None));
    assert!(matches!(validate_records(&batch, true, DecompressCap::default()), Ok(Some(_))));
}

#[test]
fn offset_deltas() {
    let mut gaps = builder().last_offset_delta(9);
    gaps.push_at(3, 0, None, None, &[]);
    gaps.push_at(7, 0, None, None, &[]);
    assert!(info(gaps.build().unwrap()).is_ok());
    // length 6: attributes, timestamp delta, offset delta 1, null key, null value, no headers
    fault(&[12, 0, 0, 2, 1, 1, 0], RecordFault::OffsetDelta);
    let twice = [12, 0, 0, 0, 1, 1, 0, 12, 0, 0, 0, 1, 1, 0];
    assert_eq!(raw(&twice, 2), Err(BatchError::Record { index: 1, fault: RecordFault::OffsetDelta }));
}

#[test]
fn malformed_records() {
    assert!(raw(&[12, 0, 0, 0, 1, 1, 0], 1).is_ok());
    fault(&[], RecordFault::Truncated);
    fault(&[12, 0, 0, 0, 1, 1], RecordFault::Truncated);
    fault(&[1], RecordFault::Length);
    fault(&[10, 0, 0, 0, 1, 1], RecordFault::Length);
    fault(&[14, 0, 0, 0, 1, 1, 0, 0], RecordFault::Length);
    fault(&[12, 0, 0, 0, 3, 1, 0], RecordFault::Key);
    fault(&[12, 0, 0, 0, 20, 1, 0], RecordFault::Key);
    fault(&[12, 0, 0, 0, 1, 20, 0], RecordFault::Value);
    fault(&[12, 0, 0, 0, 1, 1, 1], RecordFault::Headers);
    fault(&[16, 0, 0, 0, 1, 1, 2, 1, 1], RecordFault::Headers);
    fault(&[20, 0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f], RecordFault::Length);
    fault(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff], RecordFault::Varint);
    let trailing = raw(&[12, 0, 0, 0, 1, 1, 0, 0], 1);
    assert_eq!(trailing, Err(BatchError::Record { index: 1, fault: RecordFault::Trailing }));
}
