//! DeleteRecords: the log's start moves, and readers find out.

use klamm_conformance::{Raw, batch, records, unique};
use klamm_protocol::delete_records::{
    DeleteRecordsPartition, DeleteRecordsPartitionResult, DeleteRecordsTopic,
};
use klamm_protocol::{DeleteRecordsRequest, ErrorCode};

use crate::pair;

fn delete(
    raw: &mut Raw,
    version: i16,
    topic: &str,
    partition_index: i32,
    offset: i64,
) -> DeleteRecordsPartitionResult {
    let partitions = vec![DeleteRecordsPartition { partition_index, offset }];
    let topics = vec![DeleteRecordsTopic { name: topic.to_owned().into(), partitions }];
    raw.ask(version, &DeleteRecordsRequest { topics, timeout_ms: 10_000 })
        .topics
        .remove(0)
        .partitions
        .remove(0)
}

/// What every version can.
pub(crate) fn every_version(raw: &mut Raw, version: i16, what: &str) {
    let name = unique("shortened");
    raw.create(&name, 1, &[]);
    raw.append(&name, 0, batch(&["a", "b", "c"]));
    let done = delete(raw, version, &name, 0, 2);
    assert_eq!((done.error_code, done.low_watermark), (ErrorCode::NONE, 2), "{what}");
    let unknown = delete(raw, version, "not-there", 0, 0);
    assert_eq!(
        (unknown.error_code, unknown.low_watermark),
        (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, -1),
        "{what}"
    );
}

#[test]
fn records_before_an_offset_go() {
    let (_broker, mut raw) = pair();
    let name = unique("shortened");
    raw.create(&name, 1, &[]);
    for i in 0..5 {
        raw.append(&name, 0, batch(&[format!("{i}a"), format!("{i}b")]));
    }
    let low = |raw: &mut Raw, partition, offset| {
        let done = delete(raw, 2, &name, partition, offset);
        (done.error_code, done.low_watermark)
    };
    assert_eq!(low(&mut raw, 0, 3), (ErrorCode::NONE, 3), "inside a batch");
    assert_eq!(raw.offset(&name, 0, -2, -1).offset, 3);
    assert_eq!(raw.fetch(&name, 0, 2).error_code, ErrorCode::OFFSET_OUT_OF_RANGE);
    let kept = records(&raw.fetch(&name, 0, 3));
    assert!(kept.contains(&(3, "1b".to_owned())) && kept.len() >= 7, "{kept:?}");
    assert_eq!(low(&mut raw, 0, 1), (ErrorCode::NONE, 3), "it never goes back");
    assert_eq!(low(&mut raw, 0, 11), (ErrorCode::OFFSET_OUT_OF_RANGE, -1), "past the end");
    assert_eq!(low(&mut raw, 0, -2), (ErrorCode::OFFSET_OUT_OF_RANGE, -1));
    assert_eq!(low(&mut raw, 7, 0), (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, -1));
    assert_eq!(low(&mut raw, 0, -1), (ErrorCode::NONE, 10), "all");
    assert_eq!((raw.offset(&name, 0, -2, -1).offset, raw.end(&name, 0)), (10, 10));
    assert_eq!(raw.append(&name, 0, batch(&["new"])), 10);
}
