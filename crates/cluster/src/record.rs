//! The persisted records of the cluster machine, version by tag. One enum, one file.

use std::collections::BTreeMap;

use klamm_machine::{Corrupt, PayloadReader, PayloadWriter, Record};
use klamm_model::{Offset, PartitionId, ProducerId, ShardId, StorageClass, TopicId, TopicName};

use crate::{ShardRole, Topic, TopicPartition};

const BEGUN: u8 = 1;
const TOPIC_CREATED: u8 = 2;
const TOPIC_DELETED: u8 = 3;
const PRODUCER_IDS: u8 = 4;
const OFFSETS: u8 = 5;
const EFFECT_DONE: u8 = 6;
const PARTITIONS_ADDED: u8 = 7;
const CONFIGS_SET: u8 = 8;

/// The role of a shard of groups; the others are the tags of their storage classes.
const GROUPS: u8 = 3;

/// A change of the cluster's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterRecord {
    /// The cluster began.
    Begun {
        /// Its id.
        id: [u8; 16],
        /// The shards beside the cluster's own.
        shards: Vec<(ShardId, ShardRole)>,
    },
    /// A topic was made; its shards owe its partitions.
    TopicCreated(Topic),
    /// A topic is gone; its shards owe its removal.
    TopicDeleted(TopicId),
    /// A topic has more partitions; their shards owe them.
    PartitionsAdded {
        /// The topic.
        topic: TopicId,
        /// The new ones, after those that it has.
        partitions: Vec<TopicPartition>,
    },
    /// A topic's own configuration was replaced.
    ConfigsSet {
        /// The topic.
        topic: TopicId,
        /// All of it.
        configs: BTreeMap<String, String>,
    },
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

fn encode_role(out: &mut PayloadWriter, role: ShardRole) {
    match role {
        ShardRole::Partitions(class) => encode_class(out, class),
        ShardRole::Groups => out.u8(GROUPS),
    }
}

fn decode_role(input: &mut PayloadReader) -> Result<ShardRole, Corrupt> {
    match input.u8()? {
        GROUPS => Ok(ShardRole::Groups),
        class => class_of(class).map(ShardRole::Partitions),
    }
}

fn encode_class(out: &mut PayloadWriter, class: StorageClass) {
    out.u8(match class {
        StorageClass::Disk => 1,
        StorageClass::Memory => 2,
    });
}

fn decode_class(input: &mut PayloadReader) -> Result<StorageClass, Corrupt> {
    class_of(input.u8()?)
}

fn class_of(tag: u8) -> Result<StorageClass, Corrupt> {
    match tag {
        1 => Ok(StorageClass::Disk),
        2 => Ok(StorageClass::Memory),
        _ => Err(Corrupt("an unknown storage class")),
    }
}

pub(crate) fn encode_shards(
    out: &mut PayloadWriter,
    shards: impl ExactSizeIterator<Item = (ShardId, ShardRole)>,
) {
    out.u32(shards.len() as u32);
    for (id, role) in shards {
        out.u32(id.0);
        encode_role(out, role);
    }
}

pub(crate) fn decode_shards(input: &mut PayloadReader) -> Result<Vec<(ShardId, ShardRole)>, Corrupt> {
    let count = input.count(5)?;
    (0..count).map(|_| Ok((ShardId(input.u32()?), decode_role(input)?))).collect()
}

pub(crate) fn encode_topic(out: &mut PayloadWriter, topic: &Topic) {
    out.bytes(topic.name.as_str().as_bytes());
    out.raw(&topic.id.0);
    encode_class(out, topic.class);
    encode_partitions(out, &topic.partitions);
    encode_configs(out, &topic.configs);
}

fn encode_partitions(out: &mut PayloadWriter, partitions: &[TopicPartition]) {
    out.u32(partitions.len() as u32);
    for partition in partitions {
        out.u32(partition.shard.0);
        out.i64(partition.reserved_end);
    }
}

fn decode_partitions(input: &mut PayloadReader) -> Result<Vec<TopicPartition>, Corrupt> {
    let count = input.count(12)?;
    let partition = |_| Ok(TopicPartition { shard: ShardId(input.u32()?), reserved_end: input.i64()? });
    (0..count).map(partition).collect()
}

fn encode_configs(out: &mut PayloadWriter, configs: &BTreeMap<String, String>) {
    out.u32(configs.len() as u32);
    for (key, value) in configs {
        out.bytes(key.as_bytes());
        out.bytes(value.as_bytes());
    }
}

fn decode_configs(input: &mut PayloadReader) -> Result<BTreeMap<String, String>, Corrupt> {
    let count = input.count(8)?;
    (0..count).map(|_| Ok((input.text()?, input.text()?))).collect()
}

pub(crate) fn decode_topic(input: &mut PayloadReader) -> Result<Topic, Corrupt> {
    let name = TopicName::parse(&input.text()?).map_err(|_| Corrupt("a topic's name"))?;
    let (id, class) = (TopicId(input.array()?), decode_class(input)?);
    let (partitions, configs) = (decode_partitions(input)?, decode_configs(input)?);
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
            Self::PartitionsAdded { topic, partitions } => {
                out.u8(PARTITIONS_ADDED);
                out.raw(&topic.0);
                encode_partitions(out, partitions);
            }
            Self::ConfigsSet { topic, configs } => {
                out.u8(CONFIGS_SET);
                out.raw(&topic.0);
                encode_configs(out, configs);
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
            PARTITIONS_ADDED => Ok(Self::PartitionsAdded {
                topic: TopicId(input.array()?),
                partitions: decode_partitions(input)?,
            }),
            CONFIGS_SET => {
                Ok(Self::ConfigsSet { topic: TopicId(input.array()?), configs: decode_configs(input)? })
            }
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
