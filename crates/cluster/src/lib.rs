//! The cluster machine: topics, placement, producer ids, reserved offsets. The state of shard 0. Pure.
//!
//! Invariants: a topic's name and id map to each other; every effect that another shard still owes stands in the
//! outbox, and is removed only by a record that says that it was done. Cloning shares everything (persistent maps),
//! so each published state is an immutable image.

mod command;
mod machine;
mod record;
mod snapshot;
mod state;
#[cfg(test)]
mod tests;

pub use command::{Command, CreateError, NewTopic, Reply};
pub use machine::{CONFIGS_BYTES_MAX, OFFSETS_RESERVED, configs_bytes};
pub use record::ClusterRecord;
pub use state::{Cluster, Effect, EffectKind, Shard, ShardRole, Topic, TopicPartition};
