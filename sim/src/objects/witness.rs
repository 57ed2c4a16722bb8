//! What is true, as the world knows it and no broker does: which epoch took each shard over last, and the state after each
//! slot. [`Witness`] stands between the shard and its readers and compares: all owners that publish a slot, and all
//! that replay it, must come to the same state (design: the same journal prefix gives the same state everywhere).

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use klamm_machine::Machine as _;
use klamm_model::{Epoch, PartitionId, Slot};
use klamm_partition::{PartitionRecord, Partitions as Machine};
use klamm_shard::{PartitionsView, Published, View};
use klamm_store::{BatchAt, SegmentId, SegmentInfo};
use parking_lot::Mutex;
use twox_hash::XxHash3_64;

use super::DONE;
use crate::Log;

#[derive(Default)]
struct Known {
    acquired: Epoch,
    states: BTreeMap<Slot, u64>,
}

/// The truth about all shards.
#[derive(Clone)]
pub(super) struct Truth {
    pub(super) log: Log,
    shards: Arc<Mutex<Vec<Known>>>,
}

impl Truth {
    pub(super) fn new(log: Log, shards: usize) -> Self {
        Self { log, shards: Arc::new(Mutex::new((0..shards).map(|_| Known::default()).collect())) }
    }

    /// A takeover is in a free slot. Told before its owner knows. An earlier epoch's came late, into a slot that was
    /// trimmed meanwhile; its owner must find out.
    pub(super) fn acquired(&self, shard: usize, epoch: Epoch) {
        let known = &mut self.shards.lock()[shard];
        self.log.count(
            &format!("{DONE}takeovers that landed in a trimmed slot"),
            u64::from(epoch <= known.acquired),
        );
        known.acquired = known.acquired.max(epoch);
    }

    /// Whether the owner of this epoch is the last that took the shard over.
    pub(super) fn is_newest(&self, shard: usize, epoch: Epoch) -> bool {
        self.shards.lock()[shard].acquired == epoch
    }

    fn came_to(&self, shard: usize, slot: Slot, state: u64) {
        let first = *self.shards.lock()[shard].states.entry(slot).or_insert(state);
        if first != state {
            self.log.fault(format!("shard {shard}: two owners came to different states at slot {slot}"));
        }
    }
}

/// A view that compares what it is told with the truth. It plans no merges: [`super::files`] has none.
pub(super) struct Witness {
    truth: Truth,
    shard: usize,
    machine: Machine,
    inner: PartitionsView,
}

impl Witness {
    pub(super) fn new(truth: Truth, shard: usize, inner: PartitionsView) -> Self {
        Self { truth, shard, machine: Machine::default(), inner }
    }
}

impl View<Machine> for Witness {
    fn restore(&mut self, machine: &Machine, segments: &[SegmentInfo]) {
        self.machine = machine.clone();
        self.inner.restore(machine, segments);
    }

    fn publish(&mut self, entry: Published<'_, PartitionRecord>) {
        let mut hash = u64::from(entry.at.epoch.0);
        for placed in entry.records {
            self.machine.replay(&placed.record, entry.at);
            // Which pieces they come in differs between an owner and those that replay.
            let served = [&placed.served.first[..], &placed.served.second[..]].concat();
            hash = XxHash3_64::oneshot_with_seed(hash, &served);
        }
        for (key, value) in self.machine.snapshot() {
            hash = XxHash3_64::oneshot_with_seed(hash, &key);
            hash = XxHash3_64::oneshot_with_seed(hash, &value);
        }
        self.truth.came_to(self.shard, entry.key.slot, hash);
        self.inner.publish(entry);
    }

    fn batches(&self, slots: &Range<Slot>) -> Vec<(PartitionId, BatchAt)> {
        self.inner.batches(slots)
    }

    fn sealed(&mut self, segment: &SegmentInfo) {
        self.inner.sealed(segment);
    }

    fn take_dead(&mut self, below: Slot) -> Vec<SegmentId> {
        let dead = self.inner.take_dead(below);
        self.truth.log.count(&format!("{DONE}segments that died"), dead.len() as u64);
        dead
    }
}
