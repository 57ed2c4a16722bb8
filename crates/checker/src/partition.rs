//! Judges one partition. What is known: which value each offset had, where each value of an idempotent writer is, which
//! offsets were acknowledged; the high watermark and the log start at each event; where consumers are.

mod reading;
mod writer;

use std::collections::BTreeMap;

use self::{reading::Last, writer::Writer};
use crate::{
    Anomaly, Part, Value, Values,
    life::Life,
    numbers::{Highest, Numbers},
};

#[derive(Debug)]
pub(crate) struct Partition {
    part: Part,
    writers: BTreeMap<u32, Writer>,
    /// What is at each offset.
    values: Numbers,
    acked: BTreeMap<i64, i64>,
    /// The end of what was acknowledged.
    acked_end: Highest,
    high_watermark: Highest,
    log_start: Highest,
    /// No record from here on may go.
    trim_allowed: i64,
    /// Where each consumer goes on.
    positions: BTreeMap<u32, i64>,
    deleting: bool,
    last: Option<Last>,
    /// Of a partition in memory.
    life: Option<Life>,
    /// It was told already that values lie in another order than they were sent in.
    is_disordered: bool,
}

impl Partition {
    pub(crate) fn new(part: Part) -> Self {
        Self {
            part,
            writers: BTreeMap::new(),
            values: Numbers::default(),
            acked: BTreeMap::new(),
            acked_end: Highest::default(),
            high_watermark: Highest::default(),
            log_start: Highest::default(),
            trim_allowed: 0,
            positions: BTreeMap::new(),
            deleting: false,
            last: None,
            life: None,
            is_disordered: false,
        }
    }

    /// It is in memory.
    pub(crate) fn ephemeral(&mut self) {
        self.life = Some(Life::first());
    }

    /// The broker ended, and with it what was in memory.
    pub(crate) fn restarted(&mut self, at: u64) {
        let Some(life) = &mut self.life else { return };
        life.restart(at, self.acked_end.now().max(self.high_watermark.now()).unwrap_or(0));
        self.trim_allowed = i64::MAX;
        self.acked.clear();
        self.positions.clear();
        self.last = None;
        self.writers.values_mut().for_each(|writer| writer.offsets = Numbers::default());
    }

    pub(crate) fn sent(&mut self, at: u64, values: &Values, plain: bool) {
        if let Some(life) = &mut self.life {
            life.sent(at, values);
        }
        let writer = self.writers.entry(values.writer).or_default();
        writer.plain = plain;
        writer.sent = writer.sent.max(values.first + values.count);
        for number in values.first..values.first + values.count {
            if plain {
                *writer.times.entry(number).or_default() += 1;
            } else {
                writer.refused.remove(&number);
            }
        }
    }

    pub(crate) fn refused(&mut self, values: &Values) {
        let Some(writer) = self.writers.get_mut(&values.writer) else { return };
        for number in values.first..values.first + values.count {
            if writer.plain {
                let times = writer.times.entry(number).or_default();
                *times = times.saturating_sub(1);
            } else {
                writer.refused.insert(number);
            }
        }
    }

    pub(crate) fn acked(&mut self, at: u64, values: &Values, offset: i64, found: &mut Vec<Anomaly>) {
        let end = offset + i64::from(values.count);
        if let Some(life) = &mut self.life {
            if !life.answers(values) {
                self.acked_end.at_least(at, end);
                for (offset, number) in (offset..).zip(values.first..values.first + values.count) {
                    self.was(offset, Value { writer: values.writer, number }, found);
                }
                return;
            }
            life.acked(self.part, offset, found);
        }
        self.neighbours(values, offset, found);
        for (offset, number) in (offset..).zip(values.first..values.first + values.count) {
            self.place(offset, Value { writer: values.writer, number }, false, found);
        }
        // Ranges that touch become one: in order of arrival they nearly always do.
        let mut from = offset;
        if let Some((before, before_end)) = self.acked.range(..=offset).next_back()
            && *before_end >= offset
        {
            from = *before;
        }
        let so_far = self.acked.entry(from).or_insert(end);
        *so_far = end.max(*so_far);
        self.acked_end.at_least(at, end);
    }

    /// What was sent just before and just after must lie before and after.
    fn neighbours(&mut self, values: &Values, offset: i64, found: &mut Vec<Anomaly>) {
        let Some(writer) = self.writers.get(&values.writer).filter(|writer| !writer.plain) else { return };
        let end = values.first + values.count;
        let of = |number: u32| Value { writer: values.writer, number };
        if let Some(before) = values.first.checked_sub(1)
            && let Some(at) = writer.offset(before)
            && at >= offset
        {
            let (first, second, part) = (of(before), of(values.first), self.part);
            self.is_disordered = true;
            found.push(Anomaly::NonMonotonicSend { part, first, second, at, then: offset });
        }
        let at = offset + i64::from(values.count) - 1;
        if let Some(then) = writer.offset(end).filter(|then| *then <= at) {
            let (first, second, part) = (of(end - 1), of(end), self.part);
            self.is_disordered = true;
            found.push(Anomaly::NonMonotonicSend { part, first, second, at, then });
        }
    }

