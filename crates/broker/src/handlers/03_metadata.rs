//! Metadata v0-13. Topics by name or id (KIP-516); auto-creation, done before the answer. The one broker leads all
//! partitions; its address is the one by which this connection came, unless one is configured.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use klamm_cluster::Topic;
use klamm_protocol::{
    ErrorCode, MetadataRequest, MetadataResponse, Str, Uuid,
    metadata::{
        MetadataRequestTopic, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
    },
};

use crate::{
    authorizer::{Operation, Resource},
    session::{Incoming, Stop},
};

/// The first version that may ask by id. Versions 10 and 11 have room for an id, yet answers must have a name.
const BY_ID_SINCE: i16 = 12;
/// What Kafka answers where it was not asked for authorized operations.
pub(crate) const NOT_ASKED: i32 = i32::MIN;
/// Read, write, create, delete, alter, describe, describe and alter configs.
pub(crate) const TOPIC_OPERATIONS: i32 = 0b1101_1111_1000;
/// Create, alter, describe, describe and alter configs, idempotent write.
pub(crate) const CLUSTER_OPERATIONS: i32 = 0b1_1101_1010_0000;

pub(crate) async fn handle<'a>(
    incoming: &Incoming,
    request: MetadataRequest<'a>,
) -> Result<MetadataResponse<'a>, Stop> {
    let broker = &incoming.broker;
    let id = broker.config.id;
    let operations = if request.include_topic_authorized_operations { TOPIC_OPERATIONS } else { NOT_ASKED };
    let describe = |topic: &Arc<Topic>| describe(incoming, topic, operations);
    let wanted = request.topics.filter(|topics| incoming.version > 0 || !topics.is_empty());
    let topics = match wanted {
        None => {
            let image = broker.image.load();
            let may =
                |topic: &&Arc<Topic>| incoming.may(Operation::Describe, Resource::Topic(topic.name.as_str()));
            image.topics().filter(may).map(describe).collect()
        }
        Some(wanted) => {
            let mut topics = Vec::with_capacity(wanted.len());
            let mut seen = BTreeSet::new();
            for topic in wanted {
                // Kafka names a topic once, however often it was asked for.
                if !seen.insert((topic.name.clone(), topic.topic_id)) {
                    continue;
                }
                topics.push(match find(incoming, &topic, request.allow_auto_topic_creation).await {
                    Ok(topic) => describe(&topic),
                    Err(error_code) => MetadataResponseTopic {
                        error_code,
                        name: topic.name.or_else(|| (incoming.version < BY_ID_SINCE).then(Str::default)),
                        topic_id: topic.topic_id,
                        topic_authorized_operations: NOT_ASKED,
                        ..Default::default()
                    },
                });
            }
            topics
        }
    };
    let (host, port) = broker.address(incoming.local);
    let cluster_id = broker.image.load().id().map(|id| Uuid(id).to_string().into());
    Ok(MetadataResponse {
        brokers: vec![MetadataResponseBroker { node_id: id, host: host.into(), port, rack: None }],
        cluster_id,
        controller_id: id,
        topics,
        cluster_authorized_operations: match request.include_cluster_authorized_operations {
            true => CLUSTER_OPERATIONS,
            false => NOT_ASKED,
        },
        ..Default::default()
    })
}

async fn find(
    incoming: &Incoming,
    wanted: &MetadataRequestTopic<'_>,
    may_create: bool,
) -> Result<Arc<Topic>, ErrorCode> {
    let broker = &incoming.broker;
    if incoming.version < BY_ID_SINCE && (wanted.name.is_none() || wanted.topic_id != Uuid::ZERO) {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    let Some(name) = wanted.name.as_deref().filter(|_| wanted.topic_id == Uuid::ZERO) else {
        let topic = broker.topic("", wanted.topic_id)?;
        let may = incoming.may(Operation::Describe, Resource::Topic(topic.name.as_str()));
        return if may { Ok(topic) } else { Err(ErrorCode::UNKNOWN_TOPIC_ID) };
    };
    if !incoming.may(Operation::Describe, Resource::Topic(name)) {
        return Err(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    }
    match broker.topic(name, Uuid::ZERO) {
        Ok(topic) => return Ok(topic),
        Err(error) if !(may_create && broker.config.auto_create_topics) => {
            // A name that no topic can have is told apart, so that clients do not wait for it.
            return Err(
                klamm_model::TopicName::parse(name).map_or(ErrorCode::INVALID_TOPIC_EXCEPTION, |_| error)
            );
        }
        Err(_) => {}
    }
    if !incoming.may_create(name) {
        return Err(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    }
    let plan = broker.plan_topic(name, -1, BTreeMap::new()).map_err(|(code, _)| code)?;
    broker.check_name(&plan.name).and_then(|()| broker.check_replication(-1)).map_err(|(code, _)| code)?;
    match broker.create_topic(plan).await {
        // Somebody else was faster: all the better.
        Ok(()) | Err((ErrorCode::TOPIC_ALREADY_EXISTS, _)) => broker.topic(name, Uuid::ZERO),
        // It is under way: clients ask again.
        Err((ErrorCode::REQUEST_TIMED_OUT, _)) => Err(ErrorCode::LEADER_NOT_AVAILABLE),
        Err((code, _)) => Err(code),
    }
}

fn describe<'a>(incoming: &Incoming, topic: &Arc<Topic>, operations: i32) -> MetadataResponseTopic<'a> {
    let id = incoming.broker.config.id;
    let partition = |(index, partition): (i32, &klamm_cluster::TopicPartition)| {
        let epoch = incoming.broker.epoch(partition.shard);
        MetadataResponsePartition {
            error_code: if epoch.is_some() { ErrorCode::NONE } else { ErrorCode::LEADER_NOT_AVAILABLE },
            partition_index: index,
            leader_id: if epoch.is_some() { id } else { -1 },
            leader_epoch: epoch.map_or(-1, klamm_model::Epoch::leader_epoch),
            replica_nodes: vec![id],
            isr_nodes: vec![id],
            offline_replicas: Vec::new(),
        }
    };
    MetadataResponseTopic {
        error_code: ErrorCode::NONE,
        name: Some(topic.name.as_str().to_owned().into()),
        topic_id: Uuid(topic.id.0),
        is_internal: false,
        partitions: (0..).zip(&topic.partitions).map(partition).collect(),
        topic_authorized_operations: operations,
    }
}
