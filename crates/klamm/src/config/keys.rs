//! The table of all keys. A new key is one entry here and nothing else.

use std::path::PathBuf;

use klamm_model::StorageClass;

use super::{
    Sources,
    value::{Field, Kind, Value},
};

/// A key of the configuration.
pub struct Key {
    /// Its name; Kafka's where Kafka has it.
    pub name: &'static str,
    /// Its default, as text.
    pub default: &'static str,
    /// What its value may be.
    pub kind: Kind,
    doc: &'static str,
    pub(super) get: fn(&Config) -> Value,
    /// Whether the value fitted.
    pub(super) set: fn(&mut Config, Value) -> bool,
}

impl Key {
    /// The key of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// What it is, in a line.
    pub fn doc(&self) -> &'static str {
        self.doc.trim_start()
    }
}

macro_rules! keys {
    ($($(#[doc = $doc:literal])+ $field:ident: $type:ty, $name:literal = $default:literal, $kind:expr;)*) => {
        /// The configuration. Each field is the key of [`KEYS`] with dots for underscores.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Config {
            $($(#[doc = $doc])+ pub $field: $type,)*
            /// Where each value came from.
            pub sources: Sources,
        }

        /// Every key, in the order of the help.
        pub const KEYS: &[Key] = &[$(Key {
            name: $name,
            default: $default,
            kind: $kind,
            doc: concat!($($doc),+),
            get: |config| config.$field.to_value(),
            set: |config, value| Field::from_value(value).map(|value| config.$field = value).is_some(),
        },)*];

        impl Default for Config {
            fn default() -> Self {
                Self {
                    $($field: $kind.read($default).and_then(Field::from_value).expect("defaults are in their range"),)*
                    sources: Sources::default(),
                }
            }
        }
    };
}

const INT_MAX: i64 = i32::MAX as i64;
const MIB: i64 = 1 << 20;
/// Ten years.
const MILLIS_MAX: i64 = 10 * 365 * 86_400_000;

keys! {
    /// Where Kafka clients connect. Port 0 chooses a free one.
    listen: String, "listen" = "127.0.0.1:9092", Kind::Address;
    /// Where clients are told to connect. Nothing: the address they reached.
    advertised_address: Option<String>, "advertised.address" = "", Kind::OptionalAddress;
    /// The folder for everything that is kept on this machine.
    data: PathBuf, "data" = "./klamm-data", Kind::Folder;
    /// This broker's id.
    node_id: i32, "node.id" = "1", Kind::Int { min: 0, max: INT_MAX };
    /// Whether a topic is made when a client asks for one that does not exist.
    auto_create_topics_enable: bool, "auto.create.topics.enable" = "true", Kind::Bool;
    /// Partitions of a new topic for which nobody says how many.
    num_partitions: i32, "num.partitions" = "1", Kind::Int { min: 1, max: 10_000 };
    /// Replicas of a new topic for which nobody says how many.
    default_replication_factor: i16, "default.replication.factor" = "1", Kind::Int { min: 1, max: i16::MAX as i64 };
    /// The largest record batch.
    message_max_bytes: usize, "message.max.bytes" = "1048588", Kind::Bytes { min: 1024, max: INT_MAX };
    /// How records are compressed; producer leaves them as they come.
    compression_type: String, "compression.type" = "producer",
        Kind::Word(&["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"]);
    /// The level of gzip, if compression.type is gzip: 1 to 9, or -1 for its own default.
    compression_gzip_level: i32, "compression.gzip.level" = "-1", Kind::Int { min: -1, max: 9 };
    /// The level of lz4, if compression.type is lz4. Without effect: the library has one level.
    compression_lz4_level: i32, "compression.lz4.level" = "9", Kind::Int { min: 1, max: 17 };
    /// The level of zstd, if compression.type is zstd.
    compression_zstd_level: i32, "compression.zstd.level" = "3", Kind::Int { min: -131_072, max: 22 };
    /// What happens to old records: delete, by age and size; compact, which is not built: all is kept; or both.
    log_cleanup_policy: String, "log.cleanup.policy" = "delete", Kind::Words(&["delete", "compact"]);
    /// How long records are kept; -1 for no limit. Nothing: log.retention.minutes says it.
    log_retention_ms: Option<i64>, "log.retention.ms" = "", Kind::Optional(&Kind::Millis { min: -1, max: i64::MAX });
    /// How long records are kept, in minutes; -1 for no limit. Nothing: log.retention.hours says it.
    log_retention_minutes: Option<i64>, "log.retention.minutes" = "", Kind::Optional(&Kind::Int { min: -1, max: INT_MAX });
    /// How long records are kept, in hours; -1 for no limit.
    log_retention_hours: i32, "log.retention.hours" = "168", Kind::Int { min: -1, max: INT_MAX };
    /// How many bytes of a partition are kept; -1 for no limit.
    log_retention_bytes: i64, "log.retention.bytes" = "-1", Kind::Bytes { min: -1, max: i64::MAX };
    /// How often partitions are looked at for records that are too old or too many.
    log_retention_check_interval_ms: u64, "log.retention.check.interval.ms" = "300000", Kind::Millis { min: 1, max: MILLIS_MAX };
    /// Whose time records have: CreateTime is the producer's, LogAppendTime the broker's.
    log_message_timestamp_type: String, "log.message.timestamp.type" = "CreateTime",
        Kind::Word(&["CreateTime", "LogAppendTime"]);
    /// How far a record's time may be behind the broker's.
    log_message_timestamp_before_max_ms: i64, "log.message.timestamp.before.max.ms" = "9223372036854775807",
        Kind::Millis { min: 0, max: i64::MAX };
    /// How far a record's time may be ahead of the broker's.
    log_message_timestamp_after_max_ms: i64, "log.message.timestamp.after.max.ms" = "3600000",
        Kind::Millis { min: 0, max: i64::MAX };
    /// How many replicas must have a batch before an acks=all answer, at most those that a partition has.
    min_insync_replicas: i32, "min.insync.replicas" = "1", Kind::Int { min: 1, max: INT_MAX };
    /// The largest request. A connection that announces a larger one is closed.
    socket_request_max_bytes: usize, "socket.request.max.bytes" = "104857600", Kind::Bytes { min: 1024, max: INT_MAX };
    /// Connections in all, by default at most what the limit of open files allows. Further ones are closed at once.
    max_connections: usize, "max.connections" = "20000", Kind::Int { min: 1, max: INT_MAX };
    /// Connections from one address. Further ones are closed at once.
    max_connections_per_ip: usize, "max.connections.per.ip" = "10000", Kind::Int { min: 1, max: INT_MAX };
    /// After this time without traffic a connection is closed.
    connections_max_idle_ms: u64, "connections.max.idle.ms" = "600000", Kind::Millis { min: 1000, max: MILLIS_MAX };
    /// After this time without writing an idempotent producer is forgotten.
    producer_id_expiration_ms: u64, "producer.id.expiration.ms" = "86400000", Kind::Millis { min: 1, max: INT_MAX };
    /// The largest answer to a fetch, in all.
    fetch_max_bytes: usize, "fetch.max.bytes" = "57671680", Kind::Bytes { min: 1024, max: INT_MAX };
    /// How many consumers may fetch incrementally at a time.
    max_incremental_fetch_session_cache_slots: usize, "max.incremental.fetch.session.cache.slots" = "1000",
        Kind::Int { min: 0, max: 1_000_000 };
    /// How long the first rebalance of a group waits for more members.
    group_initial_rebalance_delay_ms: u64, "group.initial.rebalance.delay.ms" = "3000", Kind::Millis { min: 0, max: INT_MAX };
    /// The shortest session timeout that a member of a group may ask for.
    group_min_session_timeout_ms: i32, "group.min.session.timeout.ms" = "6000", Kind::Millis { min: 1, max: INT_MAX };
    /// The longest session timeout that a member of a group may ask for.
    group_max_session_timeout_ms: i32, "group.max.session.timeout.ms" = "1800000", Kind::Millis { min: 1, max: INT_MAX };
    /// How many members a group may have.
    group_max_size: usize, "group.max.size" = "2147483647", Kind::Int { min: 1, max: INT_MAX };
    /// The longest text that a client may keep with an offset, in UTF-16 units.
    offset_metadata_max_bytes: usize, "offset.metadata.max.bytes" = "4096", Kind::Int { min: 0, max: INT_MAX };
    /// How long the offsets of a group without members are kept, in minutes.
    offsets_retention_minutes: i32, "offsets.retention.minutes" = "10080", Kind::Int { min: 1, max: INT_MAX };
    /// How often offsets are looked at for their age.
    offsets_retention_check_interval_ms: u64, "offsets.retention.check.interval.ms" = "600000", Kind::Millis { min: 1, max: MILLIS_MAX };
    /// Where new topics are kept: disk (synced before an acks=all answer) or memory (gone with the process).
    klamm_storage_class: StorageClass, "klamm.storage.class" = "disk", Kind::Word(&StorageClass::NAMES);
    /// Memory for recent records, from which readers are served.
    klamm_tail_bytes: usize, "klamm.tail.bytes" = "64MiB", Kind::Bytes { min: MIB, max: 1 << 40 };
    /// The size of a journal file.
    klamm_journal_file_bytes: u64, "klamm.journal.file.bytes" = "64MiB", Kind::Bytes { min: MIB, max: 16 << 30 };
    /// What is logged: a level, or levels by module, such as info,klamm_net=debug.
    klamm_log: String, "klamm.log" = "info", Kind::LogFilter;
}
