//! OffsetForLeaderEpoch v2-4 (KIP-101, KIP-320): where a leader epoch ended, for consumers that check for truncation.

use klamm_protocol::{
    ErrorCode, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, Uuid,
    offset_for_leader_epoch::{EpochEndOffset, OffsetForLeaderPartition, OffsetForLeaderTopicResult},
};

use crate::{
    authorizer::{Operation, Resource},
    session::{Incoming, Stop},
};

/// Neither an epoch nor an offset.
const UNDEFINED: (i32, i64) = (-1, -1);

pub(crate) async fn handle<'a>(
    incoming: &Incoming,
    request: OffsetForLeaderEpochRequest<'a>,
) -> Result<OffsetForLeaderEpochResponse<'a>, Stop> {
    let topic = |topic: klamm_protocol::offset_for_leader_epoch::OffsetForLeaderTopic<'a>| {
        let answer = |asked: &OffsetForLeaderPartition| {
            let found = find(incoming, &topic.topic, asked);
            let (leader_epoch, end_offset) = *found.as_ref().unwrap_or(&UNDEFINED);
            let error_code = found.err().unwrap_or_default();
            EpochEndOffset { error_code, partition: asked.partition, leader_epoch, end_offset }
        };
        let partitions = topic.partitions.iter().map(answer).collect();
        OffsetForLeaderTopicResult { topic: topic.topic, partitions }
    };
    Ok(OffsetForLeaderEpochResponse {
        topics: request.topics.into_iter().map(topic).collect(),
        ..Default::default()
    })
}

fn find(incoming: &Incoming, name: &str, asked: &OffsetForLeaderPartition) -> Result<(i32, i64), ErrorCode> {
    if !incoming.may(Operation::Describe, Resource::Topic(name)) {
        return Err(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    }
    let located = incoming.broker.locate(incoming.broker.topic(name, Uuid::ZERO)?, asked.partition)?;
    let (view, epoch) = located.view(asked.current_leader_epoch)?;
    let Ok(wanted) = u32::try_from(asked.leader_epoch) else { return Ok(UNDEFINED) };
    let found = view.end_of_epoch(klamm_model::Epoch(wanted), epoch);
    Ok(found.map_or(UNDEFINED, |(epoch, end)| (epoch.leader_epoch(), end)))
}
