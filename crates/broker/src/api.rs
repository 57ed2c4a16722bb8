//! The table of what is served: dispatch and ApiVersions come from these lines. What each API asks the authorizer is its
//! handler's affair; `tests/authorization.rs` has a row for each.

use std::pin::Pin;

use klamm_protocol::{ApiKey, Decode as _, Decoder, encode_response_frame};

use crate::{
    handlers,
    session::{Answer, Incoming, Stop},
};

/// A served API, in all versions that the codec knows.
#[derive(Debug, Clone)]
pub struct Served {
    /// The API.
    pub key: ApiKey,
    /// Whether requests of this API on one connection may be under way together.
    pub overlaps: bool,
}

macro_rules! apis {
    ($($name:ident = $handler:ident, $request:ident, overlaps: $overlaps:literal;)*) => {
        /// All served APIs, by key.
        pub fn served() -> &'static [Served] {
            const SERVED: &[Served] = &[$(Served {
                key: ApiKey::$name,
                overlaps: $overlaps,
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
    Produce = produce, ProduceRequest, overlaps: true;
    Fetch = fetch, FetchRequest, overlaps: false;
    ListOffsets = list_offsets, ListOffsetsRequest, overlaps: false;
    Metadata = metadata, MetadataRequest, overlaps: false;
    OffsetCommit = offset_commit, OffsetCommitRequest, overlaps: false;
    OffsetFetch = offset_fetch, OffsetFetchRequest, overlaps: false;
    FindCoordinator = find_coordinator, FindCoordinatorRequest, overlaps: false;
    JoinGroup = join_group, JoinGroupRequest, overlaps: false;
    Heartbeat = heartbeat, HeartbeatRequest, overlaps: false;
    LeaveGroup = leave_group, LeaveGroupRequest, overlaps: false;
    SyncGroup = sync_group, SyncGroupRequest, overlaps: false;
    DescribeGroups = describe_groups, DescribeGroupsRequest, overlaps: false;
    ListGroups = list_groups, ListGroupsRequest, overlaps: false;
    ApiVersions = api_versions, ApiVersionsRequest, overlaps: false;
    CreateTopics = create_topics, CreateTopicsRequest, overlaps: false;
    DeleteTopics = delete_topics, DeleteTopicsRequest, overlaps: false;
    DeleteRecords = delete_records, DeleteRecordsRequest, overlaps: false;
    InitProducerId = init_producer_id, InitProducerIdRequest, overlaps: false;
    OffsetForLeaderEpoch = offset_for_leader_epoch, OffsetForLeaderEpochRequest, overlaps: false;
    DescribeConfigs = describe_configs, DescribeConfigsRequest, overlaps: false;
    AlterConfigs = alter_configs, AlterConfigsRequest, overlaps: false;
    DescribeLogDirs = describe_log_dirs, DescribeLogDirsRequest, overlaps: false;
    CreatePartitions = create_partitions, CreatePartitionsRequest, overlaps: false;
    DeleteGroups = delete_groups, DeleteGroupsRequest, overlaps: false;
    IncrementalAlterConfigs = incremental_alter_configs, IncrementalAlterConfigsRequest, overlaps: false;
    ListPartitionReassignments = list_partition_reassignments, ListPartitionReassignmentsRequest, overlaps: false;
    OffsetDelete = offset_delete, OffsetDeleteRequest, overlaps: false;
    DescribeClientQuotas = describe_client_quotas, DescribeClientQuotasRequest, overlaps: false;
    DescribeQuorum = describe_quorum, DescribeQuorumRequest, overlaps: false;
    DescribeCluster = describe_cluster, DescribeClusterRequest, overlaps: false;
    DescribeProducers = describe_producers, DescribeProducersRequest, overlaps: false;
    ListConfigResources = list_config_resources, ListConfigResourcesRequest, overlaps: false;
    DescribeTopicPartitions = describe_topic_partitions, DescribeTopicPartitionsRequest, overlaps: false;
}

/// The row of an API.
pub(crate) fn find(key: ApiKey) -> Option<&'static Served> {
    served().iter().find(|served| served.key == key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order() {
        assert!(served().is_sorted_by_key(|served| served.key.key()));
    }
}
