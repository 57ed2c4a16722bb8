//! Judges a history. Invariant: a correct broker's histories pass, whatever crashes there were; each [`Anomaly`] is a
//! promise that was broken.
//!
//! Looked for: lost and vanished values, duplicates, offsets used twice, values nobody sent, skipped offsets, values
//! out of order, what is acknowledged and not visible, high watermarks and log starts that go back, producer ids given
//! out twice, partitions not read to their end. Deleted topics may lose everything, but nothing of them may be wrong.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{Acked, Event, Fetched, History, Part, Value};

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum Anomaly {
    #[error("{part:?}: offset {offset} had {first:?} and later {second:?}")]
    OffsetReused { part: Part, offset: i64, first: Value, second: Value },
    #[error("{part:?}: {value:?} is at offset {first} and at {second}")]
    Duplicate { part: Part, value: Value, first: i64, second: i64 },
    #[error("{part:?}: {value:?} at offset {offset} was never sent there")]
    Phantom { part: Part, offset: i64, value: Value },
    #[error("{part:?}: {value:?} was acknowledged at offset {offset} and is lost")]
    Lost { part: Part, offset: i64, value: Value },
    #[error("{part:?}: {value:?} was read at offset {offset} and is gone")]
    Vanished { part: Part, offset: i64, value: Value },
    #[error("{part:?}: offset {expected} was asked for or next, {got} came")]
    Skipped { part: Part, expected: i64, got: i64 },
    #[error("{part:?}: {second:?} follows {first:?}, at offset {offset}")]
    OutOfOrder { part: Part, offset: i64, first: Value, second: Value },
    #[error("{part:?}: offsets below {acked_end} were acknowledged, the high watermark is {high_watermark}")]
    Invisible { part: Part, acked_end: i64, high_watermark: i64 },
    #[error("{part:?}: the high watermark went back from {from} to {to}")]
    WatermarkBack { part: Part, from: i64, to: i64 },
    #[error("{part:?}: the log start went back from {from} to {to}")]
    LogStartBack { part: Part, from: i64, to: i64 },
    #[error("{part:?}: offset {offset} was answered, the high watermark is {high_watermark}")]
    BeyondWatermark { part: Part, offset: i64, high_watermark: i64 },
    #[error("{part:?}: the last read ended at {read} of {high_watermark}")]
    Unread { part: Part, read: i64, high_watermark: i64 },
    #[error("producer id {0} was given out twice")]
    ProducerIdReused(i64),
    #[error("{0}")]
    Refused(String),
}

/// The anomalies of a history, in the order in which they are seen; none if all is well.
pub fn check(history: &History) -> Vec<Anomaly> {
    let mut parts: BTreeMap<Part, Seen> = BTreeMap::new();
    let mut producer_ids = BTreeSet::new();
    let mut found = Vec::new();
    for (at, event) in history.0.iter().enumerate() {
        match event {
            Event::Sent { part, until } => parts.entry(*part).or_default().sent = *until,
            Event::Acked(acked) => parts.entry(acked.part).or_default().acked(at, acked, &mut found),
            Event::Fetched(fetched) => parts.entry(fetched.part).or_default().fetched(fetched, &mut found),
            Event::Deleting(part) => parts.entry(*part).or_default().deleted = true,
            Event::ProducerId(id) if !producer_ids.insert(*id) => found.push(Anomaly::ProducerIdReused(*id)),
            Event::ProducerId(_) => {}
            Event::Refused(what) => found.push(Anomaly::Refused(what.clone())),
        }
    }
    for (part, seen) in parts.into_iter().filter(|(_, seen)| !seen.deleted) {
        seen.ended(part, &mut found);
    }
    found
}

