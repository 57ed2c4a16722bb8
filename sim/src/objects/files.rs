//! Segments and snapshots of a shard in the simulated store. The object carrier has none yet; these are what the shard
//! runtime needs to seal, checkpoint and trim, in their plainest form. Merging is left out.
//!
//! A segment is `<prefix>/segment/<end>/<first>`. Two owners may seal different runs of slots, one of them too
//! late to count: an owner goes on where the last segment ended that it saw, so the segments that
//! count are those found from the highest end down, each ending where the one above begins or below. One that reaches over
//! the head marker is too late as well: the checkpoint there is of others.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use klamm_model::{PartitionId, Slot};
use klamm_store::{
    BatchAt, Driver, Extent, Listing, Merge, Name, Place, SegmentError, SegmentId, SegmentInfo, Segments,
    SnapshotError, Snapshots, Value, entry::HEADER_BYTES, extents, flatten,
};
use klamm_store_object::ObjectDriver;
use object_store::{Error, ObjectStore, ObjectStoreExt as _, path::Path};
use parking_lot::Mutex;
use tokio::time::timeout;

/// How many objects are asked for at a time.
const AT_A_TIME: usize = 16;

/// A sealed segment's object, read.
#[derive(Clone)]
struct Sealed {
    info: SegmentInfo,
    /// Each batch; its place is its position in the body.
    batches: Vec<BatchAt>,
    body: Bytes,
}

/// One process's end of a shard's segments and snapshots.
pub(super) struct Files {
    store: Arc<dyn ObjectStore>,
    driver: Arc<ObjectDriver>,
    prefix: Path,
    deadline: Duration,
    /// Bytes appended since the last file began.
    pub(super) active: AtomicU64,
    /// Objects that were read; they never change.
    known: Mutex<BTreeMap<SegmentId, Arc<Sealed>>>,
}

/// The generation tells apart what begins at one slot.
fn id(slots: &Range<Slot>) -> SegmentId {
    SegmentId { first: slots.start, generation: u32::try_from(slots.end.0 - slots.start.0).expect("short") }
}

fn slots(id: SegmentId) -> Range<Slot> {
    id.first..Slot(id.first.0 + u64::from(id.generation))
}

/// The segments that count, of all that are there.
fn counting(mut all: Vec<SegmentId>, head: Slot) -> Vec<SegmentId> {
    all.retain(|id| slots(*id).end <= head || head <= id.first);
    all.sort_unstable_by_key(|id| slots(*id).end);
    let (mut counting, mut end) = (Vec::new(), Slot(u64::MAX));
    for id in all.into_iter().rev() {
        if slots(id).end <= end {
            end = id.first;
            counting.push(id);
        }
    }
    counting.reverse();
    counting
}

fn io(error: impl std::fmt::Display) -> SegmentError {
    SegmentError::Io(error.to_string())
}

impl Files {
    pub(super) fn new(
        store: Arc<dyn ObjectStore>,
        driver: Arc<ObjectDriver>,
        prefix: Path,
        deadline: Duration,
    ) -> Self {
        let (active, known) = (AtomicU64::new(0), Mutex::default());
        Self { store, driver, prefix, deadline, active, known }
    }

    async fn within<T>(&self, call: impl Future<Output = Result<T, Error>> + Send) -> Result<T, Error> {
        let late = || Error::Generic { store: "simulated", source: "no answer in time".into() };
        timeout(self.deadline, call).await.unwrap_or_else(|_| Err(late()))
    }

    async fn bytes(&self, path: &Path) -> Result<Bytes, Error> {
        self.within(async { self.store.get(path).await?.bytes().await }).await
    }

    async fn names(&self, folder: &Path) -> Result<Vec<Path>, Error> {
        let list = self.store.list(Some(folder)).map_ok(|object| object.location);
        self.within(list.try_collect()).await
    }

    fn segments(&self) -> Path {
        self.prefix.clone().join("segment")
    }

    fn segment(&self, id: SegmentId) -> Path {
        let Range { start, end } = slots(id);
        self.segments().join(format!("{:016x}", end.0)).join(format!("{:016x}", start.0))
    }

    fn segment_of(&self, path: &Path) -> Option<SegmentId> {
        let mut parts = path.prefix_match(&self.segments())?;
        let mut slot = || Some(Slot(u64::from_str_radix(parts.next()?.as_ref(), 16).ok()?));
        let (end, first) = (slot()?, slot()?);
        Some(id(&(first..end)))
    }

