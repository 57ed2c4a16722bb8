//! The published side of a partition shard. Fetches read here and never enter the shard's queue; each partition has a
//! lock of its own, held for look-ups only, never across I/O.

mod held;
mod partition;
mod policy;
mod read;
mod retention;
mod view;
mod waiters;

use std::{collections::HashMap, sync::Arc};

use klamm_model::PartitionId;
use klamm_store::Segments;
use parking_lot::{Mutex, RwLock};

pub use held::SegmentFigures;
pub use partition::{PartitionView, Watermarks};
pub use read::{Fetched, ReadError, Room, TimestampQuery};
pub use retention::Keep;
pub use view::PartitionsView;
pub use waiters::Waiter;

/// The readers' side of a partition shard.
pub struct Partitions {
    views: RwLock<HashMap<PartitionId, Arc<PartitionView>>>,
    segments: Arc<dyn Segments>,
    figures: Mutex<SegmentFigures>,
}

impl Partitions {
    /// The readers' side and the view that fills it. `tail_bytes`: how much of the newest data stays in memory.
    pub fn new(segments: Arc<dyn Segments>, tail_bytes: usize) -> (Arc<Self>, PartitionsView) {
        let partitions = Arc::new(Self { views: RwLock::default(), segments, figures: Mutex::default() });
        (Arc::clone(&partitions), PartitionsView::new(partitions, tail_bytes))
    }

    /// A partition; None if the shard has none of that id.
    pub fn get(&self, id: PartitionId) -> Option<Arc<PartitionView>> {
        self.views.read().get(&id).cloned()
    }

    /// What the segments take, and how much of it is live, as of the last look for something to clean up.
    pub fn figures(&self) -> SegmentFigures {
        *self.figures.lock()
    }
}
