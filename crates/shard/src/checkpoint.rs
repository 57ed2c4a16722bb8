//! Checkpoints: sorted pairs of machine state in chunks named by their content, and the entry that makes them count.
//! Chunks end where a key's hash says so, so that a change of one pair changes one chunk.

use bytes::{BufMut as _, Bytes, BytesMut};
use klamm_machine::{Corrupt, Machine, PayloadReader, PayloadWriter};
use klamm_model::{Epoch, Slot};
use klamm_store::{EntryHash, SnapshotError, Snapshots};

/// The largest chunk, but for a single larger pair.
const CHUNK_BYTES_MAX: usize = 1 << 20;
/// One key in so many ends a chunk.
const CHUNK_PAIRS_MEAN: u64 = 256;
const VERSION: u8 = 1;

/// The payload of a Checkpoint entry: the snapshot that covers all slots below `slot`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    pub(crate) slot: Slot,
    /// The chunks, by the hash of their bytes.
    pub(crate) chunks: Vec<u128>,
}

/// A place in the journal where a new file begins: what is below can be sealed and covered by a snapshot.
pub(crate) struct Boundary<M> {
    /// The file before it.
    pub(crate) slots: std::ops::Range<Slot>,
    /// The state before it.
    pub(crate) machine: M,
    /// The entry at the boundary, once there is one: its key-epoch and hash.
    pub(crate) entry: Option<(Epoch, EntryHash)>,
}

/// Why a snapshot could not be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error(transparent)]
    Store(#[from] SnapshotError),
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
}

fn name(hash: u128) -> String {
    format!("{hash:032x}")
}

fn hash(bytes: &[u8]) -> u128 {
    twox_hash::XxHash3_128::oneshot(bytes)
}

/// Takes the pairs of a chunk into a machine.
pub fn restore_chunk<M: Machine>(machine: &mut M, chunk: Bytes) -> Result<(), Corrupt> {
    let mut input = PayloadReader::new(chunk);
    while input.remaining() > 0 {
        let key = input.bytes()?;
        machine.restore(key, input.bytes()?)?;
    }
    Ok(())
}

impl Checkpoint {
    /// Its only form.
    pub fn encode(&self) -> Bytes {
        let mut out = PayloadWriter::default();
        out.u8(VERSION);
        out.u64(self.slot.0);
        out.u32(self.chunks.len() as u32);
        self.chunks.iter().for_each(|chunk| out.raw(&chunk.to_be_bytes()));
        Bytes::from(out.finish().concat())
    }

    /// Reads what [`Checkpoint::encode`] wrote.
    pub fn decode(bytes: Bytes) -> Result<Self, Corrupt> {
        let mut input = PayloadReader::new(bytes);
        if input.u8()? != VERSION {
            return Err(Corrupt("a checkpoint of an unknown version"));
        }
        let slot = Slot(input.u64()?);
        let count = input.count(16)?;
        let chunks = (0..count).map(|_| input.array().map(u128::from_be_bytes)).collect::<Result<_, _>>()?;
        input.finish()?;
        Ok(Self { slot, chunks })
    }

    /// The chunks' names in the store.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        self.chunks.iter().map(|chunk| name(*chunk))
    }

    /// The checkpoint of a state, and its chunks.
    pub(crate) fn of<M: Machine>(machine: &M, slot: Slot) -> (Self, Vec<Bytes>) {
        let (mut chunks, mut open) = (Vec::new(), BytesMut::new());
        for (key, value) in machine.snapshot() {
            if !open.is_empty() && open.len() + key.len() + value.len() + 8 > CHUNK_BYTES_MAX {
                chunks.push(open.split().freeze());
            }
            for part in [&key, &value] {
                open.put_u32(u32::try_from(part.len()).expect("pairs are below 4 GiB"));
                open.put_slice(part);
            }
            if twox_hash::XxHash3_64::oneshot(&key).is_multiple_of(CHUNK_PAIRS_MEAN) {
                chunks.push(open.split().freeze());
            }
        }
        if !open.is_empty() {
            chunks.push(open.freeze());
        }
        (Self { slot, chunks: chunks.iter().map(|chunk| hash(chunk)).collect() }, chunks)
    }

    /// Saves a state. It counts once an entry with the returned checkpoint is durable.
    pub(crate) async fn save<M: Machine>(
        machine: &M,
        slot: Slot,
        store: &dyn Snapshots,
    ) -> Result<Self, SnapshotError> {
        let (checkpoint, chunks) = Self::of(machine, slot);
        let known = store.list().await?;
        for (name, chunk) in checkpoint.names().zip(chunks) {
            if !known.contains(&name) {
                store.put(&name, chunk).await?;
            }
        }
        Ok(checkpoint)
    }

    /// Loads the state.
    pub(crate) async fn load<M: Machine>(&self, store: &dyn Snapshots) -> Result<M, LoadError> {
        let mut machine = M::default();
        for expected in &self.chunks {
            let chunk = store.get(&name(*expected)).await?;
            if hash(&chunk) != *expected {
                return Err(Corrupt("a snapshot chunk that is not what was saved").into());
            }
            restore_chunk(&mut machine, chunk)?;
        }
        Ok(machine)
    }

    /// Deletes all other chunks.
    pub(crate) async fn sweep(&self, store: &dyn Snapshots) -> Result<(), SnapshotError> {
        let kept: Vec<String> = self.names().collect();
        for stale in store.list().await?.into_iter().filter(|name| !kept.contains(name)) {
            store.delete(&stale).await?;
        }
        Ok(())
    }
}
