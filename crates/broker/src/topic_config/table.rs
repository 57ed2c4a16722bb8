//! The table of topic configurations.

use klamm_model::StorageClass;

use super::Form::{self, Bool, Float, Gzip, Int, Level, Long, OneOf, Replicas, SomeOf};

/// A topic configuration.
pub(super) struct Config {
    pub(super) name: &'static str,
    pub(super) default: &'static str,
    pub(super) form: Form,
    /// The broker's key for the default of all topics, in Kafka or in Klamm.
    pub(super) broker: Option<&'static str>,
    pub(super) doc: &'static str,
}

/// The key that is settled when the topic is made.
pub(super) const STORAGE_CLASS: &str = "klamm.storage.class";

macro_rules! configs {
    ($($(#[doc = $doc:literal])+ $name:literal = $default:literal, $form:expr, $broker:expr;)*) => {
        /// All of them, by name.
        pub(super) const CONFIGS: &[Config] = &[$(Config {
            name: $name,
            default: $default,
            form: $form,
            broker: $broker,
            doc: concat!($($doc),+),
        },)*];
    };
}

configs! {
    /// What happens to old records: delete removes them by age and size; compact refuses those without a key (compacting itself
    /// is not built).
    "cleanup.policy" = "delete", SomeOf(&["compact", "delete"]), Some("log.cleanup.policy");
    /// The level of gzip, if compression.type is gzip.
    "compression.gzip.level" = "-1", Gzip, Some("compression.gzip.level");
    /// The level of lz4, if compression.type is lz4. Without effect here.
    "compression.lz4.level" = "9", Level(1, 17), Some("compression.lz4.level");
    /// How records are compressed; producer leaves them as they come.
    "compression.type" = "producer", OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]),
        Some("compression.type");
    /// The level of zstd, if compression.type is zstd.
    "compression.zstd.level" = "3", Level(-131_072, 22), Some("compression.zstd.level");
    /// How long compaction keeps the marker of a deleted key, in milliseconds.
    "delete.retention.ms" = "86400000", Long(0), Some("log.cleaner.delete.retention.ms");
    /// How long a file stays after its records went, in milliseconds.
    "file.delete.delay.ms" = "60000", Long(0), Some("log.segment.delete.delay.ms");
    /// After how many records the disk is synced.
    "flush.messages" = "9223372036854775807", Long(1), Some("log.flush.interval.messages");
    /// After which time the disk is synced, in milliseconds.
    "flush.ms" = "9223372036854775807", Long(0), None;
    /// Which followers' replication is throttled: partition:broker, or * for all.
    "follower.replication.throttled.replicas" = "", Replicas, None;
    /// How many bytes lie between two entries of the index of offsets.
    "index.interval.bytes" = "4096", Int(0), Some("log.index.interval.bytes");
    /// Where the topic is kept: disk (synced before an acks=all answer) or memory. Settled when the topic is made.
    "klamm.storage.class" = "", OneOf(&StorageClass::NAMES), Some("klamm.storage.class");
    /// Which leaders' replication is throttled: partition:broker, or * for all.
    "leader.replication.throttled.replicas" = "", Replicas, None;
    /// With tiered storage, how many bytes of a partition stay local; -2 is retention.bytes.
    "local.retention.bytes" = "-2", Long(-2), Some("log.local.retention.bytes");
    /// With tiered storage, how long records stay local, in milliseconds; -2 is retention.ms.
    "local.retention.ms" = "-2", Long(-2), Some("log.local.retention.ms");
    /// How long a record may wait for compaction, in milliseconds.
    "max.compaction.lag.ms" = "9223372036854775807", Long(1), Some("log.cleaner.max.compaction.lag.ms");
    /// The largest record batch, in bytes as it is sent.
    "max.message.bytes" = "1048588", Int(0), Some("message.max.bytes");
    /// How far a record's time may be ahead of the broker's, in milliseconds.
    "message.timestamp.after.max.ms" = "3600000", Long(0), Some("log.message.timestamp.after.max.ms");
    /// How far a record's time may be behind the broker's, in milliseconds.
    "message.timestamp.before.max.ms" = "9223372036854775807", Long(0), Some("log.message.timestamp.before.max.ms");
    /// Whose time records have: CreateTime is the producer's, LogAppendTime the broker's.
    "message.timestamp.type" = "CreateTime", OneOf(&["CreateTime", "LogAppendTime"]), Some("log.message.timestamp.type");
    /// The share of a log that may wait for compaction.
    "min.cleanable.dirty.ratio" = "0.5", Float, Some("log.cleaner.min.cleanable.ratio");
    /// How long a record is kept from compaction at least, in milliseconds.
    "min.compaction.lag.ms" = "0", Long(0), Some("log.cleaner.min.compaction.lag.ms");
    /// How many replicas must have a batch before an acks=all answer.
    "min.insync.replicas" = "1", Int(1), Some("min.insync.replicas");
    /// Whether files get their whole size at once.
    "preallocate" = "false", Bool, Some("log.preallocate");
    /// With tiered storage, whether nothing more is copied to the remote tier.
    "remote.log.copy.disable" = "false", Bool, None;
    /// Whether remote data is deleted when tiered storage is switched off.
    "remote.log.delete.on.disable" = "false", Bool, None;
    /// Whether the topic uses tiered storage.
    "remote.storage.enable" = "false", Bool, None;
    /// How many bytes of a partition are kept; -1 for no limit.
    "retention.bytes" = "-1", Long(i64::MIN), Some("log.retention.bytes");
    /// How long records are kept, in milliseconds; -1 for no limit.
    "retention.ms" = "604800000", Long(-1), Some("log.retention.ms");
    /// The size of a segment of a partition's log.
    "segment.bytes" = "1073741824", Int(1 << 20), Some("log.segment.bytes");
    /// The size of a segment's index.
    "segment.index.bytes" = "10485760", Int(4), Some("log.index.size.max.bytes");
    /// The random part of segment.ms, in milliseconds.
    "segment.jitter.ms" = "0", Long(0), None;
    /// After which time a new segment begins, in milliseconds.
    "segment.ms" = "604800000", Long(1), None;
    /// Whether a replica that lacks records may lead when no other is left.
    "unclean.leader.election.enable" = "false", Bool, Some("unclean.leader.election.enable");
}
