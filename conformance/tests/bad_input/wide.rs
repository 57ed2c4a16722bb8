//! Requests of very many small parts: an answer or a closed connection, and memory in proportion to the frame.

use klamm_conformance::unique;
use klamm_protocol::create_topics::CreatableTopic;
use klamm_protocol::fetch::{FetchPartition, FetchTopic};
use klamm_protocol::list_offsets::{ListOffsetsPartition, ListOffsetsTopic};
use klamm_protocol::metadata::MetadataRequestTopic;
use klamm_protocol::produce::{PartitionProduceData, TopicProduceData};
use klamm_protocol::{
    CreateTopicsRequest, ErrorCode, FetchRequest, ListOffsetsRequest, MetadataRequest, ProduceRequest,
    Request, encode_request_frame,
};

use crate::{Attacked, MIB, SLACK_BYTES};

/// What a frame costs at most, in its own size: above the aim of 4, for answers are built whole.
const FRAMES_MAX: u64 = 12;

/// What one costs that names partitions that are there, each once.
const THERE_FRAMES_MAX: u64 = 35;

fn check<R: Request>(version: i16, request: R) {
    let attacked = Attacked::start(&[]);
    let before = attacked.server.peak_bytes();
    let frame = encode_request_frame(version, 1, None, &request).expect("a frame").concat();
    let mut raw = attacked.connect();
    raw.write(&frame);
    let answer = raw.frame().map(|answer| answer.len());
    let grew = attacked.server.peak_bytes() - before;
    let frame = frame.len() as u64;
    println!("{} v{version}: {frame} bytes, answer {answer:?}, {} MiB", R::API, grew / MIB);
    assert!(grew <= FRAMES_MAX * frame + SLACK_BYTES, "{grew} bytes of memory for a frame of {frame}");
    attacked.survived(FRAMES_MAX * frame);
}

fn fetch(topic: &str, count: i32) -> FetchRequest<'static> {
    let of = |partition| FetchPartition { partition, partition_max_bytes: 1, ..Default::default() };
    let partitions = (0..count).map(of).collect();
    let topics = vec![FetchTopic { topic: topic.to_owned().into(), partitions, ..Default::default() }];
    FetchRequest { min_bytes: 1, topics, ..Default::default() }
}

#[test]
fn fetches() {
    for (version, count) in [(4, 60_000), (4, 500_000), (12, 200_000)] {
        check(version, fetch("nowhere", count));
    }
}

#[test]
fn fetches_of_what_is_not_there() {
    let attacked = Attacked::start(&[]);
    let mut raw = attacked.connect();
    let few = raw.ask(4, &fetch("nowhere", 10_000));
    assert_eq!(few.responses[0].partitions.len(), 10_000, "each is told");
    assert!(raw.try_ask(4, &fetch("nowhere", 10_001)).is_none(), "too many are not");
    // What is there may be named by the side of them.
    let mut both = fetch("nowhere", 10_000);
    both.topics.extend(fetch(&attacked.name, 1).topics);
    assert!(attacked.connect().ask(4, &both).responses.iter().any(|topic| topic.topic == attacked.name));
    attacked.survived(24 * MIB);
}

/// Each takes more than its name, once: there are no more of them than this broker has.
#[test]
fn fetches_of_what_is_there() {
    const PARTITIONS: i32 = 100_000;
    let mut attacked = Attacked::start(&[]);
    let topic = unique("wide");
    attacked.connect().create(&topic, PARTITIONS, &[]);
    attacked.server.restart();
    let mut raw = attacked.connect();
    raw.ask(4, &fetch(&topic, 100));
    let before = attacked.server.rss_bytes();
    let request = FetchRequest { max_wait_ms: 100, ..fetch(&topic, PARTITIONS) };
    let frame = encode_request_frame(4, 1, None, &request).expect("a frame").concat().len() as u64;
    let answer = raw.ask(4, &request);
    assert!(answer.responses[0].partitions.iter().all(|partition| partition.error_code.is_ok()));
    let grew = attacked.server.peak_bytes() - before;
    println!("{PARTITIONS} partitions: {frame} bytes, {} MiB", grew / MIB);
    assert!(grew <= THERE_FRAMES_MAX * frame, "{grew} bytes of memory for a frame of {frame}");
}

#[test]
fn produces() {
    for (version, count) in [(3, 30_000), (3, 500_000), (9, 30_000)] {
        let of = |index| PartitionProduceData { index, records: None };
        let partition_data = (0..count).map(of).collect();
        let data = TopicProduceData { name: "nowhere".into(), partition_data, ..Default::default() };
        check(version, ProduceRequest { acks: -1, topic_data: vec![data], ..Default::default() });
    }
}

#[test]
fn offsets() {
    let at = |partition_index| ListOffsetsPartition { partition_index, ..Default::default() };
    let partitions = (0..300_000).map(at).collect();
    let topics = vec![ListOffsetsTopic { name: "nowhere".into(), partitions }];
    check(1, ListOffsetsRequest { replica_id: -1, topics, ..Default::default() });
}

#[test]
fn topics() {
    let named = |i: i32| MetadataRequestTopic { name: Some(format!("{i}/").into()), ..Default::default() };
    let topics = Some((0..20_000).map(named).collect());
    check(4, MetadataRequest { topics, ..Default::default() });
    let named = |i: i32| CreatableTopic {
        name: format!("{i}/").into(),
        num_partitions: 1,
        replication_factor: 1,
        ..Default::default()
    };
    let topics = (0..20_000).map(named).collect();
    check(4, CreateTopicsRequest { topics, timeout_ms: 10, validate_only: true });
}

/// Sessions remember names: all of them together are bounded.
#[test]
fn sessions() {
    let attacked = Attacked::start(&[]);
    let mut raw = attacked.connect();
    let begun = |raw: &mut klamm_conformance::Raw, count| {
        let answer = raw.ask(12, &FetchRequest { session_epoch: 0, ..fetch(&unique("nowhere"), count) });
        assert_eq!(answer.error_code, ErrorCode::NONE);
        answer.session_id != 0
    };
    let wide = (0..100).filter(|_| begun(&mut raw, 10_000)).count();
    assert!((1..=50).contains(&wide), "{wide} sessions of 10,000 partitions");
    attacked.survived(256 * MIB);
}
