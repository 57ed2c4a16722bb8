//! What was put and is not written yet: entries of one file, back to back, that become durable together.

use std::{io, path::PathBuf, sync::Arc};

use bytes::Bytes;
use klamm_env::{BLOCK_BYTES, Blocks, File, Gate};
use klamm_model::Slot;
use klamm_store::{Key, Written};

/// So much is written and synced at once: more would keep the first of it waiting.
pub(crate) const STAGED_BYTES: u64 = 8 << 20;

/// Entries on their way to the disk.
pub(crate) struct Staged {
    /// The file's first slot.
    pub(crate) first: Slot,
    /// The file, opened for appending.
    pub(crate) file: Arc<dyn File>,
    /// The name that a new file earns once this is durable.
    pub(crate) rename: Option<(PathBuf, PathBuf)>,
    /// Where in the file this goes.
    pub(crate) position: u64,
    pub(crate) bytes: u64,
    /// Up to here the file's space is reserved.
    pub(crate) allocated: u64,
    pub(crate) pieces: Vec<Bytes>,
    pub(crate) keys: Vec<Key>,
    pub(crate) written: Vec<Written>,
    /// The last write of it; see `Writer::written`.
    pub(crate) ticket: u64,
}

impl Staged {
    pub(crate) fn end(&self) -> u64 {
        self.position + self.bytes
    }
}

/// A file's end, to go on at; `file` is open for reading.
pub(crate) async fn blocks(gate: Gate, file: &Arc<dyn File>, end: u64) -> io::Result<Blocks> {
    let kept = end % BLOCK_BYTES as u64;
    let last = match kept {
        0 => Bytes::new(),
        _ => file.read_at(end - kept, kept as usize).await?,
    };
    if last.len() as u64 != kept {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Blocks::new(gate, end, &last))
}