    async fn sealed(&self, id: SegmentId) -> Result<Arc<Sealed>, SegmentError> {
        if let Some(known) = self.known.lock().get(&id) {
            return Ok(Arc::clone(known));
        }
        let bytes = match self.bytes(&self.segment(id)).await {
            Err(Error::NotFound { .. }) => return Err(SegmentError::Gone(id)),
            read => read.map_err(io)?,
        };
        let sealed = Arc::new(decode(id, bytes));
        self.known.lock().insert(id, Arc::clone(&sealed));
        Ok(sealed)
    }

    async fn batch(&self, batch: BatchAt) -> Result<Bytes, SegmentError> {
        match batch.place {
            Place::Segment { id, position } => {
                part(&self.sealed(id).await?.body, position as usize, &batch, id)
            }
            Place::Journal { key, at } => {
                let value = self.driver.get(Name::Entry(key)).await.map_err(io)?;
                let id = SegmentId::sealed(key.slot);
                let value = flatten(value.ok_or(SegmentError::Gone(id))?);
                part(&value, HEADER_BYTES + at as usize, &batch, id)
            }
        }
    }

    async fn all(&self, batches: Vec<BatchAt>) -> Result<Vec<Bytes>, SegmentError> {
        stream::iter(batches).map(|batch| self.batch(batch)).buffered(AT_A_TIME).try_collect().await
    }

    fn snapshots(&self) -> Path {
        self.prefix.clone().join("snapshot")
    }
}

/// A batch's bytes in an entry or a segment.
fn part(of: &Bytes, from: usize, batch: &BatchAt, id: SegmentId) -> Result<Bytes, SegmentError> {
    let to = from + batch.bytes as usize;
    if to > of.len() {
        let what = format!("offset {} ends at byte {to} of {}", batch.last_offset, of.len());
        return Err(SegmentError::Damaged { id, what });
    }
    Ok(of.slice(from..to))
}

fn encode(batches: &[(PartitionId, BatchAt)], bodies: &[Bytes]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_u32(batches.len() as u32);
    for (partition, batch) in batches {
        out.put_slice(&partition.to_bytes());
        out.put_i64(batch.base_offset);
        out.put_i64(batch.last_offset);
        out.put_i64(batch.max_timestamp);
        out.put_u32(batch.bytes);
    }
    bodies.iter().for_each(|body| out.put_slice(body));
    out.freeze()
}

fn decode(id: SegmentId, mut bytes: Bytes) -> Sealed {
    let (size, count, mut position, mut batches) = (bytes.len() as u64, bytes.get_u32(), 0, Vec::new());
    for _ in 0..count {
        let mut partition = PartitionId { topic: Default::default(), index: 0 }.to_bytes();
        bytes.copy_to_slice(&mut partition);
        let batch = BatchAt {
            base_offset: bytes.get_i64(),
            last_offset: bytes.get_i64(),
            max_timestamp: bytes.get_i64(),
            place: Place::Segment { id, position },
            bytes: bytes.get_u32(),
        };
        position += u64::from(batch.bytes);
        batches.push((PartitionId::from_bytes(partition), batch));
    }
    let info = SegmentInfo { id, slots: slots(id), bytes: size, extents: extents(&batches) };
    Sealed { info, batches: batches.into_iter().map(|(_, batch)| batch).collect(), body: bytes }
}

#[async_trait]
impl Segments for Files {
    fn active_bytes(&self) -> u64 {
        self.active.load(Ordering::Relaxed)
    }

    fn room(&self) -> u64 {
        u64::MAX
    }

    fn room_owed(&self) -> u64 {
        u64::MAX
    }

    async fn roll(&self, _: Slot) -> Result<(), SegmentError> {
        self.active.store(0, Ordering::Relaxed);
        Ok(())
    }

    /// A file is an owner's notion here; what one did not seal, the next seals with its own.
    fn unsealed(&self) -> Vec<Range<Slot>> {
        Vec::new()
    }

    async fn seal(
        &self,
        slots: Range<Slot>,
        batches: Vec<(PartitionId, BatchAt)>,
    ) -> Result<SegmentInfo, SegmentError> {
        let bodies = self.all(batches.iter().map(|(_, batch)| *batch).collect()).await?;
        let (id, bytes) = (id(&slots), encode(&batches, &bodies));
        // Whoever seals these slots writes the same bytes.
        let path = self.segment(id);
        self.within(self.store.put(&path, bytes.clone().into())).await.map_err(io)?;
        let sealed = Arc::new(decode(id, bytes));
        self.known.lock().insert(id, Arc::clone(&sealed));
        Ok(sealed.info.clone())
    }

