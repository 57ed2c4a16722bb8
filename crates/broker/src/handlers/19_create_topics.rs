//! CreateTopics v2-7. Configurations are checked and kept; assignments may name this broker only.

use std::collections::BTreeMap;

use klamm_cluster::NewTopic;
use klamm_protocol::{
    CreateTopicsRequest, CreateTopicsResponse, ErrorCode, Uuid,
    create_topics::{CreatableTopic, CreatableTopicConfigs, CreatableTopicResult},
};

use crate::{
    authorizer::{Operation, Resource},
    configs::Row,
    errors,
    mentions::{Mention, Mentions},
    session::{Incoming, Stop},
    topic_config,
    topics::TopicError,
};

pub(crate) async fn handle<'a>(
    incoming: &Incoming,
    request: CreateTopicsRequest<'a>,
) -> Result<CreateTopicsResponse<'a>, Stop> {
    let mut mentions = Mentions::of(request.topics.iter().map(|topic| topic.name.to_string()));
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        topics.push(match mentions.next(&*topic.name) {
            Mention::Again => continue,
            Mention::First => refused(topic, errors::named_twice()),
            Mention::Only if request.timeout_ms < 0 => CreatableTopicResult {
                error_message: None,
                ..refused(topic, (errors::NO_TIME, String::new()))
            },
            Mention::Only => match create(incoming, &topic, request.validate_only).await {
                Ok(new) => made(incoming, topic, &new),
                Err(error) => refused(topic, error),
            },
        });
    }
    Ok(CreateTopicsResponse { topics, ..Default::default() })
}

async fn create(
    incoming: &Incoming,
    topic: &CreatableTopic<'_>,
    validate_only: bool,
) -> Result<NewTopic, TopicError> {
    let broker = &incoming.broker;
    if !incoming.may_create(&topic.name) {
        return Err((ErrorCode::TOPIC_AUTHORIZATION_FAILED, "not authorized to create the topic".to_owned()));
    }
    let mut configs = BTreeMap::new();
    for config in &topic.configs {
        let Some(value) = &config.value else {
            let why = format!("Null value not supported for topic configs: {}", config.name.escape_debug());
            return Err((ErrorCode::INVALID_CONFIG, why));
        };
        configs.insert(config.name.to_string(), value.to_string());
    }
    let partitions = partitions(incoming, topic)?;
    let plan = broker.plan_topic(&topic.name, partitions, configs)?;
    broker.check_name(&plan.name)?;
    if !validate_only {
        broker.create_topic(plan.clone()).await?;
    }
    Ok(plan)
}

/// The number of partitions, from the count or from the assignments.
fn partitions(incoming: &Incoming, topic: &CreatableTopic<'_>) -> Result<i32, TopicError> {
    if topic.assignments.is_empty() {
        incoming.broker.check_replication(topic.replication_factor)?;
        return Ok(topic.num_partitions);
    }
    let set = |what: &str| {
        let why = format!("A manual partition assignment was specified, but {what} was not set to -1.");
        Err((ErrorCode::INVALID_REQUEST, why))
    };
    if topic.replication_factor != -1 {
        return set("replication factor");
    }
    if topic.num_partitions != -1 {
        return set("numPartitions");
    }
    let mut indexes: Vec<i32> =
        topic.assignments.iter().map(|assignment| assignment.partition_index).collect();
    indexes.sort_unstable();
    let refuse = |why: String| Err((ErrorCode::INVALID_REPLICA_ASSIGNMENT, why));
    if let Some(twice) = indexes.windows(2).find(|two| two[0] == two[1]) {
        return refuse(format!("Found multiple manual partition assignments for partition {}", twice[0]));
    }
    for assignment in &topic.assignments {
        incoming.broker.check_assignment(&assignment.broker_ids)?;
    }
    if !indexes.iter().copied().eq(0..i32::try_from(indexes.len()).unwrap_or(i32::MAX)) {
        return refuse("partitions should be a consecutive 0-based integer sequence".to_owned());
    }
    Ok(i32::try_from(indexes.len()).unwrap_or(i32::MAX))
}

fn refused<'a>(topic: CreatableTopic<'a>, (error_code, why): TopicError) -> CreatableTopicResult<'a> {
    CreatableTopicResult {
        name: topic.name,
        error_code,
        error_message: Some(why.into()),
        num_partitions: -1,
        replication_factor: -1,
        ..Default::default()
    }
}

fn made<'a>(incoming: &Incoming, topic: CreatableTopic<'a>, new: &NewTopic) -> CreatableTopicResult<'a> {
    let config = |row: Row| CreatableTopicConfigs {
        name: row.name.into(),
        value: row.value.map(Into::into),
        read_only: row.read_only,
        config_source: row.source,
        is_sensitive: row.sensitive,
    };
    if !incoming.may(Operation::DescribeConfigs, Resource::Topic(&topic.name)) {
        return CreatableTopicResult {
            name: topic.name,
            topic_id: Uuid(new.id.0),
            error_message: None,
            topic_config_error_code: ErrorCode::TOPIC_AUTHORIZATION_FAILED,
            num_partitions: -1,
            replication_factor: -1,
            configs: Some(Vec::new()),
            ..Default::default()
        };
    }
    let rows = topic_config::rows(&new.configs, new.class, &incoming.broker.config);
    CreatableTopicResult {
        name: topic.name,
        topic_id: Uuid(new.id.0),
        error_message: None,
        num_partitions: new.partitions,
        replication_factor: 1,
        configs: Some(rows.map(config).collect()),
        ..Default::default()
    }
}
