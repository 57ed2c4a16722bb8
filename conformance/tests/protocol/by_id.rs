//! Topics by id (KIP-516): Produce v13, Fetch v13; a topic of the same name is another topic.

use std::time::{Duration, Instant};

use klamm_conformance::{Raw, batch, records, to_fetch, to_produce, unique};
use klamm_protocol::delete_topics::DeleteTopicState;
use klamm_protocol::{DeleteTopicsRequest, ErrorCode, FetchRequest, Uuid};

use crate::pair;

#[test]
fn a_topic_made_again_has_another_id() {
    let (_broker, mut raw) = pair();
    let topic = unique("again");
    let old = raw.create(&topic, 1, &[]).topic_id;
    assert_eq!(produce(&mut raw, old, "old"), (ErrorCode::NONE, 0));
    assert_eq!(fetch(&mut raw, old), (ErrorCode::NONE, vec![(0, "old".to_owned())]));

    let topics = vec![DeleteTopicState { name: None, topic_id: old }];
    let deleted = raw.ask(6, &DeleteTopicsRequest { topics, timeout_ms: 10_000, ..Default::default() });
    assert_eq!(deleted.responses[0].error_code, ErrorCode::NONE);
    assert_eq!(deleted.responses[0].name.as_deref(), Some(&*topic), "the name of the id");
    let new = raw.create(&topic, 1, &[]).topic_id;
    assert_ne!(new, old);

    assert_eq!(produce(&mut raw, old, "late").0, ErrorCode::UNKNOWN_TOPIC_ID);
    assert_eq!(fetch(&mut raw, old).0, ErrorCode::UNKNOWN_TOPIC_ID);
    assert_eq!(fetch(&mut raw, new), (ErrorCode::NONE, vec![]), "nothing is left of the old one");
    assert_eq!(produce(&mut raw, new, "new"), (ErrorCode::NONE, 0));
    assert_eq!(records(&raw.fetch(&topic, 0, 0)), [(0, "new".to_owned())], "by name it is the same");
}

#[test]
fn no_id_is_no_topic() {
    let (_broker, mut raw) = pair();
    assert_eq!(produce(&mut raw, Uuid::ZERO, "x").0, ErrorCode::UNKNOWN_TOPIC_ID);
    assert_eq!(fetch(&mut raw, Uuid::ZERO).0, ErrorCode::UNKNOWN_TOPIC_ID);
}

#[test]
fn a_fetch_that_waits_is_told_that_its_topic_is_gone() {
    let (broker, mut raw) = pair();
    let topic = unique("gone");
    let id = raw.create(&topic, 1, &[]).topic_id;
    let mut waits = Raw::connect(broker.addr());
    let mut request = FetchRequest { max_wait_ms: 15_000, ..to_fetch("", 0, 0) };
    request.topics[0].topic_id = id;
    let sent = waits.send(13, &request);
    assert!(waits.is_silent_for(Duration::from_millis(200)), "it waits");
    let topics = vec![DeleteTopicState { name: None, topic_id: id }];
    raw.ask(6, &DeleteTopicsRequest { topics, timeout_ms: 10_000, ..Default::default() });
    let began = Instant::now();
    let code = waits.receive::<FetchRequest<'_>>(sent).responses[0].partitions[0].error_code;
    assert!(code.is_err(), "{code:?}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

fn produce(raw: &mut Raw, id: Uuid, value: &str) -> (ErrorCode, i64) {
    let mut request = to_produce("", 0, batch(&[value]));
    request.topic_data[0].topic_id = id;
    let answer = raw.ask(13, &request);
    assert_eq!(answer.responses[0].topic_id, id);
    let partition = &answer.responses[0].partition_responses[0];
    (partition.error_code, partition.base_offset)
}

fn fetch(raw: &mut Raw, id: Uuid) -> (ErrorCode, Vec<(i64, String)>) {
    let mut request = to_fetch("", 0, 0);
    request.topics[0].topic_id = id;
    let answer = raw.ask(13, &request);
    assert_eq!(answer.responses[0].topic_id, id);
    let partition = &answer.responses[0].partitions[0];
    (partition.error_code, records(partition))
}