    /// A value is at an offset: it was read there, or acknowledged.
    fn place(&mut self, offset: i64, value: Value, read: bool, found: &mut Vec<Anomaly>) {
        let part = self.part;
        let Ok(key) = u64::try_from(offset) else {
            found.push(Anomaly::Phantom { part, offset, value });
            return;
        };
        let Some(writer) = self.writers.get_mut(&value.writer).filter(|writer| value.number < writer.sent)
        else {
            found.push(Anomaly::Phantom { part, offset, value });
            return;
        };
        if let Some(life) = &mut self.life {
            life.seen(part, offset, true, found);
        }
        let known = self.values.get(key).map(Value::unpacked);
        match known {
            None => {
                self.values.put(key, value.packed());
            }
            Some(first) if first != value => {
                found.push(Anomaly::OffsetReused { part, offset, first, second: value });
            }
            // The usual case of a second reader.
            Some(_) if read && writer.plain => return,
            Some(_) => {}
        }
        writer.place(part, offset, value, read, found);
    }

    /// A value was at an offset, in memory that is gone.
    fn was(&mut self, offset: i64, value: Value, found: &mut Vec<Anomaly>) {
        let part = self.part;
        if let Some(life) = &mut self.life {
            life.seen(part, offset, false, found);
        }
        let Ok(key) = u64::try_from(offset) else { return };
        match self.values.put(key, value.packed()).map(Value::unpacked) {
            Some(first) if first != value => {
                found.push(Anomaly::OffsetReused { part, offset, first, second: value });
            }
            _ => {}
        }
    }

    pub(crate) fn seek(&mut self, consumer: u32) {
        self.positions.remove(&consumer);
    }

    pub(crate) fn may_trim(&mut self, below: i64) {
        let allowed = self.life.as_mut().map_or(below, |life| life.may_trim(below));
        self.trim_allowed = self.trim_allowed.max(allowed);
    }

    pub(crate) fn trimmed(&mut self, at: u64, log_start: i64, found: &mut Vec<Anomaly>) {
        self.starts(log_start, found);
        self.log_start.at_least(at, log_start);
    }

    fn starts(&self, log_start: i64, found: &mut Vec<Anomaly>) {
        if log_start > self.trim_allowed {
            let (part, allowed) = (self.part, self.trim_allowed);
            found.push(Anomaly::LogStartTooFar { part, log_start, allowed });
        }
    }

    pub(crate) fn deleting(&mut self) {
        self.deleting = true;
    }

    /// An idempotent writer's values lie in the order of their numbers, whatever lies between them.
    fn order(&self, found: &mut Vec<Anomaly>) {
        let part = self.part;
        for (id, writer) in self.writers.iter().filter(|(_, writer)| !writer.plain) {
            let mut before: Option<(Value, i64)> = None;
            for (number, twice) in writer.offsets.iter() {
                let (second, then) = (Value { writer: *id, number: number as u32 }, (twice / 2) as i64);
                if let Some((first, at)) = before.filter(|(_, at)| *at > then) {
                    found.push(Anomaly::NonMonotonicSend { part, first, second, at, then });
                }
                before = Some((second, then));
            }
        }
    }

    pub(crate) fn finish(self, found: &mut Vec<Anomaly>) {
        let part = self.part;
        if !self.is_disordered {
            self.order(found);
        }
        if self.deleting {
            return;
        }
        // Without word of a log start, what was allowed to go may be gone.
        let log_start = self.log_start.now().unwrap_or(self.trim_allowed);
        let end = self.high_watermark.now().max(self.acked_end.now()).unwrap_or(0);
        let last = self.last.unwrap_or_default();
        let read = last.until(log_start);
        let end = last.high_watermark.unwrap_or(end).max(log_start);
        if read < end {
            found.push(Anomaly::Unseen { part, read, end });
        }
        for (key, value) in self.values.iter() {
            let offset = i64::try_from(key).expect("it was one");
            let is_gone = self.life.as_ref().is_some_and(|life| offset < life.used());
            if offset < log_start || is_gone || last.values.get(key) == Some(value) {
                continue;
            }
            let value = Value::unpacked(value);
            let acked = self.acked.range(..=offset).next_back().is_some_and(|(_, end)| offset < *end);
            found.push(match acked {
                true => Anomaly::Lost { part, offset, value },
                false => Anomaly::Vanished { part, offset, value },
            });
        }
    }
}
