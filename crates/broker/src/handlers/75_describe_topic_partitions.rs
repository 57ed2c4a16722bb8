//! DescribeTopicPartitions v0 (KIP-966): topics in the order of their names, in pages.

use std::collections::BTreeSet;

use klamm_cluster::TopicPartition;
use klamm_model::{Epoch, TopicName};
use klamm_protocol::{
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, ErrorCode, Uuid,
    describe_topic_partitions::{
        DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic, ResponseCursor,
    },
};

use super::metadata::{NOT_ASKED, TOPIC_OPERATIONS};
use crate::{
    Broker,
    authorizer::{Operation, Resource},
    session::{Incoming, Stop},
};

/// The most partitions of an answer (Kafka's `max.request.partition.size.limit`).
const PARTITIONS_MAX: i32 = 2000;

pub(crate) async fn handle<'a>(
    incoming: &Incoming,
    request: DescribeTopicPartitionsRequest<'a>,
) -> Result<DescribeTopicPartitionsResponse<'a>, Stop> {
    let broker = &incoming.broker;
    let image = broker.image.load();
    let mut names: BTreeSet<String> = request.topics.iter().map(|topic| topic.name.to_string()).collect();
    let all = names.is_empty();
    let (mut first_topic, mut first_partition) = (String::new(), 0);
    if let Some(cursor) = request.cursor {
        let Ok(index) = usize::try_from(cursor.partition_index) else { return Ok(refused(names)) };
        if !all && !names.contains(&*cursor.topic_name) {
            return Ok(refused(names));
        }
        (first_topic, first_partition) = (cursor.topic_name.into_owned(), index);
    }
    if all {
        names = image.topics().map(|topic| topic.name.to_string()).collect();
    }
    let mut left = request.response_partition_limit.clamp(1, PARTITIONS_MAX) as usize;
    let (mut topics, mut next_cursor) = (Vec::new(), None);
    for name in names.range(first_topic.clone()..) {
        if left == 0 {
            next_cursor = Some(ResponseCursor { topic_name: name.clone().into(), partition_index: 0 });
            break;
        }
        let may = incoming.may(Operation::Describe, Resource::Topic(name));
        let topic = match image.topic_named(name) {
            Some(topic) if may => topic,
            _ if all => continue,
            _ => {
                topics.push(missing(name.clone(), may));
                continue;
            }
        };
        let from = if *name == first_topic { first_partition } else { 0 };
        let some = topic.partitions.iter().enumerate().skip(from).take(left);
        let partitions: Vec<_> = some.map(|(index, found)| partition(broker, index, found)).collect();
        let end = from + partitions.len();
        left -= partitions.len();
        topics.push(DescribeTopicPartitionsResponseTopic {
            name: Some(name.clone().into()),
            topic_id: Uuid(topic.id.0),
            partitions,
            topic_authorized_operations: TOPIC_OPERATIONS,
            ..Default::default()
        });
        if end < topic.partitions.len() {
            next_cursor =
                Some(ResponseCursor { topic_name: name.clone().into(), partition_index: end as i32 });
            break;
        }
    }
    Ok(DescribeTopicPartitionsResponse { topics, next_cursor, ..Default::default() })
}

/// A topic that was asked for and is not there, or may not be described.
fn missing<'a>(name: String, may: bool) -> DescribeTopicPartitionsResponseTopic<'a> {
    let (code, operations) = match TopicName::parse(&name) {
        _ if !may => (ErrorCode::TOPIC_AUTHORIZATION_FAILED, NOT_ASKED),
        Err(_) => (ErrorCode::INVALID_TOPIC_EXCEPTION, TOPIC_OPERATIONS),
        Ok(_) => (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, TOPIC_OPERATIONS),
    };
    DescribeTopicPartitionsResponseTopic { topic_authorized_operations: operations, ..error(name, code) }
}

fn partition(
    broker: &Broker,
    index: usize,
    found: &TopicPartition,
) -> DescribeTopicPartitionsResponsePartition {
    let (id, epoch) = (broker.config.id, broker.epoch(found.shard));
    DescribeTopicPartitionsResponsePartition {
        error_code: if epoch.is_some() { ErrorCode::NONE } else { ErrorCode::LEADER_NOT_AVAILABLE },
        partition_index: index as i32,
        leader_id: if epoch.is_some() { id } else { -1 },
        leader_epoch: epoch.map_or(-1, Epoch::leader_epoch),
        replica_nodes: vec![id],
        isr_nodes: vec![id],
        eligible_leader_replicas: Some(Vec::new()),
        last_known_elr: Some(Vec::new()),
        offline_replicas: Vec::new(),
    }
}

/// A cursor that no answer gave: each topic carries the code, for there is no place for it but there.
fn refused<'a>(names: BTreeSet<String>) -> DescribeTopicPartitionsResponse<'a> {
    let topics = names.into_iter().map(|name| error(name, ErrorCode::INVALID_REQUEST)).collect();
    DescribeTopicPartitionsResponse { topics, ..Default::default() }
}

fn error<'a>(name: String, error_code: ErrorCode) -> DescribeTopicPartitionsResponseTopic<'a> {
    DescribeTopicPartitionsResponseTopic {
        error_code,
        name: Some(name.into()),
        topic_authorized_operations: NOT_ASKED,
        ..Default::default()
    }
}
