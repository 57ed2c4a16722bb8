//! One partition as readers see it.
//!
//! Invariants: log start <= high watermark; neither goes back; the batches of `extents`, then `open`, are contiguous up
//! to the high watermark; `tail` holds the newest of `open`'s and `extents`' batches.

use std::{collections::VecDeque, ops::Range};

use klamm_model::{Epoch, Offset, PartitionId, Slot};
use klamm_partition::{EpochStart, epochs};
use klamm_store::{BatchAt, Extent, Place, SegmentId};
use parking_lot::Mutex;

use super::{held::Load, retention::Edge, waiters::Waiters};
use crate::Served;

/// A partition's published state.
pub struct PartitionView {
    /// The partition.
    pub id: PartitionId,
    pub(super) state: Mutex<State>,
    pub(super) waiters: Waiters,
}

/// Where a partition begins and ends for readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermarks {
    /// The first offset that is there.
    pub log_start: Offset,
    /// The offset after the last durable record. There are no open transactions, so the last stable offset is the same.
    pub high_watermark: Offset,
    /// The leader epoch of the last record; None in an empty partition.
    pub last_epoch: Option<Epoch>,
}

/// A batch in memory.
pub(super) struct Resident {
    pub(super) base_offset: Offset,
    pub(super) last_offset: Offset,
    pub(super) served: Served,
}

pub(super) struct State {
    pub(super) log_start: Offset,
    pub(super) high_watermark: Offset,
    pub(super) epochs: Vec<EpochStart>,
    /// The newest batches, in memory.
    pub(super) tail: VecDeque<Resident>,
    /// All batches that are not sealed.
    pub(super) open: VecDeque<BatchAt>,
    /// The sealed ones, by segment.
    pub(super) extents: VecDeque<(SegmentId, Extent)>,
    /// What retention found at the log's start.
    pub(super) edge: Option<Edge>,
    /// The topic was deleted.
    pub(super) dropped: bool,
}

/// Where the batches from an offset on are to be had.
pub(super) enum Source {
    /// Beyond the log.
    OutOfRange,
    /// The topic was deleted.
    Dropped,
    /// At the high watermark.
    End,
    /// In memory.
    Tail(Vec<Served>),
    /// In the journal's files.
    Open(Vec<BatchAt>),
    /// In a segment.
    Sealed(SegmentId, Extent),
}

impl PartitionView {
    pub(super) fn new(id: PartitionId, start: Offset) -> Self {
        let state = State {
            log_start: start,
            high_watermark: start,
            epochs: Vec::new(),
            tail: VecDeque::new(),
            open: VecDeque::new(),
            extents: VecDeque::new(),
            edge: None,
            dropped: false,
        };
        Self { id, state: Mutex::new(state), waiters: Waiters::default() }
    }

    /// Where the partition begins and ends.
    pub fn watermarks(&self) -> Watermarks {
        let state = self.state.lock();
        Watermarks {
            log_start: state.log_start,
            high_watermark: state.high_watermark,
            last_epoch: state.epochs.last().map(|last| last.epoch),
        }
    }

    /// The leader epoch in which a record was written.
    pub fn epoch_of(&self, offset: Offset) -> Option<Epoch> {
        let state = self.state.lock();
        let after = state.epochs.partition_point(|epoch| epoch.start_offset <= offset);
        Some(state.epochs[after.checked_sub(1)?].epoch)
    }

    /// Where the leader epoch `wanted` ended, for a leader of epoch `current` ([`epochs::end_of`]).
    pub fn end_of_epoch(&self, wanted: Epoch, current: Epoch) -> Option<(Epoch, Offset)> {
        let state = self.state.lock();
        epochs::end_of(&state.epochs, wanted, current, state.high_watermark)
    }

    /// Bytes of all batches that are kept. Of a segment that reaches over the log's start all count, until its index was read
    /// for retention.
    pub fn bytes(&self) -> u64 {
        let state = self.state.lock();
        let open = state.open.iter().rev().take_while(|batch| batch.last_offset >= state.log_start);
        let sealed = state.extents.iter().map(|(_, extent)| extent.bytes).sum::<u64>();
        open.map(|batch| u64::from(batch.bytes)).sum::<u64>() + sealed.saturating_sub(state.below_bytes())
    }

    /// Bytes of the batches from an offset on, counted until `enough`; what the fetch's minimum is compared with.
    pub fn available_bytes(&self, from: Offset, enough: u64) -> u64 {
        let state = self.state.lock();
        let mut bytes = 0;
        for batch in state.open.iter().rev().take_while(|batch| batch.last_offset >= from) {
            bytes += u64::from(batch.bytes);
            if bytes >= enough {
                return bytes;
            }
        }
        for (_, extent) in state.extents.iter().rev().take_while(|(_, extent)| extent.last_offset >= from) {
            bytes += extent.bytes;
        }
        bytes
    }
}

