//! Batches that are not what they say: a code, and nothing is appended.

use klamm_conformance::{Raw, batch, batch_of, records, to_produce, unique};
use klamm_protocol::{ErrorCode, ProduceRequest};
use klamm_records::{BatchBuilder, Codec, Compression, crc32c, field};

use crate::{Attacked, MIB};

/// The codes for what is broken, and for what is forbidden.
const CORRUPT: &[ErrorCode] = &[ErrorCode::CORRUPT_MESSAGE];
const INVALID: &[ErrorCode] = &[ErrorCode::INVALID_RECORD];
const EITHER: &[ErrorCode] = &[ErrorCode::CORRUPT_MESSAGE, ErrorCode::INVALID_RECORD];

/// The codes that fit, and the batch.
type Case = (&'static [ErrorCode], Vec<u8>);

#[test]
fn nothing_bad_is_appended() {
    let attacked = Attacked::start(&[]);
    let topic = unique("bad");
    let mut raw = attacked.connect();
    raw.create(&topic, 1, &[]);
    let good = batch(&["a", "b", "c"]).to_vec();
    raw.append(&topic, 0, good.clone());
    let put = |at: usize, bytes: &[u8]| {
        let mut bad = good.clone();
        bad[at..at + bytes.len()].copy_from_slice(bytes);
        bad
    };
    let signed = |at, bytes: &[u8]| sign(put(at, bytes));
    let mut flipped = good.clone();
    *flipped.last_mut().expect("bytes") ^= 0x10;
    let records_at = field::RECORD_COUNT + 4;
    let old = |codes: &'static [ErrorCode], magic: u8| (codes, put(field::MAGIC, &[magic]));
    const OLD: &[ErrorCode] = &[ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT, ErrorCode::INVALID_RECORD];
    const FORBIDDEN: &[ErrorCode] = &[ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED];
    const CODEC: &[ErrorCode] =
        &[ErrorCode::UNSUPPORTED_COMPRESSION_TYPE, ErrorCode::INVALID_RECORD, ErrorCode::CORRUPT_MESSAGE];
    let cases: Vec<(&str, Case)> = vec![
        ("a flipped bit in a record", (CORRUPT, flipped)),
        ("a flipped bit in the CRC", (CORRUPT, put(field::CRC, &[good[field::CRC] ^ 1]))),
        ("a flipped bit in the attributes", (CORRUPT, put(field::ATTRIBUTES + 1, &[0x40]))),
        ("a longer length", (EITHER, put(field::BATCH_LENGTH, &(good.len() as i32).to_be_bytes()))),
        ("a shorter length", (EITHER, put(field::BATCH_LENGTH, &(good.len() as i32 - 20).to_be_bytes()))),
        ("a negative length", (EITHER, put(field::BATCH_LENGTH, &(-1i32).to_be_bytes()))),
        ("the largest length", (EITHER, put(field::BATCH_LENGTH, &i32::MAX.to_be_bytes()))),
        ("magic 0", old(OLD, 0)),
        ("magic 1", old(OLD, 1)),
        ("magic 3", old(EITHER, 3)),
        ("one record more", (EITHER, signed(field::RECORD_COUNT, &4i32.to_be_bytes()))),
        ("one record less", (EITHER, signed(field::RECORD_COUNT, &2i32.to_be_bytes()))),
        ("no record", (EITHER, signed(field::RECORD_COUNT, &0i32.to_be_bytes()))),
        ("as many records as can be said", (EITHER, signed(field::RECORD_COUNT, &i32::MAX.to_be_bytes()))),
        ("a negative record count", (EITHER, signed(field::RECORD_COUNT, &(-1i32).to_be_bytes()))),
        ("another last offset", (EITHER, signed(field::LAST_OFFSET_DELTA, &7i32.to_be_bytes()))),
        ("a negative last offset", (EITHER, signed(field::LAST_OFFSET_DELTA, &(-1i32).to_be_bytes()))),
        (
            "count and last offset that agree with each other only",
            (EITHER, {
                let bad = put(field::RECORD_COUNT, &9i32.to_be_bytes());
                let mut bad = bad;
                bad[field::LAST_OFFSET_DELTA..][..4].copy_from_slice(&8i32.to_be_bytes());
                sign(bad)
            }),
        ),
        ("a record's length", (EITHER, signed(records_at, &[0x7e]))),
        ("a record's offset delta", (EITHER, signed(records_at + 3, &[0x08]))),
        ("a control batch", (INVALID, signed(field::ATTRIBUTES + 1, &[0x20]))),
        ("a transaction without a producer", (FORBIDDEN, signed(field::ATTRIBUTES + 1, &[0x10]))),
        ("an unknown compression", (CODEC, signed(field::ATTRIBUTES + 1, &[5]))),
        ("a producer without sequence", (EITHER, signed(field::PRODUCER_ID, &7i64.to_be_bytes()))),
        ("two batches", (INVALID, [&good[..], &good].concat())),
        ("half a head", (EITHER, good[..30].to_vec())),
        ("half a batch", (EITHER, good[..good.len() - 3].to_vec())),
        ("bytes behind the batch", (EITHER, [&good[..], b"more"].concat())),
        ("nothing", (EITHER, vec![])),
    ];
    for (what, (codes, bad)) in cases {
        let answer = raw.produce(&topic, 0, bad);
        assert!(codes.contains(&answer.error_code), "{what}: {answer:?}");
        assert_eq!(answer.base_offset, -1, "{what}");
        assert_eq!(raw.end(&topic, 0), 3, "{what}: appended");
    }
    let mut null = to_produce(&topic, 0, vec![]);
    null.topic_data[0].partition_data[0].records = None;
    assert!(raw.ask(9, &null).responses[0].partition_responses[0].error_code.is_err(), "null");
    assert_eq!(records(&raw.fetch(&topic, 0, 0)).len(), 3);
    attacked.survived(4 * MIB);
}

#[test]
fn a_producer_of_our_own_making_writes_nothing_odd() {
    let attacked = Attacked::start(&[]);
    let mut raw = attacked.connect();
    for producer in [(-2, 0, 0), (7, -1, 0), (7, 0, -1)] {
        let code = raw.produce(&attacked.name, 0, batch_of(Some(producer), &["x"])).error_code;
        assert!(EITHER.contains(&code), "{producer:?}: {code:?}");
    }
    // Transactions come later: nothing of one is accepted now.
    let mut builder = BatchBuilder::new(Compression::of(Codec::None)).producer(7, 0, 0).transactional();
    builder.push(1, None, Some(b"x"), &[]);
    let transactional = builder.build().expect("a batch");
    assert!(raw.produce(&attacked.name, 0, transactional.clone()).error_code.is_err());
    let request = ProduceRequest {
        transactional_id: Some("mine".into()),
        ..to_produce(&attacked.name, 0, transactional)
    };
    let answer = raw.ask(9, &request);
    assert!(answer.responses[0].partition_responses[0].error_code.is_err());
    assert_eq!(raw.end(&attacked.name, 0), 1);
    attacked.survived(2 * MIB);
}

#[test]
fn batches_above_the_limit_are_too_large() {
    let attacked = Attacked::start(&["-c", "message.max.bytes=20000"]);
    let mut raw = attacked.connect();
    let of = |bytes: usize| batch(&["x".repeat(bytes)]);
    let code = |raw: &mut Raw, topic: &str, bytes| raw.produce(topic, 0, of(bytes)).error_code;
    assert_eq!(code(&mut raw, &attacked.name, 19_000), ErrorCode::NONE);
    assert_eq!(code(&mut raw, &attacked.name, 20_000), ErrorCode::MESSAGE_TOO_LARGE);
    assert_eq!(code(&mut raw, &attacked.name, 10 << 20), ErrorCode::MESSAGE_TOO_LARGE);
    let (small, large) = (unique("small"), unique("large"));
    raw.create(&small, 1, &[("max.message.bytes", "1000")]);
    raw.create(&large, 1, &[("max.message.bytes", "3000000")]);
    assert_eq!(code(&mut raw, &small, 1000), ErrorCode::MESSAGE_TOO_LARGE);
    assert_eq!(code(&mut raw, &small, 500), ErrorCode::NONE);
    assert_eq!(code(&mut raw, &large, 2_900_000), ErrorCode::NONE);
    assert_eq!(raw.end(&attacked.name, 0), 2);
    attacked.survived(48 * MIB);
}

/// Makes the CRC right again.
fn sign(mut bad: Vec<u8>) -> Vec<u8> {
    let crc = crc32c(&bad[field::ATTRIBUTES..]);
    bad[field::CRC..field::ATTRIBUTES].copy_from_slice(&crc.to_be_bytes());
    bad
}
