//! Properties: what is built is read back, through every codec; no bytes make anything here panic.

use bytes::Bytes;
use klamm_records::*;
use proptest::{collection::vec, option, prelude::*};

const CAP: DecompressCap = DecompressCap::of_bytes(1 << 20);

type Row = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(Vec<u8>, Option<Vec<u8>>)>);

fn field() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..40),
        (any::<u8>(), 0..3000usize).prop_map(|(byte, bytes)| vec![byte; bytes])
    ]
}

fn row() -> impl Strategy<Value = Row> {
    let time = prop_oneof![-1i64..5_000_000_000_000, Just(0), Just(i64::MAX)];
    (
        time,
        option::of(field()),
        option::of(field()),
        vec((vec(any::<u8>(), 0..9), option::of(vec(any::<u8>(), 0..9))), 0..4),
    )
}

fn codec() -> impl Strategy<Value = Codec> {
    (0..if cfg!(feature = "zstd") { 5u8 } else { 4 }).prop_map(|id| Codec::from_id(id).unwrap())
}

fn build(mut builder: BatchBuilder, rows: &[Row]) -> Bytes {
    for (timestamp_ms, key, value, headers) in rows {
        let headers: Vec<HeaderRef<'_>> =
            headers.iter().map(|(key, value)| (key.as_slice(), value.as_deref())).collect();
        builder.push(*timestamp_ms, key.as_deref(), value.as_deref(), &headers);
    }
    builder.build().unwrap()
}

fn read(header: &BatchHeader, payload: &[u8]) -> Vec<Row> {
    let iter = RecordIter::new(payload, header.record_count).map(Result::unwrap);
    iter.map(|record| {
        let headers = record.headers.map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec))).collect();
        let [key, value] = [record.key, record.value].map(|field| field.map(<[u8]>::to_vec));
        (record.timestamp(header), key, value, headers)
    })
    .collect()
}

/// Everything that takes bytes from outside.
fn devour(bytes: &Bytes) {
    for batch in batches(bytes).chain(batches_lenient(bytes)).chain([single(bytes)]).flatten() {
        let header = *batch.header();
        let _ = (header.last_offset(), header.next_offset(), header.last_sequence());
        devour_payload(&header, &batch.payload());
        for limits in [Limits::client(1 << 20), Limits::broker()] {
            if let Ok(valid) = validate(batch.clone(), &limits) {
                let (head, rest) = PatchedHead::place(&valid, 7, 1);
                let _ = validate_records(&valid, true, CAP);
                assert!(
                    validate(single(&head.with_append_time(1).join(&rest)).unwrap(), &Limits::broker())
                        .is_ok()
                );
            }
        }
    }
}

