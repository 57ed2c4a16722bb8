//! A small Kafka client, for the command line tools and for tests. It speaks to any broker of the Kafka protocol.
//!
//! Contract: versions are negotiated for each connection, the highest common one is used; every wait has a deadline;
//! errors that may pass are retried with back-off until then. What decides is pure and stands apart from the I/O:
//! [`partitioner`], [`assignor`], [`accumulator`], [`backoff`], `versions`, `metadata`, `decode`.
//!
//! Code map: [`Client`] finds brokers, leaders and coordinators; [`Producer`] batches and sends; [`Fetcher`] reads
//! partitions; [`GroupConsumer`] reads as a member of a group; `admin` has the calls of administration.
//! Left out: TLS and SASL, transactions, fetch sessions, the KIP-848 protocol as a member, topic ids in offset commits (v10).

pub mod accumulator;
mod admin;
pub mod assignor;
pub mod backoff;
mod client;
mod connection;
mod coordinator;
mod decode;
mod error;
mod fetcher;
mod group;
mod membership;
mod metadata;
mod offsets;
pub mod partitioner;
mod producer;
mod record;
mod sender;
mod versions;

pub use admin::{ConfigChange, ConfigEntry, GroupDescription, GroupMember, ListedGroup, NewTopic};
pub use client::{Client, Options};
pub use error::{Error, Result};
pub use fetcher::{Fetched, Fetcher, Isolation};
pub use group::{GroupConsumer, GroupEvent, GroupOptions};
pub use klamm_protocol::{ApiKey, ErrorCode};
pub use klamm_records::{Codec, Compression};
pub use metadata::{Broker, Metadata, Partition, Topic};
pub use offsets::At;
pub use producer::{Acks, Producer, ProducerOptions, Summary};
pub use record::{Header, Record, TopicPartition};
