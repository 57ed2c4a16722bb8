//! The history's events. One enum in one file: it is the serialised form, too.

use serde::{Deserialize, Serialize};

/// A partition of one incarnation of a topic. The recorder numbers them; a topic that is deleted and made again has new
/// numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Part(pub u32);

/// What a record carries: who sent it, and which of that writer's records to this partition it is, from 0 on, in the
/// order of sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "(u32, u32)", into = "(u32, u32)")]
pub struct Value {
    /// The writer. A producer that may repeat or reorder (a plain one) has a number apart from idempotent ones.
    pub writer: u32,
    /// The number among the writer's records to the partition.
    pub number: u32,
}

impl From<(u32, u32)> for Value {
    fn from((writer, number): (u32, u32)) -> Self {
        Self { writer, number }
    }
}

impl From<Value> for (u32, u32) {
    fn from(value: Value) -> Self {
        (value.writer, value.number)
    }
}

impl Value {
    /// The first bytes of the record.
    pub fn to_bytes(self) -> [u8; 8] {
        self.packed().to_be_bytes()
    }

    /// What the first bytes of a record say.
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        Self::unpacked(u64::from_be_bytes(bytes))
    }

    pub(crate) fn packed(self) -> u64 {
        u64::from(self.writer) << 32 | u64::from(self.number)
    }

    pub(crate) fn unpacked(both: u64) -> Self {
        Self { writer: (both >> 32) as u32, number: both as u32 }
    }
}

/// Consecutive values of one writer to one partition, as one request carries them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Values {
    /// The partition.
    pub part: Part,
    /// The writer.
    pub writer: u32,
    /// The number of the first.
    pub first: u32,
    /// How many.
    pub count: u32,
}

/// A partition's part of a poll's (a fetch's) answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Poll {
    /// The partition.
    pub part: Part,
    /// Who polls. Its polls of the partition must go on where the one before ended, but for [`Event::Seek`].
    pub consumer: u32,
    /// How many events had been recorded when the request was sent: what was acknowledged by then must be visible. None
    /// where a client library polls by itself: visibility is then judged by the last read only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<u64>,
    /// The offset that was asked for; None where a library chose it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<i64>,
    /// As the broker said, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high_watermark: Option<i64>,
    /// As the broker said, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_start: Option<i64>,
    /// Whether it belongs to the last read: of every partition, from the log start on, when nothing is sent any more.
    #[serde(default)]
    pub last: bool,
    /// Offsets and values.
    pub records: Vec<(i64, Value)>,
}

impl Default for Part {
    fn default() -> Self {
        Self(u32::MAX)
    }
}

/// An event. `…Invoke` is recorded before the request leaves; `…Ok`, `…Fail` (it certainly has no effect) or `…Info`
/// (nobody knows) after its answer came, before the same client does anything that depends on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A writer that is not idempotent: each of its values may be in the log as often as it was sent.
    Plain {
        /// The writer.
        writer: u32,
    },
    /// Values are sent, or sent once more.
    SendInvoke(Values),
    /// They were acknowledged by `acks=all`.
    SendOk {
        /// Which.
        #[serde(flatten)]
        values: Values,
        /// The offset of the first.
        offset: i64,
    },
    /// They were refused: they are in the log no more often than they were sent before.
    SendFail(Values),
    /// They may be in the log, or come into it later.
    SendInfo(Values),
    /// A poll was answered.
    Poll(Poll),
    /// The consumer's next poll of the partition may begin anywhere (a seek, a new assignment, a reset).
    Seek {
        /// Who.
        consumer: u32,
        /// Where.
        part: Part,
    },
    /// Records below an offset may go from now on: DeleteRecords is asked for, or retention is on (`i64::MAX`).
    TrimInvoke {
        /// The partition.
        part: Part,
        /// The first offset that must stay.
        below: i64,
    },
    /// The log start is at least here.
    TrimOk {
        /// The partition.
        part: Part,
        /// As the broker said.
        log_start: i64,
    },
    /// The partition is kept in the broker's memory: its records go with the broker ([`Event::Restart`]), its offsets are
    /// not used again.
    Ephemeral {
        /// The partition.
        part: Part,
    },
    /// The topic is about to be deleted: its data may go at any time, and only contradictions are looked for.
    DeleteInvoke {
        /// The partition.
        part: Part,
    },
    /// A producer id was given out.
    ProducerId {
        /// It.
        id: i64,
    },
    /// JoinGroup was answered. Group names are not used again once a group was deleted.
    Joined {
        /// The group.
        group: String,
        /// As the broker said.
        generation: i32,
        /// The member, as in [`Event::Assigned`].
        member: String,
        /// How many events had been recorded when the request was sent; None if that is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        begun: Option<u64>,
        /// What the member said it owns (cooperative groups): it is nobody else's in this generation.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        owned: Vec<Part>,
    },
    /// SyncGroup was answered: the generation is durable, and the member owns these in it.
    Assigned {
        /// The group.
        group: String,
        /// The generation.
        generation: i32,
        /// The member's id; that of its instance if it is a static member, which may come back under another id.
        member: String,
        /// What it owns.
        parts: Vec<Part>,
    },
    /// A commit of one partition's offset is sent.
    CommitInvoke {
        /// The recorder's number of this commit.
        commit: u64,
        /// The group.
        group: String,
        /// The member's generation; None for a commit from outside (`-1`).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        generation: Option<i32>,
        /// The partition.
        part: Part,
        /// The offset; None when it is deleted (OffsetDelete).
        offset: Option<i64>,
    },
    /// It was accepted.
    CommitOk {
        /// Which.
        commit: u64,
    },
    /// It was refused.
    CommitFail {
        /// Which.
        commit: u64,
    },
    /// Nobody knows.
    CommitInfo {
        /// Which.
        commit: u64,
    },
    /// OffsetFetch was answered.
    Committed {
        /// The group.
        group: String,
        /// The partition.
        part: Part,
        /// How many events had been recorded when the request was sent.
        begun: u64,
        /// The offset; None for none.
        offset: Option<i64>,
    },
    /// The group's offsets may expire, or it is about to be deleted: what is committed is not promised from now on.
    Expiring {
        /// The group.
        group: String,
    },
    /// A broker ended, in whatever way, or came back: generations that were not durable may be gone.
    Restart {
        /// For people.
        what: String,
    },
    /// A broker goes on, but dropped what it knew of its groups and loaded them again: generations that were not durable may
    /// be gone.
    Reloaded {
        /// For people.
        what: String,
    },
    /// An answer that no correct broker gives; the recorder judged.
    Refused {
        /// Which, and why.
        what: String,
    },
}
