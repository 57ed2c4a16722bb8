//! DescribeQuorum v0-2: the cluster's metadata are shard 0, whose one voter and leader is this broker. Offsets are its slots, the
//! epoch is its own. v1: fetch times, which are now for the leader. v2: nodes; there is no listener of controllers, so the one for
//! clients is named.

use klamm_protocol::{
    DescribeQuorumRequest, DescribeQuorumResponse, ErrorCode,
    describe_quorum::{
        Listener, Node, ReplicaState, RequestTopicData, ResponsePartitionData, ResponseTopicData,
    },
};
use klamm_shard::ShardState;

use crate::{
    authorizer::{Operation, Resource},
    errors,
    session::{Incoming, Stop},
};

/// The first version that tells nodes.
const NODES_SINCE: i16 = 2;
/// What Kafka calls the metadata's log.
const METADATA: &str = "__cluster_metadata";

pub(crate) async fn handle<'a>(
    incoming: &Incoming,
    request: DescribeQuorumRequest<'a>,
) -> Result<DescribeQuorumResponse<'a>, Stop> {
    let broker = &incoming.broker;
    if !incoming.may(Operation::Describe, Resource::Cluster) {
        let error_code = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
        return Ok(DescribeQuorumResponse { error_code, ..Default::default() });
    }
    let known = matches!(&request.topics[..], [topic] if topic.topic_name == METADATA
        && matches!(&topic.partitions[..], [partition] if partition.partition_index == 0));
    let state = broker.cluster.state();
    let epoch = match state {
        ShardState::Serving(epoch) if known => epoch,
        _ => {
            let code = match known {
                true => ErrorCode::NOT_LEADER_OR_FOLLOWER,
                false => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            };
            return Ok(refused(request.topics, code));
        }
    };
    let (id, now_ms, end) = (broker.config.id, broker.env.clock.wall_ms(), broker.cluster.durable());
    let end = i64::try_from(end.0).unwrap_or(i64::MAX);
    let voter = ReplicaState {
        replica_id: id,
        log_end_offset: end,
        last_fetch_timestamp: now_ms,
        last_caught_up_timestamp: now_ms,
        ..Default::default()
    };
    let partition = ResponsePartitionData {
        leader_id: id,
        leader_epoch: epoch.leader_epoch(),
        high_watermark: end,
        current_voters: vec![voter],
        ..Default::default()
    };
    let (host, port) = broker.address(incoming.local);
    let port = u16::try_from(port).unwrap_or_default();
    let listener = Listener { name: "PLAINTEXT".into(), host: host.into(), port };
    let nodes = vec![Node { node_id: id, listeners: vec![listener] }];
    Ok(DescribeQuorumResponse {
        topics: vec![ResponseTopicData { topic_name: METADATA.into(), partitions: vec![partition] }],
        nodes: if incoming.version >= NODES_SINCE { nodes } else { Vec::new() },
        ..Default::default()
    })
}

/// The same error for all that was asked for.
fn refused(asked: Vec<RequestTopicData<'_>>, error_code: ErrorCode) -> DescribeQuorumResponse<'_> {
    let said = match error_code {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => errors::NO_PARTITION,
        other => other.text(),
    };
    let topic = |topic: RequestTopicData<'_>| {
        let partitions = topic.partitions.iter().map(|asked| ResponsePartitionData {
            partition_index: asked.partition_index,
            error_code,
            error_message: Some(said.into()),
            ..Default::default()
        });
        ResponseTopicData {
            topic_name: topic.topic_name.into_owned().into(),
            partitions: partitions.collect(),
        }
    };
    DescribeQuorumResponse { topics: asked.into_iter().map(topic).collect(), ..Default::default() }
}
