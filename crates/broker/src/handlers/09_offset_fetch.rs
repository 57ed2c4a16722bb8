//! OffsetFetch v1-10. v8: several groups (KIP-709). v10: topics by id. Without transactions every offset is stable.
//! Offsets come from the durable image. Left out: member epochs (KIP-848), which classic groups do not have.

use std::sync::Arc;

use klamm_group::{CommittedOffset, Groups};
use klamm_model::TopicId;
use klamm_protocol::{
    ErrorCode, OffsetFetchRequest, OffsetFetchResponse, Str, Uuid,
    offset_fetch::{
        OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponseGroup,
        OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
        OffsetFetchResponseTopics,
    },
};

use crate::{
    authorizer::{Operation, Resource},
    repeats::{Repeats, Unknown},
    session::{Incoming, Stop, TOPIC_IDS_SINCE_OFFSETS},
};

/// The first version with several groups.
const GROUPS_SINCE: i16 = 8;

pub(crate) async fn handle<'a>(
    incoming: &Incoming,
    request: OffsetFetchRequest<'a>,
) -> Result<OffsetFetchResponse<'a>, Stop> {
    let image = incoming.broker.groups.image();
    let mut told = Told { repeats: Repeats::of(incoming), unknown: Unknown::default() };
    if incoming.version >= GROUPS_SINCE {
        let groups = request.groups.into_iter().map(|group| fetch(incoming, &image, &mut told, group));
        let groups = groups.collect::<Result<_, Stop>>()?;
        return Ok(OffsetFetchResponse { groups, ..Default::default() });
    }
    let wanted =
        |topic: klamm_protocol::offset_fetch::OffsetFetchRequestTopic<'a>| OffsetFetchRequestTopics {
            name: topic.name,
            partition_indexes: topic.partition_indexes,
            ..Default::default()
        };
    let topics = request.topics.map(|topics| topics.into_iter().map(wanted).collect());
    let group = OffsetFetchRequestGroup { group_id: request.group_id, topics, ..Default::default() };
    let found = fetch(incoming, &image, &mut told, group)?;
    let partition = |found: OffsetFetchResponsePartitions<'a>| OffsetFetchResponsePartition {
        partition_index: found.partition_index,
        committed_offset: found.committed_offset,
        committed_leader_epoch: found.committed_leader_epoch,
        metadata: found.metadata,
        error_code: found.error_code,
    };
    let topic = |found: OffsetFetchResponseTopics<'a>| OffsetFetchResponseTopic {
        name: found.name,
        partitions: found.partitions.into_iter().map(partition).collect(),
    };
    Ok(OffsetFetchResponse {
        topics: found.topics.into_iter().map(topic).collect(),
        error_code: found.error_code,
        ..Default::default()
    })
}

/// What was told.
struct Told {
    /// The offsets, by where each lies in the image.
    repeats: Repeats<usize>,
    unknown: Unknown,
}

impl Told {
    fn tell<'a>(
        &mut self,
        index: i32,
        offset: Option<&CommittedOffset>,
    ) -> Result<OffsetFetchResponsePartitions<'a>, Stop> {
        if let Some(offset) = offset {
            let bytes = size_of::<OffsetFetchResponsePartitions<'_>>() + offset.metadata.len();
            self.repeats.tell(std::ptr::from_ref(offset).addr(), bytes)?;
        }
        Ok(found(index, offset))
    }
}

fn fetch<'a>(
    incoming: &Incoming,
    image: &Arc<Groups>,
    told: &mut Told,
    asked: OffsetFetchRequestGroup<'a>,
) -> Result<OffsetFetchResponseGroup<'a>, Stop> {
    if !incoming.may(Operation::Describe, Resource::Group(&asked.group_id)) {
        let error_code = ErrorCode::GROUP_AUTHORIZATION_FAILED;
        return Ok(OffsetFetchResponseGroup { group_id: asked.group_id, topics: Vec::new(), error_code });
    }
    let topics = match asked.topics {
        Some(topics) => {
            let topics =
                topics.into_iter().map(|topic| wanted(incoming, image, told, &asked.group_id, topic));
            topics.collect::<Result<_, Stop>>()?
        }
        None => all(incoming, image, told, &asked.group_id)?,
    };
    Ok(OffsetFetchResponseGroup { group_id: asked.group_id, topics, error_code: ErrorCode::NONE })
}

