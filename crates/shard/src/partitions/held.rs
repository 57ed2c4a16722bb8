//! The segments that are kept, and how much of each is live. Invariant: a segment's load is the sum of the loads of the
//! extents that partitions have of it, each as of its partition's log start.

use std::{collections::BTreeMap, ops::Range};

use klamm_model::{Offset, Slot};
use klamm_store::{Extent, SegmentId, SegmentInfo};

use super::policy::{self, Candidate};

/// About what a carrier's index takes, so that segments of tiny batches are not taken for garbage.
const INDEX_BYTES_A_BATCH: u64 = 36;
const INDEX_BYTES_AN_EXTENT: u64 = 96;

/// What segments take of the store, and how much of it is live.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SegmentFigures {
    /// How many segments there are.
    pub segments: usize,
    /// Their bytes in the store.
    pub bytes: u64,
    /// The bytes of the batches in them that are at or above their log's start; within an extent estimated by offsets.
    pub live_bytes: u64,
    /// Bytes of all segments that merging wrote since the shard was loaded.
    pub merged_bytes: u64,
}

/// What is live of an extent, or of a segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Load {
    extents: u64,
    batches: u64,
    bytes: u64,
}

impl Load {
    /// Of an extent in a log that begins at an offset. Where batches end is in the index, which nobody reads for this:
    /// batches are taken to be alike.
    pub(super) fn of(extent: &Extent, log_start: Offset) -> Self {
        if extent.last_offset < log_start {
            return Self::default();
        }
        let offsets = |from: Offset| u128::from(extent.last_offset.abs_diff(from)) + 1;
        let (live, all) = (offsets(log_start.max(extent.base_offset)), offsets(extent.base_offset));
        let batches = (u128::from(extent.batches) * live).div_ceil(all);
        let bytes = u128::from(extent.bytes) * batches / u128::from(extent.batches);
        let part = |value: u128| u64::try_from(value).expect("a part is smaller than the whole");
        Self { extents: 1, batches: part(batches), bytes: part(bytes) }
    }

    fn add(&mut self, other: Self) {
        self.extents += other.extents;
        self.batches += other.batches;
        self.bytes += other.bytes;
    }

    fn subtract(&mut self, other: Self) {
        const WHY: &str = "a segment's load is the sum of its extents'";
        self.extents = self.extents.checked_sub(other.extents).expect(WHY);
        self.batches = self.batches.checked_sub(other.batches).expect(WHY);
        self.bytes = self.bytes.checked_sub(other.bytes).expect(WHY);
    }

    /// What it takes when it is written anew.
    fn needed(&self) -> u64 {
        self.bytes + self.batches * INDEX_BYTES_A_BATCH + self.extents * INDEX_BYTES_AN_EXTENT
    }
}

/// A segment that is kept.
struct Held {
    slots: Range<Slot>,
    bytes: u64,
    live: Load,
    /// Damaged: merging it would fail again.
    barred: bool,
}

/// All segments that are kept.
#[derive(Default)]
pub(super) struct Segments {
    held: BTreeMap<SegmentId, Held>,
    merged_bytes: u64,
    /// Up to where the last looks for dead segments and for something to merge went, if nothing changed since.
    swept: Option<Slot>,
    planned: Option<Slot>,
    /// Somebody has the figures as they are.
    told: bool,
}

impl Segments {
    fn changed(&mut self) {
        (self.swept, self.planned, self.told) = (None, None, false);
    }

    pub(super) fn clear(&mut self) {
        self.held.clear();
        self.changed();
    }

    /// Holds a segment; of it `live` is needed.
    pub(super) fn hold(&mut self, info: &SegmentInfo, live: impl Iterator<Item = Load>) {
        let mut sum = Load::default();
        live.for_each(|load| sum.add(load));
        let held = Held { slots: info.slots.clone(), bytes: info.bytes, live: sum, barred: false };
        assert!(self.held.insert(info.id, held).is_none(), "a segment is held once");
        self.changed();
    }

    /// So much of a segment was live, and so much still is.
    pub(super) fn shrink(&mut self, id: SegmentId, was: Load, is: Load) {
        let live = &mut self.held.get_mut(&id).expect("extents are of held segments").live;
        live.subtract(was);
        live.add(is);
        self.changed();
    }

