//! The shard runtime: queue -> decide -> replay -> append (pipelined) -> release once durable.
//!
//! Code map: [`Shard`] is the handle that requests go through; `runtime` is the task behind it (it seals and trims in
//! its `background`), with `pipeline` (entries in flight), `room` (what fits on a full disk), `recovery` (loading), `checkpoint`
//! (snapshots) and `cleaning` (dead segments go, others are merged); [`View`] is what readers see, never ahead of what is durable:
//! [`Image`] for the cluster, [`Partitions`] for partitions, which fetches read without entering the queue.
//!
//! Invariant: every reply, of reads and of duplicates too, waits until the last entry that was appended when it was
//! decided is durable. When an append fails the whole state is dropped and loaded again; nothing is undone in place.

mod checkpoint;
mod cleaning;
mod handle;
mod image;
mod partitions;
mod pipeline;
mod recovery;
mod room;
mod runtime;
#[cfg(test)]
mod tests;
mod view;

pub use checkpoint::{Checkpoint, restore_chunk};
pub use handle::{Ack, Shard, ShardError, ShardState};
pub use image::{Image, ImageView};
pub use partitions::{
    Fetched, Keep, PartitionView, Partitions, PartitionsView, ReadError, Room, SegmentFigures,
    TimestampQuery, Waiter, Watermarks,
};
pub use runtime::ShardConfig;
pub use view::{Placed, Published, Served, View};