    async fn list(&self) -> Result<Vec<SegmentInfo>, SegmentError> {
        let head = match self.driver.list(Listing::Heads).await.map_err(io)?.last() {
            Some(Name::Head(slot)) => *slot,
            _ => Slot(0),
        };
        let names = self.names(&self.segments()).await.map_err(io)?;
        let ids = counting(names.iter().filter_map(|path| self.segment_of(path)).collect(), head);
        let infos = stream::iter(ids).map(async |id| match self.sealed(id).await {
            // An owner that lets go of the shard just now deleted it.
            Err(SegmentError::Gone(_)) => Ok(None),
            sealed => Ok(Some(sealed?.info.clone())),
        });
        let infos: Vec<Option<SegmentInfo>> = infos.buffered(AT_A_TIME).try_collect().await?;
        Ok(infos.into_iter().flatten().collect())
    }

    async fn index(&self, id: SegmentId, extent: &Extent) -> Result<Vec<BatchAt>, SegmentError> {
        let (sealed, first) = (self.sealed(id).await?, extent.index_at as usize);
        Ok(sealed.batches[first..first + extent.batches as usize].to_vec())
    }

    async fn read(&self, batches: &[BatchAt]) -> Result<Vec<Value>, SegmentError> {
        let values = self.all(batches.to_vec()).await?;
        Ok(values.into_iter().map(|value| vec![value]).collect())
    }

    async fn merge(&self, merge: &Merge) -> Result<Option<SegmentInfo>, SegmentError> {
        unreachable!("{merge:?}: the witness plans no merges")
    }

    fn replaced(&self) -> Vec<SegmentId> {
        Vec::new()
    }

    async fn delete(&self, id: SegmentId) -> Result<(), SegmentError> {
        let path = self.segment(id);
        self.within(self.store.delete(&path)).await.map_err(io)
    }
}

fn unsaved(name: &str, error: &Error) -> SnapshotError {
    match error {
        Error::NotFound { .. } => SnapshotError::Missing(name.to_owned()),
        error => SnapshotError::Io { name: name.to_owned(), what: error.to_string() },
    }
}

#[async_trait]
impl Snapshots for Files {
    async fn put(&self, name: &str, bytes: Bytes) -> Result<(), SnapshotError> {
        let path = self.snapshots().join(name);
        let put = self.within(self.store.put(&path, bytes.into())).await;
        put.map(drop).map_err(|error| unsaved(name, &error))
    }

    async fn get(&self, name: &str) -> Result<Bytes, SnapshotError> {
        let bytes = self.bytes(&self.snapshots().join(name)).await;
        bytes.map_err(|error| unsaved(name, &error))
    }

    async fn list(&self) -> Result<Vec<String>, SnapshotError> {
        let names = self.names(&self.snapshots()).await.map_err(|error| unsaved("", &error))?;
        Ok(names.iter().filter_map(|path| path.filename().map(str::to_owned)).collect())
    }

    async fn delete(&self, name: &str) -> Result<(), SnapshotError> {
        let path = self.snapshots().join(name);
        let deleted = self.within(self.store.delete(&path)).await;
        deleted.map_err(|error| unsaved(name, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_seals_do_not_count() {
        let id = |first, end| id(&(Slot(first)..Slot(end)));
        let counts_at = |head, all: &[(u64, u64)]| {
            counting(all.iter().map(|(first, end)| id(*first, *end)).collect(), Slot(head))
        };
        let counts = |all: &[(u64, u64)]| counts_at(0, all);
        assert_eq!(counts(&[(0, 10), (10, 20)]), [id(0, 10), id(10, 20)]);
        assert_eq!(counts(&[(0, 10), (10, 20), (10, 40)]), [id(0, 10), id(10, 40)]);
        assert_eq!(counts(&[(10, 20), (10, 40), (20, 60)]), [id(10, 20), id(20, 60)]);
        assert_eq!(counts(&[(10, 20), (10, 40), (20, 60), (40, 70)]), [id(10, 40), id(40, 70)]);
        assert_eq!(counts_at(20, &[(0, 10), (10, 20), (10, 40)]), [id(0, 10), id(10, 20)]);
        for head in [10, 40, 70] {
            assert_eq!(counts_at(head, &[(0, 10), (10, 40)]), [id(0, 10), id(10, 40)]);
        }
    }
}
