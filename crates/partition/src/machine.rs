//! All partitions of a shard: decide and replay. Cloning shares the partitions (copy on write).

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc};

use bytes::Bytes;
use klamm_machine::{At, Corrupt, Decision, Machine, NoRoom, Now, Pair, PayloadReader};
use klamm_model::{Bug, Epoch, Offset, PartitionId, TopicId, planted};
use klamm_records::PatchedHead;

use crate::{
    Command, MoveError, Partition, PartitionRecord, Produce, ProduceError, Produced, Reply, StoredBatch,
    epochs,
    producer::{Admission, Producer, Written},
    snapshot,
};

/// The partitions of a shard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Partitions {
    partitions: BTreeMap<PartitionId, Arc<Partition>>,
}

fn all_of(topic: TopicId) -> RangeInclusive<PartitionId> {
    PartitionId { topic, index: i32::MIN }..=PartitionId { topic, index: i32::MAX }
}

impl Partitions {
    /// One partition.
    pub fn get(&self, id: PartitionId) -> Option<&Partition> {
        self.partitions.get(&id).map(Arc::as_ref)
    }

    /// All partitions, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (PartitionId, &Partition)> {
        self.partitions.iter().map(|(id, partition)| (*id, partition.as_ref()))
    }

    fn produce(&self, produce: Produce, now: Now) -> Decision<PartitionRecord, Reply> {
        let refuse = |error| Decision::reply(Reply::Produced(Err(error)));
        let Some(partition) = self.get(produce.partition) else {
            return refuse(ProduceError::UnknownPartition);
        };
        let header = produce.batch.header();
        let done = |base_offset: Offset, next_offset: Offset, append_time_ms: i64| {
            Reply::Produced(Ok(Produced {
                base_offset,
                next_offset,
                log_start_offset: partition.log_start_offset,
                append_time_ms,
                reserved_end: partition.reserved_end,
            }))
        };
        if header.has_producer_id() && !planted(Bug::ForgetProducerWindow) {
            let known = partition.producers.get(&header.producer_id);
            let expired = |p: &&Producer| now.wall_ms - p.last_time_ms >= produce.producer_expiration_ms;
            let forgotten =
                known.is_some() || header.producer_id < partition.forgotten_below || produce.foreign_producer;
            match Producer::admit(known.filter(|p| !expired(p)), forgotten, header) {
                Err(error) => return refuse(ProduceError::Sequence(error)),
                Ok(Admission::Duplicate(first)) => {
                    return Decision::reply(done(
                        first.base_offset,
                        first.last_offset + 1,
                        first.append_time_ms,
                    ));
                }
                Ok(Admission::Append) => {}
            }
        }
        let base_offset = partition.next_offset;
        let next_offset = base_offset + i64::from(header.last_offset_delta) + 1;
        if next_offset > partition.reserved_end {
            return refuse(ProduceError::Unreserved);
        }
        let (mut head, rest) = PatchedHead::place(&produce.batch, base_offset, now.epoch.leader_epoch());
        let mut append_time_ms = -1;
        if produce.append_time {
            head = head.with_append_time(now.wall_ms);
            append_time_ms = now.wall_ms;
        }
        let batch = StoredBatch {
            partition: produce.partition,
            head,
            rest,
            producer_expiration_ms: produce.producer_expiration_ms,
            foreign_producer: produce.foreign_producer,
        };
        Decision::record(PartitionRecord::Batch(batch), done(base_offset, next_offset, append_time_ms))
    }

    fn move_log_start(&self, id: PartitionId, to: Option<Offset>) -> Decision<PartitionRecord, Reply> {
        let moved = |result| Reply::Moved(result);
        let Some(partition) = self.get(id) else {
            return Decision::reply(moved(Err(MoveError::UnknownPartition)));
        };
        let to = to.unwrap_or(partition.next_offset);
        if to < 0 || to > partition.next_offset {
            return Decision::reply(moved(Err(MoveError::OutOfRange)));
        }
        if to <= partition.log_start_offset {
            return Decision::reply(moved(Ok(partition.log_start_offset)));
        }
        Decision::record(PartitionRecord::LogStartMoved { partition: id, to }, moved(Ok(to)))
    }

    fn replay_batch(&mut self, batch: &StoredBatch, at: At) {
        let header = batch.header();
        let slot = self
            .partitions
            .get_mut(&batch.partition)
            .expect("a batch is decided for a partition that is there");
        let partition = Arc::make_mut(slot);
        assert_eq!(header.base_offset, partition.next_offset, "the batches of a partition are contiguous");
        assert!(header.next_offset() <= partition.reserved_end, "offsets are reserved before they are used");
        epochs::note(&mut partition.epochs, Epoch(header.partition_leader_epoch as u32), header.base_offset);
        partition.next_offset = header.next_offset();
        if !header.has_producer_id() {
            return;
        }
        partition.expire(at.time_ms, batch.producer_expiration_ms);
        let append_time = header.attributes.timestamp_type() == klamm_records::TimestampType::LogAppendTime;
        let written = Written {
            base_sequence: header.base_sequence,
            last_sequence: header.last_sequence(),
            base_offset: header.base_offset,
            last_offset: header.last_offset(),
            append_time_ms: if append_time { header.max_timestamp } else { -1 },
        };
        let producer = partition.producers.entry(header.producer_id);
        let producer = producer.or_insert_with(|| Producer::new(header.producer_id, header.producer_epoch));
        if at.time_ms - producer.last_time_ms >= batch.producer_expiration_ms {
            *producer = Producer::new(header.producer_id, header.producer_epoch);
        }
        producer.note(header.producer_epoch, written, at.time_ms);
        producer.foreign = batch.foreign_producer;
    }
}