fn devour_payload(header: &BatchHeader, payload: &Bytes) {
    let _ = first_at_or_after(header, payload, 1, 1, CAP);
    let _ = max_timestamp(header, payload, CAP);
    let _ = walk(header, payload);
    let mut last = 0;
    for record in RecordIter::new(payload, header.record_count).flatten() {
        last += record.headers.count() + record.key.map_or(0, <[u8]>::len);
        let _ = EndTxnMarker::read(&record);
    }
    assert!(last <= payload.len());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn built_batches_are_read_back(
        rows in vec(row(), 1..30), codec in codec(), producer in option::of((0..i64::MAX, 0..i16::MAX, 0..i32::MAX)),
    ) {
        let mut builder = BatchBuilder::new(Compression::of(codec));
        if let Some((id, epoch, sequence)) = producer {
            builder = builder.producer(id, epoch, sequence).transactional();
        }
        let bytes = build(builder, &rows);
        let two = Bytes::from([&bytes[..], &bytes[..]].concat());
        for raw in batches(&two) {
            let batch = validate(raw.unwrap(), &Limits::client(1 << 20)).unwrap();
            prop_assert_eq!(batch.bytes(), &bytes);
            let payload = decompress(codec, &batch.payload(), CAP).unwrap();
            prop_assert_eq!(&read(batch.header(), &payload), &rows);
            let info = validate_records(&batch, true, CAP).unwrap().unwrap();
            let max = rows.iter().map(|row| row.0).max().unwrap();
            let first = rows.iter().position(|row| row.0 == max).unwrap();
            prop_assert_eq!((info.max_timestamp, info.max_timestamp_offset_delta), (max, first as i32));
            prop_assert_eq!(info.has_keyless, rows.iter().any(|row| row.1.is_none()));
            prop_assert_eq!(batch.header().max_timestamp, max);
            let place = TimestampOffset { offset: first as i64, timestamp: max };
            prop_assert_eq!(max_timestamp(batch.header(), &batch.payload(), CAP), Ok(Some(place)));
            prop_assert_eq!(first_at_or_after(batch.header(), &batch.payload(), 0, max, CAP), Ok(Some(place)));
        }
    }

    #[test]
    fn compaction_keeps_what_it_keeps(rows in vec(row(), 1..20), keep in vec(any::<bool>(), 20), codec in codec()) {
        let bytes = build(BatchBuilder::new(Compression::of(codec)).base_offset(1000), &rows);
        let old = validate(single(&bytes).unwrap(), &Limits::broker()).unwrap();
        let payload = decompress(codec, &old.payload(), CAP).unwrap();
        let mut builder = BatchBuilder::new(Compression::of(codec))
            .base_offset(1000).last_offset_delta(old.header().last_offset_delta).delete_horizon(77);
        for record in RecordIter::new(&payload, old.header().record_count).flatten() {
            if keep[record.offset_delta as usize] {
                builder.push_record(old.header(), &record);
            }
        }
        let new = validate(single(&builder.build().unwrap()).unwrap(), &Limits::broker()).unwrap();
        prop_assert_eq!(new.header().next_offset(), old.header().next_offset());
        let kept: Vec<Row> = rows.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(row, _)| row.clone()).collect();
        let payload = decompress(new.codec(), &new.payload(), CAP).unwrap();
        prop_assert_eq!(read(new.header(), &payload), kept);
        prop_assert!(walk(new.header(), &payload).is_ok());
        prop_assert_eq!(new.header().delete_horizon_ms(), Some(77));
    }

    #[test]
    fn damaged_and_cut_batches_do_not_panic(
        rows in vec(row(), 1..5), codec in codec(), at in any::<prop::sample::Index>(), byte: u8, cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = build(BatchBuilder::new(Compression::of(codec)), &rows).to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= byte;
        devour(&Bytes::copy_from_slice(&bytes));
        // The same with a right CRC, so that the damage reaches the records.
        let crc = crc32c(&bytes[field::ATTRIBUTES..]);
        bytes[field::CRC..field::ATTRIBUTES].copy_from_slice(&crc.to_be_bytes());
        devour(&Bytes::copy_from_slice(&bytes));
        bytes.truncate(cut.index(bytes.len()));
        devour(&Bytes::from(bytes));
    }

    #[test]
    fn damaged_payloads_do_not_panic(
        rows in vec(row(), 1..5), codec in codec(), flips in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let raw = single(&build(BatchBuilder::new(Compression::of(codec)), &rows)).unwrap();
        let mut payload = raw.payload().to_vec();
        for (at, byte) in flips {
            let at = at.index(payload.len());
            payload[at] = byte;
        }
        devour_payload(raw.header(), &payload.into());
    }

    #[test]
    fn noise_does_not_panic(bytes in vec(any::<u8>(), 0..400), count: i32, codec in codec()) {
        let bytes = Bytes::from(bytes);
        devour(&bytes);
        if let Ok(out) = decompress(codec, &bytes, CAP) {
            assert!(codec == Codec::None || out.len() <= CAP.bytes_max);
        }
        let mut builder = BatchBuilder::new(Compression::of(codec));
        builder.push(0, None, None, &[]);
        let mut header = *single(&builder.build().unwrap()).unwrap().header();
        header.record_count = count;
        devour_payload(&header, &bytes);
        for prefix in [&b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01"[..], b"\x04\x22\x4d\x18\x60\x40\x82", b"\x28\xb5\x2f\xfd", b"\x1f\x8b\x08\0"] {
            devour_payload(&header, &Bytes::from([prefix, &bytes].concat()));
        }
    }
}
