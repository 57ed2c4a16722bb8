//! What a machine is: a synchronous state machine without I/O, clock or randomness. `decide` turns a command into at
//! most one record and a reply; `replay` is the only thing that changes its state. Records and snapshots have codecs
//! here, so that a shard can keep them without knowing what they mean.

mod payload;

use bytes::Bytes;
use klamm_model::{Epoch, Slot};

pub use payload::{Corrupt, Mark, PayloadReader, PayloadWriter, SHARED_BYTES_MIN};

/// What a machine may know of the moment in which it decides.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// The owner's epoch.
    pub epoch: Epoch,
    /// The owner's wall clock, in milliseconds.
    pub wall_ms: i64,
}

/// What a machine may know of a record that it replays; the same at every replay.
#[derive(Debug, Clone, Copy)]
pub struct At {
    /// The entry's slot.
    pub slot: Slot,
    /// The writer's epoch.
    pub epoch: Epoch,
    /// The writer's wall clock when it decided, in milliseconds.
    pub time_ms: i64,
}

/// What came of a command.
#[derive(Debug)]
pub struct Decision<R, P> {
    /// The change, if there is one.
    pub record: Option<R>,
    /// The answer, released once the change (and all before it) is durable.
    pub reply: P,
}

impl<R, P> Decision<R, P> {
    /// An answer that changes nothing.
    pub fn reply(reply: P) -> Self {
        Self { record: None, reply }
    }

    /// A change and its answer.
    pub fn record(record: R, reply: P) -> Self {
        Self { record: Some(record), reply }
    }
}

/// Why a record cannot be appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoom {
    /// The disk is full.
    Full,
    /// No entry takes so large a record.
    TooLarge,
}

/// A persisted change of state.
pub trait Record: Send + Sync + Sized + 'static {
    /// Writes the record; what it writes, [`Record::decode`] reads.
    fn encode(&self, out: &mut PayloadWriter);
    /// Reads one record.
    fn decode(input: &mut PayloadReader) -> Result<Self, Corrupt>;
    /// Where, from the record's first byte on, the bytes lie that readers are served from; None if there are none.
    fn served(&self) -> Option<std::ops::Range<usize>> {
        None
    }
}

/// A key and its value in a snapshot.
pub type Pair = (Bytes, Bytes);

/// A state machine. Cloning it is cheap (copy on write): snapshots are taken from clones in the background.
pub trait Machine: Clone + Default + Send + Sync + 'static {
    /// What it is asked.
    type Command: Send + 'static;
    /// What it answers.
    type Reply: Send + 'static;
    /// What changes it.
    type Record: Record;

    /// Turns a command into a change and an answer, on the present state.
    fn decide(&self, command: Self::Command, now: Now) -> Decision<Self::Record, Self::Reply>;
    /// The space that the command's record needs at most, in bytes; None if it frees space, or is owed: it may take from
    /// what is kept for such on a full disk, as far as that goes.
    fn space_bytes(command: &Self::Command) -> Option<u64>;
    /// What becomes of the answer to a command whose record cannot be appended.
    fn refuse(reply: Self::Reply, why: NoRoom) -> Self::Reply;
    /// Changes the state.
    fn replay(&mut self, record: &Self::Record, at: At);
    /// The whole state as pairs with sorted, unique keys.
    fn snapshot(&self) -> Vec<Pair>;
    /// Takes a pair of a snapshot back in.
    fn restore(&mut self, key: Bytes, value: Bytes) -> Result<(), Corrupt>;
}
