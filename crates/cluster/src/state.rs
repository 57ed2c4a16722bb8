//! The cluster's state, also its image: what handlers read.

use std::{collections::BTreeMap, sync::Arc};

use imbl::OrdMap;
use klamm_model::{Offset, PartitionId, ProducerId, ShardId, StorageClass, TopicId, TopicName};

/// What a shard is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardRole {
    /// Partitions of a storage class.
    Partitions(StorageClass),
    /// Consumer groups and their offsets, on disk.
    Groups,
}

/// A shard beside the cluster's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// What it is for.
    pub role: ShardRole,
    /// How many partitions it has.
    pub partitions: u32,
}

/// A partition as the cluster knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicPartition {
    /// The shard that holds it.
    pub shard: ShardId,
    /// Offsets below are reserved (storage class `memory`; elsewhere `i64::MAX`).
    pub reserved_end: Offset,
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: TopicName,
    /// Its id.
    pub id: TopicId,
    /// Its storage class.
    pub class: StorageClass,
    /// Its partitions, by index.
    pub partitions: Vec<TopicPartition>,
    /// Its own configuration.
    pub configs: BTreeMap<String, String>,
}

impl Topic {
    /// Whether it has a partition of this index.
    pub fn has(&self, index: i32) -> bool {
        usize::try_from(index).is_ok_and(|index| index < self.partitions.len())
    }
}

/// What another shard has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// The shard.
    pub shard: ShardId,
    /// The topic that it is about.
    pub topic: TopicId,
    /// What to do.
    pub kind: EffectKind,
}

/// The kinds of effects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EffectKind {
    /// Begin these partitions of the topic: index, first offset, end of reserved offsets.
    Create(Vec<(i32, Offset, Offset)>),
    /// Forget the topic's partitions.
    Drop,
    /// Forget the offsets that groups committed for the topic of this name.
    ForgetOffsets(TopicName),
}

/// The cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cluster {
    pub(crate) id: Option<[u8; 16]>,
    pub(crate) topics: OrdMap<TopicId, Arc<Topic>>,
    pub(crate) names: OrdMap<TopicName, TopicId>,
    pub(crate) shards: OrdMap<ShardId, Shard>,
    pub(crate) next_producer_id: ProducerId,
    pub(crate) forgotten_below: ProducerId,
    pub(crate) outbox: OrdMap<u64, Arc<Effect>>,
    pub(crate) next_effect: u64,
}

impl Cluster {
    /// The cluster's id; None before it began.
    pub fn id(&self) -> Option<[u8; 16]> {
        self.id
    }

    /// A topic by id.
    pub fn topic(&self, id: TopicId) -> Option<&Arc<Topic>> {
        self.topics.get(&id)
    }

    /// A topic by name.
    pub fn topic_named(&self, name: &str) -> Option<&Arc<Topic>> {
        self.topics.get(self.names.get(name)?)
    }

    /// All topics, by name.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.names.values().map(|id| &self.topics[id])
    }

    /// How many topics there are.
    pub fn topic_count(&self) -> usize {
        self.topics.len()
    }

    /// The shards beside the cluster's own.
    pub fn shards(&self) -> impl Iterator<Item = (ShardId, Shard)> {
        self.shards.iter().map(|(id, shard)| (*id, *shard))
    }

    /// What is known of a partition.
    pub fn partition(&self, id: PartitionId) -> Option<TopicPartition> {
        let index = usize::try_from(id.index).ok()?;
        self.topic(id.topic)?.partitions.get(index).copied()
    }

    /// What other shards still have to do, in order.
    pub fn outbox(&self) -> impl Iterator<Item = (u64, &Arc<Effect>)> {
        self.outbox.iter().map(|(sequence, effect)| (*sequence, effect))
    }

    /// Whether a producer id is of this cluster. Each cluster begins at a number of its own, so that clients that outlive a
    /// cluster whose data was wiped are not taken for the next one's.
    pub fn gave_out(&self, id: ProducerId) -> bool {
        // One that began before that was so counts from 0.
        let from =
            if self.next_producer_id > self.first_producer_id() { self.first_producer_id() } else { 0 };
        (from..self.next_producer_id).contains(&id)
    }

    /// Where producer ids begin: below 2^48, so that every client's numbers hold them.
    pub(crate) fn first_producer_id(&self) -> ProducerId {
        let id = self.id.unwrap_or_default();
        i64::from(u32::from_be_bytes([id[0], id[1], id[2], id[3]])) << 16
    }

    /// The first producer id that nobody has.
    pub fn next_producer_id(&self) -> ProducerId {
        self.next_producer_id
    }

    /// Producers with ids below this one may have written to a topic that was deleted: where its name is used again, they
    /// go on with their sequences. None from here on wrote to a topic that is gone.
    pub fn forgotten_below(&self) -> ProducerId {
        self.forgotten_below
    }
}
