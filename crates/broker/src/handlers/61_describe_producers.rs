//! DescribeProducers v0 (KIP-664): the producers that a partition remembers. None has a transaction.

use std::sync::Arc;

use klamm_cluster::Topic;
use klamm_model::{PartitionId, TopicName};
use klamm_partition::{Command, Reply};
use klamm_protocol::{
    DescribeProducersRequest, DescribeProducersResponse, ErrorCode, Str, Uuid,
    describe_producers::{PartitionResponse, ProducerState, TopicResponse},
};

use crate::{
    authorizer::{Operation, Resource},
    errors,
    repeats::{Repeats, Unknown},
    session::{Incoming, Stop},
};

pub(crate) async fn handle<'a>(
    incoming: &Incoming,
    request: DescribeProducersRequest<'a>,
) -> Result<DescribeProducersResponse<'a>, Stop> {
    let mut topics = Vec::with_capacity(request.topics.len());
    let (mut repeats, mut unknown) = (Repeats::of(incoming), Unknown::default());
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
        let found = find(incoming, &topic.name);
        for partition_index in topic.partition_indexes {
            if !found.as_ref().is_ok_and(|topic| topic.has(partition_index)) {
                unknown.one()?;
            }
            let found = match &found {
                Ok(found) => producers(incoming, found, partition_index).await.map_err(|code| (code, None)),
                Err(refusal) => Err(refusal.clone()),
            };
            let mut response = PartitionResponse { partition_index, ..Default::default() };
            match found {
                Ok((partition, producers)) => {
                    repeats.tell(Some(partition), producers.len() * size_of::<ProducerState>())?;
                    response.active_producers = producers;
                }
                Err((error_code, error_message)) => {
                    // The same words for each partition of the topic.
                    let words = error_message.as_ref().map_or(0, |why| why.len());
                    repeats.tell(None, size_of::<PartitionResponse<'_>>() + words)?;
                    (response.error_code, response.error_message) = (error_code, error_message);
                }
            }
            partitions.push(response);
        }
        topics.push(TopicResponse { name: topic.name, partitions });
    }
    Ok(DescribeProducersResponse { topics, ..Default::default() })
}

/// A topic, or Kafka's code and text.
fn find<'a>(incoming: &Incoming, name: &str) -> Result<Arc<Topic>, (ErrorCode, Option<Str<'a>>)> {
    if !incoming.may(Operation::Read, Resource::Topic(name)) {
        return Err((ErrorCode::TOPIC_AUTHORIZATION_FAILED, None));
    }
    if let Err(error) = TopicName::parse(name) {
        return Err((ErrorCode::INVALID_TOPIC_EXCEPTION, Some(errors::of_name(name, &error).into())));
    }
    incoming.broker.topic(name, Uuid::ZERO).map_err(|code| (code, Some(errors::NO_PARTITION.into())))
}

/// The producers of a partition.
async fn producers(
    incoming: &Incoming,
    topic: &Arc<Topic>,
    index: i32,
) -> Result<(PartitionId, Vec<ProducerState>), ErrorCode> {
    let located = incoming.broker.locate(Arc::clone(topic), index)?;
    let asked = located.shard.shard.ask(Command::DescribeProducers { partition: located.id }).await;
    let Reply::Producers(Some(producers)) = asked.map_err(|error| errors::of_shard(&error))? else {
        // The metadata has it, its shard does not yet or no more. As produce and fetch say then: look the topic up again.
        return Err(ErrorCode::NOT_LEADER_OR_FOLLOWER);
    };
    let state = |producer: klamm_partition::ProducerSummary| ProducerState {
        producer_id: producer.id,
        producer_epoch: producer.epoch.into(),
        last_sequence: producer.last_sequence,
        last_timestamp: producer.last_time_ms,
        coordinator_epoch: -1,
        current_txn_start_offset: -1,
    };
    Ok((located.id, producers.into_iter().map(state).collect()))
}
