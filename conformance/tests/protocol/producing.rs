//! Produce: idempotence, many partitions, acks.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use klamm_conformance::{Raw, batch, batch_of, records, to_produce, unique};
use klamm_protocol::delete_topics::DeleteTopicState;
use klamm_protocol::produce::{PartitionProduceData, PartitionProduceResponse, TopicProduceData};
use klamm_protocol::{DeleteTopicsRequest, ErrorCode, ProduceRequest, Records};

use crate::pair;

#[test]
fn a_duplicate_gets_its_first_offset_again() {
    let (_broker, mut raw) = pair();
    let topic = unique("duplicate");
    raw.create(&topic, 1, &[]);
    let (id, epoch) = raw.producer();
    raw.append(&topic, 0, batch(&["somebody else's"]));
    for sequence in 0..7 {
        let offset = raw.append(&topic, 0, batch_of(Some((id, epoch, sequence)), &["x"]));
        assert_eq!(offset, i64::from(sequence) + 1);
    }
    // The last five are remembered.
    for sequence in 2..7 {
        let offset = raw.append(&topic, 0, batch_of(Some((id, epoch, sequence)), &["x"]));
        assert_eq!(offset, i64::from(sequence) + 1, "sequence {sequence} again");
    }
    assert_eq!(raw.end(&topic, 0), 8, "nothing was written twice");
}

#[test]
fn sequences_and_epochs_are_judged() {
    let (_broker, mut raw) = pair();
    let topic = unique("sequence");
    raw.create(&topic, 2, &[]);
    let (id, _) = raw.producer();
    let mut code = |partition, epoch, sequence, count| {
        let batch = batch_of(Some((id, epoch, sequence)), &vec!["x"; count]);
        raw.produce(&topic, partition, batch).error_code
    };
    assert_eq!(code(0, 0, 0, 3), ErrorCode::NONE);
    assert_eq!(code(0, 0, 4, 1), ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, "a gap");
    assert_eq!(code(0, 0, 0, 2), ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, "a part of a batch again");
    assert_eq!(code(0, 0, 3, 2), ErrorCode::NONE, "the next");
    assert_eq!(code(0, 1, 5, 1), ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, "a new epoch begins at 0");
    assert_eq!(code(0, 1, 0, 1), ErrorCode::NONE, "a new epoch");
    assert_eq!(code(0, 0, 5, 1), ErrorCode::INVALID_PRODUCER_EPOCH, "the old epoch");
    assert_eq!(code(1, 0, 0, 1), ErrorCode::NONE, "each partition for itself");
    assert_eq!((raw.end(&topic, 0), raw.end(&topic, 1)), (6, 1), "what was refused is not there");
}

#[test]
fn a_producer_goes_on_in_a_topic_that_was_made_again() {
    let (_broker, mut raw) = pair();
    let topic = unique("again");
    raw.create(&topic, 1, &[]);
    let (id, epoch) = raw.producer();
    assert_eq!(raw.append(&topic, 0, batch_of(Some((id, epoch, 0)), &["x", "y"])), 0);
    let topics = vec![DeleteTopicState { name: Some(topic.clone().into()), ..Default::default() }];
    let deleted = raw.ask(6, &DeleteTopicsRequest { topics, timeout_ms: 10_000, ..Default::default() });
    assert_eq!(deleted.responses[0].error_code, ErrorCode::NONE);
    raw.create(&topic, 1, &[]);
    // Clients do not notice, and go on with their sequences.
    assert_eq!(raw.append(&topic, 0, batch_of(Some((id, epoch, 2)), &["z"])), 0);
    assert_eq!(raw.append(&topic, 0, batch_of(Some((id, epoch, 3)), &["z"])), 1);
}

#[test]
fn a_producer_goes_on_that_outlived_its_cluster() {
    let (_broker, mut raw) = pair();
    let topic = unique("outlived");
    raw.create(&topic, 1, &[]);
    let (ours, epoch) = raw.producer();
    // Ids that this cluster never gave out: the client had them before the data was wiped.
    for (theirs, offset) in [(ours + 1_000_000, 0), (ours + 2_000_000, 1)] {
        assert_eq!(raw.append(&topic, 0, batch_of(Some((theirs, epoch, 5)), &["x"])), offset);
    }
}

