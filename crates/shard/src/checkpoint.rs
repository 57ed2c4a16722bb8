//! Checkpoints: sorted pairs of machine state in chunks named by their owner's epoch and their content, and the entry
//! that makes them count. Chunks end where a key's hash says so, so that a change of one pair changes one chunk.
//!
//! Invariant: an owner deletes chunks of its own epoch and earlier ones only, and its checkpoints name chunks of its own epoch
//! only. So one that was replaced, and does not know it yet, deletes nothing that its successor's checkpoints need.

use std::collections::BTreeSet;

use bytes::{BufMut as _, Bytes, BytesMut};
use klamm_machine::{Corrupt, Machine, PayloadReader, PayloadWriter};
use klamm_model::{Epoch, Slot};
use klamm_store::{EntryHash, SnapshotError, Snapshots};

/// The largest chunk, but for a single larger pair.
const CHUNK_BYTES_MAX: usize = 1 << 20;
/// One key in so many ends a chunk.
const CHUNK_PAIRS_MEAN: u64 = 256;
const VERSION: u8 = 2;
/// Its chunks' names had no epoch.
const VERSION_1: u8 = 1;

/// The payload of a Checkpoint entry: the snapshot that covers all slots below `slot`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    pub(crate) slot: Slot,
    /// The epoch of the owner that saved it; zero in version 1, which no owner has.
    pub(crate) epoch: Epoch,
    /// The chunks, by the hash of their bytes.
    pub(crate) chunks: Vec<u128>,
}

/// A place in the journal where a new file begins: what is below can be sealed and covered by a snapshot.
pub(crate) struct Boundary<M> {
    /// The file before it.
    pub(crate) slots: std::ops::Range<Slot>,
    /// It is a segment already, and only the checkpoint is missing.
    pub(crate) sealed: bool,
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

fn name(epoch: Epoch, hash: u128) -> String {
    match epoch {
        Epoch(0) => format!("{hash:032x}"),
        Epoch(epoch) => format!("{epoch:08x}-{hash:032x}"),
    }
}

/// The epoch in a chunk's name; None for names that [`name`] does not give.
fn epoch_of(name: &str) -> Option<Epoch> {
    match name.split_once('-') {
        None => Some(Epoch(0)),
        Some((epoch, _)) => u32::from_str_radix(epoch, 16).ok().map(Epoch),
    }
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
    /// Its only form; one that was read as version 1 stays what it was.
    pub fn encode(&self) -> Bytes {
        let mut out = PayloadWriter::default();
        if self.epoch == Epoch(0) {
            out.u8(VERSION_1);
            out.u64(self.slot.0);
        } else {
            out.u8(VERSION);
            out.u64(self.slot.0);
            out.u32(self.epoch.0);
        }
        out.u32(self.chunks.len() as u32);
        self.chunks.iter().for_each(|chunk| out.raw(&chunk.to_be_bytes()));
        Bytes::from(out.finish().concat())
    }

    /// Reads what [`Checkpoint::encode`] wrote.
    pub fn decode(bytes: Bytes) -> Result<Self, Corrupt> {
        let mut input = PayloadReader::new(bytes);
        let version = input.u8()?;
        let slot = Slot(input.u64()?);
        let epoch = match version {
            VERSION_1 => Epoch(0),
            VERSION => Epoch(input.u32()?),
            _ => return Err(Corrupt("a checkpoint of an unknown version")),
        };
        if version == VERSION && epoch == Epoch(0) {
            return Err(Corrupt("a checkpoint of no owner"));
        }
        let count = input.count(16)?;
        let chunks = (0..count).map(|_| input.array().map(u128::from_be_bytes)).collect::<Result<_, _>>()?;
        input.finish()?;
        Ok(Self { slot, epoch, chunks })
    }

    /// The chunks' names in the store.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        self.chunks.iter().map(|chunk| name(self.epoch, *chunk))
    }

    /// The checkpoint of a state, saved by the owner of an epoch, and its chunks.
    pub(crate) fn of<M: Machine>(machine: &M, slot: Slot, epoch: Epoch) -> (Self, Vec<Bytes>) {
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
        (Self { slot, epoch, chunks: chunks.iter().map(|chunk| hash(chunk)).collect() }, chunks)
    }

