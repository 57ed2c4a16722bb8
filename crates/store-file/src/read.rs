//! Fetches bytes: entries with a read-ahead, batches with neighbours read together, index blocks through a cache.
//! Nothing is copied but by the read itself.

use std::{
    collections::{VecDeque, hash_map::DefaultHasher},
    hash::BuildHasherDefault,
    io,
    sync::Arc,
};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use klamm_env::{File, OpenMode};
use klamm_model::Slot;
use klamm_store::{BatchAt, Extent, Place, SegmentError, SegmentId, Value, entry::HEADER_BYTES};
use parking_lot::Mutex;
use quick_cache::{
    OptionsBuilder, Weighter,
    sync::{Cache, DefaultLifecycle},
};

use crate::{FileStore, Options, error::is_scarce, format::footer};

/// Entries are read in chunks of this size.
const AHEAD_BYTES: u64 = 1 << 20;
/// Neighbours are read together when no more bytes than these lie between them: copying them costs less than a call.
const GAP_BYTES_MAX: u64 = 16 << 10;
/// No more than this is read with one call, unless one batch is larger.
const READ_BYTES_MAX: u64 = 4 << 20;
const READS_AT_ONCE: usize = 8;
/// The mean size of index blocks that the cache is laid out for.
const BLOCK_BYTES_GUESS: u64 = 1 << 10;

type Blocks = Cache<(SegmentId, u64), Bytes, BlockWeight, BuildHasherDefault<DefaultHasher>>;

#[derive(Clone)]
struct BlockWeight;

impl Weighter<(SegmentId, u64), Bytes> for BlockWeight {
    fn weight(&self, _: &(SegmentId, u64), block: &Bytes) -> u64 {
        block.len() as u64
    }
}

/// Open files and what was read of them.
pub(crate) struct Reader {
    /// Most recently used first.
    handles: Mutex<VecDeque<(SegmentId, Arc<dyn File>)>>,
    handles_max: usize,
    ahead: Mutex<Option<Ahead>>,
    blocks: Blocks,
}

struct Ahead {
    first: Slot,
    position: u64,
    bytes: Bytes,
}

/// Why a file could not be had.
pub(crate) enum Missing {
    Gone,
    /// For now: there was nothing to open it with.
    Scarce(String),
    Io(String),
}

/// A batch to read.
struct Want {
    id: SegmentId,
    position: u64,
    bytes: u64,
    number: usize,
}

impl Reader {
    pub(crate) fn new(options: &Options) -> Self {
        let capacity = options.index_cache_bytes.max(1);
        // One shard and a fixed hash: the simulator's runs must not differ.
        let options_built = OptionsBuilder::new()
            .shards(1)
            .estimated_items_capacity((capacity / BLOCK_BYTES_GUESS).max(1) as usize)
            .weight_capacity(capacity)
            .build()
            .expect("all options are given");
        let blocks = Cache::with_options(
            options_built,
            BlockWeight,
            BuildHasherDefault::default(),
            DefaultLifecycle::default(),
        );
        Self {
            handles: Mutex::default(),
            handles_max: options.handles_max.max(1),
            ahead: Mutex::default(),
            blocks,
        }
    }

    pub(crate) fn keep(&self, id: SegmentId, file: Arc<dyn File>) {
        let mut handles = self.handles.lock();
        handles.retain(|(other, _)| *other != id);
        handles.push_front((id, file));
        handles.truncate(self.handles_max);
    }

    pub(crate) fn forget(&self, id: SegmentId) {
        self.handles.lock().retain(|(other, _)| *other != id);
    }

    fn handle(&self, id: SegmentId) -> Option<Arc<dyn File>> {
        let mut handles = self.handles.lock();
        let at = handles.iter().position(|(other, _)| *other == id)?;
        let found = handles.remove(at)?;
        handles.push_front(found);
        handles.front().map(|(_, file)| Arc::clone(file))
    }
}

