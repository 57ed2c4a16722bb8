//! Identifiers and positions. Each is a newtype, so that a slot is never taken for an offset's cousin.

use std::fmt;

/// A record's position in its partition. Never reused within a topic id once visible or acknowledged.
pub type Offset = i64;
/// The id of an idempotent or transactional producer.
pub type ProducerId = i64;
/// The epoch of a producer id; rises when the producer starts anew.
pub type ProducerEpoch = i16;
/// A broker's id (Kafka's `node.id`).
pub type BrokerId = i32;

/// A position in a journal. The first entry has slot 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Slot(pub u64);

impl Slot {
    /// The slot after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// An owner's reign over a shard; also the leader epoch of the shard's partitions. 0 is before the first owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Epoch(pub u32);

impl Epoch {
    /// The epoch after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// As Kafka's leader epoch.
    pub fn leader_epoch(self) -> i32 {
        i32::try_from(self.0).expect("epochs rise by one a takeover and stay below 2^31")
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One journal with the machines that replay it. Shard 0 is the cluster's metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShardId(pub u32);

impl ShardId {
    /// The shard of the cluster's metadata.
    pub const CLUSTER: Self = Self(0);
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A topic's id (KIP-516): a name that was deleted and made again has another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct TopicId(pub [u8; 16]);

impl TopicId {
    /// The id that means "none" on the wire.
    pub const ZERO: Self = Self([0; 16]);

    /// Whether this is the id that means "none".
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A partition of a topic, by the topic's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartitionId {
    /// The topic.
    pub topic: TopicId,
    /// The partition's number, from 0.
    pub index: i32,
}

impl PartitionId {
    /// How many bytes [`PartitionId::to_bytes`] gives.
    pub const BYTES: usize = 20;

    /// The persisted form: the topic's id, then the index in big-endian order, so that bytes sort as ids do.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..16].copy_from_slice(&self.topic.0);
        bytes[16..].copy_from_slice(&self.index.to_be_bytes());
        bytes
    }

    /// Reads what [`PartitionId::to_bytes`] wrote.
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let (mut topic, mut index) = ([0; 16], [0; 4]);
        topic.copy_from_slice(&bytes[..16]);
        index.copy_from_slice(&bytes[16..]);
        Self { topic: TopicId(topic), index: i32::from_be_bytes(index) }
    }
}

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.index)
    }
}
