//! What readers of a partition see: records, high watermark, log start.

use super::Partition;
use crate::{Anomaly, Poll, Value, numbers::Numbers};

impl Partition {
    pub(crate) fn polled(&mut self, at: u64, poll: &Poll, found: &mut Vec<Anomaly>) {
        let part = self.part;
        if let Some(life) = &mut self.life {
            if !life.is_of(poll.begun) {
                self.marks(at, poll, found);
                poll.records.iter().for_each(|(offset, value)| self.was(*offset, *value, found));
                return;
            }
            if let Some(log_start) = poll.log_start
                && let Some(allowed) = life.starts(part, log_start, found)
            {
                self.trim_allowed = allowed;
            }
        }
        self.marks(at, poll, found);
        let known_start = poll.begun.and_then(|begun| self.log_start.when(begun)).unwrap_or(0);
        let position = self.positions.get(&poll.consumer).copied();
        let mut next = poll.asked.or(position);
        let mut before: Option<i64> = None;
        let mut latest: Option<Value> = None;
        for (offset, value) in poll.records.iter().copied() {
            if let Some(first) = before.filter(|first| *first >= offset) {
                found.push(Anomaly::NonMonotonicPollInternal { part, first, second: offset });
            } else if let Some(expected) = next {
                self.follows(poll, expected, offset, before.is_none(), found);
            }
            if let Some(high_watermark) = poll.high_watermark.filter(|end| *end <= offset) {
                found.push(Anomaly::BeyondWatermark { part, offset, high_watermark });
            }
            let log_start = poll.log_start.unwrap_or(0).max(known_start);
            if offset < log_start {
                found.push(Anomaly::BelowLogStart { part, offset, log_start });
            }
            self.place(offset, value, true, found);
            if let Some(first) = latest.filter(|first| first.writer == value.writer)
                && value.number < first.number
                && !self.writers.get(&value.writer).is_some_and(|writer| writer.plain)
            {
                self.is_disordered = true;
                found.push(Anomaly::OutOfOrder { part, offset, first, second: value });
            }
            (before, next, latest) = (Some(offset), Some(offset + 1), Some(value));
        }
        if let Some(next) = next {
            self.positions.insert(poll.consumer, next);
        }
        if poll.last {
            self.last.get_or_insert_default().saw(poll);
        }
    }

    /// A record comes where another was expected.
    fn follows(&self, poll: &Poll, expected: i64, got: i64, first: bool, found: &mut Vec<Anomaly>) {
        let part = self.part;
        if got > expected && got > self.trim_allowed {
            found.push(Anomaly::PollSkip { part, expected: expected.max(self.trim_allowed), got });
        }
        if first && got < expected && poll.asked.is_none_or(|asked| got < asked) {
            let consumer = poll.consumer;
            found.push(Anomaly::NonMonotonicPollExternal { part, consumer, position: expected, got });
        }
    }

    /// High watermark and log start as the answer tells them.
    fn marks(&mut self, at: u64, poll: &Poll, found: &mut Vec<Anomaly>) {
        let part = self.part;
        if let Some(high_watermark) = poll.high_watermark {
            let begun = poll.begun.unwrap_or(0);
            if let Some(acked_end) = self.acked_end.when(begun).filter(|end| high_watermark < *end) {
                found.push(Anomaly::Invisible { part, acked_end, high_watermark });
            }
            if let Some(from) = self.high_watermark.when(begun).filter(|from| high_watermark < *from) {
                found.push(Anomaly::WatermarkBack { part, from, to: high_watermark });
            }
            self.high_watermark.at_least(at, high_watermark);
        }
        if let Some(log_start) = poll.log_start {
            self.starts(log_start, found);
            let begun = poll.begun.unwrap_or(0);
            if let Some(from) = self.log_start.when(begun).filter(|from| log_start < *from) {
                found.push(Anomaly::LogStartBack { part, from, to: log_start });
            }
            self.log_start.at_least(at, log_start);
        }
    }
}

/// What the last read saw.
#[derive(Debug, Default)]
pub(super) struct Last {
    /// Ranges of offsets, by their beginnings.
    read: Vec<(i64, i64)>,
    pub(super) high_watermark: Option<i64>,
    pub(super) values: Numbers,
}

impl Last {
    fn saw(&mut self, poll: &Poll) {
        self.high_watermark = poll.high_watermark.or(self.high_watermark);
        for (offset, value) in &poll.records {
            if let Ok(key) = u64::try_from(*offset) {
                self.values.put(key, value.packed());
            }
            match self.read.last_mut() {
                Some((_, end)) if *end == *offset => *end += 1,
                _ => self.read.push((*offset, *offset + 1)),
            }
        }
    }

    /// How far it came, from an offset on.
    pub(super) fn until(&self, from: i64) -> i64 {
        self.read.iter().map(|(_, end)| *end).max().unwrap_or(from).max(from)
    }
}
