//! Writing segments anew without what nobody needs. Here is what all carriers share: what is asked for, and the walk over
//! the inputs, partition by partition and in pieces, so that memory stays bounded. Where the pieces go is the
//! carrier's [`MergeSink`].

use std::{collections::BTreeMap, fmt};

use async_trait::async_trait;
use bytes::Bytes;
use klamm_model::{Offset, PartitionId, Slot};

use crate::{BatchAt, Extent, SegmentError, SegmentId, SegmentInfo, Segments, flatten};

/// About how many bytes are read, checked and written at a time.
const PIECE_BYTES: u64 = 256 << 10;

/// Says whether these bytes are the batch, whole. The store can't know: it does not look into batches.
pub type BatchCheck = fn(&BatchAt, &Bytes) -> bool;

/// What is to be merged, and what of it is kept.
#[derive(Clone)]
pub struct Merge {
    /// Neighbours by their slots, in order. All slots between them are in no other segment.
    pub inputs: Vec<SegmentId>,
    /// The partitions that still exist and the first offset of each that is needed: batches that end below go.
    pub keep: BTreeMap<PartitionId, Offset>,
    /// Every batch is checked while it is copied, so that damage does not get a new checksum of ours around it.
    pub check: BatchCheck,
}

impl fmt::Debug for Merge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Merge").field("inputs", &self.inputs).field("keep", &self.keep.len()).finish()
    }
}

/// Where merged batches go.
#[async_trait]
pub trait MergeSink: Send {
    /// Takes the next batches of a partition, and their bytes. Partitions come in order, and the batches of each.
    async fn put(
        &mut self,
        partition: PartitionId,
        batches: &[BatchAt],
        values: Vec<Bytes>,
    ) -> Result<(), SegmentError>;
}

impl Merge {
    /// The name of what the inputs become.
    pub fn output(&self) -> SegmentId {
        let first = self.inputs.first().expect("a merge has inputs").first;
        let newest = self.inputs.iter().map(|id| id.generation).max().expect("a merge has inputs");
        SegmentId { first, generation: newest + 1 }
    }

    /// Whether the journal, which begins at `head`, lets go of the inputs, and they follow each other.
    pub fn check_inputs(&self, inputs: &[SegmentInfo], head: Slot) -> Result<(), SegmentError> {
        assert!(
            inputs.windows(2).all(|pair| pair[0].slots.end <= pair[1].slots.start),
            "inputs are in order"
        );
        match inputs.iter().find(|info| info.slots.end > head) {
            None => Ok(()),
            Some(info) => {
                let what = format!("segment {} holds slots that the journal, from {head} on, needs", info.id);
                Err(SegmentError::Io(what))
            }
        }
    }

    /// The extents of the inputs of which something is kept, sorted by (partition, offset).
    fn extents(&self, inputs: &[SegmentInfo]) -> Vec<(SegmentId, Extent)> {
        let all = inputs.iter().flat_map(|info| info.extents.iter().map(|extent| (info.id, *extent)));
        let kept = |extent: &Extent| {
            self.keep.get(&extent.partition).is_some_and(|from| extent.last_offset >= *from)
        };
        let mut extents: Vec<_> = all.filter(|(_, extent)| kept(extent)).collect();
        extents.sort_by_key(|(_, extent)| (extent.partition, extent.base_offset));
        extents
    }

    /// Reads what is kept of the inputs, checks it, and hands it to `sink`.
    pub async fn copy<S: Segments>(
        &self,
        store: &S,
        inputs: &[SegmentInfo],
        sink: &mut dyn MergeSink,
    ) -> Result<(), SegmentError> {
        for (id, extent) in self.extents(inputs) {
            let from = self.keep[&extent.partition];
            let mut batches = store.index(id, &extent).await?;
            batches.retain(|batch| batch.last_offset >= from);
            let mut rest = &batches[..];
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(piece(rest));
                let mut values = Vec::with_capacity(piece.len());
                for (batch, value) in piece.iter().zip(store.read(piece).await?) {
                    let bytes = flatten(value);
                    if !(self.check)(batch, &bytes) {
                        let (offset, partition) = (batch.base_offset, extent.partition);
                        let what =
                            format!("the batch of {partition} at offset {offset} is not what was written");
                        return Err(SegmentError::Damaged { id, what });
                    }
                    values.push(bytes);
                }
                sink.put(extent.partition, piece, values).await?;
                rest = after;
            }
        }
        Ok(())
    }
}

/// How many batches make a piece; at least one.
fn piece(batches: &[BatchAt]) -> usize {
    let mut bytes = 0;
    let within = batches.iter().take_while(|batch| {
        bytes += u64::from(batch.bytes);
        bytes <= PIECE_BYTES
    });
    within.count().max(1)
}
