//! What a writer sent to a partition, and where it is.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Anomaly, Part, Value, numbers::Numbers};

/// A writer's values to this partition.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub(super) plain: bool,
    /// How many values were sent.
    pub(super) sent: u32,
    /// The offset of each, twice; odd if it was only acknowledged and not read. Idempotent writers only.
    pub(super) offsets: Numbers,
    /// Values that were refused. Idempotent writers only.
    pub(super) refused: BTreeSet<u32>,
    /// Plain writers: how often each value was sent, less refusals; and where it is.
    pub(super) times: BTreeMap<u32, u32>,
    pub(super) places: BTreeMap<u32, BTreeSet<i64>>,
}

impl Writer {
    /// Where a value of an idempotent writer is.
    pub(super) fn offset(&self, number: u32) -> Option<i64> {
        self.offsets.get(u64::from(number)).map(|twice| (twice / 2) as i64)
    }

    pub(super) fn place(
        &mut self,
        part: Part,
        offset: i64,
        value: Value,
        read: bool,
        found: &mut Vec<Anomaly>,
    ) {
        if self.plain {
            let places = self.places.entry(value.number).or_default();
            let first = places.first().copied();
            let times = self.times.get(&value.number).copied().unwrap_or(0);
            if places.insert(offset) && places.len() > times as usize {
                found.push(Anomaly::Duplicate {
                    part,
                    value,
                    first: first.unwrap_or(offset),
                    second: offset,
                });
            }
            return;
        }
        if self.refused.remove(&value.number) {
            found.push(Anomaly::RefusedAndThere { part, offset, value });
        }
        let twice = offset as u64 * 2 + u64::from(!read);
        let Some(known) = self.offsets.get(u64::from(value.number)) else {
            self.offsets.put(u64::from(value.number), twice);
            return;
        };
        let (first, was_read) = ((known / 2) as i64, known % 2 == 0);
        if first == offset {
            self.offsets.put(u64::from(value.number), twice.min(known));
        } else if read && was_read {
            found.push(Anomaly::Duplicate { part, value, first, second: offset });
        } else {
            let (acked, other) = if read { (first, offset) } else { (offset, first) };
            found.push(Anomaly::InconsistentOffset { part, value, acked, other });
        }
    }
}
