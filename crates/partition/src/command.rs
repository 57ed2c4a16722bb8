//! What the machine is asked, and what it answers.

use klamm_model::{Offset, PartitionId, ProducerEpoch, ProducerId, TopicId};
use klamm_records::ValidBatch;

use crate::SequenceError;

/// A batch for a partition.
#[derive(Debug)]
pub struct Produce {
    /// The partition.
    pub partition: PartitionId,
    /// The batch; its CRC and head were verified.
    pub batch: ValidBatch,
    /// Whether the broker's time becomes the records' (`message.timestamp.type=LogAppendTime`).
    pub append_time: bool,
    /// How long a silent producer is remembered, in milliseconds (`producer.id.expiration.ms`).
    pub producer_expiration_ms: i64,
    /// Whether the producer's id is none of this cluster's: the client had it before the data was wiped.
    pub foreign_producer: bool,
}

/// What the machine is asked.
#[derive(Debug)]
pub enum Command {
    /// Append a batch.
    Produce(Produce),
    /// Begin partitions of a topic; known ones are left as they are, so asking twice is asking once.
    Create {
        /// The topic.
        topic: TopicId,
        /// Each new partition: its index, its first offset, and where its reserved offsets end (`i64::MAX`: no limit).
        partitions: Vec<(i32, Offset, Offset)>,
        /// Producers with ids below this one may have written to another topic of the same name.
        forgotten_below: ProducerId,
    },
    /// Forget a topic's partitions and their data.
    Drop {
        /// The topic.
        topic: TopicId,
    },
    /// Forget records before an offset (DeleteRecords, retention).
    MoveLogStart {
        /// The partition.
        partition: PartitionId,
        /// The first offset that stays; None for the end of the log.
        to: Option<Offset>,
    },
    /// Offsets below `end` may be given out.
    Reserve {
        /// The partition.
        partition: PartitionId,
        /// The end of the reservation.
        end: Offset,
    },
    /// Tell which producers are remembered. Changes nothing.
    DescribeProducers {
        /// The partition.
        partition: PartitionId,
    },
}

/// A producer that a partition remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerSummary {
    /// Its id.
    pub id: ProducerId,
    /// Its epoch.
    pub epoch: ProducerEpoch,
    /// The sequence of its last record, or -1.
    pub last_sequence: i32,
    /// When it last wrote, in milliseconds.
    pub last_time_ms: i64,
}

/// A batch that was appended, now or (a duplicate) earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Produced {
    /// The offset of the batch's first record.
    pub base_offset: Offset,
    /// The offset after the batch's last record.
    pub next_offset: Offset,
    /// The first offset that the partition still has.
    pub log_start_offset: Offset,
    /// The broker's time that the records got, or -1.
    pub append_time_ms: i64,
    /// The end of the reserved offsets; reserve more before it comes close.
    pub reserved_end: Offset,
}

/// Why a batch was not appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProduceError {
    /// The shard has no such partition.
    UnknownPartition,
    /// The producer's sequence or epoch does not fit.
    Sequence(SequenceError),
    /// The reserved offsets are used up; reserve more and try again.
    Unreserved,
    /// The disk is full.
    Full,
    /// No entry takes so large a batch.
    TooLarge,
}

/// Why the log's start was not moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoveError {
    /// The shard has no such partition.
    UnknownPartition,
    /// Beyond the end of the log.
    OutOfRange,
}

/// What the machine answers.
#[derive(Debug)]
pub enum Reply {
    /// To [`Command::Produce`].
    Produced(Result<Produced, ProduceError>),
    /// To [`Command::MoveLogStart`]: the first offset that is there.
    Moved(Result<Offset, MoveError>),
    /// To [`Command::DescribeProducers`], by id; None if the shard has no such partition.
    Producers(Option<Vec<ProducerSummary>>),
    /// To the others.
    Done,
    /// The disk is full, and the command needs space.
    Full,
    /// The command's record is too large for an entry.
    TooLarge,
}
