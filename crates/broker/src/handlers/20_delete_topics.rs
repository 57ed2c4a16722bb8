//! DeleteTopics v1-6, by name and by id (KIP-516). The data's files go when all that they hold is gone.

use klamm_protocol::{
    DeleteTopicsRequest, DeleteTopicsResponse, ErrorCode, Uuid,
    delete_topics::{DeletableTopicResult, DeleteTopicState},
};

use crate::{
    authorizer::{Operation, Resource},
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
    let mut responses = Vec::new();
    for wanted in request.topics.into_iter().chain(named) {
        responses.push(delete(incoming, wanted).await);
    }
    Ok(DeleteTopicsResponse { responses, ..Default::default() })
}

async fn delete<'a>(incoming: &Incoming, wanted: DeleteTopicState<'a>) -> DeletableTopicResult<'a> {
    let broker = &incoming.broker;
    let mut result =
        DeletableTopicResult { name: wanted.name, topic_id: wanted.topic_id, ..Default::default() };
    if result.name.is_some() == (result.topic_id != Uuid::ZERO) {
        result.error_code = ErrorCode::INVALID_REQUEST;
        result.error_message = Some("a topic is named by its name or by its id".into());
        return result;
    }
    let topic = match broker.topic(result.name.as_deref().unwrap_or_default(), result.topic_id) {
        Ok(topic) => topic,
        Err(error_code) => {
            result.error_code = error_code;
            return result;
        }
    };
    if !incoming.may(Operation::Delete, Resource::Topic(topic.name.as_str())) {
        result.error_code = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
        return result;
    }
    result.topic_id = Uuid(topic.id.0);
    result.name = Some(topic.name.as_str().to_owned().into());
    if let Err((error_code, why)) = broker.delete_topic(topic.id).await {
        result.error_code = error_code;
        result.error_message = Some(why.into());
    }
    result
}
