//! Request frames as a client sends them, without their length where a session takes them.

use bytes::Bytes;
use klamm_protocol::{
    CreateTopicsRequest, FetchRequest, ProduceRequest, Records, Request,
    create_topics::{CreatableTopic, CreatableTopicConfig},
    encode_request_frame,
    fetch::{FetchPartition, FetchTopic},
    produce::{PartitionProduceData, TopicProduceData},
};

/// Produce by topic name.
pub const PRODUCE_VERSION: i16 = 9;
/// Fetch by topic name.
pub const FETCH_VERSION: i16 = 12;
/// CreateTopics.
pub const CREATE_VERSION: i16 = 5;

/// A whole frame, with its length.
pub fn frame<R: Request>(version: i16, correlation_id: i32, request: &R) -> Vec<u8> {
    let pieces = encode_request_frame(version, correlation_id, Some("klamm-bench"), request);
    pieces.expect("the version carries it").concat()
}

/// A frame as a session takes it: without its length.
pub fn body(frame: Vec<u8>) -> Bytes {
    Bytes::from(frame).slice(4..)
}

/// A Produce of one batch for each of the partitions.
pub fn produce(topic: &str, partitions: &[i32], batch: &Bytes, acks: i16) -> Vec<u8> {
    let partition = |index: &i32| PartitionProduceData {
        index: *index,
        records: Some(Records::Segments(vec![batch.clone()])),
    };
    let partition_data = partitions.iter().map(partition).collect();
    let data = TopicProduceData { name: topic.into(), partition_data, ..Default::default() };
    let request = ProduceRequest { acks, timeout_ms: 30_000, topic_data: vec![data], ..Default::default() };
    frame(PRODUCE_VERSION, 1, &request)
}

/// A Fetch without session of partitions, each from its offset on.
pub fn fetch(topic: &str, from: &[(i32, i64)], bytes_max: i32, min_bytes: i32) -> Vec<u8> {
    let partition = |(partition, fetch_offset): &(i32, i64)| FetchPartition {
        partition: *partition,
        fetch_offset: *fetch_offset,
        current_leader_epoch: -1,
        partition_max_bytes: bytes_max,
        ..Default::default()
    };
    let partitions = from.iter().map(partition).collect();
    let request = FetchRequest {
        replica_id: -1,
        max_wait_ms: 500,
        min_bytes,
        max_bytes: bytes_max,
        session_epoch: -1,
        topics: vec![FetchTopic { topic: topic.into(), partitions, ..Default::default() }],
        ..Default::default()
    };
    frame(FETCH_VERSION, 1, &request)
}

/// A topic of a storage class.
pub fn create(topic: &str, partitions: i32, class: &str) -> Vec<u8> {
    create_with(topic, partitions, &[("klamm.storage.class", class)])
}

/// A topic with configurations.
pub fn create_with(topic: &str, partitions: i32, configs: &[(&str, &str)]) -> Vec<u8> {
    let config = |(name, value): &(&str, &str)| CreatableTopicConfig {
        name: (*name).to_owned().into(),
        value: Some((*value).to_owned().into()),
    };
    let topic = CreatableTopic {
        name: topic.into(),
        num_partitions: partitions,
        replication_factor: 1,
        configs: configs.iter().map(config).collect(),
        ..Default::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, ..Default::default() };
    frame(CREATE_VERSION, 1, &request)
}
