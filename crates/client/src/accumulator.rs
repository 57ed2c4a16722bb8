//! Collects records into batches, one open batch for each partition. Pure.
//!
//! Invariant: the batches of a partition come out in the order in which their records went in.

use std::collections::BTreeMap;

use klamm_records::{BatchBuilder, Compression, HEAD_BYTES, HeaderRef};

use crate::{Record, TopicPartition};

/// A batch that is full: not yet compressed, without a producer.
#[derive(Debug)]
pub struct Ready {
    /// Where it goes.
    pub of: TopicPartition,
    /// Its records.
    pub builder: BatchBuilder,
}

/// Open batches.
#[derive(Debug)]
pub struct Accumulator {
    compression: Compression,
    batch_bytes_max: usize,
    open: BTreeMap<TopicPartition, BatchBuilder>,
}

impl Accumulator {
    /// Batches are closed before they exceed `batch_bytes_max`, uncompressed; a larger record has one of its own.
    pub fn new(compression: Compression, batch_bytes_max: usize) -> Self {
        Self { compression, batch_bytes_max, open: BTreeMap::new() }
    }

    /// Adds a record; gives the batch that had no room for it.
    pub fn push(&mut self, of: &TopicPartition, record: &Record) -> Option<Ready> {
        let bytes = record.bytes_max();
        let full = match self.open.get(of) {
            Some(batch) if batch.bytes() + bytes > self.batch_bytes_max => self.close(of),
            _ => None,
        };
        let compression = self.compression;
        let batch = self.open.entry(of.clone()).or_insert_with(|| BatchBuilder::new(compression));
        let headers: Vec<HeaderRef<'_>> =
            record.headers.iter().map(|(key, value)| (key.as_bytes(), value.as_deref())).collect();
        batch.push(record.timestamp_ms, record.key.as_deref(), record.value.as_deref(), &headers);
        full
    }

    /// Whether a record more would close the batch.
    pub fn is_full(&self, of: &TopicPartition, record: &Record) -> bool {
        self.open.get(of).is_some_and(|batch| batch.bytes() + record.bytes_max() > self.batch_bytes_max)
    }

    /// Closes one batch.
    pub fn close(&mut self, of: &TopicPartition) -> Option<Ready> {
        self.open.remove(of).map(|builder| Ready { of: of.clone(), builder })
    }

    /// Closes all.
    pub fn drain(&mut self) -> Vec<Ready> {
        std::mem::take(&mut self.open).into_iter().map(|(of, builder)| Ready { of, builder }).collect()
    }

    /// Bytes in open batches, without their heads.
    pub fn bytes(&self) -> usize {
        self.open.values().map(|batch| batch.bytes() - HEAD_BYTES).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_close_when_they_are_full() {
        let mut all = Accumulator::new(Compression::default(), 1000);
        let (a, b) = (TopicPartition::new("t", 0), TopicPartition::new("t", 1));
        let record =
            |bytes| Record { value: Some(vec![b'x'; bytes].into()), timestamp_ms: 1, ..Record::default() };
        assert!(all.push(&a, &record(400)).is_none() && all.push(&b, &record(400)).is_none());
        assert!(all.push(&a, &record(400)).is_none());
        assert!(all.is_full(&a, &record(400)) && !all.is_full(&b, &record(400)));
        let full = all.push(&a, &record(5000)).unwrap();
        assert_eq!((full.of.partition, full.builder.record_count()), (0, 2));
        let alone = all.push(&a, &record(1)).unwrap();
        assert_eq!(alone.builder.record_count(), 1, "a large record has a batch of its own");
        assert!(all.bytes() > 400);
        let rest: Vec<_> =
            all.drain().iter().map(|one| (one.of.partition, one.builder.record_count())).collect();
        assert_eq!(rest, [(0, 1), (1, 1)]);
        assert!(all.drain().is_empty() && all.bytes() == 0);
    }
}
