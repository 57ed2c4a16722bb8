//! DeleteRecords v0-2 (KIP-107): the log's start moves; -1 deletes up to the high watermark.

use std::collections::BTreeMap;

use klamm_partition::{Command, MoveError, Reply};
use klamm_protocol::{
    DeleteRecordsRequest, DeleteRecordsResponse, ErrorCode, Uuid,
    delete_records::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult},
};

use crate::{
    authorizer::{Operation, Resource},
    errors,
    session::{Incoming, Stop},
};

/// Asks for everything up to the high watermark.
const ALL: i64 = -1;

pub(crate) async fn handle<'a>(
    incoming: &Incoming,
    request: DeleteRecordsRequest<'a>,
) -> Result<DeleteRecordsResponse<'a>, Stop> {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        // Kafka keeps these in a map: of a partition that is named twice, the last word counts; a topic without any is
        // not in the answer.
        let mut asked_of = BTreeMap::new();
        for asked in topic.partitions {
            asked_of.insert(asked.partition_index, asked);
        }
        if asked_of.is_empty() {
            continue;
        }
        let mut partitions = Vec::with_capacity(asked_of.len());
        for asked in asked_of.into_values() {
            let (low_watermark, error_code) =
                match delete(incoming, &topic.name, asked.partition_index, asked.offset).await {
                    Ok(low_watermark) => (low_watermark, ErrorCode::NONE),
                    Err(error_code) => (-1, error_code),
                };
            partitions.push(DeleteRecordsPartitionResult {
                partition_index: asked.partition_index,
                low_watermark,
                error_code,
            });
        }
        topics.push(DeleteRecordsTopicResult { name: topic.name, partitions });
    }
    Ok(DeleteRecordsResponse { topics, ..Default::default() })
}

async fn delete(incoming: &Incoming, name: &str, index: i32, offset: i64) -> Result<i64, ErrorCode> {
    if !incoming.may(Operation::Delete, Resource::Topic(name)) {
        return Err(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    }
    let topic = incoming.broker.topic(name, Uuid::ZERO)?;
    let located = incoming.broker.locate(topic, index)?;
    // Only what readers may see can be deleted.
    let (view, _) = located.view(-1)?;
    let high_watermark = view.watermarks().high_watermark;
    let to = if offset == ALL { high_watermark } else { offset };
    if to < 0 || to > high_watermark {
        return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
    }
    let command = Command::MoveLogStart { partition: located.id, to: Some(to) };
    match located.shard.shard.ask(command).await.map_err(|error| errors::of_shard(&error))? {
        Reply::Moved(Ok(start)) => Ok(start),
        Reply::Moved(Err(MoveError::OutOfRange)) => Err(ErrorCode::OFFSET_OUT_OF_RANGE),
        Reply::Moved(Err(MoveError::UnknownPartition)) => Err(ErrorCode::NOT_LEADER_OR_FOLLOWER),
        _ => Err(ErrorCode::KAFKA_STORAGE_ERROR),
    }
}
