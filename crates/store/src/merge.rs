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
    /// The name of what the inputs become. Generations rise by one, so an input of the last one is none that we wrote.
    pub fn output(&self) -> Result<SegmentId, SegmentError> {
        let first = self.inputs.first().expect("a merge has inputs").first;
        let newest = *self.inputs.iter().max_by_key(|id| id.generation).expect("a merge has inputs");
        match newest.generation.checked_add(1) {
            Some(generation) => Ok(SegmentId { first, generation }),
            None => {
                let what = format!("nobody merged so often as its generation says, {}", newest.generation);
                Err(SegmentError::Damaged { id: newest, what })
            }
        }
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
        let mut before: Option<(PartitionId, Offset)> = None;
        for (id, extent) in self.extents(inputs) {
            let from = self.keep[&extent.partition];
            let mut batches = store.index(id, &extent).await?;
            let damaged = |what: String| Err(SegmentError::Damaged { id, what });
            let (partition, offsets) = (extent.partition, (extent.base_offset, extent.last_offset));
            if before.is_some_and(|before| before >= (partition, offsets.0)) {
                return damaged(format!(
                    "it has offset {} of {partition}, which another segment has too",
                    offsets.0
                ));
            }
            // A view may know of less than a segment has; here the extent is the segment's own.
            let indexed = batches.first().zip(batches.last());
            if indexed.map(|(first, last)| (first.base_offset, last.last_offset)) != Some(offsets) {
                return damaged(format!(
                    "its index has other offsets of {partition} than its directory, {offsets:?}"
                ));
            }
            before = Some((partition, offsets.1));
            batches.retain(|batch| batch.last_offset >= from);
            let mut rest = &batches[..];
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(piece(rest));
                let mut values = Vec::with_capacity(piece.len());
                for (batch, value) in piece.iter().zip(store.read(piece).await?) {
                    let bytes = flatten(value);
                    if !(self.check)(batch, &bytes) {
                        let offset = batch.base_offset;
                        return damaged(format!(
                            "the batch of {partition} at offset {offset} is not what was written"
                        ));
                    }
                    values.push(bytes);
                }
                sink.put(partition, piece, values).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_generation_has_no_successor() {
        let output = |generations: &[u32]| {
            let inputs = generations.iter().zip(0..);
            let inputs =
                inputs.map(|(generation, slot)| SegmentId { first: Slot(slot), generation: *generation });
            Merge { inputs: inputs.collect(), keep: BTreeMap::new(), check: |_, _| true }.output()
        };
        assert_eq!(output(&[0, 2, 1]), Ok(SegmentId { first: Slot(0), generation: 3 }));
        assert_eq!(output(&[u32::MAX - 1]), Ok(SegmentId { first: Slot(0), generation: u32::MAX }));
        let refused = output(&[0, u32::MAX, 1]);
        assert!(
            matches!(&refused, Err(SegmentError::Damaged { id, .. }) if id.first == Slot(1)),
            "{refused:?}"
        );
    }
}
