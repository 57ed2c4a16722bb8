//! The coordinator's settings, under Kafka's names.

/// Settings.
#[derive(Debug, Clone)]
pub struct GroupConfig {
    /// The shortest session timeout (`group.min.session.timeout.ms`).
    pub session_timeout_min_ms: i32,
    /// The longest session timeout (`group.max.session.timeout.ms`).
    pub session_timeout_max_ms: i32,
    /// How long the first rebalance of a group waits for more members (`group.initial.rebalance.delay.ms`).
    pub initial_rebalance_delay_ms: u64,
    /// How many members a group may have (`group.max.size`).
    pub members_max: usize,
    /// How long a new member, which has no id to heartbeat with, may wait for the answer to its join.
    pub new_member_join_timeout_ms: u64,
    /// The longest metadata of an offset, in UTF-16 units (`offset.metadata.max.bytes`).
    pub offset_metadata_max: usize,
    /// How long offsets are kept (`offsets.retention.minutes`).
    pub offsets_retention_ms: i64,
    /// How often offsets are looked at (`offsets.retention.check.interval.ms`).
    pub offsets_check_ms: u64,
}

impl Default for GroupConfig {
    fn default() -> Self {
        Self {
            session_timeout_min_ms: 6_000,
            session_timeout_max_ms: 30 * 60_000,
            initial_rebalance_delay_ms: 3_000,
            members_max: i32::MAX as usize,
            new_member_join_timeout_ms: 5 * 60_000,
            offset_metadata_max: 4_096,
            offsets_retention_ms: 7 * 24 * 60 * 60_000,
            offsets_check_ms: 10 * 60_000,
        }
    }
}
