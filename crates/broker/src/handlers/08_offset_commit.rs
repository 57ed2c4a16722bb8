//! OffsetCommit v2-10. v2-4 may say how long the offsets are kept. v10: topics by id. Of a partition that is named more than
//! once the last offset counts, for all of its answers.

use indexmap::IndexMap;
use klamm_group::{Answer, Commit, Event, NewOffset};
use klamm_protocol::{
    ErrorCode, OffsetCommitRequest, OffsetCommitResponse,
    offset_commit::{OffsetCommitResponsePartition, OffsetCommitResponseTopic},
};

use crate::{
    authorizer::{Operation, Resource},
    groups,
    session::{Incoming, Stop},
};

/// The first version whose clients know that a group may not be there.
const MISSING_GROUP_SINCE: i16 = 9;

pub(crate) async fn handle<'a>(
    incoming: &Incoming,
    request: OffsetCommitRequest<'a>,
) -> Result<OffsetCommitResponse<'a>, Stop> {
    let may = incoming.may(Operation::Read, Resource::Group(&request.group_id));
    let (mut topics, mut offsets, mut places) = (Vec::new(), IndexMap::new(), Vec::new());
    for asked in request.topics {
        // Kafka does not name a topic again of which no partition was named.
        if asked.partitions.is_empty() {
            continue;
        }
        let topic = incoming.offset_topic(Operation::Read, &asked.name, asked.topic_id);
        let mut partitions = Vec::with_capacity(asked.partitions.len());
        for partition in asked.partitions {
            let known = topic.as_ref().map_err(|error| *error).and_then(|topic| {
                let there = topic.has(partition.partition_index);
                if there { Ok(topic) } else { Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) }
            });
            let error_code = match known {
                _ if !may => ErrorCode::GROUP_AUTHORIZATION_FAILED,
                Err(error_code) => error_code,
                Ok(topic) => {
                    let offset = NewOffset {
                        topic: topic.name.clone(),
                        topic_id: topic.id,
                        partition: partition.partition_index,
                        offset: partition.committed_offset,
                        leader_epoch: partition.committed_leader_epoch,
                        metadata: partition.committed_metadata.as_deref().unwrap_or_default().into(),
                    };
                    let (place, _) = offsets.insert_full((topic.id, partition.partition_index), offset);
                    places.push((topics.len(), partitions.len(), place));
                    ErrorCode::NONE
                }
            };
            partitions.push(OffsetCommitResponsePartition {
                partition_index: partition.partition_index,
                error_code,
            });
        }
        topics.push(OffsetCommitResponseTopic { name: asked.name, topic_id: asked.topic_id, partitions });
    }
    if !offsets.is_empty() {
        let commit = Commit {
            group: (&*request.group_id).into(),
            member: (&*request.member_id).into(),
            instance: request.group_instance_id.as_deref().map(Into::into),
            generation: request.generation_id_or_member_epoch,
            retention_ms: Some(request.retention_time_ms).filter(|ms| *ms >= 0),
            knows_missing_group: incoming.version >= MISSING_GROUP_SINCE,
            offsets: offsets.into_values().collect(),
        };
        let results = store(incoming, commit).await;
        for (topic, partition, place) in places {
            topics[topic].partitions[partition].error_code = results[place];
        }
    }
    Ok(OffsetCommitResponse { topics, ..Default::default() })
}

/// Commits; what became of each offset.
async fn store(incoming: &Incoming, commit: Commit) -> Vec<ErrorCode> {
    let count = commit.offsets.len();
    match incoming.broker.groups.ask(move |token| Event::Commit(token, commit)).await {
        Ok(Answer::Offsets(Ok(results))) => {
            results.into_iter().map(|result| result.err().map_or(ErrorCode::NONE, groups::code)).collect()
        }
        Ok(Answer::Offsets(Err(error))) => vec![groups::code(error); count],
        Ok(_) => vec![ErrorCode::UNKNOWN_SERVER_ERROR; count],
        Err(error_code) => vec![error_code; count],
    }
}