impl Machine for Partitions {
    type Command = Command;
    type Reply = Reply;
    type Record = PartitionRecord;

    fn decide(&self, command: Command, now: Now) -> Decision<PartitionRecord, Reply> {
        match command {
            Command::Produce(produce) => self.produce(produce, now),
            Command::Create { topic, mut partitions, forgotten_below } => {
                partitions.retain(|(index, ..)| self.get(PartitionId { topic, index: *index }).is_none());
                if partitions.is_empty() {
                    return Decision::reply(Reply::Done);
                }
                Decision::record(PartitionRecord::Created { topic, partitions, forgotten_below }, Reply::Done)
            }
            Command::Drop { topic } => match self.partitions.range(all_of(topic)).next() {
                None => Decision::reply(Reply::Done),
                Some(_) => Decision::record(PartitionRecord::Dropped { topic }, Reply::Done),
            },
            Command::MoveLogStart { partition, to } => self.move_log_start(partition, to),
            Command::Reserve { partition, end } => match self.get(partition) {
                Some(known) if known.reserved_end < end => {
                    Decision::record(PartitionRecord::Reserved { partition, end }, Reply::Done)
                }
                _ => Decision::reply(Reply::Done),
            },
            Command::DescribeProducers { partition } => {
                Decision::reply(Reply::Producers(self.get(partition).map(Partition::summaries)))
            }
        }
    }

    fn space_bytes(command: &Command) -> Option<u64> {
        match command {
            Command::Produce(produce) => Some(produce.batch.bytes().len() as u64 + 64),
            Command::Reserve { .. } => Some(64),
            // Shard 0 decided the creation, with space for it there: it is owed, from the reserve if need be.
            Command::Create { .. } | Command::Drop { .. } | Command::MoveLogStart { .. } => None,
            Command::DescribeProducers { .. } => None,
        }
    }

    fn refuse(reply: Reply, why: NoRoom) -> Reply {
        match (reply, why) {
            (Reply::Produced(_), NoRoom::Full) => Reply::Produced(Err(ProduceError::Full)),
            (Reply::Produced(_), NoRoom::TooLarge) => Reply::Produced(Err(ProduceError::TooLarge)),
            (_, NoRoom::Full) => Reply::Full,
            (_, NoRoom::TooLarge) => Reply::TooLarge,
        }
    }

    fn replay(&mut self, record: &PartitionRecord, at: At) {
        match record {
            PartitionRecord::Batch(batch) => self.replay_batch(batch, at),
            PartitionRecord::Created { topic, partitions, forgotten_below } => {
                for (index, start, end) in partitions {
                    let id = PartitionId { topic: *topic, index: *index };
                    let old =
                        self.partitions.insert(id, Arc::new(Partition::new(*start, *end, *forgotten_below)));
                    assert!(old.is_none(), "a partition begins once");
                }
            }
            PartitionRecord::Dropped { topic } => {
                let ids: Vec<_> = self.partitions.range(all_of(*topic)).map(|(id, _)| *id).collect();
                ids.iter().for_each(|id| drop(self.partitions.remove(id)));
            }
            PartitionRecord::LogStartMoved { partition, to } => {
                if let Some(partition) = self.partitions.get_mut(partition).map(Arc::make_mut) {
                    assert!(
                        *to > partition.log_start_offset && *to <= partition.next_offset,
                        "log start never goes back"
                    );
                    partition.log_start_offset = *to;
                    epochs::trim(&mut partition.epochs, *to);
                }
            }
            PartitionRecord::Reserved { partition, end } => {
                if let Some(partition) = self.partitions.get_mut(partition) {
                    Arc::make_mut(partition).reserved_end = *end;
                }
            }
        }
    }

    fn snapshot(&self) -> Vec<Pair> {
        let pair = |(id, partition): (&PartitionId, &Arc<Partition>)| {
            (Bytes::copy_from_slice(&id.to_bytes()), snapshot::encode(partition))
        };
        self.partitions.iter().map(pair).collect()
    }

    fn restore(&mut self, key: Bytes, value: Bytes) -> Result<(), Corrupt> {
        let id = PartitionId::from_bytes(PayloadReader::new(key).array()?);
        let mut partition = snapshot::decode(value)?;
        if planted(Bug::ReuseOffset) {
            partition.next_offset = partition.log_start_offset.max(partition.next_offset - 1);
        }
        self.partitions.insert(id, Arc::new(partition));
        Ok(())
    }
}
