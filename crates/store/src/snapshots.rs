//! Snapshots: immutable chunks of machine state by name. Contract: only a Checkpoint entry makes a chunk count;
//! chunks that none names are garbage. A chunk's name has its owner's epoch and its content's hash, so what did not change
//! since the owner's last checkpoint is not written again.

use async_trait::async_trait;
use bytes::Bytes;

/// Why a chunk could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// There is no such chunk: a newer checkpoint replaced the one that names it, or it was lost.
    #[error("snapshot chunk {0}: there is no such chunk")]
    Missing(String),
    /// It is not what was saved, or can't be had for good.
    #[error("snapshot chunk {name}: {what}")]
    Damaged {
        /// The chunk.
        name: String,
        /// What was found.
        what: String,
    },
    /// The store did not do it; trying again can help.
    #[error("snapshot chunk {name}: the store did not answer: {what}")]
    Io {
        /// The chunk; empty if it is about all of them.
        name: String,
        /// What went wrong.
        what: String,
    },
}

/// A store of chunks.
#[async_trait]
pub trait Snapshots: Send + Sync + 'static {
    /// Stores a chunk. Durable when it returns. A name that is taken has the same bytes already.
    async fn put(&self, name: &str, bytes: Bytes) -> Result<(), SnapshotError>;
    /// A chunk; an error if it is not there.
    async fn get(&self, name: &str) -> Result<Bytes, SnapshotError>;
    /// All names.
    async fn list(&self) -> Result<Vec<String>, SnapshotError>;
    /// Removes a chunk; one that is not there is fine.
    async fn delete(&self, name: &str) -> Result<(), SnapshotError>;
}
