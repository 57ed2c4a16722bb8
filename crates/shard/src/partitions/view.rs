//! The shard's side of the published partitions: takes in durable entries, keeps the tail within its budget, knows
//! which segments are needed.

use std::{collections::VecDeque, ops::Range, sync::Arc};

use klamm_model::{Epoch, Offset, PartitionId, Slot, TopicId};
use klamm_partition::{PartitionRecord, Partitions as Machine, StoredBatch};
use klamm_store::{BatchAt, Extent, Key, Merge, Place, SegmentId, SegmentInfo};

use super::{
    PartitionView, Partitions,
    held::{Load, Segments},
    read::is_whole,
};
use crate::{Placed, Published, Served, View};

/// Fills [`Partitions`].
pub struct PartitionsView {
    shared: Arc<Partitions>,
    /// What is resident, oldest first.
    resident: VecDeque<(Arc<PartitionView>, usize)>,
    resident_bytes: usize,
    tail_bytes: usize,
    segments: Segments,
}

impl PartitionsView {
    pub(super) fn new(shared: Arc<Partitions>, tail_bytes: usize) -> Self {
        Self {
            shared,
            resident: VecDeque::new(),
            resident_bytes: 0,
            tail_bytes,
            segments: Segments::default(),
        }
    }

    fn batch(&mut self, key: Key, at: u32, batch: &StoredBatch, served: &Served) {
        let header = batch.header();
        let view = self.shared.get(batch.partition).expect("a batch is published after its partition");
        let place = BatchAt {
            base_offset: header.base_offset,
            last_offset: header.last_offset(),
            max_timestamp: header.max_timestamp,
            place: Place::Journal { key, at },
            bytes: u32::try_from(batch.bytes()).expect("a batch fits in a frame"),
        };
        view.state.lock().push(place, Epoch(header.partition_leader_epoch as u32), served.clone());
        view.waiters.wake();
        self.resident_bytes += batch.bytes();
        self.resident.push_back((view, batch.bytes()));
    }

    /// Lets the oldest batches go until the rest fits.
    fn evict(&mut self) {
        while self.resident_bytes > self.tail_bytes {
            let (view, bytes) = self.resident.pop_front().expect("bytes are resident in batches");
            self.resident_bytes -= bytes;
            view.state.lock().tail.pop_front();
        }
    }

    fn drop_topic(&mut self, topic: TopicId) {
        let mut gone: Vec<_> = self.shared.views.write().extract_if(|id, _| id.topic == topic).collect();
        // Whoever is woken is woken in the same order in every run.
        gone.sort_unstable_by_key(|(id, _)| *id);
        for (_, view) in gone {
            let mut state = view.state.lock();
            state.dropped = true;
            for (id, extent) in &state.extents {
                self.segments.shrink(*id, Load::of(extent, state.log_start), Load::default());
            }
            drop(state);
            view.waiters.wake();
        }
    }

    fn move_log_start(&mut self, partition: PartitionId, to: Offset) {
        let Some(view) = self.shared.get(partition) else { return };
        for (id, was, is) in view.state.lock().move_log_start(to) {
            self.segments.shrink(id, was, is);
        }
        view.waiters.wake();
    }

    /// Holds a segment; `take` says how much of an extent its partition needs.
    fn hold(&mut self, info: &SegmentInfo, mut take: impl FnMut(&PartitionView, Extent) -> Load) {
        let known =
            info.extents.iter().filter_map(|extent| Some((self.shared.get(extent.partition)?, *extent)));
        self.segments.hold(info, known.map(|(view, extent)| take(&view, extent)));
    }
}

