//! The partition machine: batches, offsets, leader epochs, idempotent producers. Pure.
//!
//! Invariants (asserted in `replay`): the batches of a partition are contiguous; log start <= next offset; a duplicate
//! inside a producer's window gets its first offset again. One machine holds all partitions of a shard.

mod command;
pub mod epochs;
mod machine;
mod producer;
mod record;
mod snapshot;
mod state;
#[cfg(test)]
mod tests;

pub use command::{Command, MoveError, Produce, ProduceError, Produced, ProducerSummary, Reply};
pub use epochs::EpochStart;
pub use machine::Partitions;
pub use producer::{BATCHES_KEPT, SequenceError};
pub use record::{PartitionRecord, StoredBatch};
pub use state::Partition;