fn found<'a>(index: i32, offset: Option<&CommittedOffset>) -> OffsetFetchResponsePartitions<'a> {
    OffsetFetchResponsePartitions {
        partition_index: index,
        committed_offset: offset.map_or(-1, |offset| offset.offset),
        committed_leader_epoch: offset.map_or(-1, |offset| offset.leader_epoch),
        metadata: Some(offset.map_or_else(String::new, |offset| offset.metadata.to_string()).into()),
        error_code: ErrorCode::NONE,
    }
}

/// The offsets of the partitions that were asked for.
fn wanted<'a>(
    incoming: &Incoming,
    image: &Groups,
    told: &mut Told,
    group: &str,
    asked: OffsetFetchRequestTopics<'a>,
) -> Result<OffsetFetchResponseTopics<'a>, Stop> {
    let by_id = incoming.version >= TOPIC_IDS_SINCE_OFFSETS;
    let topic = match by_id {
        true => incoming.offset_topic(Operation::Describe, "", asked.topic_id).map(Some),
        false if !incoming.may(Operation::Describe, Resource::Topic(&asked.name)) => {
            Err(ErrorCode::TOPIC_AUTHORIZATION_FAILED)
        }
        // Offsets outlive what this broker knows of a topic; those of an earlier topic of the name do not count.
        false => Ok(incoming.broker.topic(&asked.name, Uuid::ZERO).ok()),
    };
    let partition = |index: &i32| {
        let known = topic.as_ref().ok().and_then(Option::as_ref);
        if !known.is_some_and(|topic| topic.has(*index)) {
            told.unknown.one()?;
        }
        let (name, id) = known.map_or((&*asked.name, TopicId::ZERO), |topic| (topic.name.as_str(), topic.id));
        match &topic {
            Ok(_) => told.tell(*index, image.offset(group, name, id, *index)),
            Err(error_code) => {
                Ok(OffsetFetchResponsePartitions { error_code: *error_code, ..found(*index, None) })
            }
        }
    };
    let partitions = asked.partition_indexes.iter().map(partition).collect::<Result<_, Stop>>()?;
    Ok(OffsetFetchResponseTopics { name: asked.name, topic_id: asked.topic_id, partitions })
}

/// All offsets of a group, of the topics that the principal may see.
fn all<'a>(
    incoming: &Incoming,
    image: &Groups,
    told: &mut Told,
    group: &str,
) -> Result<Vec<OffsetFetchResponseTopics<'a>>, Stop> {
    let by_id = incoming.version >= TOPIC_IDS_SINCE_OFFSETS;
    let mut topics: Vec<OffsetFetchResponseTopics<'a>> = Vec::new();
    for (name, index, offset) in image.offsets(group) {
        if !incoming.may(Operation::Describe, Resource::Topic(name.as_str())) {
            continue;
        }
        let topic_id = match incoming.broker.topic(name.as_str(), Uuid::ZERO) {
            Ok(topic) if by_id => Uuid(topic.id.0),
            Err(_) if by_id => continue,
            _ => Uuid::ZERO,
        };
        if topics.last().is_none_or(|last| last.name != name.as_str()) {
            let name: Str<'a> = name.as_str().to_owned().into();
            topics.push(OffsetFetchResponseTopics { name, topic_id, partitions: Vec::new() });
        }
        topics.last_mut().expect("pushed above").partitions.push(told.tell(index, Some(offset))?);
    }
    Ok(topics)
}
