//! Sealing: a complete file gets its index and is a segment. Its index is durable before its trailer is written, so a
//! file with a trailer is whole; a crash before leaves a file that is scanned and sealed again.

use std::{io, io::IoSlice, ops::Range, sync::Arc, sync::atomic::Ordering};

use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _};
use klamm_env::File;
use klamm_model::{PartitionId, Slot};
use klamm_store::{
    BatchAt, Extent, Merge, Place, SegmentError, SegmentId, SegmentInfo, Segments, Value, entry::HEADER_BYTES,
};
use tokio::sync::oneshot;

use crate::{
    FileStore,
    catalog::{Catalog, JournalFile},
    error::is_full,
    format::{
        footer::{decode_block, decode_directory, encode_blocks, encode_directory},
        trailer::Trailer,
    },
    read::Missing,
};

/// How much of an index is written before others may run.
const WRITE_BYTES: usize = 256 << 10;
/// How many batches get their positions before others may run.
const BATCHES_AT_ONCE: usize = 4096;
const DIRECTORIES_AT_ONCE: usize = 16;

#[async_trait]
impl Segments for FileStore {
    fn active_bytes(&self) -> u64 {
        self.shared.active_bytes.load(Ordering::Relaxed)
    }

    fn room(&self) -> u64 {
        if self.shared.full.load(Ordering::Relaxed) {
            self.shared.asked.notify_one();
        }
        self.shared.room.load(Ordering::Relaxed)
    }

    fn room_owed(&self) -> u64 {
        self.shared.room_owed.load(Ordering::Relaxed)
    }

    async fn roll(&self, at: Slot) -> Result<(), SegmentError> {
        let (done, answer) = oneshot::channel();
        self.shared.submit_roll(at, done);
        answer.await.unwrap_or_else(|_| Err(SegmentError::Io("the store is closed".to_owned())))
    }

    fn unsealed(&self) -> Vec<Range<Slot>> {
        self.shared.catalog.lock().unsealed()
    }

    async fn seal(
        &self,
        slots: Range<Slot>,
        mut batches: Vec<(PartitionId, BatchAt)>,
    ) -> Result<SegmentInfo, SegmentError> {
        let _turn = self.seal_turn.lock().await;
        let id = SegmentId::sealed(slots.start);
        self.shared.durable().await.map_err(SegmentError::Io)?;
        let (file, entries_end) = self.place(id, &slots, &mut batches).await?;
        let (mut index, extents) = encode_blocks(entries_end, &batches);
        let directory_at = entries_end + index.len() as u64;
        let directory = encode_directory(&extents);
        let directory_bytes = directory.len() as u64;
        index.extend_from_slice(&directory);
        let trailer = Trailer {
            shard: self.shared.shard,
            slots: slots.clone(),
            generation: 0,
            entries_end,
            directory_at,
            directory_bytes,
        };
        if let Err(error) = write_footer(&file, &index, &trailer).await {
            let what = format!("cannot seal {}: {error}", self.shared.path(slots.start).display());
            if !is_full(&error) {
                self.shared.die(what.clone());
            }
            return Err(SegmentError::Io(what));
        }
        let bytes = trailer.file_bytes();
        {
            let mut catalog = self.shared.catalog.lock();
            let sealed = catalog.get_mut(slots.start).ok_or(SegmentError::Gone(id))?;
            sealed.sealed = Some(trailer);
            sealed.handle = None;
        }
        self.reader.keep(id, file);
        self.shared.asked.notify_one();
        Ok(SegmentInfo { id, slots, bytes, extents })
    }

    async fn list(&self) -> Result<Vec<SegmentInfo>, SegmentError> {
        // A merge that is being completed has the turn until the catalog knows of it, whether or not anybody waits for it.
        let _turn = self.merge_turn.lock().await;
        let segments = self.shared.catalog.lock().segments();
        let reads: Vec<_> = segments.into_iter().map(|(id, trailer)| self.info(id, trailer)).collect();
        let infos: Vec<Option<SegmentInfo>> =
            futures_util::stream::iter(reads).buffered(DIRECTORIES_AT_ONCE).try_collect().await?;
        Ok(infos.into_iter().flatten().collect())
    }

    async fn index(&self, id: SegmentId, extent: &Extent) -> Result<Vec<BatchAt>, SegmentError> {
        let directory_at = self.shared.catalog.lock().segment(id).map(|trailer| trailer.directory_at);
        let block = self.block(id, extent, directory_at.ok_or(SegmentError::Gone(id))?).await?;
        Ok(decode_block(id, &block))
    }

    async fn read(&self, batches: &[BatchAt]) -> Result<Vec<Value>, SegmentError> {
        self.batches(batches).await
    }

    async fn merge(&self, merge: &Merge) -> Result<Option<SegmentInfo>, SegmentError> {
        self.merge_segments(merge).await
    }

    fn replaced(&self) -> Vec<SegmentId> {
        self.shared.catalog.lock().replaced()
    }

