//! What the clients did and saw, in the order of virtual time: the checker's input.

/// A partition of one incarnation of a topic; never used twice in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Part(pub u32);

/// What a record carries: its partition, and its number among all that were sent there, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Value {
    /// Where it was sent.
    pub part: Part,
    /// Its number.
    pub number: u32,
}

impl Value {
    /// The first bytes of the record.
    pub fn to_bytes(self) -> [u8; 8] {
        (u64::from(self.part.0) << 32 | u64::from(self.number)).to_be_bytes()
    }

    /// What the first bytes of a record say.
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        let both = u64::from_be_bytes(bytes);
        Self { part: Part((both >> 32) as u32), number: both as u32 }
    }
}

/// A batch that was answered for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acked {
    /// The partition.
    pub part: Part,
    /// The number of its first value.
    pub first: u32,
    /// How many values.
    pub count: u32,
    /// The offset of the first, as the broker said.
    pub offset: i64,
}

/// A partition's part of a fetch's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The partition.
    pub part: Part,
    /// Whether it belongs to the full read at the end.
    pub last: bool,
    /// How many events there were when the request was sent: what was acknowledged by then is visible.
    pub begun: usize,
    /// The offset that was asked for.
    pub asked: i64,
    /// As the broker said.
    pub high_watermark: i64,
    /// As the broker said; old versions don't.
    pub log_start: Option<i64>,
    /// The records from `asked` on.
    pub records: Vec<(i64, Value)>,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Values were sent for the first time: these, after all before.
    Sent {
        /// Where.
        part: Part,
        /// How many were sent there by now, these included.
        until: u32,
    },
    /// A batch was acknowledged by the whole cluster (`acks=all`).
    Acked(Acked),
    /// A fetch was answered.
    Fetched(Fetched),
    /// The partition's topic is about to be deleted; its data may go at any time from now on.
    Deleting(Part),
    /// A producer id was given out.
    ProducerId(i64),
    /// An answer that no correct broker gives.
    Refused(String),
}

/// All events of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History(pub Vec<Event>);
