//! Where shards keep what must last: the journal, the segments, the snapshots.
//!
//! Code map: [`entry`] is the persisted form of a journal entry; [`Driver`] is what a carrier must offer
//! (`put-if-absent | get | list | delete`); [`Carrier`] is the journal's logic over any driver, by the rules of
//! `docs/adr/0002`; [`acquire`] is how an owner takes over. [`Segments`] and [`Snapshots`] hold what checkpoints
//! need; [`Merge`] writes segments anew. [`memory`] implements all of it in memory; [`suite`] is the test that every carrier passes.

mod acquire;
mod ahead;
mod carrier;
mod chain;
mod driver;
pub mod entry;
mod head;
mod journal;
pub mod memory;
mod merge;
mod segments;
mod snapshots;
pub mod suite;

pub use acquire::{AcquireError, Claim, Ownership, acquire};
pub use carrier::Carrier;
pub use driver::{Driver, DriverError, Listing, Name, PutError, Small, Value, Written, flatten, value_bytes};
pub use entry::{Entry, EntryHash, EntryKind, Header, Key, Nonce};
pub use head::Head;
pub use journal::{AppendError, Journal, ReadError, Tail, TrimError};
pub use merge::{BatchCheck, Merge, MergeSink};
pub use segments::{BatchAt, Extent, Place, SegmentError, SegmentId, SegmentInfo, Segments, extents};
pub use snapshots::{SnapshotError, Snapshots};

use std::sync::Arc;

/// What one shard is kept in.
#[derive(Clone)]
pub struct ShardStore {
    /// The only durable write path.
    pub journal: Arc<dyn Journal>,
    /// Sealed parts of the journal, and batches by position.
    pub segments: Arc<dyn Segments>,
    /// Machine snapshots.
    pub snapshots: Arc<dyn Snapshots>,
}