    /// A merge is done: `merged`, with the loads of its extents, took the place of so many live extents of the inputs.
    /// None if nothing of them was needed: then they are dead.
    pub(super) fn replaced(
        &mut self,
        inputs: &[SegmentId],
        merged: Option<(&SegmentInfo, Vec<Load>)>,
        extents: u64,
    ) {
        let live: u64 = inputs.iter().map(|id| self.held[id].live.extents).sum();
        assert_eq!(live, extents, "what was live is in the merged segment");
        if let Some((info, loads)) = merged {
            self.held.retain(|id, _| !inputs.contains(id));
            self.hold(info, loads.into_iter());
            self.merged_bytes += info.bytes;
        }
        self.changed();
    }

    /// A merge failed; it is tried again, without the segment that is damaged.
    pub(super) fn merge_failed(&mut self, damaged: Option<SegmentId>) {
        if let Some(held) = damaged.and_then(|id| self.held.get_mut(&id)) {
            held.barred = true;
        }
        self.changed();
    }

    /// Segments below a slot of which nothing is live, forgotten by this call.
    pub(super) fn take_dead(&mut self, below: Slot) -> Vec<SegmentId> {
        if self.swept == Some(below) {
            return Vec::new();
        }
        self.swept = Some(below);
        let dead = |_: &SegmentId, held: &mut Held| held.live.extents == 0 && held.slots.end <= below;
        self.held.extract_if(.., dead).map(|(id, _)| id).collect()
    }

    /// The segments below a slot to merge next.
    pub(super) fn plan(&mut self, below: Slot, file_bytes: u64) -> Option<Vec<SegmentId>> {
        if self.planned == Some(below) {
            return None;
        }
        let free = self.held.iter().take_while(|(_, held)| held.slots.end <= below);
        let (ids, candidates): (Vec<_>, Vec<_>) = free.map(|(id, held)| (*id, held.candidate())).unzip();
        match policy::choose(&candidates, file_bytes) {
            Some(run) => Some(ids[run].to_vec()),
            None => {
                self.planned = Some(below);
                None
            }
        }
    }

    /// What changed since the last call.
    pub(super) fn new_figures(&mut self) -> Option<SegmentFigures> {
        if std::mem::replace(&mut self.told, true) {
            return None;
        }
        let mut figures = SegmentFigures {
            segments: self.held.len(),
            merged_bytes: self.merged_bytes,
            ..Default::default()
        };
        for held in self.held.values() {
            figures.bytes += held.bytes;
            figures.live_bytes += held.live.bytes;
        }
        Some(figures)
    }
}

impl Held {
    fn candidate(&self) -> Candidate {
        Candidate { bytes: self.bytes, needed: self.live.needed(), barred: self.barred }
    }
}

#[cfg(test)]
mod tests {
    use klamm_model::{PartitionId, TopicId};

    use super::*;

    #[test]
    fn the_load_of_an_extent() {
        let partition = PartitionId { topic: TopicId([1; 16]), index: 0 };
        let extent = |base_offset, last_offset, batches| Extent {
            partition,
            base_offset,
            last_offset,
            max_timestamp: 0,
            bytes: 1000,
            batches,
            index_at: 0,
        };
        let load = |extent: &Extent, log_start| {
            let Load { extents, batches, bytes } = Load::of(extent, log_start);
            (extents, batches, bytes)
        };
        let ten = extent(100, 109, 10);
        for (log_start, expected) in [
            (0, (1, 10, 1000)),
            (100, (1, 10, 1000)),
            (101, (1, 9, 900)),
            (109, (1, 1, 100)),
            (110, (0, 0, 0)),
            (i64::MAX, (0, 0, 0)),
        ] {
            assert_eq!(load(&ten, log_start), expected, "{log_start}");
        }
        assert_eq!(load(&extent(0, 99, 1), 99), (1, 1, 1000), "a batch stays whole");
        assert_eq!(load(&extent(0, 99, 2), 10), (1, 2, 1000));
        assert_eq!(load(&extent(0, i64::MAX, 4), i64::MAX / 2 + 1), (1, 2, 500));
    }
}
