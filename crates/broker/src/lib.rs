//! Kafka's APIs: one handler a file, one table for dispatch and ApiVersions.
//!
//! Code map: [`Session::call`] takes a frame, [`api`] finds its handler, `handlers/NN_name.rs` answers. Handlers
//! authorize, validate and translate between the protocol and the machines; the rules live in the machines.
//! `topics` makes and deletes topics, `outbox` carries the cluster's effects to other shards, `admission` judges batches,
//! `fetch_sessions` keeps fetch sessions, `retention` moves log starts, `topic_config` knows the topic configurations, `alter` changes them, `configs` has what is told of any
//! configuration. Absent here: sockets, files, and any semantics of storage.

mod admission;
mod allowance;
mod alter;
mod api;
mod authorizer;
mod broker;
mod configs;
mod errors;
mod fetch;
mod fetch_sessions;
mod groups;
mod handlers;
mod mentions;
mod outbox;
mod producer_ids;
mod repeats;
mod retention;
mod said;
mod session;
mod topic_config;
mod topics;

#[cfg(test)]
mod tests;

pub use api::{Served, served};
pub use authorizer::{AllowClients, Authorizer, Operation, Principal, Resource};
pub use broker::{Broker, BrokerConfig, PartitionShard, Parts};
pub use configs::{ConfigType, Setting};
pub use groups::GroupShard;
pub use retention::Retention;
pub use session::{Answer, Session};
pub use topic_config::LogConfig;
