//! Produce v3-13: acks 0, 1 and all; idempotent batches. Exactly one batch a partition, checked as [`Admission`] says.
//! A partition that is named twice gets the last of its batches. v8: bad records one by one. v13: topics by id. Left out: transactions: their batches are refused; a transactional id alone means nothing.
//!
//! Everything up to the shards' queues happens in the first poll, so batches of a connection keep their order.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use futures_util::future::join_all;
use indexmap::{IndexMap, map::Entry};
use klamm_cluster::Topic;
use klamm_model::{PartitionId, ShardId, StorageClass};
use klamm_partition::{Command, Produce, ProduceError, Produced, Reply};
use klamm_protocol::{
    ErrorCode, ProduceRequest, ProduceResponse, Records,
    produce::{BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceData, TopicProduceResponse},
};
use klamm_records::{TimestampType, single};
use klamm_shard::{Ack, ShardError};

use crate::{
    admission::{Admission, Refused},
    allowance::Allowance,
    authorizer::Operation,
    broker::PartitionShard,
    errors,
    session::{Incoming, Stop},
};

/// Memory: reserve the next block when fewer offsets than this are left.
const RESERVE_BEFORE: i64 = klamm_cluster::OFFSETS_RESERVED / 2;

/// The batches of a request that go to one shard, and where their answers belong.
struct Group {
    shard: PartitionShard,
    commands: Vec<Command>,
    places: Vec<(usize, usize, PartitionId)>,
}

pub(crate) async fn handle<'a>(
    incoming: &Incoming,
    request: ProduceRequest<'a>,
) -> Result<ProduceResponse<'a>, Stop> {
    let acks = request.acks;
    let refused = (!(-1..=1).contains(&acks)).then_some(ErrorCode::INVALID_REQUIRED_ACKS);
    let mut groups: BTreeMap<ShardId, Group> = BTreeMap::new();
    let mut allowance = incoming.allowance();
    let topics = distinct(request.topic_data);
    let mut responses = Vec::with_capacity(topics.len());
    for data in topics {
        let topic = incoming.topic(Operation::Write, &data.name, data.topic_id);
        let mut partition_responses = Vec::with_capacity(data.partition_data.len());
        for partition in data.partition_data {
            let place = (responses.len(), partition_responses.len());
            let admitted = match (&refused, &topic) {
                (Some(error), _) | (None, Err(error)) => Err(refuse(*error, "")),
                (None, Ok(topic)) => {
                    admit(incoming, topic, partition.index, partition.records.as_ref(), &mut allowance)
                }
            };
            partition_responses.push(match admitted {
                Ok((id, shard, command)) => {
                    let new = || Group { shard: shard.1, commands: Vec::new(), places: Vec::new() };
                    let group = groups.entry(shard.0).or_insert_with(new);
                    group.commands.push(command);
                    group.places.push((place.0, place.1, id));
                    nothing(partition.index)
                }
                Err(refused) => told(partition.index, refused),
            });
        }
        // Kafka does not name a topic again of which no partition was named.
        if partition_responses.is_empty() {
            continue;
        }
        responses.push(TopicProduceResponse {
            name: data.name,
            topic_id: data.topic_id,
            partition_responses,
        });
    }

    let ack = if acks == -1 { Ack::Durable } else { Ack::Written };
    // What is kept of the frame keeps the whole of it.
    let pinned_bytes = incoming.frame.len() / groups.len().max(1);
    let asked = groups.into_values().map(|group| async move {
        (group.places, group.shard.shard.submit_shared(group.commands, ack, pinned_bytes).await)
    });
    for (places, result) in join_all(asked).await {
        let mut results = result.map(Vec::into_iter);
        for (topic, partition, id) in places {
            let response = &mut responses[topic].partition_responses[partition];
            settle(incoming, response, id, results.as_mut().map(|replies| replies.next()));
        }
    }
    match acks {
        0 => Err(unanswered(&responses)),
        _ => Ok(ProduceResponse { responses, ..Default::default() }),
    }
}

