//! DeleteTopics v1-6, by name and by id (KIP-516). The data's files go when all that they hold is gone.

use klamm_protocol::{
    DeleteTopicsRequest, DeleteTopicsResponse, ErrorCode, Uuid,
    delete_topics::{DeletableTopicResult, DeleteTopicState},
};

use crate::{
    authorizer::{Operation, Resource},
    errors,
    mentions::{Mention, Mentions},
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
    let mut names =
        Mentions::of(all.iter().filter_map(|wanted| wanted.name.as_ref().map(ToString::to_string)));
    let by_id = all.iter().filter(|wanted| wanted.name.is_none() && wanted.topic_id != Uuid::ZERO);
    let mut ids = Mentions::of(by_id.map(|wanted| wanted.topic_id));
    let mut responses = Vec::new();
    for wanted in all {
        // What is named twice is not deleted.
        let (mention, what) = match &wanted.name {
            Some(name) => (names.next(&**name), "name"),
            None => (ids.next(&wanted.topic_id), "id"),
        };
        responses.push(match mention {
            Mention::Again => continue,
            Mention::First => refused(wanted, format!("Duplicate topic {what}.")),
            Mention::Only if request.timeout_ms < 0 => DeletableTopicResult {
                error_code: errors::NO_TIME,
                error_message: None,
                ..refused(wanted, String::new())
            },
            Mention::Only => delete(incoming, wanted, &mut ids).await,
        });
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
    ids: &mut Mentions<Uuid>,
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
    let may = |name: &str| incoming.may(Operation::Delete, Resource::Topic(name));
    // Nor is it told whether it is there.
    if result.name.as_deref().is_some_and(|name| !may(name)) {
        result.error_code = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
        return result;
    }
    let topic = match broker.topic(result.name.as_deref().unwrap_or_default(), result.topic_id) {
        Ok(topic) => topic,
        Err(error_code) => {
            result.error_code = error_code;
            result.error_message = Some(unknown(error_code).into());
            return result;
        }
    };
    if !may(topic.name.as_str()) {
        result.error_code = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
        return result;
    }
    let by_name = result.topic_id == Uuid::ZERO;
    result.topic_id = Uuid(topic.id.0);
    result.name = Some(topic.name.as_str().to_owned().into());
    // Named by its id too, before or behind: told once, and not deleted.
    if by_name && ids.pass_over(&result.topic_id) {
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
        _ => errors::NO_PARTITION,
    }
}
