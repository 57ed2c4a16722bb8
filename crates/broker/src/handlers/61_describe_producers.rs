//! DescribeProducers v0 (KIP-664): the producers that a partition remembers. None has a transaction.

use klamm_model::TopicName;
use klamm_partition::{Command, Reply};
use klamm_protocol::{
    DescribeProducersRequest, DescribeProducersResponse, ErrorCode, Uuid,
    describe_producers::{PartitionResponse, ProducerState, TopicResponse},
};

use crate::{
    authorizer::{Operation, Resource},
    errors,
    session::{Incoming, Stop},
};

pub(crate) async fn handle<'a>(
    incoming: &Incoming,
    request: DescribeProducersRequest<'a>,
) -> Result<DescribeProducersResponse<'a>, Stop> {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
        for index in topic.partition_indexes {
            let found = producers(incoming, &topic.name, index).await;
            let (error_code, error_message) = match found.as_ref().err() {
                None => (ErrorCode::NONE, None),
                Some((code, why)) => (*code, why.clone()),
            };
            partitions.push(PartitionResponse {
                partition_index: index,
                error_code,
                error_message: error_message.map(Into::into),
                active_producers: found.unwrap_or_default(),
            });
        }
        topics.push(TopicResponse { name: topic.name, partitions });
    }
    Ok(DescribeProducersResponse { topics, ..Default::default() })
}

/// The producers of a partition, or Kafka's code and text.
async fn producers(
    incoming: &Incoming,
    name: &str,
    index: i32,
) -> Result<Vec<ProducerState>, (ErrorCode, Option<String>)> {
    if !incoming.may(Operation::Read, Resource::Topic(name)) {
        return Err((ErrorCode::TOPIC_AUTHORIZATION_FAILED, None));
    }
    if let Err(error) = TopicName::parse(name) {
        return Err((ErrorCode::INVALID_TOPIC_EXCEPTION, Some(errors::of_name(name, &error))));
    }
    let unknown = "This server does not host this topic-partition.".to_owned();
    let topic = incoming.broker.topic(name, Uuid::ZERO).map_err(|code| (code, Some(unknown)))?;
    let located = incoming.broker.locate(topic, index).map_err(|code| (code, None))?;
    let asked = located.shard.shard.ask(Command::DescribeProducers { partition: located.id }).await;
    let Reply::Producers(Some(producers)) = asked.map_err(|error| (errors::of_shard(&error), None))? else {
        return Err((ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, None));
    };
    let state = |producer: klamm_partition::ProducerSummary| ProducerState {
        producer_id: producer.id,
        producer_epoch: producer.epoch.into(),
        last_sequence: producer.last_sequence,
        last_timestamp: producer.last_time_ms,
        coordinator_epoch: -1,
        current_txn_start_offset: -1,
    };
    Ok(producers.into_iter().map(state).collect())
}
