//! The memory carrier: driver, segments and snapshots in one process's memory. Nothing is copied: values are shared.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use klamm_model::{PartitionId, ShardId, Slot};
use parking_lot::Mutex;

use crate::{
    BatchAt, Carrier, Driver, DriverError, Extent, Listing, Merge, MergeSink, Name, PutError, SegmentError,
    SegmentId, SegmentInfo, Segments, ShardStore, SnapshotError, Snapshots, Value, Written,
    entry::HEADER_BYTES,
    segments::{Place, extents},
    value_bytes,
};

/// A shard's store in memory.
#[derive(Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    values: BTreeMap<Name, Value>,
    /// The first slots of the files; the last is active.
    files: Vec<Slot>,
    active_bytes: u64,
    segments: BTreeMap<SegmentId, Segment>,
    chunks: HashMap<String, Bytes>,
}

struct Segment {
    info: SegmentInfo,
    batches: Vec<BatchAt>,
    bytes: Vec<Value>,
}

impl MemoryStore {
    /// An empty shard.
    pub fn open(shard: ShardId) -> ShardStore {
        let store = Arc::new(Self::default());
        ShardStore {
            journal: Arc::new(Carrier::new(Arc::clone(&store), shard)),
            segments: Arc::clone(&store) as Arc<dyn Segments>,
            snapshots: store,
        }
    }
}

/// The part of a value from `at` on, shared.
fn slice(value: &[Bytes], at: usize, bytes: usize) -> Value {
    let (mut skip, mut want, mut out) = (at, bytes, Vec::new());
    for piece in value {
        let from = skip.min(piece.len());
        let take = want.min(piece.len() - from);
        if take > 0 {
            out.push(piece.slice(from..from + take));
        }
        skip -= from;
        want -= take;
    }
    out
}

#[async_trait]
impl Driver for MemoryStore {
    async fn put(&self, name: Name, value: Value, written: Written) -> Result<(), PutError> {
        let mut state = self.state.lock();
        if state.values.contains_key(&name) {
            return Err(PutError::Exists);
        }
        if let Name::Entry(_) = name {
            state.active_bytes += value_bytes(&value) as u64;
        }
        state.values.insert(name, value);
        written.tell();
        Ok(())
    }

    async fn get(&self, name: Name) -> Result<Option<Value>, DriverError> {
        Ok(self.state.lock().values.get(&name).cloned())
    }

    async fn list(&self, listing: Listing) -> Result<Vec<Name>, DriverError> {
        let state = self.state.lock();
        let wanted = |name: &&Name| match (listing, name) {
            (Listing::Heads, Name::Head(_)) => true,
            (Listing::EntriesBelow(slot), Name::Entry(key)) => key.slot < slot,
            (Listing::EntriesFrom(from), Name::Entry(key)) => *key >= from,
            _ => false,
        };
        Ok(state.values.keys().filter(wanted).copied().collect())
    }

    async fn delete(&self, names: &[Name]) -> Result<(), DriverError> {
        let mut state = self.state.lock();
        names.iter().for_each(|name| drop(state.values.remove(name)));
        Ok(())
    }
}

#[async_trait]
impl Segments for MemoryStore {
    fn active_bytes(&self) -> u64 {
        self.state.lock().active_bytes
    }

    fn room(&self) -> u64 {
        u64::MAX
    }

    fn room_owed(&self) -> u64 {
        u64::MAX
    }

    async fn roll(&self, at: Slot) -> Result<(), SegmentError> {
        let mut state = self.state.lock();
        if state.files.is_empty() {
            state.files.push(Slot(0));
        }
        if state.files.last() != Some(&at) {
            state.files.push(at);
            state.active_bytes = 0;
        }
        Ok(())
    }

    fn unsealed(&self) -> Vec<Range<Slot>> {
        self.state.lock().unsealed()
    }

    async fn seal(
        &self,
        slots: Range<Slot>,
        batches: Vec<(PartitionId, BatchAt)>,
    ) -> Result<SegmentInfo, SegmentError> {
        let mut state = self.state.lock();
        if !state.unsealed().contains(&slots) {
            let what = format!("{slots:?} are not the slots of a complete, unsealed file");
            return Err(SegmentError::Io(what));
        }
        let id = SegmentId::sealed(slots.start);
        let (mut placed, mut bytes) = (Vec::new(), Vec::new());
        for (position, (_, batch)) in batches.iter().enumerate() {
            bytes.push(state.bytes_of(batch)?);
            let place = Place::Segment { id, position: position as u64 };
            placed.push(BatchAt { place, ..*batch });
        }
        let total = bytes.iter().map(|value| value_bytes(value) as u64).sum();
        let info = SegmentInfo { id, slots, bytes: total, extents: extents(&batches) };
        state.segments.insert(id, Segment { info: info.clone(), batches: placed, bytes });
        Ok(info)
    }

    async fn list(&self) -> Result<Vec<SegmentInfo>, SegmentError> {
        let state = self.state.lock();
        let current = state.segments.values().filter(|segment| !state.is_replaced(&segment.info));
        Ok(current.map(|segment| segment.info.clone()).collect())
    }

    async fn index(&self, id: SegmentId, extent: &Extent) -> Result<Vec<BatchAt>, SegmentError> {
        let state = self.state.lock();
        let segment = state.segments.get(&id).ok_or(SegmentError::Gone(id))?;
        let first = extent.index_at as usize;
        Ok(segment.batches[first..first + extent.batches as usize].to_vec())
    }