impl FileStore {
    /// A file's handle, opened if need be.
    pub(crate) async fn handle(&self, id: SegmentId) -> Result<Arc<dyn File>, Missing> {
        {
            let catalog = self.shared.catalog.lock();
            if !catalog.has(id) {
                return Err(Missing::Gone);
            }
            let file = catalog.get(id.first).filter(|_| id.generation == 0);
            if let Some(handle) = file.and_then(|file| file.handle.as_ref()) {
                return Ok(Arc::clone(handle));
            }
        }
        if let Some(handle) = self.reader.handle(id) {
            return Ok(handle);
        }
        let path = self.shared.segment_path(id);
        let what = |error: &io::Error| format!("cannot open {}: {error}", path.display());
        let file =
            self.shared.disk.open(&path, OpenMode::Read).await.map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => Missing::Gone,
                _ if is_scarce(&error) => Missing::Scarce(what(&error)),
                _ => Missing::Io(what(&error)),
            })?;
        self.reader.keep(id, Arc::clone(&file));
        if !self.shared.catalog.lock().has(id) {
            self.reader.forget(id); // deleted meanwhile
        }
        Ok(file)
    }

    /// The bytes of an entry of a file whose entries end at `end`.
    pub(crate) async fn entry(
        &self,
        first: Slot,
        position: u64,
        bytes: u64,
        end: u64,
    ) -> Result<Bytes, Missing> {
        if let Some(ahead) = &*self.reader.ahead.lock()
            && ahead.first == first
            && let Some(from) = position.checked_sub(ahead.position)
            && from + bytes <= ahead.bytes.len() as u64
        {
            return Ok(ahead.bytes.slice(from as usize..(from + bytes) as usize));
        }
        let file = self.handle(SegmentId::sealed(first)).await?;
        let want = if bytes > AHEAD_BYTES / 2 { bytes } else { AHEAD_BYTES.min(end - position) };
        let read = file.read_at(position, want as usize).await;
        let read = read.map_err(|error| {
            Missing::Io(format!(
                "cannot read {} at byte {position}: {error}",
                self.shared.path(first).display()
            ))
        })?;
        let entry = read.slice(..read.len().min(bytes as usize));
        if want > bytes {
            *self.reader.ahead.lock() = Some(Ahead { first, position, bytes: read });
        }
        Ok(entry)
    }

    /// An index block, checked; the directory of its file lies at `directory_at`.
    pub(crate) async fn block(
        &self,
        id: SegmentId,
        extent: &Extent,
        directory_at: u64,
    ) -> Result<Bytes, SegmentError> {
        let name = (id, extent.index_at);
        if let Some(block) = self.reader.blocks.get(&name) {
            return Ok(block);
        }
        let bytes = footer::block_bytes(extent) as usize;
        let file = self.handle(id).await.map_err(|missing| segment_error(id, missing))?;
        let block = file.read_at(extent.index_at, bytes).await;
        let block = block.map_err(|error| {
            let path = self.shared.segment_path(id);
            SegmentError::Io(format!("cannot read {} at byte {}: {error}", path.display(), extent.index_at))
        })?;
        footer::check_block(extent, &block, directory_at).map_err(|error| SegmentError::Damaged {
            id,
            what: error.text(&format!("its index block at byte {}", extent.index_at), 1),
        })?;
        self.reader.blocks.insert(name, block.clone());
        Ok(block)
    }

    /// The bytes of batches, in the given order.
    pub(crate) async fn batches(&self, batches: &[BatchAt]) -> Result<Vec<Value>, SegmentError> {
        let mut wants = self.wants(batches)?;
        wants.sort_unstable_by_key(|want| (want.id, want.position));
        let mut groups: Vec<(u64, u64, Vec<Want>)> = Vec::new();
        for want in wants {
            let end = want.position + want.bytes;
            match groups.last_mut() {
                Some((from, until, group))
                    if group[0].id == want.id
                        && want.position <= *until + GAP_BYTES_MAX
                        && end.saturating_sub(*from) <= READ_BYTES_MAX =>
                {
                    *until = end.max(*until);
                    group.push(want);
                }
                _ => groups.push((want.position, end, vec![want])),
            }
        }
        let reads: Vec<_> =
            groups.into_iter().map(|(from, until, group)| self.read_group(from, until, group)).collect();
        let groups: Vec<Vec<(usize, Bytes)>> =
            futures_util::stream::iter(reads).buffered(READS_AT_ONCE).try_collect().await?;
        let mut values = vec![Value::new(); batches.len()];
        for (number, bytes) in groups.into_iter().flatten() {
            values[number].push(bytes);
        }
        Ok(values)
    }

    /// Where batches are; an error names the first that is gone.
    fn wants(&self, batches: &[BatchAt]) -> Result<Vec<Want>, SegmentError> {
        let catalog = self.shared.catalog.lock();
        let mut wants = Vec::with_capacity(batches.len());
        for (number, batch) in batches.iter().enumerate() {
            let bytes = u64::from(batch.bytes);
            let (id, position) = match batch.place {
                Place::Segment { id, position } => (id, position),
                Place::Journal { key, at } => {
                    let found = catalog.find(key);
                    let (first, found) = found.ok_or(SegmentError::Gone(SegmentId::sealed(key.slot)))?;
                    let id = SegmentId::sealed(first);
                    let at = HEADER_BYTES as u64 + u64::from(at);
                    if at + bytes > u64::from(found.bytes) {
                        let what = format!("the entry of slot {} ends before the batch in it", key.slot);
                        return Err(SegmentError::Damaged { id, what });
                    }
                    (id, found.position + at)
                }
            };
            wants.push(Want { id, position, bytes, number });
        }
        Ok(wants)
    }

    async fn read_group(
        &self,
        from: u64,
        until: u64,
        group: Vec<Want>,
    ) -> Result<Vec<(usize, Bytes)>, SegmentError> {
        let id = group[0].id;
        let file = self.handle(id).await.map_err(|missing| segment_error(id, missing))?;
        let read = file.read_at(from, (until - from) as usize).await;
        let bytes = read.map_err(|error| {
            SegmentError::Io(format!(
                "cannot read {} at byte {from}: {error}",
                self.shared.segment_path(id).display()
            ))
        })?;
        if bytes.len() as u64 != until - from {
            let what = format!("the file ends before byte {until}");
            return Err(SegmentError::Damaged { id, what });
        }
        let slice = |want: Want| {
            let at = (want.position - from) as usize;
            (want.number, bytes.slice(at..at + want.bytes as usize))
        };
        Ok(group.into_iter().map(slice).collect())
    }
}

pub(crate) fn segment_error(id: SegmentId, missing: Missing) -> SegmentError {
    match missing {
        Missing::Gone => SegmentError::Gone(id),
        Missing::Scarce(what) | Missing::Io(what) => SegmentError::Io(what),
    }
}
