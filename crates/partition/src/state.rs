//! The state of one partition. Its size does not depend on the data: epochs and producers only.

use std::collections::BTreeMap;

use klamm_model::{Offset, ProducerId};

use crate::{EpochStart, ProducerSummary, producer::Producer};

/// How often silent producers are looked for, in milliseconds of the partition's own time.
const EXPIRY_EVERY_MS: i64 = 60_000;

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// The first offset that is still there.
    pub log_start_offset: Offset,
    /// The offset that the next record gets (the log end offset).
    pub next_offset: Offset,
    /// Offsets from here on may not be given out yet.
    pub reserved_end: Offset,
    /// Where each leader epoch began.
    pub epochs: Vec<EpochStart>,
    /// A producer with an id below this one that is not remembered may have been forgotten, and may go on anywhere. One
    /// from here on never wrote here: it begins with sequence 0.
    pub forgotten_below: ProducerId,
    pub(crate) producers: BTreeMap<ProducerId, Producer>,
    pub(crate) expired_at_ms: i64,
}

impl Partition {
    pub(crate) fn new(start_offset: Offset, reserved_end: Offset, forgotten_below: ProducerId) -> Self {
        Self {
            log_start_offset: start_offset,
            next_offset: start_offset,
            reserved_end,
            epochs: Vec::new(),
            forgotten_below,
            producers: BTreeMap::new(),
            expired_at_ms: 0,
        }
    }

    /// How many producers are remembered.
    pub fn producers(&self) -> usize {
        self.producers.len()
    }

    pub(crate) fn summaries(&self) -> Vec<ProducerSummary> {
        let summary = |producer: &Producer| ProducerSummary {
            id: producer.id,
            epoch: producer.epoch,
            last_sequence: producer.window.back().map_or(-1, |written| written.last_sequence),
            last_time_ms: producer.last_time_ms,
        };
        self.producers.values().map(summary).collect()
    }

    /// Forgets producers that were silent for `expiration_ms`, now and then.
    pub(crate) fn expire(&mut self, now_ms: i64, expiration_ms: i64) {
        if now_ms.saturating_sub(self.expired_at_ms) < EXPIRY_EVERY_MS.min(expiration_ms) {
            return;
        }
        self.expired_at_ms = now_ms;
        let forgotten_below = &mut self.forgotten_below;
        self.producers.retain(|id, producer| {
            let stays = now_ms.saturating_sub(producer.last_time_ms) < expiration_ms;
            // Another cluster's ids say nothing of who was here of this one's.
            if !stays && !producer.foreign {
                *forgotten_below = (*forgotten_below).max(id.saturating_add(1));
            }
            stays
        });
    }
}
