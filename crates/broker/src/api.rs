//! The table of what is served: dispatch, ApiVersions and the authorization of each API come from these lines.

use std::{ops::RangeInclusive, pin::Pin};

use klamm_protocol::{ApiKey, Decode as _, Decoder, encode_response_frame};

use crate::{
    authorizer::Operation,
    handlers,
    session::{Answer, Incoming, Stop},
};

/// A served API.
#[derive(Debug, Clone)]
pub struct Served {
    /// The API.
    pub key: ApiKey,
    /// The versions that are served; all that the codec knows.
    pub versions: RangeInclusive<i16>,
    /// Whether requests of this API on one connection may be under way together.
    pub overlaps: bool,
    /// What a principal needs for it; None for what anyone may ask.
    pub needs: Option<Operation>,
}

macro_rules! apis {
    ($($name:ident = $min:literal..=$max:literal, $handler:ident, $request:ident, overlaps: $overlaps:literal, needs: $needs:expr;)*) => {
        /// All served APIs, by key.
        pub fn served() -> &'static [Served] {
            const SERVED: &[Served] = &[$(Served {
                key: ApiKey::$name,
                versions: $min..=$max,
                overlaps: $overlaps,
                needs: $needs,
            },)*];
            SERVED
        }

        /// Answers a request of a served API and version.
        pub(crate) fn dispatch(incoming: Incoming) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
            match incoming.api {
                $(ApiKey::$name => Box::pin(async move {
                    let mut decoder = Decoder::new(&incoming.frame);
                    // Bytes after the request are passed over, as Kafka does: librdkafka 2 sends some with Metadata v12.
                    let request = match incoming.skip_header(&mut decoder)
                        .and_then(|()| klamm_protocol::$request::decode(&mut decoder, incoming.version)) {
                        Ok(request) => request,
                        Err(error) => return Answer::Close(format!("a bad {} request: {error}", incoming.api)),
                    };
                    match handlers::$handler::handle(&incoming, request).await {
                        Ok(response) => {
                            match encode_response_frame(incoming.version, incoming.correlation_id, &response) {
                                Ok(frame) => Answer::Frame(frame),
                                Err(error) => {
                                    tracing::error!(api = %incoming.api, version = incoming.version, %error, "no answer");
                                    Answer::Close(format!("no {} answer: {error}", incoming.api))
                                }
                            }
                        }
                        Err(Stop::Nothing) => Answer::Nothing,
                        Err(Stop::Close(why)) => Answer::Close(why),
                    }
                }),)*
                other => Box::pin(async move { Answer::Close(format!("{other} is not served")) }),
            }
        }
    };
}

apis! {
    Produce = 3..=13, produce, ProduceRequest, overlaps: true, needs: Some(Operation::Write);
    Fetch = 4..=18, fetch, FetchRequest, overlaps: false, needs: Some(Operation::Read);
    ListOffsets = 1..=11, list_offsets, ListOffsetsRequest, overlaps: false, needs: Some(Operation::Describe);
    Metadata = 0..=13, metadata, MetadataRequest, overlaps: false, needs: Some(Operation::Describe);
    OffsetCommit = 2..=10, offset_commit, OffsetCommitRequest, overlaps: false, needs: Some(Operation::Read);
    OffsetFetch = 1..=10, offset_fetch, OffsetFetchRequest, overlaps: false, needs: Some(Operation::Describe);
    FindCoordinator = 0..=6, find_coordinator, FindCoordinatorRequest, overlaps: false, needs: Some(Operation::Describe);
    JoinGroup = 0..=9, join_group, JoinGroupRequest, overlaps: false, needs: Some(Operation::Read);
    Heartbeat = 0..=4, heartbeat, HeartbeatRequest, overlaps: false, needs: Some(Operation::Read);
    LeaveGroup = 0..=5, leave_group, LeaveGroupRequest, overlaps: false, needs: Some(Operation::Read);
    SyncGroup = 0..=5, sync_group, SyncGroupRequest, overlaps: false, needs: Some(Operation::Read);
    DescribeGroups = 0..=6, describe_groups, DescribeGroupsRequest, overlaps: false, needs: Some(Operation::Describe);
    ListGroups = 0..=5, list_groups, ListGroupsRequest, overlaps: false, needs: Some(Operation::Describe);
    ApiVersions = 0..=4, api_versions, ApiVersionsRequest, overlaps: false, needs: None;
    CreateTopics = 2..=7, create_topics, CreateTopicsRequest, overlaps: false, needs: Some(Operation::Create);
    DeleteTopics = 1..=6, delete_topics, DeleteTopicsRequest, overlaps: false, needs: Some(Operation::Delete);
    DeleteRecords = 0..=2, delete_records, DeleteRecordsRequest, overlaps: false, needs: Some(Operation::Delete);
    InitProducerId = 0..=5, init_producer_id, InitProducerIdRequest, overlaps: false, needs: Some(Operation::IdempotentWrite);
    OffsetForLeaderEpoch = 2..=4, offset_for_leader_epoch, OffsetForLeaderEpochRequest, overlaps: false, needs: Some(Operation::Describe);
    DescribeConfigs = 1..=4, describe_configs, DescribeConfigsRequest, overlaps: false, needs: Some(Operation::DescribeConfigs);
    AlterConfigs = 0..=2, alter_configs, AlterConfigsRequest, overlaps: false, needs: Some(Operation::AlterConfigs);
    DescribeLogDirs = 1..=4, describe_log_dirs, DescribeLogDirsRequest, overlaps: false, needs: Some(Operation::Describe);
    CreatePartitions = 0..=3, create_partitions, CreatePartitionsRequest, overlaps: false, needs: Some(Operation::Alter);
    DeleteGroups = 0..=2, delete_groups, DeleteGroupsRequest, overlaps: false, needs: Some(Operation::Delete);
    IncrementalAlterConfigs = 0..=1, incremental_alter_configs, IncrementalAlterConfigsRequest, overlaps: false, needs: Some(Operation::AlterConfigs);
    ListPartitionReassignments = 0..=0, list_partition_reassignments, ListPartitionReassignmentsRequest, overlaps: false, needs: Some(Operation::Describe);
    OffsetDelete = 0..=0, offset_delete, OffsetDeleteRequest, overlaps: false, needs: Some(Operation::Delete);
    DescribeClientQuotas = 0..=1, describe_client_quotas, DescribeClientQuotasRequest, overlaps: false, needs: Some(Operation::DescribeConfigs);
    DescribeQuorum = 0..=2, describe_quorum, DescribeQuorumRequest, overlaps: false, needs: Some(Operation::Describe);
    DescribeCluster = 0..=2, describe_cluster, DescribeClusterRequest, overlaps: false, needs: Some(Operation::Describe);
    DescribeProducers = 0..=0, describe_producers, DescribeProducersRequest, overlaps: false, needs: Some(Operation::Read);
    ListConfigResources = 0..=1, list_config_resources, ListConfigResourcesRequest, overlaps: false, needs: Some(Operation::DescribeConfigs);
    DescribeTopicPartitions = 0..=0, describe_topic_partitions, DescribeTopicPartitionsRequest, overlaps: false, needs: Some(Operation::Describe);
}

/// The row of an API.
pub(crate) fn find(key: ApiKey) -> Option<&'static Served> {
    served().iter().find(|served| served.key == key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_serves_what_the_codec_knows() {
        for served in served() {
            assert_eq!(served.versions, served.key.versions(), "{}", served.key);
        }
        assert!(served().is_sorted_by_key(|served| served.key.key()));
    }
}
