//! ListOffsets: the named places, times, epochs.

use klamm_conformance::{batch, to_produce, unique};
use klamm_protocol::list_offsets::{ListOffsetsPartition, ListOffsetsTopic};
use klamm_protocol::{ErrorCode, ListOffsetsRequest, ProduceRequest};
use klamm_records::{BatchBuilder, Codec, Compression};

use crate::pair;

#[test]
fn places_and_times() {
    let (_broker, mut raw) = pair();
    let topic = unique("listing");
    let epoch = raw.create(&topic, 1, &[]).partitions[0].leader_epoch;
    let found = |answer: klamm_protocol::list_offsets::ListOffsetsPartitionResponse| {
        assert_eq!(answer.error_code, ErrorCode::NONE, "{answer:?}");
        (answer.offset, answer.timestamp)
    };
    assert_eq!(found(raw.offset(&topic, 0, -3, -1)), (-1, -1), "no record, no largest timestamp");
    // Times out of order, within a batch and over batches; compressed and not.
    for (codec, times) in
        [(Codec::None, [100, 500, 300]), (Codec::Zstd, [200, 900, 400]), (Codec::None, [600, 700, 800])]
    {
        let mut builder = BatchBuilder::new(Compression::of(codec));
        times.iter().for_each(|time| builder.push(*time, None, Some(b"x"), &[]));
        raw.append(&topic, 0, builder.build().expect("a batch"));
    }
    for (timestamp, expected) in [
        (-1, (9, -1)),
        (-2, (0, -1)),
        (-3, (4, 900)),
        (-4, (0, -1)),
        (0, (0, 100)),
        (101, (1, 500)),
        (501, (4, 900)),
        (900, (4, 900)),
        (901, (-1, -1)),
    ] {
        assert_eq!(found(raw.offset(&topic, 0, timestamp, -1)), expected, "at {timestamp}");
    }
    assert_eq!(raw.offset(&topic, 0, -1, epoch).leader_epoch, epoch);
    assert_eq!(raw.offset(&topic, 0, -1, epoch + 1).error_code, ErrorCode::UNKNOWN_LEADER_EPOCH);
    if epoch > 0 {
        assert_eq!(raw.offset(&topic, 0, -1, epoch - 1).error_code, ErrorCode::FENCED_LEADER_EPOCH);
    }
    assert_eq!(raw.offset(&topic, 1, -1, -1).error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(raw.offset("not-there", 0, -1, -1).error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
}

#[test]
fn what_was_acknowledged_is_counted() {
    let (_broker, mut raw) = pair();
    let topic = unique("listing");
    raw.create(&topic, 1, &[]);
    for end in 1..=50 {
        let request = ProduceRequest { acks: 1, ..to_produce(&topic, 0, batch(&["x"])) };
        let answer = raw.ask(9, &request).responses.remove(0).partition_responses.remove(0);
        assert_eq!((answer.error_code, answer.base_offset), (ErrorCode::NONE, end - 1), "{answer:?}");
        assert_eq!(raw.end(&topic, 0), end, "right after acks=1");
    }
}

#[test]
fn the_replica_id_makes_no_difference() {
    let (_broker, mut raw) = pair();
    let topic = unique("listing");
    raw.create(&topic, 1, &[]);
    raw.append(&topic, 0, batch(&["x", "y"]));
    let at = |timestamp| ListOffsetsPartition { timestamp, current_leader_epoch: -1, ..Default::default() };
    for replica_id in [-1, -2, 0, 1, 7] {
        for (timestamp, offset) in [(-1, 2), (-2, 0)] {
            let topics =
                vec![ListOffsetsTopic { name: topic.clone().into(), partitions: vec![at(timestamp)] }];
            let answer = raw.ask(9, &ListOffsetsRequest { replica_id, topics, ..Default::default() });
            let found = &answer.topics[0].partitions[0];
            assert_eq!((found.error_code, found.offset), (ErrorCode::NONE, offset), "replica {replica_id}");
        }
    }
}

#[test]
fn nothing_is_tiered() {
    let (_broker, mut raw) = pair();
    let topic = unique("listing");
    raw.create(&topic, 1, &[]);
    raw.append(&topic, 0, batch(&["x"]));
    let at = |timestamp| ListOffsetsPartition { timestamp, current_leader_epoch: -1, ..Default::default() };
    let topics = vec![ListOffsetsTopic { name: topic.into(), partitions: vec![at(-5)] }];
    let request = ListOffsetsRequest { replica_id: -1, topics, timeout_ms: 1000, ..Default::default() };
    let answer = raw.ask(11, &request).topics.remove(0).partitions.remove(0);
    assert_eq!((answer.error_code, answer.offset), (ErrorCode::NONE, -1), "{answer:?}");
}

#[test]
fn a_partition_named_twice_is_refused() {
    let (_broker, mut raw) = pair();
    let topic = unique("listing");
    raw.create(&topic, 2, &[]);
    let at =
        |partition_index| ListOffsetsPartition { partition_index, timestamp: -1, current_leader_epoch: -1 };
    let topics = vec![ListOffsetsTopic { name: topic.into(), partitions: vec![at(0), at(1), at(0)] }];
    let answer = raw.ask(9, &ListOffsetsRequest { replica_id: -1, topics, ..Default::default() });
    let codes: Vec<_> =
        answer.topics[0].partitions.iter().map(|p| (p.partition_index, p.error_code)).collect();
    assert!(codes.contains(&(1, ErrorCode::NONE)), "{codes:?}");
    assert!(codes.contains(&(0, ErrorCode::INVALID_REQUEST)), "{codes:?}");
}
