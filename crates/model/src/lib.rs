//! The words everyone shares: offsets, epochs, slots, ids, names and limits. No I/O, no dependencies.

mod ids;
mod name;
mod planted;

pub use ids::{BrokerId, Epoch, Offset, PartitionId, ProducerEpoch, ProducerId, ShardId, Slot, TopicId};
pub use name::{InvalidTopicName, TOPIC_NAME_BYTES_MAX, TopicName};
#[cfg(feature = "planted")]
pub use planted::plant;
pub use planted::{Bug, planted};

/// What an `acks=all` answer means for a topic (topic config `klamm.storage.class`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StorageClass {
    /// In the owner's memory; gone with the process, offsets are not reused.
    Memory,
    /// On the local disk, synced.
    Disk,
}

impl StorageClass {
    /// The names a topic configuration may use.
    pub const NAMES: [&'static str; 2] = ["disk", "memory"];

    /// Reads the value of `klamm.storage.class`.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "memory" => Some(Self::Memory),
            "disk" => Some(Self::Disk),
            _ => None,
        }
    }

    /// The value of `klamm.storage.class`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Disk => "disk",
        }
    }
}
