//! Batches that must pass, and one fault at a time.

use super::*;
use crate::{BatchBuilder, Compression, ErrorClass, single};

const LIMITS: Limits = Limits::client(1 << 20);

fn batch() -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::default()).producer(3, 1, 0);
    for i in 0..3 {
        builder.push(100 + i, Some(b"k"), Some(b"v"), &[(b"h", None)]);
    }
    builder.build().unwrap().to_vec()
}

/// A batch with one field changed and a right CRC.
fn with(change: impl FnOnce(&mut BatchHeader)) -> Bytes {
    let bytes = batch();
    let mut header = BatchHeader::parse(bytes.first_chunk().unwrap()).unwrap();
    change(&mut header);
    crate::builder::close(header, &bytes[HEAD_BYTES..]).unwrap()
}

fn check(bytes: Bytes, limits: &Limits) -> Result<ValidBatch, BatchError> {
    validate(single(&bytes).unwrap(), limits)
}

#[track_caller]
fn refused(change: impl FnOnce(&mut BatchHeader), class: ErrorClass) {
    let error = check(with(change), &LIMITS).unwrap_err();
    assert_eq!(error.class(), class, "{error}");
}

#[test]
fn clients() {
    use ErrorClass::*;
    assert!(check(batch().into(), &LIMITS).is_ok());
    refused(|h| h.record_count = 0, Invalid);
    refused(|h| h.record_count = 2, Invalid);
    refused(|h| (h.record_count, h.last_offset_delta) = (0, -1), Invalid);
    refused(|h| (h.record_count, h.last_offset_delta) = (i32::MIN, i32::MAX), Invalid);
    refused(|h| h.base_offset = 1, Invalid);
    refused(|h| h.base_offset = -1, Invalid);
    refused(|h| h.attributes = h.attributes.with_control(true), Invalid);
    refused(|h| h.attributes = h.attributes.with_delete_horizon(true), Invalid);
    refused(|h| h.attributes = Attributes(5), UnsupportedCodec);
    refused(
        |h| h.attributes = h.attributes.with_timestamp_type(TimestampType::LogAppendTime),
        InvalidTimestamp,
    );
    refused(|h| h.base_timestamp = -2, InvalidTimestamp);
    refused(|h| h.max_timestamp = i64::MIN, InvalidTimestamp);
    refused(|h| h.producer_id = -2, Invalid);
    refused(|h| h.producer_epoch = -1, Invalid);
    refused(|h| h.base_sequence = -1, Invalid);
    refused(|h| (h.producer_id, h.attributes) = (-1, h.attributes.with_transactional(true)), Invalid);
}

#[test]
fn what_clients_in_the_field_send() {
    // kafkajs and sarama without idempotence: id -1, but epoch and sequence 0.
    assert!(
        check(with(|h| (h.producer_id, h.producer_epoch, h.base_sequence) = (-1, 0, 0)), &LIMITS).is_ok()
    );
    // No timestamps at all; and old sarama: no largest timestamp.
    assert!(check(with(|h| (h.base_timestamp, h.max_timestamp) = (-1, -1)), &LIMITS).is_ok());
    let odd = check(with(|h| h.max_timestamp = -1), &LIMITS).unwrap();
    assert!(!odd.max_timestamp_is_plausible());
    // Any leader epoch, unused attribute bits.
    assert!(
        check(with(|h| (h.partition_leader_epoch, h.attributes) = (i32::MIN, Attributes(0x180))), &LIMITS)
            .is_ok()
    );
}

#[test]
fn brokers_may_more() {
    let limits = Limits::broker();
    assert!(check(with(|h| h.base_offset = 1 << 40), &limits).is_ok());
    assert!(check(with(|h| h.last_offset_delta = 9), &limits).is_ok());
    assert!(check(with(|h| h.record_count = 0), &limits).is_ok());
    assert!(check(with(|h| (h.attributes, h.base_sequence) = (Attributes(0x30), -1)), &limits).is_ok());
    assert!(check(with(|h| h.record_count = 4), &limits).is_err());
    assert!(check(with(|h| h.base_offset = i64::MAX - 1), &limits).is_err());
}

#[test]
fn size_is_that_of_the_whole_batch() {
    let bytes = Bytes::from(batch());
    assert!(check(bytes.clone(), &Limits::client(bytes.len())).is_ok());
    let error = check(bytes.clone(), &Limits::client(bytes.len() - 1)).unwrap_err();
    assert_eq!(error, BatchError::TooLarge { bytes: bytes.len(), bytes_max: bytes.len() - 1 });
    assert_eq!(error.class(), ErrorClass::TooLarge);
}

#[test]
fn every_flip_is_caught_but_those_outside_the_crc() {
    let good = batch();
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            let result = single(&bytes.into()).and_then(|batch| validate(batch, &LIMITS));
            // Only the leader epoch is neither covered nor judged.
            let free = (field::PARTITION_LEADER_EPOCH..field::MAGIC).contains(&at);
            assert_eq!(result.is_ok(), free, "byte {at} bit {bit}");
            if at >= field::CRC {
                assert!(matches!(result, Err(BatchError::Crc { .. })), "byte {at} bit {bit}");
            }
        }
    }
}

use crate::Attributes;
