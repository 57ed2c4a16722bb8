//! A partition in memory (storage class `memory`) between two restarts of its broker. A restart takes its records, by
//! promise; but offsets that were acknowledged or seen are not used again, and within a life all the usual promises hold.
//!
//! What was asked before a restart may be answered by the old broker and recorded after it. So only what was asked later
//! tells of the new life.

use std::collections::BTreeMap;

use crate::{Anomaly, Part, Values};

#[derive(Debug, Default)]
pub(crate) struct Life {
    /// What was asked after so many events was asked of this life.
    since: u64,
    /// Offsets below were used in earlier lives.
    used: i64,
    /// Where the log started when this life told it first.
    start: Option<i64>,
    /// The lowest offset that this life acknowledged.
    acked: Option<i64>,
    /// Records below may go, as somebody asked.
    trim_asked: i64,
    /// When each batch (writer, first number) was sent last.
    sent: BTreeMap<(u32, u32), u64>,
    /// The highest offset that was seen.
    top: Option<i64>,
}

impl Life {
    /// The first life, of a partition that is new.
    pub(crate) fn first() -> Self {
        Self { start: Some(0), ..Self::default() }
    }

    /// A new life; offsets below `used` are known to be used, besides those that were seen.
    pub(crate) fn restart(&mut self, at: u64, used: i64) {
        self.since = at + 1;
        self.used = self.used.max(used).max(self.top.map_or(0, |top| top + 1));
        (self.start, self.acked) = (None, None);
    }

    /// Whether what was asked then was certainly asked of this life.
    pub(crate) fn is_of(&self, begun: Option<u64>) -> bool {
        begun.is_some_and(|begun| begun >= self.since)
    }

    /// Where offsets that earlier lives used end.
    pub(crate) fn used(&self) -> i64 {
        self.used
    }

    pub(crate) fn sent(&mut self, at: u64, values: &Values) {
        self.sent.insert((values.writer, values.first), at);
    }

    /// Whether an acknowledgement is of this life.
    pub(crate) fn answers(&mut self, values: &Values) -> bool {
        let sent = self.sent.remove(&(values.writer, values.first));
        self.is_of(sent)
    }

    /// Acknowledged in this life.
    pub(crate) fn acked(&mut self, part: Part, offset: i64, found: &mut Vec<Anomaly>) {
        self.acked = Some(self.acked.map_or(offset, |lowest| lowest.min(offset)));
        if let Some(log_start) = self.start.filter(|start| offset < *start) {
            found.push(Anomaly::BelowLogStart { part, offset, log_start });
        }
    }

    pub(crate) fn seen(&mut self, part: Part, offset: i64, is_new: bool, found: &mut Vec<Anomaly>) {
        self.top = self.top.max(Some(offset));
        if is_new && offset < self.used {
            found.push(Anomaly::OffsetsBack { part, offset, used: self.used });
        }
    }

    /// Somebody asks for a trim. Gives how far the log start may go from now on.
    pub(crate) fn may_trim(&mut self, below: i64) -> i64 {
        self.trim_asked = self.trim_asked.max(below);
        self.start.map_or(i64::MAX, |start| start.max(self.trim_asked))
    }

    /// This life tells where the log starts; by the first word it is known how far it may go on.
    pub(crate) fn starts(&mut self, part: Part, log_start: i64, found: &mut Vec<Anomaly>) -> Option<i64> {
        if self.start.is_some() {
            return None;
        }
        self.start = Some(log_start);
        let allowed = self.acked.map(|acked| acked.max(self.trim_asked));
        if let Some(allowed) = allowed.filter(|allowed| log_start > *allowed) {
            found.push(Anomaly::LogStartTooFar { part, log_start, allowed });
        }
        Some(log_start.max(self.trim_asked))
    }
}
