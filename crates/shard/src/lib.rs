//! The shard runtime: queue, decide, replay, group commit, checkpoints
