//! Merging: what is needed of neighbouring segments is written into one file, partition by partition, the index block of
//! each behind its batches. Invariant: a file has the name of a merged segment only when all of it is durable, and its
//! inputs are deleted only after that; so a crash leaves the inputs, or the merged segment and perhaps inputs that it
//! replaced, which opening removes. The writing is paced, so that puts and reads go on.

use std::{io, io::IoSlice, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use klamm_env::{File, OpenMode};
use klamm_model::PartitionId;
use klamm_store::{BatchAt, Extent, Merge, MergeSink, Place, SegmentError, SegmentId, SegmentInfo};

use crate::{
    FileStore,
    error::is_full,
    format::{
        footer::{encode_blocks, encode_directory},
        trailer::Trailer,
    },
    shared::Shared,
};

/// The file that is being written. Opening removes it, as all temporary files.
const TEMPORARY: &str = "merge.tmp";
/// Written between two syncs: one sync of a whole file would hold up those of the journal.
const SYNC_BYTES: u64 = 4 << 20;
/// How much of an index is written before others may run.
const WRITE_BYTES: usize = 256 << 10;
/// After each piece, so that merging takes a part of the disk only.
const PAUSE: Duration = Duration::from_millis(1);

impl FileStore {
    pub(crate) async fn merge_segments(&self, merge: &Merge) -> Result<Option<SegmentInfo>, SegmentError> {
        let turn = Arc::clone(&self.merge_turn).lock_owned().await;
        if let Some(why) = self.shared.writer.lock().dead.clone() {
            return Err(SegmentError::Io(why));
        }
        let inputs = self.inputs(merge).await?;
        let path = self.shared.journal().join(TEMPORARY);
        let mut writer = Writer::create(Arc::clone(&self.shared), path, merge.output()?).await?;
        let copied = match merge.copy(self, &inputs, &mut writer).await {
            Ok(()) => writer.finish_run().await,
            error => error,
        };
        if copied.is_err() || writer.directory.is_empty() {
            writer.remove().await;
            return copied.map(|()| None);
        }
        let slots = inputs[0].slots.start..inputs[inputs.len() - 1].slots.end;
        let extents = std::mem::take(&mut writer.directory);
        let directory = encode_directory(&extents);
        let trailer = Trailer {
            shard: self.shared.shard,
            slots: slots.clone(),
            generation: writer.id.generation,
            entries_end: writer.end,
            directory_at: writer.end,
            directory_bytes: directory.len() as u64,
        };
        let (id, bytes) = (writer.id, trailer.file_bytes());
        let finished = match writer.write(&directory).await {
            Ok(()) => writer.write(&trailer.encode()).await,
            error => error,
        };
        if let Err(error) = finished {
            writer.remove().await;
            return Err(error);
        }
        // Whoever asked may lose interest between the file's new name and its place in the catalog; both or neither.
        let committed = tokio::spawn(async move {
            let _turn = turn;
            writer.commit(trailer).await
        });
        committed.await.unwrap_or_else(|_| Err(SegmentError::Io("the store is closed".to_owned())))?;
        Ok(Some(SegmentInfo { id, slots, bytes, extents }))
    }

    async fn inputs(&self, merge: &Merge) -> Result<Vec<SegmentInfo>, SegmentError> {
        let mut inputs = Vec::with_capacity(merge.inputs.len());
        for id in &merge.inputs {
            let trailer = self.shared.catalog.lock().segment(*id).cloned();
            let info = self.info(*id, trailer.ok_or(SegmentError::Gone(*id))?).await?;
            inputs.push(info.ok_or(SegmentError::Gone(*id))?);
        }
        merge.check_inputs(&inputs, self.shared.head_slot())?;
        Ok(inputs)
    }

    pub(crate) async fn delete_merged(&self, id: SegmentId) -> Result<(), SegmentError> {
        let Some(trailer) = self.shared.catalog.lock().remove_merged(id) else { return Ok(()) };
        self.reader.forget(id);
        let path = self.shared.segment_path(id);
        if let Err(error) = self.shared.disk.remove(&path).await {
            self.shared.catalog.lock().merged(id, trailer);
            return Err(SegmentError::Io(format!("cannot remove {}: {error}", path.display())));
        }
        self.shared.asked.notify_one();
        Ok(())
    }
}

/// A merged segment on its way.
struct Writer {
    shared: Arc<Shared>,
    id: SegmentId,
    path: PathBuf,
    file: Arc<dyn File>,
    end: u64,
    synced: u64,
    /// The batches of the last partition, at their new positions.
    run: Vec<(PartitionId, BatchAt)>,
    directory: Vec<Extent>,
}

impl Writer {
    async fn create(shared: Arc<Shared>, path: PathBuf, id: SegmentId) -> Result<Self, SegmentError> {
        let created = async {
            shared.disk.remove(&path).await?; // of a merge that was broken off
            shared.disk.open(&path, OpenMode::Create).await
        };
        let file = created
            .await
            .map_err(|error| SegmentError::Io(format!("cannot make {}: {error}", path.display())))?;
        Ok(Self { shared, id, path, file, end: 0, synced: 0, run: Vec::new(), directory: Vec::new() })
    }

    /// An error of a write or a sync: a full disk is answered, anything else ends the process.
    fn failed(&self, error: &io::Error) -> SegmentError {
        let what = format!("cannot write {}: {error}", self.path.display());
        if is_full(error) {
            return SegmentError::Io(format!(
                "{what}; merging needs space for what is kept, it is tried again"
            ));
        }
        self.shared.die(what.clone());
        SegmentError::Io(what)
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), SegmentError> {
        for piece in bytes.chunks(WRITE_BYTES) {
            let written = self.file.write_at(self.end, &mut [IoSlice::new(piece)]);
            written.map_err(|error| self.failed(&error))?;
            self.wrote(piece.len()).await?;
        }
        Ok(())
    }

    async fn wrote(&mut self, bytes: usize) -> Result<(), SegmentError> {
        self.end += bytes as u64;
        if self.end - self.synced >= SYNC_BYTES {
            self.sync().await?;
        }
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }

    async fn sync(&mut self) -> Result<(), SegmentError> {
        self.file.sync_data().await.map_err(|error| self.failed(&error))?;
        self.synced = self.end;
        Ok(())
    }

    /// Writes the index block of the last partition.
    async fn finish_run(&mut self) -> Result<(), SegmentError> {
        let run = std::mem::take(&mut self.run);
        let (block, extents) = encode_blocks(self.end, &run);
        self.directory.extend(extents);
        self.write(&block).await
    }

    /// Makes the file a segment.
    async fn commit(mut self, trailer: Trailer) -> Result<(), SegmentError> {
        self.sync().await?;
        let path = self.shared.segment_path(self.id);
        if let Err(error) = self.shared.disk.rename(&self.path, &path).await {
            // It may have the name, which another merge of some of the inputs would not expect.
            if let Err(error) = self.shared.disk.remove(&path).await {
                self.shared.die(format!("cannot remove {}: {error}", path.display()));
            }
            return Err(self.failed(&error));
        }
        self.shared.catalog.lock().merged(self.id, trailer);
        Ok(())
    }

    /// Removes what was written. If that fails, the next merge or the next start does it.
    async fn remove(self) {
        drop(self.file);
        if let Err(error) = self.shared.disk.remove(&self.path).await {
            tracing::warn!(shard = self.shared.shard.0, "cannot remove {}: {error}", self.path.display());
        }
        self.shared.asked.notify_one();
    }
}

#[async_trait]
impl MergeSink for Writer {
    async fn put(
        &mut self,
        partition: PartitionId,
        batches: &[BatchAt],
        values: Vec<Bytes>,
    ) -> Result<(), SegmentError> {
        if self.run.last().is_some_and(|(last, _)| *last != partition) {
            self.finish_run().await?;
        }
        let mut position = self.end;
        for batch in batches {
            let place = Place::Segment { id: self.id, position };
            self.run.push((partition, BatchAt { place, ..*batch }));
            position += u64::from(batch.bytes);
        }
        let mut slices: Vec<_> = values.iter().map(|value| IoSlice::new(value)).collect();
        let written = self.file.write_at(self.end, &mut slices);
        written.map_err(|error| self.failed(&error))?;
        self.wrote(values.iter().map(Bytes::len).sum()).await?;
        assert_eq!(self.end, position, "batches have the bytes that their index says");
        Ok(())
    }
}
