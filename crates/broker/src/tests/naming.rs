//! What requests name twice, in two spellings, or though it is not there.

use std::sync::Arc;

use klamm_model::StorageClass;
use klamm_protocol::{
    DescribeConfigsRequest, DescribeProducersRequest, ErrorCode, FetchRequest, ListOffsetsRequest,
    OffsetCommitRequest, OffsetFetchRequest, describe_configs::DescribeConfigsResource, describe_producers,
    fetch, list_offsets, offset_commit, offset_fetch,
};

use super::{Stores, TOPIC, ask, broker, new_topic};
use crate::{AllowClients, Broker, configs};

/// With the topic `secret` of two partitions.
async fn started() -> Arc<Broker> {
    let broker = broker(Stores::default().start().await, Arc::new(AllowClients)).await;
    broker.change(TOPIC, new_topic(StorageClass::Disk, 2)).await.unwrap();
    broker
}

fn describe_producers(indexes: impl Iterator<Item = i32>) -> DescribeProducersRequest<'static> {
    let partition_indexes = indexes.collect();
    let topic = describe_producers::TopicRequest { name: "secret".into(), partition_indexes };
    DescribeProducersRequest { topics: vec![topic] }
}

fn fetch_offsets(indexes: impl Iterator<Item = i32>) -> OffsetFetchRequest<'static> {
    let partition_indexes = indexes.collect();
    let topic = offset_fetch::OffsetFetchRequestTopic { name: "secret".into(), partition_indexes };
    OffsetFetchRequest { group_id: "g".into(), topics: Some(vec![topic]), ..Default::default() }
}

fn fetch(indexes: impl Iterator<Item = i32>) -> FetchRequest<'static> {
    let partitions = indexes.map(|partition| fetch::FetchPartition { partition, ..Default::default() });
    let topic =
        fetch::FetchTopic { topic: "secret".into(), partitions: partitions.collect(), ..Default::default() };
    FetchRequest { replica_id: -1, session_epoch: -1, topics: vec![topic], ..Default::default() }
}

/// An answer to each takes far more than its name.
#[tokio::test]
async fn very_many_that_are_not_there_are_not_told() {
    let broker = started().await;
    // The two that are there do not count.
    assert!(ask(&broker, 12, &fetch(0..10_002)).await.is_some());
    assert!(ask(&broker, 12, &fetch(0..10_003)).await.is_none());
    assert!(ask(&broker, 7, &fetch_offsets(0..10_002)).await.is_some());
    assert!(ask(&broker, 7, &fetch_offsets(0..10_003)).await.is_none());
    assert!(ask(&broker, 0, &describe_producers(0..10_002)).await.is_some());
    assert!(ask(&broker, 0, &describe_producers(0..10_003)).await.is_none());
}

/// Each mention is a result of its own, though it has no text.
#[tokio::test]
async fn errors_without_words_are_bounded_too() {
    let parts = Stores::default().start().await;
    let broker = broker(parts.clone(), Arc::new(AllowClients)).await;
    // Nobody wakes the courier: the metadata has it, its shard does not yet.
    parts.cluster.ask(new_topic(StorageClass::Disk, 1)).await.unwrap();
    let told = ask(&broker, 0, &describe_producers([0; 100].into_iter())).await.unwrap();
    assert!(told.topics[0].partitions.iter().all(|p| p.error_code == ErrorCode::NOT_LEADER_OR_FOLLOWER));
    assert!(ask(&broker, 0, &describe_producers([0; 30_000].into_iter())).await.is_none());
}

#[tokio::test]
async fn a_broker_is_one_however_its_id_is_written() {
    let broker = started().await;
    let request = |names: &mut dyn Iterator<Item = String>| {
        let of = |name: String| DescribeConfigsResource {
            resource_type: configs::BROKER,
            resource_name: name.into(),
            configuration_keys: None,
        };
        DescribeConfigsRequest { resources: names.map(of).collect(), ..Default::default() }
    };
    let spelled = |zeros: usize| format!("{}1", "0".repeat(zeros));
    let few = ask(&broker, 4, &request(&mut (0..3).map(spelled))).await.unwrap();
    assert!(few.results.iter().all(|told| told.error_code.is_ok() && !told.configs.is_empty()));
    assert!(ask(&broker, 4, &request(&mut (0..500).map(spelled))).await.is_none());
}

#[tokio::test]
async fn a_topic_in_two_entries_is_one() {
    let broker = started().await;
    let topic = |indexes: &[i32]| {
        let at = |&partition_index: &i32| list_offsets::ListOffsetsPartition {
            partition_index,
            current_leader_epoch: -1,
            timestamp: -1,
        };
        list_offsets::ListOffsetsTopic { name: "secret".into(), partitions: indexes.iter().map(at).collect() }
    };
    let topics = vec![topic(&[0]), topic(&[1, 0])];
    let request = ListOffsetsRequest { replica_id: -1, topics, ..Default::default() };
    let told = ask(&broker, 6, &request).await.unwrap();
    let [topic] = &told.topics[..] else { panic!("{told:?}") };
    let codes: Vec<_> = topic.partitions.iter().map(|p| (p.partition_index, p.error_code)).collect();
    assert_eq!(codes, [(0, ErrorCode::INVALID_REQUEST), (1, ErrorCode::NONE)]);
}

#[tokio::test]
async fn of_a_partition_named_twice_the_last_offset_counts() {
    let broker = started().await;
    let of = |partition_index, committed_offset, bytes: usize| offset_commit::OffsetCommitRequestPartition {
        partition_index,
        committed_offset,
        committed_metadata: Some("m".repeat(bytes).into()),
        ..Default::default()
    };
    let topic = |partitions| offset_commit::OffsetCommitRequestTopic {
        name: "secret".into(),
        partitions,
        ..Default::default()
    };
    let commit = OffsetCommitRequest {
        group_id: "g".into(),
        generation_id_or_member_epoch: -1,
        topics: vec![topic(vec![of(0, 5, 0), of(1, 6, 10_000)]), topic(vec![of(1, 7, 0), of(0, 8, 10_000)])],
        ..Default::default()
    };
    let told = ask(&broker, 8, &commit).await.unwrap();
    let codes: Vec<_> =
        told.topics.iter().flat_map(|topic| &topic.partitions).map(|p| p.error_code).collect();
    let too_large = ErrorCode::OFFSET_METADATA_TOO_LARGE;
    assert_eq!(codes, [too_large, ErrorCode::NONE, ErrorCode::NONE, too_large]);
    let kept = ask(&broker, 7, &fetch_offsets(0..2)).await.unwrap();
    let kept: Vec<_> = kept.topics[0].partitions.iter().map(|p| p.committed_offset).collect();
    assert_eq!(kept, [-1, 7]);
}
