//! The persisted records of the cluster machine, version by tag. One enum, one file.

use std::collections::BTreeMap;

use klamm_machine::{Corrupt, PayloadReader, PayloadWriter, Record};
use klamm_model::{Offset, PartitionId, ProducerId, ShardId, StorageClass, TopicId, TopicName};

use crate::{Topic, TopicPartition};

const BEGUN: u8 = 1;
const TOPIC_CREATED: u8 = 2;
const TOPIC_DELETED: u8 = 3;
const PRODUCER_IDS: u8 = 4;
const OFFSETS: u8 = 5;
const EFFECT_DONE: u8 = 6;

/// A change of the cluster's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterRecord {
    /// The cluster began.
    Begun {
        /// Its id.
        id: [u8; 16],
        /// The shards that hold partitions.
        shards: Vec<(ShardId, StorageClass)>,
    },
    /// A topic was made; its shards owe its partitions.
    TopicCreated(Topic),
    /// A topic is gone; its shards owe its removal.
    TopicDeleted(TopicId),
    /// Producer ids below this one have been given out.
    ProducerIdsReserved(ProducerId),
    /// Offsets of a partition in memory were reserved.
    OffsetsReserved {
        /// The partition.
        partition: PartitionId,
        /// The reservation's end.
        end: Offset,
    },
    /// An effect was carried out.
    EffectDone {
        /// Its number.
        sequence: u64,
    },
}

fn encode_class(out: &mut PayloadWriter, class: StorageClass) {
    out.u8(match class {
        StorageClass::Disk => 1,
        StorageClass::Memory => 2,
    });
}

fn decode_class(input: &mut PayloadReader) -> Result<StorageClass, Corrupt> {
    match input.u8()? {
        1 => Ok(StorageClass::Disk),
        2 => Ok(StorageClass::Memory),
        _ => Err(Corrupt("an unknown storage class")),
    }
}

pub(crate) fn encode_shards(
    out: &mut PayloadWriter,
    shards: impl ExactSizeIterator<Item = (ShardId, StorageClass)>,
) {
    out.u32(shards.len() as u32);
    for (id, class) in shards {
        out.u32(id.0);
        encode_class(out, class);
    }
}

pub(crate) fn decode_shards(input: &mut PayloadReader) -> Result<Vec<(ShardId, StorageClass)>, Corrupt> {
    let count = input.count(5)?;
    (0..count).map(|_| Ok((ShardId(input.u32()?), decode_class(input)?))).collect()
}

pub(crate) fn encode_topic(out: &mut PayloadWriter, topic: &Topic) {
    out.bytes(topic.name.as_str().as_bytes());
    out.raw(&topic.id.0);
    encode_class(out, topic.class);
    out.u32(topic.partitions.len() as u32);
    for partition in &topic.partitions {
        out.u32(partition.shard.0);
        out.i64(partition.reserved_end);
    }
    out.u32(topic.configs.len() as u32);
    for (key, value) in &topic.configs {
        out.bytes(key.as_bytes());
        out.bytes(value.as_bytes());
    }
}

pub(crate) fn decode_topic(input: &mut PayloadReader) -> Result<Topic, Corrupt> {
    let name = TopicName::parse(&input.text()?).map_err(|_| Corrupt("a topic's name"))?;
    let (id, class) = (TopicId(input.array()?), decode_class(input)?);
    let count = input.count(12)?;
    let partitions =
        (0..count).map(|_| Ok(TopicPartition { shard: ShardId(input.u32()?), reserved_end: input.i64()? }));
    let partitions = partitions.collect::<Result<_, Corrupt>>()?;
    let mut configs = BTreeMap::new();
    for _ in 0..input.count(8)? {
        configs.insert(input.text()?, input.text()?);
    }
    Ok(Topic { name, id, class, partitions, configs })
}

impl Record for ClusterRecord {
    fn encode(&self, out: &mut PayloadWriter) {
        match self {
            Self::Begun { id, shards } => {
                out.u8(BEGUN);
                out.raw(id);
                encode_shards(out, shards.iter().copied());
            }
            Self::TopicCreated(topic) => {
                out.u8(TOPIC_CREATED);
                encode_topic(out, topic);
            }
            Self::TopicDeleted(id) => {
                out.u8(TOPIC_DELETED);
                out.raw(&id.0);
            }
            Self::ProducerIdsReserved(end) => {
                out.u8(PRODUCER_IDS);
                out.i64(*end);
            }
            Self::OffsetsReserved { partition, end } => {
                out.u8(OFFSETS);
                out.raw(&partition.to_bytes());
                out.i64(*end);
            }
            Self::EffectDone { sequence } => {
                out.u8(EFFECT_DONE);
                out.u64(*sequence);
            }
        }
    }

    fn decode(input: &mut PayloadReader) -> Result<Self, Corrupt> {
        match input.u8()? {
            BEGUN => Ok(Self::Begun { id: input.array()?, shards: decode_shards(input)? }),
            TOPIC_CREATED => decode_topic(input).map(Self::TopicCreated),
            TOPIC_DELETED => Ok(Self::TopicDeleted(TopicId(input.array()?))),
            PRODUCER_IDS => Ok(Self::ProducerIdsReserved(input.i64()?)),
            OFFSETS => Ok(Self::OffsetsReserved {
                partition: PartitionId::from_bytes(input.array()?),
                end: input.i64()?,
            }),
            EFFECT_DONE => Ok(Self::EffectDone { sequence: input.u64()? }),
            _ => Err(Corrupt("an unknown kind of cluster record")),
        }
    }
}
