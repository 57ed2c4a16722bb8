//! An image: the machine's own state as of the last durable entry, shared with readers as an immutable value.
//! Invariant: it never goes back. While a shard loads again, readers keep what they had.

use std::{ops::Range, sync::Arc};

use arc_swap::ArcSwap;
use klamm_machine::Machine;
use klamm_model::{PartitionId, Slot};
use klamm_store::{BatchAt, SegmentId, SegmentInfo};

use crate::{Published, View};

/// The readers' side.
pub struct Image<M>(ArcSwap<M>);

impl<M: Machine> Image<M> {
    /// An empty image and the view that fills it.
    pub fn new() -> (Arc<Self>, ImageView<M>) {
        let image = Arc::new(Self(ArcSwap::from_pointee(M::default())));
        let (state, segments) = (M::default(), Vec::new());
        (Arc::clone(&image), ImageView { image, state, loading: true, segments })
    }

    /// The state as of the last durable entry.
    pub fn load(&self) -> Arc<M> {
        self.0.load_full()
    }
}

/// The shard's side.
pub struct ImageView<M> {
    image: Arc<Image<M>>,
    state: M,
    /// The state is on its way to what readers have already.
    loading: bool,
    /// Sealed files; they hold no batches, so all are dead once the head has passed them.
    segments: Vec<(SegmentId, Slot)>,
}

impl<M: Machine> View<M> for ImageView<M> {
    fn restore(&mut self, machine: &M, segments: &[SegmentInfo]) {
        self.state = machine.clone();
        self.segments = segments.iter().map(|info| (info.id, info.slots.end)).collect();
        self.loading = true;
    }

    fn loaded(&mut self) {
        self.loading = false;
        self.image.0.store(Arc::new(self.state.clone()));
    }

    fn publish(&mut self, entry: Published<'_, M::Record>) {
        entry.records.iter().for_each(|placed| self.state.replay(&placed.record, entry.at));
        if !self.loading {
            self.image.0.store(Arc::new(self.state.clone()));
        }
    }

    fn batches(&self, _: &Range<Slot>) -> Vec<(PartitionId, BatchAt)> {
        Vec::new()
    }

    fn sealed(&mut self, segment: &SegmentInfo) {
        self.segments.push((segment.id, segment.slots.end));
    }

    fn take_dead(&mut self, below: Slot) -> Vec<SegmentId> {
        self.segments.extract_if(.., |(_, end)| *end <= below).map(|(id, _)| id).collect()
    }
}
