//! Reading batches: tail first, then the journal's files, then segments. Bytes that come from a store are checked
//! against each batch's CRC before anyone gets them.

use bytes::Bytes;
use klamm_model::{Epoch, Offset};
use klamm_records::{
    DecompressCap, Limits, TimestampOffset, first_at_or_after, max_timestamp, single, validate,
};
use klamm_store::{BatchAt, SegmentError, SegmentId, flatten};

use super::{PartitionView, Partitions, partition::Source};

/// How often a read is begun again because a file was sealed or trimmed under it.
const TRIES_MAX: u32 = 8;

/// Whole batches from a partition.
#[derive(Debug, Clone, Default)]
pub struct Fetched {
    /// The batches' bytes in pieces, in order.
    pub pieces: Vec<Bytes>,
    /// Their sum.
    pub bytes: usize,
    /// What of it came from a store: memory of this reader alone.
    pub stored_bytes: usize,
}

/// How much may be read.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// In all.
    pub bytes: usize,
    /// If it comes from a store. What comes from the tail is in memory anyway.
    pub stored_bytes: usize,
}

impl From<usize> for Room {
    /// So many bytes, wherever they come from.
    fn from(bytes: usize) -> Self {
        Self { bytes, stored_bytes: bytes }
    }
}

/// Why nothing was read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Below the log's start or above its end.
    #[error("the offset is out of range")]
    OutOfRange,
    /// The topic was deleted.
    #[error("the topic was deleted")]
    Dropped,
    /// The store failed, or its bytes are damaged.
    #[error("{0}")]
    Storage(String),
}

/// What to look for by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampQuery {
    /// The first record at or after this time, in milliseconds.
    AtOrAfter(i64),
    /// The first record of the largest timestamp.
    Max,
}

impl Partitions {
    /// Batches from the one that contains `offset` on, as many as there is room for; the first comes whole even if it is
    /// larger, when `at_least_one`. At the end of the log: nothing.
    pub async fn read(
        &self,
        view: &PartitionView,
        offset: Offset,
        room: impl Into<Room>,
        at_least_one: bool,
    ) -> Result<Fetched, ReadError> {
        let Room { bytes: bytes_max, stored_bytes } = room.into();
        let stored_max = bytes_max.min(stored_bytes);
        let mut last = String::new();
        for _ in 0..TRIES_MAX {
            let source = view.state.lock().locate(offset, bytes_max);
            let batches = match source {
                Source::OutOfRange => return Err(ReadError::OutOfRange),
                Source::Dropped => return Err(ReadError::Dropped),
                Source::End => return Ok(Fetched::default()),
                Source::Tail(batches) => {
                    let mut fetched = Fetched::default();
                    for served in batches {
                        let bytes = served.first.len() + served.second.len();
                        if fetched.bytes + bytes > bytes_max && !(at_least_one && fetched.bytes == 0) {
                            break;
                        }
                        fetched.bytes += bytes;
                        fetched.pieces.push(served.first);
                        if !served.second.is_empty() {
                            fetched.pieces.push(served.second);
                        }
                    }
                    return Ok(fetched);
                }
                Source::Open(_) | Source::Sealed(..) if stored_max == 0 && !at_least_one => {
                    return Ok(Fetched::default());
                }
                Source::Open(batches) => Ok(batches),
                Source::Sealed(id, extent) => self.segments.index(id, &extent).await.map(|mut batches| {
                    batches.retain(|batch| batch.last_offset >= offset);
                    batches
                }),
            };
            let read = match batches {
                Ok(mut batches) => {
                    limit(&mut batches, stored_max, at_least_one);
                    self.bytes_of(&batches).await
                }
                Err(error) => Err(error),
            };
            match read {
                Ok(fetched) => return Ok(fetched),
                Err(SegmentError::Gone(_)) => "the file went away while it was read".clone_into(&mut last),
                Err(error) => {
                    tracing::error!(partition = %view.id, offset, %error, "stored records can't be read");
                    return Err(ReadError::Storage(error.to_string()));
                }
            }
        }
        Err(ReadError::Storage(last))
    }

    async fn bytes_of(&self, batches: &[BatchAt]) -> Result<Fetched, SegmentError> {
        let mut fetched = Fetched::default();
        for (value, batch) in self.segments.read(batches).await?.into_iter().zip(batches) {
            let bytes = flatten(value);
            if !is_whole(batch, &bytes) {
                let what = format!("the batch at offset {} does not match its checksum", batch.base_offset);
                let id = batch.segment().unwrap_or(SegmentId::sealed(klamm_model::Slot(0)));
                return Err(SegmentError::Damaged { id, what });
            }
            fetched.bytes += bytes.len();
            fetched.pieces.push(bytes);
        }
        fetched.stored_bytes = fetched.bytes;
        Ok(fetched)
    }

