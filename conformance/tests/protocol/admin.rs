//! What administrators ask: more partitions, the cluster, producers, topics in pages, sizes, ends of epochs. [`exercise`]
//! has the rows of these APIs for `versions`.

use klamm_conformance::{Broker, Raw, batch, batch_of, unique};
use klamm_protocol::create_partitions::{CreatePartitionsAssignment, CreatePartitionsTopic};
use klamm_protocol::describe_client_quotas::ComponentData;
use klamm_protocol::describe_log_dirs::DescribableLogDirTopic;
use klamm_protocol::describe_producers::TopicRequest as ProducersOf;
use klamm_protocol::describe_quorum::{RequestPartitionData, RequestTopicData};
use klamm_protocol::describe_topic_partitions::{RequestCursor, TopicRequest};
use klamm_protocol::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use klamm_protocol::{
    ApiKey, CreatePartitionsRequest, DescribeClientQuotasRequest, DescribeClusterRequest,
    DescribeLogDirsRequest, DescribeProducersRequest, DescribeQuorumRequest, DescribeTopicPartitionsRequest,
    ErrorCode, ListConfigResourcesRequest, ListPartitionReassignmentsRequest, OffsetForLeaderEpochRequest,
};

use crate::{configs, delete_records, pair};

/// Asks for what every version can, judges the answer. False for an API that it has no row for.
pub(crate) fn exercise(raw: &mut Raw, topic: &str, api: ApiKey, version: i16, what: &str) -> bool {
    match api {
        ApiKey::DeleteRecords => delete_records::every_version(raw, version, what),
        ApiKey::OffsetForLeaderEpoch => ends(raw, topic, version, what),
        ApiKey::DescribeConfigs => configs::describe_every_version(raw, topic, version, what),
        ApiKey::AlterConfigs => configs::alter_every_version(raw, version, what),
        ApiKey::IncrementalAlterConfigs => configs::change_every_version(raw, version, what),
        ApiKey::DescribeLogDirs => sizes(raw, topic, version, what),
        ApiKey::DescribeQuorum => quorum(raw, version, what),
        ApiKey::CreatePartitions => grows(raw, version, what),
        ApiKey::ListPartitionReassignments => {
            let answer = raw.ask(version, &ListPartitionReassignmentsRequest::default());
            assert_eq!((answer.error_code, answer.topics.len()), (ErrorCode::NONE, 0), "{what}");
        }
        ApiKey::DescribeClientQuotas => {
            let answer = raw.ask(version, &DescribeClientQuotasRequest::default());
            assert_eq!((answer.error_code, answer.entries), (ErrorCode::NONE, Some(vec![])), "{what}");
        }
        ApiKey::DescribeCluster => cluster(raw, version, what),
        ApiKey::DescribeProducers => producers(raw, topic, version, what),
        ApiKey::ListConfigResources => resources(raw, topic, version, what),
        ApiKey::DescribeTopicPartitions => {
            let (topics, next) = page(raw, &[topic, "not-there"], 100, None);
            assert_eq!((topics.len(), next), (2, None), "{what}: {topics:?}");
        }
        _ => return false,
    }
    true
}

fn ends(raw: &mut Raw, topic: &str, version: i16, what: &str) {
    let (end, epoch) = (raw.end(topic, 0), raw.topic(topic).partitions[0].leader_epoch);
    let found = end_of_epoch(raw, version, topic, epoch, -1);
    assert_eq!(
        (found.error_code, found.leader_epoch, found.end_offset),
        (ErrorCode::NONE, epoch, end),
        "{what}"
    );
    let unknown = end_of_epoch(raw, version, "not-there", 0, -1);
    assert_eq!(unknown.error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "{what}");
}

