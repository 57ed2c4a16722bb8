//! CreatePartitions v0-3 (KIP-195).

use klamm_cluster::{Command, Reply};
use klamm_protocol::{
    CreatePartitionsRequest, CreatePartitionsResponse, ErrorCode, Uuid,
    create_partitions::{CreatePartitionsTopic, CreatePartitionsTopicResult},
};

use crate::{
    authorizer::{Operation, Resource},
    errors,
    mentions::{Mention, Mentions},
    session::{Incoming, Stop},
    topics::{PARTITIONS_MAX, TopicError},
};

pub(crate) async fn handle<'a>(
    incoming: &Incoming,
    request: CreatePartitionsRequest<'a>,
) -> Result<CreatePartitionsResponse<'a>, Stop> {
    let mut results = Vec::with_capacity(request.topics.len());
    let mut mentions = Mentions::of(request.topics.iter().map(|topic| topic.name.to_string()));
    for topic in request.topics {
        let result = match mentions.next(&*topic.name) {
            Mention::Again => continue,
            Mention::First => Err(errors::named_twice()),
            Mention::Only if request.timeout_ms < 0 => Err((errors::NO_TIME, String::new())),
            Mention::Only => grow(incoming, &topic, request.validate_only).await,
        };
        let (error_code, why) = match result {
            Ok(()) => (ErrorCode::NONE, None),
            // Kafka says no more of a topic that is not there.
            Err((code @ ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, _)) => (code, None),
            Err((code, why)) => (code, Some(why).filter(|why| !why.is_empty())),
        };
        results.push(CreatePartitionsTopicResult {
            name: topic.name,
            error_code,
            error_message: why.map(Into::into),
        });
    }
    Ok(CreatePartitionsResponse { results, ..Default::default() })
}

async fn grow(
    incoming: &Incoming,
    asked: &CreatePartitionsTopic<'_>,
    validate_only: bool,
) -> Result<(), TopicError> {
    let broker = &incoming.broker;
    if !incoming.may(Operation::Alter, Resource::Topic(&asked.name)) {
        return Err((ErrorCode::TOPIC_AUTHORIZATION_FAILED, "not authorized to alter the topic".to_owned()));
    }
    let unknown = |code: ErrorCode| (code, code.text().to_owned());
    let topic = broker.topic(&asked.name, Uuid::ZERO).map_err(unknown)?;
    let has = topic.partitions.len() as i32;
    if asked.count <= has {
        let why = if asked.count == has {
            format!("Topic already has {has} partition(s).")
        } else {
            format!(
                "The topic {} currently has {has} partition(s); {} would not be an increase.",
                topic.name, asked.count
            )
        };
        return Err((ErrorCode::INVALID_PARTITIONS, why));
    }
    if asked.count > PARTITIONS_MAX {
        return Err((
            ErrorCode::INVALID_PARTITIONS,
            format!("at most {PARTITIONS_MAX} partitions to a topic"),
        ));
    }
    if let Some(assignments) = &asked.assignments {
        let more = asked.count - has;
        if assignments.len() != more as usize {
            let why = format!(
                "Attempted to add {more} additional partition(s), but only {} assignment(s) were specified.",
                assignments.len()
            );
            return Err((ErrorCode::INVALID_REPLICA_ASSIGNMENT, why));
        }
        for assignment in assignments {
            broker.check_assignment(&assignment.broker_ids)?;
        }
    }
    if validate_only {
        return Ok(());
    }
    let failed = |_| errors::unfinished("the partitions may have been made");
    let change = Command::AddPartitions { topic: topic.id, total: asked.count };
    match broker.change(topic.id, change).await.map_err(failed)? {
        Reply::Changed(true) => Ok(()),
        Reply::Changed(false) => {
            Err((ErrorCode::INVALID_PARTITIONS, "the topic changed meanwhile".to_owned()))
        }
        _ => Err((ErrorCode::KAFKA_STORAGE_ERROR, "the disk is full".to_owned())),
    }
}
