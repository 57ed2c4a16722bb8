//! What was acknowledged to a partition, and what of it should be there.

use bytes::Bytes;
use klamm_records::batches;

use super::INTERVAL_MS;

/// A walk of the broker takes less; in milliseconds.
const SLACK_MS: i64 = 30_000;
/// Where the bytes of a batch begin that the broker leaves as they are: behind its base offset and its leader epoch.
const FIXED_AT: usize = 16;

/// What a topic keeps.
#[derive(Debug, Clone, Copy)]
pub(super) enum Keeps {
    /// So many hours.
    Hours(i64),
    /// At least so many bytes, if there are as many.
    Bytes(u64),
    All,
}

/// A batch that was acknowledged.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) base: i64,
    pub(super) last: i64,
    pub(super) time_ms: i64,
    pub(super) bytes: Bytes,
}

/// A partition.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) topic: &'static str,
    pub(super) index: i32,
    pub(super) keeps: Keeps,
    pub(super) sent: Vec<Sent>,
    /// Where the log began when it was last asked.
    pub(super) start: i64,
}

impl Ledger {
    pub(super) fn end(&self) -> i64 {
        self.sent.last().map_or(0, |sent| sent.last + 1)
    }

    fn name(&self) -> String {
        format!("{}-{}", self.topic, self.index)
    }

    /// The batches from the log's start on.
    fn live(&self) -> &[Sent] {
        &self.sent[self.sent.partition_point(|sent| sent.last < self.start)..]
    }

    /// The bytes of the batches from the log's start on.
    pub(super) fn live_bytes(&self) -> u64 {
        self.live().iter().map(|sent| sent.bytes.len() as u64).sum()
    }

    /// Takes in where the log starts. It was asked for between two times; quiet, if the broker had the time to look at
    /// all that was sent.
    pub(super) fn starts(
        &mut self,
        start: i64,
        asked_ms: i64,
        told_ms: i64,
        is_quiet: bool,
    ) -> Result<(), String> {
        let name = self.name();
        if start < self.start {
            return Err(format!("{name} began at {}, and begins at {start} now", self.start));
        }
        self.start = start;
        if start != self.end() && self.live().first().is_none_or(|first| first.base != start) {
            return Err(format!("{name} begins at {start}, in the midst of a batch"));
        }
        let gone = &self.sent[..self.sent.len() - self.live().len()];
        match self.keeps {
            Keeps::All if start > 0 => Err(format!("{name} keeps all, and begins at {start}")),
            Keeps::All => Ok(()),
            Keeps::Hours(hours) => {
                let age_ms = hours * 3_600_000;
                if let Some(young) = gone.last().filter(|sent| sent.time_ms >= told_ms - age_ms) {
                    return Err(format!(
                        "{name}: offset {} of {} ms went too early",
                        young.last, young.time_ms
                    ));
                }
                let oldest_ms = asked_ms - age_ms - INTERVAL_MS as i64 - SLACK_MS;
                match self.live().first().filter(|sent| sent.time_ms < oldest_ms) {
                    Some(old) => {
                        Err(format!("{name}: offset {} is {} ms too old", old.base, oldest_ms - old.time_ms))
                    }
                    None => Ok(()),
                }
            }
            Keeps::Bytes(bytes) => {
                let live = self.live_bytes();
                let first = self.live().first().map_or(0, |first| first.bytes.len() as u64);
                match live {
                    _ if !gone.is_empty() && live < bytes => Err(format!("{name} keeps {live} bytes only")),
                    _ if is_quiet && live - first >= bytes => Err(format!("{name} keeps {live} bytes")),
                    _ => Ok(()),
                }
            }
        }
    }

    /// The end of the batch that has an offset.
    pub(super) fn after(&self, offset: i64) -> i64 {
        self.sent[self.sent.partition_point(|sent| sent.last < offset)].last + 1
    }

    /// Compares what was fetched from an offset on; gives where to go on.
    pub(super) fn compare(&self, from: i64, records: &Bytes) -> Result<i64, String> {
        let mut next = from;
        let at = self.sent.partition_point(|sent| sent.last < from);
        for (sent, raw) in self.sent[at..].iter().zip(batches(records)) {
            let raw = raw.map_err(|error| format!("{}: {error}", self.name()))?;
            let bytes = raw.bytes();
            let base = i64::from_be_bytes(bytes[..8].try_into().expect("eight bytes"));
            if base != sent.base || bytes[FIXED_AT..] != sent.bytes[FIXED_AT..] {
                return Err(format!("{}: at offset {} something else is read", self.name(), sent.base));
            }
            next = sent.last + 1;
        }
        Ok(next)
    }
}