fn sizes(raw: &mut Raw, topic: &str, version: i16, what: &str) {
    let base = raw.append(topic, 0, batch(&["sized"]));
    let answer = raw.ask(version, &DescribeLogDirsRequest { topics: None });
    assert!(base >= 0 && answer.error_code.is_ok() && answer.results.len() == 1, "{what}: {answer:?}");
    let folder = &answer.results[0];
    let of = folder.topics.iter().find(|t| t.name == topic).expect("the topic");
    assert!(folder.error_code.is_ok() && of.partitions[0].partition_size > 0, "{what}: {of:?}");
    let known = folder.total_bytes > 0 && folder.total_bytes >= folder.usable_bytes;
    assert_eq!(known, version >= 4, "{what}: {folder:?}");
}

fn quorum(raw: &mut Raw, version: i16, what: &str) {
    let quorum = |raw: &mut Raw, name: &'static str| {
        let partitions = vec![RequestPartitionData { partition_index: 0 }];
        let topics = vec![RequestTopicData { topic_name: name.into(), partitions }];
        raw.ask(version, &DescribeQuorumRequest { topics })
    };
    let answer = quorum(raw, "__cluster_metadata");
    let told = &answer.topics[0].partitions[0];
    let voter = &told.current_voters[0];
    assert_eq!((answer.error_code, told.error_code), (ErrorCode::NONE, ErrorCode::NONE), "{what}");
    assert_eq!((told.leader_id, told.current_voters.len()), (voter.replica_id, 1), "{what}");
    assert!(told.high_watermark > 0 && voter.log_end_offset >= told.high_watermark, "{what}: {told:?}");
    assert_eq!(voter.last_fetch_timestamp > 0, version >= 1, "{what}");
    assert_eq!(answer.nodes.len(), usize::from(version >= 2), "{what}");
    raw.create(&unique("goes-on"), 1, &[]);
    let later = quorum(raw, "__cluster_metadata").topics[0].partitions[0].high_watermark;
    assert!(later > told.high_watermark, "{what}: the metadata grew");
    let other = &quorum(raw, "not-there").topics[0].partitions[0];
    assert_eq!(other.error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "{what}");
}

fn grows(raw: &mut Raw, version: i16, what: &str) {
    let name = unique("grows");
    raw.create(&name, 1, &[]);
    assert_eq!(grow(raw, version, to(&name, 3), true).0, ErrorCode::NONE, "{what}");
    assert_eq!(raw.topic(&name).partitions.len(), 1, "{what}: only validated");
    assert_eq!(grow(raw, version, to(&name, 3), false).0, ErrorCode::NONE, "{what}");
    let (code, why) = grow(raw, version, to(&name, 1), false);
    assert_eq!((code, why.is_some()), (ErrorCode::INVALID_PARTITIONS, true), "{what}");
}

fn cluster(raw: &mut Raw, version: i16, what: &str) {
    let request = DescribeClusterRequest {
        include_cluster_authorized_operations: true,
        endpoint_type: 1,
        ..Default::default()
    };
    let answer = raw.ask(version, &request);
    assert_eq!((answer.error_code, answer.brokers.len()), (ErrorCode::NONE, 1), "{what}");
    assert_eq!(answer.controller_id, answer.brokers[0].broker_id, "{what}");
    assert!(answer.cluster_authorized_operations > 0 && !answer.cluster_id.is_empty(), "{what}");
}

fn producers(raw: &mut Raw, topic: &str, version: i16, what: &str) {
    let of = |name: &str| ProducersOf { name: name.to_owned().into(), partition_indexes: vec![0] };
    let topics = vec![of(topic), of("not-there")];
    let answer = raw.ask(version, &DescribeProducersRequest { topics });
    let code = |i: usize| answer.topics[i].partitions[0].error_code;
    assert_eq!((code(0), code(1)), (ErrorCode::NONE, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION), "{what}");
}

