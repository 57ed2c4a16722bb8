//! The journal's contract: an ordered, durable sequence of slots. One suite ([`crate::suite`]) states it for every
//! carrier; the rules are in `docs/adr/0002` and model-checked in `journal-model/`.

use async_trait::async_trait;
use klamm_model::Slot;

use crate::{Entry, EntryHash, Head, Key, Written};

/// The end of the chain, as a scan that counts found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// Where the next entry goes.
    pub next: Key,
    /// The hash of the last entry; zero in an empty journal.
    pub hash: EntryHash,
    /// The head marker that the scan started from.
    pub head: Option<Head>,
}

/// Why an append did not take effect, or may not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Somebody else's entry is there: the writer is fenced and drops its state.
    #[error("slot {0} holds another owner's entry: this owner is fenced")]
    Occupied(Slot),
    /// The store would not say in time; nothing may be acknowledged.
    #[error("slot {0}: the store did not answer: {1}")]
    Unknown(Slot, String),
    /// The store refused.
    #[error("slot {0}: the store refuses the entry: {1}")]
    Io(Slot, String),
}

/// Why a journal can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Below the head: trimmed.
    #[error("slot {asked} was trimmed; the journal begins at {head}")]
    Trimmed {
        /// What was asked for.
        asked: Slot,
        /// Where the journal begins.
        head: Slot,
    },
    /// What is there does not chain, or something acknowledged is gone. The shard halts.
    #[error("the journal is damaged at slot {slot}: {what}")]
    Damaged {
        /// The first slot that can't be had.
        slot: Slot,
        /// What was found.
        what: String,
    },
    /// The store did not answer.
    #[error("the store did not answer: {0}")]
    Io(String),
}

/// Why a trim failed. The journal is whole; a later trim does the rest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the journal was not trimmed: {0}")]
pub struct TrimError(pub String);

/// An ordered, durable sequence of entries.
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    /// Appends the entry at its key. Durable when it returns. Lost answers are resolved inside; nothing takes effect
    /// twice. Any number of appends may be in flight; they are written in the order in which they were first polled.
    async fn append(&self, entry: Entry, written: Written) -> Result<(), AppendError>;
    /// Entries of the chain from a slot on, in order, until `bytes_max` is passed (at least one, if there is one).
    /// Reads up to the tail that the last [`Journal::tail`] found or the appends since then made.
    async fn read(&self, from: Slot, bytes_max: usize) -> Result<Vec<Entry>, ReadError>;
    /// Linearizable: scans from the head marker to the first slot that is not validly chained.
    async fn tail(&self) -> Result<Tail, ReadError>;
    /// The highest head marker.
    async fn head(&self) -> Result<Option<Head>, ReadError>;
    /// Makes `head` (whose Checkpoint entry is acknowledged) the head, then deletes what is below.
    async fn trim(&self, head: Head) -> Result<(), TrimError>;
}
