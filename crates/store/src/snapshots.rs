//! Snapshots: immutable chunks of machine state by name. Contract: only a Checkpoint entry makes a chunk count;
//! chunks that none names are garbage. A chunk's name is its content's hash, so what did not change is not written again.

use async_trait::async_trait;
use bytes::Bytes;

/// Why a chunk could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("snapshot chunk {name}: {what}")]
pub struct SnapshotError {
    /// The chunk.
    pub name: String,
    /// What went wrong.
    pub what: String,
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
