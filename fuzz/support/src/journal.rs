//! A shard's folder with any bytes in it. What opens must be readable, take an owner, merge its segments without losing any
//! of them, and open again with what it took.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use klamm_env::Disk;
use klamm_model::{Epoch, Offset, PartitionId, ShardId, Slot};
use klamm_store::{Claim, Merge, Nonce, SegmentInfo, ShardStore, acquire, flatten};
use klamm_store_file::{FileStore, Opened, Options};

use crate::{disk::MemoryDisk, mend};

pub(crate) const SHARD: ShardId = ShardId(1);
const FILE_BYTES: u64 = 32 << 10;
const ENTRIES_MAX: usize = 10_000;

/// What an image had.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Entries of the chain, from the head on.
    pub entries: usize,
    /// Segments.
    pub segments: usize,
    /// Batches in them.
    pub batches: usize,
    /// Chunks of snapshots that are whole.
    pub chunks: usize,
}

pub(crate) fn folder() -> &'static Path {
    Path::new("/shard")
}

pub(crate) async fn open(disk: &Arc<MemoryDisk>, fatal: &Arc<AtomicBool>) -> Option<Opened> {
    let options = Options { file_bytes: FILE_BYTES, reserve_bytes: FILE_BYTES / 4, ..Options::default() };
    let fatal = Arc::clone(fatal);
    let fatal = Arc::new(move |_: String| fatal.store(true, Ordering::Relaxed));
    FileStore::open(Arc::clone(disk) as Arc<dyn Disk>, folder(), SHARD, options, fatal).await.ok()
}

pub(crate) fn claim() -> Claim {
    Claim { shard: SHARD, writer: 1, nonce: Nonce([7; 16]), time_ms: 0, epoch_above: Epoch(0) }
}

pub(crate) fn block_on<T>(what: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(what)
}

/// A byte that says which checksums are put right, and an image. What was found in it; None if it does not open, or has a chain
/// that can't be read.
pub fn journal(input: &[u8]) -> Option<Found> {
    let (flags, image) = input.split_first()?;
    let mut disk = MemoryDisk::of_image(image, folder());
    if flags & 1 != 0 {
        let mut chain = None;
        disk.each(|bytes| mend::file(bytes, (flags & 2 != 0).then_some(&mut chain)));
    }
    block_on(recover(Arc::new(disk), flags & 1 == 0))
}

pub(crate) fn run(input: &[u8]) -> bool {
    journal(input).is_some()
}

/// With `honest` checksums all entries were written by a shard, though not where and when they lie now. Others may tell a story
/// that no writer can: of an epoch without its takeover, or a loss that nobody knew of.
async fn recover(disk: Arc<MemoryDisk>, honest: bool) -> Option<Found> {
    let fatal = Arc::new(AtomicBool::new(false));
    let opened = open(&disk, &fatal).await?;
    let journal = &opened.store.journal;
    let tail = journal.tail().await;
    let found = read(&opened.store).await;
    let owned = if tail.is_ok() { acquire(&**journal, claim()).await.ok() } else { None };
    if owned.is_some() {
        merge(&opened.store).await;
    }
    opened.files.close().await;
    if let Some(owned) = owned {
        let again = open(&disk, &fatal).await.expect("what opened opens again");
        match again.store.journal.tail().await {
            Ok(tail) => assert!(
                !honest || (tail.next, tail.hash) == (owned.next, owned.hash),
                "it ends with its last entry"
            ),
            Err(error) => assert!(!honest, "it can be read: {error}"),
        }
        again.files.close().await;
    }
    assert!(!fatal.load(Ordering::Relaxed), "no bytes are a failed sync");
    tail.is_ok().then_some(found)
}

/// Reads all that can be read. Errors are answers too.
async fn read(store: &ShardStore) -> Found {
    let mut found = Found::default();
    let mut next = store.journal.head().await.ok().flatten().map_or(Slot(0), |head| head.slot);
    while let Ok(entries) = store.journal.read(next, 1 << 20).await
        && let Some(last) = entries.last()
        && found.entries < ENTRIES_MAX
    {
        assert_eq!(entries[0].header.key.slot, next, "without gaps");
        next = last.header.key.slot.next();
        found.entries += entries.len();
    }
    for segment in store.segments.list().await.unwrap_or_default() {
        found.segments += 1;
        for extent in &segment.extents {
            let Ok(batches) = store.segments.index(segment.id, extent).await else { continue };
            if store.segments.read(&batches).await.is_ok() {
                found.batches += batches.len();
            }
        }
    }
    for name in store.snapshots.list().await.unwrap_or_default() {
        found.chunks += usize::from(store.snapshots.get(&name).await.is_ok());
    }
    found
}

/// Merges all segments that the journal has let go of into one, which must have all of their batches.
async fn merge(store: &ShardStore) -> Option<()> {
    let head = store.journal.head().await.ok()??.slot;
    let mut inputs = store.segments.list().await.ok()?;
    inputs.retain(|info| info.slots.end <= head);
    let mut keep = BTreeMap::new();
    for extent in inputs.iter().flat_map(|info| &info.extents) {
        let from = keep.entry(extent.partition).or_insert(extent.base_offset);
        *from = extent.base_offset.min(*from);
    }
    let before = batches(store, &inputs).await;
    let inputs: Vec<_> = inputs.into_iter().map(|info| info.id).collect();
    let asked = Merge { inputs, keep, check: |_, _| true };
    let merged = if asked.inputs.is_empty() { None } else { store.segments.merge(&asked).await.ok()? };
    if let Some(merged) = &merged {
        assert_eq!(Ok(merged.id), asked.output());
        let after = batches(store, std::slice::from_ref(merged)).await;
        assert!(before == after, "what is merged is there as it was");
    }
    Some(())
}

/// All batches of segments, if all can be read: what they say of themselves, and their bytes.
async fn batches(store: &ShardStore, segments: &[SegmentInfo]) -> Option<Vec<(Held, Bytes)>> {
    let mut all = Vec::new();
    for (info, extent) in
        segments.iter().flat_map(|info| info.extents.iter().map(move |extent| (info, extent)))
    {
        let batches = store.segments.index(info.id, extent).await.ok()?;
        let values = store.segments.read(&batches).await.ok()?;
        all.extend(batches.iter().zip(values).map(|(batch, value)| {
            let held = (extent.partition, batch.base_offset, batch.last_offset, batch.max_timestamp);
            (held, flatten(value))
        }));
    }
    all.sort();
    Some(all)
}

/// Partition, offsets and time of a batch.
type Held = (PartitionId, Offset, Offset, i64);

/// The files twice over, those made in advance, and the caches.
pub(crate) fn allowed(input: usize) -> usize {
    (64 << 20) + 8 * input
}
