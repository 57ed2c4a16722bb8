//! What can be wrong.

use crate::{Part, Value};

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum Anomaly {
    #[error("{part:?}: offset {offset} had {first:?} and later {second:?}")]
    OffsetReused { part: Part, offset: i64, first: Value, second: Value },
    #[error("{part:?}: {value:?} was acknowledged at offset {acked} and is at {other}, too")]
    InconsistentOffset { part: Part, value: Value, acked: i64, other: i64 },
    #[error("{part:?}: {value:?} was read at offset {first} and at {second}")]
    Duplicate { part: Part, value: Value, first: i64, second: i64 },
    #[error("{part:?}: {value:?} at offset {offset} was never sent there")]
    Phantom { part: Part, offset: i64, value: Value },
    #[error("{part:?}: {value:?} was refused and is at offset {offset}")]
    RefusedAndThere { part: Part, offset: i64, value: Value },
    #[error("{part:?}: {value:?} was acknowledged at offset {offset} and is lost")]
    Lost { part: Part, offset: i64, value: Value },
    #[error("{part:?}: {value:?} was read at offset {offset} and is gone")]
    Vanished { part: Part, offset: i64, value: Value },
    #[error("{part:?}: {first:?} and {second:?} were sent in this order and have offsets {at} and {then}")]
    NonMonotonicSend { part: Part, first: Value, second: Value, at: i64, then: i64 },
    #[error("{part:?}: {second:?} follows {first:?} in the log, at offset {offset}")]
    OutOfOrder { part: Part, offset: i64, first: Value, second: Value },
    #[error("{part:?}: one poll gave offset {second} after {first}")]
    NonMonotonicPollInternal { part: Part, first: i64, second: i64 },
    #[error("{part:?}: consumer {consumer} was at offset {position}, its next poll gave {got}")]
    NonMonotonicPollExternal { part: Part, consumer: u32, position: i64, got: i64 },
    #[error("{part:?}: offset {expected} was asked for or next, {got} came")]
    PollSkip { part: Part, expected: i64, got: i64 },
    #[error("{part:?}: offsets below {acked_end} were acknowledged, the high watermark is {high_watermark}")]
    Invisible { part: Part, acked_end: i64, high_watermark: i64 },
    #[error("{part:?}: the high watermark went back from {from} to {to}")]
    WatermarkBack { part: Part, from: i64, to: i64 },
    #[error("{part:?}: offset {offset} was answered, the high watermark is {high_watermark}")]
    BeyondWatermark { part: Part, offset: i64, high_watermark: i64 },
    #[error("{part:?}: the log start went back from {from} to {to}")]
    LogStartBack { part: Part, from: i64, to: i64 },
    #[error("{part:?}: the log start is {log_start}, nobody asked for more than {allowed}")]
    LogStartTooFar { part: Part, log_start: i64, allowed: i64 },
    #[error("{part:?}: offset {offset} was answered, the log starts at {log_start}")]
    BelowLogStart { part: Part, offset: i64, log_start: i64 },
    #[error("{part:?}: the last read ended at {read}, its end is {end}")]
    Unseen { part: Part, read: i64, end: i64 },
    #[error("{part:?}: offset {offset} was given out again, those below {used} were used before the restart")]
    OffsetsBack { part: Part, offset: i64, used: i64 },
    #[error("producer id {0} was given out twice")]
    ProducerIdReused(i64),
    #[error("{group}: a commit in generation {generation} was accepted, generation {newer} was there before")]
    StaleCommit { group: String, generation: i32, newer: i32 },
    #[error("{group} {part:?}: the committed offset is {got:?}, not one of {possible:?}")]
    CommitLost { group: String, part: Part, got: Option<i64>, possible: Vec<Option<i64>> },
    #[error("{group}: in generation {generation}, {first} and {second} own {part:?}")]
    TwoOwners { group: String, generation: i32, part: Part, first: String, second: String },
    #[error("{group}: in generation {generation}, {owner} came with {part:?} and {other} has it, too")]
    NotRevoked { group: String, generation: i32, part: Part, owner: String, other: String },
    #[error("{group} {part:?}: in generation {generation}, {to} was committed after {from}")]
    CommitBack { group: String, part: Part, generation: i32, from: i64, to: i64 },
    #[error("{0}")]
    Refused(String),
}

impl Anomaly {
    /// The kind's name, for counts and tests.
    pub fn kind(&self) -> String {
        let text = format!("{self:?}");
        text.split([' ', '(']).next().unwrap_or_default().to_owned()
    }
}
