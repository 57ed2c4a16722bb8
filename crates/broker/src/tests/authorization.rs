//! Every API asks whether the principal may. A served API without a row here fails.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use klamm_model::StorageClass;
use klamm_protocol::{self as kafka, Str};
use parking_lot::Mutex;

use super::{Stores, broker, call, frame, new_topic};
use crate::{Answer, Authorizer, Operation, Principal, Resource, api::served, configs};

/// Denies all, and remembers what it was asked.
#[derive(Default)]
struct DenyAll(Mutex<Vec<(Operation, String)>>);

impl Authorizer for DenyAll {
    fn allows(&self, _: &Principal, operation: Operation, resource: Resource<'_>) -> bool {
        self.0.lock().push((operation, format!("{resource:?}")));
        false
    }
}

const NAME: Str<'static> = Str::Borrowed("secret");

/// A request of each API about the topic or the group `secret`, and what the principal needs; None where anyone may ask.
#[rustfmt::skip]
fn rows() -> Vec<(Bytes, Option<(Operation, Resource<'static>)>)> {
    use Operation::{Alter, AlterConfigs, Create, Delete, Describe, DescribeConfigs, IdempotentWrite, Read, Write};
    const TOPIC: Resource<'_> = Resource::Topic("secret");
    const GROUP: Resource<'_> = Resource::Group("secret");
    const CLUSTER: Resource<'_> = Resource::Cluster;
    macro_rules! row {
        ($version:literal, $needs:expr, $request:ident $fields:tt) => {
            (frame($version, &row!(@ $request $fields)), $needs)
        };
        (@ $request:ident { $($name:ident: $value:expr),* }) => {{
            #[allow(clippy::needless_update, reason = "some have these fields only")]
            kafka::$request { $($name: $value,)* ..Default::default() }
        }};
    }
    let produced = kafka::produce::PartitionProduceData { index: 0, records: None };
    let fetched = kafka::fetch::FetchPartition { partition: 0, partition_max_bytes: 1, ..Default::default() };
    let by_time = kafka::list_offsets::ListOffsetsPartition { timestamp: -1, current_leader_epoch: -1, ..Default::default() };
    let of_epoch = kafka::offset_for_leader_epoch::OffsetForLeaderPartition { current_leader_epoch: -1, ..Default::default() };
    let resource_type = configs::TOPIC;
    vec![
        row!(9, Some((Write, TOPIC)), ProduceRequest { acks: 1,
            topic_data: vec![kafka::produce::TopicProduceData { name: NAME, partition_data: vec![produced], ..Default::default() }] }),
        row!(12, Some((Read, TOPIC)), FetchRequest { replica_id: -1, session_epoch: -1,
            topics: vec![kafka::fetch::FetchTopic { topic: NAME, partitions: vec![fetched], ..Default::default() }] }),
        row!(6, Some((Describe, TOPIC)), ListOffsetsRequest { replica_id: -1,
            topics: vec![kafka::list_offsets::ListOffsetsTopic { name: NAME, partitions: vec![by_time] }] }),
        row!(9, Some((Describe, TOPIC)), MetadataRequest {
            topics: Some(vec![kafka::metadata::MetadataRequestTopic { name: Some(NAME), ..Default::default() }]) }),
        row!(8, Some((Read, GROUP)), OffsetCommitRequest { group_id: NAME }),
        row!(7, Some((Describe, GROUP)), OffsetFetchRequest { group_id: NAME }),
        row!(3, Some((Describe, GROUP)), FindCoordinatorRequest { key: NAME }),
        row!(9, Some((Read, GROUP)), JoinGroupRequest { group_id: NAME }),
        row!(4, Some((Read, GROUP)), HeartbeatRequest { group_id: NAME }),
        row!(5, Some((Read, GROUP)), LeaveGroupRequest { group_id: NAME }),
        row!(5, Some((Read, GROUP)), SyncGroupRequest { group_id: NAME, protocol_type: Some(NAME), protocol_name: Some(NAME) }),
        row!(6, Some((Describe, GROUP)), DescribeGroupsRequest { groups: vec![NAME] }),
        row!(5, Some((Describe, CLUSTER)), ListGroupsRequest {}),
        row!(4, None, ApiVersionsRequest { client_software_name: NAME, client_software_version: "1".into() }),
        row!(7, Some((Create, TOPIC)), CreateTopicsRequest { timeout_ms: 1000,
            topics: vec![kafka::create_topics::CreatableTopic { name: NAME, num_partitions: 1, replication_factor: 1, ..Default::default() }] }),
        row!(5, Some((Delete, TOPIC)), DeleteTopicsRequest { topic_names: vec![NAME], timeout_ms: 1000 }),
        row!(2, Some((Delete, TOPIC)), DeleteRecordsRequest { timeout_ms: 1000,
            topics: vec![kafka::delete_records::DeleteRecordsTopic { name: NAME, partitions: vec![Default::default()] }] }),
        row!(4, Some((IdempotentWrite, CLUSTER)), InitProducerIdRequest { transactional_id: None, producer_id: -1, producer_epoch: -1 }),
        row!(4, Some((Describe, TOPIC)), OffsetForLeaderEpochRequest { replica_id: -2,
            topics: vec![kafka::offset_for_leader_epoch::OffsetForLeaderTopic { topic: NAME, partitions: vec![of_epoch] }] }),
        row!(4, Some((DescribeConfigs, TOPIC)), DescribeConfigsRequest {
            resources: vec![kafka::describe_configs::DescribeConfigsResource { resource_type, resource_name: NAME, configuration_keys: None }] }),
        row!(2, Some((AlterConfigs, TOPIC)), AlterConfigsRequest {
            resources: vec![kafka::alter_configs::AlterConfigsResource { resource_type, resource_name: NAME, ..Default::default() }] }),
        row!(4, Some((Describe, CLUSTER)), DescribeLogDirsRequest { topics: None }),
        row!(3, Some((Alter, TOPIC)), CreatePartitionsRequest { timeout_ms: 1000,
            topics: vec![kafka::create_partitions::CreatePartitionsTopic { name: NAME, count: 2, ..Default::default() }] }),
        row!(2, Some((Delete, GROUP)), DeleteGroupsRequest { groups_names: vec![NAME] }),
        row!(1, Some((AlterConfigs, TOPIC)), IncrementalAlterConfigsRequest {
            resources: vec![kafka::incremental_alter_configs::AlterConfigsResource { resource_type, resource_name: NAME, ..Default::default() }] }),
        row!(0, Some((Describe, CLUSTER)), ListPartitionReassignmentsRequest { topics: None }),
        row!(0, Some((Delete, GROUP)), OffsetDeleteRequest { group_id: NAME }),
        row!(1, Some((DescribeConfigs, CLUSTER)), DescribeClientQuotasRequest {}),
        row!(2, Some((Describe, CLUSTER)), DescribeQuorumRequest {}),
        row!(2, None, DescribeClusterRequest { endpoint_type: 1 }),
        row!(0, Some((Read, TOPIC)), DescribeProducersRequest {
            topics: vec![kafka::describe_producers::TopicRequest { name: NAME, partition_indexes: vec![0] }] }),
        row!(1, Some((DescribeConfigs, CLUSTER)), ListConfigResourcesRequest {}),
        row!(0, Some((Describe, TOPIC)), DescribeTopicPartitionsRequest { response_partition_limit: 10,
            topics: vec![kafka::describe_topic_partitions::TopicRequest { name: NAME }] }),
    ]
}

#[tokio::test]
async fn every_api_asks_first() {
    let parts = Stores::default().start().await;
    parts.cluster.ask(new_topic(StorageClass::Disk, 1)).await.unwrap();
    let authorizer = Arc::new(DenyAll::default());
    let broker = broker(parts.clone(), Arc::clone(&authorizer) as Arc<dyn Authorizer>).await;
    let before = parts.image.load();
    let mut asked_of = BTreeSet::new();
    for (frame, needs) in rows() {
        let key = i16::from_be_bytes([frame[0], frame[1]]);
        asked_of.insert(key);
        let Answer::Frame(segments) = call(&broker, frame).await else { panic!("API {key} closes") };
        let asked = std::mem::take(&mut *authorizer.0.lock());
        let Some((operation, resource)) = needs else { continue };
        let wanted = (operation, format!("{resource:?}"));
        assert!(asked.contains(&wanted), "API {key} asks {asked:?}, not {wanted:?}");
        // The name of what the principal may not see is told back at most, nothing else of it.
        assert!(segments.concat().len() < 200, "API {key} tells much");
    }
    let served: BTreeSet<i16> = served().iter().map(|served| served.key.key()).collect();
    assert_eq!(asked_of, served, "each served API has a row");
    assert_eq!(*parts.image.load(), *before, "nothing was changed");
}
