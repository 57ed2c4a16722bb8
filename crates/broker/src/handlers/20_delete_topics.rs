//! DeleteTopics v1-6, by name and by id (KIP-516). The data's files go when all that they hold is gone.

use std::collections::HashMap;

use klamm_protocol::{
    DeleteTopicsRequest, DeleteTopicsResponse, ErrorCode, Uuid,
    delete_topics::{DeletableTopicResult, DeleteTopicState},
};

use crate::{
    authorizer::{Operation, Resource},
    errors,
    session::{Incoming, Stop},
};

pub(crate) async fn handle<'a>(
    incoming: &Incoming,
    request: DeleteTopicsRequest<'a>,
) -> Result<DeleteTopicsResponse<'a>, Stop> {
    let named = request
        .topic_names
        .into_iter()
        .map(|name| DeleteTopicState { name: Some(name), ..Default::default() });
    let mut all: Vec<_> = request.topics.into_iter().chain(named).collect();
    // Names first: a topic that is named by its id too must not be deleted by that before.
    all.sort_by_key(|wanted| wanted.name.is_none());
    let mut names: HashMap<String, usize> = HashMap::new();
    let mut ids: HashMap<Uuid, usize> = HashMap::new();
    for wanted in &all {
        match &wanted.name {
            Some(name) => *names.entry(name.to_string()).or_default() += 1,
            None => *ids.entry(wanted.topic_id).or_default() += 1,
        }
    }
    let mut responses = Vec::new();
    for wanted in all {
        // What is named twice is not deleted, and told once.
        let (times, what) = match &wanted.name {
            Some(name) => (names.get_mut(&**name), "name"),
            None => (ids.get_mut(&wanted.topic_id).filter(|_| wanted.topic_id != Uuid::ZERO), "id"),
        };
        match times {
            Some(0) => {}
            Some(times) if *times > 1 => {
                *times = 0;
                responses.push(refused(wanted, format!("Duplicate topic {what}.")));
            }
            _ if request.timeout_ms < 0 => responses.push(DeletableTopicResult {
                error_code: errors::no_time().0,
                error_message: None,
                ..refused(wanted, String::new())
            }),
            _ => responses.push(delete(incoming, wanted, &mut ids).await),
        }
    }
    Ok(DeleteTopicsResponse { responses, ..Default::default() })
}

fn refused(wanted: DeleteTopicState<'_>, why: String) -> DeletableTopicResult<'_> {
    DeletableTopicResult {
        name: wanted.name,
        topic_id: wanted.topic_id,
        error_code: ErrorCode::INVALID_REQUEST,
        error_message: Some(why.into()),
    }
}

async fn delete<'a>(
    incoming: &Incoming,
    wanted: DeleteTopicState<'a>,
    ids: &mut HashMap<Uuid, usize>,
) -> DeletableTopicResult<'a> {
    let broker = &incoming.broker;
    match (&wanted.name, wanted.topic_id) {
        (None, Uuid::ZERO) => {
            return refused(wanted, "Neither topic name nor id were specified.".to_owned());
        }
        (Some(_), id) if id != Uuid::ZERO => {
            return refused(wanted, "You may not specify both topic name and topic id.".to_owned());
        }
        _ => {}
    }
    let mut result =
        DeletableTopicResult { name: wanted.name, topic_id: wanted.topic_id, ..Default::default() };
    let topic = match broker.topic(result.name.as_deref().unwrap_or_default(), result.topic_id) {
        Ok(topic) => topic,
        Err(error_code) => {
            result.error_code = error_code;
            result.error_message = Some(unknown(error_code).into());
            return result;
        }
    };
    if !incoming.may(Operation::Delete, Resource::Topic(topic.name.as_str())) {
        result.error_code = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
        return result;
    }
    let by_name = result.topic_id == Uuid::ZERO;
    result.topic_id = Uuid(topic.id.0);
    result.name = Some(topic.name.as_str().to_owned().into());
    // Named by its id too, before or behind: told once, and not deleted.
    if let Some(times) = ids.get_mut(&result.topic_id).filter(|_| by_name) {
        *times = 0;
        let why = "The provided topic name maps to an ID that was already supplied.";
        return DeletableTopicResult {
            error_code: ErrorCode::INVALID_REQUEST,
            error_message: Some(why.into()),
            ..result
        };
    }
    if let Err((error_code, why)) = broker.delete_topic(topic.id).await {
        result.error_code = error_code;
        result.error_message = Some(why.into());
    }
    result
}

/// What Kafka says of a topic that is not there.
fn unknown(error_code: ErrorCode) -> &'static str {
    match error_code {
        ErrorCode::UNKNOWN_TOPIC_ID => "This server does not host this topic ID.",
        _ => "This server does not host this topic-partition.",
    }
}
