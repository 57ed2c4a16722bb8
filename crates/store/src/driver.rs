//! What a carrier must offer. Contract: `put` is if-absent and atomic; a `put` that answered Ok is durable;
//! `get` after it sees it; what `delete` removed reads as absent. A driver knows no rules: those are [`crate::Carrier`]'s.

use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use klamm_model::Slot;
use tokio::sync::oneshot;

use crate::Key;

/// A value in pieces that are not copied together.
pub type Value = Vec<Bytes>;

/// The bytes of a value.
pub fn value_bytes(value: &Value) -> usize {
    value.iter().map(Bytes::len).sum()
}

/// A value as one piece; copies only if there are several.
pub fn flatten(mut value: Value) -> Bytes {
    if value.len() == 1 {
        return value.remove(0);
    }
    let mut out = BytesMut::with_capacity(value_bytes(&value));
    value.iter().for_each(|piece| out.extend_from_slice(piece));
    out.freeze()
}

/// What a driver keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Name {
    /// A journal entry.
    Entry(Key),
    /// A head marker, by the slot that it names.
    Head(Slot),
}

/// What to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// All head markers.
    Heads,
    /// Entries with slots below this one, under any key-epoch.
    EntriesBelow(Slot),
    /// Entries from this key on: of its epoch from its slot on, and all of later epochs.
    EntriesFrom(Key),
}

/// Tells, before durability, that an entry was handed to the device (Kafka's `acks=1`). Dropped where the two coincide.
#[derive(Debug)]
pub struct Written(Option<oneshot::Sender<()>>);

impl Written {
    /// Nobody wants to know.
    pub fn ignore() -> Self {
        Self(None)
    }

    /// A token and what it wakes.
    pub fn channel() -> (Self, oneshot::Receiver<()>) {
        let (sender, receiver) = oneshot::channel();
        (Self(Some(sender)), receiver)
    }

    /// Whether somebody wants to know.
    pub fn is_wanted(&self) -> bool {
        self.0.as_ref().is_some_and(|sender| !sender.is_closed())
    }

    /// The entry was written.
    pub fn tell(self) {
        if let Some(sender) = self.0 {
            let _ = sender.send(());
        }
    }
}

/// Why a put did not certainly take effect.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// The name is taken (perhaps by an earlier try of the same put).
    #[error("the name is taken")]
    Exists,
    /// The answer was lost: the put took effect, or will, or will not.
    #[error("the answer was lost: {0}")]
    Unknown(String),
    /// The store refuses for good.
    #[error("the store refuses: {0}")]
    Refused(String),
}

/// Why a store did not answer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DriverError(pub String);

impl DriverError {
    /// From any error, with what was tried.
    pub fn new(what: &str, error: impl std::fmt::Display) -> Self {
        Self(format!("{what}: {error}"))
    }
}

/// What a get found that wanted a small value only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Small {
    /// The value, or None.
    Value(Option<Value>),
    /// There is a value, and it has too many bytes.
    Larger,
}

/// A store of named values.
#[async_trait]
pub trait Driver: Send + Sync + 'static {
    /// Puts a value if the name is free. Durable when it answers Ok. Puts that are started in an order are written
    /// in that order where the store has one; any number may be under way.
    async fn put(&self, name: Name, value: Value, written: Written) -> Result<(), PutError>;
    /// The value, or None.
    async fn get(&self, name: Name) -> Result<Option<Value>, DriverError>;
    /// Names, sorted.
    async fn list(&self, listing: Listing) -> Result<Vec<Name>, DriverError>;
    /// Removes names; those that are not there are fine.
    async fn delete(&self, names: &[Name]) -> Result<(), DriverError>;

    /// The value if it has no more than so many bytes; what is larger is not kept. For values that must wait for their turn.
    async fn get_small(&self, name: Name, bytes_max: usize) -> Result<Small, DriverError> {
        Ok(match self.get(name).await? {
            Some(value) if value_bytes(&value) > bytes_max => Small::Larger,
            value => Small::Value(value),
        })
    }

    /// How many gets of entries that follow each other may be under way. More than one where each takes long.
    fn gets_ahead(&self) -> usize {
        1
    }

    /// How long an append of a value of so many bytes may take, all its tries and looks included, before its owner is
    /// told that no answer came. None where every call comes to an end.
    fn append_max(&self, _bytes: usize) -> Option<Duration> {
        None
    }

    /// Waits before a put is tried again that failed so many times. Where answers get lost, what is in the way of them
    /// needs time to pass.
    async fn rest(&self, _failed: u32) {}
}
