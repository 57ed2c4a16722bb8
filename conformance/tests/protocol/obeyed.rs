//! Topic configurations that decide what is taken in, and how it is kept.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use klamm_conformance::{Raw, records, unique};
use klamm_protocol::ErrorCode;
use klamm_protocol::fetch::PartitionData;
use klamm_records::{BatchBuilder, BatchHeader, Codec, Compression, TimestampType, batches_lenient};

use crate::configs::{SET, change};
use crate::pair;

const HOUR_MS: i64 = 3_600_000;

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_millis()).expect("not that late")
}

/// Records of (timestamp, key).
fn built(codec: Codec, of: &[(i64, Option<&str>)]) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::of(codec));
    for (timestamp, key) in of {
        builder.push(*timestamp, key.map(str::as_bytes), Some(&[b'v'; 300]), &[]);
    }
    builder.build().expect("a batch")
}

/// Code, text, and of each bad record its index and text.
type Answer = (ErrorCode, Option<String>, Vec<(i32, Option<String>)>);

fn produce(raw: &mut Raw, topic: &str, batch: &Bytes) -> Answer {
    let answer = raw.produce(topic, 0, batch.clone());
    let bad = answer.record_errors.iter();
    let bad = bad.map(|e| (e.batch_index, e.batch_index_error_message.as_ref().map(ToString::to_string)));
    if answer.error_code.is_err() {
        assert_eq!((answer.base_offset, answer.log_append_time_ms), (-1, -1), "{answer:?}");
    }
    (answer.error_code, answer.error_message.as_ref().map(ToString::to_string), bad.collect())
}

fn header(data: &PartitionData<'_>) -> BatchHeader {
    let pieces = data.records.as_ref().expect("records").pieces().collect::<Vec<_>>().concat();
    *batches_lenient(&pieces.into()).next().expect("a batch").expect("whole").header()
}

const CODECS: [(&str, Codec); 5] = [
    ("uncompressed", Codec::None),
    ("gzip", Codec::Gzip),
    ("snappy", Codec::Snappy),
    ("lz4", Codec::Lz4),
    ("zstd", Codec::Zstd),
];

#[test]
fn records_are_recompressed() {
    let (_broker, mut raw) = pair();
    let now = now_ms();
    let (id, epoch) = raw.producer();
    for (name, to) in CODECS {
        let topic = unique(name);
        raw.create(&topic, 1, &[("compression.type", name), ("compression.gzip.level", "9")]);
        for (sequence, (_, from)) in (0..).zip(CODECS) {
            let mut builder = BatchBuilder::new(Compression::of(from)).producer(id, epoch, 2 * sequence);
            builder.push(now - 5, Some(b"k"), Some(&[b'a'; 500]), &[(b"h", Some(b"x"))]);
            builder.push(now - 7, None, Some(b"b"), &[]);
            let batch = builder.build().expect("a batch");
            let offset = raw.append(&topic, 0, batch.clone());
            assert_eq!(raw.append(&topic, 0, batch), offset, "a duplicate is one");
            let found = raw.fetch(&topic, 0, offset);
            let head = header(&found);
            assert_eq!(head.attributes.codec(), Ok(to), "{from} to {name}");
            assert_eq!((head.producer_id, head.base_sequence, head.record_count), (id, 2 * sequence, 2));
            assert_eq!((head.base_timestamp, head.max_timestamp), (now - 5, now - 5));
            let values = [(offset, "a".repeat(500)), (offset + 1, "b".to_owned())];
            assert_eq!(records(&found)[..2], values, "{from} to {name}");
        }
    }
    let topic = unique("append-time");
    raw.create(&topic, 1, &[("compression.type", "lz4"), ("message.timestamp.type", "LogAppendTime")]);
    let answer = raw.produce(&topic, 0, built(Codec::Gzip, &[(5, None), (6, None)]));
    let head = header(&raw.fetch(&topic, 0, 0));
    assert!(answer.log_append_time_ms >= now, "{answer:?}");
    assert_eq!((head.max_timestamp, head.attributes.codec()), (answer.log_append_time_ms, Ok(Codec::Lz4)));
    assert_eq!(head.attributes.timestamp_type(), TimestampType::LogAppendTime);
}

#[test]
fn what_grows_beyond_the_limit_is_refused() {
    let (_broker, mut raw) = pair();
    let topic = unique("grows");
    raw.create(&topic, 1, &[("compression.type", "uncompressed"), ("max.message.bytes", "1000")]);
    let now = now_ms();
    let one: &[_] = &[(now, None)];
    assert_eq!(produce(&mut raw, &topic, &built(Codec::Gzip, one)).0, ErrorCode::NONE);
    let many: Vec<_> = (0..10).map(|i| (now + i, None)).collect();
    let batch = built(Codec::Gzip, &many);
    assert!(batch.len() < 1000, "{}", batch.len());
    let (code, _, bad) = produce(&mut raw, &topic, &batch);
    assert_eq!((code, bad), (ErrorCode::MESSAGE_TOO_LARGE, vec![]));
    assert_eq!(raw.end(&topic, 0), 1);
}