fn resources(raw: &mut Raw, topic: &str, version: i16, what: &str) {
    let answer = raw.ask(version, &ListConfigResourcesRequest::default());
    let found = answer.config_resources.iter().any(|r| (r.resource_type, &*r.resource_name) == (2, topic));
    assert_eq!((answer.error_code, found), (ErrorCode::NONE, version >= 1), "{what}: {answer:?}");
    if version >= 1 {
        let odd = raw.ask(version, &ListConfigResourcesRequest { resource_types: vec![99] });
        assert_eq!(odd.error_code, ErrorCode::UNSUPPORTED_VERSION, "{what}");
    }
}

fn to(name: &str, count: i32) -> CreatePartitionsTopic<'static> {
    CreatePartitionsTopic { name: name.to_owned().into(), count, assignments: None }
}

fn grow(
    raw: &mut Raw,
    version: i16,
    topic: CreatePartitionsTopic<'_>,
    validate_only: bool,
) -> (ErrorCode, Option<String>) {
    let request = CreatePartitionsRequest { topics: vec![topic], timeout_ms: 10_000, validate_only };
    let result = raw.ask(version, &request).results.remove(0);
    (result.error_code, result.error_message.map(Into::into))
}

fn end_of_epoch(raw: &mut Raw, version: i16, topic: &str, leader_epoch: i32, current: i32) -> EpochEndOffset {
    let partitions =
        vec![OffsetForLeaderPartition { partition: 0, current_leader_epoch: current, leader_epoch }];
    let topics = vec![OffsetForLeaderTopic { topic: topic.to_owned().into(), partitions }];
    let request = OffsetForLeaderEpochRequest { replica_id: -1, topics };
    raw.ask(version, &request).topics.remove(0).partitions.remove(0)
}

/// Name, code and partitions of each topic, and where the next page begins.
type Page = (Vec<(String, ErrorCode, Vec<i32>)>, Option<(String, i32)>);

fn page(raw: &mut Raw, names: &[&str], limit: i32, from: Option<(&str, i32)>) -> Page {
    let request = DescribeTopicPartitionsRequest {
        topics: names.iter().map(|&name| TopicRequest { name: name.into() }).collect(),
        response_partition_limit: limit,
        cursor: from
            .map(|(name, partition_index)| RequestCursor { topic_name: name.into(), partition_index }),
    };
    let answer = raw.ask(0, &request);
    let topic =
        |topic: klamm_protocol::describe_topic_partitions::DescribeTopicPartitionsResponseTopic<'_>| {
            let partitions = topic.partitions.iter().map(|partition| partition.partition_index).collect();
            (topic.name.unwrap_or_default().into_owned(), topic.error_code, partitions)
        };
    let next = answer.next_cursor.map(|cursor| (cursor.topic_name.into_owned(), cursor.partition_index));
    (answer.topics.into_iter().map(topic).collect(), next)
}

