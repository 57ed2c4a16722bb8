//! ListOffsets v1-11: by time, and -1 latest, -2 earliest, -3 of the largest timestamp (KIP-734), -4 earliest local
//! (KIP-405), -5 latest tiered (KIP-1005), -6 earliest still to be tiered (KIP-1023). Nothing is tiered: the last two
//! find nothing.
//!
//! What was acknowledged before is found: an `acks=1` answer comes ahead of the device and readers see what is durable, so
//! the shard is let settle first. The replica id makes no difference, as in Kafka: some clients send the broker's.

use std::{collections::BTreeSet, sync::Arc};

use indexmap::{IndexMap, map::Entry};
use klamm_cluster::Topic;
use klamm_model::ShardId;
use klamm_protocol::{
    ErrorCode, ListOffsetsRequest, ListOffsetsResponse, Uuid,
    list_offsets::{
        ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsTopic, ListOffsetsTopicResponse,
    },
};
use klamm_records::DecompressCap;
use klamm_shard::TimestampQuery;

use crate::{
    authorizer::{Operation, Resource},
    errors,
    mentions::{Mention, Mentions},
    session::{Incoming, Stop},
};

/// The first version that tells leader epochs.
const LEADER_EPOCHS_SINCE: i16 = 4;
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;
/// The first version that knows each of the special times.
const SINCE: [(i64, i16); 4] =
    [(MAX_TIMESTAMP, 7), (EARLIEST_LOCAL, 8), (LATEST_TIERED, 9), (EARLIEST_PENDING_UPLOAD, 11)];

pub(crate) async fn handle<'a>(
    incoming: &Incoming,
    request: ListOffsetsRequest<'a>,
) -> Result<ListOffsetsResponse<'a>, Stop> {
    let mut topics = Vec::with_capacity(request.topics.len());
    let mut settled = BTreeSet::new();
    for asked in distinct(request.topics) {
        let may = incoming.may(Operation::Describe, Resource::Topic(&asked.name));
        let topic = match incoming.broker.topic(&asked.name, Uuid::ZERO) {
            _ if !may => Err(ErrorCode::TOPIC_AUTHORIZATION_FAILED),
            found => found,
        };
        let mut mentions = Mentions::of(asked.partitions.iter().map(|partition| partition.partition_index));
        let mut partitions = Vec::with_capacity(asked.partitions.len());
        for partition in &asked.partitions {
            let found = match (mentions.next(&partition.partition_index), &topic) {
                (Mention::Again, _) => continue,
                (Mention::First, _) => Err(ErrorCode::INVALID_REQUEST),
                (Mention::Only, Ok(topic)) => find(incoming, topic, partition, &mut settled).await,
                (Mention::Only, Err(error_code)) => Err(*error_code),
            };
            let mut answer = found.unwrap_or_else(|error_code| ListOffsetsPartitionResponse {
                error_code,
                ..nothing(partition.partition_index)
            });
            if incoming.version < LEADER_EPOCHS_SINCE {
                answer.leader_epoch = -1;
            }
            partitions.push(answer);
        }
        if partitions.is_empty() {
            continue;
        }
        topics.push(ListOffsetsTopicResponse { name: asked.name, partitions });
    }
    Ok(ListOffsetsResponse { topics, ..Default::default() })
}

/// As in Kafka, a topic that is named twice is one.
fn distinct(topics: Vec<ListOffsetsTopic<'_>>) -> Vec<ListOffsetsTopic<'_>> {
    let mut distinct: IndexMap<_, ListOffsetsTopic<'_>> = IndexMap::with_capacity(topics.len());
    for mut topic in topics {
        match distinct.entry(topic.name.clone()) {
            Entry::Vacant(new) => drop(new.insert(topic)),
            Entry::Occupied(mut known) => known.get_mut().partitions.append(&mut topic.partitions),
        }
    }
    distinct.into_values().collect()
}

/// The answer when no record fits.
fn nothing(partition_index: i32) -> ListOffsetsPartitionResponse {
    ListOffsetsPartitionResponse {
        partition_index,
        error_code: ErrorCode::NONE,
        timestamp: -1,
        offset: -1,
        leader_epoch: -1,
    }
}

async fn find(
    incoming: &Incoming,
    topic: &Arc<Topic>,
    asked: &ListOffsetsPartition,
    settled: &mut BTreeSet<ShardId>,
) -> Result<ListOffsetsPartitionResponse, ErrorCode> {
    let located = incoming.broker.locate(Arc::clone(topic), asked.partition_index)?;
    if SINCE.iter().any(|&(time, first)| asked.timestamp == time && incoming.version < first) {
        return Err(ErrorCode::UNSUPPORTED_VERSION);
    }
    let (view, epoch) = located.view(asked.current_leader_epoch)?;
    let answer = nothing(asked.partition_index);
    if settled.insert(located.shard_id) {
        located.shard.shard.settled().await.map_err(|error| errors::of_shard(&error))?;
    }
    let marks = view.watermarks();
    let query = match asked.timestamp {
        LATEST => {
            let leader_epoch = epoch.leader_epoch();
            return Ok(ListOffsetsPartitionResponse { offset: marks.high_watermark, leader_epoch, ..answer });
        }
        EARLIEST | EARLIEST_LOCAL => {
            let leader_epoch = view.epoch_of(marks.log_start).unwrap_or(epoch).leader_epoch();
            return Ok(ListOffsetsPartitionResponse { offset: marks.log_start, leader_epoch, ..answer });
        }
        LATEST_TIERED => return Ok(answer),
        EARLIEST_PENDING_UPLOAD => return Ok(answer),
        MAX_TIMESTAMP => TimestampQuery::Max,
        time if time >= 0 => TimestampQuery::AtOrAfter(time),
        _ => return Err(ErrorCode::UNSUPPORTED_VERSION),
    };
    let found = located.shard.view.find_by_time(&view, query, DecompressCap::default()).await;
    let Some((found, found_epoch)) = found.map_err(|error| errors::of_read(&error))? else {
        return Ok(answer);
    };
    Ok(ListOffsetsPartitionResponse {
        offset: found.offset,
        timestamp: found.timestamp,
        leader_epoch: found_epoch.unwrap_or(epoch).leader_epoch(),
        ..answer
    })
}