#[test]
fn times_must_be_within_bounds() {
    let (_broker, mut raw) = pair();
    let topic = unique("times");
    raw.create(&topic, 1, &[]);
    let now = now_ms();
    let invalid = Some("One or more records have been rejected due to invalid timestamp".to_owned());
    for (_, codec) in CODECS {
        let ahead =
            built(codec, &[(now, None), (now + 2 * HOUR_MS, None), (now, None), (now + 3 * HOUR_MS, None)]);
        let (code, why, bad) = produce(&mut raw, &topic, &ahead);
        assert_eq!((code, &why), (ErrorCode::INVALID_TIMESTAMP, &invalid), "{codec}");
        assert_eq!(bad.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [1, 3], "{codec}");
        let text = bad[0].1.as_deref().expect("a text");
        let begins = format!(
            "Timestamp {} of message with offset 1 is out of range. The timestamp should be within [",
            now + 2 * HOUR_MS
        );
        assert!(text.starts_with(&begins) && text.ends_with(']'), "{text}");
        for good in [now + HOUR_MS / 2, 0, -1] {
            assert_eq!(
                produce(&mut raw, &topic, &built(codec, &[(good, None)])),
                (ErrorCode::NONE, None, vec![]),
                "{codec} {good}"
            );
        }
    }
    let bounded = unique("bounded");
    raw.create(
        &bounded,
        1,
        &[("message.timestamp.before.max.ms", "60000"), ("message.timestamp.after.max.ms", "60000")],
    );
    for (_, codec) in CODECS {
        let early = built(codec, &[(now, None), (now - HOUR_MS, None), (-1, None)]);
        let (code, why, bad) = produce(&mut raw, &bounded, &early);
        assert_eq!((code, &why), (ErrorCode::INVALID_TIMESTAMP, &invalid), "{codec}");
        assert_eq!(bad.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [1], "{codec}");
        assert_eq!(produce(&mut raw, &bounded, &built(codec, &[(now, None), (-1, None)])).0, ErrorCode::NONE);
    }
    // The broker's own time is never out of bounds.
    assert_eq!(
        change(&mut raw, &bounded, &[("message.timestamp.type", SET, Some("LogAppendTime"))]).0,
        ErrorCode::NONE
    );
    crate::admin::until(|| {
        produce(&mut raw, &bounded, &built(Codec::None, &[(now - HOUR_MS, None)])).0 == ErrorCode::NONE
    });
}

#[test]
fn what_is_compacted_needs_keys() {
    let (_broker, mut raw) = pair();
    let topic = unique("compacted");
    raw.create(&topic, 1, &[("cleanup.policy", "compact")]);
    let now = now_ms();
    for (_, codec) in CODECS {
        assert_eq!(produce(&mut raw, &topic, &built(codec, &[(now, Some("k"))])).0, ErrorCode::NONE);
        let (code, why, bad) = produce(
            &mut raw,
            &topic,
            &built(codec, &[(now, Some("k")), (now, None), (now, None), (now, None), (now, None)]),
        );
        assert_eq!(code, ErrorCode::INVALID_RECORD, "{codec}");
        let each = format!("Compacted topic cannot accept message without key in topic partition {topic}-0");
        let expected: Vec<_> = (1..5).map(|index| (index, Some(each.clone()))).collect();
        assert_eq!(bad, expected, "{codec}");
        let why = why.expect("a text");
        assert!(why.starts_with("One or more records have been rejected due to 4 record errors in total, and only showing the first three errors at most: ["), "{why}");
        println!("{why}");
    }
    // Both at once: the times are told.
    let (code, _, bad) =
        produce(&mut raw, &topic, &built(Codec::None, &[(now, None), (now + 2 * HOUR_MS, Some("k"))]));
    assert_eq!((code, bad.len()), (ErrorCode::INVALID_TIMESTAMP, 2), "{bad:?}");
}

/// One replica is as many as there can be.
#[test]
fn more_replicas_in_sync_than_there_are() {
    let (_broker, mut raw) = pair();
    let topic = unique("in-sync");
    raw.create(&topic, 1, &[("min.insync.replicas", "2")]);
    assert_eq!(
        produce(&mut raw, &topic, &built(Codec::None, &[(now_ms(), None)])),
        (ErrorCode::NONE, None, vec![])
    );
}

/// The largest time in a batch's head is what its records say, whatever the producer wrote there.
#[test]
fn a_heads_largest_time_is_true() {
    let (_broker, mut raw) = pair();
    let topic = unique("head");
    raw.create(&topic, 1, &[]);
    let now = now_ms();
    let batch = klamm_records::single(&built(Codec::None, &[(now - 3, None), (now - 9, None)])).expect("one");
    let batch = klamm_records::validate(batch, &klamm_records::Limits::client(1 << 20)).expect("good");
    let (head, rest) = klamm_records::PatchedHead::split(&batch);
    raw.append(&topic, 0, head.with_max_timestamp(now - 2).join(&rest));
    assert_eq!(header(&raw.fetch(&topic, 0, 0)).max_timestamp, now - 3);
    assert_eq!(raw.offset(&topic, 0, now - 2, -1).offset, -1);
}