/// Without an answer, a closed connection is the only hint that a batch is lost; clients then ask for metadata.
fn unanswered(responses: &[TopicProduceResponse<'_>]) -> Stop {
    let mut codes = responses.iter().flat_map(|topic| &topic.partition_responses).map(|p| p.error_code);
    match codes.find(|code| code.is_err()) {
        Some(code) => Stop::Close(format!("a batch with acks=0 was refused: {}", code.name())),
        None => Stop::Nothing,
    }
}

/// As in Kafka, a topic that is named twice is one, and of a partition that is named twice the last batch counts.
fn distinct(topics: Vec<TopicProduceData<'_>>) -> Vec<TopicProduceData<'_>> {
    let mut distinct = IndexMap::with_capacity(topics.len());
    for mut topic in topics {
        match distinct.entry((topic.name.clone(), topic.topic_id)) {
            Entry::Vacant(new) => drop(new.insert(topic)),
            Entry::Occupied(mut known) => known.get_mut().partition_data.append(&mut topic.partition_data),
        }
    }
    let mut topics: Vec<_> = distinct.into_values().collect();
    for partitions in topics.iter_mut().map(|topic| &mut topic.partition_data).filter(|all| all.len() > 1) {
        let mut seen = HashSet::with_capacity(partitions.len());
        partitions.reverse();
        partitions.retain(|partition| seen.insert(partition.index));
        partitions.reverse();
    }
    topics
}

type Admitted = (PartitionId, (ShardId, PartitionShard), Command);

/// The answer for a partition of which nothing is known yet.
fn nothing<'a>(index: i32) -> PartitionProduceResponse<'a> {
    PartitionProduceResponse {
        index,
        base_offset: -1,
        log_append_time_ms: -1,
        log_start_offset: -1,
        ..Default::default()
    }
}

/// The answer for a batch that is not even tried.
fn told<'a>(index: i32, Refused { code, why, records }: Refused) -> PartitionProduceResponse<'a> {
    PartitionProduceResponse {
        error_code: code,
        error_message: Some(why).filter(|why| !why.is_empty()).map(Into::into),
        record_errors: records.into_iter().map(bad_record).collect(),
        ..nothing(index)
    }
}

fn refuse(code: ErrorCode, why: &str) -> Refused {
    Refused { code, why: why.to_owned(), records: Vec::new() }
}

fn bad_record<'a>((batch_index, why): (i32, String)) -> BatchIndexAndErrorMessage<'a> {
    BatchIndexAndErrorMessage { batch_index, batch_index_error_message: Some(why.into()) }
}

/// Checks a batch, all but what only the partition's shard knows.
fn admit(
    incoming: &Incoming,
    topic: &Arc<Topic>,
    index: i32,
    records: Option<&Records<'_>>,
    allowance: &mut Allowance,
) -> Result<Admitted, Refused> {
    let broker = &incoming.broker;
    let located = broker.locate(Arc::clone(topic), index).map_err(|error| refuse(error, ""))?;
    let Some(records) = records else { return Err(refuse(ErrorCode::INVALID_RECORD, "no records")) };
    let log = broker.config.log.with(&topic.configs);
    let now_ms = broker.env.clock.wall_ms();
    let admission = Admission { log: &log, topic: topic.name.as_str(), index, now_ms };
    let records = records.in_frame(&incoming.frame);
    // Asked first, as Kafka does: it is the request that may not, whatever else is wrong with the batch.
    if single(&records).is_ok_and(|batch| batch.header().attributes.is_transactional()) {
        return Err(refuse(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED, errors::NO_TRANSACTIONS));
    }
    let batch = admission.admit(&records, allowance)?;
    let foreign_producer =
        batch.header().has_producer_id() && !broker.image.load().gave_out(batch.header().producer_id);
    let command = Command::Produce(Produce {
        partition: located.id,
        batch,
        append_time: log.timestamp_type == TimestampType::LogAppendTime,
        producer_expiration_ms: broker.config.producer_expiration_ms,
        foreign_producer,
    });
    let shard = topic.partitions[index as usize].shard;
    Ok((located.id, (shard, located.shard), command))
}

/// Fills an answer in.
fn settle(
    incoming: &Incoming,
    response: &mut PartitionProduceResponse<'_>,
    id: PartitionId,
    result: Result<Option<Reply>, &mut ShardError>,
) {
    match result {
        Ok(Some(Reply::Produced(Ok(produced)))) => {
            response.base_offset = produced.base_offset;
            response.log_append_time_ms = produced.append_time_ms;
            response.log_start_offset = produced.log_start_offset;
            reserve_ahead(incoming, id, produced);
        }
        Ok(Some(Reply::Produced(Err(error)))) => {
            if error == ProduceError::Unreserved {
                // An earlier try found no space.
                reserve(incoming, id);
            }
            let (error_code, why) = errors::of_produce(error);
            response.error_code = error_code;
            response.error_message = Some(why.into());
        }
        Ok(_) => response.error_code = ErrorCode::KAFKA_STORAGE_ERROR,
        Err(error) => response.error_code = errors::of_shard(error),
    }
}

/// Offsets in memory are reserved well before they are used up.
fn reserve_ahead(incoming: &Incoming, id: PartitionId, produced: Produced) {
    let before = produced.base_offset;
    let threshold = produced.reserved_end.saturating_sub(RESERVE_BEFORE);
    // Once a block: only the batch that crosses the threshold asks, and any batch very near the end.
    let crosses = before < threshold && produced.next_offset >= threshold;
    let urgent = produced.next_offset >= produced.reserved_end.saturating_sub(RESERVE_BEFORE / 4);
    if produced.reserved_end == i64::MAX || !(crosses || urgent) {
        return;
    }
    debug_assert!(
        incoming.broker.image.load().topic(id.topic).is_none_or(|t| t.class == StorageClass::Memory)
    );
    reserve(incoming, id);
}

/// Reserves in the background.
fn reserve(incoming: &Incoming, id: PartitionId) {
    let broker = Arc::clone(&incoming.broker);
    tokio::spawn(async move {
        let reserved = broker.reserve_offsets(id).await;
        // Each batch that is refused meanwhile asks again.
        if broker.unreserved.is_news(&reserved)
            && let Err(error) = reserved
        {
            tracing::warn!(partition = %id, %error, "offsets were not reserved");
        }
    });
}