impl View<Machine> for PartitionsView {
    fn restore(&mut self, machine: &Machine, segments: &[SegmentInfo]) {
        self.resident.clear();
        self.resident_bytes = 0;
        self.segments.clear();
        let mut old: Vec<_> = std::mem::take(&mut *self.shared.views.write()).into_iter().collect();
        old.sort_unstable_by_key(|(id, _)| *id);
        let mut views = std::collections::HashMap::new();
        for (id, partition) in machine.iter() {
            let view = PartitionView::new(id, partition.log_start_offset);
            let mut state = view.state.lock();
            state.high_watermark = partition.next_offset;
            state.epochs.clone_from(&partition.epochs);
            drop(state);
            views.insert(id, Arc::new(view));
        }
        *self.shared.views.write() = views;
        for info in segments {
            self.hold(info, |view, extent| view.state.lock().restore(info.id, extent));
        }
        // Whoever waits on the old views asks again.
        old.iter().for_each(|(_, view)| view.waiters.wake());
    }

    fn publish(&mut self, entry: Published<'_, PartitionRecord>) {
        for Placed { record, at, served } in entry.records {
            match record {
                PartitionRecord::Batch(batch) => self.batch(entry.key, *at, batch, served),
                PartitionRecord::Created { topic, partitions, .. } => {
                    let mut views = self.shared.views.write();
                    for (index, start, _) in partitions {
                        let id = PartitionId { topic: *topic, index: *index };
                        views.insert(id, Arc::new(PartitionView::new(id, *start)));
                    }
                }
                PartitionRecord::Dropped { topic } => self.drop_topic(*topic),
                PartitionRecord::LogStartMoved { partition, to } => self.move_log_start(*partition, *to),
                PartitionRecord::Reserved { .. } => {}
            }
        }
        self.evict();
    }

    fn batches(&self, slots: &Range<Slot>) -> Vec<(PartitionId, BatchAt)> {
        let mut batches = Vec::new();
        for (id, view) in self.shared.views.read().iter() {
            let state = view.state.lock();
            let inside =
                |batch: &&BatchAt| matches!(batch.place, Place::Journal { key, .. } if key.slot < slots.end);
            batches.extend(state.open.iter().take_while(inside).map(|batch| (*id, *batch)));
        }
        batches.sort_unstable_by_key(|(id, batch)| (*id, batch.base_offset));
        batches
    }

    fn sealed(&mut self, segment: &SegmentInfo) {
        let (id, end) = (segment.id, segment.slots.end);
        self.hold(segment, |view, extent| view.state.lock().seal(id, end, extent));
    }

    fn take_dead(&mut self, below: Slot) -> Vec<SegmentId> {
        let dead = self.segments.take_dead(below);
        if let Some(figures) = self.segments.new_figures() {
            *self.shared.figures.lock() = figures;
        }
        dead
    }

    fn plan_merge(&mut self, below: Slot, file_bytes: u64) -> Option<Merge> {
        let inputs = self.segments.plan(below, file_bytes)?;
        let mut keep = std::collections::BTreeMap::new();
        for (id, view) in self.shared.views.read().iter() {
            let state = view.state.lock();
            if state.needs(&inputs) {
                keep.insert(*id, state.log_start);
            }
        }
        Some(Merge { inputs, keep, check: is_whole })
    }

    fn merged(&mut self, merge: &Merge, segment: Option<&SegmentInfo>) {
        let (mut loads, mut replaced) = (Vec::new(), 0);
        for (id, extent) in
            segment.iter().flat_map(|info| info.extents.iter().map(|extent| (info.id, extent)))
        {
            // Deleted meanwhile: its extents are not counted any more.
            let Some(view) = self.shared.get(extent.partition) else { continue };
            // A batch that reaches over the log's start is kept whole. The extent counts from the start on, so that the part
            // below it is not taken for garbage, which no merge could free.
            let base_offset = extent.base_offset.max(merge.keep[&extent.partition]);
            let extent = Extent { base_offset, ..*extent };
            let mut state = view.state.lock();
            replaced += state.merge(&merge.inputs, id, extent) as u64;
            loads.push(Load::of(&extent, state.log_start));
        }
        self.segments.replaced(&merge.inputs, segment.map(|info| (info, loads)), replaced);
    }

    fn merge_failed(&mut self, damaged: Option<SegmentId>) {
        self.segments.merge_failed(damaged);
    }
}