/// What is known of a partition.
#[derive(Default)]
struct Seen {
    sent: u32,
    deleted: bool,
    values: BTreeMap<i64, Value>,
    offsets: BTreeMap<Value, i64>,
    acked: BTreeSet<Value>,
    /// For each acknowledgement, which event it was and the highest offset acknowledged by then, plus one.
    acked_ends: Vec<(usize, i64)>,
    high_watermark: i64,
    log_start: i64,
    /// What the last read saw.
    last: BTreeMap<i64, Value>,
    last_watermark: Option<i64>,
}

impl Seen {
    fn place(&mut self, part: Part, offset: i64, value: Value, found: &mut Vec<Anomaly>) {
        if value.part != part || value.number >= self.sent {
            found.push(Anomaly::Phantom { part, offset, value });
            return;
        }
        let first = *self.values.entry(offset).or_insert(value);
        if first != value {
            found.push(Anomaly::OffsetReused { part, offset, first, second: value });
        }
        let first = *self.offsets.entry(value).or_insert(offset);
        if first != offset {
            found.push(Anomaly::Duplicate { part, value, first, second: offset });
        }
    }

    fn acked(&mut self, at: usize, acked: &Acked, found: &mut Vec<Anomaly>) {
        let part = acked.part;
        for (offset, number) in (acked.offset..).zip(acked.first..acked.first + acked.count) {
            let value = Value { part, number };
            self.acked.insert(value);
            self.place(part, offset, value, found);
        }
        let before = self.acked_ends.last().map_or(0, |(_, end)| *end);
        self.acked_ends.push((at, before.max(acked.offset + i64::from(acked.count))));
    }

    fn fetched(&mut self, fetched: &Fetched, found: &mut Vec<Anomaly>) {
        let Fetched { part, high_watermark, log_start, .. } = *fetched;
        let visible = self.acked_ends.partition_point(|(at, _)| *at < fetched.begun);
        if let Some((_, acked_end)) = self.acked_ends[..visible].last()
            && high_watermark < *acked_end
        {
            found.push(Anomaly::Invisible { part, acked_end: *acked_end, high_watermark });
        }
        if high_watermark < self.high_watermark {
            found.push(Anomaly::WatermarkBack { part, from: self.high_watermark, to: high_watermark });
        }
        self.high_watermark = high_watermark;
        if let Some(log_start) = log_start {
            if log_start < self.log_start {
                found.push(Anomaly::LogStartBack { part, from: self.log_start, to: log_start });
            }
            self.log_start = log_start;
        }
        let (mut expected, mut before) = (fetched.asked, None);
        for (offset, value) in fetched.records.iter().copied() {
            if offset != expected {
                found.push(Anomaly::Skipped { part, expected, got: offset });
            }
            if offset >= high_watermark {
                found.push(Anomaly::BeyondWatermark { part, offset, high_watermark });
            }
            self.place(part, offset, value, found);
            if let Some(first) = before.filter(|first: &Value| first.number + 1 != value.number) {
                found.push(Anomaly::OutOfOrder { part, offset, first, second: value });
            }
            (expected, before) = (offset + 1, Some(value));
            if fetched.last {
                self.last.insert(offset, value);
            }
        }
        if fetched.last {
            self.last_watermark = Some(high_watermark);
        }
    }

    fn ended(self, part: Part, found: &mut Vec<Anomaly>) {
        let read = self.last.last_key_value().map_or(self.log_start, |(offset, _)| offset + 1);
        match self.last_watermark {
            Some(high_watermark) if high_watermark == read => {}
            other => {
                let high_watermark = other.unwrap_or(self.high_watermark);
                found.push(Anomaly::Unread { part, read, high_watermark });
            }
        }
        for (value, offset) in self.offsets {
            if offset < self.log_start || self.last.get(&offset) == Some(&value) {
                continue;
            }
            found.push(match self.acked.contains(&value) {
                true => Anomaly::Lost { part, offset, value },
                false => Anomaly::Vanished { part, offset, value },
            });
        }
    }
}

#[cfg(test)]
mod tests;
