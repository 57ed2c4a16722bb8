//! The persisted records of the partition machine, version by tag. One enum, one file.

use std::ops::Range;

use bytes::Bytes;
use klamm_machine::{Corrupt, PayloadReader, PayloadWriter, Record};
use klamm_model::{Offset, PartitionId, ProducerId, TopicId};
use klamm_records::{BatchHeader, HEAD_BYTES, PatchedHead};

const BATCH: u8 = 1;
const CREATED: u8 = 2;
const DROPPED: u8 = 3;
const RESERVED: u8 = 4;
const LOG_START_MOVED: u8 = 5;
const CREATED_FOR: u8 = 6;
const FOREIGN_BATCH: u8 = 7;
/// Tag, partition, producer expiry, length: what stands before a batch's own bytes.
const BATCH_PREFIX_BYTES: usize = 1 + PartitionId::BYTES + 8 + 4;

/// A batch as it is stored and served: its head with offset and epoch filled in, and the rest as the producer sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBatch {
    /// The partition.
    pub partition: PartitionId,
    /// The patched head.
    pub head: PatchedHead,
    /// Everything after the head.
    pub rest: Bytes,
    /// How long a silent producer is remembered, in milliseconds.
    pub producer_expiration_ms: i64,
    /// Whether the producer's id is none of this cluster's. Older versions did not record it.
    pub foreign_producer: bool,
}

impl StoredBatch {
    /// The head's fields.
    pub fn header(&self) -> BatchHeader {
        self.head.header()
    }

    /// The bytes of head and rest.
    pub fn bytes(&self) -> usize {
        HEAD_BYTES + self.rest.len()
    }
}

/// A change of the partitions' state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartitionRecord {
    /// A batch was appended.
    Batch(StoredBatch),
    /// Partitions began.
    Created {
        /// The topic.
        topic: TopicId,
        /// Index, first offset, end of reserved offsets.
        partitions: Vec<(i32, Offset, Offset)>,
        /// See [`crate::Partition::forgotten_below`]; `i64::MAX` where it was not recorded.
        forgotten_below: ProducerId,
    },
    /// A topic's partitions are gone.
    Dropped {
        /// The topic.
        topic: TopicId,
    },
    /// Records before an offset are gone.
    LogStartMoved {
        /// The partition.
        partition: PartitionId,
        /// The first offset that is there.
        to: Offset,
    },
    /// Offsets were reserved.
    Reserved {
        /// The partition.
        partition: PartitionId,
        /// The reservation's end.
        end: Offset,
    },
}

impl Record for PartitionRecord {
    fn encode(&self, out: &mut PayloadWriter) {
        match self {
            Self::Batch(batch) => {
                out.u8(if batch.foreign_producer { FOREIGN_BATCH } else { BATCH });
                out.raw(&batch.partition.to_bytes());
                out.i64(batch.producer_expiration_ms);
                out.u32(u32::try_from(batch.bytes()).expect("a batch fits in a frame"));
                out.raw(batch.head.as_bytes());
                out.shared(&batch.rest);
            }
            Self::Created { topic, partitions, forgotten_below } => {
                out.u8(if *forgotten_below == ProducerId::MAX { CREATED } else { CREATED_FOR });
                out.raw(&topic.0);
                if *forgotten_below != ProducerId::MAX {
                    out.i64(*forgotten_below);
                }
                out.u32(u32::try_from(partitions.len()).expect("partitions are counted in 32 bits"));
                for (index, start, end) in partitions {
                    out.i32(*index);
                    out.i64(*start);
                    out.i64(*end);
                }
            }
            Self::Dropped { topic } => {
                out.u8(DROPPED);
                out.raw(&topic.0);
            }
            Self::LogStartMoved { partition, to } => {
                out.u8(LOG_START_MOVED);
                out.raw(&partition.to_bytes());
                out.i64(*to);
            }
            Self::Reserved { partition, end } => {
                out.u8(RESERVED);
                out.raw(&partition.to_bytes());
                out.i64(*end);
            }
        }
    }

    fn decode(input: &mut PayloadReader) -> Result<Self, Corrupt> {
        match input.u8()? {
            tag @ (BATCH | FOREIGN_BATCH) => {
                let partition = PartitionId::from_bytes(input.array()?);
                let producer_expiration_ms = input.i64()?;
                let bytes = input.u32()? as usize;
                let head = PatchedHead::from_stored(input.array()?).ok_or(Corrupt("a batch's head"))?;
                if head.header().batch_bytes() != bytes {
                    return Err(Corrupt("a batch's length"));
                }
                let rest = input.take(bytes - HEAD_BYTES)?;
                let foreign_producer = tag == FOREIGN_BATCH;
                Ok(Self::Batch(StoredBatch {
                    partition,
                    head,
                    rest,
                    producer_expiration_ms,
                    foreign_producer,
                }))
            }
            tag @ (CREATED | CREATED_FOR) => {
                let topic = TopicId(input.array()?);
                let forgotten_below = if tag == CREATED { ProducerId::MAX } else { input.i64()? };
                let count = input.count(20)?;
                let partitions = (0..count).map(|_| Ok((input.i32()?, input.i64()?, input.i64()?)));
                let partitions = partitions.collect::<Result<_, Corrupt>>()?;
                Ok(Self::Created { topic, partitions, forgotten_below })
            }
            DROPPED => Ok(Self::Dropped { topic: TopicId(input.array()?) }),
            RESERVED => {
                Ok(Self::Reserved { partition: PartitionId::from_bytes(input.array()?), end: input.i64()? })
            }
            LOG_START_MOVED => Ok(Self::LogStartMoved {
                partition: PartitionId::from_bytes(input.array()?),
                to: input.i64()?,
            }),
            _ => Err(Corrupt("an unknown kind of partition record")),
        }
    }

    fn served(&self) -> Option<Range<usize>> {
        match self {
            Self::Batch(batch) => Some(BATCH_PREFIX_BYTES..BATCH_PREFIX_BYTES + batch.bytes()),
            _ => None,
        }
    }
}