#[test]
fn many_partitions_in_one_request() {
    let (_broker, mut raw) = pair();
    let (topic, other) = (unique("many"), unique("many"));
    raw.create(&topic, 40, &[]);
    raw.create(&other, 3, &[]);
    let data = |index: i32, value: String| PartitionProduceData {
        index,
        records: Some(Records::from(batch(&[value]))),
    };
    let of = |name: &str, partition_data| TopicProduceData {
        name: name.to_owned().into(),
        partition_data,
        ..Default::default()
    };
    let mut first: Vec<_> = (0..40).rev().map(|i| data(i, format!("p{i}"))).collect();
    first.push(data(40, "no such partition".into()));
    first.push(data(-1, "no such partition".into()));
    let bad = PartitionProduceData { index: 1, records: Some(Records::Borrowed(b"no batch")) };
    let topic_data = vec![
        of(&topic, first),
        of("not-there", vec![data(0, "lost".into())]),
        of(&other, vec![data(0, "o0".into()), bad, data(2, "o2".into())]),
    ];
    let answer =
        raw.ask(9, &ProduceRequest { acks: -1, timeout_ms: 10_000, topic_data, ..Default::default() });
    let find = |name: &str, index: i32| -> PartitionProduceResponse<'static> {
        let topic = answer.responses.iter().find(|t| t.name == name).expect("the topic");
        topic.partition_responses.iter().find(|p| p.index == index).expect("the partition").clone()
    };
    for index in 0..40 {
        let partition = find(&topic, index);
        assert_eq!((partition.error_code, partition.base_offset), (ErrorCode::NONE, 0), "partition {index}");
        assert_eq!(records(&raw.fetch(&topic, index, 0)), [(0, format!("p{index}"))]);
    }
    for (name, index) in [(&*topic, 40), (&topic, -1), ("not-there", 0)] {
        assert_eq!(find(name, index).error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "{name} {index}");
    }
    assert!(find(&other, 1).error_code.is_err(), "one bad batch of many");
    assert_eq!((find(&other, 0).error_code, find(&other, 2).error_code), (ErrorCode::NONE, ErrorCode::NONE));
    assert_eq!(raw.end(&other, 1), 0);
}

#[test]
fn the_broker_gives_the_time_where_the_topic_wants_it() {
    let (_broker, mut raw) = pair();
    let topic = unique("append-time");
    raw.create(&topic, 1, &[("message.timestamp.type", "LogAppendTime")]);
    let answer = raw.produce(&topic, 0, batch(&["x", "y"]));
    assert_eq!((answer.error_code, answer.base_offset), (ErrorCode::NONE, 0));
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as i64;
    let time = answer.log_append_time_ms;
    assert!((now_ms - 60_000..=now_ms + 1000).contains(&time), "{time}");
    let at = |raw: &mut Raw, time| raw.offset(&topic, 0, time, -1);
    assert_eq!((at(&mut raw, time).offset, at(&mut raw, time).timestamp), (0, time));
    assert_eq!(at(&mut raw, time + 1).offset, -1);
    assert_eq!(at(&mut raw, -3).timestamp, time);
    assert_eq!(records(&raw.fetch(&topic, 0, 0)).len(), 2);
}

#[test]
fn acks_0_has_no_answer_and_1_has_one() {
    let (broker, mut raw) = pair();
    let topic = unique("acks");
    raw.create(&topic, 1, &[]);
    for i in 0..20 {
        raw.send(9, &ProduceRequest { acks: 0, ..to_produce(&topic, 0, batch(&[i.to_string()])) });
    }
    // The next answer on this connection is that of the next request.
    let one = raw.ask(9, &ProduceRequest { acks: 1, ..to_produce(&topic, 0, batch(&["one"])) });
    assert_eq!(one.responses[0].partition_responses[0].base_offset, 20);
    assert!(raw.is_silent_for(Duration::from_millis(100)), "acks=0 has no answer");
    let other = raw.ask(9, &ProduceRequest { acks: 2, ..to_produce(&topic, 0, batch(&["two"])) });
    assert_eq!(other.responses[0].partition_responses[0].error_code, ErrorCode::INVALID_REQUIRED_ACKS);
    assert_eq!(raw.end(&topic, 0), 21);
    // Kafka closes the connection, the only way to tell that something is wrong.
    let mut lost = Raw::connect(broker.addr());
    lost.send(9, &ProduceRequest { acks: 0, ..to_produce("not-there", 0, batch(&["lost"])) });
    assert!(lost.is_closed_within(Duration::from_secs(5)), "acks=0 to nowhere closes the connection");
}