    /// Finds a record by time; with the leader epoch in which it was written. Compressed batches are read up to `cap`.
    pub async fn find_by_time(
        &self,
        view: &PartitionView,
        query: TimestampQuery,
        cap: DecompressCap,
    ) -> Result<Option<(TimestampOffset, Option<Epoch>)>, ReadError> {
        let mut from = view.watermarks().log_start;
        loop {
            let Some(base_offset) = self.batch_by_time(view, query, from).await? else { return Ok(None) };
            let fetched = self.read(view, base_offset.max(from), 0, true).await?;
            let bytes = flatten(fetched.pieces);
            let storage = |error: klamm_records::BatchError| ReadError::Storage(error.to_string());
            let batch = single(&bytes).and_then(|raw| validate(raw, &Limits::broker())).map_err(storage)?;
            let found = match query {
                TimestampQuery::AtOrAfter(time) => {
                    first_at_or_after(batch.header(), &batch.payload(), from, time, cap).map_err(storage)?
                }
                TimestampQuery::Max => {
                    max_timestamp(batch.header(), &batch.payload(), cap).map_err(storage)?
                }
            };
            if let Some(found) = found {
                return Ok(Some((found, view.epoch_of(found.offset))));
            }
            // The batch's header promised more than its records hold.
            if query == TimestampQuery::Max {
                return Ok(None);
            }
            from = batch.header().next_offset();
        }
    }

    /// The base offset of the first batch that may hold what is looked for.
    async fn batch_by_time(
        &self,
        view: &PartitionView,
        query: TimestampQuery,
        from: Offset,
    ) -> Result<Option<Offset>, ReadError> {
        for _ in 0..TRIES_MAX {
            match self.try_batch_by_time(view, query, from).await {
                Err(SegmentError::Gone(_)) => {}
                Err(error) => return Err(ReadError::Storage(error.to_string())),
                Ok(found) => return found,
            }
        }
        Err(ReadError::Storage("the segments went away while they were read".to_owned()))
    }

    async fn try_batch_by_time(
        &self,
        view: &PartitionView,
        query: TimestampQuery,
        from: Offset,
    ) -> Result<Result<Option<Offset>, ReadError>, SegmentError> {
        let (extents, open) = {
            let state = view.state.lock();
            if state.dropped {
                return Ok(Err(ReadError::Dropped));
            }
            let wanted = |batch: &&BatchAt| batch.last_offset >= from;
            (state.extents.clone(), state.open.iter().filter(wanted).copied().collect::<Vec<_>>())
        };
        // The extent that `from` lies in counts from there on only: its batches are looked at one by one.
        let (mut straddling, mut whole) = (Vec::new(), Vec::new());
        for (id, extent) in extents.into_iter().filter(|(_, extent)| extent.last_offset >= from) {
            if extent.base_offset >= from {
                whole.push((id, extent));
            } else {
                straddling = self.segments.index(id, &extent).await?;
                straddling.retain(|batch| batch.last_offset >= from);
            }
        }
        let time = match query {
            TimestampQuery::AtOrAfter(time) => time,
            TimestampQuery::Max => {
                let batches = straddling.iter().chain(&open).map(|batch| batch.max_timestamp);
                match batches.chain(whole.iter().map(|(_, extent)| extent.max_timestamp)).max() {
                    Some(time) => time,
                    None => return Ok(Ok(None)),
                }
            }
        };
        let first =
            |batches: &[BatchAt]| batches.iter().find(|b| b.max_timestamp >= time).map(|b| b.base_offset);
        if let Some(found) = first(&straddling) {
            return Ok(Ok(Some(found)));
        }
        for (id, extent) in whole.iter().filter(|(_, extent)| extent.max_timestamp >= time) {
            if let Some(found) = first(&self.segments.index(*id, extent).await?) {
                return Ok(Ok(Some(found)));
            }
        }
        Ok(Ok(first(&open)))
    }
}

/// Whether these are the bytes of the batch, by its own checksum.
pub(super) fn is_whole(batch: &BatchAt, bytes: &Bytes) -> bool {
    let valid = single(bytes).and_then(|raw| validate(raw, &Limits::broker()));
    valid.is_ok_and(|valid| {
        let header = valid.header();
        (header.base_offset, header.last_offset()) == (batch.base_offset, batch.last_offset)
    })
}

/// Cuts batches to a size.
fn limit(batches: &mut Vec<BatchAt>, bytes_max: usize, at_least_one: bool) {
    let mut bytes = 0;
    let mut fits = |batch: &BatchAt| {
        bytes += batch.bytes as usize;
        bytes <= bytes_max
    };
    let keep = batches.iter().take_while(|batch| fits(batch)).count();
    batches.truncate(keep.max(usize::from(at_least_one)));
}
