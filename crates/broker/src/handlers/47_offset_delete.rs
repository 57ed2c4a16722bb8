//! OffsetDelete v0 (KIP-496).

use klamm_group::{Answer, DeleteOffsets, Event};
use klamm_protocol::{
    ErrorCode, OffsetDeleteRequest, OffsetDeleteResponse, Uuid,
    offset_delete::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic},
};

use crate::{
    authorizer::{Operation, Resource},
    groups,
    session::{Incoming, Stop},
};

pub(crate) async fn handle<'a>(
    incoming: &Incoming,
    request: OffsetDeleteRequest<'a>,
) -> Result<OffsetDeleteResponse<'a>, Stop> {
    let refuse = |error_code| Ok(OffsetDeleteResponse { error_code, ..Default::default() });
    if !incoming.may(Operation::Delete, Resource::Group(&request.group_id)) {
        return refuse(ErrorCode::GROUP_AUTHORIZATION_FAILED);
    }
    if request.group_id.is_empty() {
        return refuse(ErrorCode::INVALID_GROUP_ID);
    }
    let (mut topics, mut partitions, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for asked in request.topics {
        let topic = incoming.offset_topic(Operation::Read, &asked.name, Uuid::ZERO);
        let mut answers = Vec::with_capacity(asked.partitions.len());
        for partition in asked.partitions {
            let index = partition.partition_index;
            let error_code = match &topic {
                Err(error_code) => *error_code,
                Ok(topic) if topic.has(index) => {
                    places.push((topics.len(), answers.len()));
                    partitions.push((topic.name.clone(), index));
                    ErrorCode::NONE
                }
                Ok(_) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            };
            answers.push(OffsetDeleteResponsePartition { partition_index: index, error_code });
        }
        // Kafka does not name a topic again of which no partition was named.
        if answers.is_empty() {
            continue;
        }
        topics.push(OffsetDeleteResponseTopic { name: asked.name, partitions: answers });
    }
    let delete = DeleteOffsets { group: (&*request.group_id).into(), partitions };
    let results = match incoming.broker.groups.ask(move |token| Event::DeleteOffsets(token, delete)).await {
        Ok(Answer::Offsets(Ok(results))) => results,
        Ok(Answer::Offsets(Err(error))) => return refuse(groups::code(error)),
        Ok(_) => return refuse(ErrorCode::UNKNOWN_SERVER_ERROR),
        Err(error_code) => return refuse(error_code),
    };
    for ((topic, partition), result) in places.into_iter().zip(results) {
        topics[topic].partitions[partition].error_code = result.err().map_or(ErrorCode::NONE, groups::code);
    }
    Ok(OffsetDeleteResponse { topics, ..Default::default() })
}
