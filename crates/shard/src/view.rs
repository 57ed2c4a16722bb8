//! What readers see of a shard: the records of durable entries, in order, and where batches lie.

use std::ops::Range;

use bytes::Bytes;
use klamm_machine::{At, Machine};
use klamm_model::{PartitionId, Slot};
use klamm_store::{BatchAt, Key, Merge, SegmentId, SegmentInfo};

/// The bytes of a record that readers are served from, in at most two shared pieces.
#[derive(Debug, Clone, Default)]
pub struct Served {
    /// The first piece.
    pub first: Bytes,
    /// The second; empty if there is one piece.
    pub second: Bytes,
}

/// A record and where its served bytes lie in the entry's payload.
#[derive(Debug)]
pub struct Placed<R> {
    /// The record.
    pub record: R,
    /// The position of its served bytes in the payload.
    pub at: u32,
    /// Its served bytes.
    pub served: Served,
}

/// A durable entry.
#[derive(Debug)]
pub struct Published<'a, R> {
    /// Where the entry lives.
    pub key: Key,
    /// What machines may know of its records.
    pub at: At,
    /// Its records.
    pub records: &'a [Placed<R>],
}

/// The published side of a shard.
pub trait View<M: Machine>: Send + 'static {
    /// Begins anew from a snapshot and the segments below it.
    fn restore(&mut self, machine: &M, segments: &[SegmentInfo]);
    /// All that was durable when the shard was taken over is taken in.
    fn loaded(&mut self) {}
    /// Takes in the next durable entry.
    fn publish(&mut self, entry: Published<'_, M::Record>);
    /// The batches in these slots, sorted by (partition, offset).
    fn batches(&self, slots: &Range<Slot>) -> Vec<(PartitionId, BatchAt)>;
    /// The batches of these slots are in a segment now.
    fn sealed(&mut self, segment: &SegmentInfo);
    /// Segments below a slot that nobody needs, forgotten by this call.
    fn take_dead(&mut self, below: Slot) -> Vec<SegmentId>;
    /// The segments below a slot to write anew as one of about `file_bytes`, if that pays. The answer to it is
    /// [`View::merged`] or [`View::merge_failed`]; until then nothing is taken as dead.
    fn plan_merge(&mut self, below: Slot, file_bytes: u64) -> Option<Merge> {
        let _ = (below, file_bytes);
        None
    }
    /// The merge is done: readers are sent to the new segment from now on. Without one, nothing was needed.
    fn merged(&mut self, merge: &Merge, segment: Option<&SegmentInfo>) {
        let _ = segment;
        unreachable!("{merge:?} was not planned here");
    }
    /// The merge was not done; because of this segment, if one is damaged.
    fn merge_failed(&mut self, damaged: Option<SegmentId>) {
        let _ = damaged;
    }
}
