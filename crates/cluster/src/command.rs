//! What the machine is asked, and what it answers.

use std::collections::BTreeMap;

use klamm_model::{Offset, PartitionId, ProducerId, StorageClass, TopicId, TopicName};

/// A topic to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: TopicName,
    /// Its id, random.
    pub id: TopicId,
    /// How many partitions it has; at least one.
    pub partitions: i32,
    /// Its storage class.
    pub class: StorageClass,
    /// Its own configuration; what is not here is the default.
    pub configs: BTreeMap<String, String>,
}

/// What the machine is asked.
#[derive(Debug)]
pub enum Command {
    /// Begin the cluster, if it has not begun.
    Begin {
        /// The cluster's id, random.
        id: [u8; 16],
    },
    /// Make a topic.
    CreateTopic(NewTopic),
    /// Forget a topic.
    DeleteTopic(TopicId),
    /// Give a topic more partitions.
    AddPartitions {
        /// The topic.
        topic: TopicId,
        /// How many it has afterwards; more than before.
        total: i32,
    },
    /// Change a topic's own configuration; all of it may take [`crate::CONFIGS_BYTES_MAX`] afterwards.
    SetConfigs {
        /// The topic.
        topic: TopicId,
        /// What is set (Some) or taken back (None); the rest stays.
        changes: BTreeMap<String, Option<String>>,
    },
    /// Set producer ids aside for a broker.
    ReserveProducerIds {
        /// How many.
        count: i64,
    },
    /// Set offsets of a partition in memory aside.
    ReserveOffsets {
        /// The partition.
        partition: PartitionId,
        /// The reservation's end, at least.
        end: Offset,
    },
    /// An effect was carried out.
    EffectDone {
        /// Its number.
        sequence: u64,
    },
}

/// Why a topic was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateError {
    /// The name is taken.
    NameTaken,
}

/// What the machine answers.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// To [`Command::CreateTopic`].
    Created(Result<(), CreateError>),
    /// To [`Command::DeleteTopic`]: whether the topic was there.
    Deleted(bool),
    /// To [`Command::AddPartitions`] and [`Command::SetConfigs`]: whether the topic is there (and has fewer partitions).
    Changed(bool),
    /// To [`Command::ReserveProducerIds`]: the first.
    ProducerIds(ProducerId),
    /// To the others.
    Done,
    /// The disk is full, and the command needs space.
    Full,
    /// The command's record is too large for an entry, or the configuration for a topic.
    TooLarge,
}