    /// Saves a state. It counts once an entry with the returned checkpoint is durable.
    pub(crate) async fn save<M: Machine>(
        machine: &M,
        slot: Slot,
        epoch: Epoch,
        store: &dyn Snapshots,
    ) -> Result<Self, SnapshotError> {
        let (checkpoint, chunks) = Self::of(machine, slot, epoch);
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
            let chunk = store.get(&name(self.epoch, *expected)).await?;
            if hash(&chunk) != *expected {
                return Err(Corrupt("a snapshot chunk that is not what was saved").into());
            }
            restore_chunk(&mut machine, chunk)?;
        }
        Ok(machine)
    }

    /// Deletes all other chunks that its owner or an earlier one saved.
    pub(crate) async fn sweep(&self, store: &dyn Snapshots) -> Result<(), SnapshotError> {
        sweep(store, |epoch| epoch <= self.epoch, &self.names().collect()).await
    }
}

/// Deletes what owners before `epoch` saved, but for what the checkpoints name that its owner found: on the chain, from the
/// head on. An earlier owner that does not know yet that it was replaced may still make one of these the head, and no other.
pub(crate) async fn sweep_left_over(
    store: &dyn Snapshots,
    epoch: Epoch,
    named: &BTreeSet<String>,
) -> Result<(), SnapshotError> {
    sweep(store, |other| other < epoch, named).await
}

async fn sweep(
    store: &dyn Snapshots,
    of: impl Fn(Epoch) -> bool,
    kept: &BTreeSet<String>,
) -> Result<(), SnapshotError> {
    for name in store.list().await? {
        if epoch_of(&name).is_some_and(&of) && !kept.contains(&name) {
            store.delete(&name).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use klamm_machine::At;
    use klamm_model::TopicId;
    use klamm_partition::{PartitionRecord, Partitions};
    use klamm_store::memory::MemoryStore;

    use super::*;

    fn state(topics: u8) -> Partitions {
        let mut machine = Partitions::default();
        for topic in 1..=topics {
            let (topic, partitions) = (TopicId([topic; 16]), vec![(0, 0, 1)]);
            let record = PartitionRecord::Created { topic, partitions, forgotten_below: 0 };
            machine.replay(&record, At { slot: Slot(0), epoch: Epoch(1), time_ms: 0 });
        }
        machine
    }

    #[test]
    fn both_versions_are_read() {
        for epoch in [Epoch(0), Epoch(7)] {
            let checkpoint = Checkpoint { slot: Slot(3), epoch, chunks: vec![1, 2] };
            assert_eq!(Checkpoint::decode(checkpoint.encode()), Ok(checkpoint));
        }
        let mut none = Checkpoint { slot: Slot(3), epoch: Epoch(1), chunks: Vec::new() }.encode().to_vec();
        none[12] = 0;
        assert!(Checkpoint::decode(none.into()).is_err(), "there is one form");
    }

    #[tokio::test]
    async fn a_replaced_owner_sweeps_nothing_of_its_successor() {
        let store = MemoryStore::default();
        let old = Checkpoint::save(&state(1), Slot(5), Epoch(1), &store).await.unwrap();
        let same = Checkpoint::save(&state(1), Slot(7), Epoch(2), &store).await.unwrap();
        let new = Checkpoint::save(&state(2), Slot(9), Epoch(3), &store).await.unwrap();
        old.sweep(&store).await.unwrap();
        for checkpoint in [&old, &same, &new] {
            checkpoint.load::<Partitions>(&store).await.unwrap();
        }
        new.sweep(&store).await.unwrap();
        assert_eq!(new.load::<Partitions>(&store).await.unwrap(), state(2));
        assert!(old.load::<Partitions>(&store).await.is_err(), "what is replaced goes");
        assert!(same.load::<Partitions>(&store).await.is_err());
    }

    #[tokio::test]
    async fn chunks_without_an_epoch_are_read_and_go() {
        let store = MemoryStore::default();
        let old = Checkpoint::save(&state(2), Slot(5), Epoch(0), &store).await.unwrap();
        let old = Checkpoint::decode(old.encode()).unwrap();
        assert_eq!(old.load::<Partitions>(&store).await.unwrap(), state(2));
        let new = Checkpoint::save(&state(2), Slot(9), Epoch(3), &store).await.unwrap();
        new.sweep(&store).await.unwrap();
        assert!(old.load::<Partitions>(&store).await.is_err());
        assert_eq!(new.load::<Partitions>(&store).await.unwrap(), state(2));
    }
}
