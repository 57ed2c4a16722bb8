//! Every API asks whether the principal may, and does nothing if not. A served API without a row here fails.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use klamm_model::StorageClass;
use klamm_protocol::{self as kafka, ErrorCode, Request, Str, Uuid};
use parking_lot::Mutex;

use super::{Stores, TOPIC as ID, ask, broker, call, frame, new_topic, read};
use crate::{Answer, Authorizer, Operation, Principal, Resource, api::served, configs};

/// What is asked of an authorizer.
type Question = (Operation, Resource<'static>);

/// Denies these questions, and nothing else.
#[derive(Default)]
struct Denies(Mutex<Vec<Question>>);

impl Authorizer for Denies {
    fn allows(&self, _: &Principal, operation: Operation, resource: Resource<'_>) -> bool {
        !self.0.lock().contains(&(operation, resource))
    }
}

type IsDenied = dyn Fn(&[u8]) -> bool;

/// A request about the topic or the group `secret`.
struct Row {
    frame: Bytes,
    /// What the principal needs one of; nothing where anyone may ask.
    needs: Vec<Question>,
    /// Whether it is told so.
    is_denied: Box<IsDenied>,
}

fn row<R: Request + 'static>(
    version: i16,
    needs: &[Question],
    request: R,
    is_denied: fn(&R::Response<'_>) -> bool,
) -> Row {
    Row {
        frame: frame(version, &request),
        needs: needs.to_vec(),
        is_denied: Box::new(move |frame| is_denied(&read::<R>(version, frame))),
    }
}

const NAME: Str<'static> = Str::Borrowed("secret");
const TOPIC: Resource<'_> = Resource::Topic("secret");
const GROUP: Resource<'_> = Resource::Group("secret");
const CLUSTER: Resource<'_> = Resource::Cluster;
const NO_TOPIC: ErrorCode = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
const NO_GROUP: ErrorCode = ErrorCode::GROUP_AUTHORIZATION_FAILED;
const NO_CLUSTER: ErrorCode = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;

fn produce(name: &'static str) -> kafka::ProduceRequest<'static> {
    let partition_data = vec![kafka::produce::PartitionProduceData { index: 0, records: None }];
    let topic = kafka::produce::TopicProduceData { name: name.into(), partition_data, ..Default::default() };
    kafka::ProduceRequest { acks: 1, topic_data: vec![topic], ..Default::default() }
}

fn create(name: &'static str, validate_only: bool) -> kafka::CreateTopicsRequest<'static> {
    let topic = kafka::create_topics::CreatableTopic {
        name: name.into(),
        num_partitions: 1,
        replication_factor: 1,
        ..Default::default()
    };
    kafka::CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, validate_only }
}

fn delete(name: &'static str) -> kafka::DeleteTopicsRequest<'static> {
    kafka::DeleteTopicsRequest { topic_names: vec![name.into()], timeout_ms: 1000, ..Default::default() }
}

fn fetch(name: &'static str, replica_id: i32) -> kafka::FetchRequest<'static> {
    let partition = kafka::fetch::FetchPartition { partition_max_bytes: 1, ..Default::default() };
    let topic =
        kafka::fetch::FetchTopic { topic: name.into(), partitions: vec![partition], ..Default::default() };
    kafka::FetchRequest { replica_id, session_epoch: -1, topics: vec![topic], ..Default::default() }
}

fn metadata(name: Option<&'static str>, id: Option<[u8; 16]>) -> kafka::MetadataRequest<'static> {
    let topic_id = Uuid(id.unwrap_or_default());
    let topic = kafka::metadata::MetadataRequestTopic { name: name.map(Into::into), topic_id };
    kafka::MetadataRequest {
        topics: Some(vec![topic]),
        allow_auto_topic_creation: true,
        ..Default::default()
    }
}

fn commit() -> kafka::OffsetCommitRequest<'static> {
    let partition = kafka::offset_commit::OffsetCommitRequestPartition::default();
    let topics = vec![kafka::offset_commit::OffsetCommitRequestTopic {
        name: NAME,
        topic_id: Uuid(ID.0),
        partitions: vec![partition],
    }];
    kafka::OffsetCommitRequest {
        group_id: NAME,
        generation_id_or_member_epoch: -1,
        topics,
        ..Default::default()
    }
}

fn fetch_offsets(named: bool) -> kafka::OffsetFetchRequest<'static> {
    let topic = kafka::offset_fetch::OffsetFetchRequestTopics {
        name: NAME,
        topic_id: Uuid(ID.0),
        partition_indexes: vec![0],
    };
    let topics = named.then(|| vec![topic]);
    let group = kafka::offset_fetch::OffsetFetchRequestGroup { group_id: NAME, topics, ..Default::default() };
    kafka::OffsetFetchRequest { groups: vec![group], ..Default::default() }
}

fn delete_offsets() -> kafka::OffsetDeleteRequest<'static> {
    let partitions = vec![kafka::offset_delete::OffsetDeleteRequestPartition::default()];
    let topics = vec![kafka::offset_delete::OffsetDeleteRequestTopic { name: NAME, partitions }];
    kafka::OffsetDeleteRequest { group_id: NAME, topics }
}

fn describe_configs(resource_type: i8, name: &'static str) -> kafka::DescribeConfigsRequest<'static> {
    let resource = kafka::describe_configs::DescribeConfigsResource {
        resource_type,
        resource_name: name.into(),
        configuration_keys: None,
    };
    kafka::DescribeConfigsRequest { resources: vec![resource], ..Default::default() }
}

fn alter_configs(resource_type: i8, name: &'static str) -> kafka::AlterConfigsRequest<'static> {
    let resource = kafka::alter_configs::AlterConfigsResource {
        resource_type,
        resource_name: name.into(),
        ..Default::default()
    };
    kafka::AlterConfigsRequest { resources: vec![resource], ..Default::default() }
}

fn change_configs(resource_type: i8, name: &'static str) -> kafka::IncrementalAlterConfigsRequest<'static> {
    let resource = kafka::incremental_alter_configs::AlterConfigsResource {
        resource_type,
        resource_name: name.into(),
        ..Default::default()
    };
    kafka::IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() }
}

/// One for each question that an API asks. Those that delete what the others are about come last.
#[rustfmt::skip]
fn rows() -> Vec<Row> {
    use Operation::{Alter, AlterConfigs, ClusterAction, Create, Delete, Describe, DescribeConfigs, IdempotentWrite, Read, Write};
    let by_time = kafka::list_offsets::ListOffsetsPartition { timestamp: -1, current_leader_epoch: -1, ..Default::default() };
    let of_epoch = kafka::offset_for_leader_epoch::OffsetForLeaderPartition { current_leader_epoch: -1, ..Default::default() };
    let fresh = Resource::Topic("fresh");
    vec![
        row(9, &[(Write, TOPIC)], produce("secret"), |a| a.responses[0].partition_responses[0].error_code == NO_TOPIC),
        row(9, &[(Write, fresh)], produce("fresh"), |a| a.responses[0].partition_responses[0].error_code == NO_TOPIC),
        row(12, &[(Read, TOPIC)], fetch("secret", -1), |a| a.responses[0].partitions[0].error_code == NO_TOPIC),
        row(12, &[(Read, fresh)], fetch("fresh", -1), |a| a.responses[0].partitions[0].error_code == NO_TOPIC),
        row(12, &[(ClusterAction, CLUSTER)], fetch("secret", 2), |a| a.responses[0].partitions[0].error_code == NO_CLUSTER),
        row(6, &[(Describe, TOPIC)], kafka::ListOffsetsRequest { replica_id: -1,
            topics: vec![kafka::list_offsets::ListOffsetsTopic { name: NAME, partitions: vec![by_time] }],
            ..Default::default() }, |a| a.topics[0].partitions[0].error_code == NO_TOPIC),
        row(9, &[(Describe, TOPIC)], metadata(Some("secret"), None), |a| a.topics[0].error_code == NO_TOPIC),
        row(12, &[(Describe, TOPIC)], metadata(None, Some(ID.0)), |a| a.topics[0].error_code == ErrorCode::UNKNOWN_TOPIC_ID),
        row(9, &[(Describe, TOPIC)], kafka::MetadataRequest { topics: None, ..Default::default() }, |a| a.topics.is_empty()),
        row(9, &[(Create, CLUSTER), (Create, fresh)], metadata(Some("fresh"), None), |a| a.topics[0].error_code == NO_TOPIC),
        row(8, &[(Read, GROUP)], commit(), |a| a.topics[0].partitions[0].error_code == NO_GROUP),
        row(8, &[(Read, TOPIC)], commit(), |a| a.topics[0].partitions[0].error_code == NO_TOPIC),
        row(10, &[(Read, TOPIC)], commit(), |a| a.topics[0].partitions[0].error_code == NO_TOPIC),
        row(7, &[(Describe, GROUP)], kafka::OffsetFetchRequest { group_id: NAME, ..Default::default() }, |a| a.error_code == NO_GROUP),
        row(8, &[(Describe, GROUP)], fetch_offsets(true), |a| a.groups[0].error_code == NO_GROUP),
        row(8, &[(Describe, TOPIC)], fetch_offsets(true), |a| a.groups[0].topics[0].partitions[0].error_code == NO_TOPIC),
        row(10, &[(Describe, TOPIC)], fetch_offsets(true), |a| a.groups[0].topics[0].partitions[0].error_code == NO_TOPIC),
        row(8, &[(Describe, TOPIC)], fetch_offsets(false), |a| a.groups[0].topics.is_empty()),
        row(3, &[(Describe, GROUP)], kafka::FindCoordinatorRequest { key: NAME, ..Default::default() }, |a| a.error_code == NO_GROUP),
        row(9, &[(Read, GROUP)], kafka::JoinGroupRequest { group_id: NAME, ..Default::default() }, |a| a.error_code == NO_GROUP),
        row(4, &[(Read, GROUP)], kafka::HeartbeatRequest { group_id: NAME, ..Default::default() }, |a| a.error_code == NO_GROUP),
        row(5, &[(Read, GROUP)], kafka::LeaveGroupRequest { group_id: NAME, ..Default::default() }, |a| a.error_code == NO_GROUP),
        row(5, &[(Read, GROUP)], kafka::SyncGroupRequest { group_id: NAME, protocol_type: Some(NAME), protocol_name: Some(NAME),
            ..Default::default() }, |a| a.error_code == NO_GROUP),
        row(6, &[(Describe, GROUP)], kafka::DescribeGroupsRequest { groups: vec![NAME], ..Default::default() },
            |a| a.groups[0].error_code == NO_GROUP),
        row(5, &[(Describe, CLUSTER), (Describe, GROUP)], kafka::ListGroupsRequest::default(), |a| a.groups.is_empty()),
        row(4, &[], kafka::ApiVersionsRequest { client_software_name: NAME, client_software_version: "1".into() }, |_| false),
        row(7, &[(Create, CLUSTER), (Create, TOPIC)], create("secret", false), |a| a.topics[0].error_code == NO_TOPIC),
        row(7, &[(DescribeConfigs, fresh)], create("fresh", true), |a| a.topics[0].topic_config_error_code == NO_TOPIC),
        row(5, &[(Delete, fresh)], delete("fresh"), |a| a.responses[0].error_code == NO_TOPIC),
        row(2, &[(Delete, TOPIC)], kafka::DeleteRecordsRequest { timeout_ms: 1000,
            topics: vec![kafka::delete_records::DeleteRecordsTopic { name: NAME, partitions: vec![Default::default()] }] },
            |a| a.topics[0].partitions[0].error_code == NO_TOPIC),
        row(4, &[(IdempotentWrite, CLUSTER), (Write, Resource::AnyTopic)],
            kafka::InitProducerIdRequest { transactional_id: None, producer_id: -1, producer_epoch: -1, ..Default::default() },
            |a| a.error_code == NO_CLUSTER),
        row(4, &[(Describe, TOPIC)], kafka::OffsetForLeaderEpochRequest { replica_id: -2,
            topics: vec![kafka::offset_for_leader_epoch::OffsetForLeaderTopic { topic: NAME, partitions: vec![of_epoch] }] },
            |a| a.topics[0].partitions[0].error_code == NO_TOPIC),
        row(4, &[(DescribeConfigs, TOPIC)], describe_configs(configs::TOPIC, "secret"), |a| a.results[0].error_code == NO_TOPIC),
        row(4, &[(DescribeConfigs, CLUSTER)], describe_configs(configs::BROKER, "1"), |a| a.results[0].error_code == NO_CLUSTER),
        row(4, &[(DescribeConfigs, GROUP)], describe_configs(configs::GROUP, "secret"), |a| a.results[0].error_code == NO_GROUP),
        row(4, &[(DescribeConfigs, CLUSTER)], describe_configs(configs::CLIENT_METRICS, "m"), |a| a.results[0].error_code == NO_CLUSTER),
        row(2, &[(AlterConfigs, TOPIC)], alter_configs(configs::TOPIC, "secret"), |a| a.responses[0].error_code == NO_TOPIC),
        row(2, &[(AlterConfigs, CLUSTER)], alter_configs(configs::BROKER, "1"), |a| a.responses[0].error_code == NO_CLUSTER),
        row(4, &[(Describe, CLUSTER)], kafka::DescribeLogDirsRequest { topics: None }, |a| a.error_code == NO_CLUSTER),
        row(3, &[(Alter, TOPIC)], kafka::CreatePartitionsRequest { timeout_ms: 1000,
            topics: vec![kafka::create_partitions::CreatePartitionsTopic { name: NAME, count: 2, ..Default::default() }],
            ..Default::default() }, |a| a.results[0].error_code == NO_TOPIC),
        row(1, &[(AlterConfigs, TOPIC)], change_configs(configs::TOPIC, "secret"), |a| a.responses[0].error_code == NO_TOPIC),
        row(1, &[(AlterConfigs, CLUSTER)], change_configs(configs::BROKER, "1"), |a| a.responses[0].error_code == NO_CLUSTER),
        row(0, &[(Describe, CLUSTER)], kafka::ListPartitionReassignmentsRequest { topics: None, ..Default::default() },
            |a| a.error_code == NO_CLUSTER),
        row(0, &[(Delete, GROUP)], delete_offsets(), |a| a.error_code == NO_GROUP),
        row(0, &[(Read, TOPIC)], delete_offsets(), |a| a.topics[0].partitions[0].error_code == NO_TOPIC),
        row(1, &[(DescribeConfigs, CLUSTER)], kafka::DescribeClientQuotasRequest::default(), |a| a.error_code == NO_CLUSTER),
        row(2, &[(Describe, CLUSTER)], kafka::DescribeQuorumRequest::default(), |a| a.error_code == NO_CLUSTER),
        row(2, &[], kafka::DescribeClusterRequest { endpoint_type: 1, ..Default::default() }, |_| false),
        row(0, &[(Read, TOPIC)], kafka::DescribeProducersRequest {
            topics: vec![kafka::describe_producers::TopicRequest { name: NAME, partition_indexes: vec![0] }] },
            |a| a.topics[0].partitions[0].error_code == NO_TOPIC),
        row(1, &[(DescribeConfigs, CLUSTER)], kafka::ListConfigResourcesRequest::default(), |a| a.error_code == NO_CLUSTER),
        row(0, &[(Describe, TOPIC)], kafka::DescribeTopicPartitionsRequest { response_partition_limit: 10,
            topics: vec![kafka::describe_topic_partitions::TopicRequest { name: NAME }], ..Default::default() },
            |a| a.topics[0].error_code == NO_TOPIC),
        row(0, &[(Describe, TOPIC)], kafka::DescribeTopicPartitionsRequest { response_partition_limit: 10, ..Default::default() },
            |a| a.topics.iter().all(|topic| topic.name != Some(NAME))),
        row(2, &[(Delete, GROUP)], kafka::DeleteGroupsRequest { groups_names: vec![NAME] }, |a| a.results[0].error_code == NO_GROUP),
        row(6, &[(Delete, TOPIC)], kafka::DeleteTopicsRequest { timeout_ms: 1000,
            topics: vec![kafka::delete_topics::DeleteTopicState { name: None, topic_id: Uuid(ID.0) }],
            ..Default::default() }, |a| a.responses[0].error_code == NO_TOPIC),
        row(5, &[(Delete, TOPIC)], delete("secret"), |a| a.responses[0].error_code == NO_TOPIC),
    ]
}

#[tokio::test]
async fn every_api_asks_first() {
    let parts = Stores::default().start().await;
    let authorizer = Arc::new(Denies::default());
    let broker = broker(parts.clone(), Arc::clone(&authorizer) as Arc<dyn Authorizer>).await;
    broker.change(ID, new_topic(StorageClass::Disk, 1)).await.unwrap();
    assert!(ask(&broker, 8, &commit()).await.unwrap().topics[0].partitions[0].error_code.is_ok());
    let state = || (parts.image.load(), parts.groups.image());
    let before = state();
    let mut asked_of = BTreeSet::new();
    for (number, row) in rows().into_iter().enumerate() {
        let key = i16::from_be_bytes([row.frame[0], row.frame[1]]);
        asked_of.insert(key);
        authorizer.0.lock().clone_from(&row.needs);
        let told = told(&broker, &row).await;
        assert_eq!((row.is_denied)(&told), !row.needs.is_empty(), "row {number}, API {key}: {:?}", row.needs);
        // The name of what the principal may not see is told back at most, nothing else of it.
        assert!(row.needs.is_empty() || told.len() < 200, "row {number}, API {key} tells much");
    }
    let served: BTreeSet<i16> = served().iter().map(|served| served.key.key()).collect();
    assert_eq!(asked_of, served, "each served API has a row");
    assert!(state() == before, "nothing was changed");
}

/// Else what is denied above might be so for everyone.
#[tokio::test]
async fn one_of_what_it_needs_is_enough() {
    let parts = Stores::default().start().await;
    let authorizer = Arc::new(Denies::default());
    let broker = broker(parts.clone(), Arc::clone(&authorizer) as Arc<dyn Authorizer>).await;
    broker.change(ID, new_topic(StorageClass::Disk, 1)).await.unwrap();
    assert!(ask(&broker, 8, &commit()).await.unwrap().topics[0].partitions[0].error_code.is_ok());
    for (number, row) in rows().into_iter().enumerate() {
        for kept in 0..row.needs.len() {
            let mut denied = row.needs.clone();
            denied.remove(kept);
            authorizer.0.lock().clone_from(&denied);
            assert!(!(row.is_denied)(&told(&broker, &row).await), "row {number} is denied for {denied:?}");
        }
    }
}

async fn told(broker: &Arc<crate::Broker>, row: &Row) -> Vec<u8> {
    match call(broker, row.frame.clone()).await {
        Answer::Frame(segments) => segments.concat(),
        other => panic!("{other:?}"),
    }
}