    async fn read(&self, batches: &[BatchAt]) -> Result<Vec<Value>, SegmentError> {
        let state = self.state.lock();
        batches.iter().map(|batch| state.bytes_of(batch)).collect()
    }

    async fn merge(&self, merge: &Merge) -> Result<Option<SegmentInfo>, SegmentError> {
        let inputs = self.state.lock().inputs(merge)?;
        let mut sink = Sink { id: merge.output()?, batches: Vec::new(), bytes: Vec::new() };
        merge.copy(self, &inputs, &mut sink).await?;
        if sink.batches.is_empty() {
            return Ok(None);
        }
        let slots = inputs[0].slots.start..inputs[inputs.len() - 1].slots.end;
        let bytes = sink.bytes.iter().map(|value| value_bytes(value) as u64).sum();
        let info = SegmentInfo { id: sink.id, slots, bytes, extents: extents(&sink.batches) };
        let batches = sink.batches.into_iter().map(|(_, batch)| batch).collect();
        let segment = Segment { info: info.clone(), batches, bytes: sink.bytes };
        let mut state = self.state.lock();
        state.inputs(merge)?;
        state.segments.insert(info.id, segment);
        Ok(Some(info))
    }

    fn replaced(&self) -> Vec<SegmentId> {
        let state = self.state.lock();
        let replaced = state.segments.values().filter(|segment| state.is_replaced(&segment.info));
        replaced.map(|segment| segment.info.id).collect()
    }

    async fn delete(&self, id: SegmentId) -> Result<(), SegmentError> {
        let mut state = self.state.lock();
        if state.segments.remove(&id).is_some() && id.generation == 0 {
            state.files.retain(|first| *first != id.first);
        }
        Ok(())
    }
}

/// Collects a merged segment.
struct Sink {
    id: SegmentId,
    batches: Vec<(PartitionId, BatchAt)>,
    bytes: Vec<Value>,
}

#[async_trait]
impl MergeSink for Sink {
    async fn put(
        &mut self,
        partition: PartitionId,
        batches: &[BatchAt],
        values: Vec<Bytes>,
    ) -> Result<(), SegmentError> {
        for (batch, value) in batches.iter().zip(values) {
            let place = Place::Segment { id: self.id, position: self.bytes.len() as u64 };
            self.batches.push((partition, BatchAt { place, ..*batch }));
            self.bytes.push(vec![value]);
        }
        tokio::task::yield_now().await;
        Ok(())
    }
}

impl State {
    /// Whether a merged segment has these slots, too.
    fn is_replaced(&self, info: &SegmentInfo) -> bool {
        let others = self.segments.range(..=SegmentId { generation: u32::MAX, ..info.id });
        let mut newer = others.filter(|(id, _)| id.generation > info.id.generation);
        newer.any(|(_, other)| other.info.slots.end >= info.slots.end)
    }

    /// The inputs of a merge, if they may be merged.
    fn inputs(&self, merge: &Merge) -> Result<Vec<SegmentInfo>, SegmentError> {
        let find =
            |id| self.segments.get(id).map(|segment| segment.info.clone()).ok_or(SegmentError::Gone(*id));
        let inputs: Vec<_> = merge.inputs.iter().map(find).collect::<Result<_, _>>()?;
        let head = self.values.keys().rev().find_map(|name| match name {
            Name::Head(slot) => Some(*slot),
            Name::Entry(_) => None,
        });
        merge.check_inputs(&inputs, head.unwrap_or(Slot(0)))?;
        Ok(inputs)
    }

    fn unsealed(&self) -> Vec<Range<Slot>> {
        let ranges = self.files.windows(2).map(|pair| pair[0]..pair[1]);
        ranges.filter(|slots| !self.segments.contains_key(&SegmentId::sealed(slots.start))).collect()
    }

    fn bytes_of(&self, batch: &BatchAt) -> Result<Value, SegmentError> {
        match batch.place {
            Place::Journal { key, at } => {
                let value = self
                    .values
                    .get(&Name::Entry(key))
                    .ok_or(SegmentError::Gone(SegmentId::sealed(key.slot)))?;
                Ok(slice(value, HEADER_BYTES + at as usize, batch.bytes as usize))
            }
            Place::Segment { id, position } => {
                let segment = self.segments.get(&id).ok_or(SegmentError::Gone(id))?;
                Ok(segment.bytes[position as usize].clone())
            }
        }
    }
}

#[async_trait]
impl Snapshots for MemoryStore {
    async fn put(&self, name: &str, bytes: Bytes) -> Result<(), SnapshotError> {
        self.state.lock().chunks.insert(name.to_owned(), bytes);
        Ok(())
    }

    async fn get(&self, name: &str) -> Result<Bytes, SnapshotError> {
        let chunk = self.state.lock().chunks.get(name).cloned();
        chunk.ok_or_else(|| SnapshotError::Missing(name.to_owned()))
    }

    async fn list(&self) -> Result<Vec<String>, SnapshotError> {
        Ok(self.state.lock().chunks.keys().cloned().collect())
    }

    async fn delete(&self, name: &str) -> Result<(), SnapshotError> {
        self.state.lock().chunks.remove(name);
        Ok(())
    }
}
