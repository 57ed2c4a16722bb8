//! Brokers whose shards live in a simulated object store, and compete for them.
//!
//! Code map: `store` is the simulated store, behind the client that the object carrier talks to, so that the carrier's own code runs;
//! `weather` is what befalls its calls; `files` is segments and snapshots in it; `broker` is a process with the real shard
//! runtime, partition machine and journal; `witness` knows the truth and compares; `clients` produce and read; `world`
//! is one run: crashes, pauses, takeovers.
//!
//! Not here: Kafka's protocol in front of it, the metadata's shard, groups and merging, since the object storage class
//! is not built yet.

mod broker;
mod clients;
mod files;
mod store;
mod weather;
mod witness;
mod world;

pub use world::run;

/// How counts begin that tell what was done, and are no faults.
pub const DONE: &str = "shards: ";