    async fn delete(&self, id: SegmentId) -> Result<(), SegmentError> {
        let _turn = self.seal_turn.lock().await;
        self.shared.durable().await.map_err(SegmentError::Io)?;
        if id.generation > 0 {
            return self.delete_merged(id).await;
        }
        let (first, head) = (id.first, self.shared.head_slot());
        let file = {
            let mut catalog = self.shared.catalog.lock();
            match catalog.get(first).map(|file| file.slots_end) {
                None => return Ok(()),
                Some(Some(end)) if end <= head => catalog.remove(first).expect("it is there"),
                Some(_) => {
                    let what = format!("segment {first} holds slots that the journal, from {head} on, needs");
                    return Err(SegmentError::Io(what));
                }
            }
        };
        self.reader.forget(id);
        let path = self.shared.path(first);
        if let Err(error) = self.shared.disk.remove(&path).await {
            self.shared.catalog.lock().insert(first, file);
            return Err(SegmentError::Io(format!("cannot remove {}: {error}", path.display())));
        }
        self.shared.asked.notify_one();
        Ok(())
    }
}

impl FileStore {
    /// Gives batches their positions in the complete file of these slots; returns the file and where its entries end.
    async fn place(
        &self,
        id: SegmentId,
        slots: &Range<Slot>,
        batches: &mut [(PartitionId, BatchAt)],
    ) -> Result<(Arc<dyn File>, u64), SegmentError> {
        // There may be hundreds of thousands: puts go on in between.
        for some in batches.chunks_mut(BATCHES_AT_ONCE) {
            self.place_some(id, slots, some)?;
            tokio::task::yield_now().await;
        }
        let catalog = self.shared.catalog.lock();
        let file = complete(&catalog, slots)?;
        let handle = file.handle.as_ref().expect("unsealed files are open");
        Ok((Arc::clone(handle), file.end))
    }

    fn place_some(
        &self,
        id: SegmentId,
        slots: &Range<Slot>,
        batches: &mut [(PartitionId, BatchAt)],
    ) -> Result<(), SegmentError> {
        let catalog = self.shared.catalog.lock();
        let file = complete(&catalog, slots)?;
        for (partition, batch) in batches {
            let Place::Journal { key, at } = batch.place else {
                return Err(SegmentError::Io(format!("a batch of {partition} is in a segment already")));
            };
            let what = || SegmentError::Io(format!("the entry of slot {} is not in the file {id}", key.slot));
            let found = file.keys.get(key).ok_or_else(what)?;
            let end = HEADER_BYTES as u64 + u64::from(at) + u64::from(batch.bytes);
            assert!(end <= u64::from(found.bytes), "a batch lies within its entry");
            let position = found.position + HEADER_BYTES as u64 + u64::from(at);
            batch.place = Place::Segment { id, position };
        }
        Ok(())
    }

    /// A segment's directory; None if it is deleted meanwhile. A disk that can't read it won't read it later: that is damage,
    /// which is told, where trying again would go on for ever.
    pub(crate) async fn info(
        &self,
        id: SegmentId,
        trailer: Trailer,
    ) -> Result<Option<SegmentInfo>, SegmentError> {
        let damaged = |what| SegmentError::Damaged { id, what };
        let file = match self.handle(id).await {
            Ok(file) => file,
            Err(Missing::Gone) => return Ok(None),
            Err(Missing::Scarce(what)) => return Err(SegmentError::Io(what)),
            Err(Missing::Io(what)) => return Err(damaged(what)),
        };
        let read = file.read_at(trailer.directory_at, trailer.directory_bytes as usize).await;
        let path = self.shared.segment_path(id);
        let bytes = read.map_err(|error| damaged(format!("cannot read {}: {error}", path.display())))?;
        let extents = decode_directory(&bytes, trailer.directory_at)
            .map_err(|error| damaged(error.text("its directory", 1)))?;
        let bytes = trailer.file_bytes();
        Ok(Some(SegmentInfo { id, slots: trailer.slots, bytes, extents }))
    }
}

/// The complete, unsealed file of these slots.
fn complete<'a>(catalog: &'a Catalog, slots: &Range<Slot>) -> Result<&'a JournalFile, SegmentError> {
    catalog
        .get(slots.start)
        .filter(|file| file.slots_end == Some(slots.end) && file.sealed.is_none())
        .ok_or_else(|| SegmentError::Io(format!("{slots:?} are not the slots of a complete, unsealed file")))
}

/// Writes and syncs the index, cuts the preallocated rest, then writes and syncs the trailer.
async fn write_footer(file: &Arc<dyn File>, index: &[u8], trailer: &Trailer) -> io::Result<()> {
    let mut position = trailer.entries_end;
    for piece in index.chunks(WRITE_BYTES) {
        file.write_at(position, &mut [IoSlice::new(piece)])?;
        position += piece.len() as u64;
        tokio::task::yield_now().await;
    }
    file.truncate(position).await?;
    file.write_at(position, &mut [IoSlice::new(&trailer.encode())])?;
    file.sync_data().await
}
