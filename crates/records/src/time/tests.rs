//! Looking records up by time.

use super::*;
use crate::{BatchBuilder, Codec, Compression, Limits, PatchedHead, single, validate};

const CAP: DecompressCap = DecompressCap::of_bytes(1 << 20);

/// Records at offsets 100.. with these timestamps.
fn batch(codec: Codec, timestamps_ms: &[i64]) -> (BatchHeader, Bytes) {
    let mut builder = BatchBuilder::new(Compression::of(codec)).base_offset(100);
    for timestamp_ms in timestamps_ms {
        builder.push(*timestamp_ms, None, Some(b"v"), &[]);
    }
    let raw = single(&builder.build().unwrap()).unwrap();
    (*raw.header(), raw.payload())
}

#[test]
fn first_in_offset_order() {
    let at = |offset, timestamp| Ok(Some(TimestampOffset { offset, timestamp }));
    for codec in [Codec::None, Codec::Snappy] {
        let (header, payload) = batch(codec, &[50, 10, 30, 20]);
        let find = |from, time| first_at_or_after(&header, &payload, from, time, CAP);
        assert_eq!(find(0, 0), at(100, 50));
        assert_eq!(find(101, 15), at(102, 30));
        assert_eq!(find(103, 15), at(103, 20));
        assert_eq!(find(103, 21), Ok(None));
        assert_eq!(find(104, 0), Ok(None));
        assert_eq!(find(0, 51), Ok(None));
        assert_eq!(max_timestamp(&header, &payload, CAP), at(100, 50));
    }
}

#[test]
fn the_first_of_equal_maxima() {
    let (header, payload) = batch(Codec::Gzip, &[1, 9, 9, 2]);
    assert_eq!(
        max_timestamp(&header, &payload, CAP),
        Ok(Some(TimestampOffset { offset: 101, timestamp: 9 }))
    );
}

#[test]
fn append_time_counts_for_all_records() {
    let mut builder = BatchBuilder::new(Compression::default());
    builder.push(5, None, None, &[]);
    builder.push(6, None, None, &[]);
    let valid = validate(single(&builder.build().unwrap()).unwrap(), &Limits::client(1000)).unwrap();
    let (head, rest) = PatchedHead::place(&valid, 40, 0);
    let header = head.with_append_time(1000).header();
    let found = first_at_or_after(&header, &rest, 41, 900, CAP);
    assert_eq!(found, Ok(Some(TimestampOffset { offset: 41, timestamp: 1000 })));
    assert_eq!(first_at_or_after(&header, &rest, 0, 1001, CAP), Ok(None));
    assert_eq!(max_timestamp(&header, &rest, CAP), Ok(Some(TimestampOffset { offset: 40, timestamp: 1000 })));
}
