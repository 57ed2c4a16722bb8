//! Segments: sealed parts of a journal, with an index sorted by (partition, offset). Contract: a segment never
//! changes; its extents name every batch of its slots; state names slots and offsets, never positions, so the
//! positions here are a disposable index of this replica.
//!
//! A carrier's journal is written into *files* (or groups of entries); [`Segments::roll`] begins the next one, and a
//! file that is complete and durable is sealed: it gets its index and is a segment from then on. Segments are written
//! anew only by [`Segments::merge`], which leaves out what nobody needs any more.

use std::{fmt, ops::Range};

use async_trait::async_trait;
use klamm_model::{Offset, PartitionId, Slot};

use crate::{Key, Merge, Value};

/// A segment's name within its shard. A name is never used for other bytes: whoever holds a place in a segment that was
/// replaced is told that it is gone, and looks again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SegmentId {
    /// The first of its slots.
    pub first: Slot,
    /// 0 for a sealed file; one more than its newest input for a merged segment.
    pub generation: u32,
}

impl SegmentId {
    /// The segment that the file from this slot on becomes.
    pub fn sealed(first: Slot) -> Self {
        Self { first, generation: 0 }
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.generation {
            0 => write!(f, "{}", self.first),
            generation => write!(f, "{}, merged {generation}", self.first),
        }
    }
}

/// Where the bytes of a batch are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the payload of a journal entry, from this byte on.
    Journal {
        /// The entry.
        key: Key,
        /// The first byte within the payload.
        at: u32,
    },
    /// In a segment; the position means something to its store only.
    Segment {
        /// The segment.
        id: SegmentId,
        /// The store's own position.
        position: u64,
    },
}

/// A stored batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchAt {
    /// The first offset.
    pub base_offset: Offset,
    /// The last offset.
    pub last_offset: Offset,
    /// The largest timestamp, in milliseconds.
    pub max_timestamp: i64,
    /// Where its bytes are.
    pub place: Place,
    /// How many bytes it has.
    pub bytes: u32,
}

/// The batches of one partition in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// The partition.
    pub partition: PartitionId,
    /// The first offset.
    pub base_offset: Offset,
    /// The last offset.
    pub last_offset: Offset,
    /// The largest timestamp, in milliseconds.
    pub max_timestamp: i64,
    /// The bytes of its batches.
    pub bytes: u64,
    /// The number of its batches.
    pub batches: u32,
    /// Where the index of its batches is; means something to its store only.
    pub index_at: u64,
}

/// A segment as the shard sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its name.
    pub id: SegmentId,
    /// The slots that it holds.
    pub slots: Range<Slot>,
    /// Its bytes in the store.
    pub bytes: u64,
    /// Its contents, sorted by partition.
    pub extents: Vec<Extent>,
}

/// Why a segment could not be written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// Bytes that are not what was written.
    #[error("segment {id} is damaged: {what}")]
    Damaged {
        /// The segment.
        id: SegmentId,
        /// What was found.
        what: String,
    },
    /// Deleted meanwhile.
    #[error("segment {0} is gone")]
    Gone(SegmentId),
    /// There is no space for it now. Nothing changed.
    #[error("there is no space: {0}")]
    Full(String),
    /// The store did not do it.
    #[error("the store did not answer: {0}")]
    Io(String),
}

/// The files of a shard's journal and what they become.
#[async_trait]
pub trait Segments: Send + Sync + 'static {
    /// Bytes in the active file.
    fn active_bytes(&self) -> u64;
    /// Bytes that appends may still take; refuse requests that need more. Sure on a disk that is known to be full;
    /// before that, space that is being made counts.
    fn room(&self) -> u64;
    /// The same for appends that free space, or that are owed: most of what is kept for them counts. The rest is for
    /// takeovers and checkpoints, without which nothing goes on.
    fn room_owed(&self) -> u64;
    /// Entries from `at` on (no lower slot may be put afterwards, no higher one before) go to a new file. On
    /// [`SegmentError::Full`] the active file goes on; ask again later.
    async fn roll(&self, at: Slot) -> Result<(), SegmentError>;
    /// The slots of complete files that are not sealed, in order; the active file is not among them.
    fn unsealed(&self) -> Vec<Range<Slot>>;
    /// Seals the file of these slots, all of which are durable. `batches` are all of the chain's batches in it, sorted
    /// by (partition, offset), each at a `Place::Journal`. Durable when it returns.
    async fn seal(
        &self,
        slots: Range<Slot>,
        batches: Vec<(PartitionId, BatchAt)>,
    ) -> Result<SegmentInfo, SegmentError>;
    /// All segments, sorted by id, without those that a merge replaced: no two have a slot in common. They are so until
    /// the next merge or deletion is asked for: one whose caller did not wait for its end is done, or never will be.
    async fn list(&self) -> Result<Vec<SegmentInfo>, SegmentError>;
    /// The batches of an extent, sorted by offset, each at a `Place::Segment`.
    async fn index(&self, id: SegmentId, extent: &Extent) -> Result<Vec<BatchAt>, SegmentError>;
    /// The bytes of batches, in the given order. Neighbours are read together where that pays.
    async fn read(&self, batches: &[BatchAt]) -> Result<Vec<Value>, SegmentError>;
    /// Writes neighbouring segments, none of whose slots the journal needs any more, anew as one, with the batches that
    /// are still needed. Durable when it returns; the inputs can be read until they are deleted. None, and nothing is
    /// written, if no batch is needed. A crash before the end leaves the inputs, one after it the merged segment.
    async fn merge(&self, merge: &Merge) -> Result<Option<SegmentInfo>, SegmentError>;
    /// Segments that a merge replaced, which are to be deleted once nobody is sent to them any more.
    fn replaced(&self) -> Vec<SegmentId>;
    /// Deletes a segment, none of whose slots the journal needs any more.
    async fn delete(&self, id: SegmentId) -> Result<(), SegmentError>;
}

impl BatchAt {
    /// The segment of a sealed batch.
    pub fn segment(&self) -> Option<SegmentId> {
        match self.place {
            Place::Segment { id, .. } => Some(id),
            Place::Journal { .. } => None,
        }
    }
}

/// Extents of sorted batches; `index_at` is the number of the extent's first batch. Shared by the stores.
pub fn extents(batches: &[(PartitionId, BatchAt)]) -> Vec<Extent> {
    let mut extents: Vec<Extent> = Vec::new();
    for (number, (partition, batch)) in batches.iter().enumerate() {
        match extents.last_mut() {
            Some(extent) if extent.partition == *partition => {
                assert!(batch.base_offset > extent.last_offset, "batches are sorted and do not overlap");
                extent.last_offset = batch.last_offset;
                extent.max_timestamp = extent.max_timestamp.max(batch.max_timestamp);
                extent.bytes += u64::from(batch.bytes);
                extent.batches += 1;
            }
            _ => extents.push(Extent {
                partition: *partition,
                base_offset: batch.base_offset,
                last_offset: batch.last_offset,
                max_timestamp: batch.max_timestamp,
                bytes: u64::from(batch.bytes),
                batches: 1,
                index_at: number as u64,
            }),
        }
    }
    extents
}
