//! DescribeProducers v0 (KIP-664): the producers that a partition remembers. None has a transaction.

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
            let error_code = *found.as_ref().err().unwrap_or(&ErrorCode::NONE);
            partitions.push(PartitionResponse {
                partition_index: index,
                error_code,
                error_message: error_code.is_err().then(|| error_code.text().into()),
                active_producers: found.unwrap_or_default(),
            });
        }
        topics.push(TopicResponse { name: topic.name, partitions });
    }
    Ok(DescribeProducersResponse { topics, ..Default::default() })
}

async fn producers(incoming: &Incoming, name: &str, index: i32) -> Result<Vec<ProducerState>, ErrorCode> {
    if !incoming.may(Operation::Read, Resource::Topic(name)) {
        return Err(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    }
    let located = incoming.broker.locate(incoming.broker.topic(name, Uuid::ZERO)?, index)?;
    let asked = located.shard.shard.ask(Command::DescribeProducers { partition: located.id }).await;
    let Reply::Producers(Some(producers)) = asked.map_err(|error| errors::of_shard(&error))? else {
        return Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
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