#[test]
fn a_topic_grows() {
    let (_broker, mut raw) = pair();
    let name = unique("grows");
    let id = raw.create(&name, 2, &[]).partitions[0].leader_id;
    raw.append(&name, 1, batch(&["kept"]));
    let refused = |raw: &mut Raw, topic| grow(raw, 3, topic, false).0;
    assert_eq!(refused(&mut raw, to("not-there", 3)), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    for count in [2, 1, 0, -1] {
        assert_eq!(refused(&mut raw, to(&name, count)), ErrorCode::INVALID_PARTITIONS, "{count}");
    }
    let assigned = |brokers: &[i32]| {
        let of = |id: &i32| CreatePartitionsAssignment { broker_ids: vec![*id] };
        let assignments = Some(brokers.iter().map(of).collect());
        CreatePartitionsTopic { assignments, ..to(&name, 4) }
    };
    assert_eq!(refused(&mut raw, assigned(&[id])), ErrorCode::INVALID_REPLICA_ASSIGNMENT, "too few");
    assert_eq!(
        refused(&mut raw, assigned(&[id, 99])),
        ErrorCode::INVALID_REPLICA_ASSIGNMENT,
        "no such broker"
    );
    assert_eq!(refused(&mut raw, assigned(&[id, id])), ErrorCode::NONE);
    let twice = CreatePartitionsRequest {
        topics: vec![to(&name, 5), to(&name, 6)],
        timeout_ms: 1000,
        ..Default::default()
    };
    assert!(raw.ask(3, &twice).results.iter().all(|r| r.error_code == ErrorCode::INVALID_REQUEST));
    until(|| raw.topic(&name).partitions.len() == 4);
    until(|| raw.produce(&name, 3, batch(&["new"])).error_code.is_ok());
    assert_eq!((raw.end(&name, 1), raw.end(&name, 2)), (1, 0));
}

/// Kafka's brokers follow a little later.
pub(crate) fn until(mut done: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !done() {
        assert!(std::time::Instant::now() < deadline, "it never comes");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn ends_of_epochs() {
    let (broker, mut raw) = pair();
    let name = unique("epochs");
    let first = raw.create(&name, 1, &[]).partitions[0].leader_epoch;
    let ends = |raw: &mut Raw, wanted, current| {
        let found = end_of_epoch(raw, 4, &name, wanted, current);
        (found.error_code, found.leader_epoch, found.end_offset)
    };
    assert_eq!(ends(&mut raw, first, -1), (ErrorCode::NONE, first, 0), "of an empty partition");
    raw.append(&name, 0, batch(&["a", "b"]));
    assert_eq!(ends(&mut raw, first, first), (ErrorCode::NONE, first, 2));
    assert_eq!(ends(&mut raw, first + 1, -1), (ErrorCode::NONE, -1, -1), "not yet");
    assert_eq!(ends(&mut raw, -1, -1), (ErrorCode::NONE, -1, -1));
    assert_eq!(ends(&mut raw, first, first + 1).0, ErrorCode::UNKNOWN_LEADER_EPOCH);
    if first > 0 {
        assert_eq!(ends(&mut raw, first, first - 1).0, ErrorCode::FENCED_LEADER_EPOCH);
    }
    drop(broker);
}

#[test]
fn producers_are_told() {
    let (_broker, mut raw) = pair();
    let name = unique("producers");
    raw.create(&name, 1, &[]);
    let (id, epoch) = raw.producer();
    raw.append(&name, 0, batch_of(Some((id, epoch, 0)), &["a", "b", "c"]));
    let topics = vec![ProducersOf { name: name.as_str().into(), partition_indexes: vec![0, 9] }];
    let answer = raw.ask(0, &DescribeProducersRequest { topics });
    let partitions = &answer.topics[0].partitions;
    let producer = &partitions[0].active_producers[0];
    assert_eq!((producer.producer_id, producer.producer_epoch), (id, i32::from(epoch)));
    assert_eq!((producer.last_sequence, producer.current_txn_start_offset), (2, -1));
    assert!(producer.last_timestamp > 0, "{producer:?}");
    assert_eq!(partitions[1].error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
}

#[test]
fn topics_come_in_pages() {
    let (_broker, mut raw) = pair();
    let (a, b) = (unique("pages-a"), unique("pages-b"));
    raw.create(&a, 3, &[]);
    raw.create(&b, 2, &[]);
    let of = |name: &str, partitions: &[i32]| (name.to_owned(), ErrorCode::NONE, partitions.to_vec());
    let (topics, next) = page(&mut raw, &[&b, &a], 2, None);
    assert_eq!((topics, next), (vec![of(&a, &[0, 1])], Some((a.clone(), 2))), "sorted, and cut");
    let (topics, next) = page(&mut raw, &[&a, &b], 2, Some((&a, 2)));
    assert_eq!((topics, next), (vec![of(&a, &[2]), of(&b, &[0])], Some((b.clone(), 1))));
    let (topics, next) = page(&mut raw, &[&a, &b], 2, Some((&b, 1)));
    assert_eq!((topics, next), (vec![of(&b, &[1])], None));
    let (all, _) = page(&mut raw, &[], 2000, None);
    assert!(all.contains(&of(&a, &[0, 1, 2])) && all.contains(&of(&b, &[0, 1])), "{all:?}");
    let (odd, _) = page(&mut raw, &["not-there"], 10, None);
    assert_eq!(odd[0].1, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    for cursor in [(&*a, -1), ("not-asked-for", 0)] {
        let (odd, _) = page(&mut raw, &[&a], 10, Some(cursor));
        assert_eq!(odd[0].1, ErrorCode::INVALID_REQUEST, "{cursor:?}");
    }
}

#[test]
fn filters_of_quotas_are_checked() {
    let (_broker, mut raw) = pair();
    let mut code = |entity_type: &'static str, match_type, name: Option<&'static str>| {
        let component =
            ComponentData { entity_type: entity_type.into(), match_type, r#match: name.map(Into::into) };
        let request = DescribeClientQuotasRequest { components: vec![component], strict: false };
        raw.ask(1, &request).error_code
    };
    assert_eq!(code("user", 2, None), ErrorCode::NONE);
    assert_eq!(code("user", 0, Some("somebody")), ErrorCode::NONE);
    assert_eq!(code("user", 0, None), ErrorCode::INVALID_REQUEST);
    assert_eq!(code("user", 9, None), ErrorCode::INVALID_REQUEST);
    assert_eq!(code("", 2, None), ErrorCode::INVALID_REQUEST);
    assert_eq!(code("tenant", 2, None), ErrorCode::UNSUPPORTED_VERSION);
}

#[test]
fn sizes_of_partitions() {
    let (broker, mut raw) = pair();
    let (name, other) = (unique("sized"), unique("sized"));
    raw.create(&name, 2, &[]);
    raw.create(&other, 1, &[]);
    let bytes = batch(&["x".repeat(1000)]);
    raw.append(&name, 1, bytes.clone());
    let topic = |name: &str, partitions| DescribableLogDirTopic { topic: name.to_owned().into(), partitions };
    let mut sizes = |topics| {
        let answer = raw.ask(4, &DescribeLogDirsRequest { topics: Some(topics) });
        assert_eq!(answer.results.len(), 1, "{answer:?}");
        let partitions = |t: &klamm_protocol::describe_log_dirs::DescribeLogDirsTopic<'_>| {
            t.partitions.iter().map(|p| (p.partition_index, p.partition_size)).collect::<Vec<_>>()
        };
        let mut all: Vec<_> = answer.results[0].topics.iter().flat_map(partitions).collect();
        all.sort_unstable();
        all
    };
    let size = i64::try_from(bytes.len()).expect("small");
    assert_eq!(sizes(vec![topic(&name, vec![0, 1, 7])]), [(0, 0), (1, size)]);
    assert_eq!(sizes(vec![topic(&name, vec![1])]), [(1, size)]);
    assert_eq!(sizes(vec![topic("not-there", vec![0])]), []);
    drop(broker);
}

#[test]
fn the_cluster() {
    let (broker, mut raw) = pair();
    let controllers = DescribeClusterRequest { endpoint_type: 2, ..Default::default() };
    assert_eq!(raw.ask(2, &controllers).error_code, ErrorCode::MISMATCHED_ENDPOINT_TYPE);
    let neither = DescribeClusterRequest { endpoint_type: 3, ..Default::default() };
    assert_eq!(raw.ask(2, &neither).error_code, ErrorCode::UNSUPPORTED_ENDPOINT_TYPE);
    let plain = DescribeClusterRequest { endpoint_type: 1, ..Default::default() };
    let answer = raw.ask(2, &plain);
    assert_eq!(answer.cluster_authorized_operations, i32::MIN);
    let node = &answer.brokers[0];
    assert!(!node.is_fenced, "{node:?}");
    assert!(matches!(broker, Broker::External(_)) || broker.addr().ends_with(&format!(":{}", node.port)));
}