impl State {
    pub(super) fn push(&mut self, batch: BatchAt, epoch: Epoch, served: Served) {
        assert_eq!(batch.base_offset, self.high_watermark, "published batches are contiguous");
        epochs::note(&mut self.epochs, epoch, batch.base_offset);
        self.high_watermark = batch.last_offset + 1;
        self.open.push_back(batch);
        let Range { start, end } = batch.base_offset..batch.last_offset;
        self.tail.push_back(Resident { base_offset: start, last_offset: end, served });
    }

    /// The batches of these slots are an extent now. Says how much of it is needed.
    pub(super) fn seal(&mut self, id: SegmentId, end: Slot, extent: Extent) -> Load {
        let in_file = |batch: &BatchAt| matches!(batch.place, Place::Journal { key, .. } if key.slot < end);
        let sealed = self.open.partition_point(in_file);
        assert_eq!(sealed, extent.batches as usize, "a segment holds every batch of its slots");
        self.open.drain(..sealed);
        self.restore(id, extent)
    }

    /// Takes the extent of a segment in, unless all of it lies before the log's start.
    pub(super) fn restore(&mut self, id: SegmentId, extent: Extent) -> Load {
        if extent.last_offset >= self.log_start {
            self.extents.push_back((id, extent));
        }
        Load::of(&extent, self.log_start)
    }

    /// The numbers of the extents in these segments, which are neighbours.
    fn extents_in(&self, segments: &[SegmentId]) -> Range<usize> {
        let (first, last) = (segments[0], segments[segments.len() - 1]);
        let start = self.extents.partition_point(|(id, _)| *id < first);
        start..self.extents.partition_point(|(id, _)| *id <= last)
    }

    /// Whether something in these segments, which are neighbours, is needed.
    pub(super) fn needs(&self, segments: &[SegmentId]) -> bool {
        !self.extents_in(segments).is_empty()
    }

    /// The extents in these segments, which are neighbours, became one. Gives how many they were.
    pub(super) fn merge(&mut self, inputs: &[SegmentId], id: SegmentId, extent: Extent) -> usize {
        let replaced = self.extents_in(inputs);
        if extent.last_offset < self.log_start {
            assert!(replaced.is_empty(), "extents before the log's start are forgotten");
            return 0;
        }
        assert!(!replaced.is_empty(), "a merge adds nothing");
        let (first, last) = (self.extents[replaced.start].1, self.extents[replaced.end - 1].1);
        assert_eq!(last.last_offset, extent.last_offset, "a merged extent ends where its inputs end");
        assert!(
            extent.base_offset <= first.base_offset.max(self.log_start),
            "a merged extent has all that is needed"
        );
        self.extents[replaced.start] = (id, extent);
        self.extents.drain(replaced.start + 1..replaced.end);
        replaced.len()
    }

    /// Forgets what lies before an offset; gives the segments of the extents that change, with what of each was needed
    /// and what still is.
    pub(super) fn move_log_start(&mut self, to: Offset) -> Vec<(SegmentId, Load, Load)> {
        assert!(
            to >= self.log_start && to <= self.high_watermark,
            "log start never goes back, nor past the end"
        );
        let from = std::mem::replace(&mut self.log_start, to);
        epochs::trim(&mut self.epochs, to);
        let changed = self.extents.iter().take_while(|(_, extent)| extent.base_offset < to);
        let changed =
            changed.map(|(id, extent)| (*id, Load::of(extent, from), Load::of(extent, to))).collect();
        let gone = self.extents.partition_point(|(_, extent)| extent.last_offset < to);
        self.extents.drain(..gone);
        changed
    }

    /// Where to read from `offset` on, at most about `bytes_max`.
    pub(super) fn locate(&self, offset: Offset, bytes_max: usize) -> Source {
        if self.dropped {
            return Source::Dropped;
        }
        if offset < self.log_start || offset > self.high_watermark {
            return Source::OutOfRange;
        }
        if offset == self.high_watermark {
            return Source::End;
        }
        let mut bytes = 0;
        let mut within = |size: usize| {
            let first = bytes == 0;
            bytes += size;
            first || bytes <= bytes_max
        };
        if self.tail.front().is_some_and(|first| first.base_offset <= offset) {
            let from = self.tail.partition_point(|batch| batch.last_offset < offset);
            let served = self.tail.range(from..).map(|batch| batch.served.clone());
            return Source::Tail(served.take_while(|s| within(s.first.len() + s.second.len())).collect());
        }
        if self.open.front().is_some_and(|first| first.base_offset <= offset) {
            let from = self.open.partition_point(|batch| batch.last_offset < offset);
            let batches = self.open.range(from..).copied();
            return Source::Open(batches.take_while(|batch| within(batch.bytes as usize)).collect());
        }
        let at = self.extents.partition_point(|(_, extent)| extent.last_offset < offset);
        let (id, extent) = self.extents[at];
        Source::Sealed(id, extent)
    }
}
